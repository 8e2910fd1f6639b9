"""A real Elasticsearch for the tests, started on first use and stopped with the process.

`ELASTICSEARCH_URL` names a running one instead. Otherwise the small server is started, or with
`ELASTICSEARCH_SERVER=full` the full one; see `tests.elasticsearch_package`.
"""

from __future__ import annotations

import atexit
import base64
import functools
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.elasticsearch_package import full_server, java_home, small_server

URL_VARIABLE = "ELASTICSEARCH_URL"
SERVER_VARIABLE = "ELASTICSEARCH_SERVER"

_SECONDS_TO_START = 480
_SECONDS_TO_STOP = 30
_SETTINGS = {
    "cluster.name": "nightshift-tests",
    # With each look at its disks it lifts the blocks of a full one, also those that a test has set.
    "cluster.info.update.interval": "1d",
    "cluster.max_shards_per_node": "5000",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    "indices.breaker.total.use_real_memory": "false",
    "network.host": "_local_",
    "transport.port": "0",
    "xpack.security.enabled": "false",
}
SINGLE_NODE = {"discovery.type": "single-node"}

_started: list[Server] = []


@functools.cache
def server_url() -> str:
    """Return the address of a running server; skip the test where none can be had."""
    return os.environ.get(URL_VARIABLE) or shared_server().url


@functools.cache
def shared_server() -> Server:
    """Return the server that the tests of this process share."""
    java = java_home()
    home = full_server() if os.environ.get(SERVER_VARIABLE) == "full" else small_server()
    server = Server(home, java, SINGLE_NODE)
    server.start()
    return server


def log_tails() -> str:
    """Return the last lines of each running server's log, for the report of a failed test."""
    return "\n".join(f"{server.url}\n{server.log_tail(12)}" for server in _started)


class Server:
    """One node with a folder of its own, which goes with the process.

    Args:
        home: The unpacked server.
        java: A JDK.
        settings: Lines of elasticsearch.yml, over those of all tests.
        heap: Of the JVM.
        password: With security on, that of the user ``elastic``.
        files: Further files for its config folder.
    """

    def __init__(
        self,
        home: Path,
        java: Path,
        settings: Mapping[str, str],
        *,
        heap: str = "512m",
        password: str = "",
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self.port = free_port()
        secure = settings.get("xpack.security.http.ssl.enabled") == "true"
        self.url = f"{'https' if secure else 'http'}://127.0.0.1:{self.port}"
        self.folder = Path(tempfile.mkdtemp(prefix="nightshift-elasticsearch-"))
        # Before the start: what is made from now on is removed, however the start ends.
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self._home, self._java, self._heap = home, java, heap
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self._prepare({**_SETTINGS, **settings, "http.port": str(self.port)}, files or {})
        self._identity = _other_user(self.folder)
        if password:
            self._set_password(password)

    def start(self, *, wait: bool = True) -> None:
        """Start it, from the main thread: it ends with the thread that started it."""
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*_ending_with_us(), self._home / "bin" / "elasticsearch"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._as_user(),
            )
        _started.append(self)
        atexit.register(self.stop)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Return once it answers."""
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self._answers():
            if not self.is_running or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Elasticsearch did not start:\n{self.log_tail(30)}")
            time.sleep(0.3)

    @property
    def is_running(self) -> bool:
        """Whether its launcher is there, which ends with the server."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it hang: it refuses nothing and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after a pause."""
        self._signal(signal.SIGCONT)

    def log_tail(self, lines: int) -> str:
        """Return the last lines that it wrote."""
        text = (self.folder / "output.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(line[:400] for line in text.splitlines()[-lines:])

    def _end(self, how: signal.Signals) -> None:
        """End the launcher and the server, which are one process group."""
        if self in _started:
            _started.remove(self)
        if self._process is None or self._process.poll() is not None:
            return
        self._signal(how)
        try:
            self._process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _signal(self, what: signal.Signals) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, what)

    def _prepare(self, settings: Mapping[str, str], files: Mapping[str, bytes]) -> None:
        config = self.folder / "config"
        shutil.copytree(self._home / "config", config)
        for name in ("data", "logs", "tmp"):
            (self.folder / name).mkdir()
        paths = {"path.data": self.folder / "data", "path.logs": self.folder / "logs"}
        lines = [f"{name}: {value}\n" for name, value in {**settings, **paths}.items()]
        (config / "elasticsearch.yml").write_text("".join(lines), encoding="utf-8")
        # It writes its log beside itself, which is read-only to it.
        options = config / "jvm.options"
        text = options.read_text(encoding="utf-8").replace("logs/", f"{self.folder / 'logs'}/")
        options.write_text(text, encoding="utf-8")
        for name, content in files.items():
            (config / name).write_bytes(content)

    def _set_password(self, password: str) -> None:
        program = self._home / "bin" / "elasticsearch-keystore"
        add = [program, "add", "-x", "-f", "bootstrap.password"]
        for words, given in (([program, "create"], ""), (add, password)):
            subprocess.run(
                words, input=given.encode(), capture_output=True, check=True, **self._as_user()
            )

    def _as_user(self) -> dict[str, object]:
        identity = self._identity
        return {
            "cwd": self.folder,
            "env": {
                "PATH": os.environ["PATH"],
                "ES_JAVA_HOME": str(self._java),
                "ES_JAVA_OPTS": f"-Xms{self._heap} -Xmx{self._heap}",
                "ES_PATH_CONF": str(self.folder / "config"),
                "ES_TMPDIR": str(self.folder / "tmp"),
                "HOME": str(self.folder),
            },
            "user": identity.pw_uid if identity else None,
            "group": identity.pw_gid if identity else None,
            "extra_groups": [] if identity else None,
        }

    def _answers(self) -> bool:
        # Whose certificate it is, is for the tests of the client to look at.
        secure = self.url.startswith("https")
        context = ssl._create_unverified_context() if secure else None  # noqa: S323
        request = urllib.request.Request(f"{self.url}/_cluster/health")  # noqa: S310
        if self._password:
            # It refuses everybody until the index of its users is there, some time after the start.
            known = base64.b64encode(f"elastic:{self._password}".encode()).decode()
            request.add_header("Authorization", f"Basic {known}")
        try:
            with urllib.request.urlopen(request, timeout=5, context=context) as response:  # noqa: S310
                return bool(response.status == 200)
        except urllib.error.HTTPError as error:
            with error:
                return error.code == 401 and not self._password
        except OSError:
            return False


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


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
