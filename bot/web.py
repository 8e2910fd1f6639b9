"""The pages that `nightshift serve` answers: health, metrics, and in HTTP mode Slack's requests."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, make_wsgi_app
from waitress import wasyncore
from waitress.server import create_server

from bot.errors import PERSON_ERRORS, SettingsError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Check = Callable[[], str]
"""Returns how a part is, for people; raises what is in `PERSON_ERRORS` where it is broken."""

# Slack wants its acknowledgement within 3 seconds; each takes a few milliseconds of a thread. Of a
# hundred that come together the last waits longer with sixteen threads, which take the processor
# from one another; a few more than cores are there for those that wait for Slack.
_THREADS = 8
# Slack keeps its connections open. With the library's 100, idle ones for two minutes, those beyond
# wait unheard; a process may open 1,024 files in all.
_CONNECTIONS = 500
_IDLE_SECONDS = 30
_LOOK_SECONDS = 0.2


class Pages:
    """The WSGI application.

    Args:
        alive: Parts without which the process should be started anew.
        ready: Parts without which it can't answer now.
        slack: Takes what is under ``/slack/``; None where Slack comes by Socket Mode.
    """

    def __init__(
        self,
        alive: Mapping[str, Check],
        ready: Mapping[str, Check],
        slack: WSGIApplication | None = None,
    ) -> None:
        self._pages: dict[str, WSGIApplication] = {
            "/healthz": _checked(alive),
            "/readyz": _checked(ready),
            "/metrics": make_wsgi_app(REGISTRY),
        }
        self._slack = slack

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if self._slack is not None and path.startswith("/slack/"):
            return self._slack(environ, start_response)
        page = self._pages.get(path, _not_found)
        return page(environ, start_response)


@contextmanager
def serve_web(pages: WSGIApplication, host: str, port: int) -> Iterator[int]:
    """Answer while the context is open.

    Args:
        pages: What to answer.
        host: The address to listen on.
        port: 0 takes any that is free.

    Yields:
        The port.

    Raises:
        SettingsError: The port is taken, or the address isn't this machine's.
    """
    try:
        # Opened here: the library leaves its pieces open where the address is taken.
        listener = socket.create_server((host, port))
    except OSError as error:
        raise SettingsError(
            f"Port {port} of {host} can't be used: {error.strerror}.",
            "Choose another --port or --host.",
        ) from error
    ending = threading.Event()
    arguments = (pages, listener, ending)
    thread = threading.Thread(target=_run, args=arguments, name="web", daemon=True)
    bound = int(listener.getsockname()[1])
    thread.start()
    try:
        yield bound
    finally:
        ending.set()
        thread.join()


def _run(pages: WSGIApplication, listener: socket.socket, ending: threading.Event) -> None:
    """Answer until the end. One thread opens and closes everything: the library isn't shared."""
    channels: dict[int, Any] = {}
    server = create_server(
        pages,
        channels,
        sockets=[listener],
        threads=_THREADS,
        ident="nightshift",
        connection_limit=_CONNECTIONS,
        channel_timeout=_IDLE_SECONDS,
    )
    while not ending.is_set():
        wasyncore.loop(timeout=_LOOK_SECONDS, use_poll=True, map=channels, count=1)
    server.task_dispatcher.shutdown()
    wasyncore.close_all(channels)
    listener.close()


def _checked(checks: Mapping[str, Check]) -> WSGIApplication:
    def page(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, said = _say(checks)
        body = json.dumps(said, ensure_ascii=False).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body]

    return page


def _say(checks: Mapping[str, Check]) -> tuple[str, dict[str, Any]]:
    """Return status and body; a broken part is named with its problem and its mend."""
    parts: dict[str, Any] = {}
    broken = False
    for name, check in checks.items():
        try:
            parts[name] = check()
        except PERSON_ERRORS as error:
            parts[name] = {"problem": error.problem, "mend": error.mend}
            broken = True
    said = {"status": "broken" if broken else "ok", **parts}
    return ("503 Service Unavailable" if broken else "200 OK"), said


def _not_found(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"There are /healthz, /readyz and /metrics.\n"]
