"""Files that come with a question: read for that question only, searched beside the index."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from ingestion.chunk_vectors import embed_chunks
from ingestion.documents import Chunk, Document, Hit, hash_of
from ingestion.embedding import Embedder
from ingestion.errors import AccessRuleError, UnreadableDocumentError
from ingestion.parsers.formats import SUPPORTED_SUFFIXES, parse, suffix_of

# No source of documents is called so: their names hold no colon.
SOURCE = ":attachment"
"""Name of the source that attached files' chunks say they are of."""

READABLE = "text, Markdown, HTML, PDF and DOCX"
MAX_CHUNKS = 400  # about 100 pages: more would keep the others waiting

# Of a file's passages, those nearly as near to the question as the index's best come first:
# who attaches a file wants to hear of it.
_MARGIN = 0.1

_SUFFIXES = {
    "text/markdown": ".md",
    "text/html": ".html",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}


def format_of(name: str, mimetype: str) -> str:
    """Return the suffix by whose parser a file is read, or "" where there is none. Pure."""
    suffix = suffix_of(name)
    if suffix in SUPPORTED_SUFFIXES:
        return suffix
    known = _SUFFIXES.get(mimetype.partition(";")[0].strip().casefold(), "")
    return known or (".txt" if mimetype.startswith("text/") else "")


def read_attachment(
    name: str, mimetype: str, raw: bytes, chunk: Callable[[Document], list[Chunk]]
) -> list[Chunk]:
    """Return a file's chunks, which nobody but its asker may read.

    Args:
        name: As people know it.
        mimetype: What Slack takes it for.
        raw: Its bytes.
        chunk: Cuts a document, as `bot.assembly.Nightshift.chunk` does.

    Raises:
        UnreadableDocumentError: It is empty, damaged, locked, or of another format.
    """
    suffix = format_of(name, mimetype)
    if not suffix:
        raise UnreadableDocumentError(f"I read {READABLE} only.", "Attach it as one of these.")
    shown = " ".join(name.split()) or "a file"
    path = PurePosixPath(shown.replace("/", "∕")).name
    try:
        parsed = parse(raw, path if suffix_of(path) == suffix else f"{path}{suffix}")
    except AccessRuleError as error:
        raise UnreadableDocumentError(error.problem, error.mend) from error
    digest = hash_of([path, hashlib.blake2b(raw, digest_size=16).hexdigest()])
    document = Document(
        id=f"{SOURCE}:{digest}",
        source=SOURCE,
        path=path,
        title=f"Your file {path}",
        url="",
        sections=parsed.sections,
        acl=frozenset(),
        content_hash=digest,
    )
    return chunk(document)


def hits_in(attached: Sequence[Chunk], question: str, embedder: Embedder) -> list[Hit]:
    """Return a file's chunks by their nearness to a question, nearest first."""
    similarity = embed_chunks(embedder, attached) @ embedder.embed_query(question)
    hits = [
        Hit(each, score=float(near), dense=float(near))
        for each, near in zip(attached, similarity, strict=True)
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.ordinal))


def merged(attached: Sequence[Hit], found: Sequence[Hit], least: float) -> list[Hit]:
    """Return the hits in files and in the index, best first. Pure.

    Args:
        attached: Of the files, nearest first.
        found: Of the index, best first.
        least: How near a passage must be to answer a question.
    """
    best = max((hit.dense for hit in found if hit.dense is not None), default=0.0)
    needed = max(least, best - _MARGIN)
    near = [hit for hit in attached if (hit.dense or 0.0) >= needed]
    return [*near, *found, *attached[len(near) :]]
