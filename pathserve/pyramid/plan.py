"""What to build, decided before anything is read: levels, where each comes from, and shards in order. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pathserve.geometry import Size
from pathserve.pixels import FIRST_PLANE, Plane, SlideInfo
from pathserve.pyramid.layout import SHARD_CHUNKS, Facts, Storage, axes_of, grid_of, shard_path
from pathserve.slides.jpeg import Encoding

DECODED_TILE = Size(256, 256)
"""Tile of decoded scans whose own tiles are no good for a viewer."""

_GOOD_TILE = range(128, 513, 2)
DECODED = Encoding(90, "444")
"""For scans whose own compression cannot be kept: level 0 is encoded once, so it is encoded well."""

REDUCED = Encoding(78, "420")
"""For levels made out of kept JPEG tiles: about as many bytes a pixel as the scan's own tiles take."""

OVERVIEW = Encoding(90, "420")
"""For the third and later of those: they are seen most, and all of them take a twentieth of the bytes."""

_FIRST_OVERVIEW = 3

_MOST_STEPS = 3
"""How far a level may be from the last kept one when a row of it is made: each step takes four times the tiles."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """The tiles of a level of the scan are kept as they lie.

    ``size`` may be one pixel less than the planned level along an axis; tiles that hold the missing row or column are
    made from the level before with the scan's pixels on top.
    """

    source_level: int
    size: Size


@dataclass(frozen=True, slots=True)
class Decode:
    """Level 0 of the scan is decoded and encoded again."""


@dataclass(frozen=True, slots=True)
class Reduce:
    """Made by averaging 2 x 2 pixels of the level before."""


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """One level of the pyramid: its size, where its pixels come from, and the JPEG of those that cannot be kept."""

    index: int
    size: Size
    source: Verbatim | Decode | Reduce
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard to write: row and column count shards; ``needs`` are the paths of the shards it is made from."""

    path: str
    level: int
    plane: Plane
    row: int
    col: int
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PyramidPlan:
    """Everything that is to be built of one scan: the same levels of every plane."""

    tile: Size
    levels: tuple[LevelPlan, ...]
    storage: Storage = "jpeg"
    planes: tuple[Plane, ...] = (FIRST_PLANE,)
    axes: tuple[str, ...] = ("c", "y", "x")

    def chunks_of(self, task: ShardTask) -> Iterator[tuple[int, int]]:
        """Column and row of every chunk of a shard that lies on the level, row by row."""
        columns, rows = grid_of(self.levels[task.level].size, self.tile)
        top, left = task.row * SHARD_CHUNKS, task.col * SHARD_CHUNKS
        for row in range(top, min(top + SHARD_CHUNKS, rows)):
            for col in range(left, min(left + SHARD_CHUNKS, columns)):
                yield col, row

    def copies(self, level: int, col: int, row: int) -> bool:
        """Tell whether a chunk is a tile of the scan just as it lies."""
        plan = self.levels[level]
        if not isinstance(plan.source, Verbatim):
            return False
        right = min((col + 1) * self.tile.width, plan.size.width)
        bottom = min((row + 1) * self.tile.height, plan.size.height)
        return right <= plan.source.size.width and bottom <= plan.source.size.height

    def tasks(self) -> tuple[ShardTask, ...]:
        """List every shard, each after the shards that it needs."""
        return tuple(task for plane in self.planes for plan in self.levels for task in self._level_tasks(plan, plane))

    @property
    def reduced_levels(self) -> tuple[int, ...]:
        """The levels that are made of others alone, so that they can come later than the rest."""
        return tuple(plan.index for plan in self.levels if isinstance(plan.source, Reduce))

    def path(self, level: int, plane: Plane, row: int, col: int) -> str:
        """Path of a shard inside the group."""
        return shard_path(self.axes, level, plane, row, col)

    def _level_tasks(self, plan: LevelPlan, plane: Plane) -> Iterator[ShardTask]:
        columns, rows = self.shard_grid(plan.index)
        for row in range(rows):
            for col in range(columns):
                yield self.task(plan.index, plane, row, col)

    def task(self, level: int, plane: Plane, row: int, col: int) -> ShardTask:
        """Give the task of one shard."""
        bare = ShardTask(self.path(level, plane, row, col), level, plane, row, col, ())
        return replace(bare, needs=self._needs(bare)) if isinstance(self.levels[level].source, Reduce) else bare

    def _needs(self, task: ShardTask) -> tuple[str, ...]:
        columns, rows = self.shard_grid(task.level - 1)
        return tuple(
            self.path(task.level - 1, task.plane, row, col)
            for row in range(2 * task.row, min(2 * task.row + 2, rows))
            for col in range(2 * task.col, min(2 * task.col + 2, columns))
        )

    def shard_grid(self, level: int) -> tuple[int, int]:
        """Columns and rows of shards of a level."""
        columns, rows = grid_of(self.levels[level].size, self.tile)
        return -(-columns // SHARD_CHUNKS), -(-rows // SHARD_CHUNKS)


def plan_pyramid(info: SlideInfo, *, recompress: int | None = None, lossless: bool = False) -> PyramidPlan:
    """Plan the pyramid of a scan: levels a factor 2 apart, sizes rounded up, down to one tile.

    JPEG tiles are kept as they lie. Other colour scans are encoded as JPEG; everything else is stored without loss.

    Parameters
    ----------
    recompress
        JPEG quality, 1 to 100, at which level 0 of a colour scan is encoded anew even where its tiles could be kept.
    lossless
        Whether colour scans, too, are stored without loss where no JPEG tiles can be kept.
    """
    base = info.levels[0]
    keeps = base.encoding == "jpeg" and (recompress is None or not info.rgb) and _halves(base.tile)
    storage: Storage = "jpeg" if keeps or (info.rgb and not lossless) else "zstd"
    tile = base.tile if keeps and base.tile is not None else _decoded_tile(base.tile)
    first: Verbatim | Decode = Verbatim(0, base.size) if keeps else Decode()
    levels = [LevelPlan(0, base.size, first, _encoding(0, recompress, keeps=keeps))]
    while levels[-1].size.width > tile.width or levels[-1].size.height > tile.height:
        index, size = len(levels), levels[-1].size.halved()
        source = (_kept_level(info, size, tile) if keeps else None) or Reduce()
        if isinstance(source, Verbatim) and source.size != size and _far_from_kept(levels):
            source = Reduce()
        levels.append(LevelPlan(index, size, source, _encoding(index, recompress, keeps=keeps)))
    return PyramidPlan(
        tile, tuple(levels), storage, tuple(info.each_plane()), axes_of(times=info.times, planes=info.planes)
    )


def plan_missing(facts: Facts, missing_levels: Sequence[int]) -> PyramidPlan:
    """Plan the levels that a published pyramid lacks; only their tasks are of use."""
    levels = tuple(
        LevelPlan(index, size, Reduce() if index in missing_levels else Verbatim(index, size), facts.encodings[index])
        for index, size in enumerate(facts.levels)
    )
    return PyramidPlan(facts.tile, levels, facts.storage, tuple(facts.each_plane()), facts.axes)


def _far_from_kept(levels: list[LevelPlan]) -> bool:
    """Tell whether making a missing row of the next level would take the pixels of many finer tiles."""
    last = max(plan.index for plan in levels if isinstance(plan.source, Verbatim))
    return len(levels) - last > _MOST_STEPS


def _encoding(level: int, recompress: int | None, *, keeps: bool) -> Encoding:
    if recompress is not None:
        return Encoding(recompress, DECODED.subsampling)
    if not keeps:
        return DECODED
    return REDUCED if level < _FIRST_OVERVIEW else OVERVIEW


def _halves(tile: Size | None) -> bool:
    """Tell whether four tiles of a level make exactly one of the next; TIFF asks for multiples of 16."""
    return tile is not None and tile.width % 2 == 0 and tile.height % 2 == 0


def _decoded_tile(tile: Size | None) -> Size:
    """Choose the scan's own tiles where they suit a viewer: cut otherwise, most would be decoded more than once."""
    if tile is not None and tile.width == tile.height and tile.width in _GOOD_TILE:
        return tile
    return DECODED_TILE


def _kept_level(info: SlideInfo, size: Size, tile: Size) -> Verbatim | None:
    """Find the level of the scan that has this size, or one pixel less along an axis, and the same tiles."""
    for index, level in enumerate(info.levels[1:], start=1):
        missing = (size.width - level.size.width, size.height - level.size.height)
        if level.encoding == "jpeg" and level.tile == tile and all(gap in (0, 1) for gap in missing):
            return Verbatim(index, level.size)
    return None
