"""A commit of any process is seen at the next look, as SQLite itself sees it."""

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from pathserve.db import Database, SqliteDatabase
from pathserve.db.watch import Watch, shared_header

WRITER = """
import sys
from pathlib import Path
from pathserve.db import Database, SqliteDatabase

db = SqliteDatabase(Path(sys.argv[1]))
for line in sys.stdin:
    db.write(lambda tx: tx.run("insert or replace into counter values ('seen', ?)", int(line)))
    print("done", flush=True)
"""


@pytest.fixture
def others(settings, db):
    """Give a function that commits in another process and returns when it has."""
    command = [sys.executable, "-c", WRITER, str(settings.database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def commit(number: int) -> None:
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"

        yield commit
        process.stdin.close()


def test_every_commit_of_another_process_is_seen(db: Database, others) -> None:
    versions = [db.version()]
    for number in range(300):
        others(number)
        versions.append(db.version())
        assert db.version() == versions[-1]
    assert len(set(versions)) == len(versions)
    assert db.read(lambda tx: tx.row("select value from counter where name = 'seen'")) == (299,)


def test_every_own_commit_is_seen_and_no_reading(db: Database) -> None:
    for number in range(50):
        before = db.version()
        db.read(lambda tx: tx.rows("select * from counter"))
        assert db.version() == before
        db.write(lambda tx, n=number: tx.run("insert or replace into counter values ('own', ?)", n))
        assert db.version() != before


def test_what_is_rolled_back_is_no_news(db: Database) -> None:
    before = db.version()

    def fail(tx) -> None:
        tx.run("insert into counter values ('never', 1)")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        db.write(fail)
    assert db.version() == before


def test_it_goes_on_through_checkpoints_that_begin_the_log_anew(db: Database, others) -> None:
    for number in range(20):
        others(number)
        before = db.version()
        db.overwrite_deleted()
        others(number + 100)
        assert db.version() != before


def test_it_agrees_with_sqlites_own_number(settings, db: Database, others) -> None:
    header = shared_header(settings.database)
    assert header is not None, "this system hides SQLite's shared memory: versions cost microseconds here"
    watch, connection = Watch(header), apsw.Connection(str(settings.database))
    last = connection.pragma("data_version"), watch.number()
    for number in range(20):
        if number % 3:
            others(number)
        seen = connection.pragma("data_version"), watch.number()
        assert (seen[0] != last[0]) == (seen[1] != last[1]) == bool(number % 3)
        last = seen
    connection.close()


def test_without_that_memory_sqlite_is_asked(settings, monkeypatch, others) -> None:
    monkeypatch.setattr("pathserve.db.sqlite.shared_header", lambda _: None)
    other = SqliteDatabase(settings.database)
    before = other.version()
    others(1)
    assert other.version() != before
    other.close()


def test_a_file_that_is_not_open_here_has_no_header(tmp_path: Path) -> None:
    assert shared_header(tmp_path / "nothing.db") is None
    (tmp_path / "other.db-shm").write_bytes(bytes(100))
    assert shared_header(tmp_path / "other.db") is None
