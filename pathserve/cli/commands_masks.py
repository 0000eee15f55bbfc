"""``pathserve mask``: one mask as a file."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import tifffile
import typer
import zarr

from pathserve.annotations import AnnotationQuery, AnnotationStore
from pathserve.catalog import SlideRecord
from pathserve.cli.options import Data, Store
from pathserve.cli.output import note
from pathserve.cli.rooms import open_rooms
from pathserve.datasets import read_mask, schema_of
from pathserve.errors import Conflict, Invalid, TooLarge
from pathserve.geometry import PixelGrid
from pathserve.labels import ClassSchema
from pathserve.masks import MaskKind, Window, dtype_of, encode_npy, encode_png

_STRIP = 512
_MAX_SIDE = 1_000_000


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
    with open_rooms(data, store) as rooms:
        record = rooms.catalog.slide(slide)
        grid = _grid(record, region, mpp, downsample)
        # One revision and one schema for all strips, whatever is drawn meanwhile.
        revision = rooms.annotations.resolve(slide, as_of)
        query = AnnotationQuery(slide, classes=tuple(class_ or ()), layers=tuple(layer or ()), as_of=revision)
        schema = schema_of(rooms.db, rooms.classes, record.project, slide, as_of)
        _write(_Drawing(rooms.annotations, schema, query, grid, kind), output, rooms.settings.max_output_pixels)
    note(f"{grid.width:,} x {grid.height:,} pixels written.")


def _grid(record: SlideRecord, region: str, mpp: float | None, downsample: float | None) -> PixelGrid:
    if mpp is not None and downsample is not None:
        raise Invalid("Give --mpp or --downsample, not both.")
    if mpp is not None:
        whole = PixelGrid.at_mpp(0, 0, 1, 1, mpp=mpp, slide_mpp=record.require_mpp())
    else:
        scale = 1.0 if downsample is None else downsample
        whole = PixelGrid(0, 0, 1, 1, scale, scale)
    x, y, width, height = _corner_and_size(record, region, whole)
    if max(width, height) > _MAX_SIDE:
        raise TooLarge(f"A mask has at most {_MAX_SIDE:,} pixels a side.")
    return PixelGrid(x, y, width, height, whole.downsample_x, whole.downsample_y)


def _corner_and_size(record: SlideRecord, region: str, scale: PixelGrid) -> tuple[float, float, int, int]:
    if region == "full":
        return 0.0, 0.0, math.ceil(record.width / scale.downsample_x), math.ceil(record.height / scale.downsample_y)
    try:
        x, y, width, height = region.split(",")
        return float(x), float(y), int(width), int(height)
    except ValueError as error:
        raise Invalid("--region takes x,y,w,h (w and h whole output pixels) or full.") from error


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
    grid, dtype = drawing.grid, dtype_of(drawing.kind)
    match output.suffix.lower():
        case ".png":
            grid.require_at_most(max_pixels)
            output.write_bytes(encode_png(drawing.part()))
        case ".npy":
            grid.require_at_most(max_pixels)
            output.write_bytes(encode_npy(drawing.part()))
        case ".tif" | ".tiff":
            tifffile.imwrite(
                output,
                (tile for strip in drawing.strips() for tile in _tiles(strip)),
                shape=(grid.height, grid.width),
                dtype=dtype,
                tile=(_STRIP, _STRIP),
                compression="zlib",
                bigtiff=True,
                photometric="minisblack",
            )
        case ".zarr":
            if output.exists():
                raise Conflict("The .zarr folder is there already; give another name or delete it.")
            target = zarr.create_array(
                output, shape=(grid.height, grid.width), chunks=(_STRIP, _STRIP), dtype=dtype, overwrite=False
            )
            for number, strip in enumerate(drawing.strips()):
                target[number * _STRIP : number * _STRIP + len(strip)] = strip
        case _:
            raise Invalid("A mask is written as .png, .npy, .tif or .zarr.")


def _tiles(strip: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    width = strip.shape[1]
    for left in range(0, width, _STRIP):
        tile = np.zeros((_STRIP, _STRIP), strip.dtype)
        part = strip[:, left : left + _STRIP]
        tile[: part.shape[0], : part.shape[1]] = part
        yield tile
