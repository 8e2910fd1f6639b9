"""What a server is and has: its version, its language analyzers."""

from __future__ import annotations

import re

from elasticsearch import ApiError, Elasticsearch

from ingestion.errors import IndexUnavailableError

Version = tuple[int, int]

OLDEST: Version = (8, 19)
# From here on vectors may come packed, which doubles the load rate; measured on this version.
PACKED_VECTORS: Version = (9, 4)

# Credentials that may use an index need not be allowed to look at the nodes.
_UNTOLD = frozenset({403, 404, 405, 410})
_NO_SUCH_ANALYZER = "illegal_argument_exception"
# Not allowed; no index yet, or one that is lost or closed.
_NOT_ASKED = frozenset({400, 403, 404, 503})


def version_of(client: Elasticsearch, address: str) -> Version | None:
    """Return the version of the oldest node, or None where the credentials may not look.

    The root page would tell it too, but not every server has one.

    Raises:
        IndexUnavailableError: It is too old.
    """
    try:
        answer = client.nodes.info(filter_path="nodes.*.version")
    except ApiError as error:
        if error.status_code not in _UNTOLD:
            raise
        return None
    found = [str(node["version"]) for node in answer.get("nodes", {}).values()]
    versions = [(int(m[1]), int(m[2])) for text in found if (m := re.match(r"(\d+)\.(\d+)", text))]
    if not versions:
        return None
    oldest = min(versions)
    if oldest < OLDEST:
        raise too_old(address, ".".join(map(str, oldest)))
    return oldest


def too_old(address: str, version: str) -> IndexUnavailableError:
    """Return the error for a server of a version that can't be used."""
    return IndexUnavailableError(
        f"Elasticsearch at {address} is version {version}, which is too old.",
        f"Update it to {OLDEST[0]}.{OLDEST[1]} or newer.",
    )


def knows_analyzer(client: Elasticsearch, name: str, alias: str) -> bool:
    """Return whether the server has an analyzer, or may have it; small builds have few.

    The index behind the alias is asked first: to ask the server as a whole is a right on the
    cluster, which credentials for an index lack. Where neither can be asked, before the first index
    is made or while it is lost, the making of an index will tell.
    """
    for index in (alias, None):
        try:
            client.indices.analyze(index=index, analyzer=name, text="a")
        except ApiError as error:
            if error.error == _NO_SUCH_ANALYZER:
                return False
            if error.status_code not in _NOT_ASKED:
                raise
        else:
            return True
    return True
