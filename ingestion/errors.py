"""Errors of ingestion and retrieval that a person may see.

IngestionError
├── UnreadableDocumentError   one file can't be turned into sections (the run goes on)
├── AccessRuleError           a file's access rule can't be understood (the file is withheld)
└── IndexStoreError           the store as a whole
    ├── IndexUnavailableError     it can't be reached or opened
    │   └── IndexOutOfReachError      and may be back soon by itself
    ├── IndexCheckError           a rebuilt one isn't fit to be served
    ├── IndexMismatchError        it was written by another embedder or chunker
    └── DocumentsRefusedError     it doesn't take some documents (the others are stored)
"""


class IngestionError(Exception):
    """What went wrong, and what the reader can do about it.

    The problem and the mend are shown to people: they never hold document text or a secret.
    """

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.mend = mend


class UnreadableDocumentError(IngestionError):
    """One document can't be read; the others can."""


class AccessRuleError(IngestionError):
    """A document's access rule can't be understood, so nobody may read the document."""


class IndexStoreError(IngestionError):
    """The store of chunks as a whole is at fault."""


class IndexUnavailableError(IndexStoreError):
    """The store can't be reached, opened or written."""


class IndexOutOfReachError(IndexUnavailableError):
    """The store can't be used now and may be back soon: down, overloaded, or short of a node."""


class IndexCheckError(IndexStoreError):
    """A rebuilt index isn't fit to be served."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(f"The rebuilt index isn't served; the old one still is. {reason}", mend)


class IndexMismatchError(IndexStoreError):
    """The store was written by another embedder or chunker than the settings name."""


class DocumentsRefusedError(IndexStoreError):
    """The store doesn't take some documents, of which it keeps nothing; the others are stored.

    Attributes:
        document_ids: Of the refused ones.
    """

    def __init__(self, problem: str, mend: str, document_ids: frozenset[str]) -> None:
        super().__init__(problem, mend)
        self.document_ids = document_ids
