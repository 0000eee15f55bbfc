"""TIAToolbox's annotation store: an SQLite file with a table of well-known binary, and JSON of properties beside it.

Layout of its versions 1.0.0 (without areas) and 1.0.1. The class is the property ``type``, as its own tools have it.

A foreign SQLite file is a program: it can hold views, triggers, generated columns and virtual tables. It is opened
read-only, as a file that nobody writes, with an untrusted schema and low limits; only an ordinary table is read, by one
plain query. TIAToolbox's own functions, one of which runs pickled code, do not exist here.
"""

import math
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copyfileobj
from typing import Any, BinaryIO
from urllib.parse import quote

import apsw
import numpy as np
import orjson
import shapely

from pathserve.errors import Invalid, TooLarge, Unsupported
from pathserve.formats.contract import Format, Item, ReadContext, WriteContext
from pathserve.formats.tables.attributes import note_drawn, own_columns, parse_json, read_row
from pathserve.formats.tables.wkb import Row, items_of, read_wkb, shapes_of
from pathserve.labels import Columns, FeatureIssue

VERSION = "1.0.1"
OURS = "pathserve"
"""Member of the properties that holds those which would be taken for something else."""

_BATCH = 1024
_LEVEL = 6
_MAX_BLOB = 64 * 1024 * 1024
_BYTES_PER_VERTEX = 32
_DAMAGED = "The SQLite file is damaged, or is no annotation store."
_TABLES = (
    "create table metadata (key text unique, value text)",
    "create virtual table rtree using rtree(id, min_x, max_x, min_y, max_y)",
    "create table annotations (id integer primary key, key text unique, objtype text, cx float not null,"
    " cy float not null, geometry blob, properties text, area float not null)",
)


def _is_store(head: bytes) -> bool:
    return head.startswith(b"SQLite format 3\x00") and b"annotations" in head and b"objtype" in head


