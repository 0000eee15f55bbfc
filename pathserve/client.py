"""A light client for pipelines: regions, masks, pairs and annotations of a server, as numpy arrays and GeoJSON.

x and y are level-0 pixels (fractions allowed), width and height output pixels; arrays are (h, w) or (h, w, 3).
"""

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

import httpx2
import numpy as np
import numpy.typing as npt
import orjson
import simplejpeg

from pathserve import errors
from pathserve.geometry import Mpp

_ERRORS: dict[int, type[errors.PathServeError]] = {
    401: errors.Unauthenticated,
    403: errors.Denied,
    404: errors.NotFound,
    409: errors.Conflict,
    412: errors.Stale,
    413: errors.TooLarge,
    422: errors.Invalid,
    428: errors.PreconditionNeeded,
    503: errors.Busy,
}

_JSON = {"content-type": "application/json"}
_T = TypeVar("_T")

_MOST_ITEMS = 256
"""Tiles or regions that are asked for in one request: more would save next to nothing."""

_MOST_PIXELS = 1 << 24
"""Pixels of the regions that are asked for in one request, but for one that alone has more."""

_Query = list[tuple[str, str | int | float | bool | None]]


@dataclass(frozen=True, slots=True)
class Pair:
    """A region and its mask on one grid.

    Parameters
    ----------
    image
        uint8, (h, w, 3), RGB.
    mask
        (h, w); dtype by kind.
    classes
        Class map ``{name: mask value}``.
    """

    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[Any]
    classes: Mapping[str, int]


