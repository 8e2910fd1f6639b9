"""Clients of Slack's Web API: one a workspace, patient where Slack asks for patience."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryHandler, RetryState
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)

from bot.certificates import TRUST_MEND, is_untrusted
from bot.errors import SettingsError
from bot.settings import SlackSettings

_RETRIES = 3
_TIMEOUT_SECONDS = 30

# Who calls these looks what became of the call before it is repeated: `bot.slack.delivery`.
_POSTING = frozenset(
    {"chat.postMessage", "chat.postEphemeral", "chat.startStream", "chat.appendStream"}
)

OUTSIDE_ERRORS = (SlackClientError, URLError, HTTPException, OSError)
"""What a call raises where Slack refuses it or can't be reached."""

TokenOf = Callable[[str], str | None]


class Clients:
    """Hands out the client of a workspace.

    Args:
        settings: With the address, and the token where one workspace is served.
        token_of: The bot's token in a workspace, where several are served (OAuth).
    """

    def __init__(self, settings: SlackSettings, token_of: TokenOf | None = None) -> None:
        self._settings = settings
        self._token_of = token_of

    def of(self, team: str) -> WebClient:
        """Return the client of a workspace; an uninstalled one's calls fail with not_authed."""
        if self._token_of is None:
            return open_client(self._settings, self._settings.bot_token.get_secret_value())
        return open_client(self._settings, self._token_of(team) or "")


class _CarefulRetries(RetryHandler):
    """Repeats a call, unless that might post a message twice: Slack may have taken it already."""

    def can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        """See the SDK's handler."""
        repeatable = request.url.rpartition("/")[2] not in _POSTING
        return repeatable and super().can_retry(
            state=state, request=request, response=response, error=error
        )


class _ConnectionRetries(_CarefulRetries, ConnectionErrorRetryHandler):
    """After a broken connection."""


class _ServerRetries(_CarefulRetries, ServerErrorRetryHandler):
    """After an error of Slack's own servers."""


def open_client(settings: SlackSettings, token: str) -> WebClient:
    """Return a client that waits when Slack says so, and tries again when Slack fails."""
    return WebClient(
        token or None,
        base_url=settings.api_url.rstrip("/") + "/",
        timeout=_TIMEOUT_SECONDS,
        retry_handlers=[
            _ConnectionRetries(),
            RateLimitErrorRetryHandler(max_retry_count=_RETRIES),
            _ServerRetries(max_retry_count=_RETRIES),
        ],
    )


def kind_of(error: Exception) -> str:
    """Return Slack's word for an error, or its class, as in "URLError: gaierror"; no secret."""
    if isinstance(error, SlackApiError):
        return str(error.response.get("error", "unknown_error"))
    name, reason = type(error).__name__, getattr(error, "reason", None)
    return f"{name}: {type(reason).__name__}" if isinstance(reason, Exception) else name


def no_slack(token: str, error: Exception) -> SettingsError:
    """Return the error for a workspace that can't be used, without the token."""
    if isinstance(error, OUTSIDE_ERRORS) and not isinstance(error, SlackApiError):
        return SettingsError(unreached(error), reach_mend(error))
    return SettingsError(
        f"Slack can't be used with {token}: {kind_of(error)}.",
        "Check the token: nightshift doctor.",
    )


def unreached(error: Exception) -> str:
    """Return what is told where a call got no answer."""
    if is_untrusted(error):
        return f"Slack's certificate isn't trusted here ({kind_of(error)})."
    return f"Slack can't be reached ({kind_of(error)})."


def reach_mend(error: Exception) -> str:
    """Return what helps where a call got no answer."""
    if is_untrusted(error):
        return TRUST_MEND
    return "Look at the network and at slack.api_url. Where a proxy is needed, set HTTPS_PROXY."
