"""When `nightshift serve` reads the sources by itself: a cron expression, one reader by a lease.

Until a page that was closed or removed is read again, it is answered with as it was.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.engine import Engine

from bot.reindex import LEASE, LEASE_SECONDS, counts_told
from bot.settings import Settings
from training.cron import cron_trigger
from training.errors import DatabaseError
from training.lease import KeptLease, Lease
from training.night_process import Ending, run_night
from training.nights import NightOutcome

_JOB = "documents"
_MOST_SECONDS = 24 * 3600.0

logger = logging.getLogger(__name__)


class DocumentSchedule:
    """Reads the sources in a process of its own, here or where the lease is, but once.

    Args:
        engine: From `training.database.open_database`.
        settings: The sources and the schedule; without one of them nothing is ever read.
        command: Program and arguments of ``nightshift ingest --json``.
        on_finished: Gets a sentence on each run that ended, in a thread of the scheduler.

    Raises:
        ScheduleError: The cron expression or the time zone can't be understood.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        command: Sequence[str],
        on_finished: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._command = tuple(command)
        self._on_finished = on_finished
        self._stopping = threading.Event()
        self._scheduler: BackgroundScheduler | None = None
        expression = settings.ingest.schedule
        self._trigger = (
            cron_trigger(expression, settings.training.timezone, "ingest.schedule")
            if expression and settings.sources
            else None
        )

    def start(self) -> None:
        """Start in the background. A moment that passes while a run is under way is left out."""
        if self._trigger is None:
            return
        self._scheduler = BackgroundScheduler(timezone=UTC)
        self._scheduler.add_job(
            self.read, self._trigger, id=_JOB, coalesce=True, misfire_grace_time=None
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Stop; a run under way is ended, and the next one does the rest."""
        self._stopping.set()
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None

    def next_run_time(self) -> datetime | None:
        """Return when the sources are read next, in the schedule's time zone; None for never."""
        job = self._scheduler.get_job(_JOB) if self._scheduler else None
        return job.next_run_time if job else None

    def read(self) -> None:
        """Read the sources now, unless somebody does."""
        lease = Lease(self._engine, LEASE, f"{_JOB}:{uuid.uuid4().hex}", LEASE_SECONDS)
        try:
            if not lease.acquire():
                return
            try:
                kept = KeptLease(lease)
                ending = run_night(
                    self._command,
                    _MOST_SECONDS,
                    lambda: not self._stopping.is_set() and kept.still_held(),
                )
            finally:
                lease.release()
        except DatabaseError as error:
            logger.error("The documents aren't read: %s", error.problem)
            return
        self._on_finished(told(ending))


def told(ending: Ending) -> str:
    """Return what a run did, in a sentence. Pure."""
    if ending.report:
        return f"Documents read: {counts_told(ending.report)}."
    if ending.outcome is NightOutcome.INTERRUPTED:
        return "Reading the documents was interrupted; the next run does the rest."
    return "The documents couldn't be read. Run nightshift ingest to see why."
