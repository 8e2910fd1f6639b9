"""The client's errors as errors that name their mend."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from elastic_transport import ConnectionTimeout, TlsError, TransportError
from elasticsearch import ApiError, UnsupportedProductError

from ingestion.errors import IndexStoreError, IndexUnavailableError
from ingestion.index.served import REBUILD

logger = logging.getLogger(__name__)


@contextmanager
def mapped_errors(address: str) -> Iterator[None]:
    """Raise an IndexStoreError for what goes wrong with the server at an address, for people."""
    try:
        yield
    except ApiError as error:
        logger.debug("Elasticsearch answered %s.", error.status_code)
        raise _of_api_error(address, error) from error
    except TransportError as error:
        logger.debug("Elasticsearch wasn't reached: %s.", type(error).__name__)
        raise _of_transport_error(address, error) from error


def failed_item(address: str, item: Mapping[str, Any]) -> IndexStoreError:
    """Return the error of one part of a bulk or multi-search request.

    Args:
        item: Its ``status`` and ``error``, as the server gave them.
    """
    error = item.get("error", {})
    # A reason may quote a field's value, so it isn't shown.
    return _of_status(address, int(item.get("status", 500)), str(error.get("type")), str(error))


def _of_api_error(address: str, error: ApiError) -> IndexStoreError:
    if isinstance(error, UnsupportedProductError):
        return IndexUnavailableError(
            f"What answers at {address} isn't Elasticsearch.", "Check index.url."
        )
    return _of_status(address, error.status_code, error.error, str(error.body))


def _of_status(address: str, status: int, kind: str, details: str) -> IndexStoreError:
    where = f"Elasticsearch at {address}"
    if status == 401:
        return IndexUnavailableError(
            f"{where} doesn't accept the credentials.",
            "Check index.api_key, or index.username and index.password.",
        )
    if "cluster_block_exception" in kind or "cluster_block_exception" in details:
        return IndexUnavailableError(
            f"{where} lets nobody write: the index is read-only, as when a disk is nearly full.",
            "Free space on its disks, then try again; what was stored is safe.",
        )
    if status == 403:
        return IndexUnavailableError(
            f"{where} doesn't give these credentials the rights they need.",
            "Give them the rights manage, read and write on the index and its generations.",
        )
    if status == 429:
        return IndexUnavailableError(f"{where} has too much to do.", "Try again later.")
    if status == 404:
        return IndexUnavailableError(f"{where} has no such index any more.", REBUILD)
    if status == 400:
        return IndexStoreError(
            f"{where} refuses a request ({kind}).",
            f"Its version must be 8.19 or newer. If it is, the index is of another kind. {REBUILD}",
        )
    return IndexUnavailableError(
        f"{where} has a problem (status {status}).", "Look at its health and its log; try again."
    )


def _of_transport_error(address: str, error: TransportError) -> IndexUnavailableError:
    if isinstance(error, TlsError):
        return IndexUnavailableError(
            f"The certificate of Elasticsearch at {address} can't be verified.",
            "Name the authority's certificate in index.ca_file, and check that the URL's host is "
            "the certificate's.",
        )
    if isinstance(error, ConnectionTimeout):
        return IndexUnavailableError(
            f"Elasticsearch at {address} doesn't answer in time.", "Look at its load; try again."
        )
    return IndexUnavailableError(
        f"Elasticsearch at {address} can't be reached.", "Is it running? Is index.url right?"
    )
