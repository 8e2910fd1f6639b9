"""Wires the parts together from the settings, each when it is first needed."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from langchain_core.language_models import BaseChatModel

from bot.answer import Answer, Answerer, Question
from bot.errors import SettingsError
from bot.metrics import count_answer
from bot.recording import record_of
from bot.respond import AnswerText
from bot.settings import Settings
from bot.writer import Writer
from ingestion.chunking import CHUNKER, chunk_document
from ingestion.documents import Chunk, Document
from ingestion.embedding import Embedder, open_embedder
from ingestion.index.opening import open_index, open_new_index
from ingestion.index.protocol import ChunkIndex, IndexMetadata
from ingestion.retrieval import Retriever
from training.adapters import AdapterRegistry
from training.database import open_database
from training.feedback import Feedback
from training.pair_store import PairStore

if TYPE_CHECKING:
    from bot.engine import Engine

OnFraction = Callable[[float], None]


class Nightshift:
    """The parts of one installation. Close it to give back files, threads and connections."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.on_model_progress: OnFraction | None = None

    @property
    def data_dir(self) -> Path:
        """The folder that everything is written to, made where needed.

        Raises:
            SettingsError: It can't be made or written.
        """
        folder = self.settings.data_dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".probe-{socket.gethostname()}"
            probe.touch()
            probe.unlink(missing_ok=True)  # another process tries the same
        except OSError as error:
            raise SettingsError(
                f"The data folder {folder} can't be written: {error.strerror}.",
                "Give yourself the right to write there, make room, or choose another --data-dir.",
            ) from error
        return folder.resolve()

    @cached_property
    def embedder(self) -> Embedder:
        """The embedding model."""
        return open_embedder(self.settings.embedding)

    @property
    def index_metadata(self) -> IndexMetadata:
        """By what the index must have been made."""
        chunking = self.settings.chunking
        return IndexMetadata(
            embedder=self.embedder.identity,
            dimensions=self.embedder.dimensions,
            chunker=f"{CHUNKER}:{chunking.max_tokens}:{chunking.min_tokens}",
            model=self.settings.embedding.model or "the packaged all-MiniLM-L6-v2",
        )

    @cached_property
    def index(self) -> ChunkIndex:
        """The store of chunks that is served."""
        return open_index(self.settings.index, self.data_dir, self.index_metadata)

    def new_index(self) -> ChunkIndex:
        """Return an empty index for a rebuild."""
        return open_new_index(self.settings.index, self.data_dir, self.index_metadata)

    def chunk(self, document: Document) -> list[Chunk]:
        """Cut a document as the settings say, and never longer than the embedder reads."""
        chunking = self.settings.chunking
        longest = min(chunking.max_tokens, self.embedder.max_tokens)
        return chunk_document(document, self.embedder.count_tokens, longest, chunking.min_tokens)

    @cached_property
    def retriever(self) -> Retriever:
        """Hybrid search over the index."""
        return Retriever(self.index, self.embedder, self.settings.retrieval)

    @cached_property
    def database(self) -> sa.Engine:
        """Answers, votes, pairs and nights."""
        if not self.settings.database.url:
            _ = self.data_dir
        return open_database(self.settings.database_url)

    @cached_property
    def feedback(self) -> Feedback:
        """Where answers and votes are recorded."""
        return Feedback(self.database)

    @cached_property
    def pairs(self) -> PairStore:
        """Where curated pairs are kept."""
        return PairStore(self.database)

    @cached_property
    def registry(self) -> AdapterRegistry:
        """The adapters, of which one may be live."""
        return AdapterRegistry(self.data_dir / "adapters")

    @cached_property
    def engine(self) -> Engine:
        """The local model; loaded at its first answer."""
        # Imported here, since a quoted answer needs none of it: seconds at each start.
        from bot.engine import Engine
        from training.base_model import load_base_model

        model = self.settings.model
        load = partial(load_base_model, model, self.data_dir, self.on_model_progress)
        return Engine(
            load,
            self.registry,
            queue_size=model.queue_size,
            timeout_seconds=model.timeout_seconds,
        )

    @cached_property
    def writer(self) -> Writer:
        """Who writes answers."""
        model = self.settings.model
        engine = None if model.is_remote else lambda: self.engine
        return Writer(self._chat_model, engine, self.registry, model)

    def _chat_model(self) -> BaseChatModel:
        from bot.chat_models import open_chat_model

        model = self.settings.model
        return open_chat_model(model, None if model.is_remote else self.engine)

    @cached_property
    def answerer(self) -> Answerer:
        """The chain from question to answer."""
        return Answerer(self.retriever, self.embedder, self.writer, self.settings.answer)

    def warm(self) -> None:
        """Load what the first answer would have to wait for.

        Raises:
            EmbeddingError, IndexUnavailableError, ModelError: A part can't be used.
        """
        self.embedder.embed_query("ready")
        _ = self.index.generation
        if not self.settings.model.is_remote and self.writer.has_its_voice():
            self.engine.warm()

    def ask(self, question: Question) -> Iterator[AnswerText | Answer]:
        """Stream an answer, and keep it with its provenance before its end is shown."""
        asked_at = datetime.now(UTC)
        for event in self.answerer.stream(question):
            if isinstance(event, Answer):
                self.feedback.record_answer(record_of(event, asked_at))
                count_answer(event.style, event.refused, event.timings)
            yield event

    def close(self) -> None:
        """Give back what was opened."""
        parts = self.__dict__
        if "engine" in parts:
            self.engine.close()
        if "index" in parts:
            self.index.close()
        if "database" in parts:
            self.database.dispose()
