"""The state's database: opened, migrated, and clear about what is wrong with it."""

import contextlib
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
import trustme
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

import bot.tables  # registers its tables with the metadata
from tests.training.answers import make_answer
from training.database import (
    MIGRATIONS,
    SCHEMA_VERSION,
    migrate,
    open_database,
    reading,
    writing,
)
from training.errors import DatabaseError
from training.feedback import Feedback
from training.lease import Lease
from training.tables import metadata, opt_outs

OPEN = "import sys; from training.database import open_database; open_database(sys.argv[1])"


def test_migrations_make_the_tables_that_the_code_uses(database: Engine) -> None:
    with database.connect() as connection:
        context = MigrationContext.configure(connection)
        assert bot.tables.questions.metadata is metadata
        assert compare_metadata(context, metadata) == []


def test_newest_migration_is_the_known_version() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_VERSION


def test_migrating_again_changes_nothing(database: Engine) -> None:
    with writing(database) as connection:
        connection.execute(opt_outs.insert().values(person="ada", at=datetime.now(UTC)))
    migrate(database)
    with reading(database) as connection:
        assert connection.scalar(sa.select(opt_outs.c.person)) == "ada"


def test_of_follow_ups_stored_before_all_who_asked_in_the_thread_count(database_url: str) -> None:
    engine = open_database(database_url)
    asked = [
        ("ada", "T1:C1:1", "How many days of leave?", "How many days of leave?"),
        ("bob", "T1:C1:1", "and paid?", "How many days of leave? and paid?"),
        ("cy", "T1:C1:1", "Where is the printer?", "Where is the printer?"),
        ("eve", "", "printer ", "printer"),
    ]
    for number, (asker, conversation, question, standalone) in enumerate(asked):
        changes = {"conversation": conversation, "question": question, "standalone": standalone}
        Feedback(engine).record_answer(make_answer(number, asker=asker, **changes))
    with writing(engine) as connection:
        connection.execute(sa.text("ALTER TABLE answers DROP COLUMN others_quoted"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))
    migrate(engine)
    found = [set(Feedback(engine).answer(f"answer-{n}").others_quoted) for n in range(4)]
    assert found == [set(), {"ada", "bob", "cy"}, set(), set()]
    engine.dispose()


@pytest.mark.slow
def test_processes_that_start_together_all_open_it(database_url: str) -> None:
    command = [sys.executable, "-c", OPEN, database_url]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, outputs


def test_sqlite_is_durable_and_keeps_its_foreign_keys(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a' / 'b' / 'state.db'}")
    with reading(engine) as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    engine.dispose()
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_times_come_back_in_utc(database: Engine) -> None:
    moment = datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=5)))
    with writing(database) as connection:
        connection.execute(opt_outs.insert().values(person="ada", at=moment))
    with reading(database) as connection:
        found = connection.scalar(sa.select(opt_outs.c.at))
    assert found == moment
    assert found is not None
    assert found.utcoffset() == timedelta(0)


def test_a_failed_transaction_leaves_nothing(database: Engine) -> None:
    with pytest.raises(RuntimeError), writing(database) as connection:
        connection.execute(opt_outs.insert().values(person="ada", at=datetime.now(UTC)))
        raise RuntimeError
    with reading(database) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(opt_outs)) == 0


