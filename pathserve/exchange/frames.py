"""Where a file's coordinates lie on the slide: from its frame to level-0 pixels and back, and how well it fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.errors import Invalid
from pathserve.formats.contract import Format, Origin, SlideFrame, Unit
from pathserve.formats.geojson.geojson import FOREIGN_MEMBERS
from pathserve.geometry import Mpp
from pathserve.labels import Columns, Texts

Matrix = tuple[float, float, float, float, float, float]
"""``a, b, c, d, e, f``: x' = a x + b y + c and y' = d x + e y + f."""

IDENTITY: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

_NUCLEUS = "nucleusGeometry"
_COORDINATE_DEPTH = 4
_MEMBERS = 64
_SAMPLE = 2048


@dataclass(frozen=True, slots=True)
class FrameOptions:
    """What somebody says about the frame of a file; None is left to the format.

    Parameters
    ----------
    origin
        ``slide``: (0, 0) is the corner of level 0; ``bounds``: that of its part that is not empty.
    unit
        ``px`` or ``um``.
    mpp
        Micrometres per level-0 pixel, for micrometres on a slide that states none, or wrong ones.
    affine
        From the file's numbers to its stated frame, in its stated unit.
    """

    origin: Origin | None = None
    unit: Unit | None = None
    mpp: Mpp | None = None
    affine: Matrix = IDENTITY


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of a file, settled.

    Parameters
    ----------
    origin, unit
        None where the format itself says where things lie.
    to_slide
        From the file's numbers to level-0 pixels.
    assumed
        Names of what nobody said: ``format``, ``origin``, ``unit``.
    """

    origin: Origin | None
    unit: Unit | None
    mpp: Mpp | None
    to_slide: Matrix
    assumed: tuple[str, ...] = ()


def settle(options: FrameOptions, form: Format, slide: SlideFrame) -> Frame:
    """Work out the frame of a file of this format.

    Raises
    ------
    Invalid
        When micrometres are asked for of a slide without a pixel size, a pixel size is stated though positions are
        pixels, or a frame of a format that says it itself.
    """
    require_matrix(options.affine)
    if form.origin is None or form.unit is None:
        if any(said is not None for said in (options.origin, options.unit, options.mpp)):
            raise Invalid(
                f"{form.title} says where things lie: it takes no origin, no unit and no micrometres per pixel.",
                code="fixed_frame",
            )
        return Frame(None, None, None, options.affine)
    origin, unit = options.origin or form.origin, options.unit or form.unit
    if options.mpp is not None and unit != "um":
        raise Invalid(
            "Micrometres per pixel count only where positions are micrometres: say the unit um too, or leave them out.",
            code="bad_option",
        )
    mpp = options.mpp or slide.mpp
    if unit == "um" and mpp is None:
        raise Invalid("This slide states no micrometres per pixel that can be used; say them.", code="no_mpp")
    assumed = tuple(name for name, said in (("origin", options.origin), ("unit", options.unit)) if said is None)
    used = mpp if unit == "um" else None
    return Frame(origin, unit, used, _compose(_of_slide(origin, used, slide), options.affine), assumed)


def _of_slide(origin: Origin, mpp: Mpp | None, slide: SlideFrame) -> Matrix:
    """Give the way from a stated frame to level-0 pixels; ``mpp`` is None for pixels."""
    x, y = slide.bounds if origin == "bounds" else (0.0, 0.0)
    return (1 / mpp.x, 0.0, x, 0.0, 1 / mpp.y, y) if mpp else (1.0, 0.0, x, 0.0, 1.0, y)


def require_matrix(matrix: Matrix) -> None:
    """Refuse six numbers that are no way there and back; raises `Invalid`."""
    a, b, _, d, e, _ = matrix
    if not np.isfinite(matrix).all() or a * e - b * d == 0:
        raise Invalid("An affine is six finite numbers a,b,c,d,e,f that can be turned back.", code="bad_affine")


def _compose(then: Matrix, first: Matrix) -> Matrix:
    """Give the matrix that does one after the other."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (p * a + q * d, p * b + q * e, p * c + q * f + r, s * a + t * d, s * b + t * e, s * c + t * f + u)


def inverse(matrix: Matrix) -> Matrix:
    """Give the way back."""
    a, b, c, d, e, f = matrix
    n = a * e - b * d
    return (e / n, -b / n, (b * f - e * c) / n, -d / n, a / n, (d * c - a * f) / n)


def move(xy: npt.NDArray[np.float64], matrix: Matrix) -> npt.NDArray[np.float64]:
    """Move positions (V, 2); the identity changes no bit."""
    if matrix == IDENTITY:
        return xy
    a, b, c, d, e, f = matrix
    x, y = xy[:, 0], xy[:, 1]
    # Terms of 0 are left out: they would turn infinity into NaN, and -0 into 0.
    columns = [(x * a if b == 0 else x * a + y * b) + c, (y * e if d == 0 else x * d + y * e) + f]
    return np.stack(columns, axis=1)


def move_columns(columns: Columns, matrix: Matrix) -> Columns:
    """Move all geometries of some rows, those kept as JSON too, and the nuclei of QuPath's cells."""
    if matrix == IDENTITY:
        return columns
    mark, properties = f'"{_NUCLEUS}"'.encode(), columns.properties
    if mark in properties.data.tobytes():
        properties = Texts.of(
            orjson.dumps(move_nucleus(orjson.loads(text), matrix)) if mark in text else text for text in properties
        )
    return replace(
        columns,
        xy=move(columns.xy, matrix),
        geometries={row: _moved_text(text, matrix) for row, text in columns.geometries.items()},
        drawn={row: _moved_text(text, matrix) for row, text in columns.drawn.items()},
        properties=properties,
    )


