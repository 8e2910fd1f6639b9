"""The Home tab: as data against Slack's limits, and opened by people in a running bot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from bot.activity import DayCount, Topic, WeekThumbs
from bot.slack.home import RECENT, Asked, Desk, Home, SourceShown
from bot.slack.picture import MAX_BYTES, digest_of, draw_png, in_signs, in_words
from bot.slack.views_home import CHANNELS, IN, OUT, PAIRS, REINDEX, TRAINING, build_home
from tests.bot.slack.company import Company, company, write_pages
from tests.bot.slack.server.limits import check_view
from training.nights import NightOutcome, NightRecord

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
DAYS = tuple(DayCount(date(2026, 11, 12) + timedelta(days=n), n) for n in range(14))
WEEKS = tuple(
    WeekThumbs(date(2026, 10, 5) + timedelta(weeks=n), up, down)
    for n, (up, down) in enumerate(
        [(0, 0), (1, 0), (2, 2), (0, 3), (9, 1), (99, 1), (5, 5), (8, 2)]
    )
)
HOSTILE = "<!channel> & <@U0> *x* | <https://evil.example|click> " + "a" * 5_000


def desk(**changes: Any) -> Desk:
    night = NightRecord(
        1, None, "by hand", "h", 1, NOW, NOW, NightOutcome.FINISHED, 0,
        {"outcome": "kept", "reason": HOSTILE},
    )  # fmt: skip
    values: dict[str, Any] = {
        "waiting": 3, "running": 1, "days": DAYS, "weeks": WEEKS,
        "topics": (Topic(HOSTILE, 4), Topic("Is there a gym?", 1)), "private_unanswered": 2,
        "last_night": night, "live": "20261125-020000", "live_problem": "", "pairs": 4,
        "failed_documents": 1,
    }  # fmt: skip
    return Desk(**{**values, **changes})


def words_of(view: dict[str, Any]) -> str:
    return json.dumps(view, ensure_ascii=False)


def test_the_fullest_home_keeps_to_slacks_limits() -> None:
    asked = tuple(
        Asked(HOSTILE, NOW, "https://lantern.slack.com/archives/C0/p1?a=1&b=2", 1, False)
        for _ in range(RECENT)
    )
    sources = tuple(SourceShown(f"{HOSTILE}{n}", n, NOW) for n in range(500))
    view = build_home(Home("U0BOT", "", sources, asked, True, True, desk(picture="F0PICTURE0")))
    check_view(view)
    text = words_of(view)
    assert "<!channel>" not in text
    assert "<https://evil" not in text
    assert "<@U0>" not in text
    assert "460 more sources" in text


def test_an_empty_home_says_what_to_do() -> None:
    view = build_home(Home("U0BOT"))
    check_view(view)
    text = words_of(view)
    assert "No documents that you may read yet." in text
    assert "None yet. Write me one" in text
    assert "For admins" not in text
    quiet = desk(topics=(), private_unanswered=0, last_night=None, live=None)
    text = words_of(build_home(Home("U0BOT", desk=quiet)))
    assert "There was none yet." in text
    assert "Nothing: the documents had an answer each time." in text


def test_the_privacy_note_says_what_this_installation_does() -> None:
    usual = words_of(build_home(Home()))
    assert "never from direct messages" in usual
    assert "Don't learn from me" in usual
    other = words_of(build_home(Home(opted_out=True, learns_private=True)))
    assert "also learns from private questions" in other
    assert "Let them train" in other


def test_the_picture_is_a_small_png_that_changes_with_its_figures() -> None:
    png = draw_png(DAYS, WEEKS)
    assert png.startswith(b"\x89PNG")
    assert len(png) <= MAX_BYTES
    assert digest_of(DAYS, WEEKS) == digest_of(list(DAYS), list(WEEKS))
    assert digest_of(DAYS, WEEKS) != digest_of(DAYS, [*WEEKS[:-1], WeekThumbs(date.min, 1, 1)])
    assert len(draw_png(DAYS[:2], WEEKS[:1])) <= MAX_BYTES
    assert "80% of 10" in in_words(DAYS, WEEKS)
    assert "`·█▅▁█████▅▇`" not in in_signs(DAYS, WEEKS)
    assert "this week 80% of 10" in in_signs(DAYS, WEEKS)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("home")
    pages = write_pages(
        folder / "handbook",
        {
            "Hotels": ("everyone", "A room in Amsterdam may cost up to 210 euros a night."),
            "Bonuses": ("hr", "The bonus of a lead is nine percent of the salary."),
        },
    )
    secret = write_pages(folder / "vault", {"Plan": ("leadership", "We buy the firm Lumo.")})
    with company(folder, pages, secret, admins=["bot-admins"]) as running:
        yield running


def home_after(office: Company, user: str, words: str) -> str:
    """Wait until somebody's Home tab says something, and return all it says."""

    def shown() -> str:
        home = office.slack.workspace.homes.get((office.slack.team_id, user))
        text = words_of(home.payload) if home else ""
        return text if words in text else ""

    return str(office.slack.wait_for(shown, words, 120))


