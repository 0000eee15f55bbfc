"""Opening the database that somebody has chosen."""

from importlib import import_module
from pathlib import Path

from pathserve.db.contract import Database
from pathserve.db.sqlite import SqliteDatabase
from pathserve.errors import Unsupported


def open_database(where: Path | str) -> Database:
    """Open a database and bring its tables up to date.

    Parameters
    ----------
    where
        The file of SQLite, or the address of PostgreSQL.

    Raises
    ------
    Unsupported
        When a newer PathServe wrote it, or what speaks to PostgreSQL is not installed.
    Busy
        When it cannot be opened.
    """
    if isinstance(where, Path):
        return SqliteDatabase(where)
    try:
        # Loaded for those alone who use it: it is an extra, and takes its time.
        postgres = import_module("pathserve.db.postgres")
    except ImportError:
        raise Unsupported("PostgreSQL needs a further library: pip install 'pathserve[postgres]'.") from None
    opened: Database = postgres.PostgresDatabase(where)
    return opened
