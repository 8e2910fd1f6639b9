"""A cluster of three real nodes on loopback, of which a test may kill some."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.elasticsearch_package import java_home, small_server
from tests.elasticsearch_server import Server, free_port

_NAMES = ("north", "east", "west")


@contextmanager
def three_nodes() -> Iterator[dict[str, Server]]:
    """Run three nodes that have found each other; skip the test where none can be had."""
    java, home = java_home(), small_server()
    ports = {name: free_port() for name in _NAMES}
    seeds = json.dumps([f"127.0.0.1:{port}" for port in ports.values()])
    nodes = {
        name: Server(
            home,
            java,
            {
                "cluster.name": f"three-{min(ports.values())}",
                "node.name": name,
                "transport.port": str(port),
                "discovery.seed_hosts": seeds,
                "cluster.initial_master_nodes": json.dumps(_NAMES),
            },
            heap="384m",
        )
        for name, port in ports.items()
    }
    try:
        for node in nodes.values():
            node.start(wait=False)
        for node in nodes.values():
            node.wait()
        health = "_cluster/health?wait_for_nodes=3&timeout=60s"
        first = next(iter(nodes.values()))
        with urllib.request.urlopen(f"{first.url}/{health}", timeout=90) as response:  # noqa: S310
            assert not json.load(response)["timed_out"]
        yield nodes
    finally:
        for node in nodes.values():
            node.stop()
