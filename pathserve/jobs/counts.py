"""How many jobs there are, for whoever watches the server."""

from typing import get_args

from pathserve.db import Database, as_int
from pathserve.jobs.records import State


def count_jobs(db: Database) -> dict[State, int]:
    """Count the jobs of each state; by an index, however many have ended."""
    rows = db.read(lambda tx: {s: tx.row("select count(*) from job where state = ?", s) for s in get_args(State)})
    return {state: 0 if row is None else as_int(row[0]) for state, row in rows.items()}
