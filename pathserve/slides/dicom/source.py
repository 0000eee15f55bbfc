"""An open DICOM scan, slide or volume: frames placed on grids, one grid a level."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from pathserve.errors import Corrupt
from pathserve.geometry import LevelRegion, Size
from pathserve.pixels import FIRST_PLANE, Encoding, Plane, Samples, SlideInfo
from pathserve.slides import jpeg
from pathserve.slides.dicom.codecs import decode, interchange
from pathserve.slides.dicom.frames import FrameTable, encapsulated_frames, native_frames
from pathserve.slides.dicom.instance import Instance
from pathserve.slides.dicom.layout import NATIVE, Layout, layout_of
from pathserve.slides.limits import require_inside, require_plane

_LARGE = 1 << 20
_KEPT = 2


@dataclass(frozen=True, slots=True)
class FrameFile:
    """The frames of one file and how they are stored."""

    table: FrameTable
    layout: Layout


@dataclass(frozen=True, slots=True)
class Grid:
    """One level: which frame is which tile.

    Parameters
    ----------
    size
        Pixels of the level.
    tile
        Pixels of a frame; the last ones may reach beyond the level.
    files
        The files whose frames the level has, in one order with
    starts
        the number of each one's first frame, when all are counted through.
    frames
        int32 (times, channels, planes, rows, columns): the number of the frame, -1 where the scan has none.
    separate
        Whether each channel is a sample of a frame instead of a frame of its own.
    """

    size: Size
    tile: Size
    files: tuple[FrameFile, ...]
    starts: npt.NDArray[np.int64]
    frames: npt.NDArray[np.int32]
    separate: bool = False

    def at(self, plane: Plane, t_col: int, t_row: int) -> tuple[FrameFile, int] | None:
        """Find the frame of a tile; None when there is none, or one without bytes."""
        number = int(self.frames[plane.t, 0 if self.separate else plane.c, plane.z, t_row, t_col])
        if number < 0:
            return None
        index = int(np.searchsorted(self.starts, number, side="right")) - 1
        file, frame = self.files[index], number - int(self.starts[index])
        return (file, frame) if file.table.lengths[frame] > 0 else None

    @property
    def missing(self) -> int:
        """Count the tiles without a frame."""
        return int(np.count_nonzero(self.frames < 0))


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What a slide or a volume is, its levels, and its pictures apart."""

    info: SlideInfo
    grids: list[Grid]
    associated: dict[str, Grid]


def frame_file(instance: Instance) -> FrameFile:
    """Find the frames of a file.

    Raises
    ------
    Unsupported, Corrupt, TooLarge
        When they are stored in a way that is not handled, impossible, or over a limit.
    """
    layout = layout_of(instance)
    source, pixels, header = instance.source, instance.pixels, instance.dataset
    if layout.codec == NATIVE:
        return FrameFile(native_frames(source, pixels, instance.frames, layout.frame_bytes), layout)
    stated = header.get("ExtendedOffsetTable")
    extended = stated if isinstance(stated, bytes) else None
    return FrameFile(encapsulated_frames(source, pixels, instance.frames, extended), layout)


def first_frames(files: list[FrameFile]) -> npt.NDArray[np.int64]:
    """Count the frames of several files through, and give the number of the first of each."""
    return np.concatenate([[0], np.cumsum([len(file.table.offsets) for file in files])[:-1]]).astype(np.int64)


def encoding_of(grid: Grid) -> Encoding:
    """Tell whether the tiles of a level can be copied, by its first one."""
    found = np.argwhere(grid.frames >= 0)
    if grid.separate or not len(found) or any(file.layout.codec != "jpeg" for file in grid.files):
        return "other"
    number = int(grid.frames[tuple(found[0])])
    index = int(np.searchsorted(grid.starts, number, side="right")) - 1
    file = grid.files[index]
    try:
        data = file.table.read(number - int(grid.starts[index]), file.layout.most_bytes)
        jpeg.read_frame(interchange(data, file.layout))
    except Corrupt:
        return "other"
    return "jpeg"


