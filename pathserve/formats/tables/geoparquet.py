"""GeoParquet 1.x and GeoFeather (Arrow files with the same metadata), with the extra ``pathserve[geo]``.

Both are tables with a column of well-known binary. Files of pathology often state a geodetic reference system although
their unit is the pixel: what they state is passed over, nothing is ever reprojected, and ours state none.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import shapely

from pathserve.errors import Invalid, TooLarge, Unsupported
from pathserve.formats.contract import Format, Item, ReadContext, WriteContext
from pathserve.formats.optional import load
from pathserve.formats.tables.attributes import (
    OWN_KINDS,
    REST,
    PropertyColumns,
    class_column,
    note_drawn,
    own_columns,
    read_row,
)
from pathserve.formats.tables.wkb import items_of, read_wkb, shapes_of
from pathserve.labels import Columns

GEO_VERSION = "1.1.0"
BATCH = 4096
"""Rows that are read at once."""

SAMPLE = 65_536
"""Annotations whose properties decide which of them get columns."""

_EDGES = ("xmin", "ymin", "xmax", "ymax")
_THRIFT_BYTES = 64 * 1024 * 1024
_DAMAGED = "The table is damaged, or was cut off."


def arrow(module: str = "pyarrow") -> Any:  # noqa: ANN401 - the package has no types
    """Give pyarrow, or a module of it."""
    return load(module, "geo")


def read_parquet(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a GeoParquet, some thousand rows at a time."""
    pa, parquet = arrow(), arrow("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(
            path,
            memory_map=False,
            pre_buffer=False,
            buffer_size=1024 * 1024,
            thrift_string_size_limit=_THRIFT_BYTES,
            thrift_container_size_limit=_THRIFT_BYTES,
        )
        with file:
            schema = file.schema_arrow
            # Writers that know the extent only at the end put it beside the schema.
            stated = {**(schema.metadata or {}), **(file.metadata.metadata or {})}
            yield from read_batches(file.iter_batches(batch_size=BATCH), schema.with_metadata(stated), context)
    except (pa.ArrowException, OSError, ValueError):
        raise Invalid(_DAMAGED, code="damaged") from None


def read_feather(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a GeoFeather, batch by batch as the file has them."""
    pa, ipc = arrow(), arrow("pyarrow.ipc")
    try:
        with pa.memory_map(str(path)) as source, ipc.open_file(source) as file:
            yield from read_batches(_slices(file), file.schema, context)
    except (pa.ArrowException, OSError, ValueError):
        raise Invalid(_DAMAGED, code="damaged") from None


def _slices(file: Any) -> Iterator[Any]:  # noqa: ANN401 - Arrow's own
    for index in range(file.num_record_batches):
        batch = file.get_batch(index)
        # What a batch says of its own lengths may be a lie.
        batch.validate(full=True)
        for first in range(0, batch.num_rows, BATCH):
            yield batch.slice(first, BATCH)


def read_batches(batches: Iterable[Any], schema: Any, context: ReadContext) -> Iterator[Item]:  # noqa: ANN401
    """Read Arrow's record batches.

    Parameters
    ----------
    batches
        Record batches of a few thousand rows.
    schema
        Their schema, with the member ``geo`` of its metadata if there is one.

    Raises
    ------
    Unsupported
        When no column holds well-known binary.
    Invalid
        When two columns have one name.
    TooLarge
        When there are too many rows.
    """
    if len(set(schema.names)) < len(schema.names):
        raise Invalid("Two columns of the table have the same name.", code="damaged")
    geometry, derived = _geometry_column(schema)
    names = [name for name in schema.names if name != geometry and name not in derived]
    binary = [name for name in names if _is_binary(schema.field(name).type)]
    names = [name for name in names if name not in binary]
    class_in = class_column(names, context)
    seen = 0
    for batch in batches:
        seen += batch.num_rows
        if seen > context.max_features:
            raise TooLarge(f"At most {context.max_features:,} annotations are taken at once.")
        if binary:
            context.losses.note("binary_column", "Columns of bytes were left out.", len(binary) * batch.num_rows)
        blobs = batch.column(geometry).to_pylist()
        given = batch.select(names).to_pylist() if names else [{}] * batch.num_rows
        rows = [read_row(_plain(row), context, class_in=class_in) for row in given]
        yield from items_of(read_wkb(blobs), rows, context.max_vertices)


def _geometry_column(schema: Any) -> tuple[str, set[str]]:  # noqa: ANN401
    """Find the column of geometries, and those that follow from it."""
    try:
        geo = orjson.loads((schema.metadata or {}).get(b"geo", b"{}"))
    except orjson.JSONDecodeError:
        raise Invalid("The geometry of the table is not described as it should be.", code="bad_geo") from None
    columns = geo.get("columns") if isinstance(geo, dict) else None
    described: Mapping[str, Any] = columns if isinstance(columns, dict) else {}
    primary = geo.get("primary_column", "geometry") if isinstance(geo, dict) else "geometry"
    about = described.get(primary, {}) if isinstance(primary, str) else {}
    if not isinstance(primary, str) or schema.names.count(primary) != 1 or not isinstance(about, dict):
        raise Unsupported("The table has no column of geometries.", code="no_geometry_column")
    if about.get("encoding", "WKB") != "WKB" or not _is_binary(schema.field(primary).type):
        raise Unsupported("The table's geometries are not well-known binary (WKB).", code="not_wkb")
    box = about.get("covering", {}).get("bbox", {}) if isinstance(about.get("covering"), dict) else {}
    places = [place for place in box.values() if isinstance(place, list) and place] if isinstance(box, dict) else []
    return primary, {str(place[0]) for place in places}


def _is_binary(kind: Any) -> bool:  # noqa: ANN401
    types = arrow("pyarrow.types")
    if getattr(kind, "storage_type", None) is not None:
        kind = kind.storage_type
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Give a row whose values JSON can hold: moments and the like as texts."""
    return {key: value if _is_json(value) else _as_json(value) for key, value in row.items()}


def _as_json(value: object) -> object:
    try:
        return orjson.loads(orjson.dumps(value, default=str))
    except orjson.JSONEncodeError:
        return str(value)


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, str | bool | int | float)


