"""One of three nodes is lost, or hangs, while people ask and a sync writes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from ingestion.documents import Reader
from ingestion.index.elastic import ElasticIndex
from ingestion.retrieval import Retriever
from ingestion.settings import IndexSettings, RetrievalSettings, SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.sync import Progress, SyncReport, sync
from tests.elasticsearch_cluster import three_nodes
from tests.ingestion.stores import METADATA, make_chunks, make_document, put, vector_of
from tests.ingestion.test_sync import WordEmbedder

ANYONE = Reader()
FIRST, ADDED = 40, 120


def write_pages(folder: Path, numbers: range) -> None:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        text = f"# Page {number}\n\nLeave number{number}.\n\n## More\n\nTravel.\n"
        (folder / f"p{number}.md").write_text(text, encoding="utf-8")


def bring_up_to_date(
    folder: Path, store: ElasticIndex, after_each: threading.Event | None = None
) -> SyncReport:
    def on_progress(progress: Progress) -> None:
        if after_each and progress.step == "embed" and progress.done > ADDED // 3:
            after_each.set()

    source = FolderSource(SourceSettings(path=folder, name="pages"), max_file_mb=1)
    return sync(
        [source], store, WordEmbedder(), make_chunks, batch_chunks=4, on_progress=on_progress
    )


class Asker(threading.Thread):
    """Asks as the chain does until it is told to stop, and keeps what went wrong."""

    def __init__(self, settings: IndexSettings) -> None:
        super().__init__()
        self.store = ElasticIndex(settings, METADATA)
        self.stopped = threading.Event()
        self.asked = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        # Vectors without a model have no meaning, so words alone decide.
        words_alone = RetrievalSettings(dense_weight=0, late_interaction=0)
        retriever = Retriever(self.store, WordEmbedder(), words_alone)
        while not self.stopped.is_set():
            number = self.asked % FIRST
            try:
                generation = retriever.generation
                hits = retriever.search(f"number{number}", ANYONE, 5)
            except Exception as error:  # noqa: BLE001 - reported by the test below
                self.wrong.append(repr(error))
            else:
                if not generation or not hits or hits[0].chunk.path != f"p{number}.md":
                    self.wrong.append(f"number{number} wasn't found")
            self.asked += 1


def holder_of_the_primary(client: Elasticsearch, alias: str) -> str:
    shards = client.cat.shards(index=alias, h="prirep,node", format="json")
    return str(next(shard["node"] for shard in shards if shard["prirep"] == "p"))


def holders(client: Elasticsearch, alias: str) -> set[str]:
    return {str(shard["node"]) for shard in client.cat.shards(index=alias, h="node", format="json")}


@pytest.mark.slow
def test_a_node_that_hangs_costs_questions_seconds_and_no_more() -> None:
    with three_nodes() as nodes:
        settings = IndexSettings(url=",".join(node.url for node in nodes.values()), name="hanging")
        store = ElasticIndex(settings, METADATA)
        put(store, make_document("s:a", ["leave"]))
        with Elasticsearch([node.url for node in nodes.values()], request_timeout=90) as client:
            health = client.cluster.health(wait_for_status="green", timeout="60s")
            assert health["status"] == "green"
            (idle,) = nodes.keys() - holders(client, "hanging")
        nodes[idle].pause()
        seconds = []
        try:
            for _ in range(2 * len(nodes)):
                begun = time.monotonic()
                assert len(store.search("leave", vector_of("x"), ANYONE, 5)) == 1
                assert store.generation
                seconds.append(time.monotonic() - begun)
        finally:
            nodes[idle].go_on()
        print(f"seconds a question: {[round(each, 1) for each in seconds]}")
        # A guard, no measure: without a limit of their own, requests take half a minute.
        assert max(seconds) < 25


@pytest.mark.slow
def test_a_node_is_killed_while_questions_and_a_sync_run(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    write_pages(pages, range(FIRST))
    with three_nodes() as nodes:
        settings = IndexSettings(url=",".join(node.url for node in nodes.values()), name="three")
        store = ElasticIndex(settings, METADATA)
        assert bring_up_to_date(pages, store).added == FIRST
        client = Elasticsearch([node.url for node in nodes.values()], request_timeout=90)
        assert client.cluster.health(wait_for_status="green", timeout="60s")["status"] == "green"
        write_pages(pages, range(FIRST, FIRST + ADDED))
        askers = [Asker(settings) for _ in range(2)]
        under_way = threading.Event()
        reports: list[SyncReport] = []
        writer = threading.Thread(
            target=lambda: reports.append(bring_up_to_date(pages, store, under_way))
        )
        for thread in [writer, *askers]:
            thread.start()
        try:
            assert under_way.wait(60)
            victim = holder_of_the_primary(client, "three")
            nodes[victim].kill()
            before = [asker.asked for asker in askers]
            writer.join(120)
            time.sleep(3)
        finally:
            for asker in askers:
                asker.stopped.set()
            for thread in [writer, *askers]:
                thread.join(120)
        assert [asker.wrong for asker in askers] == [[], []]
        assert all(asker.asked > was for asker, was in zip(askers, before, strict=True))
        print(f"questions before the kill {before}, in all {[a.asked for a in askers]}")
        (report,) = reports
        assert (report.added, report.failed) == (ADDED, ())
        states = store.states()
        assert set(states) == {f"pages:p{n}.md" for n in range(FIRST + ADDED)}
        assert all(state.complete for state in states.values())
        assert store.count() == sum(state.chunk_count for state in states.values())
        # The node comes back, and has what it missed.
        nodes[victim].start()
        health = client.cluster.health(wait_for_status="green", wait_for_nodes="3", timeout="80s")
        assert health["status"] == "green"
        assert store.states() == states
        again = bring_up_to_date(pages, store)
        assert (again.added, again.updated, again.deleted) == (0, 0, 0)
        client.close()
