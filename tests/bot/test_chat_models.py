from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from bot.chat_models import LocalChatModel, open_chat_model
from bot.engine import Engine
from bot.errors import ModelBusyError, ModelError, ModelTimeoutError
from tests.bot.openai_server import ANSWER, OpenAIServer, openai_server
from tests.tiny_models import build_tiny_adapter, build_tiny_model
from training.adapters import AdapterRef
from training.base_model import load_base_model
from training.records import Message
from training.settings import ModelSettings

MESSAGES = [SystemMessage("Answer briefly."), HumanMessage("Wie viele Tage? 日本 🙂")]
RECORDS = [Message("system", MESSAGES[0].text), Message("user", MESSAGES[1].text)]


class Live:
    def __init__(self, ref: AdapterRef) -> None:
        self._ref = ref

    def live(self) -> AdapterRef:
        return self._ref


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    settings = ModelSettings(name=str(build_tiny_model(folder / "model")))
    ref = AdapterRef("v1", build_tiny_adapter(folder / "model", folder / "v1", seed=1))
    engine = Engine(
        lambda: load_base_model(settings, folder), Live(ref), queue_size=4, timeout_seconds=60
    )
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def running_server() -> Iterator[OpenAIServer]:
    with openai_server() as server:
        yield server


@pytest.fixture
def server(running_server: OpenAIServer) -> OpenAIServer:
    running_server.fault = ""
    running_server.requests.clear()
    return running_server


def settings_for(server: OpenAIServer, **changes: object) -> ModelSettings:
    values = {"name": "openai:phi-4-mini", "base_url": server.url, "api_key": "sk-123", **changes}
    return ModelSettings.model_validate(values)


def test_local_answer_is_the_engines_with_its_provenance(engine: Engine) -> None:
    model = LocalChatModel(engine=engine, max_new_tokens=16)
    message = model.invoke(MESSAGES)
    result = engine.submit(RECORDS, 16).result()
    assert message.content == result.text
    assert message.response_metadata["adapter"] == "v1"
    assert message.response_metadata["model_name"] == engine.status().model != ""
    assert message.response_metadata["new_tokens"] == 16
    assert message.response_metadata["seconds_to_first"] > 0
    assert message.response_metadata["seconds_to_first"] <= message.response_metadata["seconds"]
    bare = LocalChatModel(engine=engine, max_new_tokens=16, adapter=None).invoke(MESSAGES)
    assert bare.response_metadata["adapter"] == ""
    assert bare.content != message.content


def test_local_stream_joins_to_the_answer(engine: Engine) -> None:
    model = LocalChatModel(engine=engine, max_new_tokens=16)
    chunks = list(model.stream(MESSAGES))
    assert len(chunks) > 3
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.content == model.invoke(MESSAGES).content
    assert whole.response_metadata["adapter"] == "v1"
    assert whole.response_metadata["model_name"] == engine.status().model


def test_local_model_in_a_runnable(engine: Engine) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "{rule}"), ("human", "{question}")])
    chain = prompt | LocalChatModel(engine=engine, max_new_tokens=16) | StrOutputParser()
    text = chain.invoke({"rule": MESSAGES[0].content, "question": MESSAGES[1].content})
    assert text == engine.submit(RECORDS, 16).result().text


def test_local_async_stream_leaves_the_loop_free(engine: Engine) -> None:
    model = LocalChatModel(engine=engine, max_new_tokens=100)

    async def run() -> tuple[str, int]:
        ticks = 0
        done = asyncio.Event()

        async def tick() -> None:
            nonlocal ticks
            while not done.is_set():
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        text = "".join([str(chunk.content) async for chunk in model.astream(MESSAGES)])
        done.set()
        await ticking
        return text, ticks

    text, ticks = asyncio.run(run())
    assert text == model.invoke(MESSAGES).content
    assert ticks > 100


def test_a_stream_that_nobody_reads_further_is_cancelled(engine: Engine) -> None:
    stream = LocalChatModel(engine=engine, max_new_tokens=400).stream(MESSAGES)
    next(stream)
    assert engine.status().running == 1
    stream.close()  # type: ignore[attr-defined]
    for _ in range(200):
        if engine.status().running == 0:
            break
        time.sleep(0.01)
    else:
        pytest.fail("the answer goes on")


def test_local_model_refuses_what_it_cannot_do(engine: Engine) -> None:
    model = LocalChatModel(engine=engine, max_new_tokens=4)
    with pytest.raises(ModelError, match="tool"):
        model.invoke([*MESSAGES, AIMessage("x"), ToolMessage("y", tool_call_id="1")])
    with pytest.raises(ModelError, match="stop words"):
        model.invoke(MESSAGES, stop=["x"])


