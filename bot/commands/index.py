"""`nightshift index`: what the store keeps, and the way back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from bot.commands.adapters import Yes, ask_once_more
from bot.commands.context import opened, settings_of

if TYPE_CHECKING:
    from ingestion.index.protocol import Generation


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The generations of the index.")
    group.command("list")(list_generations)
    group.command("rollback")(rollback)
    app.add_typer(group, name="index")


def list_generations(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")] = False,
) -> None:
    """List the generations of the index: which serves, and which is kept to go back to."""
    from ingestion.index import opening

    settings = settings_of(context)
    generations = opening.list_generations(settings.index, settings.data_dir)
    console = Console(highlight=False)
    for generation in generations:
        if as_json:
            typer.echo(json.dumps(_as_json(generation), ensure_ascii=False))
        else:
            _show(generation, console)
    if not generations and not as_json:
        console.print("Nothing is indexed yet. Run: nightshift ingest DOCS")


def rollback(context: typer.Context, yes: Yes = False) -> None:
    """Go back to the generation that served before the last rebuild.

    Its documents are as they were then. What was removed since is removed from it too, and what
    has other readers now is closed, until the next ingest brings it up to date.
    """
    from bot.generations import go_back

    ask_once_more("Serve the generation before the last rebuild?", yes)
    with opened(settings_of(context)) as nightshift:
        closed = go_back(nightshift)
        generation = nightshift.index.generation
    typer.echo(f"Serving now: {generation}.")
    typer.echo(f"Closed or removed, for they changed since: {closed}. Next: nightshift ingest")


_ROLES = {
    "served": "[green]serves[/]",
    "previous": "kept, to go back to",
    "unfinished": "[yellow]of a rebuild that runs or was killed[/]",
}


def _show(generation: Generation, console: Console) -> None:
    console.print(f"[bold]{escape(generation.name)}[/] {_ROLES[generation.role]}", soft_wrap=True)
    chunks = "chunks unknown" if generation.chunks is None else f"{generation.chunks} chunks"
    made = f", {generation.made_at.astimezone():%Y-%m-%d %H:%M}" if generation.made_at else ""
    console.print(f"  {chunks}{made}")
    if metadata := generation.metadata:
        model = escape(metadata.model or metadata.embedder)
        console.print(
            f"  {model}, {metadata.dimensions} dimensions; cut by {escape(metadata.chunker)}",
            soft_wrap=True,
        )


def _as_json(generation: Generation) -> dict[str, Any]:
    metadata = generation.metadata
    return {
        "name": generation.name,
        "role": generation.role,
        "chunks": generation.chunks,
        "made_at": generation.made_at.isoformat() if generation.made_at else None,
        "model": metadata.model if metadata else None,
        "embedder": metadata.embedder if metadata else None,
        "dimensions": metadata.dimensions if metadata else None,
        "chunker": metadata.chunker if metadata else None,
    }
