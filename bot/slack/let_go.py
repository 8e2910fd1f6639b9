"""An answer is read while it is written, and let go of at once where nobody wants it any more."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 0.1


def read_while(wanted: Callable[[], bool], events: Iterator[T]) -> Generator[T]:
    """Yield events as they come, until they are no longer wanted.

    A model may be silent for a minute. So a thread of its own waits for the next event, and is
    left alone when the event isn't wanted; it ends with that event, and closes `events`. It never
    asks for one that wasn't asked for here.

    Args:
        wanted: Called ten times a second while nothing comes; must be quick.
        events: Used by that thread only.

    Raises:
        What `events` raises.
    """
    reader = _Reader(events)
    threading.Thread(target=reader.run, name="slack-answer", daemon=True).start()
    try:
        while wanted():
            reader.ask()
            while (come := reader.look()) is None:
                if not wanted():
                    return
            if come.error is not None:
                raise come.error
            if not come.events:
                return
            yield from come.events
    finally:
        reader.leave()


class _Come(Generic[T]):
    """What came: one event, none at the end, or an error."""

    def __init__(self, *events: T, error: BaseException | None = None) -> None:
        self.events = events
        self.error = error


class _Reader(Generic[T]):
    """The thread that waits for events."""

    def __init__(self, events: Iterator[T]) -> None:
        self._events = events
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._come: queue.SimpleQueue[_Come[T]] = queue.SimpleQueue()

    def ask(self) -> None:
        """Wish for the next event."""
        self._asked.put(True)

    def look(self) -> _Come[T] | None:
        """Return what came; None where nothing did for a moment."""
        try:
            return self._come.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return None

    def leave(self) -> None:
        """Wish for nothing more."""
        self._asked.put(False)

    def run(self) -> None:
        """Hand over one event after the other, as they are asked for."""
        try:
            while self._asked.get():
                self._come.put(_Come(*itertools.islice(self._events, 1)))
        except BaseException as error:  # noqa: BLE001 - it is raised where the events are read
            self._come.put(_Come(error=error))
        finally:
            close = getattr(self._events, "close", None)
            if close is not None:
                close()
