"""Series of other pictures than slides (CT, MR, CR, ultrasound, photographs): volumes, each one a scene."""

from collections.abc import Sequence

import numpy as np

from pathserve.errors import NotFound
from pathserve.geometry import Mpp, Size
from pathserve.pixels import RGB_CHANNELS, Channel, Level, SlideInfo
from pathserve.slides.channels import make_channel
from pathserve.slides.dicom import describe
from pathserve.slides.dicom.instance import Instance
from pathserve.slides.dicom.layout import Layout, layout_of
from pathserve.slides.dicom.source import Grid, ScanPlan, encoding_of, first_frames, frame_file
from pathserve.slides.dicom.stacks import Stack, find_stacks
from pathserve.slides.dicom.values import number, numbers, shared, text
from pathserve.slides.limits import MAX_PLANES

_PLAUSIBLE = (1.0, 20_000.0)
"""Micrometres per pixel between a photograph through an eyepiece and a coarse scintigram."""

_WHOLE = 0.05
"""How far a gap may be from a whole multiple of the spacing, as a part of it."""

_MICROMETRES = 1000.0  # per millimetre
_LARGEST_TILE = 1024


def plan_volume(instances: list[Instance], scene: int) -> ScanPlan:
    """Put the slices of a series together.

    Parameters
    ----------
    scene
        Which of the series' volumes, by their first instance numbers.

    Raises
    ------
    NotFound
        When there is no such scene.
    Unsupported
        When the pictures are of a kind that is not handled, or do not say what they are.
    Corrupt, TooLarge
        When what they state is impossible or over a limit.
    """
    stacks = find_stacks(instances, [layout_of(instance) for instance in instances])
    if not 0 <= scene < len(stacks):
        raise NotFound("The scan has no such scene.")
    stack = stacks[scene]
    used = sorted({one.instance for one in stack.slices})
    grid = _grid([instances[index] for index in used], used, stack)
    layout = grid.files[0].layout
    mpp = _mpp(instances, stack)
    info = SlideInfo(
        vendor="dicom",
        levels=(Level(grid.size, 1.0, grid.tile, encoding_of(grid) if _is_small(grid.tile) else "other"),),
        mpp=mpp,
        mpp_plausible=mpp is None or all(_PLAUSIBLE[0] <= side <= _PLAUSIBLE[1] for side in (mpp.x, mpp.y)),
        objective_power=None,
        codec=layout.codec,
        channels=RGB_CHANNELS if layout.samples == 3 else _channels(instances, stack, layout),
        rgb=layout.is_rgb,
        dtype=layout.dtype.name,
        planes=stack.planes,
        plane_spacing=_spacing(stack),
        times=stack.times,
        scenes=len(stacks),
        icc_profile=describe.icc_profile(instances[used[0]].dataset) if layout.is_rgb else None,
        missing_tiles=grid.missing + missing_slices(stack.heights or ()) * stack.times * len(stack.echoes or ("one",)),
        dropped_metadata=describe.dropped_fields(instances),
    )
    return ScanPlan(info, [grid], {})


def _is_small(tile: Size) -> bool:
    """Tell whether a picture will do as the only tile of its slide."""
    return max(tile.width, tile.height) <= _LARGEST_TILE


def _grid(instances: list[Instance], used: Sequence[int], stack: Stack) -> Grid:
    files = [frame_file(instance) for instance in instances]
    starts = first_frames(files)
    first = {index: int(start) for index, start in zip(used, starts, strict=True)}
    shape = (stack.times, len(stack.echoes or ("one",)), stack.planes, 1, 1)
    frames = np.full(shape, -1, np.int32)
    for one, cell in zip(stack.slices, stack.cells, strict=True):
        frames[(*cell, 0, 0)] = first[one.instance] + one.frame
    layout = files[0].layout
    size = Size(layout.width, layout.height)
    return Grid(size, size, tuple(files), starts, frames, separate=layout.samples == 3 and not layout.is_rgb)


def _mpp(instances: list[Instance], stack: Stack) -> Mpp | None:
    """Read the size of the pixels; None unless it is stated and the same in all slices."""
    stated = {spacing for index in {one.instance for one in stack.slices} for spacing in _spacings(instances[index])}
    return describe.spacing_to_mpp(stated.pop()) if len(stated) == 1 else None


