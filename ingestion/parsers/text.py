"""Plain text in any encoding."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from ingestion.errors import UnreadableDocumentError
from ingestion.parsers.front_matter import split_front_matter
from ingestion.parsers.outline import Outline, Parsed, title_from_path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES = 200_000  # enough to tell an encoding by; more only takes longer
_BINARY_SHARE = 0.02
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_ASCII_PROBE = b"---\nallow: [hr]\n"


def parse_text(raw: bytes, path: str) -> Parsed:
    """Return a text file's paragraphs as one section, below front matter if it has some.

    Raises:
        UnreadableDocumentError: The bytes are no text.
        AccessRuleError: The front matter can't be understood.
    """
    head, body = split_front_matter(decode(raw, path), path)
    outline = Outline()
    for paragraph in re.split(r"\n[^\S\n]*(?:\n[^\S\n]*)+", body):
        outline.add_block(paragraph)
    title = title_from_path(path)
    return Parsed(title, outline.sections(title), head)


def decode(raw: bytes, path: str, declared: str = "") -> str:
    r"""Return the bytes as text with ``\n`` at line ends: by its mark, as UTF-8, or guessed.

    Args:
        declared: The encoding that it names itself, for a file that isn't UTF-8; ignored where
            Python doesn't know it, or where the name itself would read as something else in it.

    Raises:
        UnreadableDocumentError: The bytes are no text.
    """
    text = _decoded(raw, path, declared)
    if len(_CONTROL.findall(text)) > _BINARY_SHARE * len(text):
        raise not_text(path)
    return re.sub(r"\r\n?", "\n", text)


def not_text(path: str) -> UnreadableDocumentError:
    """Return the error for a file that holds something other than its name says."""
    return UnreadableDocumentError(
        f"{path}: the file holds binary data, not text",
        "Save it as UTF-8 text, or give it the ending of its real format.",
    )


def _decoded(raw: bytes, path: str, declared: str) -> str:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            try:
                return raw.removeprefix(mark).decode(encoding)
            except UnicodeDecodeError as error:
                raise not_text(path) from error
    if b"\0" in raw:
        raise not_text(path)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if _reads_ascii(declared):
            return raw.decode(declared, errors="replace")
        return _guessed(raw, path)


def _guessed(raw: bytes, path: str) -> str:
    """Decode legacy text; only by encodings that read ASCII as ASCII.

    Another one would turn an access rule at the head of the file into something else.
    """
    guess = from_bytes(raw[:_SAMPLE_BYTES]).best()
    encoding = guess.encoding if guess else ""
    if not _reads_ascii(encoding):
        raise not_text(path)
    return raw.decode(encoding, errors="replace")


def _reads_ascii(encoding: str) -> bool:
    """Whether there is such an encoding of text, and ASCII is ASCII in it."""
    try:
        return _ASCII_PROBE.decode(encoding, errors="replace") == _ASCII_PROBE.decode("ascii")
    except (UnicodeError, LookupError, ValueError):
        return False
