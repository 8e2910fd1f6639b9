"""One run from the sources to the index, for whoever starts it: the command, or Slack."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.activity import SourceRun, record_runs
from bot.source_names import with_stable_names
from ingestion.index.protocol import ChunkIndex
from ingestion.settings import SourceSettings
from ingestion.sources.configured import build_sources
from ingestion.sources.folder import FolderSource
from ingestion.sources.source import Source
from ingestion.sync import Progress, SyncReport, one_writer, sync
from training.errors import DatabaseError

if TYPE_CHECKING:
    from bot.assembly import Nightshift

logger = logging.getLogger(__name__)


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
        runs = _runs(built, index, report)
        if rebuild:
            index.publish()
            index.close()
    try:
        record_runs(nightshift.database, runs)
    except DatabaseError as error:  # the documents are in all the same
        logger.warning("When the sources were read can't be noted: %s", error.problem)
    skipped = sum(source.skipped for source in built if isinstance(source, FolderSource))
    return replace(report, skipped=skipped)


def _runs(sources: Sequence[Source], index: ChunkIndex, report: SyncReport) -> list[SourceRun]:
    """Return what to note of each source that could be read."""
    unread = {failed.source for failed in report.failed if not failed.document_id}
    failed = Counter(failed.source for failed in report.failed)
    now = datetime.now(UTC)
    return [
        SourceRun(
            source.name,
            now,
            sum(state.complete for state in index.states(source.name).values()),
            failed[source.name],
        )
        for source in sources
        if source.name not in unread
    ]