@pytest.mark.slow
def test_an_employee_sees_their_own_things(office: Company) -> None:
    emil, hanna = office.hire("emil"), office.hire("hanna", "hr")
    room = office.slack.add_channel("travel", members=(emil, hanna))
    question = "how much may a room in Amsterdam cost?"
    thread = office.ask(emil, room, question)
    office.ask(hanna, office.slack.dm(hanna), "what is the bonus of a lead?")
    answer = office.slack.from_bot(room, thread)[0]
    name = f"{office.slack.team_id}:{emil}"
    feedback = office.parts.nightshift.feedback
    feedback.vote(feedback.recent(name, 1)[0].id, name, -1)

    office.slack.open_home(emil)
    text = home_after(office, emil, "Your last questions")
    assert question in text
    assert f"{room}/p{answer.ts.replace('.', '')}" in text
    assert "you voted :-1:" in text
    assert "bonus of a lead" not in text
    assert "*handbook*: 1 document, last read <!date^" in text
    assert "vault" not in text
    assert "For admins" not in text
    office.slack.open_home(hanna)
    assert "*handbook*: 2 documents" in home_after(office, hanna, "Your last questions")
    assert office.leaks() == []


@pytest.mark.slow
def test_opting_out_is_a_button_that_toggles(office: Company) -> None:
    emil = office.hire("emil")
    name = f"{office.slack.team_id}:{emil}"
    office.slack.open_home(emil)
    home_after(office, emil, "may train")
    office.slack.click(emil, office.slack.home_of(emil), TRAINING, OUT)
    home_after(office, emil, "don't train")
    assert office.parts.nightshift.feedback.opted_out(name)
    office.slack.click(emil, office.slack.home_of(emil), TRAINING, IN)
    home_after(office, emil, "may train")
    assert not office.parts.nightshift.feedback.opted_out(name)


@pytest.mark.slow
def test_an_admin_sees_how_it_goes(office: Company) -> None:
    ada, emil = office.hire("ada", "bot-admins"), office.hire("emil")
    room = office.slack.add_channel("gaps", members=(emil,))
    office.ask(emil, room, "is there a gym near the office?")
    office.ask(emil, room, "is there a gym close to our office?")
    office.ask(emil, office.slack.dm(emil), "may I bring my secret parrot?")
    office.slack.open_home(ada)
    text = home_after(office, ada, "For admins")
    assert "0 waiting, 0 being answered" in text
    assert "gym close to our office? (2 times)" in text
    assert "parrot" not in text
    assert "in private; not shown" in text
    pictures = office.slack.calls_of("files.completeUploadExternal")
    assert len(pictures) == 1
    assert office.slack.home_of(ada).payload["blocks"]
    assert f'"slack_file": {{"id": "{pictures[0].answer["files"][0]["id"]}"}}' in text
    published = len(office.slack.calls_of("views.publish"))
    office.slack.open_home(ada)
    office.slack.wait_for(lambda: len(office.slack.calls_of("views.publish")) > published, "anew")
    assert len(office.slack.calls_of("files.completeUploadExternal")) == 1, "nothing changed"

    office.slack.without("files.getUploadURLExternal")
    office.ask(emil, room, "one more question about rooms in Amsterdam?")
    office.slack.open_home(ada)
    home_after(office, ada, "*Questions a day* `")
    office.slack.workspace.missing.clear()


@pytest.mark.slow
def test_admins_set_channels_from_their_home(office: Company) -> None:
    ada, emil = office.hire("ada", "bot-admins"), office.hire("emil")
    room = office.slack.add_channel("settings", members=(ada, emil))
    office.slack.open_home(ada)
    home_after(office, ada, "For admins")
    home = office.slack.home_of(ada)
    office.slack.click(ada, home, CHANNELS)
    listed = office.slack.wait_for_view(ada, "nightshift_channels")
    office.slack.choose(ada, listed, "nightshift_channel_pick", room)
    modal = office.slack.wait_for_view(ada, "nightshift_channel")
    wrong = office.slack.submit(ada, modal, {"sources": {"value": "these"}})
    assert wrong is not None
    assert wrong["response_action"] == "errors"
    assert office.slack.submit(ada, modal, {"on": {"value": "off"}}) is None
    policy = office.parts.channels.policy(office.slack.team_id, room)
    assert (policy.on, policy.origins["on"]) == (False, "Slack")
    office.slack.wait_for(lambda: f"<#{room}>" in words_of(listed.payload), "the list anew")
    thread = office.ask(emil, room, "how much may a room in Amsterdam cost?")
    assert "switched off" in office.slack.from_bot(room, thread)[-1].visible_text

    office.slack.click(ada, listed, "nightshift_channel_edit", room)
    again = office.slack.wait_for_view(ada, "nightshift_channel")
    office.group("bot-admins").remove(ada)
    refused = office.slack.submit(ada, again, {"on": {"value": "default"}})
    assert refused is not None
    assert "Only admins" in refused["errors"]["on"]
    assert not office.parts.channels.policy(office.slack.team_id, room).on


@pytest.mark.slow
def test_admins_start_work_from_their_home(office: Company) -> None:
    ada, emil = office.hire("ada", "bot-admins"), office.hire("emil")
    office.slack.open_home(ada)
    home_after(office, ada, "For admins")
    home = office.slack.home_of(ada)
    direct = office.slack.dm(ada)
    for button, told in (
        (PAIRS, "Nothing waits for a review."),
        (REINDEX, "No documents are configured."),
    ):
        office.slack.click(ada, home, button)
        office.slack.wait_for(
            lambda words=told: any(
                words in each.visible_text for each in office.slack.from_bot(direct)
            ),
            told,
        )
    office.group("bot-admins").remove(ada)
    office.slack.click(ada, home, REINDEX)
    office.slack.wait_for(
        lambda: "for the admins" in office.slack.from_bot(direct)[-1].visible_text, "a refusal"
    )
    assert office.slack.from_bot(office.slack.dm(emil)) == []
