"""LoRA and QLoRA: one explicit loop over packed batches.

Hu et al. 2021 (LoRA), Dettmers et al. 2023 (QLoRA: adapters on all linear layers, 4-bit base).
"""

from __future__ import annotations

import contextlib
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from torch.nn import functional

from training.adapters import CONFIG, WEIGHTS
from training.attach import attach
from training.base_model import LoadedModel
from training.dataset import Example, answer_logits, epoch_order, fill, pack
from training.errors import FinetuneError
from training.settings import TrainingSettings

logger = logging.getLogger(__name__)

_WARM_UP = 0.1  # of all steps
_FLOOR = 0.1  # of the learning rate, where the cosine ends
_MAX_NORM = 1.0
# A CPU gains nothing from long rows, and a packed row pays attention for all pairs of tokens in it:
# the default model on examples of 520 tokens learned 162 tokens a CPU second alone in a row, and 76
# in packed rows of 2,048.
_CPU_ROW_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Step:
    """How far a fine-tune is, after one step of the optimiser."""

    step: int
    steps: int
    loss: float
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """What a fine-tune did.

    Attributes:
        losses: Mean loss of each step's answer tokens, in nats.
        loss_first, loss_last: Means over the first and the last epoch.
        tokens: That went through the model, prompts and all epochs included.
    """

    steps: int
    loss_first: float
    loss_last: float
    tokens: int
    seconds: float
    losses: tuple[float, ...]


def finetune(
    loaded: LoadedModel,
    examples: Sequence[Example],
    settings: TrainingSettings,
    out: Path,
    on_progress: Callable[[Step], None] = lambda step: None,
    parent: Path | None = None,
) -> FinetuneResult:
    """Train an adapter and write it to ``out``; the loaded model is bare again afterwards.

    Args:
        loaded: The base model; quantised to 4 bits, the adapter is trained on top (QLoRA).
        examples: At least one.
        settings: Rank, rates, batch size, seed. The same seed gives the same adapter.
        out: An existing folder that gets the weights and the configuration.
        on_progress: Called after each step; an error that it raises ends the training.
        parent: Folder of an adapter to go on from, or None for a fresh one.

    Raises:
        FinetuneError: Nothing to train on, a target that no layer is called, a loss that is not a
            number, too little memory. ``out`` then holds no adapter.
        AdapterError: The parent does not fit the base model.
    """
    if not examples:
        raise FinetuneError("There is no example to train on.", "Collect more rated answers.")
    with _adapter_on(loaded, settings, parent) as model:
        result = _train(model, loaded, examples, settings, on_progress)
        _save(model, out)
    logger.info(
        "trained %d steps, %d tokens in %.1f s, loss %.3f -> %.3f",
        *(result.steps, result.tokens, result.seconds, result.loss_first, result.loss_last),
    )
    return result


