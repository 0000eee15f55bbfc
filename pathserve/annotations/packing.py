"""Arrays of numbers as small, exact bytes: the building bricks of a chunk.

Everything is little-endian.

Integers
    One byte, the width w (1, 2, 4 or 8: the smallest that holds all values, signed), then w planes of n bytes: the
    lowest bytes of all values, then the second lowest, and so on. Planes of like bytes are what zstd packs well.
Places
    uint32 how many, then integers that rise.
Numbers (float64)
    uint32 scale. Scale 0: eight planes of n bytes, the float64 values as they are. Else: the places of exceptions,
    their float64 values, and then integers that tell k, where value = k / scale exactly. How they tell it (k itself,
    differences) is said where it is used; at exceptions k says nothing.
"""

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.errors import Corrupt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SCALES = (1, 2, 4, 8, 10, 16, 32, 64, 100, 128, 256, 512, 1000, 1024, 4096, 10_000, 16_384, 65_536, 100_000, 1_000_000)
"""Denominators that are tried: what pixel grids, decimal texts and float32 make."""

_WIDTHS = (1, 2, 4, 8)
_SAMPLE = 256
_MOST_K = 2.0**52
_EXCEPTION_BYTES = 12
_LEAST_SHARE = 0.5
_U32 = struct.Struct("<I")


class Packer:
    """Puts arrays one after another."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def packed(self) -> bytes:
        """Give all that was put in."""
        return b"".join(self._pieces)

    def raw(self, data: bytes) -> None:
        """Put bytes whose number the reader knows."""
        self._pieces.append(data)

    def text(self, data: bytes) -> None:
        """Put bytes behind their number (uint32)."""
        self._pieces += (_U32.pack(len(data)), data)

    def ints(self, values: npt.NDArray[Any]) -> None:
        """Put whole numbers; the module's docstring has the form."""
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        width = next(w for w in (1, 2, 4, 8) if -(1 << (8 * w - 1)) <= low and high < 1 << (8 * w - 1))
        self._pieces += (bytes((width,)), _planes(values.ravel().astype(f"<i{width}"), width))

    def places(self, places: Ints) -> None:
        """Put places, which rise."""
        self._pieces.append(_U32.pack(len(places)))
        self.ints(places)

    def floats(self, values: Floats, put: Callable[[Ints], None] | None = None) -> None:
        """Put an array of any shape; ``put`` puts its k (of the same shape) in a form that packs well."""
        found = _scaled(values)
        if found is None:
            self._pieces += (_U32.pack(0), _planes(values.ravel().astype("<f8"), 8))
            return
        scale, k, bad = found
        self._pieces.append(_U32.pack(scale))
        self.places(bad)
        self.raw(values.ravel()[bad].astype("<f8").tobytes())
        (put or self.ints)(k)


class Unpacker:
    """Takes arrays out in the order in which they were put; ``data`` is all bytes, as an array.

    Every method raises Corrupt when the bytes end too early or are not of the form.

    Parameters
    ----------
    take_ints
        That of `chunk_kernels`, where the process has it.
    """

    def __init__(self, data: bytes, take_ints: Callable[..., int] | None = None) -> None:
        self.data = np.frombuffer(data, np.uint8)
        self._data, self._take_ints = data, take_ints
        self._at = 0

    def raw(self, count: int) -> bytes:
        """Take a number of bytes."""
        start = self._skip(count)
        return self._data[start : self._at]

    def bytes_of(self, count: int) -> npt.NDArray[np.uint8]:
        """Take a number of bytes as an array, which is no copy."""
        start = self._skip(count)
        return self.data[start : self._at]

    def u32(self) -> int:
        """Take one number."""
        value: int = _U32.unpack(self.raw(4))[0]
        return value

    def text(self) -> bytes:
        """Take bytes that stand behind their number."""
        return self.raw(self.u32())

    def take(self, kernel: Callable[..., int], *given: npt.NDArray[Any]) -> None:
        """Let machine code fill arrays with what comes next: it is told where that begins, and gives where it ends."""
        end = kernel(self.data, self._at, *given)
        if end < 0:
            raise damaged()
        self._at = end

    def ints(self, count: int) -> Ints:
        """Take whole numbers as (count,) int64."""
        width = self._data[self._skip(1)]
        if width not in _WIDTHS:
            raise damaged()
        return self._unplaned(self._skip(count * width), width, count)

    def places(self, end: int) -> Ints:
        """Take places, which are below ``end``."""
        places = self.ints(self.u32())
        if len(places) and not (int(places[0]) >= 0 and int(places[-1]) < end and bool((np.diff(places) > 0).all())):
            raise damaged()
        return places

    def floats(self, shape: tuple[int, ...], take: Callable[[], Ints] | None = None) -> Floats:
        """Take numbers as float64 of a shape; ``take`` takes k of that shape as `Packer.floats` was told to put it."""
        count = math.prod(shape)
        scale = self.u32()
        if not scale:
            return self._unplaned(self._skip(count * 8), 8, count).view(np.float64).reshape(shape)
        places = self.places(count)
        given = np.frombuffer(self.raw(8 * len(places)), "<f8").astype(np.float64, copy=False)
        k = self.ints(count).reshape(shape) if take is None else take()
        values: Floats = k / float(scale)
        if len(places):
            values.reshape(-1)[places] = given
        return values

    def _unplaned(self, at: int, width: int, count: int) -> Ints:
        if self._take_ints is None or not count:
            planes = self.data[at : at + count * width]
            return _unplaned(planes, f"<i{width}", width).astype(np.int64)
        values = np.empty(count, np.int64)
        self._take_ints(self.data, at, width, values)
        return values

    def _skip(self, count: int) -> int:
        """Pass over bytes; gives where they begin."""
        start, end = self._at, self._at + count
        if count < 0 or end > len(self._data):
            raise damaged()
        self._at = end
        return start

    def end(self) -> None:
        """Raise Corrupt when bytes are left."""
        if self._at != len(self._data):
            raise damaged()


