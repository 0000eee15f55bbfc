"""Values out of a parsed DICOM header: what cannot be converted is a damaged file, not a crash."""

import math
import struct
import zlib
from typing import Any

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from pathserve.errors import Corrupt

# What pydicom raises on headers that are damaged or lead nowhere.
HEADER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    InvalidDicomError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def _value(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401 - whatever the header holds
    try:
        return dataset.get(keyword)
    except HEADER_ERRORS:
        raise Corrupt("The header of a DICOM file is damaged.") from None


def whole(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """Read a whole number, ``default`` when it is absent or empty.

    Raises
    ------
    Corrupt
        When it is no number, or absent without a default.
    """
    value = _value(dataset, keyword)
    if value is None or value == "":
        value = default
    try:
        return int(value)  # None raises the TypeError that is caught
    except HEADER_ERRORS:
        raise Corrupt("The header of a DICOM file lacks a number that it needs.") from None


def text(dataset: Dataset, keyword: str) -> str:
    """Read a text, empty when it is absent; of several values the first."""
    values = texts(dataset, keyword)
    return values[0] if values else ""


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Read all values of a text."""
    value = _value(dataset, keyword)
    if value is None:
        return ()
    if isinstance(value, str | bytes | int | float):
        return (str(value).strip(),)
    try:
        return tuple(str(one).strip() for one in value)
    except HEADER_ERRORS:
        return ()


def numbers(dataset: Dataset, keyword: str, count: int | None = None) -> tuple[float, ...] | None:
    """Read finite numbers; None when they are absent, not finite, or not ``count`` of them."""
    try:
        found = tuple(float(one) for one in texts(dataset, keyword))
    except ValueError:
        return None
    if not found or (count is not None and len(found) != count) or not all(map(math.isfinite, found)):
        return None
    return found


def number(dataset: Dataset, keyword: str) -> float | None:
    """Read the first of some finite numbers; None when there is none."""
    found = numbers(dataset, keyword)
    return found[0] if found else None


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """List the items of a sequence; none when it is absent."""
    value = _value(dataset, keyword)
    try:
        return [] if value is None else [item for item in value if isinstance(item, Dataset)]
    except HEADER_ERRORS:
        raise Corrupt("The header of a DICOM file is damaged.") from None


def shared(dataset: Dataset, group: str) -> Dataset:
    """Give the functional group that all frames share, an empty one when there is none."""
    for functional_groups in items(dataset, "SharedFunctionalGroupsSequence")[:1]:
        for item in items(functional_groups, group)[:1]:
            return item
    return Dataset()
