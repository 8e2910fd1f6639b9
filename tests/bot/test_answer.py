"""The chain over real parts: MiniLM, LanceDB, SQLite, and a model behind a real HTTP server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.answer import Answer, Question
from bot.assembly import Nightshift
from bot.commands.context import say
from bot.commands.ingest import run_sync
from bot.conversation import Turn
from bot.curation import usable_pairs
from bot.errors import ModelError, QuestionError
from bot.prompt import UNKNOWN
from bot.recording import answer_json, record_of
from bot.respond import AnswerText
from bot.settings import Settings
from bot.support import Confidence
from ingestion.access import reader_named
from ingestion.settings import SourceSettings
from tests.bot.openai_server import OpenAIServer, openai_server
from training.records import Audience
from training.settings import ModelSettings

pytestmark = pytest.mark.slow

TRAVEL = """# Travel

## Hotels

The limit for a hotel is 150 euros a night, breakfast included. In London it is 210 euros.

## Money back

Send claims in Pennywise by the 5th of the month. Finance does not pay claims older than 90 days.

| city | limit |
|---|---|
| Utrecht | 150 |
| London | 210 |
"""
SALARY = (
    "---\nallow: [hr]\n---\n# Salary bands\n\nA senior engineer earns 71,000 to 84,000 euros.\n"
)
LEAVE = "# Time off\n\nYou have 25 days of holiday a year. Unused days lapse on 31 March.\n"
GERMAN = (
    "# Büro Berlin\n\nDas Büro in Berlin öffnet um 8 Uhr. Besucher melden sich am Empfang an.\n"
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    docs = folder / "docs"
    docs.mkdir()
    for name, text in {"travel": TRAVEL, "salary": SALARY, "leave": LEAVE, "b": GERMAN}.items():
        (docs / f"{name}.md").write_text(text, encoding="utf-8")
    nightshift = Nightshift(Settings(data_dir=folder))
    report = run_sync(nightshift, [SourceSettings(path=docs)], say())
    assert report.added == 4
    nightshift.close()
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with openai_server() as running:
        yield running


@pytest.fixture(scope="module")
def nightshift(data_dir: Path, server: OpenAIServer) -> Iterator[Nightshift]:
    model = ModelSettings(name="openai:phi-4-mini", base_url=server.url)
    opened = Nightshift(Settings(data_dir=data_dir, model=model))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _well(server: OpenAIServer) -> None:
    server.fault, server.hold_after = "", 0
    server.requests.clear()


def ask(nightshift: Nightshift, text: str, style: str = "quoted", *names: str) -> Answer:
    question = Question(text, reader=reader_named(names), style=style)
    *pieces, answer = nightshift.ask(question)
    assert isinstance(answer, Answer)
    assert "".join(p.text for p in pieces if isinstance(p, AnswerText)) == answer.text
    return answer


def ask_public(nightshift: Nightshift, text: str) -> Answer:
    question = Question(text, audience=Audience.PUBLIC, style="quoted")
    return next(event for event in nightshift.ask(question) if isinstance(event, Answer))


def test_a_quote_is_verbatim_and_names_its_place(nightshift: Nightshift) -> None:
    answer = ask(nightshift, "What may a hotel cost?")
    first = answer.sources[0]
    assert "**Travel › Hotels** [1]" in answer.text
    assert "150 euros a night" in answer.text
    assert first.text in first.chunk.text
    assert first.chunk.url.endswith("travel.md#hotels")
    assert (answer.style, answer.refused, answer.adapter) == ("quoted", False, "")


def test_a_table_is_quoted_whole(nightshift: Nightshift) -> None:
    answer = ask(nightshift, "by when must I send claims in Pennywise to get my money back?")
    assert "| city | limit |\n|---|---|\n| Utrecht | 150 |\n| London | 210 |" in answer.text


def test_what_nobody_wrote_down_is_refused_with_the_nearest_pages(nightshift: Nightshift) -> None:
    answer = ask(nightshift, "Who won the chess tournament in Reykjavik?")
    assert answer.refused
    assert answer.confidence is Confidence.NONE
    assert answer.text.startswith(UNKNOWN)
    assert answer.sources
    assert answer.messages == ()


def test_a_restricted_page_is_for_its_readers_only(nightshift: Nightshift) -> None:
    question = "What does a senior engineer earn?"
    for style in ("quoted", "written"):
        outsider = ask(nightshift, question, style)
        seen = [outsider.text, *(m.content for m in outsider.messages)]
        assert not any("71,000" in text for text in seen)
        assert all(source.chunk.path != "salary.md" for source in outsider.sources)
    insider = ask(nightshift, question, "quoted", "HR")
    assert "71,000" in insider.text
    record = record_of(insider, datetime.now(UTC))
    assert record.sources[0].restricted


def test_written_sentences_are_shown_with_the_source_that_bears_them_out(
    nightshift: Nightshift, server: OpenAIServer
) -> None:
    server.answer = (
        "The limit for a hotel is 150 euros a night. — Travel. In London it is 310 euros. "
        "Finance pays claims older than 90 days. Our chairman likes London hotels and good food."
    )
    answer = ask(nightshift, "What may a hotel cost?", "written")
    assert answer.text == "The limit for a hotel is 150 euros a night. [1]"
    assert (answer.style, answer.model) == ("written", "phi-4-mini")
    assert len(answer.sources) == 1
    assert "passage 1: Travel" in server.requests[0][0]["messages"][1]["content"]


def test_a_model_that_goes_round_in_circles_is_heard_once(
    nightshift: Nightshift, server: OpenAIServer
) -> None:
    london = "- In London it is 210 euros."
    said = f"Yes, the limit for a hotel is 150 euros a night, breakfast included.\n{london}"
    server.answer = f"{said} — Travel\n{london}\n</passage>\n{said}"
    answer = ask(nightshift, "What may a hotel cost?", "written")
    assert answer.text == (
        "The limit for a hotel is 150 euros a night, breakfast included. [1]\n"
        "- In London it is 210 euros. [1]"
    )


def test_a_model_that_has_said_it_all_is_not_waited_for(
    nightshift: Nightshift, server: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    said = "The limit for a hotel is 150 euros a night."
    server.answer = f"{said} {said} And so it goes on."
    server.hold_after = len(f"{said} {said} And so".split())  # what follows never comes
    answer = ask(nightshift, "What may a hotel cost?", "written")
    assert (answer.text, answer.model) == (f"{said} [1]", "phi-4-mini")
    assert "took too long" not in caplog.text


def test_an_unsupported_answer_falls_back_to_the_quote(
    nightshift: Nightshift, server: OpenAIServer
) -> None:
    server.answer = "Hotels may cost 900 dollars. See https://evil.example for more."
    answer = ask(nightshift, "What may a hotel cost?", "written")
    assert answer.style == "quoted"
    assert "150 euros a night" in answer.text
    assert "900" not in answer.text
    assert "evil" not in answer.text


def test_a_model_that_takes_too_long_is_cut_short_and_quoted(
    data_dir: Path, server: OpenAIServer
) -> None:
    server.fault = "slow"
    model = ModelSettings(name="openai:phi-4-mini", base_url=server.url, timeout_seconds=0.5)
    slow = Nightshift(Settings(data_dir=data_dir, model=model))
    answer = ask(slow, "What may a hotel cost?", "written")
    slow.close()
    assert answer.style == "quoted"
    assert "150 euros a night" in answer.text


def test_a_model_that_says_it_does_not_know_is_believed(
    nightshift: Nightshift, server: OpenAIServer
) -> None:
    server.answer = UNKNOWN
    answer = ask(nightshift, "What may a hotel in Tokyo cost?", "written")
    assert answer.refused
    assert answer.sources


@pytest.mark.parametrize("fault", ["401", "500", "cut", "garbage"])
def test_a_failing_model_is_an_error_with_a_mend_and_no_half_answer_is_kept(
    nightshift: Nightshift, server: OpenAIServer, fault: str
) -> None:
    kept = len(nightshift.feedback.recent("local", 1000))
    server.fault = fault
    with pytest.raises(ModelError) as caught:
        ask(nightshift, "What may a hotel cost?", "written")
    assert caught.value.mend
    assert "sk-123" not in caught.value.problem + caught.value.mend
    assert len(nightshift.feedback.recent("local", 1000)) == kept


def test_auto_quotes_with_a_local_model_until_an_adapter_has_earned_its_voice(
    nightshift: Nightshift, data_dir: Path, server: OpenAIServer
) -> None:
    server.answer = "The limit for a hotel is 150 euros a night."
    assert ask(nightshift, "What may a hotel cost?", "auto").style == "written"
    local = Nightshift(Settings(data_dir=data_dir))
    assert ask(local, "What may a hotel cost?", "auto").style == "quoted"
    assert "engine" not in vars(local)  # no model was loaded for a quote
    local.close()


def test_a_follow_up_is_searched_with_its_thread(nightshift: Nightshift) -> None:
    history = (Turn("How many days of holiday do I have?", "25 days.", "ada", ("cy",)),)
    question = Question("when do they lapse?", history=history, style="quoted", quoted=("eve",))
    answer = nightshift.answerer.answer(question)
    assert "31 March" in answer.text
    assert answer.question.text == "when do they lapse?"
    assert record_of(answer, datetime.now(UTC)).others_quoted == ("eve", "ada", "cy")


def test_any_language_is_found(nightshift: Nightshift) -> None:
    assert "8 Uhr" in ask(nightshift, "Wann öffnet das Büro in Berlin?").text


def test_an_answer_is_kept_with_its_provenance(nightshift: Nightshift) -> None:
    answer = ask(nightshift, "What may a hotel cost?")
    kept = nightshift.feedback.answer(answer.id)
    expected = record_of(answer, kept.asked_at)
    assert replace(kept, timings={}) == replace(expected, timings={})
    assert "Question: What may a hotel cost?" in kept.messages[-1].content
    assert kept.sources[0].text in answer.text
    assert answer_json(answer)["sources"][0]["path"] == "travel.md"


def test_all_that_the_model_read_is_kept_as_a_source(
    nightshift: Nightshift, server: OpenAIServer
) -> None:
    server.answer = "The limit for a hotel is 150 euros a night."
    answer = ask(nightshift, "What may a hotel cost?", "written")
    assert len(answer.sources) == 1
    kept = nightshift.feedback.answer(answer.id).sources
    assert len(kept) > 1
    assert all(source.text in answer.messages[-1].content for source in kept)


def test_pairs_of_a_page_that_was_restricted_or_rewritten_do_not_train(
    tmp_path: Path, server: OpenAIServer
) -> None:
    page = tmp_path / "docs" / "travel.md"
    page.parent.mkdir()
    settings = Settings(data_dir=tmp_path / "data")

    def usable(text: str) -> int:
        page.write_text(text, encoding="utf-8")
        fresh = Nightshift(settings)
        run_sync(fresh, [SourceSettings(path=page.parent)], say())
        if not fresh.feedback.recent("local"):
            answer = ask_public(fresh, "What may a hotel cost?")
            fresh.feedback.vote(answer.id, "ann", 1)
        chosen = usable_pairs(fresh)
        fresh.close()
        return len(chosen.train) + len(chosen.held_out)

    assert usable(TRAVEL) == 1
    assert usable(TRAVEL + "\nA new line at the end.\n") == 1
    assert usable(TRAVEL.replace("150 euros a night", "170 euros a night")) == 0
    assert usable("---\nallow: [hr]\n---\n" + TRAVEL) == 0
    assert usable(TRAVEL) == 1


def test_a_question_that_cannot_be_taken_is_refused_before_anything_is_searched(
    nightshift: Nightshift,
) -> None:
    with pytest.raises(QuestionError):
        ask(nightshift, "🙂")
