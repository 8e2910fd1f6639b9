"""When the night starts: a cron expression in APScheduler's store, one runner by a lease.

Several processes may share one database. Each has the job; whoever gets the lease and finds the
slot unclaimed in the diary runs the night. When that process dies, its lease expires and another
one tries the slot again. Only who runs a night takes the lease: a watch that took it to look
around once made the job of the same moment believe that another night ran, and the night was lost.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.engine import Engine

from training.cron import cron_trigger, last_fire_time
from training.database import writing
from training.database_faults import explained
from training.lease import KeptLease, Lease
from training.night_process import run_night
from training.night_progress import OnNightProgress, nobody_listens
from training.nights import NightOutcome, NightRecord, Nights
from training.settings import TrainingSettings
from training.tables import scheduler_jobs

JOB = "night"
LEASE = "night"
LEASE_SECONDS = 60.0

logger = logging.getLogger(__name__)

# The stored job names only its database: which scheduler that is in this process stands here.
_RUNNING: dict[str, NightScheduler] = {}


class NightScheduler:
    """Starts the night when it is due, here or in another process, but once. One a database.

    Args:
        engine: From `training.database.open_database`.
        settings: The schedule and the time limit.
        command: Program and arguments of the night. A dry run gets ``--dry-run`` added. Its last
            line of output may be its report as a JSON object.
        on_finished: Gets each night that ended or was skipped, in a thread of the scheduler.
        lease_seconds: After so long, the night of a process that died is tried again by another.

    Raises:
        ScheduleError: The cron expression or the time zone can't be understood.
    """

    def __init__(
        self,
        engine: Engine,
        settings: TrainingSettings,
        command: Sequence[str],
        on_finished: Callable[[NightRecord], None],
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._command = tuple(command)
        self._on_finished = on_finished
        self._lease_seconds = lease_seconds
        self._trigger = cron_trigger(settings.schedule, settings.timezone)
        self._grace = timedelta(hours=settings.misfire_hours)
        self._nights = Nights(engine)
        self._stopping = threading.Event()
        self._scheduler: BackgroundScheduler | None = None
        self._key = engine.url.render_as_string(hide_password=True)

    def start(self) -> None:
        """Start in the background; a job that is stored already keeps its next time.

        A schedule that is switched off only loses its stored job.

        Raises:
            DatabaseError: The database can't be used.
        """
        if not self._settings.enabled:
            with writing(self._engine) as connection:
                connection.execute(scheduler_jobs.delete().where(scheduler_jobs.c.id == JOB))
            return
        self._stopping.clear()
        # Otherwise the watch below would leave a line every few seconds.
        logging.getLogger("apscheduler.executors").setLevel(logging.WARNING)
        store = SQLAlchemyJobStore(engine=self._engine, tablename=scheduler_jobs.name)
        self._scheduler = BackgroundScheduler(
            jobstores={"default": store, "memory": MemoryJobStore()}, timezone=UTC
        )
        self._scheduler.add_listener(self._missed, EVENT_JOB_MISSED)
        _RUNNING[self._key] = self
        with explained(self._engine.url):
            self._scheduler.start(paused=True)
            self._store_job(self._scheduler)
        self._scheduler.add_job(
            self._watch,
            "interval",
            seconds=max(1.0, self._lease_seconds / 2),
            next_run_time=datetime.now(UTC),
            id="watch",
            jobstore="memory",
            coalesce=True,
            misfire_grace_time=None,
        )
        self._scheduler.resume()

    def stop(self) -> None:
        """Stop; a night that runs here is interrupted, and tried again by whoever starts next."""
        self._stopping.set()
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None
            _RUNNING.pop(self._key, None)

    def next_run_time(self) -> datetime | None:
        """Return when the next night is due, in the schedule's time zone; None if it is off."""
        if self._scheduler is None:
            return None
        with explained(self._engine.url):
            job = self._scheduler.get_job(JOB)
        return job.next_run_time if job else None

    def run_now(
        self, dry_run: bool = False, on_progress: OnNightProgress = nobody_listens
    ) -> NightRecord:
        """Run a night in this thread, whatever the schedule says, and return how it ended.

        A dry run only says what would happen, needs no lease and isn't entered in the diary. While
        another night runs, the answer is a skipped one that isn't either.
        """
        holder = _new_holder()
        if dry_run:
            started = datetime.now(UTC)
            dry = [*self._command, "--dry-run"]
            ending = run_night(dry, self._limit, self._may_go_on, on_progress)
            ended = (ending.outcome, ending.exit_code, ending.report)
            return NightRecord(0, None, "dry run", holder, 1, started, datetime.now(UTC), *ended)
        night = self._run("by hand", holder, None, on_progress)
        if night is None:
            now, report = datetime.now(UTC), {"reason": "Another night is running."}
            skipped = NightOutcome.SKIPPED
            return NightRecord(0, None, "by hand", holder, 0, now, now, skipped, None, report)
        return night

    def run_due(self) -> None:
        """Run the night of the last moment of the schedule, unless it has been run or runs now."""
        slot = last_fire_time(self._trigger, datetime.now(UTC), self._grace)
        if slot is not None:
            holder = _new_holder()
            self._nights.enter(slot, holder)
            self._run("schedule", holder, slot)

    @property
    def _limit(self) -> float:
        return self._settings.max_hours * 3600

    def _may_go_on(self) -> bool:
        return not self._stopping.is_set()

    def _store_job(self, scheduler: BackgroundScheduler) -> None:
        plan = f"{self._settings.schedule} | {self._trigger.timezone} | {self._grace}"
        stored = scheduler.get_job(JOB)
        if stored is not None and stored.args == (self._key, plan):
            return  # replacing it would forget a time that was missed while nobody ran
        scheduler.add_job(
            "training.schedule:run_due_night",
            self._trigger,
            args=(self._key, plan),
            id=JOB,
            replace_existing=True,
            coalesce=True,
            misfire_grace_time=max(1, round(self._grace.total_seconds())),
        )

    def _run(
        self,
        trigger: str,
        holder: str,
        slot: datetime | None,
        on_progress: OnNightProgress = nobody_listens,
    ) -> NightRecord | None:
        """Run a night under the lease; None when another runs or the slot has had its night."""
        lease = Lease(self._engine, LEASE, holder, self._lease_seconds)
        if not lease.acquire():
            return None
        try:
            night = self._nights.begin(trigger, holder, slot)
            if night is None:
                return None
            logger.info("night started", extra={"night": night.id, "trigger": trigger})
            kept = KeptLease(lease)
            ending = run_night(
                self._command,
                self._limit,
                lambda: self._may_go_on() and kept.still_held(),
                on_progress,
            )
            night = self._nights.finish(night, ending.outcome, ending.exit_code, ending.report)
        finally:
            lease.release()
        logger.info("night ended", extra={"night": night.id, "outcome": night.outcome.value})
        self._on_finished(night)
        return night

    def _watch(self) -> None:
        """Take over the night that waits in the diary, or whose process died."""
        since = datetime.now(UTC) - self._grace
        closed, slots = self._nights.take_stock(LEASE, since)
        for night in closed:
            self._on_finished(night)
        if slots and self._scheduler is not None:
            arguments = ("schedule", _new_holder(), slots[-1])
            self._scheduler.add_job(
                self._run, args=arguments, id="resume", replace_existing=True, jobstore="memory"
            )

    def _missed(self, event: JobExecutionEvent) -> None:
        if event.job_id != JOB:
            return
        reason = (
            "Nothing ran at its time, and it is more than "
            f"{self._settings.misfire_hours:g} hours ago."
        )
        slot = event.scheduled_run_time.astimezone(UTC)
        night = self._nights.skip(slot, _new_holder(), reason)
        if night is not None:
            self._on_finished(night)


def run_due_night(key: str, _plan: str) -> None:
    """Run the due night; what the stored job calls."""
    scheduler = _RUNNING.get(key)
    if scheduler is not None:
        scheduler.run_due()


def _new_holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
