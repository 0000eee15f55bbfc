"""Metadata of Zarr arrays, versions 2 and 3: everything is checked before a codec sees a byte."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pathserve.errors import Corrupt, PathServeError, TooLarge, Unsupported
from pathserve.pixels import DTYPES
from pathserve.slides.omezarr.codecs import ZARR_2, ZARR_3
from pathserve.slides.omezarr.folder import Json, ZarrFolder

MAX_CHUNK_BYTES = 256 << 20
"""Most bytes of one chunk when decoded."""

MAX_SHARD_CHUNKS = 1 << 20
"""Most chunks of one shard."""

MAX_AXES = 5
_LONGEST = 1 << 40  # of any axis; what a picture may have is checked where the axes are known
JPEG = "imagecodecs_jpeg"
_CODES = {f"{np.dtype(name).kind}{np.dtype(name).itemsize}": name for name in DTYPES}
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_CODEC = "The Zarr store is compressed in a way that PathServe does not read."
_DTYPE = "The Zarr store has samples of a type that PathServe does not read."
_DAMAGED = "The metadata of a Zarr array is damaged."


@dataclass(frozen=True, slots=True)
class ChunkCoding:
    """How the bytes of a chunk become an array.

    Parameters
    ----------
    shape
        Length of a chunk along every axis.
    dtype
        Type of the stored samples, with their byte order.
    stored
        Axes in the order in which they are stored, slowest first.
    codec
        What the bytes are packed with, if anything.
    checked
        Whether a CRC-32C follows the packed bytes.
    jpeg
        Whether a chunk is a JPEG of three components.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored: tuple[int, ...]
    codec: str | None = None
    checked: bool = False
    jpeg: bool = False

    @property
    def size(self) -> int:
        """Bytes of a decoded chunk."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Sharding:
    """How chunks lie together in one file: shard shape, and where and how their index lies."""

    shape: tuple[int, ...]
    index_first: bool
    index_checked: bool


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array: where its chunks lie and how they are read.

    ``prefix``, ``separator`` make the name of a file of the place of its chunk or shard.
    """

    shape: tuple[int, ...]
    dtype: str
    fill: float | int
    coding: ChunkCoding
    sharding: Sharding | None
    prefix: str
    separator: Literal[".", "/"]

    @property
    def file_shape(self) -> tuple[int, ...]:
        """What one file holds of the array."""
        return self.coding.shape if self.sharding is None else self.sharding.shape

    def file_name(self, place: tuple[int, ...]) -> str:
        """Name the file of a chunk or shard by its place in their grid."""
        return self.prefix + self.separator.join(map(str, place))


def read_array(folder: ZarrFolder, path: str) -> ArraySpec:
    """Read the metadata of an array.

    Raises
    ------
    Unsupported
        When its type or a codec is not on the lists.
    Corrupt, TooLarge
        When it contradicts itself, or has chunks over the limits.
    """
    third = folder.metadata(f"{path}/zarr.json")
    try:
        if third is not None:
            return _version_3(third, path)
        second = folder.metadata(f"{path}/.zarray")
        if second is not None:
            return _version_2(second, path)
    except PathServeError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError):
        raise Corrupt(_DAMAGED) from None
    raise Corrupt("A level of the picture is not in the Zarr store.")


def _version_2(meta: Json, path: str) -> ArraySpec:
    shape, dtype = _lengths(meta["shape"]), _dtype_2(meta["dtype"])
    compressor = meta.get("compressor")
    if meta.get("filters") or not (compressor is None or compressor["id"] in ZARR_2):
        raise Unsupported(_CODEC)
    axes = tuple(range(len(shape)))
    coding = ChunkCoding(
        _chunk(meta["chunks"], shape, dtype),
        dtype,
        axes if _one_of(meta.get("order", "C"), "C", "F") == "C" else axes[::-1],
        None if compressor is None else compressor["id"],
    )
    separator: Literal[".", "/"] = "/" if _one_of(meta.get("dimension_separator", "."), ".", "/") == "/" else "."
    fill = _fill(meta.get("fill_value"), dtype)
    return ArraySpec(shape, _name(dtype), fill, coding, None, f"{path}/", separator)


def _version_3(meta: Json, path: str) -> ArraySpec:
    if meta["node_type"] != "array":
        raise Corrupt("A level of the picture is no Zarr array.")
    if meta.get("storage_transformers") or _named(meta["chunk_grid"])[0] != "regular":
        raise Unsupported(_CODEC)
    if not isinstance(meta["data_type"], str) or meta["data_type"] not in DTYPES:
        raise Unsupported(_DTYPE)
    shape, dtype = _lengths(meta["shape"]), np.dtype(meta["data_type"])
    outer = meta["chunk_grid"]["configuration"]["chunk_shape"]
    sharding, inner, codecs = None, outer, meta["codecs"]
    first, configuration = _named(codecs[0])
    if first == "sharding_indexed":
        if len(codecs) != 1:
            raise Unsupported(_CODEC)
        inner, codecs = configuration["chunk_shape"], configuration["codecs"]
        sharding = _sharding(_lengths(outer), _lengths(inner), configuration)
    encoding, options = _named(meta["chunk_key_encoding"])
    default = _one_of(encoding, "default", "v2") == "default"
    separator = _one_of(options.get("separator", "/" if default else "."), ".", "/")
    return ArraySpec(
        shape,
        dtype.name,
        _fill(meta["fill_value"], dtype),
        _chain(codecs, _chunk(inner, shape, dtype), dtype),
        sharding,
        f"{path}/" + (f"c{separator}" if default else ""),
        "/" if separator == "/" else ".",
    )


