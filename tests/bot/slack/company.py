"""A company with restricted pages, a running bot, and who may see what of it in Slack."""

from __future__ import annotations

import itertools
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.assembly import Nightshift
from bot.reindex import reindex
from bot.settings import Settings, SlackSettings
from bot.slack.app import SlackBot
from bot.slack.clients import Clients
from bot.slack.parts import Parts, build_parts
from bot.tables import questions
from bot.task import NewQuestion, QuestionStatus
from ingestion.documents import EVERYONE
from ingestion.settings import SourceSettings
from ingestion.sources.configured import build_sources
from ingestion.sources.source import SourceItem
from tests.bot.slack.server.model import Message, View
from tests.bot.slack.server.slack import Slack, slack_workspace
from training.database import writing
from training.nights import NightRecord

_WORD = re.compile(r"\w+")
_RUN = 4


@dataclass(frozen=True)
class Secret:
    """A page that not everyone may read, by the runs of words that stand on no open page."""

    title: str
    acl: frozenset[str]
    runs: frozenset[tuple[str, ...]]


@dataclass
class Company:
    """A workspace whose bot answers from pages with access rules.

    Attributes:
        secrets: The restricted pages.
        numbers: For names that are new.
    """

    slack: Slack
    parts: Parts
    bot: SlackBot
    secrets: tuple[Secret, ...]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def hire(self, name: str, *groups: str, **what: Any) -> str:
        """Add somebody with an address of their own, and put them into user groups."""
        number = next(self.numbers)
        email = what.pop("email", f"{name}{number}@lanternworks.example")
        user = self.slack.add_user(f"{name}{number}", email=email, **what)
        for group in groups:
            self.group(group).append(user)
        return user

    def group(self, handle: str) -> list[str]:
        """Return the members of a user group, to be changed; it is made where it isn't there."""
        for known, _, users in self.slack.workspace.usergroups.values():
            if known == handle:
                return users
        return self.slack.workspace.usergroups[self.slack.add_usergroup(handle, [])][2]

    def ask(self, user: str, channel: str, text: str, thread: str = "", **more: Any) -> str:
        """Write to the bot, mentioning it in channels, and wait until it has answered."""
        direct = self.slack.channel(channel).direct
        words = text if direct else f"<@{self.slack.bot_user}> {text}"
        ts = self.slack.say(user, channel, words, thread, **more)
        self.wait_for_quiet()
        return ts

    def command(self, user: str, channel: str, text: str) -> None:
        """Use /ask, and wait until it is answered."""
        assert not self.slack.command(user, channel, "/ask", text).error
        self.wait_for_quiet()

    def put_begun(self, new: NewQuestion, reply: Mapping[str, Any]) -> None:
        """Put a question in whose answer another process began, which died."""
        engine = self.parts.nightshift.database
        with writing(engine) as connection:
            # In one transaction: nobody takes it before it is as the dead process left it.
            connection.execute(
                questions.insert().values(
                    id=uuid.uuid4().hex,
                    team=new.team,
                    channel=new.channel,
                    message_ts=new.message_ts,
                    thread_ts=new.thread_ts,
                    asker=new.asker,
                    request={**new.request, "refusal": ""},
                    reply=dict(reply),
                    status=QuestionStatus.WAITING.value,
                    stop="",
                    turn=0,
                    attempts=1,
                    holder="",
                    expires_at=0.0,
                    not_before=0.0,
                    created_at=datetime.now(UTC),
                )
            )

    def wait_for_quiet(self) -> None:
        """Wait until all that was asked is answered."""
        self.slack.settle(120)
        counts = self.parts.queue.counts
        self.slack.wait_for(lambda: not any(counts().values()), "an empty queue", 120)

    def leaks(self) -> list[str]:
        """Return what somebody can see in Slack of pages that they may not read."""
        found = []
        for seen, viewers, where in self._seen():
            for secret in self._secrets_in(seen):
                outsiders = [user for user in viewers if not self.may_read(user, secret.acl)]
                if outsiders:
                    found.append(f"{secret.title!r} in {where}, seen by {outsiders}")
        return found

    def shown(self, messages: list[Message]) -> set[str]:
        """Return the titles of the restricted pages that stand in messages."""
        return {
            secret.title for each in messages for secret in self._secrets_in(all_of_message(each))
        }

    def may_read(self, user: str, acl: frozenset[str]) -> bool:
        """Return whether somebody may read a page: this side's own reckoning."""
        person = self.slack.person(user)
        if EVERYONE in acl:
            return True
        if person.guest or person.stranger or person.bot or person.deleted:
            return False
        groups = {h for h, _, users in self.slack.workspace.usergroups.values() if user in users}
        return bool(acl & {person.email, user.casefold(), *groups})

    def _secrets_in(self, text: str) -> list[Secret]:
        runs = runs_of(text)
        return [secret for secret in self.secrets if secret.runs & runs]

    def _seen(self) -> Iterator[tuple[str, list[str], str]]:
        """Yield all that the bot shows, with who can see it, and where."""
        workspace = self.slack.workspace
        for channel in workspace.channels.values():
            members = [user for user in channel.members if not self.slack.person(user).bot]
            everybody = [p.id for p in workspace.people.values() if not p.bot]
            for message in self.slack.messages(channel.id):
                if not message.bot_id:
                    continue
                viewers = everybody if channel.kind == "channel" else members
                viewers = [message.ephemeral_to] if message.ephemeral_to else viewers
                yield all_of_message(message), viewers, f"{channel.name or channel.id} {message.ts}"
        views = [*workspace.homes.values(), *workspace.views.values()]
        for view in views:
            yield all_of_view(view), [view.user], f"view {view.callback_id or 'home'}"


