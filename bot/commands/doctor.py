"""`nightshift doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from bot.commands.context import opened, settings_of
from bot.doctor import quick_checks
from bot.errors import SettingsError
from bot.findings import Finding, Level, run_checks
from bot.settings import Settings

_SIGNS = {Level.OK: "[green]✓[/]", Level.NOTE: "[yellow]![/]", Level.PROBLEM: "[red]✗[/]"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    context: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="Settings, data folder and disk only.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check settings, stores, models and the machine; each problem comes with its mend."""
    console = Console(highlight=False)
    findings = []
    for finding in _findings(context, quick):
        findings.append(finding)
        if not as_json:
            _show(finding, console)
    problems = sum(finding.level is Level.PROBLEM for finding in findings)
    if as_json:
        report = {"ok": problems == 0, "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(report, ensure_ascii=False))
    elif problems:
        console.print(f"[red]{problems} to mend.[/]")
    else:
        console.print("[green]All is well.[/]")
    if problems:
        raise typer.Exit(1)


def _findings(context: typer.Context, quick: bool) -> Iterator[Finding]:
    try:
        settings = settings_of(context)
    except SettingsError as error:
        # Without settings nothing else can be looked at.
        yield Finding("settings", Level.PROBLEM, error.problem, error.mend)
        return
    yield Finding("settings", Level.OK, "the file and the environment are understood")
    broken = False
    for finding in run_checks(quick_checks(settings)):
        broken |= finding.check == "data folder" and finding.level is Level.PROBLEM
        yield finding
    if not quick and not broken:
        yield from _of_parts(settings)


def _of_parts(settings: Settings) -> Iterator[Finding]:
    from bot.doctor_hub import hub

    yield from hub(settings)
    from bot.doctor_parts import part_checks

    with opened(settings) as nightshift:
        yield from run_checks(part_checks(nightshift))


def _show(finding: Finding, console: Console) -> None:
    console.print(
        f"{_SIGNS[finding.level]} {finding.check}: {escape(finding.text)}", soft_wrap=True
    )
    if finding.mend:
        console.print(f"  [dim]{escape(finding.mend)}[/]", soft_wrap=True)