class DicomSource:
    """A slide or a volume of DICOM files.

    Memory: 20 bytes a frame, the tiles of the region asked for, one by one, and two decoded frames when they are
    larger than a megapixel.

    Parameters
    ----------
    plan
        Its grids are one for each of ``info.levels``; its pictures apart are the label, macro and thumbnail images.
    close
        Lets go of the files.
    """

    def __init__(self, plan: ScanPlan, close: Callable[[], None]) -> None:
        self._info = plan.info
        self._grids = plan.grids
        self._associated = plan.associated
        self._close = close
        self._kept: OrderedDict[tuple[int, int], Samples] = OrderedDict()
        self._lock = Lock()

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the scan."""
        return self._info

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> Samples:
        """Decode a region of one plane; see :class:`pathserve.pixels.PixelSource`.

        Tiles that the scan does not have are white in colour, else 0.
        """
        require_plane(plane, self._info)
        grid = self._grids[level]
        require_inside(region, grid.size)
        return self._assembled(grid, region, plane)

    def associated_image(self, name: str) -> npt.NDArray[np.uint8] | None:
        """Decode the label, macro or thumbnail image to (h, w, 3) uint8, RGB; None when there is none of that name.

        Raises
        ------
        Corrupt
            When it cannot be decoded.
        """
        grid = self._associated.get(name)
        if grid is None:
            return None
        image = self._assembled(grid, LevelRegion(0, 0, grid.size.width, grid.size.height), FIRST_PLANE)
        return image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)

    def encoded_tile(self, level: int, t_col: int, t_row: int, plane: Plane = FIRST_PLANE) -> bytes | None:
        """Give one tile as a complete JPEG; see :class:`pathserve.pixels.PixelSource`."""
        require_plane(plane, self._info)
        grid = self._grids[level]
        rows, columns = grid.frames.shape[3:]
        if self._info.levels[level].encoding != "jpeg":
            raise ValueError(f"Level {level} has no tile that can be copied as it lies.")
        if not (0 <= t_col < columns and 0 <= t_row < rows):
            raise ValueError("The tile does not lie inside the level.")
        found = grid.at(plane, t_col, t_row)
        if found is None:
            return None
        file, frame = found
        return interchange(file.table.read(frame, file.layout.most_bytes), file.layout)

    def _assembled(self, grid: Grid, region: LevelRegion, plane: Plane) -> Samples:
        layout = grid.files[0].layout
        samples = 1 if grid.separate else layout.samples
        out: Samples = np.full((region.height, region.width, samples), 255 if layout.is_rgb else 0, layout.dtype)
        width, height = grid.tile.width, grid.tile.height
        for t_row in range(region.lv_y // height, -(-(region.lv_y + region.height) // height)):
            for t_col in range(region.lv_x // width, -(-(region.lv_x + region.width) // width)):
                found = grid.at(plane, t_col, t_row)
                if found is None:
                    continue
                x0, y0 = t_col * width - region.lv_x, t_row * height - region.lv_y
                left, top = max(0, -x0), max(0, -y0)
                right, bottom = min(width, region.width - x0), min(height, region.height - y0)
                pixels = self._pixels(*found, slice(top, bottom))[:, left:right]
                if grid.separate:
                    pixels = pixels[:, :, plane.c : plane.c + 1]
                out[y0 + top : y0 + bottom, x0 + left : x0 + right] = pixels
        return out

    def _pixels(self, file: FrameFile, frame: int, rows: slice) -> Samples:
        """Decode some rows of a frame: no more than those when it is not compressed and large."""
        layout, table = file.layout, file.table
        if layout.width * layout.height <= _LARGE:
            return decode(table.read(frame, layout.most_bytes), layout)[rows]
        if layout.codec == NATIVE and not layout.planar and not layout.subsampled and not layout.swapped:
            line = layout.frame_bytes // layout.height
            some = table.read_part(frame, rows.start * line, (rows.stop - rows.start) * line)
            return decode(some, layout.of_height(rows.stop - rows.start))
        with self._lock:  # held while decoding: threads that want parts of one large frame decode it once
            key = (id(file), frame)
            if key not in self._kept:
                self._kept[key] = decode(table.read(frame, layout.most_bytes), layout)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key][rows]

    def close(self) -> None:
        """Let go of the files; a second time does nothing."""
        self._close()
        self._kept.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
