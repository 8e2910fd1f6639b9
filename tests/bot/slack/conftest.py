"""The other side for tests of the bot in Slack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bot.slack.server.slack import Slack, slack_workspace


@pytest.fixture
def slack() -> Iterator[Slack]:
    """Run a Slack on a free port of this machine."""
    with slack_workspace() as server:
        yield server
