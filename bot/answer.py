"""Question → Answer: the LangChain runnable standalone → retrieve → decide → prompt → respond."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda

from bot.attachments import hits_in, merged
from bot.conversation import Turn, clean_question, leant_on, standalone_question
from bot.passages import Passage, choose_passages
from bot.prompt import PromptPassage, render_prompt
from bot.respond import AnswerText, Response, quote, refuse, write
from bot.settings import AnswerSettings
from bot.support import DEFAULT_MIN_SUPPORT, Confidence, confidence_in
from bot.writer import Writer
from ingestion.documents import Chunk, Hit, Reader
from ingestion.embedding import Embedder
from ingestion.retrieval import Retriever
from training.records import Audience, Message

# How many hits are looked at to choose passages from.
_HITS = 10
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Question:
    """A question with everything that its answer depends on.

    Attributes:
        reader: Whose rights the search has: those of everybody who will see the answer.
        asker: Stable id of the person.
        audience: Whether the answer is public or private.
        conversation: Channel and thread, or the terminal session.
        style: Overrides the settings' style where not empty.
        sources: Names of the sources that may be searched; None for all.
        id: Of its answer, where that is known before; else a new one is made.
        attached: Chunks of files that came with it; they are searched for it alone.
        quoted: Whose words besides the asker's stand in the text.
    """

    text: str
    reader: Reader = field(default_factory=Reader)
    asker: str = "local"
    audience: Audience = Audience.PRIVATE
    conversation: str = ""
    history: tuple[Turn, ...] = ()
    style: str = ""
    sources: tuple[str, ...] | None = None
    id: str = ""
    attached: tuple[Chunk, ...] = ()
    quoted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, complete.

    Attributes:
        leans_on: The earlier turns whose questions stand in `standalone`.
        text: Markdown; ``[1]`` marks the first source.
        refused: The documents don't say. `sources` are then the nearest pages.
        shown: All passages that were quoted or that the model read, cited or not.
        style: "quoted" or "written"; a refusal has "quoted".
        adapter: Version that wrote it; "" for the bare base model or where nothing was written.
        messages: What the model read, or would have read.
        timings: Seconds by step; "first" is the time to the first piece of text.
    """

    id: str
    question: Question
    standalone: str
    leans_on: tuple[Turn, ...]
    text: str
    refused: bool
    confidence: Confidence
    style: str
    sources: tuple[Passage, ...]
    shown: tuple[Passage, ...]
    messages: tuple[Message, ...]
    index_generation: str
    model: str
    adapter: str
    timings: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _State:
    """What the steps hand on."""

    question: Question
    standalone: str = ""
    leans_on: tuple[Turn, ...] = ()
    hits: tuple[Hit, ...] = ()
    generation: str = ""
    confidence: Confidence = Confidence.NONE
    passages: tuple[Passage, ...] = ()
    messages: tuple[Message, ...] = ()
    style: str = "quoted"
    started: float = field(default_factory=time.monotonic)
    timings: Mapping[str, float] = field(default_factory=dict)

    def timed(self, step: str, since: float) -> _State:
        return replace(self, timings={**self.timings, step: time.monotonic() - since})


