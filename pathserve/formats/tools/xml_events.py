"""XML read piece by piece, with limits on depth, tokens and vertices; nothing outside the file is ever opened.

Expat reads block after block, so memory goes by the largest record alone. Document types are refused as a whole: with
them go entities, and all that can be done with those.
"""

import re
from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from pathserve.errors import Invalid, TooLarge

MAX_DEPTH = 64
"""Elements may lie this deep within one another."""

MAX_TOKEN_BYTES = 64 * 1024 * 1024
"""Bytes of one tag with its attributes, or of what else cannot be read in parts."""

MAX_RECORD_ELEMENTS = 20_000
"""Elements of one record, its vertices apart."""

DOCTYPE_REFUSED = "XML with a document type is not read: it could name other files."

_BLOCK = 64 * 1024
_BUFFER = 10 * _BLOCK
"""Each read from the disk lets go of the interpreter's lock for a moment, and others begin their wait for it anew:
where one read follows another sooner than such a wait ends (5 ms), nobody else gets it for long."""

_STARTS = (b"<", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_MOST_TAGS = 400


@dataclass(slots=True)
class Element:
    """One element of a record.

    Parameters
    ----------
    name
        Without its namespace.
    attributes
        Name without namespace -> value.
    numbers
        Of the vertices directly within it: the numbers asked for, one vertex after another; NaN for what is missing or
        is no number.
    full
        Whether more vertices were left out than there is room for.
    """

    name: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    numbers: "array[float]" = field(default_factory=lambda: array("d"))
    text: str = ""
    full: bool = False

    def get(self, name: str, default: str = "") -> str:
        """Give an attribute."""
        return self.attributes.get(name, default)

    def child(self, name: str) -> "Element | None":
        """Give the first child of that name."""
        return next((child for child in self.children if child.name == name), None)

    def text_of(self, name: str) -> str:
        """Give the text of the first child of that name, without blanks around it."""
        child = self.child(name)
        return "" if child is None else child.text.strip()


@dataclass(frozen=True, slots=True)
class Found:
    """A record, and the elements that are open around it, outermost first, without what else is in them."""

    within: tuple[Element, ...]
    element: Element

    def around(self, name: str) -> Element | None:
        """Give the innermost element of that name around the record."""
        return next((element for element in reversed(self.within) if element.name == name), None)


def read_elements(
    path: Path,
    *,
    records: Collection[str],
    points: Mapping[str, Sequence[str]] | None = None,
    max_points: int = 1_000_000,
    texts: bool = True,
    unread: str | None = None,
) -> Iterator[Found]:
    """Walk through the records of a file.

    Parameters
    ----------
    records
        Names of the elements that are given whole; a record within a record is a child of it.
    points
        Name of an element that is a vertex -> its attributes, or children, that are numbers. Within a record such
        elements become `Element.numbers` of the element around them.
    max_points
        Most vertices of one record.
    texts
        Whether texts between tags are wanted: blanks between vertices are texts, too, and take as long as they do.
    unread
        Name of elements that are taken out of the text where they have no content and stand for nothing here. Then it
        says nothing of where the XML is broken, and not always that it is.

    Raises
    ------
    Invalid
        When it is not XML, is cut off, has a document type or is nested too deeply.
    TooLarge
        When a tag or a record is over its limit.
    """
    walk = _Walk(frozenset(records), points or {}, max_points, texts=texts)
    parser = walk.parser
    passed_over = None if unread is None else re.compile(rf"<{unread}\s[^<>]*/>".encode())
    fed = 0
    with path.open("rb", buffering=_BUFFER) as file:
        while block := file.read(_BLOCK):
            if passed_over is not None:
                block = passed_over.sub(b"", block)
            _feed(parser, block, final=False)
            fed += len(block)
            if fed - max(parser.CurrentByteIndex, 0) > MAX_TOKEN_BYTES:
                raise TooLarge("A tag of the XML is too long.", code="xml_token_too_long")
            while walk.ready:
                yield walk.ready.popleft()
    _feed(parser, b"", final=True)
    yield from walk.ready


def opening_tags(head: bytes) -> list[tuple[str, dict[str, str]]]:
    """Give the first opening tags of an XML text, of which only the beginning is there; none of what is not XML."""
    return _beginning(head)[0]


def document_type(head: bytes) -> str | None:
    """Give the name of the document type that the beginning of an XML text states; None for none."""
    return _beginning(head)[1]


def _beginning(head: bytes) -> tuple[list[tuple[str, dict[str, str]]], str | None]:
    """Give opening tags, and the name of a document type: nothing behind that is read."""
    found: list[tuple[str, dict[str, str]]] = []
    stated: str | None = None
    if not head.lstrip().startswith(_STARTS):
        return found, stated
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        found.append((_local(name), attributes))
        if len(found) >= _MOST_TAGS:
            raise _EnoughError

    def doctype(name: str, *_: object) -> None:
        nonlocal stated
        stated = name
        raise _EnoughError

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = doctype
    with suppress(expat.ExpatError, _EnoughError, ValueError, LookupError):
        parser.Parse(head, False)
    return found, stated


def mentions(path: Path, name: str, value: str) -> bool:
    """Tell, in a moment, whether a file may have an attribute of that value; True when that is not clear."""
    pattern = re.compile(rf"""{name}\s*=\s*["']\s*{value}""".encode())
    kept = b""
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return True
        while block := file.read(1024 * 1024):
            if pattern.search(kept + block):
                return True
            kept = block[-256:]
    return False


def attribute(value: str) -> str:
    """Write an attribute's value with its quotes; characters that XML cannot hold become U+FFFD."""
    if not value.isprintable():
        return quoteattr(allowed(value))
    # The same, many times faster: there is no line end or tab in it.
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if '"' not in value:
        return f'"{value}"'
    if "'" not in value:
        return f"'{value}'"
    return '"' + value.replace('"', "&quot;") + '"'


def text(value: str) -> str:
    """Write a text between tags; characters that XML cannot hold become U+FFFD."""
    return escape(allowed(value))


_VERTEX = Element("", {})
"""Stands for any vertex that is kept already; nothing is ever put into it."""


class _EnoughError(Exception):
    """Nothing more has to be read."""


class _Walk:
    """Builds records out of the events of one parser."""

    def __init__(
        self, records: frozenset[str], points: Mapping[str, Sequence[str]], max_points: int, *, texts: bool
    ) -> None:
        self._records, self._points, self._max_points = records, points, max_points
        self._numbers = {name: _values_of(keys) for name, keys in points.items()}
        self._open: list[Element] = []
        self._record_depth = 0  # how deep the open record lies; 0 when none is open
        self._elements = self._vertices = 0
        self.ready: deque[Found] = deque()
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        if texts:
            self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        # The common vertex, which has its numbers as attributes and nothing else, gets no element of its own.
        if self._record_depth and name in self._numbers:
            try:
                numbers = list(map(float, self._numbers[name](attributes)))
            except (KeyError, ValueError):
                pass  # not all of them are there, or in another form
            else:
                self._keep(numbers, self._open[-1])
                self._open.append(_VERTEX)
                return
        element = Element(_local(name), {_local(key): value for key, value in attributes.items()})
        self._open.append(element)
        if len(self._open) > MAX_DEPTH:
            raise Invalid(f"The XML is nested more than {MAX_DEPTH} levels deep.", code="too_deep")
        if self._record_depth:
            if element.name not in self._points and not self._within_point():
                self._elements += 1
                if self._elements > MAX_RECORD_ELEMENTS:
                    raise TooLarge("An object of the XML has too many members.", code="xml_record_too_large")
        elif element.name in self._records:
            self._record_depth = len(self._open)
            self._elements = self._vertices = 0

    def _within_point(self) -> bool:
        return len(self._open) > 1 and self._open[-2].name in self._points

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if element is _VERTEX or not self._record_depth:
            return
        if len(self._open) < self._record_depth:
            self._record_depth = 0
            self.ready.append(Found(tuple(self._open), element))
        elif element.name in self._points:
            self._vertex(element, self._open[-1])
        elif self._open[-1] is not _VERTEX:
            self._open[-1].children.append(element)

    def _vertex(self, element: Element, parent: Element) -> None:
        given = element.attributes
        names = self._points[element.name]
        self._keep([number(given[name] if name in given else element.text_of(name)) for name in names], parent)

    def _keep(self, numbers: list[float], parent: Element) -> None:
        self._vertices += 1
        if self._vertices > self._max_points:
            parent.full = True
        else:
            parent.numbers.extend(numbers)

    def _text(self, data: str) -> None:
        if self._record_depth and self._open[-1] is not _VERTEX:
            element = self._open[-1]
            element.text += data
            if len(element.text) > MAX_TOKEN_BYTES:
                raise TooLarge("A text of the XML is too long.", code="xml_token_too_long")

    def _doctype(self, *_: object) -> None:
        raise Invalid(DOCTYPE_REFUSED, code="xml_doctype")


def _values_of(keys: Sequence[str]) -> Callable[[Mapping[str, str]], Sequence[str]]:
    """Give what takes some values out of many; it raises KeyError when one is missing."""
    return itemgetter(*keys) if len(keys) > 1 else lambda given: [given[key] for key in keys]


def number(value: str) -> float:
    """Read a number with a point or a comma; NaN when it is none."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return float(value.replace(",", "."))
    except ValueError:
        return float("nan")


def _feed(parser: expat.XMLParserType, block: bytes, *, final: bool) -> None:
    try:
        parser.Parse(block, final)
    except expat.ExpatError as error:
        raise Invalid(f"The XML is broken at line {error.lineno}, column {error.offset}.", code="bad_xml") from None
    except (ValueError, LookupError):
        raise Invalid("The XML is of an encoding that is not read.", code="bad_xml") from None


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def allowed(value: str) -> str:
    """Replace by U+FFFD what no XML 1.0 text may hold: control characters, half surrogate pairs, U+FFFE and U+FFFF."""
    if value.isprintable():
        return value
    return "".join(
        c if c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff") else "\ufffd"
        for c in value
    )
