"""The agent surface: assistant.threads.* and agents.sessions.*.

Pages: docs.slack.dev/reference/methods/assistant.threads.{setStatus,setTitle,setSuggestedPrompts},
…/agents.sessions.{setStatus,rename}, docs.slack.dev/ai/agent-sessions.
"""

from __future__ import annotations

from tests.bot.slack.server.limits import invalid
from tests.bot.slack.server.model import Json, SlackFailure
from tests.bot.slack.server.web_api import Asked, method
from tests.bot.slack.server.workspace import Session

_LIFECYCLE = {"active", "processing", "suspended", "closed"}
_PROMPTS, _LOADING, _TITLE = 4, 10, 200


def _session(asked: Asked, thread: str) -> Session:
    """Return the state of the thread that a call names; its channel is `channel_id` here."""
    channel = asked.workspace.channel(asked.need("channel_id"), asked.team)
    if asked.team.bot_user not in channel.members:
        raise SlackFailure("not_in_channel")
    return asked.workspace.session(channel.id, thread)


@method("assistant.threads.setStatus", "chat:write")
def set_status(asked: Asked) -> Json:
    session = _session(asked, asked.need("thread_ts"))
    if "status" not in asked.body:
        asked.need("status")
    loading = asked.body.get("loading_messages") or []
    if len(loading) > _LOADING:
        raise invalid("invalid_arguments", [f"no more than {_LOADING} loading_messages"])
    session.statuses.append(asked.text("status"))
    session.loading = list(loading)
    asked.workspace.changed.notify_all()
    return {}


@method("assistant.threads.setTitle", "assistant:write")
def set_title(asked: Asked) -> Json:
    session = _session(asked, asked.need("thread_ts"))
    session.title = asked.need("title")
    asked.workspace.changed.notify_all()
    return {}


@method("assistant.threads.setSuggestedPrompts", "assistant:write")
def set_prompts(asked: Asked) -> Json:
    session = _session(asked, asked.text("thread_ts"))
    prompts = asked.body.get("prompts")
    if not isinstance(prompts, list) or not prompts or len(prompts) > _PROMPTS:
        raise invalid("invalid_arguments", [f"1 to {_PROMPTS} prompts [json-pointer:/prompts]"])
    for prompt in prompts:
        if not prompt.get("title") or not prompt.get("message"):
            raise invalid("invalid_arguments", ["title and message [json-pointer:/prompts]"])
    session.prompts, session.prompts_title = prompts, asked.text("title")
    asked.workspace.changed.notify_all()
    return {}


@method("agents.sessions.setStatus", "chat:write")
def set_lifecycle(asked: Asked) -> Json:
    status = asked.need("status")
    if status not in _LIFECYCLE:
        raise SlackFailure("invalid_arguments")
    session = _session(asked, asked.need("thread_ts"))
    if not session.lifecycle:
        session.title = asked.text("title") or session.title
        session.initiator = asked.text("initiator_user_id")
    if len(session.title) > _TITLE:
        raise SlackFailure("invalid_arguments")
    session.lifecycle = status
    asked.workspace.changed.notify_all()
    shape: Json = {"status": status, "agent_status": status, "title": session.title}
    if "agent_session_stopped" not in asked.events.subscribed:
        shape["warning"] = "missing_agent_session_stopped_event_subscription"
    return shape


@method("agents.sessions.rename", "chat:write")
def rename(asked: Asked) -> Json:
    title = asked.need("title")
    session = _session(asked, asked.need("thread_ts"))
    if not session.lifecycle:
        raise SlackFailure("session_not_found")
    if len(title) > _TITLE:
        raise SlackFailure("invalid_arguments")
    session.title = title
    asked.workspace.changed.notify_all()
    return {"title": title}
