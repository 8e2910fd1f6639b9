"""The real command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HANDBOOK = ROOT / "examples" / "handbook"


def environment(**settings: str) -> dict[str, str]:
    """This process's variables without settings of Nightshift, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTSHIFT_")}
    given = {f"NIGHTSHIFT_{name}": value for name, value in settings.items()}
    return kept | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)} | given


def nightshift(
    *words: str | Path, data: Path, text: str = "", cwd: Path | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run `nightshift --data-dir DATA WORDS` with a text on its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "bot.cli", "--data-dir", str(data), *map(str, words)],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(**settings),
        cwd=cwd or data.parent,
        timeout=180,
        check=False,
    )


def assert_two_line_problem(done: subprocess.CompletedProcess[str]) -> None:
    """Check that a run failed as people should see it."""
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("Problem: ")
    assert lines[1].startswith("Mend: ")
    assert "doesn't know of" not in lines[0]
    assert "Traceback" not in done.stderr + done.stdout
