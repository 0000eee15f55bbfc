"""Planes of a slide as one picture in colour: which are shown, and how channels become red, green and blue."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pathserve.errors import NotFound
from pathserve.pixels import Channel, Plane, Samples
from pathserve.pyramid.layout import Facts, sample_range


@dataclass(frozen=True, slots=True)
class View:
    """Which planes of a slide a picture shows.

    Parameters
    ----------
    channels
        Numbers of the channels, from 0; none named means all of them. A colour scan has nothing to choose.
    z
        Plane of a stack, from 0; None is the middle one.
    t
        Point in time, from 0.
    """

    channels: tuple[int, ...] = ()
    z: int | None = None
    t: int = 0

    @property
    def tag(self) -> str:
        """Give what sets it apart in an ETag; empty for the default view."""
        if self == DEFAULT_VIEW:
            return ""
        return f"-c{','.join(map(str, self.channels))}-z{'' if self.z is None else self.z}-t{self.t}"

    def planes(self, facts: Facts) -> tuple[Plane, ...]:
        """List the planes that are shown of a slide: one of a colour scan, else one for each channel.

        Raises
        ------
        NotFound
            When the slide has no such channel, plane or time.
        """
        z = facts.default_plane if self.z is None else self.z
        channels = self.channels or tuple(range(len(facts.channels)))
        known = all(0 <= channel < len(facts.channels) for channel in channels)
        if not (known and 0 <= z < facts.planes and 0 <= self.t < facts.times):
            raise NotFound("The slide has no such channel, plane or time.")
        return (Plane(self.t, 0, z),) if facts.rgb else tuple(Plane(self.t, channel, z) for channel in channels)


DEFAULT_VIEW = View()


def compose(facts: Facts, view: View, read: Callable[[Plane], Samples]) -> npt.NDArray[np.uint8]:
    """Make one RGB picture of the planes that a view shows.

    Each channel's values are scaled linearly from its window to 0..1 and light up its colour; the lights add up.

    Parameters
    ----------
    read
        Gives a plane as (h, w, 3) uint8 for colour scans, else as (h, w, 1) of any type; all of one size.

    Returns
    -------
    (h, w, 3) uint8.
    """
    planes = view.planes(facts)
    if facts.rgb:
        return read(planes[0])
    light: npt.NDArray[np.float32] | None = None
    for plane in planes:
        channel = facts.channels[plane.c]
        share = _share(read(plane)[..., 0], channel, facts.dtype)
        # Plane by plane and in place: a slide can have dozens of channels.
        if light is None:
            light = np.zeros((*share.shape, 3), np.float32)
        for place, value in enumerate(channel.color):
            if value:
                light[..., place] += share * np.float32(value)
    if light is None:
        raise ValueError("A slide has at least one channel.")
    return np.rint(np.minimum(light, 255)).astype(np.uint8)


def _share(values: npt.NDArray[np.generic], channel: Channel, dtype: str) -> npt.NDArray[np.float32]:
    """Scale values from the channel's window to 0..1; a window that ends before it begins shows low values bright."""
    start, end = channel.window or sample_range(dtype)
    span = (end - start) or 1.0
    share = (values.astype(np.float32) - np.float32(start)) / np.float32(span)
    clipped: npt.NDArray[np.float32] = np.clip(np.nan_to_num(share), 0, 1)
    return clipped


def is_shown_as_stored(facts: Facts) -> bool:
    """Tell whether a chunk is, as it lies, the picture that the default view shows."""
    if facts.storage != "jpeg":
        return False
    return facts.rgb or (
        len(facts.channels) == 1
        and facts.planes == 1
        and facts.channels[0].color == (255, 255, 255)
        and facts.channels[0].window in (None, (0, 255))
    )
