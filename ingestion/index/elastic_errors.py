"""The client's errors as errors that name their mend."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from elastic_transport import ConnectionTimeout, SerializationError, TlsError, TransportError
from elasticsearch import ApiError, UnsupportedProductError

from ingestion.errors import (
    DocumentsRefusedError,
    IndexOutOfReachError,
    IndexStoreError,
    IndexUnavailableError,
)
from ingestion.index.elastic_server import too_old
from ingestion.index.served import REBUILD

logger = logging.getLogger(__name__)

_SHOWN = 3
_MAY_PASS = frozenset({502, 503, 504})
_ANSWERS = {
    401: (
        "doesn't accept the credentials.",
        "Check index.api_key, or index.username and index.password.",
    ),
    403: (
        "doesn't give these credentials the rights they need.",
        "Give them the rights manage, read and write on the index and its generations.",
    ),
    404: ("has no such index any more.", REBUILD),
}


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


def refused_documents(
    address: str, kinds: Iterable[str], document_ids: Iterable[str]
) -> DocumentsRefusedError:
    """Return the error for documents that a server doesn't take.

    Args:
        kinds: The server's names for what is wrong; a reason may quote text, so it isn't shown.
        document_ids: Of the documents.
    """
    ids = sorted(set(document_ids))
    shown = ", ".join(ids[:_SHOWN]) + (f" and {len(ids) - _SHOWN} more" if ids[_SHOWN:] else "")
    return DocumentsRefusedError(
        f"Elasticsearch at {address} refuses documents ({', '.join(sorted(set(kinds)))}): {shown}.",
        f"If somebody changed the index's mapping: {REBUILD}",
        frozenset(ids),
    )


def _of_api_error(address: str, error: ApiError) -> IndexStoreError:
    if isinstance(error, UnsupportedProductError):
        return IndexUnavailableError(
            f"What answers at {address} isn't Elasticsearch, or is one too old to say so.",
            "Check index.url, and that the server is 8.19 or newer.",
        )
    return _of_status(address, error.status_code, error.error, str(error.body))


def _of_status(address: str, status: int, kind: str, details: str) -> IndexStoreError:
    where = f"Elasticsearch at {address}"
    if "cluster_block_exception" in kind or "cluster_block_exception" in details:
        return _blocked(where, details)
    if status in _ANSWERS:
        problem, mend = _ANSWERS[status]
        return IndexUnavailableError(f"{where} {problem}", mend)
    if status == 429:
        return IndexOutOfReachError(f"{where} has too much to do.", "Try again later.")
    if status in _MAY_PASS:
        return IndexOutOfReachError(
            f"{where} has no working copy of a part of the index, or no master (status {status}).",
            "Look at its health: start the nodes that are missing.",
        )
    if status in {400, 406} and "media_type_header" in f"{kind} {details}":
        return too_old(address, "of another generation than this client")
    if "mapper_parsing" in kind:
        return IndexStoreError(
            f"{where} can't make an index like that.",
            "Check index.vectors: bbq needs vectors of 64 numbers, int4 an even number of them.",
        )
    if status in {400, 406}:
        return IndexStoreError(
            f"{where} refuses a request ({kind}).",
            f"Its version must be 8.19 or newer. If it is, the index is of another kind. {REBUILD}",
        )
    return IndexUnavailableError(
        f"{where} has a problem (status {status}).", "Look at its health and its log; try again."
    )


def _blocked(where: str, details: str) -> IndexUnavailableError:
    """Tell a cluster that isn't ready from a full disk, or from somebody's own block."""
    if "SERVICE_UNAVAILABLE" in details:
        return IndexOutOfReachError(
            f"{where} isn't ready: it starts, or its master is lost.",
            "Look at its health: start the nodes that are missing.",
        )
    return IndexUnavailableError(
        f"{where} lets nobody write: the index is read-only, as when a disk is nearly full.",
        "Free space on its disks, then try again; what was stored is safe.",
    )


def _of_transport_error(address: str, error: TransportError) -> IndexUnavailableError:
    if isinstance(error, TlsError):
        return _of_certificate(address, error)
    if isinstance(error, ConnectionTimeout):
        return IndexOutOfReachError(
            f"Elasticsearch at {address} doesn't answer in time.",
            "Look at its load and its health; try again.",
        )
    if isinstance(error, SerializationError):
        return IndexUnavailableError(
            f"What answers at {address} doesn't answer as Elasticsearch does.",
            "Check index.url, and any proxy before it.",
        )
    return IndexOutOfReachError(
        f"Elasticsearch at {address} can't be reached.", "Is it running? Is index.url right?"
    )


def _of_certificate(address: str, error: TlsError) -> IndexUnavailableError:
    details = str(error)
    if "expired" in details or "not yet valid" in details:
        return IndexUnavailableError(
            f"The certificate of Elasticsearch at {address} isn't valid at this time.",
            "Compare the clocks of both machines; if they are right, renew the certificate.",
        )
    return IndexUnavailableError(
        f"The certificate of Elasticsearch at {address} can't be verified.",
        "Name the authority's certificate in index.ca_file, and check that the URL's host is "
        "the certificate's.",
    )
