"""kill -9 of the server and of `nightshift ingest` at random moments: nothing lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elasticsearch import Elasticsearch

from tests.bot.terminal import environment
from tests.elasticsearch_package import java_home, small_server
from tests.elasticsearch_server import SINGLE_NODE, Server

# More of them, on request: KILLS=20 python -m pytest tests/test_elastic_kills.py
KILLS = int(os.environ.get("KILLS", "0"))
PAGES = 24
ROOT = Path(__file__).parent.parent

# What `nightshift ingest` does, but for the model, whose loading takes most of its time.
SYNC = """
import sys
from pathlib import Path
from ingestion.index.elastic import ElasticIndex
from ingestion.settings import IndexSettings, SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.sync import sync
from tests.ingestion.stores import METADATA, make_chunks
from tests.ingestion.test_sync import WordEmbedder
url, name, pages = sys.argv[1:]
source = FolderSource(SourceSettings(path=Path(pages), name="pages"), max_file_mb=1)
index = ElasticIndex(IndexSettings(url=url, name=name, patience_seconds=600), METADATA)
sync([source], index, WordEmbedder(), make_chunks, batch_chunks=4)
"""


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server(small_server(), java_home(), SINGLE_NODE)
    started.start()
    yield started
    started.stop()


class Handbook:
    """Pages that change, and the command that brings an index up to date with them."""

    def __init__(self, folder: Path, server: Server, seed: int, with_model: bool) -> None:
        self.pages = folder / "pages"
        self.pages.mkdir()
        self.folder, self.server, self.with_model = folder, server, with_model
        self.random = random.Random(seed)
        self.client = Elasticsearch(server.url, request_timeout=60)

    def change(self) -> None:
        """Edit, add and remove pages, and close and open some."""
        for number in range(PAGES):
            file = self.pages / f"p{number}.md"
            if file.exists() and self.random.random() < 0.1:
                file.unlink()
            elif self.random.random() < 0.7:
                words = " ".join(self.random.choices("leave travel expense visit".split(), k=30))
                rule = "---\nallow: [hr]\n---\n" if self.random.random() < 0.3 else ""
                sections = "".join(
                    f"\n## Part {n}\n\n{words} {n}.\n" for n in range(self.random.randint(1, 4))
                )
                file.write_text(f"{rule}# Page {number}\n{sections}", encoding="utf-8")

    def ingest(self, name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SYNC, self.server.url, name, str(self.pages)]
        if self.with_model:
            data = str(self.folder / name)
            command = [sys.executable, "-m", "bot.cli", "--data-dir", data]
            command += ["ingest", str(self.pages)]
        return subprocess.Popen(
            command,
            # A busy machine takes more than the usual minute to start the server.
            env=environment(
                INDEX__URL=self.server.url, INDEX__NAME=name, INDEX__PATIENCE_SECONDS="600"
            ),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> None:
        _, errors = process.communicate(timeout=400)
        assert process.returncode == 0, errors

    def changes(self, name: str) -> int:
        """Return how many operations the served index has seen since the server started."""
        stats = self.client.options(ignore_status=404).indices.stats(index=name, metric="indexing")
        total = stats.get("_all", {}).get("total", {}).get("indexing", {})
        return int(total.get("index_total", 0) + total.get("delete_total", 0))

    def wait_for_a_moment_of_writing(self, process: subprocess.Popen[str], name: str) -> None:
        """Return after the first change, at a random moment of what follows."""
        before = self.changes(name)
        while process.poll() is None and self.changes(name) == before:
            time.sleep(0.01)
        time.sleep(self.random.uniform(0, 0.5))

    def content(self, name: str) -> dict[str, tuple[dict[str, Any], list[float]]]:
        """Return all that an index holds, by key: texts and rights, and the vector."""
        self.client.indices.refresh(index=name)
        found = self.client.search(index=name, size=10_000, fields=["vector"])["hits"]["hits"]
        return {hit["_id"]: (hit["_source"], hit["fields"]["vector"]) for hit in found}


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(("kills", "with_model"), [(3, False), (2, True)])
def test_after_kills_and_another_run_the_index_equals_a_fresh_one(
    server: Server, tmp_path: Path, kills: int, with_model: bool
) -> None:
    seed = int(os.environ.get("KILL_SEED", random.randrange(10_000)))
    handbook = Handbook(tmp_path, server, seed, with_model)
    killed = 0
    for number in range(KILLS or kills):
        handbook.change()
        process = handbook.ingest("killed")
        handbook.wait_for_a_moment_of_writing(process, "killed")
        if number % 2 == 0:  # the writer, or else the server
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        else:
            killed += process.poll() is None
            server.kill()
            server.start()
            # It has waited for the server and goes on by itself.
            handbook.finish(process)
    handbook.finish(handbook.ingest("killed"))
    handbook.finish(handbook.ingest("fresh"))
    print(f"seed {seed}: {killed} kills hit")
    assert killed > 0, f"seed {seed}: nothing was hit"
    after, fresh = handbook.content("killed"), handbook.content("fresh")
    assert len(fresh) > PAGES // 2
    texts = {key: source for key, (source, _) in fresh.items()}
    assert {key: source for key, (source, _) in after.items()} == texts, f"seed {seed}"
    for key, (_, vector) in fresh.items():
        # A text's neighbours in its batch move the last digits.
        np.testing.assert_allclose(after[key][1], vector, atol=1e-5, err_msg=f"seed {seed}")
    handbook.client.close()
