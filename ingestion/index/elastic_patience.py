"""Waiting for a server that may be back soon: one restarts, a node is lost, a queue is full."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from ingestion.errors import IndexOutOfReachError

logger = logging.getLogger(__name__)

S = TypeVar("S", bound="Patient")
T = TypeVar("T")
P = ParamSpec("P")

# A person waits for an answer; a cluster that has lost a node needs about a second.
READ_DELAYS = (0.1, 0.2, 0.4, 0.8, 1.5)
_WORTH_A_WORD = 2.0
# A server that restarts needs half a minute.
_CHANGE_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, *[15.0] * 400)


class Patient(Protocol):
    """What knows how long it may wait."""

    patience_seconds: float


def reading(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Let a method that reads try again, for a few seconds at most."""
    return _patient(method, READ_DELAYS)


def changing(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Let a method that may be repeated whole try again, as long as the settings say."""
    return _patient(method, _CHANGE_DELAYS)


def patiently(action: Callable[[], T], delays: Iterable[float], most: float) -> T:
    """Return what an action returns, which is tried again while the server is out of reach.

    Args:
        action: May be done twice.
        delays: Seconds between the tries.
        most: Seconds of waiting in all.
    """
    left = most
    for delay in delays:
        try:
            return action()
        except IndexOutOfReachError as error:
            left -= delay
            if left < 0:
                raise
            # A reader's wait is over in a moment; of the other, people want to know.
            level = logging.INFO if delay < _WORTH_A_WORD else logging.WARNING
            logger.log(level, "%s Trying again in %g s.", error.problem, delay)
        time.sleep(delay)
    return action()


def _patient(
    method: Callable[Concatenate[S, P], T], delays: Iterable[float]
) -> Callable[Concatenate[S, P], T]:
    @wraps(method)
    def run(patient: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        action = partial(method, patient, *args, **kwargs)
        return patiently(action, delays, patient.patience_seconds)

    return run
