"""SQLite in WAL mode behind two calls: ``write`` and ``read``."""

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import apsw

from pathserve.db.checkpoints import Checkpoints
from pathserve.db.contract import Transaction
from pathserve.db.later import Later
from pathserve.db.schema import MIGRATIONS, Migration
from pathserve.db.values import Row, Statement, Value, require_storable
from pathserve.db.watch import Watch, shared_header
from pathserve.errors import Busy, Conflict, Corrupt, Unsupported

_T = TypeVar("_T")

_BUSY_MILLISECONDS = 20_000
_CHECKPOINT_MILLISECONDS = 200
_READERS = 8
_WRITER_CACHE_KIB = 16 * 1024
"""An edit touches pages all over the tables: with SQLite's 2 MiB it reads half of them again each time."""


class SqliteTransaction:
    """One open transaction; see `Transaction`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Run one statement and give all its rows."""
        return list(self._connection.execute(sql, require_storable(values)))

    def each(self, sql: str, *values: Value) -> Iterator[Row]:
        """Run one statement and give its rows one by one."""
        return iter(self._connection.execute(sql, require_storable(values)))

    def row(self, sql: str, *values: Value) -> Row | None:
        """Run one statement and give its first row, or None."""
        return next(iter(self._connection.execute(sql, require_storable(values))), None)

    def run(self, sql: str, *values: Value) -> int:
        """Run one statement and say how many rows it changed, without those that went with them."""
        before = self._connection.total_changes()
        self._connection.execute(sql, require_storable(values))
        # `changes` keeps the count of the statement before when this one is no insert, update or delete.
        return self._connection.changes() if self._connection.total_changes() > before else 0

    def run_many(self, sql: str, rows: Iterable[Row]) -> None:
        """Run one statement for many rows of values."""
        self._connection.executemany(sql, map(require_storable, rows))

    def run_all(self, statements: Sequence[Statement]) -> list[int]:
        """Run some changes that do not look at each other, and say of each how many rows it changed."""
        return [self.run(sql, *values) for sql, values in statements]


