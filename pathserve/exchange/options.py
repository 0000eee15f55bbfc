"""Options of imports and exports as people write them."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from pathserve.errors import Invalid
from pathserve.exchange.frames import IDENTITY, FrameOptions, Matrix, require_matrix
from pathserve.formats.contract import Format, Origin, Unit
from pathserve.geometry import Mpp

OnFileConflict = Literal["report", "new", "replace"]
"""What happens to a feature whose id is there with other content."""

MAX_TOLD, MAX_TOLD_NAMES = 10_000, 20
"""Most characters of what a format is told at once, and how often."""


def frame_options(
    *, origin: str | None = None, unit: str | None = None, mpp: str | None = None, affine: str | None = None
) -> FrameOptions:
    """Read what somebody says about a frame; None is left to the format.

    Parameters
    ----------
    mpp
        ``X`` or ``X,Y``: micrometres per level-0 pixel.
    affine
        ``a,b,c,d,e,f``: x' = a x + b y + c and y' = d x + e y + f.

    Raises
    ------
    Invalid
        When something cannot be read.
    """
    origins: dict[str, Origin] = {name: name for name in get_args(Origin)}
    units: dict[str, Unit] = {name: name for name in get_args(Unit)}
    if origin is not None and origin not in origins:
        raise Invalid("An origin is slide or bounds.", code="bad_option")
    if unit is not None and unit not in units:
        raise Invalid("A unit is px or um.", code="bad_option")
    return FrameOptions(
        origin=None if origin is None else origins[origin],
        unit=None if unit is None else units[unit],
        mpp=None if mpp is None else _mpp(mpp),
        affine=IDENTITY if affine is None else _affine(affine),
    )


def parse_told(texts: Sequence[str]) -> dict[str, str]:
    """Read what a format is told, each ``NAME=VALUE``.

    Raises
    ------
    Invalid
        When one has no name, is too long, or a name stands twice.
    """
    told: dict[str, str] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name or name in told or len(text) > MAX_TOLD or len(told) >= MAX_TOLD_NAMES:
            raise Invalid("An option of a format is NAME=VALUE, each name once.", code="bad_option")
        told[name] = value
    return told


def require_told(form: Format, told: Iterable[str]) -> None:
    """Check that a format takes all that it is told: a mistaken name would do nothing.

    Raises
    ------
    Invalid
        When it takes no option of a name.
    """
    if not set(told) <= set(form.options):
        takes = f"takes the options {', '.join(form.options)} alone" if form.options else "takes no options"
        raise Invalid(f"{form.title} {takes}.", code="bad_option")


def parse_conflict(text: str) -> OnFileConflict:
    """Read how conflicts are met.

    Raises
    ------
    Invalid
        When it is none of the ways.
    """
    ways: dict[str, OnFileConflict] = {name: name for name in get_args(OnFileConflict)}
    if text not in ways:
        raise Invalid("Conflicts are met by report, new or replace.", code="bad_option")
    return ways[text]


def _numbers(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def _mpp(text: str) -> Mpp:
    numbers = _numbers(text)
    if len(numbers) not in (1, 2) or min(numbers) <= 0:
        raise Invalid("Micrometres per pixel are one number above 0, or two: X,Y.", code="bad_option")
    return Mpp(numbers[0], numbers[-1])


def _affine(text: str) -> Matrix:
    numbers = _numbers(text)
    if len(numbers) != 6:
        raise Invalid("An affine is six numbers: a,b,c,d,e,f.", code="bad_affine")
    a, b, c, d, e, f = numbers
    matrix = (a, b, c, d, e, f)
    require_matrix(matrix)
    return matrix
