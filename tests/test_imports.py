"""The one rule of the layout: bot imports the two libraries, which import only themselves."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {"ingestion": {"bot", "training"}, "training": {"bot", "ingestion"}}
VAGUE = {"utils", "helpers", "common", "manager", "base"}


def imported_packages(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_libraries_import_neither_the_bot_nor_each_other(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {f.name: imported_packages(f) & FORBIDDEN[package] for f in files}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_init_files_are_empty_and_names_say_something() -> None:
    for package in ("bot", "ingestion", "training"):
        for file in (ROOT / package).rglob("*.py"):
            assert file.stem not in VAGUE, file
            if file.name == "__init__.py":
                assert file.read_text() == "", file
