"""The whole loop as a newcomer runs it, with the real models; then what `What next` offers.

Only that its night goes through the pairs three times and not four, which takes a quarter less.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot.terminal import nightshift

NIGHT = {"TRAINING__EPOCHS": "3"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module", autouse=True)
def _wide() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        yield


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "data"


@pytest.fixture(scope="module")
def shown(data_dir: Path) -> str:
    done = nightshift("demo", data=data_dir, seconds=1400, **NIGHT)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def report(shown: str, data_dir: Path) -> dict[str, object]:
    (file,) = (data_dir / "reports").glob("*.json")
    found: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
    return found


def test_it_shows_answers_with_sources_and_a_refusal(shown: str) -> None:
    assert "€210" in shown
    assert "travel-and-expenses.md#hotels" in shown
    assert "The documents don't say." in shown
    assert "thumbs up" in shown


def test_the_night_really_trained_measured_and_decided(
    shown: str, report: dict[str, object], data_dir: Path
) -> None:
    assert report["outcome"] in ("promoted", "kept")
    assert report["losses"][0] > report["losses"][1]
    for scores in (report["before"], report["after"], report["quoting"]):
        assert 0 <= scores["correctness"] <= 1
    assert report["counts"]["held_out"] >= 6
    assert (data_dir / "adapters" / str(report["candidate"]) / "manifest.json").exists()
    assert str(report["reason"])[:30] in " ".join(shown.split())


def test_no_restricted_page_reached_the_pairs(shown: str, data_dir: Path) -> None:
    exported = nightshift("pairs", "export", data=data_dir)
    pairs = [json.loads(line) for line in exported.stdout.splitlines()]
    assert pairs
    restricted = ("leadership/", "salary-bands", "people/performance/")
    assert not any(place in json.dumps(pair) for pair in pairs for place in restricted)


def test_what_comes_next_works(report: dict[str, object], data_dir: Path) -> None:
    here = ("--config", str(data_dir / "nightshift.toml"))
    live = str(report["candidate"]) if report["outcome"] == "promoted" else "none"
    assert live in nightshift(*here, "status", data=None).stdout
    assert str(report["outcome"]) in nightshift(*here, "nights", data=None).stdout
    # By other settings it would not only repeat.
    plan = json.loads(nightshift(*here, "train", "--dry-run", "--json", data=None, **NIGHT).stdout)
    assert plan["outcome"] == "skipped"  # the same pairs again: nothing new to learn
    again = json.loads(nightshift(*here, "train", "--json", data=None, **NIGHT).stdout)
    assert again["outcome"] == "skipped"
    assert again["reason"]
    talk = nightshift(*here, "chat", data=None, text="how much may a hotel cost?\n/good\n/quit\n")
    assert "€150" in talk.stdout
    assert talk.returncode == 0


def test_a_second_demo_starts_over(shown: str, data_dir: Path) -> None:
    other = data_dir.parent / "full"
    other.mkdir()
    (other / "mine.txt").write_text("keep me")
    refused = nightshift("demo", data=other)
    assert refused.returncode == 1
    assert "holds other data" in refused.stderr
    assert (other / "mine.txt").read_text() == "keep me"


def test_a_quote_is_never_called_the_adapters_own_words(shown: str) -> None:
    asked = shown.partition("Asked for the new adapter's own words")[2]
    assert ("written by adapter" in asked) != ("No page bore out a sentence" in asked)
