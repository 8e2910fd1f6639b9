"""What is sent to a response_url, or comes with an acknowledgement.

Source: docs.slack.dev/interactivity/handling-user-interaction#message_responses: five uses within
30 minutes; ephemeral unless `response_type` says `in_channel`; replace_original, delete_original.
"""

from __future__ import annotations

from tests.bot.slack.server import limits
from tests.bot.slack.server.chat import content
from tests.bot.slack.server.events import Events
from tests.bot.slack.server.model import Json, Message, SlackFailure, Version
from tests.bot.slack.server.shapes import message_shape
from tests.bot.slack.server.workspace import RESPONSE_URL_USES, ResponseUrl, Workspace


def answer_response_url(
    workspace: Workspace, events: Events, key: str, body: Json
) -> tuple[int, str]:
    """Take what came to a response URL; return status and text. The lock is held."""
    ticket = workspace.response_urls.get(key)
    if ticket is None:
        return 404, '{"ok":false,"error":"no_such_url"}'
    if workspace.now() > ticket.until:
        return 404, '{"ok":false,"error":"expired_url"}'
    if ticket.uses >= RESPONSE_URL_USES:
        return 404, '{"ok":false,"error":"used_url"}'
    try:
        show_response(workspace, events, ticket, body)
    except SlackFailure as failure:
        return 400, failure.error
    ticket.uses += 1
    ticket.responses.append(body)
    return 200, "ok"


def show_response(workspace: Workspace, events: Events, ticket: ResponseUrl, body: Json) -> None:
    """Show a response in the channel, to one person or to all.

    Raises:
        SlackFailure: The message breaks a limit.
    """
    if body.get("delete_original"):
        _remove(workspace, events, ticket)
        if not (body.get("text") or body.get("blocks")):
            return
    else:
        limits.check_message(body)
    if body.get("replace_original") and ticket.message_ts:
        _replace(workspace, events, ticket, body)
        return
    limits.check_message(body)
    team = workspace.teams[ticket.team]
    public = body.get("response_type") == "in_channel"
    message = Message(
        workspace.next_ts(),
        ticket.channel,
        team.bot_user,
        team.id,
        thread_ts=str(body.get("thread_ts") or ""),
        bot_id=team.bot_id,
        ephemeral_to="" if public else ticket.user,
        sent=body,
        **content(body),
    )
    workspace.store(message)
    if public:
        events.message(message)


def _original(workspace: Workspace, ticket: ResponseUrl) -> Message | None:
    for message in workspace.messages[ticket.channel]:
        if message.ts == ticket.message_ts and not message.deleted:
            return message
    return None


def _remove(workspace: Workspace, events: Events, ticket: ResponseUrl) -> None:
    message = _original(workspace, ticket)
    if message is None:
        return
    before = message_shape(workspace, message)
    message.deleted = True
    if not message.ephemeral_to:
        events.deleted(message, before)


def _replace(workspace: Workspace, events: Events, ticket: ResponseUrl, body: Json) -> None:
    message = _original(workspace, ticket)
    if message is None:
        return
    before = message_shape(workspace, message)
    message.edits.append(Version(message.text, list(message.blocks), workspace.now()))
    given = content(body)
    message.text, message.blocks = given["text"], given["blocks"]
    message.attachments = given["attachments"]
    if not message.ephemeral_to:
        events.changed(message, before)
