"""`nightshift ingest`: documents into the index."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from bot.chosen_sources import chosen_sources
from bot.commands.context import opened, progress_bars, say, settings_of
from bot.plural import counted
from ingestion.settings import SourceSettings

if TYPE_CHECKING:
    from bot.assembly import Nightshift
    from ingestion.sync import Progress, SyncReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ingest")(ingest)


def ingest(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help=r"Folders or files; without any, the settings' \[\[sources]]."),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the index anew, beside the one that serves.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Index documents: Markdown, HTML, text, PDF, DOCX.

    Only what changed since the last run is embedded; what is gone is removed.

    Who may read a document is said by 'allow:' in its front matter,
    by the nearest '.access.toml', or by its source's 'allow' in nightshift.toml.

    For instance:

      nightshift ingest docs/

      nightshift ingest handbook/ policies.pdf --json
    """
    settings = settings_of(context)
    console = say()
    sources = chosen_sources(paths or (), settings.sources)
    with opened(settings) as nightshift:
        report = run_sync(nightshift, sources, console, rebuild=rebuild)
    if as_json:
        typer.echo(json.dumps(_as_json(report), ensure_ascii=False))
    else:
        show_report(report, console)
    if not _went_well(report):
        raise typer.Exit(1)


def run_sync(
    nightshift: Nightshift,
    sources: list[SourceSettings],
    console: Console,
    *,
    rebuild: bool = False,
) -> SyncReport:
    """Bring the index up to date with the sources, showing how far it is."""
    from bot.generations import why_rebuild
    from bot.reindex import STEPS, passed_over, reindex

    if not rebuild and (reason := why_rebuild(nightshift, sources)):
        console.print(f"{escape(reason)} It is made anew, beside the one that serves.")
        rebuild = True
    with progress_bars(console) as bars:
        task = bars.add_task("Loading the embedder", total=None, note="")

        def on_progress(progress: Progress) -> None:
            bars.update(
                task,
                description=STEPS[progress.step],
                total=progress.total or None,
                completed=progress.done,
                note=escape(progress.path[-48:]),
            )

        report = reindex(nightshift, sources, on_progress, rebuild=rebuild)
    for sentence in passed_over(report):
        console.print(f"[dim]{escape(sentence)}[/]")
    return report


def show_report(report: SyncReport, console: Console) -> None:
    """Tell what a run did, and name each document that couldn't be had."""
    for failed in report.failed:
        name = failed.path or failed.source
        # What a parser says begins with the name, for those who hear only of that one file.
        problem = failed.problem.removeprefix(f"{name}: ")
        console.print(f"[yellow]✗[/] {escape(name)}: {escape(problem)}")
        if failed.mend:
            console.print(f"  [dim]{escape(failed.mend)}[/]")
    from bot.reindex import counts_told

    seconds = sum(report.seconds.values())
    embedded = counted(report.chunks_embedded, "chunk")
    console.print(
        f"[green]✓[/] Documents: {counts_told(_as_json(report))}. "
        f"{embedded} embedded in {seconds:.1f} s."
    )


def _went_well(report: SyncReport) -> bool:
    """Whether each source could be listed, and not everything in them is broken."""
    if any(not failed.document_id for failed in report.failed):
        return False
    good = report.added + report.updated + report.acl_changed + report.unchanged
    return bool(good) or not report.failed


def _as_json(report: SyncReport) -> dict[str, Any]:
    return asdict(report)
