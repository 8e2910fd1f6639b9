"""What the index serves and keeps, against what the settings want."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bot.source_names import with_stable_names
from ingestion.documents import DocumentState
from ingestion.errors import IndexMismatchError
from ingestion.index.elastic_patience import writers_patience
from ingestion.index.opening import list_generations, open_index, open_previous_index
from ingestion.index.protocol import Generation
from ingestion.index.served import REBUILD, difference
from ingestion.locks import one_rebuild, one_writer
from ingestion.rollback import roll_back
from ingestion.settings import SourceSettings
from ingestion.sources.configured import build_sources

if TYPE_CHECKING:
    from bot.assembly import Nightshift


@writers_patience()
def why_rebuild(nightshift: Nightshift, sources: Sequence[SourceSettings]) -> str:
    """Return why only a rebuild from these sources can bring the index up to date, or nothing.

    Raises:
        IndexMismatchError: It can't be rebuilt from them alone: it holds others.
        IngestionError: The store or the embedder can't be opened.
    """
    served = served_generation(nightshift)
    if served is None or served.metadata in (None, nightshift.index_metadata):
        return ""
    assert served.metadata is not None  # noqa: S101 - for the type checker
    reason = difference(served.metadata, nightshift.index_metadata)
    named = with_stable_names(sources, nightshift.data_dir)
    built = build_sources(named, nightshift.settings.chunking.max_file_mb)
    given = {source.name for source in built}
    others = {state.source for state in served_states(nightshift).values()} - given
    if others:
        raise IndexMismatchError(
            f"{reason} It also holds what this run doesn't name: {', '.join(sorted(others))}.",
            "Name all folders, so that it is made anew; or leave the others out with --rebuild.",
        )
    return reason


def served_states(nightshift: Nightshift) -> Mapping[str, DocumentState]:
    """Return the documents of the served generation, whatever made it.

    Raises:
        IndexStoreError: It can't be read.
    """
    served = served_generation(nightshift)
    if served is None:
        return {}
    if served.metadata is None:
        raise IndexMismatchError(f"This version didn't write the index {served.name}.", REBUILD)
    index = open_index(nightshift.settings.index, nightshift.data_dir, served.metadata)
    try:
        return index.states(unseen=True)
    finally:
        index.close()


@writers_patience()
def go_back(nightshift: Nightshift) -> int:
    """Serve the generation before again; return how many of its documents are closed or removed.

    Raises:
        IndexMismatchError: The settings are those of another generation.
        IndexUnavailableError: There is none, another run is under way, or a store can't be used.
    """
    settings, data_dir = nightshift.settings.index, nightshift.data_dir
    # Going back drops what is neither served nor kept, so not the index of a rebuild under way.
    with one_rebuild(data_dir), one_writer(data_dir):
        previous = open_previous_index(settings, data_dir, nightshift.index_metadata)
        try:
            return roll_back(served_states(nightshift), previous)
        finally:
            previous.close()


def served_generation(nightshift: Nightshift) -> Generation | None:
    """Return the served generation, or None where none is served yet.

    Raises:
        IndexStoreError: The store can't be reached.
    """
    generations = list_generations(nightshift.settings.index, nightshift.data_dir)
    return next((each for each in generations if each.role == "served"), None)
