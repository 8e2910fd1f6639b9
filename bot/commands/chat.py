"""`nightshift chat`: a conversation in the terminal, where answers can be rated."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.markup import escape

from bot.commands.ask import As, Style, names_of, question_as, show_sources
from bot.commands.context import load_model_for, opened, say, settings_of
from bot.conversation import Turn
from bot.errors import PERSON_ERRORS
from bot.small_talk import SmallTalk, said_to, small_talk
from training.feedback import Feedback

if TYPE_CHECKING:
    from bot.answer import Answer, Question
    from bot.respond import AnswerText

PROMPT = "› "
# A follow-up leans on the last questions only.
_REMEMBERED = 8
# A page may hold a terminal's own commands; only line ends and tabs are let through.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Asks(Protocol):
    """Who answers; `bot.assembly.Nightshift` does."""

    @property
    def feedback(self) -> Feedback:
        """Where the votes go."""

    def ask(self, question: Question) -> Iterator[AnswerText | Answer]:
        """Stream an answer and keep it."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("chat")(chat)


def chat(
    context: typer.Context,
    names: As = None,
    style: Annotated[
        Style | None, typer.Option(help="quoted, written, or auto (the settings' choice).")
    ] = None,
) -> None:
    """Talk: questions, follow-ups, and votes that the nights learn from. /help says more.

    For instance: nightshift chat --as alice
    """
    settings = settings_of(context)
    given = names_of(names)
    on_terminal = sys.stdin.isatty()
    aside = say()
    with ExitStack() as stack:
        with aside.status("Loading…"):
            nightshift = stack.enter_context(opened(settings))
            empty = nightshift.index.count() == 0
            _ = nightshift.answerer
        if empty:
            aside.print("[yellow]Nothing is indexed yet.[/] Run: nightshift ingest DOCS")
        if on_terminal:
            aside.print("Ask a question. /help lists the commands, Ctrl-D leaves.", style="dim")
            if given:
                aside.print(
                    f"You ask as {escape(given[0])}: these answers are private and don't train.",
                    style="dim",
                )
        wanted = style.value if style else ""
        load_model_for(nightshift, wanted)
        talk = Chat(nightshift, given, wanted, Console(highlight=False))
        talk.run(_typed() if on_terminal else _piped())


