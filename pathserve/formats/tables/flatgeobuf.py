"""FlatGeobuf 3, through GDAL's own driver (pyogrio), with the extra ``pathserve[geo]``.

GDAL is only ever shown files that begin as FlatGeobuf does. The reference system that a file states is passed over, as
in `geoparquet`; ours state pixels. Files are written without a spatial index: that would hold all of them in memory.
"""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import copyfileobj
from typing import Any, BinaryIO

from pathserve.errors import Invalid
from pathserve.formats.contract import Format, Item, ReadContext, WriteContext
from pathserve.formats.optional import load
from pathserve.formats.tables.geoparquet import BATCH, TableWriter, arrow, read_batches, sampled
from pathserve.labels import Columns

_MAGIC = b"fgb\x03fgb"
_ERRORS = (OSError, IndexError, ValueError, OverflowError, MemoryError, UnboundLocalError)
"""What the library raises beside its own errors when a file is damaged."""

_PIXELS = (
    'ENGCRS["Level-0 pixels of the slide",EDATUM["Slide"],CS[Cartesian,2],AXIS["x",unspecified],AXIS["y",unspecified],'
    'LENGTHUNIT["pixel",1]]'
)
"""A system of its own (ISO 19162): the driver warns of files without one, and pixels are not on the globe."""


def read_flatgeobuf(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a FlatGeobuf, some thousand features at a time."""
    pa, ogr = arrow(), load("pyogrio", "geo")
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise Invalid("This is no FlatGeobuf.", code="damaged")
    try:
        with ExitStack() as stack:
            with _without_warnings():
                meta, reader = stack.enter_context(
                    ogr.open_arrow(str(path), use_pyarrow=True, batch_size=BATCH, return_fids=False)
                )
            name = meta["geometry_name"] or "wkb_geometry"
            names = [("geometry" if field == name else field) for field in reader.schema.names]
            schema = pa.schema([field.with_name(new) for field, new in zip(reader.schema, names, strict=True)])
            renamed = (_checked(pa.record_batch(batch.columns, schema=schema)) for batch in _each(reader))
            yield from read_batches(renamed, schema, context)
    except (ogr.errors.DataSourceError, ogr.errors.DataLayerError, pa.ArrowException, *_ERRORS):
        raise Invalid("The FlatGeobuf is damaged, or was cut off.", code="damaged") from None


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave out what GDAL says of odd reference systems and open rings: its words may hold a path."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _each(reader: Any) -> Iterator[Any]:  # noqa: ANN401 - Arrow's own
    while True:
        with _without_warnings():
            batch = next(reader, None)
        if batch is None:
            return
        yield batch


def _checked(batch: Any) -> Any:  # noqa: ANN401 - Arrow's own
    """Give a batch whose lengths and texts are what they should be, for a damaged file's are not."""
    batch.validate(full=True)
    return batch


def write_flatgeobuf(batches: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write a FlatGeobuf; GDAL makes it on disk first."""
    pa, ogr = arrow(), load("pyogrio", "geo")
    plan, all_of_them = sampled(batches)
    table = TableWriter(plan, context, flat=True)
    schema = table.schema.set(
        table.schema.get_field_index("geometry"),
        pa.field("geometry", pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"}),
    )
    reader = pa.RecordBatchReader.from_batches(
        schema, (batch.cast(schema) for columns in all_of_them for batch in table.batches(columns))
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "annotations.fgb"
        ogr.write_arrow(
            reader,
            str(path),
            driver="FlatGeobuf",
            layer="annotations",
            geometry_name="geometry",
            geometry_type="Unknown",
            crs=_PIXELS,
            layer_options={"SPATIAL_INDEX": "NO"},
        )
        with path.open("rb") as made:
            copyfileobj(made, out, 1024 * 1024)


FLATGEOBUF = Format(
    name="flatgeobuf",
    title="FlatGeobuf",
    endings=(".fgb",),
    media_type="application/vnd.flatgeobuf",
    recognise=lambda head: head.startswith(_MAGIC),
    read=read_flatgeobuf,
    write=write_flatgeobuf,
    options=("class",),
)
