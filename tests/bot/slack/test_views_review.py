"""The list of pairs that wait, as data against Slack's limits."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.slack.views_review import (
    PER_PAGE,
    Waiting,
    build_edit_modal,
    build_pairs_message,
    edited_answer,
    waiting_items,
)
from tests.bot.slack.server.limits import check_message, check_view
from tests.bot.slack.server.model import readable
from tests.training.answers import make_answer
from tests.training.night_pairs import make_pair
from training.records import Correction, PairStatus

NOW = datetime(2026, 1, 5, tzinfo=UTC)
texts = st.text(st.sampled_from("ab <>&*_`\n🏖"), max_size=60).map(lambda text: text * 150)


def correction(number: int, text: str = "30 days.", author: str = "T1:U1") -> Correction:
    return Correction(
        f"c{number}", f"answer-{number}", author, text, PairStatus.PENDING, "", NOW, None
    )


def test_nothing_waits() -> None:
    assert "Nothing waits" in readable("", list(build_pairs_message([], []).blocks), [])


@settings(max_examples=60)
@given(written=st.lists(texts, max_size=9), page=st.integers(-1, 5))
def test_no_page_breaks_a_limit(written: list[str], page: int) -> None:
    corrections = [
        (correction(n, text), make_answer(n, question=text or "?", answer=text))
        for n, text in enumerate(written)
    ]
    part = build_pairs_message([make_pair(1)], corrections, page, note="Approved.", hidden=2)
    check_message({"text": part.text, "blocks": list(part.blocks)})


def test_what_was_cut_is_whole_in_the_window_to_edit() -> None:
    served = "Word after word. " * 60
    corrections = [(correction(1, "Better."), make_answer(1, question="Why?", answer=served))]
    (shown,) = build_pairs_message([], corrections).blocks[2:3]
    assert "Edit shows all of it" in shown["text"]["text"]
    (item,) = waiting_items([], corrections)
    view = build_edit_modal(item, "{}")
    check_view(view)
    assert served.strip() in view["blocks"][1]["text"]["text"]


def test_what_was_answered_is_shown_as_its_reader_saw_it() -> None:
    served = "**Travel › Hotels** [1]\n\nSee [the list](hotels.md) <!channel>."
    corrections = [(correction(1, "**Bold** stays."), make_answer(1, answer=served))]
    shown = build_pairs_message([], corrections).blocks[2]["text"]["text"]
    assert "> *Travel › Hotels* [1]\n> See the list &lt;" in shown
    assert "> **Bold** stays." in shown  # what is taught is shown as it is written


def test_every_item_is_on_one_page_and_text_of_people_acts_on_nothing() -> None:
    count = 2 * PER_PAGE + 1
    corrections = [
        (correction(n, f"<!channel> item {n}."), make_answer(n, question=f"Question {n}?"))
        for n in range(count)
    ]
    pages = [build_pairs_message([], corrections, page) for page in range(3)]
    shown = [readable("", list(page.blocks), []) for page in pages]
    for number in range(count):
        assert [f"item {number}." in page for page in shown].count(True) == 1
    assert "<!channel>" not in "".join(shown)
    assert ["Next page" in page for page in shown] == [True, True, False]
    assert ["Previous page" in page for page in shown] == [False, True, True]


def test_a_pair_whose_correction_waits_is_listed_once() -> None:
    pair = make_pair(1)
    items = waiting_items([pair], [(correction(1), make_answer(1, id=pair.answer_id))])
    assert [item.kind for item in items] == ["correction"]


@settings(max_examples=40)
@given(answer=texts)
def test_the_edit_modal_holds_the_whole_answer(answer: str) -> None:
    modal = build_edit_modal(Waiting("pair", "p", "q?", "", answer, ""), "{}")
    check_view(modal)
    values = {
        block["block_id"]: {"text": {"value": block["element"]["initial_value"]}}
        for block in modal["blocks"]
        if block["type"] == "input"
    }
    assert edited_answer(values).split() == answer.split()
