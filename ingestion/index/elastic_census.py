"""How many chunks a reader may read, which decides how the nearest of them are looked for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_SECONDS = 300.0
_MOST_READERS = 10_000

Filters = Sequence[Mapping[str, Any]]
Count = Callable[[Filters], tuple[int, int]]


class Census:
    """Remembers for some minutes how many chunks filters leave, of how many.

    What it says decides how long a search takes and how near it comes, never what may be found.

    Args:
        count: Returns both numbers.
    """

    def __init__(self, count: Count) -> None:
        self._count = count
        self._known: dict[str, tuple[float, tuple[int, int]]] = {}
        self._lock = threading.Lock()

    def of(self, filters: Filters) -> tuple[int, int]:
        """Return how many chunks the filters leave, and how many there are."""
        key = json.dumps(filters, sort_keys=True)
        with self._lock:
            counted, numbers = self._known.get(key, (-_SECONDS, (0, 0)))
        if time.monotonic() < counted + _SECONDS:
            return numbers
        numbers = self._count(filters)
        with self._lock:
            if len(self._known) >= _MOST_READERS:
                self._known.clear()
            self._known[key] = (time.monotonic(), numbers)
        return numbers
