"""Answers on their way, against the tests' Slack: shown at once, once, and whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import delivery as delivery_module
from bot.slack import pacing as pacing_module
from bot.slack.blocks import STOP, Reply, build_answer_reply, build_notice_reply
from bot.slack.delivery import Delivery, open_delivery
from bot.slack.pacing import Abilities, Pacing, SlackBusyError
from bot.slack.posting import Surroundings
from bot.slack.posts import Posts
from bot.slack.request import RequestKind, SlackRequest, request_from_json
from bot.task import NewQuestion, Task
from bot.work import WorkQueue
from tests.bot.slack.sample_answers import passage, quoted, written
from tests.bot.slack.server import limits
from tests.bot.slack.server.model import Message
from tests.bot.slack.server.slack import Slack
from training.database import open_database

STREAMS = ("chat.startStream", "chat.appendStream", "chat.stopStream")
AGENTS = ("agents.sessions.setStatus", "assistant.threads.setStatus")
LONG = "A room may cost €210. " * 20
REPLY = build_answer_reply(quoted([passage("A room may cost €210.", "Travel")]))


@dataclass
class Counter:
    """A question, and one process after the other that delivers its answer."""

    slack: Slack
    queue: WorkQueue
    posts: Posts
    alice: str
    channel: str
    asked: str
    task: Task
    surroundings: Surroundings

    def open(self, **changes: Any) -> Delivery:
        """Return a delivery as the process has it that took the question just now."""
        found = self.queue.find(self.task.id)
        assert found is not None
        request = request_from_json({**found[0].request, **changes})
        client = WebClient(self.slack.bot_token, base_url=self.slack.url)
        return open_delivery(client, found[0], request, self.posts, self._save, self.surroundings)

    def _save(self, reply: Any) -> None:
        assert self.queue.save_reply(self.task.id, reply)

    def shown(self) -> list[Message]:
        return self.slack.from_bot(self.channel, self.asked)

    def texts(self) -> list[str]:
        return [message.visible_text for message in self.shown()]


@pytest.fixture
def counter(slack: Slack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    monkeypatch.setattr(delivery_module, "GROWS_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(pacing_module, "_PAUSES", (0.01, 0.02, 0.03))
    engine = open_database(f"sqlite:///{tmp_path / 'work.db'}")
    alice = slack.add_user("alice")
    channel = slack.add_channel("general", members=(alice,))
    asked = slack.say(alice, channel, "how much may a room cost?")
    queue = WorkQueue(engine, "here")
    request = SlackRequest("how much may a room cost?", RequestKind.MENTION)
    new = NewQuestion(slack.team_id, channel, alice, (asked,), asked, asked, request.as_json())
    queue.put(new)
    task = queue.take()
    assert task is not None
    surroundings = Surroundings(Pacing(), Abilities())
    yield Counter(slack, queue, Posts(engine), alice, channel, asked, task, surroundings)
    engine.dispose()


def test_a_slack_with_everything_shows_a_session_and_a_stream(counter: Counter) -> None:
    delivery = counter.open()
    delivery.begin(0)
    session = counter.slack.session(counter.channel, counter.asked)
    assert (session.lifecycle, session.title) == ("processing", "how much may a room cost?")
    assert counter.shown() == []
    delivery.push(LONG)
    (growing,) = counter.shown()
    assert growing.streaming
    delivery.finish(REPLY)
    (message,) = counter.shown()
    assert not message.streaming
    assert message.ts == growing.ts
    assert message.visible_text.count("€210") == 1
    assert session.lifecycle == "active"
    post = counter.posts.at(counter.slack.team_id, counter.channel, message.ts)
    assert post is not None
    assert post.answer_id == counter.task.id


def test_a_short_answer_needs_no_stream(counter: Counter) -> None:
    delivery = counter.open()
    delivery.begin(0)
    delivery.push("€210.")
    delivery.finish(REPLY)
    assert len(counter.shown()) == 1
    assert counter.slack.calls_of("chat.startStream") == []


def test_an_old_slack_shows_a_placeholder_that_grows(counter: Counter) -> None:
    counter.slack.without(*STREAMS, *AGENTS)
    delivery = counter.open()
    delivery.begin(0)
    assert counter.shown()[0].text == "Looking that up …"
    delivery.push(LONG)
    (growing,) = counter.shown()
    assert "€210" in growing.text
    assert growing.actions == [STOP]
    delivery.push(LONG)  # a moment later: nothing is sent
    delivery.finish(REPLY)
    (message,) = counter.shown()
    assert STOP not in message.actions
    assert message.visible_text.count("€210") == 1
    assert len(counter.slack.calls_of("chat.update")) == 2


def test_what_a_workspace_lacks_is_not_asked_for_again(counter: Counter) -> None:
    counter.slack.without(*STREAMS, *AGENTS)
    for _ in range(2):
        delivery = counter.open()
        delivery.begin(0)
        delivery.push(LONG)
    for method in ("agents.sessions.setStatus", "assistant.threads.setStatus", "chat.startStream"):
        assert len(counter.slack.calls_of(method)) <= 1
    assert len(counter.shown()) == 1


@pytest.mark.parametrize(
    "death", ["message_not_in_streaming_state", "msg_too_long", "five minutes"]
)
def test_a_stream_that_dies_is_finished_by_update(counter: Counter, death: str) -> None:
    delivery = counter.open()
    delivery.begin(0)
    delivery.push(LONG)
    if death == "five minutes":
        counter.slack.advance(301)
    else:
        counter.slack.faults.fail("chat.appendStream", error=death)
        counter.slack.faults.fail("chat.stopStream", error=death)
    delivery.push(LONG)
    if death != "five minutes":
        counter.shown()[0].stream.open = False  # type: ignore[union-attr]
    delivery.finish(REPLY)
    (message,) = counter.shown()
    assert message.visible_text.count("€210") == 1
    assert not message.streaming


def test_a_stream_takes_no_more_than_slack_does_and_the_rest_comes_by_update(
    counter: Counter,
) -> None:
    delivery = counter.open()
    delivery.begin(0)
    text = ""
    for number in range(700):
        text += f"Rule {number} says nothing new. "
        delivery.push(text[-len(f"Rule {number} says nothing new. ") :])
    (growing,) = counter.shown()
    assert growing.stream is not None
    assert 9_000 < len(growing.stream.text) <= limits.MARKDOWN
    assert all(call.answer["ok"] for call in counter.slack.calls_of("chat.appendStream"))
    delivery.finish(build_answer_reply(written(text, [passage(text, "Rules")])))
    shown = counter.shown()
    assert shown[0].ts == growing.ts
    assert len(shown) > 1
    said = " ".join(" ".join(counter.texts()).split())
    assert all(said.count(f"Rule {number} says") == 1 for number in range(700))


def test_a_position_is_told_and_then_the_turn(counter: Counter) -> None:
    counter.slack.without(*AGENTS)
    counter.open().begin(3)
    assert "number 4" in counter.shown()[0].text
    assert counter.shown()[0].actions == [STOP]
    counter.open().begin(0)
    assert [message.text for message in counter.shown()] == ["Looking that up …"]


def test_another_process_goes_on_where_one_died(counter: Counter) -> None:
    counter.slack.without(*AGENTS)
    first = counter.open()
    first.begin(0)
    second = counter.open()
    second.begin(0)
    second.finish(build_notice_reply("x\n" * 3_000))
    third = counter.open()
    assert third.prepared
    third.finish()
    assert len(counter.shown()) == 2
    assert "Looking" not in counter.shown()[0].text


def test_a_post_whose_answer_was_lost_is_found_again(counter: Counter) -> None:
    counter.slack.without(*AGENTS)
    counter.slack.faults.fail("chat.postMessage", drop=True, after=True)
    delivery = counter.open()
    delivery.begin(0)
    assert len(counter.shown()) == 1
    counter.slack.faults.fail("chat.postMessage", status=503, after=True)
    delivery.finish(build_notice_reply("x\n" * 3_000))
    assert len(counter.shown()) == 2


def test_a_post_that_was_never_stored_is_found_again(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter.slack.without(*AGENTS)
    first = counter.open()
    saved = 0

    class KilledError(Exception):
        pass

    def save(reply: Any) -> None:
        nonlocal saved
        saved += 1
        if saved > 1:
            raise KilledError
        counter._save(reply)

    monkeypatch.setattr(first, "_save", save)
    with pytest.raises(KilledError):
        first.begin(0)
    assert len(counter.shown()) == 1
    second = counter.open()
    second.begin(0)
    second.finish(REPLY)
    assert len(counter.shown()) == 1
    assert "€210" in counter.texts()[0]


def test_a_deleted_question_leaves_nothing(counter: Counter) -> None:
    delivery = counter.open()
    delivery.begin(0)
    delivery.push(LONG)
    counter.open().withdraw()
    assert counter.shown() == []
    assert counter.slack.session(counter.channel, counter.asked).lifecycle == "active"


def test_a_message_that_somebody_removed_is_posted_anew(counter: Counter) -> None:
    counter.slack.without(*AGENTS)
    delivery = counter.open()
    delivery.begin(0)
    counter.slack.message(counter.channel, counter.shown()[0].ts).deleted = True
    delivery.finish(REPLY)
    assert "€210" in counter.texts()[0]


def test_a_short_wait_is_waited_out_and_a_long_one_is_not(counter: Counter) -> None:
    counter.slack.faults.fail("chat.postMessage", status=429, retry_after=1)
    counter.open().finish(REPLY)
    assert len(counter.shown()) == 1
    counter.slack.faults.fail("chat.update", status=429, retry_after=60)
    with pytest.raises(SlackBusyError) as busy:
        counter.open().finish(REPLY)
    assert 50 < busy.value.seconds <= 60
    other = counter.slack.add_channel("other", members=(counter.alice,))
    assert not counter.surroundings.pacing.busy(counter.slack.team_id, other)
    assert counter.surroundings.pacing.busy(counter.slack.team_id, counter.channel)


def test_a_workspace_without_the_new_blocks_gets_plain_ones(counter: Counter) -> None:
    counter.slack.faults.fail("chat.postMessage", error="invalid_blocks")
    counter.open().finish(REPLY)
    (message,) = counter.shown()
    assert {block["type"] for block in message.blocks} == {"section", "context", "actions"}
    counter.open().finish(REPLY)
    assert [call.answer["ok"] for call in counter.slack.calls_of("chat.update")] == [True]


def test_a_closed_channel_is_told_in_private(counter: Counter) -> None:
    counter.slack.workspace.channels[counter.channel].archived = True
    delivery = counter.open()
    with pytest.raises(SlackApiError):
        delivery.finish(REPLY)
    assert delivery.go_private()
    private = counter.slack.from_bot(counter.slack.dm(counter.alice))
    assert f"couldn't answer in the channel <#{counter.channel}>" in private[0].visible_text
    assert "€210" in private[1].visible_text


# For the asker's eyes only


def ephemerals(counter: Counter) -> list[str]:
    found = counter.slack.ephemerals(counter.channel, counter.alice)
    return [message.visible_text for message in found]


@pytest.fixture
def address(counter: Counter) -> str:
    run = counter.slack.workspace
    with run.changed:
        return run.new_response_url(counter.alice, run.channels[counter.channel])


def test_a_command_is_answered_at_its_address(counter: Counter, address: str) -> None:
    counter.open(only_asker=True, response_url=address).finish(REPLY)
    assert "€210" in ephemerals(counter)[0]
    assert counter.slack.calls_of("chat.postEphemeral") == []
    assert counter.shown() == []


def test_an_address_is_good_for_five_messages(counter: Counter, address: str) -> None:
    reply = Reply(tuple(build_notice_reply(f"part {n}").parts[0] for n in range(7)))
    counter.open(only_asker=True, response_url=address).finish(reply)
    assert ephemerals(counter) == [f"part {n}" for n in range(7)]
    assert len(counter.slack.calls_of("chat.postEphemeral")) == 2


@pytest.mark.parametrize("seconds", [0, 3_600])
def test_an_expired_address_is_no_loss(counter: Counter, address: str, seconds: float) -> None:
    counter.slack.advance(seconds)
    counter.open(only_asker=True, response_url=address if seconds else "").finish(REPLY)
    assert "€210" in ephemerals(counter)[0]


def test_who_left_the_channel_is_answered_in_private(counter: Counter) -> None:
    counter.slack.workspace.channels[counter.channel].members.remove(counter.alice)
    counter.open(only_asker=True).finish(REPLY)
    (message,) = counter.slack.from_bot(counter.slack.dm(counter.alice))
    assert "€210" in message.visible_text
    assert counter.shown() == []


def test_a_private_answer_is_sent_once(counter: Counter, address: str) -> None:
    counter.open(only_asker=True, response_url=address).finish(REPLY)
    again = counter.open(only_asker=True, response_url=address)
    assert again.prepared
    again.finish()
    assert len(ephemerals(counter)) == 1
