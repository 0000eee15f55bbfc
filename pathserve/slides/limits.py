"""What a scan may claim before anything of it is decoded."""

from pathserve.errors import Corrupt, TooLarge
from pathserve.geometry import LevelRegion, Mpp, Size
from pathserve.pixels import Plane, SlideInfo

MAX_SIDE = 1 << 20
"""Most pixels along one side of a scan; real whole-slide images stay below a third of it."""

MAX_TILE_PIXELS = 64 << 20
"""Most pixels of one tile."""

MAX_DIRECTORIES = 1_000
"""Most images in one TIFF."""

MAX_ICC_BYTES = 16 << 20
"""Most bytes of a colour profile."""

MAX_PLANES = 4_096
"""Most pictures of one scan: time points times channels times focal planes."""

MAX_NAMES = 256
"""Most names of dropped metadata fields that are reported."""

MPP_PLAUSIBLE = (0.05, 20.0)
"""Micrometres per pixel between a 200x objective and a macro photograph."""


def require_size(width: int, height: int) -> Size:
    """Check the size that a file claims.

    Raises
    ------
    Corrupt
        When a side is below one pixel.
    TooLarge
        When a side is over ``MAX_SIDE``.
    """
    if width < 1 or height < 1:
        raise Corrupt("The scan states a size without pixels.")
    if width > MAX_SIDE or height > MAX_SIDE:
        raise TooLarge(f"A scan may have at most {MAX_SIDE:,} pixels a side.")
    return Size(width, height)


def require_inside(region: LevelRegion, size: Size) -> None:
    """Check that a region of a level lies inside it.

    Raises
    ------
    ValueError
        When it does not: a fault of the caller, not of the file.
    """
    inside = (
        region.width > 0
        and region.height > 0
        and region.lv_x >= 0
        and region.lv_y >= 0
        and region.lv_x + region.width <= size.width
        and region.lv_y + region.height <= size.height
    )
    if not inside:
        raise ValueError("The region does not lie inside the level.")


def require_plane(plane: Plane, info: SlideInfo) -> None:
    """Check that a scan has a plane.

    Raises
    ------
    ValueError
        When it does not: a fault of the caller, not of the file.
    """
    channels = 1 if info.rgb else len(info.channels)
    if not (0 <= plane.t < info.times and 0 <= plane.c < channels and 0 <= plane.z < info.planes):
        raise ValueError("The scan has no such plane.")


def is_plausible(mpp: Mpp | None) -> bool:
    """Tell whether a stated pixel size can be that of a scan; an unknown one is not implausible."""
    low, high = MPP_PLAUSIBLE
    return mpp is None or (low <= mpp.x <= high and low <= mpp.y <= high)


def field_names(names: list[str]) -> tuple[str, ...]:
    """Tidy the names of dropped fields: printable, short, sorted, each once, at most ``MAX_NAMES``."""
    tidy = {"".join(c for c in name if c.isprintable())[:64].strip() for name in names}
    return tuple(sorted(tidy - {""})[:MAX_NAMES])


def positive_number(text: str | None) -> float | None:
    """Read a number above 0 that a file states as text; anything else is not stated."""
    try:
        value = float(text) if text is not None else 0.0
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def stated_mpp(x: str | None, y: str | None) -> Mpp | None:
    """Read micrometres per pixel that a file states as text; None unless both axes are stated."""
    um_x, um_y = positive_number(x), positive_number(y)
    return Mpp(um_x, um_y) if um_x is not None and um_y is not None else None