def damaged() -> Corrupt:
    """Make the error for bytes that are not what was written."""
    return Corrupt("A stored block of annotations is damaged.")


def _planes(values: npt.NDArray[Any], width: int) -> bytes:
    return values.view(np.uint8).reshape(-1, width).T.tobytes()


def _unplaned(data: npt.NDArray[np.uint8], dtype: str, width: int) -> npt.NDArray[Any]:
    planes = data.reshape(width, -1)
    values = np.empty((planes.shape[1], width), np.uint8)
    for place, plane in enumerate(planes):  # three times as fast as transposing all at once
        values[:, place] = plane
    return values.reshape(-1).view(dtype)


def _exact(values: Floats, scale: int | Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Give k, and where k / scale is the value to the last bit (so not for -0.0, NaN, or what does not fit)."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.rint(values * scale)
        fits = np.abs(rounded) < _MOST_K
    # Whole numbers have one zero only: -0.0 does not come back, nor does what is taken for 0 because it does not fit.
    k = (rounded if fits.all() else np.where(fits, rounded, 0.0)).astype(np.int64)
    return k, (k / scale).view(np.int64) == values.view(np.int64)


def _shares(sample: Floats) -> dict[int, float]:
    """Tell of each scale what share of the values it gives exactly, up to the first that gives them all."""
    shares: dict[int, float] = {}
    good = _exact(sample, np.array(SCALES)[:, np.newaxis])[1]
    for scale, count in zip(SCALES, np.count_nonzero(good, axis=1).tolist(), strict=True):
        shares[scale] = count / len(sample)
        if shares[scale] == 1.0:
            break
    return shares


def best_scale(sample: Floats, known: int = 1) -> int:
    """Give the first scale that gives most of some values exactly; ``known`` if none gives more."""
    if not sample.size or _exact(sample, known)[1].all():
        return known
    shares = _shares(sample)
    best = max(shares, key=lambda scale: shares[scale])
    return known if shares.get(known) == shares[best] else best


def _scaled(values: Floats) -> tuple[int, Ints, Ints] | None:
    """Find the scale that costs fewest bytes: scale, k (exceptions have their neighbour's), places of exceptions."""
    flat = np.ascontiguousarray(values, np.float64).ravel()
    if not flat.size or (np.isnan(flat[0]) and np.isnan(flat).all()):
        return None
    shares = _shares(flat[:: max(1, flat.size // _SAMPLE)])
    best = max(shares.values())
    if best < _LEAST_SHARE:
        return None
    # The first of those that explain about as much: more digits than needed cost bytes.
    scale = next(s for s, share in shares.items() if share >= best - 0.05)
    k, good = _exact(flat, scale)
    if not good.all():
        finer = max(shares, key=lambda s: shares[s])
        tried = [(*_exact(flat, s), s) for s in sorted({scale, finer, SCALES[-1]})]
        k, good, scale = min(
            tried, key=lambda found: int((~found[1]).sum()) * _EXCEPTION_BYTES + flat.size * math.log2(found[2]) / 8
        )
    bad = np.flatnonzero(~good)
    if len(bad) * _EXCEPTION_BYTES > flat.size * 3:
        return None
    if len(bad):
        columns = values.shape[1] if values.ndim == 2 else 1
        rows = np.where(good, np.arange(flat.size), -1).reshape(-1, columns)
        last = np.maximum.accumulate(rows, axis=0).ravel()
        k = np.where(last >= 0, k[np.maximum(last, 0)], 0)
    return scale, k.reshape(values.shape), bad
