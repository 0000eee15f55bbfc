"""DICOM: every element of the data set, nested ones too, by the standard's list of what names somebody."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from pathserve.slides.identity.dicom_profile import PROFILE
from pathserve.slides.identity.findings import Findings, Kind
from pathserve.slides.identity.pictures import search_icc
from pathserve.slides.identity.text import decode_text
from pathserve.slides.identity.vocabulary import kind_of

_MAX_ELEMENTS = 100_000
_MAX_NESTING = 16
_DEFER = 1 << 20
_BY_TYPE: dict[str, Kind] = {
    "PN": "name", "DA": "date", "TM": "date", "DT": "date", "AS": "date", "UI": "id", "AE": "id",
}  # fmt: skip
_TEXT = {"LT", "ST", "UT", "UC", "UR", "LO", "SH"}
_STANDARD_UID = "1.2.840.10008."
_ICC_PROFILE = 0x00282000
_ERRORS = (
    InvalidDicomError, OSError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError, EOFError,
    RecursionError, ArithmeticError,
)  # fmt: skip


def search_dicom(found: Findings, path: Path, place: str) -> None:
    """Note what the preamble, the file meta information and the data set say besides pixels.

    Parameters
    ----------
    place
        What this file is called in the report; never its name.
    """
    try:
        with path.open("rb") as file:
            preamble = file.read(128)
        if preamble.strip(b"\x00") and not preamble.startswith((b"II*\x00", b"MM\x00*")):
            found.add(place, "preamble", decode_text(preamble), kind="unknown", known=True)
        dataset = pydicom.dcmread(path, stop_before_pixels=True, defer_size=_DEFER)
        left = [_MAX_ELEMENTS]
        for part, name in ((dataset.file_meta, f"{place} / file meta"), (dataset, place)):
            for where, element in _elements(part, name, 0, left):
                _search_element(found, where, element)
        if left[0] <= 0:
            found.stopped(place)
        _search_picture(found, place, dataset)
    except _ERRORS:
        found.stopped(place)


def _elements(dataset: Dataset, place: str, nesting: int, left: list[int]) -> Iterator[tuple[str, DataElement]]:
    """Give every element with its place, those of nested sequences too."""
    for element in dataset:
        left[0] -= 1
        if left[0] <= 0:
            return
        if element.VR != "SQ":
            yield place, element
        elif nesting < _MAX_NESTING:
            for item in element.value or ():
                yield from _elements(item, f"{place} / {_name(element.tag)}", nesting + 1, left)


def _name(tag: BaseTag) -> str:
    """Name an element by the standard's keyword, else by its number."""
    return keyword_for_tag(tag) or f"({tag.group:04X},{tag.element:04X})"


def _search_element(found: Findings, place: str, element: DataElement) -> None:
    tag, name = element.tag, _name(element.tag)
    text = _text(element)
    if not text.strip():
        return
    if tag == _ICC_PROFILE and isinstance(element.value, bytes):
        search_icc(found, place, element.value)
    elif tag.is_private:
        found.add(place, name, text, kind="unknown", known=True)
    elif 0x6000 <= tag.group <= 0x60FF and tag.element == 0x3000:
        found.add(place, "overlay plane", f"{len(text):,} bytes", kind="picture", known=True)
    elif (tag.group & 0xFF00 in (0x5000, 0x6000) and tag.element >= 0x3000) or tag.element == 0x4000:
        found.add(place, name, text, kind="free text", known=True)
    elif element.VR in _BY_TYPE:
        if not (element.VR == "UI" and text.startswith(_STANDARD_UID)):
            found.add(place, name, text, kind=_BY_TYPE[element.VR], known=True)
    elif int(tag) in PROFILE:
        found.add(place, name, text, kind=_profile_kind(name, element.VR), known=True)
    elif not dictionary_has_tag(tag):
        found.add(place, name, text, kind="unknown", known=True)


def _profile_kind(name: str, vr: str) -> Kind:
    """Say what an attribute of the profile holds, by its keyword or else by its type."""
    kind = kind_of(name)
    if kind == "unknown" or kind == "technical":
        return "free text" if vr in _TEXT else "id"
    return kind


def _text(element: DataElement) -> str:
    value = element.value
    if isinstance(value, bytes):
        return decode_text(value)
    if isinstance(value, MultiValue | list):
        return "\\".join(map(str, value[:20]))
    return "" if value is None else str(value)


def _search_picture(found: Findings, place: str, dataset: Dataset) -> None:
    """Note an instance that shows the glass or its label, and pixels that are said to hold burnt-in text."""
    kinds = {str(word).upper() for word in dataset.get("ImageType") or ()}
    for word in sorted(kinds & {"LABEL", "OVERVIEW", "THUMBNAIL", "LOCALIZER"}):
        found.add(
            place, word.lower(), f"{dataset.get('Columns')} x {dataset.get('Rows')} pixels", kind="picture", known=True
        )
    for keyword in ("BurnedInAnnotation", "SpecimenLabelInImage"):
        if str(dataset.get(keyword, "NO")).upper() == "YES":
            found.add(place, keyword, "YES", kind="picture", known=True)
