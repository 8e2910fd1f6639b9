"""`nightshift serve`: keep running: the nights on their schedule, and Slack."""

from __future__ import annotations

import gc
import signal
import time
from contextlib import ExitStack
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import sqlalchemy as sa
import typer
from prometheus_client import REGISTRY
from rich.console import Console
from sqlalchemy.engine import Engine

from bot.commands.adapters import BARE
from bot.commands.context import opened, own_command, settings_of
from bot.commands.nights import night_command
from bot.commands.state import opened_database, registry_of
from bot.errors import PERSON_ERRORS, SettingsError
from bot.metrics import DatabaseCollector
from bot.settings import Settings, SlackSettings
from bot.web import Check, Pages, serve_web
from training.database import reading
from training.nights import NightRecord
from training.schedule import NightScheduler

if TYPE_CHECKING:
    from bot.assembly import Nightshift
    from bot.slack.app import SlackBot


_PORT = 8080


class _StopAsked(Exception):  # noqa: N818 - a wish, not a fault
    """Somebody asked the process to end."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            # Not NIGHTSHIFT_…, which are settings.
            envvar="SERVE_PORT",
            help=f"For /healthz, /readyz and /metrics, and for Slack by HTTP. [default: {_PORT}]",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(envvar="SERVE_HOST", help="The address to listen on; 0.0.0.0 for all."),
    ] = "127.0.0.1",
) -> None:
    """Keep running: read the sources and start the night on their schedules, answer in Slack.

    SIGTERM or Ctrl-C ends it: answers under way are finished, a night under way is stopped and
    tried again at the next start.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ask_to_stop)
    try:
        with ExitStack() as stack:
            _start(context, host, port, stack, console)
            while True:
                time.sleep(3600)
    except _StopAsked:
        console.print("Stopped.")


def told(night: NightRecord) -> str:
    """Return what a night did in one line."""
    report = night.report
    outcome = report.get("outcome", night.outcome.value)
    return f"Night {night.started_at:%Y-%m-%d %H:%M}: {outcome}. {report.get('reason', '')}".strip()


def _start(
    context: typer.Context, host: str, port: int | None, stack: ExitStack, console: Console
) -> None:
    from bot.document_schedule import DocumentSchedule

    settings = settings_of(context)
    bots: list[SlackBot] = []

    def on_finished(night: NightRecord) -> None:
        console.print(told(night))
        for bot in bots:
            bot.report_night(night)

    database = stack.enter_context(opened_database(settings))
    scheduler = NightScheduler(database, settings.training, night_command(context), on_finished)
    command = own_command(context, "ingest", "--json")
    documents = DocumentSchedule(database, settings, command, console.print)
    bots += _start_slack(settings, scheduler, stack, console)
    for started in (scheduler, documents):
        started.start()
        stack.callback(started.stop)
    registry = registry_of(settings)
    live, moment = registry.current(), scheduler.next_run_time()
    console.print(f"Live: {live.version if live else BARE}.")
    console.print(f"Next night: {moment:%A at %H:%M %Z}." if moment else "Nights are switched off.")
    console.print(_when_read(settings, documents.next_run_time()))
    REGISTRY.register(DatabaseCollector(database, registry))
    pages = _pages(database, scheduler, bots, settings.slack)
    _serve_pages(pages, host, port, stack, console, needed=settings.slack.mode == "http")
    console.print("Running. Ctrl-C ends it.")


def _when_read(settings: Settings, moment: datetime | None) -> str:
    if moment:
        return f"Documents are read next at {moment:%H:%M %Z}."
    missing = "ingest.schedule" if settings.sources else "[[sources]]"
    return f"Documents are read by command only: no {missing}."


def _start_slack(
    settings: Settings, scheduler: NightScheduler, stack: ExitStack, console: Console
) -> list[SlackBot]:
    missing = settings.slack.missing()
    if missing:
        console.print(f"Without Slack: {' and '.join(missing)} not set.")
        return []
    from bot.slack.app import SlackBot
    from bot.slack.clients import Clients
    from bot.slack.oauth import Installations
    from bot.slack.parts import build_parts

    slack = settings.slack
    nightshift = stack.enter_context(opened(settings))
    installations = Installations(slack, nightshift.database) if slack.client_id else None
    clients = Clients(slack, installations.token_of if installations else None)
    bot = SlackBot(build_parts(nightshift, clients, scheduler.run_now), installations)
    stack.callback(bot.stop)
    _warm(nightshift, console)
    bot.start(connect=slack.mode == "socket")
    console.print("In Slack: mention the bot in a channel, or write to it.")
    return [bot]


def _warm(nightshift: Nightshift, console: Console) -> None:
    """Load the models before questions come; what is broken is told, and may be mended later."""
    console.print("Loading the models.")
    try:
        nightshift.warm()
    except PERSON_ERRORS as error:
        console.print(f"{error.problem} {error.mend}")
    # Looking for garbage among the million objects of libraries and models stops all threads for
    # half a second, at any moment; they stay as long as the process.
    gc.collect()
    gc.freeze()


def _pages(
    database: Engine, scheduler: NightScheduler, bots: list[SlackBot], slack: SlackSettings
) -> Pages:
    def database_answers() -> str:
        with reading(database) as connection:
            connection.execute(sa.text("SELECT 1"))
        return "answers"

    def next_night() -> str:
        moment = scheduler.next_run_time()
        return moment.isoformat() if moment else "switched off"

    alive: dict[str, Check] = {f"slack {n}": bot.alive for n, bot in enumerate(bots)}
    ready: dict[str, Check] = {"database": database_answers, "next night": next_night}
    for bot in bots:
        ready |= {"slack": bot.connected, "index": bot.index_answers}
    wants_requests = slack.mode == "http" or slack.client_id
    return Pages(alive, ready, bots[0].pages if bots and wants_requests else None)


def _serve_pages(
    pages: Pages, host: str, port: int | None, stack: ExitStack, console: Console, *, needed: bool
) -> None:
    """Serve the pages; only a port that was asked for, or that Slack needs, must be free."""
    try:
        bound = stack.enter_context(serve_web(pages, host, _PORT if port is None else port))
    except SettingsError as error:
        if needed or port is not None:
            raise
        console.print(f"{error.problem} So there is no /healthz; {error.mend.lower()}")
        return
    console.print(f"Health: http://{host}:{bound}/healthz (and /readyz, /metrics)")


def _ask_to_stop(_number: int, _frame: FrameType | None) -> None:
    # A second signal would cut off the stopping itself.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise _StopAsked
