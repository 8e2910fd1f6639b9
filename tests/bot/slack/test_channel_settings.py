"""What channels' settings do to conversations: follow-ups, sources, who sees the answer, off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.bot.slack.company import Company, company, write_pages
from tests.bot.slack.server.model import Message

pytestmark = pytest.mark.slow

ROOM, PARROT = "what may a room in Amsterdam cost?", "who feeds the parrot Bo?"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("channels")
    hotels = {"Hotels": ("everyone", "A room in Amsterdam may cost up to 210 euros a night.")}
    parrots = {"Parrots": ("everyone", "The parrot Bo is fed by the reception at nine.")}
    sources = [write_pages(folder / "travel", hotels), write_pages(folder / "office", parrots)]
    with company(folder, *sources, per_person_and_day=0) as running:
        yield running


def room(office: Company, *members: str, **chosen: Any) -> str:
    """Add a channel with settings of its own."""
    name = office.slack.add_channel(f"room-{next(office.numbers)}", members=members)
    office.parts.channels.choose(office.slack.team_id, name, chosen, "test")
    return name


def texts(messages: list[Message]) -> list[str]:
    return [message.visible_text for message in messages]


def count_of(office: Company, channel: str) -> int:
    return len(office.slack.from_bot(channel))


def say(office: Company, user: str, channel: str, text: str, thread: str) -> None:
    """Write without a mention, and wait for what comes of it."""
    office.slack.say(user, channel, text, thread)
    office.wait_for_quiet()


def test_always_goes_on_unless_somebody_else_is_meant(office: Company) -> None:
    ann, ben = office.hire("ann"), office.hire("ben")
    channel = room(office, ann, ben, follow_up="always")
    thread = office.ask(ann, channel, ROOM)
    before = count_of(office, channel)
    say(office, ann, channel, f"<@{ben}> did you know?", thread)
    say(office, ann, channel, f"Thanks, and good to know, <@{ben}>", thread)
    assert count_of(office, channel) == before
    say(office, ben, channel, PARROT, thread)
    assert "reception" in texts(office.slack.from_bot(channel, thread))[-1]
    elsewhere = office.slack.say(ann, channel, "lunch?")
    say(office, ben, channel, ROOM, elsewhere)
    assert office.slack.from_bot(channel, elsewhere) == []


def test_mentioned_waits_for_a_mention(office: Company) -> None:
    ann = office.hire("ann")
    channel = room(office, ann)
    thread = office.ask(ann, channel, ROOM)
    before = count_of(office, channel)
    say(office, ann, channel, PARROT, thread)
    assert count_of(office, channel) == before
    office.ask(ann, channel, PARROT, thread)
    assert "reception" in texts(office.slack.from_bot(channel, thread))[-1]


def test_never_hints_at_a_new_message(office: Company) -> None:
    ann, ben = office.hire("ann"), office.hire("ben")
    channel = room(office, ann, ben, follow_up="never")
    others = office.slack.say(ben, channel, "who knows this?")
    office.ask(ann, channel, ROOM, others)
    assert "210" in texts(office.slack.from_bot(channel, others))[-1]
    before = count_of(office, channel)
    office.ask(ben, channel, PARROT, others)
    say(office, ben, channel, PARROT, others)
    assert count_of(office, channel) == before
    hints = texts(office.slack.ephemerals(channel, ben))
    assert len(hints) == 1
    assert "Please ask in a new message" in hints[0]
    direct = office.slack.dm(ann)
    thread = office.ask(ann, direct, ROOM)
    office.ask(ann, direct, PARROT, thread)
    assert "reception" in texts(office.slack.from_bot(direct))[-1]


def test_sources_limit_what_is_found(office: Company) -> None:
    ann = office.hire("ann")
    channel = room(office, ann, sources=["travel"])
    assert "210" in texts(office.slack.from_bot(channel, office.ask(ann, channel, ROOM)))[-1]
    thread = office.ask(ann, channel, PARROT)
    assert "reception" not in "".join(texts(office.slack.from_bot(channel, thread)))
    office.command(ann, channel, PARROT)
    assert "reception" not in "".join(texts(office.slack.ephemerals(channel, ann)))


def test_an_answer_for_the_asker_is_seen_by_nobody_else(office: Company) -> None:
    ann, ben = office.hire("ann"), office.hire("ben")
    channel = room(office, ann, ben, visibility="asker", follow_up="always")
    thread = office.ask(ann, channel, ROOM)
    say(office, ann, channel, PARROT, thread)
    say(office, ben, channel, PARROT, thread)  # who hasn't seen it there didn't ask it
    assert count_of(office, channel) == 0
    shown = "".join(texts(office.slack.ephemerals(channel, ann)))
    assert "210" in shown
    assert "reception" in shown
    assert office.slack.ephemerals(channel, ben) == []


def test_off_is_told_to_who_asks_and_to_nobody_else(office: Company) -> None:
    ann = office.hire("ann")
    channel = room(office, ann, follow_up="always")
    thread = office.ask(ann, channel, ROOM)
    chosen = {"on": False, "follow_up": "always"}
    office.parts.channels.choose(office.slack.team_id, channel, chosen, "test")
    before = count_of(office, channel)
    say(office, ann, channel, PARROT, thread)
    assert count_of(office, channel) == before
    office.ask(ann, channel, PARROT, thread)
    assert "switched off" in texts(office.slack.from_bot(channel, thread))[-1]
    office.command(ann, channel, PARROT)
    assert "switched off" in texts(office.slack.ephemerals(channel, ann))[-1]
