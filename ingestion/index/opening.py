"""Opens the store that the settings name. Each takes a second to import, and one is used."""

from __future__ import annotations

from pathlib import Path

from ingestion.index.protocol import ChunkIndex, Generation, IndexMetadata
from ingestion.settings import IndexSettings

INDEX_FOLDER = "index"


def open_index(settings: IndexSettings, data_dir: Path, metadata: IndexMetadata) -> ChunkIndex:
    """Return the index that is served, made empty where there is none.

    Raises:
        IndexMismatchError: It was made by another embedder.
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


def open_previous_index(
    settings: IndexSettings, data_dir: Path, metadata: IndexMetadata
) -> ChunkIndex:
    """Return the index that was served before; `publish` serves it again.

    Raises:
        IndexMismatchError: It was made by another embedder or chunker.
        IndexUnavailableError: There is none, or it can't be opened.
    """
    if settings.on_server:
        from ingestion.index.elastic import ElasticIndex

        return ElasticIndex.open_previous(settings, metadata)
    from ingestion.index.lance import LanceIndex

    return LanceIndex.open_previous(data_dir / INDEX_FOLDER, metadata)


def list_generations(settings: IndexSettings, data_dir: Path) -> list[Generation]:
    """Return what the store keeps: the served one first, then the one before, then leftovers.

    Raises:
        IndexStoreError: The store can't be reached, or another version wrote it.
    """
    if settings.on_server:
        from ingestion.index import elastic_generations

        return elastic_generations.list_generations(settings)
    from ingestion.index import lance_generations

    return lance_generations.list_generations(data_dir / INDEX_FOLDER)


def drop_leftovers(settings: IndexSettings, data_dir: Path) -> None:
    """Remove what a killed rebuild left; not to be done while another one runs.

    Raises:
        IndexStoreError: The store can't be reached.
    """
    if settings.on_server:
        from ingestion.index import elastic_generations

        elastic_generations.drop_others(settings)
        return
    from ingestion.index import lance_generations

    lance_generations.drop_others(data_dir / INDEX_FOLDER)
