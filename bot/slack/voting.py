"""Votes from Slack: stored at once, then counted, once it is known by whom and on what.

A vote is stored before its event is acknowledged. It is counted in the background, because that
needs Slack (is it a guest, or a bot?) and because the answer may still be on its way. Counting
twice is once, so that any process may go on where another one died.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Engine, Row

from bot.settings import SlackSettings
from bot.slack.people import Person
from bot.tables import ballots
from training.database import reading, writing
from training.tables import storable

_SKIN_TONE = "::"
_AT_ONCE = 500
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote as it was cast.

    Attributes:
        voter: The Slack user.
        value, means, at, reason: As `training.votes.VoteEvent` has them.
        answer_id: "" where the message (channel, ts) says which answer it is.
        channel: Where the person acted. ts: Of the message, for a reaction.
        id, received_at: Given when it is stored.
    """

    team: str
    voter: str
    value: int
    means: str
    at: datetime
    answer_id: str = ""
    channel: str = ""
    ts: str = ""
    reason: str = ""
    id: int = 0
    received_at: datetime = _LONG_AGO


class Ballots:
    """The votes that wait to be counted. Safe in several threads and processes.

    Args:
        engine: From `training.database.open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._arrived = threading.Event()

    def put(self, ballot: Ballot) -> None:
        """Store a vote.

        Raises:
            DatabaseError: It can't be stored.
        """
        row = {
            "team": ballot.team,
            "channel": ballot.channel,
            "ts": ballot.ts,
            "answer_id": storable(ballot.answer_id),
            "voter": ballot.voter,
            "value": ballot.value,
            "reason": storable(ballot.reason),
            "means": storable(ballot.means),
            "at": ballot.at,
            "received_at": datetime.now(UTC),
        }
        with writing(self._engine) as connection:
            connection.execute(ballots.insert().values(row))
        self._arrived.set()

    def waiting(self, after: int = 0) -> list[Ballot]:
        """Return some of those that wait, oldest first, from after an id on."""
        query = ballots.select().where(ballots.c.id > after)
        query = query.order_by(ballots.c.id).limit(_AT_ONCE)
        with reading(self._engine) as connection:
            return [_ballot(row) for row in connection.execute(query)]

    def remove(self, ids: Iterable[int]) -> None:
        """Remove what is counted, or can't count."""
        gone = list(ids)
        if gone:
            with writing(self._engine) as connection:
                connection.execute(ballots.delete().where(ballots.c.id.in_(gone)))

    def wait(self, seconds: float) -> None:
        """Wait until one arrives in this process, but not longer."""
        self._arrived.wait(seconds)
        self._arrived.clear()

    def wake(self) -> None:
        """End a wait."""
        self._arrived.set()


def emoji_value(name: str, settings: SlackSettings) -> int:
    """Return how a reaction votes, whatever its skin tone: 1, -1, or 0 where it doesn't. Pure."""
    plain = name.partition(_SKIN_TONE)[0]
    if plain in {each.strip(":") for each in settings.up_emoji}:
        return 1
    return -1 if plain in {each.strip(":") for each in settings.down_emoji} else 0


def moment(ts: str) -> datetime:
    """Return the time that a timestamp of Slack names, to the microsecond. Pure.

    Raises:
        ValueError: It is none.
    """
    seconds, _, fraction = ts.partition(".")
    micro = int(fraction.ljust(6, "0")[:6]) if fraction else 0
    return datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=micro)


def moment_in(event: Mapping[str, Any], key: str) -> datetime:
    """Return when Slack says that something was done; now, where it doesn't."""
    try:
        return moment(str(event.get(key) or ""))
    except (ValueError, OverflowError, OSError):
        return datetime.now(UTC)


def may_vote(person: Person, settings: SlackSettings) -> bool:
    """Return whether somebody's votes count; a person that isn't known yet may later. Pure."""
    return person.known and not person.bot and (settings.allow_guests or not person.outsider)


def _ballot(row: Row[Any]) -> Ballot:
    return Ballot(**dict(row._mapping))
