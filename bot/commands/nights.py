"""`nightshift train`, `nights` and `status`: the night now, what it did, and what is live."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from bot.commands.context import opened, own_command, progress_bars, say, settings_of
from bot.commands.state import opened_database, registry_of
from bot.curation import curate_votes, usable_pairs
from bot.settings import Settings
from training.errors import TrainingError
from training.feedback import Feedback
from training.night_progress import OnNightProgress, ProgressLines, nobody_listens
from training.nights import NightOutcome, NightRecord, Nights
from training.pair_store import PairStore
from training.records import PairStatus

if TYPE_CHECKING:
    from training.report import NightReport


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train)
    app.command("nights")(nights)
    app.command("status")(status)
    app.command("night", hidden=True)(night)


def night_command(context: typer.Context) -> list[str]:
    """Return the command of one night's process, for the scheduler."""
    return own_command(context, "night")


def train(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; train nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Run the night now: pairs, fine-tune, gate, and promote or keep, with the reason.

    Example: nightshift train --dry-run
    """
    settings = settings_of(context)
    if dry_run:
        _show(_as_values(run_night_here(settings, dry_run=True)), as_json)
        return
    record = run_supervised(context, settings)
    if not record.report:
        raise TrainingError(
            f"The night ended without a report: {record.outcome}.",
            "Run it as nightshift --verbose train, or raise training.max_hours.",
        )
    _show(record.report, as_json)
    if record.outcome is NightOutcome.FAILED or record.report.get("outcome") == "failed":
        raise typer.Exit(1)


def run_supervised(context: typer.Context, settings: Settings) -> NightRecord:
    """Run one night in a process of its own, one at a time in the whole installation."""
    from training.schedule import NightScheduler

    with opened_database(settings) as database:
        scheduler = NightScheduler(
            database, settings.training, night_command(context), on_finished=lambda _: None
        )
        return scheduler.run_now()


def night(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen.")] = False,
) -> None:
    """Run one night in this process and print its report as the last line (for the scheduler)."""
    lines = ProgressLines(_write_line)
    report = run_night_here(settings_of(context), dry_run=dry_run, on_progress=lines)
    sys.stdout.write(json.dumps(_as_values(report), ensure_ascii=False) + "\n")


def _write_line(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def run_night_here(
    settings: Settings,
    *,
    dry_run: bool = False,
    on_progress: OnNightProgress = nobody_listens,
) -> NightReport:
    """Curate the votes, then run the night with progress bars, and tell `on_progress` too."""
    from training.night_plan import NightSettings
    from training.nightly import run_night

    on_progress("look at the votes", 0.0)
    with opened(settings) as nightshift:
        selection = usable_pairs(nightshift)
    on_progress("look at the votes", 1.0)
    console = say()
    with progress_bars(console) as bars:
        tasks: dict[str, Any] = {}

        def show(step: str, fraction: float) -> None:
            on_progress(step, fraction)
            if step not in tasks:
                tasks[step] = bars.add_task(step.capitalize(), total=1.0, note="")
                if not console.is_terminal:
                    console.print(f"  {step} …")
            bars.update(tasks[step], completed=fraction)

        return run_night(
            selection,
            registry_of(settings),
            NightSettings(settings.model, settings.training, settings.pairs),
            settings.data_dir,
            dry_run=dry_run,
            on_progress=show,
        )


def nights(
    context: typer.Context,
    limit: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")] = False,
) -> None:
    """List the nights, newest first, with their scores; the reports are files."""
    settings = settings_of(context)
    with opened_database(settings) as database:
        records = Nights(database).recent(limit)
    if as_json:
        for record in records:
            typer.echo(json.dumps(dict(record.report), ensure_ascii=False, default=str))
        return
    console = Console(highlight=False)
    if not records:
        console.print("There was no night yet. Run one now with: nightshift train")
        return
    table = Table("when", "trigger", "outcome", "correctness before → after", "why")
    for record in records:
        table.add_row(
            f"{record.started_at:%Y-%m-%d %H:%M}",
            record.trigger,
            str(record.report.get("outcome") or record.outcome),
            _before_after(record.report),
            escape(str(record.report.get("reason", ""))),
        )
    console.print(table)
    console.print(f"Reports: {settings.data_dir / 'reports'}", markup=False)


def status(context: typer.Context) -> None:
    """Show what is live, what waits, and how the last night went."""
    settings = settings_of(context)
    console = Console(highlight=False)
    live = registry_of(settings).current()
    with opened_database(settings) as database:
        curate_votes(database, settings.pairs)
        pairs = PairStore(database)
        chosen, last = pairs.selection(settings.pairs), Nights(database).recent(1)
        waiting = len(pairs.list(PairStatus.PENDING))
        corrections = len(Feedback(database).corrections(PairStatus.PENDING))
    table = Table(show_header=False, box=None)
    table.add_row("model", escape(settings.model.name))
    table.add_row("live adapter", live.version if live else "none: the bare base model")
    table.add_row("answers are", _style(settings, live is not None and live.writes_better))
    table.add_row("pairs", f"{len(chosen.train)} to learn, {len(chosen.held_out)} to judge by")
    table.add_row("waiting for review", f"{waiting} pairs, {corrections} corrections")
    table.add_row("schedule", settings.training.schedule if settings.training.enabled else "off")
    if last:
        outcome = last[0].report.get("outcome") or last[0].outcome
        table.add_row("last night", f"{last[0].started_at:%Y-%m-%d %H:%M}: {outcome}")
    console.print(table)


def _style(settings: Settings, earned: bool) -> str:
    if settings.answer.style != "auto":
        return settings.answer.style
    return "written: the model earned it at the gate" if earned else "quoted (auto)"


def _before_after(report: Mapping[str, Any]) -> str:
    before, after = report.get("before"), report.get("after")
    if not before or not after:
        return "–"
    return f"{before['correctness']:.2f} → {after['correctness']:.2f}"


def _as_values(report: NightReport) -> dict[str, Any]:
    from training.report import report_json, report_markdown

    values: dict[str, Any] = json.loads(report_json(report))
    return {**values, "markdown": report_markdown(report)}


def _show(report: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(dict(report), ensure_ascii=False))
    else:
        Console(highlight=False).print(Markdown(str(report.get("markdown") or report["reason"])))
