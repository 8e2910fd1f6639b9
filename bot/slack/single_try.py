"""Calls that are tried once: for those who try again themselves, and know what was done already."""

from __future__ import annotations

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

_TIMEOUT_SECONDS = 10


def without_retries(client: WebClient) -> WebClient:
    """Return such a client that hides no lost answer: a silent retry would post twice."""
    return WebClient(
        client.token, base_url=client.base_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[]
    )


def asked_to_wait(error: Exception) -> float:
    """Return for how many seconds Slack asks to wait, or 0."""
    if not isinstance(error, SlackApiError):
        return 0.0
    headers = {str(k).casefold(): v for k, v in dict(error.response.headers or {}).items()}
    value = headers.get("retry-after", 0)
    value = value[0] if isinstance(value, list) else value
    return float(value) if str(value).isdigit() else 0.0
