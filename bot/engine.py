"""The local model: one thread owns it; callers hand in messages and read pieces."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from bot.adapter_slots import AdapterSlots
from bot.decoding import Row, decode
from bot.errors import ModelBusyError, ModelError
from bot.generation import GeneratedText, Generation, timed_out
from bot.live_adapter import AdapterSource, LiveAdapter
from training.adapters import AdapterRef
from training.base_model import LoadedModel, render_messages
from training.errors import TrainingError
from training.records import Message

CURRENT: Final = "current"
_IDLE_SECONDS = 0.2  # between two looks for a new adapter while nothing is asked
_CLOSE_SECONDS = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What the engine does now.

    Attributes:
        model: Identity of the loaded base model, or "" while none is loaded.
        adapter: Version that new questions get; "" for the bare base model.
        held: Versions in memory.
        problem: Why the adapter that should be live isn't, or "".
    """

    loaded: bool
    model: str
    adapter: str
    held: tuple[str, ...]
    waiting: int
    running: int
    problem: str


@dataclass(eq=False, slots=True)
class _Request:
    messages: tuple[Message, ...]
    max_new_tokens: int
    pin: AdapterRef | None
    follows_live: bool  # admitted before the live version was known: gets it once it is
    generation: Generation


class Engine:
    """Answers questions with one local model, a batch at a time, in the order they came.

    The version of the adapter is pinned when a question is admitted. Between batches the engine
    looks which version is live, loads it beside the others and points new questions at it; rows
    of different versions share a batch (PEFT's ``adapter_names``). A version that no question
    holds is dropped, except the live one and the one before it, so that a rollback is a pointer.
    A broken adapter changes nothing: the last good one goes on, and `status` says why.

    The prompt of a batch is read in one go: a cancelled question ends with the next token.
    """

    def __init__(
        self,
        load: Callable[[], LoadedModel],
        adapters: AdapterSource,
        *,
        queue_size: int,
        timeout_seconds: float,
        batch_size: int = 4,
    ) -> None:
        """Prepare the engine; the model is loaded at first use.

        Args:
            load: Returns the model; called in the engine's thread.
            adapters: Says which adapter is live.
            queue_size: Questions that may wait; the running batch isn't counted.
            timeout_seconds: From admission to the whole answer, loading included (see `warm`).
            batch_size: Questions answered side by side, at most.
        """
        self._load = load
        self._live = LiveAdapter(adapters)
        self._queue_size = queue_size
        self._timeout = timeout_seconds
        self._batch_size = batch_size
        self._changed = threading.Condition()
        # All below is guarded by _changed, but for the model itself, which the thread owns.
        self._waiting: deque[_Request] = deque()
        self._running: list[_Request] = []
        self._loaded: LoadedModel | None = None
        self._load_problem: ModelError | None = None
        self._load_wanted = False
        self._unload_wanted = False
        self._closed = False
        self._slots: AdapterSlots | None = None
        self._tokenizer_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def submit(
        self,
        messages: Sequence[Message],
        max_new_tokens: int,
        adapter: str | None = CURRENT,
        timeout: float | None = None,
    ) -> Generation:
        """Admit a question; returns at once.

        Args:
            messages: The rendered conversation; it must fit into `context_tokens`.
            max_new_tokens: Longest answer.
            adapter: "current" pins the live version, None the bare base model, and a version's
                name that version, if it is still held.
            timeout: Seconds until the whole answer; the engine's own by default.

        Raises:
            ModelBusyError: Too many questions wait.
            ModelError: The engine is closed, or doesn't hold the version.
        """
        generation = Generation(timeout or self._timeout, on_cancel=self._withdraw)
        with self._changed:
            self._check_open()
            if len(self._waiting) >= self._queue_size:
                raise ModelBusyError(
                    f"{self._queue_size} questions wait for the model already.",
                    "Ask again in a minute, or raise model.queue_size.",
                )
            follows_live = adapter == CURRENT and not self._live.pointer.known
            pin = None if adapter is None or follows_live else self._held(adapter)
            self._waiting.append(
                _Request(tuple(messages), max_new_tokens, pin, follows_live, generation)
            )
            self._changed.notify_all()
        return generation

    def warm(self) -> None:
        """Load the model now, and wait for it. Loading has no time-out: it may convert first.

        Raises:
            ModelError: It can't be loaded, or the engine is closed.
        """
        self._model()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the length of the prompt that these messages make. Loads the model if need be."""
        loaded = self._model()
        with self._tokenizer_lock:
            return len(render_messages(loaded.tokenizer, messages, add_generation_prompt=True))

    @property
    def context_tokens(self) -> int:
        """Longest prompt and answer together. Loads the model if need be."""
        return self._model().context_tokens

    def unload(self) -> None:
        """Give the model's memory back as soon as nothing waits; the next question loads anew."""
        with self._changed:
            self._unload_wanted = True
            self._changed.notify_all()

    def status(self) -> EngineStatus:
        """Return what the engine does now."""
        with self._changed:
            pointer = self._live.pointer
            return EngineStatus(
                loaded=self._loaded is not None,
                model=self._loaded.identity if self._loaded else "",
                adapter=pointer.ref.version if pointer.ref else "",
                held=tuple(sorted(self._slots.versions)) if self._slots else (),
                waiting=len(self._waiting),
                running=len(self._running),
                problem=pointer.problem,
            )

    def close(self) -> None:
        """Cancel all that is held, and end the thread."""
        with self._changed:
            self._closed = True
            for request in self._running:
                request.generation.cancel()
            self._changed.notify_all()
        self._thread.join(_CLOSE_SECONDS)

    # What follows the lock's callers: short steps under _changed.

    def _check_open(self) -> None:
        if self._closed or not self._thread.is_alive():
            raise _closed()

    def _held(self, version: str) -> AdapterRef | None:
        if version == CURRENT:
            return self._live.pointer.ref
        for ref in self._refs():
            if ref.version == version:
                return ref
        raise ModelError(
            f"Adapter {version} isn't loaded.", "Promote it: nightshift adapters promote."
        )

    def _withdraw(self, generation: Generation) -> None:
        """Take a cancelled question out of the queue, so that it holds no place."""
        with self._changed:
            for request in self._waiting:
                if request.generation is generation:
                    self._waiting.remove(request)
                    _end_unread(generation)
                    return

    def _model(self) -> LoadedModel:
        with self._changed:
            self._load_problem = None
            while self._loaded is None:
                self._check_open()
                if self._load_problem is not None:
                    raise self._load_problem
                self._load_wanted = True
                self._changed.notify_all()
                self._changed.wait(_IDLE_SECONDS)
            return self._loaded

    # What the engine's own thread does.

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                try:
                    self._work_once()
                except Exception as error:  # noqa: BLE001 - the thread's outermost loop
                    self._recover(error)
        finally:
            # However the thread ends, nobody is left waiting.
            with self._changed:
                self._closed = True
                held = [*self._running, *self._waiting]
                self._running, self._loaded, self._slots = [], None, None
                self._waiting.clear()
                self._changed.notify_all()
            for request in held:
                request.generation.finish(_closed())

    def _wait_for_work(self) -> bool:
        """Wait until there is something to do, or it is time to look; False once closed."""
        with self._changed:
            busy = self._waiting or self._load_wanted or self._unload_wanted or self._closed
            if not busy:
                self._changed.wait(_IDLE_SECONDS)
            return not self._closed

    def _work_once(self) -> None:
        with self._changed:
            wanted = bool(self._waiting) or self._load_wanted
            if self._unload_wanted and not wanted:
                self._unload_wanted = False
                self._drop_model()
                return
        if self._loaded is None and not (wanted and self._load_model()):
            return
        assert self._loaded is not None and self._slots is not None  # noqa: S101 - for mypy
        self._live.follow(self._slots)
        batch = self._take_batch()
        if batch:
            self._answer(batch, self._loaded, self._slots)
        with self._changed:
            self._running = []
            if self._slots is not None:
                self._slots.keep_only({ref.version for ref in self._refs()})

    def _load_model(self) -> bool:
        """Load the model; where that fails, all who wait are told."""
        try:
            loaded = self._load()
        except TrainingError as error:
            log.error("The base model can't be loaded: %s", error.problem)
            problem = ModelError(error.problem, error.mend)
        except Exception as error:  # noqa: BLE001 - the outermost loop of the model's thread
            log.error("The base model can't be loaded: %s", type(error).__name__)
            problem = ModelError("The model can't be loaded.", "Run 'nightshift doctor'.")
        else:
            with self._changed:
                self._loaded, self._slots = loaded, AdapterSlots(loaded)
                self._load_wanted = False
                self._changed.notify_all()
            return True
        with self._changed:
            self._load_problem, self._load_wanted = problem, False
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for request in waiting:
            request.generation.finish(problem)
        return False

    def _drop_model(self) -> None:
        """Give the memory back; all adapters go with the model."""
        self._loaded, self._slots = None, None
        self._live.forget()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _take_batch(self) -> list[_Request]:
        """Move the oldest questions from the queue into the running batch."""
        with self._changed:
            size = min(self._batch_size, len(self._waiting))
            self._running = [self._waiting.popleft() for _ in range(size)]
            for request in self._running:
                if request.follows_live:
                    request.pin = self._live.pointer.ref
            return self._running

    def _answer(self, batch: Sequence[_Request], loaded: LoadedModel, slots: AdapterSlots) -> None:
        rows = [row for request in batch if (row := self._row(request, loaded, slots)) is not None]
        if not rows:
            return
        generate = slots.generate([row.adapter for row in rows])
        decode(generate, rows, int(loaded.tokenizer.pad_token_id), loaded.device)

    def _recover(self, error: Exception) -> None:
        """Tell those whom a failure hit, and go on with a fresh model for the others."""
        log.error("The model failed: %s", type(error).__name__)
        with self._changed:
            hit = self._running
            if not hit:  # it failed before a batch was taken, and would fail again
                hit = list(self._waiting)
                self._waiting.clear()
            self._running = []
            # PEFT leaves its hooks behind after an exception, and a GPU may be out of memory:
            # only a model loaded anew is known to be right.
            self._drop_model()
        for request in hit:
            request.generation.finish(_failed(error))

    def _row(self, request: _Request, loaded: LoadedModel, slots: AdapterSlots) -> Row | None:
        """Render a question for the batch; where that can't be, tell its asker."""
        generation = request.generation
        if generation.cancelled or generation.expired:
            _end_unread(generation)
            return None
        try:
            if request.pin is not None:
                slots.load(request.pin)
            with self._tokenizer_lock:
                prompt = render_messages(loaded.tokenizer, request.messages, True)
        except TrainingError as error:
            generation.finish(ModelError(error.problem, error.mend))
            return None
        room = loaded.context_tokens - len(prompt)
        if room < 1:
            generation.finish(_too_long(len(prompt), loaded.context_tokens))
            return None
        return Row(
            prompt=prompt,
            max_new_tokens=min(request.max_new_tokens, room),
            adapter=request.pin.version if request.pin else "",
            generation=generation,
            decode_tokens=self._decode_tokens(loaded),
            stop_tokens=_stop_tokens(loaded),
        )

    def _decode_tokens(self, loaded: LoadedModel) -> Callable[[list[int]], str]:
        def decode_tokens(tokens: list[int]) -> str:
            with self._tokenizer_lock:
                return str(
                    loaded.tokenizer.decode(
                        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
                    )
                )

        return decode_tokens

    def _refs(self) -> list[AdapterRef]:
        """All versions that somebody may still need; call it under the lock."""
        pointer = self._live.pointer
        pins = [request.pin for request in (*self._waiting, *self._running)]
        return [ref for ref in (pointer.ref, pointer.previous, *pins) if ref is not None]


def _stop_tokens(loaded: LoadedModel) -> frozenset[int]:
    ends = loaded.model.generation_config.eos_token_id
    return frozenset([ends] if isinstance(ends, int) else ends or [])


def _end_unread(generation: Generation) -> None:
    """End a question that the model never saw."""
    if not generation.cancelled:
        generation.finish(timed_out())
        return
    waited = time.monotonic() - generation.admitted
    generation.finish(GeneratedText("", "", 0, 0, waited, waited, "cancelled"))


def _closed() -> ModelError:
    return ModelError("The model is shut down.", "Start Nightshift again.")


def _failed(error: Exception) -> ModelError:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return ModelError(
            "The model ran out of memory.",
            "Lower model.context_tokens or the passages per answer, or choose a smaller model.",
        )
    return ModelError("The model failed while it wrote.", "Ask again; see the log.")


def _too_long(prompt: int, context: int) -> ModelError:
    return ModelError(
        f"The prompt has {prompt} tokens, and the model takes {context}.",
        "Ask a shorter question, or lower answer.passages.",
    )
