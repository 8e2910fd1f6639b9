"""`/retrain`: a night now, with a message that shows how far it is and ends with its report."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from slack_bolt import App

from bot.errors import PERSON_ERRORS
from bot.slack.admins import admin_room, is_admin_channel, name_of, refusal
from bot.slack.blocks import Reply
from bot.slack.commands import BEGAN_DIRECT, BEGAN_HERE, Command, acknowledge, job_listeners
from bot.slack.mrkdwn import escape
from bot.slack.night_report import build_night_report, headline
from bot.slack.parts import Parts
from bot.slack.progress import LiveMessage, Pace, Spot, progress_line
from bot.slack.reports import build_report
from bot.slack.status import standing_of
from bot.slack.views_home import RETRAIN
from training.errors import DatabaseError, where_raised
from training.nights import NightRecord

_JOB = "retrain"
_USAGE = (
    "Write `/retrain` to run the night now, or `/retrain --dry-run` to see what it would do. "
    "Neither takes anything else."
)
_BUSY = "A night that was started from Slack is running already. Try again when it has ended."
_INTERRUPTED = "It was interrupted: the bot was stopped, or its machine died."

logger = logging.getLogger(__name__)


def register(app: App, parts: Parts) -> None:
    """Listen to the command, and to the Home tab's button."""
    start, press = job_listeners(parts, start_retrain)
    app.command("/retrain")(ack=acknowledge, lazy=[start])
    app.action(RETRAIN)(ack=acknowledge, lazy=[press])


def dry_run_of(words: Sequence[str]) -> bool | None:
    """Return whether a command asks for a dry run; None where it can't be understood. Pure."""
    # Phones turn two hyphens into a dash.
    plain = [word.replace("—", "--").replace("–", "--") for word in words]
    if not plain:
        return False
    return True if plain in (["--dry-run"], ["dry-run"]) else None


def start_retrain(parts: Parts, command: Command) -> str:
    """Start the night, if this person may and it can be; return what they are told (mrkdwn)."""
    refused = refusal(parts, command.team, command.user)
    if refused:
        return refused
    dry_run = dry_run_of(command.words)
    if dry_run is None:
        return _USAGE
    if parts.jobs.is_running(_JOB):
        return _BUSY
    room = admin_room(parts, command.team, command.channel, command.user)
    spot = Spot(f"{_JOB}:{uuid.uuid4().hex}", command.team, room)
    who = name_of(parts, command.team, command.user)
    if not parts.jobs.start(_JOB, Run(parts, spot, dry_run, who).work):
        return _BUSY
    return BEGAN_HERE if room == command.channel else BEGAN_DIRECT


@dataclass(slots=True)
class Run:
    """One night that an admin started, from its first message to its report."""

    parts: Parts
    spot: Spot
    dry_run: bool
    who: str
    _pace: Pace = field(default_factory=Pace)
    _done: list[str] = field(default_factory=list)
    _step: str = ""

    def work(self) -> None:
        """Run the night, show how far it is, and report."""
        what = "Dry run of a night" if self.dry_run else "A night"
        head = f"*{what}*, started by {escape(self.who)}"
        interrupted = build_report([head, _INTERRUPTED])
        live = LiveMessage(self.parts.outbox, self.parts.clients, self.spot, interrupted)
        live.show(f"{head}\n{progress_line('Starting', 0.0)}")

        def on_progress(step: str, fraction: float) -> None:
            live.show(f"{head}\n{self._progress(step, fraction)}")

        reply = self._night(head, on_progress)
        try:
            live.finish(reply)
        except DatabaseError as error:
            logger.error("A report can't be stored: %s", error.problem)

    def _night(self, head: str, on_progress: Any) -> Reply:
        try:
            night: NightRecord = self.parts.run_night(self.dry_run, on_progress)
        except PERSON_ERRORS as error:
            logger.warning("A night can't be run: %s", type(error).__name__)
            return build_report([head, escape(error.problem), escape(error.mend)])
        except Exception as error:
            details = logger.isEnabledFor(logging.DEBUG)
            logger.error("A night can't be run: %s", where_raised(error), exc_info=details)
            return build_report([head, "It failed unexpectedly; the bot's log has the details."])
        standing = standing_of(self.parts.nightshift)
        told = night.id and is_admin_channel(self.parts, self.spot.team, self.spot.channel)
        if told:  # by the report of every night: once is enough
            end = (
                f"Night of {escape(headline(night, standing.zone))}. Its report is in this channel."
            )
            return build_report([head, end])
        return build_night_report(night, standing)

    def _progress(self, step: str, fraction: float) -> str:
        """Return how far the step is, below the steps that are done."""
        if step != self._step:
            if self._step:
                self._done.append(self._step)
            self._step = step
        left = self._pace.seconds_left(step, fraction)
        line = progress_line(escape(step.capitalize()), fraction, left=left)
        done = [f"✓ {escape(name.capitalize())}" for name in self._done]
        return "\n".join([*done, line])
