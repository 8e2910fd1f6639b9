"""A socket is closed whatever it is doing."""

from __future__ import annotations

import time

import pytest
from slack_bolt import App

from bot.settings import SlackSettings
from bot.slack.clients import open_client
from bot.slack.socket_mode import close_socket, open_socket
from tests.bot.slack.server.slack import Slack


@pytest.mark.timeout(60)
def test_a_socket_that_is_made_anew_while_it_closes_is_closed_too(
    slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SlackSettings.model_validate(
        {"bot_token": slack.bot_token, "app_token": slack.app_token, "api_url": slack.url}
    )
    socket = open_socket(App(client=open_client(settings, slack.bot_token)), settings)
    slack.wait_for_sockets()
    client = socket.client
    assert client.current_session is not None
    before, disconnect = client.current_session, client.disconnect

    def late() -> None:
        disconnect()
        monkeypatch.undo()
        client.connect_to_new_endpoint(force=True)
        time.sleep(1)  # until its thread listens

    monkeypatch.setattr(client, "disconnect", late)
    close_socket(socket)
    assert client.current_session is not before
    assert not client.is_connected()
    assert not client.current_session_runner.is_alive()
    assert not client.current_app_monitor.is_alive()
