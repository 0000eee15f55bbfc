"""ImageJ's hyperstacks: channels, slices and frames in one TIFF, also when only the first plane has a directory."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from pathserve.errors import Corrupt, Unsupported
from pathserve.geometry import Mpp
from pathserve.pixels import Channel
from pathserve.slides.channels import make_channel
from pathserve.slides.limits import MAX_PLANES, positive_number
from pathserve.slides.tiff.directory import Page, cut_off, dropped_tags
from pathserve.slides.tiff.picture import Picture, channels_of, icc_of, planes_of, resolution_in
from pathserve.slides.tiff.raster import Raster, raster_of

IMAGEJ = "imagej"
_LARGEST = 3.5e38
_MICROMETRES = {
    "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "nm": 1e-3, "mm": 1e3, "cm": 1e4, "inch": 25_400.0, "m": 1e6,
}  # fmt: skip


def is_imagej(description: str) -> bool:
    """Tell whether a description is ImageJ's."""
    return description.startswith("ImageJ=")


def imagej_fields(description: str) -> dict[str, str]:
    """Split ImageJ's description, one ``key=value`` a line."""
    fields: dict[str, str] = {}
    for line in description.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            fields.setdefault(key.strip(), value.strip())
    return fields


def read_imagej(pages: list[Page], file_size: int, metadata: Any) -> Picture:  # noqa: ANN401 - tifffile is untyped
    """Read a hyperstack; channels change fastest, then slices, then frames.

    Parameters
    ----------
    metadata
        What tifffile makes of ImageJ's own tags: ``LUTs`` and ``Ranges``.
    """
    first = pages[0]
    fields = imagej_fields(first.description)
    base = raster_of(first, file_size=file_size, palette=False)
    times, slices, channels = (_count(fields, name) for name in ("frames", "slices", "channels"))
    total = _count(fields, "images")
    if base.rgb or base.samples > 1:
        channels = 1
    if times * slices * channels != total:  # a plain stack
        times, slices, channels = 1, total, 1
    if total > MAX_PLANES:
        raise Unsupported(f"A scan may have at most {MAX_PLANES:,} planes.")
    rasters = _rasters(base, pages, total, file_size)
    order = [(t, c, z) for t in range(times) for z in range(slices) for c in range(channels)]
    return Picture(
        vendor=IMAGEJ,
        levels=(planes_of(dict(zip(order, rasters, strict=True))),),
        channels=_channels(base, channels, fields, metadata if isinstance(metadata, dict) else {}),
        planes=slices,
        times=times,
        mpp=_mpp(first, fields),
        plane_spacing=_spacing(fields) if slices > 1 else None,
        icc_profile=icc_of(first),
        dropped=tuple(dropped_tags(pages)),
    )


def _count(fields: dict[str, str], name: str) -> int:
    stated = fields.get(name, "1")
    if not (stated.isascii() and stated.isdigit() and 1 <= len(stated) <= 9) or int(stated) < 1:
        raise Corrupt("The scan states an impossible number of planes.")
    return int(stated)


def _rasters(base: Raster, pages: list[Page], total: int, file_size: int) -> list[Raster]:
    """List the image of every plane; ImageJ writes large stacks as one image with the others right behind it."""
    if len(pages) >= total:
        return [base, *(raster_of(page, file_size=file_size, palette=False) for page in pages[1:total])]
    if len(pages) > 1 or base.codec != "none":
        raise cut_off()
    step = int(base.counts.sum())
    if int((base.offsets + base.counts).max(initial=0)) + step * (total - 1) > file_size:
        raise cut_off()
    return [replace(base, offsets=base.offsets + index * step) for index in range(total)]


def _channels(base: Raster, count: int, fields: dict[str, str], metadata: dict[str, Any]) -> tuple[Channel, ...]:
    if base.rgb or base.samples > 1:
        return channels_of(base)
    limits = _numbers(metadata.get("Ranges", ()))
    if count == 1 and not limits:
        limits = _numbers([fields.get("min"), fields.get("max")])
    tables = metadata.get("LUTs", ())
    return tuple(
        make_channel(
            index,
            count,
            color=_color(tables[index]) if index < len(tables) else None,
            window=_window(limits[2 * index : 2 * index + 2]),
        )
        for index in range(count)
    )


def _numbers(stated: Iterable[Any]) -> list[float]:
    """Read numbers, all of them or none."""
    try:
        return [float(value) for value in stated]
    except (TypeError, ValueError):
        return []


def _window(limits: list[float]) -> tuple[float, float] | None:
    if len(limits) != 2 or not -_LARGEST <= limits[0] < limits[1] <= _LARGEST:
        return None
    return limits[0], limits[1]


def _color(stated: Any) -> tuple[int, int, int] | None:  # noqa: ANN401 - tifffile is untyped
    """Take the brightest entry of a channel's table of colours, which is the colour it is shown in."""
    table = np.asarray(stated)
    if table.ndim != 2 or table.shape[0] != 3 or table.shape[1] == 0 or table.dtype != np.uint8:
        return None
    red, green, blue = table[:, -1].tolist()
    return red, green, blue


def _unit(fields: dict[str, str]) -> float | None:
    return _MICROMETRES.get(fields.get("unit", "").replace("\\u00B5", "µ"))


def _mpp(page: Page, fields: dict[str, str]) -> Mpp | None:
    """Read the resolution in ImageJ's own unit; the tag's unit says nothing."""
    unit = _unit(fields)
    return None if unit is None else resolution_in(page, unit)


def _spacing(fields: dict[str, str]) -> float | None:
    unit, stated = _unit(fields), positive_number(fields.get("spacing"))
    return None if unit is None or stated is None else unit * stated
