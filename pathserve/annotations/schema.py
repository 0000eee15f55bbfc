"""The class schema of each project: names, colours, priorities, hotkeys, codes, and values that never change hands.

The table ``class`` holds what is current; ``class_schema`` and ``class_version`` are append-only: every version.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import orjson

from pathserve.db import Database, Transaction, Value, as_int, now
from pathserve.errors import Invalid, NotFound, Stale, TooLarge
from pathserve.labels import MAX_CLASSES, AnnotationClass, ClassSchema, CodedTerm, Color, require_name

_PALETTE = (
    (229, 115, 115),
    (102, 187, 106),
    (79, 140, 255),
    (255, 193, 79),
    (186, 104, 230),
    (77, 208, 225),
    (240, 140, 90),
    (174, 213, 90),
    (244, 143, 190),
    (144, 164, 190),
)
_MAX_PRIORITY = 1_000_000
_COLUMNS = "c.name, c.color, c.value, c.priority, c.hotkey, c.code"


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """One version of a project's class schema.

    Parameters
    ----------
    author
        Who made it; empty for what was there before versions were kept.
    changed
        Names of the classes that it added or changed.
    """

    version: int
    author: str
    at: datetime
    changed: tuple[str, ...]


class ClassSchemas:
    """The tables of classes; every method is one transaction and blocks its thread."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, project: str) -> ClassSchema:
        """Give a project's class schema; empty for a project without one."""
        return self._db.read(lambda tx: read_schema(tx, project))

    def at(self, project: str, when: int | datetime) -> ClassSchema:
        """Give a project's class schema as it was at a version, or at a moment.

        Raises
        ------
        NotFound
            When there is no such version.
        """
        return self._db.read(lambda tx: _read_version(tx, project, _resolve(tx, project, when)))

    def history(self, project: str) -> list[SchemaVersion]:
        """Give every version, oldest first."""

        def work(tx: Transaction) -> list[SchemaVersion]:
            changed = dict[int, list[str]]()
            rows = tx.rows("select version, name from class_version where project = ? order by version, value", project)
            for version, name in rows:
                changed.setdefault(as_int(version), []).append(str(name))
            versions = tx.rows(
                "select version, author, at from class_schema where project = ? order by version", project
            )
            return [
                SchemaVersion(
                    as_int(version),
                    str(author),
                    datetime.fromisoformat(str(at)),
                    tuple(changed.get(as_int(version), ())),
                )
                for version, author, at in versions
            ]

        return self._db.read(work)

    def set(
        self, project: str, wanted: Sequence[AnnotationClass], *, author: str = "", expected: int | None = None
    ) -> ClassSchema:
        """Set colours, priorities, hotkeys and codes of classes by name; new names get the next free mask value.

        Classes that are not named stay: a mask value is never used again for another class. ``value`` of ``wanted``
        is not looked at. A hotkey that another class had moves to the one that is named.

        Parameters
        ----------
        expected
            The version that the writer saw; None: whatever is there.

        Raises
        ------
        Invalid
            When a class or a hotkey is named twice, or something about a class breaks the rules.
        TooLarge
            When the schema would pass 254 classes.
        Stale
            When another version is current than the one that is expected.
        """
        _require_valid(wanted)

        def work(tx: Transaction) -> ClassSchema:
            if expected is not None and _newest(tx, project) != expected:
                raise Stale("The classes were changed meanwhile; read them again and write with their current version.")
            tx.run("insert into project (name, created) values (?, ?) on conflict do nothing", project, now())
            _add_missing(tx, project, [(item.name, item.color) for item in wanted])
            keys = {c.hotkey for c in wanted if c.hotkey is not None}
            named = {c.name for c in wanted}
            robbed = [c.name for c in read_schema(tx, project) if c.hotkey in keys and c.name not in named]
            tx.run_many(
                "update class set hotkey = null where project = ? and name = ?", ((project, name) for name in robbed)
            )
            tx.run_many(
                "update class set color = ?, priority = ?, hotkey = ?, code = ? where project = ? and name = ?",
                (
                    (orjson.dumps(c.color).decode(), c.priority, c.hotkey, _code_text(c.code), project, c.name)
                    for c in wanted
                ),
            )
            _append_version(tx, project, [*named, *robbed], author)
            return read_schema(tx, project)

        return self._db.write(work)


def read_schema(tx: Transaction, project: str) -> ClassSchema:
    """Read a project's classes in the order of their values."""
    rows = tx.rows(f"select {_COLUMNS} from class c where c.project = ? order by c.value", project)  # noqa: S608 - constants only
    return ClassSchema(tuple(map(_to_class, rows)), _newest(tx, project))


