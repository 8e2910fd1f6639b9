from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from bot.engine import Engine
from bot.errors import ModelBusyError, ModelError, ModelTimeoutError
from tests.tiny_models import Kind, build_tiny_adapter, build_tiny_model
from training.adapters import AdapterRef
from training.base_model import LoadedModel, load_base_model, render_messages
from training.errors import AdapterError, BaseModelError
from training.records import Message
from training.settings import ModelSettings

NEW_TOKENS = 24
QUESTIONS = [
    [Message("system", "Answer briefly."), Message("user", text)]
    for text in (
        "When does the office open?",
        "How many days of leave do I get every year, and whom do I ask about it first?",
        "Wie groß ist das Büro? 日本 🙂",
        "Password",
    )
]


class Live:
    """A source of adapters whose answer the test sets."""

    def __init__(self, ref: AdapterRef | None = None) -> None:
        self.ref = ref
        self.error: AdapterError | None = None

    def live(self) -> AdapterRef | None:
        if self.error:
            raise self.error
        return self.ref


class World:
    """A tiny model with three adapters, and what each version answers by plain generate."""

    def __init__(self, folder: Path, kind: Kind, quantization: str = "none") -> None:
        self.folder = folder
        self.settings = ModelSettings.model_validate(
            {"name": str(build_tiny_model(folder / "model", kind)), "quantization": quantization}
        )
        self.refs = {
            version: AdapterRef(
                version, build_tiny_adapter(folder / "model", folder / version, seed)
            )
            for seed, version in enumerate(["2026.1-a", "2026.1-b", "2026.1-c"], start=1)
        }
        self.expected = {version: self._answers(version) for version in ["", *self.refs]}

    def load(self) -> LoadedModel:
        return load_base_model(self.settings, self.folder)

    def _answers(self, version: str) -> list[str]:
        loaded = self.load()
        model: Any = loaded.model
        if version:
            model = PeftModel.from_pretrained(model, self.refs[version].path)
        texts = []
        for messages in QUESTIONS:
            ids = render_messages(loaded.tokenizer, messages, True)
            out = model.generate(
                input_ids=torch.tensor([ids]), do_sample=False, max_new_tokens=NEW_TOKENS
            )
            texts.append(loaded.tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True))
        return texts


