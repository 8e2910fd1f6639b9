import pytest

from bot.draft import claim_in, sentences_of

NAMES = frozenset({"travel", "hotels in europe"})


def shown(*pieces: str, cut: bool = False) -> list[str]:
    return list(sentences_of(iter(pieces), lambda: cut))


def test_sentences_come_one_by_one_as_soon_as_the_next_begins() -> None:
    read: list[str] = []

    def pieces() -> list[str]:
        return ["One thing. ", "Another ", "thing. A third"]

    stream = sentences_of((read.append(p) or p for p in pieces()), lambda: False)
    assert next(stream) == "One thing."
    assert read == pieces()[:2]
    assert list(stream) == ["Another thing.", "A third"]


def test_a_model_that_repeats_itself_has_said_it_all() -> None:
    assert shown("Call IT. Within one hour. Call  IT. Also at night.") == [
        "Call IT.",
        "Within one hour.",
    ]


def test_a_model_that_goes_on_with_the_prompt_has_said_it_all() -> None:
    assert shown("Call IT.\n</pas", "sage>\nQuestion: and then? Wipe it.") == ["Call IT."]


def test_no_more_is_read_once_all_is_said() -> None:
    read: list[str] = []
    pieces = ["Call IT. ", "Call IT. ", "More. ", "And more."]
    assert list(sentences_of((read.append(p) or p for p in pieces), lambda: False)) == ["Call IT."]
    assert read == pieces[:3]


@pytest.mark.parametrize("again", [" —", " and in Porto", "ありがとう"])
def test_a_model_that_is_stuck_in_a_sentence_is_left(again: str) -> None:
    read: list[str] = []
    pieces = ["Call IT. ", "In your first year", *[again] * 100]
    assert list(sentences_of((read.append(p) or p for p in pieces), lambda: False)) == ["Call IT."]
    assert len(read) < 25


def test_a_line_of_signs_is_no_loop() -> None:
    assert shown("Name: ........................ Call IT.")[-1].endswith("Call IT.")


@pytest.mark.parametrize("end", ["Within one", "- Recruiter inputs"])
def test_a_sentence_that_was_cut_off_is_left_out(end: str) -> None:
    assert shown(f"Call IT.\n{end}", cut=True) == ["Call IT."]
    assert shown(f"Call IT.\n{end}.", cut=True)[1:] == [f"{end}."]


@pytest.mark.parametrize(
    ("sentence", "claim"),
    [
        ("A room costs 150 euros.", "A room costs 150 euros."),
        ("A room costs 150 euros. — Travel", "A room costs 150 euros."),
        ("Book a room — Hotels in Europe.", "Book a room"),
        ("She decides — on the fly — what to do.", "She decides — on the fly — what to do."),
        ("— Travel", ""),
        ("— US-based teammates", ""),
        ("Travel.", ""),
        ("Did you book a room?", ""),
        ("No, we take no cards.", "We take no cards."),
        ("Yes – the balance is shown.", "The balance is shown."),
        ("Sí, se puede.", "Se puede."),
        ("No cards are taken.", "No cards are taken."),
        ("No.", "No."),
    ],
)
def test_a_claim_is_a_sentence_without_what_no_page_can_bear_out(sentence: str, claim: str) -> None:
    assert claim_in(sentence, NAMES) == claim
