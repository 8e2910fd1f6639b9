"""`nightshift search` and `nightshift ask`: one question, or one a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape

from bot.commands.context import load_model_for, opened, settings_of
from bot.errors import PERSON_ERRORS
from ingestion.access import reader_named
from training.records import Audience

if TYPE_CHECKING:
    from bot.answer import Answer, Question
    from ingestion.documents import Hit

As = Annotated[
    list[str] | None,
    typer.Option("--as", help="Names of the person and their groups; repeat or use commas."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one line a question.")]
STDIN = "-"


class Style(StrEnum):
    """How an answer is given."""

    AUTO = "auto"
    WRITTEN = "written"
    QUOTED = "quoted"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("search")(search)
    app.command("ask")(ask)


def names_of(given: list[str] | None) -> list[str]:
    """Return the names given with --as, which may hold several each."""
    return [name for entry in given or () for name in entry.split(",") if name.strip()]


def question_as(text: str, names: list[str], style: str = "") -> Question:
    """Return a question from the terminal.

    Without a name only what everyone may read is searched, so the answer may train; with one it
    is private.
    """
    from bot.answer import Question

    return Question(
        text,
        reader=reader_named(names),
        asker=names[0] if names else "local",
        audience=Audience.PRIVATE if names else Audience.PUBLIC,
        conversation="terminal",
        style=style,
    )


def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="What to find; '-' reads one query a line.")],
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many passages.")] = 5,
    names: As = None,
    as_json: Json = False,
) -> None:
    """Show what retrieval alone finds, with scores.

    Example: nightshift search "travel budget" -k 3 --as alice --as hr
    """
    from bot.conversation import clean_question
    from bot.recording import hit_json

    reader = reader_named(names_of(names))
    if query != STDIN:
        clean_question(query)  # said at once, not after the models are loaded
    with opened(settings_of(context)) as nightshift:

        def find(text: str) -> list[Hit]:
            return nightshift.retriever.search(clean_question(text), reader, k)

        if query == STDIN:
            _each_line(lambda text: {"question": text, "hits": [hit_json(h) for h in find(text)]})
        elif as_json:
            _print_json({"question": query, "hits": [hit_json(hit) for hit in find(query)]})
        else:
            _show_hits(find(query), Console(highlight=False))


def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question; '-' reads one a line.")],
    names: As = None,
    style: Annotated[
        Style | None, typer.Option(help="quoted, written, or auto (the settings' choice).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a question from the documents, with sources.

    Example: nightshift ask "How many days of leave do I have?" --as alice
    """
    from bot.conversation import clean_question
    from bot.recording import answer_json

    if question != STDIN:
        clean_question(question)
    given = names_of(names)
    wanted = style.value if style else ""
    with opened(settings_of(context)) as nightshift:
        load_model_for(nightshift, wanted)

        def answer(text: str) -> Answer:
            from bot.answer import Answer

            events = nightshift.ask(question_as(text, given, wanted))
            return next(event for event in events if isinstance(event, Answer))

        if question == STDIN:
            _each_line(lambda text: answer_json(answer(text)))
        elif as_json:
            _print_json(answer_json(answer(question)))
        else:
            show_answer(answer(question), Console(highlight=False))


def show_answer(answer: Answer, console: Console) -> None:
    """Print an answer and its sources."""
    console.print(Markdown(answer.text))
    show_sources(answer, console)


def show_sources(answer: Answer, console: Console) -> None:
    """Print the numbered sources with their links."""
    console.print()
    for number, source in enumerate(answer.sources, 1):
        chunk = source.chunk
        console.print(f"[{number}] {chunk.place}", markup=False, style="bold")
        console.print(f"    {chunk.url}", markup=False, style="dim", soft_wrap=True)


def _show_hits(hits: list[Hit], console: Console) -> None:
    if not hits:
        console.print("Nothing was found. Has it been indexed? See: nightshift doctor")
    for number, hit in enumerate(hits, 1):
        scores = f"score {hit.score:.2f}, bm25 {_score(hit.bm25)}, dense {_score(hit.dense)}"
        console.print(f"[bold]{number}. {escape(hit.chunk.place)}[/]  [dim]{scores}[/]")
        console.print(f"   [dim]{escape(hit.chunk.url)}[/]", soft_wrap=True)
        console.print(f"   {escape(' '.join(hit.chunk.text.split())[:240])}")


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _each_line(answer: Callable[[str], dict[str, Any]]) -> None:
    """Answer each line with one line; one that can't be answered gets its error, and all go on."""
    for text in _lines():
        try:
            _print_json(answer(text))
        except PERSON_ERRORS as error:
            _print_json({"question": text, "error": error.problem, "mend": error.mend})


def _lines() -> Iterator[str]:
    for line in sys.stdin:
        yield line.rstrip("\r\n")


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
