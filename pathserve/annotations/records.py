"""Rows of an import as records: a fifth of what arrays take, and nothing but bytes to whoever sorts and stores them.

`record_kernels` has their form.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.annotations.packing import best_scale
from pathserve.annotations.record_places import PARTS, POSITIONS, RINGS, TEXTS, TOLD
from pathserve.labels import Columns, Texts
from pathserve.native import kernels_of

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.int64]
Views = tuple[npt.NDArray[Any], ...]

_SCALE_SAMPLE = 256
_ROW_WORDS, _RING_WORDS = 16, 4
_POSITIONS_AT = 8


def kernels() -> SimpleNamespace:
    """Load the machine code: who imports few rows is spared it."""
    return kernels_of("pathserve.annotations.record_kernels")


def views(words: Words) -> Views:
    """See words as the kernels take them."""
    types = (np.int64, np.int32, np.int16, np.uint8, np.float64, np.float32)
    return tuple(words.view(kind) for kind in types)


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """N rows.

    Parameters
    ----------
    views
        The words of the records, and maybe of others, as `views` gives them.
    places
        (N,) int64: the word at which each begins.
    class_names, state_names
        What the indices in the records mean.
    """

    views: Views
    places: Ints
    class_names: tuple[str, ...]
    state_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.places)

    def positions(self) -> Ints:
        """Give (N,) int64: the positions of each."""
        return self.views[1].take(2 * self.places + _POSITIONS_AT).astype(np.int64)

    def columns(self) -> Columns:
        """Give them as columns, exactly as they came in."""
        return self.unpack(self.told(), with_positions=True)[0]

    def told(self) -> Ints:
        """Give what `record_kernels.measure` tells."""
        found = np.zeros(TOLD, np.int64)
        kernels().measure(*self.views, self.places, found)
        return found

    def unpack(self, told: Ints, *, with_positions: bool) -> tuple[Columns, npt.NDArray[np.float32]]:
        """Give them as columns, of which ``xy`` may be left empty, and their areas (N,)."""
        count = len(self)
        ids, scores, areas = np.empty((count, 2), np.int64), np.empty(count), np.empty(count, np.float32)
        kinds, exhaustive = np.empty(count, np.uint8), np.empty(count, np.uint8)
        classes, states = np.empty(count, np.int32), np.empty(count, np.int32)
        starts, part_starts = np.zeros(count + 1, np.int64), np.zeros(told[PARTS] + 1, np.int64)
        ring_starts = np.zeros(told[RINGS] + 1, np.int64)
        xy = np.empty((told[POSITIONS] if with_positions else 0, 2))
        text_starts = np.zeros((3, count + 1), np.int64)
        texts = [np.empty(told[TEXTS + kind], np.uint8) for kind in range(3)]
        kernels().unpack(
            *self.views, self.places, ids, kinds, classes, states, scores, exhaustive, areas, starts,
            part_starts, ring_starts, xy, text_starts, *texts,
        )  # fmt: skip
        properties, geometries, drawn = map(Texts, texts, text_starts)
        zero = np.zeros(count, np.int64)
        columns = Columns(
            ids=ids.view(np.uint8),
            numbers=zero,
            revisions=zero,
            firsts=zero,
            kinds=kinds,
            classes=classes,
            class_names=self.class_names,
            states=states,
            state_names=self.state_names,
            scores=scores,
            exhaustive=exhaustive.view(np.bool_),
            xy=xy,
            ring_starts=ring_starts,
            part_starts=part_starts,
            starts=starts,
            properties=properties,
            geometries=_given(geometries),
            drawn=_given(drawn),
        )
        return columns, areas


class RecordBuffer:
    """Takes rows one behind another, up to a number of words.

    Memory: only what is written to is taken from the system.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.views = views(np.empty(most, np.int64))
        self.used = 0
        self._classes: dict[str, int] = {}
        self._states: dict[str, int] = {}
        self._scale = 1

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the indices of classes mean so far."""
        return tuple(self._classes)

    @property
    def state_names(self) -> tuple[str, ...]:
        """What the indices of states mean so far."""
        return tuple(self._states)

    def make_room(self, count: int) -> None:
        """Forget all rows, and take at least so many words from now on."""
        self.used = 0
        if count > self.most:
            self.most, self.views = count, views(np.empty(count, np.int64))

    def add(self, columns: Columns) -> tuple[Ints, npt.NDArray[np.float64]]:
        """Take rows for which there is room; gives the word of each, and the centres (N, 2) of their boxes."""
        count = len(columns)
        places, centres = np.empty(count, np.int64), np.empty((count, 2))
        xy = np.ascontiguousarray(columns.xy)
        self._scale = _scale_of(xy, self._scale)
        wholes, drawn = _texts(columns.geometries, count), _texts(columns.drawn, count)
        rows = (
            np.ascontiguousarray(columns.ids).view(np.int64),
            columns.kinds,
            _table(columns.class_names, self._classes)[columns.classes],
            _table(columns.state_names, self._states)[columns.states],
            columns.scores,
            columns.exhaustive,
        )
        shapes = xy, xy.view(np.int64), columns.ring_starts, columns.part_starts, columns.starts
        texts = [part for some in (columns.properties, wholes, drawn) for part in (some.data, some.starts)]
        self.used = kernels().pack(*self.views, self.used, *rows, *shapes, *texts, self._scale, places, centres)
        return places, centres


def words_of(columns: Columns) -> int:
    """Give how many words the rows take at most."""
    texts = sum(map(len, (*columns.geometries.values(), *columns.drawn.values()))) + len(columns.properties.data)
    rings = len(columns.ring_starts) + len(columns.part_starts)
    return _ROW_WORDS * len(columns) + _RING_WORDS * rings + 2 * len(columns.xy) + texts // 8 + 1


def _scale_of(xy: npt.NDArray[np.float64], known: int) -> int:
    """Give the scale that gives most of a sample exactly; the known one if none is better."""
    sample = xy.ravel()
    return best_scale(sample[:: max(1, len(sample) // _SCALE_SAMPLE)], known)


def _table(names: tuple[str, ...], known: dict[str, int]) -> npt.NDArray[np.int32]:
    return np.array([*(known.setdefault(name, len(known)) for name in names), -1], np.int32)


def _texts(given: Any, count: int) -> Texts:  # noqa: ANN401 - a mapping of texts
    return Texts.of(given.get(row, b"") for row in range(count)) if given else Texts.empty(count)


def _given(texts: Texts) -> dict[int, bytes]:
    return {row: texts[row] for row in np.flatnonzero(texts.lengths).tolist()}
