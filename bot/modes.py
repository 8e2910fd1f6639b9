"""Retrieval, fine-tuning, or both: chosen from how each answers the same questions. Pure.

Ovadia et al. 2024, "Fine-Tuning or Retrieval?", compare the same three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from training.gate import Interval, above_zero, comparison
from training.scoring import PairScore
from training.settings import TrainingSettings


class Mode(StrEnum):
    """What an answer rests on."""

    RETRIEVAL = "retrieval"  # the bare model reads the passages
    FINE_TUNING = "fine-tuning"  # the adapter answers by heart
    BOTH = "both"  # the adapter reads the passages


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Which mode to use.

    Attributes:
        reason: Why, for people; with the caution that belongs to it.
        both_over_retrieval, fine_tuning_over_both, written_over_quotes: Differences of correctness;
            the last one is the recommended mode's.
    """

    mode: Mode
    reason: str
    both_over_retrieval: Interval
    fine_tuning_over_both: Interval
    written_over_quotes: Interval


def recommend(
    scores: Mapping[Mode, Sequence[PairScore]], settings: TrainingSettings
) -> Recommendation:
    """Return the mode that answers best; the simpler one where the difference may be chance.

    Args:
        scores: Of all modes on the same questions in the same order, at least one.
        settings: Confidence, and how many questions can judge.
    """
    retrieval, by_heart, both = (scores[mode] for mode in Mode)
    compare = comparison([score.cluster for score in both], settings)
    gain = compare(_differences(both, retrieval))
    alone = compare(_differences(by_heart, both))
    too_few = len(both) < settings.min_held_out
    if too_few:
        mode = Mode.RETRIEVAL
        reason = f"{len(both)} questions can't judge; {settings.min_held_out} are needed."
    elif above_zero(alone, settings) and above_zero(
        compare(_differences(by_heart, retrieval)), settings
    ):
        mode = Mode.FINE_TUNING
        reason = (
            f"It answers better than with the passages by {_shown(alone)}. But by heart it can "
            "cite no page, knows no rights, and goes on saying what a page no longer says."
        )
    elif above_zero(gain, settings):
        mode = Mode.BOTH
        reason = f"The adapter makes answers from the passages better by {_shown(gain)}."
    else:
        mode = Mode.RETRIEVAL
        reason = f"What the adapter changes may be chance: {_shown(gain)} in correctness."
    quotes = compare(
        [score.written.correctness - score.quoting.correctness for score in scores[mode]]
    )
    if not too_few and not above_zero(quotes, settings):
        reason += f" No written answer beats the quote ({_shown(quotes)}): let 'auto' quote."
    return Recommendation(mode, reason, gain, alone, quotes)


def _differences(one: Sequence[PairScore], other: Sequence[PairScore]) -> list[float]:
    return [a.written.correctness - b.written.correctness for a, b in zip(one, other, strict=True)]


def _shown(interval: Interval) -> str:
    return f"{interval.mean:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"
