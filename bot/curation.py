"""Votes become pairs, without the language model; and what of them may train today."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy.engine import Engine

from ingestion.documents import EVERYONE, Chunk, DocumentState, Reader, hash_of
from ingestion.index.protocol import ChunkIndex
from training.pair_store import PairStore
from training.pairs import Curation, TrainingPairs
from training.records import SourceRecord
from training.settings import PairSettings

if TYPE_CHECKING:
    from bot.assembly import Nightshift

# English and its neighbours have about four bytes a token in every tokenizer of today.
_BYTES_PER_TOKEN = 4
_ACL_HASH_OF_EVERYONE = hash_of([EVERYONE])
_CLOSED = "A source is gone, was rewritten, or is no longer open to everyone."


def curate_votes(database: Engine, settings: PairSettings) -> Curation:
    """Bring the pairs up to date with all votes and corrections; twice is once.

    Raises:
        DatabaseError: The database can't be used.
    """
    return PairStore(database).update(settings, estimated_tokens)


def usable_pairs(nightshift: Nightshift) -> TrainingPairs:
    """Return what may be trained on and judged by now, after bringing the pairs up to date.

    Raises:
        DatabaseError, IndexStoreError: A store can't be used; then nothing may be.
    """
    settings = nightshift.settings.pairs
    curate_votes(nightshift.database, settings)
    selection = nightshift.pairs.selection(settings)
    if settings.include_private:
        return selection
    states = nightshift.index.states()
    return still_open(selection, states, _still_says(nightshift.index, states))


def open_to_everyone(nightshift: Nightshift) -> Callable[[Sequence[SourceRecord]], bool]:
    """Return what says whether everyone could and may now read all of some sources.

    They must still say the same, too. The index is asked once who may read what, for all that is
    judged by it: judge at once.

    Raises:
        IndexStoreError: The index can't be asked; nor may it be later, by what is returned.
    """
    states = nightshift.index.states()
    still_says = _still_says(nightshift.index, states)

    def is_open(source: SourceRecord) -> bool:
        now = states.get(source.document_id)
        return not source.restricted and _is_open(now) and still_says(source)

    return lambda sources: all(map(is_open, sources))


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has; the limit on answers needs no more."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def still_open(
    selection: TrainingPairs,
    states: Mapping[str, DocumentState],
    still_says: Callable[[SourceRecord], bool],
) -> TrainingPairs:
    """Leave out pairs with a source that was withdrawn, restricted or rewritten since.

    A pair remembers who could read its sources then; what counts is who may read them now, and
    that a passage which was taken off its page isn't taught all the same.

    Args:
        selection: From `PairStore.selection`.
        states: What the index holds now, by document id.
        still_says: Whether the text of a source whose page is open stands there still.
    """
    kept: dict[str, bool] = {}
    for pair in selection.train + selection.held_out:
        kept[pair.id] = all(
            _is_open(states.get(source.document_id)) and still_says(source)
            for source in pair.sources
        )
    closed = [pair for pair in selection.train + selection.held_out if not kept[pair.id]]
    return TrainingPairs(
        train=tuple(pair for pair in selection.train if kept[pair.id]),
        held_out=tuple(pair for pair in selection.held_out if kept[pair.id]),
        removed=selection.removed + tuple((pair, _CLOSED) for pair in closed),
    )


def _still_says(
    index: ChunkIndex, states: Mapping[str, DocumentState]
) -> Callable[[SourceRecord], bool]:
    def still_says(source: SourceRecord) -> bool:
        if states[source.document_id].content_hash == source.content_hash:
            return True
        return stands_in(source, index.document_chunks(source.document_id, Reader()))

    return still_says


def stands_in(source: SourceRecord, chunks: Sequence[Chunk]) -> bool:
    """Return whether a page's chunks still say all that was taken from it. Pure."""
    now = "\n".join(chunk.text for chunk in chunks)
    return all(line in now for line in source.text.splitlines())


def _is_open(state: DocumentState | None) -> bool:
    return state is not None and state.acl_hash == _ACL_HASH_OF_EVERYONE
