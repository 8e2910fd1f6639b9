"""What people do in the conversations: write, edit, delete, react, upload."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from typing import Any

from tests.bot.slack.server.model import (
    Channel,
    Json,
    Message,
    Person,
    StoredFile,
    Team,
    Version,
)
from tests.bot.slack.server.rooms import put_reaction, take_reaction
from tests.bot.slack.server.service import Service
from tests.bot.slack.server.shapes import message_shape, rich_text
from tests.bot.slack.server.workspace import Workspace

Attached = tuple[str, bytes] | tuple[str, bytes, str] | str


class People:
    """The part of the other side that acts in channels; each event goes out as Slack sends it."""

    workspace: Workspace
    service: Service
    team: Team

    # Who and where

    def add_user(self, name: str, **what: Any) -> str:
        """Add somebody.

        Args:
            name: The short name.
            what: `email`, `admin`, `guest`, `single_channel_guest`, `bot`, `deleted`; `other_team`
                makes a stranger of that workspace (Slack Connect); `team` is a `Team` that has the
                app too.

        Returns:
            The user's id.
        """
        other = str(what.pop("other_team", ""))
        team = what.pop("team", None) or self.team
        with self.workspace.changed:
            user = self.workspace.next_id("U")
            person = Person(user, name, other or team.id, stranger=bool(other), **what)
            self.workspace.people[user] = person
            return user

    def add_channel(
        self,
        name: str,
        private: bool = False,
        shared: bool = False,
        members: Sequence[str] = (),
        bot: bool = True,
        team: Team | None = None,
    ) -> str:
        """Add a channel and return its id; the bot is a member unless `bot` is False."""
        team = team or self.team
        with self.workspace.changed:
            kind = "group" if private else "channel"
            inside = [*members, *([team.bot_user] if bot else [])]
            channel = Channel(self.workspace.next_id("C"), name, team.id, kind, inside, shared)
            self.workspace.channels[channel.id] = channel
            self.workspace.messages[channel.id] = []
            return channel.id

    def group_dm(self, *users: str) -> str:
        """Add a conversation of several people and the bot."""
        name = self.add_channel("mpdm-" + "--".join(users), members=users)
        self.workspace.channels[name].kind = "mpim"
        return name

    def dm(self, user: str, team: Team | None = None) -> str:
        """Return the id of somebody's direct messages with the bot."""
        return self.workspace.direct(user, team or self.team).id

    def add_usergroup(self, name: str, users: Sequence[str], team: Team | None = None) -> str:
        """Add a user group and return its id."""
        with self.workspace.changed:
            group = self.workspace.next_id("S")
            self.workspace.usergroups[group] = (name, (team or self.team).id, list(users))
            return group

    def person(self, user: str) -> Person:
        """Return somebody, to be changed."""
        return self.workspace.people[user]

    def channel(self, name: str) -> Channel:
        """Return a channel, to be changed."""
        return self.workspace.channels[name]

    def join(self, user: str, channel: str) -> None:
        """Let somebody enter a channel."""
        self._move(user, channel, "member_joined_channel")

    def leave(self, user: str, channel: str) -> None:
        """Let somebody leave a channel."""
        self._move(user, channel, "member_left_channel")

    def _move(self, user: str, name: str, kind: str) -> None:
        with self.workspace.changed:
            channel = self.channel(name)
            team = self.workspace.teams[channel.team]
            event = {
                "type": kind,
                "user": user,
                "channel": name,
                "channel_type": "G" if channel.kind == "group" else "C",
                "team": team.id,
                "event_ts": self.workspace.next_ts(),
            }
            if kind == "member_left_channel":
                self.service.events.emit(event, team, channel)
                channel.members.remove(user)
            else:
                channel.members.append(user)
                self.service.events.emit(event, team, channel)

    # Messages

    def upload(self, user: str, name: str, content: bytes, mimetype: str = "") -> str:
        """Upload a file and return its id."""
        with self.workspace.changed:
            kind = mimetype or mimetypes.guess_type(name)[0] or "application/octet-stream"
            team = self.workspace.people[user].team
            team = team if team in self.workspace.teams else self.team.id
            file = StoredFile(self.workspace.next_id("F"), name, team, user, content, kind)
            self.workspace.files[file.id] = file
            return file.id

    def say(
        self,
        user: str,
        channel: str,
        text: str,
        thread: str = "",
        files: Sequence[Attached] = (),
        **more: Any,
    ) -> str:
        """Write a message; `text` is as Slack stores it (`<@U…>`, `&lt;`).

        Args:
            user: Who writes.
            channel: Where.
            text: What.
            thread: The parent's timestamp.
            files: Names and contents, or ids of uploads.
            more: Fields of `Message` to set, such as `subtype` or `bot_id`.

        Returns:
            The message's timestamp.
        """
        ids = [each if isinstance(each, str) else self.upload(user, *each) for each in files]
        with self.workspace.changed:
            room = self.channel(channel)
            assert user in room.members, f"{user} isn't in {room.name or room.id}"
            message = Message(
                self.workspace.next_ts(),
                channel,
                user,
                self.workspace.people[user].team,
                text=text,
                blocks=rich_text(text),
                thread_ts=thread,
                files=ids,
                client_msg_id=f"m-{self.workspace.next_id('M')}",
            )
            if ids:
                message.subtype = "file_share"
            for name, value in more.items():
                setattr(message, name, value)
            for file in ids:
                self.workspace.files[file].channels.append(channel)
                self.service.events.file_shared(file, user, room)
            self.workspace.store(message)
            self.service.events.message(message)
            return message.ts

    def edit(self, user: str, channel: str, ts: str, text: str) -> None:
        """Change one's message; where it names the bot, that is a mention anew."""
        with self.workspace.changed:
            message = self._own(user, channel, ts)
            before = message_shape(self.workspace, message)
            message.edits.append(Version(message.text, list(message.blocks), self.workspace.now()))
            message.text, message.blocks = text, rich_text(text)
            message.edited = {"user": user, "ts": self.workspace.next_ts()}
            self.workspace.changed.notify_all()
            self.service.events.changed(message, before)
            team = self.workspace.teams[self.channel(channel).team]
            name = f"<@{team.bot_user}>"
            if name in text and not self.channel(channel).direct:
                self.service.events.mention(message, self.channel(channel), team)

    def preview(self, channel: str, ts: str) -> None:
        """Let Slack show a link's preview below a message, which is a change by nobody."""
        with self.workspace.changed:
            message = self.workspace.message(channel, ts)
            before = message_shape(self.workspace, message)
            message.attachments = [{"id": 1, "from_url": "https://example.org", "title": "A page"}]
            self.workspace.changed.notify_all()
            self.service.events.changed(message, before)

    def delete(self, user: str, channel: str, ts: str) -> None:
        """Delete one's message."""
        with self.workspace.changed:
            message = self._own(user, channel, ts)
            before = message_shape(self.workspace, message)
            message.deleted = True
            self.workspace.changed.notify_all()
            self.service.events.deleted(message, before)

    def _own(self, user: str, channel: str, ts: str) -> Message:
        message = self.workspace.message(channel, ts)
        assert message.user == user, "people change only their own messages"
        return message

    def react(self, user: str, channel: str, ts: str, name: str) -> None:
        """Put a reaction: `+1`, `-1::skin-tone-3`, …"""
        with self.workspace.changed:
            message = self.workspace.message(channel, ts)
            if put_reaction(message, name, user):
                self.workspace.changed.notify_all()
                self.service.events.reaction("reaction_added", user, name, message)

    def unreact(self, user: str, channel: str, ts: str, name: str) -> None:
        """Take a reaction away."""
        with self.workspace.changed:
            message = self.workspace.message(channel, ts)
            if take_reaction(message, name, user):
                self.workspace.changed.notify_all()
                self.service.events.reaction("reaction_removed", user, name, message)

    def event(self, channel: str, **event: Any) -> Json:
        """Send any other event, and return its body."""
        room = self.channel(channel)
        body = self.service.events.body(event, self.workspace.teams[room.team])
        self.service.events.send(body)
        return body
