from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from bot.commands.chat import printable
from tests.bot.terminal import environment, nightshift

QUESTION = "how much may a room in amsterdam cost"


def chat(data: Path, *lines: str, options: tuple[str, ...] = ()) -> str:
    done = nightshift("chat", *options, data=data, text="\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_page_cannot_command_the_terminal() -> None:
    assert printable("a\x1b[31mb\x07\x9b2J\tc\nd\r") == "a[31mb2J\tc\nd"
    assert printable("größer 日本 🙂") == "größer 日本 🙂"


@pytest.mark.slow
def test_a_conversation_through_a_pipe(indexed: Path) -> None:
    out = chat(indexed, QUESTION, "/good", "/good", "/sources", "", "/help", "/quit", "/good")
    assert "€210" in out.split("Counted")[0]
    assert "travel-and-expenses" in out.split("Counted")[0]
    assert out.count("Counted: your thumbs-up. 1 up, 0 down.") == 1
    assert out.count("was counted already: 1 up, 0 down.") == 1
    assert "file://" in out.split("already")[1]
    assert "/correct" in out.split("file://")[-1]
    assert "›  " not in out  # no prompt


@pytest.mark.slow
def test_a_vote_can_be_changed_and_explained(indexed: Path) -> None:
    out = chat(indexed, QUESTION, "/bad", "/bad far too long", "/bad far too long", "/good")
    assert out.count("Counted: your thumbs-down. 0 up, 1 down.") == 2
    assert out.count("thumbs-down was counted already") == 1
    assert "Counted: your thumbs-up. 1 up, 0 down." in out


@pytest.mark.slow
def test_errors_take_two_lines_and_the_talk_goes_on(indexed: Path) -> None:
    out = chat(indexed, "/good", "/correct x", "/sources", "/nope", "???", "x" * 40_000, QUESTION)
    assert "no answer to rate" in out
    assert "no answer to correct" in out
    assert "no sources" in out
    assert "no command /nope. There are: /good, /bad" in out
    assert out.count("Problem: ") == out.count("Mend: ") == 2
    assert "€210" in out


@pytest.mark.slow
def test_a_failed_question_leaves_nothing_to_vote_on(indexed: Path) -> None:
    assert "no answer to rate" in chat(indexed, QUESTION, "???", "/good")


@pytest.mark.slow
def test_a_nod_is_no_question(indexed: Path) -> None:
    out = chat(indexed, QUESTION, "ok great", "🙂", "/good")
    assert out.count("€210") == chat(indexed, QUESTION).count("€210")
    assert "your thumbs-up" in out


@pytest.mark.slow
def test_a_page_is_shown_without_its_terminal_commands(indexed: Path) -> None:
    out = chat(indexed, "when is the siren test at the harbour depot", "/sources")
    assert "first Monday" in out
    assert "\x1b" not in out


@pytest.mark.slow
def test_rights_are_those_of_the_name(indexed: Path) -> None:
    secret = "what did the board decide in september"
    assert "board-minutes" not in chat(indexed, secret)
    assert "board-minutes" in chat(indexed, secret, options=("--as", "leadership"))


@pytest.mark.slow
def test_a_correction_waits_until_a_person_reviews_it(indexed: Path, tmp_path: Path) -> None:
    wrong = "/correct Up to €210 a night, and ask before you book."
    out = chat(indexed, "what may a hotel room in zurich cost", wrong, "/correct")
    identity = out.split("Kept as ")[1][:10]
    assert "The correction is empty." in out
    listed = nightshift("pairs", "list", data=indexed).stdout
    assert f"correction waits {identity}" in listed
    shown = nightshift("pairs", "show", identity[:6], data=indexed).stdout
    assert "ask before you book" in shown
    done = nightshift("pairs", "review", identity, "--approve", data=indexed)
    assert "approved" in done.stdout
    pairs = nightshift("pairs", "list", "--status", "approved", "--json", data=indexed).stdout
    assert "ask before you book" in pairs
    assert identity not in nightshift("pairs", "list", data=indexed).stdout
    file = tmp_path / "pairs.jsonl"
    assert nightshift("pairs", "export", file, data=indexed).returncode == 0
    assert "ask before you book" in file.read_text(encoding="utf-8")
    assert nightshift("pairs", "export", data=indexed).stdout == file.read_text(encoding="utf-8")


def interrupted(process: subprocess.Popen[bytes]) -> int:
    """Press Ctrl-C until the process ends: CPython overlooks one just before it waits for keys."""
    for _ in range(6):
        os.kill(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=20)
    return process.wait(timeout=1)


@pytest.mark.slow
def test_on_a_terminal_ctrl_c_at_the_prompt_leaves(indexed: Path) -> None:
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "--data-dir", str(indexed), "chat"],
        stdin=side,
        stdout=side,
        stderr=side,
        env=environment() | {"TERM": "xterm", "COLUMNS": "100"},
        start_new_session=True,
        # Tests that a shell runs in the background inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(side)
    try:
        seen = read_prompt(main, "Ctrl-D leaves")
        os.write(main, f"{QUESTION}\n".encode())
        seen += read_prompt(main, "€210")
        os.write(main, b"/good\n")
        seen += read_prompt(main, "Counted")
        assert interrupted(process) == 0
    finally:
        process.kill()
        process.wait()
        os.close(main)
    assert "Traceback" not in seen


def read_prompt(terminal: int, after: str = "") -> str:
    """Read what a terminal shows until the prompt stands behind a text."""
    shown, deadline = b"", time.monotonic() + 120
    # The line editor may switch pasting on (…h) right before the prompt.
    while not re.search(f"{after}.*[\nh]› $", shown.decode("utf-8", "replace"), re.DOTALL):
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, shown
        shown += os.read(terminal, 65_536)
    return shown.decode("utf-8", "replace")
