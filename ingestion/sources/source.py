"""What a source of documents gives to a sync."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from ingestion.documents import Document


@dataclass(frozen=True, slots=True)
class SourceItem:
    """A document that is there and whose access is known; not parsed yet.

    Attributes:
        document_id: Stable across runs: ``<source>:<path>``.
        content_hash: Of everything but the ACL that the document is made of; when neither this
            nor the ACL changed, nothing need be read.
        read: Parses the document. Raises UnreadableDocumentError or AccessRuleError.
    """

    document_id: str
    source: str
    path: str
    acl: frozenset[str]
    content_hash: str
    read: Callable[[], Document]


@dataclass(frozen=True, slots=True)
class FailedItem:
    """A document that is there but can't be had; the run goes on without it.

    Attributes:
        access_unknown: Nobody may read it, nor an earlier version that is stored, until it can
            be had again.
    """

    document_id: str
    source: str
    path: str
    problem: str
    mend: str
    access_unknown: bool


class Source(Protocol):
    """A place where documents come from."""

    @property
    def name(self) -> str:
        """Distinct among the sources, and stable across runs."""

    def items(self) -> Iterator[SourceItem | FailedItem]:
        """Yield every document that is there now, in a stable order.

        Raises:
            IngestionError: The source as a whole can't be read; nothing of it may be deleted.
        """
