"""Answers in a model's own words, from the question to the last word in Slack.

The model is an OpenAI-compatible server that stops in the middle of an answer until it is told to
go on, so that what people see meanwhile can be looked at.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.assembly import Nightshift
from bot.reindex import reindex
from bot.settings import AnswerSettings, Settings, SlackSettings
from bot.slack import delivery
from bot.slack.app import SlackBot
from bot.slack.blocks import STOP
from bot.slack.clients import Clients
from bot.slack.parts import build_parts
from bot.work import WorkQueue
from ingestion.settings import SourceSettings
from tests.bot.openai_server import OpenAIServer, openai_server
from tests.bot.slack.one_answer import assert_one_answer
from tests.bot.slack.server.model import Message
from tests.bot.slack.server.slack import Slack
from training.nights import NightRecord
from training.settings import ModelSettings

pytestmark = pytest.mark.slow

STREAMS = ("chat.startStream", "chat.appendStream", "chat.stopStream")
HOTELS = (
    "A room in a hotel may cost up to 150 euros a night.",
    "In Amsterdam a room in a hotel may cost up to 210 euros a night.",
    "Breakfast in a hotel is paid for, up to 18 euros a day.",
    "A hotel is booked with the travel desk at least five days before the journey.",
    "Whoever cancels a hotel room late pays half of the first night.",
)
TRAINS = (
    "Journeys by train are booked in second class, also abroad.",
    "A journey of more than four hours by train may be booked in first class.",
    "Tickets for a journey by train are kept for seven years.",
)
QUESTION = "What may a room in a hotel cost on a journey by train, and in which class is it booked?"
HELD_AFTER = 75  # words: in the middle of the sentences about trains


@dataclass
class Conversation:
    """Alice asks in a channel, and the model has written half of its answer."""

    slack: Slack
    model: OpenAIServer
    nightshift: Nightshift
    alice: str
    channel: str
    asked: str = ""

    def ask(self) -> Message:
        """Ask, and return the message that grows."""
        mention = f"<@{self.slack.bot_user}> {QUESTION}"
        self.asked = self.slack.say(self.alice, self.channel, mention)

        def growing() -> Message | None:
            found = self.slack.from_bot(self.channel, self.asked)
            return next((m for m in found if HOTELS[2] in m.visible_text), None)

        message: Message = self.slack.wait_for(growing, "half of the answer", 60)
        return message

    def go_on(self) -> None:
        """Let the model write the rest."""
        self.model.go.set()

    def wait_for_text(self, text: str) -> Message:
        """Wait until the one message below the question is finished and says something."""

        def said() -> bool:
            found = self.slack.from_bot(self.channel, self.asked)
            return any(text in m.visible_text and not m.streaming for m in found)

        self.slack.wait_for(said, text, 60)
        self.slack.wait_for(lambda: not any(self._counts().values()), "an empty queue", 60)
        message, _ = assert_one_answer(
            self.slack, self.nightshift.database, self.channel, self.asked
        )
        return message

    def readers(self) -> list[threading.Thread]:
        """Return the threads that still hear what the model writes."""
        return [each for each in threading.enumerate() if each.name == "slack-answer"]

    def _counts(self) -> dict[str, int]:
        return dict(WorkQueue(self.nightshift.database, "test").counts())


Run = Callable[..., AbstractContextManager[Conversation]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with both pages."""
    folder = tmp_path_factory.mktemp("written")
    pages = folder / "pages"
    pages.mkdir()
    for title, said in (("Hotels", HOTELS), ("Trains", TRAINS)):
        (pages / f"{title.lower()}.md").write_text(f"# {title}\n\n{' '.join(said)}\n", "utf-8")
    nightshift = Nightshift(Settings(data_dir=folder / "data"))
    reindex(nightshift, [SourceSettings(path=pages)], lambda _progress: None)
    nightshift.close()
    return folder / "data"


