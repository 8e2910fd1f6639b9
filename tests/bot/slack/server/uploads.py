"""files.*: pages docs.slack.dev/reference/methods/files.*; and what the file addresses answer."""

from __future__ import annotations

from tests.bot.slack.server.chat import thread_of, writable
from tests.bot.slack.server.limits import check_blocks
from tests.bot.slack.server.model import Json, Message, SlackFailure, StoredFile
from tests.bot.slack.server.shapes import file_shape
from tests.bot.slack.server.web_api import Asked, method
from tests.bot.slack.server.workspace import Workspace

LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head>"
    "<body><h1>Sign in to your workspace</h1></body></html>"
)


@method("files.info", "files:read")
def info(asked: Asked) -> Json:
    file = _file(asked, asked.need("file"))
    return {"file": file_shape(asked.workspace, file), "comments": [], "content": None}


@method("files.delete", "files:write")
def delete(asked: Asked) -> Json:
    file = _file(asked, asked.need("file"))
    if file.user != asked.team.bot_user:
        raise SlackFailure("cant_delete_file")
    file.deleted = True
    return {}


def _file(asked: Asked, name: str) -> StoredFile:
    file = asked.workspace.files.get(name)
    if file is None or file.team != asked.team.id:
        raise SlackFailure("file_not_found")
    if file.deleted:
        raise SlackFailure("file_deleted")
    return file


@method("files.getUploadURLExternal", "files:write")
def upload_url(asked: Asked) -> Json:
    name = asked.need("filename")
    if int(asked.need("length")) <= 0:
        raise SlackFailure("invalid_arguments")
    workspace = asked.workspace
    file = StoredFile(
        workspace.next_id("F"), name, asked.team.id, asked.team.bot_user, b"", "", complete=False
    )
    workspace.files[file.id] = file
    base = workspace.url.removesuffix("/api/")
    return {"upload_url": f"{base}/upload/v1/{file.id}", "file_id": file.id}


@method("files.completeUploadExternal", "files:write")
def complete(asked: Asked) -> Json:
    listed = asked.body.get("files") or []
    if not listed:
        asked.need("files")
    files = [_file(asked, str(each.get("id"))) for each in listed]
    for file, each in zip(files, listed, strict=True):
        if not file.content:
            raise SlackFailure("file_not_found")
        file.complete, file.title = True, str(each.get("title") or file.name)
    target = asked.body.get("channel_id") or asked.body.get("channels")
    if target:
        asked.body["channel"] = target
        _share(asked, files)
    return {"files": [file_shape(asked.workspace, file) for file in files]}


def _share(asked: Asked, files: list[StoredFile]) -> None:
    channel = writable(asked)
    if asked.body.get("blocks"):
        check_blocks(asked.body["blocks"])
    message = Message(
        asked.workspace.next_ts(),
        channel.id,
        asked.team.bot_user,
        asked.team.id,
        text=asked.text("initial_comment"),
        blocks=list(asked.body.get("blocks") or []),
        thread_ts=thread_of(asked, channel),
        bot_id=asked.team.bot_id,
        subtype="file_share",
        files=[file.id for file in files],
        sent=asked.body,
    )
    for file in files:
        file.channels.append(channel.id)
    asked.workspace.store(message)
    asked.events.message(message)


def fetched(workspace: Workspace, name: str, token: str) -> tuple[bytes, str]:
    """Return what a file's address answers, always with status 200.

    Without a token that may read it, that is a login page: docs.slack.dev/reference/objects/
    file-object, "Authentication".
    """
    file = workspace.files.get(name)
    allowed = (
        file is not None and not file.deleted and workspace.teams[file.team].bot_token == token
    )
    if workspace.scopes is not None and "files:read" not in workspace.scopes:
        allowed = False
    if file is None or not allowed:
        return LOGIN_PAGE.encode(), "text/html; charset=utf-8"
    return file.content, file.mimetype
