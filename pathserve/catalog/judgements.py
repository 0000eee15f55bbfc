"""What was found about the quality of slides, kept beside them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from pathserve.catalog.records import SlideRecord
from pathserve.db import Database, Transaction, Value, as_int, placeholders

METHOD_VERSION = 1
"""Of the method of `pathserve.ingest.quality`, raised with it; what an older one found is found anew on request."""

_AT_ONCE = 1000
"""Slides that one statement asks for; databases limit its values."""

_SELECT = "select slide, generation, version, summary, reason from quality"
_PUT = (
    "insert into quality (slide, generation, version, summary, detail, reason, tissue) values (?, ?, ?, ?, ?, ?, ?) "
    "on conflict (slide) do update set generation = excluded.generation, version = excluded.version, "
    "summary = excluded.summary, detail = excluded.detail, reason = excluded.reason, tissue = excluded.tissue"
)


@dataclass(frozen=True, slots=True)
class StoredJudgement:
    """One slide's judgement.

    Parameters
    ----------
    slide
        Its id.
    generation
        Of the pixels that were judged.
    version
        Of the method.
    summary
        What a list of slides shows; None when the slide could not be judged, and ``reason`` says why.
    """

    slide: str
    generation: int
    version: int
    summary: dict[str, Any] | None
    reason: str | None

    def is_current(self, slide: SlideRecord) -> bool:
        """Tell whether it is of the slide's pixels of now, by the method of now."""
        return (self.generation, self.version) == (slide.generation, METHOD_VERSION)


class Judgements:
    """The table of judgements; every method is one transaction and blocks its thread."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(self, judgement: StoredJudgement, *, detail: dict[str, Any] | None, tissue: bytes | None) -> None:
        """Keep a judgement in place of the one before.

        Parameters
        ----------
        detail
            What only one slide's own page shows.
        tissue
            PNG of the tissue mask.

        Raises
        ------
        Conflict
            When there is no such slide.
        """
        row: tuple[Value, ...] = (
            judgement.slide,
            judgement.generation,
            judgement.version,
            _text(judgement.summary),
            _text(detail),
            judgement.reason,
            tissue,
        )
        self._db.write(lambda tx: tx.run(_PUT, *row))

    def of(self, slides: Iterable[str]) -> dict[str, StoredJudgement]:
        """Give the judgements of slides by id; a slide that was never judged has none."""
        ids = list(slides)

        def work(tx: Transaction) -> list[tuple[Value, ...]]:
            rows = list[tuple[Value, ...]]()
            for start in range(0, len(ids), _AT_ONCE):
                some = ids[start : start + _AT_ONCE]
                sql = f"{_SELECT} where slide in ({placeholders(len(some))})"
                rows += tx.rows(sql, *some)
            return rows

        return {str(row[0]): _judgement(row) for row in self._db.read(work)}

    def current(self, slides: Iterable[SlideRecord]) -> dict[str, StoredJudgement]:
        """Give by id what was found about the slides' pixels of now, by the method of now."""
        records = {slide.id: slide for slide in slides}
        return {id_: found for id_, found in self.of(records).items() if found.is_current(records[id_])}

    def detail(self, slide: str) -> dict[str, Any] | None:
        """Give what only one slide's own page shows, or None."""
        row = self._db.read(lambda tx: tx.row("select detail from quality where slide = ?", slide))
        return None if row is None or row[0] is None else dict(orjson.loads(str(row[0])))

    def tissue(self, slide: str) -> bytes | None:
        """Give the PNG of a slide's tissue mask, or None."""
        row = self._db.read(lambda tx: tx.row("select tissue from quality where slide = ?", slide))
        return row[0] if row is not None and isinstance(row[0], bytes) else None


def _judgement(row: tuple[Value, ...]) -> StoredJudgement:
    slide, generation, version, summary, reason = row
    return StoredJudgement(
        slide=str(slide),
        generation=as_int(generation),
        version=as_int(version),
        summary=None if summary is None else dict(orjson.loads(str(summary))),
        reason=None if reason is None else str(reason),
    )


def _text(value: dict[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
