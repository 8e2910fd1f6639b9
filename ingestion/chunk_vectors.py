"""The vectors of chunks: what a chunk says, and a little of where it stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingestion.documents import Chunk
from ingestion.embedding import Embedder, OnProgress
from ingestion.index.protocol import Vectors

# Folders and file names say what a page takes for granted ("people/talent/process"). As a part of
# the text they moved the vector too much. Measured in docs/figures.md.
_PATH_SHARE = 0.2


def embed_chunks(
    embedder: Embedder, chunks: Sequence[Chunk], on_progress: OnProgress | None = None
) -> Vectors:
    """Return one unit vector a chunk, shape (len(chunks), dimensions).

    Args:
        embedder: Embeds the chunks' texts, and each path once.
        chunks: Of any documents.
        on_progress: As in `Embedder.embed_documents`.
    """
    vectors = embedder.embed_documents([chunk.embedding_text for chunk in chunks], on_progress)
    paths = [chunk.path_words for chunk in chunks]
    distinct = list(dict.fromkeys(filter(None, paths)))
    if not distinct:
        return vectors
    of_path = dict(zip(distinct, embedder.embed_documents(distinct), strict=True))
    for vector, path in zip(vectors, paths, strict=True):
        if path:
            vector += _PATH_SHARE * of_path[path]
            vector /= max(np.linalg.norm(vector), 1e-12)  # a store refuses what isn't a direction
    return vectors
