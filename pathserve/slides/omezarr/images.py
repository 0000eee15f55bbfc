"""Which pictures an OME-Zarr store holds, and what its metadata says of each."""

import math
from dataclasses import dataclass
from typing import Any

from pathserve.errors import Corrupt, NotFound, PathServeError, TooLarge, Unsupported
from pathserve.geometry import Mpp
from pathserve.pixels import RGB_CHANNELS, Channel
from pathserve.slides.channels import make_channel
from pathserve.slides.omezarr.folder import Json, ZarrFolder, safe_path

MAX_SCENES = 1_000
"""Most pictures of one store."""

MAX_LEVELS = 64
AXES = ("t", "c", "z", "y", "x")
_DAMAGED = "The OME metadata of the Zarr store is damaged."
_NO_IMAGE = "This Zarr store holds no OME-Zarr picture."
_LAYOUT = "bioformats2raw.layout"
_PREFIXES = {
    "yotta": 24, "zetta": 21, "exa": 18, "peta": 15, "tera": 12, "giga": 9, "mega": 6, "kilo": 3, "hecto": 2, "deca": 1,
    "": 0, "deci": -1, "centi": -2, "milli": -3, "micro": -6, "nano": -9, "pico": -12, "femto": -15, "atto": -18,
    "zepto": -21, "yocto": -24,
}  # fmt: skip
_MICROMETRES = {f"{prefix}meter": 10.0 ** (power + 6) for prefix, power in _PREFIXES.items()}
# Units that are not metric, and the signs that writers use although the specification asks for names.
_MICROMETRES |= {"angstrom": 1e-4, "inch": 25_400.0, "foot": 304_800.0, "yard": 914_400.0, "mile": 1_609_344_000.0}
_MICROMETRES |= {"m": 1e6, "cm": 1e4, "mm": 1e3, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "nm": 1e-3, "pm": 1e-6}
_KEPT = {"multiscales", "omero", "version", _LAYOUT, "_creator"}
_KEPT_MULTISCALE = {"axes", "datasets", "version", "coordinateTransformations", "type"}
_KEPT_OMERO = {"channels", "rdefs", "version"}
_KEPT_CHANNEL = {"label", "color", "window", "active", "coefficient", "family", "inverted"}


@dataclass(frozen=True, slots=True)
class Stated:
    """What the metadata of one picture says.

    Parameters
    ----------
    axes
        Names, in the order of the arrays' axes.
    units
        Micrometres in the unit of each axis, None where it is none of length.
    levels
        Path of each array inside the store, finest first, and its scale along each axis.
    omero
        What is said of the channels, one mapping each.
    dropped
        Names of fields that are not kept.
    """

    axes: tuple[str, ...]
    units: tuple[float | None, ...]
    levels: tuple[tuple[str, tuple[float, ...]], ...]
    omero: tuple[Json, ...]
    dropped: tuple[str, ...]

    def step(self, axis: str) -> float | None:
        """Micrometres from one pixel to the next of level 0, or None where they are not stated."""
        if axis not in self.axes:
            return None
        at = self.axes.index(axis)
        unit, scale = self.units[at], self.levels[0][1][at]
        step = None if unit is None else unit * scale
        return step if step is not None and 0 < step < math.inf else None

    @property
    def mpp(self) -> Mpp | None:
        """Micrometres per level-0 pixel; None unless both are stated."""
        x, y = self.step("x"), self.step("y")
        return Mpp(x, y) if x is not None and y is not None else None


def find_images(folder: ZarrFolder) -> tuple[str, ...]:
    """List the pictures of a store by their paths; the store itself is ``""``.

    Raises
    ------
    Unsupported
        When it holds none, a plate of wells, or labels alone.
    Corrupt, TooLarge
        When its metadata is damaged or over a limit.
    """
    try:
        attributes = _attributes(folder, "")
        if "plate" in attributes or "well" in attributes:
            raise Unsupported("This Zarr store is a plate or a well; each of its fields can be ingested by itself.")
        if "image-label" in attributes or "labels" in attributes:
            raise Unsupported("This Zarr store holds labels of a picture and no picture.")
        if "multiscales" in attributes:
            return ("",)
        if _LAYOUT in attributes:
            return _series(folder)
    except PathServeError:
        raise
    except (LookupError, TypeError, AttributeError):
        raise Corrupt(_DAMAGED) from None
    raise Unsupported(_NO_IMAGE)


def read_image(folder: ZarrFolder, image: str) -> Stated:
    """Read the metadata of one picture; of several multiscales the first counts.

    Raises
    ------
    Unsupported
        When it is of a version before 0.4 or after 0.5.
    Corrupt, TooLarge
        When it is damaged or over a limit.
    """
    try:
        attributes = _attributes(folder, image)
        if "multiscales" not in attributes:
            raise Unsupported(_NO_IMAGE)
        multiscale = attributes["multiscales"][0]
        _require_version(attributes, multiscale)
        return _stated(image, multiscale, attributes)
    except PathServeError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError):
        raise Corrupt(_DAMAGED) from None


