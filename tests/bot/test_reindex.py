"""The runs from sources to index, side by side and killed: real stores and a tiny embedder."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.assembly import Nightshift
from bot.generations import go_back, served_states, why_rebuild
from bot.reindex import reindex
from bot.settings import ChunkingSettings, Settings
from ingestion import arrivals
from ingestion.documents import Reader
from ingestion.errors import IndexMismatchError, IndexUnavailableError, IngestionError
from ingestion.index.opening import list_generations
from ingestion.index.protocol import Vectors
from ingestion.settings import IndexSettings, SourceSettings
from ingestion.sync import Progress
from tests.bot.terminal import environment
from tests.ingestion.stores import SETTINGS, STORE_PARAMS, vector_of
from tests.ingestion.test_sync import WordEmbedder

ANYONE = Reader()


class Office:
    """An installation with a folder of pages and an embedder that needs no model."""

    def __init__(self, folder: Path, index: IndexSettings) -> None:
        self.folder, self.index = folder, index
        self.pages = SourceSettings(path=folder / "pages", name="pages")
        self.others = SourceSettings(path=folder / "others", name="others")
        for number in range(12):
            self.write("pages", f"p{number}.md", f"# Page {number}\n\nWords of {number}, leave.\n")
        self.write("others", "a.md", "# A\n\nOf another folder.\n")
        self.nightshift = self.opened()

    def write(self, folder: str, path: str, text: str) -> None:
        file = self.folder / folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def opened(self, max_tokens: int = 220) -> Nightshift:
        chunking = ChunkingSettings(max_tokens=max_tokens)
        settings = Settings(data_dir=self.folder / "data", index=self.index, chunking=chunking)
        nightshift = Nightshift(settings)
        nightshift.embedder = WordEmbedder()
        return nightshift

    def ingest(self, *sources: SourceSettings) -> int:
        return reindex(self.nightshift, sources or [self.pages], lambda progress: None).added

    def roles(self) -> list[str]:
        listed = list_generations(self.index, self.nightshift.data_dir)
        return [generation.role for generation in listed]

    def found(self) -> int:
        return len(self.nightshift.index.search("leave", vector_of("x"), ANYONE, 50))


@pytest.fixture(params=STORE_PARAMS)
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    opened = Office(tmp_path, SETTINGS[request.param](tmp_path))
    yield opened
    opened.nightshift.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Office]:
    opened = Office(tmp_path, IndexSettings())
    yield opened
    opened.nightshift.close()


def test_a_run_beside_a_rebuild_is_let_in_and_not_lost(office: Office) -> None:
    office.ingest()
    refused: list[str] = []
    closing = office.pages.model_copy(update={"allow": ["hr"]})

    def meanwhile(progress: Progress) -> None:
        if progress.step != "embed" or refused:
            return
        with pytest.raises(IndexUnavailableError, match="rebuilding") as caught:
            reindex(office.nightshift, [office.pages], lambda progress: None, rebuild=True)
        refused.append(caught.value.mend)
        assert office.ingest(office.others) == 1
        assert office.ingest(closing) == 0
        assert office.roles() == ["served", "unfinished"]

    reindex(office.nightshift, [office.pages], meanwhile, rebuild=True)
    assert refused == ["Wait until it has finished, then try again."]
    assert office.roles() == ["served", "previous"]
    index = office.nightshift.index
    assert [c.text for c in index.document_chunks("others:a.md", ANYONE)] == ["Of another folder."]
    assert index.document_chunks("pages:p1.md", ANYONE) == []
    assert len(index.document_chunks("pages:p1.md", Reader(frozenset({"hr"})))) == 1
    assert not arrivals.was_begun(office.nightshift.data_dir)


def test_two_runs_that_write_to_one_index_exclude_each_other(embedded: Office) -> None:
    tried: list[str] = []

    def meanwhile(progress: Progress) -> None:
        if not tried:
            with pytest.raises(IndexUnavailableError, match="writing to the index") as caught:
                embedded.ingest(embedded.others)
            tried.append(caught.value.mend)

    reindex(embedded.nightshift, [embedded.pages], meanwhile)
    assert tried == ["Wait until it has finished, then try again."]


def test_a_rebuild_waits_for_who_writes_before_it_is_served(embedded: Office) -> None:
    embedded.ingest()
    embedding, checking = threading.Event(), threading.Event()

    def slowly(progress: Progress) -> None:
        embedding.set()
        checking.wait(1)  # so long the rebuild would have time to be served

    beside = embedded.opened()
    run = threading.Thread(target=reindex, args=(beside, [embedded.others], slowly))

    def meanwhile(progress: Progress) -> None:
        if progress.step == "embed" and not embedding.is_set():
            run.start()
            embedding.wait()

    reindex(embedded.nightshift, [embedded.pages], meanwhile, rebuild=True)
    checking.set()
    assert not run.is_alive()
    run.join()
    beside.close()
    assert "others:a.md" in embedded.nightshift.index.states()


def test_a_rebuild_that_fails_leaves_nothing_and_the_old_one_serves(office: Office) -> None:
    office.ingest()

    class Failing(WordEmbedder):
        def embed_documents(self, *_: object) -> Vectors:
            raise IngestionError("The provider failed.", "Try again.")

    office.nightshift.embedder = Failing()
    with pytest.raises(IngestionError, match="provider"):
        reindex(office.nightshift, [office.pages], lambda progress: None, rebuild=True)
    assert office.roles() == ["served"]
    assert office.found() == 12
    assert not arrivals.was_begun(office.nightshift.data_dir)


def test_other_chunking_serves_what_there_is_until_it_is_made_anew(office: Office) -> None:
    office.ingest()
    changed = office.opened(max_tokens=64)
    assert "cutting pages" in why_rebuild(changed, [office.pages])
    assert why_rebuild(office.nightshift, [office.pages]) == ""
    assert len(changed.index.search("leave", vector_of("x"), ANYONE, 50)) == 12
    with pytest.raises(IndexMismatchError) as caught:
        reindex(changed, [office.pages], lambda progress: None)
    assert "--rebuild" in caught.value.mend
    reindex(changed, [office.pages], lambda progress: None, rebuild=True)
    assert why_rebuild(changed, [office.pages]) == ""
    assert office.found() == 12
    with pytest.raises(IndexMismatchError, match="generation before"):
        go_back(changed)
    assert go_back(office.nightshift) == 0
    assert why_rebuild(office.nightshift, [office.pages]) == ""
    changed.close()


def test_an_index_of_more_sources_is_not_made_anew_by_itself_from_some(embedded: Office) -> None:
    embedded.ingest(embedded.pages, embedded.others)
    changed = embedded.opened(max_tokens=64)
    with pytest.raises(IndexMismatchError, match="doesn't name: others") as caught:
        why_rebuild(changed, [embedded.pages])
    assert "--rebuild" in caught.value.mend
    assert why_rebuild(changed, [embedded.pages, embedded.others])


def test_there_is_no_going_back_while_another_run_writes(embedded: Office) -> None:
    embedded.ingest()
    reindex(embedded.nightshift, [embedded.pages], lambda progress: None, rebuild=True)

    def meanwhile(progress: Progress) -> None:
        with pytest.raises(IndexUnavailableError, match="writing to the index"):
            go_back(embedded.nightshift)

    reindex(embedded.nightshift, [embedded.pages], meanwhile)


REBUILD = """
import os, signal, sys, threading
from pathlib import Path
from bot.reindex import reindex
from ingestion.settings import IndexSettings
from tests.bot.test_reindex import Office

