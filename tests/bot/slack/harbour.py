"""A running bot in a workspace with people, and answers that it gave: for what comes after them.

The answers are put in as the bot would have given them, so that these tests need no index.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.assembly import Nightshift
from bot.settings import Settings, SlackSettings
from bot.slack.app import SlackBot, build_app
from bot.slack.blocks import vote_block
from bot.slack.clients import Clients
from bot.slack.counter import VoteCounter
from bot.slack.parts import Parts, build_parts
from bot.slack.people import named
from bot.slack.posts import Post
from bot.slack.request import RequestKind, SlackRequest
from bot.slack.socket_mode import close_socket, open_socket
from bot.tables import questions
from bot.task import QuestionStatus
from bot.work import WorkQueue
from tests.bot.slack.server.model import Message
from tests.bot.slack.server.slack import Slack, slack_workspace
from tests.ingestion.stores import STORES, make_document, put
from tests.ingestion.test_sync import WordEmbedder
from tests.training.answers import make_answer
from training.database import writing
from training.nights import NightRecord
from training.records import AnswerRecord, Audience

TEXT = "You get 25 days of leave. [1]"
LEAVE = "You get 25 days of leave."
PAY = "The pay bands are secret."


@dataclass
class Harbour:
    """A workspace: Alice asks, Bob is her colleague, Eve is the expert, Ada the admin."""

    slack: Slack
    parts: Parts
    alice: str
    bob: str
    eve: str
    ada: str
    guest: str
    general: str
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def answer(self, channel: str = "", asker: str = "", **changes: Any) -> tuple[str, Message]:
        """Let the bot have answered Alice in a thread of #general; return id and message."""
        slack, channel, asker = self.slack, channel or self.general, asker or self.alice
        number = next(self.numbers)
        answer_id = f"answer-{number}"
        with slack.holding():  # it is answered already
            asked = slack.say(asker, channel, f"Question {number}?")
        self.record(answer_id, channel, asker, asked, **changes)
        blocks = buttons(answer_id)
        client = self.parts.clients.of(slack.team_id)
        done = client.chat_postMessage(channel=channel, thread_ts=asked, text=TEXT, blocks=blocks)
        ts = str(done["ts"])
        post = Post(slack.team_id, channel, ts, answer_id, 0, TEXT, tuple(blocks))
        self.parts.posts.record(post)
        return answer_id, slack.message(channel, ts)

    def whispered(self, channel: str = "", asker: str = "", **changes: Any) -> tuple[str, Message]:
        """Let the bot have answered where only the asker sees it."""
        slack, channel, asker = self.slack, channel or self.general, asker or self.alice
        answer_id = f"answer-{next(self.numbers)}"
        more = [button("Share to channel", "nightshift_share", answer_id)]
        blocks = [*buttons(answer_id), {"type": "actions", "elements": more}]
        reply = {"posted": ["ephemeral"], "reply": [{"text": TEXT, "blocks": blocks}]}
        private = {"audience": Audience.PRIVATE, **changes}
        self.record(answer_id, channel, asker, "", only_asker=True, reply=reply, **private)
        client = self.parts.clients.of(slack.team_id)
        client.chat_postEphemeral(channel=channel, user=asker, text=TEXT, blocks=blocks)
        return answer_id, slack.ephemerals(channel, asker)[-1]

    def record(
        self,
        answer_id: str,
        channel: str,
        asker: str,
        asked: str,
        only_asker: bool = False,
        reply: dict[str, Any] | None = None,
        status: str = "done",
        recorded: bool = True,
        **changes: Any,
    ) -> AnswerRecord:
        """Store the question and its answer."""
        team = self.slack.team_id
        record = make_answer(0, id=answer_id, asker=named(team, asker), answer=TEXT, **changes)
        kind = RequestKind.COMMAND if only_asker else RequestKind.MENTION
        request = SlackRequest(record.question, kind, only_asker=only_asker).as_json()
        with writing(self.parts.nightshift.database) as connection:
            connection.execute(
                questions.insert().values(
                    id=answer_id,
                    team=team,
                    channel=channel,
                    message_ts=asked,
                    thread_ts=asked,
                    asker=asker,
                    request=request,
                    reply=reply or {},
                    status=status,
                    stop="",
                    turn=0,
                    attempts=1,
                    holder="test",
                    expires_at=4e9,
                    not_before=0.0,
                    created_at=datetime.now(UTC),
                )
            )
        if recorded:
            self.parts.nightshift.feedback.record_answer(record)
        return record

    def planted(self, answer_id: str, *blocks: dict[str, Any]) -> Message:
        """Return a message with an answer's id in its buttons where that was never shown."""
        number = next(self.numbers)
        channel = self.slack.add_channel(f"elsewhere-{number}", members=(self.alice, self.bob))
        client = self.parts.clients.of(self.slack.team_id)
        shown = [*buttons(answer_id), *blocks]
        done = client.chat_postMessage(channel=channel, text=TEXT, blocks=shown)
        return self.slack.message(channel, str(done["ts"]))

    def finish(self, answer_id: str) -> None:
        """Let an answer that is under way be recorded and delivered."""
        self.parts.nightshift.feedback.record_answer(make_answer(id=answer_id, answer=TEXT))
        WorkQueue(self.parts.nightshift.database, "test").finish(answer_id, QuestionStatus.DONE)

    def votes(self, answer_id: str) -> tuple[int, int]:
        return self.parts.nightshift.feedback.votes(answer_id)

    def wait_for_votes(self, answer_id: str, up: int, down: int) -> None:
        """Wait until exactly so many count."""
        self.slack.wait_for(lambda: self.votes(answer_id) == (up, down), f"{up} up, {down} down")

    def wait_for_text(self, message: Message, text: str) -> None:
        """Wait until a message says something."""
        self.slack.wait_for(lambda: text in message.visible_text, text)

    def whisper_to(self, user: str, channel: str, text: str) -> Message:
        """Wait until the bot tells somebody something that nobody else sees."""

        def told() -> Message | None:
            found = self.slack.ephemerals(channel, user)
            return next((each for each in found if text in each.visible_text), None)

        message: Message = self.slack.wait_for(told, f"a notice {text!r}")
        return message


