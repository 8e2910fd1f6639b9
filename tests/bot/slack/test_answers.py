"""Conversations with the running bot: what people see from question to answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.slack import answering, pacing, socket_mode, worker
from bot.slack.blocks import SHARE, STOP, build_waiting_part
from bot.slack.listeners.agent import stop_task
from bot.slack.manifest import PROMPTS
from tests.bot.slack.harbour import PAY, Harbour, harbour
from tests.bot.slack.server.model import Message

LEAVE = "How many days of leave do I get?"


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket_mode, "_PING_SECONDS", 0.5)
        patch.setattr(worker, "_OUTAGE_SECONDS", (0.2, 0.4))
        patch.setattr(answering, "_ASK_AGAIN_SECONDS", (0.2, 0.2))
        patch.setattr(pacing, "_PAUSES", (0.01, 0.02, 0.03))
        with harbour(tmp_path_factory.mktemp("bot"), answering=True, workers=1) as running:
            yield running


def answers(bot: Harbour, channel: str, asked: str) -> list[Message]:
    return bot.slack.from_bot(channel, asked)


def wait_for_answer(bot: Harbour, channel: str, asked: str, text: str) -> Message:
    """Wait until a thread's answer says something, and return it."""

    def said() -> Message | None:
        return next((m for m in answers(bot, channel, asked) if text in m.visible_text), None)

    message: Message = bot.slack.wait_for(said, f"an answer with {text!r}")
    return message


def mention(bot: Harbour, text: str, **more: object) -> str:
    return bot.slack.say(bot.alice, bot.general, f"<@{bot.slack.bot_user}> {text}", **more)  # type: ignore[arg-type]


def test_a_mention_is_answered_once_in_its_thread(bot: Harbour) -> None:
    asked = mention(bot, LEAVE)
    message = wait_for_answer(bot, bot.general, asked, "25 days")
    assert [block["type"] for block in message.blocks][-2:] in (
        ["context", "context_actions"],
        ["context_actions", "actions"],
    )
    bot.slack.wait_for(
        lambda: bot.slack.session(bot.general, asked).lifecycle == "active", "the end"
    )
    assert len(answers(bot, bot.general, asked)) == 1


def test_who_must_wait_is_told_at_once_and_may_stop(bot: Harbour) -> None:
    # Otherwise the first one would have to wait too: an answer is seen before it is finished.
    bot.slack.wait_for(lambda: not any(bot.parts.queue.counts().values()), "nothing to do")
    bot.slack.faults.fail("agents.sessions.setStatus", error="unknown_method")
    bot.slack.faults.fail("assistant.threads.setStatus", error="unknown_method")
    bot.slack.faults.fail("chat.postMessage", hang=5.0, channel=bot.general)
    first = mention(bot, LEAVE)
    hit = bot.slack.faults.hit
    bot.slack.wait_for(lambda: any(each.hang for each in hit), "the worker to be busy")
    direct = bot.slack.dm(bot.bob)
    waiting = [bot.slack.say(bot.bob, direct, LEAVE)]
    wait_for_answer(bot, direct, waiting[0], "Looking that up")
    waiting.append(bot.slack.say(bot.bob, direct, LEAVE))
    number_two = wait_for_answer(bot, direct, waiting[1], "You are number 2")
    bot.slack.click(bot.bob, number_two, STOP)
    wait_for_answer(bot, direct, waiting[1], "Stopped.")
    wait_for_answer(bot, direct, waiting[0], "25 days")
    wait_for_answer(bot, bot.general, first, "25 days")
    for channel, asked in [(bot.general, first), (direct, waiting[0]), (direct, waiting[1])]:
        assert len(answers(bot, channel, asked)) == 1


def test_an_outage_eats_no_attempt(bot: Harbour) -> None:
    fault = bot.slack.faults.fail("chat.postMessage", status=503, times=40)
    asked = mention(bot, LEAVE)
    bot.slack.wait_for(lambda: fault.times <= 20, "several attempts")
    bot.slack.faults.clear()
    wait_for_answer(bot, bot.general, asked, "25 days")
    assert len(answers(bot, bot.general, asked)) == 1


