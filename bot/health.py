"""One small page for those who watch the process: GET /health."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bot.errors import PERSON_ERRORS, SettingsError

State = Callable[[], Mapping[str, str]]


@contextmanager
def serve_health(port: int, state: State) -> Iterator[int]:
    """Answer on localhost while the context is open.

    Args:
        port: 0 takes any that is free.
        state: What to say; an error of it is answered with status 503.

    Yields:
        The port.

    Raises:
        SettingsError: The port is taken.
    """
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler(state))
    except OSError as error:
        raise SettingsError(
            f"Port {port} can't be used: {error.strerror}.", "Choose another --port."
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(state: State) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET /health."""

        def do_GET(self) -> None:
            if self.path != "/health":
                self.send_error(404)
                return
            status, said = _said(state)
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing: it is asked every few seconds."""

    return Handler


def _said(state: State) -> tuple[int, Mapping[str, str]]:
    try:
        return 200, {"status": "ok", **state()}
    except PERSON_ERRORS as error:
        return 503, {"status": "broken", "problem": error.problem, "mend": error.mend}
