"""What holds in a channel: chosen in Slack, else in nightshift.toml, else the default of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine

from bot.settings import ChannelSettings, FollowUp, SlackSettings, Visibility
from bot.tables import channels
from training.database import reading, writing

FIELDS = ("on", "follow_up", "sources", "experts", "visibility")
ALL_SOURCES = "*"
"""Among a channel's sources: any that there are."""


@dataclass(frozen=True, slots=True)
class ChannelPolicy:
    """What holds in a channel.

    Attributes:
        sources: Names of the sources that answers may use; None for all.
        experts: User or user group ids, or user group handles.
        origins: Where each value comes from: "Slack", "nightshift.toml" or "default".
    """

    on: bool
    follow_up: FollowUp
    sources: tuple[str, ...] | None
    experts: tuple[str, ...]
    visibility: Visibility
    origins: Mapping[str, str]


class Channels:
    """The channels' policies.

    Args:
        engine: From `training.database.open_database`.
        settings: The defaults, and what the file says of single channels.
    """

    def __init__(self, engine: Engine, settings: SlackSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    def policy(self, team: str, channel: str) -> ChannelPolicy:
        """Return what holds in a channel."""
        query = channels.select().where(channels.c.team == team, channels.c.channel == channel)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return effective(self._settings, channel, row._mapping["values"] if row else {})

    def choose(self, team: str, channel: str, values: Mapping[str, Any], by: str) -> None:
        """Store what an admin chose; a value of None goes back to the file or the default.

        Raises:
            DatabaseError: It can't be stored.
        """
        chosen = {name: values[name] for name in FIELDS if values.get(name) is not None}
        row = {"values": chosen, "changed_by": by, "changed_at": datetime.now(UTC)}
        statement = self._insert(channels).values(team=team, channel=channel, **row)
        with writing(self._engine) as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["team", "channel"], set_=row)
            )

    def chosen(self, team: str) -> dict[str, Mapping[str, Any]]:
        """Return what was chosen in Slack, by channel."""
        query = channels.select().where(channels.c.team == team).order_by(channels.c.channel)
        with reading(self._engine) as connection:
            return {row.channel: row._mapping["values"] for row in connection.execute(query)}


def effective(settings: SlackSettings, channel: str, chosen: Mapping[str, Any]) -> ChannelPolicy:
    """Return a channel's policy from the three places where its values may stand. Pure."""
    in_file = next((each for each in settings.channels if each.channel == channel), None)
    defaults: dict[str, Any] = {
        "on": True,
        "follow_up": settings.follow_up,
        "sources": None,
        "experts": settings.experts,
        "visibility": settings.visibility,
    }
    values, origins = {}, {}
    for name in FIELDS:
        values[name], origins[name] = _value(name, chosen, in_file, defaults)
    sources = values["sources"]
    return ChannelPolicy(
        on=bool(values["on"]),
        follow_up=values["follow_up"],
        sources=None if sources is None or ALL_SOURCES in sources else tuple(sources),
        experts=tuple(values["experts"]),
        visibility=values["visibility"],
        origins=origins,
    )


def _value(
    name: str,
    chosen: Mapping[str, Any],
    in_file: ChannelSettings | None,
    defaults: Mapping[str, Any],
) -> tuple[Any, str]:
    if chosen.get(name) is not None:
        return chosen[name], "Slack"
    if in_file is not None and getattr(in_file, name) is not None:
        return getattr(in_file, name), "nightshift.toml"
    return defaults[name], "default"
