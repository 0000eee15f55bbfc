"""What the ids of rows mean that are about to be written: free, known with the same content, or taken."""

import os
from collections.abc import Mapping
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.annotations.chunk_reader import ChunkReader
from pathserve.annotations.differences import Difference, Standing
from pathserve.annotations.digests import FEW, Digests, kernels, mix
from pathserve.annotations.heads import find_heads, find_placed_rows, rows_with_heads
from pathserve.annotations.layers import is_removed
from pathserve.annotations.matching import id_keys
from pathserve.annotations.rows import Content, content_of_row
from pathserve.annotations.versions import stored_contents
from pathserve.db import Transaction
from pathserve.labels import Columns

Ids = npt.NDArray[np.uint8]
Differences = npt.NDArray[np.uint8]
"""`Difference` of each row."""
Mask = npt.NDArray[np.bool_]
Halves = npt.NDArray[np.uint64]
"""(N, 2): both halves of ids."""


def repeats(ids: Ids, digests: Digests, written: Mask) -> npt.NDArray[np.int8]:
    """Tell which rows have the id of an earlier one that is written: known or taken; NEW means that they do not."""
    found = np.zeros(len(ids), np.int8)
    rows = np.flatnonzero(written)
    if len(rows) and not _are_distinct(ids):
        keys = id_keys(ids)
        there, first = np.unique(keys[rows], return_index=True)
        place = np.minimum(np.searchsorted(there, keys), len(there) - 1)
        earlier = rows[first[place]]
        again = (there[place] == keys) & (earlier < np.arange(len(keys)))
        found[again] = np.where(digests[earlier] == digests, Standing.KNOWN, Standing.TAKEN)[again]
    return found


def rounds(ids: Ids) -> list[npt.NDArray[np.int64]]:
    """Put rows into groups, nearly always one, so that no id is in any of them twice."""
    if _are_distinct(ids):
        return [np.arange(len(ids))] if len(ids) else []
    keys = id_keys(ids)
    order = np.argsort(keys, kind="stable")
    begins = np.flatnonzero(np.concatenate(([True], keys[order][1:] != keys[order][:-1])))
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order)) - np.repeat(begins, np.diff([*begins.tolist(), len(order)]))
    return [np.flatnonzero(turn == n) for n in range(int(turn.max()) + 1)]


def _are_distinct(ids: Ids) -> bool:
    """Tell whether no id is there twice for certain; sorting numbers is much faster than sorting ids."""
    halves = _halves(ids)
    if len(ids) > FEW:
        slots = np.full(2 << len(ids).bit_length(), -1, np.int32)
        secret = int.from_bytes(os.urandom(8)) >> 1  # which an int of the kernel can hold
        return bool(kernels().are_distinct(slots, halves, secret))
    mixed = np.sort(mix(halves[:, 0]) + halves[:, 1])
    return not (mixed[1:] == mixed[:-1]).any()


def _halves(ids: Ids) -> Halves:
    return np.ascontiguousarray(ids).view(np.uint64)


def id_list(ids: Ids) -> list[UUID]:
    """Give (N, 16) bytes as UUIDs."""
    return [UUID(bytes=row.tobytes()) for row in ids]


def fresh_ids(count: int) -> Ids:
    """Make (N, 16) random UUIDs of version 4 (RFC 9562, section 5.4)."""
    ids = np.frombuffer(os.urandom(16 * count), np.uint8).reshape(count, 16).copy()
    ids[:, 6] = ids[:, 6] & 0x0F | 0x40
    ids[:, 8] = ids[:, 8] & 0x3F | 0x80
    return ids


def is_nothing_stored(tx: Transaction) -> bool:
    """Tell whether the store has nothing under any id."""
    return all(tx.row(f"select 1 from {table} limit 1") is None for table in ("head", "placed"))  # noqa: S608 - constants only


