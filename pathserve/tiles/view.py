"""What a picture shows of a slide: channels with their colours and windows, planes and time; as values and as text."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pathserve.errors import NotFound, TooLarge
from pathserve.pixels import Plane
from pathserve.pyramid.layout import Facts

MAX_CHANNELS = 64
"""Channels that one picture can be put together of."""

MAX_PROJECTED = 1024
"""Planes that one projection can go through."""

GAMMA_RANGE = (0.1, 10.0)

Color = tuple[int, int, int]
Window = tuple[float, float]

_LARGEST = 1e38  # of a window; the samples of no slide are larger
_NUMBER = r"-?\d{1,24}(?:\.\d{1,24})?(?:e-?\d{1,3})?"
_CHANNEL = re.compile(r"\d{1,5}", re.ASCII)
_COLOR = re.compile(r"[0-9a-fA-F]{6}")
_WINDOW = re.compile(rf"auto|({_NUMBER})-({_NUMBER})", re.ASCII)
_GAMMA = re.compile(r"\d{1,2}(?:\.\d{1,20})?", re.ASCII)
_PLANE = re.compile(r"\d{1,9}", re.ASCII)
_PLANES = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChannelView:
    """How one channel is shown.

    Parameters
    ----------
    number
        Which channel, from 0.
    color
        Its light (r, g, b), each 0-255; None: the channel's own.
    window
        Sample values that are shown as black and as full colour, ``"auto"`` for those that its histogram suggests, or
        None for what the slide states. A window that ends before it begins shows low values bright.
    gamma
        Power to which the share of full colour is raised: below 1 lifts what is faint.
    """

    number: int
    color: Color | None = None
    window: Window | Literal["auto"] | None = None
    gamma: float = 1.0

    def __str__(self) -> str:
        parts = [str(self.number)]
        if self.color is not None:
            parts.append("{:02x}{:02x}{:02x}".format(*self.color))
        if self.window is not None:
            parts.append("auto" if self.window == "auto" else "-".join(map(_text, self.window)))
        if self.gamma != 1:
            parts.append(_text(self.gamma))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Projection:
    """The greatest value of each pixel over planes ``first`` to ``last``, both shown; ``last`` None is the last one."""

    first: int = 0
    last: int | None = None

    def __str__(self) -> str:
        return "max" if self.last is None else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class ShownChannel:
    """One channel of a slide as a view shows it: the greatest value over its planes, and what that becomes."""

    planes: tuple[Plane, ...]
    number: int
    color: Color
    window: Window | Literal["auto"] | None
    gamma: float


@dataclass(frozen=True, slots=True)
class View:
    """Which planes of a slide a picture shows, and how.

    Parameters
    ----------
    channels
        Each at most once, by number; none named means all of them as the slide states them. A colour scan has nothing
        to choose.
    z
        Plane of a stack, from 0, or a projection; None is the middle plane.
    t
        Point in time, from 0.
    """

    channels: tuple[ChannelView, ...] = ()
    z: int | Projection | None = None
    t: int = 0

    @property
    def query(self) -> str:
        """Give the one form that a view has in an address, such as ``c=0:ff0000,2&z=max``; empty for the default."""
        parts = []
        if self.channels:
            parts.append("c=" + ",".join(map(str, self.channels)))
        if self.z is not None:
            parts.append(f"z={self.z}")
        if self.t:
            parts.append(f"t={self.t}")
        return "&".join(parts)

    @property
    def tag(self) -> str:
        """Give what sets it apart in an ETag, without the comma that separates ETags; empty for the default view."""
        query = self.query
        return f"-{query.replace(',', '+')}" if query else ""

    def shown(self, facts: Facts) -> tuple[ShownChannel, ...]:
        """List what is shown of a slide: one entry of a colour scan, else one for each channel.

        Raises
        ------
        NotFound
            When the slide has no such channel, plane or time.
        TooLarge
            When a projection goes through too many planes.
        """
        if not all(channel.number < len(facts.channels) for channel in self.channels):
            raise NotFound("The slide has no such channel.")
        if self.t >= facts.times:
            raise NotFound("The slide has no such point in time.")
        depth = self._depth(facts)
        if facts.rgb:
            return (ShownChannel(tuple(Plane(self.t, 0, z) for z in depth), 0, (255, 255, 255), None, 1.0),)
        channels = self.channels or tuple(map(ChannelView, range(len(facts.channels))))
        return tuple(
            ShownChannel(
                tuple(Plane(self.t, channel.number, z) for z in depth),
                channel.number,
                channel.color or facts.channels[channel.number].color,
                channel.window or facts.channels[channel.number].window,
                channel.gamma,
            )
            for channel in channels
        )

    def _depth(self, facts: Facts) -> range:
        if self.z is None:
            return range(facts.default_plane, facts.default_plane + 1)
        if isinstance(self.z, int):
            first = last = self.z
        else:
            first, last = self.z.first, facts.planes - 1 if self.z.last is None else self.z.last
        if last >= facts.planes:
            raise NotFound("The slide has no such plane.")
        if last - first >= MAX_PROJECTED:
            raise TooLarge(f"A projection can go through {MAX_PROJECTED:,} planes; name fewer as z=FIRST-LAST.")
        return range(first, last + 1)


DEFAULT_VIEW = View()


def parse_channels(texts: Iterable[str]) -> tuple[ChannelView, ...]:
    """Read channels as they stand in an address: ``0:ff0000:100-4000:0.8,2``.

    Behind a channel's number come, in any order, a colour (six hexadecimal digits), a window (``start-end`` or
    ``auto``) and a gamma.

    Raises
    ------
    ValueError
        With a clause that says what is wrong, and holds nothing of the text.
    """
    parts = [part for text in texts for part in text.split(",")]
    if len(parts) > MAX_CHANNELS:
        raise ValueError(f"give at most {MAX_CHANNELS} channels, with commas between them")
    channels = sorted(map(_parse_channel, parts), key=lambda channel: channel.number)
    if len({channel.number for channel in channels}) < len(channels):
        raise ValueError("name each channel once")
    return tuple(channels)


def parse_depth(text: str) -> int | Projection:
    """Read which plane, or planes, as it stands in an address: ``4``, ``max`` or ``3-9``.

    Raises
    ------
    ValueError
        With a clause that says what is wrong, and holds nothing of the text.
    """
    if text == "max":
        return Projection()
    if _PLANE.fullmatch(text):
        return int(text)
    planes = _PLANES.fullmatch(text)
    if planes is None or int(planes[1]) > int(planes[2]):
        raise ValueError("give the number of a plane, FIRST-LAST or max")
    first, last = int(planes[1]), int(planes[2])
    return first if first == last else Projection(first, last)


def _parse_channel(text: str) -> ChannelView:
    number, *styles = text.split(":")
    if not _CHANNEL.fullmatch(number):
        raise ValueError("give numbers of channels, from 0, with commas between them")
    kinds = [_kind(style) for style in styles]
    if len(set(kinds)) < len(kinds):
        raise ValueError("give each channel one colour, one window and one gamma at most")
    given = dict(zip(kinds, styles, strict=True))
    return ChannelView(
        int(number),
        _parse_color(given["color"]) if "color" in given else None,
        _parse_window(given["window"]) if "window" in given else None,
        _parse_gamma(given["gamma"]) if "gamma" in given else 1.0,
    )


def _kind(text: str) -> str:
    """Tell by its look what a text behind a channel is: no text looks like two of them."""
    kinds = {"color": _COLOR, "window": _WINDOW, "gamma": _GAMMA}
    for kind, pattern in kinds.items():
        if pattern.fullmatch(text):
            return kind
    raise ValueError("behind a channel stand a colour (ff0000), a window (100-4000 or auto) and a gamma (0.8)")


def _parse_color(text: str) -> Color:
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


def _parse_window(text: str) -> Window | Literal["auto"]:
    numbers = _WINDOW.fullmatch(text)
    if text == "auto" or numbers is None:
        return "auto"
    start, end = float(numbers[1]) + 0.0, float(numbers[2]) + 0.0  # + 0.0: there is one zero
    if max(abs(start), abs(end)) > _LARGEST or start == end:
        raise ValueError("a window begins and ends at two different numbers")
    return start, end


def _parse_gamma(text: str) -> float:
    gamma = float(text)
    if not GAMMA_RANGE[0] <= gamma <= GAMMA_RANGE[1]:
        raise ValueError("a gamma lies between {:g} and {:g}".format(*GAMMA_RANGE))
    return gamma


def _text(value: float) -> str:
    """Write a number in the one form that gives the same number back and needs no escaping."""
    if value.is_integer() and math.fabs(value) < 1e15:
        return str(int(value))
    return repr(value).replace("+", "")
