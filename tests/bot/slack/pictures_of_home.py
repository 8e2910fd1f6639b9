"""Draw the Home tab and the channels' windows into docs/pictures.

Run ``python -m tests.bot.slack.pictures_of_home``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.activity import DayCount, Topic, WeekThumbs
from bot.settings import ChannelSettings, SlackSettings
from bot.slack.channels import effective
from bot.slack.home import Asked, Desk, Home, SourceShown
from bot.slack.picture import draw_png
from bot.slack.views_channels import build_channel_list, build_channel_modal
from bot.slack.views_home import build_home
from tests.bot.slack.pictures import home_page, paint
from training.nights import NightOutcome, NightRecord

PICTURES = Path("docs/pictures")
_NOW = datetime(2026, 11, 25, 9, 41, tzinfo=UTC)
_PICTURE = "F0FIGURES0"
_SITE = "https://lanternworks.slack.example/archives/C0/p1"
_DAYS = tuple(
    DayCount(date(2026, 11, 12) + timedelta(days=n), asked)
    for n, asked in enumerate([31, 28, 4, 2, 35, 41, 38, 44, 29, 3, 5, 47, 52, 18])
)
_WEEKS = tuple(
    WeekThumbs(date(2026, 10, 5) + timedelta(weeks=n), up, down)
    for n, (up, down) in enumerate(
        [(11, 9), (14, 9), (19, 8), (17, 6), (24, 9), (31, 7), (38, 8), (16, 2)]
    )
)


def employee() -> Home:
    """Return what an employee's tab shows."""
    asked = (
        Asked("how much may a hotel in Amsterdam cost?", _NOW, _SITE, 1, False),
        Asked("is there a gym near the office?", _NOW - timedelta(hours=3), _SITE, 0, True),
        Asked("and if I stay with friends?", _NOW - timedelta(days=1), "", -1, False),
    )
    sources = (
        SourceShown("handbook", 214, _NOW - timedelta(hours=1)),
        SourceShown("engineering-wiki", 1_872, _NOW - timedelta(hours=1)),
    )
    return Home("Nightshift", "", sources, asked)


def admin() -> Home:
    """Return what an admin's tab shows."""
    report = {
        "outcome": "promoted",
        "reason": "Its answers are better by 0.061 in correctness (0.012 to 0.110).",
    }
    night = NightRecord(
        7, _NOW, "schedule", "h", 1, _NOW - timedelta(hours=7), _NOW, NightOutcome.FINISHED, 0,
        report,
    )  # fmt: skip
    topics = (Topic("Is there a gym near the office?", 5), Topic("Can I get a second monitor?", 2))
    desk = Desk(
        2, 1, _DAYS, _WEEKS, topics, 3, night, "20261125-020000", "", 4, 1, picture=_PICTURE
    )  # fmt: skip
    usual = employee()
    return Home("Nightshift", "", usual.sources, usual.asked[:1], True, False, desk)


def pages() -> dict[str, str]:
    """Return the pages to be drawn, by name."""
    images = {_PICTURE: draw_png(_DAYS, _WEEKS)}
    file = ChannelSettings(channel="help-travel", sources=["handbook"])
    settings = SlackSettings(channels=[file], experts=["U0EVE00000"])
    chosen = {"follow_up": "always", "experts": ["U0EVE00000", "S0PEOPLE00"]}
    policy = effective(settings, "help-travel", chosen)
    beneath = effective(settings, "help-travel", {})
    modal = build_channel_modal(
        "help-travel", policy, beneath, ["handbook", "engineering-wiki"], "{}"
    )
    off = effective(settings, "random", {"on": False})
    listed = build_channel_list([("help-travel", policy), ("random", off)])
    views: dict[str, Mapping[str, Any]] = {
        "home": build_home(employee()),
        "home-new": build_home(Home("Nightshift")),
        "home-admin": build_home(admin()),
        "channel-settings": modal,
        "channels": listed,
    }
    return {name: home_page(view["blocks"], images) for name, view in views.items()}


if __name__ == "__main__":
    for name, page in pages().items():
        paint(page, PICTURES / f"{name}.png")
