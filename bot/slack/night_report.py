"""What a night did, as messages for admins: what was used, what not and why, and who won. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from bot.slack.adapter_blocks import BARE, rollback_button
from bot.slack.blocks import Reply
from bot.slack.mrkdwn import escape
from bot.slack.reports import build_report, duration, moment
from training.nights import MAX_ATTEMPTS, NightOutcome, NightRecord
from training.report import Outcome

_HEADS = {
    Outcome.PROMOTED: "a new adapter is live",
    Outcome.KEPT: "no better adapter, so what was live stays",
    Outcome.SKIPPED: "skipped, nothing was trained",
    Outcome.FAILED: "failed",
    Outcome.PLANNED: "dry run, it would train",
    NightOutcome.FINISHED: "ended without a report",
    NightOutcome.FAILED: "failed",
    NightOutcome.TIMED_OUT: "ended, it took too long",
    NightOutcome.INTERRUPTED: "interrupted",
    NightOutcome.SKIPPED: "skipped, nothing was trained",
    NightOutcome.RUNNING: "still running",
}
_COUNTS = {
    "used": "learnt from",
    "new": "new",
    "replayed": "replayed against forgetting",
    "held_out": "held out to judge by",
}
_FIGURES = (
    ("correctness", "correctness", "{:.3f}"),
    ("f1", "token F1", "{:.3f}"),
    ("fact_recall", "facts held", "{:.0%}"),
    ("unsupported", "answers with an unsupported number", "{:.0%}"),
    ("loss", "loss (nats a token)", "{:.3f}"),
)
_DIFFERENCES = (
    ("correctness", "correctness, candidate − live"),
    ("likelihood", "loss, live − candidate"),
    ("written_vs_quoted", "correctness, candidate − quoting"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is live when a night is reported.

    Attributes:
        live: The version; None is the bare base model.
        target: What a rollback makes live; empty where there is nothing to go back to.
        confidence: Of the gate's interval.
        max_hours: After which a night is ended.
        zone: In which times are told; None: as they are.
    """

    live: str | None
    target: Sequence[str | None] = ()
    confidence: float = 0.95
    max_hours: float = 6
    zone: tzinfo | None = None


def outcome_of(night: NightRecord) -> str:
    """Return what a night came to, in one word."""
    return str(night.report.get("outcome") or night.outcome.value)


def headline(night: NightRecord, zone: tzinfo | None = None) -> str:
    """Return when a night was and what it came to."""
    said = _HEADS.get(outcome_of(night), outcome_of(night))  # type: ignore[call-overload]
    return f"{moment(night.started_at, zone)}: {said}"


def build_night_report(night: NightRecord, standing: Standing) -> Reply:
    """Return the report of a night, whatever became of it."""
    report = night.report
    lines = [f"*Night of {escape(headline(night, standing.zone))}*"]
    lines += [escape(text) for text in _reasons(night, standing)]
    lines += ["", f"*Live now:* {escape(standing.live or BARE)}"]
    if report.get("candidate"):
        lines.append(f"*Candidate:* {escape(str(report['candidate']))}")
    lines += _pairs(report)
    lines += _scores(report, standing.confidence)
    if report.get("losses"):
        first, last = report["losses"]
        lines.append(f"Training loss: {first:.3f} in the first epoch, {last:.3f} in the last.")
    lines += _time(night)
    can_go_back = standing.target and outcome_of(night) != Outcome.PLANNED
    buttons = [rollback_button(standing.live, standing.target[0])] if can_go_back else []
    return build_report(lines, buttons)


def _reasons(night: NightRecord, standing: Standing) -> list[str]:
    reasons = [str(night.report.get("reason") or "")]
    if night.outcome is NightOutcome.TIMED_OUT:
        reasons.append(
            f"It took longer than {standing.max_hours:g} hours (training.max_hours), "
            "so it was ended with all that it had started."
        )
    elif night.outcome is NightOutcome.INTERRUPTED:
        reasons.append("The bot was stopped, or its machine died.")
        if night.slot is not None and night.attempts < MAX_ATTEMPTS:
            reasons.append("It is tried once more.")
    elif night.outcome is NightOutcome.FAILED and not night.report:
        reasons.append(
            f"Its process ended with code {night.exit_code} and left no report; the bot's log "
            "has the details."
        )
    return [reason for reason in reasons if reason]


def _pairs(report: Mapping[str, Any]) -> list[str]:
    counts, left_out = report.get("counts") or {}, report.get("left_out") or {}
    lines = []
    if counts:
        said = [f"{counts[name]} {words}" for name, words in _COUNTS.items() if name in counts]
        lines.append(f"*Pairs:* {', '.join(said)}")
    if left_out:
        total = sum(left_out.values())
        lines.append(f"*Left out:* {total}")
        ordered = sorted(left_out.items(), key=lambda each: (-each[1], each[0]))
        lines += [f"• {number} × {escape(reason)}" for reason, number in ordered]
    return lines


def _scores(report: Mapping[str, Any], confidence: float) -> list[str]:
    named = [report.get(name) for name in ("before", "after", "quoting")]
    decision = report.get("decision")
    if not all(named) or not decision:
        return []
    lines = ["", "*Scores on the held-out questions* (live → candidate; quoting)"]
    for key, words, form in _FIGURES:
        before, after, quoting = (_figure(means, key, form) for means in named)
        lines.append(f"• {words}: {before} → {after}; {quoting}")
    lines.append(f"*Differences* with their {confidence:.0%} interval")
    for key, words in _DIFFERENCES:
        interval = decision[key]
        lines.append(
            f"• {words}: {interval['mean']:+.3f} ({interval['low']:+.3f} to "
            f"{interval['high']:+.3f}, p = {interval['p_value']:.3f})"
        )
    writes = (
        "Written answers beat quotes: in style 'auto' the bot writes."
        if decision["writes_better"]
        else "Written answers haven't been shown to beat quotes: in style 'auto' the bot quotes."
    )
    return [*lines, writes]


def _figure(means: Any, key: str, form: str) -> str:
    value = means.get(key)
    return "–" if value is None else form.format(value)


def _time(night: NightRecord) -> list[str]:
    lines = []
    if estimated := night.report.get("estimated_seconds"):
        lines.append(f"It would take about {duration(estimated)}.")
    if night.finished_at is not None and night.finished_at > night.started_at:
        total = duration((night.finished_at - night.started_at).total_seconds())
        steps = night.report.get("seconds") or {}
        said = ", ".join(f"{escape(step)} {duration(each)}" for step, each in steps.items())
        lines += ["", f"*Time:* {total}{f' ({said})' if said else ''}"]
    if night.report.get("outcome") in {Outcome.PROMOTED, Outcome.KEPT}:
        name = escape(str(night.report.get("night", "")))
        lines.append(f"With examples, in the data folder: reports/{name}.md")
    return lines