@pytest.fixture
def run(data: Path, tmp_path: Path, slack: Slack, monkeypatch: pytest.MonkeyPatch) -> Run:
    # Each test has a Slack whose ids begin anew, so each has a database of its own.
    shutil.copytree(data, tmp_path / "data")
    monkeypatch.setattr(delivery, "GROWS_AFTER_SECONDS", 0.0)

    @contextmanager
    def running() -> Iterator[Conversation]:
        with openai_server() as model:
            model.answer, model.hold_after = " ".join([*HOTELS, *TRAINS]), HELD_AFTER
            tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token}
            settings = SlackSettings.model_validate({**tokens, "api_url": slack.url})
            nightshift = Nightshift(
                Settings(
                    data_dir=tmp_path / "data",
                    slack=settings,
                    answer=AnswerSettings(style="written"),
                    model=ModelSettings(name="openai:phi", base_url=model.url, api_key="sk-1"),
                )
            )
            bot = SlackBot(build_parts(nightshift, Clients(settings), _no_night))
            bot.start(connect=True)
            slack.wait_for_sockets()
            alice = slack.add_user("alice")
            channel = slack.add_channel("general", members=(alice,))
            try:
                yield Conversation(slack, model, nightshift, alice, channel)
            finally:
                model.go.set()
                bot.stop()
                nightshift.close()

    return running


def _no_night(*_args: object, **_more: object) -> NightRecord:
    raise AssertionError("no night is asked for here")


def assert_whole(message: Message) -> None:
    """Check that the person sees each sentence once, with its source, and both sources below."""
    shown = " ".join(message.visible_text.split())
    for number, said in ((1, HOTELS), (2, TRAINS)):
        for sentence in said:
            assert shown.count(sentence) == 1, shown
            assert f"{sentence} [{number}]" in shown, shown
    for number, title in ((1, "Hotels"), (2, "Trains")):
        assert shown.count(f"[{number}] {title}") == 1, shown
    assert STOP not in message.actions


def test_an_answer_streams_and_ends_with_its_sources(run: Run) -> None:
    with run() as at:
        growing = at.ask()
        assert growing.streaming
        assert TRAINS[-1] not in growing.visible_text
        at.go_on()
        message = at.wait_for_text(TRAINS[-1])
        assert message.ts == growing.ts
        assert_whole(message)
        assert len(at.slack.calls_of("chat.startStream")) == 1


def test_an_answer_grows_by_updates_where_slack_has_no_streams(run: Run, slack: Slack) -> None:
    slack.without(*STREAMS)
    with run() as at:
        growing = at.ask()
        assert growing.actions == [STOP]
        at.go_on()
        message = at.wait_for_text("[2] Trains")
        assert message.ts == growing.ts
        assert_whole(message)


@pytest.mark.parametrize("death", ["five minutes", "an error"])
def test_a_stream_that_dies_in_the_middle_is_finished_by_update(run: Run, death: str) -> None:
    with run() as at:
        growing = at.ask()
        if death == "five minutes":
            at.slack.advance(301)
        else:
            at.slack.faults.fail("chat.appendStream", error="message_not_in_streaming_state")
        at.go_on()
        message = at.wait_for_text("[2] Trains")
        assert message.ts == growing.ts
        assert_whole(message)


def test_slacks_own_stop_ends_the_writing(run: Run) -> None:
    with run() as at:
        at.ask()
        at.slack.stop_button(at.alice, at.channel, at.asked)
        message = at.wait_for_text("Stopped.")
        at.go_on()
        at.slack.wait_for(lambda: not at.readers(), "the end of the writing")
        assert "Stopped." in message.visible_text
        assert HOTELS[0] not in message.visible_text
        assert at.nightshift.feedback.recent(f"{at.slack.team_id}:{at.alice}") == []


def test_the_button_stops_an_answer_that_grows_by_updates(run: Run, slack: Slack) -> None:
    slack.without(*STREAMS)
    with run() as at:
        growing = at.ask()
        at.slack.click(at.alice, growing, STOP)
        message = at.wait_for_text("Stopped.")
        assert message.ts == growing.ts
        assert STOP not in message.actions
