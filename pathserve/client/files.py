"""Files of annotations as the client sends and fetches them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypedDict

import orjson

from pathserve import errors
from pathserve.client.wire import Query, Wire, error_of

_BLOCK = 1024 * 1024

Progress = Callable[[str, int, int | None], None]


class FrameOptions(TypedDict, total=False):
    """The frame of a file's coordinates; what is left out is the format's own.

    ``mpp`` is micrometres per level-0 pixel, along x and y; ``affine`` is a, b, c, d, e, f of x' = a x + b y + c and
    y' = d x + e y + f, from the file's numbers; ``told`` is what a format has to be told, by name.
    """

    origin: Literal["slide", "bounds"]
    unit: Literal["px", "um"]
    mpp: tuple[float, float]
    affine: tuple[float, float, float, float, float, float]
    told: Mapping[str, str]


class ImportOptions(FrameOptions, total=False):
    """How a file is imported; ``force`` keeps repairs that lose more than 1 % of an outline's area."""

    on_conflict: Literal["report", "new", "replace"]
    force: bool


def frame_query(options: Mapping[str, Any]) -> Query:
    """Write options as parameters."""
    query: Query = []
    for name, value in options.items():
        if name == "told":
            query += [("option", f"{key}={text}") for key, text in value.items()]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            query.append((name, ",".join(repr(float(number)) for number in value)))
        else:
            query.append((name, str(value).lower() if isinstance(value, bool) else value))
    return query


def send_file(
    wire: Wire,
    address: str,
    path: str | PathLike[str],
    form: str | None,
    layer: str | None,
    options: Mapping[str, Any],
    progress: Progress | None,
) -> dict[str, Any]:
    """Send a file to be imported and follow what becomes of it; gives the report."""
    query = frame_query(options) + [(n, v) for n, v in (("format", form), ("layer", layer)) if v is not None]
    headers = {"accept": "text/event-stream", "content-type": "application/octet-stream"}
    with wire.lines(address, headers=headers, query=query, body=_blocks(Path(path))) as lines:
        name = ""
        for line in lines:
            member, _, text = line.partition(": ")
            if member == "event":
                name = text
            elif member == "data":
                found: dict[str, Any] = orjson.loads(text)
                if name == "report":
                    return found
                if name == "problem":
                    raise error_of(int(found["status"]), found)
                if progress is not None:
                    progress(found["phase"], found["done"], found["total"])
    raise errors.Busy("The connection to the server was lost.", code="unreachable")


def save_file(wire: Wire, address: str, path: str | PathLike[str], query: Query) -> None:
    """Write an answer to a file; it is there when all of it is."""
    whole = Path(path)
    part = whole.with_name(whole.name + ".part")
    try:
        with wire.blocks(address, query=query) as blocks, part.open("wb") as file:
            for block in blocks:
                file.write(block)
        part.replace(whole)
    finally:
        part.unlink(missing_ok=True)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
