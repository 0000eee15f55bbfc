"""An open NDPI: OpenSlide's pixels and facts, and tiles that are copied as they lie."""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from pathserve.errors import Corrupt
from pathserve.geometry import LevelRegion
from pathserve.pixels import FIRST_PLANE, Plane, Samples, SlideInfo
from pathserve.slides import jpeg
from pathserve.slides.limits import require_plane
from pathserve.slides.ndpi.joining import join, without_marker
from pathserve.slides.ndpi.layout import TILE_HEIGHT, LevelPieces, find_levels, find_profile
from pathserve.slides.openslide import OpenSlideSource

VENDOR = "hamamatsu"
_MOST_PIECE_BYTES = 16 << 20


def open_ndpi(path: Path) -> "NdpiSource | OpenSlideSource":
    """Open an NDPI: with tiles that can be copied when its restart markers allow it, else through OpenSlide alone.

    Raises
    ------
    Unsupported, Corrupt
        As OpenSlide cannot open it.
    """
    decoded = OpenSlideSource(path, "jpeg", icc_profile=find_profile(path))  # OpenSlide passes over it
    levels = find_levels(path, [level.size for level in decoded.info.levels])
    if levels[0] is None:
        return decoded
    try:
        source = NdpiSource(path, decoded, levels)
    except BaseException:
        decoded.close()
        raise
    if source.is_copied():
        return source
    return source.without_tiles()


class NdpiSource:
    """A scan whose level 0 holds pieces of JPEG that can be joined.

    Memory: as :class:`OpenSlideSource`, and 16 bytes for each piece.
    """

    def __init__(self, path: Path, decoded: OpenSlideSource, levels: list[LevelPieces | None]) -> None:
        self._decoded = decoded
        self._levels = levels
        self._info = replace(
            decoded.info,
            levels=tuple(
                level if pieces is None else replace(level, tile=pieces.tile, encoding="jpeg")
                for level, pieces in zip(decoded.info.levels, levels, strict=True)
            ),
        )
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise Corrupt("The scan cannot be read.") from None

    def is_copied(self) -> bool:
        """Tell whether the first tile, joined, has the pixels that OpenSlide gives."""
        tile = self._info.levels[0].tile
        if tile is None:
            return False
        size = self._info.size
        width, height = min(tile.width, size.width), min(tile.height, size.height)
        with suppress(Corrupt):
            data = self.encoded_tile(0, 0, 0)
            pixels = self._decoded.read(0, LevelRegion(0, 0, width, height))
            return data is not None and np.array_equal(jpeg.decode(data)[:height, :width], pixels)
        return False

    def without_tiles(self) -> OpenSlideSource:
        """Let go of everything but OpenSlide's part."""
        os.close(self._file)
        self._file = -1
        return self._decoded

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the scan."""
        return self._info

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> Samples:
        """Decode a region; see :class:`pathserve.pixels.PixelSource`."""
        return self._decoded.read(level, region, plane)

    def encoded_tile(self, level: int, t_col: int, t_row: int, plane: Plane = FIRST_PLANE) -> bytes | None:
        """Give one tile as a complete JPEG; see :class:`pathserve.pixels.PixelSource`. Below the scan it is grey."""
        require_plane(plane, self._info)
        kept = self._levels[level]
        if kept is None:
            raise ValueError(f"Level {level} of {plane} has no tile ({t_col}, {t_row}) that can be copied as it lies.")
        each = TILE_HEIGHT // kept.pieces.mcu.height
        if not (0 <= t_col < kept.columns and 0 <= t_row < -(-kept.rows // each)):
            raise ValueError("The tile does not lie inside the level.")
        rows = range(t_row * each, (t_row + 1) * each)
        return join(kept.pieces, [self._piece(kept, t_col, row) if row < kept.rows else None for row in rows])

    def _piece(self, kept: LevelPieces, column: int, row: int) -> bytes:
        index = row * kept.columns + column
        offset, count = int(kept.offsets[index]), int(kept.counts[index])
        if count > _MOST_PIECE_BYTES:
            raise Corrupt("The scan's list of tiles is damaged.")
        try:
            data = os.pread(self._file, count, offset)
        except OSError:
            raise Corrupt("A part of the scan cannot be read.") from None
        if len(data) != count:
            raise Corrupt("The scan ends before its last tile.")
        return without_marker(data)

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._decoded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