class Client:
    """A connection to a server; use it as a context manager or call `close`.

    Parameters
    ----------
    url
        Address of the server, such as ``"http://127.0.0.1:8000"``.
    token
        An API token (``pathserve token create NAME``).
    timeout
        Seconds without any byte before a request is given up.

    Raises
    ------
    PathServeError
        Every method raises the class that fits the server's problem, with its ``code``; `Busy` when the server
        cannot be reached.
    """

    def __init__(self, url: str, *, token: str, timeout: float = 60.0) -> None:
        self._http = httpx2.Client(
            base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=timeout, follow_redirects=False
        )

    def slides(self) -> Iterator["Slide"]:
        """List the slides that the token may see, oldest first."""
        cursor = None
        while True:
            page = self.get_json("/api/slides", [("cursor", cursor)] if cursor else [])
            yield from (_slide(self, item) for item in page["items"])
            cursor = page["next"]
            if cursor is None:
                return

    def slide(self, slide_id: str) -> "Slide":
        """Find one slide by its id."""
        return _slide(self, self.get_json(f"/api/slides/{slide_id}"))

    def get_json(self, path: str, query: _Query | None = None) -> Any:  # noqa: ANN401 - any JSON value
        """Read any address of the interface that answers JSON."""
        return orjson.loads(self.request("GET", path, query=query))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: _Query | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send one request and give the answer's bytes.

        Raises
        ------
        PathServeError
            For every answer that is no success.
        """
        try:
            response = self._http.request(method, path, params=query or [], content=body, headers=dict(headers or {}))
        except httpx2.TransportError as error:
            raise errors.Busy("The server cannot be reached.", code="unreachable") from error
        if response.is_success:
            return response.content
        raise _error(response)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Slide:
    """One slide on the server; width and height in level-0 pixels."""

    client: Client = field(repr=False)
    id: str
    name: str
    project: str
    width: int
    height: int
    mpp: Mpp | None
    objective_power: float | None
    generation: int

    def region(
        self,
        x: float,
        y: float,
        width: int,
        height: int,
        *,
        mpp: float | None = None,
        downsample: float | None = None,
        color: str = "source",
        c: int | str | None = None,
        z: int | str | None = None,
        t: int = 0,
    ) -> npt.NDArray[np.uint8]:
        """Read pixels.

        Parameters
        ----------
        mpp, downsample
            Micrometres, or level-0 pixels, per output pixel; neither means full resolution.
        color
            ``"source"``: the scan's own values; ``"srgb"``: converted by its ICC profile.
        c, z, t
            Channels with how they are shown, plane and time as addresses take them, such as ``c="0:ff0000:100-4000,2"``
            and ``z="max"``; by default what a viewer shows first.

        Returns
        -------
        uint8 array of shape (height, width, 3).
        """
        look = _look(color, c, z, t)
        query = [*_grid(x, y, width, height, mpp, downsample), *look.items(), ("format", "npy")]
        return _array(self.client.request("GET", f"/api/slides/{self.id}/region", query=query))

    def tiles(
        self,
        addresses: Iterable[tuple[int, int, int]],
        *,
        color: str = "source",
        c: int | str | None = None,
        z: int | str | None = None,
        t: int = 0,
        format: Literal["jpeg", "npy"] = "jpeg",
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """Read tiles by their Deep Zoom addresses, a few hundred in a request; by far the cheapest way to read many.

        Memory: one request's tiles as they are sent.

        Parameters
        ----------
        addresses
            (level, column, row) of each; the last level is full resolution.
        color, c, z, t
            As in `region`.
        format
            How tiles are sent: ``"jpeg"``, or ``"npy"``, which keeps every value of channels that are put together and
            of converted colours, and takes far more of the line.

        Returns
        -------
        Decoded tiles in the order of ``addresses``, uint8, (height, width, 3); smaller at the right and bottom edge.

        Raises
        ------
        PathServeError
            As soon as a tile cannot be had, such as `NotFound` for one outside the slide.
        """
        look = _look(color, c, z, t)
        for part in _parts(addresses, lambda _: 0):
            yield from self._batch({"tiles": part, "format": format} | look)

    def regions(
        self,
        boxes: Iterable[tuple[float, float, int, int]],
        *,
        mpp: float | None = None,
        downsample: float | None = None,
        color: str = "source",
        c: int | str | None = None,
        z: int | str | None = None,
        t: int = 0,
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """Read many regions, each as `region` gives it, a few hundred in a request.

        Memory: one request's pixels, at most 48 MiB unless a region alone has more.

        Parameters
        ----------
        boxes
            (x, y, width, height) of each: x, y level-0 pixels, width and height output pixels.
        mpp, downsample, color, c, z, t
            As in `region`, the same for all.

        Raises
        ------
        PathServeError
            As soon as a region cannot be had.
        """
        look = _look(color, c, z, t)
        for part in _parts(boxes, lambda box: box[2] * box[3]):
            grids = [dict(_grid(*box, mpp, downsample)) for box in part]
            yield from self._batch({"regions": grids, "format": "npy"} | look)

    def _batch(self, body: Mapping[str, Any]) -> Iterator[npt.NDArray[np.uint8]]:
        # Read to its end before anything is given: the server cuts off whoever stops in the middle of an answer.
        answer = self.client.request("POST", f"/api/slides/{self.id}/tiles", body=orjson.dumps(body), headers=_JSON)
        with tarfile.open(fileobj=io.BytesIO(answer), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member)
                yield _picture(member.name, b"" if file is None else file.read())

    def mask(
        self,
        x: float,
        y: float,
        width: int,
        height: int,
        *,
        mpp: float | None = None,
        downsample: float | None = None,
        kind: str = "semantic",
        classes: Sequence[str] = (),
        layers: Sequence[str] = (),
        as_of: int | str | None = None,
    ) -> npt.NDArray[Any]:
        """Read the mask on the same grid as `region`.

        Parameters
        ----------
        kind
            ``semantic`` (uint8), ``instance`` (uint32), ``boundary`` (uint8), ``distance`` (float32, level-0 pixels) or
            ``coverage`` (float32, 0 to 1).
        classes, layers
            Only these; empty means all.
        as_of
            A revision number or an RFC 3339 time.

        Returns
        -------
        Array of shape (height, width).
        """
        query = [
            *_grid(x, y, width, height, mpp, downsample),
            *_filters(kind, classes, layers, as_of),
            ("format", "npy"),
        ]
        return _array(self.client.request("GET", f"/api/slides/{self.id}/mask", query=query))

    def pair(
        self,
        x: float,
        y: float,
        width: int,
        height: int,
        *,
        mpp: float | None = None,
        downsample: float | None = None,
        kind: str = "semantic",
        classes: Sequence[str] = (),
        layers: Sequence[str] = (),
        as_of: int | str | None = None,
        color: str = "source",
        c: int | str | None = None,
        z: int | str | None = None,
        t: int = 0,
    ) -> Pair:
        """Read a region and its mask in one request; parameters as in `region` and `mask`."""
        query = [
            *_grid(x, y, width, height, mpp, downsample),
            *_filters(kind, classes, layers, as_of),
            *_look(color, c, z, t).items(),
        ]
        body = self.client.request("GET", f"/api/slides/{self.id}/pair", query=query)
        with np.load(io.BytesIO(body), allow_pickle=False) as members:
            class_map = orjson.loads(str(members["classes"]))
            return Pair(members["image"], members["mask"], class_map)

    def annotations(
        self,
        *,
        bbox: tuple[float, float, float, float] | None = None,
        classes: Sequence[str] = (),
        layers: Sequence[str] = (),
        as_of: int | str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Read annotations as GeoJSON Features, all of one revision.

        Parameters
        ----------
        bbox
            (x0, y0, x1, y1) in level-0 pixels; None means the whole slide.
        """
        query = _filters(None, classes, layers, as_of)
        if bbox is not None:
            query.append(("bbox", ",".join(repr(float(edge)) for edge in bbox)))
        cursor: str | None = None
        while True:
            page = self.client.get_json(
                f"/api/slides/{self.id}/annotations", [*query, ("cursor", cursor)] if cursor else query
            )
            yield from page["features"]
            cursor = page["next"]
            if cursor is None:
                return

    def add_annotations(self, features: Iterable[Mapping[str, Any]], *, layer: str | None = None) -> dict[str, Any]:
        """Add Features.

        Parameters
        ----------
        layer
            Name of the layer, made when absent; None means the token's own.

        Returns
        -------
        ``{"created": N, "ids": [...], "repaired": [...], "refused": [...], "revision": R}``

        Raises
        ------
        Invalid
            When every feature was refused.
        """
        body = orjson.dumps({"type": "FeatureCollection", "features": list(features)})
        query: _Query = [] if layer is None else [("layer", layer)]
        report = self.client.request(
            "POST",
            f"/api/slides/{self.id}/annotations",
            query=query,
            body=body,
            headers={"content-type": "application/geo+json"},
        )
        result: dict[str, Any] = orjson.loads(report)
        return result

    def classes(self) -> dict[str, int]:
        """Read the class map ``{name: mask value}`` of the slide's project."""
        page = self.client.get_json(f"/api/slides/{self.id}/classes")
        return {item["name"]: item["value"] for item in page["items"]}


