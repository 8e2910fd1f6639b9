"""Back to the generation before, without opening what was closed since."""

from __future__ import annotations

from collections.abc import Mapping

from ingestion.documents import DocumentState
from ingestion.index.protocol import ChunkIndex
from ingestion.plan import ACL_HASH_OF_NOBODY, in_batches


def roll_back(served: Mapping[str, DocumentState], previous: ChunkIndex) -> int:
    """Serve the generation before again; call it as the one writer.

    It knows nothing of what happened since. A document that was removed meanwhile is removed from
    it, and one whose readers are others now is closed until the next sync. Sources that aren't
    served at all any more come back as they were: to have left them out is what one goes back from.
    Where nothing at all is served, nothing tells what was closed since, so everything is.

    Args:
        served: What is served now, by document id.
        previous: The generation before; served when this returns.

    Returns:
        How many documents were closed or removed.

    Raises:
        IndexStoreError: The store can't be read or written.
    """
    kept = previous.states(unseen=True)
    sources = {state.source for state in served.values()}
    gone = [id_ for id_, state in kept.items() if id_ not in served and state.source in sources]
    closed = [
        id_
        for id_, state in kept.items()
        if state.acl_hash != ACL_HASH_OF_NOBODY
        and (not served or (id_ in served and state.acl_hash != served[id_].acl_hash))
    ]
    for some in in_batches(closed):
        previous.set_acl(some, [], ACL_HASH_OF_NOBODY)
    if gone:
        previous.delete_documents(gone)
    previous.optimize()
    previous.publish()
    return len(closed) + len(gone)
