"""Which pairs a night uses, or why there is none. Pure."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from training.manifest import AdapterManifest
from training.pairs import TrainingPairs
from training.records import Pair
from training.rules import is_private
from training.settings import ModelSettings, PairSettings, TrainingSettings

_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_SECOND = 100.0  # the default model on two cores, until a night has measured it


@dataclass(frozen=True, slots=True)
class NightSettings:
    """All that decides a night besides its pairs."""

    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    pairs: PairSettings = field(default_factory=PairSettings)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which pairs a night uses.

    Attributes:
        parent: The live adapter, where it fits the base model, to go on from.
        new: Pairs that it has not seen. replayed: Older ones, against forgetting.
        left_out: Pairs by the reason why they aren't used.
        objection: Why the night should be skipped, or an empty string.
    """

    parent: AdapterManifest | None
    new: tuple[Pair, ...]
    replayed: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    left_out: dict[str, int]
    objection: str

    @property
    def train(self) -> tuple[Pair, ...]:
        """What is trained on."""
        return self.new + self.replayed

    @property
    def counts(self) -> dict[str, int]:
        """Pairs by use."""
        return {
            "new": len(self.new),
            "replayed": len(self.replayed),
            "held_out": len(self.held_out),
        }


def plan_night(
    selection: TrainingPairs,
    live: AdapterManifest | None,
    known: Sequence[AdapterManifest],
    settings: NightSettings,
) -> Plan:
    """Return which pairs the night uses, and why it should be skipped if it should.

    Args:
        selection: What may be used.
        live: The live adapter, or None.
        known: All adapters, to not repeat what was tried.
        settings: As for ``run_night``.
    """
    if live is not None and live.inputs.get("model") != settings.model.name:
        live = None  # made for another base model: the new one starts bare
    train = _allowed(selection.train, settings.pairs)
    held_out = _allowed(selection.held_out, settings.pairs)
    seen = set(live.trained_on) if live else set()
    new = [pair for pair in train if pair.id not in seen]
    older = sorted((pair for pair in train if pair.id in seen), key=lambda pair: pair.id)
    wanted = math.ceil(len(new) * settings.training.replay_percent / 100)
    # Drawn by the live version as well, so that each generation rehearses other pairs.
    draw = random.Random(f"{settings.training.seed}:{live.version if live else ''}")  # noqa: S311
    left_out = Counter(reason for _, reason in selection.removed)
    blocked = len(selection.train) + len(selection.held_out) - len(train) - len(held_out)
    if blocked:
        left_out["Not everyone may see it."] += blocked
    plan = Plan(
        parent=live,
        new=tuple(new),
        replayed=tuple(draw.sample(older, min(wanted, len(older)))),
        held_out=held_out,
        left_out=dict(left_out),
        objection="",
    )
    return replace(plan, objection=_objection(plan, known, settings))


def _objection(
    plan: Plan,
    known: Sequence[AdapterManifest],
    settings: NightSettings,
) -> str:
    training = settings.training
    if settings.model.is_remote:
        return f"'{settings.model.name}' is a model behind an API, which isn't trained here."
    if len(plan.new) < training.min_new_pairs:
        return (
            f"{len(plan.new)} new pairs to learn from; "
            f"{training.min_new_pairs} are needed (training.min_new_pairs)."
        )
    if len(plan.held_out) < training.min_held_out:
        return (
            f"{len(plan.held_out)} held-out questions to judge by; "
            f"{training.min_held_out} are needed (training.min_held_out)."
        )
    inputs = inputs_of(plan, settings)
    for manifest in known:
        tried = {name: manifest.inputs.get(name) for name in inputs}
        if manifest.parent == (plan.parent.version if plan.parent else None) and tried == inputs:
            return (
                f"The same pairs were tried as {manifest.version}, which isn't live. "
                f"The gate said of it: {manifest.decision}"
            )
    return ""


def _allowed(pairs: Sequence[Pair], settings: PairSettings) -> tuple[Pair, ...]:
    """The selection has left private pairs out already; weights know no ACL, so look again."""
    return tuple(p for p in pairs if settings.include_private or not is_private(p))


def inputs_of(plan: Plan, settings: NightSettings) -> dict[str, object]:
    """Return what a night hangs on; with the same inputs and parent it would only repeat."""
    return {
        "model": settings.model.name,
        "quantization": settings.model.quantization,
        "training": settings.training.model_dump(mode="json"),
        "train": sorted(pair.id for pair in plan.train),
        "held_out": sorted(pair.id for pair in plan.held_out),
    }


def estimated_seconds(
    plan: Plan, known: Sequence[AdapterManifest], training: TrainingSettings
) -> float:
    """Return about how long the training takes, at the speed of the last night that trained."""
    characters = sum(
        len(pair.answer) + sum(len(message.content) for message in pair.messages)
        for pair in plan.train
    )
    measured = [manifest.inputs.get("tokens_per_second") for manifest in known]
    rate = next((float(each) for each in measured if each), _TOKENS_PER_SECOND)
    return characters / _CHARACTERS_PER_TOKEN * training.epochs / rate
