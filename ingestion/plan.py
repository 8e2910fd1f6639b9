"""What a sync has to do: what the sources have, compared with what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ingestion.documents import DocumentState, hash_of
from ingestion.errors import IngestionError
from ingestion.sources.source import FailedItem, Source, SourceItem

ACL_HASH_OF_NOBODY = hash_of([])
# One change of the store closes this many: a folder of many pages is closed in a moment.
_RIGHTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Listing:
    """What one source has.

    Attributes:
        items: What is there, readable or not.
        whole: Whether that is all; only then may what is missing be deleted.
    """

    source: str
    items: tuple[SourceItem | FailedItem, ...]
    whole: bool


@dataclass(slots=True)
class Plan:
    """What one run has to do; each document is in one list only, but for `closings`.

    Attributes:
        closings: Ids of stored documents that nobody may read for now: their access can't be told
            any more, or content and access changed both, so that the old content belongs neither
            to the old readers nor to the new ones.
        acl_changes: Stored as they are, but for who may read them.
        deletions: Ids of stored documents that their source has no more.
        additions: Not stored.
        updates: Stored with another content, or not whole.
        unchanged: How many there are.
        failed: What couldn't be had; a stored version stays.
    """

    closings: list[str] = field(default_factory=list)
    acl_changes: list[SourceItem] = field(default_factory=list)
    deletions: list[str] = field(default_factory=list)
    additions: list[SourceItem] = field(default_factory=list)
    updates: list[SourceItem] = field(default_factory=list)
    unchanged: int = 0
    failed: list[FailedItem] = field(default_factory=list)


def list_source(source: Source, stored: bool) -> Listing:
    """Return what a source has.

    Args:
        source: Where documents come from.
        stored: Whether the index holds documents of it. When it then has none at all it is
            rather not mounted than emptied, and nothing is deleted.
    """
    items: list[SourceItem | FailedItem] = []
    try:
        items.extend(source.items())
    except IngestionError as error:
        items.append(_failed_source(source, error.problem, error.mend))
        return Listing(source.name, tuple(items), whole=False)
    if not items and stored:
        empty = _failed_source(
            source,
            "It has no documents any more; the stored ones are kept.",
            "Check that its folder is mounted. To remove them, take the source out and run: "
            "nightshift ingest --rebuild",
        )
        return Listing(source.name, (empty,), whole=False)
    return Listing(source.name, tuple(items), whole=True)


def make_plan(
    listings: Iterable[Listing], states: Mapping[str, DocumentState], *, full: bool = False
) -> Plan:
    """Compare what the sources have with what is stored. Pure.

    A failed item whose id ends in a slash is a folder that couldn't be listed: what is stored of it
    is closed, since its rules can't be seen either.

    Args:
        listings: One a source.
        states: What is stored, by document id.
        full: Read and embed everything, changed or not.
    """
    plan = Plan()
    seen: set[str] = set()
    whole_sources: set[str] = set()
    for listing in listings:
        if listing.whole:
            whole_sources.add(listing.source)
        for item in listing.items:
            if item.document_id not in seen:
                _sort_in(plan, item, states.get(item.document_id), full)
            if item.document_id:
                seen.add(item.document_id)
    unlisted = tuple(id_ for id_ in seen if id_.endswith("/"))
    for state in states.values():
        if state.document_id in seen or state.source not in whole_sources:
            continue
        if not state.document_id.startswith(unlisted):
            plan.deletions.append(state.document_id)
        elif state.acl_hash != ACL_HASH_OF_NOBODY:
            plan.closings.append(state.document_id)
    return plan


def rights_of(plan: Plan) -> Iterator[tuple[Sequence[str], list[str]]]:
    """Yield ids of documents with their new ACL, some hundreds at a time, what closes first."""
    for some in in_batches(plan.closings):
        yield some, []
    alike: dict[tuple[str, ...], list[str]] = {}
    for item in plan.acl_changes:
        alike.setdefault(tuple(sorted(item.acl)), []).append(item.document_id)
    for acl, document_ids in alike.items():
        for some in in_batches(document_ids):
            yield some, list(acl)


def in_batches(document_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield ids, as many at a time as a store changes the rights of at once."""
    for start in range(0, len(document_ids), _RIGHTS_AT_ONCE):
        yield document_ids[start : start + _RIGHTS_AT_ONCE]


def _sort_in(
    plan: Plan, item: SourceItem | FailedItem, state: DocumentState | None, full: bool
) -> None:
    if isinstance(item, FailedItem):
        plan.failed.append(item)
        if item.access_unknown and state and state.acl_hash != ACL_HASH_OF_NOBODY:
            plan.closings.append(item.document_id)
    elif state is None:
        plan.additions.append(item)
    elif full or not state.complete or state.content_hash != item.content_hash:
        plan.updates.append(item)
        if state.acl_hash not in (hash_of(sorted(item.acl)), ACL_HASH_OF_NOBODY):
            plan.closings.append(item.document_id)
    elif state.acl_hash != hash_of(sorted(item.acl)):
        plan.acl_changes.append(item)
    else:
        plan.unchanged += 1


def _failed_source(source: Source, problem: str, mend: str) -> FailedItem:
    return FailedItem("", source.name, "", problem, mend, access_unknown=False)
