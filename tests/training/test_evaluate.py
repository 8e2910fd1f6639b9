from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tiny_models import Kind, build_tiny_adapter, build_tiny_model
from tests.training.night_pairs import make_pair, make_source
from training.adapters import WEIGHTS
from training.base_model import LoadedModel, load_base_model, render_messages
from training.dataset import prepare_examples
from training.errors import AdapterError
from training.evaluate import evaluate, evidence_of
from training.finetune import finetune
from training.records import Pair
from training.settings import ModelSettings, TrainingSettings

ANSWER = "Ask the help desk."


def load(folder: Path, kind: Kind = "llama") -> LoadedModel:
    build_tiny_model(folder / kind, kind)
    settings = ModelSettings(name=str(folder / kind), device="cpu", dtype="float32")
    return load_base_model(settings, folder)


def some_pairs() -> list[Pair]:
    return [make_pair(n, question="why? " * n, answer=ANSWER, quoted=ANSWER) for n in range(1, 12)]


@pytest.mark.parametrize("kind", ["llama", "phi3"])
def test_batched_answers_are_those_of_each_prompt_alone(kind: Kind, tmp_path: Path) -> None:
    loaded = load(tmp_path, kind)
    pairs = some_pairs()
    for pair, together in zip(pairs, evaluate(loaded, pairs), strict=True):
        (alone,) = evaluate(loaded, [pair])
        assert alone.answer == together.answer
        assert alone.loss == pytest.approx(together.loss, abs=1e-4)
        assert pair.id == together.pair_id


def test_the_loss_is_transformers_own(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    pair = some_pairs()[0]
    (example,), _ = prepare_examples(loaded.tokenizer, [pair], 512)
    ids = torch.tensor([example.input_ids])
    labels = ids.clone()
    labels[:, : len(render_messages(loaded.tokenizer, pair.messages, True))] = -100
    with torch.inference_mode():
        theirs = float(loaded.model(input_ids=ids, labels=labels).loss)
    assert evaluate(loaded, [pair])[0].loss == pytest.approx(theirs, abs=1e-4)


def test_an_adapter_is_taken_off_again(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    adapter = build_tiny_adapter(tmp_path / "llama", tmp_path / "adapter", seed=1)
    pairs = some_pairs()
    bare = evaluate(loaded, pairs)
    adapted = evaluate(loaded, pairs, adapter)
    assert [score.answer for score in adapted] != [score.answer for score in bare]
    assert evaluate(loaded, pairs) == bare
    assert evaluate(loaded, pairs, adapter) == adapted


def test_a_learned_answer_scores_and_the_quote_is_scored_alike(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    pairs = some_pairs()
    examples, _ = prepare_examples(loaded.tokenizer, pairs, 512)
    finetune(loaded, examples, TrainingSettings(epochs=20, learning_rate=1e-2), tmp_path)
    before, after = evaluate(loaded, pairs), evaluate(loaded, pairs, tmp_path)
    assert [score.answer for score in after] == [ANSWER] * len(pairs)
    assert all(score.written.correctness == 1.0 for score in after)
    assert all(score.quoting.correctness == 1.0 for score in after)
    assert all(old.written.correctness < 0.5 for old in before)
    assert all(new.loss < old.loss for old, new in zip(before, after, strict=True))


def test_a_pair_beyond_the_context_is_left_out(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    long = make_pair(99, question="why? " * 600)
    assert [score.pair_id for score in evaluate(loaded, [long, make_pair(1)])] == ["pair-0001"]
    assert evaluate(loaded, []) == ()


def test_progress_reaches_its_end(tmp_path: Path) -> None:
    seen: list[float] = []
    evaluate(load(tmp_path), some_pairs(), None, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_damaged_or_foreign_adapter_is_a_clear_error(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    foreign = build_tiny_adapter(
        build_tiny_model(tmp_path / "other", "phi3"), tmp_path / "foreign", seed=1
    )
    damaged = build_tiny_adapter(tmp_path / "llama", tmp_path / "damaged", seed=1)
    (damaged / WEIGHTS).write_bytes(b"not weights")
    for adapter in (foreign, damaged, tmp_path / "nowhere"):
        with pytest.raises(AdapterError, match=adapter.name) as caught:
            evaluate(loaded, some_pairs(), adapter)
        assert caught.value.mend
    assert not any("lora" in name for name, _ in loaded.model.named_parameters())


def test_evidence_is_what_was_served_but_not_the_rules() -> None:
    pair = make_pair(1, question="How many?", source="25 days")
    evidence = evidence_of(pair)
    assert "25 days" in evidence
    assert "How many?" in evidence
    assert make_source().heading in evidence
    assert pair.messages[0].content not in evidence
