"""The app's manifest, made from what the code calls and listens to.

The sources of this package are read: a method of Slack's that some file calls brings its scope, an
event that some file listens to brings its subscription and scope. So the manifest can't lag behind.
Source: https://docs.slack.dev/reference/app-manifest and each method's and event's page.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from slack_sdk import WebClient

PACKAGE = Path(__file__).parent

# By the SDK's name of the method; "" where any token will do.
METHOD_SCOPES = {
    "agents_sessions_rename": "chat:write",
    "agents_sessions_setStatus": "chat:write",
    "assistant_threads_setStatus": "chat:write",
    "assistant_threads_setSuggestedPrompts": "assistant:write",
    "assistant_threads_setTitle": "assistant:write",
    "auth_test": "",
    "chat_appendStream": "chat:write",
    "chat_delete": "chat:write",
    "chat_getPermalink": "",
    "chat_postEphemeral": "chat:write",
    "chat_postMessage": "chat:write",
    "chat_startStream": "chat:write",
    "chat_stopStream": "chat:write",
    "chat_stream": "chat:write",
    "chat_update": "chat:write",
    "conversations_history": "im:history",
    "conversations_info": "channels:read groups:read im:read mpim:read",
    "conversations_members": "channels:read groups:read im:read mpim:read",
    "conversations_open": "im:write",
    "conversations_replies": "channels:history groups:history im:history mpim:history",
    "files_completeUploadExternal": "files:write",
    "files_delete": "files:write",
    "files_getUploadURLExternal": "files:write",
    "files_info": "files:read",
    "files_upload_v2": "files:write",
    "team_info": "team:read",
    "usergroups_list": "usergroups:read",
    "usergroups_users_list": "usergroups:read",
    "users_info": "users:read users:read.email",
    "users_list": "users:read",
    "views_open": "",
    "views_publish": "",
    "views_push": "",
    "views_update": "",
}

# Bolt's names of events; "message" stands for the kinds of conversation.
EVENT_SCOPES = {
    "agent_session_stopped": {"agent_session_stopped": "assistant:write"},
    "app_home_opened": {"app_home_opened": ""},
    "app_mention": {"app_mention": "app_mentions:read"},
    "app_uninstalled": {"app_uninstalled": ""},
    "message": {
        "message.channels": "channels:history",
        "message.groups": "groups:history",
        "message.im": "im:history",
        "message.mpim": "mpim:history",
    },
    "reaction_added": {"reaction_added": "reactions:read"},
    "reaction_removed": {"reaction_removed": "reactions:read"},
    "tokens_revoked": {"tokens_revoked": ""},
}

COMMANDS = {
    "/ask": ("Ask the company's documents; only you see the answer", "how much may a hotel cost?"),
    "/nightshift": ("What the bot does and how it is", "help | status | pairs | adapters"),
    "/reindex": ("Read the documents again (admins)", "[source] [--full]"),
    "/retrain": ("Run the night now (admins)", "[--dry-run]"),
}

SHORTCUTS = {
    "nightshift_ask_about": ("message", "Ask about this", "Ask the company's documents about it"),
}

_FILES = "files:read"
_NAME = "Nightshift"
_DESCRIPTION = "Answers from your company's documents, with sources"
_LONG = (
    "Nightshift answers questions from your company's own documents and shows where each answer "
    "is written. It keeps to who may read what, says so when the documents don't say, and learns "
    "from thumbs-up. Mention it in a channel, write to it, or use /ask."
)
PROMPTS = (
    ("What can I ask?", "What topics do the documents cover?"),
    ("Time off", "How many days of paid leave do I have?"),
    ("Expenses", "What does the company pay for on a business trip?"),
)


def called_methods() -> frozenset[str]:
    """Return the Web API methods that this package calls, by the SDK's names."""
    known = {name for name in dir(WebClient) if not name.startswith("_")}
    known -= {"api_call", "token", "base_url", "timeout", "headers", "proxy", "ssl", "logger"}
    return frozenset(
        node.attr
        for node in _nodes()
        if isinstance(node, ast.Attribute) and node.attr in known and "_" in node.attr
    )