def all_of_message(message: Message) -> str:
    """Return all that a message ever showed, notifications and earlier versions included."""
    versions = [[each.text, each.blocks] for each in message.edits]
    streamed = message.stream.appends if message.stream else []
    parts = [message.text, message.blocks, message.attachments, message.metadata]
    return json.dumps([*parts, versions, streamed], ensure_ascii=False)


def all_of_view(view: View) -> str:
    """Return all that a view holds."""
    return json.dumps(view.payload, ensure_ascii=False)


def runs_of(text: str) -> frozenset[tuple[str, ...]]:
    """Return the runs of a few words that stand in a text, in whatever markup."""
    plain = text.replace("\\n", " ").replace("\\u00a0", " ")
    words = [word.casefold() for word in _WORD.findall(plain)]
    return frozenset(tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))


def write_pages(folder: Path, pages: Mapping[str, tuple[str, str]]) -> Path:
    """Write pages: name → (who may read it, text)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (allow, text) in pages.items():
        page = f"---\ntitle: {name}\nallow: [{allow}]\n---\n# {name}\n\n{text}\n"
        (folder / f"{name.lower().replace(' ', '-')}.md").write_text(page, encoding="utf-8")
    return folder


@contextmanager
def company(folder: Path, *sources: Path, **slack_settings: Any) -> Iterator[Company]:
    """Index folders of pages, and run the bot; rights are looked up each time by default."""
    with slack_workspace() as slack:
        settings = SlackSettings.model_validate(
            {
                "bot_token": slack.bot_token,
                "app_token": slack.app_token,
                "api_url": slack.url,
                "rights_seconds": 0,
                **slack_settings,
            }
        )
        nightshift = Nightshift(Settings(data_dir=folder / "data", slack=settings))
        given = [SourceSettings(path=path) for path in sources]
        reindex(nightshift, given, lambda _: None)
        parts = build_parts(nightshift, Clients(settings), _no_night)
        bot = SlackBot(parts)
        bot.start(connect=True)
        slack.wait_for_sockets()
        try:
            yield Company(slack, parts, bot, _secrets(given))
        finally:
            bot.stop()
            nightshift.close()


def _no_night(*_args: Any, **_more: Any) -> NightRecord:
    raise AssertionError("no night is asked for here")


def _secrets(sources: list[SourceSettings]) -> tuple[Secret, ...]:
    """Return the restricted pages of the sources, as their files say."""
    items = [item for source in build_sources(sources, 50) for item in source.items()]
    pages = [item.read() for item in items if isinstance(item, SourceItem)]
    texts = {
        page.id: runs_of("\n\n".join([page.title, *(section.text for section in page.sections)]))
        for page in pages
    }
    openly: frozenset[tuple[str, ...]] = frozenset()
    openly = openly.union(*(texts[page.id] for page in pages if EVERYONE in page.acl))
    return tuple(
        Secret(page.title, page.acl, texts[page.id] - openly)
        for page in pages
        if EVERYONE not in page.acl
    )
