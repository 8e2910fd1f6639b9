"""Runs from the sources to the index, for whoever starts them: a command, or Slack."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from bot.activity import SourceRun, record_runs
from bot.generations import served_generation, served_states
from bot.plural import counted
from bot.source_names import with_stable_names
from ingestion import arrivals
from ingestion.documents import DocumentState
from ingestion.errors import IndexMismatchError, IndexOutOfReachError, IndexStoreError
from ingestion.index.elastic_patience import writers_patience
from ingestion.index.opening import drop_leftovers
from ingestion.index.served import REBUILD, difference
from ingestion.locks import one_rebuild, one_writer, rebuild_runs
from ingestion.rebuild import Surroundings, rebuild
from ingestion.settings import SourceSettings
from ingestion.sources.configured import build_sources
from ingestion.sources.folder import FolderSource
from ingestion.sources.source import Source
from ingestion.sync import Progress, SyncReport, sync
from training.errors import DatabaseError

if TYPE_CHECKING:
    from bot.assembly import Nightshift

logger = logging.getLogger(__name__)

OnProgress = Callable[[Progress], None]

# Whoever reads the sources for all holds it: /reindex, or the schedule.
LEASE = "reindex"
LEASE_SECONDS = 120.0

_NAMED_LINKS = 5

STEPS = {
    "list": "Looking for documents",
    "protect": "Setting who may read",
    "delete": "Removing",
    "embed": "Reading and embedding",
    "optimize": "Tidying the index",
    "check": "Checking the new index",
}
"""The steps of a run, for people."""


@writers_patience()
def reindex(
    nightshift: Nightshift,
    sources: Sequence[SourceSettings],
    on_progress: OnProgress,
    *,
    rebuild: bool = False,
    full: bool = False,
) -> SyncReport:
    """Bring the index up to date with the sources.

    Args:
        nightshift: The installation.
        sources: Where documents come from.
        on_progress: Called before and after each piece of work, in this thread.
        rebuild: Make the index anew, beside the one that serves and may be written to meanwhile.
        full: Where nothing is rebuilt, read and embed all documents of these sources again,
            changed or not.

    Raises:
        SettingsError: A source can't be what it says.
        IndexMismatchError: The index was made by something else, and isn't to be rebuilt.
        IngestionError: Another run of this kind is under way, or the store or the embedder failed;
            what was stored until then stays, but for a rebuild's.
    """
    named = with_stable_names(sources, nightshift.data_dir)
    built = _built(nightshift, named)
    run = _rebuilt if rebuild else partial(_synced, full=full)
    report = run(nightshift, named, built, on_progress)
    _note(nightshift, built, report)
    folders = [source for source in built if isinstance(source, FolderSource)]
    return replace(
        report,
        skipped=sum(folder.skipped for folder in folders),
        links=tuple(link for folder in folders for link in folder.links),
    )


def counts_told(report: Mapping[str, Any]) -> str:
    """Say in a phrase what a run did. Pure.

    Args:
        report: A `SyncReport` as a dictionary.
    """
    counts = (
        (report["added"], "new"),
        (report["updated"], "changed"),
        (report["acl_changed"], "with other rights"),
        (report["deleted"], "gone"),
        (report["unchanged"], "unchanged"),
        (len(report["failed"]), "not readable"),
    )
    return ", ".join(f"{count} {what}" for count, what in counts if count) or "none"


def passed_over(report: SyncReport) -> list[str]:
    """Say in sentences what lies in the folders and wasn't read. Pure."""
    said = []
    if report.skipped:
        said.append(f"{counted(report.skipped, 'file')} of other formats passed over.")
    if report.links:
        named = ", ".join(report.links[:_NAMED_LINKS])
        more = ", …" if len(report.links) > _NAMED_LINKS else ""
        links = counted(len(report.links), "link")
        said.append(f"{links} that lead nowhere in the folder not followed: {named}{more}")
    return said


def _synced(
    nightshift: Nightshift,
    named: Sequence[SourceSettings],
    built: Sequence[Source],
    on_progress: OnProgress,
    *,
    full: bool,
) -> SyncReport:
    """Change what serves."""
    data_dir = nightshift.data_dir
    with one_writer(data_dir):
        served = served_generation(nightshift)
        if served and served.metadata and served.metadata != nightshift.index_metadata:
            reason = difference(served.metadata, nightshift.index_metadata)
            raise IndexMismatchError(reason, REBUILD)
        if arrivals.was_begun(data_dir) and not rebuild_runs(data_dir):
            drop_leftovers(nightshift.settings.index, data_dir)
            arrivals.end(data_dir)
        arrivals.leave_word(data_dir, named)
        return sync(
            built,
            nightshift.index,
            nightshift.embedder,
            nightshift.chunk,
            on_progress=on_progress,
            full=full,
        )


def _rebuilt(
    nightshift: Nightshift,
    named: Sequence[SourceSettings],
    built: Sequence[Source],
    on_progress: OnProgress,
) -> SyncReport:
    """Make what shall serve, beside what does."""
    data_dir = nightshift.data_dir

    def arrived() -> list[Source]:
        later = arrivals.read(data_dir)
        return _built(nightshift, arrivals.merged(named, later)) if later else list(built)

    surroundings = Surroundings(
        served=partial(_states_or_nothing, nightshift),
        writing=partial(one_writer, data_dir, wait=True),
        arrived=arrived,
    )
    with one_rebuild(data_dir):
        arrivals.begin(data_dir)
        new = nightshift.new_index()
        try:
            return rebuild(
                built,
                new,
                nightshift.embedder,
                nightshift.chunk,
                surroundings,
                on_progress=on_progress,
            )
        finally:
            # Where the store is away too, the next run removes what is left.
            with suppress(IndexStoreError):
                new.discard()
                arrivals.end(data_dir)
            new.close()


def _built(nightshift: Nightshift, named: Sequence[SourceSettings]) -> list[Source]:
    return build_sources(named, nightshift.settings.chunking.max_file_mb)


def _states_or_nothing(nightshift: Nightshift) -> Mapping[str, DocumentState]:
    """Return the served documents; a damaged index serves none, and is being replaced."""
    try:
        return served_states(nightshift)
    except IndexOutOfReachError:
        raise  # what is there will be back
    except IndexStoreError:
        return {}


def _note(nightshift: Nightshift, sources: Sequence[Source], report: SyncReport) -> None:
    """Note when each source that could be read was read."""
    unread = {failed.source for failed in report.failed if not failed.document_id}
    failed = Counter(failed.source for failed in report.failed)
    now = datetime.now(UTC)
    runs = [
        SourceRun(
            source.name,
            now,
            sum(state.complete for state in nightshift.index.states(source.name).values()),
            failed[source.name],
        )
        for source in sources
        if source.name not in unread
    ]
    try:
        record_runs(nightshift.database, runs)
    except DatabaseError as error:  # the documents are in all the same
        logger.warning("When the sources were read can't be noted: %s", error.problem)
