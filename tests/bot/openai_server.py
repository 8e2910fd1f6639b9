"""A real HTTP server that speaks the OpenAI chat-completions API, with faults on demand."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

ANSWER = "Größe: 30 Tage 日本語 🙂 – see the handbook."


@dataclass
class OpenAIServer:
    """The server as a test holds it.

    Attributes:
        fault: What goes wrong: "" nothing, "401", "404", "429", "500", "400 context", "slow",
            "garbage", "cut" the connection, "short" a stream that ends too early, "drip" a stream
            that never ends, "error event" in the stream, "null" no choices.
        answer: What the model says.
        hold_after: After so many words of a stream it waits until `go` is set; 0 for never.
        requests: Bodies and authorization headers, in order.
    """

    url: str
    fault: str = ""
    answer: str = ANSWER
    hold_after: int = 0
    go: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[dict[str, Any], str]] = field(default_factory=list)


@contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    """Run the server on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    state = OpenAIServer(url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    server = uvicorn.Server(
        uvicorn.Config(_app(state), log_level="critical", ws="none", lifespan="off")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield state
    server.should_exit = server.force_exit = True
    thread.join(10)
    listener.close()


def _app(state: OpenAIServer) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        body = await request.json()
        state.requests.append((body, request.headers.get("authorization", "")))
        if state.fault in ("401", "404", "429", "500", "400 context"):
            return _error(state.fault)
        if state.fault == "slow":
            await asyncio.sleep(3)
        if state.fault == "garbage":
            return Response("<html>login</html>{", media_type="application/json")
        if body.get("stream"):
            return StreamingResponse(_events(state), media_type="text/event-stream")
        if state.fault == "cut":
            return StreamingResponse(_half_a_body(), media_type="application/json")
        choices = [
            {
                "index": 0,
                "message": {"role": "assistant", "content": state.answer},
                "finish_reason": "stop",
            }
        ]
        return JSONResponse(
            {**_head("chat.completion"), "choices": None if state.fault == "null" else choices}
        )

    return app


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "phi-4-mini"}


def _error(fault: str) -> JSONResponse:
    status, _, kind = fault.partition(" ")
    code = "context_length_exceeded" if kind else "some_code"
    error = {"message": f"{code}: secret sk-123 in the body", "type": "error", "code": code}
    return JSONResponse({"error": error}, status_code=int(status))


async def _half_a_body() -> AsyncIterator[bytes]:
    yield b'{"id": "chatcmpl-1", "choices": ['
    raise ConnectionResetError


async def _events(state: OpenAIServer) -> AsyncIterator[bytes]:
    """Yield the answer as server-sent events, cut anywhere, also inside a character."""
    fault = state.fault
    for number, piece in enumerate(state.answer.split(" ")):
        while state.hold_after and number >= state.hold_after and not state.go.is_set():
            await asyncio.sleep(0.01)
        content = piece if number == 0 else f" {piece}"
        event = _event({"content": content}, None)
        half = len(event) // 2
        yield event[:half]
        await asyncio.sleep(0)
        yield event[half:]
        if number == 1 and fault == "cut":
            raise ConnectionResetError
        if number == 1 and fault == "short":
            return
        if number == 1 and fault == "error event":
            yield b'data: {"error": {"message": "secret sk-123: out of memory"}}\n\n'
            return
        while number == 1 and fault == "drip":
            yield _event({"content": "."}, None)
            await asyncio.sleep(0.05)
    yield _event({}, "stop")
    yield b"data: [DONE]\n\n"


def _event(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    data = {**_head("chat.completion.chunk"), "choices": [choice]}
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
