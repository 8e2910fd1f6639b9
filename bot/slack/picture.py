"""The figures of the last weeks as a small picture, or in signs where pictures can't be shown."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.activity import DayCount, WeekThumbs
from ingestion.documents import hash_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_BYTES = 50_000
_INK, _FAINT, _BLUE, _GREEN, _RED = "#1d1c1d", "#8d8d8d", "#2f6fde", "#2b8a57", "#c9503c"
_LEVELS = "▁▂▃▄▅▆▇█"
# Matplotlib's fonts and caches are for one thread at a time.
_lock = threading.Lock()


def digest_of(days: Sequence[DayCount], weeks: Sequence[WeekThumbs]) -> str:
    """Return what changes exactly when the picture does."""
    return hash_of(
        [
            [[str(day.day), day.questions] for day in days],
            [[str(week.monday), week.up, week.down] for week in weeks],
        ]
    )


def draw_png(days: Sequence[DayCount], weeks: Sequence[WeekThumbs]) -> bytes:
    """Return a PNG of at most `MAX_BYTES`: questions a day on the left, thumbs by week beside."""
    # Seconds to import, and of no use before an admin looks.
    from matplotlib.figure import Figure

    with _lock:
        figure = Figure(figsize=(7.2, 2.4), dpi=130, layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2)
        _draw_days(left, days)
        _draw_weeks(right, weeks)
        for axes in (left, right):
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.spines["bottom"].set_color(_FAINT)
            axes.tick_params(length=0, labelsize=8, colors=_FAINT)
            axes.set_yticks([])
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw_days(axes: Axes, days: Sequence[DayCount]) -> None:
    places = range(len(days))
    counts = [day.questions for day in days]
    bars = axes.bar(places, counts, color=_BLUE, width=0.7)
    axes.bar_label(bars, [str(n) if n else "" for n in counts], fontsize=8, color=_INK, padding=1)
    axes.set_title("Questions a day", loc="left", fontsize=10, color=_INK)
    axes.set_ylim(0, max([*counts, 4]) * 1.25)
    axes.set_xticks([0, len(days) - 1], [f"{days[0].day:%b %-d}", f"{days[-1].day:%b %-d}"])


def _draw_weeks(axes: Axes, weeks: Sequence[WeekThumbs]) -> None:
    for place, week in enumerate(weeks):
        if week.ratio is None:
            axes.text(place, 0.5, "–", ha="center", va="center", fontsize=9, color=_FAINT)
            continue
        axes.bar(place, week.ratio, color=_GREEN, width=0.7)
        axes.bar(place, 1 - week.ratio, bottom=week.ratio, color=_RED, width=0.7, alpha=0.35)
        label = f"{week.ratio:.0%}\nof {week.up + week.down}"
        axes.text(place, 1.03, label, ha="center", va="bottom", fontsize=7.5, color=_INK)
    axes.set_title("Thumbs-up by week", loc="left", fontsize=10, color=_INK)
    axes.set_xlim(-0.6, len(weeks) - 0.4)
    axes.set_ylim(0, 1.35)
    last = len(weeks) - 1
    axes.set_xticks([0, last], [f"{weeks[0].monday:%b %-d}", f"{weeks[last].monday:%b %-d}"])


def in_words(days: Sequence[DayCount], weeks: Sequence[WeekThumbs]) -> str:
    """Return the picture's figures for those who can't see it."""
    asked = ", ".join(str(day.questions) for day in days)
    thumbs = ", ".join(
        "no votes" if week.ratio is None else f"{week.ratio:.0%} of {week.up + week.down}"
        for week in weeks
    )
    return (
        f"Questions a day from {days[0].day:%b %-d} to {days[-1].day:%b %-d}: {asked}. "
        f"Thumbs-up by week from {weeks[0].monday:%b %-d}: {thumbs}."
    )


def in_signs(days: Sequence[DayCount], weeks: Sequence[WeekThumbs]) -> str:
    """Return the picture as two lines of signs (mrkdwn)."""
    most = max(day.questions for day in days)
    asked = "".join(_level(day.questions / most if most else 0) for day in days)
    thumbs = "".join("·" if week.ratio is None else _level(week.ratio) for week in weeks)
    now = weeks[-1]
    this = "no votes yet" if now.ratio is None else f"{now.ratio:.0%} of {now.up + now.down}"
    return (
        f"*Questions a day* `{asked}` today {days[-1].questions}, at most {most}\n"
        f"*Thumbs-up by week* `{thumbs}` this week {this}"
    )


def _level(share: float) -> str:
    return _LEVELS[min(len(_LEVELS) - 1, int(share * len(_LEVELS)))]
