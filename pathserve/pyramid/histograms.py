"""How often each value occurs in a channel, and which values are worth showing: taken once, on a low level."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.errors import Corrupt
from pathserve.geometry import LevelRegion, Size
from pathserve.pixels import Plane, Samples
from pathserve.pyramid.layout import Facts

PERCENTILES = (0.1, 99.9)
"""Shares of the samples, in per cent, below the window and up to its end."""

MOST_BINS = 256
MOST_SAMPLES = 4 << 20
"""Samples of one channel that are looked at."""

_BLOCK = 1 << 16

ReadLevel = Callable[[int, LevelRegion, Plane], Samples]


@dataclass(frozen=True, slots=True)
class Histogram:
    """The values of one channel.

    Parameters
    ----------
    first, width
        Where the first bin begins, and how wide each is. A bin holds its begin and not its end; the last one of
        floating-point values holds both. Bins of integers have whole widths: none holds more values than another.
    counts
        Samples of each bin, at most ``MOST_BINS``; none when no sample is a number.
    low, high
        Least and greatest sample.
    window
        What ``PERCENTILES`` of the samples lie between; 0 and 1 when no sample is a number.
    """

    first: float
    width: float
    counts: tuple[int, ...]
    low: float
    high: float
    window: tuple[float, float]

    @property
    def edges(self) -> list[float]:
        """Where the bins begin, and where the last one ends."""
        return [self.first + self.width * place for place in range(len(self.counts) + 1)]

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> "Histogram":
        """Count the values of an array of any shape; those that are not finite are left out."""
        values = values.ravel()
        if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
            values = values[finite]
        if values.size == 0:
            return cls(0.0, 1.0, (), 0.0, 0.0, (0.0, 1.0))
        low, high = float(values.min()), float(values.max())
        start, end = _percentiles(values)
        if start == end:  # a constant picture: its value is in the middle of the window
            start, end = start - _margin(start), end + _margin(end)
        if values.dtype.kind == "f":
            width = (high - low) / MOST_BINS or _margin(low)
        else:
            width = float(-(-(int(high) - int(low) + 1) // MOST_BINS))
        return cls(low, width, _counts(values, low, high, width), low, high, (start, end))


def _counts(values: npt.NDArray[Any], low: float, high: float, width: float) -> tuple[int, ...]:
    """Count the values of each bin, a block after the other: places take four times the memory of what is placed."""
    bins = min(int((high - low) // width) + 1, MOST_BINS)
    counts = np.zeros(bins, np.int64)
    for first in range(0, values.size, _BLOCK):
        # Integers of at most 32 bits are exact as float64, and so are their quotients' whole parts.
        places = (values[first : first + _BLOCK].astype(np.float64) - low) // width
        counts += np.bincount(np.minimum(places, bins - 1).astype(np.intp), minlength=bins)
    return tuple(counts.tolist())


def _percentiles(values: npt.NDArray[Any]) -> Iterator[float]:
    """Give the values that ``PERCENTILES`` of all lie below; in float64, so that no difference overflows."""
    ranks = [share / 100 * (values.size - 1) for share in PERCENTILES]
    places = [(int(rank), min(int(rank) + 1, values.size - 1)) for rank in ranks]
    ordered = np.partition(values, [place for pair in places for place in pair])
    for rank, (below, above) in zip(ranks, places, strict=True):
        first, second = float(ordered[below]), float(ordered[above])
        yield first + (second - first) * (rank - below)


def _margin(value: float) -> float:
    """Give a step that changes a number, however large."""
    return max(1.0, abs(value) * 1e-6)


def measure(facts: Facts, levels: tuple[Size, ...], read: ReadLevel) -> tuple[Histogram, ...]:
    """Take the histogram of every channel over all of its planes and times.

    Looks at the finest level on which all of them together have at most ``MOST_SAMPLES`` samples; where no level has so
    few, at the last one and at planes that are spread evenly.

    Memory: ``MOST_SAMPLES`` samples of one channel (of a colour scan: of all three), two to three times.

    Parameters
    ----------
    read
        Reads a region of one plane of a level.
    """
    planes, last = facts.planes * facts.times, len(levels) - 1
    level = next((k for k, size in enumerate(levels) if size.width * size.height * planes <= MOST_SAMPLES), last)
    size = levels[level]
    count = min(planes, max(1, MOST_SAMPLES // (size.width * size.height)))
    chosen = sorted({round((place + 0.5) * planes / count - 0.5) for place in range(count)})

    def samples(channel: int) -> Samples:
        found = np.empty((len(chosen), size.height, size.width, facts.samples), facts.dtype)
        for index, place in enumerate(chosen):
            plane = Plane(place // facts.planes, channel, place % facts.planes)
            found[index] = read(level, LevelRegion(0, 0, size.width, size.height), plane)
        return found

    if facts.rgb:
        colours = samples(0)
        return tuple(Histogram.of(colours[..., sample]) for sample in range(facts.samples))
    return tuple(Histogram.of(samples(channel)) for channel in range(len(facts.channels)))


def to_bytes(histograms: tuple[Histogram, ...]) -> bytes:
    """Give the stored form, the same bytes for the same histograms."""
    return orjson.dumps({"channels": [_to_dict(histogram) for histogram in histograms]})


def parse(raw: bytes) -> tuple[Histogram, ...]:
    """Read the stored form.

    Raises
    ------
    Corrupt
        When it is damaged.
    """
    try:
        return tuple(_parse_one(channel) for channel in orjson.loads(raw)["channels"])
    except (LookupError, TypeError, ValueError):
        raise Corrupt("The histograms of a stored slide are damaged.") from None


def _to_dict(histogram: Histogram) -> dict[str, Any]:
    return {
        "first": histogram.first,
        "width": histogram.width,
        "counts": list(histogram.counts),
        "low": histogram.low,
        "high": histogram.high,
        "window": list(histogram.window),
    }


def _parse_one(stored: Mapping[str, Any]) -> Histogram:
    start, end = stored["window"]
    counts = tuple(int(count) for count in stored["counts"])
    first, width, low, high = (float(stored[name]) for name in ("first", "width", "low", "high"))
    return Histogram(first, width, counts, low, high, (float(start), float(end)))
