"""No container engine is at hand: so the Dockerfile is read, and its install steps are run here."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest
import yaml

from bot.errors import SlackDownError
from bot.web import Pages, serve_web
from tests.command_line import command_group, problem_with

ROOT = Path(__file__).parent.parent
SYSTEM = {"useradd", "install"}  # of Debian's passwd and coreutils, which every image has
BIN = Path(sys.executable).parent
# By the first words of a command: what prints the options that it knows.
HELP: dict[tuple[str, ...], list[str]] = {
    ("python", "-m", "venv"): [sys.executable, "-m", "venv", "--help"],
    ("python", "-m", "pip"): [sys.executable, "-m", "pip", "install", "--help"],
    ("uv", "pip", "install"): [str(BIN / "uv"), "pip", "install", "--help"],
    **{(program,): [program, "--help"] for program in SYSTEM},
}


@dataclass(frozen=True)
class Instruction:
    keyword: str
    flags: tuple[str, ...]
    argument: str

    @property
    def words(self) -> list[str]:
        """The exec form's words, or the shell form's."""
        if self.argument.startswith("["):
            return [str(word) for word in json.loads(self.argument)]
        return shlex.split(self.argument)


def parse_dockerfile(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    instructions = []
    for line in filter(str.strip, joined.splitlines()):
        keyword, _, rest = line.partition(" ")
        flags = []
        while match := re.match(r"\s*(--[a-z-]+=\S+)\s+", rest):
            flags.append(match[1])
            rest = rest[match.end() :]
        instructions.append(Instruction(keyword.upper(), tuple(flags), rest.strip()))
    return instructions


def ignored(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore keeps a path out: the last pattern that names it or a parent counts."""
    parts = PurePosixPath(path).parts
    names = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    out = False
    for pattern in patterns:
        expression = re.compile(_expression(pattern.removeprefix("!").strip("/")))
        if any(expression.fullmatch(name) for name in names):
            out = not pattern.startswith("!")
    return out


def _expression(pattern: str) -> str:
    marks = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return "".join(marks.get(piece, re.escape(piece)) for piece in pieces)


README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCKERFILE = parse_dockerfile((ROOT / "Dockerfile").read_text(encoding="utf-8"))
IGNORE = [
    line.strip()
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]


def only(keyword: str) -> Instruction:
    (found,) = [step for step in DOCKERFILE if step.keyword == keyword]
    return found


def commands_of(run: Instruction) -> list[list[str]]:
    """The simple commands of a RUN, in words."""
    assert not re.search(r"[;|<>$`]", run.argument), "this reader knows only &&"
    return [shlex.split(command) for command in run.argument.split("&&")]


def run_commands() -> list[list[str]]:
    runs = [step for step in DOCKERFILE if step.keyword == "RUN"]
    return [words for run in runs for words in commands_of(run)]


def copies() -> Iterator[tuple[list[str], str]]:
    for step in DOCKERFILE:
        if step.keyword == "COPY":
            *sources, target = step.words
            yield sources, target


def uv_installs() -> list[list[str]]:
    return [words[1:] for words in run_commands() if words[0].endswith("/uv")]


def health_command() -> list[str]:
    kind, _, command = only("HEALTHCHECK").argument.partition(" ")
    assert kind == "CMD"
    return [str(word) for word in json.loads(command)]


def build_arguments() -> list[str]:
    return [step.argument for step in DOCKERFILE if step.keyword == "ARG"]


def test_base_image_is_slim_and_new_enough() -> None:
    name, _, image = build_arguments()[0].partition("=")
    assert only("FROM").argument == f"${{{name}}}"
    match = re.fullmatch(r"python:3\.(\d+)-slim", image)
    assert match
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"Programming Language :: Python :: 3.{match[1]}" in project


def test_copied_sources_exist_and_are_not_ignored() -> None:
    for sources, target in copies():
        for source in sources:
            assert (ROOT / source).exists(), source
            assert not ignored(source, IGNORE), source
        assert target.endswith("/") or (len(sources) == 1 and (ROOT / sources[0]).is_dir())


