"""PostgreSQL behind the same two calls: ``write`` and ``read``."""

import queue
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from pathserve.db.contract import Transaction
from pathserve.db.later import Later
from pathserve.db.listener import CHANNEL, Listener
from pathserve.db.postgres_connection import Connection, connect
from pathserve.db.postgres_sql import ddl_to_postgres, to_postgres
from pathserve.db.schema import MIGRATIONS, Migration
from pathserve.db.values import Row, Statement, Value, as_int, require_storable
from pathserve.errors import DISK_FULL, Busy, Conflict, Corrupt, Invalid, PathServeError, TooLarge, Unsupported

_T = TypeVar("_T")

_READERS = 8
_FETCHED = 200
"""Rows that a reader of many holds at once."""

_CHANGES = ("INSERT", "UPDATE", "DELETE")

_WRITERS_LOCK = 0x50617468_53657276
"""Whose turn it is to write, of all processes: an advisory lock of the whole database."""

# Read committed: each statement sees what was there when it began, and nobody else writes once the lock is held.
_BEGIN_WRITE = f"begin isolation level read committed; select pg_advisory_xact_lock({_WRITERS_LOCK})"
_BEGIN_READ = "begin isolation level repeatable read, read only"

OUTCOME_UNKNOWN = "outcome_unknown"
"""Code of a write that nobody can say of whether it was made."""


class PostgresTransaction:
    """One open transaction; see `Transaction`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursors = 0

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Run one statement and give all its rows."""
        return self._execute(to_postgres(sql), values).fetchall()

    def each(self, sql: str, *values: Value) -> Iterator[Row]:
        """Run one query and give its rows one by one; the server keeps the others until they are asked for."""
        self._cursors += 1
        name = f"each_{self._cursors}"
        self._execute(f"declare {name} no scroll cursor for {to_postgres(sql)}", values)
        return self._fetched(f"fetch {_FETCHED} from {name}")

    def row(self, sql: str, *values: Value) -> Row | None:
        """Run one statement and give its first row, or None."""
        return self._execute(to_postgres(sql), values).fetchone()

    def run(self, sql: str, *values: Value) -> int:
        """Run one statement and say how many rows it changed, without those that went with them."""
        cursor = self._execute(to_postgres(sql), values)
        return cursor.rowcount if (cursor.statusmessage or "").startswith(_CHANGES) else 0

    def run_many(self, sql: str, rows: Iterable[Row]) -> None:
        """Run one statement for many rows of values."""
        with self._connection.cursor() as cursor:
            cursor.executemany(to_postgres(sql), map(require_storable, rows))

    def run_all(self, statements: Sequence[Statement]) -> list[int]:
        """Run some changes that do not look at each other, and say of each how many rows it changed."""
        if not statements:
            return []
        # One statement for all: https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
        parts = ", ".join(f"w{n} as ({sql} returning 1)" for n, (sql, _) in enumerate(statements))
        counts = ", ".join(f"(select count(*) from w{n})" for n in range(len(statements)))  # noqa: S608 - names only
        row = self.row(f"with {parts} select {counts}", *(value for _, values in statements for value in values))
        return [] if row is None else list(map(as_int, row))

    def _execute(self, sql: str, values: Row) -> "psycopg.Cursor[Row]":
        cursor = self._connection.cursor(binary=True)
        return cursor.execute(sql, require_storable(values))

    def _fetched(self, fetch: str) -> Iterator[Row]:
        while rows := self._execute(fetch, ()).fetchall():
            yield from rows