class SqliteDatabase:
    """One SQLite file; see `Database`.

    Writes are serialised in this process by a lock and between processes by SQLite itself. A write is on disk when
    `write` returns (``synchronous=FULL``: one fsync). Deleted content is overwritten (``secure_delete``), because it
    can name people.

    Parameters
    ----------
    path
        The file; made with its folder when absent, readable by its owner only.
    migrations
        What brings an older file up to date; the file's format version is their count.

    Raises
    ------
    Unsupported
        When a newer PathServe wrote the file.
    """

    def __init__(self, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self._path = path
        self._migrations = migrations
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._later = Later()
        self._write_lock = threading.Lock()
        self._writer = self._connect()
        self._writer.pragma("cache_size", -_WRITER_CACHE_KIB)
        self._checkpoints = Checkpoints(self._connect)
        self._writer.set_wal_hook(self._checkpoints.after_commit)
        try:
            self._migrate()
        except BaseException:
            self._checkpoints.close()
            self._writer.close()
            raise
        self._watcher = self._connect()
        self._watcher_lock = threading.Lock()
        self._asked()  # the connection has read: SQLite's shared memory is there from now on
        header = shared_header(path)
        self._watch = None if header is None else Watch(header)
        self._readers: queue.LifoQueue[apsw.Connection | None] = queue.LifoQueue()
        for _ in range(_READERS):
            self._readers.put(None)  # opened when first needed

    def write(self, work: Callable[[Transaction], _T]) -> _T:
        """Run ``work`` in one writing transaction; all of it becomes durable, or none.

        Raises
        ------
        Busy
            When another process kept the database locked for too long.
        """
        with self._write_lock, _clear_errors():
            self._writer.execute("begin immediate")
            try:
                result = work(SqliteTransaction(self._writer))
                self._writer.execute("commit")
            except BaseException:
                if not self._writer.getautocommit():  # after some errors SQLite has rolled back already
                    self._writer.execute("rollback")
                raise
            return result

    def read(self, work: Callable[[Transaction], _T]) -> _T:
        """Run ``work`` on one snapshot of the database; writes go on beside it."""
        pooled = self._readers.get()
        try:
            connection = pooled or self._connect()
            pooled = connection
            with _clear_errors():
                connection.execute("begin")
                try:
                    return work(SqliteTransaction(connection))
                finally:
                    connection.execute("commit")
        finally:
            self._readers.put(pooled)

    def later(self, name: str, work: Callable[[], object]) -> None:
        """Have something done in a thread of this process; nobody waits for it."""
        self._later.do(name, work)

    def overwrite_deleted(self) -> None:
        """Bring deletions from the write-ahead log into the file itself, where deleted content is overwritten.

        Best effort: while somebody reads, SQLite keeps what the reader still sees; a later call does the rest.
        """
        with self._write_lock, _clear_errors():
            # A reader may take long; nobody who writes shall wait for it.
            self._writer.set_busy_timeout(_CHECKPOINT_MILLISECONDS)
            try:
                self._writer.pragma("wal_checkpoint", "truncate")
            finally:
                self._writer.set_busy_timeout(_BUSY_MILLISECONDS)

    def version(self) -> int:
        """Give a number that changes whenever any process has committed.

        A fraction of a microsecond where the system lets SQLite's shared memory be found, a few microseconds elsewhere.
        """
        with self._watcher_lock:
            return self._asked() if self._watch is None else self._watch.number()

    def backup(self, target: Path) -> None:
        """Write a consistent copy to ``target`` while others read and write."""
        os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))
        with (
            closing(self._connect()) as source,
            closing(apsw.Connection(str(target))) as copy,
            copy.backup("main", source, "main") as run,
        ):
            while not run.done:
                run.step(1000)

    def close(self) -> None:
        """Close every connection, once what shall be done later is done."""
        self._later.close()
        with self._watcher_lock:
            self._watch = None  # its memory goes with the connections
        self._checkpoints.close()
        for _ in range(_READERS):
            connection = self._readers.get()
            if connection is not None:
                connection.close()
        self._watcher.close()
        self._writer.close()

    def _asked(self) -> int:
        return int(self._watcher.pragma("data_version"))

    def _connect(self) -> apsw.Connection:
        with _clear_errors():
            connection = apsw.Connection(str(self._path))
            connection.set_busy_timeout(_BUSY_MILLISECONDS)
            # A plan is kept whatever the values: otherwise SQLite plans many statements anew with each new value, which
            # takes several times as long as running them (https://www.sqlite.org/queryplanner-ng.html, "QPSG").
            connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            for name, value in (
                ("journal_mode", "wal"),
                ("synchronous", "full"),
                ("secure_delete", "on"),
                ("foreign_keys", "on"),
                ("trusted_schema", "off"),
            ):
                connection.pragma(name, value)
        return connection

    def _migrate(self) -> None:
        at = int(self._writer.pragma("user_version"))
        if at > len(self._migrations):
            raise Unsupported("This data folder was written by a newer PathServe; update PathServe to open it.")
        if at == len(self._migrations):
            return
        if at > 0:
            self.backup(self._path.with_suffix(f".before-{len(self._migrations)}.db"))

        def apply(tx: Transaction) -> None:
            # Two processes may arrive here together: the second one finds the work done.
            now = int(self._writer.pragma("user_version"))
            for migration in self._migrations[now:]:
                for statement in migration.statements:
                    tx.run(statement)
            self._writer.pragma("user_version", len(self._migrations))

        self.write(apply)


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn SQLite's errors into PathServe's, by cause; never with SQLite's own text, which can hold values."""
    try:
        yield
    except apsw.BusyError as error:
        raise Busy("The database is busy; try again.") from error
    except apsw.ConstraintError as error:
        raise Conflict("This is there already, or something that it needs is not.") from error
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise Corrupt("The database file is damaged or is no database.") from error
    except apsw.FullError as error:
        raise Busy("The disk is full.", code="disk_full") from error
    except apsw.IOError as error:
        raise Busy("The database cannot be read or written: is the disk full?") from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise Busy("The data folder cannot be opened for writing.") from error
