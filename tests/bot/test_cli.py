from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from ingestion.settings import RetrievalSettings
from tests.bot.terminal import HANDBOOK, ROOT, assert_two_line_problem, environment, nightshift

LIGHT = ["--help", "ask --help", "doctor --quick", "adapters list", "pairs list", "--version"]


@pytest.mark.parametrize("words", LIGHT)
def test_light_commands_do_not_import_torch(words: str, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom bot.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    code = end.code or 0\n"
        "heavy = {'torch', 'transformers', 'lancedb', 'langchain'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)\nsys.exit(code or bool(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--data-dir", str(tmp_path / "data"), *words.split()],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_logged_error_shows_no_variable() -> None:
    program = (
        "import logging\nfrom bot.commands.context import configure_logging\n"
        "configure_logging(verbose=True)\n"
        "def fail(token):\n    raise ValueError\n"
        "try:\n    fail('xoxb-' + 'hidden')\n"
        "except ValueError:\n    logging.getLogger('bot').exception('It failed')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=ROOT,
        check=True,
    )
    assert "It failed" in done.stderr
    assert "ValueError" in done.stderr
    assert "xoxb-hidden" not in done.stderr


@pytest.mark.parametrize("address", ["notaurl", "http://bot.example.com", "https://"])
def test_a_manifest_needs_an_address_that_slack_can_call(address: str, tmp_path: Path) -> None:
    done = nightshift("manifest", "--http", address, data=tmp_path / "data")
    assert_two_line_problem(done)
    assert "https://bot.example.com" in done.stderr
    assert done.stdout == ""


def test_settings_that_are_wrong_are_told_in_two_lines(tmp_path: Path) -> None:
    data = tmp_path / "data"
    damaged = tmp_path / "damaged.toml"
    damaged.write_bytes(b"[answer\nstyle = \xff")
    unknown = tmp_path / "unknown.toml"
    unknown.write_text("[answer]\nstile = 'quoted'\n", encoding="utf-8")
    for file in (damaged, unknown, tmp_path / "none.toml"):
        done = nightshift("--config", file, "pairs", "list", data=data)
        assert_two_line_problem(done)
        assert file.name in done.stderr
    assert "style" in nightshift("--config", unknown, "pairs", "list", data=data).stderr
    assert_two_line_problem(nightshift("pairs", "list", data=data, ANSWERS__STYLE="quoted"))
    assert not data.exists()


def test_a_secret_of_the_wrong_kind_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "nightshift.toml"
    file.write_text("[slack]\nbot_token = ['xoxb-secret-secret']\n", encoding="utf-8")
    done = nightshift("pairs", "list", data=tmp_path / "data")
    assert_two_line_problem(done)
    assert "secret-secret" not in done.stderr


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    assert_two_line_problem(
        nightshift("pairs", "list", data=tmp_path / "file" / "data", cwd=tmp_path)
    )


def test_questions_file_that_is_not_there(tmp_path: Path) -> None:
    assert_two_line_problem(nightshift("eval", tmp_path / "none.jsonl", data=tmp_path / "data"))


@pytest.mark.slow
@pytest.mark.parametrize("words", [("ask", "a question"), ("ingest", HANDBOOK), ("chat",)])
def test_commands_that_write_say_when_they_cannot(
    words: tuple[str | Path, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    assert_two_line_problem(nightshift(*words, data=tmp_path / "file" / "data", cwd=tmp_path))


@pytest.mark.slow
def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = nightshift("ingest", tmp_path / "nowhere", data=tmp_path / "data")
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "question"),
    [("ask", ""), ("ask", "🙂🎉"), ("ask", "wort " * 8_000), ("search", "  ?!…")],
)
def test_questions_that_cannot_be_taken(command: str, question: str, indexed: Path) -> None:
    assert_two_line_problem(nightshift(command, question, data=indexed))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ask", "search"])
def test_every_line_gets_its_line(command: str, indexed: Path) -> None:
    lines = ["How much may a room cost?", "🙂", "", "x" * 40_000, "wifi\x00 \x1b[1m?", "¿Cuánto?"]
    done = nightshift(command, "-", data=indexed, text="\n".join(lines))
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines)
    assert [("error" in each) for each in answers] == [False, True, True, True, False, False]


@pytest.mark.slow
def test_eval_compares_the_legs_and_answers(indexed: Path) -> None:
    file = indexed.parent / "few.jsonl"
    whole = (ROOT / "examples" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*whole[:6], whole[-1]]), encoding="utf-8")
    done = nightshift("eval", file, "--style", "quoted", "--json", data=indexed)
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    hybrid = f"hybrid {RetrievalSettings().dense_weight:g}"
    assert list(scores["retrieval"]) == ["BM25", "dense", hybrid, "and late interaction"]
    assert scores["retrieval"][hybrid]["questions"] == 6
    assert scores["retrieval"][hybrid]["page_recall"]["10"] > 0.8
    assert scores["answers"]["quoted"]["questions"] == 7
    assert nightshift("pairs", "list", "--json", data=indexed).stdout == ""
    table = nightshift("eval", file, "--style", "quoted", data=indexed).stdout
    assert "unanswerable, refused" in table


@pytest.mark.slow
def test_serve_runs_the_schedule_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "--data-dir", str(tmp_path), "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=tmp_path,
    )
    assert process.stdout
    said: list[str] = []
    while not (said and said[-1].startswith("Running")):
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        said.append(line)
    text = "".join(said)
    assert "Without Slack" in text
    assert "Live: the bare base model." in text
    assert "Next night: " in text
    address = text.split("Health: ")[1].split()[0]
    with urllib.request.urlopen(address) as response:  # noqa: S310 - our own, on this machine
        assert json.load(response)["status"] == "ok"
    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "Stopped.\n", "")


def test_serve_says_that_a_schedule_is_wrong(tmp_path: Path) -> None:
    done = nightshift("serve", data=tmp_path / "data", TRAINING__SCHEDULE="99 99 * * *")
    assert_two_line_problem(done)


@pytest.mark.slow
def test_serve_starts_a_night_when_it_is_due(tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "--data-dir", str(data), "serve"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(TRAINING__SCHEDULE="* * * * *"),
        cwd=tmp_path,
    )
    assert process.stdout
    deadline = time.monotonic() + 150
    line = ""
    while not line.startswith("Night ") and time.monotonic() < deadline:
        line = process.stdout.readline()
    process.terminate()
    process.communicate(timeout=60)
    assert "skipped" in line  # there are no pairs
    assert process.returncode == 0


def test_the_help_names_settings_that_look_like_markup(tmp_path: Path) -> None:
    assert "[[sources]]" in nightshift("ingest", "--help", data=tmp_path / "data").stdout


def test_who_mistypes_an_adapter_learns_where_its_name_stands(tmp_path: Path) -> None:
    done = nightshift("adapters", "promote", "2026", data=tmp_path / "data")
    assert_two_line_problem(done)
    assert "nightshift adapters list" in done.stderr
