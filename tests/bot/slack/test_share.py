"""'Share to channel': what one person saw, for all, and never what not everyone may read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.slack.blocks import Part, Reply
from bot.slack.views_share import build_shared, without_action
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
