"""Writers who edit annotations at once and say what was acknowledged; and whether a database still holds it all.

Each writer has one annotation, which it makes and then replaces again and again; the text of its n-th version is
``writer-n``. Line by line the program says what became of each write: ``done writer n revision`` when the store has
returned, ``failed`` when it has refused, ``unknown`` when it could not tell.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from uuid import NAMESPACE_OID, UUID, uuid5

from pathserve.annotations import AnnotationStore
from pathserve.catalog import Catalog, make_slide_id
from pathserve.db import Database, open_database
from pathserve.errors import NotFound
from pathserve.geometry import Mpp, Size
from pathserve.pixels import Level, SlideInfo

PROGRAM = """
import os
import sys
import threading
import time
from pathlib import Path
from uuid import NAMESPACE_OID, UUID, uuid5

from pathserve.annotations import AnnotationStore
from pathserve.db import checkpoints, open_database
from pathserve.errors import Busy, NotFound
from pathserve.labels import NewAnnotation

checkpoints.ENOUGH_PAGES = 50  # so that SQLite's log is brought into the file while they write
where, slide, out, most = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
out = int(out) if out.isdigit() else os.open(out, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
store = AnnotationStore(db := open_database(where if where.startswith("postgresql:") else Path(where)))


def tell(*words):
    os.write(out, (" ".join(map(str, words)) + "\\n").encode())


def newest(feature):
    while True:
        try:
            return store.latest(feature).revision
        except NotFound:
            return None
        except Busy:
            time.sleep(0.02)


def edit(writer):
    feature, revision = uuid5(NAMESPACE_OID, f"{slide}-{writer}"), None
    for n in range(1, most + 1):
        geometry = {"type": "Point", "coordinates": [writer, n]}
        new = NewAnnotation(geometry, feature, None, None, {"text": f"{writer}-{n}"})
        try:
            if revision is None:
                revision = store.add(slide, [new], layer="proof", author=str(writer)).revision
            else:
                revision = store.replace(feature, new, expected=revision, author=str(writer)).revision
        except Busy as error:
            tell("unknown" if error.code == "outcome_unknown" else "failed", writer, n, 0)
            revision = newest(feature)
        else:
            tell("done", writer, n, revision)
        if writer == 0 and n % 8 == 0:
            try:
                db.overwrite_deleted()  # SQLite takes its log into the file, and begins it anew
            except Busy:
                pass


threads = [threading.Thread(target=edit, args=(writer,)) for writer in range(WRITERS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
db.close()
"""

WRITERS = 4


def program() -> str:
    """Give the writers' program.

    Its arguments: the database, the slide, the descriptor or file to tell to, and how many edits each makes at most.
    """
    return PROGRAM.replace("WRITERS", str(WRITERS))


def prepare(where: Path | str, slide_id: str | None = None) -> str:
    """Make a slide that nobody has written to, and the database when there is none; gives the slide's id."""
    info = SlideInfo("aperio", (Level(Size(10_000, 10_000), 1.0),), Mpp(0.25, 0.25), True, 40.0, "jpeg")
    db = open_database(where)
    slide_id = slide_id or make_slide_id()
    Catalog(db).add_slide(
        slide_id=slide_id,
        project="default",
        name=None,
        info=info,
        levels=1,
        tile_size=256,
        content_hash=slide_id,
    )
    db.close()
    return slide_id


@dataclass(slots=True)
class Told:
    """What the writers have said: by writer, the numbers of writes by what became of them, and known revisions."""

    done: dict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    failed: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    unknown: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of(cls, said: bytes) -> "Told":
        """Read whole lines; one that was cut short was not said."""
        told = cls()
        for line in said.split(b"\n")[:-1]:
            what, writer, n, revision = line.decode().split()
            if what == "done":
                told.done[int(writer)][int(n)] = int(revision)
            else:
                (told.failed if what == "failed" else told.unknown)[int(writer)].add(int(n))
        return told

    @property
    def count(self) -> int:
        """How many writes were acknowledged."""
        return sum(map(len, self.done.values()))


def wrong_of(where: Path | str, slide: str, told: Told, *, is_over: bool = True) -> list[str]:
    """Compare a database with what was said: each acknowledged write is there, whole, and nothing else but the last.

    Parameters
    ----------
    is_over
        Whether the writers have ended; else they may have written more than they have said.
    """
    db = open_database(where)
    try:
        return [*_wrong_versions(AnnotationStore(db), slide, told, is_over=is_over), *_wrong_wholes(db, slide)]
    finally:
        db.close()


def _wrong_versions(store: AnnotationStore, slide: str, told: Told, *, is_over: bool) -> list[str]:
    wrong = []
    for writer in range(WRITERS):
        done, failed, unknown = told.done[writer], told.failed[writer], told.unknown[writer]
        versions = _versions(store, uuid5(NAMESPACE_OID, f"{slide}-{writer}"))
        texts = {str(text) for text, _ in versions}
        if len(texts) != len(versions):
            wrong.append(f"writer {writer}: a write is there twice")
        wrong += [f"write {writer}-{n} is lost" for n, at in done.items() if (f"{writer}-{n}", at) not in versions]
        wrong += [f"write {writer}-{n} is there although it failed" for n in failed if f"{writer}-{n}" in texts]
        last = max((*done, *failed, *unknown, 0))
        explained = {f"{writer}-{n}" for n in (*done, *failed, *unknown, last + 1)}
        wrong += [f"write {text} was never begun" for text in texts - explained if is_over]
    return wrong


def _versions(store: AnnotationStore, feature: UUID) -> set[tuple[str, int]]:
    try:
        history = store.history(feature)
    except NotFound:
        return set()
    for version in history:
        text = str(version.properties["text"])
        if version.geometry["coordinates"] != [float(part) for part in text.split("-")]:
            raise AssertionError("a version is put together from two")
    return {(str(version.properties["text"]), version.revision) for version in history}


def _wrong_wholes(db: Database, slide: str) -> list[str]:
    """Find transactions of which only a part is there: each made one revision, one version, and moved one head."""
    if not db.read(lambda tx: tx.row("select 1 from slide where id = ?", slide)):
        return []  # not made yet; what was acknowledged is looked for anyway
    (revision,), (revisions, last), (versions,), (heads,), (changes,) = db.read(
        lambda tx: [
            tx.row("select revision from slide where id = ?", slide) or (None,),
            tx.row("select count(*), coalesce(max(revision), 0) from revision where slide = ?", slide) or (None, None),
            tx.row("select count(*) from feature_version where slide = ?", slide) or (None,),
            tx.row("select coalesce(max(revision), 0) from head where slide = ?", slide) or (None,),
            tx.row("select count(distinct revision) from change where slide = ?", slide) or (None,),
        ]
    )
    parts = {revision, revisions, last, versions, heads, changes}
    return (
        [] if len(parts) == 1 else [f"parts of transactions: {(revision, revisions, last, versions, heads, changes)}"]
    )
