"""Opens the store that the settings name. Each takes a second to import, and one is used."""

from __future__ import annotations

from pathlib import Path

from ingestion.index.protocol import ChunkIndex, IndexMetadata
from ingestion.settings import IndexSettings

INDEX_FOLDER = "index"


def open_index(settings: IndexSettings, data_dir: Path, metadata: IndexMetadata) -> ChunkIndex:
    """Return the index that is served, made empty where there is none.

    Raises:
        IndexMismatchError: It was made by another embedder or chunker.
        IndexUnavailableError: It can't be opened.
    """
    if settings.on_server:
        from ingestion.index.elastic import ElasticIndex

        return ElasticIndex(settings, metadata)
    from ingestion.index.lance import LanceIndex

    return LanceIndex(data_dir / INDEX_FOLDER, metadata)


def open_new_index(settings: IndexSettings, data_dir: Path, metadata: IndexMetadata) -> ChunkIndex:
    """Return a new empty index for a rebuild; `publish` serves it in place of the old one.

    Raises:
        IndexUnavailableError: It can't be made.
    """
    if settings.on_server:
        from ingestion.index.elastic import ElasticIndex

        return ElasticIndex.create_new(settings, metadata)
    from ingestion.index.lance import LanceIndex

    return LanceIndex.create_new(data_dir / INDEX_FOLDER, metadata)
