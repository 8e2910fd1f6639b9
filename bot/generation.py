"""One answer in the making, as its asker holds it: pieces to iterate, cancel, result."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from bot.errors import ModelError, ModelTimeoutError

Finish = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """A finished answer of the model.

    Attributes:
        text: All pieces joined.
        adapter: Version that wrote it, all of it; "" for the bare base model.
        seconds_to_first: From admission to the first token, waiting included; equal to
            `seconds` where there was none.
        seconds: From admission to the end.
        finish: "stop" the model ended it; "length" it ran into its limit; "cancelled".
    """

    text: str
    adapter: str
    prompt_tokens: int
    new_tokens: int
    seconds_to_first: float
    seconds: float
    finish: Finish


class Generation:
    """Handle to an answer that an engine's thread writes. One reader at a time iterates it.

    No call waits beyond the deadline, even if the engine's thread is stuck or dead.

    Attributes:
        adapter: Version that writes it, from the first piece on; "" for the bare base model.
    """

    def __init__(self, timeout: float, on_cancel: Callable[[Generation], None]) -> None:
        self.admitted = time.monotonic()
        self.adapter = ""
        self._deadline = self.admitted + timeout
        self._on_cancel = on_cancel
        self._pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._once = threading.Lock()
        self._ended = threading.Event()
        self._cancelled = threading.Event()
        self._outcome: GeneratedText | ModelError | None = None

    def __iter__(self) -> Iterator[str]:
        """Yield the pieces of text as they are written; each is valid Unicode.

        Raises:
            ModelTimeoutError: The answer isn't complete in time.
            ModelError: The model failed.
        """
        while (piece := self._next_piece()) is not None:
            yield piece
        self._pieces.put(None)  # whoever iterates again ends at once, too
        self.result()

    def result(self) -> GeneratedText:
        """Wait for the whole answer.

        Raises:
            ModelTimeoutError: It isn't complete in time.
            ModelError: The model failed.
        """
        if not self._ended.wait(self._remaining()):
            self._give_up()
        if isinstance(self._outcome, GeneratedText):
            return self._outcome
        raise self._outcome or timed_out()

    def cancel(self) -> None:
        """Stop it at the next token; what was written so far is the result."""
        self._cancelled.set()
        self._on_cancel(self)

    @property
    def cancelled(self) -> bool:
        """Whether the asker wants no more of it."""
        return self._cancelled.is_set()

    @property
    def expired(self) -> bool:
        """Whether its deadline has passed."""
        return time.monotonic() >= self._deadline

    @property
    def ended(self) -> bool:
        """Whether it has a result or an error."""
        return self._ended.is_set()

    def push(self, piece: str) -> None:
        """Add a piece (the engine's thread only)."""
        self._pieces.put(piece)

    def finish(self, outcome: GeneratedText | ModelError) -> None:
        """Set the result or the error, once; later calls change nothing."""
        with self._once:
            if self._ended.is_set():
                return
            self._outcome = outcome
            self._ended.set()
        self._pieces.put(None)

    def _next_piece(self) -> str | None:
        try:
            return self._pieces.get(timeout=self._remaining())
        except queue.Empty:
            self._give_up()
            raise timed_out() from None

    def _give_up(self) -> None:
        self.finish(timed_out())
        self.cancel()

    def _remaining(self) -> float:
        return max(0.0, self._deadline - time.monotonic())


def timed_out() -> ModelTimeoutError:
    """Return the error for an answer that isn't there in time."""
    return ModelTimeoutError(
        "The model did not finish the answer in time.",
        "Ask again later, or raise model.timeout_seconds.",
    )
