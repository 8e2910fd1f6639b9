"""What goes wrong with a server or on the way to it: told with its mend, and nothing lost."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import trustme
from elasticsearch import Elasticsearch

from ingestion.documents import Reader
from ingestion.embedding import OnProgress
from ingestion.errors import (
    DocumentsRefusedError,
    IndexOutOfReachError,
    IndexStoreError,
    IndexUnavailableError,
)
from ingestion.index import elastic_patience
from ingestion.index.elastic import ElasticIndex
from ingestion.index.elastic_client import connect
from ingestion.index.elastic_generations import list_generations
from ingestion.index.elastic_mapping import Layout, layout_of
from ingestion.index.elastic_patience import writers_patience
from ingestion.index.protocol import Vectors
from ingestion.settings import IndexSettings, SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.sync import sync
from tests.elasticsearch_server import server_url
from tests.fault_proxy import (
    FaultProxy,
    Forward,
    Request,
    Response,
    bulk_lines,
    drop,
    drop_the_answer,
    for_the_first,
    full_write_queue,
    proxy_before,
)
from tests.ingestion.stores import (
    METADATA,
    ReferenceStore,
    elastic_settings,
    make_chunks,
    make_document,
    put,
    vector_of,
    vectors_for,
)
from tests.ingestion.test_sync import WordEmbedder

pytestmark = pytest.mark.slow
ANYONE = Reader()


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    with proxy_before(server_url()) as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path, proxy: FaultProxy) -> IndexSettings:
    """An index of its own, reached through the proxy; those who wait do so for a moment."""
    given = elastic_settings(tmp_path)
    return given.model_copy(update={"url": proxy.url, "patience_seconds": 2.0})


@pytest.fixture
def client(settings: IndexSettings) -> Iterator[Elasticsearch]:
    with connect(settings.model_copy(update={"url": server_url()})) as opened:
        yield opened


def documents(count: int) -> list[tuple[str, list[str]]]:
    return [(f"s:{n}", [f"leave {n}", f"travel {n}"]) for n in range(count)]


def assert_holds(store: ElasticIndex, expected: list[tuple[str, list[str]]]) -> None:
    """Check that a store holds these documents and nothing else."""
    reference = ReferenceStore()
    for document_id, texts in expected:
        reference.documents[document_id] = make_document(document_id, texts)
    assert store.states() == reference.states()
    assert store.count() == len(reference.chunks())


@pytest.mark.parametrize("fault", [drop, drop_the_answer])
def test_a_connection_that_breaks_in_the_middle_of_bulk_loses_and_doubles_nothing(
    settings: IndexSettings, proxy: FaultProxy, fault: object
) -> None:
    store = ElasticIndex(settings, METADATA)
    put(store, *(make_document(id_, ["older", "and", "longer"]) for id_, _ in documents(5)))
    # More often than the client itself sends a request again.
    proxy.fault = for_the_first(5, fault, "/_bulk")  # type: ignore[arg-type]
    put(store, *(make_document(id_, texts) for id_, texts in documents(5)))
    assert_holds(store, documents(5))


def test_a_server_that_stays_away_in_the_middle_of_bulk_is_told(
    settings: IndexSettings, proxy: FaultProxy
) -> None:
    store = ElasticIndex(settings, METADATA)
    put(store, *(make_document(id_, texts) for id_, texts in documents(3)))
    proxy.fault = for_the_first(1_000, drop, "")
    with pytest.raises(IndexOutOfReachError, match="can't be reached") as caught:
        put(store, make_document("s:new", ["new"]))
    assert "Is it running?" in caught.value.mend
    proxy.fault = for_the_first(0, drop, "")
    assert_holds(store, documents(3))
    put(store, make_document("s:3", documents(4)[3][1]))
    assert_holds(store, documents(4))


def test_a_swap_whose_answer_is_lost_has_been_made(
    settings: IndexSettings, proxy: FaultProxy
) -> None:
    put(ElasticIndex(settings, METADATA), make_document("s:old", ["leave"]))
    proxy.fault = for_the_first(3, drop_the_answer, f"/{settings.name}-000002")
    new = ElasticIndex.create_new(settings, METADATA)
    put(new, *(make_document(id_, texts) for id_, texts in documents(3)))
    proxy.fault = for_the_first(5, drop_the_answer, "/_aliases")
    new.publish()
    new.discard()
    assert_holds(ElasticIndex(settings, METADATA), documents(3))
    roles = [each.role for each in list_generations(settings)]
    assert roles == ["served", "previous"]


@pytest.mark.parametrize("comes_through", [True, False])
def test_what_may_have_come_to_be_served_is_not_removed(
    settings: IndexSettings, proxy: FaultProxy, comes_through: bool
) -> None:
    put(ElasticIndex(settings, METADATA), make_document("s:old", ["leave"]))
    new = ElasticIndex.create_new(settings, METADATA)
    put(new, *(make_document(id_, texts) for id_, texts in documents(3)))
    swaps: list[Request] = []

    def away_from_the_swap_on(request: Request, forward: Forward) -> Response | None:
        if request.path.startswith("/_aliases"):
            if comes_through and not swaps:
                forward(request)
            swaps.append(request)
        return None if swaps else forward(request)

    proxy.fault = away_from_the_swap_on
    with pytest.raises(IndexOutOfReachError):
        new.publish()
    proxy.fault = for_the_first(0, drop, "")
    new.discard()
    roles = [each.role for each in list_generations(settings)]
    assert roles == (["served", "previous"] if comes_through else ["served"])
    expected = documents(3) if comes_through else [("s:old", ["leave"])]
    assert_holds(ElasticIndex(settings, METADATA), expected)


def test_older_generations_that_cannot_be_removed_yet_are_no_failure(
    settings: IndexSettings, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    ElasticIndex(settings, METADATA)
    ElasticIndex.create_new(settings, METADATA).publish()
    new = ElasticIndex.create_new(settings, METADATA)
    # As while a snapshot is taken of them.
    proxy.fault = for_the_first(1_000, drop, f"/{settings.name}-000001")
    new.publish()
    assert "can't be removed yet" in caplog.text
    proxy.fault = for_the_first(0, drop, "")
    assert [each.role for each in list_generations(settings)] == [
        "served",
        "previous",
        "unfinished",
    ]
    ElasticIndex.create_new(settings, METADATA).discard()
    assert [each.role for each in list_generations(settings)] == ["served", "previous"]


def test_a_question_survives_a_connection_that_breaks(
    settings: IndexSettings, proxy: FaultProxy
) -> None:
    store = ElasticIndex(settings, METADATA)
    put(store, make_document("s:a", ["leave"]))
    proxy.fault = for_the_first(4, drop, "/_msearch")
    assert len(store.search("leave", vector_of("x"), ANYONE, 5)) == 1
    proxy.fault = for_the_first(1_000, drop, "/_msearch")
    with pytest.raises(IndexOutOfReachError, match="can't be reached"):
        store.search("leave", vector_of("x"), ANYONE, 5)


def test_a_part_that_a_search_could_not_reach_is_asked_again(
    settings: IndexSettings, proxy: FaultProxy
) -> None:
    """As while a lost node's copies are replaced: the request succeeds, a search in it doesn't."""
    store = ElasticIndex(settings, METADATA)
    put(store, make_document("s:a", ["leave"]))

    def lost_shard(request: Request, forward: Forward) -> Response | None:
        answer = forward(request).json()
        error = {"type": "search_phase_execution_exception", "reason": "all shards failed"}
        answer["responses"][-1] = {"error": error, "status": 503}
        return Response(200, json.dumps(answer).encode())

    proxy.fault = for_the_first(3, lost_shard, "/_msearch")
    assert len(store.search("leave", vector_of("x"), ANYONE, 5)) == 1
    proxy.fault = for_the_first(1_000, lost_shard, "/_msearch")
    with pytest.raises(IndexOutOfReachError, match="no working copy"):
        store.search("leave", vector_of("x"), ANYONE, 5)


def test_what_a_full_write_queue_refuses_is_sent_again_and_nothing_else(
    settings: IndexSettings, proxy: FaultProxy
) -> None:
    store = ElasticIndex(settings, METADATA)
    proxy.fault = for_the_first(2, full_write_queue({1, 4}), "/_bulk")
    put(store, *(make_document(id_, texts) for id_, texts in documents(5)))
    assert_holds(store, documents(5))
    bulks = [request for request in proxy.seen if "/_bulk" in request.path]
    assert [len(bulk_lines(request.body)) for request in bulks] == [10, 2, 1]


def test_a_write_queue_that_stays_full_is_told_and_the_next_run_mends(
    settings: IndexSettings, proxy: FaultProxy
) -> None:
    hurried = settings.model_copy(update={"patience_seconds": 0})
    store = ElasticIndex(hurried, METADATA)
    proxy.fault = for_the_first(1_000, full_write_queue({0, 1, 2, 3}), "/_bulk")
    with pytest.raises(IndexOutOfReachError, match="too much to do"):
        put(store, *(make_document(id_, texts) for id_, texts in documents(3)))
    proxy.fault = for_the_first(0, drop, "")
    assert {id_ for id_, state in store.states().items() if state.complete} == {"s:2"}
    put(store, *(make_document(id_, texts) for id_, texts in documents(3)))
    assert_holds(store, documents(3))


def test_a_change_that_met_another_one_is_made_again(
    settings: IndexSettings, proxy: FaultProxy
) -> None:
    store = ElasticIndex(settings, METADATA)
    put(store, make_document("s:a", ["one", "two"]))

    def conflict(request: Request, forward: Forward) -> Response | None:
        operations = [json.loads(line) for line, _ in bulk_lines(request.body)]
        assert [operation["update"]["retry_on_conflict"] for operation in operations] == [3, 3]
        answer = forward(request).json()
        error = {"type": "version_conflict_engine_exception", "reason": "version conflict"}
        answer["items"][0]["update"] |= {"status": 409, "error": error}
        return Response(200, json.dumps(answer).encode())

    proxy.fault = for_the_first(1, conflict, "/_bulk")
    store.set_acl(["s:a"], [], "nobody")
    assert store.document_chunks("s:a", ANYONE) == []
    assert sum("/_bulk" in request.path for request in proxy.seen) == 3


def test_what_writes_takes_its_time(
    settings: IndexSettings, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ElasticIndex(settings, METADATA)
    monkeypatch.setattr(elastic_patience, "READ_SECONDS", 0.5)
    monkeypatch.setattr(elastic_patience, "_REQUEST_SECONDS", 0.2)

    def late(request: Request, forward: Forward) -> Response | None:
        time.sleep(0.6)
        return forward(request)

    proxy.fault = for_the_first(1_000, late, "")
    put(store, make_document("s:a", ["one"]))
    assert set(store.states()) == {"s:a"}
    assert sum("/_bulk" in request.path for request in proxy.seen) == 1
    with pytest.raises(IndexOutOfReachError, match="answer in time"):
        store.count()
    with writers_patience():
        assert store.count() == 1


def test_a_writer_that_opens_waits_for_a_server_that_restarts(
    settings: IndexSettings, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elastic_patience, "READ_DELAYS", (0.01, 0.01))
    monkeypatch.setattr(elastic_patience, "_CHANGE_DELAYS", (0.01,) * 50)
    proxy.fault = for_the_first(30, drop, "")
    with pytest.raises(IndexOutOfReachError):
        ElasticIndex(settings, METADATA)
    with writers_patience():
        put(ElasticIndex(settings, METADATA), make_document("s:a", ["one"]))
    assert ElasticIndex(settings, METADATA).count() == 1


def test_a_red_index_is_told_and_recovers(settings: IndexSettings, client: Elasticsearch) -> None:
    hurried = settings.model_copy(update={"patience_seconds": 0.3})
    name = f"{settings.name}-000001"
    only_there = "index.routing.allocation.require._name"
    client.indices.create(
        index=name,
        settings={**Layout().settings(), only_there: "a node that is lost"},
        mappings=Layout().mappings(METADATA),
        aliases={settings.name: {}},
        wait_for_active_shards="0",
    )
    store = ElasticIndex(hurried, METADATA)
    ElasticIndex(hurried.model_copy(update={"language": "simple"}), METADATA)
    assert client.cluster.health(index=name)["status"] == "red"
    for action in (
        lambda: store.search("leave", vector_of("x"), ANYONE, 5),
        store.count,
        lambda: store.document_chunks("s:1", ANYONE),
        lambda: store.generation,
        store.states,
        lambda: put(store, make_document("s:0", ["leave"])),
    ):
        with pytest.raises(IndexOutOfReachError) as caught:
            action()
        assert "health" in caught.value.mend
    client.indices.put_settings(index=name, settings={only_there: None})
    client.cluster.health(index=name, wait_for_status="yellow", timeout="30s")
    put(store, *(make_document(id_, texts) for id_, texts in documents(3)))
    assert_holds(store, documents(3))


def test_a_full_disk_is_told_and_nothing_is_lost(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    """The flood stage sets this block on each index of a node whose disk is nearly full."""
    store = ElasticIndex(settings, METADATA)
    put(store, *(make_document(id_, texts) for id_, texts in documents(2)))
    block = "index.blocks.read_only_allow_delete"
    client.indices.put_settings(index=settings.name, settings={block: True})
    with pytest.raises(IndexUnavailableError, match="read-only") as caught:
        put(store, make_document("s:2", documents(3)[2][1]))
    assert not isinstance(caught.value, IndexOutOfReachError)
    assert "Free space" in caught.value.mend
    assert len(store.search("leave", vector_of("x"), ANYONE, 1)) >= 1
    client.indices.put_settings(index=settings.name, settings={block: None})
    put(store, make_document("s:2", documents(3)[2][1]))
    assert_holds(store, documents(3))


def test_an_index_that_somebody_closed_is_told(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    store = ElasticIndex(settings, METADATA)
    put(store, make_document("s:a", ["one"]))
    client.indices.close(index=settings.name)
    for action in (
        lambda: store.search("one", vector_of("x"), ANYONE, 5),
        store.count,
        store.states,
        lambda: put(store, make_document("s:b", ["two"])),
    ):
        with pytest.raises(IndexUnavailableError, match="closed") as caught:
            action()
        assert "_open" in caught.value.mend
    client.indices.open(index=settings.name)
    put(store, make_document("s:b", ["two"]))
    assert store.count() == 2


def test_a_cluster_that_holds_no_more_shards_is_told(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    limit = "cluster.max_shards_per_node"
    client.cluster.put_settings(persistent={limit: 1})
    try:
        many = settings.model_copy(update={"shards": 2})
        with pytest.raises(IndexUnavailableError, match="as many shards") as caught:
            ElasticIndex(many, METADATA)
    finally:
        client.cluster.put_settings(persistent={limit: None})
    assert limit in caught.value.mend
    assert_holds(ElasticIndex(settings, METADATA), [])


def test_documents_that_a_changed_mapping_refuses_are_named_and_the_others_are_stored(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    mapping = Layout().mappings(METADATA)
    mapping["properties"]["title"] = {"type": "integer"}
    client.indices.create(
        index=f"{settings.name}-000001", mappings=mapping, aliases={settings.name: {}}
    )
    store = ElasticIndex(settings, METADATA)
    good, bad = make_document("s:good", ["one"], title="7"), make_document("s:bad", ["secret"] * 2)
    with pytest.raises(DocumentsRefusedError) as caught:
        put(store, good, bad)
    assert caught.value.document_ids == {"s:bad"}
    assert "s:bad" in caught.value.problem
    assert "secret" not in f"{caught.value.problem} {caught.value.mend}"
    assert set(store.states()) == {"s:good"}


def test_a_sync_reports_a_refused_document_and_stores_the_others(
    settings: IndexSettings, tmp_path: Path
) -> None:
    class Embedder(WordEmbedder):
        def embed_documents(
            self, texts: Sequence[str], on_progress: OnProgress | None = None
        ) -> Vectors:
            vectors = super().embed_documents(texts, on_progress)
            vectors[["nothing" in text for text in texts]] = 0
            return vectors

    for name, text in (("a", "leave"), ("index", "nothing"), ("c", "travel")):
        (tmp_path / f"{name}.md").write_text(f"# Page\n\nOf {text}.\n", encoding="utf-8")
    source = FolderSource(SourceSettings(path=tmp_path, name="s"), max_file_mb=1)
    store = ElasticIndex(settings, METADATA)
    for unchanged in (0, 2):
        report = sync([source], store, Embedder(), make_chunks)
        (failed,) = report.failed
        assert failed.path == "index.md"
        assert "refuses" in failed.problem
        assert failed.mend
        assert (report.added, report.unchanged) == (2 - unchanged, unchanged)
        assert set(store.states()) == {"s:a.md", "s:c.md"}
    assert sync([source], store, WordEmbedder(), make_chunks).added == 1


def test_of_a_refused_document_nobody_reads_the_half(settings: IndexSettings) -> None:
    """The server takes no vector of length zero, whatever the other chunks hold."""
    store = ElasticIndex(settings, METADATA)
    put(store, make_document("s:bad", ["older"]))
    chunks = make_chunks(make_document("s:bad", ["first", "second", "third"]))
    vectors = vectors_for(chunks)
    vectors[1] = np.zeros_like(vectors[1])
    with pytest.raises(DocumentsRefusedError):
        store.put_documents(chunks, vectors)
    assert store.document_chunks("s:bad", ANYONE) == []
    assert store.states() == {}


@pytest.mark.parametrize("version", ["7.17.29", "8.18.4"])
def test_a_server_that_is_too_old_is_told(
    settings: IndexSettings, proxy: FaultProxy, version: str
) -> None:
    def claims_to_be_old(request: Request, forward: Forward) -> Response | None:
        answer = forward(request)
        return Response(answer.status, answer.body.replace(current.encode(), version.encode()))

    with connect(settings) as opened:
        nodes = opened.nodes.info(filter_path="nodes.*.version")["nodes"]
    current = str(next(iter(nodes.values()))["version"])
    proxy.fault = for_the_first(1_000, claims_to_be_old, "/_nodes")
    with pytest.raises(IndexUnavailableError, match="too old") as caught:
        ElasticIndex(settings, METADATA)
    assert version.rpartition(".")[0] in caught.value.problem
    assert "8.19" in caught.value.mend


def test_a_server_of_another_generation_refuses_our_requests_and_that_is_told(
    settings: IndexSettings, proxy: FaultProxy
) -> None:
    def old_server(request: Request, forward: Forward) -> Response | None:
        error = {"type": "media_type_header_exception", "reason": "Invalid media-type value"}
        return Response(400, json.dumps({"error": error, "status": 400}).encode())

    proxy.fault = for_the_first(1_000, old_server, "")
    with pytest.raises(IndexUnavailableError, match="too old"):
        ElasticIndex(settings, METADATA)


def test_a_certificate_of_another_time_is_told_as_a_matter_of_clocks(
    settings: IndexSettings, tmp_path: Path
) -> None:
    """For a machine whose clock is ahead, each certificate has expired."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    authority.issue_cert("127.0.0.1", not_after=yesterday).configure_cert(context)
    with proxy_before(server_url(), context) as expired:
        late = settings.model_copy(update={"url": expired.url, "ca_file": str(tmp_path / "ca.pem")})
        with pytest.raises(IndexUnavailableError, match="isn't valid at this time") as caught:
            ElasticIndex(late, METADATA)
    assert "clocks" in caught.value.mend


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_clock_that_is_wrong_changes_nothing(
    settings: IndexSettings, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + hours * 3600)
    store = ElasticIndex(settings, METADATA)
    put(store, *(make_document(id_, texts) for id_, texts in documents(3)))
    assert_holds(store, documents(3))
    monkeypatch.undo()
    put(store, *(make_document(id_, texts) for id_, texts in documents(4)))
    assert_holds(store, documents(4))


