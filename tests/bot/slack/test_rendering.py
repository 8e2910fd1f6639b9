from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.slack.blocks import plain_blocks
from bot.slack.inline import JOINER, links_in, mrkdwn_link, no_links, render
from bot.slack.rendering import render_body
from tests.bot.slack.server.model import _PINGS

PAGE = "See https://docs.example/a_b, (https://en.example/x_(y)) and <https://docs.example/q?a=1>."
PAGE_LINKS = links_in([PAGE])

# What people, pages and models might write, whole and in pieces.
PIECES = st.sampled_from(
    "<!channel> <!here|x> <@U0ALICE00> <#C0GENERAL> <!subteam^S1> @here @channel @everyone &lt; "
    "&lt;!channel&gt; &#60;!here> &amp; < > ! @ # | ` ``` ~~~ ** * _ ~~ [ ] ( ) [1] [a](b) \\ \\< "
    "[x](https://docs.example/a_b) [x](https://evil.example) https://evil.example "
    "https://docs.example/a_b www.evil.example <https://evil.example|x> ](https://evil.example) "
    "![i](https://evil.example/i.png) https:\\/\\/evil.example [r]:https://evil.example "
    "| --- | a b channel - 1. > # [!channel](x) [here](x) ![@U0ALICE00](x) [.evil.example](x) `` "
    "````` \n \n\n".split(" ")
)
MESSY = st.lists(PIECES, max_size=30).map(" ".join) | st.lists(PIECES, max_size=30).map("".join)
LINK = re.compile(r"<([^>|]*)(?:\|[^>]*)?>")
# A link's words act as the link, whatever they say.
PAGE_LINK = re.compile(
    r"\[[^\]\n]*\]\(https://docs\.example/a_b\)|<https://docs\.example/a_b\|[^>]*>"
)


@given(MESSY)
@example("<!channel>")
@example("`<!channel>`")
@example("&#x3C;!channel>")
@example("<[!channel](x)>")
@example("&lt;![!subteam^S1](x)>")
@example("@[here](x)")
@example("## @he**re** now")
@example("@he[re](https://evil.example)")
@example("&l[t;](u)!channel>")
def test_nothing_pings_anybody(text: str) -> None:
    for body in render_body(text, PAGE_LINKS, 400):
        for shown in (body.markdown, body.mrkdwn):
            assert not _PINGS.search(shown)
            assert not re.search(r"@(?:here|channel|everyone)\b", shown)
            assert not re.search(r"(?:<|&lt;|&#0*60;|&#x0*3c;)[!@#]", body.markdown, re.I)


@given(MESSY)
@example("[x](https://docs.example/a_b_evil)")
@example("https:\\/\\/evil.example")
@example("# https://evil.example")
@example("https://docs.example/a_b`")
@example("https://docs.example/a_bhttps://evil.example")
@example(f"| https://evil.example | {'wide ' * 30} |\n|---|---|\n| a | b |")
@example("# [https://evil.example](https://docs.example/a_b)")
@example("\\https://evil.example")
@example("`- ``x https://evil.example `")
@example("https://docs.example/a_b[.evil.example](x)")
@example("# See htt**ps://evil.example**")
@example("# htt[ps://evil.example](https://docs.example/a_b)")
@example("htt[ps://evil.example](x) htt![ps://evil.example](x)")
@example("`` https://evil.example ` c ``https://evil.example ``")
def test_no_link_that_no_source_has(text: str) -> None:
    for body in render_body(text, PAGE_LINKS, 400):
        (old,) = plain_blocks([{"type": "markdown", "text": body.markdown}])
        plain = old["text"]["text"]
        assert set(LINK.findall(body.mrkdwn + plain)) <= {"https://docs.example/a_b"}
        for shown in (body.markdown, body.mrkdwn, plain):
            # In code an address is shown and can't be clicked, whatever it ends with.
            outside_code = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", shown, flags=re.S)
            assert not re.search(r"docs\.example/a_b[.\w]", outside_code)
            outside_code = PAGE_LINK.sub("", outside_code)
            assert not re.search(r"(?:https?://|www\.)evil", outside_code)


@given(MESSY, st.integers(150, 600))
def test_a_message_is_never_too_long(text: str, limit: int) -> None:
    for body in render_body(text * 5, PAGE_LINKS, limit):
        assert len(body.markdown) <= limit
        assert len(body.mrkdwn) <= limit


def words_of(text: str) -> list[str]:
    return re.findall(r"w\d+", text)


WORDS = st.integers(1, 60)
SENTENCES = WORDS.map(lambda n: " ".join("w0" for _ in range(n)) + ".")
BLOCKS = st.one_of(
    SENTENCES,
    SENTENCES.map("# {}".format),
    st.lists(SENTENCES, min_size=1, max_size=8).map(lambda s: "\n".join(f"- {x}" for x in s)),
    st.lists(SENTENCES, min_size=1, max_size=8).map(lambda s: "\n".join(f"> {x}" for x in s)),
    st.lists(SENTENCES, min_size=1, max_size=30).map(
        lambda s: "\n".join(["```sql", *s, "```"]),
    ),
    st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=30).map(
        lambda rows: "\n".join(
            ["| one | two |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)]
        )
    ),
)


