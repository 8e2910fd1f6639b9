"""Questions by which a rebuilt index is judged, with their exact answers.

Exact search over a large index is slow, and not every server has it. But each vector of a rebuild
passes by here on its way to the store: so the nearest ones to a few questions are kept, and at the
end the store's own search is compared with them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingestion.documents import Chunk, DocumentState, Reader
from ingestion.embedding import Embedder
from ingestion.errors import AccessRuleError, IndexCheckError, UnreadableDocumentError
from ingestion.index.protocol import ChunkIndex, Vectors
from ingestion.plan import Plan
from ingestion.sources.source import SourceItem
from ingestion.sync import Chunker

logger = logging.getLogger(__name__)

_QUESTIONS = 32
# Words of a passage that make a question.
_WORDS = 16
# Chunks of each leg, as of a real question.
_LEG = 50
_RECALL_AT = 10
# More than are compared, since some may be removed again.
_REMEMBERED = 64
# A store keeps vectors as floats of 32 bits and gives cosines back through a score.
_ROUNDING = 1e-4
MIN_RECALL = 0.95
# A broken leg finds nothing; a page of emoji alone isn't found by its words either.
MIN_FOUND = 0.5
_MEND = "Start it again. If it stays so, run it with --verbose and report what it says."


@dataclass(slots=True)
class Question:
    """The beginning of a passage, asked on behalf of those who may read it.

    Attributes:
        vector: Shape (dimensions,).
        nearest: Cosine, chunk id and document id of the nearest chunks, best first.
        floor: Below this cosine, `nearest` may lack some.
        changes: How often its document was stored or removed.
    """

    text: str
    vector: Vectors
    reader: Reader
    chunk_id: str
    document_id: str
    nearest: list[tuple[float, str, str]] = field(default_factory=list)
    floor: float = -np.inf
    changes: int = 0

    def see(self, chunks: Sequence[Chunk], cosines: Vectors) -> None:
        """Keep the nearest of some new chunks; cosines have the shape (len(chunks),)."""
        for row in np.argsort(-cosines)[:_REMEMBERED]:
            if cosines[row] <= self.floor:
                break
            chunk = chunks[row]
            if self.reader.may_read(chunk.acl):
                self.nearest.append((float(cosines[row]), chunk.id, chunk.document_id))
        self.nearest.sort(reverse=True)
        if len(self.nearest) > _REMEMBERED:
            self.floor = max(self.floor, self.nearest[_REMEMBERED][0])
            del self.nearest[_REMEMBERED:]

    def forget(self, document_ids: Collection[str]) -> None:
        """Drop the chunks of documents that are replaced or removed."""
        self.nearest = [kept for kept in self.nearest if kept[2] not in document_ids]
        self.changes += self.document_id in document_ids


class Sample:
    """What a sync writes through to a new index, to judge it afterwards.

    Args:
        index: New and empty.
        embedder: Gives the questions' vectors.
        chunk: Cuts a document into chunks.
    """

    def __init__(self, index: ChunkIndex, embedder: Embedder, chunk: Chunker) -> None:
        self._index = index
        self._embedder = embedder
        self._chunk = chunk
        self._questions: list[Question] = []
        self._begun = False
        # Which of their chunks a reader may see now isn't known here: they are left out.
        self._other_rights: set[str] = set()

    def begin(self, plan: Plan) -> None:
        """Choose questions, spread over all that is to be stored; a second plan changes nothing."""
        if self._begun:
            return
        self._begun = True
        some = np.linspace(0, len(plan.additions) - 1, min(_QUESTIONS, len(plan.additions)))
        for number in some.astype(int):
            question = self._question(plan.additions[number])
            if question is not None:
                self._questions.append(question)

    def _question(self, item: SourceItem) -> Question | None:
        try:
            chunks = self._chunk(item.read())
        except (UnreadableDocumentError, AccessRuleError):
            return None  # which the sync reports
        if not chunks or not chunks[0].acl:
            return None
        chunk = chunks[len(chunks) // 2]
        text = " ".join(chunk.text.split()[:_WORDS])
        vector = self._embedder.embed_query(text)
        return Question(text, vector, Reader(frozenset(chunk.acl)), chunk.id, chunk.document_id)

    def states(
        self, source: str | None = None, *, unseen: bool = False
    ) -> Mapping[str, DocumentState]:
        """As of the index."""
        return self._index.states(source, unseen=unseen)

    def put_documents(self, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """As of the index."""
        self._index.put_documents(chunks, vectors)
        document_ids = {chunk.document_id for chunk in chunks}
        self._other_rights -= document_ids
        for question in self._questions:
            question.forget(document_ids)
            question.see(chunks, vectors @ question.vector)

    def set_acl(self, document_ids: Sequence[str], acl: Sequence[str], acl_hash: str) -> None:
        """As of the index."""
        self._index.set_acl(document_ids, acl, acl_hash)
        self._other_rights.update(document_ids)

    def delete_documents(self, document_ids: Sequence[str]) -> None:
        """As of the index."""
        self._index.delete_documents(document_ids)
        for question in self._questions:
            question.forget(set(document_ids))

    def optimize(self) -> None:
        """As of the index."""
        self._index.optimize()

    def check(self) -> None:
        """Ask the questions, and compare the answers.

        Raises:
            IndexCheckError: Search finds too little of what is there.
        """
        recalls = [r for r in map(self._recall, self._questions) if r is not None]
        found = [f for f in map(self._finds_itself, self._questions) if f is not None]
        logger.info(
            "Checked with %d questions: recall@%d %.3f, found by their words %.2f",
            len(self._questions),
            _RECALL_AT,
            _mean(recalls),
            _mean(found),
        )
        if _mean(recalls) < MIN_RECALL:
            raise IndexCheckError(
                f"Its search finds {_mean(recalls):.1%} of the nearest passages.", _MEND
            )
        if _mean(found) < MIN_FOUND:
            raise IndexCheckError(
                f"It finds {_mean(found):.0%} of a sample of passages by their own words.", _MEND
            )

    def _recall(self, question: Question) -> float | None:
        """Return which part of the nearest chunks search finds, or None where there are none."""
        answers = self._index.search("", question.vector, question.reader, _RECALL_AT)
        known = [a for a in answers if a.chunk.document_id not in self._other_rights]
        exact = [cosine for cosine, _, id_ in question.nearest if id_ not in self._other_rights]
        wanted = min(_RECALL_AT - (len(answers) - len(known)), len(exact))
        if wanted < 1:
            return None
        # By their cosines: of two passages alike either may be found.
        least = exact[wanted - 1] - _ROUNDING
        hits = sum((answer.dense or -1.0) >= least for answer in known)
        return min(hits, wanted) / wanted

    def _finds_itself(self, question: Question) -> float | None:
        """Return whether BM25 finds the passage, or None where that isn't to be expected."""
        as_it_was = question.changes == 1 and question.document_id not in self._other_rights
        if not as_it_was or not any(character.isalnum() for character in question.text):
            return None
        answers = self._index.search(question.text, question.vector, question.reader, _LEG)
        by_words = [answer.chunk.id for answer in answers if answer.bm25 is not None]
        # Where a whole leg holds these words, others may come before it.
        return float(question.chunk_id in by_words or len(by_words) >= _LEG)


def _mean(values: Iterable[float]) -> float:
    """Return the mean; without values nothing is wrong."""
    listed = list(values)
    return float(np.mean(listed)) if listed else 1.0