def heard(kind: str) -> frozenset[str]:
    """Return the names that this package listens to.

    Args:
        kind: "event", "command" or "shortcut": the method of Bolt's app.
    """
    constants = {
        target.id: node.value.value
        for node in _nodes()
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    names = set()
    for node in _nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            on_app = isinstance(node.func.value, ast.Name) and node.func.value.id == "app"
            if on_app and node.func.attr == kind:
                first = node.args[0]
                names.add(
                    first.value
                    if isinstance(first, ast.Constant)
                    else constants[ast.unparse(first).rpartition(".")[2]]
                )
    return frozenset(str(name) for name in names)


def bot_scopes() -> list[str]:
    """Return the scopes that the code needs, sorted.

    Raises:
        KeyError: Some file calls a method or listens to an event that the tables above lack.
    """
    scopes = {_FILES, "commands", "chat:write"}
    for method in called_methods():
        scopes.update(METHOD_SCOPES[method].split())
    for event in heard("event"):
        scopes.update(scope for scope in EVENT_SCOPES[event].values() if scope)
    return sorted(scopes)


def manifest(base_url: str = "") -> dict[str, Any]:
    """Return the manifest.

    Args:
        base_url: Where Slack reaches the bot by HTTP; "" for Socket Mode.
    """
    events_url = f"{base_url.rstrip('/')}/slack/events"
    url = {"url": events_url} if base_url else {}
    request_url = {"request_url": events_url} if base_url else {}
    events = sorted(name for event in heard("event") for name in EVENT_SCOPES[event])
    oauth: dict[str, Any] = {"scopes": {"bot": bot_scopes()}}
    if base_url:
        oauth = {"redirect_urls": [f"{base_url.rstrip('/')}/slack/oauth_redirect"], **oauth}
    return {
        "display_information": {
            "name": _NAME,
            "description": _DESCRIPTION,
            "long_description": _LONG,
            "background_color": "#1d2b4f",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "agent_view": {
                "agent_description": _DESCRIPTION,
                "suggested_prompts": [
                    {"title": title, "message": message} for title, message in PROMPTS
                ],
            },
            "bot_user": {"display_name": _NAME, "always_online": True},
            "shortcuts": [
                {
                    "name": name,
                    "type": kind,
                    "callback_id": callback,
                    "description": description,
                }
                for callback, (kind, name, description) in _chosen(SHORTCUTS, "shortcut")
            ],
            "slash_commands": [
                {
                    "command": command,
                    **url,
                    "description": description,
                    "usage_hint": hint,
                    "should_escape": True,
                }
                for command, (description, hint) in _chosen(COMMANDS, "command")
            ],
        },
        "oauth_config": oauth,
        "settings": {
            "event_subscriptions": {**request_url, "bot_events": events},
            "interactivity": {"is_enabled": True, **request_url},
            "org_deploy_enabled": False,
            "socket_mode_enabled": not base_url,
            "token_rotation_enabled": False,
        },
    }


def manifest_yaml(base_url: str = "") -> str:
    """Return the manifest as YAML, to be pasted into Slack's page 'Create an app'."""
    return yaml.safe_dump(manifest(base_url), sort_keys=False, allow_unicode=True, width=100)


def _chosen(table: dict[str, Any], kind: str) -> list[tuple[str, Any]]:
    """Return the entries that the code listens to, in the table's order; all must be there."""
    names = heard(kind)
    missing = names - table.keys()
    if missing:
        raise KeyError(min(missing))
    return [(name, entry) for name, entry in table.items() if name in names]


@cache
def _trees() -> tuple[ast.Module, ...]:
    files = sorted(PACKAGE.rglob("*.py"))
    return tuple(ast.parse(file.read_text(encoding="utf-8")) for file in files)


def _nodes() -> Iterator[ast.AST]:
    return (node for tree in _trees() for node in ast.walk(tree))
