"""The real command in a process of its own.

It is forked, which leaves out what only a fresh one does: the first import of each module, a seed
of hashes of its own, and `atexit`. Tests of `serve`, of kills and of what is imported start one.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bot.cli import main

ROOT = Path(__file__).parents[2]
HANDBOOK = ROOT / "examples" / "handbook"


def environment(**settings: str) -> dict[str, str]:
    """This process's variables without settings of Nightshift, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTSHIFT_")}
    given = {f"NIGHTSHIFT_{name}": value for name, value in settings.items()}
    return kept | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)} | given


# Imports take most of a command's time: each is a fork of one process that has done them.
_PROCESSES = multiprocessing.get_context("forkserver")


def import_before(heavy: bool) -> None:
    """Choose what the commands have imported when they start, before the first of them.

    Nothing that starts a thread, as LanceDB does: no fork would take it along. What these modules
    read from the environment they read then, not when a command starts.

    Args:
        heavy: What takes many seconds too; most quick tests need none of it.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    models = ["sentence_transformers", "peft"] if heavy else []
    _PROCESSES.set_forkserver_preload(["bot.cli", "tests.bot.terminal", *models])


def nightshift(
    *words: str | Path,
    data: Path | None,
    text: str = "",
    cwd: Path | None = None,
    seconds: float = 180,
    **settings: str,
) -> subprocess.CompletedProcess[str]:
    """Run `nightshift --data-dir DATA WORDS` with a text on its standard input.

    Args:
        data: None where the words name the data folder.
        cwd: Where it runs; beside the data by default.
        seconds: How long it may take.
        settings: By the names of their variables, without NIGHTSHIFT_.

    Raises:
        subprocess.TimeoutExpired: It took longer, and was killed.
    """
    given = ["--data-dir", str(data)] if data else []
    command = ["nightshift", *given, *map(str, words)]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("in", "out", "err")]
        for file in files:
            file.write_text(text if file is files[0] else "", encoding="utf-8")
        there = cwd or (data.parent if data else ROOT)
        process = _PROCESSES.Process(
            target=_run, args=(command, files, there, environment(**settings))
        )
        process.start()
        try:
            process.join(seconds)
            if process.exitcode is None:
                raise subprocess.TimeoutExpired(command, seconds)
        finally:
            process.kill()
            process.join()
        _, out, err = (file.read_text(encoding="utf-8") for file in files)
        return subprocess.CompletedProcess(command, process.exitcode, out, err)


def _run(command: list[str], files: list[Path], cwd: Path, variables: dict[str, str]) -> None:
    """Become the command, with files in place of its three streams."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    for number, file in enumerate(files):
        opened = os.open(file, os.O_RDWR)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - to the process's end
        for number, mode in enumerate("rww")
    )
    sys.argv = command
    main()


def assert_two_line_problem(done: subprocess.CompletedProcess[str]) -> None:
    """Check that a run failed as people should see it."""
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("Problem: ")
    assert lines[1].startswith("Mend: ")
    assert "doesn't know of" not in lines[0]
    assert "Traceback" not in done.stderr + done.stdout