def test_nothing_private_gets_into_the_image() -> None:
    for path in (".env", "examples/.env", ".git/config", ".nightshift/nightshift.db", "tests/x.py"):
        assert ignored(path, IGNORE), path
    assert ignored("bot/__pycache__/cli.cpython-312.pyc", IGNORE)
    assert not ignored("bot/settings.py", IGNORE)
    assert not ignored("examples/handbook/leadership/.access.toml", IGNORE)


def test_files_named_in_a_run_step_were_copied_before() -> None:
    copied: set[str] = set()
    for step in DOCKERFILE:
        if step.keyword == "COPY":
            *sources, target = step.words
            copied |= {
                (PurePosixPath(target) / PurePosixPath(source).name).as_posix()
                for source in sources
            }
        elif step.keyword == "RUN":
            assert set(re.findall(r"-r (\S+)", step.argument)) <= copied
    assert {"pyproject.toml", "README.md", "LICENSE"} <= copied


def test_the_user_is_not_root_and_owns_the_volume() -> None:
    user = only("USER").argument
    assert user not in {"root", "0"}
    created = next(words for words in run_commands() if words[0] == "useradd")
    assert created[-1] == user
    made = next(words for words in run_commands() if words[0] == "install")
    assert made[-1] == only("VOLUME").argument
    assert made[made.index("--owner") + 1] == user
    last_run = max(i for i, step in enumerate(DOCKERFILE) if step.keyword == "RUN")
    assert DOCKERFILE.index(only("USER")) > last_run


def test_installs_what_the_makefile_installs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    target = makefile.split("$(VENV)/.installed:")[1].split("\n\n")[0]
    commands = re.findall(r"\$\(BIN\)/uv (pip install .*)", target)
    assert uv_installs() == [shlex.split(command) for command in commands]
    (bootstrap,) = [words for words in run_commands() if words[1:3] == ["-m", "pip"]]
    assert bootstrap[-3:] == ["--require-hashes", "-r", "requirements/bootstrap.lock"]


@pytest.mark.parametrize("words", run_commands(), ids=" ".join)
def test_each_program_and_option_of_a_run_step_exists(words: list[str]) -> None:
    first = (PurePosixPath(words[0]).name, *words[1:3])
    asked = HELP.get(first) or HELP[first[:1]]
    options = [word.split("=")[0] for word in words[1:] if word.startswith("--")]
    text = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert [option for option in options if option not in text] == []


def test_entry_point_and_command_exist() -> None:
    entry = only("ENTRYPOINT").words
    assert entry == ["nightshift"]
    assert problem_with(only("CMD").words) is None


@pytest.mark.parametrize(
    "first", ["/sbin/docker-init -- nightshift serve", "python nightshift serve"]
)
@pytest.mark.parametrize("well", [True, False])
def test_the_health_check_is_what_the_bot_says_of_itself(
    tmp_path: Path, first: str, well: bool
) -> None:
    def check() -> str:
        if not well:
            raise SlackDownError("The threads have ended.", "Start it anew.")
        return "run"

    with serve_web(Pages({"threads": check}, {}), "127.0.0.1", 0) as port:
        assert is_healthy(tmp_path, first, SERVE_PORT=str(port)) is well
        assert is_healthy(tmp_path, first, SERVE_PORT=str(port), SERVE_HOST="0.0.0.0") is well  # noqa: S104


def test_another_command_than_serve_is_asked_nothing(tmp_path: Path) -> None:
    free = {"SERVE_PORT": "9"}
    assert is_healthy(tmp_path, "nightshift ingest /documents", **free)
    assert not is_healthy(tmp_path, "nightshift --verbose serve", **free)


