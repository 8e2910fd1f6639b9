"""The night's report: for people as Markdown and a picture, for programs as JSON. Pure."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from html import escape

from training.gate import Decision, Interval
from training.scoring import PairScore

_EXAMPLES = 3
_EXAMPLE_CHARACTERS = 600


class Outcome(enum.StrEnum):
    """How a night ended."""

    PROMOTED = "promoted"
    KEPT = "kept"  # a candidate was trained, and what was live stays
    SKIPPED = "skipped"  # nothing was trained
    FAILED = "failed"
    PLANNED = "planned"  # a dry run: the night would train


@dataclass(frozen=True, slots=True)
class Means:
    """Means over the held-out questions; of facts, over the references that have some."""

    correctness: float
    f1: float
    fact_recall: float | None  # None where no reference has facts
    unsupported: float  # share of answers that claim a number nobody gave them
    loss: float | None  # None of quotes


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """One held-out question with what was live, the candidate and people say."""

    question: str
    reference: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class NightReport:
    """What a night did, and why.

    Attributes:
        night: Name of the night and of its files.
        counts: Pairs by use: new, used, replayed, held_out.
        left_out: Pairs by the reason why they weren't used.
        live, candidate: Versions; None is the bare base model, or no candidate.
        before, after, quoting: Mean scores of what was live, of the candidate, of quotes.
        seconds: By step. estimated_seconds: Of a dry run, for all steps together.
        losses: Training loss of the first and the last epoch.
    """

    night: str
    started_at: datetime
    outcome: Outcome
    reason: str
    model: str
    counts: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    live: str | None = None
    candidate: str | None = None
    decision: Decision | None = None
    before: Means | None = None
    after: Means | None = None
    quoting: Means | None = None
    losses: tuple[float, float] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    estimated_seconds: float = 0.0
    examples: tuple[BeforeAfter, ...] = ()


def means_of(scores: Sequence[PairScore], quoting: bool = False) -> Means:
    """Return the means of written answers, or of the quotes for the same questions."""
    chosen = [score.quoting if quoting else score.written for score in scores]
    facts = [score.fact_recall for score in chosen if score.fact_recall is not None]
    return Means(
        correctness=_mean([score.correctness for score in chosen]),
        f1=_mean([score.f1 for score in chosen]),
        fact_recall=_mean(facts) if facts else None,
        unsupported=_mean([float(bool(score.unsupported_numbers)) for score in chosen]),
        loss=None if quoting else _mean([score.loss for score in scores]),
    )


def examples_of(
    live: Sequence[PairScore], candidate: Sequence[PairScore]
) -> tuple[BeforeAfter, ...]:
    """Return the questions that changed most, for better or worse, to look at."""
    both = sorted(
        zip(live, candidate, strict=True),
        key=lambda pair: -abs(pair[1].written.correctness - pair[0].written.correctness),
    )
    return tuple(
        BeforeAfter(new.question, new.reference, old.answer, new.answer)
        for old, new in both[:_EXAMPLES]
    )


def report_json(report: NightReport) -> str:
    """Return the report as JSON."""
    values = asdict(report) | {"started_at": report.started_at.isoformat()}
    return json.dumps(values, ensure_ascii=False, indent=2)


def report_markdown(report: NightReport) -> str:
    """Return the report for people."""
    parts = [
        f"# Night {report.night}: {report.outcome}",
        report.reason,
        _table(
            ("", ""),
            [
                ("Base model", report.model),
                ("Live before", report.live or "the bare base model"),
                *([("Candidate", report.candidate)] if report.candidate else []),
            ],
        ),
        "## Pairs",
        _table(
            ("pairs", "number"),
            [(name.replace("_", " "), str(n)) for name, n in report.counts.items()]
            + [(f"left out: {reason}", str(n)) for reason, n in report.left_out.items()],
        ),
    ]
    if report.before and report.after and report.quoting and report.decision:
        parts += _scores(report.before, report.after, report.quoting, report.decision)
    if report.losses:
        first, last = report.losses
        parts.append(f"Training loss: {first:.3f} in the first epoch, {last:.3f} in the last.")
    if report.examples:
        parts.append("## Before and after")
        parts += [_example(example) for example in report.examples]
    if report.estimated_seconds:
        parts.append(f"The night would take about {_duration(report.estimated_seconds)}.")
    if report.seconds:
        rows = [(step, _duration(seconds)) for step, seconds in report.seconds.items()]
        parts += ["## Time", _table(("step", "time"), rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def report_svg(report: NightReport) -> str:
    """Return a picture of correctness before, after and by quoting; empty without scores.

    The whisker on the candidate's bar is the interval of its difference to what was live.
    """
    if not (report.before and report.after and report.quoting and report.decision):
        return ""
    bars = (
        ("live", report.before.correctness, "#8a8f98"),
        ("candidate", report.after.correctness, "#2f6fde"),
        ("quoting", report.quoting.correctness, "#b58a2b"),
    )
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="520" height="150" role="img" '
        'font-family="sans-serif" font-size="13">',
        f"<title>Correctness, night {escape(report.night)}</title>",
    ]
    for place, (name, value, colour) in enumerate(bars):
        y = 20 + 42 * place
        lines += [
            f'<text x="90" y="{y + 18}" text-anchor="end">{name}</text>',
            f'<rect x="100" y="{y}" width="{_x(value) - 100:.1f}" height="26" fill="{colour}"/>',
            f'<text x="505" y="{y + 18}" text-anchor="end">{value:.3f}</text>',
        ]
    low = _x(report.before.correctness + report.decision.correctness.low)
    high = _x(report.before.correctness + report.decision.correctness.high)
    lines.append(
        f'<path d="M{low:.1f} 75H{high:.1f}M{low:.1f} 69v12M{high:.1f} 69v12" stroke="#000"/>'
    )
    return "\n".join([*lines, "</svg>", ""])


def _scores(before: Means, after: Means, quoting: Means, decision: Decision) -> list[str]:
    rows = [
        ("correctness", *(f"{m.correctness:.3f}" for m in (before, after, quoting))),
        ("token F1", *(f"{m.f1:.3f}" for m in (before, after, quoting))),
        ("facts held", *(_share(m.fact_recall) for m in (before, after, quoting))),
        (
            "answers with an unsupported number",
            *(f"{m.unsupported:.0%}" for m in (before, after, quoting)),
        ),
        ("loss (nats a token)", *(_nats(m.loss) for m in (before, after, quoting))),
    ]
    verdict = (
        "Written answers beat quotes: in style 'auto' the bot now writes."
        if decision.writes_better
        else "Written answers have not been shown to beat quotes: in style 'auto' the bot quotes."
    )
    return [
        "## Scores on the held-out questions",
        _table(("", "live", "candidate", "quoting"), rows),
        _bars(before, after, quoting),
        _table(
            ("difference", "mean", "interval", "p"),
            [
                ("correctness, candidate − live", *_cells(decision.correctness)),
                ("loss, live − candidate", *_cells(decision.likelihood)),
                ("correctness, candidate − quoting", *_cells(decision.written_vs_quoted)),
            ],
        ),
        verdict,
    ]


def _bars(before: Means, after: Means, quoting: Means) -> str:
    named = (("live", before), ("candidate", after), ("quoting", quoting))
    rows = [
        f"{name:<10}{'█' * round(means.correctness * 40):<40} {means.correctness:.3f}"
        for name, means in named
    ]
    return "\n".join(["```text", *rows, "```"])


def _example(example: BeforeAfter) -> str:
    return "\n".join(
        [
            f"**{_one_line(example.question)}**",
            "",
            f"- before: {_one_line(example.before)}",
            f"- after: {_one_line(example.after)}",
            f"- people's answer: {_one_line(example.reference)}",
        ]
    )


def _one_line(text: str) -> str:
    line = " ".join(text.split()) or "(nothing)"
    return line if len(line) <= _EXAMPLE_CHARACTERS else f"{line[:_EXAMPLE_CHARACTERS]} …"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _cells(interval: Interval) -> tuple[str, str, str]:
    return (
        f"{interval.mean:+.3f}",
        f"{interval.low:+.3f} to {interval.high:+.3f}",
        f"{interval.p_value:.3f}",
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _nats(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _x(value: float) -> float:
    """Return where a figure in [0, 1] stands in the picture."""
    return 100 + 350 * min(1.0, max(0.0, value))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
