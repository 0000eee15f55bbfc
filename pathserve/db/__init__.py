"""The database: one writer, many readers, named migrations. Plain SQL, no object mapper."""

from pathserve.db.database import Database, Transaction, Value

__all__ = ["Database", "Transaction", "Value"]
