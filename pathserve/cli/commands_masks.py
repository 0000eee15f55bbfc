"""``pathserve mask``: one mask as a file."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
import numpy.typing as npt
import tifffile
import typer
import zarr

from pathserve.annotations import AnnotationQuery, AnnotationStore
from pathserve.annotations.mistaken import require_classes, require_layers
from pathserve.catalog import SlideRecord
from pathserve.cli.files import whole_file, whole_folder
from pathserve.cli.options import Data, Store, usage
from pathserve.cli.output import note
from pathserve.cli.rooms import open_rooms
from pathserve.datasets import read_mask, schema_of
from pathserve.errors import Conflict, Invalid, TooLarge
from pathserve.geometry import PixelGrid
from pathserve.labels import ClassSchema
from pathserve.masks import MaskKind, Window, dtype_of, encode_npy, encode_png

_STRIP = 512
_MAX_SIDE = 1_000_000
_WHOLE, _BY_STRIPS = (".png", ".npy"), (".tif", ".tiff", ".zarr")
"""How files end that are drawn at once, and those that are drawn strip by strip."""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("mask")(mask)


def mask(
    slide: Annotated[str, typer.Argument(metavar="SLIDE", help="Slide id.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="FILE.png, .npy, .tif or .zarr.")],
    region: Annotated[
        str, typer.Option(help="x,y,w,h: corner in level-0 pixels, size in output pixels; or full.")
    ] = "full",
    mpp: Annotated[float | None, typer.Option(help="Micrometres per output pixel.")] = None,
    downsample: Annotated[float | None, typer.Option(help="Level-0 pixels per output pixel; default 1.")] = None,
    kind: Annotated[MaskKind, typer.Option(help="What the values say.")] = MaskKind.SEMANTIC,
    class_: Annotated[list[str] | None, typer.Option("--class", help="Only this class; repeats.")] = None,
    layer: Annotated[list[str] | None, typer.Option("--layer", help="Only this layer; repeats.")] = None,
    as_of: Annotated[int | None, typer.Option(help="The state at this revision.")] = None,
    data: Data = None,
    store: Store = None,
) -> None:
    """Draw the annotations of a region, or of the whole slide, as a mask."""
    with usage():
        _require_ending(output)
        place = _place(region, mpp, downsample)
    with open_rooms(data, store) as rooms:
        record = rooms.catalog.slide(slide)
        with usage():
            grid = _grid(record, place, mpp, downsample)
        # One revision and one schema for all strips, whatever is drawn meanwhile.
        revision = rooms.annotations.resolve(slide, as_of)
        query = AnnotationQuery(slide, classes=tuple(class_ or ()), layers=tuple(layer or ()), as_of=revision)
        schema = schema_of(rooms.db, rooms.classes, record.project, slide, as_of)
        require_layers(rooms.annotations, query)
        require_classes(schema, query)
        _write(_Drawing(rooms.annotations, schema, query, grid, kind), output, rooms.settings.max_output_pixels)
    note(f"{grid.width:,} x {grid.height:,} pixels written.")


def _require_ending(output: Path) -> None:
    if output.suffix.lower() not in (*_WHOLE, *_BY_STRIPS):
        raise Invalid("A mask is written as .png, .npy, .tif or .zarr.")


_Place = tuple[float, float, int, int]
"""Corner in level-0 pixels, size in output pixels."""


def _place(region: str, mpp: float | None, downsample: float | None) -> _Place | None:
    """Read where a mask lies; None is the whole slide."""
    if mpp is not None and downsample is not None:
        raise Invalid("Give --mpp or --downsample, not both.")
    if any(scale is not None and not 0 < scale < math.inf for scale in (mpp, downsample)):
        raise Invalid("--mpp and --downsample take numbers above 0.")
    if region == "full":
        return None
    try:
        x, y, width, height = region.split(",")
        place = float(x), float(y), int(width), int(height)
    except ValueError as error:
        raise Invalid("--region takes x,y,w,h (w and h whole output pixels) or full.") from error
    if not all(map(math.isfinite, place)) or min(place[2:]) < 1:
        raise Invalid("--region takes finite numbers, w and h at least 1.")
    return place


def _grid(record: SlideRecord, place: _Place | None, mpp: float | None, downsample: float | None) -> PixelGrid:
    if mpp is not None:
        scale = PixelGrid.at_mpp(0, 0, 1, 1, mpp=mpp, slide_mpp=record.require_mpp())
    else:
        scale = PixelGrid(0, 0, 1, 1, downsample or 1.0, downsample or 1.0)
    if place is None:
        wide, high = record.width / scale.downsample_x, record.height / scale.downsample_y
        place = 0.0, 0.0, math.ceil(wide), math.ceil(high)
    if max(place[2:]) > _MAX_SIDE:
        raise TooLarge(f"A mask has at most {_MAX_SIDE:,} pixels a side.")
    return PixelGrid(*place, scale.downsample_x, scale.downsample_y)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What is drawn, on which grid."""

    store: AnnotationStore
    schema: ClassSchema
    query: AnnotationQuery
    grid: PixelGrid
    kind: MaskKind

    def part(self, window: Window | None = None) -> npt.NDArray[Any]:
        """Draw a window of the grid, or all of it."""
        return read_mask(self.store, self.schema, self.query, self.grid, self.kind, window=window)

    def strips(self) -> Iterator[npt.NDArray[Any]]:
        """Draw strips of rows: the same bits as the whole, in little memory."""
        for top in range(0, self.grid.height, _STRIP):
            yield self.part((0, top, self.grid.width, min(_STRIP, self.grid.height - top)))


def _write(drawing: _Drawing, output: Path, max_pixels: int) -> None:
    """Write a mask, which has its name when all of it is there."""
    ending = output.suffix.lower()
    if ending == ".zarr":
        if output.exists():
            raise Conflict("The .zarr folder is there already; give another name or delete it.")
        with whole_folder(output) as folder:
            _write_zarr(drawing, folder)
        return
    if ending in _WHOLE and drawing.grid.width * drawing.grid.height > max_pixels:
        raise TooLarge(f"A {ending} holds at most {max_pixels:,} output pixels; .tif and .zarr hold more.")
    with whole_file(output) as file:
        if ending in _WHOLE:
            file.write((encode_png if ending == ".png" else encode_npy)(drawing.part()))
        else:
            _write_tiff(drawing, file)


def _write_tiff(drawing: _Drawing, file: BinaryIO) -> None:
    tifffile.imwrite(
        file,
        (tile for strip in drawing.strips() for tile in _tiles(strip)),
        shape=(drawing.grid.height, drawing.grid.width),
        dtype=dtype_of(drawing.kind),
        tile=(_STRIP, _STRIP),
        compression="zlib",
        bigtiff=True,
        photometric="minisblack",
    )


def _write_zarr(drawing: _Drawing, folder: Path) -> None:
    shape = (drawing.grid.height, drawing.grid.width)
    target = zarr.create_array(
        folder, shape=shape, chunks=(_STRIP, _STRIP), dtype=dtype_of(drawing.kind), overwrite=False
    )
    for number, strip in enumerate(drawing.strips()):
        target[number * _STRIP : number * _STRIP + len(strip)] = strip


def _tiles(strip: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    width = strip.shape[1]
    for left in range(0, width, _STRIP):
        tile = np.zeros((_STRIP, _STRIP), strip.dtype)
        part = strip[:, left : left + _STRIP]
        tile[: part.shape[0], : part.shape[1]] = part
        yield tile
