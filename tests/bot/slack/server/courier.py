"""How events, commands and interactions reach the app: sockets, HTTP, or an app in this process.

Sources: docs.slack.dev/apis/events-api/using-socket-mode (envelopes, acks, hello, disconnect, up to
ten sockets that share the events), …/apis/events-api ("Retries": three, with number and reason;
X-Slack-No-Retry), …/authentication/verifying-requests-from-slack (signatures),
…/interactivity/implementing-slash-commands (three seconds, operation_timeout).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.bot.slack.server.model import Json
from tests.bot.slack.server.workspace import APP, Workspace

MOST_SOCKETS = 10


@dataclass
class Sent:
    """One event, command or interaction on its way to the app.

    Attributes:
        attempts: How each delivery ended: "ok", "timeout", "connection_failed", "http_error", …
        ack: The body of the acknowledgement: {} where there was none.
        done: Set when it was taken, or given up.
        first_ack: Seconds from the first sending to the acknowledgement.
    """

    kind: str
    body: Json
    attempts: list[str] = field(default_factory=list)
    ack: Json = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)
    started: float = 0.0
    first_ack: float = -1.0
    on_ack: Callable[[Json], None] = lambda _ack: None

    @property
    def taken(self) -> bool:
        return bool(self.attempts) and self.attempts[-1] == "ok"

    @property
    def event(self) -> Json:
        return dict(self.body.get("event", {}))


@dataclass(eq=False)
class Socket:
    """An open WebSocket, and what the app must still acknowledge on it."""

    connection: web.WebSocketResponse
    number: int
    waiting: dict[str, asyncio.Future[Json]] = field(default_factory=dict)
    leaving: bool = False


class Courier:
    """Delivers in the server's loop.

    Attributes:
        request_url: Where HTTP deliveries go; "" for Socket Mode.
        ack_seconds: How long Slack waits for an acknowledgement.
        retry_delays: Seconds before each of the three retries; Slack takes about 0, 60 and 300.
        socket_seconds: How long a delivery waits for a first socket.
        lose: Called with each delivery; True lets Slack's network lose it.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.sockets: list[Socket] = []
        self.request_url = ""
        self.app: Callable[[Json, dict[str, str]], tuple[int, Any]] | None = None
        self.ack_seconds = 3.0
        self.socket_seconds = 20.0
        self.retry_delays: tuple[float, ...] = (0.05, 0.3, 1.0)
        self.sent: list[Sent] = []
        self.disconnects: list[str] = []
        self.lose: Callable[[Sent], bool] = lambda _sent: False
        self.tasks: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None  # Slack keeps connections open
        self._came = asyncio.Event()  # set for a moment when a socket opens
        self._turn = 0
        self._opened = 0

    def start(self, sent: Sent, retry: int = 0, reason: str = "") -> None:
        """Deliver; in the loop's thread."""
        task = asyncio.get_running_loop().create_task(self._deliver(sent, retry, reason))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _deliver(self, sent: Sent, retry: int, reason: str) -> None:
        tries = 1 + len(self.retry_delays) if sent.kind == "events_api" and not retry else 1
        for attempt in range(tries):
            if attempt:
                reason = _reason(sent.attempts[-1])
                await asyncio.sleep(self.retry_delays[attempt - 1])
            outcome, ack, no_retry = await self._once(sent, retry or attempt, reason)
            with self.workspace.changed:
                sent.attempts.append(outcome)
                if outcome == "ok":
                    sent.ack = ack
                    sent.on_ack(ack)
                    if sent.first_ack < 0:
                        sent.first_ack = self.workspace.now() - sent.started
            if outcome == "ok" or no_retry:
                break
        with self.workspace.changed:
            sent.done.set()
            self.workspace.changed.notify_all()

    async def _once(self, sent: Sent, retry: int, reason: str) -> tuple[str, Json, bool]:
        sent.started = sent.started or self.workspace.now()
        if self.lose(sent):
            return "timeout", {}, False
        if self.app is not None:
            return await self._in_process(sent, retry, reason)
        if self.request_url:
            return await self._by_http(sent, retry, reason)
        return await self._by_socket(sent, retry, reason)

    # Socket Mode

    async def _by_socket(self, sent: Sent, retry: int, reason: str) -> tuple[str, Json, bool]:
        socket = await self._next_socket(sent)
        if socket is None:
            return "connection_failed", {}, False
        envelope: Json = {
            "envelope_id": self.workspace.next_id("e"),
            "payload": sent.body,
            "type": sent.kind,
            "accepts_response_payload": sent.kind != "events_api",
        }
        if sent.kind == "events_api":
            envelope |= {"retry_attempt": retry, "retry_reason": reason}
        acked: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        socket.waiting[envelope["envelope_id"]] = acked
        try:
            await socket.connection.send_str(json.dumps(envelope))
            async with asyncio.timeout(self.ack_seconds):
                return "ok", await acked, False
        except TimeoutError:
            return "timeout", {}, False
        except (ConnectionError, aiohttp.ClientError, asyncio.CancelledError):
            if acked.cancelled() or socket not in self.sockets:
                return "connection_failed", {}, False
            raise
        finally:
            socket.waiting.pop(envelope["envelope_id"], None)

    async def _next_socket(self, sent: Sent) -> Socket | None:
        seconds = self.socket_seconds if sent.kind == "events_api" else self.ack_seconds
        try:
            async with asyncio.timeout(seconds):
                while not (ready := [s for s in self.sockets if not s.leaving]):
                    await self._came.wait()
        except TimeoutError:
            return None
        self._turn += 1
        return ready[self._turn % len(ready)]

    async def serve_socket(self, request: web.Request) -> web.WebSocketResponse:
        """Hold one socket until it closes."""
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        if len(self.sockets) >= MOST_SOCKETS:
            await connection.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await connection.close()
            return connection
        self._opened += 1
        socket = Socket(connection, self._opened)
        with self.workspace.changed:
            self.sockets.append(socket)
            self.workspace.changed.notify_all()
        self._came.set()
        self._came.clear()
        await connection.send_json(self._hello())
        try:
            async for message in connection:
                if message.type == aiohttp.WSMsgType.TEXT:
                    self._take_ack(socket, message.data)
        finally:
            self._forget(socket)
        return connection

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.sockets),
            "connection_info": {"app_id": APP},
            "debug_info": {
                "host": f"applink-{self._opened}",
                "build_number": 10,
                "approximate_connection_time": 18060,
            },
        }

    def _take_ack(self, socket: Socket, text: str) -> None:
        try:
            ack = json.loads(text)
        except ValueError:
            return
        waiting = socket.waiting.get(str(ack.get("envelope_id", "")))
        if waiting is not None and not waiting.done():
            waiting.set_result(ack.get("payload") or {})

    def _forget(self, socket: Socket) -> None:
        with self.workspace.changed:
            if socket in self.sockets:
                self.sockets.remove(socket)
            self.workspace.changed.notify_all()
        for waiting in list(socket.waiting.values()):
            waiting.cancel()

    async def disconnect(self, reason: str, after: float) -> None:
        """Ask all sockets to leave, as Slack does when it renews them, then close them."""
        leaving = list(self.sockets)
        for socket in leaving:
            self.disconnects.append(reason)
            debug = {"host": f"applink-{socket.number}"}
            note = {"type": "disconnect", "reason": reason, "debug_info": debug}
            await socket.connection.send_json(note)
        await asyncio.sleep(after)
        for socket in leaving:
            socket.leaving = True
            await socket.connection.close()

    async def drop(self) -> None:
        """Cut all sockets without a word."""
        for socket in list(self.sockets):
            self._forget(socket)
            transport = socket.connection._req.transport  # type: ignore[union-attr]
            if transport is not None:
                transport.abort()

    # HTTP

    async def _by_http(self, sent: Sent, retry: int, reason: str) -> tuple[str, Json, bool]:
        raw, kind = _as_http(sent)
        secret, now = self.workspace.signing_secret, self.workspace.now()
        headers = signed(secret, raw, now) | {"Content-Type": kind}
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason}
        timeout = aiohttp.ClientTimeout(total=self.ack_seconds)
        self._http = self._http or aiohttp.ClientSession()
        try:
            async with self._http.post(
                self.request_url, data=raw.encode(), headers=headers, timeout=timeout
            ) as response:
                text = await response.text()
                no_retry = response.headers.get("X-Slack-No-Retry") == "1"
                outcome = "ok" if 200 <= response.status < 300 else "http_error"
                return outcome, _ack_body(text, response.content_type), no_retry
        except TimeoutError:
            return "timeout", {}, False
        except aiohttp.ClientError:
            return "connection_failed", {}, False

    async def close(self) -> None:
        """Close the connections to the app."""
        if self._http is not None:
            await self._http.close()

    # An app in this process

    async def _in_process(self, sent: Sent, retry: int, reason: str) -> tuple[str, Json, bool]:
        assert self.app is not None
        headers = {"x-slack-retry-num": str(retry), "x-slack-retry-reason": reason} if retry else {}
        work = asyncio.get_running_loop().run_in_executor(None, self.app, sent.body, headers)
        try:
            status, body = await asyncio.wait_for(asyncio.shield(work), self.ack_seconds)
        except TimeoutError:
            return "timeout", {}, False
        return "ok" if status == 200 else "http_error", body, False


def _reason(outcome: str) -> str:
    return "http_timeout" if outcome == "timeout" else outcome


def _as_http(sent: Sent) -> tuple[str, str]:
    form = "application/x-www-form-urlencoded"
    if sent.kind == "events_api":
        return json.dumps(sent.body), "application/json"
    if sent.kind == "slash_commands":
        return urlencode(sent.body), form
    return urlencode({"payload": json.dumps(sent.body)}), form


def _ack_body(text: str, kind: str) -> Json:
    if not text:
        return {}
    if kind == "application/json":
        body = json.loads(text)
        return body if isinstance(body, dict) else {}
    return {"text": text}


def signed(secret: str, raw: str, at: float) -> dict[str, str]:
    """Return the headers that prove a request to be Slack's."""
    stamp = str(int(at))
    text = f"v0:{stamp}:{raw}".encode()
    digest = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
