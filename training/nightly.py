"""The night, top to bottom: pairs → adapter → gate → promote or keep → report."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from training.adapters import AdapterManifest, AdapterRegistry
from training.base_model import LoadedModel, load_base_model
from training.dataset import prepare_examples
from training.durable import write_text
from training.errors import AdapterError, FinetuneError, TrainingError, where_raised
from training.evaluate import evaluate
from training.finetune import FinetuneResult, finetune
from training.gate import Decision, decide
from training.night_plan import NightSettings, Plan, estimated_seconds, inputs_of, plan_night
from training.pairs import TrainingPairs
from training.report import (
    NightReport,
    Outcome,
    examples_of,
    means_of,
    report_json,
    report_markdown,
    report_svg,
)
from training.scoring import PairScore
from training.settings import TrainingSettings

logger = logging.getLogger(__name__)

Progress = Callable[[str, float], None]


def run_night(
    selection: TrainingPairs,
    registry: AdapterRegistry,
    settings: NightSettings,
    data_dir: Path,
    now: datetime | None = None,
    dry_run: bool = False,
    on_progress: Progress = lambda step, fraction: None,
) -> NightReport:
    """Run one night and write its report to ``data_dir/reports``; whatever fails, live stays.

    Args:
        selection: What may be used now, from ``PairStore.selection``.
        registry: Where adapters are kept.
        settings: The model, the training, and whether private pairs may be used.
        data_dir: Gets ``reports/<night>.md``, ``.json`` and, with scores, ``.svg``.
        now: The start, for the night's name.
        dry_run: Say what would happen; nothing is loaded, trained or written.
        on_progress: Gets the name of the step and the fraction of it that is done, in [0, 1].

    Returns:
        The report; a failure is an outcome, not an error.
    """
    started = (now or datetime.now(UTC)).astimezone(UTC)
    report = NightReport(
        night=started.strftime("%Y%m%d-%H%M%S"),
        started_at=started,
        outcome=Outcome.SKIPPED,
        reason="",
        model=settings.model.name,
    )
    clock = _Clock(on_progress, settings.training.max_hours * 3600)
    try:
        live = registry.current()
        plan = plan_night(selection, live, registry.list(), settings)
        report = replace(
            report,
            counts=plan.counts,
            left_out=plan.left_out,
            live=live.version if live else None,
            reason=plan.objection,
        )
        if dry_run and not plan.objection:
            report = _planned(report, plan, registry, settings.training)
        elif not plan.objection:
            report = _train_and_judge(report, plan, registry, settings, data_dir, clock)
    except TrainingError as error:
        report = _failed(report, f"{error.problem} {error.mend}".strip())
    except (OSError, MemoryError, RuntimeError, ValueError) as error:
        # PyTorch raises RuntimeError for most of its troubles; the live adapter is untouched.
        details = logger.isEnabledFor(logging.DEBUG)
        logger.error("the night failed: %s", where_raised(error), exc_info=details)
        report = _failed(report, f"An unexpected {type(error).__name__}; the log has the details.")
    report = replace(report, seconds=dict(clock.seconds))
    return report if dry_run else _written(report, data_dir)


def _train_and_judge(
    report: NightReport,
    plan: Plan,
    registry: AdapterRegistry,
    settings: NightSettings,
    data_dir: Path,
    clock: _Clock,
) -> NightReport:
    training = settings.training
    with clock.step("load the model") as progress:
        loaded = load_base_model(settings.model, data_dir, progress)
    report = replace(report, model=loaded.identity)
    parent = _parent(registry, plan.parent, loaded)
    with clock.step("answer as live") as progress:
        before = evaluate(loaded, plan.held_out, parent, progress)

    version = registry.new_version()
    staging = registry.staging(version)
    try:
        longest = min(training.max_sequence_tokens, loaded.context_tokens)
        examples, dropped = prepare_examples(loaded.tokenizer, plan.train, longest)
        with clock.step("train") as progress:
            result = finetune(
                *(loaded, examples, training, staging),
                on_progress=lambda step: progress(step.step / step.steps),
                parent=parent,
            )
        with clock.step("answer as candidate") as progress:
            after = evaluate(loaded, plan.held_out, staging, progress)
        decision = decide(before, after, training)
        with clock.step("publish"):
            manifest = _manifest(plan, settings, loaded, result, decision)
            registry.publish(version, replace(manifest, scores=_figures(before, after)))
            outcome, reason = _promoted_or_kept(registry, version, report.live, decision)
            registry.prune(training.keep_adapters)
    finally:
        registry.discard(version)  # whatever was not published
    return replace(
        report,
        outcome=outcome,
        reason=reason,
        candidate=version,
        decision=decision,
        counts={**plan.counts, "used": len(examples)},
        left_out={**plan.left_out, **Counter(each.reason for each in dropped)},
        before=means_of(before),
        after=means_of(after),
        quoting=means_of(after, quoting=True),
        losses=(result.loss_first, result.loss_last),
        examples=examples_of(before, after),
    )


def _planned(
    report: NightReport, plan: Plan, registry: AdapterRegistry, training: TrainingSettings
) -> NightReport:
    return replace(
        report,
        outcome=Outcome.PLANNED,
        reason="The night would train a candidate and let the gate judge it.",
        estimated_seconds=estimated_seconds(plan, registry.list(), training),
    )


def _parent(
    registry: AdapterRegistry, live: AdapterManifest | None, loaded: LoadedModel
) -> Path | None:
    """Return the folder of the live adapter after checking that it is whole and fits."""
    if live is None:
        return None
    if live.base_model != loaded.identity:
        raise AdapterError(
            f"The live adapter {live.version} was made for {live.base_model}, "
            f"and the base model is {loaded.identity} now.",
            "Run `nightshift adapters rollback` to go back to the bare model.",
        )
    registry.verify(live.version)
    return registry.path(live.version)


def _manifest(
    plan: Plan,
    settings: NightSettings,
    loaded: LoadedModel,
    result: FinetuneResult,
    decision: Decision,
) -> AdapterManifest:
    earlier = plan.parent.trained_on if plan.parent else ()
    return AdapterManifest(
        version="",  # the registry fills it in
        base_model=loaded.identity,
        parent=plan.parent.version if plan.parent else None,
        created_at=datetime.now(UTC),
        trained_on=tuple(sorted({*earlier, *(pair.id for pair in plan.train)})),
        pair_counts=plan.counts,
        inputs={
            **inputs_of(plan, settings),
            "tokens_per_second": result.tokens / max(result.seconds, 1e-3),
            "losses": list(result.losses),
        },
        writes_better=decision.writes_better,
        decision=decision.reason,
    )


def _figures(before: Sequence[PairScore], after: Sequence[PairScore]) -> dict[str, float]:
    named = {
        "live": means_of(before),
        "candidate": means_of(after),
        "quoting": means_of(after, quoting=True),
    }
    figures = {
        f"{name} {figure}": value
        for name, means in named.items()
        for figure, value in asdict(means).items()
    }
    return {name: value for name, value in figures.items() if value is not None}


def _promoted_or_kept(
    registry: AdapterRegistry, version: str, live: str | None, decision: Decision
) -> tuple[Outcome, str]:
    standing = registry.current()
    if decision.promote and (standing.version if standing else None) != live:
        changed = "Somebody changed the live adapter in the meantime, so it was not promoted."
        return Outcome.KEPT, f"{decision.reason} {changed}"
    if not decision.promote:
        return Outcome.KEPT, decision.reason
    registry.promote(version)
    return Outcome.PROMOTED, decision.reason


def _failed(report: NightReport, reason: str) -> NightReport:
    return replace(report, outcome=Outcome.FAILED, reason=reason)


def _written(report: NightReport, data_dir: Path) -> NightReport:
    """Write the report's files; a full disk must not turn a promoted adapter into an error."""
    folder = data_dir / "reports"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / f"{report.night}.json", report_json(report))
        picture = report_svg(report)
        if picture:
            write_text(folder / f"{report.night}.svg", picture)
        write_text(folder / f"{report.night}.md", report_markdown(report))
    except OSError as error:
        logger.error("the night's report can't be written: %s", error.strerror)
        note = f"The report can't be written to {folder}: {error.strerror}."
        return replace(report, reason=f"{report.reason} {note}")
    return report


@dataclass
class _Clock:
    """Times the steps, passes on their progress, and ends a night that takes too long."""

    on_progress: Progress
    limit: float
    seconds: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[float], None]]:
        def progress(fraction: float) -> None:
            if time.monotonic() - self.begun > self.limit:
                raise FinetuneError(
                    f"The night took longer than {self.limit / 3600:g} hours and was ended.",
                    "Raise training.max_hours, or lower training.epochs.",
                )
            self.on_progress(name, fraction)

        begun = time.monotonic()
        progress(0.0)
        try:
            yield progress
            self.on_progress(name, 1.0)
        finally:
            self.seconds[name] = time.monotonic() - begun
