"""What the Home tab shows somebody, gathered from the index and the database with their rights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from slack_sdk import WebClient
from sqlalchemy.dialects import postgresql, sqlite

from bot.activity import (
    DayCount,
    Topic,
    WeekThumbs,
    last_runs,
    questions_by_day,
    thumbs_by_week,
    topics_of,
    unanswered,
    votes_of,
)
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.parts import Parts
from bot.slack.people import Person, named
from bot.slack.picture import digest_of, draw_png, in_words
from bot.tables import pictures
from bot.task import QuestionStatus
from ingestion.errors import IngestionError
from training.database import reading, writing
from training.errors import AdapterError
from training.nights import NightRecord, Nights
from training.records import PairStatus

RECENT = 8
DAYS, WEEKS, UNANSWERED_DAYS = 14, 8, 30
_TOPICS = 8
# A choice, tried on few questions: those that ask for one thing in other words are nearer.
_NEAR = 0.6
_PICTURE = "figures"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceShown:
    """A source with the documents in it that this person may read.

    Attributes:
        read_at: When it was last read; None where that isn't known.
    """

    name: str
    documents: int
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that this person asked.

    Attributes:
        link: To its answer; "" where there is none to go to.
        vote: How their own vote stands: 1, -1, or 0.
    """

    question: str
    asked_at: datetime
    link: str
    vote: int
    refused: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """What admins see besides.

    Attributes:
        live: The live version; None is the bare base model.
        live_problem: Why it can't be told; "" where it can.
        pairs: That wait for a review.
        private_unanswered: Unanswered questions whose words aren't shown.
        picture: Id of the figures' picture in Slack; "" where Slack took none.
    """

    waiting: int
    running: int
    days: tuple[DayCount, ...]
    weeks: tuple[WeekThumbs, ...]
    topics: tuple[Topic, ...]
    private_unanswered: int
    last_night: NightRecord | None
    live: str | None
    live_problem: str
    pairs: int
    failed_documents: int
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Home:
    """What one person's Home tab shows.

    Attributes:
        sources: None where the index can't be read now.
        refusal: Why the bot doesn't answer them; then nothing else is shown.
        opted_out: They don't want to be learnt from.
        learns_private: Private questions train too (pairs.include_private).
        desk: For admins.
    """

    bot_user: str = ""
    refusal: str = ""
    sources: tuple[SourceShown, ...] | None = ()
    asked: tuple[Asked, ...] = ()
    opted_out: bool = False
    learns_private: bool = False
    desk: Desk | None = None


def gather_home(parts: Parts, client: WebClient, team: str, user: str, bot_user: str) -> Home:
    """Return what somebody's Home tab shows.

    Raises:
        DatabaseError: The database can't be read.
    """
    person = parts.people.person(team, user)
    refusal = _refusal(person, parts.settings.allow_guests)
    if refusal:
        return Home(bot_user, refusal)
    name = named(team, user)
    nightshift = parts.nightshift
    return Home(
        bot_user=bot_user,
        sources=_sources(parts, team, user),
        asked=_asked(parts, client, name),
        opted_out=nightshift.feedback.opted_out(name),
        learns_private=nightshift.settings.pairs.include_private,
        desk=_desk(parts, client, team) if parts.people.is_admin(team, user) else None,
    )


def _refusal(person: Person, allow_guests: bool) -> str:
    if not person.known:
        return "I couldn't find out who you are. Please come back in a minute."
    if person.outsider and not allow_guests:
        return "I answer members of this workspace only, not guests."
    return ""


def _sources(parts: Parts, team: str, user: str) -> tuple[SourceShown, ...] | None:
    try:
        counts = parts.knowledge.documents(parts.people.reader(team, user))
    except IngestionError as error:
        logger.warning("What is indexed can't be told: %s", error.problem)
        return None
    runs = last_runs(parts.nightshift.database)
    return tuple(
        SourceShown(source, count, runs[source].finished_at if source in runs else None)
        for source, count in counts.items()
    )


