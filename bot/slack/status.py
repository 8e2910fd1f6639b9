"""How the installation is: what is live, indexed, waiting and due. The blocks are pure."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from bot.activity import SourceRun, last_runs
from bot.assembly import Nightshift
from bot.plural import counted
from bot.settings import Settings
from bot.slack.adapter_blocks import BARE
from bot.slack.blocks import Reply
from bot.slack.mrkdwn import escape
from bot.slack.night_report import Standing, headline
from bot.slack.parts import Parts
from bot.slack.reports import build_report, moment
from bot.task import QuestionStatus
from ingestion.errors import IngestionError
from training.cron import cron_trigger
from training.errors import AdapterError, TrainingError
from training.nights import NightRecord, Nights
from training.records import PairStatus

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """How the installation is.

    Attributes:
        live: The live version; None is the bare base model.
        style: How answers are made.
        documents: By source.
        runs: The last run over each source, by its name.
        chunks: In the index.
        index_problem: Why the index can't be read; "" where it can.
        waiting, running: Questions.
        pairs, corrections: That wait for a review.
        last: The last night, or None.
        next_night: None where nights are switched off.
        slack: How Slack's events come in.
        reports: That Slack hasn't taken yet.
    """

    live: str | None
    model: str
    style: str
    documents: Mapping[str, int]
    runs: Mapping[str, SourceRun]
    chunks: int
    index_problem: str
    waiting: int
    running: int
    pairs: int
    corrections: int
    last: NightRecord | None
    next_night: datetime | None
    zone: tzinfo | None
    slack: str
    reports: int


def standing_of(nightshift: Nightshift) -> Standing:
    """Return what is live, as far as it can be told, and by what nights are judged."""
    registry, training = nightshift.registry, nightshift.settings.training
    live: str | None = "unknown"
    target: tuple[str | None, ...] = ()
    try:
        live = registry.live_version()
        found = registry.rollback_target()
        target = (found.version if found else None,)
    except AdapterError as error:
        logger.info("No rollback is offered: %s", type(error).__name__)
    zone = zone_of(nightshift.settings)
    return Standing(live, target, training.gate_confidence, training.max_hours, zone)


def zone_of(settings: Settings) -> tzinfo | None:
    """Return the time zone of the nights, in which admins are told times."""
    try:
        zone: tzinfo = cron_trigger(settings.training.schedule, settings.training.timezone).timezone
    except TrainingError:
        return None
    return zone


def gather_status(parts: Parts) -> Status:
    """Look everything up.

    Raises:
        TrainingError: The database or the registry can't be used.
    """
    nightshift, settings = parts.nightshift, parts.nightshift.settings
    live = nightshift.registry.current()
    documents, chunks, problem = _index(nightshift)
    counts = parts.queue.counts()
    trigger = cron_trigger(settings.training.schedule, settings.training.timezone)
    enabled = settings.training.enabled
    return Status(
        live=live.version if live else None,
        model=settings.model.name,
        style=_style(settings, live is not None and live.writes_better),
        documents=documents,
        runs=last_runs(nightshift.database),
        chunks=chunks,
        index_problem=problem,
        waiting=counts[QuestionStatus.WAITING],
        running=counts[QuestionStatus.RUNNING],
        pairs=len(nightshift.pairs.list(PairStatus.PENDING)),
        corrections=len(nightshift.feedback.corrections(PairStatus.PENDING)),
        last=next(iter(Nights(nightshift.database).recent(1)), None),
        next_night=trigger.get_next_fire_time(None, datetime.now(UTC)) if enabled else None,
        zone=trigger.timezone,
        slack="Socket Mode" if settings.slack.mode == "socket" else "HTTP",
        reports=parts.outbox.notices.waiting(),
    )


def build_status(status: Status) -> Reply:
    """Return the status as a message. Pure."""
    lines = [
        f"*Live adapter:* {escape(status.live or BARE)} ({escape(status.model)})",
        f"*Answers are:* {escape(status.style)}",
        *_index_lines(status),
        f"*Questions:* {status.waiting} waiting, {status.running} being answered",
        f"*To review:* {counted(status.pairs, 'pair')}, "
        f"{counted(status.corrections, 'correction')}",
    ]
    if status.last is None:
        lines.append("*Last night:* there was none yet; `/retrain` runs one now")
    else:
        lines.append(f"*Last night:* {escape(headline(status.last, status.zone))}")
    due = moment(status.next_night) if status.next_night else "switched off (training.enabled)"
    lines += [f"*Next night:* {escape(due)}", f"*Slack:* by {status.slack}"]
    if status.reports:
        lines.append(f"{status.reports} reports are on their way to Slack.")
    return build_report(lines)


def _index_lines(status: Status) -> list[str]:
    if status.index_problem:
        return [f"*Index:* {escape(status.index_problem)}"]
    total = sum(status.documents.values())
    if not total:
        return ["*Index:* empty; `/reindex` reads the documents, or says what it needs for that"]
    lines = [f"*Index:* {counted(total, 'document')} in {counted(status.chunks, 'chunk')}"]
    ordered = sorted(status.documents.items(), key=lambda each: (-each[1], each[0]))
    return lines + [f"• {_source_line(status, source, count)}" for source, count in ordered]


def _source_line(status: Status, source: str, count: int) -> str:
    run = status.runs.get(source)
    said = f"{escape(source)}: {count:,}"
    if run is None:
        return said
    said += f", read {escape(moment(run.finished_at, status.zone))}"
    return f"{said}, {run.failed:,} not readable" if run.failed else said


def _index(nightshift: Nightshift) -> tuple[dict[str, int], int, str]:
    try:
        states = nightshift.index.states()
        return dict(Counter(s.source for s in states.values())), nightshift.index.count(), ""
    except IngestionError as error:
        return {}, 0, f"{error.problem} {error.mend}".strip()


def _style(settings: Settings, earned: bool) -> str:
    style = settings.answer.style
    if style != "auto":
        return f"{style} (answer.style)"
    return (
        "written: the model earned it at the gate"
        if earned
        else "quoted, until a night shows better"
    )
