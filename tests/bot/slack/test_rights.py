"""Nobody sees in Slack what they may not read: conversations on the sample handbook.

After each conversation all that the bot ever showed is compared with the restricted pages: every
message, earlier versions of it, what only one person sees, Home tabs, modals.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.slack import answering
from bot.slack.people import named
from bot.slack.request import RequestKind, SlackRequest
from bot.task import NewQuestion
from tests.bot.slack.company import Company, company
from tests.bot.terminal import HANDBOOK

pytestmark = pytest.mark.slow

SALARY = "what does an L2 engineer earn in Utrecht according to the salary bands"
PLAN = "which company do we want to acquire"
SALARIES, PERFORMANCE = "Salary bands 2027", "Performance improvement"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with company(tmp_path_factory.mktemp("rights"), HANDBOOK) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_leaks(office: Company) -> Iterator[None]:
    office.slack.faults.clear()
    yield
    office.slack.faults.clear()
    assert office.leaks() == []


def test_the_oracle_sees_a_leak(office: Company) -> None:
    """Whatever the other tests say, they say only if this one can fail."""
    hanna, emil = office.hire("hanna", "hr"), office.hire("emil")
    direct, general = office.slack.dm(hanna), office.slack.add_channel("leaky", members=(emil,))
    office.ask(hanna, direct, SALARY)
    shown = office.slack.from_bot(direct)[-1]
    assert office.shown([shown]) == {SALARIES}
    leaked = office.parts.clients.of(office.slack.team_id).chat_postMessage(
        channel=general, text=shown.visible_text
    )
    assert len(office.leaks()) == 1
    office.slack.messages(general)
    office.slack.workspace.messages[general].remove(
        office.slack.message(general, str(leaked["ts"]))
    )


def test_a_direct_message_and_a_command_have_their_askers_rights(office: Company) -> None:
    hanna, emil = office.hire("hanna", "hr"), office.hire("emil")
    general = office.slack.add_channel("rooms", members=(hanna, emil))
    for user, expected in ((hanna, {SALARIES}), (emil, set())):
        direct = office.slack.dm(user)
        office.ask(user, direct, SALARY)
        assert office.shown(office.slack.from_bot(direct)) == expected
        office.command(user, general, SALARY)
        assert office.shown(office.slack.ephemerals(general, user)) == expected


@pytest.mark.parametrize("kind", ["public", "private", "group"])
def test_what_others_read_along_is_open_to_everyone(office: Company, kind: str) -> None:
    hanna, emil = office.hire("hanna", "hr"), office.hire("emil")
    if kind == "group":
        room = office.slack.group_dm(hanna, emil)
    else:
        room = office.slack.add_channel(f"room-{kind}", kind == "private", members=(hanna, emil))
    thread = office.ask(hanna, room, SALARY)
    office.ask(hanna, room, "and in Porto?", thread)
    answers = office.slack.from_bot(room, thread)
    assert len(answers) >= 2
    assert office.shown(answers) == set()


def test_a_private_answer_stays_out_of_its_thread(office: Company) -> None:
    """Answers are for the asker only here: the thread has several people's secrets."""
    hanna, lea = office.hire("hanna", "hr"), office.hire("lea", "leadership")
    emil = office.hire("emil")
    room = office.slack.add_channel("whispers", members=(hanna, lea, emil))
    office.parts.channels.choose(office.slack.team_id, room, {"visibility": "asker"}, "test")
    thread = office.ask(hanna, room, SALARY)
    assert office.shown(office.slack.ephemerals(room, hanna)) == {SALARIES}
    office.ask(lea, room, f"<@{hanna}> and in Porto?", thread)
    office.ask(emil, room, "what does it say about that?", thread)
    assert office.slack.from_bot(room) == []

    office.parts.channels.choose(office.slack.team_id, room, {"visibility": "thread"}, "test")
    office.ask(emil, room, "and there?", thread)
    last = office.parts.nightshift.feedback.recent(f"{office.slack.team_id}:{emil}", 1)[0]
    assert "L2" not in last.standalone, "another's private question went into a public answer"
    assert "L2" not in office.slack.from_bot(room, thread)[-1].visible_text


