from __future__ import annotations

import io
import zipfile

import docx
import pytest
from docx.oxml import parse_xml
from fpdf import FPDF

from ingestion.documents import Section
from ingestion.errors import UnreadableDocumentError
from ingestion.parsers.formats import parse


class _Report(FPDF):
    def header(self) -> None:
        self.cell(0, 10, "Acme confidential", new_x="LMARGIN", new_y="NEXT")

    def footer(self) -> None:
        self.set_y(-15)
        self.cell(0, 10, f"Page {self.page_no()} of 5")


def pdf_of(pages: list[str], title: str = "", password: str = "", running: bool = False) -> bytes:
    pdf = _Report() if running else FPDF()
    pdf.set_font("Helvetica", size=11)
    if title:
        pdf.set_title(title)
    for page in pages:
        pdf.add_page()
        pdf.multi_cell(0, 6, page)
    if password:
        pdf.set_encryption(owner_password="owner", user_password=password)
    return bytes(pdf.output())


def docx_of(document: docx.document.Document) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


LONG = "Employees book travel through the travel desk at least thirty days before they leave. " * 3


def test_pdf_pages_become_sections_with_wrapped_lines_joined() -> None:
    raw = pdf_of([f"{LONG}\n\n- First point\n- Second point", "", "Second page."], title="Travel")
    parsed = parse(raw, "travel.pdf")
    assert parsed.title == "Travel"
    assert parsed.sections == (
        Section((), f"{LONG.strip()}\n- First point\n- Second point", page=1),
        Section((), "Second page.", page=3),
    )


def test_pdf_title_falls_back_to_the_first_line_then_the_file_name() -> None:
    assert parse(pdf_of(["Travel policy\n\n" + LONG]), "a.pdf").title == "Travel policy"
    assert parse(pdf_of([LONG * 2]), "expense-rules.pdf").title == "Expense rules"


def test_pdf_words_broken_at_line_ends_are_mended() -> None:
    text = parse(pdf_of(["We reim-\nburse a well-known ho-\ntel."]), "a.pdf").sections[0].text
    assert text == "We reimburse a well-known hotel."


def test_pdf_running_heads_and_feet_are_dropped() -> None:
    pages = [f"{word} things are said here." for word in ("Many", "Other", "More", "New", "Last")]
    parsed = parse(pdf_of(pages, title="R", running=True), "a.pdf")
    assert [s.text for s in parsed.sections] == pages


def test_pdf_bookmarks_are_the_headings() -> None:
    pdf = FPDF()
    pdf.set_font("Helvetica", size=11)
    for chapter, level in (("Pay", 0), ("Bonus", 1), ("Leave", 0)):
        pdf.add_page()
        pdf.start_section(chapter, level=level)
        pdf.multi_cell(0, 6, f"About {chapter}.")
    parsed = parse(bytes(pdf.output()), "a.pdf")
    assert [s.heading_path for s in parsed.sections] == [("Pay",), ("Pay", "Bonus"), ("Leave",)]


def test_pdf_faults_are_named_with_their_mend() -> None:
    for raw, reason in (
        (pdf_of(["Secret"], password="x"), "locked with a password"),
        (pdf_of(["", ""]), "no text, only images"),
        (pdf_of(["x"])[:200], "damaged"),
        (b"%PDF-1.7 nothing", "damaged"),
        (b"plain text", "damaged"),
    ):
        with pytest.raises(
            UnreadableDocumentError, match=rf"hr/a\.pdf: the PDF .*{reason}"
        ) as told:
            parse(raw, "hr/a.pdf")
        assert told.value.mend


def handbook() -> docx.document.Document:
    word = docx.Document()
    word.add_paragraph("Expense policy", style="Title")
    word.add_paragraph("Who pays what.")
    word.add_heading("Meals", 1)
    word.add_paragraph("Breakfast", style="List Bullet")
    word.add_paragraph("Only abroad", style="List Bullet 2")
    word.add_paragraph("Ask first", style="List Number")
    table = word.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ("City", "Limit", "Köln|Bonn", "120 €"), strict=True):
        cell.text = text
    word.add_heading("Team dinners", 2)
    word.add_paragraph("Up to 50 € a person.")
    return word


def test_docx_headings_lists_and_tables_in_order() -> None:
    parsed = parse(docx_of(handbook()), "expenses.docx")
    assert parsed.title == "Expense policy"
    assert parsed.sections == (
        Section((), "Who pays what."),
        Section(
            ("Meals",),
            "- Breakfast\n   - Only abroad\n1. Ask first\n\n"
            "| City | Limit |\n| --- | --- |\n| Köln\\|Bonn | 120 € |",
        ),
        Section(("Meals", "Team dinners"), "Up to 50 € a person."),
    )


def test_docx_insertions_links_and_controls_are_read_deletions_are_not() -> None:
    word = docx.Document()
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = word.element.body
    body.insert(
        0,
        parse_xml(
            f"<w:p {space}><w:r><w:t xml:space='preserve'>New </w:t></w:r>"
            "<w:ins><w:r><w:t>rule</w:t></w:r></w:ins>"
            "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
        ),
    )
    body.insert(
        1,
        parse_xml(
            f"<w:sdt {space}><w:sdtContent><w:p><w:hyperlink><w:r><w:t>Linked</w:t></w:r>"
            "</w:hyperlink><w:r><w:br/><w:t>line</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        ),
    )
    parsed = parse(docx_of(word), "a-b.docx")
    assert parsed.sections[0].text == "New rule\n\nLinked\nline"


def zip_bomb() -> bytes:
    file = io.BytesIO()
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with archive, archive.open("word/document.xml", "w") as entry:
        for _ in range(301):
            entry.write(bytes(2**20))
    return file.getvalue()


def test_docx_faults_are_named_with_their_mend() -> None:
    for raw, reason in (
        (docx_of(handbook())[:3000], "damaged"),
        (b"PK\x03\x04 not a zip", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "locked with a password, or in the old"),
        (zip_bomb(), "unpacks to more than 300 MB"),
        (docx_of(docx.Document()), "holds no text"),
    ):
        with pytest.raises(UnreadableDocumentError, match=rf"hr/a\.docx: .*{reason}") as told:
            parse(raw, "hr/a.docx")
        assert told.value.mend