@pytest.mark.parametrize(
    ("name", "remote"),
    [
        ("smollm2", False),
        ("openai:phi-4-mini", True),
        ("azure_openai:x", True),
        ("microsoft/Phi-4-mini-instruct", False),
        ("/models/phi", False),
        ("C:\\models", False),
        ("openai:", False),
    ],
)
def test_which_names_mean_an_endpoint(name: str, remote: bool) -> None:
    assert ModelSettings(name=name).is_remote is remote


def test_open_chat_model_needs_an_engine_or_a_known_provider(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(open_chat_model(ModelSettings(), engine), LocalChatModel)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for settings in (
        ModelSettings(),
        ModelSettings(name="nobody:model"),
        ModelSettings(name="anthropic:model", api_key="sk-123"),
        ModelSettings(name="openai:model"),
    ):
        with pytest.raises(ModelError) as refused:
            open_chat_model(settings, None).invoke("x")
        assert refused.value.mend
        assert "sk-123" not in str(refused.value) + refused.value.mend


def test_remote_answer(server: OpenAIServer) -> None:
    message = open_chat_model(settings_for(server, max_new_tokens=77), None).invoke(MESSAGES)
    assert message.content == ANSWER
    body, authorization = server.requests[0]
    assert authorization == "Bearer sk-123"
    assert (body["model"], body["temperature"]) == ("phi-4-mini", 0)
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert body["messages"] == [
        {"role": "system", "content": MESSAGES[0].content},
        {"role": "user", "content": MESSAGES[1].content},
    ]


def test_remote_stream_in_pieces(server: OpenAIServer) -> None:
    model = open_chat_model(settings_for(server, api_key=""), None)
    pieces = [str(chunk.content) for chunk in model.stream(MESSAGES)]
    assert "".join(pieces) == ANSWER
    assert len([piece for piece in pieces if piece]) == len(ANSWER.split(" "))

    async def read() -> str:
        return "".join([str(chunk.content) async for chunk in model.astream(MESSAGES)])

    assert asyncio.run(read()) == ANSWER


FAULTS = [
    ("401", ModelError, "refuses the key"),
    ("404", ModelError, "doesn't know the model"),
    ("429", ModelBusyError, "no more questions"),
    ("500", ModelError, "endpoint failed"),
    ("400 context", ModelError, "longer than"),
    ("slow", ModelTimeoutError, "in time"),
    ("garbage", ModelError, "isn't a chat completion|broke off"),
    ("cut", ModelError, "broke off"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "kind", "said"), [*FAULTS, ("null", ModelError, "isn't a chat")])
def test_remote_faults(server: OpenAIServer, fault: str, kind: type[ModelError], said: str) -> None:
    server.fault = fault
    model = open_chat_model(settings_for(server, timeout_seconds=0.5), None)
    with pytest.raises(kind, match=said) as told:
        model.invoke(MESSAGES)
    assert_clean(told.value)
    with pytest.raises(kind, match=said):
        asyncio.run(model.ainvoke(MESSAGES))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        *FAULTS,
        ("short", ModelError, "broke off"),
        ("error event", ModelError, "endpoint failed"),
        ("drip", ModelTimeoutError, "in time"),
    ],
)
def test_remote_faults_in_a_stream(
    server: OpenAIServer, fault: str, kind: type[ModelError], said: str
) -> None:
    server.fault = fault
    model = open_chat_model(settings_for(server, timeout_seconds=0.5), None)
    pieces = []
    with pytest.raises(kind, match=said) as told:
        for chunk in model.stream(MESSAGES):
            pieces.append(str(chunk.content))
    assert_clean(told.value)
    if fault in ("cut", "short", "error event"):
        assert "".join(pieces) == " ".join(ANSWER.split(" ")[:2])

    async def read() -> None:
        async for _ in model.astream(MESSAGES):
            pass

    with pytest.raises(kind, match=said):
        asyncio.run(read())


def test_nobody_listens(server: OpenAIServer) -> None:
    closed = re.sub(r":\d+", ":9", server.url)
    model = open_chat_model(settings_for(server, base_url=closed), None)
    with pytest.raises(ModelError, match="can't be reached") as told:
        model.invoke(MESSAGES)
    assert isinstance(told.value.__cause__, openai.APIConnectionError)
    assert_clean(told.value)


def assert_clean(error: ModelError) -> None:
    assert error.mend
    assert "sk-123" not in error.problem + error.mend
    assert MESSAGES[1].text not in error.problem + error.mend
