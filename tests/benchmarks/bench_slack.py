"""How fast 100 concurrent events are acknowledged and answered, by Socket Mode and by HTTP.

Run as ``python -m tests.benchmarks.bench_slack --data .demo``, with the data of `make demo`. Four
questions come again and again, so their chunks are known; ``--ask FILE`` takes others.
A mention comes as two events, so 50 mentions are 100 events at once; 100 mentions are twice that.
The events of the bot's own answers come later, one by one, and aren't counted.
Slack (the tests' server) and `nightshift serve` share this machine's cores.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bot.known_questions import read_known_questions
from tests.bot.slack.server.slack import Slack, slack_workspace
from tests.bot.slack.test_serve import ROOM, served

QUESTIONS = (
    ROOM,
    "how many days of holiday do i have",
    "when does the on-call handover happen",
    "who approves a purchase of 5000 euros",
)


def run(data: Path, transport: str, count: int, given: Sequence[str]) -> list[str]:
    """Ask so many questions at once; return a row of the table."""
    with slack_workspace() as slack:
        tokens = {"SLACK__BOT_TOKEN": slack.bot_token, "SLACK__APP_TOKEN": slack.app_token}
        tokens |= {"SLACK__SIGNING_SECRET": slack.signing_secret, "SLACK__MODE": transport}
        with served(data, slack, **tokens) as bot:
            if transport == "http":
                slack.use_http(f"http://127.0.0.1:{bot.port}/slack/events")
            people = [slack.add_user(f"person{n}") for n in range(count)]
            channels = [slack.add_channel(f"room{n}", members=tuple(people)) for n in range(10)]
            began = time.monotonic()
            questions = itertools.cycle(given)
            asked = {}
            for number, person in enumerate(people):
                channel = channels[number % len(channels)]
                text = f"<@{slack.bot_user}> {next(questions)}"
                asked[slack.say(person, channel, text)] = channel
            slack.wait_for(lambda: answered(slack, asked) >= count, "all answers", 300)
            seconds = time.monotonic() - began
            slack.settle()
            acks = [sent.first_ack for sent in slack.events_sent if not sent.event.get("bot_id")]
            assert min(acks) >= 0, "an event was never acknowledged"
            replies = [len(slack.from_bot(channel, ts)) for ts, channel in asked.items()]
    p50, p99 = np.percentile(np.array(acks) * 1000, [50, 99])
    lost, doubled = sum(n == 0 for n in replies), sum(n > 1 for n in replies)
    figures = (len(acks), f"{p50:.0f}", f"{p99:.0f}", f"{max(acks) * 1000:.0f}")
    return [transport, *map(str, figures), f"{seconds:.1f}", str(lost), str(doubled)]


def answered(slack: Slack, asked: dict[str, str]) -> int:
    """Return how many questions have an answer, or are told that the documents don't say."""
    return sum(
        any(message.visible_text for message in slack.from_bot(channel, ts))
        for ts, channel in asked.items()
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".demo"))
    parser.add_argument("--questions", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--ask", type=Path, help="as examples/questions.jsonl")
    arguments = parser.parse_args()
    given: Sequence[str] = QUESTIONS
    if arguments.ask:
        given = [known.question for known in read_known_questions(arguments.ask)]
    load = os.getloadavg()[0]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f}")
    head = ("transport", "events", "ack p50 ms", "p99 ms", "max ms", "all answered s", "lost")
    print(" | ".join((*head, "doubled")))
    for count, transport in itertools.product(arguments.questions, ("socket", "http")):
        print(" | ".join(run(arguments.data.resolve(), transport, count, given)), flush=True)


if __name__ == "__main__":
    main()
