"""Files that were written to do harm: each is read, or refused, in a time that its size explains.

Before they were mended, these took from minutes to the age of the universe; such a test fails by
never ending.
"""

import zlib
from pathlib import Path

import pytest

from ingestion.errors import AccessRuleError, UnreadableDocumentError
from ingestion.parsers.formats import front_matter, parse
from ingestion.parsers.pdf_process import PdfProcess, PdfProcessError
from ingestion.settings import SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.sources.source import FailedItem, SourceItem
from ingestion.text_units import sentences
from tests.ingestion.test_parsers_pdf_docx import pdf_of

_MANY = 100_000


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("comments.md", "<!-- a -->\n" * 60 + "Text."),
        ("heading-spaces.md", "# a" + " " * _MANY + "b\n\nText."),
        ("heading-anchors.md", "# " + "{#a" * _MANY + "\n\nText."),
        ("half-comments.md", "a */} " + "{/*" * _MANY),
        ("ticks.md", "a <!-- --> " + " ".join("`" * n for n in range(1, 900))),
        ("half-metas.html", "<p>Text." + "<meta " * _MANY),
        ("lists.html", "<ul><li>" + "<b>a</b><ul></ul>" * 20_000),
        ("wide-table.html", "<table><tr>" + "<td>a" * 30_000 + "<tr><td>b" * 30_000),
        ("half-rule.md", "---\nallow" + " " * _MANY + "x\n\nText."),
        ("rule.txt", "a|b\n-" + " " * _MANY + "x|"),
    ],
)
def test_a_hostile_file_is_read_in_time(path: str, text: str) -> None:
    for section in parse(text.encode(), path).sections:
        assert sentences(section.text)


@pytest.mark.parametrize(
    "head",
    [
        "a: &a {x: 1}\n"
        + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [{','.join(['*' + chr(97 + n)] * 9)}]}}\n"
            for n in range(20)
        ),
        f"title: 0x{'f' * 20_000}",
        f"allow: [0x{'f' * 20_000}]",
        "{allow: hr, allow: everyone}",
        "allow: hr\n? allow\n: everyone",
    ],
    ids=["merges", "huge title", "huge name", "two rules", "two rules in two ways"],
)
def test_hostile_front_matter_withholds_its_page(head: str) -> None:
    with pytest.raises(AccessRuleError):
        parse(f"---\n{head}\n---\nText.".encode(), "page.md")


@pytest.mark.parametrize("before", ["\ufeff\ufeff", "\u200b", "<!-- a -->\n\ufeff"])
def test_a_rule_is_not_overlooked_for_what_stands_unseen_before_it(before: str) -> None:
    page = f"{before}---\nallow: [hr]\n---\nText.".encode()
    assert front_matter(page, "page.md") == {"allow": ["hr"]}


@pytest.mark.parametrize("fence", ["----", "  ---", "--- # rights", "---yaml", "———", "++"])
def test_a_rule_below_something_like_an_opening_withholds_the_page(fence: str) -> None:
    with pytest.raises(AccessRuleError, match="the line above it"):
        front_matter(f"{fence}\nallow: [hr]\n{fence}\n\nText.".encode(), "page.md")


@pytest.mark.parametrize("text", ["-- a --\nText\n\nallow: all\n", "Text\nallow: all\n---\n"])
def test_a_page_without_front_matter_is_read(text: str) -> None:
    assert front_matter(text.encode(), "page.md") == {}


def test_text_and_paths_hold_no_commands_for_a_terminal(tmp_path: Path) -> None:
    page = '---\nurl: "http://x/\\e]8;;http://y"\n---\n# A\n\nRed \x9b31m.'
    (tmp_path / "esc\x1b[31m.md").write_text(page, encoding="utf-8")
    (item,) = FolderSource(SourceSettings(path=tmp_path), 1).items()
    assert isinstance(item, SourceItem)
    document = item.read()
    shown = document.path + document.url + document.title + document.sections[0].text
    assert shown.isprintable()


def test_a_linked_source_opens_nothing_that_its_own_place_closes(tmp_path: Path) -> None:
    closed = tmp_path / "real" / "closed"
    closed.mkdir(parents=True)
    (closed.parent / ".access.toml").write_text('allow = ["hr"]\n')
    (closed / "page.md").write_text("Text.")
    link = tmp_path / "link"
    link.symlink_to(closed)
    (item,) = FolderSource(SourceSettings(path=link), 1).items()
    assert isinstance(item, SourceItem)
    assert item.acl == {"hr"}


def test_a_rule_in_another_case_is_not_overlooked(tmp_path: Path) -> None:
    (tmp_path / ".Access.TOML").write_text('allow = ["hr"]\n')
    (tmp_path / "page.md").write_text("Text.")
    (item,) = FolderSource(SourceSettings(path=tmp_path), 1).items()
    # Where disks know no case, the rule is simply read.
    assert item.access_unknown if isinstance(item, FailedItem) else item.acl == {"hr"}


def pdf_sharing(content: bytes, pages: int = 1, times: int = 1) -> bytes:
    """Return a PDF whose pages all show the same content, each so many times."""
    packed = zlib.compress(content)
    shown = b"4 0 R " * times
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b"5 0 R " * pages, pages),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents [%s]"
        b" /Resources << /Font << /F1 3 0 R >> >> >>" % shown,
    ]
    body = b"%PDF-1.4\n"
    for number, each in enumerate(objects, 1):
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    return body + b"trailer << /Size 6 /Root 1 0 R >>\n%%EOF"


_LINE = b"BT /F1 12 Tf 72 700 Td (Hello wide world) Tj ET\n"


def test_a_pdf_is_read_also_where_its_table_of_objects_is_missing() -> None:
    assert parse(pdf_sharing(_LINE, pages=2), "a.pdf").sections[1].text == "Hello wide world"


@pytest.mark.slow
def test_a_small_pdf_that_unpacks_to_gigabytes_is_refused_and_the_next_one_read() -> None:
    bomb = pdf_sharing(b" " * 160 * 2**20, times=16)
    assert len(bomb) < 200_000
    with pytest.raises(UnreadableDocumentError, match=r"hr/a\.pdf: the PDF takes more memory"):
        parse(bomb, "hr/a.pdf")
    assert parse(pdf_of(["All is well."]), "b.pdf").sections[0].text == "All is well."


@pytest.mark.parametrize(
    ("process", "unit", "units", "pages"),
    [
        (PdfProcess(memory_bytes=100 * 2**20), b" ", 100 * 2**20, 1),
        (PdfProcess(cpu_seconds=1), _LINE, 20_000, 100_000),
    ],
    ids=["memory", "processor time"],
)
def test_a_pdf_that_takes_too_much_ends_its_process_alone(
    process: PdfProcess, unit: bytes, units: int, pages: int
) -> None:
    try:
        with pytest.raises(PdfProcessError):
            process.read(pdf_sharing(unit * units, pages))
        assert process.read(pdf_of(["All is well."]))["pages"] == ["All is well."]
    finally:
        process.close()


def test_a_pdf_with_more_text_than_a_file_may_hold_is_refused() -> None:
    process = PdfProcess(text_characters=40)
    try:
        assert process.read(pdf_sharing(_LINE, pages=3)) == {"fault": "long"}
        assert len(process.read(pdf_sharing(_LINE, pages=2))["pages"]) == 2
    finally:
        process.close()
