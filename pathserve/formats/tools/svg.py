"""The shapes of SVG 1.1 that selectors hold: polygon, polyline, line, rect, circle, ellipse, path; nothing else of it.

https://www.w3.org/TR/SVG11/shapes.html and paths.html. Curves and arcs are flattened; an arc is first made into cubic
Bezier curves of at most a quarter turn, whose error is far below a pixel's tenth for what slides hold.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from pathserve.errors import Invalid, TooLarge, Unsupported
from pathserve.formats.tools import number_texts
from pathserve.formats.tools.drawn_shapes import Ring, bezier, box_ring, close_ring, ellipse_property, ellipse_ring

MAX_SHAPES = 10_000
"""Shapes of one selector."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_COMMAND = re.compile(r"([MmLlHhVvCcSsQqTtAaZz])|([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}
_DRAWN = frozenset(("polygon", "polyline", "line", "rect", "circle", "ellipse", "path"))
_QUARTER = math.pi / 2


@dataclass(slots=True)
class Drawn:
    """What the shapes of a selector are.

    Parameters
    ----------
    rings
        Closed outlines, in order.
    lines
        Lines that are not closed.
    properties
        Of one ellipse or rectangle: that it is one.
    curved
        Whether anything was flattened.
    """

    rings: list[Ring] = field(default_factory=list)
    lines: list[Ring] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    curved: bool = False


def parse_svg(text: str, *, max_vertices: int) -> Drawn:
    """Read an ``svg`` element.

    Raises
    ------
    Invalid
        When it is no XML, or a shape in it is not as SVG has it.
    Unsupported
        When it has transforms or a document type.
    TooLarge
        When it has too many shapes or vertices.
    """
    drawn = Drawn()
    count = vertices = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count, vertices
        local = name.rpartition(":")[2]
        if "transform" in attributes:
            raise Unsupported("Selectors with transforms are not read.", code="svg_transform")
        if local in _DRAWN:
            count += 1
            if count > MAX_SHAPES:
                raise TooLarge(f"A selector may have at most {MAX_SHAPES:,} shapes.", code="too_many_shapes")
            before = len(drawn.rings), len(drawn.lines)
            _draw(local, attributes, drawn)
            vertices += sum(map(len, drawn.rings[before[0] :])) + sum(map(len, drawn.lines[before[1] :]))
            if vertices > max_vertices:
                raise TooLarge(f"A geometry may have at most {max_vertices:,} vertices.", code="too_many_vertices")

    def doctype(*_: object) -> None:
        raise Unsupported("XML with a document type is not read: it could name other files.", code="xml_doctype")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text.encode(), True)
    except (expat.ExpatError, UnicodeEncodeError):
        raise Invalid("The selector's SVG is broken.", code="bad_svg") from None
    if not drawn.rings and not drawn.lines:
        raise Invalid("The selector's SVG has no shape.", code="no_geometry")
    if count > 1:
        drawn.properties = {}
    return drawn


def write_path(rings: list[Ring]) -> str:
    """Write closed rings as one path."""
    return " ".join("M" + number_texts.joined(ring[:-1]).replace(" ", " L") + " Z" for ring in rings)


def _draw(name: str, attributes: dict[str, str], drawn: Drawn) -> None:
    def number(key: str) -> float:
        found = _NUMBER.fullmatch(attributes.get(key, "0").strip().removesuffix("px"))
        if found is None or not math.isfinite(float(found[0])):
            raise Invalid("A shape of the selector's SVG has a number that is none.", code="bad_svg")
        return float(found[0])

    match name:
        case "polygon":
            drawn.rings.append(close_ring(_points(attributes.get("points", ""))))
        case "polyline":
            drawn.lines.append(_points(attributes.get("points", "")))
        case "line":
            drawn.lines.append([[number("x1"), number("y1")], [number("x2"), number("y2")]])
        case "rect":
            x, y = number("x"), number("y")
            drawn.rings.append(box_ring(x, y, x + number("width"), y + number("height")))
            drawn.properties = {"shape": "rectangle"}
        case "circle" | "ellipse":
            _ellipse(name, number, drawn)
        case _:
            _Path(attributes.get("d", ""), drawn).run()


def _ellipse(name: str, number: Callable[[str], float], drawn: Drawn) -> None:
    rx, ry = (number("r"), number("r")) if name == "circle" else (number("rx"), number("ry"))
    drawn.rings.append(ellipse_ring(number("cx"), number("cy"), rx, ry))
    drawn.properties = {"ellipse": ellipse_property(number("cx"), number("cy"), rx, ry)}
    drawn.curved = True


