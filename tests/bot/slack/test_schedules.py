"""Random schedules: events doubled, reordered, repeated; processes killed; answers of Slack lost.

Whatever happens, each question gets one answer or one apology, and each vote counts once.
`NIGHTSHIFT_SCHEDULES` says how many schedules are tried; docs/slack.md says how to run 10,000.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.answer import Question
from bot.assembly import Nightshift
from bot.settings import Settings
from bot.slack.people import named
from bot.tables import ballots, questions
from bot.task import QuestionStatus
from tests.bot.slack.mortal import Mortal, quiet_deaths
from tests.bot.slack.one_answer import OPEN, assert_one_answer, leases_pass
from tests.bot.slack.server.model import Json, Message
from tests.bot.slack.server.slack import Slack, slack_workspace
from training.database import open_database, writing

SCHEDULES = int(os.environ.get("NIGHTSHIFT_SCHEDULES", "25"))
PATIENCE = 60.0
# Making a failure small takes longer than finding it; a long run only finds.
PHASES = [Phase.generate] if SCHEDULES > 100 else [Phase.generate, Phase.shrink]
TEXTS = (
    "how much may a room in amsterdam cost",
    "when is the siren test at the depot",
    "what is the meaning of life",
)


@dataclass(frozen=True)
class Schedule:
    """What happens.

    Attributes:
        places: Where each question is asked.
        copies: How often each event is delivered, beyond what it takes to be acknowledged.
        seed: Of the order of the deliveries.
        pauses: Whether the bot may finish its work before the next delivery.
        kills: For each process, which of its effects it doesn't live to see; then one survives.
        lost: Calls that Slack carries out without its answer getting through.
        votes: What the asker does to the answer: reactions, or "back" to take the last one away.
    """

    places: tuple[str, ...]
    copies: tuple[int, ...]
    seed: int
    pauses: tuple[bool, ...]
    kills: tuple[int, ...]
    lost: tuple[str, ...]
    votes: tuple[str, ...]


schedules = st.builds(
    Schedule,
    places=st.lists(st.sampled_from(["channel", "direct", "private"]), min_size=1, max_size=3).map(
        tuple
    ),
    copies=st.lists(st.integers(1, 3), min_size=8, max_size=8).map(tuple),
    seed=st.integers(0, 2**32 - 1),
    pauses=st.lists(st.booleans(), min_size=24, max_size=24).map(tuple),
    kills=st.lists(st.integers(1, 30), max_size=3).map(tuple),
    lost=st.lists(st.sampled_from(["chat.postMessage", "chat.update"]), max_size=1).map(tuple),
    votes=st.lists(st.sampled_from(["+1", "-1", "+1::skin-tone-3", "back"]), max_size=4).map(tuple),
)


@dataclass
class World:
    """A Slack, an installation, and the process that lives just now."""

    slack: Slack
    settings: Settings
    shared: Nightshift
    database: sa.Engine
    kills: list[int] = field(default_factory=list)
    corpses: list[Mortal] = field(default_factory=list)
    process: Mortal | None = None

    def living(self) -> Mortal:
        """Return a process that lives, started where the last one is dead."""
        while self.process is None or self.process.dead:
            if self.process is not None:
                self.corpses.append(self.process)
            leases_pass(self.database)  # none lives now
            kill_at = self.kills.pop(0) if self.kills else 0
            self.process = Mortal(self.settings, self.shared, kill_at)
            self.process.start()
        return self.process

    def deliver(self, body: Json) -> None:
        """Deliver an event until a process acknowledges it, as Slack does."""
        for attempt in range(10):
            headers = {"x-slack-retry-num": str(attempt)} if attempt else {}
            status, _ = self.living().take(body, headers)
            if status == 200:
                return
        raise AssertionError("no process acknowledges")

    def finish(self) -> None:
        """Wait until no question is open, and no vote uncounted."""
        end = time.monotonic() + PATIENCE
        while any(left := self._left()):
            process = self.living()
            if self._waits_pass() or left[1]:
                process.wake()
            assert time.monotonic() < end, self.slack.transcript()
            time.sleep(0.012)

    def _waits_pass(self) -> bool:
        """Let nobody wait before the next try; return whether somebody did."""
        waiting = (questions.c.status == QuestionStatus.WAITING.value) & (
            questions.c.not_before > 0
        )
        with self.database.connect() as connection:
            if not connection.scalar(sa.select(questions.c.id).where(waiting).limit(1)):
                return False
        with writing(self.database) as connection:
            connection.execute(questions.update().where(waiting).values(not_before=0.0))
        return True

    def _left(self) -> tuple[int, int]:
        """Return how many questions are open, and how many votes are uncounted."""
        open_ones = sa.select(sa.func.count()).where(questions.c.status.in_(OPEN))
        uncounted = sa.select(sa.func.count()).select_from(ballots)
        with self.database.connect() as connection:
            return connection.scalar(open_ones) or 0, connection.scalar(uncounted) or 0

    def bury(self) -> None:
        """End all processes of a schedule."""
        for process in [*self.corpses, *([self.process] if self.process else [])]:
            process.bury()
        self.corpses, self.process = [], None


@pytest.fixture(scope="module")
def world(two_pages: Path) -> Iterator[World]:
    with quiet_deaths(), slack_workspace() as slack:
        slack.hand_to(lambda _body, _headers: (200, {}))  # echoes of what the bot posts
        url = f"sqlite:///{two_pages / 'schedules.db'}"
        tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token}
        chosen = Settings.model_validate(
            {
                "data_dir": two_pages,
                "database": {"url": url},
                "slack": {**tokens, "api_url": slack.url, "workers": 1, "waiting_per_person": 0},
            }
        )
        shared = Nightshift(chosen)
        # There are three questions only; their vectors are the dearest part of a schedule.
        shared.embedder.embed_query = cache(shared.embedder.embed_query)  # type: ignore[method-assign]
        database = open_database(url)
        made = World(slack, chosen, shared, database)
        list(shared.answerer.stream(Question(TEXTS[0])))
        yield made
        made.bury()
        database.dispose()
        shared.close()


@pytest.mark.slow
@settings(
    max_examples=SCHEDULES,
    database=None,
    print_blob=True,
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
)
@given(schedule=schedules)
def test_each_question_gets_one_answer_and_each_vote_counts_once(
    schedule: Schedule, world: World
) -> None:
    try_out(schedule, world)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [(), ("chat.postMessage",), ("chat.update",)])
def test_a_process_may_die_before_any_of_its_effects(lost: tuple[str, ...], world: World) -> None:
    for kill_at in range(1, 26) if not lost else range(2, 26, 4):
        once = Schedule(
            ("channel",), (1,), kill_at, (True,), (kill_at,), lost, ("+1", "back", "-1")
        )
        try_out(once, world)


def try_out(schedule: Schedule, world: World) -> None:
    """Ask, then vote on the answers, and check what everybody sees and what is counted."""
    chance = random.Random(schedule.seed)
    world.kills = list(schedule.kills)
    for method in schedule.lost:
        world.slack.faults.fail(method, drop=True, after=True)
    try:
        asked, bodies = ask(schedule, world.slack, chance)
        run(bodies, schedule.pauses, world)
        answers = [
            assert_one_answer(world.slack, world.database, channel, ts) for channel, ts in asked
        ]
        expected, bodies = vote(schedule, world, answers, chance)
        run(bodies, schedule.pauses, world)
        for channel, ts in asked:
            assert_one_answer(world.slack, world.database, channel, ts)
    finally:
        world.slack.faults.clear()
        world.bury()
    for (answer_id, voter), value in expected.items():
        counted = world.shared.feedback.vote_of(answer_id, named(world.slack.team_id, voter))
        assert counted == value, f"the vote counts as {counted}, not as {value}"


def run(bodies: list[Json], pauses: tuple[bool, ...], world: World) -> None:
    """Deliver all, and let the bot come to an end."""
    for number, body in enumerate(bodies):
        world.deliver(body)
        if pauses[number % len(pauses)]:
            world.finish()
    world.finish()


def ask(
    schedule: Schedule, slack: Slack, chance: random.Random
) -> tuple[list[tuple[str, str]], list[Json]]:
    """Ask the questions; return where, and the deliveries in their order."""
    asked = []
    with slack.holding() as held:
        for number, place in enumerate(schedule.places):
            user = slack.add_user(f"user{number}")
            text = chance.choice(TEXTS)
            if place == "direct":
                channel = slack.dm(user)
            else:
                channel = slack.add_channel("room", private=place == "private", members=(user,))
                text = f"<@{slack.bot_user}> {text}"
            asked.append((channel, slack.say(user, channel, text)))
        return asked, shuffled(held, schedule, chance)


def vote(
    schedule: Schedule, world: World, answers: list[tuple[Message, str]], chance: random.Random
) -> tuple[dict[tuple[str, str], int], list[Json]]:
    """React to the answers; return whose vote must count how, and the deliveries."""
    slack, expected = world.slack, {}
    with slack.holding() as held:
        for message, answer_id in answers:
            voter = next(
                user for user in slack.channel(message.channel).members if user != slack.bot_user
            )
            standing: list[str] = []
            for act in schedule.votes:
                if act == "back" and standing:
                    slack.unreact(voter, message.channel, message.ts, standing.pop())
                elif act != "back" and act not in standing:
                    slack.react(voter, message.channel, message.ts, act)
                    standing.append(act)
            # A thumb below an apology says nothing of an answer.
            if schedule.votes and world.shared.feedback.knows(answer_id):
                last = standing[-1] if standing else ""
                expected[answer_id, voter] = int(last.partition("::")[0]) if last else 0
        return expected, shuffled(held, schedule, chance)


def shuffled(held: list[Json], schedule: Schedule, chance: random.Random) -> list[Json]:
    """Return each body as often as the schedule says, in any order."""
    copies = schedule.copies
    bodies = [body for n, body in enumerate(held) for _ in range(copies[n % len(copies)])]
    chance.shuffle(bodies)
    return bodies
