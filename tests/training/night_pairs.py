"""Pairs for the tests of the night."""

from __future__ import annotations

from datetime import UTC, datetime

from training.records import Audience, Message, Pair, PairStatus, SourceRecord, Split

SYSTEM = "Answer from the pages."


def make_source(text: str = "", restricted: bool = False) -> SourceRecord:
    return SourceRecord(
        chunk_id="handbook:a.md#0",
        document_id="handbook:a.md",
        path="a.md",
        title="Leave",
        url="",
        heading="Vacation",
        content_hash="c",
        restricted=restricted,
        score=1.0,
        text=text,
    )


def make_pair(
    number: int,
    question: str = "",
    answer: str = "yes",
    quoted: str = "",
    source: str = "",
    audience: Audience = Audience.PUBLIC,
    split: Split = Split.TRAIN,
    status: PairStatus = PairStatus.APPROVED,
    restricted: bool = False,
    cluster: str = "",
) -> Pair:
    question = question or f"question number {number}"
    content = f"{source}\n{question}" if source else question
    return Pair(
        id=f"pair-{number:04d}",
        answer_id=f"answer-{number:04d}",
        question=question,
        messages=(Message("system", SYSTEM), Message("user", content)),
        answer=answer,
        quoted=quoted,
        sources=(make_source(source, restricted),),
        audience=audience,
        cluster=cluster or f"cluster-{number:04d}",
        split=split,
        status=status,
        reason="",
        votes_up=1,
        votes_down=0,
        created_at=datetime(2026, 11, 1, tzinfo=UTC),
    )