def is_healthy(tmp_path: Path, first: str, **variables: str) -> bool:
    """Run the health check of a container whose first process is this."""
    processes = tmp_path / "cmdline"
    processes.write_text("\0".join([*first.split(), ""]))
    program, *words, code = health_command()
    assert program == "python"
    assert code.count("/proc/1/cmdline") == 1
    done = subprocess.run(
        [sys.executable, *words, code.replace("/proc/1/cmdline", str(processes))],
        env=os.environ | {"http_proxy": "http://127.0.0.1:9"} | variables,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_the_health_check_reads_the_variables_of_serve() -> None:
    code = health_command()[-1]
    options = {p.envvar: p for p in command_group().commands["serve"].params if p.envvar}
    assert set(options) == set(re.findall(r"SERVE_\w+", code))
    assert f"or '{options['SERVE_HOST'].default}'" in code
    assert f"or {only('EXPOSE').argument};" in code
    assert f"[default: {only('EXPOSE').argument}]" in str(options["SERVE_PORT"].help)
    of_the_image = dict(pair.split("=", 1) for pair in only("ENV").words)
    assert of_the_image["SERVE_HOST"] == "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize(
    ("host", "port", "listens"),
    [("0.0.0.0", "9000", ("0.0.0.0", 9000)), ("", "", ("127.0.0.1", None))],  # noqa: S104
)
def test_serve_listens_where_its_variables_say(
    monkeypatch: pytest.MonkeyPatch, host: str, port: str, listens: tuple[str, int | None]
) -> None:
    monkeypatch.setenv("SERVE_HOST", host)
    monkeypatch.setenv("SERVE_PORT", port)
    command = command_group().commands["serve"]
    given = command.make_context("serve", []).params
    assert (given["host"], given["port"]) == listens


def test_compose_runs_this_image_with_its_data_in_a_volume() -> None:
    compose = yaml.safe_load((ROOT / "compose.external.yaml").read_text(encoding="utf-8"))
    bot = compose["services"]["nightshift"]
    assert bot["build"]["context"] == "."
    assert "healthcheck" not in bot  # the image has one
    volumes = dict(volume.split(":", 1) for volume in bot["volumes"] if "$" not in volume)
    assert volumes == {"data": only("VOLUME").argument}


def test_what_the_readme_gives_to_docker_build_is_asked_for() -> None:
    (line,) = re.findall(r"^docker build (.*)$", README, re.MULTILINE)
    words = shlex.split(line)
    options = list(pairwise(words))
    assert ("--tag", "nightshift") in options
    names = {argument.split("=")[0] for argument in build_arguments()}
    assert {value.split("=")[0] for key, value in options if key == "--build-arg"} <= names
    (secret,) = [value.split(",")[0] for key, value in options if key == "--secret"]
    fetching = [step for step in DOCKERFILE if step.keyword == "RUN" and "-r " in step.argument]
    assert all(f"--mount=type=secret,{secret}" in step.flags for step in fetching)
    place = f"/run/secrets/{secret.removeprefix('id=')}"
    assert {f"PIP_CERT={place}", f"SSL_CERT_FILE={place}"} <= set(words)


def environment(inside: Path) -> dict[str, str]:
    """The image's variables with its paths below `inside`, and nothing of this project's own."""
    (inside / "base").mkdir(parents=True)
    (inside / "base" / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    variables = dict(pair.split("=", 1) for pair in only("ENV").words)
    variables = {
        name: re.sub(r"(^|:)/(app|data)\b", rf"\1{inside}/\2", value)
        for name, value in variables.items()
    }
    variables["PATH"] = variables["PATH"].replace("$PATH", f"{inside}/base:{os.defpath}")
    # Docker copies from a cache outside of the image; here links save 6 GB.
    del variables["UV_LINK_MODE"]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"(NIGHTSHIFT_|VIRTUAL_ENV|PYTHON|PATH$)", name)
    }
    return kept | variables


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_install_steps_give_a_healthy_bot(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    app = tmp_path / only("WORKDIR").argument.lstrip("/")
    app.mkdir()
    (tmp_path / "data").mkdir()
    try:
        for step in DOCKERFILE:
            if step.keyword == "COPY":
                *sources, target = step.words
                for source in sources:
                    copy_without_ignored(source, app / target)
            elif step.keyword == "RUN" and commands_of(step)[0][0] not in SYSTEM:
                subprocess.run(step.argument, shell=True, cwd=app, env=variables, check=True)  # noqa: S602
        for command in (["nightshift", "--version"], ["nightshift", "doctor", "--quick"]):
            done = subprocess.run(
                command, cwd=app, env=variables, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        shutil.rmtree(app)


def copy_without_ignored(source: str, target: Path) -> None:
    """Copy as COPY does: a folder's contents into the target, a file under its name."""
    origin = ROOT / source
    files = [p for p in origin.rglob("*") if p.is_file()] if origin.is_dir() else [origin]
    for file in files:
        if not ignored(file.relative_to(ROOT).as_posix(), IGNORE):
            into = target / file.relative_to(origin if origin.is_dir() else origin.parent)
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, into)
