"""Writes COCO's JSON of objects, about one image: the slide.

COCO has no holes, points, lines and ids that are not numbers. What others read is an object's outer outlines or, with
``--option rle=holes`` (for objects with holes) or ``rle=all``, its mask at full resolution by the rule of
`pathserve.masks`. What our own reader needs to have it back stands in the member ``pathserve`` beside it.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import orjson
import shapely

from pathserve.errors import Invalid
from pathserve.formats.contract import WriteContext
from pathserve.formats.rasters.rle import MAX_PIXELS, count_mask, write_counts
from pathserve.formats.tables.attributes import note_drawn, own_columns
from pathserve.formats.tables.wkb import shapes_of
from pathserve.labels import Columns, GeometryKind
from pathserve.masks import rasterize

OURS = "pathserve"

NO_CLASS = 0
"""Id of the category of objects without a class; those of classes are their mask values, or above them."""

_FIRST_FREE = 1000
_BATCH = 1024
_IMAGE = 1
_AREAL = (GeometryKind.POLYGON, GeometryKind.MULTI_POLYGON)


def write_coco(batches: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write annotations, and behind them what they are about: categories are known only at the end."""
    writer = _Writer(context)
    out.write(b'{"info":{"description":"Annotations of one slide, in pixels of its full resolution"},"annotations":[')
    before = b"\n"
    for columns in batches:
        note_drawn(columns, context.losses)
        for first in range(0, len(columns), _BATCH):
            for text in writer.annotations(columns.take(np.arange(first, min(first + _BATCH, len(columns))))):
                out.write(before + text)
                before = b",\n"
    rest = {"images": [writer.image()], "categories": writer.categories()}
    out.write(b"\n]," + orjson.dumps(rest)[1:])


class _Writer:
    """Gives ids to annotations and categories, and remembers how far they reach."""

    def __init__(self, context: WriteContext) -> None:
        self._context = context
        self._masks = context.options.get("rle", "none")
        if self._masks not in ("none", "holes", "all"):
            raise Invalid("The option rle is one of: none, holes, all.", code="bad_option")
        size = context.slide.size
        if self._masks != "none" and size is None:
            raise Invalid("Masks need the slide's size, which is not known.", code="no_size")
        self._size = (0, 0) if size is None else (int(size.width), int(size.height))
        self._known = size is not None
        self._ids: dict[str | None, int] = {known.name: known.value for known in context.schema}
        self._count = 0

    def annotations(self, columns: Columns) -> Iterator[bytes]:
        """Write some annotations, each as JSON."""
        context, shapes = self._context, shapes_of(columns, self._context.losses)
        own = own_columns(columns, context)
        areas, boxes = shapely.area(shapes), columns.boxes()
        if not self._known:
            reach = np.ceil(boxes[:, 2:].max(axis=0)).astype(int).tolist()
            self._size = max(self._size[0], reach[0]), max(self._size[1], reach[1])
        for row in range(len(columns)):
            self._count += 1
            shape, (x0, y0, x1, y1) = shapes[row], boxes[row].tolist()
            properties = orjson.loads(columns.properties[row] or b"{}")
            ours: dict[str, Any] = {"id": own["id"][row], "properties": properties}
            segmentation, whole = self._segmentation(columns, row, shape)
            if not whole:
                ours["geometry"] = columns.geometry(row)
            yield orjson.dumps(
                {
                    **{key: value for key, value in properties.items() if key in ("score", "iscrowd")},
                    "id": own["number"][row] or self._count,
                    "image_id": _IMAGE,
                    "category_id": self._category(own["class_name"][row]),
                    "segmentation": segmentation,
                    "area": float(areas[row]),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": int(isinstance(segmentation, dict)),
                    OURS: ours,
                }
            )

    def _category(self, name: str | None) -> int:
        if name is None:
            return self._ids.setdefault(None, NO_CLASS)
        return self._ids.setdefault(name, _FIRST_FREE + len(self._ids))

    def _segmentation(self, columns: Columns, row: int, shape: Any) -> tuple[Any, bool]:  # noqa: ANN401 - of shapely
        """Give a segmentation, and whether it is all of the geometry."""
        losses = self._context.losses
        if columns.kinds[row] not in _AREAL:
            losses.note("no_area", "Points, lines and collections have only a box for other readers of COCO.")
            return [], False
        # Not by shapely: a call for each of many objects would keep other threads from the interpreter's lock.
        first, end = columns.starts[row : row + 2].tolist()
        parts = columns.part_starts[first : end + 1].tolist()
        holes = parts[-1] - parts[0] > end - first
        if self._masks == "all" or (self._masks == "holes" and holes):
            code = self._mask(columns.geometry(row), shape)
            if code is not None:
                losses.note("rasterized", "Masks hold outlines to the pixel; the outline itself is for PathServe only.")
                return code, False
        if holes:
            losses.note("holes_dropped", "Polygons of COCO have no holes; other readers see the outer outlines.")
        # A ring says where it ends; a run of positions does not.
        edges = [columns.ring_starts[ring : ring + 2].tolist() for ring in parts[:-1]]
        rings = [columns.xy[start : stop - 1].reshape(-1).tolist() for start, stop in edges]
        single = columns.kinds[row] == GeometryKind.POLYGON or len(rings) > 1
        return rings, single and not holes and row not in columns.geometries

    def _mask(self, geometry: dict[str, Any], shape: Any) -> dict[str, Any] | None:  # noqa: ANN401 - of shapely
        width, height = self._size
        x0, y0, x1, y1 = shape.bounds
        left, top = max(int(np.floor(x0)), 0), max(int(np.floor(y0)), 0)
        columns, rows = min(int(np.ceil(x1)), width) - left, min(int(np.ceil(y1)), height) - top
        if columns <= 0 or rows <= 0 or columns * height > MAX_PIXELS:
            self._context.losses.note("mask_left_out", "Masks that are too large, or off the slide, became polygons.")
            return None
        mask = rasterize([geometry], [1], (left, top, columns, rows), dtype=np.bool_)
        counts = count_mask(mask, left, top, height, width)
        return {"size": [height, width], "counts": write_counts(counts).decode("ascii")}

    def image(self) -> dict[str, Any]:
        """Tell of the slide; never its name."""
        return {"id": _IMAGE, "file_name": "slide", "width": self._size[0], "height": self._size[1]}

    def categories(self) -> list[dict[str, Any]]:
        """List the categories that were used, and those of the schema."""
        colors = {known.name: list(known.color) for known in self._context.schema}
        found = []
        for name, identity in self._ids.items():
            member: dict[str, Any] = {"id": identity, "name": "unclassified" if name is None else name}
            if name is None:
                member[OURS] = {"class": None}
            elif name in colors:
                member["color"] = colors[name]
            found.append(member)
        return found
