"""What a scan is and how its pixels are asked for, whatever its file format."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from pathserve.geometry import LevelRegion, Mpp, Size

Encoding = Literal["jpeg", "other"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a scan: its name and its display colour (r, g, b), each 0-255."""

    name: str
    color: tuple[int, int, int]


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
        ``"jpeg"`` when each tile is a baseline JPEG that can be copied as it lies.
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
    icc_profile
        The scan's ICC profile, or None.
    associated
        Names of the label, macro and thumbnail images in the file; never their pixels.
    missing_tiles
        Tiles of level 0 for which the file holds no bytes; they are white.
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
    planes: int = 1
    icc_profile: bytes | None = field(default=None, repr=False)
    missing_tiles: int = 0
    associated: tuple[str, ...] = ()
    dropped_metadata: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        """Level-0 pixels of the whole scan."""
        return self.levels[0].size


class PixelSource(Protocol):
    """An open scan: one per file kind, all behind one contract test.

    Implementations are used by several threads at once and hold no more than a few tiles in memory.
    """

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the scan."""
        ...

    def read(self, level: int, region: LevelRegion) -> npt.NDArray[np.uint8]:
        """Decode a region.

        Parameters
        ----------
        level
            Index into ``info.levels``.
        region
            Pixels of that level; must lie inside the level.

        Returns
        -------
        uint8 array of shape (h, w, 3), RGB.

        Raises
        ------
        Corrupt
            When the file's bytes cannot be decoded.
        """
        ...

    def encoded_tile(self, level: int, t_col: int, t_row: int) -> bytes | None:
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
