from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.tiny_models import build_tiny_model
from tests.training.night_pairs import make_pair
from training.adapters import CONFIG, WEIGHTS, AdapterRegistry
from training.manifest import AdapterManifest
from training.night_plan import NightSettings, inputs_of, plan_night
from training.nightly import run_night
from training.pairs import TrainingPairs
from training.records import Audience, Pair, Split
from training.report import NightReport, Outcome
from training.settings import ModelSettings, PairSettings, TrainingSettings

NOW = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
GOOD = "Ask the help desk."
BAD = "straße naïve café"


def selection(train: Sequence[Pair], held_out: Sequence[Pair]) -> TrainingPairs:
    return TrainingPairs(tuple(train), tuple(held_out), ())


def many(first: int, count: int, answer: str = GOOD, held_out: bool = False) -> list[Pair]:
    split = Split.HELD_OUT if held_out else Split.TRAIN
    return [
        make_pair(n, answer=answer, quoted="Visit the office.", split=split)
        for n in range(first, first + count)
    ]


def live_adapter(trained_on: Sequence[str], model: str = "smollm2") -> AdapterManifest:
    return AdapterManifest(
        "v1", "base@1", None, NOW, trained_on=tuple(trained_on), inputs={"model": model}
    )


def test_a_plan_holds_new_pairs_and_some_older_ones() -> None:
    pairs = many(0, 40)
    live = live_adapter([pair.id for pair in pairs[:20]])
    chosen = selection(pairs, many(100, 8, held_out=True))
    plan = plan_night(chosen, live, (), NightSettings())
    assert plan.objection == ""
    assert plan.new == tuple(pairs[20:])
    assert len(plan.replayed) == 2  # 10% of 20
    assert {pair.id for pair in plan.replayed} <= set(live.trained_on)
    assert plan == plan_night(chosen, live, (), NightSettings())


def test_a_model_behind_an_api_is_not_trained() -> None:
    settings = NightSettings(model=ModelSettings(name="openai:phi-4-mini"))
    plan = plan_night(selection(many(0, 40), many(100, 8, held_out=True)), None, (), settings)
    assert "behind an API" in plan.objection


def test_with_another_base_model_all_pairs_are_new_again() -> None:
    pairs = many(0, 10)
    live = live_adapter([pair.id for pair in pairs], model="another")
    plan = plan_night(selection(pairs, many(100, 8)), live, (), NightSettings())
    assert plan.parent is None
    assert plan.new == tuple(pairs)


def test_private_pairs_never_train_unless_an_admin_opts_in() -> None:
    private = [
        make_pair(200, audience=Audience.PRIVATE),
        make_pair(201, restricted=True),
    ]
    chosen = selection(many(0, 10) + private, [*many(100, 8), replace(private[0], id="h")])
    plan = plan_night(chosen, None, (), NightSettings())
    assert {pair.id for pair in private} & {pair.id for pair in plan.train} == set()
    assert len(plan.held_out) == 8
    assert plan.left_out == {"Not everyone may see it.": 3}
    opted_in = NightSettings(pairs=PairSettings(include_private=True))
    assert len(plan_night(chosen, None, (), opted_in).train) == 12


@pytest.mark.parametrize(
    ("train", "held_out", "words"), [(7, 8, "7 new pairs"), (10, 5, "5 held-out questions")]
)
def test_too_few_pairs_skip_the_night_with_a_report(
    train: int, held_out: int, words: str, tmp_path: Path
) -> None:
    registry = AdapterRegistry(tmp_path / "adapters")
    chosen = selection(many(0, train), many(100, held_out))
    report = run_night(chosen, registry, NightSettings(), tmp_path, NOW)
    assert report.outcome == Outcome.SKIPPED
    assert words in report.reason
    assert words in (tmp_path / "reports" / "20261123-021500.md").read_text(encoding="utf-8")
    saved = json.loads((tmp_path / "reports" / "20261123-021500.json").read_text(encoding="utf-8"))
    assert (saved["outcome"], saved["counts"]["new"]) == ("skipped", train)


def test_what_was_tried_and_not_promoted_is_not_tried_again() -> None:
    chosen = selection(many(0, 10), many(100, 8))
    plan = plan_night(chosen, None, (), NightSettings())
    tried = AdapterManifest(
        "v3", "b", None, NOW, inputs=inputs_of(plan, NightSettings()), decision="Not better."
    )
    again = plan_night(chosen, None, (tried,), NightSettings())
    assert "v3" in again.objection
    assert "Not better." in again.objection
    assert "not promoted" not in again.objection  # it may have been, and was left again
    more = selection(many(0, 11), many(100, 8))
    assert plan_night(more, None, (tried,), NightSettings()).objection == ""


