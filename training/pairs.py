"""Votes to curated pairs: what is new, what changed, what is left out and why. Pure.

A pair belongs to the near-duplicate cluster of its question, and the cluster to one side of the
split. Both are fixed when the pair is made and never change: pairs are rejected, never deleted.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from training.records import Pair, PairStatus, RatedAnswer, Split
from training.rules import CountTokens, Verdict, is_private, judge
from training.settings import PairSettings
from training.similarity import NearDuplicates, normalise, shingles, tokens

_OUTDONE = "Another answer to the same question is better rated or newer reviewed."
_REPLACED = "A correction took its place, or was taken back."
_NEVER = datetime.min.replace(tzinfo=UTC)
_HOUSE_STYLE_CLUSTERS = 3
_SHORT_ANSWER = 8


@dataclass(frozen=True, slots=True)
class Curation:
    """What one curation would store.

    Attributes:
        new: Pairs that weren't there.
        changed: Pairs that were, with their new status, reason or votes.
        rejected: Ids of answers that make no pair, each with the reason.
    """

    new: tuple[Pair, ...]
    changed: tuple[Pair, ...]
    rejected: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TrainingPairs:
    """What a night trains on and judges by.

    Attributes:
        removed: Approved pairs that are used for neither, each with the reason.
    """

    train: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    removed: tuple[tuple[Pair, str], ...]


def curate(
    rated: Sequence[RatedAnswer],
    existing: Sequence[Pair],
    settings: PairSettings,
    count_tokens: CountTokens,
) -> Curation:
    """Judge every rated answer and return what that changes.

    A person's review stands against every rule. (Whoever opted out is left out all the same, when
    pairs are selected: see `PairStore.selection`.)

    Args:
        rated: All answers that people judged, with all their votes.
        existing: All pairs that are stored.
        settings: The rules' thresholds.
        count_tokens: Length of a text in the model's tokens.
    """
    stored = {pair.id: pair for pair in existing}
    judged = _judged(rated, settings, count_tokens)
    wanted = {
        pair_id: _with_verdict(stored.get(pair_id), *each) for pair_id, each in judged.items()
    }
    answers = {each.record.id for each in rated}
    for pair in existing:
        if pair.id not in wanted and not pair.reviewed_by and pair.answer_id in answers:
            wanted[pair.id] = replace(pair, status=PairStatus.REJECTED, reason=_REPLACED)
    wanted = {**stored, **wanted}
    wanted |= _outdone(wanted.values())
    fresh = [pair for pair_id, pair in wanted.items() if pair_id not in stored]
    return Curation(
        new=_placed([p for p in fresh if p.status != PairStatus.REJECTED], existing, settings),
        changed=tuple(p for p in wanted.values() if p.id in stored and p != stored[p.id]),
        rejected=tuple((p.answer_id, p.reason) for p in fresh if p.status == PairStatus.REJECTED),
    )


def training_pairs(
    pairs: Sequence[Pair], include_private: bool = False, near_duplicate: float = 0.85
) -> TrainingPairs:
    """Choose from approved pairs, and keep what is held out from being trained on.

    A training pair goes when its question or answer is a near-duplicate of a held-out one, or when
    it shares eight words in a row with one (thirteen characters in scripts without spaces). House
    style is spared: runs of words that occur in the answers to three or more clusters of questions
    and in no source of theirs.

    Args:
        pairs: Stored pairs of any status; only approved ones are used.
        include_private: Also use those that not everyone may see.
        near_duplicate: Similarity from which texts are the same.
    """
    removed: list[tuple[Pair, str]] = []
    usable: list[Pair] = []
    approved = sorted((p for p in pairs if p.status == PairStatus.APPROVED), key=_age)
    for pair in approved:
        if is_private(pair) and not include_private:
            removed.append((pair, "Not everyone may see it."))
        else:
            usable.append(pair)
    best = _best_by_question(usable)
    removed += [(pair, _OUTDONE) for pair in usable if best[normalise(pair.question)] != pair]
    usable = [pair for pair in usable if best[normalise(pair.question)] == pair]
    held_out = [pair for pair in usable if pair.split == Split.HELD_OUT]
    leaks = _Leaks(held_out, _house_style(usable), near_duplicate)
    train = []
    for pair in (pair for pair in usable if pair.split == Split.TRAIN):
        reason = leaks.reason(pair)
        if reason:
            removed.append((pair, reason))
        else:
            train.append(pair)
    return TrainingPairs(tuple(train), tuple(held_out), tuple(removed))


def split_of(cluster: str, held_out_percent: int) -> Split:
    """Return the side of a new cluster; it hangs on its name alone."""
    number = int.from_bytes(hashlib.blake2b(cluster.encode(), digest_size=8).digest(), "big")
    return Split.HELD_OUT if number % 100 < held_out_percent else Split.TRAIN


def pair_id(question: str, answer: str) -> str:
    """Return the id of a pair: a hash of both texts."""
    return hashlib.blake2b(f"{question}\x00{answer}".encode(), digest_size=16).hexdigest()


def _judged(
    rated: Sequence[RatedAnswer], settings: PairSettings, count_tokens: CountTokens
) -> dict[str, tuple[RatedAnswer, Verdict]]:
    """Return the verdicts by pair; of answers that make the same pair, the best one counts.

    People who were given the same text for the same question vote on one thing: votes are pooled.
    """
    up: Counter[str] = Counter()
    down: Counter[str] = Counter()
    for each in rated:
        served = pair_id(each.record.standalone, each.record.answer)
        up[served] += each.up
        down[served] += each.down
    order = (PairStatus.APPROVED, PairStatus.PENDING, PairStatus.REJECTED)
    found: dict[str, tuple[RatedAnswer, Verdict]] = {}
    for each in sorted(rated, key=lambda each: (each.record.asked_at, each.record.id)):
        served = pair_id(each.record.standalone, each.record.answer)
        pooled = replace(each, up=up[served], down=down[served])
        verdict = judge(pooled, settings, count_tokens)
        name = pair_id(each.record.standalone, verdict.answer)
        if name not in found or order.index(verdict.status) < order.index(found[name][1].status):
            found[name] = (pooled, verdict)
    return found


def _with_verdict(stored: Pair | None, rated: RatedAnswer, verdict: Verdict) -> Pair:
    """Return the pair under its new verdict; a stored one keeps its place, a new one has none."""
    if stored and stored.reviewed_by:
        return stored
    record, correction = rated.record, rated.correction
    return Pair(
        id=pair_id(record.standalone, verdict.answer),
        answer_id=record.id,
        question=record.standalone,
        messages=record.messages,
        answer=verdict.answer,
        quoted=quoted_text(rated),
        sources=record.sources,
        audience=record.audience,
        cluster=stored.cluster if stored else "",
        split=stored.split if stored else Split.TRAIN,
        status=verdict.status,
        reason=verdict.reason,
        votes_up=rated.up,
        votes_down=rated.down,
        created_at=stored.created_at if stored else record.asked_at,
        reviewed_at=correction.reviewed_at if correction else None,
    )


def quoted_text(rated: RatedAnswer) -> str:
    """Return what was shown by quoting, or would have been: each source's text once."""
    if rated.record.style == "quoted":
        return rated.record.answer
    return "\n\n".join(dict.fromkeys(source.text for source in rated.record.sources))


