"""What the doctor's checks return, and how they are run."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bot.errors import PERSON_ERRORS


class Level(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        check: Name of the check.
        text: What is so, without secrets.
        mend: What to do; empty where nothing must be done.
    """

    check: str
    level: Level
    text: str
    mend: str = ""


Check = Callable[[], Iterable[Finding]]


def run_checks(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """Yield what the checks find; one that fails is itself a finding, and the others go on."""
    for name, check in checks:
        try:
            yield from check()
        except PERSON_ERRORS as error:
            yield Finding(name, Level.PROBLEM, error.problem, error.mend)
