"""Many annotations as GeoJSON text, the same that `pathserve.formats.geojson.geojson.feature` makes of one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.formats.classification import write_classification
from pathserve.formats.contract import WriteContext
from pathserve.formats.geojson.as_drawn import AS_DRAWN, write_as_drawn
from pathserve.formats.geojson.geojson import FOREIGN_MEMBERS, moment, write_properties
from pathserve.formats.geojson.json_text import RECORD_SEPARATOR
from pathserve.formats.geojson.text_places import CLASSES, POSITION_BYTES, ROW_BYTES, SLACK
from pathserve.labels import Columns, GeometryKind, Texts
from pathserve.labels.columns import GEOJSON_TYPES
from pathserve.native import Function, kept_kernels_of, kernels_of

_HEADS = [b'{"type":"' + GEOJSON_TYPES[kind].encode() + b'","coordinates":' for kind in GeometryKind]
_BETWEEN = b",\n"
_BRACKET_BYTES = 8
_MOVED = {"state", "classification", FOREIGN_MEMBERS, "layer", "author", "number", "revision", "provenance"}
"""Members that the kernels leave to others."""

_KERNELS = "pathserve.formats.geojson.text_kernels"

WORTH_COMPILING = 50_000
"""So many rows are written without machine code, in a second, rather than wait until it is compiled."""

Ints = npt.NDArray[np.int64]
Pairs = tuple[tuple[int, int], ...]


def _is_for_kernels(columns: Columns, row: int, given: Mapping[str, Any]) -> bool:
    """Tell whether the kernels write a row with these properties."""
    return (
        row not in columns.geometries
        and row not in columns.drawn
        and 0 < int(columns.kinds[row]) <= GeometryKind.MULTI_POLYGON
        and _MOVED.isdisjoint(given)
        and b"\\" not in orjson.dumps(list(given))
    )


def _sources(columns: Columns) -> tuple[Pairs, Ints]:
    """Find the revisions and first revisions that rows have together; gives which of these pairs a row has, too."""
    revisions, firsts = columns.revisions, columns.firsts
    # Neighbours mostly came with one import.
    if not len(columns) or ((revisions == revisions[0]).all() and (firsts is revisions or (firsts == firsts[0]).all())):
        pairs = ((int(revisions[0]), int(firsts[0])),) if len(columns) else ()
        return pairs, np.zeros(len(columns), np.int64)
    # As one number each: pairs are sorted ten times slower.
    most = int(firsts.max()) + 1
    several, source_at = np.unique(revisions * most + firsts, return_inverse=True)
    return tuple(divmod(pair, most) for pair in several.tolist()), source_at.reshape(-1)


class FeatureWriter:
    """Writes rows as Features; for one thread.

    Parameters
    ----------
    is_qupath
        Whether what only PathServe knows is left out: layer, author, number, revision, moments, the state of a draft.
    """

    def __init__(self, context: WriteContext, *, is_qupath: bool = False) -> None:
        self._revisions, self._is_qupath = context.revisions, is_qupath
        self._colors = {c.name: c.color for c in context.schema}
        self._state = b"" if is_qupath else b'"state":"draft",'
        self._room = np.empty(0, np.uint8)
        self._rows = 0
        self._between: tuple[object, tuple[Texts, int]] | None = None

    def block(self, columns: Columns, *, before: bytes = b"", after: bytes = b"\n") -> memoryview:
        """Write each row as a Feature, with a text before and one after it; good until the next call."""
        kernel = self._kernel(len(columns))
        if kernel is None:
            rows = (self._odd(columns, row) for row in range(len(columns)))
            return memoryview(b"".join(piece for row in rows for piece in (before, row, after)))
        text, ends = self._texts(kernel, columns, before, after)
        odd = np.flatnonzero(ends[1:] == ends[:-1])
        if not len(odd):
            return text
        pieces, place = list[bytes | memoryview](), 0
        for row in odd.tolist():
            pieces += (text[place : ends[row]], before, self._odd(columns, row), after)
            place = int(ends[row])
        return memoryview(b"".join((*pieces, text[place:])))

    def _kernel(self, rows: int) -> Function | None:
        """Give the machine code that writes so many more rows, unless they are too few to compile it for."""
        self._rows += rows
        kernels = (kernels_of if self._rows > WORTH_COMPILING else kept_kernels_of)(_KERNELS)
        return None if kernels is None else kernels.write_features

    def _texts(self, kernel: Function, columns: Columns, before: bytes, after: bytes) -> tuple[memoryview, Ints]:
        """Write what the kernels write; gives it, and where each row ends, nowhere further on for the others."""
        count = len(columns)
        pairs, source_at = _sources(columns)
        asked = (before, after, columns.class_names, columns.layer, pairs)
        if self._between is None or self._between[0] != asked:  # mostly those of the block before
            self._between = (asked, self._written_between(*asked))
        between, widest = self._between[1]
        kinds = columns.kinds
        if columns.geometries or columns.drawn:
            kinds = kinds.copy()
            kinds[[*columns.geometries, *columns.drawn]] = 0
        size = POSITION_BYTES * len(columns.xy) + len(columns.properties.data) + SLACK
        size += _BRACKET_BYTES * (len(columns.ring_starts) + len(columns.part_starts))
        size += count * (widest + ROW_BYTES)
        if len(self._room) < size:
            self._room = np.empty(size + size // 4, np.uint8)
        xy, ends = np.ascontiguousarray(columns.xy, np.float64), np.zeros(count + 1, np.int64)
        written = kernel(
            kinds,
            xy,
            xy.view(np.uint64),
            columns.ring_starts,
            columns.part_starts,
            columns.starts,
            np.ascontiguousarray(columns.ids),
            columns.classes,
            source_at,
            columns.numbers,
            columns.properties.data,
            columns.properties.starts,
            between.data,
            between.starts,
            CLASSES + len(columns.class_names),
            self._room,
            ends,
        )
        return self._room[:written].data, ends

    def _written_between(
        self, before: bytes, after: bytes, class_names: Sequence[str], layer: str, pairs: Pairs
    ) -> tuple[Texts, int]:
        """Write the texts of `text_places`; gives them, and the most bytes of them that a row can take."""
        fixed = (
            before + b'{"type":"Feature","id":"',
            b'","geometry":',
            b'},"properties":{',
            self._state,
            b'"objectType":"annotation",',
            b"}}" + after,
        )
        classes = [b'"classification":' + orjson.dumps(self._classified(name)) + b"," for name in class_names]
        sources = [self._source(layer, *pair) for pair in pairs]
        widest = sum(map(len, fixed)) + sum(max(map(len, some), default=0) for some in (_HEADS, classes, sources))
        return Texts.of((*fixed, *_HEADS, *classes, *sources, bytes(SLACK))), widest

    def _odd(self, columns: Columns, row: int) -> bytes:
        """Write a row without the kernels: the same bytes."""
        index = int(columns.classes[row])
        name = None if index < 0 else columns.class_names[index]
        given = orjson.loads(columns.properties[row] or b"{}")
        properties, beside = write_properties(given, name, self._colors.get(name or ""))
        if "objectType" in given and _is_for_kernels(columns, row, given):  # they leave it where it stands
            properties = {"state": properties["state"], **given, **properties}
        if not self._is_qupath:
            properties |= self._server(columns.layer, int(columns.revisions[row]), int(columns.firsts[row]))
            properties["number"] = int(columns.numbers[row])
        elif properties["state"] == "draft":
            del properties["state"]
        whole = columns.geometries.get(row)
        geometry = orjson.Fragment(orjson.dumps(columns.geometry(row)) if whole is None else whole)
        drawn = columns.drawn.get(row)
        if drawn is not None:
            beside[AS_DRAWN] = write_as_drawn(orjson.loads(drawn), columns.geometry(row))
        identity = UUID(bytes=columns.ids[row].tobytes())
        return orjson.dumps(
            {"type": "Feature", "id": identity, "geometry": geometry, "properties": properties, **beside}
        )

    def _classified(self, name: str) -> dict[str, Any] | None:
        return write_classification(name, self._colors.get(name), None)

    def _source(self, layer: str, revision: int, first: int) -> bytes:
        """Write the members that are the server's, and the name of the number behind them."""
        if self._is_qupath:
            return b""
        return orjson.dumps(self._server(layer, revision, first))[1:-1] + b',"number":'

    def _server(self, layer: str, revision: int, first: int) -> dict[str, Any]:
        author, updated = self._when(revision)
        provenance = {"created": self._when(first)[1], "updated": updated}
        return {"layer": layer, "author": author, "revision": revision, "provenance": provenance}

    def _when(self, revision: int) -> tuple[str, str | None]:
        known = self._revisions.get(revision)
        return ("", None) if known is None else (known[0], moment(known[1]))


def write_collection(columns: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write a FeatureCollection, a Feature a line."""
    _write_collection(columns, out, FeatureWriter(context))


def write_qupath(columns: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write a FeatureCollection as QuPath does: every class has a colour, every object an id and a type."""

    def told() -> Iterator[Columns]:
        for some in columns:
            context.losses.note(
                "server_members",
                "QuPath knows no layers, authors and revisions: they were left out.",
                len(some),
            )
            yield some

    _write_collection(told(), out, FeatureWriter(context, is_qupath=True))


def _write_collection(columns: Iterator[Columns], out: BinaryIO, writer: FeatureWriter) -> None:
    out.write(b'{"type":"FeatureCollection","features":[\n')
    begin = len(_BETWEEN)  # of what stands before the very first
    for some in columns:
        text = writer.block(some, before=_BETWEEN, after=b"")
        if text:
            out.write(text[begin:])
            begin = 0
    out.write(b"\n]}\n")


def write_sequence(columns: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write a GeoJSON text sequence (RFC 8142)."""
    writer = FeatureWriter(context)
    for some in columns:
        out.write(writer.block(some, before=RECORD_SEPARATOR))
