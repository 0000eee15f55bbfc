"""What the XML document of a CZI states: pixel size, objective, channels. Nothing else of it is kept."""

from collections.abc import Iterator
from dataclasses import dataclass

from pathserve.geometry import Mpp
from pathserve.pixels import Channel
from pathserve.slides.channels import make_channel
from pathserve.slides.limits import positive_number
from pathserve.slides.xml_tree import Element, names_in, parse_xml

_MICROMETRES = 1e6  # a metre, which is what CZI states distances in
_FULL_RANGE = {"uint8": 255.0, "uint16": 65_535.0}


@dataclass(frozen=True, slots=True)
class Stated:
    """What is stated of all scenes together.

    Parameters
    ----------
    spacing
        Micrometres from one plane to the next, or None.
    """

    mpp: Mpp | None
    spacing: float | None
    objective_power: float | None
    channels: tuple[tuple[Element, Element | None], ...]
    dropped: tuple[str, ...]

    def make_channels(self, count: int, dtype: str) -> tuple[Channel, ...]:
        """Make the channels: by order of acquisition, with the display settings of the same id."""
        return tuple(self._channel(index, count, dtype) for index in range(count))

    def _channel(self, index: int, count: int, dtype: str) -> Channel:
        if index >= len(self.channels):
            return make_channel(index, count)
        acquired, shown = self.channels[index]
        name = acquired.attributes.get("Name") or (shown.attributes.get("Name") if shown else None)
        color = _color(shown.text_of("Color") if shown else None) or _color(acquired.text_of("Color"))
        return make_channel(index, count, name=name, color=color, window=_window(shown, dtype))


def read_metadata(text: str) -> Stated:
    """Read the document.

    Raises
    ------
    Corrupt, TooLarge
        When it is no XML, or over a limit.
    """
    document = parse_xml(text)
    distances = {}
    for distance in _found(document, "Metadata", "Scaling", "Items", "Distance"):
        metres = positive_number(distance.text_of("Value"))
        distances[distance.attributes.get("Id")] = None if metres is None else metres * _MICROMETRES
    x, y = distances.get("X"), distances.get("Y")
    shown = {
        channel.attributes.get("Id"): channel
        for channel in _found(document, "Metadata", "DisplaySetting", "Channels", "Channel")
    }
    acquired = _found(document, "Metadata", "Information", "Image", "Dimensions", "Channels", "Channel")
    sections = [section for part in _found(document, "Metadata") for section in part.children]
    return Stated(
        Mpp(x, y) if x is not None and y is not None else None,
        distances.get("Z"),
        _objective_power(document),
        tuple((channel, shown.get(channel.attributes.get("Id"))) for channel in acquired),
        tuple(
            [section.name for section in sections]
            + [name for section in sections if section.name == "Information" for name in names_in(section)]
        ),
    )


def _found(element: Element, *path: str) -> Iterator[Element]:
    """Find the descendants at the end of a path of names."""
    for child in element.all(path[0]):
        if len(path) == 1:
            yield child
        else:
            yield from _found(child, *path[1:])


def _objective_power(document: Element) -> float | None:
    """Read the magnification of the objective that the image names, or of the only one."""
    information = ("Metadata", "Information")
    objectives = list(_found(document, *information, "Instrument", "Objectives", "Objective"))
    used = {
        ref.attributes.get("Id") for ref in _found(document, *information, "Image", "ObjectiveSettings", "ObjectiveRef")
    }
    chosen = [each for each in objectives if each.attributes.get("Id") in used] or objectives
    return positive_number(chosen[0].text_of("NominalMagnification")) if len(chosen) == 1 else None


def _color(text: str | None) -> tuple[int, int, int] | None:
    """Read ``#AARRGGBB`` or ``#RRGGBB``."""
    digits = (text or "").removeprefix("#")
    try:
        red, green, blue = bytes.fromhex(digits)[-3:]
    except ValueError:
        return None
    return red, green, blue


def _window(shown: Element | None, dtype: str) -> tuple[float, float] | None:
    """Read the limits of display, which are shares of the full range of whole numbers."""
    full = _FULL_RANGE.get(dtype)
    if shown is None or full is None:
        return None
    low, high = _share(shown.text_of("Low"), 0.0), _share(shown.text_of("High"), 1.0)
    if low is None or high is None or not low < high or (low, high) == (0.0, 1.0):
        return None
    return low * full, high * full


def _share(text: str | None, default: float) -> float | None:
    try:
        value = float(text) if text is not None else default
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
