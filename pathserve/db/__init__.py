"""The database: one writer, many readers, named migrations. Plain SQL, no object mapper."""

from pathserve.db.contract import Database, Transaction
from pathserve.db.open import open_database
from pathserve.db.schema import Migration
from pathserve.db.sqlite import SqliteDatabase
from pathserve.db.values import Row, Statement, Value, as_int, as_real, ascii_lower, now, placeholders

__all__ = [
    "Database",
    "Migration",
    "Row",
    "SqliteDatabase",
    "Statement",
    "Transaction",
    "Value",
    "as_int",
    "as_real",
    "ascii_lower",
    "now",
    "open_database",
    "placeholders",
]
