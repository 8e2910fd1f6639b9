"""PDF files with a text layer. PDFium keeps words apart where others glue them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from ingestion.documents import Section
from ingestion.errors import UnreadableDocumentError
from ingestion.parsers.outline import Parsed, one_line, title_from_path, visible
from ingestion.parsers.pdf_process import PdfProcessError, shared

_LINE_END_HYPHEN = re.compile(r"[\x02\ufffe\u00ad][^\S\n]*\n?")
_HYPHENATED = re.compile(r"(?<=[^\W\d_]{2})-\n(?=[^\W\d_]{2})")
_BULLET = re.compile(r"^[^\S\n]*[•▪●◦‣∙■□➢\uf0b7\uf0a7·][^\S\n]*", re.MULTILINE)
_ITEM = re.compile(r"- |\d{1,3}[.)] |[a-z]\) ")
_ENDS = (".", "!", "?", ":", ";", "。", "！", "？", "؟", "।", "”", '"', ")")
_MARGIN_LINES = 2  # of each page, looked at for running heads and feet
_MARGIN_PAGES = 4  # fewer pages can't tell a running head
_MARGIN_SHARE = 0.6
_FULL_LINE = 0.75  # of the widest line; a shorter one may end a paragraph
_SPLIT = "Split it, or print it to a new PDF."
_FAULTS = {  # of `ingestion.parsers.pdfium`, each with its mend
    "locked": (
        "the PDF is locked with a password",
        "Save a copy without the password, for example: qpdf --decrypt in.pdf out.pdf.",
    ),
    "damaged": ("the PDF is damaged", "Open it and save or export it again."),
    "long": ("the PDF holds more text than a file may", _SPLIT),
}
_UNTITLED = re.compile(r"untitled|microsoft word|.*\.(docx?|pdf|indd|pptx?)$", re.IGNORECASE)


def parse_pdf(raw: bytes, path: str) -> Parsed:
    """Return one section for each page that has text.

    Words broken at a line's end are mended; heads and feet that most pages repeat are dropped.

    Raises:
        UnreadableDocumentError: The file is damaged, locked with a password, only images, or takes
            more memory or time than a file may.
        IngestionError: No process can be started to read it.
    """
    named, outline, pages = _read(raw, path)
    if not any(page.strip() for page in pages):
        raise UnreadableDocumentError(
            f"{path}: the PDF has no text, only images",
            "Run it through text recognition (OCR), for example: ocrmypdf in.pdf out.pdf.",
        )
    texts = [_paragraphs(lines) for lines in _without_margins([_lines(page) for page in pages])]
    title = one_line(named)
    if not title or _UNTITLED.match(title):
        first = next((text for text in texts if text), "").split("\n")[0]
        title = first if 0 < len(first) <= 100 and not _ITEM.match(first) else ""
    return Parsed(title or title_from_path(path), tuple(_sections(texts, outline, title)))


def _read(raw: bytes, path: str) -> tuple[str, list[tuple[int, int, str]], list[str]]:
    """Return the title in the metadata, bookmarks as (page, level, title), and pages' text."""
    try:
        content = shared.read(raw)
    except PdfProcessError as error:
        raise UnreadableDocumentError(f"{path}: {error.problem}", _SPLIT) from error
    if fault := content.get("fault"):
        problem, mend = _FAULTS[fault]
        raise UnreadableDocumentError(f"{path}: {problem}", mend)
    outline = [(page, level, one_line(title)) for page, level, title in content["outline"]]
    return content["title"], outline, content["pages"]


def _lines(page: str) -> list[str]:
    text = _LINE_END_HYPHEN.sub("", re.sub(r"\r\n?", "\n", page))
    text = _BULLET.sub("- ", _HYPHENATED.sub("", text))
    return [one_line(line) for line in visible(text).split("\n")]


def _without_margins(pages: list[list[str]]) -> list[list[str]]:
    """Drop the first and last lines that most pages repeat, whatever numbers they hold."""
    if len(pages) < _MARGIN_PAGES:
        return pages
    seen: Counter[str] = Counter()
    for lines in pages:
        seen.update({_numberless(lines[at]) for at in _margin(lines)})
    repeated = {line for line, times in seen.items() if times >= _MARGIN_SHARE * len(pages)}
    return [_without_lines(lines, set(_margin(lines)), repeated) for lines in pages]


def _without_lines(lines: list[str], margin: set[int], repeated: set[str]) -> list[str]:
    return [
        line
        for at, line in enumerate(lines)
        if at not in margin or _numberless(line) not in repeated
    ]


def _margin(lines: Sequence[str]) -> list[int]:
    filled = [at for at, line in enumerate(lines) if line]
    return filled[:_MARGIN_LINES] + filled[_MARGIN_LINES:][-_MARGIN_LINES:]


def _numberless(line: str) -> str:
    return re.sub(r"\d+", "0", line)


def _paragraphs(lines: list[str]) -> str:
    """Join the lines of a paragraph; a blank line parts paragraphs, a line break list items."""
    widest = max((len(line) for line in lines), default=0)
    text = ""
    before = ""
    for line in lines:
        if not text or not line:
            gap = ""
        elif not before:
            gap = "\n" if _ITEM.match(line) else "\n\n"
        elif _ITEM.match(line):
            gap = "\n"
        elif len(before) < _FULL_LINE * widest and (before.endswith(_ENDS) or line[0].isupper()):
            gap = "\n\n"
        else:
            gap = "" if _joins_without_space(before, line) else " "
        text += gap + line
        before = line
    return text


def _joins_without_space(before: str, after: str) -> bool:
    """Whether a wrapped line goes on without a space, as in Chinese and Japanese."""
    return ord(before[-1]) >= 0x2E80 and ord(after[0]) >= 0x2E80 and before[-1] < "\uac00"


def _sections(
    texts: list[str], outline: list[tuple[int, int, str]], title: str
) -> Iterator[Section]:
    """Yield the pages with the bookmarks that were open where each begins as their headings."""
    open_headings: list[tuple[int, str]] = []
    waiting = list(outline)
    for number, text in enumerate(texts):
        while waiting and waiting[0][0] <= number:
            _, level, heading = waiting.pop(0)
            open_headings = [entry for entry in open_headings if entry[0] < level]
            open_headings.append((level, heading))
        if text:
            path = tuple(heading for _, heading in open_headings if heading and heading != title)
            yield Section(path, text, page=number + 1)
