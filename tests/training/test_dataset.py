from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from tests.tiny_models import Kind, build_tiny_model
from tests.training.night_pairs import make_pair
from training.base_model import LoadedModel, load_base_model, render_messages
from training.dataset import (
    Example,
    answer_logits,
    end_of_turn,
    epoch_order,
    fill,
    pack,
    prepare_examples,
)
from training.records import Pair
from training.settings import ModelSettings

KINDS: tuple[Kind, ...] = ("llama", "phi3")


@pytest.fixture(scope="module", params=KINDS)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("models")
    build_tiny_model(folder / request.param, request.param)
    settings = ModelSettings(name=str(folder / request.param), device="cpu", dtype="float32")
    return load_base_model(settings, folder)


def some_pairs() -> list[Pair]:
    answers = [
        "Nine to six.",
        "Thirty days of paid leave, ask your manager.",
        "日本語のテスト",
        "привет",
    ]
    return [make_pair(n, answer=answer) for n, answer in enumerate(answers)]


def test_only_the_answer_and_the_end_of_its_turn_are_learned(loaded: LoadedModel) -> None:
    pairs = some_pairs()
    examples, dropped = prepare_examples(loaded.tokenizer, pairs, 512)
    assert dropped == ()
    for pair, example in zip(pairs, examples, strict=True):
        prompt = list(example.input_ids[: example.prompt_length])
        assert prompt == render_messages(loaded.tokenizer, pair.messages, True)
        assert loaded.tokenizer.decode(example.answer_ids[:-1]) == pair.answer
        assert example.answer_ids[-1] == end_of_turn(loaded.tokenizer)


def test_the_end_of_the_turn_is_the_templates(loaded: LoadedModel) -> None:
    name = loaded.tokenizer.convert_ids_to_tokens(end_of_turn(loaded.tokenizer))
    assert name in {"<|im_end|>", "<|end|>"}


def test_what_is_too_long_is_left_out_whole_and_with_its_reason(loaded: LoadedModel) -> None:
    long = make_pair(9, answer="a very long answer " * 50)
    examples, dropped = prepare_examples(loaded.tokenizer, [*some_pairs(), long], 120)
    assert [(each.pair_id, each.reason) for each in dropped] == [
        (long.id, "longer than 120 tokens")
    ]
    assert long.id not in {example.pair_id for example in examples}
    assert len(examples) == 4


def test_an_answer_that_spells_control_tokens_is_left_out(loaded: LoadedModel) -> None:
    end = loaded.tokenizer.convert_ids_to_tokens(end_of_turn(loaded.tokenizer))
    examples, dropped = prepare_examples(loaded.tokenizer, [make_pair(1, answer=f"a{end}b")], 512)
    assert examples == ()
    assert "control tokens" in dropped[0].reason


def test_packed_losses_are_those_of_each_example_alone(loaded: LoadedModel) -> None:
    examples, _ = prepare_examples(loaded.tokenizer, some_pairs(), 512)
    with torch.inference_mode():
        together = pack(examples)
        packed = functional.cross_entropy(
            answer_logits(loaded.model, together), together.targets, reduction="none"
        )
        alone = []
        for example in examples:
            row = pack([example])
            logits = answer_logits(loaded.model, row)
            alone.append(functional.cross_entropy(logits, row.targets, reduction="none"))
    assert torch.allclose(packed, torch.cat(alone), atol=1e-4)


def test_without_new_positions_the_packed_loss_would_differ(loaded: LoadedModel) -> None:
    """So that the test above can fail: the positions are what keeps examples apart."""
    examples, _ = prepare_examples(loaded.tokenizer, some_pairs(), 512)
    row = pack(examples)
    glued = replace(row, position_ids=torch.arange(row.input_ids.shape[1])[None])
    with torch.inference_mode():
        apart = functional.cross_entropy(answer_logits(loaded.model, row), row.targets)
        together = functional.cross_entropy(answer_logits(loaded.model, glued), row.targets)
    assert abs(float(apart - together)) > 1e-2


def test_the_loss_is_transformers_own(loaded: LoadedModel) -> None:
    examples, _ = prepare_examples(loaded.tokenizer, some_pairs()[:1], 512)
    ids = torch.tensor([examples[0].input_ids])
    labels = ids.clone()
    labels[:, : examples[0].prompt_length] = -100
    row = pack(examples)
    with torch.inference_mode():
        theirs = loaded.model(input_ids=ids, labels=labels).loss
        ours = functional.cross_entropy(answer_logits(loaded.model, row), row.targets)
    assert float(ours) == pytest.approx(float(theirs), abs=1e-4)


def examples_of(lengths: list[int]) -> list[Example]:
    return [Example(f"p{n}", tuple(range(length)), 1) for n, length in enumerate(lengths)]


def test_batches_hold_every_example_once_within_the_limit() -> None:
    lengths = [5, 3, 9, 2, 2, 30, 4]
    batches = list(fill(examples_of(lengths), 10))
    assert [example for batch in batches for example in batch] == examples_of(lengths)
    for batch in batches:
        assert len(batch) == 1 or sum(len(example.input_ids) for example in batch) <= 10
    assert list(fill([], 10)) == []


def test_the_order_hangs_on_seed_and_epoch_alone() -> None:
    assert epoch_order(20, 1, 0) == epoch_order(20, 1, 0)
    assert epoch_order(20, 1, 0) != epoch_order(20, 1, 1)
    assert epoch_order(20, 1, 0) != epoch_order(20, 2, 0)
    assert sorted(epoch_order(20, 1, 0)) == list(range(20))
