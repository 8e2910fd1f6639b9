"""The units that text is cut and quoted by: blocks, and sentences within them. Pure.

All functions return spans ``(start, end)`` into the given text, in order, without overlap; each
begins and ends with a visible character, and only white space lies between them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

Span = tuple[int, int]


class BlockKind(enum.Enum):
    """What a block of Markdown-like text is."""

    PARAGRAPH = "paragraph"
    ITEM = "item"
    TABLE = "table"
    FENCE = "fence"
    HEADING = "heading"


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a text, as a span of it.

    Attributes:
        kind: A list has one block for each item, nested ones too.
    """

    start: int
    end: int
    kind: BlockKind


_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_FENCE = re.compile(r"\s*(?:[-*+]\s+|\d{1,9}[.)]\s+)?(`{3,}|~{3,})")
_ITEM = re.compile(r"\s*(?:>\s*)*(?:[-*+•]|\d{1,9}[.)])(?:\s|\Z)")
_HEADING = re.compile(r"\s{0,3}#{1,6}(?:\s|\Z)")
_TABLE_RULE = re.compile(r"\s*(?:\|\s*)?:?-+:?\s*(?:\|\s*:?-+:?\s*)*(?:\|\s*)?\Z")

# Ends of sentences in scripts that put no space after them, and in those that do.
_END = re.compile(
    r"""(?P<close>[。！？｡．]+[」』”’）】》"'\)]*)"""
    r"""|(?P<open>(?<![.!?…])[.!?…؟۔।॥።။។։]+["'”’»“\)\]\*_`~]*)(?=\s)"""
    r"""|(?P<hard>(?:(?<![ ])[ ]{2,}|\\|<br\s*/?>)(?=\n))""",
)
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“‘*_]+\Z")
_WORD_AFTER = re.compile(r"[\s\"'“‘(\[*_]*([^\W\d_]+|\S)")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]\Z")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Never the last word of a sentence.
_ABBREVIATIONS = _words(
    "e.g i.e eg ie vs cf mr mrs ms dr prof rev gen sen rep approx dept eds "
    "z.b d.h u.a bzw ca evtl ggf sra p.ej ej mme mlle resp incl excl"
)
# Not the last word where a number follows.
_BEFORE_NUMBERS = _words(
    "no nos nr fig figs eq sec ch vol pp p ed abs art tel ext st "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun"
)
# The last word of a sentence only where a word follows that begins one.
_AMBIGUOUS = _words("etc inc ltd co corp llc gmbh plc jr sr bros usw al st av")
_STARTERS = _words(
    "a after all also an and any as at because before but by do don each every for from he here "
    "how however i if in it its most no not once or our she since so some that the their then "
    "there these they this those to we what when where while who why with you your "
    "der die das wir sie es ich im le la les il elle nous vous el los las"
)


def blocks(text: str) -> list[Span]:
    """Return the spans of the paragraphs, list items, whole tables and whole code fences."""
    return [(block.start, block.end) for block in classified_blocks(text)]


def classified_blocks(text: str) -> list[Block]:
    """Return the blocks with their kinds."""
    lines = [match.span() for match in _LINE.finditer(text)]
    found: list[Block] = []
    at = 0
    while at < len(lines):
        kind, after = _block_at(text, lines, at)
        start, end = _trimmed(text, lines[at][0], lines[after - 1][1])
        if start < end:
            found.append(Block(start, end, kind))
        at = after
    return found


def sentences(text: str) -> list[Span]:
    """Return the spans of the sentences.

    A list item, a table row, a heading line and a code fence are each a unit of their own; a
    table's rule belongs to its head.
    """
    found: list[Span] = []
    for block in classified_blocks(text):
        if block.kind is BlockKind.PARAGRAPH:
            found.extend(sentences_within(text, block.start, block.end))
        elif block.kind is BlockKind.TABLE:
            found.extend(rows_within(text, block.start, block.end))
        else:
            found.append((block.start, block.end))
    return found


