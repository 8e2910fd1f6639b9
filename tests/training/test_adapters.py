from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from training.adapters import CONFIG, MANIFEST, POINTER, WEIGHTS, AdapterRegistry
from training.errors import AdapterError
from training.manifest import AdapterManifest

NOW = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)


def manifest_of(version: str = "", **values: object) -> AdapterManifest:
    return AdapterManifest(version, "base@1", None, NOW, **values)  # type: ignore[arg-type]


def publish(registry: AdapterRegistry, version: str, weights: bytes = b"weights") -> None:
    folder = registry.staging(version)
    (folder / WEIGHTS).write_bytes(weights)
    (folder / CONFIG).write_text("{}")
    registry.publish(version, manifest_of())


@pytest.fixture
def registry(tmp_path: Path) -> AdapterRegistry:
    return AdapterRegistry(tmp_path / "adapters")


def test_nothing_is_live_in_a_new_registry(registry: AdapterRegistry) -> None:
    assert registry.current() is None
    assert registry.live() is None
    assert registry.list() == ()


def test_versions_sort_by_time_and_differ(registry: AdapterRegistry) -> None:
    made = []
    for _ in range(20):  # all of one moment
        made.append(registry.new_version(NOW))
        registry.staging(made[-1])
    made.append(registry.new_version(NOW + timedelta(milliseconds=1)))
    made.append(registry.new_version(NOW.replace(hour=3)))
    assert made[0].startswith("20261123-021500-")
    assert made == sorted(set(made))


def test_a_manifest_comes_back_as_it_was_written(registry: AdapterRegistry) -> None:
    folder = registry.staging("v1")
    (folder / WEIGHTS).write_bytes(b"w")
    (folder / CONFIG).write_text("{}")
    wanted = manifest_of(
        trained_on=("a", "b"), scores={"live f1": 0.5}, writes_better=True, inputs={"größe": [1]}
    )
    written = registry.publish("v1", wanted)
    assert registry.manifest("v1") == written
    assert written.trained_on == ("a", "b")
    assert set(written.files) == {WEIGHTS, CONFIG}


def test_published_is_not_live_until_promoted(registry: AdapterRegistry) -> None:
    publish(registry, "v1")
    assert registry.current() is None
    registry.promote("v1")
    live = registry.live()
    assert live is not None
    assert (live.version, live.path, live.base_model) == ("v1", registry.root / "v1", "base@1")


def test_a_staged_adapter_without_weights_is_not_published(registry: AdapterRegistry) -> None:
    registry.staging("v1")
    with pytest.raises(AdapterError, match=WEIGHTS):
        registry.publish("v1", manifest_of())
    assert registry.list() == ()


def test_rollback_goes_back_step_by_step_to_the_bare_model(registry: AdapterRegistry) -> None:
    for version in ("v1", "v2"):
        publish(registry, version)
        registry.promote(version)
    back = registry.rollback()
    assert back is not None
    assert back.version == "v1"
    assert registry.rollback() is None
    assert registry.current() is None
    with pytest.raises(AdapterError, match="no earlier adapter"):
        registry.rollback()


def test_two_who_go_back_at_once_go_back_one_step(registry: AdapterRegistry) -> None:
    for version in ("v1", "v2"):
        publish(registry, version)
        registry.promote(version)
    target = registry.rollback_target()
    assert target is not None
    assert target.version == "v1"
    registry.rollback(leaving="v2")
    with pytest.raises(AdapterError, match="it is v1 now"):
        registry.rollback(leaving="v2")
    assert registry.live_version() == "v1"
    assert registry.rollback_target() is None
    registry.rollback(leaving="v1")
    with pytest.raises(AdapterError, match="the bare base model now"):
        registry.rollback(leaving="v1")
    with pytest.raises(AdapterError, match="no earlier adapter"):
        registry.rollback_target()


def test_promoting_the_live_one_again_keeps_the_way_back(registry: AdapterRegistry) -> None:
    for version in ("v1", "v2", "v2"):
        if not (registry.root / version).exists():
            publish(registry, version)
        registry.promote(version)
    back = registry.rollback()
    assert back is not None
    assert back.version == "v1"


def test_the_bare_model_can_be_promoted(registry: AdapterRegistry) -> None:
    publish(registry, "v1")
    registry.promote("v1")
    registry.promote(None)
    assert registry.current() is None
    back = registry.rollback()
    assert back is not None
    assert back.version == "v1"


