"""The message shortcut 'Ask about this': a modal with the message's text, then a question."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from slack_bolt import Ack, App

from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.mrkdwn import question_in
from bot.slack.origin import Origin, origin_of
from bot.slack.parts import Parts
from bot.slack.quoted import authors_in, quoted_in
from bot.slack.request import FileRef, RequestKind, SlackRequest, files_of
from bot.slack.views_shortcut import (
    ASKED_VIEW,
    IN_THREAD,
    MAX_QUESTION,
    build_ask_modal,
    choice_in,
    question_typed,
)
from bot.task import NewQuestion

ASK_ABOUT = "nightshift_ask_about"
_MAX_METADATA = 3_000

logger = logging.getLogger(__name__)


def register(app: App, parts: Parts) -> None:
    """Listen to the shortcut and to its modal."""

    def ask_about(ack: Ack, body: Mapping[str, Any]) -> None:
        ack()
        _open(parts, body)

    def asked(ack: Ack, body: Mapping[str, Any]) -> None:
        problem = take_submission(body, parts)
        if problem:
            ack(response_action="errors", errors={"question": problem})
        else:
            ack()

    app.shortcut(ASK_ABOUT)(ask_about)
    app.view(ASKED_VIEW)(asked)


def take_submission(body: Mapping[str, Any], parts: Parts) -> str:
    """Put the modal's question into the queue, once; return what is wrong with it, or ""."""
    view = body["view"]
    values = view["state"]["values"]
    text = question_typed(values)
    if not text:
        return "Write a question."
    if len(text) > MAX_QUESTION:
        return f"That's {len(text)} characters; {MAX_QUESTION} are allowed."
    kept = json.loads(view["private_metadata"])
    origin = Origin(**kept["origin"])
    in_thread = choice_in(values) == IN_THREAD
    # What only one person sees in a thread that isn't there yet is seen by nobody.
    thread = origin.thread_ts or (origin.ts if in_thread else "")
    request = SlackRequest(
        text=text,
        kind=RequestKind.SHORTCUT,
        files=tuple(FileRef(**file) for file in kept["files"]),
        response_url="" if in_thread else origin.response_url,
        only_asker=not in_thread,
        quoted=quoted_in(parts, origin, kept.get("authors", [])),  # the modal may be an older one
    )
    parts.queue.put(
        NewQuestion(
            team=origin.team,
            channel=origin.channel,
            asker=origin_of(body).user,
            keys=(f"view:{view['id']}",),
            thread_ts=thread,
            request=request.as_json(),
        ),
        parts.limits,
    )
    return ""


def _open(parts: Parts, body: Mapping[str, Any]) -> None:
    """Open the modal at once: Slack gives three seconds."""
    origin, message = origin_of(body), body.get("message") or {}
    files = [asdict(file) for file in files_of(message)]
    kept = {"origin": asdict(origin), "files": files, "authors": authors_in(message)}
    while files and len(json.dumps(kept)) > _MAX_METADATA:
        files.pop()
    text = question_in(str(message.get("text") or ""))
    view = build_ask_modal(text, json.dumps(kept), len(files))
    try:
        parts.clients.of(origin.team).views_open(trigger_id=body["trigger_id"], view=view)
    except OUTSIDE_ERRORS as error:
        logger.warning("Slack opened no modal: %s", kind_of(error))
