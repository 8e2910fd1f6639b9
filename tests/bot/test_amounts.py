import pytest

from bot.amounts import keeps_amounts_apart, numbers_of

TRIAL = "The trial period (probation) is 2 months in Utrecht and 3 months in Porto and Toronto."
UTRECHT = "how long is the trial period in Utrecht?"


def test_numbers_are_compared_without_thousands_separators() -> None:
    assert numbers_of("1,500 or 1’500 at 10:30, 2.5%") == {"1500", "10:30", "2.5"}


@pytest.mark.parametrize(
    ("unit", "sentence", "question"),
    [
        (TRIAL, "The trial period is 3 months in Porto and Toronto.", "probation in Toronto?"),
        (TRIAL, "In Utrecht it is 2 months.", UTRECHT),
        (TRIAL, "It is 2 months.", UTRECHT),  # the question names the place
        (TRIAL, "The trial period is 2 months in Utrecht and 3 months in Porto.", UTRECHT),
        (
            "After 5 years with us you can take a sabbatical of 8 weeks, of which 4 are paid.",
            "You can take a sabbatical of 8 weeks.",
            "how long is a sabbatical?",
        ),
        ("In Utrecht it is 2 months, in Porto 3.", "In Porto it is 3 months.", "in Porto?"),
        ("| Utrecht | 150 euros | 2 nights |", "Utrecht: 150 euros.", "hotel in Utrecht"),
        ("東京は2か月、大阪は3か月です。", "大阪は3か月です。", "大阪は?"),
        ("We meet on Mondays.", "We meet on Mondays.", "when?"),
    ],
)
def test_an_amount_may_be_taken_with_its_words(unit: str, sentence: str, question: str) -> None:
    assert keeps_amounts_apart(sentence, unit, question)


@pytest.mark.parametrize(
    ("unit", "sentence", "question"),
    [
        (TRIAL, "The trial period in Utrecht is 2 months in Porto and Toronto.", UTRECHT),
        (TRIAL, "The trial period in Utrecht is 3 months.", UTRECHT),
        (TRIAL, "The trial period is 3 months.", UTRECHT),
        ("In Utrecht it is 2 months, in Porto 3.", "In Utrecht it is 3 months.", "in Utrecht?"),
        ("20 days in the US, 25 in the UK.", "In the US it is 25 days.", "leave in the US?"),
        ("東京は2か月、大阪は3か月です。", "東京は3か月です。", "東京は?"),
    ],
)
def test_an_amount_of_other_words_is_not_borne_out(unit: str, sentence: str, question: str) -> None:
    assert not keeps_amounts_apart(sentence, unit, question)
