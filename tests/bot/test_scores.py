from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.errors import QuestionError
from bot.known_questions import KnownQuestion, parse_known_questions, read_known_questions
from bot.scores import (
    Outcome,
    holds,
    page_rank,
    percentile,
    same_page,
    score_answers,
    score_retrieval,
    share,
)
from ingestion.documents import Chunk
from tests.bot.hits import hit

ANSWERABLE = KnownQuestion(
    question="room price?", sources=("money/travel.md",), must_contain=("€210", "night")
)
UNANSWERABLE = KnownQuestion(question="wifi?")


def chunk(path: str, text: str = "text") -> Chunk:
    return hit(text, path).chunk


@pytest.mark.parametrize(
    ("path", "gold", "same"),
    [
        ("money/travel.md", "money/travel.md", True),
        ("handbook/money/travel.md", "money/travel.md", True),
        ("travel.md", "money/travel.md", True),
        ("money/old-travel.md", "travel.md", False),
        ("money/travel.md.bak", "money/travel.md", False),
        ("people/travel.md", "money/travel.md", False),
    ],
)
def test_same_page(path: str, gold: str, same: bool) -> None:
    assert same_page(path, gold) is same


def test_page_rank_counts_pages() -> None:
    assert page_rank(["a.md", "b.md", "c.md"], ["c.md", "b.md"]) == 2
    assert page_rank(["a.md"], ["b.md"]) is None
    assert page_rank([], ["b.md"]) is None


def test_retrieval_counts_each_page_once_and_passes_over_unanswerable_ones() -> None:
    chunks = [chunk("a.md"), chunk("a.md"), chunk("money/travel.md")]
    scores = score_retrieval([(ANSWERABLE, chunks), (UNANSWERABLE, chunks), (ANSWERABLE, [])])
    assert scores.questions == 2
    assert scores.page_recall == {1: 0, 3: 0.5, 5: 0.5, 10: 0.5}
    assert scores.evidence_recall is None


def test_evidence_is_searched_in_the_first_ten_chunks_only() -> None:
    known = KnownQuestion(question="q", sources=("a.md",), evidence=("One fact.", "Another  FACT."))
    late = [*(chunk("b.md") for _ in range(10)), chunk("a.md", "One fact. Another fact.")]
    assert score_retrieval([(known, late)]).evidence_recall == 0
    early = [chunk("a.md", "It is so:\nanother\nfact."), *late]
    assert score_retrieval([(known, early)]).evidence_recall == 0.5


def test_answers_are_scored_by_facts_refusals_and_times() -> None:
    outcomes = [
        Outcome(ANSWERABLE, "Up to €210 a NIGHT.", False, 0.1, 0.2),
        Outcome(ANSWERABLE, "Up to €210.", False, 0.3, 0.4),
        Outcome(ANSWERABLE, "I don't know.", True, 0.1, 0.1),
        Outcome(UNANSWERABLE, "I don't know.", True, 0.1, 0.1),
        Outcome(UNANSWERABLE, "It is 12345.", False, 0.9, 1.0),
    ]
    scores = score_answers(outcomes)
    assert scores.holds_all == pytest.approx(1 / 3)
    assert scores.holds_any == pytest.approx(2 / 3)
    assert scores.wrongly_refused == pytest.approx(1 / 3)
    assert scores.rightly_refused == 0.5
    assert scores.first == (0.1, 0.9)
    assert scores.total == (0.2, 1.0)


def test_nothing_gives_no_shares() -> None:
    scores = score_answers([])
    assert scores.holds_all is scores.wrongly_refused is scores.rightly_refused is None
    assert share([]) is None
    assert percentile([], 95) == 0


def test_percentiles() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 95), percentile(values, 100)) == (
        50,
        95,
        100,
    )


def test_facts_are_compared_without_case_width_and_line_ends() -> None:
    assert holds("Der  Ｂüro-\nSchlüssel", ["büro- SCHLÜSSEL", "Tür"]) == [True, False]


@pytest.mark.parametrize("line", ["{", "[]", '{"question": ""}', '{"question": 3}', "[" * 100_000])
def test_a_line_that_cannot_be_understood_is_named(line: str) -> None:
    good = json.dumps({"question": "q", "id": "1"})
    with pytest.raises(QuestionError, match="Line 3 of here"):
        parse_known_questions([good, "", line], "here")


def test_files_without_questions_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    with pytest.raises(QuestionError, match="can't be read"):
        read_known_questions(file)
    file.write_bytes(b"\n\n")
    with pytest.raises(QuestionError, match="no question"):
        read_known_questions(file)
    file.write_bytes(b"\xff\xfe{")
    with pytest.raises(QuestionError, match="UTF-8"):
        read_known_questions(file)


def test_the_examples_are_read() -> None:
    known = read_known_questions(Path(__file__).parents[2] / "examples" / "questions.jsonl")
    assert len(known) > 40
    assert {each.answerable for each in known} == {True, False}
