"""The HTTP and WebSocket server, in a thread of its own, on a free port of this machine."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from tests.bot.slack.server import agents, chat, directory, modals, rooms, streams, uploads
from tests.bot.slack.server.courier import Courier, Sent
from tests.bot.slack.server.events import Events
from tests.bot.slack.server.faults import Fault, Faults, RateLimits
from tests.bot.slack.server.model import Call, Json, SlackFailure
from tests.bot.slack.server.responses import answer_response_url
from tests.bot.slack.server.web_api import answer, arguments
from tests.bot.slack.server.workspace import Workspace

FAMILIES = (agents, chat, directory, modals, rooms, streams, uploads)
_LARGEST = 64 * 1024 * 1024


class Service:
    """The server around a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.faults = Faults()
        self.rate_limits = RateLimits()
        self.courier = Courier(workspace)
        self.holding = False
        self.held: list[Json] = []
        self.events = Events(workspace, self._send_event)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="slack-server", daemon=True)
        self._ready = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        workspace.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api/"

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(30)

    def stop(self) -> None:
        """Close all connections, and wait for the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something in the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def deliver(self, kind: str, body: Json, retry: int = 0, reason: str = "") -> Sent:
        """Hand something to the app; returns before it got there."""
        sent = Sent(kind, body)
        with self.workspace.changed:
            self.courier.sent.append(sent)
        self._loop.call_soon_threadsafe(self.courier.start, sent, retry, reason)
        return sent

    def _send_event(self, body: Json) -> None:
        if self.holding:
            self.held.append(body)
        else:
            self.deliver("events_api", body)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        application = web.Application(client_max_size=_LARGEST)
        application.router.add_route("*", "/api/{method}", self._api)
        # For tests that tell several processes apart by the address that each one calls.
        application.router.add_route("*", "/api/{process}/{method}", self._api)
        application.router.add_get("/link/", self.courier.serve_socket)
        application.router.add_post("/actions/{key:.+}", self._response)
        application.router.add_get("/files-pri/{place}/{rest:.+}", self._file)
        application.router.add_post("/upload/v1/{file}", self._upload)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.SockSite(runner, self._listener)
        self._loop.run_until_complete(site.start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._close(runner))
        self._loop.close()

    async def _close(self, runner: web.AppRunner) -> None:
        for task in list(self.courier.tasks):
            task.cancel()
        await asyncio.gather(*self.courier.tasks, return_exceptions=True)
        for each in list(self.courier.sockets):
            await each.connection.close()
        await self.courier.close()
        await runner.cleanup()
        await self._loop.shutdown_default_executor()

    async def _api(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        raw = await request.text() if "multipart" not in request.content_type else ""
        query = dict(request.query)
        if "multipart" in request.content_type:
            query |= {k: str(v) for k, v in (await request.post()).items()}
        header = request.headers.get("Authorization", "")
        try:
            token, body = arguments(request.content_type, raw, query, header)
        except SlackFailure as failure:
            return web.json_response({"ok": False, "error": failure.error} | failure.more)
        channel = str(body.get("channel") or body.get("channel_id") or "")
        with self.workspace.changed:
            fault = self.faults.take(name, channel)
        if fault is not None and fault.hang:
            await asyncio.sleep(fault.hang)
        if fault is not None and not fault.only_slow:
            return self._fail(request, name, body, token, fault)
        return self._answer(name, body, token)

    def _answer(self, name: str, body: Json, token: str) -> web.Response:
        channel = str(body.get("channel") or body.get("channel_id") or "")
        with self.workspace.changed:
            now = self.workspace.now()
            wait = self.rate_limits.seconds_to_wait(name, channel, token, now)
            if wait:
                return self._record(name, body, 429, {"ok": False, "error": "ratelimited"}, wait)
            try:
                reply = answer(self.workspace, self.events, name, token, dict(body))
            except SlackFailure as failure:
                reply = {"ok": False, "error": failure.error} | failure.more
            response = self._record(name, body, 200, reply)
            if self.workspace.scopes is not None:
                response.headers["x-oauth-scopes"] = ",".join(sorted(self.workspace.scopes))
            return response

    def _fail(
        self, request: web.Request, name: str, body: Json, token: str, fault: Fault
    ) -> web.Response:
        if fault.after:
            self._answer(name, body, token)
        with self.workspace.changed:
            if fault.drop:
                response = self._record(name, body, 0, {})
                if request.transport is not None:
                    request.transport.abort()
                return response
            error = fault.error or ("ratelimited" if fault.status == 429 else "internal_error")
            reply = {"ok": False, "error": error} | fault.more
            wait = fault.retry_after if fault.status == 429 else 0
            return self._record(name, body, fault.status, reply, wait)

    def _record(
        self, name: str, body: Json, status: int, reply: Json, wait: float = 0
    ) -> web.Response:
        self.workspace.calls.append(Call(name, body, status, self.workspace.now(), reply))
        self.workspace.changed.notify_all()
        # Slack names whole seconds; a fraction keeps tests fast, and the SDK reads whole ones.
        headers = {"Retry-After": str(max(1, round(wait)))} if wait else {}
        if status in (0, 200, 429):
            return web.json_response(reply, status=status or 500, headers=headers)
        return web.Response(text="Service Unavailable", status=status, headers=headers)

    async def _response(self, request: web.Request) -> web.Response:
        body = await request.json()
        with self.workspace.changed:
            key = request.match_info["key"]
            fault = self.faults.take("response_url", "")
            if fault is not None and fault.status != 200:
                headers = {"Retry-After": str(fault.retry_after)} if fault.status == 429 else {}
                return web.Response(status=fault.status, text=fault.error, headers=headers)
            status, text = answer_response_url(self.workspace, self.events, key, body)
            self.workspace.calls.append(
                Call("response_url", body, status, self.workspace.now(), {"text": text})
            )
            self.workspace.changed.notify_all()
        return web.Response(text=text, status=status)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["place"].rpartition("-")[2]
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        with self.workspace.changed:
            fault = self.faults.take("file", "")
            content, kind = uploads.fetched(self.workspace, name, token)
        if fault is not None and fault.hang:
            await asyncio.sleep(fault.hang)
        if fault is not None and fault.status != 200:
            return web.Response(status=fault.status)
        if fault is not None and fault.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return web.Response(body=content, headers={"Content-Type": kind})

    async def _upload(self, request: web.Request) -> web.Response:
        content = await request.read()
        if "multipart" in request.content_type:
            form = await request.post()
            part: Any = next(iter(form.values()))
            content = part.file.read() if hasattr(part, "file") else str(part).encode()
        with self.workspace.changed:
            file = self.workspace.files.get(request.match_info["file"])
            if file is None or file.complete:
                return web.Response(status=404)
            file.content = content
        return web.Response(text=f"OK - {len(content)}")
