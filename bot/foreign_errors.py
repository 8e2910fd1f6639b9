"""What models' libraries raise, as `bot.errors`: the one place where it is mapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import openai
from langchain_core import exceptions as foreign

from bot.errors import ModelBusyError, ModelError
from bot.generation import timed_out


@contextmanager
def map_model_errors() -> Iterator[None]:
    """Turn what a model's library raises into `ModelError` and its kinds, with a mend.

    The library's own words stay in the cause: they may hold a key or the question.
    """
    try:
        yield
    except tuple(kind for kinds, _ in _FOREIGN_ERRORS for kind in kinds) as error:
        make = next(make for kinds, make in _FOREIGN_ERRORS if isinstance(error, kinds))
        raise make() from error


def _refused_key() -> ModelError:
    return ModelError(
        "The model's endpoint refuses the key.", "Check model.api_key and what it may use."
    )


def _busy() -> ModelError:
    return ModelBusyError(
        "The model's endpoint takes no more questions now.",
        "Ask again in a minute, or raise its limit.",
    )


def _unknown_model() -> ModelError:
    return ModelError(
        "The endpoint doesn't know the model.", "Check model.name and model.base_url."
    )


def _too_long() -> ModelError:
    return ModelError(
        "The prompt is longer than the endpoint's model takes.",
        "Set model.context_tokens to what it takes.",
    )


def _unreachable() -> ModelError:
    return ModelError(
        "The model's endpoint can't be reached, or broke off in the middle.",
        "Check model.base_url, and that the server runs.",
    )


def _refused_request() -> ModelError:
    return ModelError(
        "The model's endpoint refuses the request.",
        "Check that it speaks the OpenAI chat API and knows the settings' model.",
    )


def _failed() -> ModelError:
    return ModelError("The model's endpoint failed.", "Ask again; see the endpoint's log.")


def _not_a_completion() -> ModelError:
    return ModelError(
        "The endpoint's reply isn't a chat completion.",
        "Check that model.base_url ends where the API begins, as in …/v1.",
    )


# The first that fits counts, so that the specific stand before the general. LangChain's own kinds
# serve providers other than OpenAI; the last line is what parsers raise over a strange reply.
_FOREIGN_ERRORS: tuple[tuple[tuple[type[Exception], ...], Callable[[], ModelError]], ...] = (
    (
        (
            openai.APITimeoutError,
            httpx.TimeoutException,
            foreign.ModelTimeoutError,
            TimeoutError,
        ),
        timed_out,
    ),
    (
        (
            openai.AuthenticationError,
            openai.PermissionDeniedError,
            foreign.ModelAuthenticationError,
            foreign.ModelPermissionDeniedError,
        ),
        _refused_key,
    ),
    ((openai.RateLimitError, foreign.ModelRateLimitError), _busy),
    ((openai.NotFoundError, foreign.ModelNotFoundError), _unknown_model),
    ((foreign.ContextOverflowError,), _too_long),
    (
        (
            openai.APIConnectionError,
            httpx.TransportError,
            foreign.ModelConnectionError,
            OSError,
        ),
        _unreachable,
    ),
    (
        (
            openai.BadRequestError,
            openai.UnprocessableEntityError,
            foreign.ModelInvalidRequestError,
        ),
        _refused_request,
    ),
    ((openai.APIResponseValidationError,), _not_a_completion),
    ((openai.OpenAIError, httpx.HTTPError, foreign.LangChainException), _failed),
    ((ValueError, KeyError, TypeError, AttributeError), _not_a_completion),
)
