"""Rows of several columns as few columns: by machine code where it is loaded, each by itself elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pathserve.annotations.gather_table import SIZES, Table
from pathserve.labels import Columns, Texts
from pathserve.native import kernels_of, loaded_kernels_of, places_of

Rows = npt.NDArray[np.int64]

WORTH_LOADING = 300_000
"""After so many rows machine code would have saved what loading it takes, 50 ms."""

_KINDS = tuple(map(np.dtype, ("u1", "i8", "i8", "i8", "u1", "i4", "i4", "f8", "?", "i8", "i8", "i8", "f8", "i8", "u1")))
"""Types of a `Table`."""

_MODULE = "pathserve.annotations.gather_kernels"


class Kept:
    """Columns, and what is asked of them again and again, found out once."""

    __slots__ = ("_named", "_places", "columns")

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._named = columns
        self._places: Rows | None = None

    @property
    def places(self) -> Rows:
        """Give where each array lies in memory and how long it is, in the order of `Table`."""
        if self._places is None:
            self._places = np.array(
                [_place_of(*both) for both in zip(_table(self.columns), _KINDS, strict=True)], np.int64
            )
        return self._places

    def named(self, layer: str) -> Columns:
        """Give the columns as those of a layer of this name."""
        named = self._named
        if named.layer != layer:
            named = self._named = replace(self.columns, layer=layer)
        return named


class Chosen(NamedTuple):
    """Some rows of columns, in their order, and the layer that they are on."""

    kept: Kept
    rows: Rows
    layer: str


class Gatherer:
    """Gathers rows, and remembers how many: what makes use of it often is worth machine code."""

    def __init__(self) -> None:
        self._rows = 0

    def gather(self, several: Sequence[Chosen]) -> list[Columns]:
        """Give the rows, each once, in no particular order; whole columns are given as they are, not copied."""
        whole, parts = list[Columns](), dict[str, list[Chosen]]()
        for c in several:
            if len(c.rows) == len(c.kept.columns):
                whole.append(c.kept.named(c.layer))
            else:
                self._rows += len(c.rows)
                parts.setdefault(c.layer, []).append(c)
        kernels = self._kernels()
        if kernels is None:
            taken = [replace(c.kept.columns.take(c.rows), layer=c.layer) for some in parts.values() for c in some]
        else:
            taken = [_joined(kernels, some) for some in parts.values()]
        # Those that are kept anyway come last: who goes through them holds the last one for a while.
        return taken + whole

    def _kernels(self) -> SimpleNamespace | None:
        return kernels_of(_MODULE) if self._rows >= WORTH_LOADING else loaded_kernels()


def loaded_kernels() -> SimpleNamespace | None:
    """Give the machine code if this process has it: who asks once shall not wait for it."""
    return loaded_kernels_of(_MODULE)


def _place_of(array: npt.NDArray[Any], kind: npt.DTypeLike) -> tuple[int, int]:
    address, *_ = places_of([array], [(kind, array.ndim)])
    return address, array.size


def _joined(kernels: SimpleNamespace, several: Sequence[Chosen]) -> Columns:
    """Put rows of columns of one layer one behind another; every array is made once."""
    places = np.array([chosen.kept.places for chosen in several]).reshape(len(several), -1)
    wanted = np.concatenate([chosen.rows for chosen in several])
    ends = np.fromiter(accumulate(len(chosen.rows) for chosen in several), np.int64, len(several))
    sizes = np.zeros(SIZES, np.int64)
    kernels.measure(places, wanted, ends, sizes)
    rows, parts, rings, positions, size = sizes.tolist()
    single = rows == parts == rings
    out = Table(
        ids=np.empty(16 * rows, np.uint8),
        numbers=np.empty(rows, np.int64),
        revisions=np.empty(rows, np.int64),
        firsts=np.empty(rows, np.int64),
        kinds=np.empty(rows, np.uint8),
        classes=np.empty(rows, np.int32),
        states=np.empty(rows, np.int32),
        scores=np.empty(rows, np.float64),
        exhaustive=np.empty(rows, np.bool_),
        starts=_offsets(0 if single else rows + 1),
        part_starts=_offsets(0 if single else parts + 1),
        ring_starts=_offsets(rings + 1),
        xy=np.empty(2 * positions, np.float64),
        text_starts=_offsets(rows + 1 if size else 0),
        texts=np.empty(size, np.uint8),
    )
    classes, states = _Names(), _Names()
    geometries, drawn = dict[int, bytes](), dict[int, bytes]()
    names_at = list[tuple[int, int]]()
    for chosen, end in zip(several, ends.tolist(), strict=True):
        c = chosen.kept.columns
        names_at.append((classes.place_of(c.class_names), states.place_of(c.state_names)))
        if c.geometries or c.drawn:
            both = list(enumerate(chosen.rows.tolist(), end - len(chosen.rows)))
            geometries |= {new: c.geometries[old] for new, old in both if old in c.geometries}
            drawn |= {new: c.drawn[old] for new, old in both if old in c.drawn}
    kernels.put(places, wanted, ends, np.array(names_at, np.int64), classes.table, states.table, *out)
    each = np.arange(rows + 1) if single else None
    return Columns(
        ids=out.ids.reshape(rows, 16),
        numbers=out.numbers,
        revisions=out.revisions,
        firsts=out.firsts,
        kinds=out.kinds,
        classes=out.classes,
        class_names=classes.all,
        states=out.states,
        state_names=states.all,
        scores=out.scores,
        exhaustive=out.exhaustive,
        xy=out.xy.reshape(positions, 2),
        ring_starts=out.ring_starts,
        part_starts=out.part_starts if each is None else each,
        starts=out.starts if each is None else each,
        properties=Texts(out.texts, out.text_starts) if size else Texts.empty(rows),
        geometries=geometries,
        drawn=drawn,
        layer=several[0].layer,
    )


def _table(c: Columns) -> Table:
    """Give the arrays of columns; ids and xy as they are there."""
    return Table(
        ids=c.ids,
        numbers=c.numbers,
        revisions=c.revisions,
        firsts=c.firsts,
        kinds=c.kinds,
        classes=c.classes,
        states=c.states,
        scores=c.scores,
        exhaustive=c.exhaustive,
        starts=c.starts,
        part_starts=c.part_starts,
        ring_starts=c.ring_starts,
        xy=c.xy,
        text_starts=c.properties.starts,
        texts=c.properties.data,
    )


def _offsets(count: int) -> Rows:
    made = np.empty(count, np.int64)
    made[:1] = 0
    return made


class _Names:
    """Names of several columns as those of one."""

    def __init__(self) -> None:
        self._indices: dict[str, int] = {}
        self._places: dict[tuple[str, ...], int] = {}
        self._table = list[int]()

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(self._indices)

    @property
    def table(self) -> npt.NDArray[np.int32]:
        """Give what the indices -1, 0, ... of each columns' names are among all."""
        return np.array(self._table, np.int32)

    def place_of(self, names: tuple[str, ...]) -> int:
        """Tell where in the table the index 0 of some names is."""
        place = self._places.get(names)
        if place is None:
            place = self._places[names] = len(self._table) + 1
            self._table += (-1, *(self._indices.setdefault(name, len(self._indices)) for name in names))
        return place
