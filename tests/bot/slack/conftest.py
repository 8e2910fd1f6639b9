"""The other side for tests of the bot in Slack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.assembly import Nightshift
from bot.reindex import reindex
from bot.settings import Settings
from ingestion.settings import SourceSettings
from tests.bot.slack.server.slack import Slack, slack_workspace


@pytest.fixture
def slack() -> Iterator[Slack]:
    """Run a Slack on a free port of this machine."""
    with slack_workspace() as server:
        yield server


PAGES = {
    "hotels.md": "# Hotels\n\nA room may cost up to 150 euros a night. In Amsterdam it is 210.\n",
    "siren.md": "# Siren test\n\nThe siren test at the depot is on the first Monday of a month.\n",
}


@pytest.fixture(scope="session")
def two_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with two short pages: made in no time, and answered from at once."""
    folder = tmp_path_factory.mktemp("two-pages")
    pages = folder / "pages"
    pages.mkdir()
    for name, text in PAGES.items():
        (pages / name).write_text(text, encoding="utf-8")
    nightshift = Nightshift(Settings(data_dir=folder / "data"))
    reindex(nightshift, [SourceSettings(path=pages)], lambda _progress: None)
    nightshift.close()
    return folder / "data"
