"""The layers of slides as rooms above see them: one call, one transaction."""

from pathserve.annotations.layers import (
    LayerKind,
    ensure_layer,
    remove_layer,
    rename_layer,
    require_layer_name,
    restore_layer,
)
from pathserve.db import Database, Transaction
from pathserve.errors import Conflict
from pathserve.labels import Layer


class Layers:
    """The tables of layers; every method is one transaction and blocks its thread."""

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
        """Give a layer another name; raises as `layers.rename_layer`. Gives the revision that did it."""
        return self._db.write(lambda tx: rename_layer(tx, slide, layer, name, author=author))

    def remove(self, slide: str, layer: str, *, author: str) -> int:
        """Take a layer with all that is on it away; raises as `layers.remove_layer`."""
        return self._db.write(lambda tx: remove_layer(tx, slide, layer, author=author))

    def restore(self, slide: str, layer: str, *, author: str) -> int:
        """Bring a layer back that was taken away; raises as `layers.restore_layer`."""
        return self._db.write(lambda tx: restore_layer(tx, slide, layer, author=author))
