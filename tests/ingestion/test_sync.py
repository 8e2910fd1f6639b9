from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingestion.documents import Document, DocumentState, Reader, Section
from ingestion.embedding import OnProgress
from ingestion.errors import IndexUnavailableError, IngestionError
from ingestion.index.lance import LanceIndex
from ingestion.index.protocol import Vectors
from ingestion.locks import one_writer
from ingestion.plan import Listing, make_plan
from ingestion.settings import SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.sources.source import FailedItem, Source, SourceItem
from ingestion.sync import Progress, SyncReport, sync
from tests.ingestion.stores import METADATA, make_chunks, vector_of, vectors_for

ANYONE = Reader()
HR = Reader(frozenset({"hr"}))


class WordEmbedder:
    """An embedder without a model, which counts what it embeds."""

    identity = METADATA.embedder
    dimensions = METADATA.dimensions
    max_tokens = 256

    def __init__(self) -> None:
        self.embedded = 0
        self.largest = 0

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def embed_documents(
        self, texts: Sequence[str], on_progress: OnProgress | None = None
    ) -> Vectors:
        self.embedded += len(texts)
        self.largest = max(self.largest, len(texts))
        vectors: Vectors = np.stack([vector_of(text) for text in texts])
        if on_progress is not None:
            on_progress(len(texts))
        return vectors

    def embed_query(self, text: str) -> Vectors:
        return vector_of(text)

    def embed_tokens(self, texts: Sequence[str]) -> list[Vectors]:
        return [np.stack([vector_of(word) for word in text.split()]) for text in texts]


