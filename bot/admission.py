"""How a new question comes into the queue: at its place, once, and not above its asker's limits.

All of this runs in the caller's transaction, under the lock of the queue.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.tables import claims, questions
from bot.task import Limits, NewQuestion, Placed, QuestionStatus, Refusal, Stop
from training.tables import storable

UNFINISHED = (QuestionStatus.WAITING.value, QuestionStatus.RUNNING.value)
_VERSION = "version"

# Built once: a question is acknowledged only after these, and building them anew takes longer than
# running them.
_MINE = (questions.c.team == sa.bindparam("team")) & (questions.c.asker == sa.bindparam("asker"))
_DAY = questions.c.created_at > sa.bindparam("since")
# One that gave way to its later version waits no more.
_OPEN = questions.c.status.in_(UNFINISHED) & (questions.c.stop != Stop.EDITED.value)
_WAITING = questions.c.status == QuestionStatus.WAITING.value
_MOST = sa.func.max(questions.c.turn)
_IS_CLAIMED = sa.select(claims.c.key).where(
    claims.c.team == sa.bindparam("team"),
    claims.c.key.in_(sa.bindparam("keys", expanding=True)),
)
_TURNS = sa.select(
    sa.func.coalesce(
        sa.select(sa.func.min(questions.c.turn)).where(_WAITING).scalar_subquery(),
        sa.select(_MOST).scalar_subquery(),
        0,
    ).label("now"),
    sa.select(_MOST).where(_MINE).scalar_subquery().label("last"),
)
_WAITING_OF_PERSON, _DAY_OF_PERSON, _DAY_OF_ALL = (
    sa.select(sa.func.count()).select_from(questions).where(among)
    for among in (_MINE & _OPEN, _MINE & _DAY, _DAY)
)
_NEW_QUESTION = questions.insert()


def is_claimed(connection: Connection, team: str, keys: Sequence[str]) -> bool:
    """Return whether one of the keys was taken before."""
    known = {"team": team, "keys": [storable(key) for key in keys]}
    return connection.execute(_IS_CLAIMED, known).first() is not None


def admit(connection: Connection, new: NewQuestion, limits: Limits) -> Placed:
    """Store a question whose keys were claimed; one above a limit too, for its asker to be told."""
    if new.version and not _take_place(connection, new):
        return Placed("")
    refusal = _refusal(connection, new, limits)
    row = {
        "id": uuid.uuid4().hex,
        "team": new.team,
        "channel": new.channel,
        "message_ts": new.message_ts,
        "thread_ts": new.thread_ts,
        "asker": new.asker,
        "request": {**new.request, "refusal": refusal.value, _VERSION: new.version},
        "reply": {},
        "status": QuestionStatus.WAITING.value,
        "stop": Stop.NO.value,
        "turn": _turn(connection, new.team, new.asker),
        "attempts": 0,
        "holder": "",
        "expires_at": 0.0,
        "not_before": 0.0,
        "created_at": datetime.now(UTC),
    }
    connection.execute(_NEW_QUESTION, row)
    return Placed(str(row["id"]), refusal)


def _turn(connection: Connection, team: str, asker: str) -> int:
    """Return the round of a new question; see `bot.work`."""
    found = connection.execute(_TURNS, {"team": team, "asker": asker}).one()
    return max(int(found.now), 0 if found.last is None else int(found.last) + 1)


def _take_place(connection: Connection, new: NewQuestion) -> bool:
    """Stop the earlier versions of a message's question; return False where this one is too late.

    Under the lock of the queue, of two versions the later one stays.
    """
    here = (questions.c.team == new.team) & (questions.c.channel == new.channel)
    here &= questions.c.message_ts == new.message_ts
    known = connection.execute(sa.select(questions.c.stop, questions.c.request).where(here))
    for stop, request in known:
        if stop == Stop.DELETED.value or request.get(_VERSION, "") >= new.version:
            return False
    still = here & questions.c.status.in_(UNFINISHED)
    connection.execute(questions.update().where(still).values(stop=Stop.EDITED.value))
    return True


def _refusal(connection: Connection, new: NewQuestion, limits: Limits) -> Refusal:
    mine = {"team": new.team, "asker": new.asker}
    day = {"since": datetime.now(UTC) - timedelta(days=1)}
    for limit, refusal, counted, among in (
        (limits.waiting_per_person, Refusal.WAITING, _WAITING_OF_PERSON, mine),
        (limits.per_person_and_day, Refusal.PERSON_DAY, _DAY_OF_PERSON, mine | day),
        (limits.per_day, Refusal.DAY, _DAY_OF_ALL, day),
    ):
        if limit and (connection.scalar(counted, among) or 0) >= limit:
            return refusal
    return Refusal.NO
