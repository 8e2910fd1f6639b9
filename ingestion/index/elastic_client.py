"""The connection to Elasticsearch: address, credentials, certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from elasticsearch import Elasticsearch

from ingestion.errors import IndexUnavailableError
from ingestion.settings import IndexSettings

_TIMEOUT = 30.0
_RETRIES = 3


def connect(settings: IndexSettings) -> Elasticsearch:
    """Return a client; nothing is sent yet.

    Raises:
        IndexUnavailableError: The settings can't be right.
    """
    parts, port = _parsed(settings.url)
    if parts.username or parts.password:
        raise IndexUnavailableError(
            "index.url holds credentials.",
            "Move them to NIGHTSHIFT_INDEX__USERNAME and NIGHTSHIFT_INDEX__PASSWORD.",
        )
    hostname = parts.hostname or ""
    host = f"[{hostname}]" if ":" in hostname else hostname
    return Elasticsearch(
        f"{parts.scheme}://{host}:{port}{parts.path}",
        request_timeout=_TIMEOUT,
        max_retries=_RETRIES,
        retry_on_timeout=True,
        **_credentials(settings),
        **(_certificates(settings) if parts.scheme == "https" else {}),
    )


def address_of(settings: IndexSettings) -> str:
    """Return host and port for people, without anything secret.

    Raises:
        IndexUnavailableError: The URL isn't one.
    """
    return _parsed(settings.url)[0].netloc.rpartition("@")[2]


def _parsed(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 9200)
    except ValueError as error:
        raise _not_an_address() from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _not_an_address()
    return parts, port


def _not_an_address() -> IndexUnavailableError:
    return IndexUnavailableError(
        "index.url isn't an address.", 'Write it like "https://search.example.com:9200".'
    )


def _credentials(settings: IndexSettings) -> dict[str, Any]:
    if settings.api_key.get_secret_value():
        return {"api_key": settings.api_key.get_secret_value()}
    if settings.username:
        return {"basic_auth": (settings.username, settings.password.get_secret_value())}
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
