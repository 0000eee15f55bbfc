"""The GeoJSON family as formats: plain GeoJSON, text sequences and lines, and what QuPath reads and writes."""

from collections.abc import Iterator
from pathlib import Path

from pathserve.formats.contract import Format, Item, ReadContext
from pathserve.formats.geojson.blocks import Blocks, read_found
from pathserve.formats.geojson.geojson import GEOMETRIES
from pathserve.formats.geojson.geojson_text import write_collection, write_qupath, write_sequence
from pathserve.formats.geojson.json_text import RECORD_SEPARATOR, find_features
from pathserve.formats.json_head import BYTE_ORDER_MARK, Outline, outline

_FEATURES = GEOMETRIES | {"Feature", "FeatureCollection"}
_OUR_PROPERTY = b'"provenance":{"created":'
_QUPATH_PROPERTIES = (b'"objectType"', b'"object_type"', b'"PathAnnotationObject"', b'"PathDetectionObject"')
PLAIN_BYTES = 1024 * 1024
"""A text up to this size that is posted is read at once."""

FEW_BYTES = 256 * 1024
"""A file up to this size is read at once: loading the kernels would take longer."""


def _is_feature(found: Outline) -> bool:
    return found.kind == "{" and found.members.get("type") in _FEATURES


def _is_geojson(head: bytes) -> bool:
    found = outline(head)
    if found.kind == "[":
        return found.first.get("", Outline()).members.get("type") in _FEATURES
    if _is_feature(found):
        return True
    # The type of a collection may stand behind its features, which can be far away.
    first = found.first.get("features", Outline())
    return found.members.get("type") is None and first.members.get("type") == "Feature"


def _is_sequence(head: bytes) -> bool:
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.startswith(RECORD_SEPARATOR):
        return _is_geojson(text)
    first, _, rest = text.partition(b"\n")
    return first.rstrip().endswith(b"}") and rest.lstrip()[:1] == b"{" and _is_geojson(first)


def _is_qupath(head: bytes) -> bool:
    return _is_geojson(head) and _OUR_PROPERTY not in head and any(mark in head for mark in _QUPATH_PROPERTIES)


def read_geojson(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read any GeoJSON text: a Feature, a collection, an array, a bare geometry, a sequence, or one Feature a line.

    A small file is read at once, without the kernels. Memory: about 100 MB whatever the file's size, and ten times
    the largest feature.
    """
    if path.stat().st_size <= FEW_BYTES:
        text, note = path.read_bytes(), context.losses.note
        for found in find_features(text, max_features=context.max_features, note=note):
            yield read_found(found, context)
        return
    with path.open("rb", buffering=0) as file:
        yield from Blocks(file, context)


GEOJSON = Format(
    name="geojson",
    title="GeoJSON",
    endings=(".geojson", ".json"),
    media_type="application/geo+json",
    recognise=_is_geojson,
    read=read_geojson,
    write=write_collection,
)

SEQUENCE = Format(
    name="geojsonl",
    title="GeoJSON text sequence",
    endings=(".geojsonl", ".geojsons", ".ndjson"),
    media_type="application/geo+json-seq",
    recognise=_is_sequence,
    read=read_geojson,
    write=write_sequence,
)

QUPATH = Format(
    name="qupath",
    title="QuPath GeoJSON",
    endings=(".geojson", ".json"),
    media_type="application/geo+json",
    recognise=_is_qupath,
    read=read_geojson,
    write=write_qupath,
)
