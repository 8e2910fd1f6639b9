"""Records to table rows and back. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Row

from training.records import (
    AnswerRecord,
    Audience,
    Correction,
    Message,
    Pair,
    PairStatus,
    SourceRecord,
    Split,
)
from training.tables import storable


def answer_to_row(record: AnswerRecord) -> dict[str, Any]:
    """Return the columns of an answer."""
    row = _columns(record)
    row["timings"] = dict(record.timings)
    row["others_quoted"] = [storable(person) for person in record.others_quoted]
    return row


def answer_from_row(row: Row[Any]) -> AnswerRecord:
    """Return the answer that a row holds."""
    values = _fields(row)
    values["others_quoted"] = tuple(values["others_quoted"])
    return AnswerRecord(**values)


def pair_to_row(pair: Pair) -> dict[str, Any]:
    """Return the columns of a pair."""
    return _columns(pair)


def pair_from_row(row: Row[Any]) -> Pair:
    """Return the pair that a row holds."""
    values = _fields(row)
    values["split"] = Split(values["split"])
    values["status"] = PairStatus(values["status"])
    return Pair(**values)


def correction_from_row(row: Row[Any]) -> Correction:
    """Return the correction that a row holds."""
    values = dict(row._mapping)
    values["status"] = PairStatus(values["status"])
    return Correction(**values)


def messages_to_json(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return messages as chat templates and JSONL files want them."""
    return [{"role": storable(each.role), "content": storable(each.content)} for each in messages]


def _columns(record: AnswerRecord | Pair) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        row[field.name] = storable(value) if isinstance(value, str) else value
    row["messages"] = messages_to_json(record.messages)
    row["sources"] = [_storable_fields(source) for source in record.sources]
    return row


def _storable_fields(source: SourceRecord) -> dict[str, Any]:
    values = dataclasses.asdict(source)
    return {name: storable(v) if isinstance(v, str) else v for name, v in values.items()}


def _fields(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    values["audience"] = Audience(values["audience"])
    values["messages"] = tuple(Message(**each) for each in values["messages"])
    values["sources"] = tuple(SourceRecord(**each) for each in values["sources"])
    return values
