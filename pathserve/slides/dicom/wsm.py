"""VL Whole Slide Microscopy: the files of a series become the levels of one pyramid."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from pathserve.errors import Corrupt, NotFound, TooLarge, Unsupported
from pathserve.geometry import Size
from pathserve.pixels import RGB_CHANNELS, Channel, Level, SlideInfo
from pathserve.slides.dicom import describe
from pathserve.slides.dicom.instance import Instance
from pathserve.slides.dicom.placing import Placed, place
from pathserve.slides.dicom.source import FrameFile, Grid, ScanPlan, encoding_of, first_frames, frame_file
from pathserve.slides.dicom.values import text, texts, whole
from pathserve.slides.limits import MAX_PLANES, is_plausible, require_size

_VOLUME = "VOLUME"
# How DICOM calls the pictures apart, and how OpenSlide does.
_ASSOCIATED = {"LABEL": "label", "OVERVIEW": "macro", "THUMBNAIL": "thumbnail"}


def flavor(instance: Instance) -> str:
    """Tell what a file of a slide shows: the third value of its image type."""
    values = texts(instance.dataset, "ImageType")
    return values[2].upper() if len(values) > 2 else ""


def plan_slide(instances: list[Instance], scene: int) -> ScanPlan:
    """Put the files of a slide together.

    Parameters
    ----------
    scene
        Which optical path, when several are in colour; else 0.

    Raises
    ------
    NotFound
        When there is no such scene.
    Unsupported
        When they show no slide, or one of a kind that is not handled.
    Corrupt, TooLarge
        When what they state is impossible, contradictory, or over a limit.
    """
    volumes = [instance for instance in instances if flavor(instance) == _VOLUME]
    if not volumes:
        raise Unsupported("This DICOM series holds no slide, only its label, overview or thumbnail.")
    by_size: dict[Size, list[Instance]] = {}
    for instance in volumes:
        by_size.setdefault(_matrix(instance), []).append(instance)
    sizes = sorted(by_size, key=lambda size: (-size.width, -size.height))
    _require_one_picture(sizes)
    levels = [_level(size, by_size[size]) for size in sizes]
    base = levels[0]
    levels = [level for level in levels if level.like(base)]
    colour = base.files[0].layout.is_rgb
    scenes = len(base.paths) if colour else 1
    if not 0 <= scene < scenes:
        raise NotFound("The scan has no such scene.")
    grids = [level.grid(scene if colour else None) for level in levels]
    associated = _associated(instances)
    header = by_size[sizes[0]][0].dataset
    mpp = describe.shared_mpp(header)
    channels = RGB_CHANNELS if colour else _channels(header, base)
    planes = len(base.heights)
    if planes * len(channels) > MAX_PLANES:
        raise TooLarge(f"A scan may have at most {MAX_PLANES:,} planes.")
    info = SlideInfo(
        vendor="dicom",
        levels=tuple(
            Level(grid.size, _downsample(grids[0].size, grid.size), grid.tile, encoding_of(grid)) for grid in grids
        ),
        mpp=mpp,
        mpp_plausible=is_plausible(mpp),
        objective_power=describe.objective_power(header),
        codec=base.files[0].layout.codec,
        channels=channels,
        rgb=colour,
        dtype=base.files[0].layout.dtype.name,
        planes=planes,
        plane_spacing=_spacing(base) if planes > 1 else None,
        scenes=scenes,
        icc_profile=describe.icc_profile(header) if colour else None,
        missing_tiles=grids[0].missing,
        associated=tuple(sorted(associated)),
        dropped_metadata=describe.dropped_fields(instances),
    )
    return ScanPlan(info, grids, associated)


def _matrix(instance: Instance) -> Size:
    """Read the size of the level that a file belongs to."""
    header = instance.dataset
    return require_size(
        whole(header, "TotalPixelMatrixColumns", whole(header, "Columns")),
        whole(header, "TotalPixelMatrixRows", whole(header, "Rows")),
    )


def _require_one_picture(sizes: list[Size]) -> None:
    """Refuse levels that are no reductions of one picture: nothing says which belong together."""
    base = sizes[0]
    for size in sizes[1:]:
        # One factor must explain both sides when each may be off by one pixel.
        low = max(base.width / (size.width + 1), base.height / (size.height + 1))
        high = min(base.width / max(size.width - 1, 0.5), base.height / max(size.height - 1, 0.5))
        if low > high:
            raise Unsupported("This DICOM series holds several slides and does not say which levels belong together.")


def _downsample(base: Size, size: Size) -> float:
    return (base.width / size.width + base.height / size.height) / 2


@dataclass(frozen=True, slots=True)
class _LevelFiles:
    """One level with the frames of all its files.

    Parameters
    ----------
    paths
        Identifiers of the optical paths.
    heights
        Focal heights in micrometres, lowest first.
    full
        Whether the files say that they hold every tile (TILED_FULL), together when each is a part of the level.
    """

    size: Size
    tile: Size
    files: tuple[FrameFile, ...]
    placed: tuple[Placed, ...]
    paths: tuple[str, ...]
    heights: tuple[float, ...]
    full: bool

    def like(self, base: "_LevelFiles") -> bool:
        """Tell whether it has the planes of the base, stored in the same way."""
        layout, other = self.files[0].layout, base.files[0].layout
        return (
            self.paths == base.paths
            and len(self.heights) == len(base.heights)
            and (layout.samples, layout.dtype) == (other.samples, other.dtype)
        )

    def grid(self, path: int | None) -> Grid:
        """Say which frame is which tile; of one optical path alone when one is given.

        Raises
        ------
        Unsupported
            When two frames are the same tile.
        Corrupt
            When a tile is missing that should be there.
        """
        rows, columns = -(-self.size.height // self.tile.height), -(-self.size.width // self.tile.width)
        shape = (1, len(self.paths), len(self.heights), rows, columns)
        frames = np.full(shape, -1, np.int32)
        starts = first_frames(list(self.files))
        for start, placed in zip(starts, self.placed, strict=True):
            paths = np.array([self.paths.index(name) for name in placed.path_names], np.int64)[placed.paths]
            heights = np.searchsorted(np.array(self.heights), placed.heights)
            cells = np.ravel_multi_index((np.zeros_like(paths), paths, heights, placed.rows, placed.columns), shape)
            if len(np.unique(cells)) < len(cells) or bool(np.any(frames.flat[cells] >= 0)):
                raise Unsupported("This DICOM series holds several pictures of the same size and place.")
            frames.flat[cells] = start + np.arange(len(cells))
        if self.full and bool(np.any(frames < 0)):
            raise Corrupt("Files of this slide are missing: those that are here hold only a part of its tiles.")
        separate = self.files[0].layout.samples == 3 and not self.files[0].layout.is_rgb
        chosen = frames if path is None else frames[:, path : path + 1]
        return Grid(self.size, self.tile, self.files, starts, chosen, separate)


def _level(size: Size, instances: list[Instance]) -> _LevelFiles:
    files = tuple(frame_file(instance) for instance in instances)
    layout = files[0].layout
    if any(
        (file.layout.width, file.layout.height, file.layout.samples, file.layout.dtype)
        != (layout.width, layout.height, layout.samples, layout.dtype)
        for file in files
    ):
        raise Unsupported("The files of one level of this DICOM series store their tiles differently.")
    tile = Size(layout.width, layout.height)
    placed = tuple(place(instance, size, tile) for instance in instances)
    paths = tuple(dict.fromkeys(name for one in placed for name in one.path_names))
    heights = tuple(float(height) for height in np.unique(np.concatenate([one.heights for one in placed])))
    cells = len(paths) * len(heights)
    if cells > MAX_PLANES:
        raise TooLarge(f"A scan may have at most {MAX_PLANES:,} planes.")
    tiles = -(-size.width // tile.width) * -(-size.height // tile.height)
    if cells * tiles > 16 * sum(len(file.table.offsets) for file in files) + (1 << 16):
        raise Corrupt("The scan holds hardly any of the tiles that it should have.")
    full = all(text(instance.dataset, "DimensionOrganizationType") == "TILED_FULL" for instance in instances)
    return _LevelFiles(size, tile, files, placed, paths, heights, full)


def _channels(header: Dataset, base: _LevelFiles) -> tuple[Channel, ...]:
    if base.files[0].layout.samples == 3:
        if len(base.paths) > 1:
            raise Unsupported("Several optical paths of 16-bit colour are not handled.")
        return RGB_CHANNELS
    return describe.optical_channels(header, list(base.paths))


def _spacing(base: _LevelFiles) -> float | None:
    """Give the distance of the focal planes in micrometres, None when they are not evenly spaced."""
    if not all(one.stated_heights for one in base.placed):
        return None
    gaps: npt.NDArray[np.float64] = np.diff(np.array(base.heights))
    return float(gaps.mean()) if float(np.ptp(gaps)) <= 0.01 * float(gaps.mean()) else None


def _associated(instances: list[Instance]) -> dict[str, Grid]:
    """Find the pictures apart, the first of each name; one that cannot be read is none."""
    found: dict[str, Grid] = {}
    for instance in instances:
        name = _ASSOCIATED.get(flavor(instance))
        if name is None or name in found:
            continue
        try:
            found[name] = _apart(instance)
        except (Corrupt, TooLarge, Unsupported):
            continue
    return found


def _apart(instance: Instance) -> Grid:
    """Lay the first frames of a file out row by row, whatever it states about optical paths."""
    size, file = _matrix(instance), frame_file(instance)
    tile = Size(file.layout.width, file.layout.height)
    rows, columns = -(-size.height // tile.height), -(-size.width // tile.width)
    if rows * columns > instance.frames or file.layout.dtype != np.uint8:
        raise Unsupported("A picture apart of this DICOM series is not handled.")
    frames = np.arange(rows * columns, dtype=np.int32).reshape(1, 1, 1, rows, columns)
    return Grid(size, tile, (file,), np.zeros(1, np.int64), frames)
