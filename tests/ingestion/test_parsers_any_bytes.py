"""Whatever bytes a file holds, a parser returns sections or one of the two errors."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.errors import AccessRuleError, UnreadableDocumentError
from ingestion.parsers.formats import SUPPORTED_SUFFIXES, front_matter, parse
from tests.ingestion.test_parsers_html import PAGE as HTML_PAGE
from tests.ingestion.test_parsers_markdown import PAGE as MARKDOWN_PAGE
from tests.ingestion.test_parsers_pdf_docx import docx_of, handbook, pdf_of

REAL = {
    ".md": MARKDOWN_PAGE.encode(),
    ".html": HTML_PAGE.encode(),
    ".txt": "Ünïcode text.\n\nTwo paragraphs.".encode("cp1252"),
    ".pdf": pdf_of(["A page of text.", "Another."]),
    ".docx": docx_of(handbook()),
}


def read(raw: bytes, path: str) -> None:
    try:
        parsed = parse(raw, path)
    except (UnreadableDocumentError, AccessRuleError) as error:
        assert path in error.problem
        assert error.mend
        return
    assert parsed.title.strip()
    assert parsed.sections
    for section in parsed.sections:
        assert section.text.strip()
        "".join((parsed.title, section.text, section.anchor, *section.heading_path)).encode()


@given(st.sampled_from(sorted(SUPPORTED_SUFFIXES)), st.binary(max_size=300))
def test_random_bytes(suffix: str, raw: bytes) -> None:
    read(raw, f"any{suffix}")


@given(st.sampled_from([".md", ".mdx", ".html", ".txt"]), st.text(max_size=200))
def test_random_text(suffix: str, text: str) -> None:
    read(text.encode("utf-8", errors="replace"), f"any{suffix}")


MARKUP = [
    "<",
    ">",
    "ul",
    "li",
    "table",
    "tr",
    "td",
    "/",
    "---\n",
    "\n",
    "allow:",
    "#",
    "`",
    "[",
    "|",
]


@given(st.sampled_from([".md", ".mdx", ".html"]), st.lists(st.sampled_from([*MARKUP, "x", " "])))
def test_random_markup(suffix: str, parts: list[str]) -> None:
    read("".join(parts).encode(), f"any{suffix}")


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(REAL)),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), min_size=1, max_size=6),
    st.floats(0.3, 1),
)
def test_damaged_real_files(suffix: str, changes: list[tuple[float, bytes]], kept: float) -> None:
    raw = bytearray(REAL[suffix])
    for where, change in changes:
        at = int(where * len(raw))
        raw[at : at + len(change)] = change
    read(bytes(raw[: int(kept * len(raw)) or 1]), f"any{suffix}")


@settings(max_examples=100)
@given(st.data())
def test_docx_with_a_damaged_part(data: st.DataObject) -> None:
    """The zip's checksums hold here, so the damage reaches the reader of the parts."""
    with zipfile.ZipFile(io.BytesIO(REAL[".docx"])) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(parts)))
    part = bytearray(parts[name])
    at = data.draw(st.integers(0, max(len(part) - 1, 0)))
    part[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=8))
    parts[name] = bytes(part)
    if data.draw(st.booleans()):
        del parts[data.draw(st.sampled_from(sorted(parts)))]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for part_name, content in parts.items():
            archive.writestr(part_name, content)
    read(file.getvalue(), "any.docx")


@given(st.binary(max_size=200).map(lambda raw: b"---\n" + raw + b"\n---\ntext"))
def test_front_matter_is_understood_or_refused(raw: bytes) -> None:
    try:
        front_matter(raw, "any.md")
    except (UnreadableDocumentError, AccessRuleError) as error:
        assert "any.md" in error.problem


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UnreadableDocumentError, match="no parser"):
        parse(b"x", "a.xyz")
