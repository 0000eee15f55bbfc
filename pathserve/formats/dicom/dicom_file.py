"""What DICOM annotations and segmentations have in common: foreign files, coded terms, the frame of a new file."""

import re
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.sequence import Sequence
from pydicom.uid import RE_VALID_UID, UID, ExplicitVRLittleEndian, generate_uid

from pathserve.errors import Invalid, TooLarge, Unsupported
from pathserve.formats.contract import Losses, WriteContext
from pathserve.labels import MAX_NAME, CodedTerm

WSM = UID("1.2.840.10008.5.1.4.1.1.77.1.6")
"""Class of the slides that files refer to (VL Whole Slide Microscopy Image Storage)."""

MAX_FILE_BYTES = 2**31
"""Most bytes of a file, which is held in memory."""

ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    NotImplementedError,
    OverflowError,
    RecursionError,
)
"""What the package raises when a file is damaged."""

DAMAGED = "The DICOM file is damaged, or was cut off."

MAX_LABEL = 64
"""Most characters of a long string (LO), which also has no backslash: that parts several values (PS3.5, 6.2)."""

_UNDEFINED = 0xFFFFFFFF
_DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.8.1")


def read_file(path: Path) -> Dataset:
    """Read a whole file.

    Raises
    ------
    Invalid
        When it is damaged.
    Unsupported
        When it is packed.
    TooLarge
        When it is larger than `MAX_FILE_BYTES`.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise TooLarge(f"DICOM files of annotations have at most {MAX_FILE_BYTES:,} bytes.", code="file_too_large")
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        if str(meta.get("TransferSyntaxUID")) in _DEFLATED:
            raise Unsupported("Deflated DICOM files are not read.", code="deflated")
        dataset = pydicom.dcmread(path)
    except ERRORS:
        raise Invalid(DAMAGED, code="damaged") from None
    if not _is_whole(dataset):
        raise Invalid(DAMAGED, code="damaged")
    return dataset


def _is_whole(dataset: Dataset) -> bool:
    """Tell whether all values are as long as they say: the package takes the end of a file for the end of a value."""
    for element in dataset.values():
        if isinstance(element, RawDataElement):
            if element.length != _UNDEFINED and len(element.value or b"") < element.length:
                return False
        elif isinstance(element.value, Sequence) and not all(map(_is_whole, element.value)):
            return False
    return True


def term(sequence: object) -> CodedTerm | None:
    """Read the first coded term of a sequence, or None."""
    if not isinstance(sequence, Sequence) or not len(sequence):
        return None
    item = sequence[0]
    code = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    meaning, system = item.get("CodeMeaning"), item.get("CodingSchemeDesignator") or ""
    if code is None or not meaning:
        return None
    parts = [str(part).strip() for part in (system, code, meaning)]
    # What a class schema holds has to be a name that people can read.
    if not all(part and part.isprintable() and len(part) <= MAX_NAME for part in parts):
        return None
    return CodedTerm(*parts)


def term_json(coded: CodedTerm | None) -> dict[str, str] | None:
    """Give a coded term as properties keep it."""
    return None if coded is None else {"system": coded.system, "code": coded.code, "meaning": coded.meaning}


def term_of_json(value: object) -> CodedTerm | None:
    """Read what `term_json` gives."""
    if not isinstance(value, Mapping):
        return None
    parts = [value.get(name) for name in ("system", "code", "meaning")]
    if not all(isinstance(part, str) and part for part in parts):
        return None
    return CodedTerm(str(parts[0]), str(parts[1]), str(parts[2]))


def write_label(text: str, losses: Losses) -> str:
    """Give a text as a label of DICOM can hold it; what that changes is counted."""
    label = _as_label(text)
    if label != text:
        losses.note(
            "label_changed", "Labels of DICOM were cut at 64 characters, and a backslash in them became a slash."
        )
    return label


def _as_label(text: str) -> str:
    return text.replace("\\", "/")[:MAX_LABEL]


def term_sequence(coded: CodedTerm) -> Sequence:
    """Write a coded term."""
    item = Dataset()
    code = coded.code.replace("\\", "/")
    # Codes of more than 16 characters have an element of their own.
    setattr(item, "CodeValue" if len(code) <= 16 else "LongCodeValue", code)
    item.CodingSchemeDesignator = coded.system[:16]
    item.CodeMeaning = _as_label(coded.meaning)
    return Sequence([item])


def algorithm_of(item: Dataset, element: str) -> dict[str, Any] | None:
    """Give which algorithm made something, as properties keep it."""
    sequence = item.get(element)
    if not isinstance(sequence, Sequence) or not len(sequence):
        return None
    stated = sequence[0]
    found = {
        "family": term_json(term(stated.get("AlgorithmFamilyCodeSequence"))),
        "name": stated.get("AlgorithmName"),
        "version": stated.get("AlgorithmVersion"),
    }
    return {key: value if isinstance(value, dict) else str(value) for key, value in found.items() if value} or None


def write_algorithm(value: object) -> Sequence | None:
    """Write what `algorithm_of` gives; None when it is not all that DICOM asks for."""
    if not isinstance(value, Mapping):
        return None
    family = term_of_json(value.get("family"))
    if family is None or not value.get("name") or not value.get("version"):
        return None
    item = Dataset()
    item.AlgorithmFamilyCodeSequence = term_sequence(family)
    item.AlgorithmName, item.AlgorithmVersion = _as_label(str(value["name"])), _as_label(str(value["version"]))
    return Sequence([item])


def new_file(sop_class: str, modality: str, context: WriteContext) -> tuple[Dataset, str, str]:
    """Begin a file about a slide, without anything of a patient.

    Options ``study``, ``series`` and ``instance`` name the slide's own DICOM identifiers; without them the file refers
    to ones that were made up, which is counted as a loss.

    Returns
    -------
    The file, and the series and instance identifiers of the slide.
    """
    stated = {name: context.options.get(name) for name in ("study", "series", "instance")}
    for uid in stated.values():
        if uid is not None and not re.fullmatch(RE_VALID_UID, uid):
            raise Invalid("A DICOM identifier has digits and points, 64 at most.", code="bad_uid")
    if None in stated.values():
        context.losses.note("made_up_uids", "The slide's DICOM identifiers are not known; the file has made-up ones.")
    study, series, instance = (uid or generate_uid(prefix=None) for uid in stated.values())
    now = datetime.now(UTC)
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    made.StudyInstanceUID, made.SeriesInstanceUID = study, generate_uid(prefix=None)
    for name in ("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID"):
        setattr(made, name, "")
    for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        setattr(made, name, "")
    made.Modality, made.SeriesNumber, made.InstanceNumber = modality, 1, 1
    made.Manufacturer, made.ManufacturerModelName = "PathServe", "PathServe"
    made.DeviceSerialNumber, made.SoftwareVersions = "0", "0.1.0"
    made.ContentDate, made.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    made.ContentLabel, made.ContentDescription, made.ContentCreatorName = "ANNOTATIONS", "", ""
    made.ReferencedSeriesSequence = Sequence([_series(series, instance)])
    return made, series, instance


def reference(instance: str) -> Dataset:
    """Refer to the slide."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = WSM, instance
    return item


def _series(series: str, instance: str) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = series
    item.ReferencedInstanceSequence = Sequence([reference(instance)])
    return item


def write_file(made: Dataset, out: BinaryIO) -> None:
    """Write a file."""
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, made, enforce_file_format=True)
    out.write(buffer.getbuffer())
