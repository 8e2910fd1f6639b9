from collections.abc import Sequence

import pytest

from bot.conversation import (
    MAX_QUESTION_CHARACTERS,
    Turn,
    clean_question,
    leant_on,
    standalone_question,
)
from bot.errors import QuestionError


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "🎉🎉🎉", "???", "\x00\x01", "​ …"])
def test_a_question_without_words_is_refused_with_a_mend(text: str) -> None:
    with pytest.raises(QuestionError) as caught:
        clean_question(text)
    assert caught.value.mend


def test_a_question_that_is_too_long_is_refused_and_not_cut() -> None:
    assert clean_question("a" * MAX_QUESTION_CHARACTERS)
    with pytest.raises(QuestionError, match="40,000"):
        clean_question("x" * 40_000)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  how\nmany  days ", "how many days"),
        ("wie viele Urlaubstage?", "wie viele Urlaubstage?"),
        ("有給休暇は何日ですか。", "有給休暇は何日ですか。"),
        ("quanto é o subsídio\x00?", "quanto é o subsídio ?"),
        ("café", "café"),
    ],
)
def test_a_question_is_cleaned_in_any_language(text: str, cleaned: str) -> None:
    assert clean_question(text) == cleaned


HISTORY = (Turn("How many days of leave do employees get?", "25 days.", "ada"),)


def made_to_stand_alone(question: str, history: Sequence[Turn]) -> str:
    return standalone_question(question, leant_on(question, history))


@pytest.mark.parametrize(
    "question",
    ["and for contractors?", "how do I claim it?", "in Porto?", "was ist mit Porto?", "有給は？"],
)
def test_a_question_that_leaves_something_out_takes_it_from_the_thread(question: str) -> None:
    assert made_to_stand_alone(question, HISTORY) == f"{HISTORY[0].question} {question}"


@pytest.mark.parametrize(
    "question",
    [
        "Which laptop do new engineers receive?",
        "wifi password for guests",
        "Wer genehmigt Reisen nach Indien für Ingenieure?",
        "Our biggest customer asked for a security review of the whole app, who runs it for them?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert made_to_stand_alone(question, HISTORY) == question


def test_a_chain_of_follow_ups_goes_back_to_the_question_that_stands_alone() -> None:
    history = (*HISTORY, Turn("and in Porto?", "22 days.", "bob"))
    assert made_to_stand_alone("when do they lapse?", history) == (
        "How many days of leave do employees get? and in Porto? when do they lapse?"
    )


def test_without_a_thread_nothing_is_added() -> None:
    assert made_to_stand_alone("and now?", ()) == "and now?"


def test_a_question_leans_on_those_whose_words_it_takes_and_on_nobody_else() -> None:
    history = (*HISTORY, Turn("Where is the printer?", "B2.", "bob"), Turn("and ink?", "B3.", "cy"))
    assert [turn.asker for turn in leant_on("how do I claim it?", history)] == ["bob", "cy"]
    assert leant_on("Where do I find the leave form?", history) == ()