def _outdone(pairs: Iterable[Pair]) -> Mapping[str, Pair]:
    """Return the approved pairs that lose to another answer to the same question, rejected."""
    approved = [pair for pair in pairs if pair.status == PairStatus.APPROVED]
    best = _best_by_question(approved)
    return {
        pair.id: replace(pair, status=PairStatus.REJECTED, reason=_OUTDONE)
        for pair in approved
        if best[normalise(pair.question)] != pair and not pair.reviewed_by
    }


def _best_by_question(pairs: Iterable[Pair]) -> dict[str, Pair]:
    """Return, by normalised question, the pair reviewed last, else the better voted, else newer."""
    ranked = sorted(
        pairs,
        key=lambda pair: (
            pair.reviewed_at or _NEVER,
            pair.votes_up - pair.votes_down,
            pair.votes_up,
            pair.created_at,
            pair.id,
        ),
    )
    return {normalise(pair.question): pair for pair in ranked}  # the last of each stays


def _placed(
    fresh: Iterable[Pair], existing: Sequence[Pair], settings: PairSettings
) -> tuple[Pair, ...]:
    """Give each new pair the nearest cluster, or one of its own, and that cluster's side."""
    clusters: NearDuplicates[tuple[str, Split]] = NearDuplicates()
    for pair in sorted(existing, key=_age):
        clusters.add((pair.cluster, pair.split), pair.question)
    placed = []
    for pair in sorted(fresh, key=_age):
        near = clusters.nearest(pair.question, settings.near_duplicate)
        if near:
            cluster, split = near[0]
        else:
            cluster = pair_id(normalise(pair.question), "")
            split = split_of(cluster, settings.held_out_percent)
        clusters.add((cluster, split), pair.question)
        placed.append(replace(pair, cluster=cluster, split=split))
    return tuple(placed)


def _age(pair: Pair) -> tuple[datetime, str]:
    return (pair.created_at, pair.id)


class _Leaks:
    """Finds training pairs that would teach what is held out."""

    def __init__(
        self, held_out: Sequence[Pair], spared: frozenset[tuple[str, ...]], near: float
    ) -> None:
        self._near = near
        self._spared = spared
        self._questions: NearDuplicates[str] = NearDuplicates()
        self._answers: NearDuplicates[str] = NearDuplicates(by_words=True)
        self._shingles: set[tuple[str, ...]] = set()
        for pair in held_out:
            self._questions.add(pair.id, pair.question)
            own_words = self._own_words(pair.answer)
            if own_words:
                self._answers.add(pair.id, own_words)
            self._shingles |= shingles(pair.question) | shingles(pair.answer)

    def reason(self, pair: Pair) -> str:
        if self._questions.nearest(pair.question, self._near):
            return "Its question is nearly one that is held out."
        own_words = self._own_words(pair.answer)
        if own_words and self._answers.nearest(own_words, self._near):
            return "Its answer is nearly one that is held out."
        runs = shingles(pair.question) | shingles(pair.answer)
        if (runs & self._shingles) - self._spared:
            return "It shares a run of words with a pair that is held out."
        return ""

    def _own_words(self, answer: str) -> str:
        """Return the answer without house style, or nothing where too little is left to compare.

        Short answers ("Yes.", "25 days.") are alike without being the same knowledge.
        """
        words = tokens(answer)
        spared: set[int] = set()
        for length in {len(run) for run in self._spared}:
            for start in range(len(words) - length + 1):
                if words[start : start + length] in self._spared:
                    spared.update(range(start, start + length))
        own = [word for place, word in enumerate(words) if place not in spared]
        return " ".join(own) if len(own) >= _SHORT_ANSWER else ""


def _house_style(pairs: Sequence[Pair]) -> frozenset[tuple[str, ...]]:
    clusters: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for pair in pairs:
        for run in shingles(pair.answer) | shingles(pair.question):
            clusters[run].add(pair.cluster)
    common = {run for run, names in clusters.items() if len(names) >= _HOUSE_STYLE_CLUSTERS}
    texts = {source.text for pair in pairs for source in pair.sources} if common else set()
    return frozenset(common.difference(*(shingles(text) for text in texts)))
