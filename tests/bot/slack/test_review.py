"""The review of pairs and corrections, as an admin does it in Slack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.slack.blocks import Part
from bot.slack.listeners.review import _DECIDED, _store, pairs_message
from bot.slack.origin import Origin
from bot.slack.views_review import CORRECTION, Waiting
from ingestion.documents import EVERYONE, hash_of
from tests.bot.slack.harbour import Harbour, harbour
from tests.bot.slack.server.model import Message
from training.records import Audience, Correction, PairStatus


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("review")) as running:
        yield running


def corrected(at: Harbour, text: str, **changes: object) -> str:
    """Let Bob have corrected an answer; return its id."""
    answer, _ = at.answer(**changes)  # type: ignore[arg-type]
    at.parts.nightshift.feedback.correct(answer, f"{at.slack.team_id}:{at.bob}", text)
    return answer


def listed(at: Harbour, part: Part) -> Message:
    """Show the list to Ada as a command does: so that only she sees it."""
    client = at.parts.clients.of(at.slack.team_id)
    client.chat_postEphemeral(
        channel=at.general, user=at.ada, text=part.text, blocks=list(part.blocks)
    )
    return at.slack.ephemerals(at.general, at.ada)[-1]


def correction_of(at: Harbour, answer: str) -> list[Correction]:
    found = at.parts.nightshift.feedback.corrections()
    return [each for each in found if each.answer_id == answer]


def reviewer(at: Harbour) -> str:
    return f"{at.slack.team_id}:{at.ada}"


def test_an_admin_approves_a_correction_and_it_may_train(at: Harbour) -> None:
    answer = corrected(at, "You get 27 days of leave.")
    message = listed(at, pairs_message(at.parts))
    assert "You get 27 days of leave." in message.visible_text
    assert f"Corrected by <@{at.bob}>" in message.visible_text
    at.slack.click(at.ada, message, "nightshift_pair_approve")
    at.wait_for_text(message, f"Correction approved by <@{at.ada}>")
    at.wait_for_text(message, "Nothing waits for a review.")
    (done,) = correction_of(at, answer)
    assert (done.status, done.reviewer) == (PairStatus.APPROVED, reviewer(at))
    pairs = [p for p in at.parts.nightshift.pairs.list() if p.answer_id == answer]
    assert [(p.status, p.answer) for p in pairs] == [
        (PairStatus.APPROVED, "You get 27 days of leave.")
    ]


def test_an_admin_edits_before_approving(at: Harbour) -> None:
    answer = corrected(at, "You get 28 dais.")
    message = listed(at, pairs_message(at.parts))
    at.slack.click(at.ada, message, "nightshift_pair_edit")
    view = at.slack.wait_for_view(at.ada, "nightshift_pair_edited")
    blank = at.slack.submit(at.ada, view, {"answer0": {"text": "   "}})
    assert blank and blank["response_action"] == "errors"
    assert at.slack.submit(at.ada, view, {"answer0": {"text": "You get 28 days."}}) is None
    at.wait_for_text(message, "Correction approved")
    by_status = {each.status: each for each in correction_of(at, answer)}
    assert by_status[PairStatus.REJECTED].text == "You get 28 dais."
    assert by_status[PairStatus.APPROVED].text == "You get 28 days."
    assert by_status[PairStatus.APPROVED].author == reviewer(at)


def test_a_pair_with_an_address_waits_and_is_rejected(at: Harbour) -> None:
    answer, message = at.answer(question="Who is bob@harbour.example?")
    at.slack.click(at.bob, message, "nightshift_vote", "positive")
    at.wait_for_votes(answer, 1, 0)
    shown = listed(at, pairs_message(at.parts))
    assert "It seems to hold an address" in shown.visible_text
    at.slack.click(at.ada, shown, "nightshift_pair_reject")
    at.wait_for_text(shown, f"Rejected by <@{at.ada}>")
    (pair,) = [p for p in at.parts.nightshift.pairs.list() if p.answer_id == answer]
    assert (pair.status, pair.reviewed_by) == (PairStatus.REJECTED, reviewer(at))


def test_only_admins_review_also_by_a_list_that_others_see(at: Harbour) -> None:
    answer = corrected(at, "You get 31 days.")
    part = pairs_message(at.parts)
    client = at.parts.clients.of(at.slack.team_id)
    done = client.chat_postMessage(channel=at.general, text=part.text, blocks=list(part.blocks))
    message = at.slack.message(at.general, str(done["ts"]))
    for action in ("nightshift_pair_approve", "nightshift_pair_edit", "nightshift_pair_reject"):
        at.slack.click(at.bob, message, action)
    at.slack.wait_for(lambda: len(refusals(at)) == 3, "three refusals")
    assert [each.status for each in correction_of(at, answer)] == [PairStatus.PENDING]
    assert at.slack.view_of(at.bob) is None
    at.slack.click(at.ada, message, "nightshift_pair_reject")
    at.wait_for_text(message, "Correction rejected")


def refusals(at: Harbour) -> list[Message]:
    said = at.slack.ephemerals(at.general, at.bob)
    return [each for each in said if "Only admins" in each.visible_text]


def test_what_somebody_else_decided_is_not_decided_twice(at: Harbour) -> None:
    corrected(at, "You get 32 days.")
    first, second = (listed(at, pairs_message(at.parts)) for _ in range(2))
    at.slack.click(at.ada, first, "nightshift_pair_reject")
    at.wait_for_text(first, "Correction rejected")
    at.slack.click(at.ada, second, "nightshift_pair_approve")
    at.wait_for_text(second, "Somebody has decided on that one already")


def test_a_correction_that_vanished_while_it_was_decided_is_told(at: Harbour) -> None:
    gone = Waiting(CORRECTION, "gone", "Leave?", "25 days.", "27 days.", "")
    ada = Origin(at.slack.team_id, at.ada, at.general)
    assert _store(at.parts, gone, ada, approve=True, answer="28 days.") == _DECIDED


def test_private_answers_are_not_shown_to_admins(at: Harbour) -> None:
    corrected(at, "You earn 90,000.", audience=Audience.PRIVATE)
    shown = listed(at, pairs_message(at.parts))
    assert "90,000" not in shown.visible_text
    assert "Not shown: 1 item from answers or pages that not everyone" in shown.visible_text


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Harbour]:
    with harbour(tmp_path) as running:
        yield running


def let_read(at: Harbour, *names: str) -> None:
    index = at.parts.nightshift.index
    index.set_acl(["handbook:leave.md"], names, hash_of(list(names)))


def test_what_rests_on_a_page_that_was_closed_since_is_not_shown(fresh: Harbour) -> None:
    answer, message = fresh.answer(question="Who calls carol@harbour.example?")
    fresh.slack.click(fresh.bob, message, "nightshift_vote", "positive")
    fresh.wait_for_votes(answer, 1, 0)
    corrected(fresh, "You get 33 days.")
    for readers, shown in (((EVERYONE,), True), (("hr",), False), ((EVERYONE,), True)):
        let_read(fresh, *readers)
        text = listed(fresh, pairs_message(fresh.parts)).visible_text
        assert [words in text for words in ("33 days", "carol@")] == [shown, shown]
        assert ("Not shown: 2 items" in text) is not shown


def test_what_rests_on_a_page_that_was_closed_since_is_not_approved(fresh: Harbour) -> None:
    answer = corrected(fresh, "You get 34 days.")
    shown, edited = (listed(fresh, pairs_message(fresh.parts)) for _ in range(2))
    fresh.slack.click(fresh.ada, edited, "nightshift_pair_edit")
    view = fresh.slack.wait_for_view(fresh.ada, "nightshift_pair_edited")
    let_read(fresh, "hr")
    fresh.slack.click(fresh.ada, shown, "nightshift_pair_approve")
    assert fresh.slack.submit(fresh.ada, view, {"answer0": {"text": "35 days."}}) is None
    for message in (shown, edited):
        fresh.wait_for_text(message, "or not everyone may see it any more.")
        assert "34 days" not in message.visible_text
    assert [each.status for each in correction_of(fresh, answer)] == [PairStatus.PENDING]


def test_who_lets_private_answers_train_reviews_them_too(fresh: Harbour) -> None:
    nightshift = fresh.parts.nightshift
    pairs = nightshift.settings.pairs.model_copy(update={"include_private": True})
    nightshift.settings = nightshift.settings.model_copy(update={"pairs": pairs})
    corrected(fresh, "You get 36 days.", audience=Audience.PRIVATE)
    let_read(fresh, "hr")
    assert "36 days" in listed(fresh, pairs_message(fresh.parts)).visible_text


def test_paging(at: Harbour) -> None:
    for number in range(5):
        corrected(at, f"Correction {number}.")
    message = listed(at, pairs_message(at.parts))
    assert "Correction 4." not in message.visible_text
    at.slack.click(at.ada, message, "nightshift_pairs_page")
    at.wait_for_text(message, "Correction 4.")
    at.slack.click(at.ada, message, "nightshift_pairs_page_back")
    at.wait_for_text(message, "Correction 0.")
