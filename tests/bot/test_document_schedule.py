"""The sources are read on their schedule: real processes, a real database, one reader at a time."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from bot.document_schedule import DocumentSchedule
from bot.reindex import LEASE
from bot.settings import Settings
from ingestion.settings import IngestSettings, SourceSettings
from training.errors import ScheduleError
from training.lease import Lease

REPORT = {
    "added": 2,
    "updated": 0,
    "acl_changed": 1,
    "deleted": 0,
    "unchanged": 7,
    "failed": [{"document_id": "s:a"}],
}
READ = f"import time; time.sleep(0.5); print({json.dumps(json.dumps(REPORT))})"
SOURCE = SourceSettings(path=Path("docs"))

Make = Callable[..., DocumentSchedule]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(database: Engine, said: list[str]) -> Iterator[Make]:
    made: list[DocumentSchedule] = []

    def one(
        program: str = READ, schedule: str = "0 * * * *", source: bool = True
    ) -> DocumentSchedule:
        settings = Settings(
            sources=[SOURCE] if source else [], ingest=IngestSettings(schedule=schedule)
        )
        command = [sys.executable, "-c", program]
        made.append(DocumentSchedule(database, settings, command, said.append))
        return made[-1]

    yield one
    for schedule in made:
        schedule.stop()


def test_the_next_time_is_told(make: Make) -> None:
    schedule = make("print()", "30 4 * * *")
    assert schedule.next_run_time() is None
    schedule.start()
    moment = schedule.next_run_time()
    assert moment is not None
    assert (moment.hour, moment.minute) == (4, 30)
    assert moment > datetime.now(UTC)
    schedule.stop()
    assert schedule.next_run_time() is None


@pytest.mark.parametrize("given", [{"schedule": ""}, {"source": False}])
def test_without_a_schedule_or_sources_nothing_is_due(make: Make, given: dict[str, object]) -> None:
    schedule = make(**given)
    schedule.start()
    assert schedule.next_run_time() is None


def test_a_schedule_that_is_none_names_its_setting(make: Make) -> None:
    with pytest.raises(ScheduleError, match=r"ingest\.schedule = 'hourly'"):
        make(schedule="hourly")


def test_a_run_is_told_in_a_sentence(make: Make, said: list[str]) -> None:
    make().read()
    make("import sys; sys.exit(1)").read()
    assert said == [
        "Documents read: 2 new, 1 with other rights, 7 unchanged, 1 not readable.",
        "The documents couldn't be read. Run nightshift ingest to see why.",
    ]


def test_one_reads_at_a_time(make: Make, said: list[str], database: Engine) -> None:
    lease = Lease(database, LEASE, "somebody's /reindex", 60)
    assert lease.acquire()
    make().read()
    assert said == []
    lease.release()
    readers = [threading.Thread(target=make().read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(said) == 1
    make().read()
    assert len(said) == 2, "the lease was given back"


def test_a_run_is_ended_when_it_stops(make: Make, said: list[str], tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    schedule = make(f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(600)")
    reader = threading.Thread(target=schedule.read)
    reader.start()
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.05)
    schedule.stop()
    reader.join()
    assert said == ["Reading the documents was interrupted; the next run does the rest."]