class Handbook:
    """A folder of pages, its source, index and embedder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "pages"
        self.root.mkdir(parents=True)
        self.index = LanceIndex(folder / "index", METADATA)
        self.embedder = WordEmbedder()
        self.progress: list[Progress] = []

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    @property
    def source(self) -> Source:
        return FolderSource(SourceSettings(path=self.root, name="pages"), max_file_mb=1)

    def sync(self, full: bool = False, batch_chunks: int = 4) -> SyncReport:
        return sync(
            [self.source],
            self.index,
            self.embedder,
            make_chunks,
            batch_chunks=batch_chunks,
            on_progress=self.progress.append,
            full=full,
        )

    def text_of(self, path: str, reader: Reader = ANYONE) -> str:
        return " ".join(c.text for c in self.index.document_chunks(f"pages:{path}", reader))


@pytest.fixture
def handbook(tmp_path: Path) -> Handbook:
    handbook = Handbook(tmp_path)
    for number in range(6):
        handbook.write(f"p{number}.md", f"# Page {number}\n\nText {number}.\n\n## More\n\nEnd.\n")
    return handbook


def counts(report: SyncReport) -> tuple[int, int, int, int, int]:
    return (
        report.added,
        report.updated,
        report.acl_changed,
        report.deleted,
        report.unchanged,
    )


def test_a_second_run_embeds_nothing(handbook: Handbook) -> None:
    first = handbook.sync()
    assert counts(first) == (6, 0, 0, 0, 0)
    assert first.chunks_embedded == handbook.index.count() == 12
    embedded, generation = handbook.embedder.embedded, handbook.index.generation
    second = handbook.sync()
    assert counts(second) == (0, 0, 0, 0, 6)
    assert second.chunks_embedded == 0
    assert handbook.embedder.embedded == embedded
    assert handbook.index.generation == generation


def test_each_kind_of_change_costs_only_itself(handbook: Handbook) -> None:
    handbook.sync()
    handbook.write("p0.md", "# Page 0\n\nQuite new.\n")
    handbook.write('ü/ny\'e "w".md', "# Neu\n\nGanz neu.\n")
    (handbook.root / "p1.md").unlink()
    report = handbook.sync()
    assert counts(report) == (1, 1, 0, 1, 4)
    assert report.chunks_embedded == 2
    assert handbook.text_of("p0.md") == "Quite new."
    assert handbook.text_of("p1.md") == ""
    assert handbook.text_of('ü/ny\'e "w".md') == "Ganz neu."


def test_an_acl_change_embeds_nothing(handbook: Handbook) -> None:
    handbook.sync()
    handbook.write(".access.toml", 'allow = ["hr"]\n')
    report = handbook.sync()
    assert counts(report) == (0, 0, 6, 0, 0)
    assert report.chunks_embedded == 0
    assert (handbook.text_of("p0.md"), handbook.text_of("p0.md", HR)) == ("", "Text 0. End.")
    assert counts(handbook.sync()) == (0, 0, 0, 0, 6)


def test_a_rule_that_is_broken_closes_what_is_stored_until_it_is_mended(
    handbook: Handbook,
) -> None:
    handbook.sync()
    handbook.write(".access.toml", "allow = {nobody = 1}\n")
    for _ in range(2):
        report = handbook.sync()
        assert len(report.failed) == 6
        assert all(failed.access_unknown and failed.mend for failed in report.failed)
        assert handbook.text_of("p0.md", HR) == handbook.text_of("p0.md") == ""
    (handbook.root / ".access.toml").unlink()
    assert handbook.sync().chunks_embedded == 0
    assert handbook.text_of("p0.md") == "Text 0. End."


def test_a_bad_file_is_withheld_and_the_run_goes_on(handbook: Handbook) -> None:
    handbook.sync()
    (handbook.root / "p0.md").write_bytes(b"\x00\x01\x02\xff" * 100)
    handbook.write("p1.md", "# Page 1\n\nChanged.\n")
    handbook.write("empty.md", "")
    report = handbook.sync()
    assert {failed.path for failed in report.failed} == {"p0.md", "empty.md"}
    assert all(failed.problem and failed.mend for failed in report.failed)
    assert handbook.text_of("p0.md") == ""  # its front matter may have named readers
    assert handbook.text_of("p1.md") == "Changed."
    handbook.write("p0.md", "# Page 0\n\nText 0. End.\n")
    handbook.sync()
    assert handbook.text_of("p0.md") == "Text 0. End."


def test_a_source_that_is_gone_or_suddenly_empty_deletes_nothing(handbook: Handbook) -> None:
    handbook.sync()
    hidden = handbook.root.with_name("elsewhere")
    handbook.root.rename(hidden)
    for _ in range(2):
        report = handbook.sync()
        assert (report.deleted, len(report.failed)) == (0, 1)
        assert report.failed[0].source == "pages"
        assert report.failed[0].mend
        assert handbook.index.count() == 12
        handbook.root.mkdir(exist_ok=True)


def test_a_folder_that_cannot_be_listed_closes_its_documents_and_deletes_none() -> None:
    states = {
        path: DocumentState(path, "s", path, "c", "a", 1, True)
        for path in ("s:sub/a.md", "s:submarine.md", "s:b.md")
    }
    unlisted = FailedItem("s:sub/", "s", "sub/", "no right", "Check it.", access_unknown=True)
    kept = SourceItem("s:b.md", "s", "b.md", frozenset("a"), "other", lambda: None)  # type: ignore[arg-type,return-value]
    plan = make_plan([Listing("s", (unlisted, kept), whole=True)], states)
    assert plan.closings == ["s:b.md", "s:sub/a.md"]
    assert plan.deletions == ["s:submarine.md"]


def test_other_sources_are_left_alone(handbook: Handbook, tmp_path: Path) -> None:
    handbook.sync()
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.md").write_text("# A\n\nB.\n", encoding="utf-8")
    source = FolderSource(SourceSettings(path=other), max_file_mb=1)
    report = sync([source], handbook.index, handbook.embedder, make_chunks)
    assert counts(report) == (1, 0, 0, 0, 0)
    assert handbook.index.count() == 13


def test_documents_that_a_kill_left_incomplete_are_stored_again(handbook: Handbook) -> None:
    handbook.sync()
    item = next(iter(handbook.source.items()))
    assert isinstance(item, SourceItem)
    half = make_chunks(item.read())[:1]
    handbook.index.put_documents(half, vectors_for(half))
    assert counts(handbook.sync()) == (0, 1, 0, 0, 5)
    assert handbook.text_of("p0.md") == "Text 0. End."


def test_everything_is_embedded_again_when_asked(handbook: Handbook) -> None:
    handbook.sync()
    embedded = handbook.embedder.embedded
    assert counts(handbook.sync(full=True)) == (0, 6, 0, 0, 0)
    assert handbook.embedder.embedded == 2 * embedded


def test_batches_are_small_and_progress_reaches_the_end(handbook: Handbook) -> None:
    handbook.sync(batch_chunks=4)
    assert handbook.embedder.largest == 4
    embedding = [p for p in handbook.progress if p.step == "embed"]
    assert [p.done for p in embedding] == sorted(p.done for p in embedding)
    assert (embedding[-1].done, embedding[-1].total) == (6, 6)
    assert handbook.progress[-1] == Progress("optimize", 1, 1)


class Swapped:
    """A source whose page changes content and access between two runs."""

    name = "swapped"

    def __init__(self, text: str, acl: frozenset[str], watched: LanceIndex | None = None) -> None:
        self.document = Document("swapped:a", "swapped", "a", "A", "u", (), acl, content_hash=text)
        self.text = text
        self.watched = watched
        self.seen_while_reading = -1

    def items(self) -> Iterator[SourceItem | FailedItem]:
        yield SourceItem("swapped:a", "swapped", "a", self.document.acl, self.text, self.read)

    def read(self) -> Document:
        if self.watched is not None:
            everyone_named = Reader(frozenset({"hr", "staff"}))
            self.seen_while_reading = len(self.watched.document_chunks("swapped:a", everyone_named))
        return replace(self.document, sections=(Section((), self.text),))


@pytest.mark.parametrize("new_acl", ["*", "staff"])
def test_old_content_is_closed_while_a_page_changes_content_and_access(
    handbook: Handbook, new_acl: str
) -> None:
    secret = Swapped("salaries", frozenset({"hr"}))
    public = Swapped("holidays", frozenset({new_acl}), watched=handbook.index)
    for source in (secret, public):
        sync([source], handbook.index, handbook.embedder, make_chunks)
    assert public.seen_while_reading == 0
    chunks = handbook.index.document_chunks("swapped:a", Reader(frozenset({"staff"})))
    assert [c.text for c in chunks] == ["holidays"]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    refused = pytest.raises(IndexUnavailableError, match="Another process")
    with one_writer(tmp_path), refused, one_writer(tmp_path):
        pytest.fail("two writers")
    with one_writer(tmp_path):
        pass


def test_a_data_folder_that_cannot_be_made_names_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexUnavailableError) as caught, one_writer(tmp_path / "file" / "data"):
        pytest.fail("no folder")
    assert "data folder" in caught.value.problem
    assert caught.value.mend


def test_an_embedder_that_fails_leaves_what_was_stored(handbook: Handbook) -> None:
    handbook.sync()

    class Failing(WordEmbedder):
        def embed_documents(
            self, texts: Sequence[str], on_progress: OnProgress | None = None
        ) -> Vectors:
            raise IngestionError("The provider failed.", "Try again.")

    handbook.embedder = Failing()
    handbook.write("p0.md", "# Page 0\n\nQuite new.\n")
    with pytest.raises(IngestionError):
        handbook.sync()
    assert handbook.text_of("p0.md") == "Text 0. End."


SYNC_ONCE = """
import sys
from pathlib import Path
from ingestion.index.lance import LanceIndex
from ingestion.settings import SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.locks import one_writer
from ingestion.sync import sync
from tests.ingestion.stores import METADATA, make_chunks
from tests.ingestion.test_sync import WordEmbedder

