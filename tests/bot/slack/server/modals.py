"""views.*: pages docs.slack.dev/reference/methods/views.{open,update,push,publish}."""

from __future__ import annotations

from typing import Any

from tests.bot.slack.server.limits import check_view
from tests.bot.slack.server.model import Json, SlackFailure, View
from tests.bot.slack.server.shapes import view_shape
from tests.bot.slack.server.web_api import Asked, method
from tests.bot.slack.server.workspace import Workspace

_DEEPEST = 3


def new_view(workspace: Workspace, payload: Json, user: str, team: str) -> View:
    """Return a view with an id and a hash of its own."""
    name = workspace.next_id("V")
    view = View(name, _hash(workspace), user, team, payload, root=name)
    workspace.views[name] = view
    return view


def replace(workspace: Workspace, view: View, payload: Json) -> None:
    """Show something else in the same view."""
    view.payload, view.hash, view.errors = payload, _hash(workspace), {}


def push_on(workspace: Workspace, below: View, payload: Json) -> View:
    """Put a view on top of another one.

    Raises:
        SlackFailure: push_limit_reached, with three already.
    """
    if _depth(workspace, below) >= _DEEPEST:
        raise SlackFailure("push_limit_reached")
    view = new_view(workspace, payload, below.user, below.team)
    view.root, view.previous = below.root, below.id
    return view


def _hash(workspace: Workspace) -> str:
    return f"{int(workspace.now())}.{workspace.next_id('h')}"


def _depth(workspace: Workspace, view: View) -> int:
    return 1 + (_depth(workspace, workspace.views[view.previous]) if view.previous else 0)


def _given(asked: Asked) -> Json:
    view: Any = asked.body.get("view")
    if not isinstance(view, dict):
        asked.need("view")
        raise SlackFailure("invalid_arguments")
    check_view(view)
    return view


@method("views.open")
def open_view(asked: Asked) -> Json:
    trigger = asked.workspace.use_trigger(asked.body.get("trigger_id"))
    payload = _given(asked)
    if payload["type"] != "modal":
        raise SlackFailure("invalid_arguments")
    view = new_view(asked.workspace, payload, trigger.user, trigger.team)
    asked.workspace.changed.notify_all()
    return {"view": view_shape(view)}


@method("views.push")
def push_view(asked: Asked) -> Json:
    trigger = asked.workspace.use_trigger(asked.body.get("trigger_id"))
    payload = _given(asked)
    below = [
        v for v in asked.workspace.views.values()
        if v.open and v.user == trigger.user and v.payload["type"] == "modal"
    ]  # fmt: skip
    if not below:
        raise SlackFailure("not_found")
    view = push_on(asked.workspace, below[-1], payload)
    asked.workspace.changed.notify_all()
    return {"view": view_shape(view)}


@method("views.update")
def update_view(asked: Asked) -> Json:
    payload = _given(asked)
    view = asked.workspace.views.get(asked.text("view_id"))
    if view is None and asked.text("external_id"):
        named = asked.text("external_id")
        known = asked.workspace.views.values()
        view = next((v for v in known if v.payload.get("external_id") == named), None)
    if view is None or not view.open:
        raise SlackFailure("not_found")
    _same_hash(asked, view)
    replace(asked.workspace, view, payload)
    asked.workspace.changed.notify_all()
    return {"view": view_shape(view)}


@method("views.publish")
def publish(asked: Asked) -> Json:
    user = asked.need("user_id")
    asked.workspace.person(user, "invalid_arguments")
    payload = _given(asked)
    if payload["type"] != "home":
        raise SlackFailure("invalid_arguments")
    key = (asked.team.id, user)
    view = asked.workspace.homes.get(key)
    if view is None:
        view = new_view(asked.workspace, payload, user, asked.team.id)
        asked.workspace.homes[key] = view
    else:
        _same_hash(asked, view)
        replace(asked.workspace, view, payload)
    asked.workspace.changed.notify_all()
    return {"view": view_shape(view)}


def _same_hash(asked: Asked, view: View) -> None:
    if asked.text("hash") and asked.text("hash") != view.hash:
        raise SlackFailure("hash_conflict")
