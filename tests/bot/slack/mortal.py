"""A process of the bot that dies at a chosen moment, inside this one.

A killed process does nothing any more: no statement reaches the database, no request reaches Slack,
and what it knew is gone. That is what `kill -9` leaves behind, thousands of times a minute. Before
each write to the database and each request to Slack, `Mortal` may die; from then on each of its
threads ends at the next one. Its memory is never used again. Real `kill -9` is in
`test_schedules.py` too, only slower.
"""

from __future__ import annotations

import itertools
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from slack_bolt import BoltRequest
from sqlalchemy import event

from bot.assembly import Nightshift
from bot.settings import Settings
from bot.slack.app import SlackBot
from bot.slack.clients import Clients
from bot.slack.parts import Parts, build_parts
from training.nights import NightRecord

_numbers = itertools.count(1)
_alive: dict[str, Mortal] = {}
_here = threading.local()
_threads: list[threading.Thread] = []
_PREFIX = re.compile(r"/api/(p\d+)/")


class Killed(BaseException):
    """The process is dead. Nobody's `except Exception` holds it up."""


@contextmanager
def quiet_deaths() -> Iterator[None]:
    """Let threads die of `Killed` without a word, and all of them before the end."""
    before = threading.excepthook

    def tell(what: threading.ExceptHookArgs) -> None:
        if what.exc_type is not Killed:
            before(what)

    threading.excepthook = tell
    try:
        yield
    finally:
        for thread in _threads:
            thread.join(60)
        _threads.clear()
        threading.excepthook = before


class Mortal:
    """One process: its own database connections, clients, app and worker.

    Args:
        settings: Of the installation.
        shared: Lends its answerer: weights and index are only read.
        kill_at: Which effect it doesn't live to see, from 1; 0 for a long life.
    """

    def __init__(self, settings: Settings, shared: Nightshift, kill_at: int = 0) -> None:
        self.name = f"p{next(_numbers)}"
        self.dead = False
        self.effects = 0
        self._kill_at = kill_at
        self._lock = threading.Lock()
        _alive[self.name] = self
        _listen()
        url = f"{settings.slack.api_url}{self.name}/"
        slack = settings.slack.model_copy(update={"api_url": url})
        self.nightshift = Nightshift(settings.model_copy(update={"slack": slack}))
        self.nightshift.__dict__["answerer"] = shared.answerer
        engine = self.nightshift.database
        event.listen(engine, "before_cursor_execute", self._before_statement)
        event.listen(engine, "commit", self._before_commit)
        self.parts: Parts | None = None
        self._bot: SlackBot | None = None

    def start(self) -> bool:
        """Start; False if it died on the way."""
        before = set(threading.enumerate())
        try:
            _here.process = self
            clients = Clients(self.nightshift.settings.slack)
            self.parts = build_parts(self.nightshift, clients, _night)
            self._bot = SlackBot(self.parts)
            self._bot.start(connect=False)
        except Killed:
            return False
        finally:
            _here.process = None
            _threads.extend(set(threading.enumerate()) - before)
        return True

    def take(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any]:
        """Hand it an event; status 0 if it died before it could acknowledge."""
        assert self._bot is not None
        try:
            _here.process = self
            request = BoltRequest(body=body, mode="socket_mode", headers=headers)  # type: ignore[arg-type]
            reply = self._bot.app.dispatch(request)
            self.effect()
        except Killed:
            return 0, {}
        finally:
            _here.process = None
        return reply.status, {}

    def kill(self) -> None:
        """Kill it now."""
        self.dead = True

    def bury(self) -> None:
        """Kill it, and wait until its threads have ended."""
        self.kill()
        self.wake()
        if self._bot is not None:
            # What it held it would hand back; the dead can't. All threads end at their next effect.
            with suppress(Killed):
                self._bot.stop()
        self.nightshift.database.dispose()
        _alive.pop(self.name, None)

    def wake(self) -> None:
        """Let its threads look for work now: else they sleep for up to a second."""
        if self.parts is not None:
            with self.parts.queue._arrived:
                self.parts.queue._arrived.notify_all()
            self.parts.ballots.wake()

    def effect(self) -> None:
        """Die now, if it is time; called before all that others could notice."""
        with self._lock:
            self.effects += 1
            if self.effects == self._kill_at:
                self.dead = True
        if self.dead:
            raise Killed

    def _before_statement(self, *_: Any) -> None:
        _here.process = self
        if self.dead:
            raise Killed

    def _before_commit(self, _connection: sa.Connection) -> None:
        self.effect()


def _night(_dry_run: bool) -> NightRecord:
    raise AssertionError("no night is asked for here")


def _on_audit(name: str, arguments: tuple[Any, ...]) -> None:
    """Before each request of urllib's, which is what Slack's SDK speaks with."""
    if name != "urllib.Request" or not _alive:
        return
    found = _PREFIX.search(str(arguments[0]))
    process = _alive.get(found[1]) if found else getattr(_here, "process", None)
    if process is not None:
        _here.process = process
        process.effect()
    elif found:
        raise Killed  # buried already


_listening = threading.Event()


def _listen() -> None:
    if not _listening.is_set():
        _listening.set()
        sys.addaudithook(_on_audit)
