"""Answers to judge in tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from training.records import AnswerRecord, Audience, Message, SourceRecord

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def make_source(text: str = "You get 25 days of leave.", restricted: bool = False) -> SourceRecord:
    return SourceRecord(
        chunk_id="handbook:leave.md#0",
        document_id="handbook:leave.md",
        path="leave.md",
        title="Leave",
        url="https://example.org/leave",
        heading="Leave",
        content_hash="c0ffee",
        restricted=restricted,
        score=0.8,
        text=text,
    )


def make_answer(number: int = 0, **changes: Any) -> AnswerRecord:
    question = changes.get("question", "How many days of leave do I get?")
    values: dict[str, Any] = {
        "id": f"answer-{number}",
        "asked_at": START + timedelta(minutes=number),
        "asker": "ada",
        "audience": Audience.PUBLIC,
        "conversation": "C1:1",
        "question": question,
        "standalone": question,
        "messages": (Message("system", "Answer."), Message("user", question)),
        "answer": "You get 25 days of leave.",
        "style": "written",
        "refused": False,
        "sources": (make_source(),),
        "index_generation": "g1",
        "model": "smollm2",
        "adapter": "",
        "timings": {"retrieve": 0.01},
    }
    return AnswerRecord(**(values | changes))
