"""COCO's JSON of objects: polygons, boxes, and masks in both run-length codes.

A file may be about many images while annotations here are of one slide: unless there is one, the user says which
(``--option image=ID``). Boxes are [x, y, width, height]; some data sets write two corners instead, which the user says
too (``--option bbox=xyxy``): a box that leaves its image is a reason to stop, not to guess.

What our own writer (`coco_writer`) has to add so that an object comes back whole stands in the member ``pathserve``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pathserve.errors import Invalid, PathServeError, TooLarge
from pathserve.formats.contract import Format, Item, ReadContext
from pathserve.formats.ids import ORIGINAL_ID
from pathserve.formats.json_head import outline
from pathserve.formats.json_members import items_of_members
from pathserve.formats.rasters.coco_writer import OURS, write_coco
from pathserve.formats.rasters.rle import check_counts, draw_counts, parse_counts
from pathserve.formats.tables.attributes import read_row
from pathserve.formats.tools.colors import parse_color
from pathserve.labels import FeatureIssue, NewAnnotation
from pathserve.masks.vectorize import vectorize

MAX_IMAGES, MAX_CATEGORIES = 1_000_000, 100_000
_OWN = frozenset(("id", "image_id", "category_id", "segmentation", "bbox", "area", OURS))

Geometry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Image:
    id: object
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _About:
    """What a file says beside its annotations."""

    image: _Image
    categories: Mapping[object, str | None] = field(default_factory=dict)


def _is_coco(head: bytes) -> bool:
    found = outline(head)
    images, annotations = found.first.get("images"), found.first.get("annotations")
    if annotations is not None and "image_id" in annotations.members:
        return True
    return images is not None and {"id", "file_name"} <= images.members.keys()


def read_coco(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read the annotations of one image."""
    about = _survey(path, context)
    boxes = context.options.get("bbox")
    if boxes not in (None, "xywh", "xyxy"):
        raise Invalid("The option bbox is xywh or xyxy.", code="bad_option")
    seen = 0
    for name, text in items_of_members(path):
        if name != "annotations":
            continue
        try:
            given = orjson.loads(text)
        except orjson.JSONDecodeError:
            given = None
        if isinstance(given, dict) and given.get("image_id") != about.image.id:
            continue
        seen += 1
        if seen > context.max_features:
            raise TooLarge(f"At most {context.max_features:,} annotations are taken at once.")
        if not isinstance(given, dict):
            yield FeatureIssue(0, "not_an_object", "An annotation must be a JSON object.")
            continue
        yield _read(given, about, context, boxes)


def _survey(path: Path, context: ReadContext) -> _About:
    """Read images and categories, which may stand behind the annotations."""
    wanted = context.options.get("image")
    images: list[_Image] = []
    count = 0
    categories: dict[object, str | None] = {}
    for name, text in items_of_members(path):
        if name not in ("images", "categories"):
            continue
        try:
            item = orjson.loads(text)
        except orjson.JSONDecodeError:
            item = None
        if not isinstance(item, dict) or not isinstance(item.get("id"), str | int):
            raise Invalid("An image or a category of the COCO file has no id.", code="bad_coco")
        if name == "categories":
            categories[item["id"]] = _category(item, context)
        else:
            count += 1
            if wanted in (None, str(item["id"]), item.get("file_name")):
                images.append(_Image(item["id"], _side(item.get("width")), _side(item.get("height"))))
                del images[2:]
        if len(categories) > MAX_CATEGORIES or count > MAX_IMAGES:
            raise TooLarge("The COCO file has too many images or categories.", code="too_many_images")
    if len(images) == 1:
        return _About(images[0], categories)
    if wanted is not None:
        raise Invalid("The COCO file has no image, or several, of this id.", code="choose_image")
    raise Invalid(
        f"The COCO file is about {count:,} images; say which one this slide is with the option image=ID.",
        code="choose_image",
    )


def _side(value: object) -> float:
    return float(value) if isinstance(value, int | float) and 0 < value < 1e9 else 0.0


def _category(item: dict[str, Any], context: ReadContext) -> str | None:
    if OURS in item:
        return None
    name = item.get("name")
    if not isinstance(name, str):
        raise Invalid("A category of the COCO file has no name.", code="bad_coco")
    stated = item.get("color")
    color = parse_color(stated)
    if isinstance(stated, list) and len(stated) == 3 and all(type(c) is int and 0 <= c < 256 for c in stated):
        color = (stated[0], stated[1], stated[2])
    if color is not None:
        context.colors.setdefault(name, color)
    above = item.get("supercategory")
    if item.keys() - {"id", "name", "color", "supercategory"} or above not in (None, "", "none", name):
        context.losses.note("category_members", "Of categories only name and colour are kept.")
    return name


