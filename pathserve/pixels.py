"""What a scan is and how its pixels are asked for, whatever its file format."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import numpy.typing as npt

from pathserve.geometry import LevelRegion, Mpp, Size

Encoding = Literal["jpeg", "other"]


Samples = npt.NDArray[Any]
"""Pixels of one plane: (h, w, 3) uint8 of a colour scan, else (h, w, 1) of the scan's own dtype."""

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
"""The sample types that a pyramid can hold, by their numpy names."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a scan.

    Parameters
    ----------
    name
        What the scan calls it, such as a stain's name.
    color
        Display colour (r, g, b), each 0-255.
    window
        The values shown as black and as full colour, as the scan states them, or None when it states none.
    """

    name: str
    color: tuple[int, int, int]
    window: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the stored form, as JSON values."""
        window = None if self.window is None else list(self.window)
        return {"name": self.name, "color": list(self.color), "window": window}

    @classmethod
    def parse(cls, stored: Mapping[str, Any]) -> "Channel":
        """Read the stored form."""
        red, green, blue = stored["color"]
        window = stored.get("window")
        return cls(stored["name"], (red, green, blue), None if window is None else (window[0], window[1]))


@dataclass(frozen=True, slots=True, order=True)
class Plane:
    """One two-dimensional picture of a scan: time point, channel and focal (or volume) plane, each from 0."""

    t: int = 0
    c: int = 0
    z: int = 0


FIRST_PLANE = Plane()


def planes_of(*, times: int, channels: int, depth: int) -> Iterator[Plane]:
    """List planes: by time, then channel, then depth."""
    for t in range(times):
        for c in range(channels):
            for z in range(depth):
                yield Plane(t, c, z)


RGB_CHANNELS = (Channel("red", (255, 0, 0)), Channel("green", (0, 255, 0)), Channel("blue", (0, 0, 255)))


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a scan as its file holds it.

    Parameters
    ----------
    size
        Pixels of this level.
    downsample
        Level-0 pixels per pixel of this level, as width and height say.
    tile
        Tile size of the file at this level, or None when it has no tiles.
    encoding
        ``"jpeg"`` when each tile is a JPEG that can be copied as it lies: three components in a colour scan, one else.
    """

    size: Size
    downsample: float
    tile: Size | None = None
    encoding: Encoding = "other"


@dataclass(frozen=True, slots=True)
class SlideInfo:
    """The technical facts of a scan: an allow-list, so nothing here can name a patient.

    Parameters
    ----------
    vendor
        Name of the file format's maker, as the reader knows it (``"aperio"``, ``"generic-tiff"``, ``"jpeg"``, ...).
    levels
        Finest first; ``levels[0].size`` is the frame of every stored coordinate.
    mpp
        Micrometres per level-0 pixel as the file states them, or None. Never guessed.
    mpp_plausible
        False when the stated value lies outside 0.05 to 20 micrometres per pixel.
    objective_power
        Nominal magnification as the file states it, or None.
    codec
        Compression of level 0 by name (``"jpeg"``, ``"jpeg2000"``, ``"png"``, ``"unknown"``, ...).
    channels
        Red, green and blue of a colour scan (which are samples of one plane), else one for each plane of colour.
    rgb
        Whether a plane has three 8-bit samples a pixel; otherwise it has one, of ``dtype``.
    dtype
        Numpy name of the samples' type, one of ``DTYPES``; always ``"uint8"`` when ``rgb``.
    planes
        Focal planes, or slices of a volume.
    plane_spacing
        Micrometres from one plane to the next as stated, or None.
    times
        Points in time.
    scenes
        Separate pictures that the file holds; each becomes a slide of its own.
    bounds
        Top-left corner, in level-0 pixels, of the part of level 0 that is not empty, as OpenSlide tells it; (0, 0) when
        the file tells none. Other programs count from it.
    icc_profile
        The scan's ICC profile, or None.
    associated
        Names of the label, macro and thumbnail images in the file; never their pixels.
    missing_tiles
        Tiles of level 0 for which the file holds no bytes; they are white in colour, else 0.
    dropped_metadata
        Names of metadata fields that the file holds and that ingest will not keep.
    """

    vendor: str
    levels: tuple[Level, ...]
    mpp: Mpp | None
    mpp_plausible: bool
    objective_power: float | None
    codec: str
    channels: tuple[Channel, ...] = RGB_CHANNELS
    rgb: bool = True
    dtype: str = "uint8"
    planes: int = 1
    plane_spacing: float | None = None
    times: int = 1
    scenes: int = 1
    bounds: tuple[int, int] = (0, 0)
    icc_profile: bytes | None = field(default=None, repr=False)
    missing_tiles: int = 0
    associated: tuple[str, ...] = ()
    dropped_metadata: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        """Level-0 pixels of the whole scan."""
        return self.levels[0].size

    @property
    def samples(self) -> int:
        """Samples per pixel of a plane: 3 or 1."""
        return 3 if self.rgb else 1

    def each_plane(self) -> Iterator[Plane]:
        """List every plane: by time, then channel, then depth."""
        return planes_of(times=self.times, channels=1 if self.rgb else len(self.channels), depth=self.planes)


class PixelSource(Protocol):
    """An open scan: one per file kind, all behind one contract test.

    Implementations are used by several threads at once and hold no more than a few tiles in memory.
    """

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the scan."""
        ...

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> Samples:
        """Decode a region of one plane.

        Parameters
        ----------
        level
            Index into ``info.levels``.
        region
            Pixels of that level; must lie inside the level.
        plane
            Must be one of ``info.each_plane()``.

        Returns
        -------
        Array of shape (h, w, ``info.samples``) and type ``info.dtype``; RGB when the scan is in colour.

        Raises
        ------
        Corrupt
            When the file's bytes cannot be decoded.
        """
        ...

    def encoded_tile(self, level: int, t_col: int, t_row: int, plane: Plane = FIRST_PLANE) -> bytes | None:
        """Give one tile as a complete JPEG with the scan's own coefficients, never re-encoded.

        Only for levels whose ``encoding`` is ``"jpeg"``. None when the file holds no bytes for
        this tile (sparse files).

        Raises
        ------
        Corrupt
            When the bytes are not a JPEG of the level's tile size.
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
