"""A real Elasticsearch for the tests, started on first use and stopped with the process.

`ELASTICSEARCH_URL` names a running one instead. Otherwise the small server comes from Maven, as a
build for plugins' own tests; it lacks API keys, scripts and language analyzers.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

VERSION = "9.4.3"
NEEDED_JAVA = 21
URL_VARIABLE = "ELASTICSEARCH_URL"
CACHE = Path(__file__).parent.parent / ".cache"

_GROUP = "org.elasticsearch.distribution.integ-test-zip"
_SECONDS_TO_START = 120
_SECONDS_TO_STOP = 30
_SETTINGS = """
cluster.name: nightshift-tests
cluster.max_shards_per_node: 5000
cluster.routing.allocation.disk.threshold_enabled: false
discovery.type: single-node
indices.breaker.total.use_real_memory: false
network.host: _local_
transport.port: 0
xpack.security.enabled: false
"""


@functools.cache
def server_url() -> str:
    """Return the address of a running server; skip the test where none can be had."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        return given
    java_home = find_java(java_homes())
    if java_home is None:
        pytest.skip(f"Elasticsearch needs a JDK >= {NEEDED_JAVA} (JAVA_HOME), or {URL_VARIABLE}")
    if shutil.which("mvn") is None:
        pytest.skip(f"Elasticsearch is fetched with Maven, which is missing; or {URL_VARIABLE}")
    folder = Path(tempfile.mkdtemp(prefix="nightshift-elasticsearch-"))
    # Before the start: what is made from now on is removed, however the start ends.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return start(unpacked(), folder, java_home)


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


def unpacked() -> Path:
    """Return the server's folder, fetched and unpacked once."""
    target = CACHE / f"elasticsearch-{VERSION}"
    if target.is_dir():
        return target
    artifact = f"-Dartifact={_GROUP}:elasticsearch:{VERSION}:zip"
    subprocess.run(["mvn", "-q", "dependency:get", "-Dtransitive=false", artifact], check=True)
    maven_cache = Path.home() / ".m2" / "repository"
    package = maven_cache.joinpath(*_GROUP.split("."), "elasticsearch", VERSION)
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".unpacking-") as temporary:
        with zipfile.ZipFile(package / f"elasticsearch-{VERSION}.zip") as archive:
            archive.extractall(temporary)
        root = Path(temporary) / f"elasticsearch-{VERSION}"
        for program in (root / "bin").iterdir():
            program.chmod(0o755)  # zipfile loses the run bits
        try:
            root.rename(target)
        except OSError:  # another run was faster
            if not target.is_dir():
                raise
    return target


def start(home: Path, folder: Path, java_home: Path) -> str:
    """Start a server with its data in a folder; return its address once it answers."""
    port = _free_port()
    _prepare(home, folder, port)
    identity = _other_user(folder)
    environment = {
        "PATH": os.environ["PATH"],
        "ES_JAVA_HOME": str(java_home),
        "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
        "ES_PATH_CONF": str(folder / "config"),
        "ES_TMPDIR": str(folder / "tmp"),
        "HOME": str(folder),
    }
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(
            [*_ending_with_us(), home / "bin" / "elasticsearch"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=identity.pw_uid if identity else None,
            group=identity.pw_gid if identity else None,
            extra_groups=[] if identity else None,
        )
    atexit.register(stop, process)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + _SECONDS_TO_START
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            lines = (folder / "output.log").read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(
                "Elasticsearch did not start:\n" + "\n".join(lines.splitlines()[-30:])
            )
        time.sleep(0.3)
    return url


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the launcher and the server, which are one process group."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _prepare(home: Path, folder: Path, port: int) -> None:
    shutil.copytree(home / "config", folder / "config")
    for name in ("data", "logs", "tmp"):
        (folder / name).mkdir()
    paths = f"path.data: {folder / 'data'}\npath.logs: {folder / 'logs'}\nhttp.port: {port}\n"
    (folder / "config" / "elasticsearch.yml").write_text(_SETTINGS + paths, encoding="utf-8")
    # It writes its log beside itself, which is read-only to it.
    options = folder / "config" / "jvm.options"
    text = options.read_text(encoding="utf-8").replace("logs/", f"{folder / 'logs'}/")
    options.write_text(text, encoding="utf-8")


def _other_user(folder: Path) -> pwd.struct_passwd | None:
    """Give the folder to nobody where we are root, as whom the server refuses to run."""
    if os.getuid() != 0:
        return None
    identity = pwd.getpwnam("nobody")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, identity.pw_uid, identity.pw_gid)
    return identity


def _ending_with_us() -> list[str]:
    """Return what stops the launcher when the tests are killed, where the system has it."""
    return ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_cluster/health", timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)
    except OSError:
        return False
