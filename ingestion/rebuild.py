"""A rebuild: a new generation is filled beside the one that serves, checked, and put in its place.

The sources are the truth of what is to be served, so what changes while the new generation is
filled needs no journal: the sources are read again before it is served, for the last time while
nobody else may write. A run beside the rebuild has read nothing that this last look doesn't see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from ingestion.documents import DocumentState
from ingestion.embedding import Embedder
from ingestion.errors import IndexCheckError
from ingestion.index.protocol import ChunkIndex
from ingestion.sampling import Sample
from ingestion.sources.source import Source
from ingestion.sync import Chunker, OnProgress, Progress, SyncReport, sync

# Pages that are served now and can't be read any more: a few may be broken, more is a fault.
_MAY_BE_LOST = 3
_SHARE_MAY_BE_LOST = 0.1
_START_AGAIN = "Start it again. If it stays so, run it with --verbose and report what it says."


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a rebuild needs to know of the index that serves meanwhile.

    Attributes:
        served: Returns what it holds, by document id.
        writing: Waits for other writers, and keeps them out while it is entered.
        arrived: Returns the sources as they are to be read at last: with what other runs read.
    """

    served: Callable[[], Mapping[str, DocumentState]]
    writing: Callable[[], AbstractContextManager[None]]
    arrived: Callable[[], Sequence[Source]]


def rebuild(
    sources: Sequence[Source],
    new: ChunkIndex,
    embedder: Embedder,
    chunk: Chunker,
    surroundings: Surroundings,
    *,
    batch_chunks: int = 256,
    on_progress: OnProgress = lambda progress: None,
) -> SyncReport:
    """Fill a new index, check it, and serve it; call it within `one_rebuild`.

    Args:
        sources: With distinct names. Nothing of other sources will be served.
        new: Empty, and not served.
        embedder: Gives the vectors.
        chunk: Cuts a document into chunks.
        surroundings: What goes on meanwhile.
        batch_chunks: As of `sync`.
        on_progress: Called before and after each piece of work.

    Raises:
        IndexCheckError: The new index isn't fit to be served; the old one goes on serving.
        IngestionError: A store or the embedder failed; the old one goes on serving.
    """
    sample = Sample(new, embedder, chunk)

    def run(now: Sequence[Source]) -> SyncReport:
        return sync(
            now,
            sample,
            embedder,
            chunk,
            batch_chunks=batch_chunks,
            on_progress=on_progress,
            on_plan=sample.begin,
        )

    before = {state.source for state in surroundings.served().values()}
    # The second is for what changed during the first, which may have taken hours.
    reports = [run(sources), run(sources)]
    with surroundings.writing():
        last = surroundings.arrived()
        reports.append(run(last))
        on_progress(Progress("check", 0, 1))
        stored = new.states()
        names = [source.name for source in last]
        served = surroundings.served()
        check_sources(names, before, {state.source for state in served.values()})
        check_documents(names, reports[-1], served, stored)
        check_count(stored, new.count())
        sample.check()
        on_progress(Progress("check", 1, 1))
        new.publish()
    return _together(reports, stored)


def check_sources(names: Collection[str], before: AbstractSet[str], now: AbstractSet[str]) -> None:
    """Refuse a new index that would lose what came meanwhile from elsewhere. Pure.

    Runs on this data folder leave word of what they read; those of another machine can't.

    Args:
        names: Of the sources that were read.
        before: Of those that were served when the rebuild began.
        now: Of those that are served.

    Raises:
        IndexCheckError: A source came into the served index, and wasn't read.
    """
    strange = sorted(now - before - set(names))
    if strange:
        raise IndexCheckError(
            f"Another machine has put '{strange[0]}' into the index meanwhile.",
            "Let one machine at a time write to it, and start the rebuild again with all sources.",
        )


def check_documents(
    sources: Sequence[str],
    last: SyncReport,
    served: Mapping[str, DocumentState],
    stored: Mapping[str, DocumentState],
) -> None:
    """Refuse a new index that lacks what its sources have. Pure.

    Args:
        sources: The names of those that were read.
        last: Of the last look at them.
        served: What is served now, by document id.
        stored: What is to be served, by document id.

    Raises:
        IndexCheckError: A source couldn't be listed, or is empty and wasn't; documents are missing;
            or too many that are served now can't be read any more.
    """
    for failed in last.failed:
        if not failed.document_id:
            raise IndexCheckError(f"{failed.source}: {failed.problem}", failed.mend)
    expected = last.unchanged + last.acl_changed + last.updated + last.added
    if len(stored) < expected:
        raise IndexCheckError(
            f"It holds {len(stored)} documents instead of {expected}.", _START_AGAIN
        )
    had = Counter(state.source for state in served.values())
    has = Counter(state.source for state in stored.values())
    for source in sources:
        if had[source] and not has[source]:
            raise IndexCheckError(
                f"The source '{source}' has no readable document any more; {had[source]} of it are "
                "served.",
                "Check that its folder is mounted, or leave the source out.",
            )
    lost = [item for item in last.failed if item.document_id in served.keys() - stored.keys()]
    if len(lost) > max(_MAY_BE_LOST, _SHARE_MAY_BE_LOST * len(served)):
        raise IndexCheckError(
            f"{len(lost)} documents that are served now can't be read any more, the first is "
            f"{lost[0].path}: {lost[0].problem}",
            lost[0].mend,
        )


def check_count(stored: Mapping[str, DocumentState], count: int) -> None:
    """Refuse a new index that doesn't hold what was put in. Pure.

    Args:
        stored: By document id.
        count: How many chunks readers can find.

    Raises:
        IndexCheckError: A document isn't whole, or chunks are missing or too many.
    """
    torn = [state.path for state in stored.values() if not state.complete]
    if torn:
        raise IndexCheckError(
            f"{len(torn)} documents aren't whole, the first is {torn[0]}.", _START_AGAIN
        )
    expected = sum(state.chunk_count for state in stored.values())
    if count != expected:
        raise IndexCheckError(f"It holds {count} chunks instead of {expected}.", _START_AGAIN)


def _together(reports: Sequence[SyncReport], stored: Mapping[str, DocumentState]) -> SyncReport:
    """Return one report: of a new index everything is new, however often it was looked at."""
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds.update(report.seconds)
    return replace(
        reports[-1],
        added=len(stored),
        updated=0,
        acl_changed=0,
        deleted=0,
        unchanged=0,
        chunks_embedded=sum(report.chunks_embedded for report in reports),
        seconds=dict(seconds),
    )
