"""The sources that the settings name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from ingestion.documents import hash_of
from ingestion.errors import IngestionError
from ingestion.settings import SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.sources.langchain_loader import LangChainSource
from ingestion.sources.source import Source


def build_sources(settings: Sequence[SourceSettings], max_file_mb: int) -> list[Source]:
    """Return a source for each entry, with distinct names that don't hang on their order.

    Where folders without a name of their own are called the same, each gets its path's hash.

    Raises:
        IngestionError: An entry has neither path nor loader, or both, or two have one name.
    """
    for entry in settings:
        if (entry.path is None) == (not entry.loader):
            raise IngestionError(
                "A source needs either a path or a loader.", "Mend the [[sources]] entry."
            )
    given = [entry.name or _default_name(entry) for entry in settings]
    times = Counter(given)
    names = [
        name if entry.name or times[name] == 1 else f"{name}-{_identity(entry)}"
        for name, entry in zip(given, settings, strict=True)
    ]
    for name, count in Counter(names).items():
        if count > 1:
            raise IngestionError(
                f"{count} sources are called '{name}'.", "Give each its own name, or remove one."
            )
    return [_source(entry, max_file_mb, n) for entry, n in zip(settings, names, strict=True)]


def _source(entry: SourceSettings, max_file_mb: int, name: str) -> Source:
    if entry.loader:
        return LangChainSource(entry, name)
    return FolderSource(entry, max_file_mb, name)


def _default_name(entry: SourceSettings) -> str:
    if entry.path is None:
        return LangChainSource(entry).name
    return FolderSource(entry, 1).name


def _identity(entry: SourceSettings) -> str:
    """Return a short hash of what the entry reads."""
    where = os.path.abspath(entry.path) if entry.path else ""  # noqa: PTH100 - keeps links
    arguments = {name: str(value) for name, value in entry.loader_args.items()}
    return hash_of([where, entry.loader, arguments])[:6]
