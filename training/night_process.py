"""Run the night as a process of its own that can be ended, and that never outlives its starter.

Between the scheduler and the night stands a small watchdog (this module as a program). It leads the
process group and reads a pipe from the scheduler; when that closes, because the scheduler died
(kill -9 too), it ends the whole group. So two nights never train at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from training.night_progress import (
    OnNightProgress,
    ProgressReader,
    nobody_listens,
    progress_in,
)
from training.nights import NightOutcome

POLL_SECONDS = 0.5
_REPORT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Ending:
    """How the process ended; see `training.nights.NightRecord`."""

    outcome: NightOutcome
    exit_code: int | None
    report: Mapping[str, Any]


def run_night(
    command: Sequence[str],
    limit_seconds: float,
    may_go_on: Callable[[], bool],
    on_progress: OnNightProgress = nobody_listens,
) -> Ending:
    """Run a command to its end, or end it with all that it started.

    Args:
        command: Program and arguments; its standard error goes where ours goes.
        limit_seconds: After this it is killed.
        may_go_on: Asked about twice a second; False kills the process.
        on_progress: Gets what the process prints as `training.night_progress.progress_line`.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "training.night_process", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            start_new_session=True,
        )
        progress = ProgressReader(output.fileno(), on_progress)

        def ask() -> bool:
            progress.read()
            return may_go_on()

        try:
            outcome = _wait(process, time.monotonic() + limit_seconds, ask)
        finally:
            _end_group(process)
        progress.read()
        if outcome:
            return Ending(outcome, None, {})
        code = process.returncode
        ended = NightOutcome.FINISHED if code == 0 else NightOutcome.FAILED
        return Ending(ended, code, _last_json_line(output))


def _wait(
    process: subprocess.Popen[bytes], deadline: float, may_go_on: Callable[[], bool]
) -> NightOutcome | None:
    """Wait for the end; return why it must be brought about, or None when it came."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
            return None
        if time.monotonic() > deadline:
            return NightOutcome.TIMED_OUT
        if not may_go_on():
            return NightOutcome.INTERRUPTED


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the group, the watchdog included."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()


def _last_json_line(output: IO[bytes]) -> Mapping[str, Any]:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _REPORT_BYTES))
    lines = output.read().decode("utf-8", errors="replace").strip().splitlines()
    # A night that died left its progress last, which is no report.
    if not lines or progress_in(lines[-1]):
        return {}
    with suppress(json.JSONDecodeError):
        report = json.loads(lines[-1])
        return report if isinstance(report, dict) else {}
    return {}


def _end_with_starter() -> None:
    sys.stdin.buffer.read()  # ends when the starter's end of the pipe is closed
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main(command: Sequence[str]) -> int:
    """Run the command as the watchdog; return its exit code, or 128 + the signal that ended it."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    try:
        code = subprocess.Popen(command, stdin=subprocess.DEVNULL).wait()
    except OSError as error:
        print(f"The night can't be started: {error.strerror}.", file=sys.stderr)
        return 127
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    # At once, without waiting for the thread that reads.
    os._exit(main(sys.argv[1:]))
