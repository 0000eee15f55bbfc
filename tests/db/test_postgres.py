"""What PostgreSQL alone promises: connections that break, outcomes that nobody knows, who may come in."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from pathserve.config import Settings, database_address
from pathserve.db import Database, open_database
from pathserve.db.listener import Listener
from pathserve.db.postgres import PostgresDatabase
from pathserve.db.schema import MIGRATIONS
from pathserve.errors import Busy, Conflict, Invalid, Unsupported

COUNT_UP = (
    "insert into counter values (?, 1) on conflict (name) do update set value = counter.value + 1 returning value"
)


_VERSION = """insert into feature_version (id, revision, slide, layer, deleted, x0, y0, x1, y1, state, exhaustive,
    geometry, properties, author, at) values ('f', REVISION, 's', 1, 0, 0.5, 0, 1, 1, '', 0, '{}', '{}', 'ada', '')"""

AN_ANNOTATION = (
    """insert into slide (id, number, project, name, width, height, mpp_plausible, levels, tile_size, channels, planes,
        status, generation, content_hash, created)
        values ('s', 1, 'old', '', 9, 9, 0, 1, 256, '[]', 1, '', 1, 'c', '')""",
    "insert into layer (slide, name, author, created) values ('s', 'l', 'ada', '')",
    _VERSION.replace("REVISION", "1"),
    _VERSION.replace("REVISION", "3"),
    """insert into head (id, slide, number, layer, revision, deleted, x0, y0, x1, y1, created)
        values ('f', 's', 7, 1, 3, 0, 0, 0, 1, 1, '')""",
)
"""One annotation with two versions, as the first version of PathServe kept them."""


@pytest.fixture
def db(postgres_url: str) -> Iterator[Database]:
    with closing(open_database(postgres_url)) as opened:
        yield opened


@pytest.fixture
def admin(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection of somebody who looks after the server."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def count_up(db: Database) -> int:
    return db.write(lambda tx: tx.row(COUNT_UP, "n"))[0]


def counted(db: Database) -> int:
    row = db.read(lambda tx: tx.row("select value from counter where name = 'n'"))
    return 0 if row is None else row[0]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def stands_still(db: Database) -> bool:
    return db.version() == db.version()


class Between:
    """Stands between a client and the server, and does with what they say what a bad network does.

    Parameters
    ----------
    folder
        Where clients find its socket.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = str(server / ".s.PGSQL.5432")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self.is_silent = threading.Event()
        self.cut_at = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._server)
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    is_last = source is client and self.cut_at and self.cut_at in data
                    if not data:
                        return
                    if not self.is_silent.is_set():
                        (server if source is client else client).sendall(data)
                    if is_last:
                        server.recv(1)  # it has done what it was asked for
                        return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def between(postgres_server, tmp_path_factory) -> Iterator[Between]:
    folder = tmp_path_factory.mktemp("b")
    network = Between(folder, postgres_server.folder)
    yield network
    network.close()


def through(between: Between, url: str) -> str:
    return re.sub(r"host=[^&]+", f"host={between.folder}", url)


# tables


def test_tables_of_the_first_version_are_brought_up_to_date_and_a_newer_one_is_refused(postgres_server) -> None:
    url = postgres_server.create()
    with closing(PostgresDatabase(url, MIGRATIONS[:1])) as first:
        first.write(lambda tx: tx.run("insert into project (name, created) values ('old', '')"))
        first.write(lambda tx: tx.run("insert into account (name, role, created) values ('ada', 'viewer', '')"))
        for statement in AN_ANNOTATION:
            first.write(lambda tx, sql=statement: tx.run(sql))
    with closing(open_database(url)) as later:
        versions = "select revision, until, geometry from feature_version order by revision"
        assert later.read(lambda tx: tx.rows(versions)) == [(1, 3, "{}"), (3, None, "{}")]
        assert later.read(lambda tx: tx.rows("select number, revision, first_revision from head")) == [(7, 3, 1)]
        assert later.read(lambda tx: tx.rows("select name from project")) == [("old",)]
        assert later.read(lambda tx: tx.rows("select name, restricted from account")) == [("ada", 0)]
    with pytest.raises(Unsupported, match="newer PathServe"):
        PostgresDatabase(url, MIGRATIONS[:1])


def test_a_migration_that_fails_changes_nothing(postgres_server) -> None:
    url = postgres_server.create()
    PostgresDatabase(url, MIGRATIONS[:1]).close()
    broken = (
        *MIGRATIONS[:2],
        type(MIGRATIONS[0])("broken", ("create table x (id text)", "insert into nowhere values (1)")),
    )
    with pytest.raises(Busy):
        PostgresDatabase(url, broken)
    with psycopg.connect(url) as connection:
        assert connection.execute("select version from pathserve_format").fetchall() == [(1,)]
        assert connection.execute("select to_regclass('x'), to_regclass('member')").fetchall() == [(None, None)]


