from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.passages import Passage
from bot.slack.mrkdwn import MAX_CHARACTERS, answer_message, escape, question_in, split
from tests.bot.hits import hit


def passage(**changes: str) -> Passage:
    found = hit("text")
    for name, value in changes.items():
        object.__setattr__(found.chunk, name, value)
    return Passage(found, ((0, 4),))


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
def test_no_text_from_pages_acts_in_slack(text: str) -> None:
    assert "<" not in answer_message(text, [])
    assert ">" not in answer_message(text, [])
    assert "<" not in escape(text)


def test_emphasis_and_links_of_pages() -> None:
    text = "**Hotels** [1]\n\nSee [the page](x.md): <!channel> 2 ** 3 ** 4"
    shown = "*Hotels* [1]\n\nSee the page: &lt;!channel&gt; 2 ** 3 ** 4"
    assert answer_message(text, []) == shown


def test_sources_are_links_that_cannot_be_broken_out_of() -> None:
    title, url = "A|B> <!here>", "https://docs.example/a>|<!channel> b"
    line = answer_message("x", [passage(title=title, url=url)]).splitlines()[-1]
    assert line.count("<") == line.count(">") == line.count("|") == 1
    assert line.startswith("[1] <https://docs.example/a%3E%7C%3C!channel%3E%20b|A¦B&gt; ")


@pytest.mark.parametrize(
    "url", ["file:///secret/place/a.md", "javascript:alert(1)", "", "slack://x"]
)
def test_other_addresses_are_not_links(url: str) -> None:
    line = answer_message("x", [passage(url=url)]).splitlines()[-1]
    assert line == "[1] Page › Part (page.md)"


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