def read_store(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a store, about a thousand annotations at a time."""
    connection = None
    try:
        connection = _open(path)
        names = _columns(connection)
        compressed = _compression(connection)
        query = f"select {', '.join(names)} from annotations not indexed"  # noqa: S608 - names out of a fixed list
        seen = 0
        for batch in _batches(connection.execute(query)):
            seen += len(batch)
            if seen > context.max_features:
                raise TooLarge(f"At most {context.max_features:,} annotations are taken at once.")
            rows = [dict(zip(names, row, strict=True)) for row in batch]
            blobs = [_wkb(row, context.max_vertices, compressed=compressed) for row in rows]
            yield from items_of(read_wkb(blobs), [_row(row, context) for row in rows], context.max_vertices)
    except (apsw.Error, UnicodeDecodeError):
        raise Invalid(_DAMAGED, code="damaged") from None
    finally:
        if connection is not None:
            connection.close()


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(
        f"file:{quote(str(path))}?mode=ro&immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    for name, value in (
        (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
        (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0),
    ):
        connection.config(name, value)
    for limit, most in (
        (apsw.SQLITE_LIMIT_LENGTH, _MAX_BLOB),
        (apsw.SQLITE_LIMIT_SQL_LENGTH, 100_000),
        (apsw.SQLITE_LIMIT_COLUMN, 100),
        (apsw.SQLITE_LIMIT_ATTACHED, 0),
    ):
        connection.limit(limit, most)
    return connection


def _columns(connection: apsw.Connection) -> list[str]:
    """Give the columns to read, once it is sure that the table is an ordinary one and they are stored in it.

    Raises
    ------
    Invalid
        When it is not, or lacks one.
    """
    kinds = list(connection.execute("select type, sql from sqlite_master where name = 'annotations' limit 2"))
    # Hidden columns are generated ones: they would run what the file says.
    stated = {row[1]: row[6] for row in connection.execute("pragma table_xinfo('annotations')")}
    needed = {"key", "cx", "cy", "geometry", "properties"}
    if [kind for kind, _ in kinds] != ["table"] or any(stated.values()) or not needed <= stated.keys():
        raise Invalid("The table of annotations is not the one of an annotation store.", code="bad_store")
    if not str(kinds[0][1]).lower().split()[:2] == ["create", "table"]:
        raise Invalid("The table of annotations is not the one of an annotation store.", code="bad_store")
    return [name for name in ("key", "cx", "cy", "geometry", "properties", "namespace") if name in stated]


def _compression(connection: apsw.Connection) -> bool:
    """Tell whether geometries are compressed."""
    try:
        values = list(connection.execute("select value from metadata where key = 'compression' limit 1"))
    except apsw.SQLError:
        return False
    stated = values[0][0] if values else "null"
    if stated not in ('"zlib"', "null"):
        raise Unsupported("The store's compression is none that PathServe knows.", code="bad_compression")
    return bool(stated == '"zlib"')


def _batches(cursor: apsw.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    for row in cursor:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _wkb(row: dict[str, Any], max_vertices: int, *, compressed: bool) -> bytes | None:
    """Give one geometry as well-known binary; a point may have none but its place."""
    blob = row["geometry"]
    if blob is None:
        place = row["cx"], row["cy"]
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in place):
            return None
        return bytes(shapely.to_wkb(shapely.Point(*place)))
    if isinstance(blob, str):
        try:
            return bytes(shapely.to_wkb(shapely.from_wkt(blob))) if not compressed else None
        except shapely.errors.ShapelyError:
            return None
    if not compressed:
        return bytes(blob)
    most = max_vertices * _BYTES_PER_VERTEX + 1024
    inflate = zlib.decompressobj()
    try:
        found = inflate.decompress(blob, most)
    except zlib.error:
        return None
    return found if inflate.eof else None


def _row(row: dict[str, Any], context: ReadContext) -> Row | FeatureIssue:
    try:
        properties = parse_json(row["properties"]) if row["properties"] else {}
    except Invalid:
        properties = None
    if not isinstance(properties, dict):
        return FeatureIssue(0, "bad_properties", "The properties of an annotation must be a JSON object.")
    kept = properties.pop(OURS, None)
    class_in = context.options.get("class", "type")
    named = {class_in: properties.pop(class_in, None)}
    if named[class_in] is not None and not isinstance(named[class_in], str | int | dict):
        return FeatureIssue(0, "bad_classification", "The class of an annotation must be a text.")
    given = {**named, "id": row["key"], "class_color": _take_color(kept), "properties": {**properties, **_own(kept)}}
    if row.get("namespace") is not None:
        given["namespace"] = row["namespace"]
    return read_row(given, context, class_in=class_in)


def _own(kept: object) -> dict[str, Any]:
    properties = kept.get("properties") if isinstance(kept, dict) else None
    return properties if isinstance(properties, dict) else {}


def _take_color(kept: object) -> object:
    return kept.get("class_color") if isinstance(kept, dict) else None


def write_store(batches: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write a store; it is made on disk first, for SQLite does not write in one go."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        connection = apsw.Connection(str(path))
        try:
            connection.execute("pragma journal_mode = off")
            connection.execute("pragma synchronous = off")
            for statement in _TABLES:
                connection.execute(statement)
            meta = {"version": VERSION, "compression": "zlib", "compression_level": _LEVEL}
            for key, value in meta.items():
                connection.execute("insert into metadata values (?, ?)", (key, orjson.dumps(value).decode()))
            number = 0
            for columns in batches:
                for first in range(0, len(columns), _BATCH):
                    some = columns.take(np.arange(first, min(first + _BATCH, len(columns))))
                    _insert(connection, some, number, context)
                    number += len(some)
        finally:
            connection.close()
        with path.open("rb") as made:
            copyfileobj(made, out, 1024 * 1024)


def _insert(connection: apsw.Connection, columns: Columns, before: int, context: WriteContext) -> None:
    note_drawn(columns, context.losses)
    shapes = shapes_of(columns, context.losses)
    # As TIAToolbox has it: any point inside, so that a query by it finds the object.
    points = shapely.get_coordinates(shapely.point_on_surface(shapes))
    blobs = [zlib.compress(blob, _LEVEL) for blob in shapely.to_wkb(shapes)]
    kinds = [shape.geom_type for shape in shapes]
    own = own_columns(columns, context)
    texts = _properties(columns, own)
    ids = range(before + 1, before + len(columns) + 1)
    # Without an id of its own an annotation gets its place: keys must be there and differ.
    keys = [key or str(place) for key, place in zip(own["id"], ids, strict=True)]
    boxes = columns.boxes()
    xs, ys = points[:, 0].tolist(), points[:, 1].tolist()
    with connection:
        connection.executemany(
            "insert into annotations values (?, ?, ?, ?, ?, ?, ?, ?)",
            zip(ids, keys, kinds, xs, ys, blobs, texts, shapely.area(shapes).tolist(), strict=True),
        )
        connection.executemany(
            "insert into rtree values (?, ?, ?, ?, ?)",
            ((place, box[0], box[2], box[1], box[3]) for place, box in zip(ids, boxes.tolist(), strict=True)),
        )


def _properties(columns: Columns, own: dict[str, list[Any]]) -> Sequence[str]:
    texts = []
    for row, text in enumerate(columns.properties):
        properties = orjson.loads(text) if text else {}
        ours: dict[str, Any] = {}
        clashing = {key: properties.pop(key) for key in ("type", OURS) if key in properties}
        if clashing:
            ours["properties"] = clashing
        if own["class_name"][row] is not None:
            properties["type"] = own["class_name"][row]
            if own["class_color"][row] is not None:
                ours["class_color"] = own["class_color"][row]
        for name in ("layer", "author"):
            if own[name][row] is not None:
                properties.setdefault(name, own[name][row])
        if ours:
            properties[OURS] = ours
        texts.append(orjson.dumps(properties).decode())
    return texts


TIATOOLBOX = Format(
    name="tiatoolbox",
    title="TIAToolbox SQLite store",
    endings=(".db",),
    media_type="application/vnd.sqlite3",
    recognise=_is_store,
    read=read_store,
    write=write_store,
    options=("class",),
)
