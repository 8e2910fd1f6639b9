"""Certificates, passwords and API keys against servers that ask for them; no secret is shown."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from elasticsearch import Elasticsearch
from pydantic import SecretStr

from ingestion.documents import Reader, hash_of
from ingestion.errors import IndexStoreError, IndexUnavailableError
from ingestion.index.elastic import ElasticIndex
from ingestion.index.elastic_client import connect
from ingestion.index.elastic_generations import drop_others, list_generations
from ingestion.index.elastic_health import server_health
from ingestion.index.elastic_mapping import layout_of
from ingestion.settings import IndexSettings
from tests.elasticsearch_package import (
    full_server,
    full_server_is_cached,
    java_home,
    small_server,
)
from tests.elasticsearch_server import SERVER_VARIABLE, SINGLE_NODE, Server
from tests.ingestion.stores import METADATA, make_document, put, vector_of

pytestmark = pytest.mark.slow
ANYONE = Reader()
PASSWORD = "pass-word of elastic: päss"
SECURE = {
    **SINGLE_NODE,
    "xpack.security.enabled": "true",
    "xpack.security.autoconfiguration.enabled": "false",
    "xpack.security.http.ssl.enabled": "true",
    "xpack.security.http.ssl.key": "http.key",
    "xpack.security.http.ssl.certificate": "http.crt",
}


@dataclass(frozen=True)
class SecureServer:
    url: str
    ca_file: str

    def settings(self, folder: Path, **changes: object) -> IndexSettings:
        """Return the settings of an index of its own that the server accepts, but for changes."""
        given = IndexSettings(
            url=self.url,
            name=f"secure-{hash_of(str(folder))}",
            username="elastic",
            password=SecretStr(PASSWORD),
            ca_file=self.ca_file,
        )
        return given.model_copy(update=changes)


def secure_server(home: Path, folder: Path) -> Iterator[SecureServer]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    files = {
        "http.key": certificate.private_key_pem.bytes(),
        "http.crt": b"".join(part.bytes() for part in certificate.cert_chain_pems),
    }
    server = Server(home, java_home(), SECURE, password=PASSWORD, files=files)
    server.start()
    yield SecureServer(server.url, str(folder / "ca.pem"))
    server.stop()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureServer]:
    yield from secure_server(small_server(), tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureServer]:
    """The small server has no API keys and no analyzers of languages."""
    if os.environ.get(SERVER_VARIABLE) != "full" and not full_server_is_cached():
        pytest.skip(
            "the full server isn't in the cache: make test-elasticsearch-full puts it there"
        )
    yield from secure_server(full_server(), tmp_path_factory.mktemp("full"))


@pytest.fixture(autouse=True)
def _nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    for secret in ("pass-word", "key-text", base64.b64encode(b"elastic:pass").decode()[:14]):
        assert secret not in caplog.text


def assert_works(settings: IndexSettings) -> None:
    store = ElasticIndex(settings, METADATA)
    put(store, make_document("s:a", ["leave"]))
    assert len(store.search("leave", vector_of("x"), ANYONE, 5)) == 1
    assert "pass-word" not in repr(vars(store))
    store.close()


def refusal(settings: IndexSettings) -> str:
    with pytest.raises(IndexUnavailableError) as caught:
        put(ElasticIndex(settings, METADATA), make_document("s:a", ["leave"]))
    assert caught.value.mend
    shown = f"{caught.value!r} {caught.value.problem} {caught.value.mend}"
    assert "pass-word" not in shown
    assert "key-text" not in shown
    return caught.value.problem


def test_a_password_and_an_authority_of_ones_own_work(small: SecureServer, tmp_path: Path) -> None:
    assert_works(small.settings(tmp_path))


def test_a_cloud_id_leads_to_its_server(small: SecureServer, tmp_path: Path) -> None:
    """It holds the server's host in two halves; here they make 127.0.0.1."""
    port = small.url.rpartition(":")[2]
    cloud_id = "name:" + base64.b64encode(f"0.0.1:{port}$127$kibana".encode()).decode()
    settings = small.settings(tmp_path, url="", cloud_id=cloud_id)
    assert settings.on_server
    assert_works(settings)


def test_a_server_that_cannot_be_verified_is_refused(small: SecureServer, tmp_path: Path) -> None:
    another = tmp_path / "another.pem"
    trustme.CA().cert_pem.write_to_path(another)
    for ca_file in ("", str(another)):
        problem = refusal(small.settings(tmp_path, ca_file=ca_file))
        assert "certificate" in problem
    assert_works(small.settings(tmp_path, ca_file="", verify_certificates=False))


