"""The same questions answered from the passages, by heart, and both: for `bot/modes.py`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.answer import Question
from bot.errors import ModelError, QuestionError
from bot.known_questions import KnownQuestion
from bot.modes import Mode, Recommendation, recommend
from bot.prompt import render_question
from bot.recording import record_of
from bot.scores import holds, share
from ingestion.access import reader_named
from training.base_model import LoadedModel, load_base_model, render_messages
from training.dataset import prepare_examples
from training.errors import AdapterError
from training.evaluate import evaluate
from training.manifest import AdapterManifest
from training.pairs import pair_id
from training.records import Pair, PairStatus, Split
from training.scoring import PairScore
from training.similarity import NearDuplicates, normalise

if TYPE_CHECKING:
    from bot.assembly import Nightshift

QUOTES = "quotes"
_REFUSED = "no passage is near enough"
_TOO_LONG = "it doesn't fit into the model's context"
Step = Callable[[str], AbstractContextManager[Callable[[float], None]]]


@dataclass(frozen=True, slots=True)
class Costs:
    """What a mode takes.

    Attributes:
        prompt_tokens: Mean that the model reads for a question.
        seconds: For a question, eight at once, scoring included.
    """

    prompt_tokens: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the modes answered the same questions.

    Attributes:
        left_out: Questions by the reason why they weren't asked.
        scores, costs, holds_all: By mode; the last is the share with every required fact.
    """

    adapter: str
    trained_on: int
    left_out: Mapping[str, int]
    scores: Mapping[Mode, Sequence[PairScore]]
    costs: Mapping[Mode, Costs]
    holds_all: Mapping[str, float | None]
    recommendation: Recommendation


def compare(
    nightshift: Nightshift,
    known: Sequence[KnownQuestion],
    names: list[str],
    version: str,
    step: Step,
) -> Comparison:
    """Answer the questions in the three modes. Nothing is recorded.

    Args:
        names: On whose behalf the documents are searched.
        version: Of the adapter; "" for the live one.
        step: Called with the name of a step; gives what takes the fraction that is done.

    Raises:
        ModelError, AdapterError: There is no local model, no adapter, or it doesn't fit.
        QuestionError: No question is left to ask.
    """
    manifest = _adapter(nightshift, version)
    fresh, left_out = _not_trained_on(nightshift, manifest, known)
    asked = _with_passages(nightshift, fresh, names, step)
    left_out[_REFUSED] += len(fresh) - len(asked)
    if not asked:
        raise _nothing_left(left_out)
    with step("Loading the model") as progress:
        loaded = load_base_model(nightshift.settings.model, nightshift.data_dir, progress)
    fitting, _ = prepare_examples(
        loaded.tokenizer, [pair for _, pair in asked], loaded.context_tokens
    )
    fits = {example.pair_id for example in fitting}
    left_out[_TOO_LONG] += sum(pair.id not in fits for _, pair in asked)
    asked = [(each, pair) for each, pair in asked if pair.id in fits]
    if not asked:
        raise _nothing_left(left_out)
    pairs = [pair for _, pair in asked]
    scores, costs = _answered(loaded, pairs, nightshift.registry.path(manifest.version), step)
    return Comparison(
        adapter=manifest.version,
        trained_on=len(manifest.trained_on),
        left_out=+left_out,
        scores=scores,
        costs=costs,
        holds_all=_holds_all(asked, scores),
        recommendation=recommend(scores, nightshift.settings.training),
    )


def _nothing_left(left_out: Counter[str]) -> QuestionError:
    reasons = "; ".join(f"{count} ({reason})" for reason, count in (+left_out).items())
    return QuestionError(
        f"No question is left to compare by. Left out: {reasons}.",
        "Give questions with an 'answer' and 'sources' that no adapter has learnt from.",
    )


def _holds_all(
    asked: Sequence[tuple[KnownQuestion, Pair]], scores: Mapping[Mode, Sequence[PairScore]]
) -> dict[str, float | None]:
    facts = {pair.id: each.must_contain for each, pair in asked}
    texts: dict[str, dict[str, str]] = {
        mode: {score.pair_id: score.answer for score in each} for mode, each in scores.items()
    }
    texts[QUOTES] = {pair.id: pair.quoted for _, pair in asked}
    return {
        mode: share(all(holds(answers[key], facts[key])) for key in answers if facts[key])
        for mode, answers in texts.items()
    }


