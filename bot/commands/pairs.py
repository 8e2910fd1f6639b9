"""`nightshift pairs`: what the nights may learn from, and what waits for a person."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.engine import Engine

from bot.commands.context import opened, settings_of
from bot.commands.state import opened_database, person_here
from bot.curation import curate_votes, usable_pairs
from bot.errors import SettingsError
from training.errors import FeedbackError
from training.feedback import Feedback
from training.pair_store import PairStore, json_lines
from training.pair_store import export as export_pairs
from training.records import Correction, Pair, PairStatus
from training.rules import is_private

_ID_LENGTH = 10
_SHOWN = 60

Id = Annotated[str, typer.Argument(help="An id of `nightshift pairs list`, or how it begins.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="What the nights may learn from, and what waits for a person."
    )
    group.command("list")(list_pairs)
    group.command("show")(show)
    group.command("review")(review)
    group.command("export")(export)
    app.add_typer(group, name="pairs")


def list_pairs(
    context: typer.Context,
    status: Annotated[PairStatus | None, typer.Option(help="Only those.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")] = False,
) -> None:
    """List the pairs with the reason for each one's status, and the corrections that wait."""
    settings = settings_of(context)
    with opened_database(settings) as database:
        curate_votes(database, settings.pairs)
        pairs = PairStore(database).list(status)
        waiting = _waiting(database) if status in (None, PairStatus.PENDING) else []
    if as_json:
        for value in [*map(_pair_json, pairs), *map(_correction_json, waiting)]:
            typer.echo(json.dumps(value, ensure_ascii=False))
        return
    console = Console(highlight=False)
    if pairs:
        console.print(_table(pairs))
    for correction in waiting:
        console.print(f"[yellow]correction waits[/] {correction.id[:_ID_LENGTH]}  ", end="")
        console.print(_short(correction.text), markup=False)
    counts = [f"{sum(pair.status == each for pair in pairs)} {each}" for each in PairStatus]
    console.print(f"{len(pairs)} pairs: {', '.join(counts)}. {len(waiting)} corrections wait.")
    if not pairs and not waiting:
        console.print("Pairs come from votes: rate answers with /good in nightshift chat.")


def show(context: typer.Context, pair_id: Id) -> None:
    """Show a pair, or a correction that waits, in full."""
    settings = settings_of(context)
    console = Console(highlight=False, markup=False)
    with opened_database(settings) as database:
        curate_votes(database, settings.pairs)
        correction = _correction_beginning(database, pair_id)
        if correction is not None:
            answer = Feedback(database).answer(correction.answer_id)
            fields = {
                "correction": f"{correction.id}, waits for a review",
                "question": answer.standalone,
                "served": answer.answer,
                "corrected": correction.text,
                "by": correction.author,
            }
        else:
            fields = _fields(PairStore(database).show(pair_id))
    for name, text in fields.items():
        console.print(f"{name}:", style="bold")
        console.print(f"  {text}".replace("\n", "\n  "), soft_wrap=True)


def review(
    context: typer.Context,
    pair_id: Id,
    approve: Annotated[bool, typer.Option("--approve", help="It may be learned.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="It may not.")] = False,
    edit: Annotated[str, typer.Option(help="Approve it with this answer instead.")] = "",
    reason: Annotated[str, typer.Option(help="Why, for others.")] = "",
) -> None:
    """Decide on a pair or on a correction; no rule overrules a person."""
    if approve + reject + bool(edit.strip()) != 1:
        raise SettingsError(
            "A review needs one decision.", "Give one of --approve, --reject and --edit TEXT."
        )
    settings = settings_of(context)
    with opened_database(settings) as database:
        curate_votes(database, settings.pairs)
        correction = _correction_beginning(database, pair_id)
        if correction is None:
            store = PairStore(database)
            pair = store.review(pair_id, not reject, person_here(), edit, reason)
            typer.echo(f"Pair {pair.id[:_ID_LENGTH]}: {pair.status}. {pair.reason}")
            return
        feedback = Feedback(database)
        if edit:
            text = edit.strip()
            feedback.review_correction(correction.id, False, person_here())
            correction = feedback.correct(correction.answer_id, person_here(), text)
        done = feedback.review_correction(correction.id, not reject, person_here())
        curate_votes(database, settings.pairs)
        typer.echo(f"Correction {done.id[:_ID_LENGTH]}: {done.status}.")


def export(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; standard output without one.")
    ] = None,
) -> None:
    """Write what may be used now as JSON lines: messages, sources, votes, and the side."""
    with opened(settings_of(context)) as nightshift:
        chosen = usable_pairs(nightshift)
    if file is None:
        typer.echo(json_lines(chosen), nl=False)
    else:
        typer.echo(f"{export_pairs(file, chosen)} pairs are in {file}.", err=True)


def _waiting(database: Engine) -> list[Correction]:
    return Feedback(database).corrections(PairStatus.PENDING)


def _correction_beginning(database: Engine, start: str) -> Correction | None:
    """Return the waiting correction whose id begins so, if one does and no pair's id does."""
    start = start.strip().lower()
    found = [each for each in _waiting(database) if start and each.id.startswith(start)]
    same = [pair for pair in PairStore(database).list() if pair.id.startswith(start)]
    if len(found) + len(same) > 1:
        raise FeedbackError(
            "Several ids begin so.", "Give more of it; see the ids with: nightshift pairs list."
        )
    return found[0] if found else None


def _table(pairs: list[Pair]) -> Table:
    table = Table("id", "status", "side", "votes", "question", "why", box=None, pad_edge=False)
    colours = {PairStatus.APPROVED: "green", PairStatus.PENDING: "yellow"}
    for pair in pairs:
        private = " [magenta](private)[/]" if is_private(pair) else ""
        table.add_row(
            pair.id[:_ID_LENGTH],
            f"[{colours.get(pair.status, 'red')}]{pair.status}[/]{private}",
            pair.split.value.replace("_", " "),
            f"+{pair.votes_up} −{pair.votes_down}",
            escape(_short(pair.question)),
            escape(pair.reason),
        )
    return table


def _fields(pair: Pair) -> dict[str, str]:
    places = [f"{s.path} ({s.heading})" if s.heading else s.path for s in pair.sources]
    return {
        "pair": pair.id,
        "status": f"{pair.status}: {pair.reason}",
        "side": pair.split.value.replace("_", " "),
        "private": "yes" if is_private(pair) else "no",
        "votes": f"{pair.votes_up} up, {pair.votes_down} down",
        "question": pair.question,
        "answer": pair.answer,
        "sources": "\n".join(places) or "none",
        "reviewed by": pair.reviewed_by or "nobody",
    }


def _pair_json(pair: Pair) -> dict[str, Any]:
    return {
        "kind": "pair",
        "id": pair.id,
        "status": pair.status,
        "reason": pair.reason,
        "split": pair.split,
        "private": is_private(pair),
        "votes_up": pair.votes_up,
        "votes_down": pair.votes_down,
        "question": pair.question,
        "answer": pair.answer,
        "sources": [asdict(source) for source in pair.sources],
        "reviewed_by": pair.reviewed_by,
    }


def _correction_json(correction: Correction) -> dict[str, Any]:
    return {
        "kind": "correction",
        "id": correction.id,
        "status": correction.status,
        "answer_id": correction.answer_id,
        "author": correction.author,
        "answer": correction.text,
    }


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
