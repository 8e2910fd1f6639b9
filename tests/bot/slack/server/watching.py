"""What tests read: what the bot said and did, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.bot.slack.server.model import Call, Message, View
from tests.bot.slack.server.service import Service
from tests.bot.slack.server.workspace import Session, Workspace

Value = TypeVar("Value")
_PATIENCE = 30.0


class Watching:
    """The part of the other side that tests look at."""

    workspace: Workspace
    service: Service

    @property
    def calls(self) -> list[Call]:
        """All calls of the Web API, in order."""
        with self.workspace.changed:
            return list(self.workspace.calls)

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def messages(self, channel: str, thread: str | None = None) -> list[Message]:
        """Return all messages of a channel or a thread, ephemeral and deleted ones included."""
        with self.workspace.changed:
            found = list(self.workspace.messages[channel])
        return [m for m in found if thread is None or thread in {m.ts, m.thread_ts}]

    def from_bot(self, channel: str, thread: str | None = None) -> list[Message]:
        """Return what the bot posted for all to see, and didn't delete."""
        return [
            message
            for message in self.messages(channel, thread)
            if message.bot_id and not message.ephemeral_to and not message.deleted
        ]

    def message(self, channel: str, ts: str) -> Message:
        """Return one message."""
        return next(m for m in self.messages(channel) if m.ts == ts)

    def ephemerals(self, channel: str, user: str) -> list[Message]:
        """Return what only this person sees."""
        return [m for m in self.messages(channel) if m.ephemeral_to == user and not m.deleted]

    def session(self, channel: str, thread: str) -> Session:
        """Return status, title and prompts of a thread on the agent surface."""
        return self.workspace.session(channel, thread)

    def home_of(self, user: str) -> View:
        """Return somebody's Home tab once it is published."""
        key = (self.workspace.people[user].team, user)
        return self.wait_for(lambda: self.workspace.homes.get(key), f"the Home tab of {user}")

    def wait_for(
        self, predicate: Callable[[], Value], what: str = "", seconds: float = _PATIENCE
    ) -> Value:
        """Wait until something is true, and return it.

        Raises:
            AssertionError: It isn't in time; the text shows the conversations.
        """
        end = time.monotonic() + seconds
        with self.workspace.changed:
            while not (value := predicate()):
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"not in {seconds:g} s: {what}\n{self.transcript()}")
                self.workspace.changed.wait(min(left, 0.05))
            return value

    def transcript(self) -> str:
        """Return all that was said, for a failure's text."""
        lines = []
        for channel in self.workspace.channels.values():
            for message in self.workspace.messages[channel.id]:
                who = self.workspace.people.get(message.user)
                marks = [
                    f"thread {message.thread_ts}" if message.thread_ts else "",
                    f"only {message.ephemeral_to}" if message.ephemeral_to else "",
                    "deleted" if message.deleted else "",
                    "streaming" if message.streaming else "",
                ]
                note = " ".join(mark for mark in marks if mark)
                name = who.name if who else message.user
                lines.append(f"[{channel.name or channel.id} {message.ts} {note}] {name}:")
                lines += [f"    {line}" for line in message.visible_text.splitlines()]
        last = [f"  {c.method} {c.status} {c.answer.get('error', '')}" for c in self.calls[-15:]]
        return "\n".join(["Conversations:", *lines, "Last calls:", *last])


def texts(messages: Sequence[Message]) -> list[str]:
    """Return what people read in messages."""
    return [message.visible_text for message in messages]
