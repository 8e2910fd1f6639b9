"""Random people, groups, places and pages: nothing restricted is shown where somebody may not read.

All pages speak of one thing, so that each question finds all of them that its answer may use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bot.slack.company import Company, company, write_pages

pytestmark = pytest.mark.slow

GROUPS = ("red", "blue", "green")
PERSONAL = ("ann", "ben", "cid")
COLOURS = ("amber", "beige", "coral", "denim", "ebony", "fawn", "grey", "hazel", "ivory", "jade")
RULES = (
    "everyone",
    *GROUPS,
    "red, blue",
    "blue, green",
    *(f"{name}@lanternworks.example" for name in PERSONAL),
    "nobody-at-all",
)


@dataclass(frozen=True)
class Scene:
    """A question somewhere.

    Attributes:
        groups: Members of each group, as a set of people.
        place: Where; `follow` for the thread of the last question there.
        restrict: What the channel shows: to everyone, or only to who asks.
    """

    groups: tuple[frozenset[str], ...]
    asker: str
    place: str
    way: str
    visibility: str
    follows: bool


people = st.sampled_from(PERSONAL)
scenes = st.builds(
    Scene,
    groups=st.tuples(*[st.frozensets(people) for _ in GROUPS]),
    asker=people,
    place=st.sampled_from(["public", "private", "mpim", "direct"]),
    way=st.sampled_from(["message", "command"]),
    visibility=st.sampled_from(["thread", "asker"]),
    follows=st.booleans(),
)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("random")
    pages = {
        f"Harbour code {colour}": (rule, f"The harbour code of gate {colour} is {colour} whale.")
        for colour, rule in zip(COLOURS, RULES, strict=True)
    }
    with company(folder, write_pages(folder / "codes", pages), per_person_and_day=0) as running:
        for name in PERSONAL:
            running.hire(name, email=f"{name}@lanternworks.example")
        yield running


def test_what_one_may_read_is_shown(office: Company) -> None:
    """Else the next test could say nothing."""
    ann = next(p.id for p in office.slack.workspace.people.values() if p.name.startswith("ann"))
    direct = office.slack.dm(ann)
    office.group("red").append(ann)
    office.ask(ann, direct, "which harbour code has gate beige?")
    assert "Harbour code beige" in office.shown(office.slack.from_bot(direct))
    office.slack.workspace.messages[direct].clear()


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(st.lists(scenes, min_size=1, max_size=3))
def test_nothing_restricted_is_shown(office: Company, played: list[Scene]) -> None:
    people = dict(zip(PERSONAL, list(office.slack.workspace.people)[1:], strict=False))
    rooms = rooms_of(office, list(people.values()))
    threads: dict[str, str] = {}
    for scene in played:
        for group, members in zip(GROUPS, scene.groups, strict=True):
            office.group(group)[:] = [people[name] for name in members]
        asker = people[scene.asker]
        room = office.slack.dm(asker) if scene.place == "direct" else rooms[scene.place]
        chosen = {"visibility": scene.visibility}
        office.parts.channels.choose(office.slack.team_id, room, chosen, "test")
        before = len(office.slack.messages(room))
        if scene.way == "command":
            office.command(asker, room, "which harbour code has each gate?")
        else:
            thread = threads.get(room, "") if scene.follows else ""
            said = office.ask(asker, room, "which harbour code has each gate?", thread)
            threads[room] = thread or said
        assert len(office.slack.messages(room)) > before
        # Compared with the rights of this moment, then out of the way of the next ones.
        assert office.leaks() == []
        for messages in office.slack.workspace.messages.values():
            messages[:] = [each for each in messages if not office.shown([each])]


def rooms_of(office: Company, members: list[str]) -> dict[str, str]:
    """Return rooms that are new: by kind."""
    number = next(office.numbers)
    return {
        "public": office.slack.add_channel(f"public-{number}", members=members),
        "private": office.slack.add_channel(f"private-{number}", private=True, members=members),
        "mpim": office.slack.group_dm(*members),
    }
