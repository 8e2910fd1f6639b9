"""chat.*: post, change, delete. Pages: docs.slack.dev/reference/methods/chat.<name>."""

from __future__ import annotations

from tests.bot.slack.server import limits
from tests.bot.slack.server.model import Channel, Json, Message, SlackFailure, Version
from tests.bot.slack.server.shapes import message_shape
from tests.bot.slack.server.web_api import Asked, method


def writable(asked: Asked) -> Channel:
    """Return the channel that a call writes to.

    Raises:
        SlackFailure: channel_not_found, is_archived or not_in_channel.
    """
    name = asked.need("channel")
    if name in asked.workspace.people:
        return asked.workspace.direct(name, asked.team)
    channel = asked.workspace.channel(name, asked.team)
    if channel.archived:
        raise SlackFailure("is_archived")
    if asked.team.bot_user not in channel.members:
        scopes = asked.workspace.scopes or set()
        if channel.kind != "channel" or "chat:write.public" not in scopes:
            raise SlackFailure("not_in_channel")
    return channel


def thread_of(asked: Asked, channel: Channel) -> str:
    """Return the thread that a call names; a reply's timestamp stands for its parent's.

    Raises:
        SlackFailure: thread_not_found; others measured it, no page lists it.
    """
    name = asked.text("thread_ts")
    if not name:
        return ""
    for message in asked.workspace.messages[channel.id]:
        if message.ts == name and not message.ephemeral_to:
            return message.thread_ts or message.ts
    raise SlackFailure("thread_not_found")


def content(body: Json) -> Json:
    """Return the fields of a message from the arguments of a call."""
    blocks = list(body.get("blocks") or [])
    if body.get("markdown_text"):
        blocks = [{"type": "markdown", "text": body["markdown_text"]}]
    named = [{"block_id": f"auto{number}"} | block for number, block in enumerate(blocks)]
    return {
        "text": str(body.get("text") or body.get("markdown_text") or ""),
        "blocks": named,
        "attachments": list(body.get("attachments") or []),
    }


@method("chat.postMessage", "chat:write")
def post_message(asked: Asked) -> Json:
    channel = writable(asked)
    limits.check_message(asked.body)
    message = _from_bot(asked, channel, thread_of(asked, channel))
    message.metadata = asked.body.get("metadata") or None
    asked.workspace.store(message)
    session = asked.workspace.session(channel.id, message.thread_ts)
    if session.status:
        # "The status is cleared when the app sends a reply": assistant.threads.setStatus.
        session.statuses.append("")
    asked.events.message(message)
    shape = message_shape(asked.workspace, message)
    return {"channel": channel.id, "ts": message.ts, "message": shape}


@method("chat.postEphemeral", "chat:write")
def post_ephemeral(asked: Asked) -> Json:
    channel = writable(asked)
    user = asked.need("user")
    asked.workspace.person(user)
    if user not in channel.members:
        raise SlackFailure("user_not_in_channel")
    limits.check_message(asked.body)
    message = _from_bot(asked, channel, asked.text("thread_ts"))
    message.ephemeral_to = user
    asked.workspace.store(message)
    return {"message_ts": message.ts}


def _from_bot(asked: Asked, channel: Channel, thread: str) -> Message:
    return Message(
        asked.workspace.next_ts(),
        channel.id,
        asked.team.bot_user,
        asked.team.id,
        thread_ts=thread,
        bot_id=asked.team.bot_id,
        sent=asked.body,
        **content(asked.body),
    )


@method("chat.update", "chat:write")
def update(asked: Asked) -> Json:
    channel, message = own_message(asked, "cant_update_message")
    if message.streaming:
        raise SlackFailure("streaming_state_conflict")
    body = asked.body
    if not any(body.get(k) for k in ("text", "blocks", "attachments", "markdown_text")):
        if not body.get("metadata"):
            raise SlackFailure("no_text")
    else:
        limits.check_message(body, limits.UPDATED_TEXT)
    change(asked, message, body)
    shape = message_shape(asked.workspace, message)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shape}


def change(asked: Asked, message: Message, body: Json) -> None:
    """Change a message as chat.update does: what isn't given is kept; a text drops the blocks."""
    before = message_shape(asked.workspace, message)
    now = asked.workspace.now()
    message.edits.append(Version(message.text, list(message.blocks), now))
    given = content(body)
    if body.get("text") is not None or body.get("markdown_text"):
        message.text, message.blocks = given["text"], given["blocks"]
    elif body.get("blocks") is not None:
        message.blocks = given["blocks"]
    if body.get("attachments") is not None:
        message.attachments = given["attachments"]
    if body.get("metadata") is not None:
        message.metadata = body["metadata"] or None
    if not body.get("blocks"):
        message.edited = {"user": message.user, "ts": asked.workspace.next_ts()}
    message.sent = body
    asked.workspace.changed.notify_all()
    asked.events.changed(message, before)


def own_message(asked: Asked, error: str) -> tuple[Channel, Message]:
    """Return a message of this app's, in a channel it can see.

    Raises:
        SlackFailure: channel_not_found, message_not_found, or `error` for others' messages.
    """
    channel = asked.workspace.channel(asked.need("channel"), asked.team)
    message = asked.workspace.message(channel.id, asked.need("ts"))
    if message.user != asked.team.bot_user:
        raise SlackFailure(error)
    return channel, message


@method("chat.delete", "chat:write")
def delete(asked: Asked) -> Json:
    channel, message = own_message(asked, "cant_delete_message")
    before = message_shape(asked.workspace, message)
    message.deleted = True
    if message.stream is not None:
        message.stream.open = False
    asked.workspace.changed.notify_all()
    asked.events.deleted(message, before)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.getPermalink")
def permalink(asked: Asked) -> Json:
    channel = asked.workspace.channel(asked.need("channel"), asked.team)
    message = asked.workspace.message(channel.id, asked.need("message_ts"))
    digits = message.ts.replace(".", "")
    link = f"https://{asked.team.domain}.slack.com/archives/{channel.id}/p{digits}"
    if message.thread_ts and message.thread_ts != message.ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}
