from collections.abc import Iterator

import pytest

from bot.citations import find_support
from ingestion.embedding import Embedder, open_embedder
from ingestion.settings import EmbeddingSettings

HOTELS = (
    "The limit for a hotel is 1,500 euros a week, breakfast included.\n"
    "- Book in Wayfare: https://wayfare.example/book\n- Questions go to travel@lantern.example"
)
CLAIMS = "Send claims by the 5th of the month. Finance does not pay claims older than 90 days."


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    yield open_embedder(EmbeddingSettings())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("The hotel limit is 1500 euros a week.", "The limit for a hotel is 1,500 euros a week"),
        ("Finance doesn't pay claims older than 90 days.", "Finance does not pay claims"),
        ("Book in Wayfare: https://wayfare.example/book", "- Book in Wayfare"),
    ],
)
def test_a_sentence_finds_what_bears_it_out(
    embedder: Embedder, sentence: str, supported: str
) -> None:
    passages = [HOTELS, CLAIMS]
    support = find_support(sentence, passages, "What may I spend?", embedder)
    assert support is not None
    assert passages[support.passage][slice(*support.span)].startswith(supported)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sentence",
    [
        "The hotel limit is 1600 euros a week.",  # another number
        "Finance pays claims older than 90 days.",  # the opposite
        "Book in Wayfare: https://wayfare.evil.example/book",  # a link no page has
        "Questions go to travel@evil.example.",
        "Our founder likes trains and mountains.",  # nothing of it
        "!!!",
        "Send claims by the 5th of the month — — — — — — — —",
    ],
)
def test_a_sentence_that_no_page_bears_out_has_no_support(
    embedder: Embedder, sentence: str
) -> None:
    assert find_support(sentence, [HOTELS, CLAIMS], "What may I spend?", embedder) is None


@pytest.mark.slow
def test_each_sentence_of_a_list_item_needs_its_own_support(embedder: Embedder) -> None:
    faithful = "- Use the form. You will get a mail after you enroll in Ripple."
    page = f"{faithful}\n- The fund is Human First."
    joined = "- Use the form. You will get a mail after you enroll in Human First."
    support = find_support(faithful, ["Another page.", page], "how do I enroll?", embedder)
    assert support is not None
    assert page[slice(*support.span)] == faithful
    assert find_support(joined, [page], "how do I enroll?", embedder) is None
