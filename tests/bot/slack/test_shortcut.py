"""The message shortcut 'Ask about this'."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bot.slack.people import named
from bot.slack.posts import Post
from bot.slack.quoted import authors_in
from bot.slack.views_shortcut import build_ask_modal
from bot.tables import questions
from tests.bot.slack.harbour import Harbour, harbour
from tests.bot.slack.server.limits import check_view
from tests.bot.slack.server.model import Message
from tests.training.answers import make_answer
from training.database import reading

WHERE = {"where": {"choice": "thread"}}


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("shortcut")) as running:
        yield running


def asked(at: Harbour, text: str) -> list[sa.Row[tuple[object, ...]]]:
    """Return the questions with this text, wherever they are by now."""
    with reading(at.parts.nightshift.database) as connection:
        rows = connection.execute(questions.select()).all()
    return [row for row in rows if row.request["text"] == text]


def said(at: Harbour, text: str, thread: str = "", **more: object) -> Message:
    ts = at.slack.say(at.bob, at.general, text, thread, **more)  # type: ignore[arg-type]
    return at.slack.message(at.general, ts)


def test_a_question_about_a_message_is_for_its_asker_only(at: Harbour) -> None:
    message = said(at, f"<@{at.eve}> what is R&amp;D's budget?", files=[("plan.txt", b"Plan.")])
    at.slack.shortcut(at.alice, "nightshift_ask_about", message)
    view = at.slack.wait_for_view(at.alice, "nightshift_asked_about")
    assert "what is R&D's budget?" in view.visible_text
    assert "I also read the file." in view.visible_text
    assert at.slack.submit(at.alice, view) is None
    (row,) = asked(at, "what is R&D's budget?")
    assert (row.asker, row.channel, row.thread_ts) == (at.alice, at.general, "")
    assert row.request["kind"] == "shortcut"
    assert row.request["only_asker"]
    assert row.request["response_url"]
    assert row.request["quoted"] == [named(at.slack.team.id, at.bob)]
    assert [file["name"] for file in row.request["files"]] == ["plan.txt"]


def test_a_bots_message_passes_on_the_words_of_those_it_names() -> None:
    said = {"user": "UBOT", "text": "<@UADA> shared an answer to: “…”, said <@UBOB|bob>"}
    assert authors_in({**said, "bot_id": "B1"}) == ["UBOT", "UADA", "UBOB"]
    assert authors_in(said) == ["UBOT"]
    assert authors_in({"bot_id": "B1"}) == []


def test_of_an_answer_of_the_bot_all_whom_its_question_quotes_count(at: Harbour) -> None:
    team = at.slack.team.id
    asker, quoted = named(team, at.ada), named(team, at.eve)
    shown = make_answer(1, asker=asker, others_quoted=(quoted,))
    at.parts.nightshift.feedback.record_answer(shown)
    message = said(at, "An answer.")
    at.parts.posts.record(Post(team, at.general, message.ts, shown.id, 0))
    at.slack.shortcut(at.alice, "nightshift_ask_about", message)
    view = at.slack.wait_for_view(at.alice, "nightshift_asked_about")
    assert at.slack.submit(at.alice, view, {"question": {"text": "Is that so?"}}) is None
    (row,) = asked(at, "Is that so?")
    assert row.request["quoted"] == [named(team, at.bob), asker, quoted]


def test_in_the_thread_it_is_for_all(at: Harbour) -> None:
    message = said(at, "See the plan.")
    at.slack.shortcut(at.alice, "nightshift_ask_about", message)
    view = at.slack.wait_for_view(at.alice, "nightshift_asked_about")
    blank = at.slack.submit(at.alice, view, {"question": {"text": " \n"}, **WHERE})
    assert blank and blank["response_action"] == "errors"
    assert at.slack.submit(at.alice, view, {"question": {"text": "Which plan?"}, **WHERE}) is None
    (row,) = asked(at, "Which plan?")
    assert row.thread_ts == message.ts
    assert not row.request["only_asker"]
    # Slack may send a submission again when it missed the acknowledgement.
    again = next(s for s in at.slack.deliveries if s.body.get("type") == "view_submission"
                 and "Which plan?" in str(s.body))  # fmt: skip
    assert at.slack.service.deliver("interactive", again.body).done.wait(20)
    assert len(asked(at, "Which plan?")) == 1


@given(text=st.text(st.sampled_from("ab\n 🏖"), max_size=60).map(lambda text: text * 120))
def test_the_modal_keeps_to_the_limits(text: str) -> None:
    view = build_ask_modal(text, "{}", 2)
    check_view(view)
    assert ("The message is long" in str(view)) == (len(text) > 3_000)
