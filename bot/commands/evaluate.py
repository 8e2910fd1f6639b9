"""`nightshift eval`: known questions asked, and how good retrieval and answers are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot.commands.ask import As, Style, names_of, question_as
from bot.commands.context import load_model_for, opened, progress_bars, say, settings_of
from bot.known_questions import KnownQuestion, read_known_questions
from bot.scores import (
    CUTS,
    AnswerScores,
    Outcome,
    RetrievalScores,
    score_answers,
    score_retrieval,
)

if TYPE_CHECKING:
    from bot.assembly import Nightshift
    from ingestion.documents import Chunk, Reader

# Ten pages may be hidden behind many chunks of one.
_CANDIDATES = 50


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval")(evaluate)


def evaluate(
    context: typer.Context,
    questions: Annotated[Path, typer.Argument(help="JSON lines, as in examples/questions.jsonl.")],
    style: Annotated[
        list[Style] | None, typer.Option(help="quoted, written or auto; repeat to compare.")
    ] = None,
    compare_modes: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Compare retrieval, fine-tuning and both instead, and recommend one.",
        ),
    ] = False,
    adapter: Annotated[
        str, typer.Option(help="With --compare: the adapter's version; the live one if not given.")
    ] = "",
    names: As = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Ask known questions and print the scores: pages found, facts held, refusals, times.

    Nothing is recorded. A page counts as found if its path ends like the one that is wanted.
    With --compare the model answers from the passages without the adapter, by heart with it, and
    from the passages with it. Questions that the adapter has learnt from are left out.
    """
    known = read_known_questions(questions)
    given = names_of(names)
    if compare_modes:
        _compare(context, known, given, adapter, as_json)
        return
    styles = [each.value for each in style or [Style.AUTO]]
    console = say()
    with opened(settings_of(context)) as nightshift:
        if nightshift.index.count() == 0:
            console.print("[yellow]Nothing is indexed yet.[/] Run: nightshift ingest DOCS")
        retrieval = _retrieval(nightshift, known, given, console)
        answers = {each: _answers(nightshift, known, given, each, console) for each in styles}
    if as_json:
        typer.echo(json.dumps(_as_json(retrieval, answers), ensure_ascii=False))
        return
    shown = Console(highlight=False)
    shown.print(_retrieval_table(retrieval))
    shown.print()
    shown.print(_answer_table(answers))


def _compare(
    context: typer.Context,
    known: list[KnownQuestion],
    names: list[str],
    adapter: str,
    as_json: bool,
) -> None:
    # Imported here: they bring PyTorch, which quotes and scores of retrieval do without.
    from bot.commands.compare import print_comparison, step
    from bot.comparison import compare

    with opened(settings_of(context)) as nightshift:
        comparison = compare(nightshift, known, names, adapter, step)
    print_comparison(comparison, as_json)


def _retrieval(
    nightshift: Nightshift, known: list[KnownQuestion], names: list[str], console: Console
) -> dict[str, RetrievalScores]:
    """Compare both legs alone with the fusion that the settings name, and with what is shipped."""
    from bot.conversation import clean_question
    from ingestion.access import reader_named

    reader = reader_named(names)
    found: dict[str, list[tuple[KnownQuestion, list[Chunk]]]] = {}
    with _counted(console, "Searching", [each for each in known if each.answerable]) as asked:
        for each in asked:
            for leg, chunks in _ranked(nightshift, clean_question(each.question), reader).items():
                found.setdefault(leg, []).append((each, chunks))
    return {leg: score_retrieval(results) for leg, results in found.items()}


def _ranked(nightshift: Nightshift, query: str, reader: Reader) -> dict[str, list[Chunk]]:
    from ingestion.retrieval import fuse

    settings = nightshift.settings.retrieval
    size = max(settings.candidates, _CANDIDATES)
    vector = nightshift.embedder.embed_query(query)
    candidates = nightshift.index.search(query, vector, reader, size)
    with_words = [candidate for candidate in candidates if candidate.bm25 is not None]
    weights = {
        "BM25": (with_words, 0.0),
        "dense": (candidates, 1.0),
        f"hybrid {settings.dense_weight:g}": (candidates, settings.dense_weight),
    }
    ranked = {leg: fuse(chosen, weight, size) for leg, (chosen, weight) in weights.items()}
    if settings.late_interaction:
        ranked["and late interaction"] = nightshift.retriever.search(query, reader, size)
    return {leg: [hit.chunk for hit in hits] for leg, hits in ranked.items()}


def _answers(
    nightshift: Nightshift,
    known: list[KnownQuestion],
    names: list[str],
    style: str,
    console: Console,
) -> AnswerScores:
    outcomes = []
    load_model_for(nightshift, style)
    with _counted(console, f"Answering ({style})", known) as asked:
        for each in asked:
            # Not a conversation, and nothing that should train: it isn't recorded.
            question = replace(question_as(each.question, names, style), conversation="eval")
            answer = nightshift.answerer.answer(question)
            timings = answer.timings
            outcomes.append(
                Outcome(each, answer.text, answer.refused, timings["first"], timings["total"])
            )
    return score_answers(outcomes)


@contextmanager
def _counted(
    console: Console, what: str, known: list[KnownQuestion]
) -> Iterator[Iterable[KnownQuestion]]:
    """Yield the questions behind a progress bar."""
    with progress_bars(console) as bars:
        task = bars.add_task(what, total=len(known), note="")

        def each() -> Iterator[KnownQuestion]:
            for question in known:
                yield question
                bars.advance(task)

        yield each()


def _retrieval_table(retrieval: dict[str, RetrievalScores]) -> Table:
    table = Table("pages found among the first", *map(str, CUTS), "evidence in 10", box=None)
    for leg, scores in retrieval.items():
        recalls = [_percent(scores.page_recall[k]) for k in CUTS]
        table.add_row(escape(leg), *recalls, _percent(scores.evidence_recall))
    return table


def _answer_table(answers: dict[str, AnswerScores]) -> Table:
    rows: dict[str, list[str]] = {
        "questions": [str(scores.questions) for scores in answers.values()],
        "hold every required fact": [_percent(s.holds_all) for s in answers.values()],
        "hold one of them": [_percent(s.holds_any) for s in answers.values()],
        "answerable, wrongly refused": [_percent(s.wrongly_refused) for s in answers.values()],
        "unanswerable, refused": [_percent(s.rightly_refused) for s in answers.values()],
        "seconds to the first piece, p50 / p95": [_seconds(s.first) for s in answers.values()],
        "seconds to the whole answer, p50 / p95": [_seconds(s.total) for s in answers.values()],
    }
    table = Table("answers", *answers, box=None)
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _seconds(p50_p95: tuple[float, float]) -> str:
    return " / ".join(f"{seconds:.2f}" for seconds in p50_p95)


def _as_json(
    retrieval: dict[str, RetrievalScores], answers: dict[str, AnswerScores]
) -> dict[str, Any]:
    return {
        "retrieval": {leg: asdict(scores) for leg, scores in retrieval.items()},
        "answers": {style: asdict(scores) for style, scores in answers.items()},
    }