def _asked(parts: Parts, client: WebClient, name: str) -> tuple[Asked, ...]:
    records = parts.nightshift.feedback.recent(name, RECENT)
    votes = votes_of(parts.nightshift.database, name, [record.id for record in records])
    return tuple(
        Asked(
            record.question,
            record.asked_at,
            _link(parts, client, record.id),
            votes.get(record.id, 0),
            record.refused,
        )
        for record in records
    )


def _link(parts: Parts, client: WebClient, answer_id: str) -> str:
    """Return the address of an answer in Slack; "" for one that is gone or was shown once."""
    posts = parts.posts.of_answer(answer_id)
    if not posts:
        return ""
    try:
        found = client.chat_getPermalink(channel=posts[0].channel, message_ts=posts[0].ts)
    except OUTSIDE_ERRORS as error:
        logger.info("An answer has no address: %s", kind_of(error))
        return ""
    return str(found.get("permalink") or "")


def _desk(parts: Parts, client: WebClient, team: str) -> Desk:
    nightshift, now = parts.nightshift, datetime.now(UTC)
    counts = parts.queue.counts()
    days = questions_by_day(nightshift.database, DAYS, now)
    weeks = thumbs_by_week(nightshift.database, WEEKS, now)
    gaps = unanswered(nightshift.database, team, now - timedelta(days=UNANSWERED_DAYS))
    live, problem = _live(parts)
    nights = Nights(nightshift.database).recent(1)
    return Desk(
        waiting=counts[QuestionStatus.WAITING],
        running=counts[QuestionStatus.RUNNING],
        days=days,
        weeks=weeks,
        topics=tuple(_topics(parts, gaps.texts)[:_TOPICS]),
        private_unanswered=gaps.private,
        last_night=nights[0] if nights else None,
        live=live,
        live_problem=problem,
        pairs=len(nightshift.pairs.list(PairStatus.PENDING)),
        failed_documents=sum(run.failed for run in last_runs(nightshift.database).values()),
        picture=_picture(parts, client, team, days, weeks),
    )


def _topics(parts: Parts, texts: tuple[str, ...]) -> list[Topic]:
    if not texts:
        return []
    vectors = parts.nightshift.embedder.embed_documents(texts)
    return topics_of(texts, vectors, _NEAR)


def _live(parts: Parts) -> tuple[str | None, str]:
    try:
        return parts.nightshift.registry.live_version(), ""
    except AdapterError as error:
        return None, error.problem


def _picture(
    parts: Parts,
    client: WebClient,
    team: str,
    days: tuple[DayCount, ...],
    weeks: tuple[WeekThumbs, ...],
) -> str:
    """Return the id of the picture in Slack, uploaded anew only where the figures changed."""
    database, digest = parts.nightshift.database, digest_of(days, weeks)
    key = {"team": team, "name": _PICTURE}
    query = pictures.select().where(pictures.c.team == team, pictures.c.name == _PICTURE)
    with reading(database) as connection:
        known = connection.execute(query).first()
    if known is not None and known.digest == digest:
        return str(known.file)
    try:
        uploaded = client.files_upload_v2(
            filename="nightshift-figures.png",
            content=draw_png(days, weeks),
            title="Questions and thumbs",
            alt_txt=in_words(days, weeks),
        )
    except OUTSIDE_ERRORS as error:  # the app lacks files:write, for example
        logger.info("Slack took no picture: %s", kind_of(error))
        return ""
    row = {"digest": digest, "file": str(_first_file(uploaded.get("files")).get("id") or "")}
    insert = sqlite.insert if database.dialect.name == "sqlite" else postgresql.insert
    statement = insert(pictures).values(**key, **row)
    with writing(database) as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=row))
    if known is not None:
        _delete(client, known.file)
    return row["file"]


def _first_file(files: list[Mapping[str, object]] | None) -> Mapping[str, object]:
    return files[0] if files else {}


def _delete(client: WebClient, file: str) -> None:
    try:
        client.files_delete(file=file)
    except OUTSIDE_ERRORS as error:
        logger.info("An old picture stays in Slack: %s", kind_of(error))
