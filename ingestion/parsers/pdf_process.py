"""Hands PDF files to a process that reads them within limits, and starts it anew when one kills it.

One process serves all files of this one, since starting it takes as long as reading 80 pages.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ingestion.errors import IngestionError
from ingestion.parsers.pdfium import LENGTH

_PROGRAM = Path(__file__).with_name("pdfium.py")
# A page of dense text takes some megabytes; a large plan, some hundred.
MEMORY_BYTES = 2**30
# 300 pages take one second.
CPU_SECONDS = 120
TEXT_CHARACTERS = 50 * 2**20  # as much as the largest text file that is read by default
_FILES_A_PROCESS = 200  # what a library may leak is given back with its process


class PdfProcessError(IngestionError):
    """A file ended the process: it takes too much memory or time, or makes PDFium fail."""


class PdfProcess:
    """The process, started when it is needed; any thread may use it, one at a time."""

    def __init__(
        self,
        memory_bytes: int = MEMORY_BYTES,
        cpu_seconds: int = CPU_SECONDS,
        text_characters: int = TEXT_CHARACTERS,
    ) -> None:
        self._limits = (str(memory_bytes), str(cpu_seconds), str(text_characters))
        self._process: subprocess.Popen[bytes] | None = None
        self._files = 0
        self._lock = threading.Lock()

    def read(self, raw: bytes) -> dict[str, Any]:
        """Return what `ingestion.parsers.pdfium` says about a file.

        Raises:
            PdfProcessError: The file ended the process.
            IngestionError: The process can't be started.
        """
        with self._lock:
            process = self._started()
            try:
                answer = _exchange(process, raw)
            except BaseException:
                self._end()  # an answer that nobody waited for must not be taken for the next one
                raise
            if answer is None:
                self._end()
                raise PdfProcessError("the PDF takes more memory or time than a file may")
            self._files += 1
            if self._files == _FILES_A_PROCESS:
                self._end()
            content: dict[str, Any] = json.loads(answer)
            return content

    def close(self) -> None:
        """End the process; it starts again when it is needed."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            try:
                # -P: what lies in a folder of documents must not be imported.
                self._process = subprocess.Popen(
                    [sys.executable, "-P", str(_PROGRAM), *self._limits],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            except OSError as error:
                raise _not_started(error.strerror or "") from error
            self._files = 0
            if _receive(self._process.stdout) is None:
                self._end()
                raise _not_started("it ended at once")
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        with suppress(BrokenPipeError):
            process.communicate()


def _exchange(process: subprocess.Popen[bytes], raw: bytes) -> bytes | None:
    """Return the answer to a file, or None where there is none."""
    if process.stdin is None:
        return None
    try:
        process.stdin.write(LENGTH.pack(len(raw)) + raw)
        process.stdin.flush()
    except BrokenPipeError:
        return None
    return _receive(process.stdout)


def _receive(answers: IO[bytes] | None) -> bytes | None:
    if answers is None or len(head := answers.read(LENGTH.size)) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    frame = answers.read(length)
    return frame if len(frame) == length else None


def _not_started(reason: str) -> IngestionError:
    return IngestionError(
        f"The process that reads PDF files can't be started: {reason}.",
        "Make room in memory, and run it again.",
    )


shared = PdfProcess()
atexit.register(shared.close)
