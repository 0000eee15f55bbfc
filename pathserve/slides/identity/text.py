"""Text as scanners write it: XML, JSON, ``key = value`` lists, base64 of any of these; searched field by field."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

import orjson

from pathserve.slides.identity.findings import Findings, Kind
from pathserve.slides.identity.vocabulary import kind_of

MAX_TEXT = 16 << 20
"""Most bytes of one text that are searched."""

_MAX_NESTING = 4
_MAX_DEPTH = 200
_MAX_KEY = 64
_MAX_LEAF = 1 << 20
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{16,}={0,2}\s*\Z")
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"II*\x00", b"MM\x00*", b"BM", b"GIF8")
_KEYS = ("name", "key", "k")
"""Attributes that name a field whose value is the element's text, or its attribute ``V``."""


def decode_text(data: bytes) -> str:
    """Read bytes as text: UTF-16 or UTF-8 as they look, Latin-1 when they are neither."""
    data = data[:MAX_TEXT]
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    half = len(data) // 2
    if half >= 2:
        even, odd = data[0::2].count(0), data[1::2].count(0)
        if odd > 0.6 * half and even < 0.2 * half:
            return data.decode("utf-16-le", "replace")
        if even > 0.6 * half and odd < 0.2 * half:
            return data.decode("utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def search_text(
    found: Findings, place: str, name: str, text: str, *, kind: Kind | None = None, known: bool | None = None
) -> None:
    """Note what a text holds: its fields when it has some, else the text itself as the field ``name`` of ``place``.

    Parameters
    ----------
    kind, known
        As of :meth:`Findings.add`, for a text without fields of its own.
    """
    inside = f"{place} / {name}" if known and not place.endswith(f"/ {name}") else place
    _search(_Where(found, place, inside, 0), name, text, kind=kind, known=known)