class TableWriter:
    """Turns columns into Arrow's record batches of one schema.

    Parameters
    ----------
    plan
        Properties that have columns.
    covering
        Whether each row gets its box, as GeoParquet 1.1 has it.
    flat
        Whether positions keep only two numbers.
    """

    def __init__(
        self, plan: PropertyColumns, context: WriteContext, *, covering: bool = False, flat: bool = False
    ) -> None:
        pa = arrow()
        self._pa, self._plan, self._context, self._covering, self._flat = pa, plan, context, covering, flat
        types = {"int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_(), "string": pa.string()}
        fields = [(name, types[kind]) for name, kind in {**OWN_KINDS, **plan.kinds}.items()]
        fields += [(REST, pa.string()), ("geometry", pa.binary())]
        if covering:
            fields.append(("bbox", pa.struct([(edge, pa.float64()) for edge in _EDGES])))
        self.schema = pa.schema(fields)
        self.types: set[str] = set()
        self.box = np.array([np.inf, np.inf, -np.inf, -np.inf])

    def batches(self, columns: Columns) -> Iterator[Any]:
        """Give the annotations as record batches of at most `BATCH` rows."""
        note_drawn(columns, self._context.losses)
        for first in range(0, len(columns), BATCH):
            yield self._batch(columns.take(np.arange(first, min(first + BATCH, len(columns)))))

    def _batch(self, columns: Columns) -> Any:  # noqa: ANN401
        pa = self._pa
        shapes = shapes_of(columns, self._context.losses)
        high = int(shapely.has_z(shapes).sum()) if self._flat else 0
        if high:
            self._context.losses.note("height_dropped", "Positions of more than two numbers keep the first two.", high)
            shapes = shapely.force_2d(shapes)
        extra, rests = self._plan.split(columns.properties)
        own = own_columns(columns, self._context)
        values = [{**own, **extra, REST: rests}.get(name) for name in self.schema.names]
        arrays = [
            pa.array(value, field.type) for value, field in zip(values, self.schema, strict=True) if value is not None
        ]
        arrays.append(pa.array(shapely.to_wkb(shapes), pa.binary()))
        boxes = columns.boxes()
        if self._covering:
            arrays.append(pa.StructArray.from_arrays([pa.array(boxes[:, k]) for k in range(4)], names=list(_EDGES)))
        self.box[:2] = np.minimum(self.box[:2], boxes[:, :2].min(axis=0))
        self.box[2:] = np.maximum(self.box[2:], boxes[:, 2:].max(axis=0))
        self.types |= {shape.geom_type + (" Z" if shape.has_z else "") for shape in shapes}
        return pa.record_batch(arrays, schema=self.schema)

    def geo(self) -> bytes:
        """Describe the geometry written so far, as GeoParquet does."""
        about: dict[str, Any] = {"encoding": "WKB", "crs": None, "geometry_types": sorted(self.types)}
        if np.isfinite(self.box).all():
            about["bbox"] = self.box.tolist()
        if self._covering:
            about["covering"] = {"bbox": {edge: ["bbox", edge] for edge in _EDGES}}
        return orjson.dumps({"version": GEO_VERSION, "primary_column": "geometry", "columns": {"geometry": about}})


def sampled(batches: Iterator[Columns]) -> tuple[PropertyColumns, Iterator[Columns]]:
    """Choose the columns by the first annotations; gives all of them again."""
    first: list[Columns] = []
    count = 0
    for columns in batches:
        first.append(columns)
        count += len(columns)
        if count >= SAMPLE:
            break
    plan = PropertyColumns.plan(chain.from_iterable(columns.properties for columns in first))
    return plan, chain(first, batches)


class Sink:
    """A file for Arrow that counts what goes through: the one below may not be able to tell."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._place, self.closed = out, 0, False

    def write(self, data: Any) -> int:  # noqa: ANN401 - Arrow's buffer
        """Write on."""
        self._out.write(data)
        self._place += len(data)
        return len(data)

    def tell(self) -> int:
        """Tell how much was written."""
        return self._place

    def flush(self) -> None:
        """Do nothing: who opened the file flushes it."""

    def close(self) -> None:
        """Mark as closed; who opened the file closes it."""
        self.closed = True

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def readable(self) -> bool:
        """Tell that it cannot be read."""
        return False

    def seekable(self) -> bool:
        """Tell that it only goes on."""
        return False


def write_parquet(batches: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write GeoParquet 1.1 with the boxes of rows, in row groups of at most 65,536."""
    pa, parquet = arrow(), arrow("pyarrow.parquet")
    plan, all_of_them = sampled(batches)
    table = TableWriter(plan, context, covering=True)
    waiting: list[Any] = []
    with parquet.ParquetWriter(pa.PythonFile(Sink(out), "w"), table.schema, compression="zstd") as writer:
        for columns in all_of_them:
            waiting.extend(table.batches(columns))
            if sum(batch.num_rows for batch in waiting) >= SAMPLE:
                writer.write_table(pa.Table.from_batches(waiting, table.schema))
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, table.schema))
        writer.add_key_value_metadata({"geo": table.geo().decode()})


