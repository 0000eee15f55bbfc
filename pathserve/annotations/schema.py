"""The class schema of each project: names, colours, priorities, hotkeys, and mask values that never change hands."""

from collections.abc import Iterable, Sequence

import orjson

from pathserve.db import Database, Transaction, as_int, now
from pathserve.errors import Invalid, TooLarge
from pathserve.labels import MAX_CLASSES, AnnotationClass, ClassSchema, require_name

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


class ClassSchemas:
    """The table of classes; every method is one transaction and blocks its thread."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, project: str) -> ClassSchema:
        """Give a project's class schema; empty for a project without one."""
        return self._db.read(lambda tx: read_schema(tx, project))

    def set(self, project: str, wanted: Sequence[AnnotationClass]) -> ClassSchema:
        """Set colours, priorities and hotkeys of classes by name; new names get the next free mask value.

        Classes that are not named stay: a mask value is never used again for another class. ``value`` of ``wanted``
        is not looked at.

        Raises
        ------
        Invalid
            When a class is named twice or a name breaks the rules.
        TooLarge
            When the schema would pass 254 classes.
        """
        names = [c.name for c in wanted]
        if len(set(names)) != len(names):
            raise Invalid("A class schema names each class once.")

        def work(tx: Transaction) -> ClassSchema:
            tx.run("insert into project (name, created) values (?, ?) on conflict do nothing", project, now())
            ensure_classes(tx, project, ((item.name, item.color) for item in wanted))
            tx.run_many(
                "update class set color = ?, priority = ?, hotkey = ? where project = ? and name = ?",
                ((orjson.dumps(c.color).decode(), c.priority, c.hotkey, project, c.name) for c in wanted),
            )
            return read_schema(tx, project)

        return self._db.write(work)


def read_schema(tx: Transaction, project: str) -> ClassSchema:
    """Read a project's classes in the order of their values."""
    rows = tx.rows(
        "select name, color, value, priority, hotkey from class where project = ? order by value",
        project,
    )
    return ClassSchema(
        tuple(
            AnnotationClass(
                name=str(name),
                color=tuple(orjson.loads(str(color))),
                value=as_int(value),
                priority=as_int(priority),
                hotkey=None if hotkey is None else str(hotkey),
            )
            for name, color, value, priority, hotkey in rows
        )
    )


def ensure_classes(tx: Transaction, project: str, wanted: Iterable[tuple[str, tuple[int, int, int] | None]]) -> None:
    """Add the classes that the schema does not have yet.

    Parameters
    ----------
    wanted
        (name, color) pairs; a class without a colour gets one from the palette.

    Raises
    ------
    Invalid
        When a name is blank, too long, or has control characters.
    TooLarge
        When the schema would pass 254 classes.
    """
    known = {c.name for c in read_schema(tx, project)}
    value = as_int((tx.row("select coalesce(max(value), 0) from class where project = ?", project) or (0,))[0])
    for name, color in wanted:
        if name in known:
            continue
        require_name(name, "class name")
        value += 1
        if value > MAX_CLASSES:
            raise TooLarge(f"A project has at most {MAX_CLASSES} classes.")
        known.add(name)
        tx.run(
            "insert into class (project, name, color, value, priority, hotkey) values (?, ?, ?, ?, 0, ?)",
            project,
            name,
            orjson.dumps(color or _PALETTE[(value - 1) % len(_PALETTE)]).decode(),
            value,
            str(value) if value <= 9 else None,  # keys 1 to 9 in the viewer
        )
