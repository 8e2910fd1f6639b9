"""Long pieces of work that admins start: each in a thread of its own, one of a name at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from training.errors import where_raised

_STOP_SECONDS = 20.0

logger = logging.getLogger(__name__)


class JobStopped(Exception):  # noqa: N818 - a wish, not a fault
    """The bot is being stopped, and the work is left for another time."""


class Jobs:
    """The work of this process."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._running: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def start(self, name: str, work: Callable[[], None]) -> bool:
        """Start work in the background; return False where one of this name runs here."""
        with self._lock:
            if self._stopping.is_set() or self.is_running(name):
                return False
            thread = threading.Thread(
                target=_run, args=(name, work), name=f"slack-job-{name}", daemon=True
            )
            self._running[name] = thread
            thread.start()
        return True

    def is_running(self, name: str) -> bool:
        """Return whether work of this name goes on here."""
        thread = self._running.get(name)
        return thread is not None and thread.is_alive()

    def go_on(self) -> None:
        """Be called by work where it can be left.

        Raises:
            JobStopped: The bot is being stopped.
        """
        if self._stopping.is_set():
            raise JobStopped

    def stop(self) -> None:
        """Ask all work to end, and wait for it."""
        with self._lock:
            self._stopping.set()
        for thread in self._running.values():
            thread.join(_STOP_SECONDS)


def _run(name: str, work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:
        details = logger.isEnabledFor(logging.DEBUG)
        logger.error("The work '%s' failed: %s", name, where_raised(error), exc_info=details)
