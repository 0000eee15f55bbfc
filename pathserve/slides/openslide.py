"""Everything that OpenSlide opens and that has no JPEG tiles to keep: decoded region by region."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import openslide

from pathserve.errors import Corrupt, Unsupported
from pathserve.geometry import LevelRegion, Size
from pathserve.pixels import FIRST_PLANE, Level, Plane, SlideInfo
from pathserve.slides.limits import (
    MAX_ICC_BYTES,
    MAX_TILE_PIXELS,
    field_names,
    is_plausible,
    positive_number,
    require_inside,
    require_plane,
    require_size,
    stated_mpp,
)
from pathserve.slides.pointers import require_own_files

CACHE_BYTES = 16 << 20
"""Decoded tiles that OpenSlide keeps: enough for two threads that read strips of one shard each."""

ALIGNED_CACHE_BYTES = 1 << 20
"""The same for scans that are read tile by tile, so that none is needed twice."""

_EDGE_TO_EDGE = "aperio"
_MOST_ALIGNED_PIXELS = 512 * 512

_KEPT = {"aperio.AppMag", "aperio.MPP", "tiff.ResolutionUnit", "tiff.XResolution", "tiff.YResolution"}


def detect_vendor(path: Path) -> str | None:
    """Name the format as OpenSlide does, or None when it knows none."""
    try:
        vendor: str | None = openslide.OpenSlide.detect_format(path)
    except openslide.OpenSlideError:
        return None
    return vendor


class OpenSlideSource:
    """A scan read through OpenSlide; transparent places are white.

    Memory: the region asked for, twice, and ``CACHE_BYTES`` at most.

    Raises
    ------
    Unsupported, Corrupt
        When OpenSlide does not open it, or it names files that are not its own.
    """

    def __init__(self, path: Path, codec: str, *, icc_profile: bytes | None = None) -> None:
        self._closed = False
        require_own_files(path)
        try:
            self._slide = openslide.OpenSlide(path)
        except openslide.OpenSlideUnsupportedFormatError:
            raise Unsupported("This file is no scan of a kind that PathServe reads.") from None
        except (openslide.OpenSlideError, OSError):
            raise Unsupported("This scan is damaged, or of a variant that PathServe does not read.") from None
        try:
            self._info = _info(self._slide, codec, icc_profile)
            self._slide.set_cache(openslide.OpenSlideCache(_cache_bytes(self._info)))
        except openslide.OpenSlideError:
            self._slide.close()
            raise Corrupt("The scan's metadata cannot be read.") from None

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the scan."""
        return self._info

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> npt.NDArray[np.uint8]:
        """Decode a region to (h, w, 3) uint8, RGB.

        OpenSlide takes corners in whole level-0 pixels: on a level whose downsample is no whole number the corner is
        rounded to the nearest one.
        """
        require_plane(plane, self._info)
        require_inside(region, self._info.levels[level].size)
        downsample = self._slide.level_downsamples[level]
        corner = (round(region.lv_x * downsample), round(region.lv_y * downsample))
        try:
            image = np.asarray(self._slide.read_region(corner, level, (region.width, region.height)))
        except openslide.OpenSlideError:
            raise Corrupt("A part of the scan cannot be decoded.") from None
        alpha = image[..., 3:]
        if alpha.min() == 255:
            return np.ascontiguousarray(image[..., :3])
        covered = image[..., :3] * (alpha / np.float32(255)) + (np.float32(255) - alpha)
        return np.rint(covered).astype(np.uint8)

    def encoded_tile(self, level: int, t_col: int, t_row: int, plane: Plane = FIRST_PLANE) -> bytes | None:
        """Refuse: no level of this source has JPEG tiles that can be copied."""
        raise ValueError(f"Level {level} of {plane} has no tile ({t_col}, {t_row}) that can be copied as it lies.")

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        if not self._closed:
            self._closed = True
            self._slide.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _cache_bytes(info: SlideInfo) -> int:
    """Keep little where tiles lie edge to edge and are small enough to become the pyramid's own."""
    tile = info.levels[0].tile
    aligned = info.vendor == _EDGE_TO_EDGE and tile is not None and tile.width * tile.height <= _MOST_ALIGNED_PIXELS
    return ALIGNED_CACHE_BYTES if aligned else CACHE_BYTES


def _info(slide: openslide.OpenSlide, codec: str, icc_profile: bytes | None) -> SlideInfo:
    properties = slide.properties
    mpp = stated_mpp(properties.get(openslide.PROPERTY_NAME_MPP_X), properties.get(openslide.PROPERTY_NAME_MPP_Y))
    levels = tuple(
        Level(require_size(*size), slide.level_downsamples[k], _tile(properties, k))
        for k, size in enumerate(slide.level_dimensions)
    )
    return SlideInfo(
        vendor=str(properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown")),
        levels=levels,
        mpp=mpp,
        mpp_plausible=is_plausible(mpp),
        objective_power=positive_number(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER)),
        codec=codec,
        bounds=_bounds(properties, levels[0].size),
        icc_profile=icc_profile or _icc_profile(slide),
        associated=tuple(sorted(name for name in slide.associated_images if name in ("label", "macro", "thumbnail"))),
        dropped_metadata=field_names(
            [
                name
                for name in properties
                if name not in _KEPT and (not name.startswith("openslide.") or name == "openslide.comment")
            ]
        ),
    )


def _tile(properties: Mapping[str, str], level: int) -> Size | None:
    width = positive_number(properties.get(f"openslide.level[{level}].tile-width"))
    height = positive_number(properties.get(f"openslide.level[{level}].tile-height"))
    if width is None or height is None or not 1 <= width * height <= MAX_TILE_PIXELS:
        return None
    return Size(int(width), int(height))


def _bounds(properties: Mapping[str, str], size: Size) -> tuple[int, int]:
    """Read the corner of what is not empty; one that lies outside of the scan is none."""
    x = positive_number(properties.get(openslide.PROPERTY_NAME_BOUNDS_X)) or 0
    y = positive_number(properties.get(openslide.PROPERTY_NAME_BOUNDS_Y)) or 0
    return (int(x), int(y)) if x < size.width and y < size.height else (0, 0)


def _icc_profile(slide: openslide.OpenSlide) -> bytes | None:
    size = positive_number(slide.properties.get("openslide.icc-size"))
    if size is None or size > MAX_ICC_BYTES:
        return None
    profile = slide.color_profile
    return bytes(profile.tobytes()) if profile is not None else None
