"""What commands that need no model open: the database and the adapters. Quick, without torch."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Engine

from bot.settings import Settings
from training.adapters import AdapterRegistry
from training.database import open_database


@contextmanager
def opened_database(settings: Settings) -> Iterator[Engine]:
    """Open the database, and close it whatever happens.

    Raises:
        DatabaseError: It can't be opened.
    """
    database = open_database(settings.database_url)
    try:
        yield database
    finally:
        database.dispose()


def registry_of(settings: Settings) -> AdapterRegistry:
    """Return the adapters of the data folder."""
    return AdapterRegistry(settings.data_dir / "adapters")


def person_here() -> str:
    """Return the name of whoever types, for reviews."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "local"
