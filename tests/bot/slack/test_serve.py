"""`nightshift serve` in a process of its own, with Slack on the other side."""

from __future__ import annotations

import http.cookiejar
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.bot.slack.server.slack import Slack
from tests.bot.terminal import ROOT, environment

pytestmark = pytest.mark.slow

AUTHORIZE = re.compile(r'href="(https://slack.com/oauth/v2/authorize[^"]+)"')
ROOM = "how much may a room in amsterdam cost"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Served:
    """A running `nightshift serve`."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.lines: list[str] = []

    def read_until(self, start: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith(start):
                return line
        raise AssertionError(f"it ended before '{start}': {self.lines}")

    def page(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait_for_metric(self, line: str) -> None:
        deadline = time.monotonic() + 60
        while line not in (metrics := self.page("/metrics")[1]).splitlines():
            assert time.monotonic() < deadline, f"{line} is not in:\n{metrics}"
            time.sleep(0.1)

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=90)
        return rest


@contextmanager
def served(data: Path, slack: Slack, **settings: str) -> Iterator[Served]:
    port = free_port()
    given = {"SLACK__API_URL": slack.url, "TRAINING__ENABLED": "false", **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "--data-dir", str(data), "serve", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(**given),
        cwd=ROOT,
    )
    running = Served(process, port)
    try:
        running.read_until("Running.")
        yield running
    finally:
        process.kill()
        process.communicate()


def test_by_socket_mode(indexed: Path, slack: Slack) -> None:
    alice = slack.add_user("alice")
    general = slack.add_channel("general", members=(alice,))
    tokens = {"SLACK__BOT_TOKEN": slack.bot_token, "SLACK__APP_TOKEN": slack.app_token}
    with served(indexed, slack, **tokens) as bot:
        ts = slack.say(alice, general, f"<@{slack.bot_user}> {ROOM}")
        slack.wait_for(lambda: "€210" in slack.transcript(), "the answer", 120)
        assert all(message.thread_ts == ts for message in slack.from_bot(general))
        assert bot.page("/healthz")[0] == 200
        status, ready = bot.page("/readyz")
        assert (status, json.loads(ready)["slack"]) == (200, "by Socket Mode")
        # The answer is to be seen a moment before its question is finished, and counted.
        bot.wait_for_metric('nightshift_slack_questions_total{status="done"} 1.0')
        bot.wait_for_metric('nightshift_answers_total{refused="false",style="quoted"} 1.0')
        assert "Stopped." in bot.stop()
    assert bot.process.returncode == 0


def test_by_http_only_what_slack_signed_is_taken(indexed: Path, slack: Slack) -> None:
    alice = slack.add_user("alice")
    general = slack.add_channel("general", members=(alice,))
    tokens = {"SLACK__BOT_TOKEN": slack.bot_token, "SLACK__SIGNING_SECRET": slack.signing_secret}
    with served(indexed, slack, SLACK__MODE="http", **tokens) as bot:
        address = f"http://127.0.0.1:{bot.port}/slack/events"
        slack.use_http(address)
        slack.say(alice, general, f"<@{slack.bot_user}> {ROOM}")
        slack.wait_for(lambda: "€210" in slack.transcript(), "the answer", 120)
        for time in ("1700000000", "yesterday", "9" * 5_000):
            forged = urllib.request.Request(
                address,
                data=json.dumps({"type": "url_verification", "challenge": "x"}).encode(),
                headers={
                    "Content-Type": "application/json",
                    "X-Slack-Signature": "v0=0",
                    "X-Slack-Request-Timestamp": time,
                },
            )
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(forged, timeout=30)  # noqa: S310 - our own address
            with refused.value as reply:
                assert reply.code == 401
        assert json.loads(bot.page("/readyz")[1])["slack"] == "by HTTP"


def test_several_workspaces_install_it(indexed: Path, slack: Slack) -> None:
    teams = [slack.add_workspace("Quay"), slack.add_workspace("Pier")]
    oauth = {"SLACK__CLIENT_ID": slack.client_id, "SLACK__CLIENT_SECRET": slack.client_secret}
    secret = {"SLACK__SIGNING_SECRET": slack.signing_secret}
    oauth["SLACK__TEAMS"] = json.dumps([team.id for team in teams])
    with served(indexed, slack, SLACK__MODE="http", **oauth, **secret) as bot:
        slack.use_http(f"http://127.0.0.1:{bot.port}/slack/events")
        for team in teams:
            jar = http.cookiejar.CookieJar()
            browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
            page = browser.open(f"http://127.0.0.1:{bot.port}/slack/install", timeout=30)
            (link,) = re.findall(
                r'href="(https://slack.com/oauth/v2/authorize[^"]+)"', page.read().decode()
            )
            asked = parse_qs(urlsplit(link.replace("&amp;", "&")).query)
            assert "chat:write" in asked["scope"][0]
            (cookie,) = jar
            back = urllib.request.Request(
                f"http://127.0.0.1:{bot.port}/slack/oauth_redirect"
                f"?code={slack.oauth_code(team)}&state={asked['state'][0]}",
                headers={"Cookie": f"{cookie.name}={cookie.value}"},
            )
            with urllib.request.urlopen(back, timeout=30) as done:  # noqa: S310 - our own address
                assert done.status == 200
            person = slack.add_user("bea", team=team)
            channel = slack.add_channel("general", members=(person,), team=team)
            slack.say(person, channel, f"<@{team.bot_user}> {ROOM}")
            slack.wait_for(
                lambda channel=channel: any(
                    "€210" in message.visible_text for message in slack.from_bot(channel)
                ),
                f"the answer in {team.name}",
                120,
            )


def test_tokens_that_slack_refuses_are_told(tmp_path: Path, slack: Slack) -> None:
    slack.revoke()
    done = subprocess.run(
        [sys.executable, "-m", "bot.cli", "--data-dir", str(tmp_path / "data"), "serve"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(
            SLACK__API_URL=slack.url,
            SLACK__BOT_TOKEN=slack.bot_token,
            SLACK__APP_TOKEN=slack.app_token,
        ),
        cwd=tmp_path,
    )
    assert done.returncode == 1
    problem, mend = done.stderr.strip().splitlines()
    assert problem.startswith("Problem: Slack can't be used with the bot's token")
    assert mend.startswith("Mend: ")
    assert slack.bot_token not in done.stdout + done.stderr
