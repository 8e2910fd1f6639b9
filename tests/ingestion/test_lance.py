"""What is LanceDB's own: rebuilds, damage, full disks, the vector index."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingestion.documents import Reader
from ingestion.errors import IndexMismatchError, IndexStoreError, IndexUnavailableError
from ingestion.index.lance import LanceIndex
from ingestion.index.lance_generations import table_names
from ingestion.index.opening import open_index, open_new_index
from ingestion.index.served import SERVED_FILE
from ingestion.settings import IndexSettings
from tests.ingestion.stores import METADATA, make_chunks, make_document, put, vector_of

ANYONE = Reader()
OTHER = replace(METADATA, embedder="another")


def tables(folder: Path) -> int:
    return len(list(folder.glob("chunks-*.lance")))


def test_it_survives_a_new_opening(tmp_path: Path) -> None:
    put(open_index(IndexSettings(), tmp_path, METADATA), make_document("s:a", ["one"]))
    assert open_index(IndexSettings(), tmp_path, METADATA).count() == 1


def test_a_rebuild_is_served_when_it_is_published_and_not_before(tmp_path: Path) -> None:
    served = open_index(IndexSettings(), tmp_path, METADATA)
    put(served, make_document("s:a", ["old"]))
    open_new_index(IndexSettings(), tmp_path, METADATA)  # a rebuild that was killed
    rebuilt = open_new_index(IndexSettings(), tmp_path, METADATA)
    put(rebuilt, make_document("s:a", ["new"]), make_document("s:b", ["new"]))
    assert (served.count(), rebuilt.count()) == (1, 2)
    old_generation = served.generation
    rebuilt.publish()
    rebuilt.publish()
    assert served.count() == rebuilt.count() == 2
    assert served.search("new", vector_of("x"), ANYONE, 5)
    assert served.generation == rebuilt.generation != old_generation
    assert tables(tmp_path / "index") == 2  # the one before is kept
    open_new_index(IndexSettings(), tmp_path, METADATA).publish()
    assert tables(tmp_path / "index") == 2


def test_a_rebuild_mends_another_embedder_and_damage(tmp_path: Path) -> None:
    LanceIndex(tmp_path, METADATA)
    LanceIndex.create_new(tmp_path, OTHER).publish()
    LanceIndex(tmp_path, OTHER)
    (tmp_path / SERVED_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(IndexUnavailableError, match="damaged") as caught:
        LanceIndex(tmp_path, OTHER)
    assert "--rebuild" in caught.value.mend
    LanceIndex.create_new(tmp_path, METADATA).publish()
    assert LanceIndex(tmp_path, METADATA).count() == 0
    assert tables(tmp_path) == 1


def test_a_format_of_the_future_is_refused(tmp_path: Path) -> None:
    before = LanceIndex(tmp_path, METADATA).generation.partition("@")[0]
    file = tmp_path / SERVED_FILE
    file.write_text(file.read_text().replace('"format": 2', '"format": 3'), encoding="utf-8")
    with pytest.raises(IndexMismatchError, match="Another version"):
        LanceIndex(tmp_path, METADATA)
    rebuilt = LanceIndex.create_new(tmp_path, METADATA)
    assert before in table_names(tmp_path), "it serves until the new one does"
    rebuilt.publish()
    assert before not in table_names(tmp_path)


@pytest.mark.parametrize("part", ["data", "_versions", "*"])
def test_a_damaged_table_names_the_mend(tmp_path: Path, part: str) -> None:
    put(LanceIndex(tmp_path, METADATA), make_document("s:a", ["one"]))
    for file in tmp_path.glob(f"chunks-*.lance/{part}/**/*"):
        if file.is_file():
            file.write_bytes(b"garbage")
    with pytest.raises(IndexStoreError) as caught:
        LanceIndex(tmp_path, METADATA).search("one", vector_of("x"), ANYONE, 5)
    assert "--rebuild" in caught.value.mend
    assert "one" not in caught.value.problem.replace(str(tmp_path), "").split()


def test_a_table_that_was_removed_names_the_mend(tmp_path: Path) -> None:
    index = LanceIndex(tmp_path, METADATA)
    (tmp_path / SERVED_FILE).unlink()
    with pytest.raises(IndexUnavailableError, match="removed"):
        index.count()


def test_a_folder_that_cannot_be_made_is_an_error_with_a_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexUnavailableError) as caught:
        LanceIndex(tmp_path / "file" / "index", METADATA)
    assert caught.value.mend


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from ingestion.errors import IndexUnavailableError
from ingestion.index.lance import LanceIndex
from ingestion.index.lance_generations import table_names
from tests.ingestion.stores import METADATA, make_document, put

index = LanceIndex(Path(sys.argv[1]), METADATA)
put(index, make_document("s:a", ["before"]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384))
try:
    put(index, make_document("s:b", [f"{i * 7919:x}" * 50 for i in range(500)]))
except IndexUnavailableError as error:
    print(error.problem, "|", error.mend)
"""


