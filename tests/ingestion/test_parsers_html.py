from __future__ import annotations

from contextlib import suppress

import pytest

from ingestion.documents import Section
from ingestion.errors import AccessRuleError, UnreadableDocumentError
from ingestion.parsers.formats import front_matter, parse

PAGE = """<!doctype html>
<html><head><title>Travel | Acme</title><style>p {color: red}</style>
<meta name="nightshift:allow" content="hr, Alice"></head>
<body><nav>Home</nav><header>Acme wiki</header>
<main><h1>Travel</h1>
<p>Book <b>30&nbsp;days</b>
ahead, see <a href="https://example.com/t">the tool</a> or <a href="/x">here</a>.<br>Thanks.</p>
<script>track()</script>
<section id="steps"><h2>Steps <a class="anchor" href="#steps">¶</a></h2>
<ol><li>Ask<ul><li>your lead</li><li><p>or HR</p></li></ul></li><li>Book</li></ol></section>
<h3><a name="costs"></a>Costs</h3>
<table><thead><tr><th>City</th><th>Limit</th></tr></thead>
<tbody><tr><td>Köln</td><td>120 €</td></tr><tr><td>a|b</td></tr></tbody></table>
<pre><code>x = 1
  y</code></pre>
<dl><dt>PTO</dt><dd>Paid time off</dd></dl>
<aside>Advert</aside></main><footer>© Acme</footer></body></html>"""


def test_a_page_becomes_sections() -> None:
    parsed = parse(PAGE.encode(), "travel.html")
    assert parsed.title == "Travel"
    assert parsed.front_matter == {"allow": "hr, Alice"}
    assert front_matter(PAGE.encode(), "travel.html") == {"allow": "hr, Alice"}
    assert parsed.sections == (
        Section(
            (),
            "Book 30 days ahead, see [the tool](https://example.com/t) or here.\nThanks.",
        ),
        Section(("Steps",), "1. Ask\n   - your lead\n   - or HR\n2. Book", "steps"),
        Section(
            ("Steps", "Costs"),
            "| City | Limit |\n| --- | --- |\n| Köln | 120 € |\n| a\\|b |  |\n\n"
            "```\nx = 1\n  y\n```\n\n- PTO: Paid time off",
            "costs",
        ),
    )


def text_of(body: str) -> str:
    return "\n\n".join(s.text for s in parse(body.encode(), "a.html").sections)


def test_loose_text_and_unknown_tags_are_kept_in_order() -> None:
    assert text_of("a <x-y>b</x-y> c<div>d</div>e<span><p>f</p>g</span>h") == (
        "a b c\n\nd\n\ne\n\nf\n\ngh"
    )


def test_an_item_keeps_its_text_before_and_after_a_nested_list() -> None:
    assert text_of("<ul><li>a <b>b</b><div>c<ul><li>d</li></ul>e</div>f</li></ul>") == (
        "- a b\n  c e\n  f\n  - d"
    )


def test_a_table_within_a_table_and_one_for_layout() -> None:
    assert text_of("<table><tr><td><p>Only</p></td></tr><tr><td>cells</td></tr></table>") == (
        "Only\n\ncells"
    )


def test_a_single_article_is_preferred_and_keeps_its_header() -> None:
    page = "<body>menu<article><header><h1>T</h1></header><p>x</p></article></body>"
    parsed = parse(page.encode(), "a.html")
    assert (parsed.title, parsed.sections) == ("T", (Section((), "x"),))


def test_declared_encodings_are_read() -> None:
    page = '<meta charset="windows-1251"><p>Отпуск двадцать восемь дней</p>'
    assert parse(page.encode("cp1251"), "a.htm").sections[0].text == "Отпуск двадцать восемь дней"
    assert text_of("<p>休暇は二十日</p>") == "休暇は二十日"


def test_deep_nesting_is_flattened_not_fatal() -> None:
    for tag in ("div", "span", "ul", "li", "table", "b", "ul><li"):
        page = f"<{tag}>" * 3000 + "deep"
        with suppress(UnreadableDocumentError):  # the parser may give up on it, in order
            assert "deep" in text_of(page)


