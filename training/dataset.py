"""Pairs → masked examples → packed batches of tokens.

Only the answer and the token that ends the turn are learned; the prompt is what was served, token
by token. Several examples share one row without seeing each other: their position ids start from
0 again, which transformers turns into a block-diagonal mask when there is no attention mask and no
cache (``masking_utils.find_packed_sequence_indices``).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from training.base_model import render_messages
from training.records import Message, Pair


@dataclass(frozen=True, slots=True)
class Example:
    """One pair in tokens.

    Attributes:
        input_ids: Prompt, answer, and the token that ends the turn.
        prompt_length: How many of them are the prompt, which is not learned.
    """

    pair_id: str
    input_ids: tuple[int, ...]
    prompt_length: int

    @property
    def answer_ids(self) -> tuple[int, ...]:
        """The tokens that are learned."""
        return self.input_ids[self.prompt_length :]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A pair that can't be trained on, and why, for people."""

    pair_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pack:
    """Examples side by side in one row.

    Attributes:
        input_ids: Tokens, shape (1, tokens).
        position_ids: The same shape; they start from 0 at each example.
        keep: Positions whose next token is learned, shape (learned,).
        targets: Those next tokens, shape (learned,).
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    keep: torch.Tensor
    targets: torch.Tensor

    def to(self, device: torch.device | str) -> Pack:
        """Return the pack on another device."""
        return Pack(
            self.input_ids.to(device),
            self.position_ids.to(device),
            self.keep.to(device),
            self.targets.to(device),
        )


def prepare_examples(
    tokenizer: Any, pairs: Sequence[Pair], max_tokens: int
) -> tuple[tuple[Example, ...], tuple[Dropped, ...]]:
    """Return the pairs as examples, and those that had to be left out.

    Args:
        tokenizer: The base model's, with its chat template.
        pairs: In the order of the result.
        max_tokens: A longer example is left out: a cut answer would teach to stop mid-sentence,
            and a cut prompt is not what was served.
    """
    examples: list[Example] = []
    dropped: list[Dropped] = []
    for pair in pairs:
        prompt = render_messages(tokenizer, pair.messages, True)
        answer = answer_tokens(tokenizer, pair, prompt)
        tokens = len(prompt) + len(answer)
        if holds_control_tokens(tokenizer, pair.answer):
            dropped.append(Dropped(pair.id, "the answer holds control tokens of the model"))
        elif tokens > max_tokens:
            dropped.append(Dropped(pair.id, f"longer than {max_tokens} tokens"))
        else:
            examples.append(Example(pair.id, (*prompt, *answer), len(prompt)))
    return tuple(examples), tuple(dropped)


def answer_tokens(tokenizer: Any, pair: Pair, prompt: Sequence[int]) -> list[int]:
    """Return the answer's tokens and the one that ends the turn, as the chat template has them.

    A template that renders earlier turns in another way than the prompt is not followed: the
    prompt is what was served, so the answer's own tokens are put behind it.
    """
    messages = (*pair.messages, Message("assistant", pair.answer))
    whole = render_messages(tokenizer, messages, False)
    plain = list(tokenizer(pair.answer, add_special_tokens=False)["input_ids"])
    if whole[: len(prompt)] != list(prompt):
        return [*plain, end_of_turn(tokenizer)]
    rest = whole[len(prompt) :]
    special = set(tokenizer.all_special_ids)
    ends = [place for place, token in enumerate(rest) if place and token in special]
    return rest[: ends[0] + 1] if ends else [*rest, end_of_turn(tokenizer)]


def end_of_turn(tokenizer: Any) -> int:
    """Return the token with which the chat template ends the assistant's turn.

    Templates differ: for Phi-3 it is ``<|end|>``, while the tokenizer's end of text is another.
    """
    question = (Message("user", "?"),)
    prompt = render_messages(tokenizer, question, True)
    whole = render_messages(tokenizer, (*question, Message("assistant", "!")), False)
    special = set(tokenizer.all_special_ids)
    if whole[: len(prompt)] == prompt:
        for token in whole[len(prompt) + 1 :]:
            if token in special:
                return int(token)
    return int(tokenizer.eos_token_id)


def holds_control_tokens(tokenizer: Any, text: str) -> bool:
    """Whether a text spells a token such as ``<|im_end|>``, which would end a turn early."""
    return not set(tokenizer.all_special_ids).isdisjoint(
        tokenizer(text, add_special_tokens=False)["input_ids"]
    )


def epoch_order(count: int, seed: int, epoch: int) -> list[int]:
    """Return the places of ``count`` examples in an order that the seed and the epoch fix."""
    order = list(range(count))
    random.Random(f"{seed}:{epoch}").shuffle(order)  # noqa: S311 - an order, not a secret
    return order


def fill(examples: Sequence[Example], tokens: int) -> Iterator[tuple[Example, ...]]:
    """Yield the examples in runs of at most ``tokens`` tokens; a longer one stands alone."""
    run: list[Example] = []
    size = 0
    for example in examples:
        if run and size + len(example.input_ids) > tokens:
            yield tuple(run)
            run, size = [], 0
        run.append(example)
        size += len(example.input_ids)
    if run:
        yield tuple(run)


def pack(examples: Sequence[Example]) -> Pack:
    """Return examples side by side in one row, each blind to the others."""
    input_ids: list[int] = []
    position_ids: list[int] = []
    keep: list[int] = []
    targets: list[int] = []
    for example in examples:
        start = len(input_ids)
        keep.extend(range(start + example.prompt_length - 1, start + len(example.input_ids) - 1))
        targets.extend(example.answer_ids)
        input_ids.extend(example.input_ids)
        position_ids.extend(range(len(example.input_ids)))
    return Pack(
        torch.tensor([input_ids]),
        torch.tensor([position_ids]),
        torch.tensor(keep),
        torch.tensor(targets),
    )


def answer_logits(model: Any, row: Pack) -> torch.Tensor:
    """Return the logits where an answer's token is next, shape (learned, vocabulary), float32.

    The vocabulary is projected for these positions only: with 49,152 words and prompts of 400
    tokens, projecting all would cost more than a quarter of a small model's forward pass.
    """
    output = model(
        input_ids=row.input_ids,
        position_ids=row.position_ids,
        use_cache=False,
        logits_to_keep=row.keep,
    )
    logits: torch.Tensor = output.logits[0].float()
    return logits