def _chain(codecs: list[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> ChunkCoding:
    """Read the codecs of chunks: at most one change of axes, one that makes bytes, then those of bytes."""
    stored = tuple(range(len(shape)))
    steps = [_named(codec) for codec in codecs]
    if steps[0][0] == "transpose":
        stored = tuple(steps.pop(0)[1]["order"])
        if sorted(stored) != list(range(len(shape))):
            raise Corrupt(_DAMAGED)
    name, options = steps.pop(0)
    if name == JPEG:
        return _jpeg_chain(options, ChunkCoding(shape, dtype, stored, jpeg=True), more=bool(steps))
    packed = [step[0] for step in steps]
    checked = packed[-1:] == ["crc32c"]
    codec = packed[0] if packed[: len(packed) - checked] else None
    if name != "bytes" or len(packed) - checked > 1 or not (codec is None or codec in ZARR_3):
        raise Unsupported(_CODEC)
    if dtype.itemsize > 1:
        dtype = dtype.newbyteorder("<" if _one_of(options["endian"], "little", "big") == "little" else ">")
    return ChunkCoding(shape, dtype, stored, codec, checked)


def _jpeg_chain(options: Json, coding: ChunkCoding, *, more: bool) -> ChunkCoding:
    """Check that chunks are JPEGs of one colour picture each, with its samples last."""
    lengths = [coding.shape[axis] for axis in coding.stored]
    plain = not more and set(options) <= {"level"} and coding.dtype == np.uint8
    if not plain or len(lengths) < 3 or lengths[-1] != 3 or any(length != 1 for length in lengths[:-3]):
        raise Unsupported(_CODEC)
    return coding


def _sharding(shard: tuple[int, ...], chunk: tuple[int, ...], configuration: Json) -> Sharding:
    index = [_named(codec)[0] for codec in configuration["index_codecs"]]
    little = _named(configuration["index_codecs"][0])[1].get("endian", "little") == "little"
    if index not in (["bytes"], ["bytes", "crc32c"]) or not little:
        raise Unsupported(_CODEC)
    if len(shard) != len(chunk) or any(whole % part for whole, part in zip(shard, chunk, strict=True)):
        raise Corrupt(_DAMAGED)
    if math.prod(whole // part for whole, part in zip(shard, chunk, strict=True)) > MAX_SHARD_CHUNKS:
        raise TooLarge(f"A shard of a Zarr array may have at most {MAX_SHARD_CHUNKS:,} chunks.")
    first = _one_of(configuration.get("index_location", "end"), "start", "end") == "start"
    return Sharding(shard, first, len(index) == 2)


def _chunk(value: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    chunk = _lengths(value)
    if len(chunk) != len(shape):
        raise Corrupt(_DAMAGED)
    if math.prod(chunk) * dtype.itemsize > MAX_CHUNK_BYTES:
        raise TooLarge(f"A chunk of a Zarr array may have at most {MAX_CHUNK_BYTES >> 20} MiB.")
    return chunk


def _lengths(value: object) -> tuple[int, ...]:
    """Read a list of whole numbers above 0, one for each axis."""
    if not isinstance(value, list) or not 2 <= len(value) <= MAX_AXES:
        raise Corrupt(_DAMAGED)
    if not all(type(length) is int and 0 < length <= _LONGEST for length in value):
        raise Corrupt(_DAMAGED)
    return tuple(value)


def _named(value: object) -> tuple[str, Json]:
    """Read a named thing of version 3, with or without a configuration."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and isinstance(value["name"], str):
        return value["name"], dict(value.get("configuration") or {})
    raise Corrupt(_DAMAGED)


def _one_of(value: object, *known: str) -> str:
    if isinstance(value, str) and value in known:
        return value
    raise Corrupt(_DAMAGED)


def _dtype_2(value: object) -> np.dtype[Any]:
    """Read a type of version 2 from the list of known ones; structures and objects are none of them."""
    if not isinstance(value, str) or value[:1] not in "<>|" or value[1:] not in _CODES:
        raise Unsupported(_DTYPE)
    return np.dtype(value)


def _name(dtype: np.dtype[Any]) -> str:
    return _CODES[f"{dtype.kind}{dtype.itemsize}"]


def _fill(value: object, dtype: np.dtype[Any]) -> float | int:
    """Read the value of pixels that no chunk holds; where none is stated, 0."""
    if value is None:
        return 0
    if isinstance(value, str) and dtype.kind == "f":
        return _SPECIAL[value] if value in _SPECIAL else float(np.array(int(value, 16), "u4").view("f4"))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Corrupt(_DAMAGED)
    filled: float | int = np.array([value]).astype(dtype)[0].item() if dtype.kind == "f" else _whole(value, dtype)
    return filled


def _whole(value: float, dtype: np.dtype[Any]) -> int:
    limits = np.iinfo(dtype)
    if not limits.min <= value <= limits.max or value != int(value):
        raise Corrupt(_DAMAGED)
    return int(value)
