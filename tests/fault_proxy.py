"""A proxy on loopback before a real server, which injects the faults of networks and of servers."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes
    content_type: str = "application/json"

    def json(self) -> Any:
        return json.loads(self.body)


Forward = Callable[[Request], Response]
# Returns what the client gets; None closes the connection without an answer.
Fault = Callable[[Request, Forward], Response | None]


def pass_on(request: Request, forward: Forward) -> Response | None:
    return forward(request)


class FaultProxy:
    """Stands before one server; `fault` decides about each request."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.target = (parts.hostname or "", parts.port or 80)
        self.fault: Fault = pass_on
        self.seen: list[Request] = []
        self.url = ""

    def forward(self, request: Request) -> Response:
        connection = http.client.HTTPConnection(*self.target, timeout=60)
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            answer = connection.getresponse()
            return Response(answer.status, answer.read(), answer.headers.get_content_type())
        finally:
            connection.close()


@contextmanager
def proxy_before(target: str, certificate: ssl.SSLContext | None = None) -> Iterator[FaultProxy]:
    """Run a proxy before the server at an address, with TLS where a certificate is given."""
    proxy = FaultProxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            names = ("Content-Type", "Accept", "Authorization")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            request = Request(self.command, self.path, headers, body)
            proxy.seen.append(request)
            response = proxy.fault(request, proxy.forward)
            if response is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(response.status)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_request  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up is no fault of the proxy."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            server.socket = certificate.wrap_socket(server.socket, server_side=True)
        proxy.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


def for_the_first(times: int, fault: Fault, path: str) -> Fault:
    """Return a fault for the first requests whose path ends so; the later ones pass."""
    left = [times]

    def decide(request: Request, forward: Forward) -> Response | None:
        if urlsplit(request.path).path.endswith(path) and left[0] > 0:
            left[0] -= 1
            return fault(request, forward)
        return forward(request)

    return decide


def drop(request: Request, forward: Forward) -> Response | None:
    """The connection breaks before the server has the request."""


def drop_the_answer(request: Request, forward: Forward) -> Response | None:
    """The connection breaks after the server has done it."""
    forward(request)


def bulk_lines(body: bytes) -> list[list[bytes]]:
    """Return the operations of a bulk request, each as its one or two lines."""
    operations: list[list[bytes]] = []
    lines = iter(body.splitlines())
    for line in lines:
        operations.append([line] if b'"delete"' in line[:10] else [line, next(lines)])
    return operations


def full_write_queue(refused_places: set[int]) -> Fault:
    """Return a fault that answers some operations of a bulk request as a full queue does."""

    def fault(request: Request, forward: Forward) -> Response | None:
        operations = bulk_lines(request.body)
        taken = [op for place, op in enumerate(operations) if place not in refused_places]
        items: list[Any] = []
        if taken:
            body = b"".join(line + b"\n" for op in taken for line in op)
            items = forward(Request(request.method, request.path, request.headers, body)).json()[
                "items"
            ]
        for place in sorted(refused_places):
            if place < len(operations):
                ((kind, address),) = json.loads(operations[place][0]).items()
                error = {"type": "es_rejected_execution_exception", "reason": "rejected execution"}
                items.insert(place, {kind: {**address, "status": 429, "error": error}})
        answer = {"took": 1, "errors": True, "items": items}
        return Response(200, json.dumps(answer).encode())

    return fault