class Answerer:
    """Answers questions from the index, by quoting or by a model's words."""

    def __init__(
        self, retriever: Retriever, embedder: Embedder, writer: Writer, settings: AnswerSettings
    ) -> None:
        self._retriever = retriever
        self._embedder = embedder
        self._writer = writer
        self._settings = settings
        self.chain: Runnable[Question, AnswerText | Answer] = (
            RunnableLambda(self._standalone)
            | RunnableLambda(self._retrieve)
            | RunnableLambda(self._decide)
            | RunnableLambda(self._prompt)
            | RunnableGenerator(self._respond)
        )

    def stream(self, question: Question) -> Iterator[AnswerText | Answer]:
        """Yield pieces of text as they are ready, then the whole answer.

        Raises:
            QuestionError: The question can't be taken.
            ModelError, IndexUnavailableError: A part can't answer now.
        """
        return self.chain.stream(question)

    def answer(self, question: Question) -> Answer:
        """Return the whole answer; raises as `stream` does."""
        for event in self.stream(question):
            if isinstance(event, Answer):
                return event
        raise AssertionError("the chain ends with an answer")

    def _standalone(self, question: Question) -> _State:
        cleaned = clean_question(question.text)
        leans_on = leant_on(cleaned, question.history)
        return _State(question, standalone_question(cleaned, leans_on), leans_on)

    def _retrieve(self, state: _State) -> _State:
        since = time.monotonic()
        generation = self._retriever.generation
        asked = state.question
        hits = self._retriever.search(state.standalone, asked.reader, _HITS, asked.sources)
        if asked.attached:
            near = hits_in(asked.attached, state.standalone, self._embedder)
            least = self._settings.min_support or DEFAULT_MIN_SUPPORT
            hits = merged(near, hits, least)[:_HITS]
        return replace(state, hits=tuple(hits), generation=generation).timed("retrieve", since)

    def _decide(self, state: _State) -> _State:
        since = time.monotonic()
        confidence = confidence_in(state.standalone, state.hits, self._settings.min_support)
        if confidence is Confidence.NONE:
            return replace(state, passages=_nearest(state.hits))
        query = self._embedder.embed_query(state.standalone)
        passages = choose_passages(
            state.hits,
            lambda texts: self._embedder.embed_documents(texts) @ query,
            self._settings.passages,
            self._settings.quote_words,
        )
        style = state.question.style or self._settings.style
        if style == "auto":
            style = "written" if self._writer.has_its_voice() else "quoted"
        chosen = replace(state, confidence=confidence, passages=passages, style=style)
        return chosen.timed("choose", since)

    def _prompt(self, state: _State) -> _State:
        """Render the messages also for a quote: a pair needs what the model would have read."""
        if state.confidence is Confidence.NONE:
            return state
        shown = [PromptPassage(p.chunk.title, p.chunk.heading, p.text) for p in state.passages]
        since = time.monotonic()
        counter = self._writer.counter(exact=state.style == "written")
        messages = render_prompt(state.standalone, shown, counter.count, counter.room)
        return replace(state, messages=messages).timed("prompt", since)

    def _respond(self, states: Iterator[_State]) -> Iterator[AnswerText | Answer]:
        for state in states:
            since = time.monotonic()
            first: float | None = None
            for event in self._responses(state):
                if isinstance(event, AnswerText):
                    first = first or time.monotonic() - state.started
                    yield event
                else:
                    timed = state.timed("respond", since).timed("total", state.started)
                    yield _finish(timed, event, first or timed.timings["total"])

    def _responses(self, state: _State) -> Iterator[AnswerText | Response]:
        fallback = partial(quote, state.passages, state.confidence)
        if state.confidence is Confidence.NONE:
            yield from refuse(state.passages, self._settings.human)
        elif state.style == "quoted":
            yield from fallback()
        else:
            with closing(self._writer.stream(state.messages)) as pieces:  # stops the model, too
                yield from write(
                    pieces,
                    state.passages,
                    state.standalone,
                    self._embedder,
                    fallback=fallback,
                    human=self._settings.human,
                )


def _nearest(hits: tuple[Hit, ...]) -> tuple[Passage, ...]:
    """Return the best chunk of each of the nearest pages."""
    by_page: dict[str, Hit] = {}
    for hit in hits:
        by_page.setdefault(hit.chunk.document_id, hit)
    nearest = list(by_page.values())[:_NEAREST]
    return tuple(Passage(hit, ((0, len(hit.chunk.text)),)) for hit in nearest)


def _finish(state: _State, response: Response, first: float) -> Answer:
    return Answer(
        id=state.question.id or uuid.uuid4().hex,
        question=state.question,
        standalone=state.standalone,
        leans_on=state.leans_on,
        text=response.text,
        refused=response.refused,
        confidence=Confidence.NONE if response.refused else state.confidence,
        style=response.style,
        sources=response.sources,
        shown=state.passages,
        messages=state.messages,
        index_generation=state.generation,
        model=response.model,
        adapter=response.adapter,
        timings={**state.timings, "first": first},
    )
