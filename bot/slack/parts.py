"""The parts that Slack's listeners and the worker share, wired once."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from bot.assembly import Nightshift
from bot.knowledge import Knowledge
from bot.settings import SlackSettings
from bot.slack.channels import Channels
from bot.slack.clients import Clients
from bot.slack.escalations import Escalations
from bot.slack.jobs import Jobs
from bot.slack.notices import Notices
from bot.slack.outbox import Outbox
from bot.slack.people import People
from bot.slack.places import Places
from bot.slack.posts import Posts
from bot.slack.voting import Ballots
from bot.task import Limits
from bot.work import WorkQueue
from training.nights import NightRecord

RunNight = Callable[..., NightRecord]
"""Runs a night now: `training.schedule.NightScheduler.run_now`, or what takes its arguments."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What listeners and worker work with.

    Attributes:
        nightshift: The installation: settings, answers, feedback, pairs, index, adapters.
        run_night: Starts a night by hand.
        jobs: What admins started.
        outbox: Reports that Slack hasn't taken yet.
        knowledge: What is indexed.
    """

    nightshift: Nightshift
    queue: WorkQueue
    posts: Posts
    ballots: Ballots
    escalations: Escalations
    clients: Clients
    people: People
    places: Places
    channels: Channels
    run_night: RunNight
    jobs: Jobs
    outbox: Outbox
    knowledge: Knowledge

    @property
    def settings(self) -> SlackSettings:
        """Slack's section of the settings."""
        return self.nightshift.settings.slack

    @property
    def limits(self) -> Limits:
        """How many questions are taken."""
        slack = self.settings
        return Limits(slack.waiting_per_person, slack.per_person_and_day, slack.per_day)


def build_parts(nightshift: Nightshift, clients: Clients, run_night: RunNight) -> Parts:
    """Wire the parts of one process."""
    slack = nightshift.settings.slack
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    return Parts(
        nightshift=nightshift,
        queue=WorkQueue(nightshift.database, holder),
        posts=Posts(nightshift.database),
        ballots=Ballots(nightshift.database),
        escalations=Escalations(nightshift.database),
        clients=clients,
        people=People(clients, slack),
        places=Places(clients, slack),
        channels=Channels(nightshift.database, slack),
        run_night=run_night,
        jobs=Jobs(),
        outbox=Outbox(Notices(nightshift.database), clients),
        knowledge=Knowledge(lambda: nightshift.index, slack.rights_seconds),
    )
