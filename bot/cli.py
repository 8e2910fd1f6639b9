"""The `nightshift` command. The only place where errors become exit codes."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from bot.commands import (
    adapters,
    ask,
    chat,
    demo,
    doctor,
    evaluate,
    index,
    ingest,
    manifest,
    nights,
    pairs,
    serve,
)
from bot.commands.context import Options, configure_logging
from bot.errors import PERSON_ERRORS
from bot.settings import at_home

EXIT_PROBLEM = 1
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="nightshift",
    help="Answers employees' questions from your own documents, with sources, and learns from "
    "their thumbs-up at night.\n\nStart with: nightshift ingest DOCS, then: nightshift chat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

ingest.register(app)
ask.register(app)
chat.register(app)
pairs.register(app)
nights.register(app)
adapters.register(app)
index.register(app)
evaluate.register(app)
doctor.register(app)
serve.register(app)
manifest.register(app)
demo.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nightshift {version('nightshift')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for everything a run writes (default: .nightshift)."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings file (default: nightshift.toml here).")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Read the options that all commands share."""
    configure_logging(verbose)
    # A shell leaves the ~ of --data-dir=~/nightshift as it is.
    context.obj = Options(
        config=at_home(config) if config else None, data_dir=at_home(data_dir) if data_dir else None
    )


def main() -> None:
    """Run a command; a problem is told in two lines: what, and what to do about it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Threads that wait must not burn the cores of others: beside a second busy process the
    # default slows decoding 50-fold. Read when PyTorch is imported, which happens later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    errors = Console(stderr=True)
    try:
        app()
    except PERSON_ERRORS as error:
        errors.print(f"[bold red]Problem:[/] {escape(error.problem)}", soft_wrap=True)
        if error.mend:
            errors.print(f"[bold green]Mend:[/] {escape(error.mend)}", soft_wrap=True)
        sys.exit(EXIT_PROBLEM)
    except KeyboardInterrupt:
        errors.print("Stopped.")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_PROBLEM)
    except Exception:
        # Not by __name__: of this file run as a program, that is __main__.
        logging.getLogger("bot.cli").debug("unexpected", exc_info=True)
        errors.print(
            "[bold red]Problem:[/] Something went wrong that Nightshift doesn't know of.\n"
            "[bold green]Mend:[/] Run nightshift --verbose … to see the details, and report them.",
            soft_wrap=True,
        )
        sys.exit(EXIT_PROBLEM)


if __name__ == "__main__":
    main()
