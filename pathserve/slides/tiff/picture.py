"""What a dialect of TIFF finds in a file: pictures, each a pyramid of planes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pathserve.errors import Corrupt, TooLarge, Unsupported
from pathserve.geometry import Mpp, Size
from pathserve.pixels import FIRST_PLANE, RGB_CHANNELS, Channel, Level, Plane, SlideInfo
from pathserve.slides.channels import make_channel
from pathserve.slides.limits import MAX_ICC_BYTES, MAX_PLANES, field_names, is_plausible
from pathserve.slides.tiff.directory import ICC, RESOLUTION, Page, rational
from pathserve.slides.tiff.orientation import UPRIGHT, turned
from pathserve.slides.tiff.raster import Raster

GENERIC = "generic-tiff"
_INCH = 2  # what a missing unit means
_MICROMETRES = {_INCH: 25_400.0, 3: 10_000.0}  # per inch, per centimetre
_MOST_MISSING = 0.5
"""Sparse scans leave out empty glass; one that leaves out more than this share was not written to its end."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a plane lies: an image, and which of its samples."""

    raster: Raster
    sample: int = 0


LevelPlanes = Mapping[Plane, Stored]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a TIFF.

    Parameters
    ----------
    vendor
        Name of the dialect.
    levels
        Finest first; each holds every plane.
    associated
        Pictures of the glass by name: ``"label"``, ``"macro"``, ``"thumbnail"``.
    dropped
        Names of metadata that is not kept.

    The others are those of :class:`pathserve.pixels.SlideInfo`.
    """

    vendor: str
    levels: tuple[LevelPlanes, ...]
    channels: tuple[Channel, ...]
    planes: int = 1
    times: int = 1
    mpp: Mpp | None = None
    plane_spacing: float | None = None
    objective_power: float | None = None
    icc_profile: bytes | None = field(default=None, repr=False)
    associated: Mapping[str, Raster] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    orientation: int = UPRIGHT

    @property
    def base(self) -> Raster:
        """The first plane at full resolution."""
        return self.levels[0][FIRST_PLANE].raster

    def info(self, scenes: int) -> SlideInfo:
        """Tell the technical facts."""
        base = self.base
        size = turned(base.size, self.orientation)
        levels = []
        for planes in self.levels:
            raster = planes[FIRST_PLANE].raster
            own = turned(raster.size, self.orientation)
            verbatim = raster.tiled and self.orientation == UPRIGHT and all(s.raster.jpeg for s in planes.values())
            levels.append(
                Level(
                    own,
                    (size.width / own.width + size.height / own.height) / 2,
                    turned(raster.segment, self.orientation) if raster.tiled else None,
                    "jpeg" if verbatim else "other",
                )
            )
        return SlideInfo(
            vendor=self.vendor,
            levels=tuple(levels),
            mpp=self.mpp,
            mpp_plausible=is_plausible(self.mpp),
            objective_power=self.objective_power,
            codec=base.codec,
            channels=self.channels,
            rgb=base.rgb,
            dtype=base.dtype if not base.rgb else "uint8",
            planes=self.planes,
            plane_spacing=self.plane_spacing,
            times=self.times,
            scenes=scenes,
            icc_profile=self.icc_profile,
            missing_tiles=base.missing,
            associated=tuple(name for name in ("thumbnail", "label", "macro") if name in self.associated),
            dropped_metadata=field_names(list(self.dropped)),
        )


def require_whole(picture: Picture) -> Picture:
    """Refuse a picture that holds next to nothing, or too many planes.

    Raises
    ------
    Corrupt, TooLarge
        When it is so.
    """
    if len(picture.levels[0]) > MAX_PLANES:
        raise TooLarge(f"A scan may have at most {MAX_PLANES:,} planes.")
    base = picture.base
    if base.missing > _MOST_MISSING * len(base.counts):
        raise Corrupt(f"{base.missing:,} of the scan's {len(base.counts):,} tiles hold nothing.")
    return picture


def planes_of(rasters: Mapping[tuple[int, int, int], Raster]) -> LevelPlanes:
    """Spread images over planes: an image at (t, c, z) whose pixels have several values is as many channels.

    Raises
    ------
    Corrupt
        When the images differ from each other.
    """
    first = next(iter(rasters.values()))
    if any(raster.size != first.size or not raster.like(first) for raster in rasters.values()):
        raise Corrupt("The planes of the scan differ in size or kind.")
    each = 1 if first.rgb else first.samples
    if len(rasters) * each > MAX_PLANES:
        raise TooLarge(f"A scan may have at most {MAX_PLANES:,} planes.")
    return {
        Plane(t, c * each + sample, z): Stored(raster, sample)
        for (t, c, z), raster in rasters.items()
        for sample in range(each)
    }


def channels_of(raster: Raster, count: int = 1) -> tuple[Channel, ...]:
    """Name the channels of images about which nothing else is stated."""
    if raster.rgb:
        return RGB_CHANNELS
    if count == 1 and raster.samples == 3:
        return RGB_CHANNELS  # colours of more than 8 bits
    if count * raster.samples == 1:
        return (make_channel(0, 1, name="grey"),)
    return tuple(make_channel(index, count * raster.samples) for index in range(count * raster.samples))


def reduced(base: Raster, candidates: Iterable[Page], describe: Callable[[Page], Raster]) -> list[Raster]:
    """Find the images that are the same picture at lower resolution, finest first; what cannot be read is none."""
    found: list[Raster] = []
    for page in candidates:
        try:
            raster = describe(page)
        except (Unsupported, TooLarge):
            continue
        smaller = raster.size.width < base.size.width
        if smaller and raster.like(base) and raster.tiled == base.tiled and same_aspect(base.size, raster.size):
            found.append(raster)
    return sorted(found, key=lambda raster: -raster.size.width)


def same_aspect(base: Size, smaller: Size) -> bool:
    """Tell whether one factor explains both sides when each may be off by one pixel."""
    low = max(base.width / (smaller.width + 1), base.height / (smaller.height + 1))
    high = min(base.width / max(smaller.width - 1, 0.5), base.height / max(smaller.height - 1, 0.5))
    return low <= high


def stated_resolution(page: Page) -> Mpp | None:
    """Read the resolution tags; without a unit they are no size."""
    unit = page.tags.valueof(RESOLUTION[2])
    micrometres = _MICROMETRES.get(int(unit) if isinstance(unit, int) else _INCH)
    return None if micrometres is None else resolution_in(page, micrometres)


def resolution_in(page: Page, micrometres: float) -> Mpp | None:
    """Read the resolution tags as pixels per so many micrometres."""
    x, y = (rational(page.tags.valueof(code)) for code in RESOLUTION[:2])
    if x is None or y is None or not (0 < x < float("inf") and 0 < y < float("inf")):
        return None
    return Mpp(micrometres / x, micrometres / y)


def icc_of(page: Page) -> bytes | None:
    """Take the colour profile of an image."""
    profile = page.tags.valueof(ICC)
    return bytes(profile) if isinstance(profile, bytes) and 0 < len(profile) <= MAX_ICC_BYTES else None
