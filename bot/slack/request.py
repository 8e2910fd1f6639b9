"""What is asked in Slack, as it waits in the queue. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

ONLY_ASKER = "only_asker"
"""In the reply that the queue keeps: whether it is for the asker's eyes only."""

FOR_ALL = "for all"
"""There too: the answer without what concerns its asker alone, if anything does."""


class RequestKind(enum.StrEnum):
    """How a question came in."""

    MENTION = "mention"
    DIRECT = "direct"
    FOLLOW_UP = "follow-up"  # in a thread that the bot takes part in, without a mention
    COMMAND = "command"  # /ask
    SHORTCUT = "shortcut"  # 'Ask about this' on a message


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that came with a question; its bytes are fetched when it is answered."""

    id: str
    name: str
    mimetype: str
    size: int
    url: str


@dataclass(frozen=True, slots=True)
class SlackRequest:
    """A question as it waits.

    Attributes:
        text: Without mentions and Slack's own escapes.
        files: Attached to the question's message.
        response_url: Where the answer to a command goes.
        only_asker: The answer is for the asker's eyes only.
        shared: The event says that people of other companies read the channel.
        quoted: Stable ids of those whose words besides the asker's the text may hold.
    """

    text: str
    kind: RequestKind
    files: tuple[FileRef, ...] = ()
    response_url: str = ""
    only_asker: bool = False
    shared: bool = False
    quoted: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as the queue keeps it."""
        return asdict(self)


def request_from_json(values: Mapping[str, Any]) -> SlackRequest:
    """Return what `SlackRequest.as_json` stored."""
    return SlackRequest(
        text=values["text"],
        kind=RequestKind(values["kind"]),
        files=tuple(FileRef(**file) for file in values["files"]),
        response_url=values["response_url"],
        only_asker=values["only_asker"],
        shared=values["shared"],
        quoted=tuple(values.get("quoted", ())),  # it may have waited since an older version
    )


def files_of(event: Mapping[str, Any]) -> tuple[FileRef, ...]:
    """Return the files of a message event; those that Slack hides have no address."""
    return tuple(
        FileRef(
            id=str(file.get("id", "")),
            name=str(file.get("name") or file.get("title") or "a file"),
            mimetype=str(file.get("mimetype") or ""),
            size=int(file.get("size") or 0),
            url=str(file.get("url_private_download") or file.get("url_private") or ""),
        )
        for file in event.get("files") or ()
    )


def team_of(body: Mapping[str, Any]) -> str:
    """Return the workspace that an event, command or action came from. Pure.

    In a channel that two companies share, an event's ``team_id`` and a window's ``team`` may be the
    other company's; the workspace where the bot is installed is named beside it. A click's ``team``
    is the bot's. Where no workspace is named, none is guessed.

    Sources: https://docs.slack.dev/apis/events-api#authorizations;
    https://github.com/slackapi/bolt-js/issues/1614 (``app_installed_team_id``)
    """
    view, team = body.get("view") or {}, body.get("team") or {}
    installed = view.get("app_installed_team_id") or body.get("context_team_id")
    for authorization in (body.get("authorizations") or ())[:1]:
        installed = installed or authorization.get("team_id")
    return str(installed or body.get("team_id") or team.get("id") or "")
