"""The manifest: a table that says of each scan what slide, case and patient it is, by pseudonyms. Pure.

What is wrong with the whole table raises; what is wrong with a line is an issue of that line, and the other lines hold.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from pathserve.catalog import SlideFacts
from pathserve.errors import Invalid, TooLarge
from pathserve.labels import clean_name

MAX_BYTES = 16 << 20
MAX_ROWS = 100_000
MAX_COLUMNS = 100
_MAX_FILE = 4096
_MAX_SHOWN = 40
_MAX_CELL = 131_072

_PSEUDONYMS = ("name", "case", "patient")
_ORIGINALS = {"original_name": "name", "original_case": "case", "original_patient": "patient"}
_KNOWN = ("file", "name", "case", "patient", "stain", "project", *_ORIGINALS)
_DELIMITERS = ",;\t"

# Names of columns, without blanks and signs, that say who somebody is.
_IDENTITY = frozenset(
    {
        *("patientname", "patientsname", "patientid", "patientnumber", "fullname", "firstname", "lastname", "surname"),
        *("givenname", "familyname", "maidenname", "birthname", "dateofbirth", "dob", "birthdate", "birthday", "born"),
        *("patientbirthdate", "patientsbirthdate", "mrn", "medicalrecordnumber", "hospitalnumber", "ssn"),
        *("socialsecuritynumber", "nhsnumber", "insurancenumber", "address", "street", "phone", "telephone", "email"),
        *(
            "accessionnumber",
            "vorname",
            "nachname",
            "geburtsdatum",
            "patientenname",
            "nom",
            "prenom",
            "datedenaissance",
        ),
    }
)
_DATE = re.compile(r"(?<!\d)(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d|(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2})(?!\d)")
_PERSON = re.compile(r"[^\W\d_]{2,}\s*(?:\^|,)\s*[^\W\d_]{2,}")
"""Surname^Given as DICOM writes it, or Surname, Given."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """What one line says of one scan.

    Parameters
    ----------
    line
        Number of the line, from 1.
    file
        The scan, as it is written there.
    facts
        What is said; None where the line says nothing.
    originals
        What staff call the slide (``name``), the case and the patient; never for anybody but admins.
    """

    line: int
    file: str
    facts: SlideFacts
    originals: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LineIssue:
    """Why a line is passed over, in one sentence that holds nothing of the line.

    Parameters
    ----------
    absent
        Whether nothing is wrong but that its scan is not there; it may come.
    """

    line: int
    message: str
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """A table that was read.

    Parameters
    ----------
    unknown
        Names of columns that nothing was taken from.
    """

    rows: tuple[ManifestRow, ...]
    issues: tuple[LineIssue, ...]
    unknown: tuple[str, ...]


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest: CSV with a header, separated by comma, semicolon or tab, in UTF-8 (or UTF-16 with its mark).

    Memory grows with the table, which is limited to 16 MiB and 100,000 lines.

    Raises
    ------
    TooLarge
        When it is over a limit.
    Invalid
        When it is no such table: its encoding, its quotes or its header are wrong, or a column is for what a pseudonym
        shall hide.
    """
    if len(content) > MAX_BYTES:
        raise TooLarge(f"A manifest has at most {MAX_BYTES >> 20} MiB.")
    text = _decode(content)
    records = _records(text, _delimiter(text))
    _, header = next(records)
    columns = _columns(header)
    reader = _Rows(columns, len(header))
    for count, (line, cells) in enumerate(records):
        if count >= MAX_ROWS:
            raise TooLarge(f"A manifest has at most {MAX_ROWS:,} lines.")
        reader.take(line, cells)
    unknown = tuple(name.strip()[:_MAX_SHOWN] for name in header if name.strip() and _normal(name) not in _KNOWN)
    return Manifest(tuple(reader.rows), tuple(reader.issues), unknown)


