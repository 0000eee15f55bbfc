"""Which frames of a series are one volume, and which plane, echo and time each of them is."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pathserve.errors import Corrupt, TooLarge, Unsupported
from pathserve.slides.dicom.instance import Instance
from pathserve.slides.dicom.layout import Layout
from pathserve.slides.dicom.values import number, numbers, shared
from pathserve.slides.limits import MAX_PLANES

MAX_STACKS = 1_000
"""Most volumes of one series."""

MAX_SLICES = 4 * MAX_PLANES
"""Most pictures of one series, in all its volumes."""

_SAME_DIRECTION = 1e-3
_HEIGHT_DIGITS = 3  # micrometres, as heights are in millimetres
_CINE = ("FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate")


@dataclass(frozen=True, slots=True)
class Slice:
    """One frame and what is stated about its place.

    Parameters
    ----------
    instance, frame
        Index of the file, and of the frame in it.
    height
        Millimetres along the normal of its plane, or None.
    echo, time
        Echo time in milliseconds and number of the point in time, or None.
    acquisition
        Number of the acquisition, or None.
    """

    instance: int
    frame: int
    height: float | None
    echo: float | None
    time: float | None
    acquisition: float | None


@dataclass(frozen=True, slots=True)
class Stack:
    """The slices of one volume, and where each one goes.

    Parameters
    ----------
    slices
        In the order of the files.
    cells
        Time, channel and plane of each.
    heights
        Of the planes in millimetres, lowest first, or None when they are not stated.
    echoes
        Echo times of the channels in milliseconds, or None when there is but one channel.
    times
        How many.
    """

    slices: tuple[Slice, ...]
    cells: tuple[tuple[int, int, int], ...]
    heights: tuple[float, ...] | None
    echoes: tuple[float, ...] | None
    times: int

    @property
    def planes(self) -> int:
        """Count the planes."""
        return 1 + max(z for _, _, z in self.cells)


def find_stacks(instances: list[Instance], layouts: list[Layout]) -> list[Stack]:
    """Put slices of one direction, size and sample type together; they are sorted by their height along the normal.

    Slices whose place is not stated are a volume for each file, in the order of its frames.

    Returns
    -------
    In the order of the instance numbers.

    Raises
    ------
    Unsupported
        When several slices are the same plane, and nothing says what sets them apart.
    Corrupt, TooLarge
        When what is stated about their places is impossible, or over a limit.
    """
    if sum(instance.frames for instance in instances) > MAX_SLICES:
        raise TooLarge(f"A DICOM series may hold at most {MAX_SLICES:,} pictures.")
    order = sorted(range(len(instances)), key=lambda index: (_number(instances[index]), index))
    directions: list[tuple[float, ...]] = []
    groups: dict[object, list[Slice]] = {}
    for index in order:
        instance, layout = instances[index], layouts[index]
        stated = zip(_places(instance), _apart(instance), strict=True)
        for frame, ((direction, height), apart) in enumerate(stated):
            one = Slice(index, frame, height, *apart)
            kind = (layout.width, layout.height, layout.samples, layout.dtype)
            place = index if direction is None else ("direction", _nearest(directions, direction))
            groups.setdefault((kind, place), []).append(one)
    if len(groups) > MAX_STACKS:
        raise TooLarge(f"A DICOM series may hold at most {MAX_STACKS:,} volumes.")
    return [_stack(slices, instances) for slices in groups.values()]


def _number(instance: Instance) -> float:
    stated = number(instance.dataset, "InstanceNumber")
    return np.inf if stated is None else stated


def _nearest(directions: list[tuple[float, ...]], direction: tuple[float, ...]) -> int:
    """Find a direction among those that are known; a new one is added."""
    for index, known in enumerate(directions):
        if max(abs(a - b) for a, b in zip(known, direction, strict=True)) < _SAME_DIRECTION:
            return index
    if len(directions) >= MAX_STACKS:
        raise TooLarge(f"A DICOM series may hold at most {MAX_STACKS:,} volumes.")
    directions.append(direction)
    return len(directions) - 1


def _places(instance: Instance) -> list[tuple[tuple[float, ...] | None, float | None]]:
    """Give direction (of rows, then of columns) and height of each frame; both None where one is not stated."""
    directions = _stated(instance, "ImageOrientationPatient", "PlaneOrientationSequence", 6)
    positions = _stated(instance, "ImagePositionPatient", "PlanePositionSequence", 3)
    if directions is None or positions is None:
        return [(None, None)] * instance.frames
    return [
        (direction, float(np.dot(np.cross(direction[:3], direction[3:]), position)))
        for direction, position in zip(directions, positions, strict=True)
    ]


def _stated(instance: Instance, keyword: str, group: str, count: int) -> list[tuple[float, ...]] | None:
    """Read some numbers for each frame: its own, those of all frames, or those of the file."""
    own = instance.frame_numbers(keyword)
    if own is None:
        header = instance.dataset
        one = numbers(shared(header, group), keyword, count) or numbers(header, keyword, count)
        # One place for many frames is the place of none but the first.
        if one is None or (count == 3 and instance.frames > 1):
            return None
        own = [one] * instance.frames
    if any(len(each) != count for each in own) or not np.all(np.isfinite(own)):
        raise Corrupt("The scan states a place that is no number.")
    return own


def _apart(instance: Instance) -> list[tuple[float | None, float | None, float | None]]:
    """Read what can set frames of the same place apart, for each frame: echo, time, acquisition."""
    header = instance.dataset
    echoes, times = instance.frame_numbers("EffectiveEchoTime"), instance.frame_numbers("TemporalPositionIndex")
    echo = number(shared(header, "MREchoSequence"), "EffectiveEchoTime") or number(header, "EchoTime")
    time, acquisition = number(header, "TemporalPositionIdentifier"), number(header, "AcquisitionNumber")
    return [
        (echo if echoes is None else echoes[frame][0], time if times is None else times[frame][0], acquisition)
        for frame in range(instance.frames)
    ]


def _stack(slices: list[Slice], instances: list[Instance]) -> Stack:
    if len(slices) > MAX_PLANES:
        raise TooLarge(f"A scan may have at most {MAX_PLANES:,} planes.")
    if slices[0].height is None:
        return _in_order(slices, instances[slices[0].instance])
    heights, ranks = np.unique(np.round([one.height or 0.0 for one in slices], _HEIGHT_DIGITS), return_inverse=True)
    z: list[int] = ranks.tolist()
    for echo, time in _WAYS:
        echoes, c = _ranked(slices, echo)
        times, t = _ranked(slices, time)
        cells = tuple(zip(t, c, z, strict=True))
        if max(Counter(cells).values()) == 1 and len(echoes) * len(times) * len(heights) <= 2 * len(slices):
            return Stack(tuple(slices), cells, tuple(heights.tolist()), echoes if len(echoes) > 1 else None, len(times))
    raise Unsupported("This DICOM series holds several pictures of the same place and does not say what they are.")


def _in_order(slices: list[Slice], instance: Instance) -> Stack:
    """Place the frames of one file by their number: in time when it says how fast they follow, else as planes."""
    moves = any(numbers(instance.dataset, keyword) is not None for keyword in _CINE)
    cells = tuple((number, 0, 0) if moves else (0, 0, number) for number in range(len(slices)))
    return Stack(tuple(slices), cells, None, None, len(slices) if moves else 1)


_Fact = Callable[[Slice], float | None]


def _none(_: Slice) -> None:
    return None


def _echo(one: Slice) -> float | None:
    return one.echo


def _time(one: Slice) -> float | None:
    return one.time


def _acquisition(one: Slice) -> float | None:
    return one.acquisition


# Ways of telling slices of one place apart, the first that does so fully is taken: channels by, times by.
_WAYS: tuple[tuple[_Fact, _Fact], ...] = (
    (_none, _none),
    (_echo, _none),
    (_none, _time),
    (_echo, _time),
    (_none, _acquisition),
    (_echo, _acquisition),
)


def _ranked(slices: list[Slice], fact: _Fact) -> tuple[tuple[float, ...], list[int]]:
    """Give the different values of a fact, lowest first, and the rank of each slice's own; unstated ones come first."""
    values = [-np.inf if (value := fact(one)) is None else value for one in slices]
    ranks = {value: rank for rank, value in enumerate(sorted(set(values)))}
    return tuple(ranks), [ranks[value] for value in values]
