"""Events as Slack words them, from what happened in a workspace.

Sources: docs.slack.dev/apis/events-api (the outer body), …/reference/events/{message,app_mention,
reaction_added,message.message_changed,message.message_deleted,app_home_opened,
agent_session_stopped,member_joined_channel}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.bot.slack.server.model import Channel, Json, Message, Team
from tests.bot.slack.server.shapes import message_shape
from tests.bot.slack.server.workspace import APP, Workspace

SUBSCRIBED = {
    "app_mention", "message.channels", "message.groups", "message.im", "message.mpim",
    "reaction_added", "reaction_removed", "app_home_opened", "agent_session_stopped",
    "member_joined_channel", "member_left_channel", "app_uninstalled", "tokens_revoked",
    "user_change", "channel_archive", "channel_rename", "subteam_updated", "file_shared",
    "app_context_changed",
}  # fmt: skip
_MESSAGES = {
    "channel": "message.channels",
    "group": "message.groups",
    "im": "message.im",
    "mpim": "message.mpim",
}
_IN_MENTION = (
    "user", "ts", "text", "team", "thread_ts", "parent_user_id", "client_msg_id", "blocks",
    "files", "edited", "bot_id", "app_id", "bot_profile", "attachments",
)  # fmt: skip


class Events:
    """Builds the bodies and hands them on. The workspace's lock guards it.

    Attributes:
        subscribed: The event types that the app's settings name.
        send: Takes each body that Slack would deliver.
    """

    def __init__(self, workspace: Workspace, send: Callable[[Json], None]) -> None:
        self.workspace = workspace
        self.subscribed = set(SUBSCRIBED)
        self.send = send

    def body(self, event: Json, team: Team, sender_team: str = "", shared: bool = False) -> Json:
        """Return the outer body; `team_id` is the sender's in channels of several companies."""
        number = self.workspace.next_id("Ev")
        return {
            "token": "verification-token",
            "team_id": sender_team if shared and sender_team else team.id,
            "context_team_id": team.id,
            "context_enterprise_id": None,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": number,
            "event_time": int(self.workspace.now()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": team.id,
                    "user_id": team.bot_user,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": shared,
            "event_context": f"4-{number}",
        }

    def emit(self, event: Json, team: Team, channel: Channel | None = None) -> None:
        """Send an event if the app asked for its type and is in the channel."""
        kind = event["type"]
        if kind == "message" and channel is not None:
            kind = _MESSAGES[channel.kind]
        if kind not in self.subscribed or team.revoked:
            return
        if channel is not None and team.bot_user not in channel.members:
            return
        sender = self.workspace.people.get(str(event.get("user", "")))
        shared = channel is not None and channel.shared
        self.send(self.body(event, team, sender.team if sender else "", shared))

    def message(self, message: Message) -> None:
        """Tell of a new message: in a channel a mention comes as two events with two ids."""
        channel = self.workspace.channels[message.channel]
        team = self.workspace.teams[channel.team]
        shape = message_shape(self.workspace, message) | self._sender(message, channel)
        if f"<@{team.bot_user}>" in message.text and not channel.direct and not message.bot_id:
            self.mention(message, channel, team)
        event = {
            **shape,
            "channel": channel.id,
            "event_ts": message.ts,
            "channel_type": channel.kind,
        }
        event.pop("reply_count", None)
        self.emit(event, team, channel)

    def mention(self, message: Message, channel: Channel, team: Team) -> None:
        """Tell that the bot was named."""
        shape = message_shape(self.workspace, message) | self._sender(message, channel)
        event = {"type": "app_mention"} | {k: shape[k] for k in _IN_MENTION if k in shape}
        event |= {k: shape[k] for k in ("user_team", "source_team", "user_profile") if k in shape}
        stamp = self.workspace.next_ts() if message.edited else message.ts
        self.emit(event | {"channel": channel.id, "event_ts": stamp}, team, channel)

    def changed(self, message: Message, before: Json) -> None:
        """Tell of an edit, by people or by the bot itself."""
        now = message_shape(self.workspace, message)
        self._hidden("message_changed", message, {"message": now, "previous_message": before})

    def deleted(self, message: Message, before: Json) -> None:
        """Tell of a deletion; a parent with replies leaves a tombstone, which is an edit."""
        if self.workspace.replies(message.channel, message.ts):
            tomb = {
                "type": "message",
                "subtype": "tombstone",
                "text": "This message was deleted.",
                "user": "USLACKBOT",
                "hidden": True,
                "ts": message.ts,
                "thread_ts": message.ts,
            }
            more = {"message": tomb, "previous_message": before}
            self._hidden("message_changed", message, more)
            return
        more = {"deleted_ts": message.ts, "previous_message": before}
        self._hidden("message_deleted", message, more)

    def reaction(self, kind: str, user: str, name: str, message: Message) -> None:
        """Tell of a reaction, the bot's own included."""
        channel = self.workspace.channels[message.channel]
        event = {
            "type": kind,
            "user": user,
            "reaction": name,
            "item": {"type": "message", "channel": channel.id, "ts": message.ts},
            "item_user": message.user,
            "event_ts": self.workspace.next_ts(),
        }
        self.emit(event, self.workspace.teams[channel.team], channel)

    def file_shared(self, file: str, user: str, channel: Channel) -> None:
        """Tell that a file was shared."""
        event = {
            "type": "file_shared",
            "file_id": file,
            "user_id": user,
            "file": {"id": file},
            "channel_id": channel.id,
            "event_ts": self.workspace.next_ts(),
        }
        self.emit(event, self.workspace.teams[channel.team], channel)

    def _hidden(self, subtype: str, message: Message, more: Json) -> None:
        channel = self.workspace.channels[message.channel]
        stamp = self.workspace.next_ts()
        event: Json = {
            "type": "message",
            "subtype": subtype,
            "hidden": True,
            "channel": channel.id,
            "ts": stamp,
            "event_ts": stamp,
            "channel_type": channel.kind,
        }
        self.emit(event | more, self.workspace.teams[channel.team], channel)

    def _sender(self, message: Message, channel: Channel) -> Json:
        """Return what marks a person of another workspace in a shared channel."""
        person = self.workspace.people.get(message.user)
        if person is None or person.team == channel.team:
            return {}
        profile: dict[str, Any] = {
            "name": person.name,
            "real_name": person.real_name or person.name.title(),
            "display_name": person.name,
            "team": person.team,
            "is_restricted": False,
            "is_ultra_restricted": False,
        }
        return {
            "user_team": person.team,
            "source_team": person.team,
            "team": person.team,
            "user_profile": profile,
        }
