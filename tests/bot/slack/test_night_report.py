"""Reports to admins as data: what they say, escaped, within Slack's limits, split and not cut."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.slack.adapter_blocks import (
    ROLLBACK,
    build_adapters_message,
    build_change_notice,
    build_rollback_message,
    rollback_of,
)
from bot.slack.blocks import Reply
from bot.slack.index_report import build_index_report
from bot.slack.night_report import Standing, build_night_report
from bot.slack.progress import Pace, progress_line
from bot.slack.reports import build_report
from ingestion.sources.source import FailedItem
from ingestion.sync import SyncReport
from tests.bot.slack.server.limits import UPDATED_TEXT, check_message
from training.gate import Decision, Interval
from training.manifest import AdapterManifest
from training.nights import NightOutcome, NightRecord
from training.report import Means, NightReport, Outcome, report_json

STARTED = datetime(2026, 11, 25, 2, tzinfo=UTC)
ALARM = "<!channel> <@U0ADA> & <https://evil.example|here>"
ESCAPED = "&lt;!channel&gt; &lt;@U0ADA&gt; &amp; &lt;https://evil.example|here&gt;"


def night(outcome: NightOutcome = NightOutcome.FINISHED, **values: Any) -> NightRecord:
    fields: dict[str, Any] = {
        "id": 7,
        "slot": STARTED,
        "trigger": "schedule",
        "holder": "h",
        "attempts": 1,
        "started_at": STARTED,
        "finished_at": STARTED + timedelta(minutes=12),
        "outcome": outcome,
        "exit_code": 0,
        "report": {},
    }
    return NightRecord(**fields | values)


def judged(outcome: Outcome, **values: Any) -> dict[str, Any]:
    """Return a night's report as its process prints it."""
    interval = Interval(0.118, 0.03, 0.21, 0.012)
    decision = Decision(True, "Better.", interval, interval, True, interval)
    report = NightReport(
        night="20261125-020000",
        started_at=STARTED,
        outcome=outcome,
        reason="Its answers are better by +0.118 in correctness.",
        model="smollm2",
        counts={"new": 28, "replayed": 3, "held_out": 12, "used": 30},
        left_out={"Too long.": 1, ALARM: 4},
        live="v1",
        candidate="v2",
        decision=decision,
        before=Means(0.412, 0.3, None, 0.12, 1.72),
        after=Means(0.53, 0.4, 0.5, 0.08, 1.65),
        quoting=Means(0.5, 0.35, 0.6, 0.0, None),
        losses=(2.0, 1.0),
        seconds={"train": 480.0},
    )
    values_of: dict[str, Any] = json.loads(report_json(report))
    return values_of | values


def all_text(reply: Reply) -> str:
    return "\n".join(part.text for part in reply.parts)


def assert_slack_takes(reply: Reply) -> None:
    assert reply.parts
    for part in reply.parts:
        message = {"text": part.text, "blocks": json.loads(json.dumps(part.blocks)) or None}
        check_message(message, UPDATED_TEXT)


def test_a_promoted_night_says_all_and_offers_to_go_back() -> None:
    reply = build_night_report(
        night(report=judged(Outcome.PROMOTED)), Standing("v2", ("v1",), confidence=0.95)
    )
    text = all_text(reply)
    for said in (
        "Wednesday 25 November 2026, 02:00 UTC: a new adapter is live",
        "better by +0.118",
        "*Live now:* v2",
        "30 learnt from, 28 new, 3 replayed against forgetting, 12 held out to judge by",
        f"*Left out:* 5\n• 4 × {ESCAPED}\n• 1 × Too long.",
        "• correctness: 0.412 → 0.530; 0.500",
        "• facts held: – → 50%; 60%",
        "• correctness, candidate − live: +0.118 (+0.030 to +0.210, p = 0.012)",
        "95% interval",
        "in style 'auto' the bot writes",
        "*Time:* 12 min (train 8 min)",
        "reports/20261125-020000.md",
    ):
        assert said in text
    button = reply.parts[-1].blocks[-1]["elements"][0]
    assert (button["action_id"], rollback_of(button["value"])) == (ROLLBACK, ("v2", "v1"))
    assert "Live now: v2. After this, v1 answers" in button["confirm"]["text"]["text"]
    assert_slack_takes(reply)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (night(report=judged(Outcome.KEPT)), "no better adapter, so what was live stays"),
        (
            night(report={"outcome": "skipped", "reason": "3 new pairs; 8 are needed."}),
            "skipped, nothing was trained*\n3 new pairs; 8 are needed.",
        ),
        (
            night(NightOutcome.SKIPPED, report={"reason": "Nothing ran at its time."}),
            "skipped, nothing was trained*\nNothing ran at its time.",
        ),
        (
            night(report={"outcome": "failed", "reason": ALARM}),
            f"failed*\n{ESCAPED}",
        ),
        (night(NightOutcome.FAILED, exit_code=137), "ended with code 137 and left no report"),
        (night(NightOutcome.TIMED_OUT), "longer than 2 hours (training.max_hours)"),
        (night(NightOutcome.INTERRUPTED), "its machine died.\nIt is tried once more."),
        (night(NightOutcome.FINISHED), "ended without a report"),
        (night(report={"outcome": "new word"}), "new word"),
    ],
)
def test_every_end_of_a_night_is_told(record: NightRecord, said: str) -> None:
    reply = build_night_report(record, Standing("v1", max_hours=2))
    assert said in all_text(reply)
    assert "*Live now:* v1" in all_text(reply)
    # Nothing to go back to, so nothing to press.
    assert "actions" not in [block["type"] for part in reply.parts for block in part.blocks]
    assert_slack_takes(reply)