def _train(
    model: Any,
    loaded: LoadedModel,
    examples: Sequence[Example],
    settings: TrainingSettings,
    on_progress: Callable[[Step], None],
) -> FinetuneResult:
    batches = [
        batch
        for epoch in range(settings.epochs)
        for batch in fill(
            [examples[place] for place in epoch_order(len(examples), settings.seed, epoch)],
            settings.batch_tokens,
        )
    ]
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate(len(batches)))
    losses: list[float] = []
    tokens = 0
    begun = time.monotonic()
    model.train()
    for batch in batches:
        losses.append(_step(model, loaded, batch, settings))
        torch.nn.utils.clip_grad_norm_(trained, _MAX_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        tokens += sum(len(example.input_ids) for example in batch)
        seconds = time.monotonic() - begun
        on_progress(Step(len(losses), len(batches), losses[-1], tokens, seconds))
    epoch = math.ceil(len(losses) / settings.epochs)
    return FinetuneResult(
        steps=len(losses),
        loss_first=sum(losses[:epoch]) / epoch,
        loss_last=sum(losses[-epoch:]) / epoch,
        tokens=tokens,
        seconds=time.monotonic() - begun,
        losses=tuple(losses),
    )


def _step(
    model: Any, loaded: LoadedModel, batch: Sequence[Example], settings: TrainingSettings
) -> float:
    """Add up the gradients of a batch, row by row; return its mean loss.

    Raises:
        FinetuneError: The loss is not a number, or the memory does not suffice.
    """
    learned = sum(len(example.answer_ids) for example in batch)
    try:
        total = _gradients(model, loaded, batch, settings, learned)
    except torch.cuda.OutOfMemoryError:
        try:  # once more with less memory and more time; it stays so for the steps to come
            logger.info("gradient checkpointing is on: the memory did not suffice without")
            checkpointed: Any = loaded.model
            checkpointed.gradient_checkpointing_enable({"use_reentrant": False})
            model.zero_grad(set_to_none=True)
            total = _gradients(model, loaded, batch, settings, learned)
        except torch.cuda.OutOfMemoryError as error:
            raise FinetuneError(
                "The graphics card has too little memory for this fine-tune.",
                "Lower training.batch_tokens, or set model.quantization = 'nf4'.",
            ) from error
    if not math.isfinite(total):
        raise FinetuneError(
            "The loss is not a number, so nothing was kept.", "Lower training.learning_rate."
        )
    return total


def _gradients(
    model: Any,
    loaded: LoadedModel,
    batch: Sequence[Example],
    settings: TrainingSettings,
    learned: int,
) -> float:
    """Run a batch forwards and backwards in rows that suit the device; return its mean loss."""
    device = torch.device(loaded.device)
    row_tokens = settings.batch_tokens if device.type == "cuda" else _CPU_ROW_TOKENS
    total = 0.0
    for examples in fill(batch, row_tokens):
        row = pack(examples).to(device)
        # A half-precision base multiplies in its own type; the adapter stays in float32.
        with torch.autocast(device.type, loaded.dtype, enabled=loaded.dtype != torch.float32):
            logits = answer_logits(model, row)
        loss = functional.cross_entropy(logits, row.targets, reduction="sum") / learned
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total


def _rate(steps: int) -> Callable[[int], float]:
    """Return the share of the learning rate at a step: linear warm-up, then a cosine."""
    warm = max(1, round(steps * _WARM_UP))

    def rate(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        done = (step - warm) / max(1, steps - warm)
        return _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * done))

    return rate


@contextlib.contextmanager
def _adapter_on(
    loaded: LoadedModel, settings: TrainingSettings, parent: Path | None
) -> Iterator[Any]:
    """Put a trainable adapter on the base model, and take it off again whatever happens."""
    model: Any = loaded.model
    if getattr(model, "is_loaded_in_4bit", False):
        # Checkpointing comes with need only: see `_step`.
        model = prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
            model, use_gradient_checkpointing=False
        )
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        adapted: Any = (
            get_peft_model(model, lora_config(model, settings))
            if parent is None
            else attach(model, parent, trainable=True)
        )
        try:
            yield adapted
        finally:
            if model.is_gradient_checkpointing:
                model.gradient_checkpointing_disable()
            adapted.unload()
            model.eval()


def lora_config(model: Any, settings: TrainingSettings) -> LoraConfig:
    """Return PEFT's configuration.

    Raises:
        FinetuneError: A named target matches no layer. PEFT only complains when none matches at
            all, and Phi-3 has fused projections: with q_proj, k_proj, v_proj, o_proj it would
            train the output projection alone, in silence.
    """
    names = [name.strip() for name in settings.target_modules.split(",") if name.strip()]
    target: str | list[str] = "all-linear" if names == ["all-linear"] else names
    if isinstance(target, list):
        layers = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
        missing = [name for name in target if name not in layers]
        if missing or not target:
            linear = sorted(
                {
                    name.rsplit(".", 1)[-1]
                    for name, module in model.named_modules()
                    if isinstance(module, torch.nn.Linear)
                }
            )
            raise FinetuneError(
                f"The model has no layer named {', '.join(missing) or '(none given)'}.",
                f"Set training.target_modules to all-linear, or to names of: {', '.join(linear)}.",
            )
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=target,
        task_type="CAUSAL_LM",
    )


def _save(model: Any, out: Path) -> None:
    """Write the weights and the configuration into ``out``, each in one step."""
    saving = out / ".saving"
    try:
        model.save_pretrained(str(saving), save_embedding_layers=False)
        for name in (WEIGHTS, CONFIG):
            (saving / name).replace(out / name)
    except OSError as error:
        raise FinetuneError(
            f"The adapter can't be written: {error.strerror}.", "Free some space."
        ) from error
    finally:
        shutil.rmtree(saving, ignore_errors=True)
