"""What a database can do, whichever it is: the seam between PathServe and where its rows lie.

The rooms above write plain SQL with ``?`` for each value, once, for every database. So that all answer alike, a
statement keeps to what they share:

- ``insert ... on conflict (...) do update set``, never ``insert or replace``; there, columns of the row that is there
  already carry the table's name;
- `placeholders` for lists of values, which may be empty;
- ``lower(column) like ?`` with a pattern that Python has made lower case (`ascii_lower`);
- 0 and 1 for what is true or not, compared as numbers;
- no ``rowid``, no JSON functions, no ``glob``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from pathserve.db.values import Row, Statement, Value

_T = TypeVar("_T")


class Transaction(Protocol):
    """One open transaction; rows come back as plain tuples.

    Only for use inside the function given to `Database.write` or `Database.read`. Texts sort by their code points. A
    number that is none (NaN) is stored as null.

    Raises
    ------
    Invalid
        When a text holds the character NUL, which not every database can store.
    """

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Run one statement and give all its rows."""
        ...

    def each(self, sql: str, *values: Value) -> Iterator[Row]:
        """Run one query and give its rows one by one, in constant memory."""
        ...

    def row(self, sql: str, *values: Value) -> Row | None:
        """Run one statement and give its first row, or None."""
        ...

    def run(self, sql: str, *values: Value) -> int:
        """Run one statement and say how many rows it changed, without those that went with them."""
        ...

    def run_many(self, sql: str, rows: Iterable[Row]) -> None:
        """Run one statement for many rows of values."""
        ...

    def run_all(self, statements: Sequence[Statement]) -> list[int]:
        """Run some changes, and say of each how many rows it changed; one exchange with a server for all.

        Each is an insert, an update or a delete without ``returning``. None sees what the others change, and no two
        change the same row: a database may run them in any order.
        """
        ...


class Database(Protocol):
    """A database with one writer at a time, of all processes, and many readers.

    What `write` has returned from is on disk and is seen by every later read of every process.
    """

    def write(self, work: Callable[[Transaction], _T]) -> _T:
        """Run ``work`` in one writing transaction; all of it becomes durable, or none.

        Nobody else writes meanwhile, so what ``work`` has read is still so when its changes become visible.

        Raises
        ------
        Busy
            When others kept the database for too long, its disk is full, or it cannot be reached: nothing was
            written. With the code ``outcome_unknown``: nobody knows whether it was.
        Conflict
            When the change breaks a rule of the tables.
        """
        ...

    def read(self, work: Callable[[Transaction], _T]) -> _T:
        """Run ``work`` on one snapshot of the database; writes go on beside it."""
        ...

    def version(self) -> int:
        """Give a number that changes whenever any process has committed; for less than a microsecond."""
        ...

    def later(self, name: str, work: Callable[[], object]) -> None:
        """Have something done in a thread of this process, after what waits there already; nobody waits for it.

        What waits under the same name is done once. `close` waits for it; a process that is killed before never does
        it, and a `PathServeError` of it is logged and no more.
        """
        ...

    def overwrite_deleted(self) -> None:
        """Have deleted content overwritten as far as the database can do that; best effort."""
        ...

    def backup(self, target: Path) -> None:
        """Write a consistent copy to ``target`` while others read and write.

        Raises
        ------
        Unsupported
            When the database has tools of its own for that.
        """
        ...

    def close(self) -> None:
        """Let go of it, once what shall be done `later` is done."""
        ...
