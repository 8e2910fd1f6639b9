from __future__ import annotations

import pytest

from ingestion.index.words import folded, query_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Congés PAYÉS", "conges payes"),
        ("Größe", "grosse"),
        ("ＦＵＬＬ ｗｉｄｔｈ", "full width"),
        ("がぎ 휴가 अवकाश", "がぎ 휴가 अवकाश"),
        ("a\ud800b", "a?b"),
    ],
)
def test_case_width_and_accents_are_folded(text: str, expected: str) -> None:
    assert folded(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How long is the parental leave, please?", "long parental leave please"),
        ("Who runs IT?", "runs it"),
        ("the of and", "the of and"),
        ("leave Leave LEAVE", "leave"),
        ("会社の休暇", "会社の休暇"),
        ("?! ...", ""),
        ("", ""),
    ],
)
def test_words_that_tell_something_are_looked_up_once(text: str, expected: str) -> None:
    assert query_words(text) == expected


def test_a_pasted_page_is_cut() -> None:
    assert len(query_words(" ".join(f"w{i}" for i in range(9_000))).split()) == 64
    assert len(query_words("x" * 40_000)) == 8_000