def test_a_vector_index_that_the_server_cannot_make_is_told(settings: IndexSettings) -> None:
    with pytest.raises(IndexStoreError, match="can't make an index like that") as caught:
        ElasticIndex(settings.model_copy(update={"vectors": "bbq_hnsw"}), METADATA)
    assert "index.vectors" in caught.value.mend


def test_vectors_longer_than_the_server_takes_are_told(settings: IndexSettings) -> None:
    with pytest.raises(IndexStoreError, match="so many numbers") as caught:
        ElasticIndex(settings, replace(METADATA, dimensions=5_000))
    assert "embedding.model" in caught.value.mend


def test_credentials_for_the_index_alone_are_enough_for_a_language(
    settings: IndexSettings,
    proxy: FaultProxy,
    client: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def forbidden(request: Request, forward: Forward) -> Response | None:
        if urlsplit(request.path).path != "/_analyze":
            return forward(request)
        error = {"type": "security_exception", "reason": "a right on the cluster"}
        return Response(403, json.dumps({"error": error, "status": 403}).encode())

    proxy.fault = forbidden
    simple, unknown = (
        settings.model_copy(update={"language": language}) for language in ("simple", "klingon")
    )
    with pytest.raises(IndexStoreError, match="no such analyzer") as caught:
        ElasticIndex(unknown, METADATA)
    assert "index.language" in caught.value.mend
    ElasticIndex(simple, METADATA)
    (index,) = client.indices.get_mapping(index=settings.name).values()
    assert layout_of(index["mappings"]).analyzer == "simple"
    proxy.seen.clear()
    ElasticIndex(simple, METADATA)
    assert "klingon" not in caplog.text
    ElasticIndex(unknown, METADATA)
    assert "no analyzer klingon" in caplog.text
    # What is asked of the index alone is refused to nobody, and fills no log of refusals.
    assert "/_analyze" not in {urlsplit(request.path).path for request in proxy.seen}


def test_a_language_that_the_server_has_no_analyzer_for_is_told_in_the_log(
    settings: IndexSettings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        store = ElasticIndex(settings.model_copy(update={"language": "klingon"}), METADATA)
    assert "no analyzer klingon" in caplog.text
    put(store, make_document("s:a", ["leave"]))
    assert [c.bm25 is None for c in store.search("leave", vector_of("x"), ANYONE, 5)] == [False]
