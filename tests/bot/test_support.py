import pytest

from bot.support import DEFAULT_MIN_SUPPORT, Confidence, confidence_in
from tests.bot.hits import hit

OTHER = "Etwas ganz anderes."


@pytest.mark.parametrize(
    ("dense", "confidence"),
    [
        (0.9, Confidence.SURE),
        (DEFAULT_MIN_SUPPORT + 0.01, Confidence.UNSURE),
        (DEFAULT_MIN_SUPPORT - 0.01, Confidence.NONE),
    ],
)
def test_meaning_decides(dense: float, confidence: Confidence) -> None:
    found = [hit("Nothing of the words.", dense=0.1), hit(OTHER, dense=dense)]
    assert confidence_in("how much may hotels cost?", found, 0) is confidence


def test_a_setting_moves_the_threshold() -> None:
    found = [hit(OTHER, dense=0.6)]
    assert confidence_in("how much may hotels cost?", found, 0.7) is Confidence.NONE
    assert confidence_in("how much may hotels cost?", found, 0.2) is Confidence.SURE


def test_words_count_where_the_embedder_knows_no_better() -> None:
    found = [hit("Das Büro in Utrecht öffnet um acht.", dense=0.2)]
    assert confidence_in("Wann öffnet das Büro Utrecht?", found, 0) is Confidence.UNSURE
    assert confidence_in("Wann gibt es Kaffee im Büro Utrecht?", found, 0) is Confidence.NONE


@pytest.mark.parametrize(
    ("page", "answered", "other"),
    [
        ("員工每年有二十五天的年假。", "每年的年假有二十五天嗎？", "咖啡機在哪裡？"),
        ("พนักงานมีวันลาพักร้อนปีละยี่สิบห้าวัน", "วันลาพักร้อนปีละยี่สิบห้าวัน", "เครื่องชงกาแฟอยู่ที่ไหน"),
        (
            "कर्मचारियों को पच्चीस दिन की छुट्टी मिलती है।",
            "कर्मचारियों को छुट्टी मिलती है?",
            "कॉफ़ी मशीन कहाँ रखी है?",
        ),
    ],
)
def test_words_count_in_every_script(page: str, answered: str, other: str) -> None:
    found = [hit(page, dense=0.2)]
    assert confidence_in(answered, found, 0) is Confidence.UNSURE
    assert confidence_in(other, found, 0) is Confidence.NONE


def test_nothing_found_supports_nothing() -> None:
    assert confidence_in("anything", [], 0) is Confidence.NONE