class PostgresDatabase:
    """One database of a PostgreSQL server; see `Database`.

    Writers of all processes take turns by an advisory lock, which ends with its transaction. A write is on disk when
    `write` returns (``synchronous_commit=on``). A connection that the server has ended, as when it was started anew,
    is made again with the next transaction.

    Parameters
    ----------
    address
        ``postgresql://user@host/database``, with whatever libpq understands; a password may come from the environment,
        a password file or a service file instead.
    migrations
        What brings older tables up to date; the format version is their count.

    Raises
    ------
    Unsupported
        When a newer PathServe wrote the tables, or the server is too old or keeps texts in another coding than UTF-8.
    Busy
        When it cannot be reached.
    """

    def __init__(self, address: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self._address = address
        self._token = secrets.token_hex(8)
        self._later = Later()
        self._write_lock = threading.Lock()
        self._writer: Connection | None = None
        self._listener = Listener(address, self._token)
        self._readers: queue.LifoQueue[Connection | None] = queue.LifoQueue()
        for _ in range(_READERS):
            self._readers.put(None)  # opened when first needed
        try:
            self._migrate(migrations)
        except BaseException:
            self.close()
            raise

    def write(self, work: Callable[[Transaction], _T]) -> _T:
        """Run ``work`` in one writing transaction; all of it becomes durable, or none.

        Raises
        ------
        Busy
            When another process kept the database locked for too long, or it cannot be reached; nothing was written.
            With the code ``outcome_unknown`` the connection broke while the server was told to commit.
        """
        with self._write_lock, _clear_errors():
            connection = self._writer = self._begun(self._writer, _BEGIN_WRITE)
            try:
                result = work(PostgresTransaction(connection))
                _require_sound(connection)
            except BaseException:
                self._writer = _rolled_back(connection)
                raise
            self._commit(connection)
            return result

    def read(self, work: Callable[[Transaction], _T]) -> _T:
        """Run ``work`` on one snapshot of the database; writes go on beside it."""
        pooled = self._readers.get()
        try:
            with _clear_errors():
                connection = pooled = self._begun(pooled, _BEGIN_READ)
                try:
                    return work(PostgresTransaction(connection))
                finally:
                    pooled = _rolled_back(connection)
        finally:
            self._readers.put(pooled)

    def later(self, name: str, work: Callable[[], object]) -> None:
        """Have something done in a thread of this process; nobody waits for it."""
        self._later.do(name, work)

    def overwrite_deleted(self) -> None:
        """Do nothing: PostgreSQL cannot overwrite what was deleted; its disk has to be encrypted instead."""

    def version(self) -> int:
        """Give a number that changes whenever any process has committed; another one's is noticed soon after.

        As long as nobody can tell whether others have committed, it is another one with each call.
        """
        return self._listener.version()

    def backup(self, target: Path) -> None:  # noqa: ARG002 - the seam has it
        """Refuse: PostgreSQL's own tools do that."""
        raise Unsupported("PostgreSQL is backed up by its own tools, such as pg_dump.")

    def close(self) -> None:
        """Close every connection, once what shall be done later is done."""
        self._later.close()
        self._listener.close()
        for connection in [self._writer, *(self._readers.get() for _ in range(_READERS))]:
            if connection is not None:
                connection.close()

    def _begun(self, connection: Connection | None, begin: str) -> Connection:
        """Begin a transaction, on a new connection when there is none or the server has ended it."""
        if connection is not None and not connection.closed:
            try:
                connection.execute(begin)
            except psycopg.OperationalError:
                if not connection.closed:
                    _rolled_back(connection)
                    raise
            else:
                return connection
        fresh = connect(self._address)
        try:
            fresh.execute(begin)
        except BaseException:
            fresh.close()
            raise
        return fresh

    def _commit(self, connection: Connection) -> None:
        try:
            cursor = connection.execute(f"notify {CHANNEL}, '{self._token}'; commit")
            cursor.nextset()
        except BaseException as error:
            if connection.closed or not isinstance(error, psycopg.Error):
                connection.close()
                self._writer = None
                self._listener.count()
                if isinstance(error, psycopg.Error):
                    raise Busy(
                        "The connection to the database broke while this was saved: it may be saved or not. "
                        "Look before you try again.",
                        code=OUTCOME_UNKNOWN,
                    ) from error
            else:
                self._writer = _rolled_back(connection)
            raise
        if cursor.statusmessage != "COMMIT":
            raise Busy("The database did not save this; try again.")
        self._listener.count()

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        def apply(tx: Transaction) -> None:
            # Two processes may arrive here together: the second one finds the work done.
            tx.run("create table if not exists pathserve_format (version bigint not null)")
            row = tx.row("select version from pathserve_format")
            at = 0 if row is None else int(str(row[0]))
            if at > len(migrations):
                raise Unsupported("This database was written by a newer PathServe; update PathServe to open it.")
            if at == len(migrations):
                return
            for migration in migrations[at:]:
                for statement in migration.statements:
                    tx.run(ddl_to_postgres(statement))
            tx.run("delete from pathserve_format")
            tx.run("insert into pathserve_format values (?)", len(migrations))

        try:
            known = self.read(lambda tx: tx.row("select version from pathserve_format"))
        except _NoTable:
            known = None
        if known is None or known[0] != len(migrations):
            self.write(apply)


class _NoTable(Busy):
    """A table is not there: nobody has used the database for PathServe yet."""


def _require_sound(connection: Connection) -> None:
    """Refuse to commit after somebody has caught the error of a statement: the server would roll back and say so."""
    if connection.info.transaction_status is not TransactionStatus.INTRANS:
        raise psycopg.errors.InFailedSqlTransaction


def _rolled_back(connection: Connection) -> Connection | None:
    """End a transaction without its changes; None when the connection is of no use any more."""
    try:
        connection.execute("rollback")
    except psycopg.Error:
        connection.close()
        return None
    return connection


_CAUSES: tuple[tuple[tuple[str, ...], Callable[[], PathServeError]], ...] = (
    (("23",), lambda: Conflict("This is there already, or something that it needs is not.")),
    (("53100",), lambda: Busy("The database's disk is full.", code=DISK_FULL)),
    (("40", "53", "55P03", "57014", "25P03"), lambda: Busy("The database is busy; try again.")),
    (("25006",), lambda: Busy("The database can only be read at the moment.")),
    (("42501",), lambda: Unsupported("The database's user may not make or change tables there.")),
    (("42P01",), lambda: _NoTable("The tables of PathServe are not in this database.")),
    (("54",), lambda: TooLarge("A text is too long to be stored.")),
    (("22",), lambda: Invalid("This holds a value that cannot be stored.")),
    (("XX001", "XX002"), lambda: Corrupt("The database is damaged.")),
)
"""Errors by the beginnings of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html."""


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn PostgreSQL's errors into PathServe's, by cause; never with its own text, which can hold values."""
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        for beginnings, cause in _CAUSES:
            if state.startswith(beginnings):
                raise cause() from error
        if isinstance(error, psycopg.OperationalError):
            raise Busy("The connection to the database broke; try again.") from error
        raise
