"""Which index an alias serves, by what it was made, and how the next one takes its place."""

from __future__ import annotations

import re
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch

from ingestion.errors import IndexMismatchError, IndexUnavailableError
from ingestion.index.elastic_mapping import Layout, metadata_of
from ingestion.index.protocol import IndexMetadata
from ingestion.index.served import REBUILD, difference


class Generations:
    """The indexes ``<alias>-000001``, ``-000002`` … of which the alias names one.

    Attributes:
        unpublished: The index that a rebuild fills, or None where the served one is used.
        verified: Names of indexes that are known to hold what we make.
    """

    def __init__(
        self, client: Elasticsearch, alias: str, metadata: IndexMetadata, layout: Layout
    ) -> None:
        self.unpublished: str | None = None
        self.verified: frozenset[str] = frozenset()
        self._client = client
        self._alias = alias
        self._metadata = metadata
        self._layout = layout

    @property
    def target(self) -> str:
        """What to read from: the index of a rebuild, or the alias."""
        return self.unpublished or self._alias

    def serve_one(self) -> None:
        """Serve an empty index where none is served.

        Raises:
            IndexMismatchError: The served one was made by something else.
            IndexUnavailableError: The alias is missing, or names several.
        """
        if not self._is_served():
            self._create_first()
        self.verified_name()

    def start_next(self) -> None:
        """Make the index of a rebuild; what earlier attempts left behind is removed."""
        generations = self._all()
        self._drop([name for name, served in generations.items() if not served])
        # The first is made by an opening only, where its name decides a race.
        last = max([1, *(int(name.rpartition("-")[2]) for name in generations)])
        name = self._name(last + 1)
        self._create(name, aliases={})
        self.unpublished = name

    def publish(self) -> None:
        """Move the alias to the index of the rebuild in one step, and drop the one before."""
        before = [name for name, served in self._all().items() if served]
        actions: list[dict[str, Any]] = [
            {"remove": {"index": name, "alias": self._alias}} for name in before
        ]
        actions.append({"add": {"index": self.unpublished, "alias": self._alias}})
        self._client.indices.update_aliases(actions=actions)
        self.unpublished = None
        self._drop(before)

    def verified_name(self) -> str:
        """Return the name of the index in use, once it is known to hold what we make.

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
            raise IndexMismatchError(f"This version didn't write the index {name}.", REBUILD)
        if stored != self._metadata:
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
            if "resource_already_exists" not in error.error:
                raise
            if not self._is_served():
                raise IndexUnavailableError(
                    f"The index {name} is there, but the alias {self._alias} isn't.", REBUILD
                ) from error

    def _create(self, name: str, aliases: dict[str, Any]) -> None:
        self._client.indices.create(
            index=name,
            settings=self._layout.settings(),
            mappings=self._layout.mappings(self._metadata),
            aliases=aliases,
        )

    def _name(self, number: int) -> str:
        return f"{self._alias}-{number:06}"

    def _all(self) -> dict[str, bool]:
        """Return the names of all generations, and whether each is served."""
        # The pattern finds the generations of an alias "<ours>-test" too.
        ours = re.compile(re.escape(self._alias) + r"-\d{6}")
        found = self._client.indices.get_alias(index=f"{self._alias}-*")
        return {
            name: self._alias in index["aliases"]
            for name, index in found.items()
            if ours.fullmatch(name)
        }

    def _drop(self, names: list[str]) -> None:
        for name in names:
            self._client.indices.delete(index=name, ignore_unavailable=True)
