"""One DICOM file: its header parsed within limits, and where its frames lie."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from pathserve.errors import Corrupt, PathServeError
from pathserve.slides.dicom.bytesource import START, ByteSource, inflate
from pathserve.slides.dicom.elements import PER_FRAME, PixelElement, walk
from pathserve.slides.dicom.values import HEADER_ERRORS, text, whole
from pathserve.slides.limits import MAX_ICC_BYTES

MAX_FRAMES = 1 << 22
"""Most frames of one file."""

_LARGEST_VALUE = 2 * MAX_ICC_BYTES
_META_GROUP = 0x0002

# What is kept of the functional groups of each frame, and how it is stored ("" is text).
_FRAME_FACTS = {
    "ColumnPositionInTotalImagePixelMatrix": "i",
    "EffectiveEchoTime": "d",
    "ImageOrientationPatient": "",
    "ImagePositionPatient": "",
    "OpticalPathIdentifier": "",
    "PixelSpacing": "",
    "RescaleIntercept": "",
    "RescaleSlope": "",
    "RowPositionInTotalImagePixelMatrix": "i",
    "TemporalPositionIndex": "I",
    "WindowCenter": "",
    "WindowWidth": "",
    "ZOffsetInSlideCoordinateSystem": "",
}
_TAGS = {keyword: int(tag_for_keyword(keyword) or 0) for keyword in _FRAME_FACTS}


@dataclass(frozen=True, slots=True)
class Instance:
    """A parsed file.

    Parameters
    ----------
    source
        Its bytes.
    syntax
        Transfer syntax.
    dataset
        The header up to the functional groups of single frames.
    frames
        How many frames the file states to have.
    frame_facts
        Raw values by keyword, in the order of the frames.
    pixels
        The element that holds the frames.
    """

    source: ByteSource
    syntax: UID
    dataset: Dataset
    frames: int
    frame_facts: dict[str, list[bytes]]
    pixels: PixelElement

    @property
    def little(self) -> bool:
        """Whether numbers are stored with the lowest byte first."""
        return self.syntax != ExplicitVRBigEndian

    def frame_texts(self, keyword: str) -> list[str] | None:
        """Give a text for each frame; None when it is not stated for every one."""
        raw = self.frame_facts[keyword]
        if len(raw) != self.frames:
            return None
        return [value.decode("latin-1").strip(" \0") for value in raw]

    def frame_numbers(self, keyword: str) -> list[tuple[float, ...]] | None:
        """Give the numbers of a fact for each frame; None when they are not stated for every one.

        Raises
        ------
        Corrupt
            When they are no numbers.
        """
        code = _FRAME_FACTS[keyword]
        if not code:
            return self._decimals(keyword)
        raw = self.frame_facts[keyword]
        if len(raw) != self.frames:
            return None
        one = struct.Struct(("<" if self.little else ">") + code)
        try:
            return [one.unpack(value) for value in raw]
        except struct.error:
            raise Corrupt("The scan states a place that is no number.") from None

    def _decimals(self, keyword: str) -> list[tuple[float, ...]] | None:
        texts = self.frame_texts(keyword)
        try:
            return None if texts is None else [tuple(map(float, value.split("\\"))) for value in texts]
        except ValueError:
            raise Corrupt("The scan states a place that is no number.") from None


def open_instance(path: Path) -> Instance:
    """Parse a file up to its pixels.

    Must be called with warnings switched off: pydicom warns of many a harmless fault.

    Raises
    ------
    Corrupt
        When it is damaged or ends before its pixels.
    NotFound
        When it cannot be read.
    TooLarge
        When it is over a limit.
    """
    source = ByteSource(path)
    try:
        with source.open() as file:
            syntax = _read_syntax(file)
            start = file.tell()
        if syntax == DeflatedExplicitVRLittleEndian:
            source, start = ByteSource(path, inflate(path, start)), 0
        with source.open() as file:
            file.seek(start)
            dataset = _read(file, syntax, lambda tag: tag >= PER_FRAME)
            if not _shows_pictures(dataset):
                return Instance(source, syntax, dataset, 0, {}, PixelElement(0, False, 0, 0))
            values, pixels = walk(
                file,
                explicit=syntax != ImplicitVRLittleEndian,
                little=syntax != ExplicitVRBigEndian,
                wanted=set(_TAGS.values()),
            )
        frames = whole(dataset, "NumberOfFrames", 1)
        if not 1 <= frames <= MAX_FRAMES:
            raise Corrupt("A DICOM file states an impossible number of pictures.")
    except PathServeError:
        source.close()
        raise
    except HEADER_ERRORS:
        source.close()
        raise Corrupt("The header of a DICOM file is damaged.") from None
    facts = {keyword: values[tag] for keyword, tag in _TAGS.items()}
    return Instance(source, syntax, dataset, frames, facts, pixels)


def _shows_pictures(dataset: Dataset) -> bool:
    return "Rows" in dataset and "Columns" in dataset


def _read_syntax(file: BinaryIO) -> UID:
    """Read the file meta information, which is always explicit and little-endian."""
    file.seek(START)
    meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != _META_GROUP)
    syntax = text(meta, "TransferSyntaxUID")
    if not syntax:
        raise Corrupt("A DICOM file does not state how it is encoded.")
    return UID(syntax)


def _read(file: BinaryIO, syntax: UID, ends: Callable[[int], bool]) -> Dataset:
    return read_dataset(
        file,
        syntax == ImplicitVRLittleEndian,
        syntax != ExplicitVRBigEndian,
        stop_when=lambda tag, _vr, _length: ends(tag),
        defer_size=_LARGEST_VALUE,
    )


def field_names(dataset: Dataset) -> list[str]:
    """Name every element of a header, private ones by their number."""
    tags = list(dataset.keys())  # iterating gives the elements, all of them converted
    return [keyword_for_tag(tag) or f"private ({tag >> 16:04x},{tag & 0xFFFF:04x})" for tag in tags]