@pytest.mark.parametrize("leaves", [True, False])
def test_an_answer_that_waited_for_slack_is_for_those_who_may_read_it_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    monkeypatch.setattr(worker, "_OUTAGE_SECONDS", (0.2, 0.4))
    monkeypatch.setattr(pacing, "_PAUSES", (0.01, 0.02, 0.03))
    with harbour(tmp_path, answering=True, workers=1, rights_seconds=0) as office:
        slack, queue = office.slack, office.parts.queue
        group = slack.add_usergroup("hr", [office.alice])
        direct = slack.dm(office.alice)
        for method in ("postMessage", "update", "startStream", "appendStream", "stopStream"):
            slack.faults.fail(f"chat.{method}", error="internal_error", times=10_000)
        asked = slack.say(office.alice, direct, PAY)

        def prepared() -> bool:
            found = queue.asked_at(slack.team_id, direct, asked, office.alice)
            return found is not None and "Pay" in str(found[0].reply.get("reply"))

        slack.wait_for(prepared, "an answer that Slack doesn't take")
        if leaves:
            slack.workspace.usergroups[group][2].remove(office.alice)
        time.sleep(0.5)  # the calls that are under way may repeat what they say
        slack.faults.clear()
        slack.wait_for(lambda: not any(queue.counts().values()), "the end")
        (shown,) = slack.from_bot(direct)
        assert ("Please ask again." in shown.visible_text) is leaves
        assert (PAY in shown.visible_text) is not leaves


def test_a_slack_that_cant_say_who_reads_along_is_waited_for(bot: Harbour) -> None:
    new = bot.slack.add_channel("new", members=(bot.alice,))
    bot.slack.faults.fail("conversations.info", status=503, times=6)
    asked = bot.slack.say(bot.alice, new, f"<@{bot.slack.bot_user}> {LEAVE}")
    wait_for_answer(bot, new, asked, "25 days")
    assert len(answers(bot, new, asked)) == 1


def test_a_long_wait_in_one_channel_keeps_nobody_else_waiting(bot: Harbour) -> None:
    busy = bot.slack.add_channel("busy", members=(bot.alice,))
    bot.slack.faults.fail("chat.postMessage", status=429, retry_after=6, channel=busy)
    there = bot.slack.say(bot.alice, busy, f"<@{bot.slack.bot_user}> {LEAVE}")
    hit = bot.slack.faults.hit
    bot.slack.wait_for(lambda: any(each.channel == busy for each in hit), "a refusal")
    here = mention(bot, LEAVE)
    wait_for_answer(bot, bot.general, here, "25 days")
    assert answers(bot, busy, there) == []
    wait_for_answer(bot, busy, there, "25 days")
    assert len(answers(bot, busy, there)) == 1


def test_a_channel_that_was_archived_is_no_loss(bot: Harbour) -> None:
    closed = bot.slack.add_channel("closed", members=(bot.eve,))
    bot.slack.workspace.channels[closed].archived = True
    bot.slack.say(bot.eve, closed, f"<@{bot.slack.bot_user}> {LEAVE}")
    bot.slack.wait_for(
        lambda: [m for m in bot.slack.from_bot(bot.slack.dm(bot.eve)) if "couldn't" in m.text],
        "a direct message",
    )


def test_only_the_asker_sees_the_answer_of_a_command(bot: Harbour) -> None:
    before = len(bot.slack.ephemerals(bot.general, bot.alice))
    bot.slack.command(bot.alice, bot.general, "/ask", f"{LEAVE} <!channel>")

    def whispered() -> Message | None:
        found = bot.slack.ephemerals(bot.general, bot.alice)
        return next((m for m in found if "25 days" in m.visible_text), None)

    message = bot.slack.wait_for(whispered, "the answer")
    assert SHARE in message.actions
    taken, answer = bot.slack.ephemerals(bot.general, bot.alice)[before:]
    assert answer is message
    # It stands above the answer for good.
    assert taken.visible_text.startswith(f"You asked: “{LEAVE}")
    assert taken.pings == []
    assert "Looking" not in taken.visible_text


