"""What docs/operations.md says: its commands, settings, metrics, tables and rights exist."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import SQLAlchemyOAuthStateStore
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

import bot.tables
from bot.metrics import DatabaseCollector
from bot.settings import ENV_PREFIX, Settings
from tests.command_line import problem_with
from training.adapters import AdapterRegistry
from training.database import open_database
from training.tables import metadata

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_readme_leads_there() -> None:
    assert "`docs/operations.md`" in README


def test_each_command_exists() -> None:
    inline = re.findall(r"`nightshift ([^`]+)`", GUIDE)
    in_a_program = re.findall(r"(?:bin/|--no-TTY )nightshift ([^\n`]+)", GUIDE)
    assert len(inline) > 5
    assert len(in_a_program) == 4
    for command in [*inline, *in_a_program]:
        assert problem_with(shlex.split(command)) is None, command


def test_the_service_runs_what_the_readme_starts() -> None:
    (unit,) = [block for block in blocks("ini") if "[Unit]" in block]
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(unit)
    service = parser["Service"]
    assert problem_with(shlex.split(service["ExecStart"])[1:]) is None
    assert service["ExecStart"].startswith(service["WorkingDirectory"])
    assert {"Restart": "always", "KillMode": "mixed"}.items() <= dict(service).items()


def test_each_setting_exists() -> None:
    sections = "|".join(Settings.model_fields)
    named = re.findall(rf"`({sections})\.(?!com`)([a-z_]+)(?: = [^`]*)?`", GUIDE)
    variables = re.findall(rf"{ENV_PREFIX}([A-Z]+)__([A-Z_]+)", GUIDE)
    assert len(named) > 5
    for name, key in [*named, *((s.lower(), k.lower()) for s, k in variables)]:
        fields = getattr(Settings.model_fields[name].annotation, "model_fields", {})
        assert key in fields, f"{name}.{key}"


def test_each_metric_has_its_line(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'nightshift.db'}")
    ours = CollectorRegistry()
    ours.register(DatabaseCollector(database, AdapterRegistry(tmp_path / "adapters")))
    families = [*REGISTRY.collect(), *ours.collect()]
    database.dispose()
    names = {
        family.name + "_total" * (family.type == "counter")
        for family in families
        if family.name.startswith("nightshift_")
    }
    assert names == set(re.findall(r"^\| `(nightshift_\w+)` \|", GUIDE, re.MULTILINE))


def test_each_table_has_its_line() -> None:
    assert bot.tables.questions.metadata is metadata
    of_slacks_sdk = {
        SQLAlchemyInstallationStore.default_bots_table_name,
        SQLAlchemyInstallationStore.default_installations_table_name,
        SQLAlchemyOAuthStateStore.default_table_name,
    }
    told = set(re.findall(r"`([a-z_]+)`", section("What is kept for how long")))
    assert set(metadata.tables) | of_slacks_sdk <= told


def test_the_key_has_the_rights_that_the_readme_names() -> None:
    (body,) = blocks("json")
    role = json.loads(body)["role_descriptors"]["nightshift"]
    (on_indexes,) = role["indices"]
    assert role["cluster"] == ["monitor"]
    (needed,) = re.findall(r"needs the rights (.*?), and none on the\s+cluster", README, re.DOTALL)
    assert re.findall(r"`([^`]+)`", needed) == [*on_indexes["privileges"], *on_indexes["names"]]


def test_the_databases_address_says_the_password_and_what_libpq_is_told() -> None:
    (line,) = re.findall(rf"^{ENV_PREFIX}DATABASE__URL=(.*)$", GUIDE, re.MULTILINE)
    _, given = PGDialect_psycopg().create_connect_args(make_url(line))
    (password,) = re.findall(r"PASSWORD '([^']+)'", GUIDE)
    assert given["password"] == password
    assert given["sslmode"] == "verify-full"
    assert given["sslrootcert"].endswith(".pem")
