"""Projects and slides: what there is, without any pixel."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from pathserve.db import Database, Transaction, Value, as_int, as_real, now
from pathserve.errors import Conflict, Invalid, NotFound
from pathserve.geometry import Mpp, Size
from pathserve.labels import clean_name
from pathserve.pixels import Channel, SlideInfo

DEFAULT_PROJECT = "default"

_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: nothing to misread aloud


@dataclass(frozen=True, slots=True)
class SlideRecord:
    """One slide of the catalog; ``width`` and ``height`` are level-0 pixels.

    ``generation`` changes whenever the slide's stored pixels do, and ``content_hash`` is the SHA-256 of the scan file.
    """

    id: str
    name: str
    project: str
    width: int
    height: int
    mpp: Mpp | None
    mpp_plausible: bool
    objective_power: float | None
    levels: int
    tile_size: int
    channels: tuple[Channel, ...]
    planes: int
    status: str
    generation: int
    content_hash: str
    created: datetime

    @property
    def size(self) -> Size:
        """Level-0 size."""
        return Size(self.width, self.height)

    def require_mpp(self) -> Mpp:
        """Give the pixel size when it can be scaled by.

        Raises
        ------
        Invalid
            When the scan states none, or one that no microscope has.
        """
        if self.mpp is None:
            raise Invalid("This slide states no micrometres per pixel; ask by downsample.", code="no_mpp")
        if not self.mpp_plausible:
            raise Invalid(
                "This slide states micrometres per pixel that no microscope has; ask by downsample.",
                code="implausible_mpp",
            )
        return self.mpp


def make_slide_id() -> str:
    """Make an opaque, URL-safe slide id: 12 random characters, 60 bits, said aloud without mistakes."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(12))


_COLUMNS = (
    "id, name, project, width, height, mpp_x, mpp_y, mpp_plausible, objective_power, levels, tile_size, channels, "
    "planes, status, generation, content_hash, created"
)


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
                f"insert into slide (number, {_COLUMNS}) values (?{', ?' * 17})",  # noqa: S608 - constants only
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
        row = self._db.read(lambda tx: tx.row(f"select {_COLUMNS} from slide where content_hash = ?", content_hash))  # noqa: S608 - constants only
        return None if row is None else _record(row)

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
                f"select {_COLUMNS}, number from slide where {where} order by number limit ?",  # noqa: S608 - placeholders only
                *values,
                *(projects or ()),
                limit + 1,
            )
            page = rows[:limit]
            return [_record(row[:-1]) for row in page], as_int(page[-1][-1]) if len(rows) > limit else None

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
    row = tx.row(f"select {_COLUMNS} from slide where id = ?", slide_id)  # noqa: S608 - constants only
    return None if row is None else _record(row)


def _slide(tx: Transaction, slide_id: str) -> SlideRecord:
    record = _find(tx, slide_id)
    if record is None:
        raise NotFound("There is no such slide.")
    return record


def _record(row: tuple[Value, ...]) -> SlideRecord:
    slide_id, name, project, width, height, mpp_x, mpp_y, plausible, power, levels, tile, channels, *rest = row
    planes, status, generation, content_hash, created = rest
    return SlideRecord(
        id=str(slide_id),
        name=str(name),
        project=str(project),
        width=as_int(width),
        height=as_int(height),
        mpp=None if mpp_x is None or mpp_y is None else Mpp(as_real(mpp_x), as_real(mpp_y)),
        mpp_plausible=bool(plausible),
        objective_power=None if power is None else as_real(power),
        levels=as_int(levels),
        tile_size=as_int(tile),
        channels=tuple(Channel(c["name"], tuple(c["color"])) for c in orjson.loads(str(channels))),
        planes=as_int(planes),
        status=str(status),
        generation=as_int(generation),
        content_hash=str(content_hash),
        created=datetime.fromisoformat(str(created)),
    )
