import pytest

from bot.wording import bears_out, says_something


@pytest.mark.parametrize(
    ("unit", "sentence", "question"),
    [
        (
            "Finance does not pay claims older than 90 days.",
            "Finance doesn't pay claims older than 90 days.",
            "are old receipts paid",
        ),
        (
            "Send claims by the 5th of the month.",
            "The deadline for claims is the 5th of the month.",
            "what's the deadline for claims?",
        ),
        ("3. Ask in Daybook 3 weeks before.", "3. Ask in Daybook 3 weeks before.", "how to go"),
        ("The yearly bonus is 1,500 euros.", "Your yearly bonus is 1500 euros.", "my bonus?"),
        ("| Utrecht | 150 euros a night |", "Utrecht: 150 euros a night.", "hotels in Utrecht"),
        ("員工每年有二十五天的年假。", "員工每年有二十五天年假。", "年假有幾天"),
        ("The trial takes 2 months.", "The trial takes two months.", "how long is the trial?"),
        (
            "Die Probezeit beträgt zwei Monate in Köln und drei Monate in Porto.",
            "Die Probezeit beträgt drei Monate in Porto.",
            "Wie lang ist die Probezeit in Porto?",
        ),
        ("Die Hotline ist montags besetzt.", "Die Hotline ist montags besetzt.", "wann?"),
    ],
)
def test_a_unit_bears_out_what_says_the_same(unit: str, sentence: str, question: str) -> None:
    assert bears_out(unit, sentence, question)


@pytest.mark.parametrize(
    ("unit", "sentence", "question"),
    [
        # The same words in another order.
        (
            "Upload it within 7 days; after two reminders the card is blocked.",
            "The card is blocked within 7 days.",
            "when must I hand in receipts?",
        ),
        # Another subject, from the title.
        (
            "The trial period is 2 months in Utrecht and 3 months in Porto and Toronto.",
            "Onboarding is 2 months in Utrecht and 3 months in Toronto.",
            "how long is probation in toronto",
        ),
        # An amount with another one's words.
        (
            "The trial period is 2 months in Utrecht and 3 months in Porto and Toronto.",
            "The trial period in Utrecht is 2 months in Porto and Toronto.",
            "how long is the trial period in Utrecht?",
        ),
        (
            "The trial period is two months in Utrecht and three months in Porto.",
            "The trial period is three months in Utrecht.",
            "how long is the trial period in Utrecht?",
        ),
        ("You have twenty-five days.", "You have five days.", "how many days?"),
        ("It costs two hundred and six euros.", "It costs six euros.", "what does it cost?"),
        # A number that only counts the items.
        ("3. Google pays its sellers a share.", "Google pays a share of 3%.", "google's share?"),
        # A number of the question.
        ("With a 3 you get more once a year.", "With a 4 you get more once a year.", "I got a 4"),
        ("The limit is two weeks.", "The limit is six weeks.", "what is the limit?"),
        ("You may fly in business class.", "You may not fly in business class.", "may I?"),
        # A limit that the page sets, or doesn't.
        (
            "We only check people in countries where the law permits it.",
            "We check people in countries where the law permits it.",
            "where do you check people?",
        ),
        ("You may use your own laptop.", "You may use only your own laptop.", "own laptop?"),
        # A cell without its row.
        (
            "| SEV2 | A main function broken for many | 30 minutes |",
            "A main function broken for many.",
            "how fast must we react to sev1",
        ),
        # The question's words, with nothing of the page.
        (
            "For customers of the cloud Cody is on.",
            "A prospect with a cluster of their own wants Cody.",
            "a prospect with a cluster of their own wants Cody, may I sell?",
        ),
        ("See https://a.example/x for help.", "See https://b.example/x for help.", "help?"),
        ("員工每年有二十五天的年假。", "主管每年有三十五天的病假。", "病假有幾天"),
    ],
)
def test_a_unit_does_not_bear_out_what_says_another_thing(
    unit: str, sentence: str, question: str
) -> None:
    assert not bears_out(unit, sentence, question)


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "!!!",
        "Up to 80.",
        "- $150 / month",
        "Easter Monday, Easter Monday, Fourth of July, Fourth of July.",
        "Two months of ramp at 50% — 3 months of ramp at 50% — 3 months of ramp at 50%",
        "It is very very very very late.",
    ],
)
def test_a_scrap_or_a_loop_says_nothing(sentence: str) -> None:
    assert not says_something(sentence)


def test_words_may_come_again_in_a_sentence() -> None:
    assert says_something("The limit is 30 days for staff and 20 days for interns, 10 days in all.")
