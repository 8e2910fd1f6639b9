"""An answer's Markdown as messages for Slack: blocks of both languages, split where a reader would.

Tables stay tables in `markdown` blocks, which Slack draws; mrkdwn has none, so there they are
aligned in a code block. Sources: https://docs.slack.dev/reference/block-kit/blocks/markdown-block,
https://docs.slack.dev/messaging/formatting-message-text. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace

from bot.slack.inline import JOINER, LinkRule, Shown, calm, render
from bot.slack.mrkdwn import escape
from ingestion.text_units import BlockKind, classified_blocks, rows_within, sentences_within

# chat.update takes 4,000 characters of text; all markdown blocks of a message 12,000.
MAX_TEXT = 3_800
_WIDEST_TABLE = 88  # characters; a wider one is shown row by row where there are no tables

_HEADING = re.compile(r"\s*(#{1,6})\s*(.*?)\s*#*\s*\Z", re.DOTALL)
_ITEM = re.compile(r"((?:\s*>)*\s*)([-*+•]|\d{1,9}[.)])(\s+|\Z)(.*)\Z", re.DOTALL)
_QUOTE = re.compile(r"\s{0,3}((?:>\s?)+)(.*)\Z")
_FENCE = re.compile(r"\s*(?:[-*+]\s+|\d{1,9}[.)]\s+)?(`{3,}|~{3,})([^\n`]*)(?:\n|\Z)")
_RULE_CELL = re.compile(r":?-+:?\Z")
_CELL_BORDER = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Unit:
    """A block that is shown whole.

    Attributes:
        gap: What stands between it and the unit before.
        leads: It belongs to what follows, as a heading does.
    """

    markdown: str
    mrkdwn: str
    gap: str
    leads: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The text of one message in both languages."""

    markdown: str
    mrkdwn: str


def render_body(text: str, links: LinkRule, limit: int = MAX_TEXT) -> list[Body]:
    """Return a text as one message, or several where it is long; nothing is left out.

    A message ends where a block does; a table or a code fence that is longer than a message is
    opened again in the next one.

    Args:
        text: Markdown.
        links: Which links stay links.
        limit: Characters of a message, in either language.
    """
    bodies: list[list[Unit]] = [[]]
    for unit in units_of(text, links, limit):
        if bodies[-1] and _length([*bodies[-1], unit]) > limit:
            bodies.append(_led_over(bodies[-1], unit, limit))
        bodies[-1].append(unit)
    return [_joined(units) for units in bodies if units]


def units_of(text: str, links: LinkRule, limit: int) -> Iterator[Unit]:
    """Yield a text's blocks, none longer than the limit."""
    end = 0
    for block in classified_blocks(text):
        between = text[end : block.start]
        gap = "" if end == 0 else "\n\n" if between.count("\n") > 1 else "\n"
        if block.kind is BlockKind.HEADING:
            gap = "\n\n" if end else ""
        line_start = text.rfind("\n", 0, block.start) + 1
        indent = text[max(line_start, end) : block.start]
        end = block.end
        for number, unit in enumerate(_fitting(text[block.start : end], block.kind, links, limit)):
            again = unit.leads if number == 0 else False
            shown = _indented(unit, indent if block.kind is BlockKind.ITEM else "")
            yield Unit(shown.markdown, shown.mrkdwn, "\n" if number else gap, again)