def test_a_newer_database_is_refused(database: Engine, database_url: str) -> None:
    with writing(database) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="9999") as caught:
        open_database(database_url)
    assert "Update Nightshift" in caught.value.mend


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "sqlite://",
        "mysql://ada:s3cret@db/x",
        "postgresql://ada:s3cret@127.0.0.1:1/nightshift",
        "postgresql://ada:s3cret@127.0.0.1:notaport/nightshift",
    ],
)
def test_a_wrong_address_is_explained_without_the_password(url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        open_database(url)
    assert caught.value.mend
    assert "s3cret" not in caught.value.problem + caught.value.mend


@contextlib.contextmanager
def answering(answer: bytes, certificate: trustme.LeafCert | None = None) -> Iterator[str]:
    """Yield the URL of a server that answers the question for TLS, and has it if it says S.

    The tests' PostgreSQL listens on a socket in a folder only, where there is no TLS.
    """

    def serve() -> None:
        client, _ = listener.accept()
        client.recv(8)
        client.sendall(answer)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            with contextlib.suppress(OSError):  # the client hangs up
                client = context.wrap_socket(client, server_side=True)
        client.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"postgresql://ada:s3cret@127.0.0.1:{listener.getsockname()[1]}/nightshift"
        thread.join(10)


def refused(url: str) -> DatabaseError:
    """Return what is told of a database that can't be opened, surely without the password."""
    with pytest.raises(DatabaseError) as caught:
        open_database(url)
    assert "s3cret" not in caught.value.problem + caught.value.mend
    return caught.value


def test_a_connection_that_isnt_safe_is_told_apart(tmp_path: Path) -> None:
    ours, another = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")
    trusting = f"?sslmode=verify-full&sslrootcert={tmp_path / 'ca.pem'}"
    for authority, host in ((another, "127.0.0.1"), (ours, "elsewhere.example")):
        with answering(b"S", authority.issue_cert(host)) as url:
            told = refused(url + trusting)
        assert "certificate" in told.problem
        assert "sslrootcert" in told.mend
    with answering(b"N") as url:
        assert "has no TLS" in refused(f"{url}?sslmode=require").problem


def test_what_isnt_recognised_may_be_one_or_the_other() -> None:
    gone = refused("postgresql://ada:s3cret@127.0.0.1:1/certificate")
    assert "can't be reached, or lets nobody in" in gone.problem
    assert "Start the server, or check host, user, password" in gone.mend
    assert "options after ?" in refused("postgresql://ada:s3cret@127.0.0.1:1/x?ssl=on").mend


@pytest.fixture
def role(postgres_url: str) -> Iterator[sa.URL]:
    """Yield the URL of an empty database for an ordinary user, of whom a password is wanted."""
    owner = sa.make_url(postgres_url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(owner, isolation_level="AUTOCOMMIT")
    url = owner.set(drivername="postgresql", username=f"u{uuid.uuid4().hex}", password="s3cret")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {url.username} LOGIN PASSWORD 's3cret'")
        rules = Path(str(connection.exec_driver_sql("SHOW hba_file").scalar()))
        before = rules.read_text()
        rules.write_text(f"local all {url.username} scram-sha-256\n{before}")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        _wait_until_refused(owner.set(username=url.username, password="wr0ng"))
        yield url
        rules.write_text(before)
        connection.exec_driver_sql(f"DROP OWNED BY {url.username}")
        connection.exec_driver_sql(f"DROP ROLE {url.username}")
    engine.dispose()


def _wait_until_refused(url: sa.URL) -> None:
    """Wait until the server has read its rules anew."""
    engine, deadline = sa.create_engine(url, poolclass=sa.NullPool), time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            return
        time.sleep(0.05)
    pytest.fail("the server lets everybody in")


def text_of(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.mark.slow
def test_who_isnt_let_in_is_told_why(role: sa.URL) -> None:
    wrong = refused(text_of(role.set(password="wr0ng-s3cret")))
    assert "refuses the user or the password" in wrong.problem
    assert "Check both in database.url" in wrong.mend
    without = sa.URL.create(
        "postgresql", role.username, None, None, None, role.database, role.query
    )
    assert "wants a password" in refused(text_of(without)).problem
    assert "isn't there" in refused(text_of(role.set(database="nowhere"))).problem
    assert "knows no such user" in refused(text_of(role.set(username="nobody"))).problem


@pytest.mark.slow
@pytest.mark.parametrize("taken", ["CREATE", "ALL"])
def test_a_user_who_may_make_no_tables_is_told_what_to_grant(
    role: sa.URL, postgres_url: str, taken: str
) -> None:
    owner = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with owner.begin() as connection:  # as PostgreSQL 15 has it
        connection.exec_driver_sql(f"REVOKE {taken} ON SCHEMA public FROM PUBLIC")
    told = refused(text_of(role))
    assert "doesn't let its user make or use tables" in told.problem
    grant = told.mend.split(": ")[1].split(" TO ")[0]
    assert grant == "GRANT CREATE, USAGE ON SCHEMA public"
    with owner.begin() as connection:
        connection.exec_driver_sql(f"{grant} TO {role.username}")
    open_database(text_of(role)).dispose()
    owner.dispose()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    file.write_text("Dear diary, " * 500)
    with pytest.raises(DatabaseError, match="another kind of file"):
        open_database(f"sqlite:///{file}")
    assert file.read_text().startswith("Dear diary")


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="can't be made"):
        open_database(f"sqlite:///{tmp_path / 'file' / 'x' / 'state.db'}")


def test_a_read_only_database_is_explained(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'state.db'}").dispose()
    engine = open_database(f"sqlite:///file:{tmp_path / 'state.db'}?mode=ro&uri=true")
    with pytest.raises(DatabaseError, match="can't be written"), writing(engine) as connection:
        connection.execute(opt_outs.insert().values(person="ada", at=datetime.now(UTC)))
    engine.dispose()


def test_a_full_disk_is_explained_and_loses_nothing(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    with writing(engine) as connection:
        connection.execute(opt_outs.insert().values(person="ada", at=datetime.now(UTC)))
    with (
        pytest.raises(DatabaseError, match="disk is full") as caught,
        writing(engine) as connection,
    ):
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        long_name = "x" * 200_000
        connection.execute(opt_outs.insert().values(person=long_name, at=datetime.now(UTC)))
    assert "space" in caught.value.mend
    with reading(engine) as connection:
        assert connection.scalars(sa.select(opt_outs.c.person)).all() == ["ada"]
    engine.dispose()


def test_a_locked_database_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.database.BUSY_SECONDS", 0)
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match="locked"), writing(engine):
        pass
    other.close()
    engine.dispose()


def test_one_of_two_gets_a_lease_until_it_is_given_back(database: Engine) -> None:
    first, second = Lease(database, "night", "a", 60), Lease(database, "night", "b", 60)
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    assert not second.renew()
    second.release()
    assert first.held()
    first.release()
    assert second.acquire()
    assert not first.held()


def test_an_expired_lease_goes_to_the_next_and_is_lost_to_the_first(database: Engine) -> None:
    first, second = Lease(database, "night", "a", -1), Lease(database, "night", "b", 60)
    assert first.acquire()
    assert not first.held()
    assert not first.renew()
    assert second.acquire()
    first.release()
    assert second.held()


def test_leases_of_other_names_are_free(database: Engine) -> None:
    assert Lease(database, "night", "a", 60).acquire()
    assert Lease(database, "sync", "b", 60).acquire()