def _points(text: str) -> Ring:
    numbers = [float(found[0]) for found in _NUMBER.finditer(text)]
    if not numbers or len(numbers) % 2 or not all(map(math.isfinite, numbers)):
        raise Invalid("The points of a shape are not pairs of finite numbers.", code="bad_svg")
    return [[x, y] for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


class _Path:
    """Follows the commands of one path."""

    def __init__(self, text: str, drawn: Drawn) -> None:
        self._tokens = [(found[1], found[2]) for found in _COMMAND.finditer(text)]
        self._drawn = drawn
        self._at, self._begun = (0.0, 0.0), (0.0, 0.0)
        self._control: tuple[str, tuple[float, float]] | None = None  # kind and place of the last control point
        self._run: Ring = []

    def run(self) -> None:
        """Read all commands."""
        place, command = 0, ""
        while place < len(self._tokens):
            letter = self._tokens[place][0]
            if letter:
                command, place = letter, place + 1
            elif not command or command in "Zz":
                raise Invalid("A path of the selector's SVG begins with no command.", code="bad_svg")
            count = _ARGUMENTS[command.upper()]
            numbers = [token[1] for token in self._tokens[place : place + count]]
            if len(numbers) < count or not all(numbers):
                raise Invalid("A path of the selector's SVG lacks numbers.", code="bad_svg")
            place += count
            values = [float(number) for number in numbers]
            if not all(map(math.isfinite, values)):
                raise Invalid("A path of the selector's SVG has a number that is not finite.", code="bad_svg")
            self._step(command, values)
            if command in "Mm":
                command = "L" if command == "M" else "l"
        self._finish()

    def _finish(self, *, closed: bool = False) -> None:
        if closed and self._run:
            self._drawn.rings.append(close_ring(self._run))
        elif len(self._run) > 1:
            self._drawn.lines.append(self._run)
        self._run = []

    def _step(self, command: str, values: list[float]) -> None:
        kind, base = command.upper(), self._at if command.islower() else (0.0, 0.0)
        if kind == "Z":
            self._finish(closed=True)
            self._at, self._control = self._begun, None
            return
        if kind == "M":
            self._finish()
            self._at = self._begun = (base[0] + values[0], base[1] + values[1])
            self._run, self._control = [list(self._at)], None
            return
        if not self._run:
            self._run = [list(self._at)]
        if kind in "HV":
            axis = "HV".index(kind)
            target = [self._at[0], self._at[1]]
            target[axis] = base[axis] + values[0]
            self._line((target[0], target[1]))
        elif kind == "A":
            self._arc(values, (base[0] + values[5], base[1] + values[6]))
        else:
            pairs = zip(values[::2], values[1::2], strict=True)
            self._curve(kind, [(base[0] + x, base[1] + y) for x, y in pairs])

    def _line(self, target: tuple[float, float]) -> None:
        self._run.append([target[0], target[1]])
        self._at, self._control = target, None

    def _curve(self, kind: str, given: list[tuple[float, float]]) -> None:
        if kind == "L":
            self._line(given[0])
            return
        family = "C" if kind in "CS" else "Q"
        if kind in "ST":
            known = self._control is not None and self._control[0] == family
            last = self._control[1] if known and self._control is not None else self._at
            given = [(2 * self._at[0] - last[0], 2 * self._at[1] - last[1]), *given]
        self._run += bezier([self._at, *given])
        self._at, self._control = given[-1], (family, given[-2])
        self._drawn.curved = True

    def _arc(self, values: list[float], target: tuple[float, float]) -> None:
        """Draw an elliptical arc by the conversion of SVG 1.1, appendix F.6.5."""
        rx, ry, turned, large, sweep = abs(values[0]), abs(values[1]), math.radians(values[2]), values[3], values[4]
        if rx == 0 or ry == 0 or target == self._at:
            if target != self._at:
                self._line(target)
            return
        cos, sin = math.cos(turned), math.sin(turned)
        dx, dy = (self._at[0] - target[0]) / 2, (self._at[1] - target[1]) / 2
        u, v = (cos * dx + sin * dy) / rx, (cos * dy - sin * dx) / ry
        stretch = math.hypot(u, v)
        if stretch > 1:
            rx, ry, u, v = rx * stretch, ry * stretch, u / stretch, v / stretch
        square = u * u + v * v
        factor = math.sqrt(max(1 / square - 1, 0.0)) * (-1 if bool(large) == bool(sweep) else 1)
        center = (factor * v, -factor * u)
        first = math.atan2(v - center[1], u - center[0])
        last = math.atan2(-v - center[1], -u - center[0])
        span = (last - first) % (2 * math.pi) if sweep else -((first - last) % (2 * math.pi))
        middle = ((self._at[0] + target[0]) / 2, (self._at[1] + target[1]) / 2)

        def placed(x: float, y: float) -> tuple[float, float]:
            x, y = (x + center[0]) * rx, (y + center[1]) * ry
            return cos * x - sin * y + middle[0], sin * x + cos * y + middle[1]

        steps = max(math.ceil(abs(span) / _QUARTER - 1e-9), 1)
        step = span / steps
        handle = 4 / 3 * math.tan(step / 4)
        start = self._at
        for index in range(steps):
            a, b = first + index * step, first + (index + 1) * step
            end = target if index == steps - 1 else placed(math.cos(b), math.sin(b))
            one = placed(math.cos(a) - handle * math.sin(a), math.sin(a) + handle * math.cos(a))
            two = placed(math.cos(b) + handle * math.sin(b), math.sin(b) - handle * math.cos(b))
            self._run += bezier((start, one, two, end))
            start = end
        self._at, self._control = target, None
        self._drawn.curved = True