def buttons(answer_id: str) -> list[dict[str, Any]]:
    """Return an answer's blocks with its buttons."""
    human = button("Ask a human", "nightshift_ask_human", answer_id)
    return [
        {"type": "markdown", "text": TEXT},
        vote_block(answer_id),
        {"type": "actions", "elements": [human]},
    ]


def button(text: str, action_id: str, value: str) -> dict[str, Any]:
    return {"type": "button", "text": plain(text), "action_id": action_id, "value": value}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


@contextmanager
def harbour(folder: Path, *, answering: bool = False, **slack_settings: Any) -> Iterator[Harbour]:
    """Run the bot in a workspace.

    Args:
        folder: Where its data goes.
        answering: Whether questions are answered, from two pages and without a model; else they
            stay in the queue.
        slack_settings: More settings of Slack.
    """
    with slack_workspace() as slack:
        people = {name: slack.add_user(name) for name in ("alice", "bob", "eve", "ada")}
        guest = slack.add_user("gus", guest=True)
        members = (*people.values(), guest)
        general = slack.add_channel("general", members=members)
        settings = SlackSettings.model_validate(
            {
                "bot_token": slack.bot_token,
                "app_token": slack.app_token,
                "api_url": slack.url,
                "admins": [people["ada"]],
                "experts": [people["eve"]],
                **slack_settings,
            }
        )
        nightshift = Nightshift(Settings(data_dir=folder / "data", slack=settings))
        nightshift.embedder = WordEmbedder()
        nightshift.index = STORES["lance"](folder / "index")
        put(nightshift.index, make_document("handbook:leave.md", [LEAVE], title="Leave"))
        put(nightshift.index, make_document("handbook:pay.md", [PAY], acl=["hr"], title="Pay"))
        parts = build_parts(nightshift, Clients(settings), _no_night)
        stop = _start(parts, answering=answering)
        slack.wait_for_sockets()
        try:
            yield Harbour(slack, parts, **people, guest=guest, general=general)
        finally:
            stop()
            nightshift.close()


def _start(parts: Parts, *, answering: bool) -> Callable[[], None]:
    """Start the bot, or all of it but who answers; return how to stop it."""
    if answering:
        bot = SlackBot(parts)
        bot.start(connect=True)
        return bot.stop
    socket = open_socket(build_app(parts), parts.settings)
    counter = VoteCounter(parts)
    counter.start()

    def stop() -> None:
        close_socket(socket)
        counter.stop()

    return stop


def _no_night(*_args: Any, **_more: Any) -> NightRecord:
    raise AssertionError("no night is asked for here")