def test_several_processes_that_start_together_make_the_tables_once(postgres_server) -> None:
    url = postgres_server.create()
    program = "import sys; from pathserve.db import open_database; open_database(sys.argv[1])"
    starting = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(4)]
    assert [process.wait(60) for process in starting] == [0] * 4
    with psycopg.connect(url) as connection:
        assert connection.execute("select version from pathserve_format").fetchall() == [(len(MIGRATIONS),)]


def test_a_database_with_another_coding_is_refused(postgres_server) -> None:
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute("create database latin encoding 'LATIN1' locale 'C' template template0")
    with pytest.raises(Unsupported, match="UTF8"):
        open_database(postgres_server.url("latin"))


def test_a_user_who_may_make_no_tables_is_told(postgres_server) -> None:
    url = postgres_server.create()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create role guest login")
    with pytest.raises(Unsupported, match="may not make"):
        open_database(url.replace("pathserve@", "guest@"))


# durability and outcomes


def test_a_commit_waits_for_the_disk(db: Database) -> None:
    assert db.read(lambda tx: tx.row("show synchronous_commit")) == ("on",)
    assert db.write(lambda tx: tx.row("show synchronous_commit")) == ("on",)


def test_an_error_that_somebody_catches_is_no_success(db: Database) -> None:
    def work(tx) -> None:
        tx.run("insert into project (name, created) values ('a', '')")
        with suppress(psycopg.Error):
            tx.run("insert into layer (slide, name, author, created) values ('nobody', '', '', '')")

    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        db.write(work)
    assert db.read(lambda tx: tx.rows("select name from project")) == []


def test_a_rule_that_is_looked_at_with_the_commit_refuses_it(db: Database, admin) -> None:
    admin.execute("create table late_target (n bigint primary key)")
    admin.execute("create table late (n bigint references late_target deferrable initially deferred)")
    try:
        before = db.version()
        with pytest.raises(Conflict):
            db.write(lambda tx: tx.run("insert into late values (1)"))
        assert db.read(lambda tx: tx.rows("select * from late")) == []
        assert count_up(db) == 1
        assert db.version() != before
    finally:
        admin.execute("drop table late, late_target")


def test_a_lost_answer_to_a_commit_is_no_success_and_no_failure(
    postgres_url: str, db: Database, between: Between
) -> None:
    far = open_database(through(between, postgres_url))
    assert count_up(far) == 1
    between.cut_at = b"commit\0"
    with pytest.raises(Busy) as caught:
        count_up(far)
    assert caught.value.code == "outcome_unknown"
    between.cut_at = b""
    wait_for(lambda: counted(db) == 2)  # this time it was made
    assert count_up(far) == 3
    far.close()


def test_a_connection_that_breaks_before_the_commit_leaves_nothing(db: Database, admin) -> None:
    count_up(db)

    def work(tx) -> None:
        tx.row(COUNT_UP, "n")
        pid = tx.row("select pg_backend_pid()")[0]
        admin.execute("select pg_terminate_backend(%s)", [pid])
        tx.row("select 1")

    with pytest.raises(Busy) as caught:
        db.write(work)
    assert caught.value.code == "busy"
    assert counted(db) == 1
    assert count_up(db) == 2


def test_a_writer_who_waits_for_too_long_is_told_to_try_again(db: Database, admin, postgres_url: str) -> None:
    other = open_database(postgres_url)
    waiting = "select pid from pg_locks where locktype = 'advisory' and not granted"

    def work(tx) -> None:
        errors: list[Busy] = []

        def write() -> None:
            try:
                count_up(other)
            except Busy as error:
                errors.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        wait_for(lambda: admin.execute(waiting).fetchone() is not None)
        # What the time limit does after 20 seconds.
        admin.execute("select pg_cancel_backend(pid) from pg_locks where locktype = 'advisory' and not granted")
        thread.join()
        assert [error.code for error in errors] == ["busy"]
        tx.row(COUNT_UP, "n")

    db.write(work)
    assert count_up(other) == 2
    other.close()


def test_it_goes_on_after_the_server_was_started_anew(own_postgres) -> None:
    db = open_database(own_postgres.url("postgres"))
    assert count_up(db) == 1
    wait_for(lambda: stands_still(db))
    own_postgres.stop()
    with pytest.raises(Busy):
        count_up(db)
    with pytest.raises(Busy):
        counted(db)
    wait_for(lambda: not stands_still(db))
    own_postgres.start()
    assert counted(db) == 1
    assert count_up(db) == 2
    own_postgres.stop(signal.SIGKILL)
    own_postgres.start()
    assert count_up(db) == 3  # a broken connection is no concern of the caller's
    wait_for(lambda: stands_still(db))
    db.close()


# noticing


def test_no_version_holds_while_nobody_listens(db: Database, admin, postgres_url: str) -> None:
    wait_for(lambda: stands_still(db))
    listeners = (
        "select pg_terminate_backend(pid) from pg_stat_activity where query in ('listen pathserve_commit', 'select 1')"
    )
    seen = db.version()
    assert admin.execute(listeners).fetchone() == (True,)
    wait_for(lambda: db.version() != seen)
    wait_for(lambda: stands_still(db))
    seen = db.version()
    with closing(open_database(postgres_url)) as other:
        count_up(other)
        wait_for(lambda: db.version() != seen)  # it listens again


