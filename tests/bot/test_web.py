"""The pages for those who watch the process."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from sqlalchemy.engine import Engine

from bot.activity import SourceRun, record_runs
from bot.errors import SettingsError, SlackDownError
from bot.metrics import DatabaseCollector, count_answer
from bot.task import NewQuestion
from bot.web import Pages, serve_web
from bot.work import WorkQueue
from tests.training.answers import make_answer
from training.adapters import AdapterRegistry
from training.feedback import Feedback


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_process_that_is_well_says_so() -> None:
    pages = Pages({"threads": lambda: "2 run"}, {"database": lambda: "answers"})
    with serve_web(pages, "127.0.0.1", 0) as port:
        assert fetch(port, "/healthz") == (200, '{"status": "ok", "threads": "2 run"}')
        assert json.loads(fetch(port, "/readyz")[1]) == {"status": "ok", "database": "answers"}
        assert "python_info" in fetch(port, "/metrics")[1]
        assert fetch(port, "/")[0] == fetch(port, "/slack/events")[0] == 404


def test_what_is_broken_is_named_with_its_mend() -> None:
    def broken() -> str:
        raise SlackDownError("The connection is closed.", "Look at the network.")

    pages = Pages({"threads": lambda: "run"}, {"slack": broken, "index": lambda: "12 chunks"})
    with serve_web(pages, "127.0.0.1", 0) as port:
        status, body = fetch(port, "/readyz")
        assert fetch(port, "/healthz")[0] == 200
    problem = {"problem": "The connection is closed.", "mend": "Look at the network."}
    assert (status, json.loads(body)) == (
        503,
        {"status": "broken", "slack": problem, "index": "12 chunks"},
    )


def test_connections_that_stay_open_keep_nobody_waiting() -> None:
    with serve_web(Pages({}, {}), "127.0.0.1", 0) as port, ExitStack() as stack:
        for _ in range(150):
            connection = stack.enter_context(
                closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20))
            )
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b'{"status": "ok"}'


def test_a_port_that_is_taken_is_told() -> None:
    with (
        serve_web(Pages({}, {}), "127.0.0.1", 0) as port,
        pytest.raises(SettingsError, match=f"Port {port} of 127.0.0.1 can't be used") as caught,
        serve_web(Pages({}, {}), "127.0.0.1", port),
    ):
        pass
    assert "--port" in caught.value.mend


def test_answers_are_counted() -> None:
    def value(name: str) -> float:
        labels = {"style": "quoted"} | ({"refused": "false"} if "answers" in name else {})
        return REGISTRY.get_sample_value(name, labels) or 0.0

    names = ("nightshift_answers_total", "nightshift_answer_seconds_sum")
    before = [value(name) for name in names]
    count_answer("quoted", False, {"total": 0.5, "first": 0.25})
    assert [value(name) - old for name, old in zip(names, before, strict=True)] == [1, 0.5]


def test_what_all_processes_share_comes_from_the_database(database: Engine, tmp_path: Path) -> None:
    queue = WorkQueue(database, "a")
    for key in "abc":
        queue.put(NewQuestion("T", "C", "U", (key,)))
    assert queue.take()
    feedback = Feedback(database)
    feedback.record_answer(make_answer(id="a1"))
    for voter, vote in (("ada", 1), ("bob", 1), ("cy", -1), ("dan", 0)):
        feedback.vote("a1", voter, vote)
    moment = datetime.fromtimestamp(1234, UTC)
    record_runs(database, [SourceRun("wiki", moment, documents=7, failed=2)])
    own = CollectorRegistry()
    own.register(DatabaseCollector(database, AdapterRegistry(tmp_path / "adapters")))
    lines = generate_latest(own).decode().splitlines()
    assert {
        'nightshift_queue_questions{status="waiting"} 2.0',
        'nightshift_queue_questions{status="running"} 1.0',
        'nightshift_votes{value="up"} 2.0',
        'nightshift_votes{value="down"} 1.0',
        'nightshift_source_read_timestamp_seconds{source="wiki"} 1234.0',
        'nightshift_source_failed_documents{source="wiki"} 2.0',
        'nightshift_live_adapter_info{version="none"} 1.0',
    } <= set(lines)
    database.dispose()
