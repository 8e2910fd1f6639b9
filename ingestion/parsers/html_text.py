"""HTML elements as Markdown-like text: lists, tables, code and what stands within a line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from lxml import etree

from ingestion.parsers.outline import one_line


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SKIPPED_TAGS = _words(
    "head script style nav footer aside noscript template svg math iframe object video audio "
    "canvas button select textarea input"
)
BLOCK_TAGS = _words(
    "address article blockquote body center details dd div dl dt fieldset figcaption figure form "
    "header hr html li main ol p section summary tbody td tfoot th thead tr ul"
)
WIDEST = 100  # cells; rows of wider tables aren't filled up, which could take all memory
DEEPEST = 150  # nested deeper, markup is flattened to its text
_FOLLOWED = ("https://", "http://", "mailto:")


def tag_of(element: etree._Element) -> str:
    """Return an element's name, or nothing for a comment and the like."""
    return element.tag if isinstance(element.tag, str) else ""


def is_hidden(element: etree._Element) -> bool:
    """Whether the page hides an element itself."""
    return element.get("hidden") is not None or element.get("aria-hidden") == "true"


def collapsed(text: str) -> str:
    r"""Collapse white space as a browser does; ``\x1e`` stands for a line break that was meant."""
    lines = (one_line(line) for line in text.split("\x1e"))
    return "\n".join(line for line in lines if line)


def inline_source(element: etree._Element) -> str:
    """Return an inline element as Markdown-like source, white space still as in the file."""
    tag = tag_of(element)
    if tag == "br":
        return "\x1e"
    if tag in SKIPPED_TAGS or is_hidden(element):
        return ""
    inner = _inner_source(element)
    if tag in ("code", "kbd", "samp", "tt") and inner.strip() and "`" not in inner:
        return f"`{inner}`"
    target = str(element.get("href") or "").strip()
    if tag == "a" and inner.strip() and target.startswith(_FOLLOWED) and " " not in target:
        return f"[{one_line(inner)}]({target})"
    return inner


def _inner_source(element: etree._Element) -> str:
    parts = [element.text or ""]
    for child in element:
        gap = " " if tag_of(child) in BLOCK_TAGS else ""
        nested = inline_source if _depth(child) <= DEEPEST else plain_text
        parts += [gap, nested(child), gap, child.tail or ""]
    return "".join(parts)


def _depth(element: etree._Element) -> int:
    return sum(1 for _ in element.iterancestors())


def plain_text(element: etree._Element) -> str:
    """Return all text within an element, as it stands in the file."""
    return "".join(element.itertext())


def list_lines(element: etree._Element, indent: int) -> Iterator[str]:
    """Yield the lines of a list with those nested in it, each level further in."""
    number = 0
    for item in element:
        if tag_of(item) in ("ul", "ol"):  # a list right within a list, as old editors write it
            yield from list_lines(item, indent + 2)
            continue
        number += 1
        mark = f"{number}. " if tag_of(element) == "ol" else "- "
        text, nested = _item_parts(item)
        if text:
            lines = text.split("\n")
            yield " " * indent + mark + lines[0]
            yield from (" " * (indent + len(mark)) + line for line in lines[1:])
        for child in nested:
            if _depth(child) <= DEEPEST:
                yield from list_lines(child, indent + len(mark))


def _item_parts(item: etree._Element) -> tuple[str, list[etree._Element]]:
    """Return a list item's own text, and the lists within it."""
    nested = [e for e in item.iterdescendants("ul", "ol") if _item_of(e) is item]
    first_within: dict[etree._Element, etree._Element] = {}
    for each in nested:
        above = itertools.takewhile(lambda e: e is not item, each.iterancestors())
        *_, outermost = each, *above
        first_within.setdefault(outermost, each)
    own = [item.text or ""]
    for child in item:
        first = first_within.get(child)
        if first is not None and first is child:
            own.append(child.tail or "")
            continue
        source = inline_source(child) if first is None else _text_before(child, first)
        gap = "\x1e" if tag_of(child) in BLOCK_TAGS or tag_of(child) == "pre" else ""
        own += [gap, source, gap, child.tail or ""]
    return collapsed("".join(own)), nested


def _item_of(nested: etree._Element) -> etree._Element | None:
    return next(nested.iterancestors("li"), None)


def _text_before(element: etree._Element, stop: etree._Element) -> str:
    """Return the text of an element up to a list within it, and after that list."""
    inside = set(stop.iter())
    texts = [element.text or ""] if element not in inside else []
    for child in element.iterdescendants():
        texts.append(" " if child in inside else child.text or "")
        texts.append("" if child in inside and child is not stop else child.tail or "")
    return "".join(texts)


def definition_lines(element: etree._Element) -> Iterator[str]:
    """Yield a list item for each term with its definition."""
    term = ""
    for child in element.iterdescendants("dt", "dd"):
        text = collapsed(_inner_source(child)).replace("\n", " ")
        if tag_of(child) == "dt":
            if term:
                yield f"- {term}"
            term = text
        elif text:
            yield f"- {term}: {text}" if term else f"  {text}"
            term = ""
    if term:
        yield f"- {term}"


def table_rows(table: etree._Element) -> list[list[str]]:
    """Return the cells of a table's own rows, but empty rows."""
    found = []
    for row in table.iterdescendants("tr"):
        if next(row.iterancestors("table"), None) is not table:
            continue
        cells = [collapsed(_inner_source(cell)) for cell in row if tag_of(cell) in ("td", "th")]
        if any(cells):
            found.append([cell.replace("\n", " ").replace("|", "\\|") for cell in cells])
    return found


def table_text(table: etree._Element) -> str:
    """Return a table in pipes, its first row as its head; a table of one column as paragraphs."""
    rows = table_rows(table)
    if all(len(row) == 1 for row in rows):  # a table for layout
        return "\n\n".join(row[0].replace("\\|", "|") for row in rows)
    width = min(max(len(row) for row in rows), WIDEST)
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    caption = one_line("".join(plain_text(c) for c in table.iterdescendants("caption")))
    head = [caption, ""] if caption else []
    return "\n".join([*head, lines[0], "|" + " --- |" * width, *lines[1:]])


def fence_text(element: etree._Element) -> str:
    """Return preformatted text within a fence that it can't close."""
    code = plain_text(element).strip("\n")
    if not code.strip():
        return ""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{code}\n{fence}"
