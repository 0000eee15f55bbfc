"""An open scene of a CZI."""

import os
import sys
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pathserve.errors import Corrupt, NotFound, TooLarge, Unsupported
from pathserve.geometry import LevelRegion
from pathserve.pixels import FIRST_PLANE, RGB_CHANNELS, Channel, Level, Plane, Samples, SlideInfo
from pathserve.slides.czi.attachments import decode_picture, find_attachments
from pathserve.slides.czi.metadata import Stated, read_metadata
from pathserve.slides.czi.segments import require_whole
from pathserve.slides.limits import (
    MAX_PLANES,
    MAX_TILE_PIXELS,
    field_names,
    is_plausible,
    require_inside,
    require_plane,
    require_size,
)

MAGIC = b"ZISRAWFILE"
KEPT_BYTES = 64 << 20
"""Decoded tiles that the library keeps: a strip of a level cuts each tile of the mosaic."""

MAX_SCENES = 1_000
_DAMAGED = "The CZI file is damaged, or was cut off."
_ERRORS = (RuntimeError, ValueError, IndexError, KeyError, TypeError, OverflowError, OSError)
_GREY = {"Gray8": "uint8", "Gray16": "uint16", "Gray32Float": "float32"}
_COLOUR, _DEEP_COLOUR = "Bgr24", "Bgr48"
_WHITE, _BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
_PLACED = {"X", "Y", "S", "M"}
_CODECS = {0: "none", 1: "jpeg", 2: "lzw", 4: "jpeg-xr", 5: "zstd", 6: "zstd"}


def _library() -> Any:  # noqa: ANN401 - the library has no types
    """Give the library, which only users of CZI need to install."""
    try:
        return import_module("pylibCZIrw.czi")
    except ImportError:
        raise Unsupported("Reading CZI needs a further library: install pathserve[czi].") from None


