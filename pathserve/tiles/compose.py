"""Planes of a slide as one picture in colour: how channels become red, green and blue."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.pixels import Plane, Samples
from pathserve.pyramid.layout import Facts, sample_range
from pathserve.tiles.view import DEFAULT_VIEW, Color, ShownChannel, View, Window

Read = Callable[[Plane], Samples]
"""Gives a plane as (h, w, 3) uint8 for colour scans, else as (h, w, 1) of any type; all of one size."""

_FINE, _COARSE = 7, 4
"""Bits behind the point in which lights add up. 7 let two full lights fit a lane; 4 let 16, each right to a 32nd."""

_LANE = 65_535
_BLOCK = 1 << 15
_TABLES = 32  # of at most 512 KiB


def compose(
    facts: Facts, view: View, read: Read, *, auto: Callable[[int], Window] | None = None
) -> npt.NDArray[np.uint8]:
    """Make one RGB picture of the planes that a view shows.

    Each channel's values are scaled linearly from its window to 0..1, raised to its gamma, and light up its colour; the
    lights add up, to at most full light.

    Parameters
    ----------
    auto
        Gives the window that a channel's histogram suggests, by the channel's number. It is asked where the view says
        ``auto``, and where values of more than 8 bits have no window. None: the whole range of the type.

    Returns
    -------
    (h, w, 3) uint8. Of integers of at most 16 bits it differs from the exact sum by at most one grey level.

    Raises
    ------
    NotFound, TooLarge
        As :meth:`pathserve.tiles.view.View.shown`.
    """
    shown = view.shown(facts)
    if facts.rgb:
        return project(shown[0].planes, read)
    lights: _Tables | _Floats | None = None
    for channel in shown:
        # Channel by channel and in place: a slide can have dozens of them.
        values = project(channel.planes, read)[..., 0]
        if lights is None:
            narrow = values.dtype.kind in "ui" and values.itemsize <= 2
            lights = _Tables(values.shape, shown) if narrow else _Floats(values.shape)
        lights.add(values, channel, _window(channel, facts, auto))
    if lights is None:
        raise ValueError("A slide has at least one channel.")
    return lights.picture()


def project(planes: Sequence[Plane], read: Read) -> Samples:
    """Give the greatest value of each sample over planes; of one plane, the plane itself.

    Memory: two planes. A value that is not a number counts only where there is no other.
    """
    most = read(planes[0])
    if len(planes) > 1:
        most = np.array(most)
        greater = np.fmax if most.dtype.kind == "f" else np.maximum
        for plane in planes[1:]:
            greater(most, read(plane), out=most)
    return most


def _window(channel: ShownChannel, facts: Facts, auto: Callable[[int], Window] | None) -> Window:
    if channel.window is not None and channel.window != "auto":
        return channel.window
    if auto is not None and (channel.window == "auto" or facts.dtype != "uint8"):
        return auto(channel.number)
    return sample_range(facts.dtype)


class _Tables:
    """Lights of integers of at most 16 bits: a table gives the light of a value in all colours at once.

    A pixel's lights stand in one 64-bit word as four lanes of 16 bits (red, green, blue, nothing), so that looking them
    up takes one step. They add up in parts of a grey level, as fine as lets all of them fit a lane. Where that would be
    too coarse, lanes are cut to full light in between, so that none ever passes into the next.
    """

    def __init__(self, shape: tuple[int, ...], shown: Sequence[ShownChannel]) -> None:
        most = max(sum(lights) for lights in zip(*(channel.color for channel in shown), strict=True))
        fitting = (bits for bits in range(_FINE, _COARSE - 1, -1) if most << bits <= _LANE)
        self._bits = next(fitting, _FINE)
        self._shape = shape
        self._sum = np.empty(math.prod(shape), np.uint64)
        self._light = np.empty(min(self._sum.size, _BLOCK), np.uint64)
        self._most: Color | None = None  # that each lane can hold by now, in grey levels

    def add(self, values: Samples, channel: ShownChannel, window: Window) -> None:
        """Add the light of one channel, of values (h, w)."""
        table = _table(values.dtype.str[1:], channel.color, window, channel.gamma, self._bits)
        places = np.ascontiguousarray(values).reshape(-1).view(f"u{values.itemsize}")
        # A table has every value, so "clip" changes none: it only lets numpy write without a buffer.
        if self._most is None:
            table.take(places, out=self._sum, mode="clip")
            self._most = channel.color
            return
        if max(_added(self._most, channel.color)) << self._bits > _LANE:
            self._cut(self._most)
        for block in _blocks(self._sum.size):
            light = self._light[: block.stop - block.start]
            table.take(places[block], out=light, mode="clip")
            self._sum[block] += light
        self._most = _added(self._most, channel.color)

    def _cut(self, most: Color) -> None:
        lanes = self._sum.view(np.uint16)
        np.minimum(lanes, 255 << self._bits, out=lanes)
        self._most = min(most[0], 255), min(most[1], 255), min(most[2], 255)

    def picture(self) -> npt.NDArray[np.uint8]:
        """Round the sums to grey levels."""
        if self._most is not None and max(self._most) > 255:
            self._cut(self._most)
        picture = np.empty((self._sum.size, 3), np.uint8)
        for block in _blocks(self._sum.size):
            lanes = self._sum[block].view(np.uint16).reshape(-1, 4)
            levels = ((lanes + (1 << self._bits - 1)) >> self._bits).astype(np.uint8)
            for place in range(3):  # slice after slice: numpy copies three of four bytes at a fifth of the speed
                picture[block, place] = levels[:, place]
        return picture.reshape(*self._shape, 3)


def _blocks(size: int) -> Iterator[slice]:
    """Cut pixels into blocks whose lights stay in a processor's cache."""
    for first in range(0, size, _BLOCK):
        yield slice(first, min(first + _BLOCK, size))


