"""What a night's process says of itself, through a real process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from training.night_process import run_night
from training.night_progress import ProgressLines, ProgressReader, progress_in, progress_line
from training.nights import NightOutcome

SAYING = """
import json, sys, time
from training.night_progress import ProgressLines
lines = ProgressLines(lambda line: (sys.stdout.write(line), sys.stdout.flush()))
print("a library chats")
lines("train", 0.0)
lines("train", 0.5)
time.sleep(1.2)
lines("publish", 1.0)
if sys.argv[1] == "0":
    print(json.dumps({"outcome": "kept"}))
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize(("exit_code", "report"), [(0, {"outcome": "kept"}), (3, {})])
def test_a_nights_progress_is_heard_while_it_runs(exit_code: int, report: dict[str, str]) -> None:
    heard: list[tuple[str, float]] = []
    heard_while_running: list[int] = []

    def may_go_on() -> bool:
        heard_while_running.append(len(heard))
        return True

    command = [sys.executable, "-c", SAYING, str(exit_code)]
    ending = run_night(command, 60, may_go_on, lambda *said: heard.append(said))
    assert heard == [("train", 0.0), ("train", 0.5), ("publish", 1.0)]
    assert 2 in heard_while_running
    # The last line of a night that died is its progress, and no report.
    assert ending.report == report
    assert (ending.outcome is NightOutcome.FINISHED) == (exit_code == 0)


@pytest.mark.parametrize(
    "line",
    ["", "x", "{}", '{"progress": 3}', '{"progress": {"step": "a"}}', '{"outcome": "kept"}'],
)
def test_other_lines_say_no_progress(line: str) -> None:
    assert progress_in(line) is None


def test_a_line_comes_back_as_it_was_said() -> None:
    assert progress_in(progress_line("größer", 0.25)) == ("größer", 0.25)
    assert progress_in('{"progress": {"step": "a", "fraction": 7}}') == ("a", 1.0)


def test_no_more_lines_than_people_can_see() -> None:
    lines: list[str] = []
    say = ProgressLines(lines.append)
    for number in range(10_001):
        say("train", number / 10_000)
    say("train", 1.0)
    assert 90 <= len(lines) <= 110
    assert progress_in(lines[-1]) == ("train", 1.0)


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    heard: list[tuple[str, float]] = []
    whole = progress_line("train", 0.5).encode()
    with (tmp_path / "output").open("w+b", buffering=0) as file:
        reader = ProgressReader(file.fileno(), lambda *said: heard.append(said))
        file.write(whole[:9])
        reader.read()
        assert heard == []
        file.write(whole[9:] + whole[:3])
        reader.read()
    assert heard == [("train", 0.5)]
