"""Numbers with their nouns."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """Return a number with its noun, as in "1 pair" and "2 pairs"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