def search_json(found: Findings, place: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Note every value of a JSON document by the key it stands under."""
    _search_json(_Where(found, place, place, 0), "document", value)


@dataclass(frozen=True, slots=True)
class _Where:
    """Where a text stands, where its own fields stand, and how many texts it lies in."""

    found: Findings
    place: str
    inside: str
    nesting: int

    def within(self, part: str = "") -> "_Where":
        inside = self.inside + part
        return _Where(self.found, inside, inside, self.nesting + 1)


def _search(where: _Where, name: str, text: str, *, kind: Kind | None = None, known: bool | None = None) -> None:
    # UTF-16 pads with zeros, and so do fields of a fixed length.
    text = text.replace("\x00", "").strip().lstrip("\ufeff")
    if not text:
        return
    if where.nesting < _MAX_NESTING:
        if text.startswith("<") and _Xml(where.within()).parse(text):
            return
        if text[0] in "{[" and _is_json(where, name, text):
            return
        if _is_base64(where, name, text) or _is_list(where, name, text):
            return
    where.found.add(where.place, name, text, kind=kind, known=known)


def _is_json(where: _Where, name: str, text: str) -> bool:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    _search_json(where.within(), name, value)
    return True


def _search_json(where: _Where, name: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    # Without recursion: orjson lets documents nest deeper than Python lets functions.
    waiting = [(name, value)]
    while waiting:
        key, item = waiting.pop()
        if isinstance(item, Mapping):
            waiting += [(str(inner), item[inner]) for inner in reversed(item)]
        elif isinstance(item, list):
            waiting += [(key, inner) for inner in reversed(item)]
        elif isinstance(item, str):
            if kind_of(key) != "technical":
                _search(where, key, item)
        elif item is not None and not isinstance(item, bool):
            where.found.add(where.place, key, str(item))


def _is_base64(where: _Where, name: str, text: str) -> bool:
    """Look into base64 when what it hides is a picture or text."""
    if not _BASE64.match(text):
        return False
    try:
        data = base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except binascii.Error:
        return False
    if data.startswith(_PICTURES):
        where.found.add(where.place, name, f"{len(data):,} bytes", kind="picture")
        return True
    hidden = decode_text(data)
    # Words of plain text can be valid base64: what they decode to is then no text in Unicode.
    if not _is_unicode(data, hidden) or not hidden.replace("\x00", "").strip():
        return False
    _search(where.within(" / base64"), name, hidden, kind="free text")
    return True


def _is_unicode(data: bytes, text: str) -> bool:
    """Tell whether bytes were read as UTF-8 or UTF-16, and what they hold can be printed."""
    if text == data.decode("latin-1") and not data.isascii():
        return False
    return all(c.isprintable() or c in "\r\n\t\x00" for c in text)


def _is_list(where: _Where, name: str, text: str) -> bool:
    """Split ``text|key = value|key = value`` (Aperio) or lines of ``key=value`` (Hamamatsu, ImageJ)."""
    parts = text.split("|") if "|" in text else text.splitlines()
    pairs, rest = [], []
    for part in parts:
        key, equals, value = part.partition("=")
        if equals and 0 < len(key.strip()) <= _MAX_KEY:
            pairs.append((key.strip(), value))
        elif part.strip():
            rest.append(part.strip())
    if not pairs:
        return False
    if rest:
        where.found.add(where.inside, name, " ".join(rest), kind="free text")
    for key, value in pairs:
        if kind_of(key) != "technical":
            _search(where.within(), key, value)
    return True


class _Refused(Exception):
    """The document declares entities or is nested too deeply."""


class _Xml:
    """Walks one XML document; the fields are its elements and attributes that hold text."""

    def __init__(self, where: _Where) -> None:
        self._where = where
        self._open: list[tuple[str, list[str]]] = []  # name of the field, its text so far
        self._sizes: list[int] = []
        self._key = ""

    def parse(self, text: str) -> bool:
        """Walk a document; False when it is no XML that can be trusted, with nothing of it noted after the fault."""
        parser = expat.ParserCreate(encoding="utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = self._comment
        parser.EntityDeclHandler = self._refuse
        try:
            # The text is decoded already, whatever encoding its first line names.
            parser.Parse(text.encode("utf-8", "replace"), True)
        except (expat.ExpatError, _Refused):
            return False
        return True

    def _refuse(self, *_: object) -> None:
        raise _Refused

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _MAX_DEPTH:
            raise _Refused
        local = _local(element)
        plain = {_local(key).lower(): value for key, value in attributes.items()}
        key = next((plain[name] for name in _KEYS if plain.get(name)), None)
        # `<Attribute Name="PATIENT">Jane</Attribute>` (Philips), `<M K="patient" V="Jane">`: the name is the field.
        names_field = key is not None and local.lower() in ("attribute", "m", "property", "field", "tag", "entry")
        self._open.append((key if names_field and key is not None else local, []))
        self._sizes.append(0)
        for attribute, value in attributes.items():
            if attribute.startswith("xmlns") or (names_field and _local(attribute).lower() in _KEYS):
                continue
            field = (
                key if names_field and key is not None and attribute.lower() == "v" else f"{local} {_local(attribute)}"
            )
            self._leaf(field, value)

    def _text(self, text: str) -> None:
        if self._open and self._sizes[-1] < _MAX_LEAF:
            self._open[-1][1].append(text)
            self._sizes[-1] += len(text)

    def _comment(self, text: str) -> None:
        if not text.strip().startswith("Warning: this comment is an OME-XML"):
            self._leaf("XML comment", text)

    def _end(self, element: str) -> None:
        field, parts = self._open.pop()
        self._sizes.pop()
        text = "".join(parts).strip()
        if not text:
            return
        if _local(element).lower() == "key":  # `<Key>patient</Key><Value>Jane</Value>` (OME's original metadata)
            self._key = text
        elif _local(element).lower() == "value" and self._key:
            self._leaf(self._key, text)
            self._key = ""
        else:
            self._leaf(field, text)

    def _leaf(self, field: str, value: str) -> None:
        last = field.rsplit(" ", 1)[-1]
        if kind_of(field) == "technical" or kind_of(last) == "technical":
            return
        _search(self._where, field, value)


def _local(name: str) -> str:
    return name.rsplit(":", 1)[-1]
