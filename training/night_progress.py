"""How a night's process says how far it is: a line of its standard output. Pure but for the file.

A line ``{"progress": {"step": "train", "fraction": 0.25}}`` is no report; the report comes last.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

_KEY = "progress"
_FINEST = 0.01
_CHUNK = 65_536

OnNightProgress = Callable[[str, float], None]
"""Gets the name of a night's step and the fraction of it that is done, in [0, 1]."""


def nobody_listens(_step: str, _fraction: float) -> None:
    """Take progress and do nothing with it."""


def progress_line(step: str, fraction: float) -> str:
    """Return the line, with its end."""
    return json.dumps({_KEY: {"step": step, "fraction": round(fraction, 4)}}) + "\n"


def progress_in(line: str) -> tuple[str, float] | None:
    """Return the step and its fraction where a line says them, else None."""
    if not line.startswith(f'{{"{_KEY}"'):
        return None
    with suppress(ValueError, KeyError, TypeError):
        said = json.loads(line)[_KEY]
        return str(said["step"]), min(1.0, max(0.0, float(said["fraction"])))
    return None


@dataclass(slots=True)
class ProgressLines:
    """Gives out progress as lines, but no more of them than people can see.

    Attributes:
        write: Takes a line.
    """

    write: Callable[[str], object]
    _step: str = ""
    _fraction: float = 0.0

    def __call__(self, step: str, fraction: float) -> None:
        """Write a line where the step or a hundredth of it has changed."""
        changed = step != self._step or fraction - self._fraction >= _FINEST or fraction >= 1
        if changed and (step, fraction) != (self._step, self._fraction):
            self._step, self._fraction = step, fraction
            self.write(progress_line(step, fraction))


@dataclass(slots=True)
class ProgressReader:
    """Follows the output of a process in a file that is being written.

    Attributes:
        file: Descriptor of the file; its position stays.
        on_progress: Gets what is new, in order.
    """

    file: int
    on_progress: OnNightProgress
    _offset: int = 0
    _rest: bytes = b""

    def read(self) -> None:
        """Hand over the whole lines that came since the last call."""
        while piece := os.pread(self.file, _CHUNK, self._offset):
            self._offset += len(piece)
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                said = progress_in(line.decode("utf-8", errors="replace"))
                if said is not None:
                    self.on_progress(*said)
