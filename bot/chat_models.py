"""LangChain chat models: the local engine, or any endpoint that LangChain can talk to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import openai
from langchain.chat_models import init_chat_model
from langchain_core.callbacks import (
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from bot.engine import CURRENT, Engine
from bot.errors import ModelError
from bot.foreign_errors import map_model_errors
from bot.generation import GeneratedText, timed_out
from training.records import Message
from training.settings import ModelSettings

_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
_MAX_RETRIES = 1  # a question waits for it: two tries, then say so
_NO_KEY = "not-needed"  # OpenAI's client wants one also where the endpoint doesn't


class LocalChatModel(BaseChatModel):
    """The engine as a LangChain chat model.

    The message's `response_metadata` holds ``model_name`` (the identity of the base model),
    ``adapter``, ``finish_reason``, ``prompt_tokens``, ``new_tokens``, ``seconds_to_first`` and
    ``seconds``; in a stream the first chunk's says who writes, and the last one's the rest, so
    that a stream may be left when enough was read: one that nobody reads further is cancelled.
    Asynchronous calls run in LangChain's executor, so that the event loop goes on.

    Attributes:
        adapter: As in `Engine.submit`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: Engine
    max_new_tokens: int
    adapter: str | None = CURRENT
    timeout: float | None = None

    @property
    def _llm_type(self) -> str:
        return "nightshift-local"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        _refuse_stop(stop)
        result = self.engine.submit(
            to_records(messages), self.max_new_tokens, self.adapter, self.timeout
        ).result()
        metadata = {**self._author(result.adapter), **_how(result)}
        message = AIMessage(content=result.text, response_metadata=metadata)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        _refuse_stop(stop)
        generation = self.engine.submit(
            to_records(messages), self.max_new_tokens, self.adapter, self.timeout
        )
        try:
            named = False  # once only: joined chunks would say it twice
            for piece in generation:
                who = {} if named else self._author(generation.adapter)
                named = True
                message = AIMessageChunk(content=piece, response_metadata=who)
                chunk = ChatGenerationChunk(message=message)
                if run_manager:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            result = generation.result()
            who = {} if named else self._author(result.adapter)
            last = AIMessageChunk(content="", response_metadata={**who, **_how(result)})
            yield ChatGenerationChunk(message=last)
        finally:
            generation.cancel()

    def _author(self, adapter: str) -> dict[str, Any]:
        return {"model_name": self.engine.status().model, "adapter": adapter}


class RemoteChatModel(BaseChatModel):
    """Another chat model with its errors mapped, its whole answer timed, its stream complete.

    Asynchronous calls run in LangChain's executor: the loop goes on, and no connection hangs on a
    loop that is gone (OpenAI's asynchronous client is shared between loops).

    Attributes:
        inner: Does the work.
        timeout: Seconds for a whole streamed answer; the inner model's own time-out counts
            between two packets, and anew for its second try.
    """

    inner: BaseChatModel
    timeout: float

    @property
    def _llm_type(self) -> str:
        return "nightshift-remote"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with map_model_errors():
            return self.inner._generate(messages, stop, run_manager, **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        watch = _StreamWatch(self.timeout)
        with map_model_errors():
            for chunk in self.inner._stream(messages, stop, run_manager, **kwargs):
                watch.see(chunk)
                yield chunk
        watch.end()


def open_chat_model(settings: ModelSettings, engine: Engine | None) -> BaseChatModel:
    """Return the chat model that the settings name.

    Args:
        settings: ``name`` as in 'openai:phi-4-mini' means an endpoint, all else the engine.
        engine: The local model; needed unless an endpoint is named.

    Raises:
        ModelError: The endpoint's package or key is missing, or there is no engine.
    """
    if not settings.is_remote:
        if engine is None:
            raise ModelError("No local model is running.", "Set model.name to an endpoint.")
        return LocalChatModel(engine=engine, max_new_tokens=settings.max_new_tokens)
    options: dict[str, Any] = {
        "temperature": 0,
        "max_tokens": settings.max_new_tokens,
        "timeout": settings.timeout_seconds,
        "max_retries": _MAX_RETRIES,
    }
    if settings.base_url:
        options["base_url"] = settings.base_url
    if settings.api_key or settings.base_url:
        options["api_key"] = settings.api_key or _NO_KEY
    try:
        inner = init_chat_model(settings.name, **options)
    except ImportError as error:
        raise ModelError(
            f"The model '{settings.name}' needs LangChain's package for that provider.",
            f"Install it: pip install {error.name or 'langchain-<provider>'}.",
        ) from error
    except (ValueError, openai.OpenAIError) as error:
        raise ModelError(
            f"The model '{settings.name}' can't be set up.",
            "Check model.name ('provider:model') and model.api_key.",
        ) from error
    return RemoteChatModel(inner=inner, timeout=settings.timeout_seconds)


def to_records(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """Return LangChain's messages as the local model takes them.

    Raises:
        ModelError: A message of another role than system, user and assistant.
    """
    unknown = {message.type for message in messages} - _ROLES.keys()
    if unknown:
        raise ModelError(
            f"The local model takes no messages of type {', '.join(sorted(unknown))}.",
            "Send system, user and assistant messages only.",
        )
    return tuple(Message(_ROLES[message.type], str(message.text)) for message in messages)


class _StreamWatch:
    """Sees that a stream ends in time, and that it ends."""

    def __init__(self, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout
        self._complete = False

    def see(self, chunk: ChatGenerationChunk) -> None:
        if time.monotonic() > self._deadline:
            raise timed_out()
        metadata = {**(chunk.generation_info or {}), **chunk.message.response_metadata}
        self._complete |= bool(metadata.keys() & {"finish_reason", "stop_reason", "done_reason"})

    def end(self) -> None:
        """Refuse half an answer: some servers close a stream that they can't finish."""
        if not self._complete:
            raise ModelError(
                "The model's endpoint broke off in the middle of the answer.",
                "Ask again; see the endpoint's log.",
            )


def _how(result: GeneratedText) -> dict[str, Any]:
    """Return how a text was written."""
    return {
        "finish_reason": result.finish,
        "prompt_tokens": result.prompt_tokens,
        "new_tokens": result.new_tokens,
        "seconds_to_first": result.seconds_to_first,
        "seconds": result.seconds,
    }


def _refuse_stop(stop: list[str] | None) -> None:
    if stop:
        raise ModelError("The local model takes no stop words.", "Leave them out.")
