"""The clock: real schedulers, real processes, killed and raced."""

import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from training.cron import cron_trigger, last_fire_time
from training.database import reading, writing
from training.errors import ScheduleError
from training.lease import Lease
from training.night_process import run_night
from training.nights import MAX_ATTEMPTS, NightOutcome, NightRecord, Nights
from training.schedule import JOB, LEASE, NightScheduler
from training.settings import TrainingSettings
from training.tables import scheduler_jobs

TWO_AT_NIGHT = TrainingSettings(schedule="0 2 * * *", timezone="Europe/Berlin")


def last_due(ago: timedelta) -> tuple[TrainingSettings, datetime]:
    """Return a daily schedule whose last time was so long ago, and that time."""
    slot = datetime.now(UTC).replace(second=0, microsecond=0) - ago
    return TrainingSettings(schedule=f"{slot.minute} {slot.hour} * * *", timezone="UTC"), slot


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", code, *map(str, arguments)]


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


@pytest.fixture
def finished() -> list[NightRecord]:
    return []


@pytest.fixture
def make_scheduler(
    database: Engine, finished: list[NightRecord]
) -> Iterator[Callable[..., NightScheduler]]:
    made: list[NightScheduler] = []

    def make(command: list[str], settings: TrainingSettings = TWO_AT_NIGHT) -> NightScheduler:
        made.append(NightScheduler(database, settings, command, finished.append, lease_seconds=3))
        return made[-1]

    yield make
    for scheduler in made:
        scheduler.stop()


def wait_for_later(scheduler: NightScheduler) -> None:
    """Wait until the due job was taken up, which moves its next time into the future."""

    def is_later() -> bool:
        due = scheduler.next_run_time()
        return due is not None and due > datetime.now(UTC)

    wait_until(is_later)


def set_next_run_time(engine: Engine, moment: datetime) -> None:
    """Make the stored job due at a moment, as it is after the machine slept."""
    with writing(engine) as connection:
        row = connection.execute(scheduler_jobs.select().where(scheduler_jobs.c.id == JOB)).one()
        state = pickle.loads(row.job_state)  # noqa: S301 - our own row
        state["next_run_time"] = moment
        connection.execute(
            scheduler_jobs.update()
            .where(scheduler_jobs.c.id == JOB)
            .values(next_run_time=moment.timestamp(), job_state=pickle.dumps(state))
        )


