"""The connection to Elasticsearch: addresses, credentials, certificates, time limits."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from elastic_transport import NodeConfig, Urllib3HttpNode
from elastic_transport.client_utils import parse_cloud_id, url_to_node_config
from elasticsearch import Elasticsearch, OrjsonSerializer

from ingestion.errors import IndexUnavailableError
from ingestion.index.elastic_patience import READ_SECONDS, request_seconds, uncounted
from ingestion.settings import IndexSettings

_TIMEOUT = 30.0
_CHANGES = frozenset({"PUT", "DELETE"})
_VISIBLE = re.compile(r"[!-~]+")


class _Node(Urllib3HttpNode):
    """One server, which is asked no longer than somebody waits for its answer."""

    def perform_request(self, method: str, *args: Any, **options: Any) -> Any:
        """Send a request and return its answer."""
        if method in _CHANGES:
            # An index that is being made is made all the same: to give up on it would tell less.
            with uncounted():
                return super().perform_request(method, *args, **options)
        seconds = request_seconds()
        if seconds is not None:
            options["request_timeout"] = seconds
        return super().perform_request(method, *args, **options)


def connect(settings: IndexSettings) -> Elasticsearch:
    """Return a client; nothing is sent yet.

    A request goes to each of the addresses until one of them takes it. Waiting for better times,
    and asking another where one doesn't answer in time, is the caller's: see `elastic_patience`.

    Raises:
        IndexUnavailableError: The settings can't be right.
    """
    # Named twice, one server is one all the same.
    nodes = dict.fromkeys(_node_config(settings, *address) for address in _addresses(settings))
    return Elasticsearch(
        list(nodes),
        request_timeout=_TIMEOUT,
        max_retries=len(nodes),
        node_class=_Node,
        # One that didn't answer isn't asked again by who still waits, where there are others.
        dead_node_backoff_factor=READ_SECONDS,
        # A quarter of the CPU time of the standard library's.
        serializer=OrjsonSerializer(),
        **_credentials(settings),
    )


def address_of(settings: IndexSettings) -> str:
    """Return hosts and ports for people, without anything secret.

    Raises:
        IndexUnavailableError: The URL isn't one.
    """
    return ", ".join(parts.netloc.rpartition("@")[2] for parts, _ in _addresses(settings))


def _addresses(settings: IndexSettings) -> list[tuple[SplitResult, int]]:
    if settings.cloud_id:
        if settings.url:
            raise IndexUnavailableError(
                "index.url and index.cloud_id are both set.", "Take one of them out."
            )
        return [_parsed(_cloud_url(settings.cloud_id))]
    return [_parsed(url.strip()) for url in settings.url.split(",")]


def _cloud_url(cloud_id: str) -> str:
    try:
        host, port = parse_cloud_id(cloud_id).es_address or ("", 0)
    except ValueError:
        host, port = "", 0
    if not host:
        raise IndexUnavailableError(
            "index.cloud_id isn't a cloud id.", "Copy it anew from the deployment's page."
        )
    return f"https://{host}:{port}"


def _parsed(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 9200)
    except ValueError as error:
        raise _not_an_address() from error
    # A percent sign belongs to a link-local address, which the client can't use.
    if parts.scheme not in {"http", "https"} or not parts.hostname or "%" in parts.hostname:
        raise _not_an_address()
    if parts.username or parts.password:
        raise IndexUnavailableError(
            "index.url holds credentials.",
            "Move them to NIGHTSHIFT_INDEX__USERNAME and NIGHTSHIFT_INDEX__PASSWORD.",
        )
    return parts, port


def _node_config(settings: IndexSettings, parts: SplitResult, port: int) -> NodeConfig:
    hostname = parts.hostname or ""
    host = f"[{hostname}]" if ":" in hostname else hostname
    try:
        # What each connection does, and is refused without a word for people.
        hostname.encode("idna")
        node = url_to_node_config(f"{parts.scheme}://{host}:{port}{parts.path}")
    except ValueError as error:
        raise _not_an_address() from error
    return node.replace(**_certificates(settings)) if parts.scheme == "https" else node


def _not_an_address() -> IndexUnavailableError:
    return IndexUnavailableError(
        "index.url isn't an address.",
        'Write it like "https://search.example.com:9200", several with commas between them.',
    )


def _credentials(settings: IndexSettings) -> dict[str, Any]:
    key = settings.api_key.get_secret_value()
    if key:
        # As a header it would be refused with itself in the message.
        if not _VISIBLE.fullmatch(key):
            raise IndexUnavailableError(
                "index.api_key holds characters that no key has.", "Copy the encoded key anew."
            )
        return {"api_key": key}
    if settings.username:
        # The client itself encodes nothing but ASCII.
        pair = f"{settings.username}:{settings.password.get_secret_value()}"
        return {"basic_auth": base64.b64encode(pair.encode()).decode()}
    return {}


def _certificates(settings: IndexSettings) -> dict[str, Any]:
    if not settings.verify_certificates:
        # The client would warn with each start; the setting says it already.
        return {"verify_certs": False, "ssl_show_warn": False}
    if not settings.ca_file:
        return {}
    if not Path(settings.ca_file).is_file():
        raise IndexUnavailableError(
            f"The file {settings.ca_file} isn't there.", "Check index.ca_file."
        )
    return {"ca_certs": settings.ca_file}