def test_a_restricted_answer_is_not_shared(office: Company) -> None:
    hanna, emil = office.hire("hanna", "hr"), office.hire("emil")
    room = office.slack.add_channel("shares", members=(hanna, emil))
    for question, refusal in (
        (SALARY, "not everyone may read all that it rests on"),
        ("how much may a room in Amsterdam cost", ""),
    ):
        office.command(hanna, room, question)
        answer = next(
            each
            for each in reversed(office.slack.ephemerals(room, hanna))
            if "nightshift_share" in each.actions
        )
        office.slack.click(hanna, answer, "nightshift_share")
        if refusal:
            told = [refusal]
            office.slack.wait_for(
                lambda words=told: any(
                    words[0] in each.visible_text for each in office.slack.ephemerals(room, hanna)
                ),
                refusal,
            )
            assert office.slack.from_bot(room) == []
    shared = office.slack.wait_for(lambda: office.slack.from_bot(room), "a shared answer")
    assert "€210" in shared[0].visible_text


@pytest.mark.parametrize("begun", [True, False])
def test_a_setting_changed_meanwhile_shows_nothing_to_others(office: Company, begun: bool) -> None:
    """A process died with an answer under way, and the channel's setting changed since."""
    hanna, emil = office.hire("hanna", "hr"), office.hire("emil")
    room = office.slack.add_channel(f"changes-{begun}", members=(hanna, emil))
    now = "thread" if begun else "asker"
    office.parts.channels.choose(office.slack.team_id, room, {"visibility": now}, "test")
    asked = office.slack.say(hanna, room, "a question")
    secret = "€46,000"
    prepared = [{"text": secret, "blocks": []}] if begun else None
    request = SlackRequest(SALARY, RequestKind.MENTION)
    new = NewQuestion(
        office.slack.team_id, room, hanna, (f"test:{begun}",), asked, asked, request.as_json()
    )
    office.put_begun(new, {"posted": [], "reply": prepared, "only_asker": begun})
    office.wait_for_quiet()
    shown = office.slack.ephemerals(room, hanna) if begun else office.slack.from_bot(room, asked)
    assert len(shown) == 1
    assert (secret in shown[0].visible_text) is begun


def test_what_was_prepared_long_ago_is_decided_anew(office: Company) -> None:
    """A process died with an answer prepared; meanwhile the bot was switched off there."""
    emil = office.hire("emil")
    room = office.slack.add_channel("switched-off", members=(emil,))
    office.parts.channels.choose(office.slack.team_id, room, {"on": False}, "test")
    asked = office.slack.say(emil, room, "a question")
    request = SlackRequest("how much may a room in Amsterdam cost", RequestKind.MENTION)
    new = NewQuestion(
        office.slack.team_id, room, emil, ("test:late",), asked, asked, request.as_json()
    )
    prepared = [{"text": "It may cost €210.", "blocks": []}]
    begun = {"posted": [], "reply": prepared, "prepared_at": time.time() - 3_600}
    office.put_begun(new, {**begun, "only_asker": False})
    office.wait_for_quiet()
    (answer,) = office.slack.from_bot(room, asked)
    assert "switched off" in answer.visible_text


def test_a_shortcut_has_the_rights_of_who_will_see_its_answer(office: Company) -> None:
    hanna, emil = office.hire("hanna", "hr"), office.hire("emil")
    room = office.slack.add_channel("shortcuts", members=(hanna, emil))
    said = office.slack.say(emil, room, SALARY)
    message = office.slack.message(room, said)
    for where in ("thread", "me"):
        office.slack.shortcut(hanna, "nightshift_ask_about", message)
        modal = office.slack.wait_for_view(hanna, "nightshift_asked_about")
        values = {"question": {"text": SALARY}, "where": {"choice": where}}
        assert office.slack.submit(hanna, modal, values) is None
        office.wait_for_quiet()
    assert office.shown(office.slack.from_bot(room, said)) == set()
    assert office.slack.from_bot(room, said)
    assert office.shown(office.slack.ephemerals(room, hanna)) == {SALARIES}
    asker, author = (named(office.slack.team.id, each) for each in (hanna, emil))
    kept = office.parts.nightshift.feedback.recent(asker)
    assert [each.others_quoted for each in kept] == [(author,)] * 2, "his opt-out counts"


