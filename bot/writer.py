"""Who writes answers: the local model with its live adapter, or a model behind an API."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, SystemMessage

from training.adapters import AdapterRegistry
from training.records import Message
from training.settings import ModelSettings

if TYPE_CHECKING:
    from bot.engine import Engine

# No tokenizer makes more than one token of two bytes of ordinary text.
_BYTES_PER_TOKEN = 2
_TOKENS_PER_MESSAGE = 16
_DEFAULT_CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Measures prompts.

    Attributes:
        count: Tokens of rendered messages.
        room: Tokens that a prompt may take.
    """

    count: Callable[[Sequence[Message]], int]
    room: int


class Writer:
    """A chat model with what the chain must know of it.

    Args:
        chat_model: The model; made when the first answer is written.
        engine: The engine behind a local model; None for a model behind an API.
        registry: The adapters of the local model.
    """

    def __init__(
        self,
        chat_model: Callable[[], BaseChatModel],
        engine: Callable[[], Engine] | None,
        registry: AdapterRegistry,
        settings: ModelSettings,
    ) -> None:
        self._chat_model = chat_model
        self._engine = engine
        self._registry = registry
        self._settings = settings

    def has_its_voice(self) -> bool:
        """Whether ``auto`` answers are written.

        A local model earns it at the gate: written answers beat quotes on held-out questions.
        Who names a model behind an API has chosen it to write; its sentences are checked too.
        """
        if self._engine is None:
            return True
        live = self._registry.current()
        return live is not None and live.writes_better

    def counter(self, *, exact: bool) -> TokenCounter:
        """Return how prompts are measured: by the model's tokenizer, or by a safe estimate.

        The estimate spares a quoted answer the loading of the model.
        """
        if exact and self._engine is not None:
            engine = self._engine()
            return TokenCounter(engine.count_tokens, self._room(engine.context_tokens))
        return TokenCounter(estimate_tokens, self._room(_DEFAULT_CONTEXT))

    def stream(self, messages: Sequence[Message]) -> Generator[AIMessageChunk]:
        """Yield the answer's pieces; the first ones name the model and the adapter.

        Raises:
            ModelError: The model can't answer now.
        """
        if self._engine is None:  # an endpoint names itself with its last piece, if at all
            asked_for = {"model_name": self._settings.name.partition(":")[2]}
            yield AIMessageChunk(content="", response_metadata=asked_for)
        for chunk in self._chat_model().stream([_as_langchain(message) for message in messages]):
            if isinstance(chunk, AIMessageChunk):
                yield chunk

    def _room(self, context: int) -> int:
        return (self._settings.context_tokens or context) - self._settings.max_new_tokens


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Return a count that is hardly ever too low, without a tokenizer."""
    return sum(
        len(message.content.encode()) // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE
        for message in messages
    )


def _as_langchain(message: Message) -> BaseMessage:
    kind = SystemMessage if message.role == "system" else HumanMessage
    return kind(content=message.content)
