"""An open OME-Zarr picture."""

import os
from collections import OrderedDict
from dataclasses import replace
from itertools import product
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np

from pathserve.errors import Corrupt, NotFound, TooLarge
from pathserve.geometry import LevelRegion, Size
from pathserve.pixels import FIRST_PLANE, Encoding, Level, Plane, Samples, SlideInfo
from pathserve.slides import jpeg
from pathserve.slides.limits import (
    MAX_PLANES,
    MAX_TILE_PIXELS,
    field_names,
    is_plausible,
    require_inside,
    require_plane,
    require_size,
)
from pathserve.slides.omezarr.array import ArraySpec, read_array
from pathserve.slides.omezarr.chunks import ChunkedArray, Place
from pathserve.slides.omezarr.folder import ZarrFolder
from pathserve.slides.omezarr.images import Stated, find_images, make_channels, read_image

KEPT_BYTES = 64 << 20
"""Decoded chunks that a picture keeps: a chunk may hold many planes, and a strip of a level cuts each chunk."""

MOST_LOOKED_FOR = 20_000
"""Files of level 0 up to which missing chunks are counted."""

_MARKS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr store."""
    return any((path / name).is_file() for name in _MARKS)


class OmeZarrSource:
    """A picture of an OME-Zarr store: level 0 is its first array as it is.

    What no chunk holds has the array's fill value, as Zarr has it; ``info.missing_tiles`` counts those chunks.
    Memory: the region asked for, ``KEPT_BYTES``, and one chunk (at most 256 MiB) for each thread.
    """

    def __init__(self, path: Path, scene: int = 0) -> None:
        folder = ZarrFolder(path)
        images = find_images(folder)
        if not 0 <= scene < len(images):
            raise NotFound("The scan has no such scene.")
        stated = read_image(folder, images[scene])
        self._axes = stated.axes
        specs = _same_picture(stated, [read_array(folder, path) for path, _ in stated.levels])
        self._levels = [ChunkedArray(folder, spec) for spec in specs]
        xml = ["OME-XML"] if os.path.isfile(path / "OME" / "METADATA.ome.xml") else []
        self._info = _info(stated, specs, scenes=len(images), dropped=xml)
        self._info = replace(self._info, missing_tiles=self._levels[0].absent(MOST_LOOKED_FOR))
        self._kept: OrderedDict[tuple[int, Place], Samples | None] = OrderedDict()
        self._kept_bytes = 0
        self._lock = Lock()

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the picture."""
        return self._info

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> Samples:
        """Decode a region of one plane; see :class:`pathserve.pixels.PixelSource`."""
        require_plane(plane, self._info)
        require_inside(region, self._info.levels[level].size)
        spec = self._levels[level].spec
        cuts = [self._cut(axis, region, plane) for axis in self._axes]
        out = np.full([stop - start for start, stop in cuts], spec.fill, spec.dtype)
        chunk = spec.coding.shape
        touched = [range(start // size, -(-stop // size)) for (start, stop), size in zip(cuts, chunk, strict=True)]
        for place in product(*touched):
            pixels = self._chunk(level, place)
            if pixels is None:
                continue
            into, of = [], []
            for at, size, (start, stop) in zip(place, chunk, cuts, strict=True):
                first, last = max(start, at * size), min(stop, (at + 1) * size)
                into.append(slice(first - start, last - start))
                of.append(slice(first - at * size, last - at * size))
            out[tuple(into)] = pixels[tuple(of)]
        return self._picture(out)

    def encoded_tile(self, level: int, t_col: int, t_row: int, plane: Plane = FIRST_PLANE) -> bytes | None:
        """Give one chunk as a complete JPEG; see :class:`pathserve.pixels.PixelSource`."""
        require_plane(plane, self._info)
        array = self._levels[level]
        if self._info.levels[level].encoding != "jpeg":
            raise ValueError(f"Level {level} has no tile that can be copied as it lies.")
        at = {"t": plane.t, "c": 0, "z": plane.z, "y": t_row, "x": t_col}
        place = tuple(at[axis] for axis in self._axes)
        if not all(0 <= index < count for index, count in zip(place, array.grid, strict=True)):
            raise ValueError("The tile does not lie inside the level.")
        data = array.stored(place)
        if data is None:
            return None
        frame, tile = jpeg.read_frame(data), self._info.levels[level].tile
        if (frame.components, frame.precision) != (3, 8) or Size(frame.width, frame.height) != tile:
            raise Corrupt("A JPEG tile of the scan is not of the size that the scan states.")
        return jpeg.to_interchange(b"", data, rgb=bool(jpeg.stated_rgb(data)))

    def close(self) -> None:
        """Let go of what was kept; no file is open between reads."""
        with self._lock:
            self._kept.clear()
            self._kept_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cut(self, axis: str, region: LevelRegion, plane: Plane) -> tuple[int, int]:
        """Give the part of an axis that a region of a plane takes."""
        if axis == "x":
            return region.lv_x, region.lv_x + region.width
        if axis == "y":
            return region.lv_y, region.lv_y + region.height
        if axis == "c" and self._info.rgb:
            return 0, 3
        at = {"t": plane.t, "c": plane.c, "z": plane.z}[axis]
        return at, at + 1

    def _picture(self, out: Samples) -> Samples:
        """Bring what was cut out of an array to (h, w, samples)."""
        last = [self._axes.index(axis) for axis in ("y", "x", "c") if axis in self._axes]
        ordered = out.transpose([at for at in range(out.ndim) if at not in last] + last)
        height, width = (out.shape[self._axes.index(axis)] for axis in "yx")
        return np.ascontiguousarray(ordered.reshape(height, width, self._info.samples))

    def _chunk(self, level: int, place: Place) -> Samples | None:
        key = (level, place)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        pixels = self._levels[level].decoded(place)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = pixels
                self._kept_bytes += 0 if pixels is None else pixels.nbytes
            while self._kept_bytes > KEPT_BYTES:
                _, old = self._kept.popitem(last=False)
                self._kept_bytes -= 0 if old is None else old.nbytes
        return pixels


def _same_picture(stated: Stated, specs: list[ArraySpec]) -> list[ArraySpec]:
    """Keep level 0 and the levels that are the same picture at the scale that they state, finest first."""
    if any(len(spec.shape) != len(stated.axes) for spec in specs):
        raise Corrupt("A level of the picture has other axes than its metadata says.")
    base, base_scale = specs[0], stated.levels[0][1]
    found = []
    for spec, (_, scale) in list(zip(specs, stated.levels, strict=True))[1:]:
        fits = spec.dtype == base.dtype and all(
            abs(whole * fine / coarse - length) <= 1 if axis in "yx" else whole == length
            for axis, whole, length, fine, coarse in zip(
                stated.axes, base.shape, spec.shape, base_scale, scale, strict=True
            )
        )
        if fits and spec.shape[stated.axes.index("x")] < base.shape[stated.axes.index("x")]:
            found.append(spec)
    return [base, *sorted(found, key=lambda spec: -spec.shape[stated.axes.index("x")])]


def _info(stated: Stated, specs: list[ArraySpec], *, scenes: int, dropped: list[str]) -> SlideInfo:
    base = specs[0]
    length = {axis: base.shape[at] for at, axis in enumerate(stated.axes)}
    planes, times, count = length.get("z", 1), length.get("t", 1), length.get("c", 1)
    if planes * times * count > MAX_PLANES:
        raise TooLarge(f"A scan may have at most {MAX_PLANES:,} planes.")
    channels, rgb = make_channels(stated, count, base.dtype)
    mpp = stated.mpp
    return SlideInfo(
        vendor="ome-zarr",
        levels=tuple(_level(stated.axes, base, spec, rgb=rgb) for spec in specs),
        mpp=mpp,
        mpp_plausible=is_plausible(mpp),
        objective_power=None,
        codec="jpeg" if base.coding.jpeg else base.coding.codec or "none",
        channels=channels,
        rgb=rgb,
        dtype=base.dtype,
        planes=planes,
        plane_spacing=stated.step("z"),
        times=times,
        scenes=scenes,
        dropped_metadata=field_names([*stated.dropped, *dropped]),
    )


def _level(axes: tuple[str, ...], base: ArraySpec, spec: ArraySpec, *, rgb: bool) -> Level:
    x, y = axes.index("x"), axes.index("y")
    size, whole = require_size(spec.shape[x], spec.shape[y]), Size(base.shape[x], base.shape[y])
    tile = Size(spec.coding.shape[x], spec.coding.shape[y])
    if tile.width * tile.height > MAX_TILE_PIXELS:
        raise TooLarge(f"A tile may have at most {MAX_TILE_PIXELS:,} pixels.")
    copied: Encoding = "jpeg" if spec.coding.jpeg and rgb and _samples_last(axes, spec) else "other"
    return Level(size, (whole.width / size.width + whole.height / size.height) / 2, tile, copied)


def _samples_last(axes: tuple[str, ...], spec: ArraySpec) -> bool:
    """Tell whether the JPEGs of an array hold rows, columns and samples, in this order."""
    return [axes[at] for at in spec.coding.stored[-3:]] == ["y", "x", "c"]
