"""Many annotations as GeoJSON text, the same that `pathserve.formats.geojson.feature` makes of one."""

import re
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.formats.classification import write_classification
from pathserve.formats.contract import WriteContext
from pathserve.formats.geojson import moment, write_properties
from pathserve.formats.json_text import RECORD_SEPARATOR
from pathserve.labels import Columns
from pathserve.labels.columns import GEOJSON_TYPES

_NOT_PLAIN = re.compile(
    rb'"(?:state|objectType|classification|foreignMembers|layer|author|number|revision|provenance)":'
)
_TYPED = b'{"objectType":"'
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_HYPHENS = (8, 13, 18, 23)
_POSITION_BYTES, _BRACKET_BYTES = 44, 8


def _kernels() -> Any:  # noqa: ANN401 - a module whose functions numba makes
    return import_module("pathserve.formats.text_kernels")


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
        self._sources: dict[tuple[str, int, int], bytes] = {}

    def features(self, columns: Columns) -> list[bytes]:
        """Write each row as the text of a Feature."""
        classes = [b'"classification":' + orjson.dumps(self._classified(name)) + b"," for name in columns.class_names]
        geometries = self._geometries(columns)
        written = list[bytes]()
        for row, (identity, index) in enumerate(zip(_id_texts(columns.ids), columns.classes.tolist(), strict=True)):
            given, server = columns.properties[row], self._server(columns, row)
            properties = _plain_properties(given, self._state, (b"" if index < 0 else classes[index]) + server)
            if properties is None:
                name = None if index < 0 else columns.class_names[index]
                properties = self._objects(orjson.loads(given), name, server)
            head = b'{"type":"Feature","id":"' + identity + b'","geometry":' + geometries[row]
            written.append(head + b',"properties":' + properties + b"}")
        return written

    def _classified(self, name: str) -> dict[str, Any] | None:
        return write_classification(name, self._colors.get(name), None)

    def _server(self, columns: Columns, row: int) -> bytes:
        """Write the members that are the server's, each with a comma behind it."""
        if self._is_qupath:
            return b""
        revision, first = int(columns.revisions[row]), int(columns.firsts[row])
        known = self._sources.get((columns.layer, revision, first))
        if known is None:
            author, updated = self._when(revision)
            members = {
                "layer": columns.layer,
                "author": author,
                "revision": revision,
                "provenance": {"created": self._when(first)[1], "updated": updated},
            }
            known = self._sources[columns.layer, revision, first] = orjson.dumps(members)[1:-1] + b',"number":'
        return known + b"%d," % columns.numbers[row]

    def _when(self, revision: int) -> tuple[str, str | None]:
        known = self._revisions.get(revision)
        return ("", None) if known is None else (known[0], moment(known[1]))

    def _objects(self, given: dict[str, Any], name: str | None, server: bytes) -> bytes:
        """Write properties that need a look inside, and the members beside them."""
        properties, beside = write_properties(given, name, self._colors.get(name or ""))
        properties |= orjson.loads(b"{" + server[:-1] + b"}")
        if self._is_qupath and properties["state"] == "draft":
            del properties["state"]
        text = orjson.dumps(properties)
        return text + b"," + orjson.dumps(beside)[1:-1] if beside else text

    def _geometries(self, columns: Columns) -> list[bytes]:
        """Write each row's geometry."""
        size = _POSITION_BYTES * len(columns.xy)
        size += _BRACKET_BYTES * (len(columns.ring_starts) + len(columns.part_starts) + len(columns))
        out, ends = np.empty(size, np.uint8), np.zeros(len(columns) + 1, np.int64)
        _kernels().write_coordinates(
            columns.kinds, columns.xy, columns.ring_starts, columns.part_starts, columns.starts, out, ends
        )
        text = out[: ends[-1]].tobytes()
        heads = {int(kind): b'{"type":"' + name.encode() + b'","coordinates":' for kind, name in GEOJSON_TYPES.items()}
        extents = pairwise(ends.tolist())
        found = [heads[kind] + text[a:b] + b"}" for kind, (a, b) in zip(columns.kinds.tolist(), extents, strict=True)]
        for row in {*np.flatnonzero(np.diff(ends) == 0).tolist(), *columns.geometries}:
            whole = columns.geometries.get(row)
            found[row] = orjson.dumps(columns.geometry(row)) if whole is None else whole
        return found


def _plain_properties(given: bytes, state: bytes, more: bytes) -> bytes | None:
    """Put properties together whose text needs no look inside; None when it does.

    Parameters
    ----------
    state, more
        Members that stand before and behind them, each with a comma behind it.
    """
    if given.startswith(_TYPED):
        end = given.find(b'"', len(_TYPED)) + 1
        kind, rest = given[1:end] + b",", given[end:].removeprefix(b",")
    else:
        kind, rest = b'"objectType":"annotation",', given[1:]
    if b"\\" in kind or _NOT_PLAIN.search(rest):
        return None
    inner = rest[:-1]
    return b"{" + (state + kind + (inner + b"," if inner else b"") + more)[:-1] + b"}"


def _id_texts(ids: npt.NDArray[np.uint8]) -> list[bytes]:
    """Write (N, 16) bytes as the texts of UUIDs."""
    digits = np.stack((_HEX[ids >> 4], _HEX[ids & 15]), axis=2).reshape(len(ids), 32)
    texts = np.full((len(ids), 36), ord("-"), np.uint8)
    texts[:, [place for place in range(36) if place not in _HYPHENS]] = digits
    blob = texts.tobytes()
    return [blob[start : start + 36] for start in range(0, len(blob), 36)]


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
    before = b""
    out.write(b'{"type":"FeatureCollection","features":[\n')
    for some in columns:
        texts = writer.features(some)
        if texts:
            out.write(before + b",\n".join(texts))
            before = b",\n"
    out.write(b"\n]}\n")


def write_sequence(columns: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write a GeoJSON text sequence (RFC 8142)."""
    writer = FeatureWriter(context)
    for some in columns:
        out.write(b"".join(RECORD_SEPARATOR + text + b"\n" for text in writer.features(some)))
