"""Greedy decoding of a batch of rows, each streamed, cancelled and limited by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from bot.generation import Finish, GeneratedText, Generation, timed_out

_HALF_A_CHARACTER = "\N{REPLACEMENT CHARACTER}"
Generate = Callable[..., torch.Tensor]


class Row:
    """One answer within a batch.

    Attributes:
        prompt: Token ids, shape (prompt tokens,).
        adapter: Version that writes it; "" for the bare base model.
    """

    def __init__(
        self,
        prompt: list[int],
        max_new_tokens: int,
        adapter: str,
        generation: Generation,
        decode_tokens: Callable[[list[int]], str],
        stop_tokens: frozenset[int],
    ) -> None:
        self.prompt = prompt
        self.max_new_tokens = max_new_tokens
        self.adapter = adapter
        self._generation = generation
        self._decode_tokens = decode_tokens
        self._stop_tokens = stop_tokens
        self._tokens: list[int] = []
        self._shown = ""
        self._first_at: float | None = None

    def take(self, token: int) -> bool:
        """Take the next token; return whether the row is done."""
        generation = self._generation
        if generation.ended:
            return True
        if self._first_at is None:
            self._first_at = time.monotonic()
            generation.adapter = self.adapter
        if generation.cancelled:
            self.end("cancelled")
        elif generation.expired:
            generation.finish(timed_out())
        elif token in self._stop_tokens:
            self.end("stop")
        else:
            self._tokens.append(token)
            if len(self._tokens) == self.max_new_tokens:
                self.end("length")
            else:
                self._show(self._text().rstrip(_HALF_A_CHARACTER))
        return generation.ended

    def end(self, finish: Finish) -> None:
        """Give the asker the rest and the result."""
        self._show(self._text())
        now = time.monotonic()
        admitted = self._generation.admitted
        self._generation.finish(
            GeneratedText(
                text=self._shown,
                adapter=self.adapter,
                prompt_tokens=len(self.prompt),
                new_tokens=len(self._tokens),
                seconds_to_first=(self._first_at or now) - admitted,
                seconds=now - admitted,
                finish=finish,
            )
        )

    def _text(self) -> str:
        # Decoding all anew each time costs far less than the token did, and is always right: a
        # character may take several tokens, and a token's text may hang on the one before.
        return self._decode_tokens(self._tokens)

    def _show(self, text: str) -> None:
        if len(text) > len(self._shown):
            self._generation.push(text[len(self._shown) :])
            self._shown = text


class _FeedRows(StoppingCriteria):  # type: ignore[misc]  # its types are not read
    """Hands each new token to its row; a row that is done stops by itself."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.BoolTensor:
        tokens = input_ids[:, -1].tolist()
        done = [row.take(token) for row, token in zip(self._rows, tokens, strict=True)]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)  # type: ignore[return-value]


def decode(generate: Generate, rows: Sequence[Row], pad_token: int, device: torch.device) -> None:
    """Write the answers of all rows, each the same as it would be alone.

    Args:
        generate: The model's ``generate``; its generation config is greedy.
        rows: Prompts of any lengths; they are padded on the left, and the padding is masked.
        pad_token: Fills the shorter prompts.
        device: Where the model is.
    """
    width = max(len(row.prompt) for row in rows)
    ids = torch.full((len(rows), width), pad_token, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, width - len(row.prompt) :] = torch.tensor(row.prompt)
        mask[number, width - len(row.prompt) :] = 1
    with torch.inference_mode():
        generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            max_new_tokens=max(row.max_new_tokens for row in rows),
            stopping_criteria=StoppingCriteriaList([_FeedRows(rows)]),
        )
