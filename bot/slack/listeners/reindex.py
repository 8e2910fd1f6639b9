"""`/reindex`: the documents are read again, with a message that shows how far that is."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from slack_bolt import App

from bot.errors import PERSON_ERRORS
from bot.generations import why_rebuild
from bot.reindex import LEASE, LEASE_SECONDS, STEPS, reindex
from bot.slack.admins import admin_room, name_of, refusal
from bot.slack.blocks import Reply
from bot.slack.commands import BEGAN_DIRECT, BEGAN_HERE, Command, acknowledge, job_listeners
from bot.slack.index_report import build_index_report
from bot.slack.jobs import JobStopped
from bot.slack.mrkdwn import escape
from bot.slack.parts import Parts
from bot.slack.progress import LiveMessage, Pace, Spot, progress_line
from bot.slack.reports import build_report
from bot.slack.views_home import REINDEX
from bot.source_names import known_places, with_stable_names
from ingestion.settings import SourceSettings
from ingestion.sync import Progress
from training.errors import DatabaseError, where_raised
from training.lease import Lease

_FULL = "--full"
_USAGE = (
    "Write `/reindex` for what has changed, `/reindex SOURCE` for one source, and `--full` after "
    "either to read everything anew."
)
_NO_SOURCES = (
    "No documents are configured. Whoever runs the bot adds this to nightshift.toml, with what "
    "else `nightshift ingest` was told, and starts it again:\n"
    "```\n{}\n```"
)
_SAMPLE_PLACE = "/path/of/the/documents"
_BUSY = "The documents are being indexed already. Try again when that has finished."
_INTERRUPTED = (
    "It was interrupted: the bot was stopped, or its machine died. What was indexed until then "
    "stays; `/reindex` does the rest."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be indexed: all sources where none is named."""

    source: str = ""
    full: bool = False


def register(app: App, parts: Parts) -> None:
    """Listen to the command, and to the Home tab's button."""
    start, press = job_listeners(parts, start_reindex)
    app.command("/reindex")(ack=acknowledge, lazy=[start])
    app.action(REINDEX)(ack=acknowledge, lazy=[press])


def wanted_of(words: Sequence[str]) -> Wanted | None:
    """Return what a command asks for; None where it can't be understood. Pure."""
    # Phones turn two hyphens into a dash.
    plain = [word.replace("—", "--").replace("–", "--") for word in words]
    names = [word for word in plain if not word.startswith("--")]
    options = {word for word in plain if word.startswith("--")}
    if len(names) > 1 or options - {_FULL}:
        return None
    return Wanted(names[0] if names else "", bool(options))


def start_reindex(parts: Parts, command: Command) -> str:
    """Start the work, if this person may and it can be; return what they are told (mrkdwn)."""
    refused = refusal(parts, command.team, command.user)
    if refused:
        return refused
    wanted = wanted_of(command.words)
    if wanted is None:
        return _USAGE
    try:
        known = with_stable_names(parts.nightshift.settings.sources, parts.nightshift.data_dir)
        places = known_places(parts.nightshift.data_dir)
    except PERSON_ERRORS as error:
        return escape(f"{error.problem} {error.mend}")
    if not known:
        return _NO_SOURCES.format(escape(_sources_toml(places)))
    chosen = [source for source in known if wanted.source in {"", name_of_source(source)}]
    if not chosen:
        names = ", ".join(f"`{escape(name_of_source(source))}`" for source in known)
        return f"There is no source `{escape(wanted.source)}`. There are: {names}."
    return _begin(parts, command, tuple(chosen), wanted)