def test_another_process_sees_the_change_at_once(registry: AdapterRegistry) -> None:
    other = AdapterRegistry(registry.root)
    assert other.current() is None
    publish(registry, "v1")
    publish(registry, "v2")
    for version in ("v1", "v2", "v1"):
        registry.promote(version)
        current = other.current()
        assert current is not None
        assert current.version == version


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_a_damaged_file_is_never_promoted(registry: AdapterRegistry, name: str) -> None:
    publish(registry, "v1")
    registry.promote("v1")
    publish(registry, "v2")
    (registry.root / "v2" / name).write_bytes(b"other")
    with pytest.raises(AdapterError, match=name) as caught:
        registry.promote("v2")
    assert caught.value.mend
    current = registry.current()
    assert current is not None
    assert current.version == "v1"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"version": 3, "previous": [], "since": ""}', "\ufeffx"]
)
def test_a_damaged_pointer_is_an_error_and_not_the_bare_model(
    registry: AdapterRegistry, text: str
) -> None:
    publish(registry, "v1")
    registry.promote("v1")
    (registry.root / POINTER).write_text(text)
    for call in (registry.current, registry.live, registry.rollback):
        with pytest.raises(AdapterError) as caught:
            call()
        assert POINTER in caught.value.mend


def test_a_live_adapter_that_vanished_is_an_error(registry: AdapterRegistry) -> None:
    publish(registry, "v1")
    registry.promote("v1")
    (registry.root / "v1" / MANIFEST).unlink()
    with pytest.raises(AdapterError, match="v1"):
        AdapterRegistry(registry.root).current()


@pytest.mark.parametrize("version", ["../x", "", ".", "a/b", "a" * 65])
def test_a_version_is_no_path(registry: AdapterRegistry, version: str) -> None:
    with pytest.raises(AdapterError, match="no version"):
        registry.staging(version)


def test_prune_spares_the_live_one_and_the_way_back(registry: AdapterRegistry) -> None:
    for number in range(6):
        publish(registry, f"v{number}")
    registry.promote("v0")
    registry.promote("v1")
    assert sorted(registry.prune(keep=2)) == ["v2", "v3"]
    assert [manifest.version for manifest in registry.list()] == ["v5", "v4", "v1", "v0"]
    back = registry.rollback()
    assert back is not None
    assert back.version == "v0"


def test_prune_removes_what_a_killed_night_left_but_not_a_running_ones(
    registry: AdapterRegistry,
) -> None:
    stale, running = registry.staging("v1"), registry.staging("v2")
    os.utime(stale, (0, 0))
    registry.prune(keep=2)
    assert not stale.exists()
    assert running.exists()


def test_rollback_passes_over_what_was_pruned(registry: AdapterRegistry) -> None:
    for version in ("v1", "v2", "v3"):
        publish(registry, version)
        registry.promote(version)
    registry.rollback()
    registry.promote("v3")  # before: v2, v1
    for name in (MANIFEST, WEIGHTS, CONFIG):
        (registry.root / "v2" / name).unlink()
    back = registry.rollback()
    assert back is not None
    assert back.version == "v1"


def test_discard_leaves_published_ones_alone(registry: AdapterRegistry) -> None:
    publish(registry, "v1")
    registry.staging("v2")
    registry.discard("v1")
    registry.discard("v2")
    assert [path.name for path in sorted(registry.root.iterdir())] == ["v1"]


def test_a_read_only_registry_says_so(registry: AdapterRegistry, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(AdapterError, match="can't be written") as caught:
        AdapterRegistry(blocked).promote(None)
    assert caught.value.mend


CHURN = """
import sys
from pathlib import Path
from tests.training.test_adapters import publish
from training.adapters import AdapterRegistry
registry = AdapterRegistry(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    version = registry.new_version()
    publish(registry, version, weights=b"x" * 200_000)
    registry.promote(version)
    registry.rollback()
    registry.promote(version)
    registry.prune(2)
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_old_or_the_new(registry: AdapterRegistry) -> None:
    publish(registry, "v1")
    registry.promote("v1")
    for attempt in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", CHURN, str(registry.root)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.005 + 0.013 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        fresh = AdapterRegistry(registry.root)
        live = fresh.live()
        assert live is not None
        fresh.verify(live.version)
        for manifest in fresh.list():
            fresh.verify(manifest.version)
        json.loads((registry.root / POINTER).read_text())
    # The lock died with its holder, and the registry goes on.
    publish(registry, "v9")
    registry.promote("v9")
    assert len(registry.list()) > 1


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "adapters").write_text("")
    with pytest.raises(AdapterError, match="can't be read"):
        AdapterRegistry(tmp_path / "adapters").current()


def test_a_live_adapter_whose_manifest_is_damaged_can_be_rolled_back(
    registry: AdapterRegistry,
) -> None:
    for version in ("v1", "v2"):
        publish(registry, version)
        registry.promote(version)
    (registry.root / "v2" / "manifest.json").write_text("{")
    with pytest.raises(AdapterError) as caught:
        registry.current()
    assert "rollback" in caught.value.mend
    assert registry.live_version() == "v2"
    registry.rollback()
    assert registry.live_version() == "v1"
    assert registry.current() is not None