def store_due_job(engine: Engine, settings: TrainingSettings, slot: datetime) -> None:
    """Leave the database as a process leaves it that stopped before the slot."""
    scheduler = NightScheduler(engine, settings, ["true"], lambda night: None)
    scheduler.start()
    scheduler.stop()
    set_next_run_time(engine, slot)


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 2 * * *", "Mon Tue Wed Thu Fri Sat Sun"),
        ("0 2 * * 0", "Sun"),
        ("0 2 * * 7", "Sun"),
        ("0 2 * * 1-5", "Mon Tue Wed Thu Fri"),
        ("0 2 * * MON,sat", "Mon Sat"),
        ("0 2 * * fri-mon", "Mon Fri Sat Sun"),
        ("0 2 * * 5-7", "Fri Sat Sun"),
        ("0 2 * * */3", "Wed Sat Sun"),
        ("0 2 * * 1/2", "Mon Wed Fri"),
    ],
)
def test_weekdays_are_cron_weekdays(expression: str, days: str) -> None:
    trigger = cron_trigger(expression, "UTC")
    moment = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
    found = []
    while (next_one := trigger.get_next_fire_time(None, moment)) < datetime(
        2026, 1, 12, tzinfo=UTC
    ):
        found.append(f"{next_one:%a}")
        moment = next_one + timedelta(minutes=1)
    assert " ".join(found) == days


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "every night",
        "0 2 * *",
        "61 2 * * *",
        "0 2 * * 8",
        "0 2 * * -",
        "0 2 * * x",
        "0 0 31 2 *",
    ],
)
def test_a_wrong_expression_comes_with_an_example(expression: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        cron_trigger(expression)
    assert "0 2 * * *" in caught.value.mend


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc", "Europe"])
def test_an_unknown_time_zone_is_explained(name: str) -> None:
    with pytest.raises(ScheduleError, match="timezone"):
        cron_trigger("0 2 * * *", name)


def test_the_machines_time_zone_will_do() -> None:
    assert cron_trigger("0 2 * * *").timezone is not None


def test_the_last_time_of_a_schedule_is_found_within_grace() -> None:
    trigger = cron_trigger("0 2 * * *", "Europe/Berlin")
    now = datetime(2026, 7, 1, 3, 30, tzinfo=UTC)  # 5:30 in Berlin
    assert last_fire_time(trigger, now, timedelta(hours=4)) == datetime(2026, 7, 1, 0, tzinfo=UTC)
    assert last_fire_time(trigger, now, timedelta(hours=3)) is None
    assert last_fire_time(
        trigger, datetime(2026, 7, 1, tzinfo=UTC), timedelta(hours=1)
    ) == datetime(2026, 7, 1, tzinfo=UTC)


def go_on() -> bool:
    return True


@pytest.mark.parametrize(
    ("code", "outcome", "exit_code", "report"),
    [
        ("print('x'); print('{\"promoted\": true}')", NightOutcome.FINISHED, 0, {"promoted": True}),
        ("print('no report')", NightOutcome.FINISHED, 0, {}),
        ("print('[1]')", NightOutcome.FINISHED, 0, {}),
        ('print(\'{"why": "ü"}\'); raise SystemExit(3)', NightOutcome.FAILED, 3, {"why": "ü"}),
        ("import os; os.kill(os.getpid(), 11)", NightOutcome.FAILED, 139, {}),
    ],
)
def test_how_a_night_ends(
    code: str, outcome: NightOutcome, exit_code: int, report: dict[str, object]
) -> None:
    ending = run_night(python(code), 60, go_on)
    assert (ending.outcome, ending.exit_code, ending.report) == (outcome, exit_code, report)


def test_a_program_that_is_not_there_is_a_failed_night() -> None:
    assert run_night(["/nowhere/nightshift"], 60, go_on).exit_code == 127


GRANDCHILD = """
import subprocess, sys, time, pathlib
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(f"{child.pid}")
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pid_in(file: Path) -> int:
    wait_until(lambda: file.exists() and file.read_text() != "")
    return int(file.read_text())


def test_a_night_over_its_time_is_ended_with_all_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    ending = run_night(python(GRANDCHILD, file), 3, go_on)
    assert (ending.outcome, ending.exit_code) == (NightOutcome.TIMED_OUT, None)
    wait_until(lambda: not is_alive(pid_in(file)))


def test_a_night_dies_with_whoever_started_it(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    code = (
        "import sys; from training.night_process import run_night; "
        "run_night(sys.argv[1:], 600, lambda: True)"
    )
    with subprocess.Popen(python(code, *python(GRANDCHILD, file))) as starter:
        try:
            pid = pid_in(file)
            assert is_alive(pid)
        finally:
            starter.kill()
    wait_until(lambda: not is_alive(pid))


def test_a_slot_has_one_night(database: Engine) -> None:
    nights = Nights(database)
    slot = datetime(2026, 1, 5, 2, tzinfo=UTC)
    night = nights.begin("schedule", "a", slot)
    assert night is not None
    done = nights.finish(night, NightOutcome.FINISHED, 0, {"promoted": False})
    assert (done.outcome, done.report, done.slot) == (
        NightOutcome.FINISHED,
        {"promoted": False},
        slot,
    )
    assert nights.begin("schedule", "b", slot) is None
    assert nights.skip(slot, "b", "late") is None
    assert nights.recent() == [done]


def test_an_interrupted_slot_is_tried_again_but_not_for_ever(database: Engine) -> None:
    nights = Nights(database)
    slot = datetime(2026, 1, 5, 2, tzinfo=UTC)
    first = nights.begin("schedule", "holder 1", slot)
    assert first is not None
    for attempt in range(2, MAX_ATTEMPTS + 1):
        assert nights.take_stock(LEASE, slot) == ([], [slot])
        again = nights.begin("schedule", f"holder {attempt}", slot)
        assert again is not None
        assert (again.id, again.attempts) == (first.id, attempt)
    # The first holder is back, but the night is no longer its own.
    assert nights.finish(first, NightOutcome.FINISHED, 0, {}).outcome == NightOutcome.RUNNING
    closed, left = nights.take_stock(LEASE, slot)
    assert [night.outcome for night in closed] == [NightOutcome.INTERRUPTED]
    assert left == []
    assert nights.begin("schedule", "late", slot) is None


def test_a_slot_whose_moment_has_come_waits_for_its_night(database: Engine) -> None:
    nights = Nights(database)
    slot, since = datetime(2026, 1, 5, 2, tzinfo=UTC), datetime(2026, 1, 5, 1, tzinfo=UTC)
    for holder in "ab":
        nights.enter(slot, holder)
    assert [night.outcome for night in nights.recent()] == [NightOutcome.WAITING]
    lease = Lease(database, LEASE, "by hand", 60)
    assert lease.acquire()
    assert nights.take_stock(LEASE, since) == ([], [])  # the holder may be about to begin it
    lease.release()
    assert nights.take_stock(LEASE, since) == ([], [slot])
    night = nights.begin("schedule", "c", slot)
    assert night is not None
    assert (night.holder, night.attempts) == ("c", 1)
    nights.finish(night, NightOutcome.FINISHED, 0, {})
    nights.enter(slot, "d")
    assert [night.outcome for night in nights.recent()] == [NightOutcome.FINISHED]


def test_a_slot_that_waited_for_too_long_is_skipped_with_the_reason(database: Engine) -> None:
    nights = Nights(database)
    slot = datetime(2026, 1, 5, 2, tzinfo=UTC)
    nights.enter(slot, "a")
    closed, left = nights.take_stock(LEASE, slot + timedelta(minutes=1))
    assert [(night.outcome, night.slot) for night in closed] == [(NightOutcome.SKIPPED, slot)]
    assert "Another night" in closed[0].report["reason"]
    assert left == []
    assert nights.take_stock(LEASE, slot) == ([], [])


def test_a_restart_keeps_the_job_and_a_new_schedule_replaces_it(
    database: Engine, make_scheduler: Callable[..., NightScheduler]
) -> None:
    def stored() -> list[float]:
        with reading(database) as connection:
            return [row.next_run_time for row in connection.execute(scheduler_jobs.select())]

    first = make_scheduler(["true"])
    first.start()
    due = first.next_run_time()
    assert due is not None
    assert (due.hour, due.minute) == (2, 0)
    first.stop()
    before = stored()
    second = make_scheduler(["true"])
    second.start()
    assert stored() == before
    second.stop()
    third = make_scheduler(["true"], TrainingSettings(schedule="30 4 * * *", timezone="UTC"))
    third.start()
    changed = third.next_run_time()
    assert changed is not None
    assert (changed.hour, changed.minute) == (4, 30)
    assert len(stored()) == 1
    third.stop()
    off = make_scheduler(["true"], TrainingSettings(enabled=False))
    off.start()
    assert (stored(), off.next_run_time()) == ([], None)


def test_a_night_missed_for_too_long_is_reported_as_skipped_once(
    database: Engine,
    make_scheduler: Callable[..., NightScheduler],
    finished: list[NightRecord],
    tmp_path: Path,
) -> None:
    command = python("import pathlib, sys; pathlib.Path(sys.argv[1]).touch()", tmp_path / "ran")
    settings, slot = last_due(timedelta(hours=5))
    make_first = make_scheduler(command, settings)
    make_first.start()
    make_first.stop()
    for _ in range(2):
        set_next_run_time(database, slot)
        scheduler = make_scheduler(command, settings)
        scheduler.start()
        wait_for_later(scheduler)
        wait_until(lambda: finished != [])
        scheduler.stop()
    assert [(night.outcome, night.slot) for night in finished] == [(NightOutcome.SKIPPED, slot)]
    assert "4 hours" in finished[0].report["reason"]
    assert not (tmp_path / "ran").exists()


def test_a_night_missed_a_little_is_made_up_for(
    database: Engine, make_scheduler: Callable[..., NightScheduler], finished: list[NightRecord]
) -> None:
    command = python("print('{\"pairs\": 3}')")
    settings, slot = last_due(timedelta(minutes=30))
    store_due_job(database, settings, slot)
    scheduler = make_scheduler(command, settings)
    scheduler.start()
    wait_until(lambda: finished != [])
    scheduler.stop()
    assert finished[0].slot == slot
    assert (finished[0].outcome, finished[0].trigger) == (NightOutcome.FINISHED, "schedule")
    assert finished[0].report == {"pairs": 3}


def test_a_night_that_is_due_while_another_one_runs_comes_after_it(
    database: Engine, make_scheduler: Callable[..., NightScheduler], finished: list[NightRecord]
) -> None:
    settings, slot = last_due(timedelta(minutes=30))
    store_due_job(database, settings, slot)
    other = Lease(database, LEASE, "by hand", 600)
    assert other.acquire()
    scheduler = make_scheduler(["true"], settings)
    scheduler.start()
    nights = Nights(database)
    wait_until(lambda: [night.outcome for night in nights.recent()] == [NightOutcome.WAITING])
    wait_for_later(scheduler)
    other.release()
    wait_until(lambda: finished != [])
    scheduler.stop()
    assert [(night.outcome, night.slot) for night in finished] == [(NightOutcome.FINISHED, slot)]


def test_running_now_and_dry(
    database: Engine, make_scheduler: Callable[..., NightScheduler], finished: list[NightRecord]
) -> None:
    scheduler = make_scheduler(python("import sys, json; print(json.dumps({'got': sys.argv[1:]}))"))
    dry = scheduler.run_now(dry_run=True)
    assert (dry.report, Nights(database).recent()) == ({"got": ["--dry-run"]}, [])
    night = scheduler.run_now()
    assert (night.outcome, night.report, night.trigger) == (
        NightOutcome.FINISHED,
        {"got": []},
        "by hand",
    )
    assert Nights(database).recent() == finished == [night]
    assert Lease(database, LEASE, "somebody", 60).acquire()
    busy = scheduler.run_now()
    assert (busy.outcome, busy.report) == (
        NightOutcome.SKIPPED,
        {"reason": "Another night is running."},
    )


def test_stopping_interrupts_the_night_and_the_next_start_tries_it_again(
    database: Engine,
    make_scheduler: Callable[..., NightScheduler],
    finished: list[NightRecord],
    tmp_path: Path,
) -> None:
    # The first attempt hangs, the second one ends.
    code = (
        "import pathlib, sys, time\n"
        "file = pathlib.Path(sys.argv[1])\n"
        "first = not file.exists()\n"
        "file.touch()\n"
        "time.sleep(600 * first)"
    )
    command = python(code, tmp_path / "ran")
    settings, slot = last_due(timedelta(minutes=30))
    store_due_job(database, settings, slot)
    first = make_scheduler(command, settings)
    first.start()
    wait_until((tmp_path / "ran").exists)
    first.stop()
    assert [night.outcome for night in finished] == [NightOutcome.INTERRUPTED]
    second = make_scheduler(command, settings)
    second.start()
    wait_until(lambda: len(finished) == 2)
    second.stop()
    assert [night.attempts for night in finished] == [1, 2]
    assert (finished[1].id, finished[1].outcome) == (finished[0].id, NightOutcome.FINISHED)


RUNNER = """
import json, sys, time
from training.database import open_database
from training.schedule import NightScheduler
from training.settings import TrainingSettings
url, schedule, *command = sys.argv[1:]
settings = TrainingSettings(schedule=schedule, timezone="UTC")
scheduler = NightScheduler(open_database(url), settings, command, print, lease_seconds=2)
scheduler.start()
print("started", flush=True)
time.sleep(600)
"""


Runner = subprocess.Popen[str]


@pytest.fixture
def start_runner(database_url: str) -> Iterator[Callable[[TrainingSettings, list[str]], Runner]]:
    """Start processes that run a scheduler; what is left of them ends with the test."""
    runners: list[Runner] = []

    def start(settings: TrainingSettings, command: list[str]) -> Runner:
        runner = python(RUNNER, database_url, settings.schedule, *command)
        runners.append(subprocess.Popen(runner, stdout=subprocess.PIPE, text=True))
        return runners[-1]

    yield start
    for runner in runners:
        end_runner(runner)


def end_runner(runner: Runner) -> None:
    runner.kill()
    with runner:
        pass


@pytest.mark.slow
def test_of_two_processes_one_runs_each_night(
    database: Engine,
    start_runner: Callable[[TrainingSettings, list[str]], Runner],
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    settings, slot = last_due(timedelta(minutes=30))
    code = "import sys; open(sys.argv[1], 'a').write('ran\\n')"
    runners = [start_runner(settings, python(code, log)) for _ in range(2)]
    for runner in runners:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "started\n"
    nights = Nights(database)
    for _ in range(2):  # the same moment again, as when both took up the job at once
        set_next_run_time(database, slot)
        wait_until(lambda: [n.outcome for n in nights.recent()] == [NightOutcome.FINISHED])
        time.sleep(2)  # the other one's chance to run it too
    assert log.read_text() == "ran\n"
    assert [night.slot for night in nights.recent()] == [slot]


@pytest.mark.slow
def test_the_night_of_a_killed_process_is_taken_over(
    database: Engine,
    start_runner: Callable[[TrainingSettings, list[str]], Runner],
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    code = (
        "import json, os, sys, time\n"
        "log = open(sys.argv[1], 'a')\n"
        "log.write(f'{os.getpid()}\\n')\n"
        "log.close()\n"
        "time.sleep(600 if len(open(sys.argv[1]).readlines()) == 1 else 0)"
    )
    settings, slot = last_due(timedelta(minutes=30))
    store_due_job(database, settings, slot)
    first = start_runner(settings, python(code, log))
    wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
    second = start_runner(settings, python(code, log))
    assert second.stdout is not None
    assert second.stdout.readline() == "started\n"
    assert [night.outcome for night in Nights(database).recent()] == [NightOutcome.RUNNING]
    end_runner(first)

    def taken_over() -> bool:
        return any(
            night.attempts == 2 and night.outcome == NightOutcome.FINISHED
            for night in Nights(database).recent()
        )

    wait_until(taken_over)
    first_pid = int(log.read_text().split()[0])
    assert not is_alive(first_pid)