def test_a_dry_run_says_what_would_happen_and_writes_nothing(tmp_path: Path) -> None:
    chosen = selection(many(0, 10), many(100, 8))
    settings = NightSettings(model=ModelSettings(name=str(tmp_path / "no model")))
    registry = AdapterRegistry(tmp_path / "adapters")
    report = run_night(chosen, registry, settings, tmp_path, NOW, dry_run=True)
    assert report.outcome == Outcome.PLANNED
    assert report.counts == {"new": 10, "replayed": 0, "held_out": 8}
    assert report.estimated_seconds > 0
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_an_outcome_with_its_reason(tmp_path: Path) -> None:
    chosen = selection(many(0, 10), many(100, 8))
    settings = NightSettings(model=ModelSettings(name=str(tmp_path / "no model")))
    report = run_night(chosen, AdapterRegistry(tmp_path / "a"), settings, tmp_path, NOW)
    assert report.outcome == Outcome.FAILED
    assert "no model" in report.reason
    assert report.counts["new"] == 10
    assert (tmp_path / "reports" / "20261123-021500.md").exists()


class _Talkative(AdapterRegistry):
    def current(self) -> AdapterManifest | None:
        raise ValueError("Alice earns 90,000")


def test_what_an_error_says_of_the_pairs_stays_out_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    registry = _Talkative(tmp_path / "a")
    report = run_night(selection(many(0, 10), []), registry, NightSettings(), tmp_path, NOW)
    assert report.outcome == Outcome.FAILED
    assert "ValueError at test_nightly.py" in caplog.text
    assert "90,000" not in caplog.text + report.reason


class Nights:
    """Nights on one tiny model in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = AdapterRegistry(folder / "adapters")
        model = str(build_tiny_model(folder / "model"))
        self.settings = NightSettings(
            model=ModelSettings(name=model, device="cpu", dtype="float32"),
            training=TrainingSettings(epochs=15, learning_rate=1e-2, batch_tokens=512),
        )
        self.steps: list[tuple[str, float]] = []

    def run(self, chosen: TrainingPairs, hour: int = 2) -> NightReport:
        return run_night(
            chosen,
            self.registry,
            self.settings,
            self.folder,
            NOW.replace(hour=hour),
            on_progress=lambda step, fraction: self.steps.append((step, fraction)),
        )


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def test_a_night_teaches_a_style_and_a_worse_one_is_kept_out(nights: Nights) -> None:
    first = nights.run(selection(many(0, 12), many(100, 8, held_out=True)))
    assert first.outcome == Outcome.PROMOTED, first.reason
    assert first.before is not None
    assert first.after is not None
    assert first.after.f1 > first.before.f1 + 0.5
    live = nights.registry.current()
    assert live is not None
    assert live.version == first.candidate
    assert nights.registry.verify(live.version).scores["candidate f1"] == first.after.f1
    assert [step for step, fraction in nights.steps if fraction == 1.0][-1] == "publish"
    for suffix in ("md", "json", "svg"):
        text = (nights.folder / "reports" / f"{first.night}.{suffix}").read_text(encoding="utf-8")
        assert first.night in text

    # The same question again, with nothing new to learn.
    same = nights.run(selection(many(0, 12), many(100, 8, held_out=True)), hour=3)
    assert same.outcome == Outcome.SKIPPED

    # New pairs teach another answer than the held-out ones stand for.
    bad = selection(many(0, 12) + many(20, 12, answer=BAD), many(100, 8, held_out=True))
    second = nights.run(bad, hour=4)
    assert second.outcome == Outcome.KEPT
    assert second.after is not None
    assert second.after.f1 < first.after.f1
    assert second.counts["replayed"] == 2
    assert nights.registry.current() == live
    kept = nights.registry.list()[0]
    assert kept.version == second.candidate
    assert kept.parent == live.version
    # Tried once: the next night does not repeat it.
    assert nights.run(bad, hour=5).outcome == Outcome.SKIPPED


def test_a_failure_in_the_middle_cleans_up_and_leaves_live_alone(nights: Nights) -> None:
    training = nights.settings.training.model_copy(update={"learning_rate": 1e30})
    nights.settings = replace(nights.settings, training=training)
    report = nights.run(selection(many(0, 12), many(100, 8, held_out=True)))
    assert report.outcome == Outcome.FAILED
    assert "not a number" in report.reason
    assert nights.registry.current() is None
    assert [p.name for p in nights.registry.root.iterdir() if p.is_dir()] == []


def test_a_night_that_takes_too_long_is_ended(nights: Nights) -> None:
    training = nights.settings.training.model_copy(update={"max_hours": 1e-9})
    nights.settings = replace(nights.settings, training=training)
    report = nights.run(selection(many(0, 12), many(100, 8, held_out=True)))
    assert report.outcome == Outcome.FAILED
    assert "took longer" in report.reason


def test_a_live_adapter_of_other_weights_is_told(nights: Nights) -> None:
    folder = nights.registry.staging("v1")
    (folder / WEIGHTS).write_bytes(b"w")
    (folder / CONFIG).write_text("{}")
    nights.registry.publish("v1", live_adapter([], model=nights.settings.model.name))
    nights.registry.promote("v1")
    report = nights.run(selection(many(0, 12), many(100, 8, held_out=True)))
    assert report.outcome == Outcome.FAILED
    assert "base@1" in report.reason
    assert "rollback" in report.reason
