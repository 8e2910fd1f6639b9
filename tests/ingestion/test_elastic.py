"""What is Elasticsearch's own: generations, what a kill leaves, errors, settings, the server."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from elasticsearch import Elasticsearch
from pydantic import SecretStr, ValidationError

from ingestion.documents import Reader
from ingestion.errors import IndexMismatchError, IndexStoreError, IndexUnavailableError
from ingestion.index.elastic import ElasticIndex
from ingestion.index.elastic_client import connect
from ingestion.index.elastic_mapping import put_actions
from ingestion.index.elastic_words import indexed_words, searched_words
from ingestion.index.opening import open_index, open_new_index
from ingestion.settings import IndexSettings
from tests.elasticsearch_package import find_java
from tests.elasticsearch_server import server_url
from tests.ingestion.stores import (
    METADATA,
    elastic_settings,
    make_chunks,
    make_document,
    put,
    vector_of,
    vectors_for,
)

ANYONE = Reader()


@pytest.fixture
def settings(tmp_path: Path) -> IndexSettings:
    return elastic_settings(tmp_path)


@pytest.fixture
def client(settings: IndexSettings) -> Iterator[Elasticsearch]:
    with connect(settings) as opened:
        yield opened


def generations(client: Elasticsearch, name: str) -> dict[str, list[str]]:
    found = client.indices.get_alias(index=f"{name}-*")
    return {index: list(value["aliases"]) for index, value in found.items()}


@pytest.mark.slow
def test_a_rebuild_is_served_when_it_is_published(
    settings: IndexSettings, client: Elasticsearch, tmp_path: Path
) -> None:
    served = open_index(settings, tmp_path, METADATA)
    put(served, make_document("s:old", ["leave"]))
    open_new_index(settings, tmp_path, METADATA)  # a rebuild that was killed
    rebuilt = open_new_index(settings, tmp_path, METADATA)
    put(rebuilt, make_document("s:new", ["leave"]))
    assert (set(served.states()), set(rebuilt.states())) == ({"s:old"}, {"s:new"})
    before = served.generation
    rebuilt.publish()
    rebuilt.publish()
    assert set(served.states()) == set(rebuilt.states()) == {"s:new"}
    found = served.search("leave", vector_of("x"), ANYONE, 5)
    assert [c.chunk.id for c in found] == ["s:new#0"]
    assert served.generation == rebuilt.generation != before
    assert generations(client, settings.name) == {
        f"{settings.name}-000001": [f"{settings.name}-previous"],
        f"{settings.name}-000003": [settings.name],
    }
    open_new_index(settings, tmp_path, METADATA).publish()
    assert generations(client, settings.name) == {
        f"{settings.name}-000003": [f"{settings.name}-previous"],
        f"{settings.name}-000004": [settings.name],
    }


@pytest.mark.slow
def test_a_rebuild_leaves_indexes_of_a_similar_name_alone(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    others = settings.model_copy(update={"name": f"{settings.name}-dev"})
    put(ElasticIndex(others, METADATA), make_document("s:a", ["one"]))
    ElasticIndex(settings, METADATA)
    ElasticIndex.create_new(settings, METADATA).publish()
    assert ElasticIndex(others, METADATA).count() == 1
    client.indices.delete(index=f"{others.name}-000001")


@pytest.mark.slow
def test_what_a_killed_writer_left_unseen_is_told_and_closed(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    store = ElasticIndex(settings, METADATA)
    put(store, make_document("s:a", ["one", "two"]))
    # As far as a killed process came: one chunk of four, not refreshed.
    chunks = make_chunks(make_document("s:a", ["uno", "dos", "tres", "cuatro"]))
    (action, *_) = put_actions(chunks[3:], vectors_for(chunks[3:]))
    client.index(
        index=settings.name, id=action["_id"], routing=action["routing"], document=action["_source"]
    )
    assert store.states()["s:a"].complete, "a reader's look shows nothing half-written"
    assert [c.text for c in store.document_chunks("s:a", ANYONE)] == ["one", "two"]
    store.set_acl(["s:a"], [], "nobody")
    assert store.document_chunks("s:a", ANYONE) == []
    assert not store.states()["s:a"].complete
    put(store, make_document("s:a", ["one"]))
    assert store.states()["s:a"].complete
    assert store.count() == 1


@pytest.mark.slow
def test_a_document_of_more_chunks_than_a_page_comes_back_whole(settings: IndexSettings) -> None:
    store = ElasticIndex(settings, METADATA)
    document = make_document("s:long", [f"part {n}" for n in range(5_001)])
    put(store, document)
    assert [c.ordinal for c in store.document_chunks("s:long", ANYONE)] == list(range(5_001))
    store.delete_documents(["s:long"])
    assert store.count() == 0


@pytest.mark.slow
def test_names_longer_than_the_server_takes_as_a_key_are_stored(settings: IndexSettings) -> None:
    store = ElasticIndex(settings, METADATA)
    document = make_document("s:" + "会社/" * 500, ["one"])
    put(store, document)
    assert store.document_chunks(document.id, ANYONE) == make_chunks(document)


@pytest.mark.slow
def test_a_reader_of_few_chunks_gets_all_of_them(settings: IndexSettings) -> None:
    store = ElasticIndex(settings, METADATA)
    put(store, *(make_document(f"s:{n}", [f"text {n}"], ["others"]) for n in range(400)))
    put(store, *(make_document(f"s:mine{n}", [f"mine {n}"], ["hr"]) for n in range(12)))
    found = store.search("", vector_of("x"), Reader(frozenset({"hr"})), 12)
    assert len(found) == 12
    for candidate in found:
        expected = float(vector_of(candidate.chunk.embedding_text) @ vector_of("x"))
        assert candidate.dense == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_a_read_only_index_is_told_with_its_mend(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    store = ElasticIndex(settings, METADATA)
    put(store, make_document("s:a", ["one"]))
    client.indices.put_settings(index=settings.name, settings={"index.blocks.write": True})
    with pytest.raises(IndexUnavailableError, match="read-only") as caught:
        put(store, make_document("s:b", ["secret text"]))
    assert "Free space" in caught.value.mend
    assert store.search("one", vector_of("x"), ANYONE, 5) != []
    client.indices.put_settings(index=settings.name, settings={"index.blocks.write": None})
    put(store, make_document("s:b", ["two"]))
    assert store.count() == 2


@pytest.mark.slow
def test_an_index_of_another_kind_is_refused_without_its_text(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    client.indices.create(index="another-000001", aliases={settings.name: {}})
    with pytest.raises(IndexMismatchError, match="didn't write"):
        ElasticIndex(settings, METADATA)
    client.indices.delete(index="another-000001")


@pytest.mark.slow
def test_an_alias_that_was_taken_away_is_never_made_by_writing(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    store = ElasticIndex(settings, METADATA)
    client.indices.delete_alias(index=f"{settings.name}-000001", name=settings.name)
    for action in (
        lambda: put(store, make_document("s:a", ["one"])),
        store.count,
        lambda: store.search("one", vector_of("x"), ANYONE, 5),
        lambda: ElasticIndex(settings, METADATA),
    ):
        with pytest.raises(IndexUnavailableError) as caught:
            action()
        assert "--rebuild" in caught.value.mend
    assert generations(client, settings.name) == {f"{settings.name}-000001": []}


@pytest.mark.slow
def test_what_may_have_been_served_is_never_replaced_by_an_empty_index(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    ElasticIndex(settings, METADATA)
    new = ElasticIndex.create_new(settings, METADATA)
    put(new, make_document("s:a", ["one"]))
    new.publish()
    client.indices.delete_alias(index=f"{settings.name}-000002", name=settings.name)
    with pytest.raises(IndexUnavailableError, match=f"{settings.name}-000002") as caught:
        ElasticIndex(settings, METADATA)
    assert "POST /_aliases" in caught.value.mend
    killed = ElasticIndex.create_new(settings, METADATA)
    with pytest.raises(IndexUnavailableError, match=f"{settings.name}-000002"):
        ElasticIndex(settings, METADATA)
    client.indices.put_alias(index=f"{settings.name}-000002", name=settings.name)
    assert ElasticIndex(settings, METADATA).count() == 1
    killed.publish()
    assert generations(client, settings.name) == {
        f"{settings.name}-000002": [f"{settings.name}-previous"],
        f"{settings.name}-000003": [settings.name],
    }


@pytest.mark.slow
def test_a_first_index_is_made_beside_an_unfinished_rebuild(settings: IndexSettings) -> None:
    ElasticIndex.create_new(settings, METADATA)
    assert ElasticIndex(settings, METADATA).count() == 0


@pytest.mark.slow
def test_an_index_of_another_name_can_be_served_and_kept_and_is_never_removed(
    settings: IndexSettings, client: Elasticsearch
) -> None:
    """As after a snapshot was restored under a new name."""
    put(ElasticIndex(settings, METADATA), make_document("s:a", ["one"]))
    (made,) = client.indices.get_mapping(index=settings.name).values()
    restored = f"restored-{settings.name}"
    client.indices.create(index=restored, mappings=made["mappings"])
    move = [
        {"add": {"index": restored, "alias": settings.name}},
        {"remove_index": {"index": f"{settings.name}-000001"}},
    ]
    client.indices.update_aliases(actions=move)
    put(ElasticIndex(settings, METADATA), make_document("s:b", ["two"]))
    ElasticIndex.create_new(settings, METADATA).publish()
    assert ElasticIndex(settings, METADATA).count() == 0
    ElasticIndex.open_previous(settings, METADATA).publish()
    assert ElasticIndex(settings, METADATA).count() == 1
    for _ in range(2):
        ElasticIndex.create_new(settings, METADATA).publish()
    assert client.indices.get_alias(index=restored)[restored]["aliases"] == {}
    client.indices.delete(index=restored)


@pytest.mark.slow
def test_https_to_a_server_without_it_is_told() -> None:
    url = server_url().replace("http://", "https://")
    with pytest.raises(IndexUnavailableError, match="certificate"):
        ElasticIndex(IndexSettings(url=url), METADATA)


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(IndexUnavailableError, match=r"127\.0\.0\.1:9 can't be reached"):
        ElasticIndex(IndexSettings(url="http://127.0.0.1:9"), METADATA)


@contextmanager
def answering(
    status: int,
    kind: str,
    product: str = "Elasticsearch",
    *,
    reason: str = "secret",
    credentials: str = "elastic:pass-word",
) -> Iterator[IndexSettings]:
    """Answer everything with one error, as a server does in states that are hard to bring about."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(status)
            if product:
                self.send_header("X-Elastic-Product", product)
            body = json.dumps({"error": {"type": kind, "reason": reason}, "status": status})
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        do_GET = do_POST = do_PUT = do_HEAD  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield IndexSettings(
            url=f"http://127.0.0.1:{server.server_port}",
            username=credentials.partition(":")[0],
            password=SecretStr(credentials.partition(":")[2]),
            patience_seconds=0,
        )
        server.shutdown()
        thread.join()
    assert set(seen) == {f"Basic {base64.b64encode(credentials.encode()).decode()}"}


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, "security_exception", "credentials"),
        (403, "security_exception", "rights"),
        (429, "circuit_breaking_exception", "too much to do"),
        (429, "cluster_block_exception", "read-only"),
        (500, "any", "status 500"),
        (503, "cluster_block_exception", "isn't ready"),
        (400, "parsing_exception", "8.19"),
        (406, "any", "another generation"),
        (400, "index_closed_exception", "_open"),
        (400, "resource_already_exists_exception", "one machine at a time"),
        (400, "snapshot_in_progress_exception", "snapshot"),
        (409, "version_conflict_engine_exception", "one run at a time"),
    ],
)
def test_each_answer_has_its_problem_and_mend(status: int, kind: str, message: str) -> None:
    with answering(status, kind) as settings, pytest.raises(IndexStoreError) as caught:
        ElasticIndex.create_new(settings, METADATA)
    shown = f"{caught.value.problem} {caught.value.mend}"
    assert message in shown
    assert caught.value.mend
    assert "pass-word" not in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("kind", "reason", "message"),
    [
        (
            "validation_exception",
            "Validation Failed: 1: this action would add [2] shards, but this cluster currently "
            "has [1000]/[1000] maximum normal shards open; secret",
            "cluster.max_shards_per_node",
        ),
        (
            "mapper_parsing_exception",
            "Failed to parse mapping: The number of dimensions should be in the range [1, 4096] "
            "but was [5000]: secret",
            "embedding.model",
        ),
        (
            "mapper_parsing_exception",
            "Failed to parse mapping: analyzer [secret] has not been configured in mappings",
            "index.language",
        ),
        ("mapper_parsing_exception", "secret", "index.vectors"),
    ],
)
def test_a_limit_of_the_server_has_its_own_mend(kind: str, reason: str, message: str) -> None:
    refused = pytest.raises(IndexStoreError)
    with answering(400, kind, reason=reason) as settings, refused as caught:
        ElasticIndex.create_new(settings, METADATA)
    assert message in caught.value.mend
    assert "--rebuild" not in caught.value.mend
    assert "secret" not in f"{caught.value.problem} {caught.value.mend}"