def compare_stored(
    tx: Transaction, reader: ChunkReader, slide: str, columns: Columns
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64], Differences]:
    """Compare some rows with what the store has under their ids; a few statements for all, and one for each chunk.

    No id may be there twice: see `rounds`.

    Returns
    -------
    (N,) `Standing`, (N,) the layers in which the ids lie, 0 for those that are new, and (N,) `Difference`.
    """
    standing, layers = np.zeros(len(columns), np.int8), np.zeros(len(columns), np.int64)
    differing = np.zeros(len(columns), np.uint8)
    headed = rows_with_heads(tx, columns.ids)
    ids = id_list(columns.ids[headed])
    row_of = dict(zip(ids, headed.tolist(), strict=True))
    heads = find_heads(tx, ids)
    others = np.setdiff1d(np.arange(len(columns)), headed)
    placed = find_placed_rows(tx, columns.ids[others])
    used = {head.layer for head in heads.values()} | {group.ref.layer for group in placed}
    removed = {layer for layer in used if is_removed(tx, layer)}
    for i, content in stored_contents(tx, reader, slide, ids).items():
        row = row_of[i]
        layers[row] = heads[i].layer
        if heads[i].slide != slide or heads[i].layer in removed:
            standing[row], differing[row] = Standing.TAKEN, Difference.ELSEWHERE
            continue
        differing[row] = (
            content.differences(content_of_row(columns, row)) if isinstance(content, Content) else Difference.DELETED
        )
        standing[row] = Standing.CHANGED if differing[row] else Standing.KNOWN
    for group in placed:
        rows = others[group.rows]
        layers[rows] = group.ref.layer
        if group.slide != slide or group.ref.layer in removed:
            standing[rows], differing[rows] = Standing.TAKEN, Difference.ELSEWHERE
            continue
        (there,) = reader.columns(tx, [group.ref], properties=True)
        differing[rows] = row_differences(columns.take(rows), there.take(group.places))
        standing[rows] = np.where(differing[rows] == 0, Standing.KNOWN, Standing.CHANGED)
    return standing, layers, differing


def row_differences(one: Columns, other: Columns) -> Differences:
    """Tell (N,) in what N rows differ from another, older form, whatever the order of members in their JSON.

    Rows that tell nothing of an outline before its repair say the same as those that do: many files have no place for
    it.
    """
    same = _same_shapes(one, other)
    found = np.where(_class_names(one) == _class_names(other), 0, Difference.CLASS).astype(np.uint8)
    for row in range(len(one)):
        if not same[row] or not _same_member(one.geometries, other.geometries, row):
            found[row] |= Difference.GEOMETRY
        if not _same_json(one.properties[row] or b"{}", other.properties[row] or b"{}"):
            found[row] |= Difference.PROPERTIES
        if row in one.drawn and not _same_member(one.drawn, other.drawn, row):
            found[row] |= Difference.DRAWN
    return found


def _same_shapes(one: Columns, other: Columns) -> Mask:
    """Tell (N,) which of N rows have the same kind, parts, rings and positions."""
    same: Mask = (one.kinds == other.kinds) & (np.diff(one.starts) == np.diff(other.starts))
    for mine, theirs in (
        (one.part_starts[one.starts], other.part_starts[other.starts]),
        (one.first_positions(), other.first_positions()),
    ):
        same &= np.diff(mine) == np.diff(theirs)
    rows = np.flatnonzero(same)
    if len(rows):
        a, b = one.take(rows), other.take(rows)
        rings = np.logical_and.reduceat(np.diff(a.ring_starts) == np.diff(b.ring_starts), a.part_starts[a.starts[:-1]])
        parts = np.logical_and.reduceat(np.diff(a.part_starts) == np.diff(b.part_starts), a.starts[:-1])
        positions = np.logical_and.reduceat((a.xy == b.xy).all(axis=1), a.first_positions()[:-1])
        same[rows] = rings & parts & positions
    return same


def _same_member(one: Mapping[int, bytes], other: Mapping[int, bytes], row: int) -> bool:
    return _same_json(one.get(row, b"null"), other.get(row, b"null"))


def _same_json(one: bytes, other: bytes) -> bool:
    return one == other or bool(orjson.loads(one) == orjson.loads(other))


def _class_names(columns: Columns) -> npt.NDArray[np.object_]:
    names: npt.NDArray[np.object_] = np.array([*columns.class_names, None], object)[columns.classes]
    return names
