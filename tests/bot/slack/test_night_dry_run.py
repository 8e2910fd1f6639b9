"""The night's real process, dry: what it says on its way, and what admins are told of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.slack.night_report import Standing, build_night_report
from training.database import open_database
from training.nights import NightOutcome
from training.schedule import NightScheduler
from training.settings import TrainingSettings


@pytest.mark.slow
def test_a_dry_run_of_the_real_night_is_followed_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = open_database(f"sqlite:///{tmp_path / 'nightshift.db'}")
    command = [sys.executable, "-m", "bot.cli", "--data-dir", str(tmp_path), "night"]
    scheduler = NightScheduler(database, TrainingSettings(), command, lambda _: None)
    heard: list[tuple[str, float]] = []
    night = scheduler.run_now(dry_run=True, on_progress=lambda *said: heard.append(said))
    database.dispose()
    assert night.outcome is NightOutcome.FINISHED
    assert heard == [("look at the votes", 0.0), ("look at the votes", 1.0)]
    text = "\n".join(part.text for part in build_night_report(night, Standing(None)).parts)
    assert "skipped, nothing was trained*\n0 new pairs to learn from; 8 are needed" in text
    assert "*Pairs:* 0 new, 0 replayed against forgetting, 0 held out to judge by" in text
