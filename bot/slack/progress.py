"""One message in Slack that shows how far a long piece of work is, and ends with its report."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from slack_sdk import WebClient

from bot.slack.blocks import Part, Reply
from bot.slack.clients import OUTSIDE_ERRORS, Clients, kind_of
from bot.slack.outbox import Outbox, find_marked, post_marked
from bot.slack.single_try import asked_to_wait, without_retries
from training.errors import DatabaseError

# chat.update may be called about 50 times a minute, by all of the bot together.
_UPDATE_SECONDS = 3.0
_HOLD_SECONDS = 90.0
_KEEP_SECONDS = 20.0
_CELLS = 12
# Before that, the time that is left can't be guessed.
_GUESS_AFTER_SECONDS = 5.0
_GUESS_AFTER_FRACTION = 0.03

logger = logging.getLogger(__name__)


def progress_line(step: str, fraction: float, note: str = "", left: float | None = None) -> str:
    """Return a line such as ``▓▓▓▓▓░░░░░░░ 45% · Reading · 120 of 883 · 2 min left``. Pure."""
    # Rounded down: 100% is only what is done.
    fraction = min(1.0, max(0.0, fraction))
    full = int(fraction * _CELLS)
    bar = "▓" * full + "░" * (_CELLS - full)
    parts = [f"{bar} {int(fraction * 100)}%", step, note, "" if left is None else _left(left)]
    return " · ".join(part for part in parts if part)


def _left(seconds: float) -> str:
    if seconds < 10:
        return "seconds left"
    if seconds < 90:
        return f"{round(seconds, -1):.0f} s left"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min left"
    return f"{seconds / 3600:.1f} h left"


@dataclass(slots=True)
class Pace:
    """Guesses how long a step still takes, from how long it took so far.

    Attributes:
        clock: Gives seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _step: str = ""
    _begun: float = 0.0

    def seconds_left(self, step: str, fraction: float) -> float | None:
        """Return about how long the step still takes, or None where that can't be said yet."""
        now = self.clock()
        if step != self._step:
            self._step, self._begun = step, now
        took = now - self._begun
        if took < _GUESS_AFTER_SECONDS or fraction < _GUESS_AFTER_FRACTION or fraction >= 1:
            return None
        return took / fraction * (1 - fraction)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a message goes, and the key of what it tells."""

    key: str
    team: str
    channel: str


class LiveMessage:
    """A message that is changed as the work goes on. Slack's outages hold nothing up.

    Its report is promised in the database from the start: when the process dies, the message says
    so after a while, from another process or after the next start.

    Args:
        outbox: Posts the report.
        clients: Of the workspaces.
        spot: Where the message goes.
        interrupted: The report for the case that this process dies.
        keep: Called now and then while the work goes on.
    """

    def __init__(
        self,
        outbox: Outbox,
        clients: Clients,
        spot: Spot,
        interrupted: Reply,
        keep: Callable[[], None] = lambda: None,
    ) -> None:
        self._outbox = outbox
        self._clients = clients
        self._spot = spot
        self._keep = keep
        self._channel = spot.channel
        self._ts = ""
        self._tried = False
        self._wanted = ""
        self._shown = ""
        self._changed = threading.Event()
        self._ended = threading.Event()
        outbox.notices.put(spot.key, spot.team, spot.channel, interrupted, _HOLD_SECONDS)
        self._thread = threading.Thread(target=self._run, name="slack-progress", daemon=True)
        self._thread.start()

    def show(self, text: str) -> None:
        """Show a text, now or a little later; a newer one may take its place. Never waits."""
        self._wanted = text
        self._changed.set()

    def finish(self, reply: Reply) -> None:
        """Show the report in its place; it is stored when this returns.

        Raises:
            DatabaseError: It can't be stored.
        """
        self._ended.set()
        self._changed.set()
        self._thread.join()
        spot = self._spot
        self._outbox.settle(spot.key, spot.team, self._channel, self._ts, reply)

    def _run(self) -> None:
        kept = time.monotonic()
        while not self._ended.is_set():
            self._changed.wait(_KEEP_SECONDS / 2)
            self._changed.clear()
            if time.monotonic() - kept > _KEEP_SECONDS:
                self._hold()
                kept = time.monotonic()
            if self._wanted != self._shown and not self._ended.is_set():
                self._update(self._wanted)
                self._ended.wait(_UPDATE_SECONDS)

    def _update(self, text: str) -> None:
        try:
            client = without_retries(self._clients.of(self._spot.team))
            if not self._ts:
                self._begin(client, text)
            if self._shown != text:
                client.chat_update(channel=self._channel, ts=self._ts, text=text)
            self._shown = text
        except OUTSIDE_ERRORS as error:
            logger.info("Slack took no progress: %s", kind_of(error))
            self._changed.set()  # try again
            self._ended.wait(asked_to_wait(error))

    def _begin(self, client: WebClient, text: str) -> None:
        """Post the message, or find the one that was taken though its answer was lost."""
        mark = {"key": self._spot.key, "part": "progress"}
        found = find_marked(client, self._channel, mark) if self._tried else ""
        self._tried = True
        if found:
            self._ts = found
        else:
            response = post_marked(client, self._channel, Part(text), mark)
            self._channel, self._ts = str(response["channel"]), str(response["ts"])
            self._shown = text
        self._hold()

    def _hold(self) -> None:
        try:
            self._outbox.notices.hold(self._spot.key, _HOLD_SECONDS, self._channel, self._ts)
            self._keep()
        except DatabaseError as error:
            logger.warning("A promised report can't be held: %s", error.problem)
