from __future__ import annotations

import pytest

from training.scoring import (
    answer_f1,
    facts_of,
    numbers_of,
    score_answer,
    tokens_of,
    unsupported_numbers,
)


def test_f1_is_squads() -> None:
    assert answer_f1("The cat sat.", "a cat SAT!") == 1.0
    assert answer_f1("cat dog", "cat bird fish") == pytest.approx(2 * 1 / (2 + 3))
    assert answer_f1("", "cat") == 0.0
    assert answer_f1("", "...") == 1.0
    assert answer_f1("cat cat", "cat") == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("年休は３０日", ["年", "休", "は", "30", "日"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("Größe STRASSE", ["grösse", "strasse"]),
        ("كم يوماً؟", ["كم", "يوماً"]),
        ("سلام", ["سلام"]),
    ],
)
def test_tokens_of_any_script(text: str, tokens: list[str]) -> None:
    assert tokens_of(text) == tokens


def test_numbers_have_one_form() -> None:
    assert numbers_of("1,000 and 1’000 and 1\u202f000 and 1.000") == {"1000"}
    assert numbers_of("at 9:30, 3.5 days") == {"9:30", "3.5"}
    assert numbers_of("1. First\n2) second [3]") == frozenset()
    assert numbers_of("٣ أيام") == {"3"}


def test_facts_are_numbers_addresses_and_names() -> None:
    evidence = "Ask Dana Weiss in #help-people. The policy: the limit is 25 days. Use `make demo`."
    reference = "The limit is 25 days; ask Dana in #help-people, run `make demo`, mail a@b.example."
    assert facts_of(reference, evidence) == {
        "25",
        "dana",
        "#help-people",
        "make demo",
        "a@b.example",
    }
    assert facts_of("Yes, you may.", "yes, the staff may") == frozenset()


def test_unsupported_numbers_are_those_nobody_gave() -> None:
    evidence = "Five days, until 31 March 2026, at 9:30."
    assert unsupported_numbers("5 days until 31 March, at 9", evidence) == ()
    assert unsupported_numbers("6 days until 29 March", evidence) == ("29", "6")


def test_correctness_joins_the_three() -> None:
    evidence = "Staff get 25 days of leave."
    right = score_answer("25 days", "25 days of leave", evidence)
    assert right.fact_recall == 1.0
    assert right.correctness == pytest.approx((right.f1 + 1) / 2)
    missing = score_answer("many days of leave", "25 days of leave", evidence)
    assert missing.fact_recall == 0.0
    assert missing.correctness == pytest.approx(missing.f1 / 2)
    invented = score_answer("25 or 30 days of leave", "25 days of leave", evidence)
    assert invented.unsupported_numbers == ("30",)
    assert invented.correctness == 0.0
    plain = score_answer("yes of course", "yes of course", "anything")
    assert plain.fact_recall is None
    assert plain.correctness == 1.0