def test_an_authority_that_the_system_trusts_needs_no_setting(
    small: SecureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = tmp_path / "another.pem"
    trustme.CA().cert_pem.write_to_path(another)
    monkeypatch.setenv("SSL_CERT_FILE", small.ca_file)
    for ca_file in ("", str(another)):
        assert_works(small.settings(tmp_path, ca_file=ca_file))


@pytest.mark.parametrize(
    "change",
    [
        {"password": SecretStr("another pass-word")},
        {"username": "nobody"},
        {"username": "", "password": SecretStr("")},
        {"api_key": SecretStr(base64.b64encode(b"id:key-text").decode())},
    ],
)
def test_wrong_credentials_are_told(
    small: SecureServer, tmp_path: Path, change: dict[str, object]
) -> None:
    assert "doesn't accept the credentials" in refusal(small.settings(tmp_path, **change))


def test_a_key_that_no_header_can_hold_is_told_without_it(
    small: SecureServer, tmp_path: Path
) -> None:
    broken = small.settings(tmp_path, api_key=SecretStr("key-text\n"))
    assert "index.api_key" in refusal(broken)


def by_words(store: ElasticIndex, text: str) -> set[str]:
    found = store.search(text, vector_of("far"), ANYONE, 5)
    return {c.chunk.document_id for c in found if c.bm25 is not None}


def api_key(client: Elasticsearch, *indexes: str) -> SecretStr:
    rights = {"names": list(indexes), "privileges": ["manage", "read", "write"]}
    made = client.security.create_api_key(
        name="key", role_descriptors={"nightshift": {"index": [rights]}}
    )
    return SecretStr(str(made["encoded"]))


def limited_to_its_index(server: SecureServer, folder: Path, **changes: object) -> IndexSettings:
    """Return settings with a key that has the rights the README names, and no others."""
    settings = server.settings(folder, **changes)
    with connect(settings) as client:
        key = api_key(client, settings.name, f"{settings.name}-*")
    return settings.model_copy(update={"api_key": key, "username": ""})


def test_an_api_key_with_rights_on_the_index_alone_is_enough(
    full: SecureServer, tmp_path: Path
) -> None:
    assert_works(limited_to_its_index(full, tmp_path))
    settings = full.settings(tmp_path)
    with connect(settings) as client:
        of_another = api_key(client, "another")
    problem = refusal(settings.model_copy(update={"api_key": of_another, "username": ""}))
    assert "rights" in problem


def test_such_a_key_is_enough_for_a_language_for_rebuilds_and_for_the_way_back(
    full: SecureServer, tmp_path: Path
) -> None:
    settings = limited_to_its_index(full, tmp_path, language="german")
    served = ElasticIndex(settings, METADATA)
    put(served, make_document("s:a", ["Die Häuser am Hafen"]))
    rebuilt = ElasticIndex.create_new(settings, METADATA)
    put(rebuilt, make_document("s:b", ["Die Häuser am Hafen"]))
    rebuilt.publish()
    assert by_words(ElasticIndex(settings, METADATA), "Haus") == {"s:b"}
    generations = list_generations(settings)
    assert [generation.role for generation in generations] == ["served", "previous"]
    assert [generation.chunks for generation in generations] == [1, 1]
    health = server_health(settings)
    assert (health.version, health.nodes, health.notes) == (None, None, ())
    ElasticIndex.open_previous(settings, METADATA).publish()
    assert by_words(served, "Haus") == {"s:a"}
    drop_others(settings)
    given_up = ElasticIndex.create_new(settings, METADATA)
    given_up.discard()
    assert [generation.role for generation in list_generations(settings)] == ["served", "previous"]


def test_a_language_that_such_a_key_cannot_ask_for_is_told_at_the_first_index(
    full: SecureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = limited_to_its_index(full, tmp_path)
    unknown = settings.model_copy(update={"language": "klingon"})
    with pytest.raises(IndexStoreError, match="no such analyzer") as caught:
        ElasticIndex(unknown, METADATA)
    assert "index.language" in caught.value.mend
    ElasticIndex(settings, METADATA)
    assert_works(unknown)
    assert "no analyzer klingon" in caplog.text


def test_the_analyzer_of_a_language_finds_what_our_own_words_do_not(
    full: SecureServer, tmp_path: Path
) -> None:
    plain = ElasticIndex(full.settings(tmp_path), METADATA)
    german = ElasticIndex(full.settings(tmp_path / "german", language="german"), METADATA)
    for store in (plain, german):
        put(store, make_document("s:a", ["Die Häuser am Hafen"]), make_document("s:b", ["Urlaub"]))
    assert by_words(plain, "Haus") == set()
    assert by_words(german, "Haus") == {"s:a"}
    assert by_words(german, "Urlaub") == {"s:b"}
    with connect(full.settings(tmp_path)) as client:
        (index,) = client.indices.get_mapping(index=german_alias(full, tmp_path)).values()
    assert layout_of(index["mappings"]).analyzer == "german"


def german_alias(full: SecureServer, folder: Path) -> str:
    return full.settings(folder / "german").name
