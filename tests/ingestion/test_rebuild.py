"""A rebuild: what arrives meanwhile, and what keeps a new generation from being served."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.documents import Chunk, Reader
from ingestion.errors import IndexCheckError
from ingestion.index.lance import LanceIndex
from ingestion.index.opening import open_index, open_new_index
from ingestion.index.protocol import Candidate, ChunkIndex, Vectors
from ingestion.rebuild import Surroundings, rebuild
from ingestion.sampling import Question
from ingestion.settings import IndexSettings, SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.sources.source import Source
from ingestion.sync import OnProgress, Progress, SyncReport, sync
from tests.ingestion.stores import (
    METADATA,
    SETTINGS,
    STORE_PARAMS,
    make_chunks,
    make_document,
    vector_of,
)
from tests.ingestion.test_sync import WordEmbedder

ANYONE = Reader()
HR = Reader(frozenset({"hr"}))


class Library:
    """A folder of pages, the index that serves them, and rebuilds of it."""

    def __init__(self, folder: Path, settings: IndexSettings) -> None:
        self.settings, self.folder = settings, folder
        self.served = open_index(settings, folder, METADATA)
        for number in range(20):
            self.write(f"p{number}.md", f"# Page {number}\n\nWords of {number}, leave.\n")

    def write(self, path: str, text: str, source: str = "pages") -> None:
        file = self.folder / source / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def source(self, name: str = "pages") -> Source:
        return FolderSource(SourceSettings(path=self.folder / name, name=name), max_file_mb=1)

    def sync(self) -> SyncReport:
        return sync([self.source()], self.served, WordEmbedder(), make_chunks)

    def new(self) -> ChunkIndex:
        return open_new_index(self.settings, self.folder, METADATA)

    def rebuild(
        self,
        new: ChunkIndex | None = None,
        on_progress: OnProgress = lambda progress: None,
        arrived: Sequence[str] = ("pages",),
    ) -> SyncReport:
        around = Surroundings(
            served=self.served.states,
            writing=nullcontext,
            arrived=lambda: [self.source(name) for name in arrived],
        )
        return rebuild(
            [self.source()],
            new or self.new(),
            WordEmbedder(),
            make_chunks,
            around,
            batch_chunks=4,
            on_progress=on_progress,
        )


@pytest.fixture(params=STORE_PARAMS)
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Library:
    return Library(tmp_path, SETTINGS[request.param](tmp_path))


@pytest.fixture
def embedded(tmp_path: Path) -> Library:
    return Library(tmp_path, IndexSettings())


def test_a_rebuild_serves_what_its_sources_have(library: Library) -> None:
    library.sync()
    before, states = library.served.generation, library.served.states()
    steps: list[str] = []
    report = library.rebuild(on_progress=lambda progress: steps.append(progress.step))
    assert (report.added, report.updated, report.deleted, report.unchanged) == (20, 0, 0, 0)
    assert report.chunks_embedded == library.served.count() == 20
    assert library.served.states() == states
    assert library.served.generation != before
    assert steps[-2:] == ["check", "check"]


def test_what_changes_while_it_runs_is_in_it(library: Library) -> None:
    library.sync()
    happened: list[int] = []

    def change(progress: Progress) -> None:
        if progress.step == "embed" and progress.done == 8 and not happened:
            happened.append(1)
            library.write("p0.md", "# Page 0\n\nWritten anew.\n")
            library.write("p1.md", "---\nallow: hr\n---\n# Page 1\n\nClosed.\n")
            library.write("p2.md", "---\nallow: hr\n---\n# Page 2\n\nWords of 2, leave.\n")
            (library.folder / "pages" / "p19.md").unlink()
            library.write("new.md", "# New\n\nArrived.\n")
            library.write("a.md", "# A\n\nOf another source.\n", source="others")
            assert library.sync().added == 1

    library.rebuild(on_progress=change, arrived=("pages", "others"))
    assert happened
    served = library.served

    def text_of(document_id: str, reader: Reader = ANYONE) -> str:
        return " ".join(chunk.text for chunk in served.document_chunks(document_id, reader))

    assert text_of("pages:p0.md") == "Written anew."
    assert (text_of("pages:p1.md"), text_of("pages:p1.md", HR)) == ("", "Closed.")
    assert (text_of("pages:p2.md"), text_of("pages:p2.md", HR)) == ("", "Words of 2, leave.")
    assert text_of("pages:new.md") == "Arrived."
    assert text_of("others:a.md") == "Of another source."
    assert "pages:p19.md" not in served.states()
    assert len(served.states()) == 21


def refused(library: Library, new: ChunkIndex | None = None) -> IndexCheckError:
    """Check that a rebuild is refused and changes nothing; return why."""
    before = library.served.generation
    with pytest.raises(IndexCheckError) as caught:
        library.rebuild(new)
    assert library.served.generation == before
    assert library.served.search("leave", vector_of("x"), ANYONE, 5)
    assert "the old one still is" in caught.value.problem
    assert caught.value.mend
    return caught.value


class Forgetful(LanceIndex):
    """Takes every document, and loses one of them."""

    def put_documents(self, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        kept = [row for row, chunk in enumerate(chunks) if "p3" not in chunk.document_id]
        super().put_documents([chunks[row] for row in kept], vectors[kept])


class Doubling(LanceIndex):
    """Stores chunks that belong to nothing."""

    def count(self) -> int:
        return super().count() + 1


class Blind(LanceIndex):
    """Looks in the wrong direction."""

    def search(
        self,
        text: str,
        vector: Vectors,
        reader: Reader,
        limit: int,
        sources: Sequence[str] | None = None,
    ) -> list[Candidate]:
        return super().search(text, -vector, reader, limit, sources)


class Deaf(LanceIndex):
    """Doesn't hear words."""

    def search(
        self,
        text: str,
        vector: Vectors,
        reader: Reader,
        limit: int,
        sources: Sequence[str] | None = None,
    ) -> list[Candidate]:
        return super().search("", vector, reader, limit, sources)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Forgetful, "19 documents instead of 20"),
        (Doubling, "21 chunks instead of 20"),
        (Blind, "of the nearest passages"),
        (Deaf, "by their own words"),
    ],
)
def test_a_store_that_lost_or_does_not_find_what_it_was_given_is_not_served(
    embedded: Library, kind: type[LanceIndex], message: str
) -> None:
    embedded.sync()
    assert (
        message in refused(embedded, kind.create_new(embedded.folder / "index", METADATA)).problem
    )


