"""Files that come with a question: fetched from the tests' Slack, read, and said if not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from slack_sdk import WebClient

from bot.answer import Answer, Question
from bot.assembly import Nightshift
from bot.attachments import merged
from bot.recording import record_of
from bot.settings import Settings
from bot.slack.blocks import build_answer_reply
from bot.slack.files import fetch, is_slack, read_files
from bot.slack.request import FileRef, files_of
from ingestion.errors import UnreadableDocumentError
from tests.bot.hits import hit
from tests.bot.slack.server.shapes import file_shape
from tests.bot.slack.server.slack import Slack

MB = 2**20
NOTES = b"# Berth plan\n\n## Fees\n\nA berth for a yacht costs 47 euros a night.\n"


def client_of(slack: Slack, token: str = "") -> WebClient:
    return WebClient(token or slack.bot_token, base_url=slack.url)


def attach(slack: Slack, name: str, content: bytes, mimetype: str = "") -> FileRef:
    user = slack.add_user("alice")
    found = slack.workspace.files[slack.upload(user, name, content, mimetype)]
    (file,) = files_of({"files": [file_shape(slack.workspace, found)]})
    return file


def test_a_file_is_fetched_with_the_token(slack: Slack) -> None:
    file = attach(slack, "berths.md", NOTES)
    assert fetch(file, client_of(slack), MB) == NOTES


def test_a_file_that_the_event_only_names_is_looked_up(slack: Slack) -> None:
    file = attach(slack, "berths.md", NOTES)
    hidden = FileRef(file.id, file.name, file.mimetype, 0, "")
    assert fetch(hidden, client_of(slack), MB) == NOTES


@pytest.mark.parametrize("name", ["berths.md", "page.html"])
def test_a_login_page_is_no_file(slack: Slack, name: str) -> None:
    file = attach(slack, name, NOTES)
    with pytest.raises(UnreadableDocumentError, match="doesn't let me see it"):
        fetch(file, client_of(slack, "xoxb-wrong"), MB)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("photo.png", b"\x89PNG", "I read text, Markdown, HTML, PDF and DOCX"),
        ("big.txt", b"x" * (MB + 1), "larger than 1 MB"),
    ],
)
def test_what_is_not_fetched(slack: Slack, name: str, content: bytes, reason: str) -> None:
    file = attach(slack, name, content)
    with pytest.raises(UnreadableDocumentError, match=reason):
        fetch(file, client_of(slack), MB)


@pytest.mark.parametrize(
    ("url", "slacks"),
    [
        ("https://files.slack.com/files-pri/T0-F0/a.pdf", True),
        ("https://slack.com/a", True),
        ("http://127.0.0.1:7/files/a", True),
        ("http://files.slack.com/a", False),
        ("https://files.slack.com.evil.example/a", False),
        ("https://evil.example/files.slack.com", False),
        ("https://user@files.slack.com/a", False),
        ("http://127.0.0.1:8/files/a", False),
        ("http://127.0.0.1:port/", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_who_gets_the_token(url: str, slacks: bool) -> None:
    assert is_slack(url, "http://127.0.0.1:7/api/") is slacks


@pytest.fixture
def stranger() -> Iterator[tuple[str, list[str]]]:
    """Run a server that isn't Slack; yield its address and the tokens that it was shown."""
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/a.txt", tokens
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_stranger_never_sees_the_token(slack: Slack, stranger: tuple[str, list[str]]) -> None:
    url, tokens = stranger
    with pytest.raises(UnreadableDocumentError, match="isn't kept in Slack"):
        fetch(FileRef("F0", "a.txt", "text/plain", 1, url), client_of(slack), MB)
    assert tokens == []


def test_hits_of_a_file_come_first_where_they_are_near() -> None:
    found = [hit("index", "a.md", dense=0.6), hit("index", "b.md", dense=0.4)]
    near, far = hit("file", "c.md", dense=0.55), hit("file", "d.md", dense=0.2)
    assert merged([near, far], found, 0.38) == [near, *found, far]
    assert merged([hit("f", dense=0.45)], found, 0.38)[0] == found[0]
    assert merged([far], [], 0.38) == [far]


@pytest.mark.slow
def test_a_file_is_read_for_one_question(slack: Slack, indexed: Path) -> None:
    nightshift = Nightshift(Settings(data_dir=indexed))
    try:
        files = [attach(slack, "berths.md", NOTES), attach(slack, "photo.png", b"\x89PNG")]
        files.append(attach(slack, "empty.txt", b"  \n"))
        read = read_files(files, client_of(slack), nightshift)
        assert [note.partition(":")[0] for note in read.notes] == [
            "I couldn't read your file photo.png",
            "I couldn't read your file empty.txt",
        ]

        def ask(attached: bool) -> Answer:
            chunks = read.chunks if attached else ()
            question = Question("What does a berth for a yacht cost a night?", attached=chunks)
            return nightshift.answerer.answer(question)

        answer = ask(attached=True)
        assert "47 euros" in answer.text
        first = record_of(answer, datetime.now(UTC)).sources[0]
        assert first.restricted
        (part,) = build_answer_reply(answer, notes=read.notes).parts
        assert "[1] Your file berths.md › Fees" in part.text.replace("Berth plan › ", "")
        assert "47 euros" not in ask(attached=False).text
    finally:
        nightshift.close()
