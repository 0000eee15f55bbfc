"""The short way to tiles that are stored chunks: everything that all tiles of a look share is worked out once."""

from pathserve.pixels import Plane
from pathserve.pyramid import Pyramid
from pathserve.tiles.deepzoom import DeepZoom


class StoredTiles:
    """Whole tiles of one open slide in one look, as they lie.

    Parameters
    ----------
    plane
        Whose chunks are the picture.
    tag
        What follows a tile's place in its ETag.
    """

    def __init__(self, pyramid: Pyramid, grid: DeepZoom, plane: Plane, tag: str) -> None:
        self._chunk = pyramid.chunk_at_hand
        self._plane = plane
        self._start, self._end = f'"g{grid.generation}-'.encode("ascii"), f'{tag}"'.encode("ascii")
        # By Deep Zoom level: the pyramid's level, and how many columns and rows of tiles are whole.
        self._levels: list[tuple[int, int, int]] = []
        for level in range(grid.level_count):
            self._levels.append((grid.reduction(level), *grid.whole_chunks(pyramid.facts, level)))

    def get(self, level: int, col: int, row: int) -> tuple[bytes, bytes] | None:
        """Give a tile and its ETag as :meth:`read` does, to keep."""
        found = self.read(level, col, row)
        return None if found is None else (bytes(found[0]), found[1])

    def read(self, level: int, col: int, row: int) -> tuple[bytearray, bytes] | None:
        """Give a tile and its ETag, only when nothing has to be waited for.

        None for whatever is not so simple, as a tile that is cut or does not exist, and wherever something is wrong.
        """
        if not 0 <= level < len(self._levels):
            return None
        reduction, columns, rows = self._levels[level]
        if not (0 <= col < columns and 0 <= row < rows):
            return None
        try:
            body = self._chunk(reduction, col, row, self._plane)
        except BlockingIOError:
            return None
        if body is None:
            return None
        return body, b"%b%d-%d-%d%b" % (self._start, level, col, row, self._end)
