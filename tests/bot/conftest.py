"""What the bot's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bot.terminal import HANDBOOK, nightshift


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the sample handbook and a page that tries to alarm everybody."""
    folder = tmp_path_factory.mktemp("indexed")
    trap = folder / "trap"
    trap.mkdir()
    (trap / "siren.md").write_text(
        "# Siren test\n\nThe siren test at the harbour depot is on the first Monday: "
        "<!channel> and <@U0AAAAAAA> \x1b[31mred\x1b[0m & more.\n",
        encoding="utf-8",
    )
    done = nightshift("ingest", HANDBOOK, trap, data=folder / "data")
    assert done.returncode == 0, done.stderr
    return folder / "data"
