"""`nightshift serve`, killed with SIGKILL in the middle of its work, and started again."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.tables import questions
from tests.bot.slack.one_answer import OPEN, assert_one_answer, leases_pass
from tests.bot.slack.server.slack import Slack
from tests.bot.slack.test_serve import ROOM, served
from training.database import open_database

pytestmark = pytest.mark.slow

KILLS = 2


def test_killed_again_and_again_it_answers_each_question_once(
    two_pages: Path, slack: Slack, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    settings = {
        "SLACK__BOT_TOKEN": slack.bot_token,
        "SLACK__APP_TOKEN": slack.app_token,
        "DATABASE__URL": url,
    }
    slack.courier.socket_seconds = 120.0  # as long as a start may take
    chance = random.Random(4)
    people = [slack.add_user(name) for name in ("alice", "bob", "cy")]
    general = slack.add_channel("general", members=people)
    asked = []
    for _ in range(KILLS):
        with served(two_pages, slack, **settings) as bot:
            slack.wait_for_sockets()
            asked += [ask(slack, person, general) for person in people]
            time.sleep(chance.uniform(0.0, 1.5))
            bot.process.kill()
    database = open_database(url)
    leases_pass(database)
    with served(two_pages, slack, **settings):
        slack.settle(120)
        slack.wait_for(lambda: not still_open(database), "all answers", 180)
        for channel, ts in asked:
            assert_one_answer(slack, database, channel, ts)
    database.dispose()


def ask(slack: Slack, person: str, channel: str) -> tuple[str, str]:
    return channel, slack.say(person, channel, f"<@{slack.bot_user}> {ROOM}")


def still_open(database: sa.Engine) -> int:
    count = sa.select(sa.func.count()).where(questions.c.status.in_(OPEN))
    with database.connect() as connection:
        return connection.scalar(count) or 0
