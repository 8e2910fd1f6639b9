"""Which index an alias serves, by what it was made, and how the next one takes its place."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, BadRequestError, Elasticsearch, NotFoundError

from ingestion.errors import IndexMismatchError, IndexUnavailableError
from ingestion.index.elastic_client import address_of, connect
from ingestion.index.elastic_errors import mapped_errors
from ingestion.index.elastic_mapping import Layout, metadata_of
from ingestion.index.elastic_patience import read_patiently
from ingestion.index.protocol import Generation, IndexMetadata, Role
from ingestion.index.served import REBUILD, difference, no_previous, other_previous
from ingestion.settings import IndexSettings

logger = logging.getLogger(__name__)

_ORDER: tuple[Role, ...] = ("served", "previous", "unfinished")
# Together shorter than the client waits, so that the answer is the server's.
_SWAP_QUEUED, _SWAP_TOLD = "15s", "10s"


class Generations:
    """The indexes ``<alias>-000001``, ``-000002`` … of which the alias names one.

    A second alias, ``<alias>-previous``, names the one before. Changes go through an alias always,
    also to an index that isn't served: a bulk request to an index that was removed would make it
    anew, with a mapping of the server's own guess.

    The alias of an index that is being made can be taken off once only: whoever does may serve the
    index, or remove it. So a swap whose answer was lost and the tidying after it never meet.

    Attributes:
        unpublished: The index in use where it isn't the served one.
        verified: Names of indexes that are known to be readable with our vectors.
    """

    def __init__(
        self, client: Elasticsearch, alias: str, metadata: IndexMetadata, layout: Layout
    ) -> None:
        self.unpublished: str | None = None
        self.verified: frozenset[str] = frozenset()
        self._client = client
        self._alias = alias
        self._previous = f"{alias}-previous"
        self._written_through = alias
        self._metadata = metadata
        self._layout = layout

    @property
    def target(self) -> str:
        """What to read from: the index of a rebuild, or the alias."""
        return self.unpublished or self._alias

    @property
    def written_through(self) -> str:
        """The alias through which the index in use is changed."""
        return self._written_through

    def serve_one(self) -> None:
        """Serve an empty index where none is served.

        Raises:
            IndexMismatchError: The served one was made by something else.
            IndexUnavailableError: The alias was taken off what it served, or names several.
        """
        if not self._is_served():
            left = self._orphans()
            if left:
                raise _without_alias(self._alias, left)
            self._create_first()
        self.verified_name()

    def start_next(self) -> None:
        """Make the index of a rebuild; what earlier attempts left behind is removed."""
        # The first is made by an opening only, where its name decides a race.
        last = max([1, *(self._number(name) for name in self._all())])
        self.drop_others()
        name = self._name(last + 1)
        # Nobody else's: whose index was removed must not write to the next of the same name.
        self._written_through = f"{name}-building-{uuid.uuid4().hex[:12]}"
        try:
            self._create(name, aliases={self._written_through: {}})
        except BadRequestError as error:
            # Sent again after a lost answer, it finds what it has made.
            if not _is_there(error) or self._written_through not in self._all().get(name, ()):
                raise
        self.unpublished = name

    def use_previous(self) -> None:
        """Use the index that was served before.

        Raises:
            IndexMismatchError: It was made by something else.
            IndexUnavailableError: There is none.
        """
        previous = [name for name, aliases in self._all().items() if self._previous in aliases]
        if not previous:
            raise no_previous()
        stored = self._metadata_of(previous[0])
        if stored is None:
            raise _not_ours(previous[0])
        if stored != self._metadata:
            raise other_previous(stored, self._metadata)
        self._written_through = self._previous
        self.unpublished = previous[0]

    def publish(self) -> None:
        """Move the alias to the index in use in one step, keep the one before, drop older ones.

        May be done again where its answer was lost.
        """
        new = self.unpublished
        if new is None:
            return
        try:
            self._swap(new, self._all())
        except NotFoundError:
            # An earlier attempt came through while this one was on its way.
            if self._alias not in self._all().get(new, ()):
                raise
        self.unpublished, self._written_through = None, self._alias
        try:
            self.drop_others()
        except (ApiError, TransportError) as error:
            logger.warning("Older generations can't be removed yet: %s.", type(error).__name__)

    def _swap(self, new: str, generations: Mapping[str, AbstractSet[str]]) -> None:
        if self._alias in generations.get(new, ()):
            return
        actions: list[dict[str, Any]] = [
            {"add": {"index": new, "alias": self._alias}},
            {"remove": {"index": new, "alias": self._written_through, "must_exist": True}},
        ]
        for name, aliases in generations.items():
            if self._alias in aliases:
                actions.append({"remove": {"index": name, "alias": self._alias}})
                actions.append({"add": {"index": name, "alias": self._previous}})
            elif self._previous in aliases and name != new:
                actions.append({"remove": {"index": name, "alias": self._previous}})
        self._client.indices.update_aliases(
            actions=actions, master_timeout=_SWAP_QUEUED, timeout=_SWAP_TOLD
        )

    def discard(self) -> None:
        """Remove the index of a rebuild, unless it came to be served after all."""
        if self.unpublished is not None and self._written_through != self._previous:
            self._drop(self.unpublished, {self._written_through})

    def drop_others(self) -> None:
        """Remove all but what is served and kept, and what may have lost its alias."""
        kept = self._orphans()
        for name, aliases in self._all().items():
            if self._role(aliases) == "unfinished" and name not in kept:
                self._drop(name, aliases)

    def found(self) -> list[Generation]:
        """Return all generations: the served one, the one before, then those nothing serves."""
        found = [
            self._generation(name, self._role(aliases)) for name, aliases in self._all().items()
        ]
        return sorted(found, key=lambda each: (_ORDER.index(each.role), each.name))

    def verified_name(self, *, writing: bool = False) -> str:
        """Return the name of the index in use, once it is known to hold what we make.

        Args:
            writing: It must be made by our chunker too; else only its vectors must be ours.

        Raises:
            IndexMismatchError: It was made by something else.
            IndexUnavailableError: The alias names several.
        """
        if self.unpublished is not None:
            return self.unpublished
        served = self._client.indices.get_mapping(index=self._alias)
        if len(served) != 1:
            raise IndexUnavailableError(
                f"The alias {self._alias} names {len(served)} indexes.",
                "Take it from all but one of them.",
            )
        ((name, index),) = served.items()
        stored = metadata_of(index["mappings"])
        if stored is None:
            raise _not_ours(name)
        if not self._metadata.reads(stored) or (writing and stored != self._metadata):
            raise IndexMismatchError(difference(stored, self._metadata), REBUILD)
        self.verified |= {name}
        return str(name)

    def _is_served(self) -> bool:
        return bool(self._client.indices.exists_alias(name=self._alias))

    def _create_first(self) -> None:
        name = self._name(1)
        try:
            self._create(name, aliases={self._alias: {}})
        except BadRequestError as error:
            # Another process was faster; or somebody took the alias away.
            if not _is_there(error):
                raise
            if not self._is_served():
                raise _without_alias(self._alias, [name]) from error

    def _create(self, name: str, aliases: dict[str, Any]) -> None:
        self._client.indices.create(
            index=name,
            settings=self._layout.settings(),
            mappings=self._layout.mappings(self._metadata),
            aliases=aliases,
        )

    def _name(self, number: int) -> str:
        return f"{self._alias}-{number:06}"

    def _number(self, name: str) -> int:
        """Return the number of a generation, 0 for an index that was named by somebody else."""
        ours = re.fullmatch(re.escape(self._alias) + r"-(\d{6})", name)
        return int(ours[1]) if ours else 0

    def _all(self) -> dict[str, set[str]]:
        """Return the names of all generations, each with its aliases.

        An index of another name is one where it has one of our two aliases, as after a snapshot
        was restored under a new name; it is never removed.
        """
        aliases: dict[str, set[str]] = {}
        # The first pattern finds the generations of an alias "<ours>-test" too.
        for found in (
            self._client.indices.get_alias(index=f"{self._alias}-*"),
            self._client.indices.get_alias(name=f"{self._alias}*"),
        ):
            for name, index in found.items():
                aliases.setdefault(name, set()).update(index["aliases"])
        return {
            name: given
            for name, given in aliases.items()
            if self._number(name) or given & {self._alias, self._previous}
        }

    def _orphans(self) -> list[str]:
        """Return what may have been served until somebody took the alias away."""
        generations = self._all()
        if any(self._alias in aliases for aliases in generations.values()):
            return []
        return [name for name, aliases in generations.items() if not _building(name, aliases)]

    def _role(self, aliases: AbstractSet[str]) -> Role:
        if self._alias in aliases:
            return "served"
        return "previous" if self._previous in aliases else "unfinished"

    def _metadata_of(self, name: str) -> IndexMetadata | None:
        found = self._client.indices.get_mapping(index=name)
        return metadata_of(found[name]["mappings"])

    def _generation(self, name: str, role: Role) -> Generation:
        settings = self._client.indices.get_settings(index=name, name="index.creation_date")
        made = int(settings[name]["settings"]["index"]["creation_date"]) / 1000
        chunks = int(self._client.count(index=name)["count"])
        metadata = self._metadata_of(name)
        return Generation(name, metadata, chunks, datetime.fromtimestamp(made, UTC), role)

    def _drop(self, name: str, aliases: AbstractSet[str]) -> None:
        try:
            for alias in _building(name, aliases):
                self._client.indices.delete_alias(index=name, name=alias)
        except NotFoundError:
            return  # it is served by now, or gone
        self._client.indices.delete(index=name, ignore_unavailable=True)


def list_generations(settings: IndexSettings) -> list[Generation]:
    """Return what an alias names and named, whatever made it.

    Raises:
        IndexStoreError: The server can't be reached, or refuses.
    """

    def action() -> list[Generation]:
        with _opened(settings) as generations:
            return generations.found()

    return read_patiently(action, settings.patience_seconds)


def drop_others(settings: IndexSettings) -> None:
    """Remove all but what is served and kept.

    Raises:
        IndexStoreError: The server can't be reached, or refuses.
    """

    def action() -> None:
        with _opened(settings) as generations:
            generations.drop_others()

    read_patiently(action, settings.patience_seconds)


@contextmanager
def _opened(settings: IndexSettings) -> Iterator[Generations]:
    nothing = IndexMetadata("", 0, "")
    with connect(settings) as client, mapped_errors(address_of(settings)):
        yield Generations(client, settings.name, nothing, Layout())


def _building(name: str, aliases: AbstractSet[str]) -> list[str]:
    return [alias for alias in aliases if alias.startswith(f"{name}-building-")]


def _is_there(error: BadRequestError) -> bool:
    return "resource_already_exists" in error.error


def _without_alias(alias: str, names: Sequence[str]) -> IndexUnavailableError:
    return IndexUnavailableError(
        f"The alias {alias} names no index, but {', '.join(sorted(names))} may be what it named.",
        f"Give {alias} back to that one (POST /_aliases). {REBUILD}",
    )


def _not_ours(name: str) -> IndexMismatchError:
    return IndexMismatchError(f"This version didn't write the index {name}.", REBUILD)