folder = Path(sys.argv[1])
print("ready", flush=True)
with one_writer(folder):
    source = FolderSource(SourceSettings(path=folder / "pages", name="pages"), max_file_mb=1)
    index = LanceIndex(folder / "index", METADATA)
    sync([source], index, WordEmbedder(), make_chunks, batch_chunks=3)
"""


def run_and_kill(folder: Path, after: float) -> bool:
    """Run one sync in a process and kill it; return whether it had finished before."""
    process = subprocess.Popen(
        [sys.executable, "-c", SYNC_ONCE, str(folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(after)
    finished = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return finished


@pytest.mark.slow
def test_a_killed_run_is_completed_by_the_next(tmp_path: Path) -> None:
    rng = random.Random(0)
    handbook = Handbook(tmp_path)
    killed = 0
    for round_ in range(6):
        for number in range(30):
            if rng.random() < 0.5:
                allow = rng.choice(["everyone", "hr"])
                body = "\n\n".join(f"## H{i}\n\nText {round_}." for i in range(rng.randint(1, 4)))
                handbook.write(f"p{number}.md", f"---\nallow: {allow}\n---\n# P\n\n{body}\n")
            elif rng.random() < 0.2:
                (handbook.root / f"p{number}.md").unlink(missing_ok=True)
        killed += not run_and_kill(tmp_path, after=rng.uniform(0.0, 0.6))
        for state in handbook.index.states().values():
            assert state.complete
    assert killed
    handbook.sync()
    fresh = LanceIndex(tmp_path / "fresh", METADATA)
    sync([handbook.source], fresh, WordEmbedder(), make_chunks)
    assert handbook.index.states() == fresh.states()
    for document_id in fresh.states():
        for reader in (ANYONE, HR):
            assert handbook.index.document_chunks(document_id, reader) == fresh.document_chunks(
                document_id, reader
            )