def _adapter(nightshift: Nightshift, version: str) -> AdapterManifest:
    if nightshift.settings.model.is_remote:
        raise ModelError(
            "A model behind an API has no adapter to compare.",
            "Compare with a local model: see model.name in the settings.",
        )
    chosen = version or nightshift.registry.live_version()
    if not chosen:
        raise AdapterError(
            "No adapter is live, so there is none to compare.",
            "Run 'nightshift train', or name one with --adapter (see 'nightshift adapters list').",
        )
    return nightshift.registry.verify(chosen)


def _not_trained_on(
    nightshift: Nightshift, manifest: AdapterManifest, known: Sequence[KnownQuestion]
) -> tuple[list[KnownQuestion], Counter[str]]:
    """Return the questions that can judge the adapter, and why the others can't."""
    learnt: NearDuplicates[str] = NearDuplicates()
    taught = set(manifest.trained_on)
    for pair in nightshift.pairs.list():
        if pair.id in taught:
            learnt.add(pair.id, pair.question)
    fresh: list[KnownQuestion] = []
    left_out: Counter[str] = Counter()
    for each in known:
        if not each.answerable or not each.answer:
            left_out["no answer is known to compare with"] += 1
        elif learnt.nearest(each.question, nightshift.settings.pairs.near_duplicate):
            left_out["the adapter has learnt from it, or from nearly the same"] += 1
        else:
            fresh.append(each)
    return fresh, left_out


def _with_passages(
    nightshift: Nightshift, known: Sequence[KnownQuestion], names: list[str], step: Step
) -> list[tuple[KnownQuestion, Pair]]:
    """Return each question with what the model would read; without those that are refused."""
    asked = []
    with step("Finding passages") as progress:
        for number, each in enumerate(known, 1):
            pair = _pair(nightshift, each, names)
            asked += [] if pair is None else [(each, pair)]
            progress(number / len(known))
    return asked


def _pair(nightshift: Nightshift, known: KnownQuestion, names: list[str]) -> Pair | None:
    """Return the question with what the model would read, or None where nothing is found."""
    answer = nightshift.answerer.answer(
        Question(known.question, reader=reader_named(names), style="quoted")
    )
    if answer.refused:
        return None
    record = record_of(answer, datetime.now(UTC))
    return Pair(
        id=pair_id(known.question, known.answer),
        answer_id=record.id,
        question=known.question,
        messages=record.messages,
        answer=known.answer,
        quoted=record.answer,
        sources=record.sources,
        audience=record.audience,
        cluster=normalise(known.question),
        split=Split.HELD_OUT,
        status=PairStatus.APPROVED,
        reason="",
        votes_up=0,
        votes_down=0,
        created_at=record.asked_at,
    )


def _answered(
    loaded: LoadedModel, pairs: Sequence[Pair], adapter: Path, step: Step
) -> tuple[dict[Mode, Sequence[PairScore]], dict[Mode, Costs]]:
    by_heart = [replace(pair, messages=render_question(pair.question)) for pair in pairs]
    rests_on = {
        Mode.RETRIEVAL: (pairs, None),
        Mode.FINE_TUNING: (by_heart, adapter),
        Mode.BOTH: (pairs, adapter),
    }
    scores: dict[Mode, Sequence[PairScore]] = {}
    costs: dict[Mode, Costs] = {}
    for mode, (given, folder) in rests_on.items():
        begun = time.monotonic()
        with step(f"Answering ({mode})") as progress:
            scores[mode] = evaluate(loaded, given, folder, progress)
        tokens = [len(render_messages(loaded.tokenizer, pair.messages, True)) for pair in given]
        costs[mode] = Costs(
            prompt_tokens=sum(tokens) / len(tokens),
            seconds=(time.monotonic() - begun) / len(given),
        )
    return scores, costs
