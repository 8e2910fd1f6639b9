"""Changes in bulk, and what a change has to reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elastic_transport import ObjectApiResponse
from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk

from ingestion.errors import IndexStoreError
from ingestion.index.elastic_errors import failed_item, refused_documents

_BULK_ACTIONS = 500
_BULK_BYTES = 10 * 1024 * 1024
# What a full write queue refuses, and only that, is sent again after .5, 1 and 2 seconds.
_BULK_RETRIES = 3
_BULK_BACKOFF = 0.5
# How long the server waits for a lost part of the index; less than the client for the server.
_BULK_TIMEOUT = "20s"
# How many terms one filter has at most; the server's own limit is 65,536.
_DOCUMENTS_AT_ONCE = 1_000


def refresh(client: Elasticsearch, index: str, address: str) -> None:
    """Let readers see every change.

    Raises:
        IndexOutOfReachError: A part of the index couldn't do it.
    """
    # A refresh waits a minute for a lost part, a count tells at once.
    whole(client.count(index=index, terminate_after=1), address)
    whole(client.indices.refresh(index=index), address)


def whole(answer: ObjectApiResponse[Any], address: str) -> None:
    """Check that all parts of an index took part in an answer, which may lack some in silence.

    Raises:
        IndexOutOfReachError: One didn't.
    """
    if answer["_shards"]["failed"]:
        raise failed_item(address, {"status": 503, "error": {"type": "shard_failures"}})


def stored_places(
    client: Elasticsearch, index: str, document_ids: Sequence[str], address: str
) -> list[tuple[str, int]]:
    """Return document and ordinal of all chunks that there may be; a few may be missing."""
    # What a killed process wrote last is seen only now.
    refresh(client, index, address)
    places: list[tuple[str, int]] = []
    for start in range(0, len(document_ids), _DOCUMENTS_AT_ONCE):
        some = list(document_ids[start : start + _DOCUMENTS_AT_ONCE])
        by_document = {
            "terms": {"field": "document_id", "size": len(some)},
            "aggs": {"last": {"max": {"field": "ordinal"}}},
        }
        query = {"terms": {"document_id": some}}
        answer = client.search(
            index=index,
            query=query,
            size=0,
            aggs={"documents": by_document},
            allow_partial_search_results=False,
        )
        for bucket in answer["aggregations"]["documents"]["buckets"]:
            last = int(bucket["last"]["value"])
            places.extend((bucket["key"], ordinal) for ordinal in range(last + 1))
    return places


def write(
    client: Elasticsearch, alias: str, actions: Sequence[dict[str, Any]], address: str
) -> None:
    """Apply changes, then let readers see them together. All of it may be done twice.

    Args:
        client: Of the server.
        alias: Of the index. Where it has gone that is an error; an index would be made anew.
        actions: In their order.
        address: Of the server, for people.

    Raises:
        DocumentsRefusedError: The server doesn't take some; the others are there.
        IndexStoreError: Some failed, this is the first; the others are there.
    """
    results = streaming_bulk(
        client,
        actions,
        chunk_size=_BULK_ACTIONS,
        max_chunk_bytes=_BULK_BYTES,
        max_retries=_BULK_RETRIES,
        initial_backoff=_BULK_BACKOFF,
        retry_on_status=(429,),
        raise_on_error=False,
        index=alias,
        require_alias=True,
        timeout=_BULK_TIMEOUT,
    )
    documents = {a["_id"]: a["_source"]["document_id"] for a in actions if "_source" in a}
    refused: dict[str, str] = {}
    failed: IndexStoreError | None = None
    for succeeded, result in results:
        ((kind, item),) = result.items()
        if succeeded or _was_gone(kind, item):
            continue
        if item["status"] == 400 and item.get("_id") in documents:
            refused[documents[item["_id"]]] = str(item["error"]["type"])
        else:
            failed = failed or failed_item(address, item)
    refresh(client, alias, address)
    if failed is not None:
        raise failed
    if refused:
        raise refused_documents(address, refused.values(), refused)


def _was_gone(kind: str, item: dict[str, Any]) -> bool:
    """Whether a chunk that is to be removed or closed isn't there, which is as it should be."""
    if item["status"] != 404:
        return False
    missing = item.get("error", {}).get("type") == "document_missing_exception"
    return missing if kind == "update" else kind == "delete" and "error" not in item
