"""Admins and others talk to a running bot: commands, buttons, live messages, reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.assembly import Nightshift
from bot.settings import Settings, SlackSettings
from bot.slack.adapter_blocks import PROMOTE, ROLLBACK
from bot.slack.app import SlackBot
from bot.slack.clients import Clients
from bot.slack.parts import Parts, build_parts
from bot.slack.views_home import REINDEX, RETRAIN
from ingestion.settings import SourceSettings
from tests.bot.slack.server.model import Message
from tests.bot.slack.server.slack import Slack, slack_workspace
from training.adapters import CONFIG, WEIGHTS
from training.lease import Lease
from training.manifest import AdapterManifest
from training.nights import NightRecord
from training.schedule import LEASE, NightScheduler
from training.settings import TrainingSettings

pytestmark = pytest.mark.slow

REPORTED_AT = datetime(2026, 11, 25, 2, tzinfo=UTC)
REPORT = {
    "night": "20261125-020000",
    "outcome": "kept",
    "reason": "Its answers changed by +0.010 in correctness, which may be chance.",
    "model": "smollm2",
    "counts": {"new": 12, "replayed": 1, "held_out": 8},
    "left_out": {"Too many <thumbs down>.": 4, "Too long.": 1},
    "seconds": {"train": 61.0},
}
NIGHT = """
import json, sys, time
from training.night_progress import progress_line
if "--dry-run" not in sys.argv:
    for step, fraction in (("load the model", 1.0), ("train", 0.1), ("train", 0.5), ("train", 0.9)):
        print(progress_line(step, fraction), end="", flush=True)
        time.sleep(1.5)
report = json.loads(sys.argv[1])
if "--dry-run" in sys.argv:
    report |= {"outcome": "planned", "reason": "The night would train.", "estimated_seconds": 90}
