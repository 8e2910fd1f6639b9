"""The sample handbook, its questions and the sample settings are what they say they are."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.settings import ChannelSettings, Settings, load_settings
from bot.slack.channels import effective
from ingestion.documents import EVERYONE
from ingestion.parsers.formats import parse
from ingestion.settings import SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.sources.source import SourceItem

EXAMPLES = Path(__file__).parent.parent / "examples"
HANDBOOK = EXAMPLES / "handbook"
SETTINGS = EXAMPLES / "nightshift.toml"
SUFFIXES = {".md", ".html", ".pdf", ".docx"}
PAGES = sorted(p.relative_to(HANDBOOK) for p in HANDBOOK.rglob("*") if p.suffix in SUFFIXES)
LINK = re.compile(r'\]\(([^)#\s]+)|href="([^"#]+)')
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
ANSWERABLE = [q for q in QUESTIONS if q["answer"]]
ACLS = {
    item.path: item.acl
    for item in FolderSource(SourceSettings(path=HANDBOOK), max_file_mb=1).items()
    if isinstance(item, SourceItem)
}
GENERATED = runpy.run_path(str(EXAMPLES / "build_documents.py"))


def restricted(page: Path) -> bool:
    return EVERYONE not in ACLS[page.as_posix()]


def parsed_text(page: Path) -> tuple[str, str]:
    parsed = parse((HANDBOOK / page).read_bytes(), str(page))
    return parsed.title, "\n\n".join(section.text for section in parsed.sections)


def test_handbook_has_every_format_and_both_kinds_of_rule() -> None:
    count = {suffix: sum(p.suffix == suffix for p in PAGES) for suffix in SUFFIXES}
    assert count[".md"] >= 12
    assert count[".html"] >= 3
    assert count[".pdf"] >= 2
    assert count[".docx"] >= 3
    assert set(ACLS) == {page.as_posix() for page in PAGES}
    assert {path: set(acl) for path, acl in ACLS.items() if EVERYONE not in acl} == {
        "people/salary-bands.md": {"hr"},
        "people/performance/performance-improvement.md": {"hr", "managers"},
        "leadership/board-minutes-2026-09.md": {"leadership"},
        "leadership/acquisition-plan.docx": {"leadership"},
    }


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_page_parses_into_a_title_and_text(page: Path) -> None:
    title, text = parsed_text(page)
    assert title
    assert title != page.stem
    assert len(text.split()) > 60


@pytest.mark.parametrize("page", [p for p in PAGES if p.suffix in {".md", ".html"}], ids=str)
def test_links_lead_to_pages_of_the_handbook(page: Path) -> None:
    targets = [a or b for a, b in LINK.findall((HANDBOOK / page).read_text(encoding="utf-8"))]
    missing = [t for t in targets if not (HANDBOOK / page.parent / t).resolve().is_file()]
    assert missing == []


@pytest.mark.parametrize("page", [p for p in PAGES if not restricted(p)], ids=str)
def test_open_pages_mention_restricted_ones_nowhere(page: Path) -> None:
    _, text = parsed_text(page)
    assert not re.search(r"halcyon|acquisition|salary band|braga", text, re.IGNORECASE)


@pytest.mark.parametrize("name", sorted(GENERATED["PDF_PAGES"]))
def test_pdf_pages_are_what_the_script_writes(name: str) -> None:
    rebuilt = parse(GENERATED["pdf_bytes"](GENERATED["PDF_PAGES"][name]), name)
    assert rebuilt == parse((HANDBOOK / name).read_bytes(), name)


@pytest.mark.parametrize("name", sorted(GENERATED["DOCX_PAGES"]))
def test_word_pages_are_what_the_script_writes(name: str) -> None:
    rebuilt = parse(GENERATED["docx_bytes"](GENERATED["DOCX_PAGES"][name]), name)
    assert rebuilt == parse((HANDBOOK / name).read_bytes(), name)


def test_there_are_forty_answerable_questions_and_six_others() -> None:
    assert len(ANSWERABLE) == 40
    assert len(QUESTIONS) == 46
    for key in ("id", "question"):
        assert len({q[key] for q in QUESTIONS}) == 46
    for question in QUESTIONS:
        assert set(question) == {"id", "question", "answer", "sources", "must_contain"}
        assert bool(question["answer"]) == bool(question["sources"])
        assert bool(question["answer"]) == bool(question["must_contain"])


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda q: q["id"])
def test_answer_is_on_its_page_that_everyone_may_read(question: dict[str, Any]) -> None:
    pages = [Path(source) for source in question["sources"]]
    assert not any(restricted(page) for page in pages)
    texts = [parsed_text(page)[1] for page in pages]
    for required in question["must_contain"]:
        assert required in question["answer"]
        assert any(required in text for text in texts), required


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda q: q["id"])
def test_answer_keeps_to_the_house_style(question: dict[str, Any]) -> None:
    body, _, written_on = question["answer"].rpartition(" — ")
    assert written_on == parsed_text(Path(question["sources"][0]))[0]
    assert 15 <= len(question["answer"].split()) <= 45
    assert body.endswith(".")
    assert "\n" not in body


def uncommented() -> str:
    return re.sub(r"^#(?=[a-z0-9_]+ = |\[)", "", SETTINGS.read_text(encoding="utf-8"), flags=re.M)


def test_sample_settings_load_and_change_nothing() -> None:
    assert load_settings(SETTINGS) == Settings()


def test_uncommented_sample_settings_are_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "nightshift.toml"
    file.write_text(uncommented(), encoding="utf-8")
    settings = load_settings(file)
    slack = settings.slack.model_copy(update={"channels": []})
    assert settings.model_copy(update={"sources": [], "slack": slack}) == Settings()
    (channel,) = settings.slack.channels
    policies = [effective(each, channel.channel, {}) for each in (settings.slack, slack)]
    shown, default = (replace(policy, origins={}) for policy in policies)
    assert shown == default
    (source,) = settings.sources
    assert source.path == Path("examples/handbook")
    assert source == SourceSettings(path=source.path)


def test_sample_settings_name_every_setting() -> None:
    written = tomllib.loads(uncommented())
    for name, field in Settings.model_fields.items():
        assert name in written
        fields = getattr(field.annotation, "model_fields", None)
        if fields is not None:
            assert set(written[name]) == set(fields), name
    assert set(written["sources"][0]) == set(SourceSettings.model_fields)
    assert set(written["slack"]["channels"][0]) == set(ChannelSettings.model_fields)
