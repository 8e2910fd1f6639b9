"""Write the handbook's PDF and Word pages anew: python examples/build_documents.py [folder].

They are committed, so that the demo needs neither fpdf2 nor this script. The same text gives the
same bytes with the same versions of fpdf2 and python-docx.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from docx import Document
from fpdf import FPDF

WRITTEN = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
HANDBOOK = Path(__file__).parent / "handbook"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside the page, below its title."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list without numbers."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; its first row is the header."""

    rows: tuple[tuple[str, ...], ...]


Block = str | Heading | Bullets | Table


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the handbook: a string among its blocks is a paragraph."""

    title: str
    blocks: tuple[Block, ...]


HEALTH_INSURANCE = Page(
    "Health insurance",
    (
        "What the company pays for your health, beyond what your country gives you. "
        "Questions: #ask-people or Noor El Amrani, ext. 7730.",
        Heading("Utrecht"),
        "You choose your own Dutch insurer. The company adds €45 a month to your salary for it. "
        "Through our group contract with Zilverkruin you get 8% off the additional package.",
        Heading("Porto"),
        "Everybody in Porto is insured with Saúde Atlântica from the first day. Children are "
        "insured for free; a partner costs €38 a month, taken from the salary. A visit to a "
        "doctor of the network costs you €15.",
        Heading("Toronto"),
        "The plan is Maple Shield. It pays 80% of dental work up to CAD 1,900 a year, and "
        "CAD 425 for glasses every 24 months. Prescriptions are paid at 90%.",
        Heading("Joining and leaving"),
        "Sign up in Daybook within 31 days after you start; later it is only possible in January. "
        "The cover ends on the last day of the month in which you leave.",
        Heading("Claims"),
        "Send claims to the insurer yourself, not to Finance. Claims must arrive within 6 months "
        "after the treatment.",
        Heading("For everybody"),
        Bullets(
            (
                "Ten talks a year with a psychologist through OpenDoor, free and confidential. "
                "The company only sees how many talks there were.",
                "A flu shot in the office each October.",
                "€27 a month towards a gym or a sports club; claim it in Pennywise.",
                "An eye test every two years for people who work at a screen.",
            )
        ),
        Heading("At a glance"),
        Table(
            (
                ("Office", "Insurer", "You pay"),
                ("Utrecht", "your choice", "the rest of the premium"),
                ("Porto", "Saúde Atlântica", "nothing"),
                ("Toronto", "Maple Shield", "CAD 22 a month"),
            )
        ),
    ),
)

BATTERY_SAFETY = Page(
    "Battery safety",
    (
        "For Support, Logistics and the workshop. Our packs hold 14 Wh of lithium-ion cells. "
        "They are small, and they burn all the same.",
        Heading("A damaged battery"),
        "Put a swollen, hot or dented battery into the red steel box, cover it with sand and call "
        "ext. 7733. Don't charge it, don't open it, don't carry it through the office. "
        "If it smokes, leave the room, close the door and call 112 (in Toronto 911).",
        "The red box stands by the back door in Utrecht, in the copa in Porto and in the loading "
        "bay in Toronto.",
        Heading("Sending batteries"),
        Bullets(
            (
                "At most 2 packs go into one parcel.",
                "Charge them to 30% or less before they travel by air.",
                "Each parcel carries the label UN 3481.",
                "Damaged batteries are collected by Kestrel Recycling within 3 working days; "
                "they never go by ordinary parcel.",
            )
        ),
        Heading("Charging at work"),
        "Charge packs only on the grey shelves in the workshop, between 8:00 and 18:00, and never "
        "overnight. The smoke detectors there are tested on the first Monday of each month.",
        Heading("Training"),
        "Everybody who handles batteries does the 40-minute course in Lighthouse once a year.",
    ),
)

DATA_RETENTION = Page(
    "Data retention",
    (
        "How long we keep what, and who deletes it. Owner: Inês Carvalho, privacy officer, "
        "ext. 7755. When the time is over, data is deleted, not archived.",
        Heading("Periods"),
        Table(
            (
                ("Data", "Kept for", "Deleted by"),
                ("Support conversations", "24 months", "Support desk tool, by itself"),
                ("Ride data of the Beacon app", "13 months", "Platform"),
                ("Job applications", "6 weeks after the decision", "People"),
                ("Invoices, Utrecht and Toronto", "7 years", "Finance"),
                ("Invoices, Porto", "10 years", "Finance"),
                ("Camera pictures at the doors", "21 days", "Facilities"),
                ("Slack messages", "18 months", "IT"),
                ("Backups", "35 days", "Platform"),
            )
        ),
        "Applicants may agree that we keep their application for a year.",
        Heading("Requests from people"),
        "Anybody may ask what we hold about them, or have it deleted. Pass the request to "
        "privacy@lanternworks.example on the same day and don't answer it yourself. We answer "
        "within 30 days.",
        Heading("Legal hold"),
        "When a lawsuit is likely, Inês stops the deletion of the data concerned. A hold is "
        "reviewed every 6 months.",
        Heading("Copies"),
        Bullets(
            (
                "No customer data in test systems; use the set called Paper Riders.",
                "Exports from the support desk tool are deleted after 14 days.",
                "Printed lists go into the locked grey bin.",
            )
        ),
    ),
)

BRAND_VOICE = Page(
    "Brand voice",
    (
        "How Lantern Works sounds and looks. We talk like a good mechanic: warm, exact, brief.",
        Heading("Words"),
        Bullets(
            (
                "Lantern Works is two words. Never LanternWorks, never LW.",
                "Write e-bike with a hyphen and a small e.",
                "We say rider, not user.",
                "No exclamation marks, and no emoji except the lantern.",
                "We don't call a light smart. Say what it does.",
            )
        ),
        Heading("Numbers"),
        "Brightness is given in lux, never in lumen. Prices include tax in Europe and exclude it "
        "in Canada.",
        Heading("Colours"),
        Table(
            (
                ("Name", "Hex", "For"),
                ("Amber", "#FFB13D", "logo, buttons"),
                ("Night", "#14213D", "text, backgrounds"),
                ("Fog", "#E9ECEF", "surfaces"),
            )
        ),
        "The logo needs free space as wide as its handle on all sides. It is never smaller than "
        "18 mm in print.",
        Heading("Press and social media"),
        "Only Sofia Lindqvist answers journalists: pass them to press@lanternworks.example. "
        "Posts in the name of the company are approved in #brand by two people.",
        "You may say where you work on your own accounts. Don't talk about products before they "
        "are announced.",
    ),
)

ACQUISITION_PLAN = Page(
    "Acquisition plan: Halcyon",
    (
        "Confidential, leadership only. Code name Moth.",
        Heading("What"),
        "Lantern Works wants to buy Halcyon Cycles in Ghent, a maker of bicycle alarms with 38 "
        "employees. The price is between €11 million and €14.5 million, a third of it in shares.",
        Heading("When"),
        Table(
            (
                ("Step", "Date"),
                ("Letter of intent", "12 January 2027"),
                ("Due diligence ends", "26 March 2027"),
                ("Signing", "14 May 2027"),
                ("Announcement", "17 May 2027, 9:00"),
            )
        ),
        Heading("People"),
        "Everybody at Halcyon keeps their job for 18 months at least. The office in Ghent stays.",
    ),
)

PDF_PAGES: Mapping[str, Page] = {
    "people/health-insurance.pdf": HEALTH_INSURANCE,
    "customers/battery-safety.pdf": BATTERY_SAFETY,
}
DOCX_PAGES: Mapping[str, Page] = {
    "security/data-retention.docx": DATA_RETENTION,
    "brand/brand-voice.docx": BRAND_VOICE,
    "leadership/acquisition-plan.docx": ACQUISITION_PLAN,
}


def pdf_bytes(page: Page) -> bytes:
    """Return the page as a PDF with a real table and its title in the metadata."""
    pdf = FPDF()
    pdf.core_fonts_encoding = "windows-1252"  # the built-in fonts' only one with a euro sign
    pdf.set_creation_date(WRITTEN)
    pdf.set_title(page.title)
    pdf.set_lang("en")
    pdf.set_margin(22)
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 20)
    pdf.multi_cell(0, 12, page.title, new_x="LMARGIN", new_y="NEXT")
    for block in page.blocks:
        _add_to_pdf(pdf, block)
    return bytes(pdf.output())


def _add_to_pdf(pdf: FPDF, block: Block) -> None:
    pdf.ln(3)
    if isinstance(block, Heading):
        pdf.set_font("Helvetica", "B", 14)
        pdf.multi_cell(0, 8, block.text, new_x="LMARGIN", new_y="NEXT")
        return
    pdf.set_font("Helvetica", "", 11)
    if isinstance(block, Table):
        with pdf.table() as table:
            for cells in block.rows:
                table.row(cells)
        return
    texts = [f"• {item}" for item in block.items] if isinstance(block, Bullets) else [block]
    for text in texts:
        pdf.multi_cell(0, 6, text, new_x="LMARGIN", new_y="NEXT")


def docx_bytes(page: Page) -> bytes:
    """Return the page as a Word document with real headings, lists and tables."""
    document = Document()
    document.core_properties.title = page.title
    document.core_properties.author = "Lantern Works"
    document.core_properties.created = WRITTEN.replace(tzinfo=None)
    document.core_properties.modified = WRITTEN.replace(tzinfo=None)
    document.add_heading(page.title, level=0)
    for block in page.blocks:
        if isinstance(block, Heading):
            document.add_heading(block.text, level=1)
        elif isinstance(block, Bullets):
            for item in block.items:
                document.add_paragraph(item, style="List Bullet")
        elif isinstance(block, Table):
            table = document.add_table(rows=0, cols=len(block.rows[0]), style="Table Grid")
            for cells in block.rows:
                for cell, text in zip(table.add_row().cells, cells, strict=True):
                    cell.text = text
        else:
            document.add_paragraph(block)
    packed = io.BytesIO()
    document.save(packed)
    return _with_fixed_dates(packed.getvalue())


def _with_fixed_dates(packed: bytes) -> bytes:
    """Return the zip file with one date on all its members: python-docx writes the time of day."""
    again = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(again, "w") as new:
        for member in old.infolist():
            dated = zipfile.ZipInfo(member.filename, WRITTEN.timetuple()[:6])
            dated.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(dated, old.read(member))
    return again.getvalue()


def build(folder: Path) -> list[Path]:
    """Write all documents below the folder and return their paths."""
    pages = {name: pdf_bytes(page) for name, page in PDF_PAGES.items()}
    pages |= {name: docx_bytes(page) for name, page in DOCX_PAGES.items()}
    for name, content in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [folder / name for name in pages]


if __name__ == "__main__":
    for path in build(Path(sys.argv[1]) if len(sys.argv) > 1 else HANDBOOK):
        print(path)