folder, settings, steps, delay = sys.argv[1:]
office = Office(Path(folder), IndexSettings.model_validate_json(settings))
left = int(steps)

def on_progress(progress):
    global left
    left -= 1
    if left == 0:
        threading.Timer(float(delay), os.kill, (os.getpid(), signal.SIGKILL)).start()

reindex(office.nightshift, [office.pages], on_progress, rebuild=True)
"""


def rebuild_and_kill(office: Office, steps: int, delay: float) -> bool:
    """Run a rebuild that is killed a moment after so many steps; return whether it was."""
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-c", REBUILD, str(office.folder)),
            *(office.index.model_dump_json(), str(steps), str(delay)),
        ],
        env=environment(),
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


@pytest.mark.slow
def test_a_killed_rebuild_leaves_the_old_one_and_the_next_run_cleans_up(office: Office) -> None:
    for number in range(120):
        office.write("pages", f"q{number}.md", f"# Q {number}\n\nWords of {number}, leave.\n")
    office.ingest()
    states = served_states(office.nightshift)
    rng = random.Random(0)
    killed = left = 0
    # Looking for documents (to step 2), embedding (135), looking twice more (145), checking.
    for steps in (2, rng.randint(3, 135), rng.randint(136, 145), 146):
        killed += rebuild_and_kill(office, steps, rng.uniform(0.0, 0.02))
        assert served_states(office.nightshift) == states
        assert office.found() >= 50
        left += "unfinished" in office.roles()
        assert office.ingest() == 0
        assert "unfinished" not in office.roles()
    assert killed >= 3  # the last may have come to its end
    assert left
    reindex(office.nightshift, [office.pages], lambda progress: None, rebuild=True)
    assert office.roles() == ["served", "previous"]
    assert served_states(office.nightshift) == states