def test_a_file_without_a_question_is_asked_about_and_then_read(bot: Harbour) -> None:
    direct = bot.slack.dm(bot.alice)
    page = b"# Berths\n\nA berth for a yacht costs 47 euros a night.\n"
    asked = bot.slack.say(bot.alice, direct, "", files=[("berths.md", page)])
    wait_for_answer(bot, direct, asked, "What would you like to know about berths.md?")
    question = "Is it 47 euros a night that a berth for a yacht costs?"
    bot.slack.say(bot.alice, direct, question, thread=asked)
    message = wait_for_answer(bot, direct, asked, "47 euros")
    assert "Your file berths.md" in message.visible_text


@pytest.mark.parametrize("loss", ["refresh_requested", "warning", "no word"])
def test_questions_are_heard_when_slack_renews_or_drops_the_socket(bot: Harbour, loss: str) -> None:
    old = list(bot.slack.courier.sockets)
    if loss == "no word":
        bot.slack.drop_sockets()
    else:
        bot.slack.disconnect(loss)
    bot.slack.wait_for(
        lambda: any(each not in old for each in bot.slack.courier.sockets), "a new socket", 60
    )
    asked = mention(bot, LEAVE)
    wait_for_answer(bot, bot.general, asked, "25 days")
    assert len(answers(bot, bot.general, asked)) == 1


def test_a_deleted_question_leaves_nothing(bot: Harbour) -> None:
    bot.slack.faults.fail("chat.postMessage", hang=2.0, channel=bot.general)
    asked = mention(bot, LEAVE)
    bot.slack.delete(bot.alice, bot.general, asked)
    later = mention(bot, LEAVE)
    wait_for_answer(bot, bot.general, later, "25 days")
    assert "25 days" not in "".join(m.visible_text for m in answers(bot, bot.general, asked))


def test_who_asks_nothing_gets_a_word_and_no_search(bot: Harbour) -> None:
    direct = bot.slack.dm(bot.alice)
    said = {
        "Hello!": "Ask me what you want to know",
        "Thanks! :tada:": "You're welcome!",
        "What topics do the documents cover?": "I answer from 1 document:\n• Leave\n",
    }
    for text, answer in said.items():
        asked = bot.slack.say(bot.alice, direct, text)
        message = wait_for_answer(bot, direct, asked, answer)
        assert message.actions == []
        assert "Pay" not in message.visible_text


def test_the_first_prompt_that_is_suggested_tells_what_it_knows(bot: Harbour) -> None:
    direct = bot.slack.dm(bot.alice)
    (_title, first), *_ = PROMPTS
    asked = bot.slack.say(bot.alice, direct, first)
    wait_for_answer(bot, direct, asked, "• Leave")


def test_a_lost_connection_is_made_anew_soon(bot: Harbour) -> None:
    bot.slack.drop_sockets()
    bot.slack.wait_for(lambda: bot.slack.courier.sockets, "a new connection", seconds=30)
    asked = mention(bot, LEAVE)
    wait_for_answer(bot, bot.general, asked, "25 days")


def test_the_conversation_suggests_what_to_ask(bot: Harbour) -> None:
    bot.slack.open_home(bot.alice, tab="messages")
    session = bot.slack.session(bot.slack.dm(bot.alice), "")
    bot.slack.wait_for(lambda: len(session.prompts) == 3, "prompts")


def test_only_the_asker_and_admins_stop_an_answer(bot: Harbour) -> None:
    bot.record("stop-1", bot.general, bot.alice, "1.1", recorded=False)
    team = bot.slack.team_id
    assert not stop_task(bot.parts, team, "stop-1", bot.bob)
    assert not stop_task(bot.parts, "T0OTHER", "stop-1", bot.alice)
    assert stop_task(bot.parts, team, "stop-1", bot.alice)
    assert stop_task(bot.parts, team, "stop-1", bot.ada)


def test_who_may_not_stop_an_answer_is_told(bot: Harbour) -> None:
    bot.record("stop-2", bot.general, bot.alice, "1.2", recorded=False)
    waiting = build_waiting_part("stop-2", 0)
    client = bot.parts.clients.of(bot.slack.team_id)
    done = client.chat_postMessage(
        channel=bot.general, text=waiting.text, blocks=list(waiting.blocks)
    )
    bot.slack.click(bot.bob, bot.slack.message(bot.general, str(done["ts"])), STOP)
    bot.whisper_to(bot.bob, bot.general, "Only who asked and the admins")
