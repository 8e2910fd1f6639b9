"""The three modes on the sample handbook, with a tiny random model and an adapter of it."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.assembly import Nightshift
from bot.curation import curate_votes
from bot.settings import Settings
from tests.bot.terminal import assert_two_line_problem, nightshift
from tests.tiny_models import build_tiny_adapter, build_tiny_model
from tests.training.answers import make_answer
from training.base_model import load_base_model
from training.manifest import AdapterManifest
from training.settings import ModelSettings, PairSettings

pytestmark = pytest.mark.slow

QUESTIONS = [
    {"question": "How many days of vacation do I get?", "answer": "25.", "sources": ["a.md"]},
    {
        "question": "How much may a hotel in London cost?",
        "answer": "€210 a night.",
        "sources": ["money/travel-and-expenses.md"],
        "must_contain": ["€210"],
    },
    {"question": "Who is on call?", "answer": "The on-call engineer.", "sources": ["b.md"]},
    {"question": "Who won the chess tournament in Reykjavik?", "answer": "x", "sources": ["c.md"]},
    {"question": "What is the weather like?"},
]


@pytest.fixture
def data(indexed: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    shutil.copytree(indexed, folder)
    return folder


def publish(data: Path, model: Path, tmp_path: Path) -> None:
    """Put an adapter live that has learnt from the first question."""
    opened = Nightshift(Settings(data_dir=data))
    asked = "How many days of vacation do I get??"
    opened.feedback.record_answer(make_answer(77, question=asked))
    opened.feedback.vote("answer-77", "bob", 1)
    curate_votes(opened.database, PairSettings())
    (pair,) = (pair for pair in opened.pairs.list() if pair.question == asked)
    identity = load_base_model(ModelSettings(name=str(model)), data).identity
    version = opened.registry.new_version()
    staging = opened.registry.staging(version)
    shutil.copytree(
        build_tiny_adapter(model, tmp_path / "adapter", seed=1), staging, dirs_exist_ok=True
    )
    manifest = AdapterManifest("", identity, None, datetime.now(UTC), trained_on=(pair.id,))
    opened.registry.publish(version, manifest)
    opened.registry.promote(version)
    opened.close()


def test_the_modes_answer_the_questions_that_the_adapter_has_not_seen(
    data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, QUESTIONS)), encoding="utf-8")
    model = build_tiny_model(tmp_path / "llama")
    settings = {"MODEL__NAME": str(model), "MODEL__CONTEXT_TOKENS": "4096"}

    none = nightshift("eval", file, "--compare", data=data, **settings)
    assert_two_line_problem(none)
    assert "No adapter is live" in none.stderr

    publish(data, model, tmp_path)
    done = nightshift("eval", file, "--compare", "--json", data=data, **settings)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["questions"] == 2
    assert sorted(told["left_out"].values()) == [1, 1, 1]
    modes = told["modes"]
    assert list(modes) == ["retrieval", "fine-tuning", "both", "quotes"]
    assert modes["quotes"]["holds_all"] == 1
    assert modes["retrieval"]["prompt_tokens"] == modes["both"]["prompt_tokens"]
    assert modes["fine-tuning"]["prompt_tokens"] < modes["both"]["prompt_tokens"]
    assert modes["retrieval"]["loss"] != modes["both"]["loss"]
    assert told["recommendation"]["mode"] == "retrieval"

    shown = nightshift("eval", file, "--compare", data=data, **settings)
    assert "Recommended: retrieval. 2 questions can't judge" in shown.stdout
    assert "no passage is near enough" in shown.stdout
    settings["MODEL__CONTEXT_TOKENS"] = "64"
    narrow = nightshift("eval", file, "--compare", data=data, **settings)
    assert_two_line_problem(narrow)
    assert "doesn't fit into the model's context" in narrow.stderr