def sentences_within(text: str, start: int, end: int) -> list[Span]:
    """Return the sentences of one paragraph or list item that takes up ``text[start:end]``."""
    found: list[Span] = []
    for cut in [*_sentence_ends(text, start, end), end]:
        first, last = _trimmed(text, start, cut)
        if first < last:
            found.append((first, last))
        start = cut
    return found


def rows_within(text: str, start: int, end: int) -> list[Span]:
    """Return the rows of a table, or the lines of a fence, that take up ``text[start:end]``."""
    found: list[Span] = []
    for line in _LINE.finditer(text, start, end):
        first, last = _trimmed(text, *line.span())
        if first < last:
            if len(found) == 1 and _TABLE_RULE.match(text, first, last):
                found[0] = (found[0][0], last)
            else:
                found.append((first, last))
    return found


def _block_at(text: str, lines: list[Span], at: int) -> tuple[BlockKind, int]:
    """Return the kind of the block that begins on a line, and the line after it."""
    fence = _FENCE.match(text, *lines[at])
    if fence:
        return BlockKind.FENCE, _after_fence(text, lines, at, fence[1])
    if _begins_table(text, lines, at):
        return BlockKind.TABLE, _after_table(text, lines, at)
    if _HEADING.match(text, *lines[at]):
        return BlockKind.HEADING, at + 1
    kind = BlockKind.ITEM if _ITEM.match(text, *lines[at]) else BlockKind.PARAGRAPH
    after = at + 1
    while after < len(lines) and not _begins_block(text, lines, after):
        after += 1
    return kind, after


def _begins_block(text: str, lines: list[Span], at: int) -> bool:
    return (
        _is_blank(text, lines[at])
        or any(pattern.match(text, *lines[at]) for pattern in (_ITEM, _FENCE, _HEADING))
        or _begins_table(text, lines, at)
    )


def _begins_table(text: str, lines: list[Span], at: int) -> bool:
    """Whether a line is a row in pipes, or the head above a rule of a table without outer pipes."""
    line = text[slice(*lines[at])]
    if line.lstrip().startswith("|"):
        return True
    if "|" not in line or at + 1 == len(lines):
        return False
    return "|" in text[slice(*lines[at + 1])] and bool(_TABLE_RULE.match(text, *lines[at + 1]))


def _after_table(text: str, lines: list[Span], at: int) -> int:
    while at < len(lines) and "|" in text[slice(*lines[at])]:
        at += 1
    return at


def _after_fence(text: str, lines: list[Span], at: int, opening: str) -> int:
    """Return the line after the closing fence; an unclosed fence takes the rest."""
    for after in range(at + 1, len(lines)):
        line = text[slice(*lines[after])].strip()
        if line.startswith(opening) and not line.strip(opening[0]):
            return after + 1
    return len(lines)


def _is_blank(text: str, line: Span) -> bool:
    return not text[slice(*line)].strip()


def _trimmed(text: str, start: int, end: int) -> Span:
    """Return the span without the white space at both ends."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _sentence_ends(text: str, start: int, end: int) -> Iterator[int]:
    for match in _END.finditer(text, start, end):
        if match["open"] and not _really_ends(text, match.start(), match.end(), start, end):
            continue
        yield match.end()


def _really_ends(text: str, mark: int, after: int, start: int, end: int) -> bool:
    """Whether the mark at ``text[mark:after]``, which white space follows, ends a sentence."""
    next_word = _WORD_AFTER.match(text, after, end)
    if next_word is None:
        return True
    following = next_word[1]
    if following[0].islower():
        return False
    if text[mark] != "." or text[mark : mark + 2] == "..":
        return True
    before = _WORD_BEFORE.search(text, max(start, mark - 24), mark)
    word = before[0].casefold() if before else ""
    if word in _ABBREVIATIONS or (word in _BEFORE_NUMBERS and following[0].isdigit()):
        return False
    an_initial = len(word) == 1 and word.isalpha()
    if an_initial or word in _AMBIGUOUS or _DOTTED.match(word):
        return following.casefold() in _STARTERS
    return True
