"""`nightshift demo`: the whole loop on the sample handbook, top to bottom, each step timed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table

from bot.commands.ask import question_as, show_answer
from bot.commands.context import Options, opened, progress_bars, settings_of
from bot.commands.ingest import run_sync, show_report
from bot.commands.nights import run_supervised
from bot.errors import SettingsError

if TYPE_CHECKING:
    from bot.answer import Answer
    from bot.assembly import Nightshift
    from bot.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
QUESTIONS = (
    "how much can I spend on a hotel in Amsterdam?",
    "what do I get for a desk and a chair at home?",
    "does the company match what I put into my pension?",
)
TO_WRITE = "how many days of paid leave do I have?"  # one that no vote is about
VOTER = "demo"

# A night small enough for two cores and a few minutes; the rest are the defaults.
_SETTINGS = """\
# Written by `nightshift demo`; try: nightshift --config {here} chat
data_dir = "{data_dir}"

[[sources]]
path = "{handbook}"

[answer]
human = "#people-team"

[pairs]
held_out_percent = 40

[training]
epochs = 4
learning_rate = 5e-4
"""


@dataclass
class _Clock:
    """Says what is done, and how long each step took."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.console.rule(f"[bold]{len(self.seconds) + 1}. {name}", align="left")
        begun = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begun
        self.console.print(f"[dim]{self.seconds[name]:.1f} s[/]\n")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(context: typer.Context) -> None:
    """Show the whole loop on the sample handbook: ingest, ask, vote, train, gate, ask again.

    Needs no Slack, no server, no GPU; takes a few minutes on two cores. What it writes goes to
    --data-dir, and what an earlier demo wrote there is replaced.
    """
    console = Console(highlight=False)
    context.obj, settings = _prepared(context)
    clock = _Clock(console)
    with opened(settings) as nightshift:
        with clock.step("Index the sample handbook"):
            show_report(run_sync(nightshift, list(settings.sources), console), console)
        with clock.step("Ask three questions"):
            for text in QUESTIONS:
                _ask(nightshift, text, console)
        with clock.step("Prepare the language model (once)"):
            _warm(nightshift, console)
        with clock.step("Record votes"):
            _vote(nightshift, console)
        with clock.step("One night: pairs, fine-tune, gate"):
            night = run_supervised(context, settings).report
            console.print(Markdown(str(night.get("markdown") or night.get("reason") or "")))
        with clock.step("Ask again"):
            console.print("As the settings say (answer.style = auto):\n")
            _ask(nightshift, QUESTIONS[0], console)
            console.print(
                "Asked for the new adapter's own words, which auto waits for until they beat "
                "quotes:\n"
            )
            answer = _ask(nightshift, TO_WRITE, console, style="written")
            if answer.style == "quoted":
                console.print("No page bore out a sentence that it wrote; so the page is quoted.\n")
    _show_end(clock, night, settings, context.obj, console)


def _prepared(context: typer.Context) -> tuple[Options, Settings]:
    """Return options and settings of the demo, in a folder without an earlier demo's data."""
    if not (EXAMPLES / "handbook").is_dir():
        raise SettingsError(
            "The sample handbook isn't here.", "Run the demo in a clone of the repository."
        )
    data_dir = settings_of(context).data_dir.resolve()
    file = data_dir / "nightshift.toml"
    if file.exists():
        for part in ("index", "adapters", "reports"):
            shutil.rmtree(data_dir / part, ignore_errors=True)
        for database in data_dir.glob("nightshift.db*"):
            database.unlink()
    elif data_dir.exists() and any(data_dir.iterdir()):
        raise SettingsError(
            f"The folder {data_dir} holds other data.", "Choose another with --data-dir."
        )
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file.write_text(
            _SETTINGS.format(
                here=file, data_dir=data_dir.as_posix(), handbook=(EXAMPLES / "handbook").as_posix()
            ),
            encoding="utf-8",
        )
    except OSError as error:
        raise SettingsError(
            f"The folder {data_dir} can't be written: {error.strerror}.",
            "Choose another with --data-dir.",
        ) from error
    context.obj = Options(config=file)
    return context.obj, settings_of(context)


def _ask(nightshift: Nightshift, text: str, console: Console, style: str = "") -> Answer:
    from bot.answer import Answer  # brings LangChain, a second of imports

    console.print(f"[bold cyan]?[/] [bold]{text}[/]")
    events = nightshift.ask(question_as(text, [], style))
    answer = next(event for event in events if isinstance(event, Answer))
    show_answer(answer, console)
    how = "refused" if answer.refused else answer.style
    by = f" by adapter {answer.adapter}" if answer.adapter else ""
    first, total = answer.timings["first"], answer.timings["total"]
    console.print(f"[dim]{how}{by}; first words after {first:.2f} s, all after {total:.2f} s[/]\n")
    return answer


def _warm(nightshift: Nightshift, console: Console) -> None:
    with progress_bars(console) as bars:
        task = bars.add_task("Loading", total=1.0, note="")
        nightshift.on_model_progress = lambda fraction: bars.update(task, completed=fraction)
        nightshift.engine.warm()
    console.print(f"[green]✓[/] {nightshift.engine.status().model}")


def _vote(nightshift: Nightshift, console: Console) -> None:
    """Ask the example questions, and let people say what a good answer would have been.

    Only where the right page was among the sources: else the pair would teach to invent.
    """
    from bot.answer import Answer

    lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    examples = [each for each in map(json.loads, lines) if each["answer"]]
    good = 0
    with progress_bars(console) as bars:
        for example in bars.track(examples, description="Asking and voting"):
            events = nightshift.ask(question_as(example["question"], []))
            answer = next(event for event in events if isinstance(event, Answer))
            found = {source.chunk.path for source in answer.sources}
            if answer.refused or found.isdisjoint(example["sources"]):
                nightshift.feedback.vote(answer.id, VOTER, -1, "The right page isn't here.")
                continue
            good += 1
            nightshift.feedback.vote(answer.id, VOTER, 1)
            correction = nightshift.feedback.correct(answer.id, VOTER, example["answer"])
            nightshift.feedback.review_correction(correction.id, approve=True, reviewer=VOTER)
    console.print(
        f"[green]✓[/] {good} thumbs up, each with the answer a colleague would have written, "
        f"reviewed and approved; {len(examples) - good} thumbs down: the right page wasn't shown."
    )


def _show_end(
    clock: _Clock,
    night: Mapping[str, Any],
    settings: Settings,
    options: Options,
    console: Console,
) -> None:
    table = Table("step", "seconds", title="Time", title_justify="left")
    for step, seconds in clock.seconds.items():
        table.add_row(step, f"{seconds:.1f}")
    table.add_row("all", f"{sum(clock.seconds.values()):.1f}", style="bold")
    console.print(table)
    console.print(f"The night: {night.get('outcome')}. {night.get('reason')}", markup=False)
    console.print(f"Its report: {settings.data_dir / 'reports'}", markup=False)
    command = f"nightshift --config {options.config}"
    console.print(
        Panel(
            f"{command} chat\n{command} status\n{command} serve\n"
            "nightshift ingest YOUR-DOCUMENTS && nightshift chat",
            title="What next",
            title_align="left",
        )
    )