def _spacings(instance: Instance) -> set[tuple[float, ...] | None]:
    """List the pixel spacings of a file; that of a detector (ImagerPixelSpacing) is another thing and no answer."""
    own = instance.frame_numbers("PixelSpacing")
    if own is not None:
        return set(own)
    header = instance.dataset
    return {numbers(shared(header, "PixelMeasuresSequence"), "PixelSpacing", 2) or numbers(header, "PixelSpacing", 2)}


def _spacing(stack: Stack) -> float | None:
    """Give the distance of the planes in micrometres; None unless they are stated and lie evenly."""
    if stack.heights is None or len(stack.heights) < 2:
        return None
    gaps = np.diff(stack.heights)
    mean = float(gaps.mean())
    return mean * _MICROMETRES if float(np.ptp(gaps)) <= 0.01 * mean else None


def missing_slices(heights: Sequence[float]) -> int:
    """Count the slices that a volume lacks: where most lie evenly and the others are whole multiples apart.

    Parameters
    ----------
    heights
        Of the slices that are there, in any unit, lowest first.
    """
    gaps = np.diff(heights)
    if len(gaps) < 3:
        return 0
    steps = gaps / np.median(gaps)
    whole = np.round(steps)
    if whole.min() < 1 or np.abs(steps - whole).max() > _WHOLE or whole.max() > MAX_PLANES:
        return 0
    return int((whole - 1).sum())


def _channels(instances: list[Instance], stack: Stack, layout: Layout) -> tuple[Channel, ...]:
    """Describe the echoes, or the one channel that there is, with the window that the middle slice states."""
    middle = sorted(zip(stack.cells, stack.slices, strict=True), key=lambda pair: pair[0][2])[len(stack.slices) // 2][1]
    header = instances[middle.instance].dataset
    window = _window(instances[middle.instance], middle.frame)
    if text(header, "PhotometricInterpretation") == "MONOCHROME1":  # its low values are shown bright
        window = (window or _range(layout))[::-1]
    if stack.echoes is None:
        return (make_channel(0, 1, name=text(header, "Modality"), window=window),)
    return tuple(
        make_channel(index, len(stack.echoes), name=f"Echo {echo:g} ms", window=window)
        for index, echo in enumerate(stack.echoes)
    )


def _range(layout: Layout) -> tuple[float, float]:
    """Give the lowest and the highest value that the bits of a sample hold."""
    if layout.dtype.kind == "u":
        return 0.0, 2.0**layout.stored - 1
    return -(2.0 ** (layout.stored - 1)), 2.0 ** (layout.stored - 1) - 1


def _window(instance: Instance, frame: int) -> tuple[float, float] | None:
    """Read the stated window and give it in stored values: as they were before they were rescaled; None if impossible.

    Stored values stay as they are: an intercept of -1024 is the slide's matter no more than a window is.
    """
    centre = _frame_number(instance, frame, "WindowCenter", "FrameVOILUTSequence")
    width = _frame_number(instance, frame, "WindowWidth", "FrameVOILUTSequence")
    slope = _frame_number(instance, frame, "RescaleSlope", "PixelValueTransformationSequence")
    intercept = _frame_number(instance, frame, "RescaleIntercept", "PixelValueTransformationSequence") or 0.0
    slope = 1.0 if slope is None else slope
    if centre is None or width is None or width < 1 or slope == 0:
        return None
    low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2  # PS3.3 C.11.2.1.2.1
    stored = ((low - intercept) / slope, (high - intercept) / slope)
    return stored if all(map(np.isfinite, stored)) and stored[0] != stored[1] else None


def _frame_number(instance: Instance, frame: int, keyword: str, group: str) -> float | None:
    """Read a number of a frame: its own, that of all frames, or that of the file; of several values the first."""
    own = instance.frame_numbers(keyword)
    if own is not None:
        return own[frame][0]
    stated = number(shared(instance.dataset, group), keyword)
    return number(instance.dataset, keyword) if stated is None else stated