class _Rows:
    """Takes lines one by one, and sees to it that they do not contradict each other."""

    def __init__(self, columns: Mapping[str, int], width: int) -> None:
        self._columns = columns
        self._width = width
        self.rows = list[ManifestRow]()
        self.issues = list[LineIssue]()
        self._by_file = dict[str, ManifestRow]()
        self._said = dict[tuple[str, ...], tuple[str, int]]()

    def take(self, line: int, cells: Sequence[str]) -> None:
        """Read one line, or note what is wrong with it."""
        try:
            self._keep(_row(line, cells, self._columns, self._width))
        except Invalid as error:
            self.issues.append(LineIssue(line, f"Line {line}: {error.message.rstrip('.')}."))

    def _keep(self, row: ManifestRow) -> None:
        known = self._by_file.get(row.file)
        if known is None:
            self._agree(row)
            self._by_file[row.file] = row
            self.rows.append(row)
        elif (known.facts, known.originals) != (row.facts, row.originals):
            raise Invalid(f"the file stands in line {known.line} already, and something else is said of it there")

    def _agree(self, row: ManifestRow) -> None:
        project, case, patient = row.facts.project or "", row.facts.case, row.facts.patient
        claims = list[tuple[tuple[str, ...], str, str]]()
        if case and patient:
            claims.append((("patient of", project, case), patient, "the case has another patient"))
        for what, name in (("case", case), ("patient", patient)):
            if name and what in row.originals:
                claims.append(((what, project, name), row.originals[what], f"the {what} has another original"))
        for key, value, message in claims:
            said, line = self._said.get(key, (value, row.line))
            if said != value:
                raise Invalid(f"{message} in line {line}")
        self._said |= {key: (value, row.line) for key, value, _ in claims if key not in self._said}


def _decode(content: bytes) -> str:
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("The manifest is not UTF-8; save it as CSV in UTF-8.") from error


def _delimiter(text: str) -> str:
    """Find what separates the columns: the one that gives a column "file"."""
    for delimiter in _DELIMITERS:
        try:
            _, header = next(_records(text, delimiter), (0, []))
        except Invalid:
            continue  # quotes that only another delimiter makes sense of
        if "file" in map(_normal, header):
            return delimiter
    raise Invalid('The manifest needs a first line with the names of its columns, one of them "file".')


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Give each record that is not blank with the number of its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Invalid(f"Line {line} is no CSV: its quotes do not match, or a field is too long.") from error
        # The limit of the csv module is one for the whole process, and other tables have a larger one.
        if any(len(cell) > _MAX_CELL for cell in cells):
            raise Invalid(f"A field of line {line} is too long.")
        if any(cell.strip() for cell in cells):
            yield line, cells


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Give the place of each column that something is taken from."""
    if len(header) > MAX_COLUMNS:
        raise TooLarge(f"A manifest has at most {MAX_COLUMNS} columns.")
    columns = dict[str, int]()
    for place, name in enumerate(header):
        normal = _normal(name)
        if re.sub(r"[^a-z]", "", normalize("NFKD", normal)) in _IDENTITY:
            raise Invalid(
                f'The column "{name.strip()[:_MAX_SHOWN]}" says who somebody is. Take it out, or name it '
                '"original_patient", "original_case" or "original_name": those are kept apart, for admins alone.',
                code="identity_column",
            )
        if normal in columns:
            raise Invalid(f'The manifest has two columns "{normal}".')
        if normal in _KNOWN:
            columns[normal] = place
    return columns


def _normal(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def _row(line: int, cells: Sequence[str], columns: Mapping[str, int], width: int) -> ManifestRow:
    """Read one line.

    Raises
    ------
    Invalid
        When something in it is wrong.
    """
    if any(cell.strip() for cell in cells[width:]):
        raise Invalid("it has more fields than the header")
    given = {name: cells[place].strip() for name, place in columns.items() if place < len(cells)}
    given = {name: value for name, value in given.items() if value}
    file = given.get("file", "")
    if not file or len(file) > _MAX_FILE or not file.isprintable():
        raise Invalid(f"the file needs 1 to {_MAX_FILE} printable characters")
    for what in _PSEUDONYMS:
        _require_no_identity(given.get(what, ""), what)
    originals = {what: clean_name(given[name], "original") for name, what in _ORIGINALS.items() if name in given}
    for what, original in originals.items():
        if what != "name" and what not in given:
            raise Invalid(f"an original of the {what} needs a pseudonym in the column {what}")
        if given.get(what, "").casefold() == original.casefold():
            raise Invalid(f"the {what} is the original itself, not a pseudonym")
    said = {name: given.get(name) for name in ("name", "project", "case", "patient", "stain")}
    return ManifestRow(line, file, SlideFacts(**said).cleaned(), originals)


def _require_no_identity(value: str, what: str) -> None:
    if _DATE.search(value):
        raise Invalid(f"the {what} holds a date, which can tell who somebody is; give a pseudonym")
    if "^" in value or (what == "patient" and _PERSON.search(value)):
        raise Invalid(f"the {what} looks like a person's name; give a pseudonym")
