"""PDFium in a process of its own: reads PDF files from a pipe until it is closed.

A program, not a module of the package: it is run by its path (see pdf_process.py) and imports
PDFium alone, so that it starts in a tenth of a second. A PDF of a few kilobytes may unpack to
gigabytes, and PDFium ends its process where memory does; here that is not the caller's.

Frames both ways: eight bytes of length, then so many bytes. In: a file. Out: an empty frame once
ready, then for each file JSON with title, outline and pages, or with the fault.
"""

from __future__ import annotations

import json
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

import pypdfium2
from pypdfium2 import raw as pdfium_c

LENGTH = struct.Struct(">Q")


def main(memory_bytes: int, cpu_seconds: int, text_characters: int) -> None:
    """Answer each frame with a frame; the system ends the process where a file takes too much.

    Args:
        memory_bytes: Address space, and twice the size of the file on top.
        cpu_seconds: Processor time for one file.
        text_characters: Of one file; the caller has to hold them too.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the starter's affair
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    given, answers = sys.stdin.buffer, sys.stdout.buffer
    _send(answers, b"")
    while raw := _receive(given):
        _limit(resource.RLIMIT_AS, memory_bytes + 2 * len(raw))
        _limit(resource.RLIMIT_CPU, int(_cpu_used()) + 1 + cpu_seconds)
        _send(answers, json.dumps(_content(raw, text_characters)).encode())


def _content(raw: bytes, room: int) -> dict[str, Any]:
    """Return the title in the metadata, bookmarks as (page, level, title), and the pages' text."""
    try:
        with pypdfium2.PdfDocument(raw) as pdf:
            pages: list[str] = []
            for number in range(len(pdf)):
                pages.append(_page_text(pdf, number))
                room -= len(pages[-1])
                if room < 0:
                    return {"fault": "long"}
            title = pdf.get_metadata_value("Title")
            return {"title": title, "outline": _bookmarks(pdf), "pages": pages}
    except pypdfium2.PdfiumError as error:
        locked = error.err_code == pdfium_c.FPDF_ERR_PASSWORD
        return {"fault": "locked" if locked else "damaged"}


def _page_text(pdf: pypdfium2.PdfDocument, number: int) -> str:
    page = pdf[number]
    textpage = page.get_textpage()
    try:
        return str(textpage.get_text_bounded())
    finally:
        textpage.close()
        page.close()


def _bookmarks(pdf: pypdfium2.PdfDocument) -> list[tuple[int, int, str]]:
    found = []
    for bookmark in pdf.get_toc(max_depth=6):
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        if page is not None:
            found.append((page, bookmark.level, bookmark.get_title()))
    return sorted(found, key=lambda entry: entry[0])


def _limit(kind: int, soft: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _cpu_used() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _receive(given: BinaryIO) -> bytes:
    head = given.read(LENGTH.size)
    return given.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""


def _send(answers: BinaryIO, frame: bytes) -> None:
    answers.write(LENGTH.pack(len(frame)) + frame)
    answers.flush()


if __name__ == "__main__":
    try:
        main(*map(int, sys.argv[1:4]))
    except BrokenPipeError:
        sys.exit(1)  # whoever asked is gone
