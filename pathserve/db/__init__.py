"""The database: one writer, many readers, named migrations. Plain SQL, no object mapper."""

from pathserve.db.database import Database, Transaction
from pathserve.db.schema import Migration
from pathserve.db.values import Value, as_int, as_real, now

__all__ = ["Database", "Migration", "Transaction", "Value", "as_int", "as_real", "now"]