def test_a_source_that_is_away_or_empty_keeps_the_old_one(embedded: Library) -> None:
    embedded.sync()
    pages = embedded.folder / "pages"
    pages.rename(embedded.folder / "away")
    assert "isn't there" in refused(embedded).problem
    pages.mkdir()
    assert "20 of it are served" in refused(embedded).problem


def test_what_another_machine_wrote_meanwhile_is_not_lost(library: Library) -> None:
    library.sync()
    library.write("a.md", "# A\n\nOf another source.\n", source="others")

    def elsewhere(progress: Progress) -> None:
        if progress.step == "embed" and "others" not in {
            state.source for state in library.served.states().values()
        }:
            sync([library.source("others")], library.served, WordEmbedder(), make_chunks)

    with pytest.raises(IndexCheckError, match="Another machine has put 'others'"):
        library.rebuild(on_progress=elsewhere)
    assert "others:a.md" in library.served.states()
    library.rebuild()
    assert "others:a.md" not in library.served.states(), "left out by who knows of it"


def test_a_few_pages_that_cannot_be_read_any_more_are_reported(embedded: Library) -> None:
    embedded.sync()
    for number in range(3):
        (embedded.folder / "pages" / f"p{number}.md").write_bytes(b"\x00\xff\x00\xff" * 50)
    report = embedded.rebuild()
    assert (report.added, len(report.failed)) == (17, 3)
    embedded.sync()
    for number in range(3, 7):
        (embedded.folder / "pages" / f"p{number}.md").write_bytes(b"\x00\xff\x00\xff" * 50)
    assert "4 documents that are served now" in refused(embedded).problem


def test_the_first_generation_of_all_may_be_a_rebuild(embedded: Library) -> None:
    assert embedded.rebuild().added == 20
    assert embedded.served.count() == 20


CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "delete"]), st.integers(0, 12), st.integers(1, 30)),
    min_size=1,
    max_size=25,
)


@given(changes=CHANGES)
def test_the_nearest_chunks_are_known_exactly_whatever_is_removed_again(
    changes: list[tuple[str, int, int]],
) -> None:
    query = vector_of("query")
    question = Question("", query, HR, "", "s:0")
    held: dict[str, list[float]] = {}
    for round_, (kind, number, size) in enumerate(changes):
        document_id = f"s:{number}"
        question.forget({document_id})
        held.pop(document_id, None)
        if kind == "delete":
            continue
        acl = ["*", "hr", "it"][number % 3]
        chunks = make_chunks(make_document(document_id, ["t"] * size, acl=[acl]))
        cosines = np.stack([vector_of(f"{round_} {row}") for row in range(size)]) @ query
        question.see(chunks, cosines)
        if acl != "it":
            held[document_id] = cosines.tolist()
    exact = sorted((cosine for cosines in held.values() for cosine in cosines), reverse=True)
    known = [cosine for cosine, _, _ in question.nearest]
    assert known == exact[: len(known)]
    assert len(known) == len(exact) or question.floor > -np.inf
