"""How the settings become parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.commands.context import opened
from bot.settings import Settings
from ingestion.documents import EVERYONE, Document, Section
from ingestion.settings import ChunkingSettings


@pytest.mark.slow
def test_no_chunk_is_longer_than_the_embedder_reads(tmp_path: Path) -> None:
    text = " ".join(f"Rule {number} holds in every office." for number in range(200))
    page = Document("s:a", "s", "a", "Rules", "", (Section((), text),), frozenset({EVERYONE}), "h")
    settings = Settings(data_dir=tmp_path, chunking=ChunkingSettings(max_tokens=8000))
    with opened(settings) as nightshift:
        embedder = nightshift.embedder
        chunks = nightshift.chunk(page)
        longest = max(embedder.count_tokens(chunk.embedding_text) for chunk in chunks)
        assert embedder.max_tokens / 2 < longest <= embedder.max_tokens
