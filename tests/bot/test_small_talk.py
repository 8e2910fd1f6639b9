"""What asks for no page, in many words and languages; and that no question is taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.known_questions import read_known_questions
from bot.small_talk import SmallTalk, said_to, small_talk

EXAMPLES = Path(__file__).parents[2] / "examples" / "questions.jsonl"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Hi!", SmallTalk.GREETING),
        ("hello there :wave::skin-tone-3:", SmallTalk.GREETING),
        ("Guten Morgen 🙂", SmallTalk.GREETING),
        ("Olá!", SmallTalk.GREETING),
        ("Thanks!", SmallTalk.THANKS),
        ("ok, thank you for your help", SmallTalk.THANKS),
        ("Perfect, thanks a lot :tada:", SmallTalk.THANKS),
        ("Vielen Dank", SmallTalk.THANKS),
        ("merci beaucoup", SmallTalk.THANKS),
        ("ok", SmallTalk.NOD),
        ("Got it, great!", SmallTalk.NOD),
        (":+1:", SmallTalk.NOD),
        (":raised_hands::skin-tone-4: :tada:", SmallTalk.NOD),
        ("👍🏽", SmallTalk.NOD),
        ("Ja, genau", SmallTalk.NOD),
        ("What topics do the documents cover?", SmallTalk.ABOUT),
        ("what can I ask?", SmallTalk.ABOUT),
        ("help", SmallTalk.ABOUT),
        ("Was kannst du?", SmallTalk.ABOUT),
    ],
)
def test_it_is_known(text: str, meant: SmallTalk) -> None:
    assert small_talk(text) is meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "???",
        "the team",
        "is that good?",
        "is it ok",
        "ok, is that for all",
        "was genau",
        "ok help",
        "SIM",
        "good morning meeting",
        "Hi, how many days of leave do I get?",
        "thank you card for customers",
        "Danke, und für Teilzeit?",
        "help desk",
        "hello world program",
        "what can I ask for as a deposit?",
    ],
)
def test_a_question_is_none(text: str) -> None:
    assert small_talk(text) is None


def test_none_of_the_sample_questions_is_taken_for_it() -> None:
    asked = [each.question for each in read_known_questions(EXAMPLES)]
    assert [question for question in asked if small_talk(question)] == []


def test_what_it_knows_is_told_with_titles() -> None:
    told = said_to(SmallTalk.ABOUT, 3, ["Leave", "Travel"])
    assert told.startswith("I answer from 3 documents, some of which are:\n• Leave\n• Travel\n")
    assert said_to(SmallTalk.ABOUT, 1, ["Leave"]).startswith("I answer from 1 document:\n• Leave")
    assert "no document yet" in said_to(SmallTalk.ABOUT, 0, [])
