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
from ingestion.index.elastic_server import OLDEST, too_old
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
# What a status alone doesn't tell, by the server's name for it.
_KINDS: dict[str, tuple[type[IndexUnavailableError], str, str]] = {
    "index_closed_exception": (
        IndexUnavailableError,
        "keeps the index closed.",
        "Open it: POST /<index.name>/_open",
    ),
    "resource_already_exists_exception": (
        IndexUnavailableError,
        "has an index of that name already: another rebuild has just made it.",
        "Let one machine at a time rebuild, then try again.",
    ),
    "snapshot_in_progress_exception": (
        IndexOutOfReachError,
        "takes a snapshot, and removes no index meanwhile.",
        "Try again after it.",
    ),
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
    return _of_status(address, int(item.get("status", 500)), item.get("error"))


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
    body = error.body
    told = body.get("error") if isinstance(body, Mapping) else None
    return _of_status(address, error.status_code, told)


def _of_status(address: str, status: int, error: object) -> IndexStoreError:
    """Return the error for people. A reason may quote a document's text, so it is never shown."""
    where, kinds = f"Elasticsearch at {address}", _kinds(error)
    for kind in sorted(kinds & _KINDS.keys()):
        error_class, problem, mend = _KINDS[kind]
        return error_class(f"{where} {problem}", mend)
    if "cluster_block_exception" in kinds:
        return _blocked(where, status)
    if status in _ANSWERS:
        problem, mend = _ANSWERS[status]
        return IndexUnavailableError(f"{where} {problem}", mend)
    if status == 409:
        return IndexOutOfReachError(
            f"{where} refuses a change that met another one.", "Try again, one run at a time."
        )
    if status == 429:
        return IndexOutOfReachError(f"{where} has too much to do.", "Try again later.")
    if status in _MAY_PASS:
        return IndexOutOfReachError(
            f"{where} has no working copy of a part of the index, or no master (status {status}).",
            "Look at its health: start the nodes that are missing.",
        )
    if status == 406 or "media_type_header_exception" in kinds:
        return too_old(address, "of another generation than this client")
    if status == 400:
        return _refused(where, kinds, error)
    return IndexUnavailableError(
        f"{where} has a problem (status {status}).", "Look at its health and its log; try again."
    )


def _kinds(error: object) -> frozenset[str]:
    """Return the server's names for what is wrong, and for what brought it about."""
    if not isinstance(error, Mapping):
        return frozenset()
    causes = [*error.get("root_cause", ()), error.get("caused_by")]
    return frozenset({str(error.get("type"))}).union(*map(_kinds, causes))


def _refused(where: str, kinds: frozenset[str], error: object) -> IndexStoreError:
    """Tell a request that can't be done from one that the server doesn't understand."""
    reason = str(error.get("reason")) if isinstance(error, Mapping) else ""
    if "validation_exception" in kinds and "shards open" in reason:
        return IndexUnavailableError(
            f"{where} has as many shards as it may have.",
            "Remove indexes that nobody needs, add a node, or raise cluster.max_shards_per_node.",
        )
    if "mapper_parsing_exception" in kinds:
        return _cannot_make(where, reason)
    return IndexStoreError(
        f"{where} refuses a request ({', '.join(sorted(kinds)) or 'it does not say why'}).",
        f"Its version must be {'.'.join(map(str, OLDEST))} or newer. If it is, its log says more. "
        f"If somebody changed the index's mapping: {REBUILD}",
    )


def _cannot_make(where: str, reason: str) -> IndexStoreError:
    """Tell which of our settings an index can't be made by."""
    if "number of dimensions" in reason:
        return IndexStoreError(
            f"{where} takes no vectors of so many numbers.",
            "Name a model in embedding.model whose vectors have 4,096 numbers at most.",
        )
    if "analyzer" in reason:
        return IndexStoreError(
            f"{where} has no such analyzer of a language.",
            "Name one that it has in index.language, or leave it empty.",
        )
    return IndexStoreError(
        f"{where} can't make an index like that.",
        "Check index.vectors: bbq needs vectors of 64 numbers, int4 an even number of them.",
    )


def _blocked(where: str, status: int) -> IndexUnavailableError:
    """Tell a cluster that isn't ready from a full disk, or from somebody's own block."""
    if status == 503:
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