class CziSource:
    """A scene of a CZI: its raster is the bounding rectangle of the scene's tiles at full resolution.

    Where tiles overlap, the one with the higher mosaic index (M) lies on top. Places without a tile are white in
    colour, else 0. Reduced levels of the file are smoothed pictures and are left out.
    Memory: the region asked for, ``KEPT_BYTES``, and one tile of the mosaic.
    """

    def __init__(self, path: Path, scene: int = 0) -> None:
        library = _library()
        self._path, self._lock, self._closed = path, Lock(), False
        require_whole(path)
        self._attachments = find_attachments(path)
        cache = library.CacheOptions(library.CacheType.Standard, max_memory_usage=KEPT_BYTES)
        try:
            self._reader = library.CziReader(str(path), cache_options=cache)
        except _ERRORS:
            raise Corrupt(_DAMAGED) from None
        try:
            self._open(scene)
        except _ERRORS:
            self.close()
            raise Corrupt(_DAMAGED) from None
        except BaseException:
            self.close()
            raise

    def _open(self, scene: int) -> None:
        reader = self._reader
        scenes = sorted(reader.scenes_bounding_rectangle_no_pyramid.items())
        places = scenes or [(None, reader.total_bounding_rectangle_no_pyramid)]
        if len(places) > MAX_SCENES:
            raise TooLarge(f"A scan may have at most {MAX_SCENES:,} scenes.")
        if not 0 <= scene < len(places):
            raise NotFound("The scan has no such scene.")
        self._scene, self._place = places[scene]
        self._axes: dict[str, tuple[int, int]] = reader.total_bounding_box_no_pyramid
        if any(count > 1 for axis, (_, count) in self._axes.items() if axis not in _PLACED | set("TCZ")):
            raise Unsupported("CZI files with several views, phases, rotations or illuminations are not read.")
        first, count = self._axes.get("C", (0, 1))
        if count > MAX_PLANES:
            raise TooLarge(f"A scan may have at most {MAX_PLANES:,} planes.")
        kinds = {reader.get_channel_pixel_type(index) for index in range(first, first + count)}
        self._kind = kinds.pop()
        if kinds or (self._kind in (_COLOUR, _DEEP_COLOUR) and count > 1):
            raise Unsupported("CZI files whose channels are of different kinds are not read.")
        self._info = self._describe(read_metadata(reader.raw_metadata), len(places))

    def _describe(self, stated: Stated, scenes: int) -> SlideInfo:
        channels, dtype = self._channels(stated)
        times, planes = self._axes.get("T", (0, 1))[1], self._axes.get("Z", (0, 1))[1]
        if times * planes * len(channels) > MAX_PLANES:
            raise TooLarge(f"A scan may have at most {MAX_PLANES:,} planes.")
        return SlideInfo(
            vendor="zeiss",
            levels=(Level(require_size(self._place.w, self._place.h), 1.0),),
            mpp=stated.mpp,
            mpp_plausible=is_plausible(stated.mpp),
            objective_power=stated.objective_power,
            codec=self._codec(),
            channels=channels,
            rgb=self._kind == _COLOUR,
            dtype=dtype,
            planes=planes,
            plane_spacing=stated.spacing if planes > 1 else None,
            times=times,
            scenes=scenes,
            associated=tuple(sorted(self._attachments)),
            dropped_metadata=field_names(list(stated.dropped)),
        )

    def _channels(self, stated: Stated) -> tuple[tuple[Channel, ...], str]:
        """Give the channels and the type of samples; 16-bit colour is three channels."""
        if self._kind == _COLOUR:
            return RGB_CHANNELS, "uint8"
        if self._kind == _DEEP_COLOUR:
            return RGB_CHANNELS, "uint16"
        if self._kind not in _GREY:
            raise Unsupported("The CZI file has samples of a type that PathServe does not read.")
        return stated.make_channels(self._axes.get("C", (0, 1))[1], _GREY[self._kind]), _GREY[self._kind]

    def _codec(self) -> str:
        """Name the compression of the first tile."""
        found: list[int] = []

        def first(_: int, tile: Any) -> bool:  # noqa: ANN401 - the library has no types
            found.append(int(tile.compressionModeRaw))
            return False

        self._reader.enumerate_subblocks(first)
        return _CODECS.get(found[0], "unknown") if found else "unknown"

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the scene."""
        return self._info

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> Samples:
        """Decode a region of one plane; see :class:`pathserve.pixels.PixelSource`."""
        require_plane(plane, self._info)
        require_inside(region, self._info.levels[level].size)
        corner = (self._place.x + region.lv_x, self._place.y + region.lv_y)
        channel = 0 if self._kind == _DEEP_COLOUR else plane.c
        wanted = {"T": plane.t, "C": channel, "Z": plane.z}
        try:
            with self._lock:
                pixels = self._reader.read(
                    roi=(*corner, region.width, region.height),
                    plane={axis: self._axes[axis][0] + index for axis, index in wanted.items() if axis in self._axes},
                    scene=self._scene,
                    pixel_type=self._kind,
                    background_pixel=_WHITE if self._info.rgb else _BLACK,
                )
        except _ERRORS:
            raise Corrupt("A part of the scan cannot be decoded.") from None
        if self._kind == _COLOUR:
            return np.ascontiguousarray(pixels[..., ::-1])
        if self._kind == _DEEP_COLOUR:
            return np.ascontiguousarray(pixels[..., 2 - plane.c, np.newaxis])
        return np.array(pixels)

    def encoded_tile(self, level: int, t_col: int, t_row: int, plane: Plane = FIRST_PLANE) -> bytes | None:
        """Refuse: the tiles of a mosaic do not lie on a grid."""
        raise ValueError(f"Level {level} of {plane} has no tile ({t_col}, {t_row}) that can be copied as it lies.")

    def associated_image(self, name: str) -> npt.NDArray[np.uint8] | None:
        """Decode the label, macro or thumbnail image to (h, w, 3) uint8, RGB; None when there is none of that name.

        Raises
        ------
        Corrupt, TooLarge, Unsupported
            When it cannot be decoded.
        """
        attachment = self._attachments.get(name)
        if attachment is None:
            return None
        data = attachment.read(self._path)
        return _inner_picture(data) if attachment.is_czi else decode_picture(data)

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        if not self._closed:
            self._closed = True
            with self._lock:
                self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _inner_picture(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode a CZI inside a CZI, which the library only opens by a path; it never touches a disk."""
    if sys.platform != "linux":
        raise Unsupported("Pictures of this kind beside a scan are read on Linux alone.")
    memory = os.memfd_create("czi")
    try:
        os.write(memory, data)
        with CziSource(Path(f"/proc/self/fd/{memory}")) as inner:
            size, info = inner.info.size, inner.info
            if size.width * size.height > MAX_TILE_PIXELS:
                raise TooLarge(f"A picture beside the scan may have at most {MAX_TILE_PIXELS:,} pixels.")
            region = LevelRegion(0, 0, size.width, size.height)
            planes = [inner.read(0, region, plane) for plane in info.each_plane()][:3]
            return _shown(planes[0] if info.rgb else np.concatenate(planes, axis=2))
    finally:
        os.close(memory)


def _shown(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Make 8-bit colours of whole numbers: cameras of 12 or 14 bits leave the upper ones of 16 empty."""
    if values.dtype not in (np.uint8, np.uint16):
        raise Unsupported("A picture beside the scan is of a kind that PathServe does not read.")
    bits = max(8, int(values.max(initial=0)).bit_length())
    picture = (values >> (bits - 8)).astype(np.uint8)
    return picture if picture.shape[2] == 3 else np.repeat(picture[..., :1], 3, axis=2)
