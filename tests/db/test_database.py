"""What SQLite alone promises of its file, its log and what is deleted; test_contract.py has the rest."""

import sqlite3
import stat
from pathlib import Path

import apsw
import pytest

from pathserve.db import Database, SqliteDatabase
from pathserve.db.schema import MIGRATIONS
from pathserve.errors import Busy, Corrupt, Unsupported


def test_the_version_changes_with_writes_of_any_connection_and_with_nothing_else(db: Database, settings) -> None:
    other = SqliteDatabase(settings.database)
    start = db.version()
    db.read(lambda tx: tx.row("select 1"))
    assert db.version() == start
    other.write(lambda tx: tx.run("insert into project (name, created) values ('c', '')"))
    after_other = db.version()
    assert after_other != start
    db.write(lambda tx: tx.run("insert into project (name, created) values ('d', '')"))
    assert db.version() != after_other
    other.close()


def test_a_commit_is_synced_and_deleted_content_is_overwritten(db: Database, settings) -> None:
    pragmas = db.read(
        lambda tx: [tx.row(f"pragma {name}") for name in ("synchronous", "secure_delete", "journal_mode")]
    )
    assert pragmas == [(2,), (1,), ("wal",)]


def test_a_statement_is_planned_once_whatever_its_values(db: SqliteDatabase) -> None:
    planned: list[tuple[object, ...]] = []

    def allow(*what: object) -> int:
        planned.append(what)  # SQLite asks when it plans a statement
        return apsw.SQLITE_OK

    # The partial indexes of this table are what makes SQLite look at values.
    sql = "select v.class from head h join feature_version v on v.id = h.id and v.revision = h.revision where h.id = ?"
    db._writer.authorizer = allow
    db.write(lambda tx: tx.rows(sql, "a"))
    assert planned
    planned.clear()
    db.write(lambda tx: [tx.rows(sql, "b"), tx.rows(sql, "c")])
    assert [what for what in planned if what[0] == apsw.SQLITE_READ] == []


def test_the_file_is_its_owners_alone(db: Database, settings) -> None:
    assert stat.S_IMODE(settings.database.stat().st_mode) == 0o600


def test_a_folder_of_a_newer_version_is_refused(db: Database, settings) -> None:
    with sqlite3.connect(settings.database) as connection:
        connection.execute(f"pragma user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(Unsupported, match="newer PathServe"):
        SqliteDatabase(settings.database)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pathserve.db"
    path.write_bytes(b"no database at all, just text that is long enough" * 100)
    with pytest.raises(Corrupt):
        SqliteDatabase(path)


def test_a_backup_is_a_whole_database(db: Database, tmp_path: Path) -> None:
    db.write(lambda tx: tx.run("insert into project (name, created) values ('kept', '')"))
    db.backup(tmp_path / "copy.db")
    copy = SqliteDatabase(tmp_path / "copy.db")
    assert copy.read(lambda tx: tx.rows("select name from project")) == [("kept",)]
    copy.close()


def test_a_full_disk_is_said_and_the_next_write_goes_through(db: Database) -> None:
    def fill(tx) -> None:
        tx.run("pragma max_page_count = 60")
        for n in range(10_000):
            tx.run("insert into project (name, created) values (?, ?)", f"{n}", "x" * 1000)

    with pytest.raises(Busy, match="disk is full"):
        db.write(fill)
    db.write(lambda tx: tx.run("insert into project (name, created) values ('small', '')"))
    assert db.read(lambda tx: tx.rows("select name from project")) == [("small",)]


def test_a_folder_of_the_first_version_keeps_its_slides_and_leaves_a_copy(settings) -> None:
    first = SqliteDatabase(settings.database, MIGRATIONS[:1])
    first.write(lambda tx: tx.run("insert into project (name, created) values ('old', '')"))
    first.write(lambda tx: tx.run("insert into account (name, role, created) values ('ada', 'viewer', '')"))
    first.close()
    later = SqliteDatabase(settings.database)
    assert later.read(lambda tx: tx.rows("select name from project")) == [("old",)]
    assert later.read(lambda tx: tx.rows("select name, restricted from account")) == [("ada", 0)]
    later.close()
    copies = list(settings.data.glob("pathserve.before-*.db"))
    assert len(copies) == 1
    with sqlite3.connect(copies[0]) as connection:
        assert connection.execute("pragma user_version").fetchone() == (1,)
    connection.close()


def test_deleted_content_is_gone_from_every_file_also_after_a_long_reader(db: Database, settings) -> None:
    def is_there() -> bool:
        return any(b"JANE DOE" in path.read_bytes() for path in settings.data.glob("pathserve.db*"))

    db.write(lambda tx: tx.run("insert into project (name, created) values ('JANE DOE', '')"))
    assert is_there()

    def look(tx) -> None:
        tx.row("select 1 from project")
        db.write(lambda w: w.run("delete from project"))
        db.overwrite_deleted()  # somebody reads: it does what it can, without waiting long or failing

    db.read(look)
    db.overwrite_deleted()
    assert not is_there()
