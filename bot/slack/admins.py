"""Who may use the admin commands, what others are told, and where reports to an admin go."""

from __future__ import annotations

import logging
import re

from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.mrkdwn import escape
from bot.slack.parts import Parts
from bot.slack.places import PlaceKind

_USER = re.compile(r"[UW][A-Z0-9]{2,}")
_GROUP = re.compile(r"S[A-Z0-9]{2,}")

logger = logging.getLogger(__name__)


def refusal(parts: Parts, team: str, user: str) -> str:
    """Return what somebody is told who may not use the admin commands; "" for an admin."""
    admins = parts.settings.admins
    if not admins:
        return (
            "Nobody is an admin of this bot yet. Whoever runs it puts user ids or user groups into "
            "`admins` under `[slack]` in nightshift.toml and starts it again. "
            f"Your own id is {escape(user)}."
        )
    if parts.people.is_admin(team, user):
        return ""
    names = [_name(parts, team, admin) for admin in admins]
    listed = " and ".join([", ".join(names[:-1]), names[-1]]) if names[1:] else names[0]
    return (
        f"That is for the admins of this bot: {escape(listed)}. Please ask one of them. "
        "`/nightshift help` shows what everybody can do."
    )


def name_of(parts: Parts, team: str, user: str) -> str:
    """Return how people call somebody, not escaped; the id where Slack doesn't say."""
    try:
        found = parts.clients.of(team).users_info(user=user)["user"]
    except OUTSIDE_ERRORS as error:
        logger.info("A name can't be looked up: %s", kind_of(error))
        return user
    return str(found.get("real_name") or found.get("name") or user)


def admin_room(parts: Parts, team: str, channel: str, user: str) -> str:
    """Return where a report to an admin may go that only admins may read.

    That is a private admin channel, if the command was given there, or else the direct messages: a
    report names documents that not everyone may know of.
    """
    private = parts.places.place(team, channel).kind is PlaceKind.PRIVATE if channel else False
    if private and is_admin_channel(parts, team, channel):
        return channel
    try:
        opened = parts.clients.of(team).conversations_open(users=user)
        return str(opened["channel"]["id"])
    except OUTSIDE_ERRORS as error:
        logger.info("Direct messages can't be opened: %s", kind_of(error))
        return user  # which Slack takes for them


def is_admin_channel(parts: Parts, team: str, channel: str) -> bool:
    """Return whether a channel is the one that the settings name, by its id or its name."""
    wanted = parts.settings.admin_channel
    if not wanted or not channel:
        return False
    return wanted == channel or wanted.lstrip("#") == parts.places.place(team, channel).name


def _name(parts: Parts, team: str, admin: str) -> str:
    """Return an admin of the settings by name, without a mention that would alarm them."""
    if _USER.fullmatch(admin):
        return name_of(parts, team, admin)
    if _GROUP.fullmatch(admin):
        return f"@{_handle(parts, team, admin)}"
    return f"@{admin.lstrip('@')}"


def _handle(parts: Parts, team: str, group: str) -> str:
    try:
        groups = parts.clients.of(team).usergroups_list()["usergroups"]
    except OUTSIDE_ERRORS as error:
        logger.info("User groups can't be looked up: %s", kind_of(error))
        return group
    return next((str(each["handle"]) for each in groups if each["id"] == group), group)
