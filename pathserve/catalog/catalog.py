"""Projects and slides: what there is, without any pixel."""

from collections.abc import Sequence

import orjson

from pathserve.catalog.records import COLUMNS, SlideRecord, to_record
from pathserve.db import Database, Transaction, as_int, now
from pathserve.errors import Conflict, NotFound
from pathserve.labels import clean_name
from pathserve.pixels import SlideInfo


class Catalog:
    """The catalog's tables; every method is one transaction and blocks its thread."""

    def __init__(self, db: Database) -> None:
        self._db = db

    # slides

    def add_slide(
        self,
        *,
        slide_id: str,
        project: str,
        name: str | None,
        info: SlideInfo,
        levels: int,
        tile_size: int,
        content_hash: str,
        generation: int = 1,
    ) -> SlideRecord:
        """List a published slide; without a name it gets the made-up label "Slide N".

        Raises
        ------
        Conflict
            When a slide with this content or id is listed already.
        """
        project = clean_name(project, "project name")
        given = None if name is None else clean_name(name, "slide name")

        def work(tx: Transaction) -> SlideRecord:
            at = now()
            number = _next_number(tx)
            tx.run("insert into project (name, created) values (?, ?) on conflict do nothing", project, at)
            mpp = (None, None) if info.mpp is None else (info.mpp.x, info.mpp.y)
            channels = orjson.dumps([{"name": c.name, "color": c.color} for c in info.channels]).decode()
            tx.run(
                f"insert into slide (number, {COLUMNS}) values (?{', ?' * 17})",  # noqa: S608 - constants only
                number,
                slide_id,
                given or f"Slide {number}",
                project,
                info.size.width,
                info.size.height,
                *mpp,
                int(info.mpp_plausible),
                info.objective_power,
                levels,
                tile_size,
                channels,
                info.planes,
                "ready",
                generation,
                content_hash,
                at,
            )
            return _slide(tx, slide_id)

        return self._db.write(work)

    def slide(self, slide_id: str) -> SlideRecord:
        """Find one slide.

        Raises
        ------
        NotFound
            When there is none of this id.
        """
        return self._db.read(lambda tx: _slide(tx, slide_id))

    def find_slide(self, slide_id: str) -> SlideRecord | None:
        """Find one slide, or None."""
        return self._db.read(lambda tx: _find(tx, slide_id))

    def find_by_content(self, content_hash: str) -> SlideRecord | None:
        """Find the slide that was made from this file content, or None."""
        row = self._db.read(lambda tx: tx.row(f"select {COLUMNS} from slide where content_hash = ?", content_hash))  # noqa: S608 - constants only
        return None if row is None else to_record(row)

    def slides(
        self, *, projects: Sequence[str] | None = None, after: int = 0, limit: int = 1000
    ) -> tuple[list[SlideRecord], int | None]:
        """List slides, oldest first, and the number after which the next page begins (None at the end).

        Parameters
        ----------
        projects
            Only slides of these projects; None means all.
        """

        def work(tx: Transaction) -> tuple[list[SlideRecord], int | None]:
            where, values = "number > ?", [after]
            if projects is not None:
                where += f" and project in ({', '.join('?' * len(projects))})"
            rows = tx.rows(
                f"select {COLUMNS}, number from slide where {where} order by number limit ?",  # noqa: S608 - placeholders only
                *values,
                *(projects or ()),
                limit + 1,
            )
            page = rows[:limit]
            return [to_record(row[:-1]) for row in page], as_int(page[-1][-1]) if len(rows) > limit else None

        return self._db.read(work)

    def rename_slide(self, slide_id: str, *, name: str | None = None, project: str | None = None) -> SlideRecord:
        """Change a slide's name or project.

        Raises
        ------
        NotFound
            When there is no such slide.
        Invalid
            When the name breaks the rules.
        Conflict
            When the slide would change project although it has annotations: their classes belong to the project.
        """
        name = None if name is None else clean_name(name, "slide name")
        project = None if project is None else clean_name(project, "project name")

        def work(tx: Transaction) -> SlideRecord:
            record = _slide(tx, slide_id)
            if name is not None:
                tx.run("update slide set name = ? where id = ?", name, slide_id)
            if project is not None and project != record.project:
                if tx.row("select 1 from head where slide = ? limit 1", slide_id):
                    raise Conflict("A slide with annotations cannot change its project: its classes belong to it.")
                tx.run("insert into project (name, created) values (?, ?) on conflict do nothing", project, now())
                tx.run("update slide set project = ? where id = ?", project, slide_id)
            return _slide(tx, slide_id)

        record = self._db.write(work)
        self._db.overwrite_deleted()  # the old name may have been a person's
        return record

    def remove_slide(self, slide_id: str) -> None:
        """Take a slide and all its annotations off the catalog.

        Raises
        ------
        NotFound
            When there is no such slide.
        """

        def work(tx: Transaction) -> None:
            _slide(tx, slide_id)
            tx.run("delete from slide where id = ?", slide_id)

        self._db.write(work)
        self._db.overwrite_deleted()

    def projects(self) -> list[str]:
        """Names of all projects."""
        return [str(row[0]) for row in self._db.read(lambda tx: tx.rows("select name from project order by name"))]


def _next_number(tx: Transaction) -> int:
    # Kept apart from the rows: a removed slide's made-up label is never given to another one.
    tx.run("insert into counter values ('slide', 1) on conflict (name) do update set value = value + 1")
    row = tx.row("select value from counter where name = 'slide'")
    return as_int(row[0]) if row else 1


def _find(tx: Transaction, slide_id: str) -> SlideRecord | None:
    row = tx.row(f"select {COLUMNS} from slide where id = ?", slide_id)  # noqa: S608 - constants only
    return None if row is None else to_record(row)


def _slide(tx: Transaction, slide_id: str) -> SlideRecord:
    record = _find(tx, slide_id)
    if record is None:
        raise NotFound("There is no such slide.")
    return record
