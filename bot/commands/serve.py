"""`nightshift serve`: keep running: the nights on their schedule, and Slack."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bot.commands.adapters import BARE
from bot.commands.context import opened, settings_of
from bot.commands.nights import night_command
from bot.commands.state import opened_database, registry_of
from bot.health import serve_health
from bot.settings import Settings, SlackSettings
from training.nights import NightRecord
from training.schedule import NightScheduler

if TYPE_CHECKING:
    from bot.slack.app import SlackBot


class _StopAsked(Exception):  # noqa: N818 - a wish, not a fault
    """Somebody asked the process to end."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Answer GET /health on this port of localhost."),
    ] = None,
) -> None:
    """Keep running: start the night on its schedule, and answer in Slack if tokens are set.

    SIGTERM or Ctrl-C ends it; a night under way is stopped, and tried again at the next start.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ask_to_stop)
    try:
        with ExitStack() as stack:
            _start(context, port, stack, console)
            while True:
                time.sleep(3600)
    except _StopAsked:
        console.print("Stopped.")


def told(night: NightRecord) -> str:
    """Return what a night did in one line."""
    report = night.report
    outcome = report.get("outcome", night.outcome.value)
    return f"Night {night.started_at:%Y-%m-%d %H:%M}: {outcome}. {report.get('reason', '')}".strip()


def _start(context: typer.Context, port: int | None, stack: ExitStack, console: Console) -> None:
    settings = settings_of(context)
    bots: list[SlackBot] = []

    def on_finished(night: NightRecord) -> None:
        console.print(told(night))
        for bot in bots:
            bot.tell_admins(told(night))

    database = stack.enter_context(opened_database(settings))
    scheduler = NightScheduler(database, settings.training, night_command(context), on_finished)
    bots += _start_slack(settings, scheduler, stack, console)
    scheduler.start()
    stack.callback(scheduler.stop)
    registry = registry_of(settings)
    live, moment = registry.current(), scheduler.next_run_time()
    console.print(f"Live: {live.version if live else BARE}.")
    console.print(f"Next night: {moment:%A at %H:%M %Z}." if moment else "Nights are switched off.")
    if port is not None:
        bound = stack.enter_context(serve_health(port, _health(scheduler, settings)))
        console.print(f"Health: http://127.0.0.1:{bound}/health")
    console.print("Running. Ctrl-C ends it.")


def _start_slack(
    settings: Settings, scheduler: NightScheduler, stack: ExitStack, console: Console
) -> list[SlackBot]:
    missing = _missing_tokens(settings.slack)
    if missing:
        console.print(f"Without Slack: {' and '.join(missing)} not set.")
        return []
    from bot.slack.app import SlackBot
    from bot.slack.clients import Clients
    from bot.slack.parts import build_parts

    nightshift = stack.enter_context(opened(settings))
    parts = build_parts(nightshift, Clients(settings.slack), scheduler.run_now)
    slack = SlackBot(parts)
    stack.callback(slack.stop)
    slack.start()
    console.print("In Slack: mention the bot in a channel, or write to it.")
    return [slack]


def _missing_tokens(slack: SlackSettings) -> list[str]:
    tokens = {"BOT_TOKEN": slack.bot_token, "APP_TOKEN": slack.app_token}
    return [f"NIGHTSHIFT_SLACK__{n}" for n, value in tokens.items() if not value.get_secret_value()]


def _health(scheduler: NightScheduler, settings: Settings) -> Callable[[], dict[str, str]]:
    registry = registry_of(settings)

    def state() -> dict[str, str]:
        live, moment = registry.current(), scheduler.next_run_time()
        return {
            "live": live.version if live else "",
            "next_night": moment.isoformat() if moment else "",
        }

    return state


def _ask_to_stop(_number: int, _frame: FrameType | None) -> None:
    # A second signal would cut off the stopping itself.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise _StopAsked
