"""One slide on the server: its pixels, masks and annotations."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal, Unpack

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.client.annotations import Filters, Happening, box_query, filter_query, happenings, pages, send_edits
from pathserve.client.files import FrameOptions, ImportOptions, frame_query, save_file, send_file
from pathserve.client.layers import layer_address, layers_address, write_layer
from pathserve.client.pixels import array_of, grid, look, parts, unpack
from pathserve.client.wire import JSON, Query, Wire
from pathserve.geometry import Mpp


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


@dataclass(frozen=True, slots=True)
class Slide:
    """One slide on the server; width and height in level-0 pixels."""

    client: Wire = field(repr=False)
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
        shown = look(color, c, z, t)
        query = [*grid(x, y, width, height, mpp, downsample), *shown.items(), ("format", "npy")]
        return array_of(self.client.request("GET", f"/api/slides/{self.id}/region", query=query))

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
        shown = look(color, c, z, t)
        for part in parts(addresses, lambda _: 0):
            yield from self._batch({"tiles": part, "format": format} | shown)

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
        shown = look(color, c, z, t)
        for part in parts(boxes, lambda box: box[2] * box[3]):
            grids = [dict(grid(*box, mpp, downsample)) for box in part]
            yield from self._batch({"regions": grids, "format": "npy"} | shown)

    def _batch(self, body: Mapping[str, Any]) -> Iterator[npt.NDArray[np.uint8]]:
        # Read to its end before anything is given: the server cuts off whoever stops in the middle of an answer.
        answer = self.client.request("POST", f"/api/slides/{self.id}/tiles", body=orjson.dumps(body), headers=JSON)
        yield from unpack(answer)

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
        **filters: Unpack[Filters],
    ) -> npt.NDArray[Any]:
        """Read the mask on the same grid as `region`.

        Parameters
        ----------
        kind
            ``semantic`` (uint8), ``instance`` (uint32), ``boundary`` (uint8), ``distance`` (float32, level-0 pixels) or
            ``coverage`` (float32, 0 to 1).
        filters
            Which annotations it shows, see `Filters`; by default all of now.

        Returns
        -------
        Array of shape (height, width).
        """
        query: Query = [*grid(x, y, width, height, mpp, downsample), ("kind", kind), *filter_query(filters)]
        path = f"/api/slides/{self.id}/mask"
        return array_of(self.client.request("GET", path, query=[*query, ("format", "npy")]))

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
        color: str = "source",
        c: int | str | None = None,
        z: int | str | None = None,
        t: int = 0,
        **filters: Unpack[Filters],
    ) -> Pair:
        """Read a region and its mask in one request; parameters as in `region` and `mask`."""
        query: Query = [*grid(x, y, width, height, mpp, downsample), ("kind", kind), *filter_query(filters)]
        query += look(color, c, z, t).items()
        body = self.client.request("GET", f"/api/slides/{self.id}/pair", query=query)
        with np.load(io.BytesIO(body), allow_pickle=False) as members:
            class_map = orjson.loads(str(members["classes"]))
            return Pair(members["image"], members["mask"], class_map)

    def annotations(
        self,
        *,
        bbox: tuple[float, float, float, float] | None = None,
        order: str = "number",
        **filters: Unpack[Filters],
    ) -> Iterator[dict[str, Any]]:
        """Read annotations as GeoJSON Features, all of one revision.

        Parameters
        ----------
        bbox
            (x0, y0, x1, y1) in level-0 pixels; None means the whole slide.
        order
            ``number``, ``area``, ``score``, ``class``, ``state`` or ``updated``; a minus sign turns it round.
        filters
            Which ones, see `Filters`: ``slide.annotations(where="class = 'Tumor' AND area > 40", layers=["AI"])``.
        """
        query: Query = [*filter_query(filters), *box_query(bbox), ("order", order)]
        return pages(self.client, f"/api/slides/{self.id}/annotations", query, member="features")

    def summary(
        self, *, bbox: tuple[float, float, float, float] | None = None, **filters: Unpack[Filters]
    ) -> dict[str, Any]:
        """Count annotations, exactly, without reading them.

        Returns
        -------
        ``{"revision": R, "total": N, "classes": [{"name", "count"}, ...], "layers": [...], "states": [...]}``
        """
        query = [*filter_query(filters), *box_query(bbox)]
        found: dict[str, Any] = self.client.get_json(f"/api/slides/{self.id}/annotations/summary", query)
        return found

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
        query: Query = [] if layer is None else [("layer", layer)]
        report = self.client.request(
            "POST",
            f"/api/slides/{self.id}/annotations",
            query=query,
            body=body,
            headers={"content-type": "application/geo+json"},
        )
        result: dict[str, Any] = orjson.loads(report)
        return result

    def import_annotations(
        self,
        path: str | PathLike[str],
        *,
        format: str | None = None,
        layer: str | None = None,
        progress: Callable[[str, int, int | None], None] | None = None,
        **options: Unpack[ImportOptions],
    ) -> dict[str, Any]:
        """Import a file of annotations as one revision.

        Parameters
        ----------
        format
            Name of the format; None tells it by the content.
        layer
            As in `add_annotations`.
        progress
            Told the phase, how many annotations are done, and of how many if that is known.

        Returns
        -------
        What was created, there already, replaced, repaired, refused and lost; members as in the reference of the HTTP
        interface.

        Raises
        ------
        PathServeError
            When nothing came in.
        """
        return send_file(
            self.client, f"/api/slides/{self.id}/annotations/import", path, format, layer, options, progress
        )

    def export_annotations(
        self,
        path: str | PathLike[str],
        *,
        format: str = "geojson",
        bbox: tuple[float, float, float, float] | None = None,
        frame: FrameOptions | None = None,
        **filters: Unpack[Filters],
    ) -> None:
        """Write annotations to a file; it is there when all of it is.

        Parameters
        ----------
        format
            Name of the format.
        frame
            The frame of its coordinates, where it is not the format's own.
        bbox, filters
            As in `annotations`.
        """
        query = [("format", format), *frame_query(frame or {}), *box_query(bbox), *filter_query(filters)]
        save_file(self.client, f"/api/slides/{self.id}/annotations/export", path, query)

    def edit_annotations(self, edits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Edit many annotations; each 10,000 are one revision of the slide.

        Parameters
        ----------
        edits
            Each names one annotation by ``id`` or ``number``, the ``revision`` of it that was seen (or the slide's as
            ``unless_changed_since``), and what shall become of it: ``class`` (a name or None), ``state``,
            ``properties`` (merged, RFC 7396), ``delete`` (a truth value).

        Returns
        -------
        What became of each, in their order: ``{"result": "done", "revision": R}``, or ``stale``, ``deleted`` and
        ``not_found``, which changed nothing.

        Raises
        ------
        Invalid
            When an edit makes no sense; those of its 10,000 are not made then.
        """
        return send_edits(self.client, f"/api/slides/{self.id}/annotations/edits", edits)

    def events(self, *, since: int | None = None) -> Iterator[Happening]:
        """Follow what others do to the slide, and where they look, for ever; a lost connection is made anew.

        Parameters
        ----------
        since
            The revision after which to begin; None: now.

        Raises
        ------
        PathServeError
            When the server refuses, such as after the token was revoked or the slide removed; `Busy` when it cannot be
            reached any more.
        """
        return happenings(self.client, f"/api/slides/{self.id}/events", since)

    def layers(self) -> list[dict[str, Any]]:
        """List the layers: ``name``, ``author``, ``kind`` and how many ``annotations``."""
        return list(pages(self.client, layers_address(self.id), []))

    def add_layer(self, name: str, *, kind: str = "author") -> dict[str, Any]:
        """Make an empty layer; ``kind`` is ``author``, ``task``, ``model`` or ``imported``.

        Raises
        ------
        Conflict
            When the slide has a layer of this name.
        """
        return write_layer(self.client, "POST", layers_address(self.id), {"name": name, "kind": kind})

    def rename_layer(self, layer: str, name: str) -> dict[str, Any]:
        """Give a layer another name; raises as `add_layer`, and `NotFound` when there is no such layer."""
        return write_layer(self.client, "PATCH", layer_address(self.id, layer), {"name": name})

    def remove_layer(self, layer: str) -> None:
        """Take a layer away with all that is on it; earlier revisions still show it."""
        self.client.request("DELETE", layer_address(self.id, layer))

    def restore_layer(self, layer: str) -> dict[str, Any]:
        """Bring the last layer of this name back that was taken away; raises as `rename_layer`."""
        return write_layer(self.client, "POST", layer_address(self.id, layer) + "/restore")

    def classes(self) -> dict[str, int]:
        """Read the class map ``{name: mask value}`` of the slide's project."""
        return {item["name"]: item["value"] for item in self.class_schema()["items"]}

    def class_schema(self) -> dict[str, Any]:
        """Read the class schema of the slide's project: ``version``, and ``items`` with colours, codes and so on."""
        found: dict[str, Any] = self.client.get_json(f"/api/slides/{self.id}/classes")
        return found


def slide_of(client: Wire, item: Mapping[str, Any]) -> Slide:
    """Make a slide of what the catalog tells of it."""
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