def test_a_night_that_was_given_up_is_not_tried_again() -> None:
    text = all_text(build_night_report(night(NightOutcome.INTERRUPTED, attempts=2), Standing(None)))
    assert "tried" not in text
    assert "*Live now:* the bare base model" in text


def test_a_dry_run_offers_no_rollback() -> None:
    report = judged(Outcome.PLANNED, estimated_seconds=600)
    reply = build_night_report(night(report=report, id=0), Standing("v2", ("v1",)))
    assert "It would take about 10 min." in all_text(reply)
    assert ROLLBACK not in json.dumps([part.blocks for part in reply.parts])


def test_a_long_report_is_split_and_nothing_is_lost() -> None:
    left_out = {f"Reason {number} {'x' * 90}": 1 for number in range(400)}
    reply = build_night_report(
        night(report=judged(Outcome.KEPT, left_out=left_out)), Standing("v2", (None,))
    )
    assert len(reply.parts) > 10
    assert all(f"Reason {number} " in all_text(reply) for number in range(400))
    assert "the bare base model answers" in json.dumps(reply.parts[-1].blocks)
    assert_slack_takes(reply)


def failed(number: int, mend: str = "") -> FailedItem:
    path = f"folder/page-{number} {ALARM}.pdf"
    return FailedItem(f"d{number}", "handbook", path, f"{path}: it is damaged", mend, False)


def sync_report(*failures: FailedItem) -> SyncReport:
    return SyncReport(1200, 3, 1, 4, 5, failures, 3456, {"encode": 3.0}, skipped=2)


def test_each_document_that_cant_be_read_is_named() -> None:
    failures = [failed(number, "Save it again.") for number in range(300)]
    reply = build_index_report("handbook", sync_report(*failures), 754.0)
    text = all_text(reply)
    assert "*Indexed handbook* in 13 min" in text
    assert (
        "1,200 new, 3 changed, 1 with other rights, 4 gone, 5 unchanged, 300 not readable." in text
    )
    assert "2 files of other formats" in text
    for number in range(300):
        line = f"• folder/page-{number} {ESCAPED}.pdf: it is damaged. Save it again."
        assert line in text
    assert "<!channel>" not in text
    assert_slack_takes(reply)


def manifest(version: str, decision: str = "Better.") -> AdapterManifest:
    return AdapterManifest(version, "base", None, STARTED, decision=decision)


def test_many_adapters_are_several_messages() -> None:
    manifests = [manifest(f"20261125-0200{n:02}-ab12", f"{ALARM} " * 30) for n in range(60, 0, -1)]
    reply = build_adapters_message(manifests, manifests[3].version, (None,))
    assert all(each.version in all_text(reply) for each in manifests)
    assert_slack_takes(reply)
    buttons = json.dumps([part.blocks for part in reply.parts])
    assert buttons.count('"nightshift_promote"') == 59
    assert buttons.count(f'"{ROLLBACK}"') == 1
    assert "<!channel>" not in all_text(reply)


def test_the_bare_model_after_a_rollback_can_be_left_too() -> None:
    reply = build_adapters_message([manifest("v1")], None, ("v1",))
    assert ROLLBACK in json.dumps(reply.parts[-1].blocks)
    assert_slack_takes(reply)
    for message in (
        build_rollback_message(None, ("v1",)),
        build_rollback_message("v1", ()),
        build_adapters_message([], None, ()),
        build_change_notice(ALARM, "v1", None),
    ):
        assert_slack_takes(message)
    assert ESCAPED in all_text(build_change_notice(ALARM, "v1", None))


def test_the_longest_version_fits_into_the_question() -> None:
    longest = "v" * 64
    assert_slack_takes(build_rollback_message(longest, (longest.upper(),)))


def test_how_far_it_is() -> None:
    assert progress_line("Reading", 0.45, "120 of 883", 120.0) == (
        "▓▓▓▓▓░░░░░░░ 45% · Reading · 120 of 883 · 2 min left"
    )
    assert progress_line("Reading", 0.999) == "▓▓▓▓▓▓▓▓▓▓▓░ 99% · Reading"
    assert progress_line("Reading", 7).startswith("▓▓▓▓▓▓▓▓▓▓▓▓ 100%")
    assert progress_line("Reading", 0.5, left=42).endswith("40 s left")


def test_the_time_left_is_guessed_from_the_steps_own_pace() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace.seconds_left("list", 0.0) is None
    now[0] = 100
    assert pace.seconds_left("embed", 0.5) is None  # a step that has just begun
    now[0] = 120
    assert pace.seconds_left("embed", 0.5) == 20
    assert pace.seconds_left("embed", 1.0) is None


def test_lines_without_buttons_are_one_section_each() -> None:
    reply = build_report(["a", "", "b"])
    assert [asdict(part)["text"] for part in reply.parts] == ["a\n\nb"]
