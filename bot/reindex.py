"""One run from the sources to the index, for whoever starts it: the command, or Slack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.source_names import with_stable_names
from ingestion.settings import SourceSettings
from ingestion.sources.configured import build_sources
from ingestion.sources.folder import FolderSource
from ingestion.sync import Progress, SyncReport, one_writer, sync

if TYPE_CHECKING:
    from bot.assembly import Nightshift


def reindex(
    nightshift: Nightshift,
    sources: Sequence[SourceSettings],
    on_progress: Callable[[Progress], None],
    *,
    rebuild: bool = False,
) -> SyncReport:
    """Bring the index up to date with the sources.

    Args:
        nightshift: The installation.
        sources: Where documents come from.
        on_progress: Called before and after each piece of work, in this thread.
        rebuild: Make the index anew, beside the one that serves.

    Raises:
        SettingsError: A source can't be what it says.
        IngestionError: Another run writes to the index, or the store or the embedder failed; what
            was stored until then stays.
    """
    with one_writer(nightshift.data_dir):
        named = with_stable_names(sources, nightshift.data_dir)
        built = build_sources(named, nightshift.settings.chunking.max_file_mb)
        index = nightshift.new_index() if rebuild else nightshift.index
        report = sync(built, index, nightshift.embedder, nightshift.chunk, on_progress=on_progress)
        if rebuild:
            index.publish()
            index.close()
    skipped = sum(source.skipped for source in built if isinstance(source, FolderSource))
    return replace(report, skipped=skipped)
