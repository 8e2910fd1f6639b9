"""HTML pages, and fragments of HTML within Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lxml import etree

from ingestion.errors import AccessRuleError, UnreadableDocumentError
from ingestion.parsers.front_matter import named_title, split_front_matter
from ingestion.parsers.html_text import (
    BLOCK_TAGS,
    DEEPEST,
    SKIPPED_TAGS,
    collapsed,
    definition_lines,
    fence_text,
    inline_source,
    is_hidden,
    list_lines,
    plain_text,
    table_rows,
    table_text,
    tag_of,
)
from ingestion.parsers.outline import Outline, Parsed, one_line, title_from_path
from ingestion.parsers.text import decode

ACCESS_META = "nightshift:allow"

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_ACCESS_META_TAG = re.compile(rf"<(?:[\w-]+:)?meta[^<]*{ACCESS_META}", re.IGNORECASE)
_WESTERN = frozenset({"iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii"})
_DECLARED = re.compile(rb"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)


def parse_html(raw: bytes, path: str) -> Parsed:
    """Return an HTML page's sections: what stands in main or article, else in body.

    Front matter above it, as static site generators read it, is read as on a Markdown page.

    Raises:
        UnreadableDocumentError: The bytes are no HTML text.
        AccessRuleError: The page's access rule can't be understood.
    """
    page = _html_text(raw, path)
    head, text = split_front_matter(page, path)
    tree = _tree(text)
    if tree is None:
        raise UnreadableDocumentError(f"{path}: the page holds no text", "Remove it, or fill it.")
    writer = _Writer()
    root = _root(tree)
    writer.walk(root, skipped=SKIPPED_TAGS if root.tag != "body" else SKIPPED_TAGS | {"header"})
    outline = writer.finish()
    headings = outline.top_headings
    title = one_line("".join(tree.xpath("string((//head//title|//title)[1])")))
    title = headings[0] if len(headings) == 1 else title or next(iter(headings), "")
    title = named_title(head) or title or title_from_path(path)
    return Parsed(title, outline.sections(title), _with_rule(head, tree, page, path))


def html_front_matter(raw: bytes, path: str) -> Mapping[str, object]:
    """Return the page's front matter, with the access rule of its head.

    Raises:
        UnreadableDocumentError, AccessRuleError: As `parse_html`.
    """
    page = _html_text(raw, path)
    head, text = split_front_matter(page, path)
    return _with_rule(head, _tree(text), page, path)


def fragment_text(source: str) -> str:
    """Return the text of raw HTML that stands in a Markdown page, as Markdown-like blocks."""
    tree = _tree(source)
    if tree is None:
        return ""
    writer = _Writer(sections=False)
    writer.walk(tree, skipped=SKIPPED_TAGS)
    return "\n\n".join(section.text for section in writer.finish().sections(""))


def _html_text(raw: bytes, path: str) -> str:
    """Decode by UTF-8, then by what the page declares, then by guess."""
    declared = _DECLARED.search(raw[:4096])
    encoding = declared[1].decode("ascii") if declared else ""
    # As browsers do: https://encoding.spec.whatwg.org/#names-and-labels
    return decode(raw, path, "cp1252" if encoding.casefold() in _WESTERN else encoding)


def _tree(text: str) -> etree._Element | None:
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        return etree.fromstring(text.encode("utf-8", errors="replace"), parser)
    except etree.XMLSyntaxError:
        return None


def _root(tree: etree._Element) -> etree._Element:
    for path in ("//main", "//*[@role='main']"):
        for found in tree.xpath(path):
            if one_line("".join(found.itertext())):
                return found
    articles = tree.xpath("//article")
    if len(articles) == 1:
        return articles[0]
    body = tree.find("body")
    return tree if body is None else body


def _with_rule(
    front_matter: Mapping[str, object], tree: etree._Element | None, page: str, path: str
) -> Mapping[str, object]:
    rules = [] if tree is None else [m for m in tree.iter("meta") if _name(m) == ACCESS_META]
    allowed = [rule.get("content") for rule in rules]
    if not rules and not _ACCESS_META_TAG.search(page):
        return front_matter
    if len(allowed) != 1 or allowed[0] is None or "allow" in front_matter:
        raise AccessRuleError(
            f"{path}: the access rule in the page's head can't be understood",
            "Write one rule: in front matter, or as "
            f'<meta name="{ACCESS_META}" content="hr, alice">.',
        )
    return {**front_matter, "allow": allowed[0]}


def _name(meta: etree._Element) -> str:
    return str(meta.get("name", "")).strip().casefold()


class _Writer:
    """Walks a tree and writes blocks and headings into an outline."""

    def __init__(self, sections: bool = True) -> None:
        self._outline = Outline()
        self._line: list[str] = []
        self._sections = sections

    def finish(self) -> Outline:
        self._flush()
        return self._outline

    def walk(self, element: etree._Element, skipped: frozenset[str], depth: int = 0) -> None:
        tag = tag_of(element)
        if tag in skipped or is_hidden(element):
            return
        if tag in _HEADINGS:
            self._heading(element, _HEADINGS[tag])
        elif tag in ("ul", "ol"):
            self._block("\n".join(list_lines(element, 0)))
        elif tag == "dl":
            self._block("\n".join(definition_lines(element)))
        elif tag == "table" and table_rows(element):
            self._block(table_text(element))
        elif tag == "pre":
            self._block(fence_text(element))
        elif tag not in BLOCK_TAGS or depth > DEEPEST:
            self._inline(element, skipped, depth)
        else:
            self._flush()
            self._children(element, skipped, depth)
            self._flush()

    def _inline(self, element: etree._Element, skipped: frozenset[str], depth: int) -> None:
        holds_blocks = depth <= DEEPEST and any(
            tag_of(e) in BLOCK_TAGS or tag_of(e) in ("table", "pre") or tag_of(e) in _HEADINGS
            for e in element.iterdescendants()
        )
        if holds_blocks:
            self._children(element, skipped, depth)
        else:
            self._line.append(inline_source(element))

    def _children(self, element: etree._Element, skipped: frozenset[str], depth: int) -> None:
        self._line.append(element.text or "")
        for child in element:
            self.walk(child, skipped, depth + 1)
            self._line.append(child.tail or "")

    def _heading(self, element: etree._Element, level: int) -> None:
        self._flush()
        text = one_line(plain_text(element)).rstrip("¶#").strip()
        if self._sections:
            self._outline.add_heading(level, text, _anchor(element))
        elif text:
            self._outline.add_block(f"{'#' * level} {text}")

    def _block(self, text: str) -> None:
        self._flush()
        self._outline.add_block(text)

    def _flush(self) -> None:
        self._outline.add_block(collapsed("".join(self._line)))
        self._line = []


def _anchor(heading: etree._Element) -> str:
    """Return the id of a heading, of a mark within it, or of the section that it opens."""
    for element in heading.iter():
        found = element.get("id") or (element.get("name") if tag_of(element) == "a" else None)
        if found:
            return str(found)
    parent = heading.getparent()
    opens = parent is not None and tag_of(parent) in ("section", "div") and parent[0] is heading
    return str(parent.get("id", "")) if opens else ""