class Chat:
    """A conversation: what was said, and the answer that a vote is about.

    Args:
        nightshift: Answers and takes the votes.
        names: The person's and their groups'; empty for everyone's rights.
        style: As in `Question`.
        console: Where all is shown.
    """

    def __init__(self, nightshift: Asks, names: list[str], style: str, console: Console) -> None:
        self._nightshift = nightshift
        self._names = names
        self._style = style
        self._console = console
        self._history: list[Turn] = []
        self._last: Answer | None = None
        self._vote: tuple[int, str] | None = None
        self._commands: dict[str, tuple[str, Callable[[str], None]]] = {
            "/good": ("the last answer was right", self._good),
            "/bad": ("REASON – it was wrong, or of no use", self._bad),
            "/correct": ("TEXT – what it should have said; a person reviews it", self._correct),
            "/sources": ("the passages behind the last answer, with their links", self._sources),
            "/help": ("this list", self._help),
        }

    def run(self, lines: Iterable[str]) -> None:
        """Take one line after another, until there are no more or one says /quit."""
        for line in lines:
            text = line.strip()
            if text in {"/quit", "/exit"}:
                return
            if text:
                self._handle(text)

    def _handle(self, text: str) -> None:
        try:
            if text.startswith("/"):
                self._command(text)
            else:
                self._ask(text)
        except PERSON_ERRORS as error:
            self._console.print(f"[bold red]Problem:[/] {escape(error.problem)}", soft_wrap=True)
            if error.mend:
                self._console.print(f"[bold green]Mend:[/] {escape(error.mend)}", soft_wrap=True)

    def _command(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        if name not in self._commands:
            known = ", ".join([*self._commands, "/quit"])
            self._print(f"There is no command {name}. There are: {known}.")
            return
        self._commands[name][1](rest.strip())

    def _ask(self, text: str) -> None:
        talk = small_talk(text)
        if talk in (SmallTalk.THANKS, SmallTalk.NOD):  # else it would lean on the last question
            self._print(said_to(talk, 0, ()))
            return
        # A question that fails leaves nothing to vote on: a vote must not go to the one before.
        self._last = self._vote = None
        question = question_as(text, self._names, self._style)
        events = self._nightshift.ask(replace(question, history=tuple(self._history)))
        try:
            answer = self._show(events)
        except KeyboardInterrupt:
            self._print("\nCancelled. Ctrl-D leaves.")
            return
        finally:
            _close(events)
        self._last = answer
        self._history = [*self._history, Turn(text, answer.text, question.asker)][-_REMEMBERED:]
        show_sources(answer, self._console)
        self._console.print()

    def _show(self, events: Iterator[AnswerText | Answer]) -> Answer:
        """Show the pieces as they come; return the whole answer."""
        if not self._console.is_terminal:
            return self._show_plainly(events)
        from bot.answer import Answer

        text = ""
        with Live(console=self._console, refresh_per_second=12) as live:
            for event in events:
                if isinstance(event, Answer):
                    live.update(Markdown(printable(event.text)))
                    return event
                text += event.text
                live.update(Markdown(printable(text)))
        raise AssertionError("an answer ends what is asked")

    def _show_plainly(self, events: Iterator[AnswerText | Answer]) -> Answer:
        from bot.answer import Answer

        for event in events:
            if isinstance(event, Answer):
                self._console.file.write("\n")
                return event
            self._console.file.write(printable(event.text))
            self._console.file.flush()
        raise AssertionError("an answer ends what is asked")

    def _good(self, _rest: str) -> None:
        self._rate(1, "")

    def _bad(self, reason: str) -> None:
        self._rate(-1, reason)

    def _rate(self, value: int, reason: str) -> None:
        answer = self._last
        if answer is None:
            self._print("There is no answer to rate yet.")
            return
        feedback = self._nightshift.feedback
        feedback.vote(answer.id, self._voter, value, reason)
        before, self._vote = self._vote, (value, reason)
        up, down = feedback.votes(answer.id)
        said = "thumbs-up" if value > 0 else "thumbs-down"
        if before is not None and before[0] == value and reason in ("", before[1]):
            self._vote = before
            self._print(f"Your {said} was counted already: {up} up, {down} down.")
            return
        self._print(f"Counted: your {said}. {up} up, {down} down.")
        if value < 0 and not reason:
            self._print("What was wrong? /bad REASON says so, /correct TEXT says it better.")

    def _correct(self, text: str) -> None:
        if self._last is None:
            self._print("There is no answer to correct yet.")
            return
        correction = self._nightshift.feedback.correct(self._last.id, self._voter, text)
        self._print(
            f"Kept as {correction.id[:10]}; it is {correction.status}. "
            "Review it with: nightshift pairs review ID --approve"
        )

    def _sources(self, _rest: str) -> None:
        if self._last is None or not self._last.sources:
            self._print("There are no sources to show.")
            return
        for number, source in enumerate(self._last.sources, 1):
            chunk = source.chunk
            heading = f" › {chunk.heading}" if chunk.heading else ""
            self._console.print(
                printable(f"[{number}] {chunk.title}{heading}"), markup=False, style="bold"
            )
            self._print(printable(source.text))
            self._console.print(printable(chunk.url), markup=False, style="dim", soft_wrap=True)

    def _help(self, _rest: str) -> None:
        for name, (meaning, _) in self._commands.items():
            self._print(f"{name:9} {meaning}")
        self._print(f"{'/quit':9} leave (or Ctrl-D); Ctrl-C stops an answer")

    @property
    def _voter(self) -> str:
        return self._names[0] if self._names else "local"

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def printable(text: str) -> str:
    """Return the text without what would command a terminal."""
    return _CONTROL.sub("", text)


def _close(events: Iterator[AnswerText | Answer]) -> None:
    """End a stream that nobody reads further, so that the model stops too."""
    close = getattr(events, "close", None)
    if close is not None:
        close()


def _typed() -> Iterator[str]:
    """Yield what is typed, with line editing; Ctrl-D and Ctrl-C at the prompt leave."""
    import readline  # noqa: F401 - makes input() edit lines and remember them

    while True:
        try:
            yield input(PROMPT)
        except (EOFError, KeyboardInterrupt):
            sys.stdout.write("\n")
            return


def _piped() -> Iterator[str]:
    yield from sys.stdin
