"""Word documents (DOCX): headings by style, lists and tables in document order."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import docx
from docx.document import Document as WordDocument
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from lxml import etree

from ingestion.errors import UnreadableDocumentError
from ingestion.parsers.html_text import WIDEST
from ingestion.parsers.outline import Outline, Parsed, one_line, title_from_path

_LARGEST_UNPACKED = 300 * 2**20  # bytes; a text with pictures has less, a zip bomb more
_OLD_OR_LOCKED = b"\xd0\xcf\x11\xe0"  # the container of .doc files and of encrypted .docx
_HEADING_STYLE = re.compile(r"heading (\d)$", re.IGNORECASE)
_UNSEEN = frozenset({"del", "moveFrom", "Fallback", "pPr"})
_SIGNS = {qn("w:tab"): " ", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
# What python-docx and what it builds on raise on damaged files.
_DAMAGED = (
    OpcError,
    zipfile.BadZipFile,
    zlib.error,
    etree.LxmlError,
    struct.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OSError,
    EOFError,
    AssertionError,
    RuntimeError,  # also a zip's password, and NotImplementedError for its compressions
)


def parse_docx(raw: bytes, path: str) -> Parsed:
    """Return a Word document's sections.

    Raises:
        UnreadableDocumentError: The file is damaged, locked with a password, an old .doc, or
            would unpack to more than 300 MB.
    """
    if raw.startswith(_OLD_OR_LOCKED):
        raise UnreadableDocumentError(
            f"{path}: the document is locked with a password, or in the old .doc format",
            "Save it in Word as .docx without a password.",
        )
    try:
        _refuse_bomb(raw, path)
        word = docx.Document(io.BytesIO(raw))
        outline, titled = _outline(word)
        named = one_line(word.core_properties.title or "")
    except _DAMAGED as error:
        raise UnreadableDocumentError(
            f"{path}: the Word document is damaged", "Open it in Word and save it again."
        ) from error
    only_heading = outline.top_headings[0] if len(outline.top_headings) == 1 else ""
    title = titled or only_heading or named or title_from_path(path)
    return Parsed(title, outline.sections(title))


def _refuse_bomb(raw: bytes, path: str) -> None:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _LARGEST_UNPACKED:
            raise UnreadableDocumentError(
                f"{path}: the document unpacks to more than {_LARGEST_UNPACKED // 2**20} MB",
                "Take large pictures out of it.",
            )


def _outline(word: WordDocument) -> tuple[Outline, str]:
    """Return the headings and blocks, and the text of the first paragraph in style Title."""
    outline = Outline()
    styles = {style.style_id: style for style in word.styles}
    title = ""
    items: list[str] = []
    for element in _block_elements(word.element.body):
        if element.tag == qn("w:tbl"):
            outline.add_block("\n".join(items))
            items = []
            outline.add_block(_table(element))
            continue
        text = _text(element)
        style = _style_name(element, styles)
        heading = _HEADING_STYLE.match(style)
        item = None if heading else _item(element, style, text)
        if item is not None:
            items.append(item)
            continue
        outline.add_block("\n".join(items))
        items = []
        if heading:
            outline.add_heading(int(heading[1]), text)
        elif style.casefold() == "title" and not title:
            title = one_line(text)
        else:
            outline.add_block(text)
    outline.add_block("\n".join(items))
    return outline, title


def _block_elements(parent: Any) -> Iterator[Any]:
    """Yield the paragraphs and tables, those within content controls too."""
    for child in parent:
        if child.tag in (qn("w:p"), qn("w:tbl")):
            yield child
        elif child.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:ins"), qn("w:customXml")):
            yield from _block_elements(child)


def _style_name(paragraph: Any, styles: dict[str, Any]) -> str:
    found = paragraph.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
    style = styles.get(found.get(qn("w:val"))) if found is not None else None
    return str(style.name or "") if style is not None else ""


def _text(element: Any) -> str:
    """Return the text that is seen: with insertions, without deletions and field codes."""
    parts: list[str] = []
    for node in element.iter(qn("w:t"), qn("w:tab"), qn("w:br"), qn("w:cr"), qn("w:noBreakHyphen")):
        if any(_tag(parent) in _UNSEEN for parent in node.iterancestors()):
            continue
        parts.append(node.text or "" if node.tag == qn("w:t") else _SIGNS[node.tag])
    return "\n".join(one_line(line) for line in "".join(parts).split("\n")).strip()


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _item(paragraph: Any, style: str, text: str) -> str | None:
    """Return the paragraph as a list item, or None where it is none."""
    number = paragraph.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
    in_style = re.match(r"list(?: (bullet|number))?(?: (\d))?", style, re.IGNORECASE)
    if not text or (number is None and (in_style is None or in_style[1] is None)):
        return None
    level = int(in_style[2] or 1) - 1 if in_style else 0
    if number is not None:
        given = number.find(qn("w:ilvl"))
        level = int(given.get(qn("w:val")) or 0) if given is not None else level
    numbered = in_style is not None and (in_style[1] or "").casefold() == "number"
    indent = "   " * min(level, 8)
    return indent + ("1. " if numbered else "- ") + text.replace("\n", f"\n{indent}  ")


def _table(table: Any) -> str:
    rows = []
    for row in table.iter(qn("w:tr")):
        if next(row.iterancestors(qn("w:tbl"))) is not table:
            continue
        cells = [c for c in row.iter(qn("w:tc")) if next(c.iterancestors(qn("w:tr"))) is row]
        rows.append([_cell(cell) for cell in cells])
    rows = [row for row in rows if any(row)]
    if not rows:
        return ""
    width = min(max(len(row) for row in rows), WIDEST)
    if width == 1:
        return "\n\n".join(row[0].replace("\\|", "|") for row in rows)
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def _cell(cell: Any) -> str:
    texts = (_text(paragraph) for paragraph in cell.iter(qn("w:p")))
    return one_line(" ".join(texts)).replace("|", "\\|")
