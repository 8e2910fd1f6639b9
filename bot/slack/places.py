"""What kind of conversation a channel is: it decides whose rights an answer there may use."""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass

from bot.settings import SlackSettings
from bot.slack.clients import OUTSIDE_ERRORS, Clients, kind_of
from bot.slack.pacing import is_outage
from bot.slack.people import Remembered

logger = logging.getLogger(__name__)


class PlaceKind(enum.StrEnum):
    """Who can read along."""

    PUBLIC = "public"  # everyone in the company
    PRIVATE = "private"  # its members: a private channel or a group message
    DIRECT = "direct"  # one person
    UNKNOWN = "unknown"  # Slack doesn't say: taken for private, and for shared


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation.

    Attributes:
        shared: Whether people of other companies can read it (Slack Connect).
        unasked: Slack couldn't be asked, and may say it later.
    """

    kind: PlaceKind
    shared: bool
    name: str = ""
    unasked: bool = False


class Places:
    """Looks conversations up, and remembers them briefly."""

    def __init__(self, clients: Clients, settings: SlackSettings) -> None:
        self._clients = clients
        self._known: Remembered[tuple[str, str], Place] = Remembered(settings.rights_seconds)

    def place(self, team: str, channel: str) -> Place:
        """Return what a conversation is; never raises."""
        try:
            return self._known.get((team, channel), lambda: self._look_up(team, channel))
        except OUTSIDE_ERRORS as error:
            logger.warning("A channel can't be looked up: %s", kind_of(error))
            shared = not channel.startswith("D")
            return Place(PlaceKind.UNKNOWN, shared, unasked=is_outage(error))

    def _look_up(self, team: str, channel: str) -> Place:
        found = self._clients.of(team).conversations_info(channel=channel)["channel"]
        shared = any(found.get(flag) for flag in ("is_ext_shared", "is_pending_ext_shared"))
        if found.get("is_im"):
            kind = PlaceKind.DIRECT
        elif found.get("is_channel") and found.get("is_private") is False:
            kind = PlaceKind.PUBLIC
        else:
            kind = PlaceKind.PRIVATE
        return Place(kind, shared, str(found.get("name") or ""))
