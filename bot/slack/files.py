"""Files of Slack: fetched with the bot's token, and the token is shown to Slack only."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPMessage
from typing import IO
from urllib.parse import urlsplit

from slack_sdk import WebClient

from bot.assembly import Nightshift
from bot.attachments import MAX_CHUNKS, READABLE, format_of, read_attachment
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.request import FileRef
from ingestion.documents import Chunk
from ingestion.errors import UnreadableDocumentError

_TIMEOUT_SECONDS = 30
_HTML = (".html", ".htm", ".xhtml")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """What is known of a question's files.

    Attributes:
        notes: For the asker: what couldn't be read, and why.
    """

    chunks: tuple[Chunk, ...] = ()
    notes: tuple[str, ...] = ()


def read_files(files: Sequence[FileRef], client: WebClient, nightshift: Nightshift) -> ReadFiles:
    """Fetch and read the files of a question; what can't be read is said."""
    chunks: list[Chunk] = []
    notes: list[str] = []
    largest = nightshift.settings.chunking.max_file_mb * 2**20
    for file in files:
        name = " ".join(file.name.split())
        try:
            raw = fetch(file, client, largest)
            read = read_attachment(file.name, file.mimetype, raw, nightshift.chunk)
        except UnreadableDocumentError as error:
            logger.info("A file of a question can't be read")
            notes.append(f"I couldn't read your file {name}: {_reason(error)}")
            continue
        room = MAX_CHUNKS - len(chunks)
        if len(read) > room:
            share = max(round(100 * room / len(read)), 0)
            notes.append(f"Your file {name} is long: I read only the first {share}% of it.")
        chunks += read[:room]
    return ReadFiles(tuple(chunks), tuple(notes))


def fetch(file: FileRef, client: WebClient, largest: int) -> bytes:
    """Return a file's bytes.

    Args:
        file: As the event names it.
        client: Of its workspace.
        largest: Bytes that are read at most.

    Raises:
        UnreadableDocumentError: It is too large, of another format, elsewhere than at Slack, or
            Slack doesn't hand it out.
    """
    if not format_of(file.name, file.mimetype):
        raise UnreadableDocumentError(f"I read {READABLE}.")
    _check_size(file.size, largest)
    url = file.url or _address(file, client)
    if not is_slack(url, client.base_url):
        raise UnreadableDocumentError("it isn't kept in Slack.")
    request = urllib.request.Request(  # noqa: S310 - only addresses that `is_slack` lets pass
        url, headers={"Authorization": f"Bearer {client.token}"}
    )
    opener = urllib.request.build_opener(_OnlySlack(client.base_url))
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
            raw: bytes = response.read(largest + 1)
            kind = str(response.headers.get("Content-Type") or "")
    except OUTSIDE_ERRORS as error:
        logger.warning("A file can't be fetched: %s", kind_of(error))
        raise UnreadableDocumentError("Slack didn't hand it out. Try again later.") from error
    _check_size(len(raw), largest)
    if "html" in kind and _is_login_page(file, raw):
        raise UnreadableDocumentError("Slack doesn't let me see it.")
    return raw


def is_slack(url: str, base_url: str) -> bool:
    """Whether an address is Slack's own, or of the server that stands for it. Pure."""
    try:
        asked, known = urlsplit(url), urlsplit(base_url)
        ports = (asked.port, known.port)
    except ValueError:
        return False
    if asked.username or asked.password:
        return False
    if (asked.scheme, asked.hostname) == (known.scheme, known.hostname) and ports[0] == ports[1]:
        return True
    host = asked.hostname or ""
    return asked.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))


class _OnlySlack(urllib.request.HTTPRedirectHandler):
    """Follows to Slack's own addresses only: the token goes along."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """See urllib; None lets the request fail with the redirect's own status."""
        if not is_slack(newurl, self._base_url):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _address(file: FileRef, client: WebClient) -> str:
    """Ask for the address of a file that the event only names, as in shared channels."""
    try:
        found = client.files_info(file=file.id)["file"]
    except OUTSIDE_ERRORS as error:
        logger.warning("A file can't be looked up: %s", kind_of(error))
        raise UnreadableDocumentError("Slack doesn't let me see it.") from error
    return str(found.get("url_private_download") or found.get("url_private") or "")


def _check_size(size: int, largest: int) -> None:
    if size > largest:
        raise UnreadableDocumentError(f"it is larger than {largest // 2**20} MB.")


def _is_login_page(file: FileRef, raw: bytes) -> bool:
    """Whether Slack answered with its login page, which has status 200."""
    is_page = format_of(file.name, file.mimetype) in _HTML
    return not is_page or bool(file.size and len(raw) != file.size)


def _reason(error: UnreadableDocumentError) -> str:
    """Return why, without the file's name, which was said already."""
    reason = error.problem.rpartition(": ")[2].strip()
    return reason if reason.endswith(".") else f"{reason}."
