"""The Web API: reads a call's arguments, checks token and scope, finds the method.

Sources: docs.slack.dev/apis/web-api (content types, errors with HTTP 200), each method's page.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from tests.bot.slack.server.events import Events
from tests.bot.slack.server.model import Json, Person, SlackFailure, Team
from tests.bot.slack.server.workspace import Workspace

_AS_JSON = {
    "blocks", "attachments", "metadata", "view", "chunks", "prompts", "loading_messages", "files",
    "file_ids", "unfurls",
}  # fmt: skip


@dataclass
class Asked:
    """A call on its way: who calls, and with what."""

    workspace: Workspace
    events: Events
    team: Team
    body: Json
    token: str = ""

    def need(self, name: str) -> str:
        """Return an argument that must be there.

        Raises:
            SlackFailure: invalid_arguments, with the name.
        """
        value = self.body.get(name)
        if value in (None, ""):
            line = f"[ERROR] missing required field: {name}"
            raise SlackFailure("invalid_arguments", response_metadata={"messages": [line]})
        return str(value)

    def text(self, name: str) -> str:
        return str(self.body.get(name) or "")

    def flag(self, name: str) -> bool:
        return str(self.body.get(name, "")).lower() in {"1", "true"}

    def number(self, name: str, usual: int) -> int:
        return int(self.body.get(name) or usual)

    @property
    def bot(self) -> Person:
        return self.workspace.people[self.team.bot_user]

    def require(self, scope: str) -> None:
        """Check a scope that depends on what is asked for.

        Raises:
            SlackFailure: missing_scope, with what is needed and what there is.
        """
        scopes = self.workspace.scopes
        if scopes is not None and scope not in scopes:
            raise SlackFailure("missing_scope", needed=scope, provided=",".join(sorted(scopes)))


Method = Callable[[Asked], Json]
_METHODS: dict[str, tuple[Method, str]] = {}


def method(name: str, scope: str = "") -> Callable[[Method], Method]:
    """Register a method of the Web API with the bot scope that it needs."""

    def keep(function: Method) -> Method:
        _METHODS[name] = (function, scope)
        return function

    return keep


def answer(workspace: Workspace, events: Events, name: str, token: str, body: Json) -> Json:
    """Return the answer to a call; the workspace's lock is held.

    Raises:
        SlackFailure: As the method's page names it.
    """
    if name not in _METHODS or name in workspace.missing:
        raise SlackFailure("unknown_method", req_method=name)
    function, scope = _METHODS[name]
    if name in {"apps.connections.open", "oauth.v2.access", "api.test"}:
        return {"ok": True} | function(Asked(workspace, events, _NO_TEAM, body, token))
    asked = Asked(workspace, events, workspace.team_of_token(token), body, token)
    if scope:
        asked.require(scope)
    return {"ok": True} | function(asked)


def arguments(
    content_type: str, raw: str, query: Mapping[str, str], header: str
) -> tuple[str, Json]:
    """Return token and arguments of a request, from JSON, a form or the address."""
    body: Json = dict(query)
    if "json" in content_type:
        try:
            given = json.loads(raw or "{}")
        except ValueError:
            raise SlackFailure("invalid_json") from None
        if not isinstance(given, dict):
            raise SlackFailure("json_not_object")
        body |= given
    else:
        body |= dict(parse_qsl(raw, keep_blank_values=True))
    if header.startswith("Basic "):
        # How the SDK sends the app's own secrets to oauth.v2.access.
        pair = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        body |= {"client_id": pair[0], "client_secret": pair[2]}
    for name in _AS_JSON & body.keys():
        body[name] = _decoded(name, body[name])
    token = header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else ""
    return token or str(body.pop("token", "")), {k: v for k, v in body.items() if k != "token"}


def _decoded(name: str, value: Any) -> Any:
    if not isinstance(value, str) or value == "":
        return value or None
    try:
        return json.loads(value)
    except ValueError:
        if name == "blocks":
            raise SlackFailure("invalid_blocks_format") from None
        return value


_NO_TEAM = Team("", "", "", "", "", "")