def ensure_classes(
    tx: Transaction,
    project: str,
    wanted: Iterable[tuple[str, Color | None]],
    *,
    codes: Mapping[str, CodedTerm] | None = None,
    author: str = "",
) -> None:
    """Add the classes that the schema does not have yet, as one version of it; none when it has them all.

    Parameters
    ----------
    wanted
        (name, color) pairs; a class without a colour gets one from the palette.
    codes
        What added classes mean; those that are there keep theirs.

    Raises
    ------
    Invalid
        When a new name is blank, too long, or has control characters or blanks at its ends.
    TooLarge
        When the schema would pass 254 classes.
    """
    wanted = list(wanted)
    known = {name for (name,) in tx.rows("select name from class where project = ?", project)}
    if known.issuperset(name for name, _ in wanted):
        return
    added = _add_missing(tx, project, wanted)
    for name in added:
        code = (codes or {}).get(name)
        if code is not None:
            tx.run("update class set code = ? where project = ? and name = ?", _code_text(code), project, name)
    if added:
        _append_version(tx, project, added, author)


def _add_missing(tx: Transaction, project: str, wanted: Iterable[tuple[str, Color | None]]) -> list[str]:
    schema = read_schema(tx, project)
    known = {c.name for c in schema}
    keys = {c.hotkey for c in schema}
    added = list[str]()
    value = max((c.value for c in schema), default=0)
    for name, color in wanted:
        if name in known:
            continue
        if require_name(name, "class name") != name.strip():
            raise Invalid("A class name has no blanks at its ends.", code="bad_name")
        value += 1
        if value > MAX_CLASSES:
            raise TooLarge(f"A project has at most {MAX_CLASSES} classes.")
        known.add(name)
        added.append(name)
        key = str(value) if value <= 9 else None  # keys 1 to 9 in the viewer
        tx.run(
            "insert into class (project, name, color, value, priority, hotkey) values (?, ?, ?, ?, 0, ?)",
            project,
            name,
            orjson.dumps(color or _PALETTE[(value - 1) % len(_PALETTE)]).decode(),
            value,
            None if key in keys else key,
        )
    return added


def _append_version(tx: Transaction, project: str, names: Iterable[str], author: str) -> None:
    version = _newest(tx, project) + 1
    tx.run(
        "insert into class_schema (project, version, author, at) values (?, ?, ?, ?)", project, version, author, now()
    )
    tx.run_many(
        "insert into class_version (project, name, version, color, value, priority, hotkey, code) "
        "select c.project, c.name, ?, c.color, c.value, c.priority, c.hotkey, c.code from class c "
        "where c.project = ? and c.name = ?",
        ((version, project, name) for name in names),
    )


def _newest(tx: Transaction, project: str) -> int:
    row = tx.row("select coalesce(max(version), 0) from class_schema where project = ?", project)
    return as_int(row[0]) if row else 0


def _resolve(tx: Transaction, project: str, when: int | datetime) -> int:
    if isinstance(when, datetime):
        moment = when.astimezone(UTC).isoformat(timespec="milliseconds")
        row = tx.row(
            "select coalesce(max(version), 0) from class_schema where project = ? and at <= ?", project, moment
        )
        return as_int(row[0]) if row else 0
    if not 0 <= when <= _newest(tx, project):
        raise NotFound("The class schema has no such version.")
    return when


def _read_version(tx: Transaction, project: str, version: int) -> ClassSchema:
    rows = tx.rows(
        f"select {_COLUMNS} from class_version c where c.project = ? and c.version = "  # noqa: S608 - constants only
        "(select max(d.version) from class_version d where d.project = c.project and d.name = c.name "
        "and d.version <= ?) order by c.value",
        project,
        version,
    )
    return ClassSchema(tuple(map(_to_class, rows)), version)


def _to_class(row: tuple[Value, ...]) -> AnnotationClass:
    name, color, value, priority, hotkey, code = row
    return AnnotationClass(
        name=str(name),
        color=tuple(orjson.loads(str(color))),
        value=as_int(value),
        priority=as_int(priority),
        hotkey=None if hotkey is None else str(hotkey),
        code=None if code is None else CodedTerm(**orjson.loads(str(code))),
    )


def _code_text(code: CodedTerm | None) -> str | None:
    return None if code is None else orjson.dumps(asdict(code)).decode()


def _require_valid(wanted: Sequence[AnnotationClass]) -> None:
    names = [c.name for c in wanted]
    if len(set(names)) != len(names):
        raise Invalid("A class schema names each class once.")
    keys = [c.hotkey for c in wanted if c.hotkey is not None]
    if len(set(keys)) != len(keys):
        raise Invalid("A class schema gives each hotkey to one class.")
    if not all(len(key) == 1 and key.isprintable() and not key.isspace() for key in keys):
        raise Invalid("A hotkey is one character that can be printed.")
    for item in wanted:
        if not all(0 <= part <= 255 for part in item.color):
            raise Invalid("A colour has three parts between 0 and 255.")
        if abs(item.priority) > _MAX_PRIORITY:
            raise Invalid("A priority lies between minus and plus a million.")
        for part, what in _parts(item.code):
            require_name(part, what)


def _parts(code: CodedTerm | None) -> tuple[tuple[str, str], ...]:
    if code is None:
        return ()
    return (code.system, "coding scheme"), (code.code, "code"), (code.meaning, "meaning of a code")
