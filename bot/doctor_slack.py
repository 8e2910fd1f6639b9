"""The doctor's question to Slack: does it take the tokens, and may the app do what it needs?"""

from __future__ import annotations

from collections.abc import Iterator

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.findings import Finding, Level
from bot.settings import SlackSettings
from bot.slack.clients import OUTSIDE_ERRORS, kind_of, open_client, reach_mend, unreached
from bot.slack.manifest import bot_scopes
from bot.slack.oauth import ORG_WIDE, ORG_WIDE_MEND
from bot.slack.single_try import without_retries

_CHECK = "Slack's answer"
_INSTALL = "Paste `nightshift manifest` into the app's manifest, and install the app again."


def slack_answers(slack: SlackSettings) -> Iterator[Finding]:
    """Ask Slack who the tokens are of; nothing where there are none, or where each workspace's is.

    The list of scopes comes with each of Slack's answers, as ``x-oauth-scopes``.
    """
    bot_token = slack.bot_token.get_secret_value()
    app_token = slack.app_token.get_secret_value()
    if bot_token and not slack.client_id:
        yield from _bot_token(without_retries(open_client(slack, bot_token)))
    if app_token and slack.mode == "socket":
        yield from _app_token(without_retries(open_client(slack, "")), app_token)


def _bot_token(client: WebClient) -> Iterator[Finding]:
    try:
        done = client.auth_test()
    except OUTSIDE_ERRORS as error:
        yield _refused("the bot's token (xoxb-…)", error)
        return
    text = f"takes the bot's token: @{done.get('user')} in {done.get('team')}"
    yield Finding(_CHECK, Level.OK, text)
    if done.get("is_enterprise_install"):
        yield Finding(_CHECK, Level.PROBLEM, ORG_WIDE, f"{ORG_WIDE_MEND} Then use that token.")
    given = _scopes_in(done)
    lacking = sorted(set(bot_scopes()) - given) if given else []
    if lacking:
        text = f"The app lacks the scopes {', '.join(lacking)}."
        yield Finding(_CHECK, Level.PROBLEM, text, _INSTALL)


def _app_token(client: WebClient, token: str) -> Iterator[Finding]:
    try:
        client.apps_connections_open(app_token=token)
    except OUTSIDE_ERRORS as error:
        yield _refused("the app's token (xapp-…)", error)
    else:
        yield Finding(_CHECK, Level.OK, "takes the app's token: Socket Mode can be used")


def _refused(token: str, error: Exception) -> Finding:
    if isinstance(error, SlackApiError):
        text = f"Slack refuses {token}: {kind_of(error)}."
        return Finding(_CHECK, Level.PROBLEM, text, "Copy it anew from the app's page.")
    return Finding(_CHECK, Level.PROBLEM, unreached(error), reach_mend(error))


def _scopes_in(response: SlackResponse) -> set[str]:
    """Return the scopes that a token has; none where the answer doesn't say."""
    headers = {str(name).casefold(): value for name, value in (response.headers or {}).items()}
    value = headers.get("x-oauth-scopes") or ""
    listed = value if isinstance(value, str) else ",".join(value)
    return {scope.strip() for scope in listed.split(",")} - {""}