@pytest.mark.slow
def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "disk is full" in done.stdout
    assert "space" in done.stdout
    index = LanceIndex(tmp_path, METADATA)
    assert set(index.states()) == {"s:a"}
    assert index.document_chunks("s:a", ANYONE)[0].text == "before"


READ_WHILE_WRITING = """
import sys
from pathlib import Path
from ingestion.index.lance import LanceIndex
from ingestion.index.lance_generations import table_names
from tests.ingestion.stores import METADATA, make_document, put

index = LanceIndex(Path(sys.argv[1]), METADATA)
for number in range(10):
    put(index, make_document("s:a", [f"v{number}"] * (1 + number % 3)))
rebuilt = LanceIndex.create_new(Path(sys.argv[1]), METADATA)
put(rebuilt, make_document("s:a", ["rebuilt"]))
rebuilt.publish()
"""


@pytest.mark.slow
def test_another_process_may_write_and_rebuild_while_this_one_reads(tmp_path: Path) -> None:
    index = LanceIndex(tmp_path, METADATA)
    put(index, make_document("s:a", ["first"]))
    seen: set[str] = set()
    command = [sys.executable, "-W", "ignore", "-c", READ_WHILE_WRITING, str(tmp_path)]
    with subprocess.Popen(command) as writer:
        while writer.poll() is None:
            chunks = index.document_chunks("s:a", ANYONE)
            assert len(chunks) == chunks[0].chunk_count
            assert len({chunk.text for chunk in chunks}) == 1
            seen.add(chunks[0].text)
    assert writer.returncode == 0
    assert len(seen) > 1
    assert index.document_chunks("s:a", ANYONE)[0].text == "rebuilt"


@pytest.mark.slow
def test_a_large_index_gets_a_vector_index_and_still_fills_k(tmp_path: Path) -> None:
    index = LanceIndex(tmp_path, METADATA)
    rng = np.random.default_rng(0)
    for batch in range(4):
        documents = [
            make_document(f"s:{batch}-{i}", ["t"] * 100, ["hr"] if (batch, i) == (0, 0) else ["*"])
            for i in range(80)
        ]
        chunks = [chunk for document in documents for chunk in make_chunks(document)]
        vectors = rng.standard_normal((len(chunks), METADATA.dimensions), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        index.put_documents(chunks, vectors)
        if batch == 0:
            few = vectors[:100]
    index.optimize()
    assert any("vector" in i.columns for i in index._table().list_indices())
    query = vector_of("x")
    staff = index.search("", query, Reader(frozenset({"hr"})), 10)
    assert len(staff) == 10
    assert len(index.search("", query, ANYONE, 10)) == 10
    index.delete_documents([f"s:{b}-{i}" for b in range(4) for i in range(80) if (b, i) != (0, 0)])
    found = index.search("", query, Reader(frozenset({"hr"})), 10)
    expected = np.sort(few @ query)[::-1][:10]
    best = sorted((c.dense or 0.0 for c in found), reverse=True)
    np.testing.assert_allclose(best, expected, atol=1e-5)
    assert index.search("", query, ANYONE, 10) == []