def test_what_others_commit_is_heard_without_a_question(db: Database, postgres_url: str, monkeypatch) -> None:
    asked, ask = [], Listener._ask
    monkeypatch.setattr(Listener, "_ask", lambda *args: (asked.append(time.monotonic()), ask(*args)))
    wait_for(lambda: stands_still(db))
    asked.clear()
    begun = time.monotonic()
    with closing(open_database(postgres_url)) as other:
        for _ in range(20):
            seen = db.version()
            count_up(other)
            wait_for(lambda seen=seen: db.version() != seen)
    assert len(asked) <= time.monotonic() - begun + 1  # for signs of life alone, one a second


def test_no_version_holds_for_long_when_the_network_falls_silent(
    postgres_url: str, between: Between, monkeypatch
) -> None:
    monkeypatch.setattr("pathserve.db.listener.TRUST_SECONDS", 1.5)
    far = open_database(through(between, postgres_url))
    wait_for(lambda: stands_still(far))
    between.is_silent.set()
    wait_for(lambda: not stands_still(far))
    between.is_silent.clear()
    wait_for(lambda: stands_still(far))
    far.close()


# secrets


def test_no_address_is_told_when_a_database_cannot_be_reached(tmp_path: Path) -> None:
    secret = "Zq50secret"  # noqa: S105 - not one
    for address in (
        f"postgresql://ada:{secret}@/{secret}?host={tmp_path}/{secret}",
        f"postgresql://ada@127.0.0.1:1/db?password={secret}",
        f"postgresql://ada:{secret}@/db?no_such_word={secret}",
        f"postgresql://ada:{secret}@[::1/db",
    ):
        with pytest.raises(Busy) as caught:
            open_database(address)
        told = f"{caught.value.message} {caught.value!r}"
        assert secret not in told
        assert "ada" not in told
        assert secret not in repr(Settings(database_url=address))


def test_a_password_on_the_command_line_is_refused(monkeypatch) -> None:
    monkeypatch.delenv("PATHSERVE_DATABASE", raising=False)
    for address in (
        "postgresql://ada:secret@host/db",
        "postgres://ada:@host/db",
        "postgresql://ada@host/db?sslmode=require&password=secret",
        "postgresql://host/db?PASSWORD=secret",
        "postgresql:///db?user=ada&password=",
    ):
        with pytest.raises(Invalid, match="command line"):
            database_address(address)
        monkeypatch.setenv("PATHSERVE_DATABASE", address)
        assert database_address() == address
        monkeypatch.delenv("PATHSERVE_DATABASE")
    for nonsense in ("mysql://a/b", "pathserve.db", "postgresql", "host=a dbname=b", "http://[", " "):
        with pytest.raises(Invalid, match="postgresql://"):
            database_address(nonsense)
    assert database_address() is None
    assert database_address("postgresql://ada@host/db") == "postgresql://ada@host/db"


@pytest.fixture
def with_password(own_postgres) -> str:
    """Give the address of a database that wants a password, without it: the password is ``open sesame``."""
    with psycopg.connect(own_postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("create role ada login superuser password 'open sesame'")
    rules = own_postgres.data / "pg_hba.conf"
    rules.write_text("local all pathserve trust\nlocal all all scram-sha-256\n")
    with psycopg.connect(own_postgres.url("postgres")) as connection:
        connection.execute("select pg_reload_conf()")
    return own_postgres.url("postgres").replace("pathserve@", "ada@")


def test_a_password_comes_from_the_environment_a_file_or_a_service(
    with_password: str, own_postgres, monkeypatch, tmp_path
) -> None:
    with pytest.raises(Busy, match="password"):
        open_database(with_password)
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(Busy, match="password"):
        open_database(with_password)
    monkeypatch.setenv("PGPASSWORD", "open sesame")
    open_database(with_password).close()
    monkeypatch.delenv("PGPASSWORD")
    open_database(with_password.replace("ada@", "ada:open%20sesame@")).close()
    words = tmp_path / "pgpass"
    words.write_text("*:*:*:ada:open sesame\n")
    words.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(words))
    open_database(with_password).close()
    monkeypatch.delenv("PGPASSFILE")
    services = tmp_path / "services"
    services.write_text(f"[slides]\nhost={own_postgres.folder}\nuser=ada\npassword=open sesame\ndbname=postgres\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    open_database("postgresql://?service=slides").close()


def test_what_speaks_to_postgresql_is_asked_for_when_it_is_missing(monkeypatch, postgres_url: str) -> None:
    for name in [name for name in sys.modules if name.startswith("pathserve.db.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "pathserve.db.listener")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Unsupported, match=r"pip install 'pathserve\[postgres\]'"):
        open_database(postgres_url)


def test_sqlite_needs_nothing_of_postgresql() -> None:
    program = "import sys, pathserve.db; assert 'psycopg' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ})


def test_backups_are_left_to_postgresqls_own_tools(db: Database, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="pg_dump"):
        db.backup(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
