"""Ways to plant a text in a TIFF, and every form in which a text may come out again."""

import base64
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

Fields = dict[int, tuple[int, bytes]]
"""Fields by tag: type (2 ASCII, 7 UNDEFINED, 4 LONG) and content."""


def _forms(text: str) -> tuple[bytes, ...]:
    """Give the bytes of a text: UTF-8, UTF-16 of both orders, and base64 of each wherever in a stream it begins."""
    plain = (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"))
    coded = []
    for data in plain:
        for shift in range(3):
            # What stands before shifts the groups of three bytes; the first and last groups hold neighbours.
            whole = base64.b64encode(bytes(shift) + data)
            coded.append(whole[4:] if shift else whole)
    return plain + tuple(part[: len(part) // 4 * 4 - 4] for part in coded)


@pytest.fixture(scope="session")
def forms() -> Callable[[str], tuple[bytes, ...]]:
    return _forms


def _chain(data: bytes) -> list[int]:
    """List where the offsets of the images of a little-endian classic TIFF stand."""
    places, at = [], 4
    while (offset := struct.unpack_from("<I", data, at)[0]) != 0:
        places.append(at)
        (count,) = struct.unpack_from("<H", data, offset)
        at = offset + 2 + 12 * count
    return places


def _append(data: bytearray, content: bytes) -> int:
    data += bytes(len(data) % 2)
    offset = len(data)
    data += content
    return offset


def _directory(data: bytearray, entries: dict[int, bytes], following: bytes) -> int:
    body = b"".join(entries[tag] for tag in sorted(entries))
    return _append(data, struct.pack("<H", len(entries)) + body + following)


def _entries(data: bytearray, fields: Fields) -> dict[int, bytes]:
    made = {}
    for tag, (kind, content) in fields.items():
        count = len(content) // 4 if kind == 4 else len(content)
        inline = content.ljust(4, b"\0") if len(content) <= 4 else struct.pack("<I", _append(data, content))
        made[tag] = struct.pack("<HHI", tag, kind, count) + inline
    return made


def _plant(path: Path, image: int, fields: Fields, *, sub_image: Fields | None = None) -> None:
    """Put fields into an image of a TIFF, and a further image below it, at the end of the file."""
    data = bytearray(path.read_bytes())
    assert data[:4] == b"II*\0"
    at = _chain(data)[image]
    (offset,) = struct.unpack_from("<I", data, at)
    (count,) = struct.unpack_from("<H", data, offset)
    start = offset + 2
    old = [bytes(data[start + 12 * k : start + 12 * k + 12]) for k in range(count)]
    following = bytes(data[start + 12 * count : start + 12 * count + 4])
    entries = {struct.unpack_from("<H", entry)[0]: entry for entry in old}
    if sub_image is not None:
        below = _directory(data, _entries(data, sub_image), bytes(4))
        fields = fields | {330: (4, struct.pack("<I", below))}
    entries |= _entries(data, fields)
    struct.pack_into("<I", data, at, _directory(data, entries, following))
    path.write_bytes(data)


@pytest.fixture(scope="session")
def plant_in_tiff() -> Callable[..., None]:
    return _plant
