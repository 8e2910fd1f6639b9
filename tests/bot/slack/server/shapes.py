"""Messages, people and channels as Slack writes them in JSON.

Sources: docs.slack.dev/reference/objects/{user,conversation,file}-object, …/events/message.
"""

from __future__ import annotations

import re
from typing import Any

from tests.bot.slack.server.model import Channel, Json, Message, Person, StoredFile, View
from tests.bot.slack.server.workspace import APP, Workspace

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")


def message_shape(workspace: Workspace, message: Message, metadata: bool = True) -> Json:
    """Return a message, as `conversations.replies` and events show it."""
    shape: Json = {
        "type": "message",
        "user": message.user,
        "ts": message.ts,
        "text": message.text,
        "team": message.team,
    }
    optional = {
        "subtype": message.subtype,
        "client_msg_id": message.client_msg_id,
        "blocks": message.blocks,
        "attachments": message.attachments,
        "thread_ts": message.thread_ts,
        "edited": message.edited,
        "metadata": message.metadata if metadata else None,
        "files": [file_shape(workspace, workspace.files[f]) for f in message.files],
        "reactions": [
            {"name": name, "users": list(users), "count": len(users)}
            for name, users in message.reactions.items()
            if users
        ],
    }
    shape |= {key: value for key, value in optional.items() if value}
    if message.bot_id:
        shape |= {"bot_id": message.bot_id, "app_id": APP, "bot_profile": bot_shape(message)}
    if message.stream is not None:
        shape["streaming_state"] = "in_progress" if message.stream.open else "completed"
    return shape | _thread_shape(workspace, message)


def _thread_shape(workspace: Workspace, message: Message) -> Json:
    if message.thread_ts and message.thread_ts != message.ts:
        for parent in workspace.messages[message.channel]:
            if parent.ts == message.thread_ts:
                return {"parent_user_id": parent.user}
        return {}
    replies = workspace.replies(message.channel, message.ts)
    if not replies:
        return {}
    people = list(dict.fromkeys(reply.user for reply in replies))
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users_count": len(people),
        "reply_users": people[:5],
        "latest_reply": replies[-1].ts,
    }


def bot_shape(message: Message) -> Json:
    """Return the profile that comes with a bot's message."""
    return {
        "id": message.bot_id,
        "app_id": APP,
        "user_id": message.user,
        "name": "Nightshift",
        "deleted": False,
        "team_id": message.team,
    }


def rich_text(text: str) -> list[Json]:
    """Return the block that Slack's own client sends with what a person wrote."""
    elements: list[Json] = []
    at = 0
    for match in _MENTION.finditer(text):
        if match.start() > at:
            elements.append({"type": "text", "text": unescape(text[at : match.start()])})
        elements.append({"type": "user", "user_id": match[1]})
        at = match.end()
    if at < len(text):
        elements.append({"type": "text", "text": unescape(text[at:])})
    section = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": "rt1", "elements": [section]}] if elements else []


def unescape(text: str) -> str:
    """Return what a person sees for &lt; &gt; &amp;."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def person_shape(workspace: Workspace, person: Person, emails: bool, team: str) -> Json:
    """Return somebody as `users.info` does; people of other workspaces have no roles."""
    profile = {
        "real_name": person.real_name or person.name.title(),
        "display_name": person.name,
        "team": person.team,
        "title": "",
    }
    if emails and person.email and not person.bot:
        profile["email"] = person.email
    shape: Json = {
        "id": person.id,
        "team_id": person.team,
        "name": person.name,
        "deleted": person.deleted,
        "real_name": person.real_name or person.name.title(),
        "profile": profile,
        "is_bot": person.bot,
        "is_app_user": False,
        "updated": int(workspace.now()),
        "tz": "Europe/Amsterdam",
    }
    if person.stranger or person.team != team:
        return shape | {"is_stranger": True}
    if person.deleted:
        return shape
    return shape | {
        "is_admin": person.admin,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": person.guest or person.single_channel_guest,
        "is_ultra_restricted": person.single_channel_guest,
    }


def channel_shape(workspace: Workspace, channel: Channel, team: Any, count: bool = False) -> Json:
    """Return a channel as `conversations.info` does."""
    shape: Json = {
        "id": channel.id,
        "created": 1_700_000_000,
        "is_archived": channel.archived,
        "is_channel": channel.kind == "channel",
        "is_group": channel.kind == "group",
        "is_im": channel.direct,
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "channel",
        "context_team_id": team.id,
    }
    if channel.direct:
        other = [user for user in channel.members if user != team.bot_user]
        return shape | {"user": other[0] if other else team.bot_user, "is_open": True}
    shape |= {
        "name": channel.name,
        "name_normalized": channel.name,
        "creator": next(iter(channel.members), ""),
        "is_general": channel.name == "general",
        "is_shared": channel.shared,
        "is_ext_shared": channel.shared,
        "is_org_shared": False,
        "is_pending_ext_shared": False,
        "is_member": team.bot_user in channel.members,
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }
    return shape | ({"num_members": len(channel.members)} if count else {})


def file_shape(workspace: Workspace, file: StoredFile) -> Json:
    """Return a file as messages carry it; the content needs the bot's token."""
    where = f"{workspace.url.removesuffix('/api/')}/files-pri/{file.team}-{file.id}"
    extension = file.name.rpartition(".")[2].lower()
    return {
        "id": file.id,
        "created": int(workspace.now()),
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": file.mimetype,
        "filetype": extension,
        "pretty_type": extension.upper(),
        "user": file.user,
        "user_team": file.team,
        "mode": "tombstone" if file.deleted else "hosted",
        "is_external": False,
        "is_public": True,
        "size": len(file.content),
        "url_private": f"{where}/{file.name}",
        "url_private_download": f"{where}/download/{file.name}",
        "permalink": f"{workspace.url.removesuffix('/api/')}/files/{file.user}/{file.id}",
        "channels": file.channels,
        "file_access": "visible",
    }


def view_shape(view: View, values: Json | None = None) -> Json:
    """Return a view as interactions carry it."""
    payload = view.payload
    blocks = [
        {"block_id": f"b{number}"} | block for number, block in enumerate(payload.get("blocks", []))
    ]
    return {
        "id": view.id,
        "team_id": view.team,
        "type": payload["type"],
        "blocks": blocks,
        "private_metadata": payload.get("private_metadata", ""),
        "callback_id": payload.get("callback_id", ""),
        "state": {"values": values or {}},
        "hash": view.hash,
        "title": payload.get("title"),
        "close": payload.get("close"),
        "submit": payload.get("submit"),
        "clear_on_close": bool(payload.get("clear_on_close")),
        "notify_on_close": bool(payload.get("notify_on_close")),
        "previous_view_id": view.previous or None,
        "root_view_id": view.root or view.id,
        "app_id": APP,
        "external_id": payload.get("external_id", ""),
        "app_installed_team_id": view.team,
        "bot_id": "",
    }
