"""How calls of Slack's Web API fare: waited out where that is short, and what a workspace lacks.

Source: https://docs.slack.dev/apis/web-api/rate-limits (429 with Retry-After, for each channel).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.clients import OUTSIDE_ERRORS, kind_of

T = TypeVar("T")

# No worker waits longer for a channel: others have questions too.
_LONGEST_WAIT = 3.0
_PAUSES = (0.5, 1.0, 2.0)
_REMEMBERED_SECONDS = 24 * 3600.0
_TIMEOUT_SECONDS = 20

_RATE_LIMITS = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_OUTAGES = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
_LACKING = frozenset(
    "unknown_method missing_scope not_allowed not_allowed_token_type feature_not_enabled "
    "method_deprecated deprecated_endpoint access_denied team_access_not_granted "
    "app_not_agent not_an_agent".split()
)
_CLOSED = frozenset(
    "channel_not_found is_archived not_in_channel restricted_action "
    "restricted_action_thread_locked restricted_action_read_only_channel "
    "restricted_action_non_threadable_channel user_not_in_channel messages_tab_disabled "
    "cannot_reply_to_message".split()
)

logger = logging.getLogger(__name__)


class SlackBusyError(Exception):
    """Slack takes nothing here now; try again after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not before {seconds:.0f} s")
        self.seconds = seconds


def is_outage(error: Exception) -> bool:
    """Whether Slack itself is the trouble, not what was sent: later it goes through."""
    if isinstance(error, SlackApiError):
        kind = kind_of(error)
        return _status_of(error) >= 500 or kind in _OUTAGES or _is_rate_limit(error)
    return True


def is_closed(error: Exception) -> bool:
    """Whether the bot can't write in this conversation, now or later."""
    return isinstance(error, SlackApiError) and kind_of(error) in _CLOSED


def impatient(client: WebClient) -> WebClient:
    """Return a client that never repeats a call by itself: a message could come twice."""
    return WebClient(
        client.token, base_url=client.base_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[]
    )


@dataclass(slots=True)
class Pacing:
    """Waits for channels that Slack has asked to wait for; the others go on."""

    _not_before: dict[tuple[str, str], float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def busy(self, team: str, channel: str) -> bool:
        """Whether a message that isn't needed had better not be sent now."""
        return self._wait_for(team, channel) > 0

    def call(
        self,
        team: str,
        channel: str,
        do: Callable[[], T],
        *,
        sent_already: Callable[[], T | None] | None = None,
    ) -> T:
        """Make a call, again where Slack fails for a moment.

        Args:
            team: The workspace.
            channel: The channel.
            do: The call. It must not matter whether it is made twice, unless `sent_already` is
                given.
            sent_already: Looks whether a call whose answer was lost has had its effect.

        Raises:
            SlackBusyError: It takes longer than a worker may wait.
            SlackApiError: Slack refuses it.
        """
        for pause in _PAUSES:
            self._wait(team, channel)
            try:
                return do()
            except OUTSIDE_ERRORS as error:
                if not is_outage(error):
                    raise
                if _is_rate_limit(error):
                    self._remember(team, channel, _retry_after(error))
                    continue
            time.sleep(pause)
            found = sent_already() if sent_already else None
            if found is not None:
                return found
        self._wait(team, channel)
        return do()

    def _wait(self, team: str, channel: str) -> None:
        seconds = self._wait_for(team, channel)
        if seconds > _LONGEST_WAIT:
            raise SlackBusyError(seconds)
        if seconds > 0:
            time.sleep(seconds)

    def _wait_for(self, team: str, channel: str) -> float:
        with self._lock:
            return self._not_before.get((team, channel), 0.0) - time.monotonic()

    def _remember(self, team: str, channel: str, seconds: float) -> None:
        with self._lock:
            until = time.monotonic() + seconds
            self._not_before[team, channel] = max(until, self._not_before.get((team, channel), 0.0))


@dataclass(slots=True)
class Abilities:
    """What workspaces lack: methods, scopes, kinds of blocks. Only remembered for a day."""

    _lacking: dict[tuple[str, str], float] = field(default_factory=dict)

    def has(self, team: str, name: str) -> bool:
        """Whether it is worth trying."""
        return self._lacking.get((team, name), 0.0) <= time.monotonic()

    def lacks(self, team: str, name: str) -> None:
        """Remember that a workspace lacks something."""
        logger.info("A workspace has no %s; another way is taken", name)
        self._lacking[team, name] = time.monotonic() + _REMEMBERED_SECONDS

    def attempt(self, team: str, name: str, do: Callable[[], object]) -> bool:
        """Try something that is nice to have; return whether it went."""
        if not self.has(team, name):
            return False
        try:
            do()
        except OUTSIDE_ERRORS as error:
            self.note(team, name, error)
            return False
        return True

    def note(self, team: str, name: str, error: Exception) -> None:
        """Remember it if an error says that a workspace lacks something."""
        if kind_of(error) in _LACKING:
            self.lacks(team, name)
        else:
            logger.info("Slack didn't take %s: %s", name, kind_of(error))


def _status_of(error: SlackApiError) -> int:
    response = error.response
    status = response.get("status") if isinstance(response, dict) else response.status_code
    return int(status or 200)


def _is_rate_limit(error: Exception) -> bool:
    if not isinstance(error, SlackApiError):
        return False
    return _status_of(error) == 429 or kind_of(error) in _RATE_LIMITS


def _retry_after(error: Exception) -> float:
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or {}
    for name, value in dict(headers).items():
        if str(name).casefold() == "retry-after":
            text = value[0] if isinstance(value, list) else value
            return max(float(text), 0.1) if str(text).replace(".", "", 1).isdigit() else 1.0
    return 1.0
