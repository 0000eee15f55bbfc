"""An open TIFF of any dialect, as a source of pixels."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pathserve.errors import Corrupt
from pathserve.geometry import LevelRegion
from pathserve.pixels import FIRST_PLANE, Plane, Samples, SlideInfo
from pathserve.slides.limits import require_inside, require_plane
from pathserve.slides.tiff.orientation import UPRIGHT, stored_region, turn
from pathserve.slides.tiff.picture import LevelPlanes, Picture, Stored
from pathserve.slides.tiff.raster import Raster
from pathserve.slides.tiff.segments import SegmentCache, cache_bytes, complete_jpeg, decode, finish, read_bytes


class TiffSource:
    """One picture of an open TIFF.

    Memory: 16 bytes for each tile of the file, the region asked for, a few decoded tiles or strips.
    """

    def __init__(self, files: Sequence[Path], picture: Picture, scenes: int) -> None:
        self._cache = SegmentCache(cache_bytes(level[FIRST_PLANE].raster for level in picture.levels))
        self._files: list[int] = []
        try:
            for path in files:
                self._files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            self.close()
            raise Corrupt("A file of the scan cannot be read.") from None
        self._picture = replace(picture, levels=tuple(self._checked(level) for level in picture.levels))
        self._info = self._picture.info(scenes)

    def _checked(self, level: LevelPlanes) -> LevelPlanes:
        """Take the segments of a level for JPEGs that can be kept only when the first one is."""
        raster = level[FIRST_PLANE].raster
        if raster.jpeg is None or self._holds_jpeg(raster):
            return level
        return {plane: Stored(replace(s.raster, jpeg=None), s.sample) for plane, s in level.items()}

    def _holds_jpeg(self, raster: Raster) -> bool:
        data = read_bytes(self._files[raster.file], raster, int(np.argmax(raster.counts > 0)))
        try:
            return raster.jpeg is None or data is None or bool(complete_jpeg(raster, raster.jpeg, data))
        except Corrupt:
            return False

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the scan."""
        return self._info

    def encoded_tile(self, level: int, t_col: int, t_row: int, plane: Plane = FIRST_PLANE) -> bytes | None:
        """Give one tile as a complete JPEG; see :class:`pathserve.pixels.PixelSource`."""
        require_plane(plane, self._info)
        raster = self._picture.levels[level][plane].raster
        if raster.jpeg is None or self._info.levels[level].encoding != "jpeg":
            raise ValueError(f"Level {level} of {plane} has no tile ({t_col}, {t_row}) that can be copied as it lies.")
        if not (0 <= t_col < raster.columns and 0 <= t_row < raster.rows):
            raise ValueError("The tile does not lie inside the level.")
        data = read_bytes(self._files[raster.file], raster, t_row * raster.columns + t_col)
        return None if data is None else complete_jpeg(raster, raster.jpeg, data)

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> Samples:
        """Decode a region; see :class:`pathserve.pixels.PixelSource`. Missing tiles are white in colour, 0 else."""
        require_plane(plane, self._info)
        require_inside(region, self._info.levels[level].size)
        stored, orientation = self._picture.levels[level][plane], self._picture.orientation
        pixels = self._region(stored, stored_region(region, stored.raster.size, orientation))
        return pixels if orientation == UPRIGHT else turn(pixels, orientation)

    def associated_image(self, name: str) -> npt.NDArray[np.uint8] | None:
        """Decode the label, macro or thumbnail picture to (h, w, 3) uint8, None when there is none of that name."""
        raster = self._picture.associated.get(name)
        if raster is None:
            return None
        pixels = self._region(Stored(raster), LevelRegion(0, 0, raster.size.width, raster.size.height))
        return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels

    def _region(self, stored: Stored, region: LevelRegion) -> npt.NDArray[Any]:
        raster = stored.raster
        samples, fill = (3, 255) if raster.rgb else (1, 0)
        out = np.full((region.height, region.width, samples), fill, raster.dtype)
        width, height = raster.segment.width, raster.segment.height
        for t_row in range(region.lv_y // height, -(-(region.lv_y + region.height) // height)):
            for t_col in range(region.lv_x // width, -(-(region.lv_x + region.width) // width)):
                pixels = self._segment(stored, t_row * raster.columns + t_col)
                if pixels is None:
                    continue
                x0, y0 = t_col * width - region.lv_x, t_row * height - region.lv_y
                left, top = max(0, -x0), max(0, -y0)
                part = pixels[top : region.height - y0, left : region.width - x0]
                if part.shape[0] < min(region.height - y0, height, raster.size.height - t_row * height) - top:
                    raise Corrupt("A strip of the scan has fewer rows than it should.")
                out[y0 + top : y0 + top + part.shape[0], x0 + left : x0 + left + part.shape[1]] = part
        return out

    def _segment(self, stored: Stored, index: int) -> npt.NDArray[Any] | None:
        """Decode a tile or strip of a plane to (h, w, 3) or (h, w, 1), None when the file leaves it out."""
        raster = stored.raster
        if not raster.separate:
            values = self._decoded(raster, index)
            if values is None:
                return None
            return values if raster.rgb else values[..., stored.sample : stored.sample + 1]
        each = raster.columns * raster.rows
        if not raster.rgb:
            return self._decoded(raster, stored.sample * each + index)
        parts = [self._decoded(raster, sample * each + index) for sample in range(raster.stored)]
        if any(part is None for part in parts):
            return None
        return finish(raster, np.concatenate([part for part in parts if part is not None], axis=2))

    def _decoded(self, raster: Raster, index: int) -> npt.NDArray[Any] | None:
        """Decode a segment, or take the one that is kept; colour images in separate planes are not finished."""
        key = (id(raster), index)
        values = self._cache.get(key)
        if values is None:
            data = read_bytes(self._files[raster.file], raster, index)
            if data is None:
                return None
            values = decode(raster, index, data)
            if not (raster.separate and raster.rgb):
                values = finish(raster, values)
            self._cache.put(key, values)
        return values

    def close(self) -> None:
        """Let go of the files; a second time does nothing."""
        while self._files:
            os.close(self._files.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
