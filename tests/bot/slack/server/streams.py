"""Streaming: docs.slack.dev/reference/methods/chat.{startStream,appendStream,stopStream}.

A stream is bound to the kind of its first content (markdown_text or chunks), ends by itself after
five minutes, and can't be changed by chat.update as long as it is open.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.bot.slack.server import limits
from tests.bot.slack.server.chat import own_message, thread_of, writable
from tests.bot.slack.server.model import Json, Message, SlackFailure, Stream
from tests.bot.slack.server.shapes import message_shape
from tests.bot.slack.server.web_api import Asked, method

_CHUNKS = {"markdown_text", "task_update", "plan_update", "blocks"}
_STATUSES = {"pending", "in_progress", "complete", "error"}


@method("chat.startStream", "chat:write")
def start(asked: Asked) -> Json:
    channel = writable(asked)
    thread = thread_of(asked, channel)
    if not thread:
        asked.need("thread_ts")
    if not channel.direct:
        for name in ("recipient_team_id", "recipient_user_id"):
            if not asked.body.get(name):
                raise SlackFailure(f"missing_{name}")
        asked.workspace.person(asked.text("recipient_user_id"))
    if asked.text("task_display_mode") not in {"", "timeline", "plan", "dense"}:
        raise SlackFailure("invalid_arguments")
    mode = _mode(asked.body)
    stream = Stream(asked.workspace.now(), mode)
    message = Message(
        asked.workspace.next_ts(),
        channel.id,
        asked.team.bot_user,
        asked.team.id,
        thread_ts=thread,
        bot_id=asked.team.bot_id,
        stream=stream,
        sent=asked.body,
    )
    if mode:
        _add(asked, message, stream)
    asked.workspace.store(message)
    session = asked.workspace.session(channel.id, thread)
    if session.status and mode:
        session.statuses.append("")
    asked.events.message(message)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.appendStream", "chat:write")
def append(asked: Asked) -> Json:
    channel, message, stream = _streaming(asked)
    mode = _mode(asked.body)
    if not mode:
        raise SlackFailure("markdown_text_or_chunks_required")
    _same_mode(stream, mode)
    _add(asked, message, stream)
    session = asked.workspace.session(channel, message.thread_ts)
    if session.status:
        session.statuses.append("")
    asked.workspace.changed.notify_all()
    return {"channel": channel, "ts": message.ts}


@method("chat.stopStream", "chat:write")
def stop(asked: Asked) -> Json:
    channel, message, stream = _streaming(asked)
    before = message_shape(asked.workspace, message)
    mode = _mode(asked.body)
    blocks = asked.body.get("blocks")
    if blocks:
        limits.check_blocks(blocks)
    limits.check_metadata(asked.body.get("metadata"))
    if mode:
        _same_mode(stream, mode)
        _add(asked, message, stream)
    if not message.blocks and not blocks:
        raise SlackFailure("no_text")
    stream.open = False
    message.blocks = [*message.blocks, *_named(blocks or [], len(message.blocks))]
    message.metadata = asked.body.get("metadata") or None
    session = asked.workspace.session(channel, message.thread_ts)
    session.lifecycle = asked.text("session_status") or "active"
    asked.workspace.changed.notify_all()
    asked.events.changed(message, before)
    shape = message_shape(asked.workspace, message)
    return {"channel": channel, "ts": message.ts, "message": shape}


def _streaming(asked: Asked) -> tuple[str, Message, Stream]:
    channel, message = own_message(asked, "message_not_owned_by_app")
    stream = message.stream
    if stream is not None and stream.stopped_by_user:
        raise SlackFailure("stopped_by_user")
    if (
        stream is not None
        and asked.workspace.now() > stream.started + asked.workspace.stream_seconds
    ):
        stream.open = False
    if stream is None or not stream.open:
        raise SlackFailure("message_not_in_streaming_state")
    return channel.id, message, stream


def _mode(body: Json) -> str:
    if body.get("markdown_text") and body.get("chunks"):
        raise SlackFailure("cannot_provide_both_markdown_text_and_chunks")
    return "markdown_text" if body.get("markdown_text") else "chunks" if body.get("chunks") else ""


def _same_mode(stream: Stream, mode: str) -> None:
    if stream.mode and stream.mode != mode:
        raise SlackFailure("streaming_mode_mismatch")
    stream.mode = mode


def _add(asked: Asked, message: Message, stream: Stream) -> None:
    """Add what came; nothing is added if a part of it is refused."""
    kept = dataclasses.replace(
        stream,
        chunk_blocks=list(stream.chunk_blocks),
        tasks=dict(stream.tasks),
        appends=list(stream.appends),
    )
    for chunk in asked.body.get("chunks") or [_markdown(asked.body["markdown_text"])]:
        _take(chunk, kept)
    if len(kept.text) > asked.workspace.stream_characters:
        raise SlackFailure("msg_too_long")
    if len(kept.text) > asked.workspace.stream_dies_at > 0:
        stream.open = False
        raise SlackFailure("message_not_in_streaming_state")
    blocks = _blocks(kept)
    limits.check_blocks(blocks, most=100)
    for field in dataclasses.fields(Stream):
        setattr(stream, field.name, getattr(kept, field.name))
    message.blocks = blocks
    message.text = kept.text


def _markdown(text: Any) -> Json:
    return {"type": "markdown_text", "text": text}


def _take(chunk: Any, stream: Stream) -> None:
    if not isinstance(chunk, dict) or chunk.get("type") not in _CHUNKS:
        raise SlackFailure("invalid_chunks")
    if chunk["type"] == "markdown_text":
        if not isinstance(chunk.get("text"), str):
            raise SlackFailure("invalid_chunks")
        if len(chunk["text"]) > limits.MARKDOWN:
            raise SlackFailure("msg_too_long")
        stream.text += chunk["text"]
        stream.appends.append(chunk["text"])
    elif chunk["type"] == "task_update":
        if not chunk.get("id") or chunk.get("status", "pending") not in _STATUSES:
            raise SlackFailure("invalid_chunks")
        stream.tasks[chunk["id"]] = stream.tasks.get(chunk["id"], {}) | chunk
    elif chunk["type"] == "plan_update":
        stream.plan = str(chunk.get("title") or "")
    else:
        limits.check_blocks(chunk.get("blocks"))
        stream.chunk_blocks += chunk["blocks"]


def _blocks(stream: Stream) -> list[Json]:
    tasks = [
        {"type": "task_card", "task_id": name}
        | {k: task[k] for k in ("title", "status") if k in task}
        for name, task in stream.tasks.items()
    ]
    text = [{"type": "markdown", "text": stream.text}] if stream.text else []
    return _named([*tasks, *text, *stream.chunk_blocks], 0)


def _named(blocks: list[Json], start: int) -> list[Json]:
    return [{"block_id": f"auto{start + number}"} | block for number, block in enumerate(blocks)]