def test_without_slacks_word_nobody_has_rights(
    office: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_PATIENCE", timedelta(0))
    hanna = office.hire("hanna", "hr")
    direct = office.slack.dm(hanna)
    room = office.slack.add_channel("fails", members=(hanna,))
    for method in ("users.info", "usergroups.list", "conversations.info"):
        office.slack.faults.fail(method, error="internal_error", times=1000)
        office.ask(hanna, direct, SALARY)
        office.command(hanna, room, SALARY)
        office.slack.faults.clear()
    told = [*office.slack.from_bot(direct), *office.slack.ephemerals(room, hanna)]
    assert len(told) >= 6
    assert office.shown(told) == set()
    assert any("couldn't find out who you are" in each.visible_text for each in told)

    office.slack.faults.fail("conversations.info", error="internal_error", times=1000)
    thread = office.ask(hanna, room, "how much may a room in Amsterdam cost")
    assert "€210" not in office.slack.from_bot(room, thread)[-1].visible_text


def test_who_leaves_a_group_loses_its_rights(office: Company) -> None:
    hanna = office.hire("hanna", "hr")
    direct = office.slack.dm(hanna)
    office.ask(hanna, direct, SALARY)
    assert office.shown(office.slack.from_bot(direct)) == {SALARIES}
    before = len(office.slack.from_bot(direct))
    for message in office.slack.from_bot(direct):
        office.slack.workspace.messages[direct].remove(message)  # she read it when she might
    office.group("hr").remove(hanna)
    office.ask(hanna, direct, SALARY)
    assert office.shown(office.slack.from_bot(direct)) == set()
    assert len(office.slack.from_bot(direct)) >= 1 <= before


def test_others_get_nothing(office: Company) -> None:
    """A guest, somebody of another company, somebody who left: groups or not."""
    quay = "T0QUAY00000"
    for what, word in (
        ({"guest": True}, "not guests"),
        ({"single_channel_guest": True}, "not guests"),
        ({"other_team": quay}, "not guests"),
        ({"deleted": True}, "couldn't find out who you are"),
    ):
        user = office.hire("outsider", "hr", **what)
        direct = office.slack.dm(user)
        office.ask(user, direct, SALARY)
        told = office.slack.from_bot(direct)
        assert word in told[-1].visible_text
        assert office.shown(told) == set()


def test_a_shared_channel_gets_nothing(office: Company) -> None:
    hanna = office.hire("hanna", "hr")
    stranger = office.hire("stranger", other_team="T0QUAY00000")
    room = office.slack.add_channel("with-quay", shared=True, members=(hanna, stranger))
    question = "how much may a room in Amsterdam cost"
    for user in (hanna, stranger):
        thread = office.ask(user, room, question)
        told = office.slack.from_bot(room, thread)
        assert all("€210" not in each.visible_text for each in told)
        assert "another company" in told[-1].visible_text


def test_a_bot_is_not_answered(office: Company) -> None:
    robot = office.hire("robot", "hr", bot=True)
    room = office.slack.add_channel("robots", members=(robot,))
    thread = office.ask(robot, room, SALARY, bot_id="B0OTHERBOT")
    told = [m for m in office.slack.from_bot(room, thread) if m.user == office.slack.bot_user]
    assert told == []


def test_a_name_that_one_gives_oneself_opens_nothing(office: Company) -> None:
    mallory = office.hire("leadership", real_name="hr", email="hr@evil.example")
    direct = office.slack.dm(mallory)
    office.ask(mallory, direct, SALARY)
    office.ask(mallory, direct, PLAN)
    assert office.shown(office.slack.from_bot(direct)) == set()


def test_the_home_tab_counts_what_its_reader_may_read(office: Company) -> None:
    hanna, emil = office.hire("hanna", "hr"), office.hire("emil")
    counts = {}
    for user in (hanna, emil):
        office.slack.open_home(user)
        text = office.slack.home_of(user).visible_text
        line = next(line for line in text.splitlines() if line.startswith("*handbook*"))
        counts[user] = int(line.split(": ")[1].split()[0])
    assert counts[hanna] - counts[emil] == 2


def test_private_answers_do_not_train(office: Company) -> None:
    hanna = office.hire("hanna", "hr")
    room = office.slack.add_channel("pairs", members=(hanna,))
    private = office.slack.add_channel("pairs-private", private=True, members=(hanna,))
    question = "how much may a room in Amsterdam cost"
    office.ask(hanna, room, question)
    office.ask(hanna, private, question)
    office.ask(hanna, office.slack.dm(hanna), question)
    office.ask(hanna, office.slack.dm(hanna), SALARY)
    office.command(hanna, room, question)
    feedback = office.parts.nightshift.feedback
    name = f"{office.slack.team_id}:{hanna}"
    answered = feedback.recent(name, 10)
    assert len(answered) == 5
    for answer in answered:
        feedback.vote(answer.id, name, 1)
    pairs = office.parts.nightshift.pairs
    pairs.update(office.parts.nightshift.settings.pairs, lambda text: len(text.split()))
    mine = {answer.id: answer.conversation.split(":")[1] for answer in answered}
    approved = [
        mine[pair.answer_id]
        for pair in pairs.list()
        if pair.answer_id in mine
        if pair.status == "approved"
    ]
    assert approved == [room]
