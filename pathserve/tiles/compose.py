"""Planes of a slide as one picture in colour: how channels become red, green and blue."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.pixels import Plane, Samples
from pathserve.pyramid.layout import Facts, sample_range
from pathserve.tiles.view import DEFAULT_VIEW, ShownChannel, View, Window

Read = Callable[[Plane], Samples]
"""Gives a plane as (h, w, 3) uint8 for colour scans, else as (h, w, 1) of any type; all of one size."""

_UNIT = 128
"""Parts of a grey level in which lights add up: two full lights, 2 * 255 * 128, still fit 16 bits."""

_FULL = 255 * _UNIT
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
            lights = (
                _Tables(values.shape) if values.dtype.str[1:] in ("u1", "i1", "u2", "i2") else _Floats(values.shape)
            )
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
    up takes one step. No lane ever passes into the next: it is cut to full light after each addition.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._sum = np.zeros(shape, np.uint64)
        self._empty = True

    def add(self, values: Samples, channel: ShownChannel, window: Window) -> None:
        """Add the light of one channel, of values (h, w)."""
        table = _table(values.dtype.str[1:], channel.color, window, channel.gamma)
        light = table.take(values.view(f"u{values.itemsize}"))
        if self._empty:
            self._sum, self._empty = light, False
            return
        self._sum += light
        lanes = self._sum.view(np.uint16)
        np.minimum(lanes, _FULL, out=lanes)

    def picture(self) -> npt.NDArray[np.uint8]:
        """Round the sums to grey levels."""
        lanes = self._sum.view(np.uint16).reshape(*self._sum.shape, 4)
        levels = ((lanes + _UNIT // 2) // _UNIT).astype(np.uint8)
        picture = np.empty((*self._sum.shape, 3), np.uint8)
        for place in range(3):  # one slice after the other: numpy copies three of four bytes at a fifth of the speed
            picture[..., place] = levels[..., place]
        return picture


@lru_cache(maxsize=_TABLES)
def _table(kind: str, color: tuple[int, int, int], window: Window, gamma: float) -> npt.NDArray[np.uint64]:
    """Make the table of one channel: by the value's bits read as an unsigned number, lanes as in ``_Tables``."""
    bits = np.arange(1 << 8 * int(kind[1]), dtype=f"u{kind[1]}")
    share = _share(bits.view(kind), window, gamma, np.float64)
    lanes = np.zeros((len(bits), 4), np.uint16)
    for place, value in enumerate(color):
        lanes[:, place] = np.rint(share * (value * _UNIT))
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
