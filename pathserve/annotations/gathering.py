"""Rows of several columns as few columns: by machine code where it is loaded, each by itself elsewhere."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pathserve.labels import Columns, Texts

Rows = npt.NDArray[np.int64]

WORTH_LOADING = 3_000_000
"""After so many rows machine code would have saved what loading it takes, half a second."""

_KERNELS = "pathserve.annotations.gather_kernels"


class Chosen(NamedTuple):
    """Some rows of columns, in their order, and the layer that they are on."""

    columns: Columns
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
            if len(c.rows) == len(c.columns):
                whole.append(c.columns if c.columns.layer == c.layer else replace(c.columns, layer=c.layer))
            else:
                self._rows += len(c.rows)
                parts.setdefault(c.layer, []).append(c)
        kernels = self._kernels()
        if kernels is None:
            taken = [replace(c.columns.take(c.rows), layer=c.layer) for some in parts.values() for c in some]
        else:
            taken = [_joined(kernels, some) for some in parts.values()]
        # Those that are kept anyway come last: who goes through them holds the last one for a while.
        return taken + whole

    def _kernels(self) -> Any | None:  # noqa: ANN401 - a module whose functions numba makes
        if self._rows >= WORTH_LOADING:
            return import_module(_KERNELS)
        return loaded_kernels()


def loaded_kernels() -> Any | None:  # noqa: ANN401 - a module whose functions numba makes
    """Give the machine code if this process has it: who asks once shall not wait for it."""
    found = sys.modules.get(_KERNELS)
    # Another thread may be loading it; its last function is there when all of it is.
    return found if hasattr(found, "put") else None


def _joined(kernels: Any, several: Sequence[Chosen]) -> Columns:  # noqa: ANN401 - as above
    """Put rows of columns of one layer one behind another; every array is made once."""
    sizes = np.zeros(kernels.SIZES, np.int64)
    for chosen in several:
        c = chosen.columns
        kernels.measure(chosen.rows, c.starts, c.part_starts, c.ring_starts, c.properties.starts, sizes)
    rows, parts, rings, positions, size = sizes.tolist()
    single = rows == parts == rings
    out = kernels.Table(
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
    sizes[:] = 0
    for chosen in several:
        c = chosen.columns
        if c.geometries or c.drawn:
            places = list(enumerate(chosen.rows.tolist(), int(sizes[kernels.ROWS])))
            geometries |= {new: c.geometries[old] for new, old in places if old in c.geometries}
            drawn |= {new: c.drawn[old] for new, old in places if old in c.drawn}
        kernels.put(chosen.rows, *_arrays(c), classes.of(c.class_names), states.of(c.state_names), out, sizes)
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


def _arrays(c: Columns) -> tuple[npt.NDArray[Any], ...]:
    """Give the arrays of columns in the order of `gather_kernels.Table`."""
    return (
        c.ids.reshape(-1),
        c.numbers,
        c.revisions,
        c.firsts,
        c.kinds,
        c.classes,
        c.states,
        c.scores,
        c.exhaustive,
        c.starts,
        c.part_starts,
        c.ring_starts,
        c.xy.reshape(-1),
        c.properties.starts,
        c.properties.data,
    )


def _offsets(count: int) -> Rows:
    made = np.empty(count, np.int64)
    made[:1] = 0
    return made


class _Names:
    """Names of several columns as those of one."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._tables: dict[tuple[str, ...], npt.NDArray[np.int32]] = {}

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(self._places)

    def of(self, names: tuple[str, ...]) -> npt.NDArray[np.int32]:
        """Give what the indices -1, 0, ... of some names are among all."""
        table = self._tables.get(names)
        if table is None:
            places = [self._places.setdefault(name, len(self._places)) for name in names]
            table = self._tables[names] = np.array([-1, *places], np.int32)
        return table
