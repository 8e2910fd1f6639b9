"""How Slack's events come in without an address of one's own: a WebSocket, opened and closed."""

from __future__ import annotations

from threading import Thread

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler

from bot.settings import SlackSettings
from bot.slack.clients import OUTSIDE_ERRORS, no_slack, open_client

# A connection that was cut is given up after five pings: with the SDK's 10 seconds the bot would
# be deaf for 50.
_PING_SECONDS = 3.0
_LOOK_SECONDS = 1.0


def open_socket(app: App, settings: SlackSettings) -> SocketModeHandler:
    """Connect by Socket Mode.

    Raises:
        SettingsError: The socket can't be opened.
    """
    token = settings.app_token.get_secret_value()
    socket = SocketModeHandler(
        app, token, web_client=open_client(settings, ""), ping_interval=_PING_SECONDS
    )
    try:
        socket.connect()  # type: ignore[no-untyped-call]
    except OUTSIDE_ERRORS as error:
        raise no_slack("the app's token (xapp-…)", error) from error
    return socket


def close_socket(socket: SocketModeHandler) -> None:
    """Take no more events, also where the connection is just being made anew.

    The SDK (3.47) ends the session that it knows when it begins to close, and then waits for the
    thread of the sessions: one that was made meanwhile would run for ever.
    """
    client = socket.client
    closing = Thread(target=socket.close, daemon=True, name="slack-closes")
    closing.start()
    while closing.is_alive():
        client.auto_reconnect_enabled = False
        client.current_session_state.terminated = True
        closing.join(_LOOK_SECONDS)
    client.disconnect()
