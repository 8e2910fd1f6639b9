"""conversations.* and reactions.*: pages docs.slack.dev/reference/methods/<name>."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tests.bot.slack.server.model import Channel, Json, Message, SlackFailure
from tests.bot.slack.server.shapes import channel_shape, message_shape
from tests.bot.slack.server.web_api import Asked, method

_EMOJI = re.compile(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?")
_SCOPE_WORD = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


def _seen(asked: Asked, right: str) -> Channel:
    """Return the channel of a call, if the token has the scope for channels of its kind."""
    channel = asked.workspace.channel(asked.need("channel"), asked.team)
    asked.require(f"{_SCOPE_WORD[channel.kind]}:{right}")
    return channel


def page(asked: Asked, items: Sequence[Any], usual: int = 100) -> tuple[list[Any], Json]:
    """Return one page and its metadata: docs.slack.dev/apis/web-api/pagination."""
    start = int(asked.text("cursor").removeprefix("next:") or 0)
    size = min(asked.number("limit", usual), 1000)
    rest = start + size < len(items)
    cursor = f"next:{start + size}" if rest else ""
    return list(items[start : start + size]), {"response_metadata": {"next_cursor": cursor}}


@method("conversations.info")
def info(asked: Asked) -> Json:
    channel = _seen(asked, "read")
    count = asked.flag("include_num_members")
    return {"channel": channel_shape(asked.workspace, channel, asked.team, count)}


@method("conversations.members")
def members(asked: Asked) -> Json:
    channel = _seen(asked, "read")
    found, more = page(asked, channel.members)
    return {"members": found} | more


@method("conversations.list")
def list_all(asked: Asked) -> Json:
    kinds = (asked.text("types") or "public_channel").replace(" ", "").split(",")
    wanted = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
    seen = [
        channel
        for channel in asked.workspace.channels.values()
        if channel.team == asked.team.id
        and channel.kind in {wanted.get(kind) for kind in kinds}
        and (channel.kind == "channel" or asked.team.bot_user in channel.members)
        and not (asked.flag("exclude_archived") and channel.archived)
    ]
    found, more = page(asked, seen)
    shapes = [channel_shape(asked.workspace, c, asked.team, count=True) for c in found]
    return {"channels": shapes} | more


@method("conversations.open", "im:write")
def open_direct(asked: Asked) -> Json:
    users = asked.need("users").split(",")
    for user in users:
        asked.workspace.person(user)
    if len(users) > 1:
        raise SlackFailure("method_not_supported_for_channel_type")
    if users[0] == asked.team.bot_user:
        raise SlackFailure("cannot_dm_bot")
    channel = asked.workspace.direct(users[0], asked.team)
    shape: Json = {"id": channel.id}
    if asked.flag("return_im"):
        shape = channel_shape(asked.workspace, channel, asked.team)
    return {"channel": shape}


@method("conversations.join", "channels:join")
def join(asked: Asked) -> Json:
    channel = asked.workspace.channel(asked.need("channel"), asked.team)
    if channel.archived:
        raise SlackFailure("is_archived")
    if asked.team.bot_user not in channel.members:
        channel.members.append(asked.team.bot_user)
    return {"channel": channel_shape(asked.workspace, channel, asked.team)}


@method("conversations.history")
def history(asked: Asked) -> Json:
    channel = _readable(asked)
    top = [m for m in _visible(asked, channel) if m.thread_ts in {"", m.ts}]
    found, more = page(asked, _between(asked, top)[::-1])
    return {"messages": _shapes(asked, found), "has_more": bool(_cursor(more))} | more


@method("conversations.replies")
def replies(asked: Asked) -> Json:
    channel = _readable(asked)
    name = asked.need("ts")
    visible = _visible(asked, channel)
    asked_for = next((m for m in visible if m.ts == name), None)
    parent = asked_for.thread_ts or name if asked_for else name
    if asked_for is None and not any(m.thread_ts == name for m in visible):
        raise SlackFailure("thread_not_found")
    thread = [m for m in visible if parent in {m.ts, m.thread_ts}]
    found, more = page(asked, _between(asked, thread, keep=parent))
    return {"messages": _shapes(asked, found), "has_more": bool(_cursor(more))} | more


def _readable(asked: Asked) -> Channel:
    channel = _seen(asked, "history")
    if asked.team.bot_user not in channel.members:
        raise SlackFailure("not_in_channel")
    return channel


def _visible(asked: Asked, channel: Channel) -> list[Message]:
    stored = asked.workspace.messages[channel.id]
    return [m for m in stored if not m.deleted and not m.ephemeral_to]


def _between(asked: Asked, messages: list[Message], keep: str = "") -> list[Message]:
    oldest, latest = asked.text("oldest") or "0", asked.text("latest") or "9999999999.0"
    both = asked.flag("inclusive")

    def inside(message: Message) -> bool:
        at, first, last = float(message.ts), float(oldest), float(latest)
        return message.ts == keep or first < at < last or (both and at in (first, last))

    return [message for message in messages if inside(message)]


def _shapes(asked: Asked, messages: list[Message]) -> list[Json]:
    metadata = asked.flag("include_all_metadata")
    return [message_shape(asked.workspace, message, metadata) for message in messages]


def _cursor(more: Json) -> str:
    return str(more["response_metadata"]["next_cursor"])


@method("reactions.add", "reactions:write")
def add_reaction(asked: Asked) -> Json:
    message, name = _reacted(asked)
    if not put_reaction(message, name, asked.team.bot_user):
        raise SlackFailure("already_reacted")
    asked.events.reaction("reaction_added", asked.team.bot_user, name, message)
    asked.workspace.changed.notify_all()
    return {}


@method("reactions.remove", "reactions:write")
def remove_reaction(asked: Asked) -> Json:
    message, name = _reacted(asked)
    if not take_reaction(message, name, asked.team.bot_user):
        raise SlackFailure("no_reaction")
    asked.events.reaction("reaction_removed", asked.team.bot_user, name, message)
    asked.workspace.changed.notify_all()
    return {}


@method("reactions.get", "reactions:read")
def get_reactions(asked: Asked) -> Json:
    channel = asked.workspace.channel(asked.need("channel"), asked.team)
    message = asked.workspace.message(channel.id, asked.need("timestamp"))
    shape = message_shape(asked.workspace, message)
    return {"type": "message", "channel": channel.id, "message": shape}


def _reacted(asked: Asked) -> tuple[Message, str]:
    channel = asked.workspace.channel(asked.need("channel"), asked.team)
    if channel.archived:
        raise SlackFailure("is_archived")
    name = asked.need("name")
    if not _EMOJI.fullmatch(name.strip(":")):
        raise SlackFailure("invalid_name")
    return asked.workspace.message(channel.id, asked.need("timestamp")), name.strip(":")


def put_reaction(message: Message, name: str, user: str) -> bool:
    """Add somebody's reaction; False if it is there."""
    users = message.reactions.setdefault(name, [])
    if user in users:
        return False
    users.append(user)
    return True


def take_reaction(message: Message, name: str, user: str) -> bool:
    """Take somebody's reaction away; False if it isn't there."""
    if user not in message.reactions.get(name, []):
        return False
    message.reactions[name].remove(user)
    return True
