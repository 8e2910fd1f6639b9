"""Whether a candidate goes live: paired statistics on held-out questions. Pure.

Two tests must agree that the difference is above 0:

- the percentile bootstrap over question clusters (Efron & Tibshirani 1993, ch. 13; Koehn 2004,
  "Statistical significance tests for machine translation evaluation"), which gives the interval
  people read, and
- the sign-flip permutation test on the clusters' differences (Fisher 1935; Good 2005), one-sided
  at 1 - confidence. With a dozen questions or fewer the bootstrap alone says yes too often: its
  lower bound promises 2.5%, and in 600 simulated nights in which nothing had changed it was above 0
  in 4.5 to 8.5% with six questions, where both together said yes in 0.3 to 4.7%. The sign flip is
  exact at any size: without a change each difference is as likely negative as positive.

Likelihood alone never promotes: in a trial the loss fell 1.72 → 1.65 while answers' F1 fell
.194 → .139.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.scoring import PairScore
from training.settings import TrainingSettings

_RESAMPLES = 10_000
_EXACT_UP_TO = 13  # clusters: 2^13 sign patterns are all tried; beyond, they are drawn

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean difference with its bootstrap interval.

    Attributes:
        mean: Of the pairs' differences; above 0 the newcomer is better.
        low, high: Ends of the two-sided interval at the gate's confidence.
        p_value: One-sided, of the sign-flip test: how often chance alone does as well.
    """

    mean: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says of a candidate.

    Attributes:
        promote: Whether it goes live.
        reason: Why, for people.
        correctness: Candidate minus live, of the greedy answers' correctness.
        likelihood: Live minus candidate, of the references' loss in nats.
        writes_better: Whether the candidate's answers beat quoting, facts included.
        written_vs_quoted: Candidate minus quoting, of correctness.
    """

    promote: bool
    reason: str
    correctness: Interval
    likelihood: Interval
    writes_better: bool
    written_vs_quoted: Interval


def decide(
    live: Sequence[PairScore], candidate: Sequence[PairScore], settings: TrainingSettings
) -> Decision:
    """Return whether the candidate replaces what is live, and why.

    Args:
        live: Scores of the live adapter, or the bare base model, on the held-out pairs.
        candidate: Scores of the candidate on the same pairs in the same order.
        settings: Confidence, least number of held-out pairs, tolerated loss of F1.

    Raises:
        ValueError: The two sides were not scored on the same pairs.
    """
    if [score.pair_id for score in live] != [score.pair_id for score in candidate]:
        raise ValueError("live and candidate must be scored on the same pairs")
    compare = comparison([score.cluster for score in candidate], settings)
    correctness = compare(
        [c.written.correctness - old.written.correctness for old, c in _both(live, candidate)]
    )
    likelihood = compare([old.loss - c.loss for old, c in _both(live, candidate)])
    quoted = compare([c.written.correctness - c.quoting.correctness for c in candidate])
    f1 = float(
        np.mean([c.written.f1 - old.written.f1 for old, c in _both(live, candidate)] or [0.0])
    )
    against = _objection(len(live), correctness, likelihood, f1, settings)
    return Decision(
        promote=not against,
        reason=against or _praise(correctness, settings),
        correctness=correctness,
        likelihood=likelihood,
        writes_better=_writes_better(candidate, quoted, settings),
        written_vs_quoted=quoted,
    )


def _objection(
    pairs: int,
    correctness: Interval,
    likelihood: Interval,
    f1: float,
    settings: TrainingSettings,
) -> str:
    """Return why the candidate must not go live, or an empty string."""
    if pairs < settings.min_held_out:
        return (
            f"There are {pairs} held-out questions to judge by; {settings.min_held_out} are needed."
        )
    if not above_zero(correctness, settings):
        doubt = (
            f"which may be chance (p = {correctness.p_value:.3f})"
            if correctness.mean > 0
            else "so not better"
        )
        return (
            f"Its answers changed by {correctness.mean:+.3f} in correctness "
            f"({correctness.low:+.3f} to {correctness.high:+.3f}), {doubt}."
        )
    if likelihood.mean < 0:
        return (
            "Its answers score better, but it finds the reference answers less likely "
            f"({-likelihood.mean:+.3f} nats a token)."
        )
    if f1 < -settings.gate_max_f1_drop:
        return f"Its answers hold more facts, but their wording fell by {-f1:.3f} in F1."
    return ""


def _praise(correctness: Interval, settings: TrainingSettings) -> str:
    return (
        f"Its answers are better by {correctness.mean:+.3f} in correctness "
        f"({correctness.low:+.3f} to {correctness.high:+.3f} at "
        f"{settings.gate_confidence:.0%} confidence)."
    )


def _writes_better(
    candidate: Sequence[PairScore], quoted: Interval, settings: TrainingSettings
) -> bool:
    """Whether written answers may replace quotes.

    F1 favours a short answer over a long quote whatever it says, so the facts must hold as well:
    at least as many as the quote has, on enough pairs that have facts to check.
    """
    facts = [
        score.written.fact_recall - score.quoting.fact_recall
        for score in candidate
        if score.written.fact_recall is not None and score.quoting.fact_recall is not None
    ]
    if len(facts) < settings.min_held_out:
        return False
    return above_zero(quoted, settings) and float(np.mean(facts)) >= 0


def above_zero(interval: Interval, settings: TrainingSettings) -> bool:
    """Whether both tests say that a difference is above 0."""
    return interval.low > 0 and interval.p_value <= 1 - settings.gate_confidence


def comparison(
    clusters: Sequence[str], settings: TrainingSettings
) -> Callable[[Sequence[float]], Interval]:
    """Return a function that compares paired differences, resampling whole clusters.

    Paraphrases of one question rise and fall together: taken one by one they would count double.

    Args:
        clusters: Of each pair, in the order of the differences.
        settings: Confidence and seed.
    """
    names, member = np.unique(np.array(clusters, dtype=str), return_inverse=True)
    sizes = np.bincount(member, minlength=len(names)).astype(float)
    rng = np.random.default_rng(settings.seed)
    drawn = rng.integers(len(names), size=(_RESAMPLES, len(names))) if len(names) else None
    signs = _sign_patterns(len(names), rng)

    def compare(differences: Sequence[float]) -> Interval:
        if drawn is None:
            return Interval(0.0, 0.0, 0.0, 1.0)
        values: Array = np.asarray(differences, dtype=float)
        sums = np.bincount(member, weights=values, minlength=len(names))
        means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        tail = (1 - settings.gate_confidence) / 2
        low, high = np.quantile(means, [tail, 1 - tail])
        # A hair of tolerance: equal sums differ in their last bits by the order of adding.
        flipped = signs @ sums >= sums.sum() - 1e-9
        return Interval(float(values.mean()), float(low), float(high), float(flipped.mean()))

    return compare


def _sign_patterns(clusters: int, rng: np.random.Generator) -> Array:
    """Return rows of ±1, one column a cluster: all patterns, or for many clusters a sample.

    A sample always holds the pattern that was observed (all +1), so that p is never 0.
    """
    if clusters <= _EXACT_UP_TO:
        rows = np.arange(2**clusters)[:, None] >> np.arange(clusters)[None, :] & 1
        return np.where(rows == 1, -1.0, 1.0)
    signs = rng.choice([-1.0, 1.0], size=(_RESAMPLES, clusters))
    signs[0] = 1.0
    return signs


def _both(
    live: Sequence[PairScore], candidate: Sequence[PairScore]
) -> zip[tuple[PairScore, PairScore]]:
    return zip(live, candidate, strict=True)
