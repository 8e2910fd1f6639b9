from __future__ import annotations

from collections import Counter

import pytest

from ingestion.errors import AccessRuleError, UnreadableDocumentError
from ingestion.parsers.formats import front_matter, parse
from ingestion.parsers.markdown import github_slug, plain_heading

PAGE = """\
---
title: Time off
url: https://wiki.example.com/time-off
allow: [hr]
---

Before any heading.

# Time off

<!-- not for
readers --> Intro with a [link](a.md). <!-- gone -->

## How *much*?

- One
  - Nested

  Continued.
- Two

| Days  | Who      |
|-------|:--------:|
| 25    | `a  | b` |

```python
# not a heading

x = 1  <!-- stays -->
```

Setext heading
--------------

Text `<!-- stays -->` here.

### How much?

Last.

[ref]: https://example.com
"""


def sections(text: str, path: str = "page.md") -> dict[tuple[str, ...], str]:
    return {s.heading_path: s.text for s in parse(text.encode(), path).sections}


def test_a_page_becomes_sections_with_paths_anchors_and_verbatim_text() -> None:
    parsed = parse(PAGE.encode(), "hr/time-off.md")
    assert parsed.title == "Time off"
    assert parsed.front_matter["allow"] == ["hr"]
    found = [(s.heading_path, s.anchor) for s in parsed.sections]
    assert found == [
        ((), ""),
        ((), ""),
        (("How much?",), "how-much"),
        (("Setext heading",), "setext-heading"),
        (("Setext heading", "How much?"), "how-much-1"),
    ]
    texts = [s.text for s in parsed.sections]
    assert texts[0] == "Before any heading."
    assert texts[1] == "Intro with a [link](a.md)."
    assert "- One\n  - Nested\n\n  Continued.\n- Two\n\n| Days | Who |\n|---|:---:|" in texts[2]
    assert "```python\n# not a heading\n\nx = 1  <!-- stays -->\n```" in texts[2]
    assert texts[3] == "Text `<!-- stays -->` here."
    assert texts[4] == "Last."


def test_the_title_is_named_or_the_first_h1_or_made_from_the_file_name() -> None:
    assert parse(b"---\ntitle: 2024\n---\n# Other\nx", "a.md").title == "2024"
    assert parse(b"# **Reise** &\n\nx", "a.md").title == "Reise &"
    assert parse(b"x", "hr/sick-leave_policy.md").title == "Sick leave policy"
    assert parse(b"x", "hr/parental-leave/index.md").title == "Parental leave"


def test_an_h1_that_is_not_the_title_stays_in_the_path() -> None:
    assert sections("---\ntitle: Handbook\n---\n# Pay\n\n## Bonus\nYes.") == {
        ("Pay", "Bonus"): "Yes."
    }
    assert sections("# A\nx\n# B\ny\n## C\nz") == {(): "x", ("B",): "y", ("B", "C"): "z"}


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("[Pay](pay.md) and `code`", "Pay and code"),
        ("Tool [![Badge](b.svg)](x)", "Tool"),
        ("![Logo](x.png)", "Logo"),
        ("**Bold** _it_ snake_case_name", "Bold it snake_case_name"),
        (r"1\. First <br/> 5 \* 3", "1. First 5 * 3"),
        ("Why? [me|you]", "Why? [me|you]"),
        ("&nbsp;&nbsp;Q&amp;A &#8211; R&D, not&notit", "Q&A – R&D, not&notit"),
    ],
)
def test_headings_lose_their_marks(source: str, plain: str) -> None:
    assert plain_heading(source) == plain


def test_anchors_are_githubs() -> None:
    seen: Counter[str] = Counter()
    headings = ["What's new?", "Q&A / FAQ", "Ürlaub 年休", "What's new?"]
    slugs = [github_slug(heading, seen) for heading in headings]
    assert slugs == ["whats-new", "qa--faq", "ürlaub-年休", "whats-new-1"]
    assert parse(b"## A {#own}\nx", "a.md").sections[0].anchor == "own"


def test_raw_html_becomes_text_even_over_blank_lines() -> None:
    found = sections(
        "# T\n\n<table>\n<tr><th>Role</th><th>Who</th></tr>\n\n"
        "<tr><td>Lead</td><td>Ito | Co</td></tr>\n</table>\n\nAfter.\n\n"
        "<ul>\n<li>One</li>\n\n    <li>Two <b>bold</b></li></ul>\n\n<style>p {}</style>\n"
    )
    assert found[()] == (
        "| Role | Who |\n| --- | --- |\n| Lead | Ito \\| Co |\n\nAfter.\n\n- One\n- Two bold"
    )


def test_hugo_and_mdx_oddities_survive() -> None:
    assert sections("+++\ntitle = 'Hugo'\n+++\n{{< note >}}\nMind it.\n{{< /note >}}") == {
        (): "{{< note >}}\nMind it.\n{{< /note >}}"
    }
    mdx = "import Tabs from '@theme/Tabs';\n\n# T\n\n<Tabs>\n\nInside {/* gone */}\n\n</Tabs>"
    assert sections(mdx, "a.mdx") == {(): "Inside"}
    assert sections("Line one\r\nLine two\r\n\r\n## H\r\nx") == {
        (): "Line one\nLine two",
        ("H",): "x",
    }


def test_a_leading_rule_is_no_front_matter() -> None:
    assert sections("---\nJust text\n\n---\n\nMore") == {(): "Just text\n\nMore"}
    assert front_matter(b"---\nnever closed", "a.md") == {}


