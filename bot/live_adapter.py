"""Which adapter new questions get: follows what the registry says, and survives a broken one."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Protocol

from bot.adapter_slots import AdapterSlots
from training.adapters import AdapterRef
from training.errors import TrainingError

_RETRY_SECONDS = 60.0

log = logging.getLogger(__name__)


class AdapterSource(Protocol):
    """Says which adapter is live; `training.adapters.AdapterRegistry` is one."""

    def live(self) -> AdapterRef | None:
        """Return the live adapter, or None for the bare base model."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """What is live in this engine.

    Attributes:
        known: Whether the source was asked since the model was loaded.
        ref: The live adapter, None for the bare base model.
        previous: The one before it, kept in memory for a rollback.
        problem: Why the adapter that should be live isn't, or "".
    """

    known: bool = False
    ref: AdapterRef | None = None
    previous: AdapterRef | None = None
    problem: str = ""


class LiveAdapter:
    """The pointer. The engine's thread moves it; any thread may read it: it changes in one step."""

    def __init__(self, source: AdapterSource) -> None:
        self._source = source
        self._broken: tuple[str, float] = ("", 0.0)
        self.pointer = Pointer()

    def follow(self, slots: AdapterSlots) -> None:
        """Load what should be live beside the others, then flip; on a problem, keep the last."""
        wanted: AdapterRef | None = None
        try:
            wanted = self._source.live()
            if wanted is not None:
                if self._failed_lately(wanted.version):
                    return
                slots.load(wanted)
        except (TrainingError, OSError) as error:
            self._keep(wanted, error)
            return
        self._flip(wanted)

    def forget(self) -> None:
        """The model was dropped: what is live must be asked and loaded anew."""
        self.pointer = Pointer(problem=self.pointer.problem)

    def _flip(self, wanted: AdapterRef | None) -> None:
        old = self.pointer
        if old.known and old.ref == wanted:
            self.pointer = replace(old, problem="")
            return
        self.pointer = Pointer(known=True, ref=wanted, previous=old.ref)
        log.info("Live adapter: %s.", wanted.version if wanted else "none")

    def _keep(self, wanted: AdapterRef | None, error: TrainingError | OSError) -> None:
        problem = error.problem if isinstance(error, TrainingError) else type(error).__name__
        if wanted is not None:
            self._broken = (wanted.version, time.monotonic())
        if problem != self.pointer.problem:
            log.error("The adapter that should be live can't be used: %s", problem)
        self.pointer = replace(self.pointer, known=True, problem=problem)

    def _failed_lately(self, version: str) -> bool:
        broken, when = self._broken
        return version == broken and time.monotonic() < when + _RETRY_SECONDS