def table_rows(source: str) -> list[list[str]]:
    """Return the cells of a table as they are written, without its rule."""
    rows = []
    for start, end in rows_within(source, 0, len(source)):
        for line in source[start:end].splitlines():
            cells = [cell.strip() for cell in _CELL_BORDER.split(line.strip())]
            cells = cells[1:] if line.lstrip().startswith("|") else cells
            cells = (
                cells[:-1]
                if len(cells) > 1 and _CELL_BORDER.split(line.rstrip())[-1] == ""
                else cells
            )
            if not all(_RULE_CELL.match(cell) for cell in cells):
                rows.append(cells)
    return rows


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns stand under each other in a fixed-width font."""
    columns = max(map(len, rows))
    full = [[*row, *[""] * (columns - len(row))] for row in rows]
    widths = [max(_width(row[n]) for row in full) for n in range(columns)]
    lines = [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        for row in full
    ]
    return [line.rstrip() for line in lines]


def _fitting(source: str, kind: BlockKind, links: LinkRule, limit: int) -> Iterator[Unit]:
    """Yield a block whole, or halved as often as it must be."""
    unit = _unit(source, kind, links)
    if max(len(unit.markdown), len(unit.mrkdwn)) <= limit:
        yield unit
        return
    halves = _halves(source, kind)
    for half, its_kind in halves:
        yield from _fitting(half, its_kind, links, limit)


def _unit(source: str, kind: BlockKind, links: LinkRule) -> Unit:
    if kind is BlockKind.TABLE:
        return _table(source, links)
    if kind is BlockKind.FENCE:
        return _fence(source)
    if kind is BlockKind.HEADING:
        found = _HEADING.match(source)
        shown = render(found[2] if found else source, links)
        words = " ".join(shown.flat.split())
        bold = f"*{words}*" if words else ""
        return Unit(f"### {' '.join(shown.markdown.split())}", bold, "", leads=True)
    if kind is BlockKind.ITEM:
        return _item(source, links)
    shown = _quoted_lines(source, links)
    leads = source.startswith("**") and "\n" not in source.strip()
    return Unit(shown.markdown, shown.mrkdwn, "", leads)


def _item(source: str, links: LinkRule) -> Unit:
    found = _ITEM.match(source)
    if found is None:
        shown = render(source, links)
        return Unit(shown.markdown, shown.mrkdwn, "")
    prefix, marker, _, rest = found.groups()
    shown = render(rest, links)
    bullet = marker if marker[0].isdigit() else "•"
    dash = marker if marker[0].isdigit() else "-"
    return Unit(f"{prefix}{dash} {shown.markdown}", f"{escape(prefix)}{bullet} {shown.mrkdwn}", "")


def _quoted_lines(source: str, links: LinkRule) -> Shown:
    """Return a paragraph; one whose every line is marked as a quote stays one."""
    lines = [_QUOTE.match(line) for line in source.splitlines()]
    if not lines or not all(lines):
        return render(source, links)
    inner = render("\n".join(found[2] for found in lines if found), links)
    return replace(
        inner,
        markdown="\n".join(f"> {line}" for line in inner.markdown.split("\n")),
        mrkdwn="\n".join(f"&gt; {line}" for line in inner.mrkdwn.split("\n")),
    )


def _table(source: str, links: LinkRule) -> Unit:
    rows = [[_cell(cell, links) for cell in row] for row in table_rows(source)]
    if not rows:
        return Unit("", "", "")
    columns = max(map(len, rows))
    head, *body = [[*row, *[Shown(" ", "", "", "")] * (columns - len(row))] for row in rows]
    lines = [head, [Shown("---", "", "", "")] * columns, *body]
    markdown = "\n".join(f"| {' | '.join(cell.markdown for cell in row)} |" for row in lines)
    plain = aligned([[cell.plain for cell in row] for row in rows])
    if max(map(_width, plain)) <= _WIDEST_TABLE:
        return Unit(markdown, _code(plain), "")
    return Unit(markdown, "\n".join(_records(head, body)), "")


def _records(head: Sequence[Shown], body: Sequence[Sequence[Shown]]) -> Iterator[str]:
    """Yield the rows of a wide table as list items: a code block would wrap its lines."""
    if not body:
        yield "• " + " · ".join(cell.mrkdwn for cell in head if cell.mrkdwn)
    for row in body:
        pairs = [
            f"_{name.flat}_: {cell.mrkdwn}" if name.flat else cell.mrkdwn
            for name, cell in zip(head, row, strict=True)
            if cell.mrkdwn
        ]
        yield "• " + " · ".join(pairs)


def _cell(source: str, links: LinkRule) -> Shown:
    shown = render(source.replace("\\|", "|"), links)
    markdown, *others = (" ".join(text.split()) for text in astuple(shown))
    return Shown(markdown.replace("\\|", "|").replace("|", "\\|"), *others)


def _fence(source: str) -> Unit:
    language, lines = _fence_lines(source)
    inside = "\n".join(lines)
    safe = _unfenced(calm(inside))
    return Unit(f"```{language}\n{safe}\n```", _code(lines), "")


def _fence_lines(source: str) -> tuple[str, list[str]]:
    """Return a fence's language and its lines."""
    found = _FENCE.match(source)
    if found is None:
        return "", source.splitlines()
    lines = source[found.end() :].splitlines()
    if lines and lines[-1].strip().startswith(found[1]) and not lines[-1].strip(f" {found[1][0]}"):
        lines.pop()
    language = re.sub(r"[^\w+#.-]", "", found[2].strip().partition(" ")[0])
    return language[:30], lines


