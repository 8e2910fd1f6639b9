"""What the README says can be done can be done: commands, targets, settings, files, links."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from bot.settings import ENV_PREFIX, Settings
from ingestion.parsers.formats import front_matter
from tests.command_line import command_group, problem_with

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL_BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
OTHER_PROGRAMS = {"docker", ".", "export"}
UNLISTED = {".gitignore", ".gitattributes", "README.md"}


def commands() -> list[str]:
    """Every line of the shell blocks, then every inline command, with wrapped lines joined."""
    lines = [line for block in SHELL_BLOCK.findall(README) for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)
    spans = [" ".join(span.split()) for span in SPAN.findall(prose)]
    inline = [span for span in spans if re.match(r"(nightshift|make) ", span)]
    return [line for line in [*lines, *inline] if line.strip()]


def without_redirections(words: list[str]) -> list[str]:
    kept = list(words)
    while redirections := {"<", ">"} & set(kept):
        at = min(kept.index(sign) for sign in redirections)
        del kept[at : at + 2]
    return kept


def settings_rows() -> list[tuple[str, str]]:
    section = README.split("\n## Settings\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([a-z_.]+)` \| `([^`]+)` \|", section, re.MULTILINE)


def test_there_are_commands_to_check() -> None:
    found = commands()
    assert {"make demo", "make test"} <= {line.split("#")[0].strip() for line in found}
    assert sum(line.startswith("nightshift ") for line in found) > 20


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["ask"],
        ["ask", "a", "b"],
        ["ask", "a", "--nonsense"],
        ["ask", "a", "--as"],
    ],
)
def test_commands_that_do_not_exist_are_noticed(words: list[str]) -> None:
    assert problem_with(words) is not None


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_command_exists(line: str) -> None:
    program, *words = without_redirections(shlex.split(line, comments=True))
    if program == "nightshift":
        assert problem_with(words) is None
    elif program == "make":
        assert words
        assert set(words) <= TARGETS
    else:
        assert program in OTHER_PROGRAMS


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (match[1], option)
        for match in re.finditer(r"^\| `nightshift ([^`]+)` \| (.+) \|$", README, re.MULTILINE)
        for option in SPAN.findall(match[2])
        if option.startswith("-")
    ],
)
def test_option_in_the_table_of_commands_exists(command: str, option: str) -> None:
    """Tried in the table's own command, without the option that stands there already."""
    plain = [word for word in shlex.split(command) if not word.startswith("-")]
    assert problem_with([*plain, *shlex.split(option)]) is None


def test_table_of_commands_is_complete() -> None:
    commands_there = command_group().commands.items()
    visible = {name for name, command in commands_there if not command.hidden}
    section = README.split("\n## Commands\n")[1].split("\n## ")[0]
    assert visible == set(re.findall(r"^\| `nightshift ([a-z]+)", section, re.MULTILINE))


@pytest.mark.parametrize("option", ["--data-dir DIR", "--config FILE", "--verbose", "--version"])
def test_option_before_the_command_exists(option: str) -> None:
    assert f"`{option}`" in README
    assert problem_with([*option.split(), "status"]) is None


def test_settings_and_their_defaults_are_right() -> None:
    rows = settings_rows()
    assert len(rows) > 10
    defaults = json.loads(Settings().model_dump_json())
    for key, shown in rows:
        value = defaults
        for part in key.split("."):
            value = value[part]
        assert json.loads(shown) == value, key


def test_every_setting_named_in_the_text_exists() -> None:
    sections = "|".join(name for name in Settings.model_fields)
    named = re.findall(rf"`(?:({sections})\.([a-z_]+))(?: = [^`]*)?`", README)
    variables = re.findall(rf"{ENV_PREFIX}([A-Z]+)__([A-Z_]+)", README)
    assert len(named) > 15
    for section, key in [*named, *((s.lower(), k.lower()) for s, k in variables)]:
        fields = getattr(Settings.model_fields[section].annotation, "model_fields", {})
        assert key in fields, f"{section}.{key}"


def test_everything_at_the_root_has_its_line() -> None:
    listed = README.split("\n## What is where\n")[1]
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    names = {re.sub(r"/.*", "/", file) for file in files} - UNLISTED
    assert "bot/" in names
    assert [name for name in sorted(names) if f"`{name}`" not in listed] == []


def test_every_path_named_in_the_text_exists() -> None:
    paths = re.findall(
        r"`((?:examples|bot|tests|ingestion|training|requirements)/[\w./-]*)`", README
    )
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_access_rules_are_read_as_shown() -> None:
    (on_page,) = re.findall(r"front matter: `([^`]+)`", README)
    (in_head,) = re.findall(r"`(<meta [^`]+>)`", README)
    markdown = f"---\n{on_page}\n---\n# A page\n\nText.\n".encode()
    page = f"<html><head>{in_head}</head><body><h1>A page</h1><p>Text.</p></body></html>".encode()
    assert front_matter(markdown, "a.md")["allow"] == ["hr", "alice"]
    assert front_matter(page, "a.html")["allow"] == "hr, alice"
