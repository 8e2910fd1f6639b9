"""What the tests of the night share."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Compute tiny models in one thread: two that wait for each other took 25 times as long."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
