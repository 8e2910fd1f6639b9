"""How long a reader and a writer wait for a server that hangs, and whom they ask then."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from elasticsearch import Elasticsearch

from ingestion.errors import IndexOutOfReachError
from ingestion.index import elastic_patience
from ingestion.index.elastic import ElasticIndex
from ingestion.index.elastic_client import connect
from ingestion.index.elastic_errors import mapped_errors
from ingestion.index.elastic_generations import list_generations
from ingestion.index.elastic_patience import read_patiently, writers_patience
from ingestion.settings import IndexSettings
from tests.ingestion.stores import METADATA

# A guard, no measure: a client's request that nobody cuts short takes longer.
GENEROUS = 25.0


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let readers wait a moment instead of seconds."""
    monkeypatch.setattr(elastic_patience, "READ_SECONDS", 1.5)
    monkeypatch.setattr(elastic_patience, "_REQUEST_SECONDS", 0.4)


@contextmanager
def hanging() -> Iterator[str]:
    """Take connections and never say a word, as a server whose process is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def answering(after_seconds: float = 0) -> Iterator[str]:
    """Answer everything with an empty object."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(after_seconds)
            body = json.dumps({}).encode()
            self.send_response(200)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that hangs up is no fault of the server."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def health(client: Elasticsearch) -> object:
    with mapped_errors("them"):
        return client.cluster.health().body


def test_a_server_that_hangs_is_told_in_time(hurried: None) -> None:
    begun = time.monotonic()
    with hanging() as url, pytest.raises(IndexOutOfReachError, match="answer in time") as caught:
        ElasticIndex(IndexSettings(url=url), METADATA)
    assert caught.value.mend
    assert time.monotonic() - begun < GENEROUS


def test_a_reader_asks_the_next_server_where_one_hangs(hurried: None) -> None:
    begun = time.monotonic()
    with (
        hanging() as one,
        answering() as other,
        connect(IndexSettings(url=f"{one},{other}")) as client,
    ):
        # In turn: of two questions one comes to that which hangs.
        for _ in range(4):
            assert read_patiently(lambda: health(client), most=3) == {}
    assert time.monotonic() - begun < GENEROUS


def test_what_takes_longer_is_cut_off_for_readers_alone(hurried: None) -> None:
    with answering(after_seconds=1) as url, connect(IndexSettings(url=url)) as client:
        assert health(client) == {}
        with pytest.raises(IndexOutOfReachError, match="answer in time"):
            read_patiently(lambda: health(client), most=3)
        assert health(client) == {}


def test_an_index_that_is_being_made_at_an_opening_is_waited_for(hurried: None) -> None:
    with answering(after_seconds=1) as url, connect(IndexSettings(url=url)) as client:

        def make_two() -> float | None:
            for name in ("first", "second"):
                assert client.indices.create(index=name).body == {}
            return elastic_patience.request_seconds()

        assert read_patiently(make_two, most=3) == 0.4


def test_the_pauses_of_a_reader_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, tries = [100.0], []
    clock = SimpleNamespace(
        monotonic=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds)
    )
    monkeypatch.setattr(elastic_patience, "time", clock)

    def hang() -> None:
        tries.append(elastic_patience.request_seconds())
        now[0] += tries[-1] or 0
        raise IndexOutOfReachError("It hangs.")

    with pytest.raises(IndexOutOfReachError):
        read_patiently(hang, most=60)
    assert tries == pytest.approx([4.0, 4.0, 3.7])
    assert now[0] == pytest.approx(112)
    assert elastic_patience.request_seconds() is None


def test_what_a_writer_reads_waits_as_long_as_the_settings_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=pauses.append)
    monkeypatch.setattr(elastic_patience, "time", clock)

    def restart() -> str:
        if len(pauses) < 7:
            raise IndexOutOfReachError("It restarts.")
        return f"limit {elastic_patience.request_seconds()}"

    with writers_patience():
        assert read_patiently(restart, most=60) == "limit None"
        assert sum(pauses) == pytest.approx(45.5)
        pauses.clear()
        with pytest.raises(IndexOutOfReachError):
            read_patiently(restart, most=20)
        assert sum(pauses) == pytest.approx(15.5)
    pauses.clear()
    with pytest.raises(IndexOutOfReachError):
        read_patiently(restart, most=60)
    assert sum(pauses) == pytest.approx(3.0)


def test_the_first_look_of_a_writer_waits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=pauses.append)
    monkeypatch.setattr(elastic_patience, "time", clock)
    away = IndexSettings(url="http://127.0.0.1:9", patience_seconds=20)
    with writers_patience(), pytest.raises(IndexOutOfReachError):
        list_generations(away)
    assert sum(pauses) == pytest.approx(15.5)
