"""`nightshift adapters`: what the nights have made, and which of it is live."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from bot.commands.context import settings_of
from bot.commands.state import registry_of

if TYPE_CHECKING:
    from training.adapters import AdapterManifest, AdapterRegistry

BARE = "the bare base model"
_SCORES = ("correctness", "f1")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask once more.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The adapters, and which one is live.")
    group.command("list")(list_adapters)
    group.command("promote")(promote)
    group.command("rollback")(rollback)
    app.add_typer(group, name="adapters")


def list_adapters(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")] = False,
) -> None:
    """List the adapters, the newest first: which is live, its scores, and why."""
    registry = registry_of(settings_of(context))
    live = registry.live_version()
    manifests = registry.list()
    if as_json:
        for manifest in manifests:
            typer.echo(json.dumps(_as_json(manifest, live), ensure_ascii=False))
        return
    console = Console(highlight=False)
    for manifest in manifests:
        _show(manifest, manifest.version == live, console)
    console.print(f"Live: {escape(live or BARE)}.")


def promote(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="As in `nightshift adapters list`.")],
    yes: Yes = False,
) -> None:
    """Make an adapter live, after its files were checked; running bots swap to it."""
    registry = registry_of(settings_of(context))
    registry.verify(version)
    ask_once_more(f"Make {version} live?", yes)
    registry.promote(version)
    _say_live(registry)


def rollback(context: typer.Context, yes: Yes = False) -> None:
    """Go back to the adapter that was live before."""
    registry = registry_of(settings_of(context))
    ask_once_more(f"Leave {registry.live_version() or BARE}?", yes)
    registry.rollback()
    _say_live(registry)


def ask_once_more(question: str, yes: bool) -> None:
    """Ask on a terminal only: a script that calls has decided."""
    if not yes and sys.stdin.isatty() and not typer.confirm(question, err=True):
        raise typer.Exit(1)


def _say_live(registry: AdapterRegistry) -> None:
    typer.echo(f"Live now: {registry.live_version() or BARE}.")


def _show(manifest: AdapterManifest, is_live: bool, console: Console) -> None:
    """Show an adapter in lines that need no width: its reason is a sentence."""
    mark = " [green]live[/]" if is_live else ""
    console.print(f"[bold]{escape(manifest.version)}[/]{mark}")
    parent = escape(manifest.parent or "the base model")
    console.print(f"  from {parent}, {manifest.created_at.astimezone():%Y-%m-%d %H:%M}")
    if scores := _scores(manifest):
        console.print(f"  {scores}")
    if manifest.decision:
        console.print(f"  {escape(manifest.decision)}", soft_wrap=True)


def _scores(manifest: AdapterManifest) -> str:
    """Return the candidate's figures with those of what was live then."""
    scores = manifest.scores
    return ", ".join(
        f"{name} {scores[f'candidate {name}']:.3f} (live then: {scores[f'live {name}']:.3f})"
        for name in _SCORES
        if f"candidate {name}" in scores and f"live {name}" in scores
    )


def _as_json(manifest: AdapterManifest, live: str | None) -> dict[str, Any]:
    values = asdict(manifest) | {
        "created_at": manifest.created_at.isoformat(),
        "live": manifest.version == live,
    }
    # Thousands of ids and losses are for the manifest's own file.
    return {name: value for name, value in values.items() if name not in {"trained_on", "inputs"}}
