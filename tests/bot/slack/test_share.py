"""'Share to channel': what one person saw, for all, and never what not everyone may read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bot.slack import pacing
from bot.slack.answering import Answering, Held
from bot.slack.blocks import Part, Reply
from bot.slack.pacing import Abilities, Pacing
from bot.slack.posting import Surroundings
from bot.slack.views_share import build_shared, without_action
from bot.task import QuestionStatus
from tests.bot.slack.harbour import LEAVE, TEXT, Harbour, button, harbour
from tests.bot.slack.server.limits import check_message
from tests.bot.slack.server.model import Message
from tests.training.answers import make_source
from training.records import SourceRecord


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("share")) as running:
        yield running


def source(at: Harbour, name: str) -> SourceRecord:
    """Return a page as it stands in the index now, recorded when all could read it."""
    document = f"handbook:{name}.md"
    state = at.parts.nightshift.index.states()[document]
    return replace(make_source(LEAVE), document_id=document, content_hash=state.content_hash)


def message_id(message: Message) -> str:
    """Return the id of the answer that a message offers to share."""
    return str(message.blocks[-1]["elements"][-1]["value"])


def shared_in(at: Harbour, channel: str) -> list[Message]:
    return [m for m in at.slack.from_bot(channel) if "shared an answer" in m.visible_text]


def test_an_open_answer_is_shared_once_and_can_be_voted_on(at: Harbour) -> None:
    channel = at.slack.add_channel("leave", members=(at.alice, at.bob))
    answer, message = at.whispered(
        channel, sources=(source(at, "leave"),), question="Leave <!channel>?"
    )
    at.slack.click(at.alice, message, "nightshift_share")
    shared = at.slack.wait_for(lambda: shared_in(at, channel), "the shared answer")[0]
    assert f"<@{at.alice}> shared an answer to" in shared.visible_text
    assert TEXT in shared.visible_text
    assert shared.pings == [f"@{at.alice}"]
    assert "nightshift_share" not in shared.actions
    at.slack.click(at.alice, message, "nightshift_share")
    at.whisper_to(at.alice, channel, "in the channel already")
    assert len(shared_in(at, channel)) == 1
    at.slack.react(at.bob, channel, shared.ts, "+1")
    at.wait_for_text(shared, "👍 1 · 👎 0")
    assert at.votes(answer) == (1, 0)


def test_what_not_everyone_may_read_is_not_shared(at: Harbour) -> None:
    good = source(at, "leave")
    for number, bad in enumerate(
        (
            (good, replace(good, restricted=True)),
            (good, source(at, "pay")),
            (good, replace(good, document_id="handbook:gone.md")),
            (replace(good, content_hash="other", text="No longer on the page."),),
            (),
        )
    ):
        channel = at.slack.add_channel(f"refused-{number}", members=(at.alice,))
        _, message = at.whispered(channel, sources=bad)
        at.slack.click(at.alice, message, "nightshift_share")
        told = at.whisper_to(at.alice, channel, "I can't share this answer")
        assert "leave.md" not in told.visible_text
        assert at.slack.from_bot(channel) == []


def test_places_that_others_read_or_that_are_off_get_nothing(at: Harbour) -> None:
    abroad = at.slack.add_channel("abroad", members=(at.alice,), shared=True)
    off = at.slack.add_channel("off", members=(at.alice,))
    at.parts.channels.choose(at.slack.team_id, off, {"on": False}, at.ada)
    other = at.slack.add_channel("other", members=(at.alice,))
    at.parts.channels.choose(at.slack.team_id, other, {"sources": ["wiki"]}, at.ada)
    for channel, refusal in (
        (abroad, "another company"),
        (off, "switched off"),
        (other, "aren't used in this channel"),
        (at.slack.dm(at.alice), "nobody else here"),
    ):
        _, message = at.whispered(channel, sources=(source(at, "leave"),))
        at.slack.click(at.alice, message, "nightshift_share")
        at.whisper_to(at.alice, channel, refusal)
        assert shared_in(at, channel) == []


def test_what_concerns_its_asker_alone_is_not_shared(at: Harbour) -> None:
    channel = at.slack.add_channel("with-a-file", members=(at.alice,))
    question, file = "How many days of leave do I get?", ("wages of bob.zip", b"PK")
    at.parts.channels.choose(at.slack.team_id, channel, {"visibility": "asker"}, at.ada)
    at.slack.say(at.alice, channel, f"<@{at.slack.bot_user}> {question}", files=[file])
    at.slack.settle()
    task = at.parts.queue.take()
    assert task is not None
    surroundings = Surroundings(Pacing(), Abilities())
    assert Answering(at.parts, surroundings, Held(task)).run() is QuestionStatus.DONE
    at.parts.queue.finish(task.id, QuestionStatus.DONE)
    message = at.whisper_to(at.alice, channel, "wages of bob.zip")
    assert "25 days" in message.visible_text
    at.slack.click(at.alice, message, "nightshift_share")
    (shared,) = at.slack.wait_for(lambda: shared_in(at, channel), "the shared answer")
    assert "25 days" in shared.visible_text
    assert "wages of bob" not in str(shared.sent)


def test_only_its_asker_shares_an_answer_and_only_where_they_saw_it(at: Harbour) -> None:
    answer, _ = at.whispered(sources=(source(at, "leave"),))
    row = [button("Share to channel", "nightshift_share", answer)]
    planted = at.planted(answer, {"type": "actions", "elements": row})
    at.slack.click(at.alice, planted, "nightshift_share")
    at.whisper_to(at.alice, planted.channel, "can't find this answer")
    answer, _ = at.whispered(planted.channel, sources=(source(at, "leave"),))
    row = [button("Share to channel", "nightshift_share", answer)]
    client = at.parts.clients.of(at.slack.team_id)
    blocks = [{"type": "actions", "elements": row}]
    done = client.chat_postMessage(channel=planted.channel, text=TEXT, blocks=blocks)
    posted = at.slack.message(planted.channel, str(done["ts"]))
    at.slack.click(at.bob, posted, "nightshift_share")
    at.whisper_to(at.bob, planted.channel, "Only who asked")
    assert shared_in(at, planted.channel) == []


@pytest.mark.parametrize("lost", [{"status": 503}, {"status": 500}, {"drop": True}])
def test_a_share_whose_answer_was_lost_is_not_posted_twice(
    at: Harbour, lost: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "_PAUSES", (0.01, 0.02, 0.03))
    channel = at.slack.add_channel("lossy", members=(at.alice,))
    _, message = at.whispered(channel, sources=(source(at, "leave"),))
    at.slack.faults.fail("chat.postMessage", after=True, channel=channel, **lost)
    at.slack.click(at.alice, message, "nightshift_share")
    at.slack.wait_for(lambda: shared_in(at, channel), "the shared answer")
    at.slack.wait_for(lambda: at.parts.posts.of_answer(message_id(message)), "its record")
    assert len(shared_in(at, channel)) == 1


def test_what_slack_refuses_may_be_shared_again(at: Harbour) -> None:
    channel = at.slack.add_channel("closed", members=(at.alice,))
    _, message = at.whispered(channel, sources=(source(at, "leave"),))
    at.slack.channel(channel).archived = True
    at.slack.click(at.alice, message, "nightshift_share")
    at.slack.wait_for(lambda: at.slack.calls_of("response_url"), "a word by Slack's own address")
    at.slack.channel(channel).archived = False
    at.slack.click(at.alice, message, "nightshift_share")
    at.slack.wait_for(lambda: shared_in(at, channel), "the shared answer")


def test_a_long_answer_is_shared_whole_and_only_its_share_button_goes() -> None:
    rows = [button("Share to channel", "nightshift_share", "a"), button("Ask a human", "h", "a")]
    blocks = ({"type": "divider"}, {"type": "actions", "elements": rows})
    reply = Reply((Part("First.", blocks), Part("Second. " * 300)))
    shared = build_shared(reply, "U1", "Why <that>? " * 100, "nightshift_share")
    for part in shared.parts:
        check_message({"text": part.text, "blocks": list(part.blocks)})
    assert [each["elements"][0]["action_id"] for each in shared.parts[0].blocks[2:]] == ["h"]
    assert "Second." in str(shared.parts[1].blocks)
    alone = ({"type": "actions", "elements": rows[:1]},)
    assert without_action(alone, "nightshift_share") == []
