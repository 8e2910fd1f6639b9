"""While the search is down people are told so; no answer is made up, and none is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.answer import Answer, Question
from bot.assembly import Nightshift
from bot.commands.context import say
from bot.commands.ingest import run_sync
from bot.settings import Settings
from ingestion.documents import hash_of
from ingestion.errors import IndexUnavailableError
from ingestion.settings import IndexSettings, SourceSettings
from tests.bot.terminal import assert_two_line_problem, nightshift
from tests.elasticsearch_server import server_url
from tests.fault_proxy import FaultProxy, drop, for_the_first, proxy_before

pytestmark = pytest.mark.slow
QUESTION = "How many days of holiday do I have a year?"


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    with proxy_before(server_url()) as opened:
        yield opened


def recorded(bot: Nightshift) -> int:
    with bot.database.connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM answers")) or 0)


def test_the_chain_says_that_the_search_is_down_and_answers_when_it_is_back(
    tmp_path: Path, proxy: FaultProxy
) -> None:
    page = tmp_path / "leave.md"
    page.write_text("# Time off\n\nYou have 25 days of holiday a year.\n", encoding="utf-8")
    index = IndexSettings(url=proxy.url, name=f"down-{hash_of(str(tmp_path))}")
    bot = Nightshift(Settings(data_dir=tmp_path / "data", index=index))
    assert run_sync(bot, [SourceSettings(path=page)], say()).added == 1

    def ask() -> Answer:
        return [e for e in bot.ask(Question(QUESTION)) if isinstance(e, Answer)][-1]

    assert "25 days" in ask().text
    proxy.fault = for_the_first(10_000, drop, "")
    shown: list[object] = []
    with pytest.raises(IndexUnavailableError, match="can't be reached") as caught:
        shown.extend(bot.ask(Question(QUESTION)))
    assert caught.value.mend
    assert shown == []
    assert recorded(bot) == 1
    proxy.fault = for_the_first(0, drop, "")
    assert "25 days" in ask().text
    assert recorded(bot) == 2
    bot.close()


def test_commands_tell_it_in_two_lines_or_in_their_json(tmp_path: Path) -> None:
    away = {"INDEX__URL": "http://127.0.0.1:9"}
    done = nightshift("ask", QUESTION, data=tmp_path / "data", **away)
    assert_two_line_problem(done)
    assert "Elasticsearch at 127.0.0.1:9 can't be reached" in done.stderr
    done = nightshift("ask", "-", data=tmp_path / "data", text="one?\ntwo?\n", **away)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["question"] for answer in answers] == ["one?", "two?"]
    for answer in answers:
        assert set(answer) == {"question", "error", "mend"}
        assert "can't be reached" in answer["error"]
