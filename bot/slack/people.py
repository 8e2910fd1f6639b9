"""Who somebody is in Slack, and what they may read. Looked up, remembered briefly, fails closed.

Names that people can choose for themselves (display name, user name) open nothing: a page for
'alice' is opened by her address in a domain of the company, by her user id, or by a user group.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from slack_sdk.errors import SlackApiError

from bot.settings import SlackSettings
from bot.slack.clients import OUTSIDE_ERRORS, Clients, kind_of
from bot.slack.pacing import is_outage
from ingestion.access import normalise_name, reader_named
from ingestion.documents import Reader

K = TypeVar("K")
V = TypeVar("V")

_ID = re.compile(r"[UWS][A-Z0-9]{6,}")
_USER_ID = re.compile(r"[UW][A-Z0-9]{6,}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Person:
    """What Slack says of a user.

    Attributes:
        known: False where Slack doesn't say: such a person has no rights of their own.
        unasked: Slack couldn't be asked, and may say it later.
        outsider: A guest, or somebody of another company.
        groups: Ids of the user groups that they are in, and handles, in lower case.
    """

    id: str
    known: bool = False
    unasked: bool = False
    bot: bool = False
    outsider: bool = True
    email: str = ""
    groups: frozenset[str] = frozenset()


def named(team: str, user: str) -> str:
    """Return by which name the record of answers, votes and opt-outs knows somebody in Slack.

    Ids of users are unique in their workspace only. `team` is the workspace that the bot works in,
    also for people of another company in a shared channel. `user_of` returns the user again.
    """
    return f"{team}:{user}"


def user_of(name: str) -> str:
    """Return the Slack user that `named` named."""
    return name.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class _Groups:
    """A workspace's user groups.

    Attributes:
        of: Ids and handles, in lower case, by member.
        ids: By handle, in lower case.
    """

    of: Mapping[str, frozenset[str]]
    ids: Mapping[str, str]


class People:
    """Looks people up.

    Args:
        clients: Of the workspaces.
        settings: Says who is an admin, and which addresses are the company's.
    """

    def __init__(self, clients: Clients, settings: SlackSettings) -> None:
        self._clients = clients
        self._settings = settings
        self._people: Remembered[tuple[str, str], Person] = Remembered(settings.rights_seconds)
        self._groups: Remembered[str, _Groups] = Remembered(settings.rights_seconds)

    def person(self, team: str, user: str) -> Person:
        """Return who a user is; never raises."""
        try:
            person = self._people.get((team, user), lambda: self._look_up(team, user))
        except OUTSIDE_ERRORS as error:
            logger.warning("A person can't be looked up: %s", kind_of(error))
            return Person(user, unasked=is_outage(error))
        # Joined anew each time: remembered with the person, a group would live twice as long.
        return replace(person, groups=self._groups_of(team).of.get(user, frozenset()))

    def reader(self, team: str, user: str) -> Reader:
        """Return the rights of a person; where Slack can't say who it is, those of everyone."""
        person = self.person(team, user)
        if not person.known or person.outsider or person.bot:
            return Reader()
        names = {person.id, person.email, *person.groups}
        local, _, domain = person.email.rpartition("@")
        if domain.casefold() in {
            each.casefold().lstrip("@") for each in self._settings.email_domains
        }:
            names.add(local)
        return reader_named(self._trusted(team, names) - {""})

    def is_admin(self, team: str, user: str) -> bool:
        """Return whether the settings name this person, or a user group that they are in."""
        return self.is_one_of(team, user, self._settings.admins)

    def is_one_of(self, team: str, user: str, names: Sequence[str]) -> bool:
        """Return whether names hold this person's id or a user group (id or handle) of theirs.

        Ids are written as Slack writes them, in capitals; a handle is never taken for one.
        """
        written = {name.lstrip("@") for name in self._trusted(team, names)}
        wanted = {name if _ID.fullmatch(name) else normalise_name(name) for name in written}
        if user in wanted:
            return True
        person = self.person(team, user)
        return person.known and not person.outsider and not wanted.isdisjoint(person.groups)

    def by_id(self, team: str, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names with a user group's handle replaced by its id, which Slack pings."""
        handles = {name for name in self._trusted(team, names) if not _ID.fullmatch(name)}
        ids = self._groups_of(team).ids
        return tuple(
            ids.get(normalise_name(name), name) if name in handles else name for name in names
        )

    def _trusted(self, team: str, names: Iterable[str]) -> set[str]:
        """Return the names that open something in a workspace.

        Of several workspaces only the admins' own decides over handles and addresses: in another
        one, whoever makes a user group gives it the handle they like. Slack's ids can't be chosen.
        """
        if not self._settings.client_id or team == self._settings.admin_team:
            return set(names)
        return {name for name in names if _ID.fullmatch(name)}

    def _look_up(self, team: str, user: str) -> Person:
        found = self._clients.of(team).users_info(user=user)["user"]
        outside = any(found.get(flag) for flag in ("is_restricted", "is_ultra_restricted"))
        stranger = bool(found.get("is_stranger")) or found.get("team_id", team) != team
        gone = bool(found.get("deleted"))
        return Person(
            id=user,
            known=not gone,
            bot=bool(found.get("is_bot")),
            outsider=outside or stranger,
            email=str((found.get("profile") or {}).get("email") or ""),
        )

    def _groups_of(self, team: str) -> _Groups:
        """Return the user groups; none where Slack doesn't say."""
        try:
            return self._groups.get(team, lambda: self._look_up_groups(team))
        except OUTSIDE_ERRORS as error:
            logger.warning("User groups can't be looked up: %s", kind_of(error))
            return _Groups({}, {})

    def _look_up_groups(self, team: str) -> _Groups:
        listed = self._clients.of(team).usergroups_list(include_users=True, include_disabled=True)[
            "usergroups"
        ]
        taken = {normalise_name(str(group["id"])) for group in listed}
        groups, ids = dict[str, frozenset[str]](), dict[str, str]()
        for group in listed:
            if group.get("date_delete"):
                continue
            handle = normalise_name(str(group.get("handle") or ""))
            ids[handle] = str(group["id"])
            names = {str(group["id"])}
            if handle and handle not in taken and not self._is_user(team, handle.upper()):
                names.add(handle)
            for member in group.get("users") or ():
                groups[member] = groups.get(member, frozenset()) | names
        return _Groups(groups, ids)

    def _is_user(self, team: str, handle: str) -> bool:
        """Return whether a handle, in capitals, is somebody's id.

        Pages know names without case: the handle would open what that person's id opens.
        """
        if not _USER_ID.fullmatch(handle):
            return False
        try:
            self._clients.of(team).users_info(user=handle)
        except SlackApiError as error:
            return bool(error.response.get("error") != "user_not_found")
        return True


class Remembered(Generic[K, V]):
    """Values that are looked up again after some seconds. What raises isn't remembered."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._values: dict[K, tuple[float, V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K, look_up: Callable[[], V]) -> V:
        """Return the value, looked up where it isn't known or is too old."""
        with self._lock:
            found = self._values.get(key)
        if found is not None and time.monotonic() < found[0] + self._seconds:
            return found[1]
        value = look_up()
        with self._lock:
            self._values[key] = (time.monotonic(), value)
        return value