def _added(one: Color, other: Color) -> Color:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


@lru_cache(maxsize=_TABLES)
def _table(kind: str, color: Color, window: Window, gamma: float, bits: int) -> npt.NDArray[np.uint64]:
    """Make the table of one channel: by the value's bits read as an unsigned number, lanes as in ``_Tables``."""
    values = np.arange(1 << 8 * int(kind[1]), dtype=f"u{kind[1]}")
    share = _share(values.view(kind), window, gamma, np.float64)
    lanes = np.zeros((len(values), 4), np.uint16)
    for place, value in enumerate(color):
        lanes[:, place] = np.rint(share * (value << bits))
    table: npt.NDArray[np.uint64] = lanes.view(np.uint64)[:, 0]
    table.flags.writeable = False
    return table


class _Floats:
    """Lights of wider values, and of those that are resampled: worked out for each pixel."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._sum = np.zeros((*shape, 3), np.float32)

    def add(self, values: Samples, channel: ShownChannel, window: Window) -> None:
        """Add the light of one channel, of values (h, w)."""
        share = _share(values, window, channel.gamma, np.float32 if values.dtype == np.float32 else np.float64)
        for place, value in enumerate(channel.color):
            if value:
                self._sum[..., place] += share * np.float32(value)

    def picture(self) -> npt.NDArray[np.uint8]:
        """Round the sums to grey levels."""
        np.minimum(self._sum, 255, out=self._sum)
        np.rint(self._sum, out=self._sum)
        return self._sum.astype(np.uint8)


def _share(values: Samples, window: Window, gamma: float, exact: type[np.float32 | np.float64]) -> npt.NDArray[Any]:
    """Scale values from the window to 0..1 and raise them to gamma; what is no number is dark."""
    start, end = window
    # Values far outside a narrow window may leave the type's range; they are cut to the window's end all the same.
    with np.errstate(all="ignore"):
        share: npt.NDArray[Any] = values.astype(exact)
        share -= exact(start)
        share /= exact((end - start) or 1.0)
        np.clip(share, 0, 1, out=share)
        np.nan_to_num(share, copy=False)
        if gamma != 1:
            share **= exact(gamma)
    return share


def stored_plane(facts: Facts, view: View = DEFAULT_VIEW) -> Plane | None:
    """Tell whose chunks are, as they lie, the picture that a view shows; None when that has to be made.

    Raises
    ------
    NotFound, TooLarge
        As :meth:`pathserve.tiles.view.View.shown`.
    """
    shown = view.shown(facts)
    only = shown[0]
    if facts.storage != "jpeg" or len(shown) > 1 or len(only.planes) > 1:
        return None
    white = only.color == (255, 255, 255) and only.window in (None, (0, 255)) and only.gamma == 1
    return only.planes[0] if facts.rgb or white else None
