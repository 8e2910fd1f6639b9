from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime

from tests.training.test_gate import SETTINGS, scores
from training.gate import decide
from training.report import (
    NightReport,
    Outcome,
    examples_of,
    means_of,
    report_json,
    report_markdown,
    report_svg,
)

BEFORE = scores([0.2] * 8)
AFTER = [
    replace(score, question="What | when?", answer="25 days")
    for score in scores([0.5 + 0.01 * n for n in range(8)], 1.5)
]
DECISION = decide(BEFORE, AFTER, SETTINGS)
REPORT = NightReport(
    night="20261123-021500",
    started_at=datetime(2026, 11, 23, 2, 15, tzinfo=UTC),
    outcome=Outcome.PROMOTED,
    reason=DECISION.reason,
    model="base@1",
    counts={"new": 28, "held_out": 8},
    left_out={"Not everyone may see it.": 2},
    candidate="v2",
    decision=DECISION,
    before=means_of(BEFORE),
    after=means_of(AFTER),
    quoting=means_of(AFTER, quoting=True),
    losses=(2.0, 1.0),
    seconds={"train": 12.0, "load the model": 600.0},
    examples=examples_of(BEFORE, AFTER),
)
SKIPPED = NightReport(
    night="n", started_at=REPORT.started_at, outcome=Outcome.SKIPPED, reason="Few.", model="m"
)


def test_people_read_what_happened_and_why() -> None:
    text = report_markdown(REPORT)
    for words in (
        "promoted",
        DECISION.reason,
        "| facts held | 20% | 54% | 50% |",
        "| correctness | 0.200 | 0.535 | 0.400 |",
        "| left out: Not everyone may see it. | 2 |",
        "the bare base model",
        "10 min",
        "- after: 25 days",
    ):
        assert words in text


def test_a_bar_in_a_text_does_not_break_a_table() -> None:
    text = report_markdown(replace(REPORT, reason="r", left_out={"a | b": 1}))
    assert "left out: a \\| b" in text


def test_a_skipped_night_has_a_report_without_scores_or_picture() -> None:
    assert "Few." in report_markdown(SKIPPED)
    assert "Scores" not in report_markdown(SKIPPED)
    assert report_svg(SKIPPED) == ""


def test_programs_read_the_same() -> None:
    values = json.loads(report_json(REPORT))
    assert values["outcome"] == "promoted"
    assert values["decision"]["promote"] is True
    assert values["after"]["correctness"] == REPORT.after.correctness  # type: ignore[union-attr]
    assert datetime.fromisoformat(values["started_at"]) == REPORT.started_at
    assert json.loads(report_json(SKIPPED))["decision"] is None


def test_the_picture_is_well_formed_and_true_to_scale() -> None:
    root = ET.fromstring(report_svg(replace(REPORT, night="<&>")))  # noqa: S314 - our own
    widths = [float(e.attrib["width"]) for e in root if e.tag.endswith("rect")]
    assert widths[0] / widths[2] == 0.2 / 0.4
    assert widths[1] > widths[2]


def test_the_examples_are_what_changed_most() -> None:
    assert [example.after for example in REPORT.examples] == ["25 days"] * 3
    changed = [*AFTER[:7], replace(AFTER[7], answer="worse")]
    assert examples_of(BEFORE, changed)[0].after == "worse"
