"""Which optical path, focal height, row and column each frame of a slide's file is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from pathserve.errors import Corrupt, Unsupported
from pathserve.geometry import Size
from pathserve.slides.dicom.describe import path_identifiers, shared_spacing
from pathserve.slides.dicom.instance import Instance
from pathserve.slides.dicom.values import items, number, shared, text, whole
from pathserve.slides.limits import MAX_PLANES

_FULL = "TILED_FULL"
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Placed:
    """The places of the frames of one file, all arrays of one entry a frame.

    Parameters
    ----------
    path_names
        Identifiers of optical paths.
    paths
        int64, index into them.
    heights
        float64, focal height in micrometres, rounded to nanometres; only differences mean something.
    rows, columns
        int64, of the tile.
    stated_heights
        Whether the heights are in micrometres as the file states them, or just count the planes.
    """

    path_names: tuple[str, ...]
    paths: _Ints
    heights: npt.NDArray[np.float64]
    rows: _Ints
    columns: _Ints
    stated_heights: bool = True


def place(instance: Instance, size: Size, tile: Size) -> Placed:
    """Place the frames of a file.

    Raises
    ------
    Corrupt
        When the file states places outside the level, or another number of frames than it must have.
    Unsupported
        When its tiles do not lie on one raster.
    """
    stated = text(instance.dataset, "DimensionOrganizationType")
    columns = instance.frame_numbers("ColumnPositionInTotalImagePixelMatrix")
    rows = instance.frame_numbers("RowPositionInTotalImagePixelMatrix")
    if stated != _FULL and columns is not None and rows is not None:
        return _sparse(instance, size, tile, columns, rows)
    if stated not in (_FULL, "") and (columns is None or rows is None):
        raise Corrupt("The scan does not say where its tiles lie.")
    return _full(instance, size, tile)


def _sparse(
    instance: Instance,
    size: Size,
    tile: Size,
    columns: list[tuple[float, ...]],
    rows: list[tuple[float, ...]],
) -> Placed:
    x = np.array(columns, np.int64)[:, 0] - 1
    y = np.array(rows, np.int64)[:, 0] - 1
    if min(x.min(), y.min()) < 0 or x.max() >= size.width or y.max() >= size.height:
        raise Corrupt("The scan states a tile that lies outside of it.")
    if np.any(x % tile.width) or np.any(y % tile.height):
        raise Unsupported("The tiles of this slide overlap or leave gaps.")
    names = instance.frame_texts("OpticalPathIdentifier")
    if names is None:
        shared_name = text(shared(instance.dataset, "OpticalPathIdentificationSequence"), "OpticalPathIdentifier")
        names = [shared_name or path_identifiers(instance.dataset)[0]] * instance.frames
    path_names = tuple(dict.fromkeys((*path_identifiers(instance.dataset), *names)))
    path_names = tuple(name for name in path_names if name in set(names))
    index = {name: number for number, name in enumerate(path_names)}
    heights = instance.frame_numbers("ZOffsetInSlideCoordinateSystem")
    return Placed(
        path_names,
        np.array([index[name] for name in names], np.int64),
        np.zeros(instance.frames) if heights is None else np.round([height[0] for height in heights], 3),
        y // tile.height,
        x // tile.width,
    )


def _full(instance: Instance, size: Size, tile: Size) -> Placed:
    """Place frames by their number: columns run fastest, then rows, focal planes and optical paths."""
    header = instance.dataset
    names = path_identifiers(header)
    rows, columns = -(-size.height // tile.height), -(-size.width // tile.width)
    path_count = whole(header, "NumberOfOpticalPaths", len(names))
    planes = whole(header, "TotalPixelMatrixFocalPlanes", 1)
    if min(path_count, planes) < 1 or path_count * planes > MAX_PLANES:
        raise Corrupt("The scan states an impossible number of planes.")
    if path_count != len(names):
        names = [f"{number}" for number in range(path_count)]
    first = whole(header, "ConcatenationFrameOffsetNumber", 0)
    total = path_count * planes * rows * columns
    is_part = first > 0 or "ConcatenationUID" in header
    if first < 0 or first + instance.frames > total or (not is_part and instance.frames != total):
        raise Corrupt("The scan's number of tiles does not fit its size.")
    numbers = np.arange(first, first + instance.frames)
    paths, heights, t_rows, t_columns = np.unravel_index(numbers, (path_count, planes, rows, columns))
    spacing = shared_spacing(header)
    return Placed(
        tuple(names),
        paths.astype(np.int64),
        np.round(_origin_height(header) + heights * (spacing or 1.0), 3),
        t_rows.astype(np.int64),
        t_columns.astype(np.int64),
        stated_heights=spacing is not None or planes == 1,
    )


def _origin_height(header: Dataset) -> float:
    """Read the focal height of the first plane in micrometres, 0 when it is not stated."""
    holders = (shared(header, "PlanePositionSlideSequence"), *items(header, "TotalPixelMatrixOriginSequence"))
    heights = [number(holder, "ZOffsetInSlideCoordinateSystem") for holder in holders]
    return next((height for height in heights if height is not None), 0.0)