def test_what_a_reason_quotes_decides_nothing() -> None:
    """It may hold a document's text, which may speak of Elasticsearch."""
    text = "cluster_block_exception media_type_header_exception snapshot_in_progress_exception"
    refused = pytest.raises(IndexStoreError, match="parsing_exception")
    with answering(400, "parsing_exception", reason=text) as settings, refused as caught:
        ElasticIndex.create_new(settings, METADATA)
    assert "block" not in caught.value.problem


def test_a_password_may_hold_any_letters() -> None:
    refused = pytest.raises(IndexUnavailableError, match="credentials")
    asked = answering(401, "security_exception", credentials="jürgen:pässwörd:€")
    with asked as settings, refused:
        ElasticIndex(settings, METADATA)


def test_what_is_not_elasticsearch_is_told() -> None:
    refused = pytest.raises(IndexUnavailableError, match="isn't Elasticsearch")
    with answering(200, "any", product="") as settings, refused:
        ElasticIndex(settings, METADATA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "http://elastic:pass-word@localhost:9200"}, "holds credentials"),
        ({"url": "localhost:9200"}, "isn't an address"),
        ({"url": "http://"}, "isn't an address"),
        ({"url": "http://localhost:port"}, "isn't an address"),
        ({"url": "http://[::1"}, "isn't an address"),
        ({"url": "http://[fe80::1%25eth0]:9200"}, "isn't an address"),
        ({"url": "http://ho st:9200"}, "isn't an address"),
        ({"url": "http://a..b:9200"}, "isn't an address"),
        ({"url": f"http://{'a' * 64}:9200"}, "isn't an address"),
        ({"url": "https://localhost", "ca_file": "/nowhere.pem"}, "isn't there"),
    ],
)
def test_settings_that_cannot_be_right_are_told(change: dict[str, str], message: str) -> None:
    with pytest.raises(IndexUnavailableError, match=message) as caught:
        ElasticIndex(IndexSettings(**change), METADATA)
    assert "pass-word" not in f"{caught.value.problem} {caught.value.mend}"