def write_feather(batches: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write an Arrow file with GeoParquet's metadata, as geopandas does."""
    pa, ipc = arrow(), arrow("pyarrow.ipc")
    plan, all_of_them = sampled(batches)
    table = TableWriter(plan, context)
    # The schema stands in front, so it cannot tell what only the end knows.
    schema = table.schema.with_metadata({"geo": table.geo()})
    options = ipc.IpcWriteOptions(compression="zstd")
    with ipc.new_file(pa.PythonFile(Sink(out), "w"), schema, options=options) as writer:
        for columns in all_of_them:
            for batch in table.batches(columns):
                writer.write_batch(batch)


GEOPARQUET = Format(
    name="geoparquet",
    title="GeoParquet",
    endings=(".parquet", ".geoparquet"),
    media_type="application/vnd.apache.parquet",
    recognise=lambda head: head.startswith(b"PAR1"),
    read=read_parquet,
    write=write_parquet,
    options=("class",),
)

GEOFEATHER = Format(
    name="geofeather",
    title="GeoFeather (Arrow)",
    endings=(".feather", ".arrow"),
    media_type="application/vnd.apache.arrow.file",
    recognise=lambda head: head.startswith(b"ARROW1\x00\x00"),
    read=read_feather,
    write=write_feather,
    options=("class",),
)