def _code(lines: Sequence[str]) -> str:
    inside = _unfenced(calm("\n".join(lines)))
    return f"```\n{escape(inside)}\n```"


def _unfenced(code: str) -> str:
    """Return code in which nothing ends its fence."""
    return re.sub("`{3,}", lambda ticks: JOINER.join(ticks[0]), code)


def _halves(source: str, kind: BlockKind) -> list[tuple[str, BlockKind]]:
    """Return a block in two, a table or a fence each with its head again."""
    if kind is BlockKind.TABLE:
        lines = [source[slice(*span)] for span in rows_within(source, 0, len(source))]
        if len(lines) > 2:
            head, rows = lines[0], lines[1:]
            middle = len(rows) // 2
            halves = (rows[:middle], rows[middle:])
            return [("\n".join([head, *half]), BlockKind.TABLE) for half in halves]
        return [(part, BlockKind.PARAGRAPH) for part in _cut(source)]
    if kind is BlockKind.FENCE:
        language, lines = _fence_lines(source)
        if len(lines) == 1:
            lines = list(_cut(lines[0]))
        middle = len(lines) // 2
        halves = (lines[:middle], lines[middle:])
        mark = "~" * max(3, max((len(m) for m in re.findall(r"~+", source)), default=0) + 1)
        fenced = ("\n".join([f"{mark}{language}", *half, mark]) for half in halves)
        return [(half, BlockKind.FENCE) for half in fenced]
    first, second = _cut(source)
    return [(first, kind), (second, BlockKind.PARAGRAPH)]


def _cut(source: str) -> tuple[str, str]:
    """Return a text in two, near its middle: after a line, a sentence, a word, or anywhere."""
    middle = len(source) // 2
    ends = [m.end() for m in re.finditer("\n", source)]
    if not _good(ends, source):
        ends = [end for _, end in sentences_within(source, 0, len(source))]
    if not _good(ends, source):
        ends = [m.end() for m in re.finditer(r"\s+", source)]
    ends = _good(ends, source) or [middle]
    at = min(ends, key=lambda end: abs(end - middle))
    return source[:at].rstrip(), source[at:].lstrip()


def _good(ends: Sequence[int], source: str) -> list[int]:
    """Return the places that leave a fair part on either side."""
    tenth = len(source) // 10
    return [end for end in ends if tenth < end < len(source) - tenth and source[end:].strip()]


def _indented(unit: Unit, indent: str) -> Unit:
    if not indent.strip(" \t") and indent:
        return Unit(f"{indent}{unit.markdown}", f"{indent}{unit.mrkdwn}", unit.gap, unit.leads)
    return unit


def _led_over(units: list[Unit], following: Unit, limit: int) -> list[Unit]:
    """Take from the end of a message what belongs to the next one."""
    moved: list[Unit] = []
    while len(units) > 1 and units[-1].leads and _length([units[-1], *moved, following]) <= limit:
        moved.insert(0, units.pop())
    return moved


def _length(units: Sequence[Unit]) -> int:
    body = _joined(units)
    return max(len(body.markdown), len(body.mrkdwn))


def _joined(units: Sequence[Unit]) -> Body:
    gaps = ["", *(unit.gap for unit in units[1:])]
    return Body(
        "".join(gap + unit.markdown for gap, unit in zip(gaps, units, strict=True)),
        "".join(gap + unit.mrkdwn for gap, unit in zip(gaps, units, strict=True)),
    )


def _width(text: str) -> int:
    """Return how many columns a text takes in a fixed-width font."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    marks = sum(unicodedata.combining(sign) != 0 for sign in text)
    return len(text) + wide - marks
