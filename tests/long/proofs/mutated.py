"""Real files, damaged: the same seed damages the same way."""

import shutil
import struct
from pathlib import Path

import numpy as np

Random = np.random.Generator

_EXTREMES = (0, 1, 2, 7, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEADER = 4096
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}


def damaged_copy(scan: Path, target: Path, random: Random) -> str:
    """Copy a scan and damage the copy, or one file of its folder; say how."""
    if scan.is_dir():
        shutil.copytree(scan, target, copy_function=shutil.copyfile)
        target.chmod(0o755)
        files = sorted(path for path in target.rglob("*") if path.is_file())
        documents = [path for path in files if path.suffix == ".json" or path.name.startswith(".z")]
        chosen = documents if random.random() < 0.5 else files
        path = chosen[int(random.integers(len(chosen)))]
        path.parent.chmod(0o755)
    else:
        shutil.copyfile(scan, target)
        path = target
    data = bytearray(path.read_bytes())
    ways = [_flip, _cut, _splice, _extreme, _head]
    if bytes(data[:4]) in _TIFF:
        ways += [_tag, _tag, _tag]
    way = ways[int(random.integers(len(ways)))]
    if len(data) > 16:
        path.write_bytes(way(data, random))
    return way.__name__.strip("_")


def _flip(data: bytearray, random: Random) -> bytearray:
    for _ in range(int(random.integers(1, 17))):
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
    return data


def _head(data: bytearray, random: Random) -> bytearray:
    """Flip bits where metadata usually lies: in the first or last few thousand bytes."""
    size = min(_HEADER, len(data))
    start = 0 if random.random() < 0.6 else len(data) - size
    for _ in range(int(random.integers(1, 9))):
        data[start + int(random.integers(size))] ^= 1 << int(random.integers(8))
    return data


def _cut(data: bytearray, random: Random) -> bytearray:
    return data[: int(random.integers(len(data)))]


def _splice(data: bytearray, random: Random) -> bytearray:
    size = int(random.integers(1, max(2, len(data) // 4)))
    source, target = (int(random.integers(len(data))) for _ in range(2))
    data[target : target + size] = data[source : source + size]
    return data


def _extreme(data: bytearray, random: Random) -> bytearray:
    """Put a number of four bytes that few expect somewhere near the beginning or the end."""
    size = min(16 * _HEADER, len(data) - 4)
    start = 0 if random.random() < 0.6 else len(data) - 4 - size
    value = _EXTREMES[int(random.integers(len(_EXTREMES)))]
    struct.pack_into("<I" if random.random() < 0.5 else ">I", data, start + int(random.integers(size)), value)
    return data


def _tag(data: bytearray, random: Random) -> bytearray:
    """Change one field of a TIFF: its tag, type, count or value."""
    order = _TIFF[bytes(data[:4])]
    (offset,) = struct.unpack_from(order + "I", data, 4)
    entries = []
    while 0 < offset < len(data) - 6 and len(entries) < 500:
        (count,) = struct.unpack_from(order + "H", data, offset)
        if offset + 2 + 12 * count + 4 > len(data):
            break
        entries += [offset + 2 + 12 * k for k in range(count)]
        (offset,) = struct.unpack_from(order + "I", data, offset + 2 + 12 * count)
    if not entries:
        return data
    at, part = entries[int(random.integers(len(entries)))], int(random.integers(4))
    value = _EXTREMES[int(random.integers(len(_EXTREMES)))]
    if part < 2:
        struct.pack_into(order + "H", data, at + 2 * part, value & 0xFFFF if part == 0 else int(random.integers(20)))
    else:
        struct.pack_into(order + "I", data, at + 4 * (part - 1), value)
    return data
