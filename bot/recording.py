"""An answer as it is kept, with its provenance; and as JSON for programs. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.answer import Answer
from bot.passages import Passage
from ingestion.documents import EVERYONE, Hit
from training.records import AnswerRecord, SourceRecord


def record_of(answer: Answer, asked_at: datetime) -> AnswerRecord:
    """Return what is kept of an answer, enough to train on it and to explain it.

    Its sources are all that the model read, not only what it cited: whether an answer may train
    hangs on every page in its prompt.
    """
    question = answer.question
    earlier = (person for turn in answer.leans_on for person in turn.authors)
    return AnswerRecord(
        id=answer.id,
        asked_at=asked_at,
        asker=question.asker,
        audience=question.audience,
        conversation=question.conversation,
        question=question.text,
        standalone=answer.standalone,
        messages=answer.messages,
        answer=answer.text,
        style=answer.style,
        refused=answer.refused,
        sources=tuple(_source_record(passage) for passage in answer.shown),
        index_generation=answer.index_generation,
        model=answer.model,
        adapter=answer.adapter,
        timings=answer.timings,
        others_quoted=tuple(dict.fromkeys((*question.quoted, *earlier))),
    )


def _source_record(source: Passage) -> SourceRecord:
    chunk = source.chunk
    return SourceRecord(
        chunk_id=chunk.id,
        document_id=chunk.document_id,
        path=chunk.path,
        title=chunk.title,
        url=chunk.url,
        heading=chunk.heading,
        content_hash=chunk.content_hash,
        restricted=EVERYONE not in chunk.acl,
        score=source.hit.score,
        text=source.text,
    )


def answer_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as programs read it (``nightshift ask --json``)."""
    return {
        "id": answer.id,
        "question": answer.question.text,
        "answer": answer.text,
        "refused": answer.refused,
        "confidence": answer.confidence.value,
        "style": answer.style,
        "sources": [_source_json(source) for source in answer.sources],
        "model": answer.model,
        "adapter": answer.adapter,
        "timings": {step: round(seconds, 4) for step, seconds in answer.timings.items()},
    }


def _source_json(source: Passage) -> dict[str, Any]:
    """Return a source; each of its pieces is verbatim in the chunk, the text is all of them."""
    pieces = [source.chunk.text[start:end] for start, end in source.spans]
    return {**hit_json(source.hit), "text": source.text, "pieces": pieces}


def hit_json(hit: Hit) -> dict[str, Any]:
    """Return a hit as programs read it (``nightshift search --json``)."""
    return {
        "path": hit.chunk.path,
        "source": hit.chunk.source,
        "url": hit.chunk.url,
        "title": hit.chunk.title,
        "heading": hit.chunk.heading,
        "score": round(hit.score, 4),
        "bm25": hit.bm25 if hit.bm25 is None else round(hit.bm25, 4),
        "dense": hit.dense if hit.dense is None else round(hit.dense, 4),
        "text": hit.chunk.text,
    }
