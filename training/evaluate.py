"""Held-out pairs, answered greedily by the base model with or without an adapter, and scored."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import GenerationConfig

from training.attach import attach
from training.base_model import LoadedModel
from training.dataset import Example, answer_logits, end_of_turn, pack, prepare_examples
from training.records import Pair
from training.scoring import PairScore, score_answer

_ROWS = 8  # prompts answered at once: on two cores more gain nothing, and wait for the longest
_SPARE_TOKENS = 32


def evaluate(
    loaded: LoadedModel,
    pairs: Sequence[Pair],
    adapter: Path | None = None,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> tuple[PairScore, ...]:
    """Return how well the model answers the pairs' prompts, in the order of the pairs.

    A pair that does not fit into the model's context is left out, for every adapter alike.

    Args:
        loaded: The base model; it is bare again afterwards.
        pairs: Held-out pairs, which no adapter was trained on.
        adapter: Folder of an adapter of this base model, or None for the bare model.
        on_progress: Called with the fraction done, in (0, 1].

    Raises:
        AdapterError: The adapter can't be put on this base model.
    """
    examples, _ = prepare_examples(loaded.tokenizer, pairs, loaded.context_tokens)
    known = {pair.id: pair for pair in pairs}
    answers: dict[str, str] = {}
    losses: dict[str, float] = {}
    with adapter_on(loaded, adapter) as model, torch.inference_mode():
        for batch in _batches(examples):
            answers.update(_greedy_answers(model, loaded, batch))
            losses.update((example.pair_id, _loss(model, loaded, example)) for example in batch)
            on_progress(len(answers) / len(examples))
    return tuple(
        _scored(known[example.pair_id], answers[example.pair_id], losses[example.pair_id])
        for example in examples
    )


@contextlib.contextmanager
def adapter_on(loaded: LoadedModel, adapter: Path | None) -> Iterator[Any]:
    """Lend the model with an adapter, or bare, and take the adapter off again.

    Raises:
        AdapterError: The adapter is damaged or was made for another base model.
    """
    if adapter is None:
        yield loaded.model
        return
    adapted = attach(loaded.model, adapter).eval()
    try:
        yield adapted
    finally:
        adapted.unload()


def _batches(examples: Sequence[Example]) -> Iterator[tuple[Example, ...]]:
    """Yield examples with prompts of like length together, so that little is padded."""
    ordered = sorted(examples, key=lambda example: (example.prompt_length, example.pair_id))
    for start in range(0, len(ordered), _ROWS):
        yield tuple(ordered[start : start + _ROWS])


def _greedy_answers(
    model: Any, loaded: LoadedModel, batch: Sequence[Example]
) -> Iterator[tuple[str, str]]:
    """Yield (pair id, answer); an answer that does not end is cut at twice the reference's length.

    The prompts are padded on the left, where nothing attends to them.
    """
    tokenizer = loaded.tokenizer
    width = max(example.prompt_length for example in batch)
    pad = int(tokenizer.pad_token_id)
    rows = [
        [pad] * (width - example.prompt_length) + list(example.input_ids[: example.prompt_length])
        for example in batch
    ]
    mask = [
        [0] * (width - example.prompt_length) + [1] * example.prompt_length for example in batch
    ]
    limits = [2 * len(example.answer_ids) + _SPARE_TOKENS for example in batch]
    room = max(1, loaded.context_tokens - width)
    config = GenerationConfig(
        do_sample=False,
        max_new_tokens=min(max(limits), room),
        eos_token_id=stop_tokens(loaded),
        pad_token_id=pad,
    )
    output = model.generate(
        input_ids=torch.tensor(rows, device=loaded.device),
        attention_mask=torch.tensor(mask, device=loaded.device),
        generation_config=config,
    )
    for example, limit, row in zip(batch, limits, output[:, width:].tolist(), strict=True):
        text = tokenizer.decode(row[:limit], skip_special_tokens=True)
        yield example.pair_id, str(text).strip()


def stop_tokens(loaded: LoadedModel) -> list[int]:
    """Return the tokens that end an answer: the model's own list and the chat template's."""
    configured = loaded.model.generation_config
    eos = configured.eos_token_id if configured is not None else None
    own = eos if isinstance(eos, list) else [eos]
    text = loaded.tokenizer.eos_token_id
    return sorted({int(t) for t in (*own, text, end_of_turn(loaded.tokenizer)) if t is not None})


def _loss(model: Any, loaded: LoadedModel, example: Example) -> float:
    row = pack([example]).to(loaded.device)
    return float(functional.cross_entropy(answer_logits(model, row), row.targets))


def _scored(pair: Pair, answer: str, loss: float) -> PairScore:
    evidence = evidence_of(pair)
    return PairScore(
        pair_id=pair.id,
        cluster=pair.cluster,
        question=pair.question,
        reference=pair.answer,
        answer=answer,
        written=score_answer(answer, pair.answer, evidence),
        quoting=score_answer(pair.quoted, pair.answer, evidence),
        loss=loss,
    )


def evidence_of(pair: Pair) -> str:
    """Return all that an answer may rest on: sources, what was served but for the rules, question.

    The system message is left out: its numbers are instructions.
    """
    served = [message.content for message in pair.messages if message.role != "system"]
    sources = [text for s in pair.sources for text in (s.title, s.heading, s.text)]
    return "\n".join([*sources, *served, pair.question])
