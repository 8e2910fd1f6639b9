"""What people press, choose, type and submit, as Slack sends it to the app.

Sources: docs.slack.dev/reference/interaction-payloads/{block_actions,view,shortcuts}-payload,
…/interactivity/implementing-slash-commands, …/block-kit/block-elements/feedback-buttons-element.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.bot.slack.server.courier import Sent
from tests.bot.slack.server.model import Channel, Json, Message, View, elements_in, plain
from tests.bot.slack.server.shapes import message_shape, view_shape
from tests.bot.slack.server.workspace import APP, ResponseUrl, Workspace

_MANY = {
    "multi_static_select": "selected_options",
    "checkboxes": "selected_options",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
}
_ONE = {
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}
_OPTION = {"static_select", "radio_buttons", "overflow", "external_select"}


@dataclass
class Interaction:
    """A command, click or shortcut that was sent, and what the app made of it."""

    sent: Sent
    ticket: ResponseUrl | None
    workspace: Workspace

    @property
    def ack(self) -> Json:
        """The body of the acknowledgement: waits for it.

        Raises:
            AssertionError: The app didn't acknowledge within three seconds.
        """
        assert self.sent.done.wait(30), "no acknowledgement"
        assert self.sent.taken, f"the person saw {self.error}"
        return self.sent.ack

    @property
    def error(self) -> str:
        """What the person saw instead: operation_timeout, dispatch_failed, or ""."""
        assert self.sent.done.wait(30), "no acknowledgement"
        if self.sent.taken:
            return ""
        timed_out = self.sent.attempts[-1] == "timeout"
        return "operation_timeout" if timed_out else "dispatch_failed"

    @property
    def responses(self) -> list[Json]:
        """What came to the response URL so far."""
        return list(self.ticket.responses) if self.ticket else []

    def wait_for_responses(self, count: int, seconds: float = 30) -> list[Json]:
        """Wait until so many responses came."""
        with self.workspace.changed:
            ready = self.workspace.changed.wait_for(lambda: len(self.responses) >= count, seconds)
        assert ready, f"{len(self.responses)} of {count} responses: {self.responses}"
        return self.responses


def person_in(workspace: Workspace, user: str) -> Json:
    """Return somebody as interactions name them."""
    person = workspace.people[user]
    return {"id": user, "username": person.name, "name": person.name, "team_id": person.team}


def envelope(workspace: Workspace, kind: str, user: str, team: str, trigger: bool = True) -> Json:
    """Return what all interactions share.

    A window's ``team`` is the company of who acts in it; where the app is installed stands in the
    view (https://github.com/slackapi/bolt-js/issues/1614).
    """
    person = workspace.people[user]
    abroad = kind in {"view_submission", "view_closed"} and person.stranger
    named = {"id": person.team, "domain": "another-company"} if abroad else None
    shape: Json = {
        "type": kind,
        "token": "verification-token",
        "api_app_id": APP,
        "team": named or {"id": team, "domain": workspace.teams[team].domain},
        "user": person_in(workspace, user),
        "enterprise": None,
        "is_enterprise_install": False,
    }
    return shape | ({"trigger_id": workspace.new_trigger(user, team)} if trigger else {})


def command_body(
    workspace: Workspace, user: str, channel: Channel, command: str, text: str, url: str
) -> Json:
    """Return the form of a slash command."""
    team = workspace.teams[channel.team]
    name = {"im": "directmessage", "group": "privategroup"}.get(channel.kind, channel.name)
    return {
        "token": "verification-token",
        "team_id": team.id,
        "team_domain": team.domain,
        "channel_id": channel.id,
        "channel_name": name,
        "user_id": user,
        "user_name": workspace.people[user].name,
        "command": command,
        "text": text,
        "api_app_id": APP,
        "is_enterprise_install": "false",
        "response_url": url,
        "trigger_id": workspace.new_trigger(user, team.id),
    }


def action_of(element: Json, value: Any, stamp: str) -> Json:
    """Return the entry of `actions` for a press or a choice."""
    action: Json = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": element["block_id"],
        "action_ts": stamp,
    }
    if element["type"] == "feedback_buttons":
        button = _feedback_button(element, value)
        return action | {"text": button["text"], "value": button["value"]}
    if element["type"] in {"button", "icon_button"}:
        pressed = {k: element[k] for k in ("text", "value", "url", "style") if k in element}
        return action | pressed
    return action | state_of(element, value)


def _feedback_button(element: Json, value: Any) -> Json:
    buttons = {
        "positive": element["positive_button"],
        "negative": element["negative_button"],
    }
    for name, button in buttons.items():
        if value in (None, name, button["value"], plain(button["text"])):
            return dict(button)
    raise AssertionError(f"no feedback button {value!r}")


def state_of(element: Json, value: Any) -> Json:
    """Return what a view's state says of an element: `value` is words, an id, or option values."""
    kind = element["type"]
    if kind in _MANY and kind in {"multi_static_select", "checkboxes"}:
        chosen = [_option(element, each) for each in value or []]
        return {"type": kind, _MANY[kind]: chosen}
    if kind in _MANY:
        return {"type": kind, _MANY[kind]: list(value or [])}
    if kind in _OPTION:
        return {"type": kind, "selected_option": _option(element, value) if value else None}
    if kind in _ONE:
        return {"type": kind, _ONE[kind]: value or None}
    if kind == "rich_text_input":
        return {"type": kind, "rich_text_value": value}
    return {"type": kind, "value": str(value) if value not in (None, "") else None}


def _option(element: Json, value: Any) -> Json:
    groups = element.get("option_groups") or [{"options": element.get("options", [])}]
    for group in groups:
        for option in group["options"]:
            if value in (option["value"], plain(option["text"])):
                return dict(option)
    raise AssertionError(f"no option {value!r} in {element}")


def initial_of(element: Json) -> Any:
    """Return what an element holds before anybody touches it, as `state_of` takes it."""
    kind = element["type"]
    if kind in {"multi_static_select", "checkboxes"}:
        return [option["value"] for option in element.get("initial_options") or []]
    if kind in _OPTION:
        return (element.get("initial_option") or {}).get("value")
    if kind in _MANY:
        return element.get(_MANY[kind].replace("selected", "initial"))
    if kind in _ONE:
        return element.get(_ONE[kind].replace("selected", "initial"))
    return element.get("initial_value")


def state_values(view: View, typed: Json) -> Json:
    """Return `state.values` of a view: what was typed, and what stood there already.

    Raises:
        AssertionError: Slack's own client wouldn't send it: a required field is empty, a text is
            too long, or there is no such field.
    """
    values: Json = {}
    blocks = view_shape(view)["blocks"]
    known = {(e["block_id"], e.get("action_id")) for e in elements_in(blocks)}
    for block_id, actions in typed.items():
        for action_id in actions:
            assert (block_id, action_id) in known, f"no field {block_id}/{action_id} in {known}"
    for block in blocks:
        for element in elements_in([block]):
            if element["type"] in {"button", "overflow"} or "action_id" not in element:
                continue
            given = typed.get(block["block_id"], {})
            value = given.get(element["action_id"], initial_of(element))
            if block["type"] == "input":
                _check_typed(block, element, value)
            state = state_of(element, value)
            values.setdefault(block["block_id"], {})[element["action_id"]] = state
    return values


def _check_typed(block: Json, element: Json, value: Any) -> None:
    label = plain(block["label"])
    assert value or block.get("optional"), f"Slack asks to complete {label!r} first"
    most, least = element.get("max_length", 3000), element.get("min_length", 0)
    if isinstance(value, str) and element["type"] == "plain_text_input" and value:
        assert least <= len(value) <= most, f"{label!r} takes {least} to {most} characters"


def message_context(workspace: Workspace, message: Message, url: str) -> Json:
    """Return where a click in a message came from."""
    channel = workspace.channels[message.channel]
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": bool(message.ephemeral_to),
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    shape: Json = {"container": container, "channel": channel_in(workspace, channel)}
    if not message.ephemeral_to:
        shape["message"] = message_shape(workspace, message)
    return shape | {"response_url": url, "state": {"values": {}}}


def channel_in(workspace: Workspace, channel: Channel) -> Json:
    """Return a channel as interactions name it."""
    name = {"im": "directmessage", "group": "privategroup"}.get(channel.kind, channel.name)
    return {"id": channel.id, "name": name}