@settings(max_examples=40)
@given(st.lists(BLOCKS, min_size=1, max_size=6), st.integers(300, 4_000))
def test_nothing_is_lost_in_a_split(blocks: list[str], limit: int) -> None:
    numbers = iter(range(1_000_000))
    text = re.sub("w0", lambda _: f"w{next(numbers)}", "\n\n".join(blocks))
    bodies = render_body(text, no_links, limit)
    assert words_of("\n".join(body.markdown for body in bodies)) == words_of(text)
    assert words_of("\n".join(body.mrkdwn for body in bodies)) == words_of(text)
    for body in bodies:
        assert body.markdown.count("```") % 2 == 0
        assert max(len(body.markdown), len(body.mrkdwn)) <= limit


def test_a_table_is_opened_again() -> None:
    rows = [f"| City {n} | €{n} |" for n in range(400)]
    bodies = render_body("\n".join(["| City | Most |", "| --- | --- |", *rows]), no_links)
    assert len(bodies) > 1
    assert all(body.markdown.startswith("| City | Most |\n| --- | --- |\n") for body in bodies)
    assert all(body.mrkdwn.startswith("```\nCity") for body in bodies)


def test_a_heading_goes_with_what_follows() -> None:
    text = "\n\n".join(["word " * 60, "**Travel › Hotels** [1]", "word " * 60])
    first, second = render_body(text, no_links, 400)
    assert second.mrkdwn.startswith("*Travel › Hotels* [1]\n\nword")
    assert "Hotels" not in first.mrkdwn


@pytest.mark.parametrize(
    ("text", "markdown", "mrkdwn"),
    [
        ("**Hotels** [1]", "**Hotels** [1]", "*Hotels* [1]"),
        ("*a* __b__ ~~c~~ `d<e`", "*a* **b** ~~c~~ `d<e`", "_a_ *b* ~c~ `d&lt;e`"),
        ("2 ** 3 ** 4, snake_case, \\*", "2 ** 3 ** 4, snake_case, \\*", None),
        ("[page](x.md) ![map](m.png)", "page map", "page map"),
        (
            "[p](https://docs.example/a_b)",
            "[p](https://docs.example/a_b)",
            "<https://docs.example/a_b|p>",
        ),
        ("<https://docs.example/a_b>", None, "<https://docs.example/a_b|https://docs.example/a_b>"),
        ("ask https://evil.example/x.", "ask `https://evil.example/x`.", None),
        ("R&D a < b <div>", "R&D a < b &lt;div>", "R&amp;D a &lt; b &lt;div&gt;"),
        ("one<br>two", "one\ntwo", "one\ntwo"),
    ],
)
def test_inline(text: str, markdown: str | None, mrkdwn: str | None) -> None:
    shown = render(text, PAGE_LINKS)
    assert shown.markdown == (markdown or shown.markdown)
    assert shown.mrkdwn == (mrkdwn or shown.mrkdwn)


def test_lines_that_an_editor_wrapped_are_joined() -> None:
    wrapped = "The limit for a room in Amsterdam and in London is 210 euros\na night."
    assert render(wrapped, no_links).mrkdwn == wrapped.replace("\n", " ")
    mixed = f"{wrapped}\nKade 1\nUtrecht"
    assert render(mixed, no_links).mrkdwn.endswith("euros a night.\nKade 1\nUtrecht")
    assert render("Harbour BV\nKade 1\nUtrecht", no_links).mrkdwn == "Harbour BV\nKade 1\nUtrecht"


def test_blocks_in_both_languages() -> None:
    text = (
        "## Hotels\n- **one**\n  - two\n1. three\n\n"
        "> said\n> so\n\n| City | Most |\n|---|--:|\n| 東京 | €1\\|2 |\n\n~~~py\na < 1\n~~~"
    )
    (body,) = render_body(text, no_links)
    assert body.markdown == (
        "### Hotels\n- **one**\n  - two\n1. three\n\n"
        "> said\n> so\n\n| City | Most |\n| --- | --- |\n| 東京 | €1\\|2 |\n\n```py\na < 1\n```"
    )
    assert body.mrkdwn == (
        "*Hotels*\n• *one*\n  • two\n1. three\n\n"
        "&gt; said\n&gt; so\n\n```\nCity  Most\n東京  €1|2\n```\n\n```\na &lt; 1\n```"
    )


def test_a_wide_table_is_shown_row_by_row_where_there_are_no_tables() -> None:
    long = "word " * 20
    (body,) = render_body(f"| City | Note |\n|---|---|\n| Bremen | {long} |", no_links)
    assert body.mrkdwn == f"• _City_: Bremen · _Note_: {long.strip()}"
    assert body.markdown.startswith("| City | Note |")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://docs.example/a_b", True),
        ("https://docs.example/a", False),
        ("https://docs.example", False),
        ("https://en.example/x_(y)", True),
        ("https://docs.example/q?a=1", True),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
    ],
)
def test_only_whole_addresses_of_sources_are_links(url: str, allowed: bool) -> None:
    assert PAGE_LINKS(url) is allowed


def test_a_link_cannot_be_broken_out_of() -> None:
    link = mrkdwn_link("https://docs.example/a>|<!channel> b", "A|B")
    assert link == "<https://docs.example/a%3E%7C%3C!channel%3E%20b|A¦B>"
    assert JOINER not in link
