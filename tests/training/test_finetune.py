from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_models import Kind, build_tiny_model
from tests.training.night_pairs import make_pair
from training.adapters import CONFIG, WEIGHTS
from training.base_model import LoadedModel, load_base_model
from training.dataset import Example, prepare_examples
from training.errors import FinetuneError
from training.evaluate import adapter_on
from training.finetune import Step, finetune
from training.settings import ModelSettings, TrainingSettings

SETTINGS = TrainingSettings(epochs=4, learning_rate=5e-3, lora_rank=4, batch_tokens=256)


def load(folder: Path, kind: Kind, quantization: str = "none") -> LoadedModel:
    build_tiny_model(folder / kind, kind)
    settings = ModelSettings.model_validate(
        {
            "name": str(folder / kind),
            "device": "cpu",
            "dtype": "float32",
            "quantization": quantization,
        }
    )
    return load_base_model(settings, folder)


def some_examples(loaded: LoadedModel, answer: str = "Ask the help desk.") -> tuple[Example, ...]:
    pairs = [make_pair(number, answer=answer) for number in range(8)]
    return prepare_examples(loaded.tokenizer, pairs, 512)[0]


def trained_layers(folder: Path) -> set[str]:
    """Names of the layers whose B matrix has left zero: those that really learned."""
    return {
        name.split(".lora_B")[0].rsplit(".", 1)[-1]
        for name, weight in load_file(folder / WEIGHTS).items()
        if "lora_B" in name and weight.abs().max() > 0
    }


@pytest.mark.parametrize(
    ("kind", "layers"),
    [
        ("phi3", {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}),
        ("llama", {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
    ],
)
def test_every_linear_layer_learns_and_the_base_stays(
    kind: Kind, layers: set[str], tmp_path: Path
) -> None:
    loaded = load(tmp_path, kind)
    before = {name: weight.clone() for name, weight in loaded.model.state_dict().items()}
    steps: list[Step] = []
    result = finetune(loaded, some_examples(loaded), SETTINGS, tmp_path, steps.append)
    assert trained_layers(tmp_path) == layers
    assert result.loss_last < result.loss_first - 0.5
    assert (len(steps), steps[-1].step) == (result.steps, steps[-1].steps)
    after = loaded.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not (tmp_path / ".saving").exists()


def test_targets_that_match_nothing_are_an_error(tmp_path: Path) -> None:
    # o_proj matches, so PEFT itself would train it and say nothing of the others.
    loaded = load(tmp_path, "phi3")
    settings = SETTINGS.model_copy(update={"target_modules": "q_proj, k_proj, o_proj"})
    with pytest.raises(FinetuneError, match="q_proj, k_proj") as caught:
        finetune(loaded, some_examples(loaded), settings, tmp_path)
    assert "qkv_proj" in caught.value.mend
    assert not (tmp_path / WEIGHTS).exists()


def test_named_targets_alone_are_trained(tmp_path: Path) -> None:
    loaded = load(tmp_path, "phi3")
    settings = SETTINGS.model_copy(update={"target_modules": "qkv_proj"})
    finetune(loaded, some_examples(loaded), settings, tmp_path)
    assert trained_layers(tmp_path) == {"qkv_proj"}


def test_the_same_seed_gives_the_same_adapter(tmp_path: Path) -> None:
    loaded = load(tmp_path, "llama")
    examples = some_examples(loaded)
    weights = []
    for place, seed in enumerate((1, 1, 2)):
        out = tmp_path / str(place)
        out.mkdir()
        torch.manual_seed(place)  # whatever the process did before
        finetune(loaded, examples, SETTINGS.model_copy(update={"seed": seed}), out)
        weights.append(load_file(out / WEIGHTS))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_the_size_of_a_row_does_not_change_what_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(tmp_path, "llama")
    losses = []
    for row_tokens in (1, 512):
        monkeypatch.setattr("training.finetune._CPU_ROW_TOKENS", row_tokens)
        losses.append(finetune(loaded, some_examples(loaded), SETTINGS, tmp_path).losses)
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_a_loss_that_is_no_number_leaves_nothing(tmp_path: Path) -> None:
    loaded = load(tmp_path, "llama")
    settings = SETTINGS.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(FinetuneError, match="not a number") as caught:
        finetune(loaded, some_examples(loaded), settings, tmp_path)
    assert "learning_rate" in caught.value.mend
    assert not (tmp_path / WEIGHTS).exists()
    assert not hasattr(loaded.model, "peft_config") or "lora" not in str(loaded.model).lower()


def test_no_examples_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FinetuneError, match="no example"):
        finetune(load(tmp_path, "llama"), (), SETTINGS, tmp_path)


def test_a_parent_is_gone_on_from(tmp_path: Path) -> None:
    loaded = load(tmp_path, "llama")
    examples = some_examples(loaded)
    parent, child = tmp_path / "parent", tmp_path / "child"
    for folder in (parent, child):
        folder.mkdir()
    first = finetune(loaded, examples, SETTINGS, parent)
    second = finetune(loaded, examples, SETTINGS, child, parent=parent)
    assert second.losses[0] < first.losses[0] / 2
    assert (child / CONFIG).exists()


def test_an_error_in_the_middle_leaves_a_bare_model(tmp_path: Path) -> None:
    loaded = load(tmp_path, "llama")
    ids = torch.tensor([some_examples(loaded)[0].input_ids])
    before = loaded.model(input_ids=ids).logits

    def stop(step: Step) -> None:
        raise FinetuneError("The night took too long.")

    with pytest.raises(FinetuneError, match="too long"):
        finetune(loaded, some_examples(loaded), SETTINGS, tmp_path, stop)
    assert torch.equal(loaded.model(input_ids=ids).logits, before)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "phi3"])
def test_qlora_trains_on_a_4_bit_base(kind: Kind, tmp_path: Path) -> None:
    loaded = load(tmp_path, kind, quantization="nf4")
    assert any(type(module).__name__ == "Linear4bit" for module in loaded.model.modules())
    result = finetune(loaded, some_examples(loaded), SETTINGS, tmp_path)
    assert result.loss_last < result.loss_first - 0.5
    assert len(trained_layers(tmp_path)) >= 4
    with adapter_on(loaded, tmp_path) as model:
        assert any("lora_A" in name for name, _ in model.named_parameters())
    assert not any("lora" in name for name, _ in loaded.model.named_parameters())
    assert replace(loaded).model is loaded.model
