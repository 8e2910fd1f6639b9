"""A real HTTP server that speaks the few methods of Slack's Web API that the bot calls."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

BOT_USER = "U0BOT00000"
PUBLIC, PRIVATE_CHANNEL, DIRECT = "C0PUBLIC00", "C0PRIVATE0", "D0DIRECT00"


@dataclass
class SlackServer:
    """The server as a test holds it.

    Attributes:
        faults: Statuses that the next posts are answered with, in order.
        posts: The bodies of the posts that were taken.
        calls: All methods that were called.
    """

    url: str
    faults: list[int] = field(default_factory=list)
    refuse_token: bool = False
    posts: list[dict[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    posted: threading.Condition = field(default_factory=threading.Condition)

    def wait_for_posts(self, count: int) -> list[dict[str, str]]:
        """Wait until so many posts were taken."""
        with self.posted:
            assert self.posted.wait_for(lambda: len(self.posts) >= count, timeout=60)
            return list(self.posts)

    def reply_to(self, method: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Return status and answer of a call."""
        self.calls.append(method)
        if method == "auth.test":
            if self.refuse_token:
                return 200, {"ok": False, "error": "invalid_auth"}
            names = {"user_id": BOT_USER, "bot_id": "B0BOT00000", "team_id": "T0TEAM0000"}
            return 200, {"ok": True, "url": self.url, "team": "t", "user": "bot", **names}
        if method == "conversations.info":
            private = body["channel"] == PRIVATE_CHANNEL
            direct = body["channel"] == DIRECT
            channel = {"id": body["channel"], "is_channel": not direct, "is_im": direct}
            channel["is_private"] = private
            return 200, {"ok": True, "channel": channel}
        if method == "users.info":
            profile = {"email": "alice@harbour.example"}
            user = {"id": body["user"], "team_id": "T0TEAM0000", "profile": profile}
            return 200, {"ok": True, "user": user}
        if method == "usergroups.list":
            return 200, {"ok": True, "usergroups": []}
        if method in ("chat.postMessage", "chat.update"):
            if self.faults:
                return self.faults.pop(0), {"ok": False, "error": "ratelimited"}
            with self.posted:
                self.posts.append(body)
                self.posted.notify_all()
            ts = body.get("ts") or f"1.{len(self.posts)}"
            return 200, {"ok": True, "ts": ts, "channel": body["channel"]}
        return 200, {"ok": False, "error": "unknown_method"}


@contextmanager
def slack_server() -> Iterator[SlackServer]:
    """Run the server on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    state = SlackServer(f"http://127.0.0.1:{server.server_port}/api/")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            as_json = "json" in (self.headers["Content-Type"] or "")
            body = (
                json.loads(raw or "{}") if as_json else dict(parse_qsl(raw, keep_blank_values=True))
            )
            status, reply = state.reply_to(
                self.path.partition("?")[0].rpartition("/")[2],
                body | dict(parse_qsl(self.path.partition("?")[2])),
            )
            content = json.dumps(reply).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "1")
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_args: object) -> None:
            pass

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
