"""Label images in numpy's files, row by row: .npy, and the members of .npz. Nothing pickled is ever read."""

import ast
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.errors import Invalid, TooLarge, Unsupported

MAX_SIDE = 10_000_000
_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 10_000
_MAX_NAMES = 1024 * 1024
_BAND_BYTES = 8 * 1024 * 1024
_DAMAGED = "The array is damaged, or was cut off."
_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError, OSError, ValueError)
"""What the archive's library raises when it is damaged."""

Opener = Callable[[], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True, slots=True)
class LabelArray:
    """A label image in a file of numpy's.

    Parameters
    ----------
    open_file
        Opens the file, or the member of an archive, from its beginning.
    names
        Class -> value as the archive's member ``classes`` says it, or None.
    """

    open_file: Opener
    width: int
    height: int
    dtype: np.dtype[Any]
    names: dict[str, int] | None = None

    def bands(self) -> Iterator[npt.NDArray[Any]]:
        """Give the image in bands of rows, from the top."""
        each = self.width * self.dtype.itemsize
        rows = max(1, _BAND_BYTES // each)
        try:
            with self.open_file() as file:
                _read_header(file)
                for first in range(0, self.height, rows):
                    count = min(rows, self.height - first)
                    data = _exactly(file, count * each)
                    yield np.frombuffer(data, self.dtype).reshape(count, self.width)
        except _ERRORS:
            raise Invalid(_DAMAGED, code="damaged") from None


def is_array(head: bytes) -> bool:
    """Tell whether a file is one of numpy's."""
    return head.startswith(_MAGIC) or (head.startswith(b"PK\x03\x04") and b".npy" in head[30:300])


def open_array(path: Path, member: str | None) -> LabelArray:
    """Find the label image of a file.

    Parameters
    ----------
    member
        Array of an archive; None takes its only one that could be labels, or the one called ``mask``.
    """
    if not zipfile.is_zipfile(path):
        return _describe(lambda: path.open("rb"), path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as archive:
            found = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()[:1000]}
            names = _names(archive, found)
    except _ERRORS:
        raise Invalid(_DAMAGED, code="damaged") from None
    arrays = [name for name in found if name not in ("classes", "image")]
    chosen = member or ("mask" if "mask" in arrays else (arrays[0] if len(arrays) == 1 else None))
    if chosen is None or chosen not in found:
        raise Invalid("The file has several arrays; say which with the option member=NAME.", code="choose_member")
    made = _describe(lambda: _Member(path, f"{chosen}.npy"), found[chosen])
    return LabelArray(made.open_file, made.width, made.height, made.dtype, names)


class _Member:
    """A member of an archive, opened for reading."""

    def __init__(self, path: Path, name: str) -> None:
        self._archive = zipfile.ZipFile(path)
        self._name = name

    def __enter__(self) -> BinaryIO:
        try:
            return self._archive.open(self._name)  # type: ignore[return-value]
        except BaseException:
            self._archive.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._archive.close()


def _names(archive: zipfile.ZipFile, found: dict[str, int]) -> dict[str, int] | None:
    """Read the class map that PathServe's own files have: a text of JSON."""
    if not 0 < found.get("classes", 0) <= _MAX_NAMES:
        return None
    with archive.open("classes.npy") as file:
        shape, dtype = _read_header(file)  # type: ignore[arg-type]
        if shape != () or dtype.kind != "U" or dtype.itemsize > _MAX_NAMES:
            return None
        text = str(np.frombuffer(_exactly(file, dtype.itemsize), dtype)[0])  # type: ignore[arg-type]
    try:
        names = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    fits = isinstance(names, dict) and all(type(value) is int for value in names.values())
    return names if fits else None


def _describe(open_file: Opener, size: int) -> LabelArray:
    try:
        with open_file() as file:
            shape, dtype = _read_header(file)
    except _ERRORS:
        raise Invalid(_DAMAGED, code="damaged") from None
    if len(shape) != 2 or dtype.kind not in "iub":
        raise Unsupported("A label image has rows and columns of whole numbers.", code="no_labels")
    if not (0 < shape[0] <= MAX_SIDE and 0 < shape[1] <= MAX_SIDE):
        raise TooLarge("The label image is empty, or too large.", code="mask_too_large")
    if shape[0] * shape[1] * dtype.itemsize > size:
        raise Invalid(_DAMAGED, code="damaged")
    return LabelArray(open_file, shape[1], shape[0], dtype)


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the head of a .npy file (NEP 1)."""
    start = _exactly(file, 8)
    if start[:6] != _MAGIC or start[6] not in (1, 2, 3):
        raise Invalid(_DAMAGED, code="damaged")
    length = int.from_bytes(_exactly(file, 2 if start[6] == 1 else 4), "little")
    if length > _MAX_HEADER:
        raise Invalid(_DAMAGED, code="damaged")
    try:
        head = ast.literal_eval(_exactly(file, length).decode("utf-8").strip())
        shape, kind, by_columns = head["shape"], head["descr"], head["fortran_order"]
        dtype = np.dtype(kind) if isinstance(kind, str) else None
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        raise Invalid(_DAMAGED, code="damaged") from None
    if dtype is None or dtype.hasobject:
        raise Unsupported("Arrays of objects would run code when they are read; they are refused.", code="pickled")
    if not isinstance(shape, tuple) or not all(type(side) is int for side in shape):
        raise Invalid(_DAMAGED, code="damaged")
    if by_columns is not False and len(shape) > 1:
        raise Unsupported("Arrays that go by columns (Fortran order) are not read.", code="fortran_order")
    return shape, dtype


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise Invalid(_DAMAGED, code="damaged")
    return data
