"""Requests of the IIIF Image API, versions 3.0 and 2.1: from the parts of an address to what has to be made. Pure.

The frame is level-0 pixels. What a viewer asks for as tiles (a region on the tile grid, at a size that is the region
halved some times) is recognised as the stored tile, so that it can be sent as it lies.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pathserve.errors import Malformed
from pathserve.geometry import PixelGrid, Size
from pathserve.tiles.deepzoom import DeepZoom
from pathserve.tiles.encode import MAX_PIXELS, MAX_SIDE, PictureFormat
from pathserve.tiles.resample import MAX_ANISOTROPY

Version = Literal[2, 3]
"""Version 2 is 2.1."""

Quality = Literal["default", "gray", "bitonal"]
"""``color`` is the default."""

FORMATS: Mapping[str, PictureFormat] = MappingProxyType({"jpg": "jpeg", "png": "png", "webp": "webp", "avif": "avif"})
"""What a format is called at the end of an address, and here."""

QUALITIES: Mapping[str, Quality] = MappingProxyType(
    {"default": "default", "color": "default", "gray": "gray", "bitonal": "bitonal"}
)

_WHOLE = re.compile(r"[0-9]{1,10}")
_REAL = re.compile(r"[0-9]{1,10}(\.[0-9]{0,15})?|\.[0-9]{1,15}")
_SIZE = re.compile(
    r"(?P<up>\^?)(?:(?P<word>max|full)|pct:(?P<pct>[0-9.]+)|(?P<fit>!?)(?P<w>[0-9]{0,10}),(?P<h>[0-9]{0,10}))"
)
_FULL_TURN = 360


@dataclass(frozen=True, slots=True)
class Limits:
    """Most pixels of one answer.

    Parameters
    ----------
    area
        Width times height.
    side
        Width, and height: what a JPEG can hold.
    """

    area: int
    side: int = MAX_SIDE["jpeg"]

    def hold(self, width: float, height: float) -> bool:
        """Tell whether a picture of this size may be asked for."""
        return width <= self.side and height <= self.side and width * height <= self.area


@dataclass(frozen=True, slots=True)
class Box:
    """Half-open rectangle of whole level-0 pixels, inside the slide."""

    l0_x: int
    l0_y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an image request as they stand in the address, decoded."""

    region: str
    size: str
    rotation: str
    quality: str
    format: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an image request asks for.

    Parameters
    ----------
    box
        The region, cut at the slide's edge.
    size
        What the region is scaled to, before it is turned.
    mirrored
        Whether it is mirrored left to right, before it is turned.
    degrees
        How far it is turned clockwise, from 0 to below 360.
    canonical
        ``region/size/rotation/quality.format`` in the canonical form: equal for equal pictures.
    tile
        Level, column and row of the Deep Zoom tile that is this region at this size; None when there is none.
    """

    box: Box
    size: Size
    mirrored: bool
    degrees: float
    quality: Quality
    format: PictureFormat
    canonical: str
    tile: tuple[int, int, int] | None

    @property
    def is_plain(self) -> bool:
        """Whether nothing is done to the pixels after they were scaled."""
        return not self.mirrored and self.degrees == 0 and self.quality == "default"

    @property
    def grid(self) -> PixelGrid:
        """The output pixels on the slide."""
        across, down = self.box.width / self.size.width, self.box.height / self.size.height
        return PixelGrid(self.box.l0_x, self.box.l0_y, self.size.width, self.size.height, across, down)

    @property
    def tag(self) -> str:
        """The canonical form for an ETag, in which commas would part two of them."""
        return self.canonical.replace(",", "_").replace("/", "-")


def plan(version: Version, address: Address, zoom: DeepZoom, limits: Limits) -> Plan:
    """Find out what an image request asks for.

    Raises
    ------
    Malformed
        When a part is none that the IIIF Image API allows, the region lies outside the slide, or the picture would be
        larger than the limits or than its format can be.
    """
    if address.quality not in QUALITIES:
        raise Malformed("The quality must be default, color, gray or bitonal.")
    if address.format not in FORMATS:
        raise Malformed(f"The format must be one of {', '.join(FORMATS)}.")
    quality, kind = QUALITIES[address.quality], FORMATS[address.format]
    mirrored, degrees = _rotation(address.rotation)
    box = _region(address.region, zoom.size)
    sizing = _Sizing(version, box, zoom, limits)
    size = sizing.read(address.size)
    tile = sizing.tile(size)
    _require_held(size, degrees, kind, limits)
    if tile is None:
        _require_even(box, size)
    whole = box == Box(0, 0, zoom.size.width, zoom.size.height)
    region = "full" if whole else f"{box.l0_x},{box.l0_y},{box.width},{box.height}"
    turn = f"{'!' if mirrored else ''}{_shortest(degrees)}"
    canonical = f"{region}/{sizing.canonical(size)}/{turn}/{quality}.{address.format}"
    return Plan(box, size, mirrored, degrees, quality, kind, canonical, tile)


def turned(size: Size, degrees: float) -> tuple[int, int]:
    """Give width and height of a picture after it was turned, without empty space around its corners."""
    if degrees % 90 == 0:
        return (size.width, size.height) if degrees % 180 == 0 else (size.height, size.width)
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    return math.ceil(size.width * cosine + size.height * sine), math.ceil(size.height * cosine + size.width * sine)


def _require_held(size: Size, degrees: float, kind: PictureFormat, limits: Limits) -> None:
    most = Limits(
        min(limits.area, MAX_PIXELS.get(kind, limits.area)), min(limits.side, MAX_SIDE.get(kind, limits.side))
    )
    if not (most.hold(size.width, size.height) and most.hold(*turned(size, degrees))):
        raise Malformed(
            f"A picture of this format can have at most {most.area:,} pixels and {most.side:,} a side, turned or not."
        )


def _require_even(box: Box, size: Size) -> None:
    across, down = box.width / size.width, box.height / size.height
    if max(across, down) > MAX_ANISOTROPY * min(across, down):
        raise Malformed(
            f"The region may be scaled at most {MAX_ANISOTROPY:g} times as much along one side as along the other."
        )


def _rotation(text: str) -> tuple[bool, float]:
    degrees = text.removeprefix("!")
    if not _REAL.fullmatch(degrees) or float(degrees) > _FULL_TURN:
        raise Malformed("The rotation is a number from 0 to 360, with ! in front when the picture is mirrored.")
    return text != degrees, float(degrees) % _FULL_TURN


def _shortest(number: float) -> str:
    return f"{number:.15f}".rstrip("0").rstrip(".")


def _region(text: str, slide: Size) -> Box:
    if text == "full":
        return Box(0, 0, slide.width, slide.height)
    if text == "square":
        side = min(slide.width, slide.height)
        return Box((slide.width - side) // 2, (slide.height - side) // 2, side, side)
    in_percent = text.startswith("pct:")
    parts = text.removeprefix("pct:").split(",")
    form = _REAL if in_percent else _WHOLE
    if len(parts) != 4 or not all(form.fullmatch(part) for part in parts):
        raise Malformed("The region must be full, square, x,y,w,h or pct:x,y,w,h.")
    x, y, width, height = map(float, parts)
    if width == 0 or height == 0:
        raise Malformed("The region has no width or no height.")
    across, down = (slide.width / 100, slide.height / 100) if in_percent else (1.0, 1.0)
    left, right = _nearest(x * across), min(_nearest((x + width) * across), slide.width)
    top, bottom = _nearest(y * down), min(_nearest((y + height) * down), slide.height)
    if left >= right or top >= bottom:
        raise Malformed("The region lies outside the slide, or has less than one pixel.")
    return Box(left, top, right - left, bottom - top)


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)


@dataclass(frozen=True, slots=True)
class _Sizing:
    """The size parameter on one region."""

    version: Version
    box: Box
    zoom: DeepZoom
    limits: Limits

    def read(self, text: str) -> Size:
        found = _SIZE.fullmatch(text)
        if found is None or (found["up"] and self.version == 2):
            raise Malformed("The size must be max, w,h or w, or ,h or !w,h or pct:n.")
        # Version 2.1 enlarges without being told to.
        enlarges = bool(found["up"]) or self.version == 2
        if found["word"]:
            return self._by_word(found["word"], enlarges=bool(found["up"]))
        if found["fit"]:
            width, height = _bound(found["w"]), _bound(found["h"])
            # The text of 3.0 would cut such a box down to the region; the consortium's validator wants an error, as the
            # usual servers give it. In 2.1 no sign tells whether to enlarge, and thumbnails are asked for this way.
            if not enlarges and width > self.box.width and height > self.box.height:
                raise _too_large()
            return self._fit(width, height, enlarges=bool(found["up"]))
        size = self._by_percent(found["pct"]) if found["pct"] else self._by_sides(found["w"], found["h"])
        if not enlarges and (size.width > self.box.width or size.height > self.box.height):
            raise _too_large()
        return size

    def canonical(self, size: Size) -> str:
        box, exact = self.box, f"{size.width},{size.height}"
        if self.version == 2:
            if (size.width, size.height) == (box.width, box.height):
                return "full"
            return f"{size.width}," if self._by_sides(str(size.width), "") == size else exact
        if size == self._by_word("max", enlarges=False):
            return "max"
        if size.width <= box.width and size.height <= box.height:
            return exact
        return "^max" if size == self._by_word("max", enlarges=True) else f"^{exact}"

    def tile(self, size: Size) -> tuple[int, int, int] | None:
        """Give the Deep Zoom address of the tile that is this region at this size."""
        box, slide = self.box, self.zoom.size
        for halvings in range(self.zoom.level_count):
            side = self.zoom.tile_size << halvings
            if (
                self._halved(halvings) == size
                and box.l0_x % side == box.l0_y % side == 0
                and box.width == min(side, slide.width - box.l0_x)
                and box.height == min(side, slide.height - box.l0_y)
            ):
                return self.zoom.level_count - 1 - halvings, box.l0_x // side, box.l0_y // side
        return None

    def _halved(self, halvings: int) -> Size:
        return Size(-(-self.box.width >> halvings), -(-self.box.height >> halvings))

    def _by_word(self, word: str, *, enlarges: bool) -> Size:
        if word == "full":
            if self.version == 3 or enlarges:
                raise Malformed("The size full is called max in version 3.")
            return Size(self.box.width, self.box.height)
        return self._fit(self.limits.side, self.limits.side, enlarges=enlarges)

    def _by_percent(self, text: str) -> Size:
        if not _REAL.fullmatch(text):
            raise Malformed("The size pct:n takes a number of percent.")
        share = float(text) / 100
        return _size(self.box.width * share, self.box.height * share)

    def _by_sides(self, width: str, height: str) -> Size:
        """Read ``w,h``, ``w,`` and ``,h``; the side that is left open follows the region's proportions.

        At the edges of the slide that would often be one pixel less than the tiles and levels have, whose sizes are
        rounded up: so where the side that is given is one of theirs, the other one is theirs too.
        """
        if width and height:
            return _size(int(width), int(height))
        if not (width or height):
            raise Malformed("The size names neither width nor height.")
        for halvings in range(self.zoom.level_count):
            size = self._halved(halvings)
            given = size.width == int(width) if width else size.height == int(height)
            if given and (self._is_whole() or self.tile(size) is not None):
                return size
        if width:
            return _size(int(width), max(1.0, self.box.height * int(width) / self.box.width))
        return _size(max(1.0, self.box.width * int(height) / self.box.height), int(height))

    def _is_whole(self) -> bool:
        return (self.box.width, self.box.height) == (self.zoom.size.width, self.zoom.size.height)

    def _fit(self, most_width: int, most_height: int, *, enlarges: bool) -> Size:
        """Scale the region to the largest size that fits into a rectangle and the limits."""
        width, height = self.box.width, self.box.height
        most_width, most_height = min(most_width, self.limits.side), min(most_height, self.limits.side)
        scale = min(most_width / width, most_height / height, math.sqrt(self.limits.area / (width * height)))
        if scale >= 1 and not enlarges:
            return Size(width, height)
        fitting_width = min(max(1, _nearest(width * scale)), most_width)
        fitting_height = min(max(1, _nearest(height * scale)), most_height)
        # Rounding up both sides can lead over the area.
        if fitting_width * fitting_height > self.limits.area:
            fitting_width, fitting_height = max(1, int(width * scale)), max(1, int(height * scale))
        return _size(fitting_width, fitting_height)


def _too_large() -> Malformed:
    return Malformed("The size is larger than the region; a ^ in front of it enlarges.")


def _bound(text: str) -> int:
    if not text:
        raise Malformed("The size !w,h takes a width and a height.")
    return int(text)


def _size(width: float, height: float) -> Size:
    whole = _nearest(width), _nearest(height)
    if min(whole) < 1:
        raise Malformed("The picture would have less than one pixel.")
    return Size(*whole)