def _attributes(folder: ZarrFolder, group: str) -> Json:
    """Give the OME attributes of a group: under ``ome`` in Zarr version 3, at the top in version 2."""
    inside = f"{group}/" if group else ""
    third = folder.metadata(f"{inside}zarr.json")
    if third is not None:
        attributes = third.get("attributes") or {}
        if third["node_type"] != "group" or "ome" not in attributes:
            raise Unsupported(_NO_IMAGE)
        # What others wrote beside it is not kept, and must not be taken for OME's.
        return {**attributes["ome"], **{f"zarr.{name}": None for name in attributes if name != "ome"}}
    if folder.metadata(f"{inside}.zgroup") is None:
        raise NotFound("The scan has no such scene.") if group else Unsupported(_NO_IMAGE)
    return folder.metadata(f"{inside}.zattrs") or {}


def _series(folder: ZarrFolder) -> tuple[str, ...]:
    """List the series of bioformats2raw: as its OME group says, else those numbered from 0."""
    listed = None
    if folder.exists("OME/zarr.json") or folder.exists("OME/.zgroup"):
        listed = _attributes(folder, "OME").get("series")
    if listed is None:
        numbered = (str(index) for index in range(MAX_SCENES + 1))
        listed = []
        for name in numbered:
            if not (folder.exists(f"{name}/zarr.json") or folder.exists(f"{name}/.zgroup")):
                break
            listed.append(name)
    if not listed:
        raise Unsupported(_NO_IMAGE)
    if len(listed) > MAX_SCENES:
        raise TooLarge(f"A scan may have at most {MAX_SCENES:,} scenes.")
    return tuple(safe_path(name) for name in listed)


def _require_version(attributes: Json, multiscale: Json) -> None:
    version = attributes.get("version") or multiscale.get("version") or "0.4"
    if version not in ("0.4", "0.5"):
        raise Unsupported("Of OME-Zarr, the versions 0.4 and 0.5 are read.")


def _stated(image: str, multiscale: Json, attributes: Json) -> Stated:
    axes = tuple(axis["name"] for axis in multiscale["axes"])
    if not {"y", "x"} <= set(axes) <= set(AXES) or len(set(axes)) != len(axes):
        raise Unsupported("The picture has axes other than t, c, z, y and x.")
    datasets = multiscale["datasets"]
    if not 0 < len(datasets) <= MAX_LEVELS:
        raise TooLarge(f"A picture may have 1 to {MAX_LEVELS} levels.")
    whole = _scale(multiscale.get("coordinateTransformations"), len(axes))
    levels = []
    for dataset in datasets:
        own = _scale(dataset["coordinateTransformations"], len(axes))
        path = "/".join(filter(None, (image, safe_path(dataset["path"]))))
        levels.append((path, tuple(a * b for a, b in zip(whole, own, strict=True))))
    omero = attributes.get("omero") or {}
    channels = omero.get("channels") or []
    return Stated(
        axes,
        tuple(
            _MICROMETRES.get(str(axis.get("unit"))) if axis["name"] in "zyx" else None for axis in multiscale["axes"]
        ),
        tuple(levels),
        tuple(dict(channel) for channel in channels),
        tuple(
            [name for name in attributes if name not in _KEPT]
            + [f"multiscales.{name}" for name in multiscale if name not in _KEPT_MULTISCALE]
            + [f"omero.{name}" for name in omero if name not in _KEPT_OMERO]
            + [f"omero.channels.{name}" for channel in channels for name in channel if name not in _KEPT_CHANNEL]
        ),
    )


def _scale(transformations: Any, axes: int) -> tuple[float, ...]:  # noqa: ANN401 - foreign JSON, checked here
    """Multiply the scales of a list of transformations; translations do not change sizes."""
    total = [1.0] * axes
    for transformation in transformations or []:
        if transformation["type"] == "scale":
            factors = transformation["scale"]
            if len(factors) != axes:
                raise Corrupt(_DAMAGED)
            total = [value * float(factor) for value, factor in zip(total, factors, strict=True)]
    if not all(math.isfinite(value) and value > 0 for value in total):
        raise Corrupt(_DAMAGED)
    return tuple(total)


def make_channels(stated: Stated, count: int, dtype: str) -> tuple[tuple[Channel, ...], bool]:
    """Make the channels of a picture, and tell whether they are one picture in colour.

    Three channels of uint8 are one picture in colour when OMERO's metadata gives them red, green and blue, in this
    order, or gives no colour to any of them (or is not there at all).
    """
    said = [*stated.omero[:count], *[{}] * (count - len(stated.omero))]
    colors = [_color(channel.get("color")) for channel in said]
    plain = [channel.color for channel in RGB_CHANNELS]
    if count == len(plain) and dtype == "uint8" and colors in (plain, [None] * count):
        return RGB_CHANNELS, True
    channels = []
    for index, (channel, color) in enumerate(zip(said, colors, strict=True)):
        label = channel.get("label")
        name = label if isinstance(label, str) else None
        channels.append(make_channel(index, count, name=name, color=color, window=_window(channel.get("window"))))
    return tuple(channels), False


def _color(value: object) -> tuple[int, int, int] | None:
    """Read six hexadecimal digits; anything else is not stated."""
    try:
        red, green, blue = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return None
    return red, green, blue


def _window(value: object) -> tuple[float, float] | None:
    if not isinstance(value, dict):
        return None
    start, end = value.get("start"), value.get("end")
    if not (isinstance(start, int | float) and isinstance(end, int | float)):
        return None
    return (float(start), float(end)) if abs(start) < math.inf and abs(end) < math.inf and start < end else None
