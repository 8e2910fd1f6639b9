"""Markdown (CommonMark with tables), as written for GitHub, Hugo, Docusaurus and the like."""

from __future__ import annotations

import html
import re
from collections import Counter
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingestion.parsers.front_matter import named_title, split_front_matter
from ingestion.parsers.html import fragment_text
from ingestion.parsers.outline import Outline, Parsed, one_line, title_from_path
from ingestion.parsers.text import decode

# Only blocks matter here; the inline rules would take most of the time.
_BLOCKS = MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])

_COMMENT_OR_CODE = re.compile(r"`+|<!--|\{/\*")
_COMMENT_ENDS = {"<!--": "-->", "{/*": "*/}"}
_FARTHEST_END = 1000  # lines after which the end of an HTML table or list is looked for no more
_MOST_UNENDED = 20  # such searches in vain on one page, then no more of them
_CONTAINERS = ("table", "ul", "ol", "dl")
_OWN_ANCHOR = re.compile(r"\{#([^\s{}]+)(?:\s[^{}]*)?\}\s*\Z")
_MDX_MODULE_LINE = re.compile(r"(?:import|export)\s")
_LONGEST_HEADING = 1000  # characters; the patterns below take long on longer ones
_IMAGE = re.compile(r"!\[([^\[\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_PADDING = re.compile(r"[^\S\n]{2,}")
_RULE_CELL = re.compile(r"(:?)-{3,}(:?)")
_ENTITY = re.compile(r"&#?\w{1,32};")
_HEADING_MARKS = (
    (re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),
    (re.compile(r"<!--.*?-->|</?[A-Za-z][^>]*>"), ""),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
    (re.compile(r"(\*\*\*|\*\*|\*|~~|`+)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)(__|_)(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
)


def parse_markdown(raw: bytes, path: str) -> Parsed:
    """Return a Markdown page's sections, their text as it stands in the source.

    Comments and link definitions are left out, tables lose their padding, raw HTML becomes text.

    Raises:
        UnreadableDocumentError: The bytes are no text.
        AccessRuleError: The front matter can't be understood.
    """
    front_matter, body = split_front_matter(decode(raw, path), path)
    outline = _outline(body, mdx=PurePosixPath(path).suffix.casefold() == ".mdx")
    title = named_title(front_matter) or next(iter(outline.top_headings), "")
    title = title or title_from_path(path)
    return Parsed(title, outline.sections(title), front_matter)


def github_slug(heading: str, seen: Counter[str]) -> str:
    """Return the anchor that GitHub gives a heading, with a number where it comes again.

    Args:
        heading: Plain text.
        seen: How often each anchor was given on this page; updated.
    """
    slug = re.sub(r"[^\w\- ]", "", heading.casefold()).strip().replace(" ", "-")
    times = seen[slug]
    seen[slug] += 1
    return f"{slug}-{times}" if times else slug


def _outline(body: str, mdx: bool) -> Outline:
    outline = Outline()
    slugs: Counter[str] = Counter()
    lines = body.split("\n")
    tokens = _BLOCKS.parse(body)
    unended: Counter[str] = Counter()
    done = 0  # source lines that are dealt with
    for index, token in enumerate(tokens):
        if token.level or token.map is None or token.nesting < 0 or token.map[0] < done:
            continue
        start, done = token.map
        if token.type == "heading_open":
            _add_heading(outline, slugs, token, tokens[index + 1].content)
        elif token.type == "html_block":
            done = _end_of_html(start, done, lines, unended)
            outline.add_block(fragment_text("\n".join(lines[start:done])))
        elif token.type in ("fence", "code_block"):
            outline.add_block("\n".join(lines[start:done]))
        elif token.type == "table_open":
            outline.add_block(_unpadded("\n".join(lines[start:done])))
        elif token.type != "hr":
            source = _without_comments("\n".join(lines[start:done]))
            if not (mdx and token.type == "paragraph_open" and _MDX_MODULE_LINE.match(source)):
                outline.add_block(source)
    return outline


def _add_heading(outline: Outline, slugs: Counter[str], token: Token, source: str) -> None:
    source = source[:_LONGEST_HEADING]
    own = _OWN_ANCHOR.search(source)
    heading = plain_heading(source[: own.start()] if own else source)
    outline.add_heading(int(token.tag[1]), heading, own[1] if own else github_slug(heading, slugs))


def plain_heading(source: str) -> str:
    """Return a heading's text without links, emphasis, code marks, tags and entities."""
    source = source[:_LONGEST_HEADING]
    source = _IMAGE.sub("", source) if _IMAGE.sub("", source).strip("[]() ") else source
    source = _IMAGE.sub(r"\1", source)
    for pattern, replacement in _HEADING_MARKS:
        source = pattern.sub(replacement, source)
    return one_line(_ENTITY.sub(lambda entity: html.unescape(entity[0]), source))


def _unpadded(table: str) -> str:
    """Return a table without the spaces that only align its source."""
    head, rule, *rows = _PADDING.sub(" ", table).split("\n")
    return "\n".join([head, _RULE_CELL.sub(r"\1---\2", rule), *rows])


def _without_comments(source: str) -> str:
    """Leave out comments, but those within code. In linear time: no end is looked for twice."""
    if not any(mark in source for mark in _COMMENT_ENDS):
        return source
    kept: list[str] = []
    endless: set[str] = set()
    at = 0
    while mark := _COMMENT_OR_CODE.search(source, at):
        end = -1 if mark[0] in endless else _end_of_mark(source, mark)
        if end < 0 and mark[0] != "<!--":
            endless.add(mark[0])
            end = mark.end()
        elif mark[0] in _COMMENT_ENDS:
            kept.append(source[at : mark.start()])
            at = end if end >= 0 else len(source)
            continue
        kept.append(source[at:end])
        at = end
    return "".join([*kept, source[at:]])


def _end_of_mark(source: str, mark: re.Match[str]) -> int:
    """Return where a comment or a piece of code ends, or -1."""
    if mark[0] in _COMMENT_ENDS:
        end = source.find(_COMMENT_ENDS[mark[0]], mark.end())
        return end + len(_COMMENT_ENDS[mark[0]]) if end >= 0 else -1
    runs = re.compile("`+").finditer(source, mark.end())
    return next((run.end() for run in runs if run[0] == mark[0]), -1)


def _end_of_html(start: int, end: int, lines: list[str], unended: Counter[str]) -> int:
    """Return the line after an HTML block; a table or list reaches over blank lines to its end.

    Args:
        start: The block's first line.
        end: The line after it.
        lines: The page's.
        unended: How many of each kind had no end on this page; updated.
    """
    for tag in _CONTAINERS:
        if unended[tag] >= _MOST_UNENDED:
            continue
        depth = _depth("\n".join(lines[start:end]), tag)
        after = end
        while depth > 0 and after < min(len(lines), end + _FARTHEST_END):
            depth += _depth(lines[after], tag)
            after += 1
        if depth == 0:
            end = max(end, after)
        unended[tag] += depth > 0
    return end


def _depth(source: str, tag: str) -> int:
    """Return how many more elements of a kind are opened than closed."""
    if tag not in source.casefold():
        return 0
    opened = len(re.findall(rf"<{tag}[\s>]", source, re.IGNORECASE))
    return opened - len(re.findall(rf"</{tag}\s*>", source, re.IGNORECASE))
