"""Cron expressions as people know them, for APScheduler. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger

from training.errors import ScheduleError

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def cron_trigger(
    expression: str, timezone: str = "", setting: str = "training.schedule"
) -> CronTrigger:
    """Return the trigger of a cron expression: minute, hour, day, month, weekday (0 or 7: Sunday).

    Unlike in cron, a day and a weekday must both match.

    Args:
        expression: What the setting says.
        timezone: What ``training.timezone`` says; empty: the machine's.
        setting: Where the expression stands, for people.

    Raises:
        ScheduleError: The expression or the time zone can't be understood.
    """
    fields = expression.split()
    try:
        if len(fields) != 5:
            raise ValueError
        fields[4] = ",".join(_weekdays(part) for part in fields[4].lower().split(","))
        trigger = CronTrigger.from_crontab(" ".join(fields), _timezone(timezone))
        if trigger.get_next_fire_time(None, datetime.now(UTC)) is None:
            raise ValueError  # the 31st of February
        return trigger
    except ValueError:
        raise ScheduleError(
            f"{setting} = '{expression}' is no cron expression, or never comes.",
            "Write minute, hour, day, month and weekday, as in '0 2 * * *' (each night at two) "
            "or '30 1 * * mon-fri'.",
        ) from None


def _weekdays(part: str) -> str:
    """Return a part of cron's weekday field as names: APScheduler counts from Monday."""
    match = re.fullmatch(r"(\w+|\*)(?:-(\w+))?(?:/([1-9]\d*))?", part)
    if match is None:
        raise ValueError
    first, last, step = match.groups()
    if first == "*" and not last:
        begin, end = 0, 6
    else:
        begin = _weekday(first)
        end = _weekday(last) if last else (6 if step else begin)
    if end < begin:
        end += 7  # fri-mon
    days = range(begin, end + 1, int(step or 1))
    return ",".join(dict.fromkeys(_WEEKDAYS[day % 7] for day in days))


def _weekday(name: str) -> int:
    return _WEEKDAYS.index(name) if name in _WEEKDAYS else range(8).index(int(name))


def _timezone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None  # the trigger then takes the machine's
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(
            f"training.timezone = '{name}' isn't known here.", "Write for example Europe/Berlin."
        ) from None


def last_fire_time(trigger: CronTrigger, now: datetime, grace: timedelta) -> datetime | None:
    """Return the trigger's latest time up to now, in UTC; None when it is longer ago than grace."""
    last: datetime | None = None
    moment = trigger.get_next_fire_time(None, (now - grace).astimezone(trigger.timezone))
    while moment is not None and moment.astimezone(UTC) <= now:
        last = moment.astimezone(UTC)
        moment = trigger.get_next_fire_time(moment, now + timedelta(microseconds=1))
    return last
