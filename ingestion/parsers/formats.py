"""Which parser reads which file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from ingestion.errors import UnreadableDocumentError
from ingestion.parsers.docx import parse_docx
from ingestion.parsers.front_matter import split_front_matter
from ingestion.parsers.html import html_front_matter, parse_html
from ingestion.parsers.markdown import parse_markdown
from ingestion.parsers.outline import Parsed
from ingestion.parsers.pdf import parse_pdf
from ingestion.parsers.text import decode, parse_text

PARSER_VERSION = 3  # raise it when parsers give another text: every document is then parsed anew

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown", ".mdx"})
HTML_SUFFIXES = frozenset({".html", ".htm", ".xhtml"})
TEXT_SUFFIXES = frozenset({".txt", ".text"})

_PARSERS: Mapping[str, Callable[[bytes, str], Parsed]] = {
    **dict.fromkeys(MARKDOWN_SUFFIXES, parse_markdown),
    **dict.fromkeys(HTML_SUFFIXES, parse_html),
    **dict.fromkeys(TEXT_SUFFIXES, parse_text),
    ".pdf": parse_pdf,
    ".docx": parse_docx,
}
SUPPORTED_SUFFIXES = frozenset(_PARSERS)


def parse(raw: bytes, path: str) -> Parsed:
    """Return a file's title, sections and front matter.

    Args:
        raw: The file's bytes.
        path: Its path for people; the suffix names the format.

    Raises:
        UnreadableDocumentError: The file is empty, damaged, locked, or not what its name says.
        AccessRuleError: Its access rule can't be understood.
    """
    parser = _PARSERS.get(suffix_of(path))
    if parser is None:
        known = ", ".join(sorted(SUPPORTED_SUFFIXES))
        raise UnreadableDocumentError(f"{path}: no parser for this format", f"Known: {known}.")
    if not raw.strip():
        raise UnreadableDocumentError(f"{path}: the file is empty", "Fill it, or remove it.")
    parsed = parser(raw, path)
    if not parsed.sections:
        raise UnreadableDocumentError(
            f"{path}: the file holds no text besides headings", "Fill it, or remove it."
        )
    return parsed


def front_matter(raw: bytes, path: str) -> Mapping[str, object]:
    """Return what a file says about itself, without parsing the rest.

    Raises:
        UnreadableDocumentError, AccessRuleError: As `parse`.
    """
    if suffix_of(path) in MARKDOWN_SUFFIXES | TEXT_SUFFIXES:
        return split_front_matter(decode(raw, path), path)[0]
    if suffix_of(path) in HTML_SUFFIXES:
        return html_front_matter(raw, path)
    return {}


def suffix_of(path: str) -> str:
    """Return a path's suffix in lower case, with its dot."""
    return PurePosixPath(path).suffix.casefold()
