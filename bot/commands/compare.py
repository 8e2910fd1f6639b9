"""`nightshift eval --compare`: retrieval, fine-tuning and both on the same questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot.commands.context import progress_bars, say
from bot.comparison import QUOTES, Comparison
from bot.modes import Mode
from bot.plural import counted
from training.report import Means, means_of

_SAFE = {Mode.RETRIEVAL: "yes", Mode.FINE_TUNING: "no", Mode.BOTH: "yes", QUOTES: "yes"}


@contextmanager
def step(what: str) -> Iterator[Callable[[float], None]]:
    """Show a bar for a step; yield what takes the fraction done, from 0 to 1."""
    with progress_bars(say()) as bars:
        task = bars.add_task(what, total=1.0, note="")
        yield lambda fraction: bars.update(task, completed=fraction)


def print_comparison(comparison: Comparison, as_json: bool) -> None:
    """Print the scores and costs, and what is recommended."""
    if as_json:
        typer.echo(json.dumps(_as_json(comparison), ensure_ascii=False))
        return
    shown = Console(highlight=False)
    shown.print(_table(comparison))
    shown.print()
    for line in _notes(comparison):
        shown.print(escape(line))


def _table(comparison: Comparison) -> Table:
    means = _means(comparison)
    costs = comparison.costs
    columns = [*Mode, QUOTES]

    def of_model(figure: str, form: str) -> list[str]:
        return [*(format(getattr(costs[mode], figure), form) for mode in Mode), "–"]

    rows = {
        "correctness": [f"{means[each].correctness:.3f}" for each in columns],
        "token F1": [f"{means[each].f1:.3f}" for each in columns],
        "facts of the answer": [_percent(means[each].fact_recall) for each in columns],
        "every required fact": [_percent(comparison.holds_all[each]) for each in columns],
        "claims a number nobody gave": [_percent(means[each].unsupported) for each in columns],
        "tokens read for a question": of_model("prompt_tokens", ".0f"),
        "seconds for a question": of_model("seconds", ".1f"),
        "cites pages, keeps rights": [_SAFE[each] for each in columns],
    }
    asked = len(comparison.scores[Mode.BOTH])
    table = Table(counted(asked, "question"), *columns, box=None)
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def _notes(comparison: Comparison) -> list[str]:
    lines = [
        f"The adapter {comparison.adapter} learnt from {counted(comparison.trained_on, 'pair')}.",
        *(f"Left out: {count} ({reason})." for reason, count in comparison.left_out.items()),
    ]
    recommended = comparison.recommendation
    return [*lines, f"Recommended: {recommended.mode}. {recommended.reason}"]


def _as_json(comparison: Comparison) -> dict[str, Any]:
    means = _means(comparison)
    return {
        "adapter": comparison.adapter,
        "trained_on": comparison.trained_on,
        "questions": len(comparison.scores[Mode.BOTH]),
        "left_out": dict(comparison.left_out),
        "modes": {
            each: {
                **asdict(means[each]),
                "holds_all": comparison.holds_all[each],
                **(asdict(comparison.costs[Mode(each)]) if each in comparison.costs else {}),
            }
            for each in means
        },
        "recommendation": asdict(comparison.recommendation),
    }


def _means(comparison: Comparison) -> dict[str, Means]:
    quotes = means_of(comparison.scores[Mode.BOTH], quoting=True)
    return {**{mode: means_of(comparison.scores[mode]) for mode in Mode}, QUOTES: quotes}


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