def _read(
    given: dict[str, Any], about: _About, context: ReadContext, boxes: str | None
) -> NewAnnotation | FeatureIssue:
    """Read one annotation."""
    ours = given.get(OURS)
    ours = ours if isinstance(ours, dict) else {}
    category = given.get("category_id")
    if category is not None and (not isinstance(category, str | int) or category not in about.categories):
        return FeatureIssue(0, "no_category", "The annotation is of a category that the file does not list.")
    properties = {key: value for key, value in given.items() if key not in _OWN}
    if properties.get("iscrowd") == 0:
        del properties["iscrowd"]
    if isinstance(ours.get("properties"), dict):
        properties = ours["properties"]
    elif given.get("id") is not None:
        properties[ORIGINAL_ID] = given["id"]
    name = None if category is None else about.categories[category]
    row = read_row({"class": name, "id": ours.get("id"), "properties": properties}, context, class_in="class")
    if isinstance(row, FeatureIssue):
        return row
    try:
        geometry = ours.get("geometry")
        if not isinstance(geometry, dict):
            geometry = _geometry(given, about.image, boxes)
    except PathServeError as error:
        if error.code == "bbox_unclear":
            raise
        return FeatureIssue(0, error.code, error.message)
    return NewAnnotation(geometry, row.id, row.class_name, properties=row.properties)


def _geometry(given: dict[str, Any], image: _Image, boxes: str | None) -> Geometry:
    """Make the geometry of what the annotation has."""
    segmentation = given.get("segmentation")
    if isinstance(segmentation, list) and segmentation:
        parts = [[_ring(flat)] for flat in (segmentation if isinstance(segmentation[0], list) else [segmentation])]
        if len(parts) == 1:
            return {"type": "Polygon", "coordinates": parts[0]}
        return {"type": "MultiPolygon", "coordinates": parts}
    if isinstance(segmentation, dict):
        return _outlines(segmentation)
    return _box(given.get("bbox"), image, boxes)


def _ring(flat: object) -> list[list[float]]:
    if not isinstance(flat, list) or len(flat) < 6 or len(flat) % 2 or not all(_is_number(value) for value in flat):
        raise Invalid("A polygon is a list of at least six numbers: x, y, x, y, ...", code="bad_polygon")
    ring = [[x, y] for x, y in zip(flat[::2], flat[1::2], strict=True)]
    return ring if ring[0] == ring[-1] else [*ring, ring[0]]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _outlines(code: dict[str, Any]) -> Geometry:
    """Trace a mask: its outlines run along the edges of pixels."""
    size, counts = code.get("size"), code.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size)):
        raise Invalid("The run-length code of a mask does not say its size.", code="bad_rle")
    height, width = size
    try:
        if isinstance(counts, str):
            lengths = parse_counts(counts.encode("ascii"))
        elif isinstance(counts, list) and all(type(count) is int for count in counts):
            lengths = np.array(counts, np.int64)
        else:
            raise Invalid("The run-length code of a mask is damaged.", code="bad_rle")
    except (UnicodeEncodeError, OverflowError):
        raise Invalid("The run-length code of a mask is damaged.", code="bad_rle") from None
    mask, left, top = draw_counts(check_counts(lengths, height, width), height)
    traced = vectorize(mask, merge=True)
    if not len(traced):
        raise Invalid("The mask of the annotation is empty.", code="empty_mask")
    xy = (traced.xy + np.array((left, top))).astype(np.float64)
    rings = [xy[a:b].tolist() for a, b in zip(traced.ring_starts[:-1], traced.ring_starts[1:], strict=True)]
    parts = [rings[a:b] for a, b in zip(traced.part_starts[:-1], traced.part_starts[1:], strict=True)]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _box(box: object, image: _Image, boxes: str | None) -> Geometry:
    if not (isinstance(box, list) and len(box) == 4 and all(_is_number(value) for value in box)):
        raise Invalid("The annotation has neither an outline nor a box.", code="no_geometry")
    x, y, width, height = box
    leaves = x + width > image.width + 1 or y + height > image.height + 1
    two_corners = x < width <= image.width and y < height <= image.height
    if boxes is None and leaves and two_corners:
        raise Invalid(
            "A box leaves its image, and would not if it were two corners: say the option bbox=xyxy if it is, else"
            " the option bbox=xywh.",
            code="bbox_unclear",
        )
    x1, y1 = (width, height) if boxes == "xyxy" else (x + width, y + height)
    return {"type": "Polygon", "coordinates": [[[x, y], [x1, y], [x1, y1], [x, y1], [x, y]]]}


COCO = Format(
    name="coco",
    title="COCO JSON",
    endings=(".coco.json", ".json"),
    media_type="application/json",
    recognise=_is_coco,
    read=read_coco,
    write=write_coco,
    options=("image", "bbox", "rle"),
)
