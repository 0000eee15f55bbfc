"""Many annotations as GeoJSON text, the same that `pathserve.formats.geojson.geojson.feature` makes of one."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.formats.classification import write_classification
from pathserve.formats.contract import WriteContext
from pathserve.formats.geojson.as_drawn import AS_DRAWN, write_as_drawn
from pathserve.formats.geojson.geojson import moment, write_properties
from pathserve.formats.geojson.json_text import RECORD_SEPARATOR
from pathserve.labels import Columns, GeometryKind
from pathserve.labels.columns import GEOJSON_TYPES

_HEX = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)
"""Both digits of each byte."""

_GROUPS = (0, 8, 12, 16, 20, 32)
"""Between which digits of a UUID a dash stands."""

_HEADS = [
    b'{"type":"' + GEOJSON_TYPES[GeometryKind(kind)].encode() + b'","coordinates":' if kind else b""
    for kind in range(len(GEOJSON_TYPES) + 1)
]
_BETWEEN = b",\n"
_ROW_BYTES = 256
_POSITION_BYTES, _BRACKET_BYTES = 44, 8


def _kernels() -> Any:  # noqa: ANN401 - a module whose functions numba makes
    return import_module("pathserve.formats.geojson.text_kernels")


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

    def block(self, columns: Columns, *, before: bytes = b"", after: bytes = b"\n") -> bytes:
        """Write each row as a Feature, with a text before and one after it."""
        texts, ends = self._texts(columns, before, after)
        odd = np.flatnonzero(np.diff(ends) == 0)
        if not len(odd):
            return texts
        pieces, place = list[bytes](), 0
        for row in odd.tolist():
            pieces += (texts[place : ends[row]], before, self._odd(columns, row), after)
            place = int(ends[row])
        return b"".join((*pieces, texts[place:]))

    def _texts(self, columns: Columns, before: bytes, after: bytes) -> tuple[bytes, npt.NDArray[np.int64]]:
        """Write what the kernels write; gives it, and where each row ends, nowhere further on for the others."""
        kernels = _kernels()
        classes = [b'"classification":' + orjson.dumps(self._classified(name)) + b"," for name in columns.class_names]
        # As one number each: pairs are sorted ten times slower.
        most = int(columns.firsts.max(initial=0)) + 1
        pairs, source_at = np.unique(columns.revisions * most + columns.firsts, return_inverse=True)
        sources = [self._source(columns.layer, *divmod(pair, most)) for pair in pairs.tolist()]
        fixed = (
            before + b'{"type":"Feature","id":"',
            b'","geometry":',
            b'},"properties":{',
            self._state,
            b'"objectType":"annotation",',
            b"}}" + after,
        )
        kinds = columns.kinds.copy()
        kinds[[*columns.geometries, *columns.drawn]] = 0
        size = _POSITION_BYTES * len(columns.xy) + len(columns.properties.data)
        size += _BRACKET_BYTES * (len(columns.ring_starts) + len(columns.part_starts) + len(columns))
        size += len(columns) * (_ROW_BYTES + len(before) + len(after))
        size += len(columns) * (max(map(len, classes), default=0) + max(map(len, sources), default=0))
        out, ends = np.empty(size, np.uint8), np.zeros(len(columns) + 1, np.int64)
        kernels.write_features(
            kinds,
            columns.xy,
            columns.ring_starts,
            columns.part_starts,
            columns.starts,
            _id_texts(columns.ids),
            columns.classes,
            source_at.reshape(-1),
            columns.numbers,
            *(kernels.Texts(*_joined(texts)) for texts in (columns.properties, _HEADS, fixed, classes, sources)),
            out,
            ends,
        )
        return out[: ends[-1]].tobytes(), ends

    def _odd(self, columns: Columns, row: int) -> bytes:
        """Write a row that is not for the kernels."""
        index = int(columns.classes[row])
        name = None if index < 0 else columns.class_names[index]
        properties, beside = write_properties(
            orjson.loads(columns.properties[row] or b"{}"), name, self._colors.get(name or "")
        )
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
        identity = _id_texts(columns.ids[row : row + 1]).tobytes().decode()
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


def _joined(texts: Sequence[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Put texts one behind another; gives them, and where each ends."""
    ends = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=ends[1:])
    return np.frombuffer(b"".join(texts) + b"\0", np.uint8), ends


def _id_texts(ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Write (N, 16) bytes as the texts of UUIDs, (N, 36)."""
    digits = _HEX.take(ids).view(np.uint8).reshape(len(ids), 32)
    texts = np.full((len(ids), 36), ord("-"), np.uint8)
    for group, (first, last) in enumerate(pairwise(_GROUPS)):
        texts[:, first + group : last + group] = digits[:, first:last]
    return texts


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
    between = b""
    out.write(b'{"type":"FeatureCollection","features":[\n')
    for some in columns:
        text = writer.block(some, after=_BETWEEN)
        if text:
            out.write(between)
            out.write(memoryview(text)[: -len(_BETWEEN)])
            between = _BETWEEN
    out.write(b"\n]}\n")


def write_sequence(columns: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write a GeoJSON text sequence (RFC 8142)."""
    writer = FeatureWriter(context)
    for some in columns:
        out.write(writer.block(some, before=RECORD_SEPARATOR))
