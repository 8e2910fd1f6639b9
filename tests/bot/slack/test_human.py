"""'Ask a human', as asker, expert and admin live it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from bot.slack.escalations import Escalation, Escalations, EscalationStatus
from bot.slack.origin import Origin
from bot.slack.sight import saw_answer
from bot.slack.views_human import (
    build_answer_modal,
    build_asked,
    build_call,
    build_confirm_modal,
    build_human_answer,
    build_nobody_modal,
)
from bot.tables import escalations
from tests.bot.slack.harbour import Harbour, button, harbour
from tests.bot.slack.server.limits import check_message, check_view
from tests.bot.slack.server.model import Message
from training.database import writing
from training.records import Correction

CALL = "asks for a human's answer"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    folder = tmp_path_factory.mktemp("human")
    with harbour(folder, expert_channel="#experts", follow_up="always") as running:
        experts = running.slack.add_channel("experts", members=(running.eve, running.ada))
        assert running.slack.channel(experts).name == "experts"
        yield running


def experts_channel(at: Harbour) -> str:
    channels = at.slack.workspace.channels.values()
    return next(channel.id for channel in channels if channel.name == "experts")


def call_in(at: Harbour, channel: str, thread: str = "") -> Message:
    """Wait for the newest call for help that nobody has resolved."""

    def posted() -> Message | None:
        said = at.slack.from_bot(channel, thread or None)
        found = [m for m in said if CALL in m.visible_text and m.actions]
        return found[-1] if found else None

    message: Message = at.slack.wait_for(posted, "a call for help")
    return message


def corrections_of(at: Harbour, answer: str) -> list[Correction]:
    found = at.parts.nightshift.feedback.corrections()
    return [each for each in found if each.answer_id == answer]


def test_who_learns_the_id_of_an_answer_elsewhere_gets_no_question_out_of_it(at: Harbour) -> None:
    answer, _ = at.answer()
    team = at.slack.team_id
    assert saw_answer(at.parts, answer, Origin(team, at.bob, at.general))
    assert saw_answer(at.parts, answer, Origin(team, at.alice, "D0ELSEWHERE"))
    assert not saw_answer(at.parts, answer, Origin(team, at.bob, "D0ELSEWHERE"))
    assert not saw_answer(at.parts, answer, Origin("T0OTHER", at.alice, at.general))
    assert not saw_answer(at.parts, "unknown", Origin(team, at.alice, at.general))


def test_an_answer_is_clicked_on_before_it_is_known_where_it_stands(at: Harbour) -> None:
    bob, team = Origin(at.slack.team_id, at.bob, at.general), at.slack.team_id
    for only_asker in (True, False):
        answer = f"just-shown-{only_asker}"
        at.record(answer, at.general, at.alice, "1.1", reply={"only_asker": only_asker})
        assert saw_answer(at.parts, answer, bob) is not only_asker
        assert not saw_answer(at.parts, answer, Origin(team, at.bob, "C0ELSEWHERE"))


def test_experts_of_a_channel_answer_in_its_thread(at: Harbour) -> None:
    answer, message = at.answer()
    at.slack.click(at.alice, message, "nightshift_ask_human")
    call = call_in(at, at.general, message.thread_ts)
    assert call.pings == [f"@{at.eve}", f"@{at.alice}"]
    at.slack.click(at.bob, message, "nightshift_ask_human")
    at.whisper_to(at.bob, at.general, "asked already")
    first = at.slack.say(at.eve, at.general, "It is 26 days &amp; more.", thread=call.thread_ts)
    at.slack.say(at.bob, at.general, "I think it is 99.", thread=call.thread_ts)
    at.slack.settle()
    at.slack.edit(at.eve, at.general, first, "It is 27 days &amp; more.")
    at.slack.settle()
    at.slack.click(at.bob, call, "nightshift_resolve")
    at.whisper_to(at.bob, at.general, "Only experts, admins and who asked")
    at.slack.click(at.alice, call, "nightshift_resolve")
    at.wait_for_text(call, f"Resolved by <@{at.alice}>")
    assert call.actions == []
    kept = corrections_of(at, answer)
    assert [(each.text, each.author) for each in kept] == [
        ("It is 27 days & more.", f"{at.slack.team_id}:{at.eve}")
    ]
    # What people say to each other there is no question to the bot, though it follows up always.
    assert len(at.slack.from_bot(at.general, message.thread_ts)) == 2


def calls_in(at: Harbour, channel: str, thread: str = "") -> list[Message]:
    return [m for m in at.slack.from_bot(channel, thread or None) if CALL in m.visible_text]


def test_a_call_whose_answer_was_lost_stands_once(at: Harbour) -> None:
    answer, message = at.answer()
    at.slack.faults.fail("chat.postMessage", drop=True, after=True, channel=at.general)
    at.slack.click(at.alice, message, "nightshift_ask_human")
    call = call_in(at, at.general, message.thread_ts)
    at.slack.wait_for(lambda: posted_ts(at, answer) == call.ts, "the call to be noted")
    at.slack.click(at.eve, call, "nightshift_resolve")
    at.wait_for_text(call, f"Resolved by <@{at.eve}>")
    assert calls_in(at, at.general, message.thread_ts) == [call]


def test_a_call_that_a_dead_process_posted_is_found_again(at: Harbour) -> None:
    answer, message = at.answer()
    at.slack.click(at.alice, message, "nightshift_ask_human")
    call = call_in(at, at.general, message.thread_ts)
    at.slack.wait_for(lambda: posted_ts(at, answer) == call.ts, "the call to be noted")
    long_ago = datetime.now(UTC) - timedelta(minutes=2)
    with writing(at.parts.nightshift.database) as connection:  # it died before it noted that
        died = escalations.update().where(escalations.c.answer_id == answer)
        connection.execute(died.values(channel="", thread_ts="", ts="", created_at=long_ago))
    at.slack.click(at.bob, message, "nightshift_ask_human")
    at.slack.wait_for(lambda: posted_ts(at, answer) == call.ts, "the call to be found")
    assert calls_in(at, at.general, message.thread_ts) == [call]


def posted_ts(at: Harbour, answer: str) -> str:
    found = at.parts.escalations.of_answer(answer)
    return found.ts if found else ""


def test_a_group_named_by_its_handle_is_pinged(tmp_path: Path) -> None:
    with harbour(tmp_path, experts=["@People-Team", "nobody-here"]) as at:
        group = at.slack.add_usergroup("people-team", [at.eve])
        _, message = at.answer()
        at.slack.click(at.alice, message, "nightshift_ask_human")
        call = call_in(at, at.general, message.thread_ts)
        assert call.pings == [f"!subteam^{group}", f"@{at.alice}"]
        assert "nobody-here" in call.visible_text


def test_a_deleted_answer_is_not_kept(at: Harbour) -> None:
    answer, message = at.answer()
    at.slack.click(at.alice, message, "nightshift_ask_human")
    call = call_in(at, at.general, message.thread_ts)
    said = at.slack.say(at.eve, at.general, "It is secret.", thread=call.thread_ts)
    at.slack.settle()
    at.slack.delete(at.eve, at.general, said)
    at.slack.settle()
    at.slack.click(at.eve, call, "nightshift_resolve")
    at.wait_for_text(call, "Resolved by")
    assert corrections_of(at, answer) == []


def test_an_expert_answers_by_the_form(at: Harbour) -> None:
    answer, message = at.answer()
    at.slack.click(at.alice, message, "nightshift_ask_human")
    call = call_in(at, at.general, message.thread_ts)
    at.slack.click(at.bob, call, "nightshift_answer_human")
    at.whisper_to(at.bob, at.general, "Only experts and admins answer here")
    at.slack.click(at.eve, call, "nightshift_answer_human")
    view = at.slack.wait_for_view(at.eve, "nightshift_human_answered")
    blank = at.slack.submit(at.eve, view, {"answer": {"text": "  "}})
    assert blank and blank["response_action"] == "errors"
    assert call.actions
    assert at.slack.submit(at.eve, view, {"answer": {"text": "30 <!channel>"}}) is None
    at.wait_for_text(call, f"Resolved by <@{at.eve}>")
    answers = at.slack.wait_for(
        lambda: [
            m
            for m in at.slack.from_bot(at.general, message.thread_ts)
            if "has answered your question" in m.visible_text
        ],
        "the human's answer",
    )
    assert answers[0].pings == [f"@{at.alice}", f"@{at.eve}"]
    assert corrections_of(at, answer)[0].text == "30 <!channel>"


def test_who_is_an_expert_no_more_answers_no_more(at: Harbour) -> None:
    answer, message = at.answer()
    at.slack.click(at.alice, message, "nightshift_ask_human")
    call = call_in(at, at.general, message.thread_ts)
    at.slack.click(at.eve, call, "nightshift_answer_human")
    view = at.slack.wait_for_view(at.eve, "nightshift_human_answered")
    at.parts.channels.choose(at.slack.team_id, at.general, {"experts": [at.ada]}, at.ada)
    try:
        refused = at.slack.submit(at.eve, view, {"answer": {"text": "It is 77 days."}})
    finally:
        at.parts.channels.choose(at.slack.team_id, at.general, {"experts": None}, at.ada)
    assert refused
    assert refused["errors"] == {"answer": "Only experts and admins answer here."}
    assert at.slack.submit(at.eve, view, {"answer": {"text": "It is 78 days."}}) is None
    at.wait_for_text(call, f"Resolved by <@{at.eve}>")
    assert [each.text for each in corrections_of(at, answer)] == ["It is 78 days."]


def test_a_private_question_is_shown_only_when_its_asker_says_so(at: Harbour) -> None:
    experts = experts_channel(at)
    direct = at.slack.dm(at.alice)
    answer, message = at.answer(direct)
    at.slack.click(at.alice, message, "nightshift_ask_human")
    view = at.slack.wait_for_view(at.alice, "nightshift_human_confirmed")
    assert "will see your name and this question" in view.visible_text
    blank = at.slack.submit(at.alice, view, {"question": {"text": " "}})
    assert blank and blank["response_action"] == "errors"
    assert at.slack.from_bot(experts) == []
    assert at.slack.submit(at.alice, view, {"question": {"text": "How long is leave?"}}) is None
    call = call_in(at, experts)
    assert "How long is leave?" in call.visible_text
    assert "25 days" not in call.visible_text
    at.whisper_to(at.alice, direct, "I've asked the experts")
    at.slack.say(at.ada, experts, "27 days.", thread=call.ts)
    at.slack.settle()
    at.slack.click(at.eve, call, "nightshift_resolve")
    home = at.slack.wait_for(
        lambda: [m for m in at.slack.from_bot(direct) if "27 days." in m.visible_text], "the answer"
    )
    assert home[0].thread_ts == message.thread_ts
    assert f"<@{at.ada}>" in home[0].visible_text
    assert [each.text for each in corrections_of(at, answer)] == ["27 days."]


def test_an_ephemeral_answer_asks_first_too(at: Harbour) -> None:
    _, message = at.whispered()
    at.slack.click(at.alice, message, "nightshift_ask_human")
    view = at.slack.wait_for_view(at.alice, "nightshift_human_confirmed")
    at.slack.submit(at.alice, view)
    call = call_in(at, experts_channel(at))
    at.slack.click(at.eve, call, "nightshift_answer_human")
    form = at.slack.wait_for_view(at.eve, "nightshift_human_answered")
    at.slack.submit(at.eve, form, {"answer": {"text": "Four weeks."}})
    direct = at.slack.dm(at.alice)
    at.slack.wait_for(
        lambda: [m for m in at.slack.from_bot(direct) if "Four weeks." in m.visible_text],
        "the answer in a direct message",
    )


def test_a_private_question_is_answered_where_the_experts_read_it(at: Harbour) -> None:
    _, message = at.answer(at.slack.dm(at.alice))
    at.slack.click(at.alice, message, "nightshift_ask_human")
    at.slack.submit(at.alice, at.slack.wait_for_view(at.alice, "nightshift_human_confirmed"))
    call = call_in(at, experts_channel(at))
    escalation = str(call.blocks[-1]["elements"][0]["value"])
    row = [button("Answer", "nightshift_answer_human", escalation)]
    row.append(button("Resolve", "nightshift_resolve", escalation))
    planted = at.planted("unknown", {"type": "actions", "elements": row})
    at.slack.click(at.bob, planted, "nightshift_answer_human")
    at.whisper_to(at.bob, planted.channel, "Only experts and admins")
    at.slack.click(at.bob, planted, "nightshift_resolve")
    at.whisper_to(at.bob, planted.channel, "Only experts, admins and who asked")
    assert at.slack.view_of(at.bob) is None
    assert call.actions


def test_a_window_asks_no_expert_about_an_answer_that_one_never_saw(at: Harbour) -> None:
    hidden, _ = at.answer(at.slack.dm(at.bob), asker=at.bob)
    seen, message = at.answer(at.slack.dm(at.alice))
    at.slack.click(at.alice, message, "nightshift_ask_human")
    view = at.slack.wait_for_view(at.alice, "nightshift_human_confirmed")
    view.payload["private_metadata"] = view.payload["private_metadata"].replace(seen, hidden)
    at.slack.submit(at.alice, view)
    at.whisper_to(at.alice, message.channel, "can't find this answer")
    # Nobody has asked about it yet, so its own asker still can.
    assert at.parts.escalations.start(hidden, "T", at.bob, "Why?", private=True)[1]


def test_a_thumbs_down_by_reaction_leads_to_a_human_in_the_thread(at: Harbour) -> None:
    _, message = at.answer()
    at.slack.react(at.bob, at.general, message.ts, "-1")
    offer = at.whisper_to(at.bob, at.general, "What was wrong")
    at.slack.click(at.bob, offer, "nightshift_ask_human")
    call = call_in(at, at.general, message.thread_ts)
    assert call.pings == [f"@{at.eve}", f"@{at.bob}"]
    # Who gives a thumbs-down now has somebody to wait for, and is offered nobody else.
    at.slack.click(at.alice, message, "nightshift_vote", "negative")
    assert "nightshift_ask_human" not in thanked(at, at.alice, message).actions
    at.slack.click(at.bob, offer, "nightshift_ask_human")
    at.whisper_to(at.bob, at.general, "asked already")
    assert [m for m in at.slack.from_bot(at.general, message.thread_ts) if m.actions][1:] == [call]


def test_a_thumbs_down_by_button_offers_a_human_once(at: Harbour) -> None:
    _, message = at.answer()
    at.slack.click(at.bob, message, "nightshift_vote", "negative")
    offer = thanked(at, at.bob, message)
    assert "nightshift_ask_human" in offer.actions
    at.slack.close_view(at.bob, at.slack.wait_for_view(at.bob, "nightshift_why_given"))
    at.slack.click(at.bob, message, "nightshift_vote", "negative")
    again = at.slack.wait_for(
        lambda: [m for m in whispers(at, at.bob, message) if m.ts != offer.ts], "thanks again"
    )
    assert "nightshift_ask_human" not in again[0].actions
    at.slack.click(at.bob, offer, "nightshift_ask_human")
    assert f"@{at.eve}" in call_in(at, at.general, message.thread_ts).pings


def test_a_thumbs_down_on_an_answer_for_one_keeps_the_question_private(at: Harbour) -> None:
    _, message = at.whispered()
    experts = experts_channel(at)
    before = at.slack.from_bot(at.general)
    asked = len(at.slack.from_bot(experts))
    at.slack.click(at.alice, message, "nightshift_vote", "negative")
    at.slack.close_view(at.alice, at.slack.wait_for_view(at.alice, "nightshift_why_given"))
    at.slack.click(at.alice, thanked(at, at.alice, message), "nightshift_ask_human")
    view = at.slack.wait_for_view(at.alice, "nightshift_human_confirmed")
    at.slack.settle()
    assert at.slack.from_bot(at.general) == before
    assert len(at.slack.from_bot(experts)) == asked
    at.slack.submit(at.alice, view)
    at.slack.wait_for(lambda: len(at.slack.from_bot(experts)) > asked, "a call for help")


def whispers(at: Harbour, user: str, message: Message) -> list[Message]:
    """Return the thanks for a thumbs-down on one answer."""
    said = at.slack.ephemerals(at.general, user)
    return [m for m in said if m.thread_ts == message.thread_ts and "counts" in m.visible_text]


def thanked(at: Harbour, user: str, message: Message) -> Message:
    found: list[Message] = at.slack.wait_for(lambda: whispers(at, user, message), "thanks")
    return found[-1]


def test_who_is_no_member_asks_nobody(at: Harbour) -> None:
    _, message = at.answer()
    at.slack.click(at.guest, message, "nightshift_ask_human")
    at.whisper_to(at.guest, at.general, "members of this workspace only")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("alone"), experts=[]) as running:
        yield running


def test_where_nobody_is_named_it_says_who_can_name_somebody(alone: Harbour) -> None:
    _, message = alone.answer()
    alone.slack.click(alone.alice, message, "nightshift_ask_human")
    told = alone.whisper_to(alone.alice, alone.general, "Nobody is named here")
    assert f"<@{alone.ada}>" in told.visible_text
    _, in_private = alone.answer(alone.slack.dm(alone.alice))
    alone.slack.click(alone.alice, in_private, "nightshift_ask_human")
    view = alone.slack.wait_for_view(alone.alice)
    assert "Nobody is named here" in view.visible_text


def test_where_nobody_is_named_nobody_is_offered(alone: Harbour) -> None:
    _, message = alone.answer()
    alone.slack.react(alone.bob, alone.general, message.ts, "-1")
    offer = alone.whisper_to(alone.bob, alone.general, "What was wrong")
    assert offer.actions == ["nightshift_why"]


def test_an_answer_is_handed_over_once_and_the_last_proposal_stays(database: Engine) -> None:
    store = Escalations(database)
    first, mine = store.start("a1", "T1", "U1", "Why?", private=False)
    again, not_mine = store.start("a1", "T1", "U2", "Why?", private=True)
    assert (mine, not_mine, again) == (True, False, first)
    store.posted(first, "C1", "1.0", "2.0")
    assert store.propose(first.id, "late", "U3", "9.0")
    assert not store.propose(first.id, "early", "U4", "8.0")
    assert store.propose(first.id, "edited", "U3", "9.0")
    found = store.open_in("T1", "C1", "1.0")
    assert found is not None
    assert (found.proposal, found.proposed_by) == ("edited", "U3")
    assert store.resolve(first.id, "U1")
    assert not store.resolve(first.id, "U2")
    assert not store.propose(first.id, "too late", "U3", "99.0")
    assert store.open_in("T1", "C1", "1.0") is None


@given(text=st.text(st.sampled_from("ab \n<&>"), max_size=50).map(lambda text: text * 100 + "x"))
def test_no_message_breaks_a_limit(text: str) -> None:
    now = datetime.now(UTC)
    status = EscalationStatus.OPEN
    escalation = Escalation(
        "e" * 32, "a", "T1", "C1", "1.0", "1.0", "U1", text, True, status, text, "U2", "1.0", "",
        now, None,
    )  # fmt: skip
    for part in (
        build_call(escalation, ["U0AAAAAA", "S0AAAAAA", "hr"]),
        build_asked(escalation),
        *build_human_answer(escalation, with_question=True),
    ):
        check_message({"text": part.text, "blocks": list(part.blocks)})
        assert "<!" not in part.text.replace("<!subteam^S0AAAAAA>", "")
    check_view(build_confirm_modal(text, "#experts", "{}"))
    check_view(build_answer_modal(escalation, "{}"))
    check_view(build_nobody_modal(["U0AAAAAA", "@hr"], text[:200]))