print(json.dumps(report))
"""


@dataclass
class Office:
    """A bot at work, and the people around it."""

    slack: Slack
    parts: Parts
    bot: SlackBot
    scheduler: NightScheduler
    handbook: Path
    ada: str
    bob: str
    admins: str
    general: str
    seen: set[str] = field(default_factory=set)

    def say(self, user: str, command: str, text: str = "", channel: str = "") -> str:
        """Give a command, and return all that its answer says."""
        run = self.slack.command(user, channel or self.admins, command, text)
        run.ack  # noqa: B018 - waits
        run.wait_for_responses(1)
        room = channel or self.admins
        return "\n".join(m.visible_text for m in self.slack.ephemerals(room, user)[-1:])

    def see(self, words: str, channel: str = "") -> Message:
        """Wait for a message of the bot that says this, another one each time."""

        def found() -> Message | None:
            messages = self.slack.from_bot(channel or self.admins)
            new = [m for m in messages if m.ts not in self.seen]
            return next((m for m in new if words in m.visible_text), None)

        message: Message = self.slack.wait_for(found, words, seconds=240)
        self.seen.add(message.ts)
        return message


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("admin")
    handbook = folder / "handbook"
    handbook.mkdir()
    for number in range(12):
        page = f"# Page {number}\n\nRoom {number} has {number + 3} chairs and a window.\n"
        (handbook / f"page-{number}.md").write_text(page, encoding="utf-8")
    with slack_workspace() as slack:
        ada, bob = slack.add_user("ada", real_name="Ada"), slack.add_user("bob", real_name="Bob")
        admins = slack.add_channel("bot-admins", private=True, members=(ada, bob))
        general = slack.add_channel("general", members=(ada, bob))
        settings = Settings(
            data_dir=folder / "data",
            sources=[SourceSettings(path=handbook)],
            training=TrainingSettings(timezone="Europe/Berlin"),
            slack=SlackSettings.model_validate(
                {
                    "bot_token": slack.bot_token,
                    "app_token": slack.app_token,
                    "api_url": slack.url,
                    "admins": [ada],
                    "admin_channel": admins,
                }
            ),
        )
        nightshift = Nightshift(settings)
        bots: list[SlackBot] = []

        def on_finished(night: NightRecord) -> None:
            bots[0].report_night(night)

        command = [sys.executable, "-c", NIGHT, json.dumps(REPORT)]
        scheduler = NightScheduler(nightshift.database, settings.training, command, on_finished)
        parts = build_parts(nightshift, Clients(settings.slack), scheduler.run_now)
        bots.append(SlackBot(parts))
        bots[0].start()
        yield Office(slack, parts, bots[0], scheduler, handbook, ada, bob, admins, general)
        scheduler.stop()
        bots[0].stop()
        nightshift.close()


def test_help_is_for_everybody_and_refusals_name_the_admins(office: Office) -> None:
    assert "Privacy" in office.say(office.bob, "/nightshift")
    assert "/reindex" not in office.say(office.bob, "/nightshift", "help")
    assert "/reindex" in office.say(office.ada, "/nightshift", "help")
    unknown = office.say(office.ada, "/nightshift", "statsu <!channel>")
    assert "Did you mean `/nightshift status`?" in unknown
    assert "Did you mean" not in office.say(office.bob, "/nightshift", "statsu")  # not for him
    for command, text in (
        ("/nightshift", "status"),
        ("/nightshift", "rollback"),
        ("/reindex", ""),
        ("/retrain", "--dry-run"),
    ):
        refused = office.say(office.bob, command, text)
        assert "for the admins of this bot: Ada." in refused
    assert all(not m.pings for m in office.slack.messages(office.admins))


def test_reindex_shows_its_progress_and_ends_with_its_report(office: Office) -> None:
    (office.handbook / "broken.pdf").write_bytes(b"%PDF-1.4 <!channel>")
    assert "There are: `handbook`" in office.say(office.ada, "/reindex", "wiki")
    assert "`--full`" in office.say(office.ada, "/reindex", "--fast")
    assert "see below" in office.say(office.ada, "/reindex", "handbook")
    done = office.see("*Indexed handbook* in")
    assert "Documents: 12 new, 1 not readable." in done.visible_text
    assert "• broken.pdf: the PDF is damaged. " in done.visible_text
    earlier = [version.visible_text for version in done.edits]
    assert "*Indexing handbook*, started by Ada" in earlier[0]
    assert "░" in earlier[0]
    assert not done.pings
    # What is shown elsewhere than in the admin channel might name what not everyone may know of.
    assert "direct messages" in office.say(office.ada, "/reindex", channel=office.general)
    again = office.see("*Indexed handbook* in", office.slack.dm(office.ada))
    assert "12 unchanged, 1 not readable." in again.visible_text
    assert office.slack.from_bot(office.general) == []
    status = office.say(office.ada, "/nightshift", "status")
    assert "*Index:* 12 documents in 12 chunks" in status
    assert "• handbook: 12, read " in status
    assert ", 1 not readable" in status


def test_the_home_tabs_buttons_do_what_the_commands_do(office: Office) -> None:
    slack = office.slack
    slack.open_home(office.ada)
    home = slack.home_of(office.ada)
    direct = slack.dm(office.ada)
    before = len(slack.from_bot(direct))
    slack.click(office.ada, home, REINDEX)
    slack.wait_for(lambda: len(slack.from_bot(direct)) > before, "the live message")
    slack.wait_for(lambda: "12 unchanged" in slack.from_bot(direct)[-1].visible_text, "its end")
    night = Lease(office.parts.nightshift.database, LEASE, "another process", 60)
    assert night.acquire()
    slack.click(office.ada, home, RETRAIN)
    office.see("Another night is running.", direct)
    night.release()
    assert len(slack.from_bot(direct)) == before + 2


def test_everything_anew_for_one_source_or_for_the_whole_index(office: Office) -> None:
    office.say(office.ada, "/reindex", "handbook --full")
    again = office.see("*Indexed handbook, everything anew* in")
    assert "12 changed, 1 not readable. 12 chunks embedded." in again.visible_text
    office.say(office.ada, "/reindex", "—full")
    rebuilt = office.see("12 new, 1 not readable.")
    assert "everything anew" in rebuilt.visible_text
    assert office.parts.nightshift.index.count() == 12


def test_one_run_at_a_time_in_all_processes(office: Office) -> None:
    lease = Lease(office.parts.nightshift.database, "reindex", "another process", 60)
    assert lease.acquire()
    assert "being indexed already" in office.say(office.ada, "/reindex")
    lease.release()
    night = Lease(office.parts.nightshift.database, LEASE, "another process", 60)
    assert night.acquire()
    office.say(office.ada, "/retrain")
    office.see("Another night is running.")
    night.release()


def test_retrain_shows_its_steps_and_the_night_is_reported_once(office: Office) -> None:
    office.say(office.ada, "/retrain")
    report = office.see("Its answers changed by +0.010")
    text = report.visible_text
    assert "no better adapter, so what was live stays*" in text
    assert "*Pairs:* 12 new, 1 replayed against forgetting, 8 held out to judge by" in text
    assert "*Left out:* 5\n• 4 × Too many &lt;thumbs down&gt;.\n• 1 × Too long." in text
    ended = office.see("Its report is in this channel.")
    earlier = "\n".join(version.visible_text for version in ended.edits)
    assert "✓ Load the model\n▓" in earlier
    assert "% · Train" in earlier
    reports = [m for m in office.slack.from_bot(office.admins) if "Its answers" in m.visible_text]
    assert len(reports) == 1
    office.say(office.ada, "/retrain", "--dry-run")
    planned = office.see("dry run, it would train")
    assert "It would take about 90 s." not in planned.visible_text
    assert "It would take about" in planned.visible_text


def publish(office: Office, version: str) -> None:
    registry = office.parts.nightshift.registry
    folder = registry.staging(version)
    (folder / WEIGHTS).write_bytes(version.encode())
    (folder / CONFIG).write_text("{}", encoding="utf-8")
    scores = {"candidate correctness": 0.5, "live correctness": 0.4}
    scores |= {"candidate f1": 0.3, "live f1": 0.2}
    registry.publish(
        version,
        AdapterManifest(version, "base", None, REPORTED_AT, scores=scores, decision="Better <b>."),
    )


def test_adapters_are_promoted_and_rolled_back_once(office: Office) -> None:
    registry = office.parts.nightshift.registry
    assert "No night has made an adapter" in office.say(office.ada, "/nightshift", "adapters")
    assert "no earlier adapter" in office.say(office.ada, "/nightshift", "rollback")
    publish(office, "v1")
    publish(office, "v2")
    registry.promote("v1")
    listed = office.say(office.ada, "/nightshift", "adapters")
    assert "*v1* · live" in listed
    assert "correctness 0.500 (live then: 0.400)" in listed
    shown = office.slack.ephemerals(office.admins, office.ada)[-1]
    office.slack.click(office.ada, shown, PROMOTE, "v2")
    office.see("*Live now:* v2\nChanged by Ada; before, v1 was live.")
    assert registry.live_version() == "v2"
    assert "*After a rollback:* v1" in office.say(office.ada, "/nightshift", "rollback")
    asked = office.slack.ephemerals(office.admins, office.ada)[-1]
    clicks = [office.slack.click(office.ada, asked, ROLLBACK) for _ in range(2)]
    assert [click.ack for click in clicks] == [{}, {}]
    office.see("*Live now:* v1\nChanged by Ada; before, v2 was live.")
    office.slack.wait_for(
        lambda: any(
            "changed in the meantime" in m.visible_text
            for m in office.slack.ephemerals(office.admins, office.ada)
        ),
        "the second click is told",
    )
    assert registry.live_version() == "v1"
    said = "*Live now:* v1\nChanged by Ada"
    everything = [
        *office.slack.from_bot(office.admins),
        *office.slack.ephemerals(office.admins, office.ada),
    ]
    assert len([m for m in everything if said in m.visible_text]) == 1
    assert asked not in everything


def test_only_admins_roll_back_with_the_reports_button(office: Office) -> None:
    registry = office.parts.nightshift.registry
    before = registry.live_version()
    assert before == "v1"
    office.scheduler.run_now()
    report = office.see("*Live now:* v1\n*Pairs:*")
    assert report.blocks[-1]["elements"][0]["confirm"]["text"]["text"].startswith("Live now: v1.")
    office.slack.click(office.bob, report, ROLLBACK)
    office.slack.wait_for(
        lambda: any(
            "for the admins" in m.text
            for m in office.slack.ephemerals(office.admins, office.bob)[-1:]
        )
    )
    assert registry.live_version() == "v1"
    office.slack.click(office.ada, report, ROLLBACK)
    said = "*Live now:* the bare base model\nChanged by Ada; before, v1 was live."
    office.slack.wait_for(lambda: said in report.visible_text, "the change in the report")
    assert registry.live_version() is None
    assert ROLLBACK not in report.actions
    assert "Its answers changed by +0.010" in report.visible_text


def test_a_rollback_elsewhere_is_shown_there_and_to_the_admins(office: Office) -> None:
    for version in ("v1", "v2"):
        office.parts.nightshift.registry.promote(version)
    office.slack.command(office.ada, office.general, "/nightshift", "rollback")
    asked = office.slack.wait_for(
        lambda: [m for m in office.slack.ephemerals(office.general, office.ada) if m.actions],
        "the button",
    )[-1]
    before = len(office.slack.from_bot(office.admins))
    office.slack.click(office.ada, asked, ROLLBACK)
    office.slack.wait_for(lambda: "*Live now:* v1" in asked.visible_text, "the change")
    office.slack.wait_for(lambda: len(office.slack.from_bot(office.admins)) > before, "a notice")
    assert "*Live now:* v1" in office.slack.from_bot(office.admins)[-1].visible_text


def test_pairs_and_channels_are_shown(office: Office) -> None:
    assert "review" in office.say(office.ada, "/nightshift", "pairs")
    assert "for the admins" in office.say(office.bob, "/nightshift", "channels")
    assert office.slack.view_of(office.bob) is None
    assert office.slack.command(office.ada, office.general, "/nightshift", "channels").ack == {}
    assert office.slack.wait_for_view(office.ada).visible_text


def test_a_report_survives_an_outage(office: Office) -> None:
    office.slack.faults.fail("chat.postMessage", status=503, times=2, channel=office.admins)
    office.slack.faults.fail("chat.update", drop=True, times=3, channel=office.admins)
    before = len(office.slack.from_bot(office.admins))
    office.say(office.ada, "/reindex")
    office.see("12 unchanged, 1 not readable.", office.admins)
    office.slack.wait_for(lambda: office.parts.outbox.notices.waiting() == 0, "all posted")
    assert len(office.slack.from_bot(office.admins)) == before + 1
