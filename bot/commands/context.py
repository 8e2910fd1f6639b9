"""What the commands share: the options given before them, and how the parts are opened."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bot.settings import Settings, load_settings

if TYPE_CHECKING:
    from bot.assembly import Nightshift


@dataclass(frozen=True, slots=True)
class Options:
    """The options that all commands share."""

    config: Path | None = None
    data_dir: Path | None = None


def settings_of(context: typer.Context) -> Settings:
    """Return the settings that the options, the environment and the file make together."""
    options: Options = context.obj
    return load_settings(options.config, options.data_dir)


def own_command(context: typer.Context, *words: str) -> list[str]:
    """Return another command of this program, with this one's settings, as a process of its own."""
    options: Options = context.obj
    command = [sys.executable, "-m", "bot.cli"]
    if options.config:
        command += ["--config", str(options.config.resolve())]
    if options.data_dir:
        command += ["--data-dir", str(options.data_dir.resolve())]
    return [*command, *words]


@contextmanager
def opened(settings: Settings) -> Iterator[Nightshift]:
    """Open the parts, and close them whatever happens."""
    from bot.assembly import Nightshift

    nightshift = Nightshift(settings)
    try:
        yield nightshift
    finally:
        nightshift.close()


def configure_logging(verbose: bool) -> None:
    """Log to standard error: problems only, or with --verbose everything that happens."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso"),
            ],
            # Without the variables: tokens and people's words stand in them.
            processor=structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        )
    )
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR, handlers=[handler], force=True
    )
    for package in ("bot", "ingestion", "training"):
        logging.getLogger(package).setLevel(logging.DEBUG if verbose else logging.WARNING)
    # These speak of kernels we don't use and of names that others will change, at every start.
    logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)
    # Each lost connection with a traceback; the store says it in a sentence.
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def progress_bars(console: Console) -> Progress:
    """Return progress bars; without a terminal nothing is drawn, the caller prints the steps."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


@contextmanager
def model_progress(nightshift: Nightshift) -> Iterator[None]:
    """Show how far the language model is, if it is loaded within: at first it is converted."""
    with progress_bars(say()) as bars:
        tasks: list[TaskID] = []

        def on_progress(fraction: float) -> None:
            if not tasks:
                tasks.append(bars.add_task("Loading the model", total=1.0, note=""))
            bars.update(tasks[0], completed=fraction)

        nightshift.on_model_progress = on_progress
        yield


def load_model_for(nightshift: Nightshift, style: str) -> None:
    """Load the local model, with a bar, where answers of this style may be written by it.

    The time-out of an answer then doesn't include the loading, nor the first conversion.
    """
    settings = nightshift.settings
    wanted = style or settings.answer.style
    earned = wanted == "auto" and nightshift.writer.has_its_voice()
    if not settings.model.is_remote and (earned or wanted == "written"):
        with model_progress(nightshift):
            nightshift.engine.warm()


def say() -> Console:
    """Return the console for people: standard error, so that standard output stays data."""
    return Console(stderr=True, highlight=False)
