"""Any LangChain document loader as a source; langchain-community has some two hundred of them."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from langchain_core.documents import Document as LoadedDocument

from ingestion.access import parse_allow
from ingestion.documents import Document, Section, hash_of
from ingestion.errors import IngestionError
from ingestion.parsers.formats import PARSER_VERSION
from ingestion.parsers.outline import one_line, title_from_path, visible
from ingestion.settings import SourceSettings
from ingestion.sources.source import FailedItem, SourceItem


class LangChainSource:
    """What a loader yields, one document for each ``source`` in its metadata.

    The pieces of one source (pages, rows) become sections. Who may read it is said by the
    settings alone: loaders know no common form of access rules.
    """

    def __init__(self, settings: SourceSettings, name: str = "") -> None:
        """Take the settings; nothing is imported yet.

        Args:
            settings: With a loader, as in ``langchain_community.document_loaders:CSVLoader``.
            name: Wins over the name in the settings, to keep names distinct.
        """
        self._settings = settings
        self._name = name or settings.name or settings.loader.rpartition(":")[2]

    @property
    def name(self) -> str:
        """Distinct among the sources, and stable across runs."""
        return self._name

    def items(self) -> Iterator[SourceItem | FailedItem]:
        """Yield the loader's documents, sorted by path.

        Raises:
            IngestionError: The loader can't be imported, or fails.
        """
        acl = parse_allow(list(self._settings.allow), f"the source '{self.name}'")
        groups: dict[str, list[LoadedDocument]] = {}
        for loaded in self._load():
            path = one_line(str(loaded.metadata.get("source") or "")) or self.name
            groups.setdefault(path, []).append(loaded)
        for path, loaded_documents in sorted(groups.items()):
            yield self._item(path, loaded_documents, acl)

    def _item(
        self, path: str, loaded: list[LoadedDocument], acl: frozenset[str]
    ) -> SourceItem | FailedItem:
        document_id = f"{self.name}:{path}"
        sections = tuple(_section(one) for one in loaded if visible(one.page_content).strip())
        if not sections:
            problem = f"{path}: the loader found no text in it"
            return FailedItem(document_id, self.name, path, problem, "Fill or remove it.", False)
        named = one_line(str(loaded[0].metadata.get("title") or ""))
        title = named or title_from_path(path)
        url = self._url(path, loaded[0])
        texts = [[section.text, section.page] for section in sections]
        content_hash = hash_of([PARSER_VERSION, path, title, url, texts])
        document = Document(document_id, self.name, path, title, url, sections, acl, content_hash)
        return SourceItem(document_id, self.name, path, acl, content_hash, lambda: document)

    def _url(self, path: str, loaded: LoadedDocument) -> str:
        for found in (str(loaded.metadata.get("url") or ""), path):
            if found.startswith(("http://", "https://")):
                return found
        if self._settings.base_url:
            return self._settings.base_url.rstrip("/") + "/" + quote(path.lstrip("/"))
        return Path(path).absolute().as_uri() if Path(path).exists() else ""

    def _load(self) -> list[LoadedDocument]:
        loader = self._loader_class()
        try:
            return list(loader(**self._settings.loader_args).lazy_load())
        except Exception as error:  # a third party's loader may raise anything
            raise IngestionError(
                f"The source '{self.name}': the loader {self._settings.loader} failed "
                f"({_reason(error)}).",
                "Check its loader_args; nothing that is stored of it was deleted.",
            ) from error

    def _loader_class(self) -> Any:
        module, _, attribute = self._settings.loader.partition(":")
        try:
            with warnings.catch_warnings():
                # The package says at import that it is no longer developed; its loaders work.
                warnings.filterwarnings("ignore", ".*langchain-community", DeprecationWarning)
                return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise IngestionError(
                f"The source '{self.name}': there is no loader {self._settings.loader}.",
                "Write 'module:Class', as in 'langchain_community.document_loaders:CSVLoader', "
                "and install the package that holds it.",
            ) from error


def _section(loaded: LoadedDocument) -> Section:
    page = loaded.metadata.get("page")
    number = page + 1 if isinstance(page, int) else None  # loaders count pages from 0
    return Section((), visible(loaded.page_content).strip(), page=number)


def _reason(error: Exception) -> str:
    """Name an error without its text, which may hold a password or a document's words."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs the package {error.name}"
    cause = error.__cause__
    return type(error).__name__ + (f", {type(cause).__name__}" if cause else "")