def _sources_toml(places: Mapping[str, str]) -> str:
    """Return the settings that name the folders which were read by hand."""
    return "\n".join(
        f"[[sources]]\nname = {_quoted(name)}\npath = {_quoted(place)}"
        for name, place in (places or {"documents": _SAMPLE_PLACE}).items()
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _begin(
    parts: Parts, command: Command, sources: tuple[SourceSettings, ...], wanted: Wanted
) -> str:
    lease = Lease(parts.nightshift.database, LEASE, uuid.uuid4().hex, LEASE_SECONDS)
    if parts.jobs.is_running(LEASE) or not lease.acquire():
        return _BUSY
    room = admin_room(parts, command.team, command.channel, command.user)
    spot = Spot(f"{LEASE}:{lease.holder}", command.team, room)
    who = name_of(parts, command.team, command.user)
    run = Run(parts, spot, lease, sources, wanted, who)
    if not parts.jobs.start(LEASE, run.work):
        lease.release()
        return _BUSY
    return BEGAN_HERE if room == command.channel else BEGAN_DIRECT


def name_of_source(source: SourceSettings) -> str:
    """Return the name by which people know a source. Pure."""
    return source.name or source.loader.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Run:
    """One run over documents, from its first message to its report."""

    parts: Parts
    spot: Spot
    lease: Lease
    sources: tuple[SourceSettings, ...]
    wanted: Wanted
    who: str

    @property
    def what(self) -> str:
        """What is indexed, for people."""
        names = ", ".join(name_of_source(source) for source in self.sources)
        return f"{names}, everything anew" if self.wanted.full else names

    def work(self) -> None:
        """Index, show how far it is, and report."""
        head = f"*Indexing {escape(self.what)}*, started by {escape(self.who)}"
        live = LiveMessage(
            self.parts.outbox,
            self.parts.clients,
            self.spot,
            build_report([head, _INTERRUPTED]),
            keep=partial(_renew, self.lease),
        )
        try:
            reply = self._indexed(live, head)
        finally:
            self.lease.release()
        try:
            live.finish(reply)
        except DatabaseError as error:
            logger.error("A report can't be stored: %s", error.problem)

    def _rebuilds(self) -> bool:
        if self.wanted.source:
            return False
        return self.wanted.full or bool(why_rebuild(self.parts.nightshift, self.sources))

    def _indexed(self, live: LiveMessage, head: str) -> Reply:
        pace, begun = Pace(), time.monotonic()

        def on_progress(progress: Progress) -> None:
            self.parts.jobs.go_on()
            fraction = progress.done / progress.total if progress.total else 0.0
            note = f"{progress.done:,} of {progress.total:,}" if progress.total > 1 else ""
            left = pace.seconds_left(progress.step, fraction)
            line = progress_line(STEPS.get(progress.step, progress.step), fraction, note, left)
            live.show(f"{head}\n{line}")

        live.show(f"{head}\n{progress_line('Loading the embedder', 0.0)}")
        try:
            report = reindex(
                self.parts.nightshift,
                self.sources,
                on_progress,
                # A rebuild serves nothing but what it read, so it takes all sources.
                rebuild=self._rebuilds(),
                full=self.wanted.full,
            )
        except JobStopped:
            return build_report([head, _INTERRUPTED])
        except PERSON_ERRORS as error:
            logger.warning("A run over the documents failed: %s", type(error).__name__)
            said = [escape(text) for text in (error.problem, error.mend) if text]
            return build_report([f"*Indexing {escape(self.what)} failed*", *said])
        except Exception as error:
            details = logger.isEnabledFor(logging.DEBUG)
            logger.error(
                "A run over the documents failed: %s", where_raised(error), exc_info=details
            )
            said = ["Something unexpected went wrong; the bot's log has the details."]
            return build_report([f"*Indexing {escape(self.what)} failed*", *said])
        seconds = time.monotonic() - begun
        logger.info(
            "documents indexed",
            extra={
                "added": report.added,
                "updated": report.updated,
                "deleted": report.deleted,
                "failed": len(report.failed),
                "seconds": round(seconds, 1),
            },
        )
        return build_index_report(self.what, report, seconds)


def _renew(lease: Lease) -> None:
    lease.renew()
