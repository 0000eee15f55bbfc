"""The write-ahead log of SQLite is brought into the database beside the writes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from pathserve.db import SqliteDatabase
from pathserve.db.checkpoints import ENOUGH_PAGES
from pathserve.db.schema import Migration

TABLE = (Migration("pages", ("create table page (n integer primary key, data blob)",)),)
PAGE = 4096


def fill(database: SqliteDatabase, count: int) -> None:
    """Write some pages in one commit."""
    rows = ((n, os.urandom(3000)) for n in range(count))
    sql = "insert into page values (?, ?) on conflict (n) do update set data = excluded.data"
    database.write(lambda tx: tx.run_many(sql, rows))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def log_pages(tmp_path: Path) -> int:
    return (tmp_path / "pages.db-wal").stat().st_size // PAGE


def brought(tmp_path: Path) -> int:
    """Tell how large the database itself is."""
    return (tmp_path / "pages.db").stat().st_size // PAGE


def test_a_thread_brings_the_log_into_the_database(tmp_path: Path) -> None:
    pages = SqliteDatabase(tmp_path / "pages.db", TABLE)
    names = [thread.name for thread in threading.enumerate()]
    fill(pages, ENOUGH_PAGES // 2)
    before = brought(tmp_path)
    assert [thread.name for thread in threading.enumerate()] == names  # a command that ends soon has no such thread
    fill(pages, ENOUGH_PAGES)
    wait_for(lambda: brought(tmp_path) >= before + ENOUGH_PAGES)
    pages.close()
    assert [thread.name for thread in threading.enumerate()] == names
    with apsw.Connection(str(tmp_path / "pages.db")) as connection:
        assert list(connection.execute("select count(*) from page")) == [(ENOUGH_PAGES,)]


def test_the_log_begins_anew_once_the_thread_has_brought_it_in(tmp_path: Path) -> None:
    with closing(SqliteDatabase(tmp_path / "pages.db", TABLE)) as pages:
        for _ in range(6):
            fill(pages, ENOUGH_PAGES)
            wait_for(lambda: not pages._checkpoints._due.is_set())
            fill(pages, 10)
        assert log_pages(tmp_path) < ENOUGH_PAGES + 100


def test_the_log_begins_anew_even_if_the_thread_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathserve.db.checkpoints.Checkpoints._run", lambda _: None)
    monkeypatch.setattr("pathserve.db.checkpoints.MOST_PAGES", 600)
    with closing(SqliteDatabase(tmp_path / "pages.db", TABLE)) as pages:
        for _ in range(30):
            fill(pages, 100)
        assert 600 <= log_pages(tmp_path) < 600 + 2 * 100 + 10


EDITS = 20
WRITER = """
import os
import sys
from pathlib import Path
from pathserve.db import SqliteDatabase
from pathserve.db.schema import MIGRATIONS

db = SqliteDatabase(Path(sys.argv[1]), MIGRATIONS)
for n in range(int(sys.argv[2])):
    db.write(lambda tx: tx.run("insert into project (name, created) values (?, '')", str(n)))
os._exit(0)  # without the checkpoint of an end in order
"""


def test_a_commit_is_one_fsync(tmp_path: Path) -> None:
    def syncs(edits: int) -> int:
        trace, file = tmp_path / f"trace-{edits}", tmp_path / f"{edits}.db"
        command = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace), sys.executable, "-c", WRITER]
        subprocess.run([*command, str(file), str(edits)], check=True)
        return sum("sync(" in line for line in trace.read_text().splitlines())

    assert syncs(EDITS) - syncs(0) == EDITS
