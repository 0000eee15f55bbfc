"""Regions and tiles as the client asks for them and decodes them."""

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import orjson
import simplejpeg

from pathserve import errors
from pathserve.client.wire import Query, error_of

_T = TypeVar("_T")

_MOST_ITEMS = 256
"""Tiles or regions that are asked for in one request: more would save next to nothing."""

_MOST_PIXELS = 1 << 24
"""Pixels of the regions that are asked for in one request, but for one that alone has more."""


def grid(x: float, y: float, width: int, height: int, mpp: float | None, downsample: float | None) -> Query:
    """Write an output grid as parameters."""
    query: Query = [("x", repr(float(x))), ("y", repr(float(y))), ("width", str(width)), ("height", str(height))]
    if mpp is not None:
        query.append(("mpp", repr(float(mpp))))
    if downsample is not None:
        query.append(("downsample", repr(float(downsample))))
    return query


def look(color: str, c: int | str | None, z: int | str | None, t: int) -> dict[str, Any]:
    """Write what is shown of a slide as parameters."""
    chosen: dict[str, Any] = {"color": color, "t": t}
    return chosen | {name: value for name, value in (("c", c), ("z", z)) if value is not None}


def parts(items: Iterable[_T], pixels_of: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Cut a sequence into what one request asks for."""
    part, pixels = list[_T](), 0
    for item in items:
        more = pixels_of(item)
        if part and (len(part) >= _MOST_ITEMS or pixels + more > _MOST_PIXELS):
            yield part
            part, pixels = [], 0
        part.append(item)
        pixels += more
    if part:
        yield part


def unpack(answer: bytes) -> Iterator[npt.NDArray[np.uint8]]:
    """Decode the members of an archive one by one; raises the error of the first one that could not be had."""
    with tarfile.open(fileobj=io.BytesIO(answer), mode="r:") as archive:
        for member in archive:
            file = archive.extractfile(member)
            yield _picture(member.name, b"" if file is None else file.read())


def _picture(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    """Decode one member of an archive; one that is a problem document raises it."""
    if name.endswith(".json"):
        problem = orjson.loads(data)
        raise error_of(problem["status"], problem)
    if name.endswith(".npy"):
        return array_of(data)
    try:
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB")
    except ValueError:
        raise errors.Corrupt("A tile that the server gave is damaged.") from None
    return pixels


def array_of(body: bytes) -> npt.NDArray[Any]:
    """Decode an npy."""
    array: npt.NDArray[Any] = np.load(io.BytesIO(body), allow_pickle=False)
    return array