@pytest.mark.parametrize(
    "head",
    [
        "---\nallow: [hr\n---\ntext",
        "---\nallow: hr\ntext without an end",
        "\n\n---\nallow hr\nAllow: x\n",
        "---\nallow: hr\nallow: everyone\n---\ntext",
        "---\nAllow: hr\nallow: everyone\n---\ntext",
        "---\n- allow: hr\n---\ntext",
        "+++\nallow = hr\n+++\ntext",
        "---\ntitle: 2001-99-99\n---\ntext",
        "---\n" + "[" * 1500 + "\n---\ntext",
        "---\nx: !!python/object:os.system {}\n---\ntext",
        "---\nparams:\n  Allow: [hr]\n---\ntext",
        "---\nrules:\n- [{allow: hr}]\n---\ntext",
        "+++\n[params]\nallow = 'hr'\n+++\ntext",
        "---\na: &a {b: *a, allow: hr}\n---\ntext",
        "---\nx: !!omap [allow: hr]\n---\ntext",
        "---\ntitle: x\n allow = hr\n---\ntext",
        "---\nsteps: |\n  allow: x\n---\ntext",
        "---\ntitle: x\n---\nallow: hr\n---\ntext",
        " ---\ntitle: x\n\nallow: hr\n---\ntext",
        "---\ntitle: x\n---\n\nallow: hr\n---\ntext",
        "----\n---\nallow: hr\n---\ntext",
        "~~~yaml\n---\nallow: hr\n---\n~~~\ntext",
        "---\n<<: {allow: hr}\ntitle: x\n---\ntext",
        "---\n<!-- c -->\nparams: {allow: hr}\ntitle: x\n---\ntext",
        "+++\n<p>y</p>\n+++\nallow = 'hr'\ntext",
        "<!--\n---\nallow: hr\n---\n-->\ntext",
        "<!-- ---\nallow: hr\n--- -->\ntext",
        "---\nx: !!bool maybe\n---\ntext",
        '---\nx: !!int ""\n---\ntext',
        "---\nx: 1" + ":1" * 400 + ".5\n---\ntext",
        "---\n? 0x" + "f" * 5000 + "\n: x\n---\ntext",
        "---\nx: &x {a: 1}\ny: {<<: *x}\n---\ntext",
    ],
)
def test_front_matter_that_cannot_be_understood_withholds_the_page(head: str) -> None:
    with pytest.raises(AccessRuleError, match=r"hr/pay\.md"):
        parse(head.encode(), "hr/pay.md")
    with pytest.raises(AccessRuleError):
        front_matter(head.encode(), "hr/pay.md")


def test_a_name_below_another_is_left_alone_where_the_page_has_a_rule() -> None:
    head = b"---\nallow: hr\nrobots: {allow: /}\nsteps: |\n  allow: x\n---\ntext"
    assert front_matter(head, "a.md")["allow"] == "hr"


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\u2060"])
def test_a_rule_is_seen_behind_and_within_what_is_invisible(mark: str) -> None:
    for line in (f"{mark}allow: hr", f"allow{mark}: hr"):
        page = f"---\ntitle: x\n{line}\n---\ntext".encode()
        assert front_matter(page, "a.md")["allow"] == "hr"


def test_a_broken_head_says_what_and_where() -> None:
    with pytest.raises(AccessRuleError, match=r"mapping values are not allowed here \(line 2 "):
        front_matter(b"---\nallow: hr\ntitle: a: b\n---\ntext", "a.md")
    with pytest.raises(AccessRuleError, match=r"TOML: .*line 2"):
        front_matter(b"+++\nallow = 'hr'\ntitle = x\n+++\ntext", "a.md")
    with pytest.raises(AccessRuleError, match="two lines with 'allow'"):
        front_matter(b"---\nallow: hr\nallow: it\n---\ntext", "a.md")


def test_a_name_of_many_aliases_is_not_written_out() -> None:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]" for n in range(30)]
    page = "\n".join(["---", "allow: hr", *rows, "? *a29", ": v", "---", "text"])
    with pytest.raises(AccessRuleError, match="isn't valid YAML"):
        front_matter(page.encode(), "a.md")


def test_front_matter_may_stand_below_a_licence_and_blank_lines() -> None:
    assert front_matter(b"\n<!-- (c)\nAcme -->\n\n---\nallow: hr\n---\nx", "a.md") == {
        "allow": "hr"
    }


def test_an_access_rule_is_seen_in_every_encoding() -> None:
    page = "---\nallow: hr\n---\nGehälter für Führungskräfte: größer als üblich, naïve Annahmen."
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "iso8859-15"):
        assert front_matter(page.encode(encoding), "a.md") == {"allow": "hr"}
        assert "Gehälter" in parse(page.encode(encoding), "a.md").sections[0].text


@pytest.mark.parametrize(
    "raw", [b"", b" \n\t", b"\xef\xbb\xbf", b"# Only a heading\n", b"---\n---"]
)
def test_a_page_without_text_is_reported(raw: bytes) -> None:
    with pytest.raises(UnreadableDocumentError, match=r"a\.md"):
        parse(raw, "a.md")


@pytest.mark.parametrize("raw", [b"PK\x03\x04\0\0", bytes(range(1, 32)) * 9, b"\xff\xfe\x00\xd8"])
def test_binary_called_md_is_reported(raw: bytes) -> None:
    with pytest.raises(UnreadableDocumentError, match=r"a\.md: the file holds binary data"):
        parse(raw, "a.md")