def test_an_access_rule_is_seen_however_it_is_written() -> None:
    for meta in (
        "<META NAME=nightshift&#58;allow CONTENT=hr>",
        "<meta content='hr' name='Nightshift:Allow' />",
    ):
        assert front_matter(f"{meta}<p>x".encode(), "a.html") == {"allow": "hr"}
    disguised = b'<meta charset=cp037><meta name="nightshift:allow" content="hr"><p>\xe4'
    assert front_matter(disguised, "a.html") == {"allow": "hr"}


def test_front_matter_above_a_page_is_read_and_not_shown() -> None:
    for charset in (b"utf-8", b"latin-1", b"cp037", b"utf-16", b"base64", b"idna"):
        page = b"---\nallow: [hr]\ntitle: Pay\n---\n<meta charset=%s><p>100 \xa4" % charset
        assert front_matter(page, "a.html") == {"allow": ["hr"], "title": "Pay"}
        parsed = parse(page, "a.html")
        assert (parsed.front_matter["allow"], parsed.title) == (["hr"], "Pay")
        assert "allow" not in parsed.sections[0].text


@pytest.mark.parametrize(
    "above",
    [
        "<!DOCTYPE html>\n",
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html PUBLIC "x" "y">\n',
        "<?php echo 1 ?>\n",
        "<!-- (c) --!>\n",
        "<!-->\n",
    ],
)
def test_front_matter_may_stand_below_the_kind_of_document(above: str) -> None:
    page = f"{above}---\nallow: [hr]\n---\n<html><body><p>100"
    parsed = parse(page.encode(), "a.xhtml")
    assert (parsed.front_matter, parsed.sections[0].text) == ({"allow": ["hr"]}, "100")
    plain = parse(f"{above}<html><body><p>100".encode(), "a.xhtml")
    assert (plain.front_matter, plain.sections[0].text) == ({}, "100")


def test_front_matter_is_read_by_any_line_ends_and_marks() -> None:
    legacy = b"---\rallow: [hr]\r---\r<meta charset=windows-1252><p>Geh\xe4lter"
    parsed = parse(legacy, "a.html")
    assert (parsed.front_matter, parsed.sections[0].text) == ({"allow": ["hr"]}, "Gehälter")
    with pytest.raises(UnreadableDocumentError):  # marked as UTF-8, and isn't
        front_matter(b"\xef\xbb\xbf" + legacy, "a.html")


def test_html_between_two_rules_is_no_front_matter() -> None:
    parsed = parse(b"---\n<p>Note: foo</p>\n---\n<p>bar</p>", "a.html")
    assert parsed.front_matter == {}
    assert "foo" in parsed.sections[0].text


@pytest.mark.parametrize(
    "page",
    [
        '<meta name="nightshift:allow"><p>x',
        '<meta name="nightshift:allow" content="hr">' * 2 + "<p>x",
        '<script><meta name="nightshift:allow" content="hr"></script><p>x',
        '---\nallow: hr\n---\n<meta name="nightshift:allow" content="hr"><p>x',
        "---\nallow: hr\n<p>x",
        '<script><meta content="a>b" name="nightshift:allow"></script><p>x',
        '<h:meta name="nightshift:allow" content="hr"/><p>x',
    ],
)
def test_an_access_rule_that_is_not_understood_withholds_the_page(page: str) -> None:
    with pytest.raises(AccessRuleError, match=r"a\.html"):
        front_matter(page.encode(), "a.html")
    with pytest.raises(AccessRuleError):
        parse(page.encode(), "a.html")


@pytest.mark.parametrize(
    "raw", [b"<html></html>", b"<!-- x -->", b"<p>\0</p>", b"<script>x</script>"]
)
def test_a_page_without_text_is_reported(raw: bytes) -> None:
    with pytest.raises(UnreadableDocumentError, match=r"a\.html"):
        parse(raw, "a.html")
