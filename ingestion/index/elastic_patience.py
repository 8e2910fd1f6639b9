"""Waiting for a server that may be back soon: one restarts, a node is lost, a queue is full.

Who reads waits for seconds by the clock, since a person waits for the answer. Who writes waits as
long as the settings say, and no request of theirs is cut short.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from ingestion.errors import IndexOutOfReachError

logger = logging.getLogger(__name__)

S = TypeVar("S", bound="Patient")
T = TypeVar("T")
P = ParamSpec("P")

# A person waits for an answer; a cluster that has lost a node needs about a second.
READ_DELAYS = (0.1, 0.2, 0.4, 0.8, 1.5)
# A node that hangs refuses nothing: another is asked then, and a third, since the second may ask
# the first for its part of the index. A big index on a slow disk, of which nothing is in memory,
# needs seconds too; what it has read for one request, it needn't read for the next.
READ_SECONDS = 12.0
_REQUEST_SECONDS = 4.0
_LEAST_SECONDS = 0.1
_WORTH_A_WORD = 2.0
# A server that restarts needs half a minute.
_CHANGE_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, *[15.0] * 400)

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
_reads_for_a_writer: ContextVar[bool] = ContextVar("reads_for_a_writer", default=False)


class Patient(Protocol):
    """What knows how long it may wait.

    Attributes:
        patience_seconds: Of pauses between tries; what the tries themselves take isn't counted.
    """

    patience_seconds: float


def reading(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Let a method that reads try again, for a few seconds at most."""
    return _patient(method, read_patiently)


def changing(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Let a method that may be repeated whole try again, as long as the settings say."""
    return _patient(method, _change_patiently)


@contextmanager
def writers_patience() -> Iterator[None]:
    """Let what is read within, in this thread, wait as writers do: `ingest` is in no hurry."""
    token = _reads_for_a_writer.set(True)
    try:
        yield
    finally:
        _reads_for_a_writer.reset(token)


def read_patiently(action: Callable[[], T], most: float) -> T:
    """Return what an action reads, which is tried again for a few seconds at most.

    A server that refuses gets 3 seconds of pauses, one that doesn't answer `READ_SECONDS` in all.

    Args:
        action: May be done twice.
        most: Seconds of pauses in all, where that is less.
    """
    if _reads_for_a_writer.get():
        return _change_patiently(action, most)
    token = _deadline.set(time.monotonic() + READ_SECONDS)
    try:
        return patiently(action, READ_DELAYS, most)
    finally:
        _deadline.reset(token)


def request_seconds() -> float | None:
    """Return how long one request may take now; None where nobody waits for its answer."""
    deadline = _deadline.get()
    if deadline is None:
        return None
    return min(_REQUEST_SECONDS, max(deadline - time.monotonic(), _LEAST_SECONDS))


@contextmanager
def uncounted() -> Iterator[None]:
    """Leave what is done within out of the time that a reader waits."""
    begun = time.monotonic()
    try:
        yield
    finally:
        deadline = _deadline.get()
        if deadline is not None:
            _deadline.set(deadline + time.monotonic() - begun)


def patiently(action: Callable[[], T], delays: Iterable[float], most: float) -> T:
    """Return what an action returns, which is tried again while the server is out of reach.

    Args:
        action: May be done twice.
        delays: Seconds between the tries.
        most: Seconds of pauses in all; what the tries themselves take isn't counted.
    """
    left = most
    for delay in delays:
        try:
            return action()
        except IndexOutOfReachError as error:
            left -= delay
            if left < 0 or _is_too_late_in(delay):
                raise
            # A reader's wait is over in a moment; of the other, people want to know.
            level = logging.INFO if delay < _WORTH_A_WORD else logging.WARNING
            logger.log(level, "%s Trying again in %g s.", error.problem, delay)
        time.sleep(delay)
    return action()


def _change_patiently(action: Callable[[], T], most: float) -> T:
    return patiently(action, _CHANGE_DELAYS, most)


def _patient(
    method: Callable[Concatenate[S, P], T], patience: Callable[[Callable[[], T], float], T]
) -> Callable[Concatenate[S, P], T]:
    @wraps(method)
    def run(patient: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return patience(partial(method, patient, *args, **kwargs), patient.patience_seconds)

    return run


def _is_too_late_in(seconds: float) -> bool:
    deadline = _deadline.get()
    return deadline is not None and time.monotonic() + seconds >= deadline
