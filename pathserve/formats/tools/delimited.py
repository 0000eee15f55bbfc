"""Tables as text (comma, tab or semicolon), row by row, with a limit on the length of a row."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from pathserve.errors import Invalid, TooLarge

MAX_ROW_CHARACTERS = 32 * 1024 * 1024
"""Most characters of one row; Python's own module takes 131,072 in one field unless told otherwise."""

_LINE_END = re.compile(rb"[\r\n]")
_MARKS = ("\t", ";", ",")


def header_of(head: bytes) -> tuple[list[str], str] | None:
    """Give the names of columns and the mark between them, when the beginning of a file has at least two of them."""
    line = _LINE_END.split(head.removeprefix(b"\xef\xbb\xbf"), maxsplit=1)[0]
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None
    mark = next((mark for mark in _MARKS if mark in text), None)
    if mark is None or "\x00" in text:
        return None
    names = next(csv.reader([text], delimiter=mark), [])
    return ([name.strip() for name in names], mark) if len(names) > 1 else None


def lines_of(path: Path) -> Iterator[str]:
    """Walk through the lines of a UTF-8 text.

    Raises
    ------
    Invalid
        When it is no UTF-8.
    TooLarge
        When a line is too long.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from _lines(file)


def rows_of(path: Path, mark: str) -> Iterator[dict[str, str]]:
    """Walk through the rows of a table below its header; missing fields are absent, empty ones too.

    Raises
    ------
    Invalid
        When it is no UTF-8, or a quoted field does not end.
    TooLarge
        When a row is too long.
    """
    csv.field_size_limit(MAX_ROW_CHARACTERS)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_lines(file), delimiter=mark, strict=True)
        try:
            names = [name.strip() for name in next(reader, [])]
            for fields in reader:
                if fields:
                    yield {name: field for name, field in zip(names, fields, strict=False) if name and field != ""}
        except csv.Error:
            raise Invalid(f"The table is broken at line {reader.line_num:,}.", code="bad_table") from None


def _lines(file: TextIO) -> Iterator[str]:
    count = 0
    try:
        while line := file.readline(MAX_ROW_CHARACTERS):
            count += 1
            if len(line) >= MAX_ROW_CHARACTERS:
                raise TooLarge(f"Line {count:,} of the text is too long.", code="line_too_long")
            yield line
    except UnicodeDecodeError:
        raise Invalid(f"The text is no UTF-8 after {count:,} lines.", code="bad_text") from None
