"""Layers of a slide, as they are and as they were: `Layers`, and functions on an open transaction."""

from dataclasses import dataclass
from typing import Literal

from pathserve.annotations.counting import count_by_layer
from pathserve.annotations.revisions import begin_revision, lock_slide, note_change
from pathserve.db import Database, Transaction, as_int, now
from pathserve.errors import Conflict, Invalid, NotFound
from pathserve.labels import Layer, require_name

LayerKind = Literal["author", "task", "model", "imported"]

_REMOVED = "\x7f"
"""Before the id of a layer that is away: no name that people can give, for those have printable characters only."""


@dataclass(frozen=True, slots=True)
class LayerState:
    """A layer at one revision; a deleted one is not there, and neither is anything on it."""

    layer: Layer
    deleted: bool


class Layers:
    """Layers as rooms above see them; every method is one transaction and blocks its thread."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def make(self, slide: str, name: str, *, author: str, kind: LayerKind = "author") -> Layer:
        """Make an empty layer.

        Raises
        ------
        Conflict
            When the slide has a layer of this name.
        """
        require_layer_name(name)

        def work(tx: Transaction) -> Layer:
            if tx.row("select 1 from layer where slide = ? and name = ?", slide, name) is not None:
                raise Conflict("This slide has a layer of this name.")
            return ensure_layer(tx, slide, name, author=author, kind=kind)

        return self._db.write(work)

    def rename(self, slide: str, layer: str, name: str, *, author: str) -> int:
        """Give a layer another name; raises as `rename_layer`. Gives the revision that did it."""
        return self._db.write(lambda tx: rename_layer(tx, slide, layer, name, author=author))

    def remove(self, slide: str, layer: str, *, author: str) -> int:
        """Take a layer with all that is on it away; raises as `remove_layer`."""
        return self._db.write(lambda tx: remove_layer(tx, slide, layer, author=author))

    def restore(self, slide: str, layer: str, *, author: str) -> int:
        """Bring a layer back that was taken away; raises as `restore_layer`."""
        return self._db.write(lambda tx: restore_layer(tx, slide, layer, author=author))


def require_layer_name(name: str) -> str:
    """Check a layer's name and give it back as it is.

    Raises
    ------
    Invalid
        When it breaks the rules of names, or is a step of a path: no browser would send it as part of an address.
    """
    if name in (".", ".."):
        raise Invalid("A layer has another name than . and .. alone.", code="bad_name")
    return require_name(name, "layer name")


def layers_at(tx: Transaction, slide: str, revision: int) -> dict[int, LayerState]:
    """Give all layers of a slide as they were at a revision, by their id, in the order in which they were made."""
    rows = tx.rows(
        "select l.id, coalesce(c.name, l.name), l.author, l.kind, coalesce(c.deleted, 0) from layer l "
        "left join layer_change c on c.layer = l.id and c.revision = "
        "(select max(d.revision) from layer_change d where d.layer = l.id and d.revision <= ?) "
        "where l.slide = ? order by l.id",
        revision,
        slide,
    )
    return {
        as_int(i): LayerState(Layer(as_int(i), slide, str(name), str(author), str(kind)), bool(deleted))
        for i, name, author, kind, deleted in rows
    }


def ensure_layer(
    tx: Transaction, slide: str, name: str, *, author: str, kind: LayerKind = "author", at: str | None = None
) -> Layer:
    """Find a layer by name or make it; one that is there keeps its author and kind."""
    known = "select id, author, kind from layer where slide = ? and name = ?"
    row = tx.row(known, slide, name)
    if row is None:
        require_layer_name(name)
        tx.run(
            "insert into layer (slide, name, author, created, kind) values (?, ?, ?, ?, ?) on conflict do nothing",
            slide,
            name,
            author,
            at or now(),
            kind,
        )
        row = tx.row(known, slide, name)
    if row is None:
        raise Conflict("This layer is being changed by somebody else; try again.")
    return Layer(as_int(row[0]), slide, name, str(row[1]), str(row[2]))


def rename_layer(tx: Transaction, slide: str, layer: str, name: str, *, author: str) -> int:
    """Give a layer another name as one revision of the slide; earlier revisions show the earlier name.

    Raises
    ------
    NotFound
        When there is no such layer.
    Conflict
        When the layer has the name already, or another one has it.
    """
    require_layer_name(name)
    lock_slide(tx, slide)
    number = _find(tx, slide, layer)
    if name == layer:
        raise Conflict("The layer has this name already.")
    if tx.row("select 1 from layer where slide = ? and name = ?", slide, name) is not None:
        raise Conflict("Another layer of this slide has this name.")
    revision = _append(tx, slide, number, layer, name, deleted=False, author=author)
    tx.run("update layer set name = ? where id = ?", name, number)
    note_change(tx, slide, revision, number, "renamed", count=0)
    return revision


def remove_layer(tx: Transaction, slide: str, layer: str, *, author: str) -> int:
    """Take a layer with all that is on it away as one revision; earlier revisions show it, `restore_layer` undoes it.

    Its name is free for another layer from then on.

    Raises
    ------
    NotFound
        When there is no such layer.
    """
    lock_slide(tx, slide)
    number = _find(tx, slide, layer)
    count = _count(tx, slide, number)
    revision = _append(tx, slide, number, layer, layer, deleted=True, author=author)
    tx.run("update layer set name = ? where id = ?", f"{_REMOVED}{number}", number)
    note_change(tx, slide, revision, number, "removed", count=count)
    return revision


def restore_layer(tx: Transaction, slide: str, layer: str, *, author: str) -> int:
    """Bring the last removed layer of a name back with all that was on it, as one revision.

    Raises
    ------
    NotFound
        When no layer of this name was removed.
    Conflict
        When another layer has the name by now.
    """
    newest = lock_slide(tx, slide).revision
    gone = [i for i, s in layers_at(tx, slide, newest).items() if s.deleted and s.layer.name == layer]
    if not gone:
        raise NotFound("No layer of this name was removed.")
    if tx.row("select 1 from layer where slide = ? and name = ?", slide, layer) is not None:
        raise Conflict("Another layer of this slide has this name.")
    number = gone[-1]
    revision = _append(tx, slide, number, layer, layer, deleted=False, author=author)
    tx.run("update layer set name = ? where id = ?", layer, number)
    note_change(tx, slide, revision, number, "restored", count=_count(tx, slide, number))
    return revision


def _count(tx: Transaction, slide: str, number: int) -> int:
    """Count what is on a layer that is there."""
    return count_by_layer(tx, [slide])[number][1]


def is_name_of_removed(name: str) -> bool:
    """Tell from what a layer is called now whether it is away."""
    return name.startswith(_REMOVED)


def is_removed(tx: Transaction, layer: int) -> bool:
    """Tell whether a layer is away now."""
    row = tx.row("select deleted from layer_change where layer = ? order by revision desc limit 1", layer)
    return row is not None and bool(row[0])


def _find(tx: Transaction, slide: str, name: str) -> int:
    row = tx.row("select id from layer where slide = ? and name = ?", slide, name)
    if row is None:
        raise NotFound("This slide has no such layer.")
    return as_int(row[0])


def _append(tx: Transaction, slide: str, layer: int, before: str, name: str, *, deleted: bool, author: str) -> int:
    # What it was called before the first change, so that every revision finds a row.
    tx.run("insert into layer_change values (?, 0, ?, 0) on conflict do nothing", layer, before)
    revision = begin_revision(tx, slide, author)
    tx.run("insert into layer_change values (?, ?, ?, ?)", layer, revision, name, int(deleted))
    return revision
