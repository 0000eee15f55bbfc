"""Machine code for what an import asks about its own rows: what they say, and which ids there were.

`digests` and `known_rows` say what the numbers mean, and calculate the same ones without this for few rows.
"""

from typing import Any

import numpy as np

from pathserve.native.compiling import BYTE, INT, NOTHING, SMALL, TRUTH, WORD, Array, called, given, inner

_INTS, _BYTES, _WORDS, _SMALLS = given(INT), given(BYTE), given(WORD), given(SMALL)

_ONE, _ZERO, _MINUS_ZERO, _RING = np.uint64(1), np.uint64(0), np.uint64(1 << 63), np.uint64(1 << 40)
_PLACE_BITS, _PLACE = np.uint64(32), np.uint64(0xFFFFFFFF)


@inner
def _mix(value: Any) -> Any:  # noqa: ANN401 - uint64
    value += np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@inner
def _of_text(data: Array, first: int, end: int, secrets: Array) -> Any:  # noqa: ANN401 - uint64
    found = _ZERO
    for place in range(first, end):
        found += _mix((np.uint64(data[place]) + _ONE) * secrets[0] + np.uint64(place - first) * secrets[2])
    return _mix(found + np.uint64(end - first))


@inner
def _of_shape(bits: Array, ring_starts: Array, r0: int, r1: int, secrets: Array) -> Any:  # noqa: ANN401 - uint64
    found, first = _ZERO, ring_starts[r0]
    for i in range(first, ring_starts[r1]):
        x, y = bits[i, 0], bits[i, 1]
        x, y = (_ZERO if x == _MINUS_ZERO else x), (_ZERO if y == _MINUS_ZERO else y)
        found += _mix(x * secrets[0] + y * secrets[1] + np.uint64(i - first) * secrets[2])
    for ring in range(r0, r1):
        found += _mix(np.uint64(ring_starts[ring] - first) ^ _RING)
    return found


@inner
def digest(
    bits: Array,
    ring_starts: Array,
    part_starts: Array,
    starts: Array,
    kinds: Array,
    names: Array,
    classes: Array,
    texts: Array,
    text_starts: Array,
    secrets: Array,
    out: Array,
) -> None:
    """Write the digest of each row, but for what it has as JSON.

    Parameters
    ----------
    bits
        (V, 2): positions as uint64.
    names
        A number of each class; the last one is that of none.
    """
    for row in range(len(kinds)):
        p0, p1 = starts[row], starts[row + 1]
        found = _mix(_of_shape(bits, ring_starts, part_starts[p0], part_starts[p1], secrets) + np.uint64(p1 - p0))
        found = _mix(found + np.uint64(kinds[row]))
        found = _mix(found + names[classes[row] if classes[row] >= 0 else len(names) - 1])
        out[row] = _mix(found + _of_text(texts, text_starts[row], text_starts[row + 1], secrets))


@inner
def _slot(keys: Array, row: int, secret: Any, mask: Any) -> int:  # noqa: ANN401 - uint64
    # A Python int is what this is to all callers; machine code knows but one kind of it.
    return np.int64(_mix(_mix(keys[row, 0] ^ secret) + keys[row, 1]) & mask)  # type: ignore[return-value]


@inner
def put(slots: Array, hashes: Array, first: int) -> None:
    """Note where ids lie of which none is there: the first of them at ``first``; see `import_ids`."""
    mask = np.uint64(len(slots) - 1)
    for row in range(len(hashes)):
        slot = np.int64(hashes[row] & mask)
        while slots[slot] != _ZERO:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = (hashes[row] & ~_PLACE) + np.uint64(first + row + 1)


@inner
def find(slots: Array, hashes: Array, at: Array, places: Array) -> None:
    """Set the place of the first id from a slot on whose half of the hash is the same, and set the slot to its.

    Nothing is set where there is none.
    """
    for row in range(len(hashes)):
        slot = at[row]
        there = slots[slot]
        while there != _ZERO and there >> _PLACE_BITS != hashes[row] >> _PLACE_BITS:
            slot = (slot + 1) & (len(slots) - 1)
            there = slots[slot]
        if there != _ZERO:
            at[row], places[row] = slot, np.int64(there & _PLACE) - 1


@inner
def are_distinct(slots: Array, keys: Array, secret: Any) -> bool:  # noqa: ANN401 - uint64
    """Tell whether no id is there twice; ``slots`` are all -1, and more than ids."""
    mask = np.uint64(len(slots) - 1)
    for row in range(len(keys)):
        slot = _slot(keys, row, secret, mask)
        while slots[slot] >= 0:
            place = slots[slot]
            if keys[place, 0] == keys[row, 0] and keys[place, 1] == keys[row, 1]:
                return False
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = row
    return True


_PAIRS = given(WORD, 2)

ENTRIES = {
    "digest": called(
        digest, NOTHING, _PAIRS, _INTS, _INTS, _INTS, _BYTES, _WORDS, _SMALLS, _BYTES, _INTS, _WORDS, WORD[::1]
    ),
    "put": called(put, NOTHING, WORD[::1], _WORDS, INT),
    "find": called(find, NOTHING, _WORDS, _WORDS, INT[::1], INT[::1]),
    "are_distinct": called(are_distinct, TRUTH, SMALL[::1], _PAIRS, WORD),
}