def _moved_text(text: bytes, matrix: Matrix) -> bytes:
    return orjson.dumps(move_geometry(orjson.loads(text), matrix))


def move_nucleus(properties: Mapping[str, Any], matrix: Matrix) -> dict[str, Any]:
    """Move the geometry of a cell's nucleus, which stands among the members that GeoJSON does not define."""
    foreign = properties.get(FOREIGN_MEMBERS)
    nucleus = foreign.get(_NUCLEUS) if isinstance(foreign, Mapping) else None
    if not isinstance(foreign, Mapping) or not isinstance(nucleus, Mapping):
        return dict(properties)
    return {**properties, FOREIGN_MEMBERS: {**foreign, _NUCLEUS: move_geometry(nucleus, matrix)}}


def move_geometry(geometry: Mapping[str, Any], matrix: Matrix) -> dict[str, Any]:
    """Move one GeoJSON geometry that may not have passed the gate: what is no position stays as it is."""
    moved = dict(geometry)
    if isinstance(moved.get("geometries"), list):
        moved["geometries"] = [
            move_geometry(member, matrix) if isinstance(member, Mapping) and "geometries" not in member else member
            for member in moved["geometries"][:_MEMBERS]
        ] + moved["geometries"][_MEMBERS:]
    if "coordinates" in moved:
        moved["coordinates"] = _moved(moved["coordinates"], matrix, _COORDINATE_DEPTH)
    return moved


def _moved(value: Any, matrix: Matrix, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(value, list | tuple) or not value or depth == 0:
        return value
    if all(type(number) in (int, float) for number in value):
        if len(value) < 2:
            return value
        a, b, c, d, e, f = matrix
        x, y, *more = value
        try:
            return [x * a + y * b + c, x * d + y * e + f, *more]
        except OverflowError:
            return value
    return [_moved(inner, matrix, depth - 1) for inner in value]


# how well it fits


@dataclass(frozen=True, slots=True)
class Tissue:
    """Where the slide has tissue: (h, w) bool over the whole slide."""

    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fit:
    """How many of a file's vertices lie on the slide, and on tissue (None: not known), if its frame were this one."""

    origin: Origin
    unit: Unit
    on_slide: float
    on_tissue: float | None


class FitCheck:
    """Counts vertices under each frame that a file could have; it tells people, and decides nothing.

    Of many vertices it looks at a sample, evenly through all of them.
    """

    def __init__(self, options: FrameOptions, frame: Frame, slide: SlideFrame, tissue: Tissue | None) -> None:
        self._size, self._tissue = slide.size, tissue
        self._vertices = 0
        self._counts: dict[tuple[Origin, Unit], list[int]] = {}
        self._ways: dict[tuple[Origin, Unit], Matrix] = {}
        if frame.origin is None or slide.size is None:
            return
        origins: Sequence[Origin] = ("slide", "bounds") if slide.bounds != (0.0, 0.0) else ("slide",)
        mpp = options.mpp or slide.mpp
        units: Sequence[Unit] = ("px", "um") if mpp is not None else ("px",)
        for origin in origins:
            for unit in units:
                way = _compose(_of_slide(origin, mpp if unit == "um" else None, slide), options.affine)
                self._ways[origin, unit] = way
                self._counts[origin, unit] = [0, 0]

    def look(self, xy: npt.NDArray[np.float64]) -> None:
        """Count positions (V, 2) as the file gives them."""
        if self._size is None:
            return
        step = max(1, len(xy) // _SAMPLE)  # each that is looked at stands for so many
        xy = xy[::step]
        self._vertices += step * len(xy)
        for key, way in self._ways.items():
            with np.errstate(invalid="ignore", over="ignore"):
                moved = move(xy, way)
                inside = (moved >= 0).all(axis=1) & (moved < (self._size.width, self._size.height)).all(axis=1)
            counts = self._counts[key]
            counts[0] += step * int(inside.sum())
            if self._tissue is not None:
                height, width = self._tissue.mask.shape
                scale = (width / self._size.width, height / self._size.height)
                col, row = (moved[inside] * scale).astype(np.int64).T
                on_tissue = self._tissue.mask[np.minimum(row, height - 1), np.minimum(col, width - 1)]
                counts[1] += step * int(on_tissue.sum())

    def found(self) -> tuple[Fit, ...]:
        """Give the shares, 0 to 1."""
        total = max(1, self._vertices)
        return tuple(
            Fit(origin, unit, counts[0] / total, None if self._tissue is None else counts[1] / total)
            for (origin, unit), counts in self._counts.items()
        )