def _slide(client: Client, item: Mapping[str, Any]) -> Slide:
    known = item["mpp_x"] is not None and item["mpp_y"] is not None
    return Slide(
        client=client,
        id=item["id"],
        name=item["name"],
        project=item["project"],
        width=item["width"],
        height=item["height"],
        mpp=Mpp(item["mpp_x"], item["mpp_y"]) if known else None,
        objective_power=item["objective_power"],
        generation=item["generation"],
    )


def _grid(x: float, y: float, width: int, height: int, mpp: float | None, downsample: float | None) -> _Query:
    query: _Query = [("x", repr(float(x))), ("y", repr(float(y))), ("width", str(width)), ("height", str(height))]
    if mpp is not None:
        query.append(("mpp", repr(float(mpp))))
    if downsample is not None:
        query.append(("downsample", repr(float(downsample))))
    return query


def _filters(kind: str | None, classes: Sequence[str], layers: Sequence[str], as_of: int | str | None) -> _Query:
    query: _Query = [] if kind is None else [("kind", kind)]
    query += [("class", name) for name in classes]
    query += [("layer", name) for name in layers]
    if as_of is not None:
        query.append(("as_of", str(as_of)))
    return query


def _look(color: str, c: int | str | None, z: int | str | None, t: int) -> dict[str, Any]:
    look: dict[str, Any] = {"color": color, "t": t}
    return look | {name: value for name, value in (("c", c), ("z", z)) if value is not None}


def _parts(items: Iterable[_T], pixels_of: Callable[[_T], int]) -> Iterator[list[_T]]:
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


def _picture(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    """Decode one member of an archive; one that is a problem document raises it."""
    if name.endswith(".json"):
        problem = orjson.loads(data)
        kind = _ERRORS.get(problem["status"], errors.PathServeError)
        raise kind(str(problem["detail"]), code=str(problem["code"]))
    if name.endswith(".npy"):
        return _array(data)
    try:
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB")
    except ValueError:
        raise errors.Corrupt("A tile that the server gave is damaged.") from None
    return pixels


def _array(body: bytes) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(io.BytesIO(body), allow_pickle=False)
    return array


def _error(response: httpx2.Response) -> errors.PathServeError:
    kind = _ERRORS.get(response.status_code, errors.PathServeError)
    try:
        problem = response.json()
        return kind(str(problem["detail"]), code=str(problem["code"]))
    except (ValueError, KeyError, TypeError):
        return kind(f"The server answered with status {response.status_code}.")
