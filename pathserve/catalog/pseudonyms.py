"""What staff call the patients, cases and slides that have pseudonyms: kept apart, in a database file of its own.

The file is made with the first original and opened only while it is asked, so that it can be backed up, moved away or
deleted by itself, also while a server runs. Nothing of it is in the catalog, in logs or in any export.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pathserve.catalog.records import SlideRecord
from pathserve.db import Database, Migration, SqliteDatabase, Transaction, now
from pathserve.errors import NotFound
from pathserve.labels import clean_name

_MIGRATIONS = (
    Migration(
        "pseudonyms and originals",
        (
            # The project of a slide is empty: its id says which one it is, wherever it moves.
            """create table pseudonym (
                kind text not null check (kind in ('patient', 'case', 'slide')),
                project text not null,
                pseudonym text not null,
                original text not null,
                created text not null,
                primary key (kind, project, pseudonym)
            ) without rowid""",
        ),
    ),
)

_IN_CATALOG = {
    "patient": "select s.id, s.name from slide_case c join slide s on s.case_id = c.id "
    "where c.project = ? and c.patient = ? order by s.number",
    "case": "select s.id, s.name from slide_case c join slide s on s.case_id = c.id "
    "where c.project = ? and c.label = ? order by s.number",
    "slide": "select id, name from slide where ? = '' and id = ?",
}
_MAX_SLIDES = 100


class Kind(StrEnum):
    """What has a pseudonym."""

    PATIENT = "patient"
    CASE = "case"
    SLIDE = "slide"


@dataclass(frozen=True, slots=True, order=True)
class PseudonymKey:
    """Whose pseudonym it is: of a patient or a case in a project, or of a slide, whose id stands for it."""

    kind: Kind
    project: str
    pseudonym: str

    @classmethod
    def of_slide(cls, slide_id: str) -> "PseudonymKey":
        """Name a slide."""
        return cls(Kind.SLIDE, "", slide_id)


@dataclass(frozen=True, slots=True)
class Original:
    """What staff call somebody or something, and the slides that it leads to.

    Parameters
    ----------
    slides
        Name by slide id; at most 100, oldest first.
    """

    key: PseudonymKey
    text: str
    slides: Mapping[str, str]


class Pseudonyms:
    """The table of originals; every method blocks its thread.

    Parameters
    ----------
    db
        The catalog's database, which says what there is.
    path
        The file of the originals; need not be there.
    """

    def __init__(self, db: Database, path: Path) -> None:
        self._db = db
        self._path = path

    def set(self, originals: Mapping[PseudonymKey, str]) -> None:
        """Keep originals; one that is known already is replaced.

        Raises
        ------
        NotFound
            When the catalog has no such patient, case or slide.
        Invalid
            When a text is blank, too long, or has characters that cannot be printed.
        """
        texts = {key: clean_name(text, "original name") for key, text in originals.items()}
        if not all(self._db.read(lambda tx: [_is_used(tx, key) for key in texts])):
            raise NotFound("There is no such patient, case or slide.")
        if not texts:
            return
        rows = [(key.kind.value, key.project, key.pseudonym, text, now()) for key, text in texts.items()]

        def work(tx: Transaction) -> None:
            tx.run_many(
                "insert into pseudonym (kind, project, pseudonym, original, created) values (?, ?, ?, ?, ?) "
                "on conflict (kind, project, pseudonym) do update set original = excluded.original",
                rows,
            )

        with self._open() as file:
            file.write(work)
            file.overwrite_deleted()

    def remove(self, key: PseudonymKey) -> None:
        """Forget one original.

        Raises
        ------
        NotFound
            When none is kept.
        """
        if not self._forget([key]):
            raise NotFound("No original is kept for this pseudonym.")

    def find(
        self, text: str = "", *, kind: Kind | None = None, project: str | None = None, after: int = 0, limit: int = 1000
    ) -> tuple[list[Original], int | None]:
        """Find originals that hold a text, in any case of its letters, in a fixed order.

        Parameters
        ----------
        text
            Also found in the pseudonym itself; nothing finds all.
        project
            Only this project's patients and cases.
        after
            How many to pass over.

        Returns
        -------
        One page, and what ``after`` gives the next one (None at the end).
        """
        if not self._path.exists():
            return [], None
        wanted = text.strip().casefold()

        def matching(tx: Transaction) -> list[tuple[PseudonymKey, str]]:
            rows = tx.each("select kind, project, pseudonym, original from pseudonym order by kind, project, pseudonym")
            return [
                (PseudonymKey(Kind(str(row[0])), str(row[1]), str(row[2])), str(row[3]))
                for row in rows
                if (kind is None or row[0] == kind)
                and (project is None or row[1] == project)
                and (wanted in str(row[3]).casefold() or wanted in str(row[2]).casefold())
            ]

        with self._open() as file:
            found = file.read(matching)
        page = found[after : after + limit]
        items = self._db.read(lambda tx: [Original(key, original, _slides(tx, key)) for key, original in page])
        return items, after + limit if after + limit < len(found) else None

    def of_slide(self, slide: SlideRecord) -> dict[Kind, str]:
        """Give the originals that are kept of a slide, its case and its patient."""
        if not self._path.exists():
            return {}
        keys = {**_keys(slide), Kind.SLIDE: PseudonymKey.of_slide(slide.id)}
        with self._open() as file:
            rows = file.read(lambda tx: {kind: _original(tx, key) for kind, key in keys.items()})
        return {kind: text for kind, text in rows.items() if text is not None}

    def forget_slide(self, slide_id: str) -> None:
        """Forget what a slide was called, when anything is kept."""
        self._forget([PseudonymKey.of_slide(slide_id)])

    def follow(self, before: SlideRecord, after: SlideRecord | None) -> None:
        """Forget what a change of the catalog has left without slides; take to another project what went there.

        Parameters
        ----------
        after
            The slide after the change; None when it was removed.
        """
        old = _keys(before)
        if old == (_keys(after) if after is not None else {}) or not self._path.exists():
            return
        if after is not None:
            self._carry({key: other for kind, key in old.items() if (other := _keys(after).get(kind)) is not None})
        unused = self._db.read(lambda tx: [key for key in old.values() if not _is_used(tx, key)])
        self._forget(unused)

    def _carry(self, moves: Mapping[PseudonymKey, PseudonymKey]) -> None:
        rows = [
            (new.project, old.kind.value, old.project, old.pseudonym)
            for old, new in moves.items()
            if new.pseudonym == old.pseudonym and new.project != old.project
        ]
        if not rows:
            return
        with self._open() as file:
            file.write(
                lambda tx: tx.run_many(
                    "insert into pseudonym select kind, ?, pseudonym, original, created from pseudonym "
                    "where kind = ? and project = ? and pseudonym = ? on conflict do nothing",
                    rows,
                )
            )

    def _forget(self, keys: Iterable[PseudonymKey]) -> int:
        rows = [(key.kind.value, key.project, key.pseudonym) for key in keys]
        if not rows or not self._path.exists():
            return 0

        def work(tx: Transaction) -> int:
            return sum(
                tx.run("delete from pseudonym where kind = ? and project = ? and pseudonym = ?", *row) for row in rows
            )

        with self._open() as file:
            count = file.write(work)
            file.overwrite_deleted()
        return count

    @contextmanager
    def _open(self) -> Iterator[Database]:
        file = SqliteDatabase(self._path, _MIGRATIONS)
        try:
            yield file
        finally:
            file.close()


def _keys(slide: SlideRecord) -> dict[Kind, PseudonymKey]:
    named = {Kind.CASE: slide.case, Kind.PATIENT: slide.patient}
    return {kind: PseudonymKey(kind, slide.project, name) for kind, name in named.items() if name is not None}


def _original(tx: Transaction, key: PseudonymKey) -> str | None:
    row = tx.row(
        "select original from pseudonym where kind = ? and project = ? and pseudonym = ?",
        *(key.kind.value, key.project, key.pseudonym),
    )
    return None if row is None else str(row[0])


def _slides(tx: Transaction, key: PseudonymKey) -> dict[str, str]:
    rows = tx.rows(f"{_IN_CATALOG[key.kind]} limit ?", key.project, key.pseudonym, _MAX_SLIDES)
    return {str(slide_id): str(name) for slide_id, name in rows}


def _is_used(tx: Transaction, key: PseudonymKey) -> bool:
    return tx.row(f"{_IN_CATALOG[key.kind]} limit 1", key.project, key.pseudonym) is not None
