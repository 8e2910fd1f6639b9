from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.text_units import BlockKind, blocks, classified_blocks, sentences

HANDBOOK_LIKE = st.lists(
    st.one_of(
        st.sampled_from(
            ["\n", "\n\n", "- ", "1. ", "| a | b |\n", "|---|---|\n", "```\n", "# ", "  ", "> "]
        ),
        st.sampled_from(["Ask Dr. Ito. ", "e.g. this! ", "休暇は年20日です。", "نعم؟ ", "हाँ। "]),
        st.text(max_size=12),
    ),
    max_size=30,
).map("".join)


def pieces(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@given(HANDBOOK_LIKE)
def test_units_cover_all_visible_text_in_order_without_overlap(text: str) -> None:
    for spans in (blocks(text), sentences(text)):
        at = 0
        for start, end in spans:
            assert at <= start < end
            assert not text[at:start].strip()
            assert text[start:end] == text[start:end].strip()
            at = end
        assert not text[at:].strip()


@given(HANDBOOK_LIKE)
def test_a_sentence_never_crosses_a_block(text: str) -> None:
    whole = blocks(text)
    for start, end in sentences(text):
        assert any(first <= start and end <= last for first, last in whole)


def test_blocks_are_told_apart() -> None:
    text = (
        "Intro:\n- one\n  more of one\n  - nested\n2) two\n\nA | B\n--- | ---\n1 | 2\n\n"
        "```sh\nls\n\n- not an item\n```\n# Title\nLast\nline"
    )
    found = [(text[b.start : b.end], b.kind) for b in classified_blocks(text)]
    assert found == [
        ("Intro:", BlockKind.PARAGRAPH),
        ("- one\n  more of one", BlockKind.ITEM),
        ("- nested", BlockKind.ITEM),
        ("2) two", BlockKind.ITEM),
        ("A | B\n--- | ---\n1 | 2", BlockKind.TABLE),
        ("```sh\nls\n\n- not an item\n```", BlockKind.FENCE),
        ("# Title", BlockKind.HEADING),
        ("Last\nline", BlockKind.PARAGRAPH),
    ]


def test_an_unclosed_fence_takes_the_rest() -> None:
    assert blocks("```\na\n\nb") == [(0, 8)]


def test_a_list_item_a_row_and_a_heading_are_units() -> None:
    text = "## Pay\n- One. Two.\n- Three\n\n| a | b |\n|---|---|\n| One. Two | 3 |"
    assert pieces(text) == [
        "## Pay",
        "- One. Two.",
        "- Three",
        "| a | b |\n|---|---|",
        "| One. Two | 3 |",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Bring a device, e.g. Apple laptops, along.",
        "We paid Acme Inc. Berlin 3.5 million.",
        "Ask J. R. R. Tolkien or Dr. Ito about No. 5 on Jan. 3.",
        "The U.S. Office is closed at 5 p.m. Pacific time.",
        "Das gilt z.B. Montags bzw. Dienstags.",
        "We use Yahoo! every day... mostly.",
        "See handbook.example.com/a.b for v1.2.3 of it",
    ],
)
def test_these_dots_end_no_sentence(text: str) -> None:
    assert pieces(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You get 25 days. Ask HR first!  Why? Because.", 4),
        ("We pay Acme Inc. The invoice comes later.", 2),
        ("The answer is no. Ask again.", 2),
        ("Open at 9 a.m. We close at 5.", 2),
        ('He said "Stop." Then he left. (All of it.) Done.', 4),
        ("**Note.** Wait… Then go.", 3),
        ("年次休暇は20日です。申請は人事へ！承認は？上司です。", 4),
        ("「休みです。」部長に言う。", 2),
        ("هل هذا ممكن؟ نعم. شكرا۔ انتهى", 4),
        ("छुट्टी बीस दिन है। मानव संसाधन से पूछें।", 2),
        ("Line one  \nline two<br/>\nline three", 3),
        ("Отпуск 28 дней. Спросите кадры.", 2),
    ],
)
def test_these_do(text: str, expected: int) -> None:
    assert len(pieces(text)) == expected


def test_hard_wrapped_lines_are_one_sentence() -> None:
    assert pieces("You get 25\ndays off. And\nmore.") == ["You get 25\ndays off.", "And\nmore."]
