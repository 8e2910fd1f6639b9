from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack.mrkdwn import MAX_CHARACTERS, escape, question_in, split


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("<@U0BOT> how much is a room?", "how much is a room?"),
        ("<@U0BOT|bot> is 3 &lt; 4 &amp;&amp; 5 &gt; 4", "is 3 < 4 && 5 > 4"),
        ("<!here> what is <https://docs.example/a|the page>?", "what is the page?"),
        ("see <https://docs.example/a>", "see https://docs.example/a"),
        ("<@U0BOT>", ""),
        ("&amp;lt;!channel&amp;gt;", "&lt;!channel&gt;"),
    ],
)
def test_what_a_message_asks(text: str, question: str) -> None:
    assert question_in(text) == question


@given(st.text(alphabet="<>!@#&|channelU0 \n*[]()", max_size=200))
def test_escaped_text_acts_on_nothing(text: str) -> None:
    assert "<" not in escape(text)
    assert ">" not in escape(text)


@given(st.text(alphabet="ab \n", max_size=300), st.integers(1, 40))
def test_nothing_is_lost_in_a_split(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(0 < len(part) <= limit for part in parts)
    assert "".join(parts).replace("\n", "") == text.replace("\n", "")


def test_a_split_is_at_a_line_end() -> None:
    lines = "\n".join(f"line {n}" for n in range(2_000))
    parts = split(lines)
    assert len(parts) > 1
    assert "\n".join(parts) == lines
    assert all(len(part) <= MAX_CHARACTERS for part in parts)
