"""Which of a person's votes on an answer counts. Pure.

People vote by several means: the reactions on the answer's messages, its buttons, a command. All of
them are one vote, by these rules:

- The last act counts, by the time at which the person acted, not by when it was heard of. Events
  that come late, twice or in another order change nothing.
- Taking back takes away the vote that was cast by the same means, and changes nothing where another
  vote counts. Then the reaction that was put last and still stands counts, since everybody sees it;
  where none stands, no vote does. A button that was overruled doesn't come back.
- A reason belongs to the vote that counted when it was given, and goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

COMMAND = ""
BUTTON = "button"
REASON = "reason"
_REACTION = "reaction:"


@dataclass(frozen=True, slots=True, order=True)
class VoteEvent:
    """One act of a person. Two that are equal are one that was heard of twice.

    Attributes:
        at: When the person acted.
        means: `COMMAND`, `BUTTON`, what `reaction` returns, or `REASON`, which casts no vote but
            gives a reason for one with this value.
        value: 1, -1, or 0 to take back.
    """

    at: datetime
    means: str
    value: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """The vote that counts: 1, -1 or 0, with its reason."""

    value: int = 0
    reason: str = ""


def reaction(message: str, name: str) -> str:
    """Return the means of a vote by a reaction of this name on this message."""
    return f"{_REACTION}{message}:{name}"


def standing(events: Iterable[VoteEvent]) -> Standing:
    """Return which vote counts after these acts, in whatever order they are given."""
    shown: dict[str, int] = {}  # reactions that stand, the one that was put last at the end
    by, value, reason = COMMAND, 0, ""
    for event in sorted(set(events)):
        before = value
        if event.means == REASON:
            reason = event.reason if event.value == value else reason
            continue
        shown.pop(event.means, None)
        if event.value:
            by, value = event.means, event.value
            if event.means.startswith(_REACTION):
                shown[event.means] = event.value
        elif event.means == COMMAND:
            shown.clear()
            by, value = COMMAND, 0
        elif event.means == by:
            by, value = next(reversed(shown.items()), (COMMAND, 0))
        if value != before:
            reason = event.reason
        elif event.value == value:
            reason = event.reason or reason
    return Standing(value, reason)
