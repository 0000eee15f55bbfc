"""Which values of a channel are shown as black and as full colour, where the scan does not say."""

from dataclasses import replace

import numpy as np

from pathserve.geometry import LevelRegion
from pathserve.pixels import Channel, Plane
from pathserve.pyramid.layout import Facts
from pathserve.pyramid.reader import Pyramid

PERCENTILES = (0.1, 99.9)
"""Shares of the pixels below the window and up to its end."""

_MOST_PIXELS = 4 << 20


def with_windows(pyramid: Pyramid) -> Facts:
    """Give a pyramid's facts with a window for every channel of a scan that is not in colour.

    Looks at the middle plane of the first time, on the finest level of at most 4 Mpx.
    """
    facts = pyramid.facts
    if facts.rgb:
        return facts
    channels = (_windowed(pyramid, number, channel) for number, channel in enumerate(facts.channels))
    return replace(facts, channels=tuple(channels))


def _windowed(pyramid: Pyramid, number: int, channel: Channel) -> Channel:
    if channel.window is not None:
        return channel
    sizes = list(enumerate(pyramid.levels))
    level, size = next((item for item in sizes if item[1].width * item[1].height <= _MOST_PIXELS), sizes[-1])
    plane = Plane(0, number, pyramid.facts.default_plane)
    values = pyramid.read(level, LevelRegion(0, 0, size.width, size.height), plane)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return channel
    low, high = (float(value) for value in np.percentile(values, PERCENTILES))
    if low == high:  # a constant picture: its value is in the middle of the window
        low, high = low - 1.0, high + 1.0
    return replace(channel, window=(low, high))
