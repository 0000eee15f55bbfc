"""What is written down of each revision of a slide: who wrote it, when, and what it did."""

from datetime import datetime

from pathserve.annotations.revisions import Change, read_changes
from pathserve.db import Database, as_int


def revision_log(db: Database, slide: str) -> dict[int, tuple[str, datetime]]:
    """Give author and moment of every revision, for those who give many annotations away; about 200 bytes each."""
    rows = db.read(lambda tx: tx.rows("select revision, author, at from revision where slide = ?", slide))
    return {as_int(revision): (str(author), datetime.fromisoformat(str(at))) for revision, author, at in rows}


def changes_since(db: Database, slide: str, revision: int, *, limit: int) -> list[Change]:
    """List what the revisions after one did, oldest first, for whoever follows a slide.

    A revision's changes are given whole or not at all, so the last one's number is where to go on; there may be
    more than ``limit`` of them when one revision alone has more.
    """
    return db.read(lambda tx: read_changes(tx, slide, since=revision, limit=limit))
