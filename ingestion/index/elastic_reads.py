"""Reads from the index that an alias serves, which a rebuild may move at any moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from elasticsearch import Elasticsearch, NotFoundError

from ingestion.errors import IndexOutOfReachError
from ingestion.index.elastic_errors import failed_item, mapped_errors
from ingestion.index.elastic_generations import Generations
from ingestion.index.elastic_queries import counted
from ingestion.index.elastic_writes import whole

T = TypeVar("T")
Hits = list[dict[str, Any]]

# A search during a rebuild's last step may meet an index that has just gone.
_GONE = frozenset({404, 503})


class ServedIndex:
    """What is read from the index in use; every answer is whole, or an error."""

    def __init__(self, client: Elasticsearch, generations: Generations, address: str) -> None:
        self._client = client
        self._generations = generations
        self._address = address

    def generation(self) -> str:
        """Return the index and the number of its last change."""
        path = ["indices.*.shards.*.seq_no.max_seq_no"]
        stats = self._read(
            lambda target: self._client.indices.stats(
                index=target, metric="docs", level="shards", filter_path=path
            )
        )
        if "indices" not in stats:
            raise IndexOutOfReachError(
                f"Elasticsearch at {self._address} has lost a part of the index.",
                "Look at its health; start the nodes that are missing.",
            )
        (name, index), *_ = stats["indices"].items()
        changes = sum(
            max(copy["seq_no"]["max_seq_no"] for copy in copies)
            for copies in index["shards"].values()
        )
        return f"{name}@{changes}"

    def count(self) -> int:
        """Return how many chunks readers see."""
        answer = self._read(lambda target: self._client.count(index=target))
        whole(answer, self._address)
        return int(answer["count"])

    def count_of(self, filters: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
        """Return how many chunks filters leave, and how many there are."""
        answers = self._answers([counted(filters), counted(())])
        some, all_ = (int(answer["hits"]["total"]["value"]) for answer in answers)
        return some, all_

    def search(self, bodies: Sequence[Mapping[str, Any]]) -> list[Hits]:
        """Return the hits of each search; all of them come from indexes of our making."""
        legs: list[Hits] = [answer["hits"]["hits"] for answer in self._answers(bodies)]
        if {hit["_index"] for hits in legs for hit in hits} - self._generations.verified:
            with mapped_errors(self._address):
                self._generations.verified_name()
        return legs

    def _answers(self, bodies: Sequence[Mapping[str, Any]]) -> Hits:
        answers = self._multi_search(bodies)
        if any(answer["status"] in _GONE for answer in answers):
            answers = self._multi_search(bodies)
        for answer in answers:
            if "error" in answer:
                # A rebuild elsewhere may have changed the dimensions: that is told first.
                with mapped_errors(self._address):
                    self._generations.verified_name()
                raise failed_item(self._address, answer)
        return answers

    def _multi_search(self, bodies: Sequence[Mapping[str, Any]]) -> Hits:
        # Half an answer would pass for "the documents don't say".
        header = {"allow_partial_search_results": False}
        searches = [part for body in bodies for part in (header, body)]
        answer = self._read(lambda target: self._client.msearch(index=target, searches=searches))
        responses: Hits = answer["responses"]
        return responses

    def _read(self, action: Callable[[str], T]) -> T:
        """Read from the served index; once more where a rebuild took it away under the read."""
        with mapped_errors(self._address):
            target = self._generations.target
            try:
                return action(target)
            except NotFoundError:
                return action(target)
