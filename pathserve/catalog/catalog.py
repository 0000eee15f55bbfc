"""The tables of projects and slides."""

from collections.abc import Mapping
from typing import Any

import orjson

from pathserve.catalog.cases import drop_empty_case, next_number, place_in_case, share_case
from pathserve.catalog.filters import SlideFilter
from pathserve.catalog.judgements import Judgements
from pathserve.catalog.pseudonyms import Pseudonyms
from pathserve.catalog.records import COLUMNS, DEFAULT_PROJECT, READY, SELECT, SlideFacts, SlideRecord, to_record
from pathserve.db import Database, Transaction, as_int, now
from pathserve.errors import Conflict, NotFound
from pathserve.labels import clean_name
from pathserve.pixels import SlideInfo


class Catalog:
    """The catalog's tables; every method is one transaction and blocks its thread.

    Parameters
    ----------
    pseudonyms
        Where the originals of pseudonyms are kept: what the catalog loses is forgotten there. None: nobody keeps any.
    """

    def __init__(self, db: Database, pseudonyms: Pseudonyms | None = None) -> None:
        self._db = db
        self._pseudonyms = pseudonyms
        self.judgements = Judgements(db)

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
        scene: int = 0,
        status: str = READY,
        case_of: str | None = None,
        identity: Mapping[str, Any] | None = None,
    ) -> SlideRecord:
        """List a published slide; without a name it gets the made-up label "Slide N".

        Parameters
        ----------
        case_of
            Id of a slide in the same project whose case this one belongs to, such as another scene of the same file;
            when that one has no case yet, both get one with the made-up label "Case N".
        identity
            What ingest dropped of the scan's metadata: places, kinds and counts, never a value.

        Raises
        ------
        Conflict
            When a slide with this content or id is listed already.
        """
        project = clean_name(project, "project name")
        given = None if name is None else clean_name(name, "slide name")

        def work(tx: Transaction) -> SlideRecord:
            at = now()
            number = next_number(tx, "slide")
            tx.run("insert into project (name, created) values (?, ?) on conflict do nothing", project, at)
            mpp = (None, None) if info.mpp is None else (info.mpp.x, info.mpp.y)
            channels = orjson.dumps([channel.to_dict() for channel in info.channels]).decode()
            tx.run(
                f"insert into slide (number, {COLUMNS}) values (?{', ?' * 22})",  # noqa: S608 - constants only
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
                status,
                generation,
                content_hash,
                at,
                None,
                scene,
                info.scenes,
                info.times,
                info.dtype,
            )
            if identity is not None:
                tx.run("insert into identity_report values (?, ?)", slide_id, orjson.dumps(identity).decode())
            if case_of is not None:
                tx.run("update slide set case_id = ? where id = ?", share_case(tx, case_of), slide_id)
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

    def identity_report(self, slide_id: str) -> dict[str, Any]:
        """Give the report of what ingest dropped of a slide's metadata.

        Raises
        ------
        NotFound
            When none was made: an earlier version of PathServe listed the slide.
        """
        row = self._db.read(lambda tx: tx.row("select report from identity_report where slide = ?", slide_id))
        if row is None:
            raise NotFound("There is no identity report of this slide: an earlier version ingested it.")
        report: dict[str, Any] = orjson.loads(str(row[0]))
        return report

    def find_by_content(self, content_hash: str) -> SlideRecord | None:
        """Find the slide that was made from this file content, or None."""
        row = self._db.read(lambda tx: tx.row(f"{SELECT} where slide.content_hash = ?", content_hash))
        return None if row is None else to_record(row)

    def slides(
        self, wanted: SlideFilter | None = None, *, after: int = 0, limit: int = 1000
    ) -> tuple[list[SlideRecord], int | None]:
        """List slides, oldest first, and the number after which the next page begins (None at the end).

        Parameters
        ----------
        wanted
            Which slides; None means all.
        """
        condition, values = (wanted or SlideFilter()).condition()

        def work(tx: Transaction) -> tuple[list[SlideRecord], int | None]:
            rows = tx.rows(
                f"{SELECT} where slide.number > ? and {condition} order by slide.number limit ?",
                after,
                *values,
                limit + 1,
            )
            page = rows[:limit]
            return [to_record(row) for row in page], as_int(page[-1][-1]) if len(rows) > limit else None

        return self._db.read(work)

    def edit_slide(self, slide_id: str, facts: SlideFacts) -> SlideRecord:
        """Change what people say about a slide; its case moves with it to another project.

        Raises
        ------
        NotFound
            When there is no such slide.
        Invalid
            When a name breaks the rules.
        Conflict
            When the slide would change project although it has annotations: their classes belong to the project.
        """
        facts = facts.cleaned()

        def work(tx: Transaction) -> tuple[SlideRecord, SlideRecord]:
            before = _slide(tx, slide_id)
            if facts.name is not None:
                tx.run("update slide set name = ? where id = ?", facts.name, slide_id)
            if facts.stain is not None:
                tx.run("update slide set stain = ? where id = ?", facts.stain or None, slide_id)
            project = before.project if facts.project is None else facts.project
            if project != before.project:
                if tx.row("select 1 from revision where slide = ? limit 1", slide_id):
                    raise Conflict("A slide with annotations cannot change its project: its classes belong to it.")
                tx.run("insert into project (name, created) values (?, ?) on conflict do nothing", project, now())
                tx.run("update slide set project = ? where id = ?", project, slide_id)
            place_in_case(tx, before, project, facts)
            return before, _slide(tx, slide_id)

        before, after = self._db.write(work)
        if self._pseudonyms is not None:
            self._pseudonyms.follow(before, after)
        self._db.overwrite_deleted()  # an old name may have been a person's
        return after

    def unfinished(self) -> list[SlideRecord]:
        """List slides that levels are still being made for, or whose ingest was interrupted; oldest first."""
        rows = self._db.read(lambda tx: tx.rows(f"{SELECT} where slide.status <> ? order by slide.number", READY))
        return [to_record(row) for row in rows]

    def set_status(self, slide_id: str, status: str) -> None:
        """Say how far a slide is: ``BUILDING`` or ``READY``."""
        self._db.write(lambda tx: tx.run("update slide set status = ? where id = ?", status, slide_id))

    def discard_unused(self, slide_id: str) -> None:
        """Take a slide off the catalog that is not to be kept; one that is not listed is fine.

        Raises
        ------
        Conflict
            When it has annotations.
        """

        def work(tx: Transaction) -> None:
            if tx.row("select 1 from revision where slide = ? limit 1", slide_id):
                raise Conflict("A slide with annotations is not discarded.")
            tx.run("delete from slide where id = ?", slide_id)

        self._db.write(work)

    def remove_slide(self, slide_id: str) -> None:
        """Take a slide and all its annotations off the catalog, and what it was called in truth.

        Raises
        ------
        NotFound
            When there is no such slide.
        """

        def work(tx: Transaction) -> SlideRecord:
            before = _slide(tx, slide_id)
            # The only table of a slide's rows that does not go with it: a reference would cost each row an index.
            tx.run("delete from placed where chunk in (select id from chunk where slide = ?)", slide_id)
            tx.run("delete from slide where id = ?", slide_id)
            drop_empty_case(tx, before)
            return before

        before = self.slide(slide_id)
        if self._pseudonyms is not None:
            # First: interrupted in between, a slide without its original is better than an original without its slide.
            self._pseudonyms.forget_slide(before.id)
        before = self._db.write(work)
        if self._pseudonyms is not None:
            self._pseudonyms.follow(before, None)
        self._db.overwrite_deleted()

    # projects

    def add_project(self, name: str) -> str:
        """Make a project and give its name without blanks around it.

        Raises
        ------
        Invalid
            When the name breaks the rules.
        Conflict
            When there is one of this name.
        """
        name = clean_name(name, "project name")
        made = self._db.write(
            lambda tx: tx.run("insert into project (name, created) values (?, ?) on conflict do nothing", name, now())
        )
        if not made:
            raise Conflict("There is a project of this name already.")
        return name

    def require_project(self, name: str) -> None:
        """Check that there is a project; that of everything without one is always there.

        Raises
        ------
        NotFound
            When there is no such project.
        """
        found = self._db.read(lambda tx: tx.row("select 1 from project where name = ?", name))
        if found is None and name != DEFAULT_PROJECT:
            raise NotFound("There is no such project; make it with `pathserve project create NAME`.")

    def projects(self) -> dict[str, int]:
        """Give all projects by name, with how many slides each has."""
        rows = self._db.read(
            lambda tx: tx.rows(
                "select p.name, count(s.id) from project p left join slide s on s.project = p.name "
                "group by p.name order by p.name"
            )
        )
        return {str(name): as_int(count) for name, count in rows}


def _find(tx: Transaction, slide_id: str) -> SlideRecord | None:
    row = tx.row(f"{SELECT} where slide.id = ?", slide_id)
    return None if row is None else to_record(row)


def _slide(tx: Transaction, slide_id: str) -> SlideRecord:
    record = _find(tx, slide_id)
    if record is None:
        raise NotFound("There is no such slide.")
    return record