def test_addresses_may_be_named_twice_and_differ_in_their_scheme(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    url = "https://one.example.com:9200,http://[::1]:9200/under, https://one.example.com:9200"
    with connect(IndexSettings(url=url, ca_file=str(authority))) as opened:
        nodes = {node.base_url for node in opened.transport.node_pool.all()}
    assert nodes == {"https://one.example.com:9200", "http://[::1]:9200/under"}


def test_secrets_are_not_shown_and_names_are_checked() -> None:
    shown = repr(IndexSettings(api_key=SecretStr("key-text"), password=SecretStr("pass-word")))
    assert "key-text" not in shown
    assert "pass-word" not in shown
    for name in ("", "*", "a,b", "Upper", "-x", "_all"):
        with pytest.raises(ValidationError):
            IndexSettings(name=name)


@pytest.mark.parametrize(
    ("text", "query", "shared"),
    [
        ("The employee's sabbaticals", "employee sabbatical", {"employe", "sabbat"}),
        ("MAX_RETRIES in src/config.go", "max_retries config", {"max_retri", "config"}),
        ("年假申请", "年假", {"年假"}),
        ("年假申请", "年", {"年"}),
        ("นโยบายการลา", "การลา", {"กา", "าร", "รล", "ลา"}),
        ("मातृत्व अवकाश", "अवकाश", {"अवकाश"}),
        ("PTO2024年版", "pto2024", {"pto2024"}),
        ("😀 …", "😀", set()),
    ],
)
def test_words_of_a_chunk_and_of_a_question_are_cut_alike(
    text: str, query: str, shared: set[str]
) -> None:
    searched = set(searched_words(query).split())
    assert searched == shared
    assert searched <= set(indexed_words(text).split())


def test_a_jdk_is_taken_only_when_it_is_new_enough(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in ("17", "jre-21", "21")]
    for home in homes:
        (home / "bin").mkdir(parents=True)
        version = home.name.rpartition("-")[2]
        (home / "release").write_text(f'JAVA_VERSION="{version}.0.1"\n', encoding="utf-8")
    for home in (homes[0], homes[2]):
        (home / "bin" / "javac").touch()
    assert find_java(homes) == homes[2]
    assert find_java(homes[:2]) is None