@pytest.fixture(scope="module", params=["llama", pytest.param("phi3", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def start() -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def start_engine(load: Callable[[], LoadedModel], live: Live, **options: Any) -> Engine:
        settings = {"queue_size": 64, "timeout_seconds": 60.0, **options}
        engines.append(Engine(load, live, **settings))
        return engines[-1]

    yield start_engine
    for engine in engines:
        engine.close()


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("the awaited never came")


def _is_live(engine: Engine, version: str) -> bool:
    return engine.status().adapter == version


class Gate:
    """A load function that waits until it may."""

    def __init__(self, load: Callable[[], LoadedModel]) -> None:
        self._load = load
        self.open = threading.Event()
        self.reached = threading.Event()

    def __call__(self) -> LoadedModel:
        self.reached.set()
        self.open.wait(60)
        return self._load()


def test_each_version_answers_as_plain_generate_does(world: World, start: Any) -> None:
    assert len({tuple(texts) for texts in world.expected.values()}) == 4
    live = Live()
    engine = start(world.load, live)
    for version, ref in [("", None), *world.refs.items(), ("", None)]:
        live.ref = ref
        engine.warm()
        wait_until(partial(_is_live, engine, version))
        results = [engine.submit(messages, NEW_TOKENS).result() for messages in QUESTIONS]
        assert [result.text for result in results] == world.expected[version]
        assert {result.adapter for result in results} == {version}


@pytest.mark.slow
def test_versions_side_by_side_on_four_bit_weights(tmp_path: Path, start: Any) -> None:
    world = World(tmp_path, "llama", "nf4")
    live = Live()
    gate = Gate(world.load)
    engine = start(gate, live)
    gate.open.set()
    for version, ref in world.refs.items():
        live.ref = ref
        engine.warm()
        wait_until(partial(_is_live, engine, version))
    held = engine.status().held
    assert held == ("2026.1-b", "2026.1-c")
    generations = [
        engine.submit(QUESTIONS[number], NEW_TOKENS, adapter=version)
        for number, version in enumerate([*held, None])
    ]
    for number, (generation, version) in enumerate(zip(generations, [*held, ""], strict=True)):
        assert generation.result().text == world.expected[version][number]


@pytest.mark.slow
def test_swaps_under_load_fail_nothing_and_mix_nothing(world: World, start: Any) -> None:
    versions = [None, *world.refs.values()]
    live = Live()
    engine = start(world.load, live)
    engine.warm()

    def ask(number: int) -> tuple[str, bool]:
        live.ref = versions[number // 7 % len(versions)]
        question = number % len(QUESTIONS)
        generation = engine.submit(QUESTIONS[question], NEW_TOKENS)
        pieces = "".join(generation)
        result = generation.result()
        right = pieces == result.text == world.expected[result.adapter][question]
        return result.adapter, right

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(ask, range(120)))
    assert all(right for _, right in outcomes)
    assert len({version for version, _ in outcomes}) == 4
    assert len(engine.status().held) <= 3


def test_a_question_keeps_the_version_it_was_admitted_with(world: World, start: Any) -> None:
    live = Live(world.refs["2026.1-a"])
    gate = Gate(world.load)
    gate.open.set()
    engine = start(gate, live, batch_size=1)
    assert engine.submit(QUESTIONS[0], NEW_TOKENS).result().adapter == "2026.1-a"
    generations = [engine.submit(messages, NEW_TOKENS) for messages in QUESTIONS]
    live.ref = world.refs["2026.1-b"]
    assert {generation.result().adapter for generation in generations} == {"2026.1-a"}
    wait_until(lambda: engine.status().adapter == "2026.1-b")
    assert engine.submit(QUESTIONS[1], NEW_TOKENS).result().text == (world.expected["2026.1-b"][1])
    old = engine.submit(QUESTIONS[1], NEW_TOKENS, adapter="2026.1-a").result()
    bare = engine.submit(QUESTIONS[1], NEW_TOKENS, adapter=None).result()
    assert (old.adapter, old.text) == ("2026.1-a", world.expected["2026.1-a"][1])
    assert (bare.adapter, bare.text) == ("", world.expected[""][1])
    live.ref = world.refs["2026.1-c"]
    wait_until(lambda: engine.status().held == ("2026.1-b", "2026.1-c"))
    with pytest.raises(ModelError, match="isn't loaded"):
        engine.submit(QUESTIONS[1], NEW_TOKENS, adapter="2026.1-a")


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "gone", "other model", "other shape", "source"])
def test_a_broken_adapter_leaves_the_last_good_one_live(
    world: World, start: Any, tmp_path: Path, damage: str
) -> None:
    live = Live(world.refs["2026.1-a"])
    engine = start(world.load, live)
    engine.warm()
    bad = AdapterRef("bad", tmp_path / "bad")
    shutil.copytree(world.refs["2026.1-b"].path, bad.path)
    weights = bad.path / "adapter_model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "gone":
        weights.unlink()
    elif damage == "other model":
        bad = replace(bad, base_model="another@123")
    elif damage == "other shape":
        config = bad.path / "adapter_config.json"
        config.write_text(config.read_text().replace('"r": 4', '"r": 8'))
    else:
        live.error = AdapterError("The pointer can't be read.", "Promote an adapter.")
    live.ref = bad
    wait_until(lambda: engine.status().problem != "")
    result = engine.submit(QUESTIONS[0], NEW_TOKENS).result()
    assert (result.adapter, result.text) == ("2026.1-a", world.expected["2026.1-a"][0])
    assert engine.status().held == ("2026.1-a",)
    live.error, live.ref = None, world.refs["2026.1-b"]
    wait_until(lambda: engine.status().adapter == "2026.1-b")
    assert engine.status().problem == ""
    assert engine.submit(QUESTIONS[0], NEW_TOKENS).result().text == world.expected["2026.1-b"][0]


def test_cancel_in_the_middle_gives_what_was_written(world: World, start: Any) -> None:
    engine = start(world.load, Live())
    generation = engine.submit(QUESTIONS[0], 400)
    pieces = iter(generation)
    first = next(pieces)
    generation.cancel()
    text = first + "".join(pieces)
    result = generation.result()
    assert result.finish == "cancelled"
    assert result.text == text
    assert result.new_tokens < 400
    assert engine.submit(QUESTIONS[0], NEW_TOKENS).result().text == world.expected[""][0]


def test_a_cancelled_question_leaves_the_queue_at_once(world: World, start: Any) -> None:
    gate = Gate(world.load)
    engine = start(gate, Live(), queue_size=1)
    waiting = engine.submit(QUESTIONS[0], NEW_TOKENS)
    with pytest.raises(ModelBusyError) as busy:
        engine.submit(QUESTIONS[1], NEW_TOKENS)
    assert busy.value.mend
    waiting.cancel()
    assert waiting.result().finish == "cancelled"
    assert list(waiting) == []
    second = engine.submit(QUESTIONS[1], NEW_TOKENS)
    gate.open.set()
    assert second.result().text == world.expected[""][1]


def test_nobody_waits_beyond_the_deadline(world: World, start: Any) -> None:
    gate = Gate(world.load)
    engine = start(gate, Live())
    with pytest.raises(ModelTimeoutError):
        engine.submit(QUESTIONS[0], NEW_TOKENS, timeout=0.05).result()
    with pytest.raises(ModelTimeoutError):
        list(engine.submit(QUESTIONS[0], NEW_TOKENS, timeout=0.05))
    assert engine.status().waiting == 0
    gate.open.set()
    engine.warm()
    with pytest.raises(ModelTimeoutError):
        engine.submit(QUESTIONS[0], 450, timeout=0.02).result()
    assert engine.submit(QUESTIONS[0], NEW_TOKENS).result().text == world.expected[""][0]


def test_a_failed_load_is_told_to_all_who_wait_and_tried_again(world: World, start: Any) -> None:
    failures = [BaseModelError("No such model.", "Give one."), RuntimeError("secret text")]

    def load() -> LoadedModel:
        if failures:
            raise failures.pop(0)
        return world.load()

    engine = start(load, Live())
    with pytest.raises(ModelError, match="No such model") as told:
        engine.submit(QUESTIONS[0], NEW_TOKENS).result()
    assert told.value.mend == "Give one."
    with pytest.raises(ModelError) as hidden:
        engine.warm()
    assert "secret" not in str(hidden.value)
    engine.warm()
    assert engine.submit(QUESTIONS[0], NEW_TOKENS).result().text == world.expected[""][0]


def test_a_failing_batch_fails_its_questions_and_the_next_are_answered(
    world: World, start: Any
) -> None:
    broken = [True]

    def load() -> LoadedModel:
        loaded = world.load()
        if broken.pop():
            loaded.model.lm_head.forward = lambda _: 1 / 0  # type: ignore[union-attr]
            broken.append(False)
        return loaded

    engine = start(load, Live(world.refs["2026.1-a"]))
    with pytest.raises(ModelError, match="failed while it wrote"):
        engine.submit(QUESTIONS[0], NEW_TOKENS).result()
    assert engine.submit(QUESTIONS[0], NEW_TOKENS).result().text == world.expected["2026.1-a"][0]


def test_a_source_that_fails_in_an_unknown_way_ends_nothing(world: World, start: Any) -> None:
    class Unknown(Live):
        fails = True

        def live(self) -> AdapterRef | None:
            if self.fails:
                raise LookupError("secret text")
            return None

    live = Unknown()
    engine = start(world.load, live)
    with pytest.raises(ModelError) as told:
        engine.submit(QUESTIONS[0], NEW_TOKENS).result()
    assert "secret" not in str(told.value)
    live.fails = False
    assert engine.submit(QUESTIONS[0], NEW_TOKENS).result().text == world.expected[""][0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_hangs_nobody(world: World, start: Any) -> None:
    def load() -> LoadedModel:
        raise SystemExit

    gate = threading.Event()

    def slow_death() -> LoadedModel:
        gate.wait(60)
        return load()

    engine = start(slow_death, Live())
    generation = engine.submit(QUESTIONS[0], NEW_TOKENS)
    gate.set()
    with pytest.raises(ModelError, match="shut down"):
        generation.result()
    with pytest.raises(ModelError, match="shut down"):
        engine.submit(QUESTIONS[0], NEW_TOKENS)
    with pytest.raises(ModelError, match="shut down"):
        engine.warm()


def test_close_ends_what_runs_and_what_waits(world: World, start: Any) -> None:
    engine = start(world.load, Live(), batch_size=1)
    engine.warm()
    running = engine.submit(QUESTIONS[0], 450)
    next(iter(running))
    waiting = engine.submit(QUESTIONS[1], NEW_TOKENS)
    engine.close()
    assert running.result().finish == "cancelled"
    with pytest.raises(ModelError, match="shut down"):
        waiting.result()


def test_unload_gives_the_model_back_and_the_next_question_loads_it(
    world: World, start: Any
) -> None:
    engine = start(world.load, Live(world.refs["2026.1-b"]))
    assert not engine.status().loaded
    engine.warm()
    assert engine.status().loaded
    engine.unload()
    wait_until(lambda: not engine.status().loaded)
    assert engine.status().held == ()
    result = engine.submit(QUESTIONS[2], NEW_TOKENS).result()
    assert (result.adapter, result.text) == ("2026.1-b", world.expected["2026.1-b"][2])


def test_limits_of_length(world: World, start: Any) -> None:
    engine = start(world.load, Live())
    assert engine.context_tokens == 512
    long = [Message("user", "password " * 600)]
    assert engine.count_tokens(long) > 512
    with pytest.raises(ModelError, match="the model takes 512"):
        engine.submit(long, NEW_TOKENS).result()
    near = [Message("user", "a\n" * 240)]
    room = 512 - engine.count_tokens(near)
    assert 0 < room < 40
    result = engine.submit(near, 100).result()
    assert result.new_tokens <= room
    assert result.prompt_tokens == engine.count_tokens(near)
    short = engine.submit(QUESTIONS[0], 3).result()
    assert (short.new_tokens, short.finish) == (3, "length")


def test_stop_token_ends_an_answer(world: World, start: Any) -> None:
    loaded = world.load()
    full = render_messages(loaded.tokenizer, QUESTIONS[0], True)
    out = loaded.model.generate(input_ids=torch.tensor([full]), max_new_tokens=NEW_TOKENS)
    tokens = out[0, len(full) :].tolist()
    stop = tokens[5]

    def load() -> LoadedModel:
        fresh = world.load()
        fresh.model.generation_config.eos_token_id = [stop]
        return fresh

    result = start(load, Live()).submit(QUESTIONS[0], NEW_TOKENS).result()
    assert result.finish == "stop"
    assert result.new_tokens == tokens.index(stop)
