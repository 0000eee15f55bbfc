"""DeepZoom addresses: the grid that OpenSlide's DeepZoomGenerator has with the same tile size and no overlap. Pure."""

from dataclasses import dataclass, field
from xml.etree import ElementTree

from pathserve.errors import NotFound
from pathserve.geometry import LevelRegion, PixelGrid, Size
from pathserve.pyramid.layout import Facts

NAMESPACE = "http://schemas.microsoft.com/deepzoom/2008"
FORMAT = "jpeg"
FALLBACK_TILE = 256
"""Tile size where the stored chunks are not square or of no size for a viewer."""

_SQUARE = range(64, 1025)


@dataclass(frozen=True, slots=True)
class DeepZoom:
    """The DeepZoom grid of one slide.

    Level 0 is one pixel; the last level is the slide itself. Levels halve, sizes rounded up, so DeepZoom level
    ``last - k`` is level k of the pyramid.
    """

    size: Size
    tile_size: int
    generation: int
    _sizes: tuple[Size, ...] = field(init=False, repr=False, compare=False)  # by level, worked out once

    def __post_init__(self) -> None:
        sizes = [self.size]
        while max(sizes[-1].width, sizes[-1].height) > 1:
            sizes.append(sizes[-1].halved())
        object.__setattr__(self, "_sizes", tuple(reversed(sizes)))

    @classmethod
    def of(cls, facts: Facts) -> "DeepZoom":
        """Take the stored chunks as tiles where they are square and of a usual size."""
        width, height = facts.tile.width, facts.tile.height
        tile_size = width if width == height and width in _SQUARE else FALLBACK_TILE
        return cls(facts.size, tile_size, facts.generation)

    @property
    def level_count(self) -> int:
        """Levels from one pixel up to the whole slide."""
        return len(self._sizes)

    def reduction(self, level: int) -> int:
        """How often the slide is halved to get a level.

        Raises
        ------
        NotFound
            When there is no such level.
        """
        if not 0 <= level < len(self._sizes):
            raise NotFound("The slide has no such level.")
        return len(self._sizes) - 1 - level

    def level_size(self, level: int) -> Size:
        """Pixels of a level.

        Raises
        ------
        NotFound
            When there is no such level.
        """
        return self._sizes[len(self._sizes) - 1 - self.reduction(level)]

    def whole(self, side: int) -> PixelGrid:
        """Make the grid of the whole slide with a longer side, never enlarged: that of a level where one has this side.

        Else both sides are rounded to whole pixels, so the two scales differ a little.
        """
        fitting = [size for size in self._sizes if max(size.width, size.height) == side]
        scale = min(1.0, side / max(self.size.width, self.size.height))
        fitting.append(Size(max(1, round(self.size.width * scale)), max(1, round(self.size.height * scale))))
        width, height = fitting[0].width, fitting[0].height
        return PixelGrid(0.0, 0.0, width, height, self.size.width / width, self.size.height / height)

    def level_on(self, grid: PixelGrid) -> int | None:
        """Find the level that is the whole slide at a grid's size; None where the grid is of a part or another size."""
        size = Size(grid.width, grid.height)
        downsamples = self.size.width / size.width, self.size.height / size.height
        whole = (grid.l0_x, grid.l0_y) == (0, 0) and (grid.downsample_x, grid.downsample_y) == downsamples
        return self._sizes.index(size) if whole and size in self._sizes else None

    def level_tiles(self, level: int) -> tuple[int, int]:
        """Columns and rows of tiles of a level."""
        size = self.level_size(level)
        return -(-size.width // self.tile_size), -(-size.height // self.tile_size)

    def tile_region(self, level: int, col: int, row: int) -> LevelRegion:
        """Which pixels of its level a tile holds; less than ``tile_size`` at the right and bottom edge.

        Raises
        ------
        NotFound
            When there is no such tile.
        """
        size = self.level_size(level)
        columns, rows = self.level_tiles(level)
        if not (0 <= col < columns and 0 <= row < rows):
            raise NotFound("The slide has no such tile.")
        x, y = col * self.tile_size, row * self.tile_size
        return LevelRegion(x, y, min(self.tile_size, size.width - x), min(self.tile_size, size.height - y))

    def whole_chunks(self, facts: Facts, level: int) -> tuple[int, int]:
        """Count the columns and rows of tiles of a level that are stored chunks as they lie, whole; 0 where none is.

        Raises
        ------
        NotFound
            When there is no such level.
        """
        size, tile = self.level_size(level), self.tile_size
        if (facts.tile.width, facts.tile.height) != (tile, tile) or self.reduction(level) >= facts.level_count:
            return 0, 0
        return size.width // tile, size.height // tile

    def to_xml(self, image_format: str = FORMAT) -> bytes:
        """Give the .dzi document; ``Generation`` is PathServe's own, viewers pass over it.

        ``image_format`` is the ending of the tiles that a viewer shall ask for.
        """
        image = ElementTree.Element(
            "Image",
            {
                "xmlns": NAMESPACE,
                "Format": image_format,
                "Overlap": "0",
                "TileSize": str(self.tile_size),
                "Generation": str(self.generation),
            },
        )
        size = {"Width": str(self.size.width), "Height": str(self.size.height)}
        ElementTree.SubElement(image, "Size", size)
        document: bytes = ElementTree.tostring(image, encoding="utf-8", xml_declaration=True)
        return document
