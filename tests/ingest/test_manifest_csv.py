"""Tables that people write, and what is taken from them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathserve.catalog import SlideFacts
from pathserve.errors import Invalid, TooLarge
from pathserve.ingest.manifest_csv import MAX_BYTES, MAX_ROWS, parse_manifest


def facts(content: str | bytes) -> list[tuple[int, str, SlideFacts]]:
    manifest = parse_manifest(content if isinstance(content, bytes) else content.encode())
    assert manifest.issues == ()
    return [(row.line, row.file, row.facts) for row in manifest.rows]


def issues(content: str) -> list[tuple[int, str]]:
    return [(issue.line, issue.message) for issue in parse_manifest(content.encode()).issues]


EXPECTED = [
    (2, "a.svs", SlideFacts("Colon, 1", "colon", "C1", "P1", "H&E")),
    (3, "sub/b.svs", SlideFacts(stain="CDX2")),
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_whatever_a_spreadsheet_writes_is_read(delimiter: str, ending: str, encoding: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending)
    writer.writerow(["file", "name", "case", "patient", "stain", "project"])
    writer.writerow(["a.svs", "Colon, 1", " C1", "P1 ", "H&E", "colon"])
    writer.writerow(["sub/b.svs", "", "", "", "CDX2"])
    assert facts(text.getvalue().encode(encoding)) == EXPECTED


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_that_is_quoted_throughout_is_read(delimiter: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([["case", "file"], ['C"1', "a,b;c.svs"]])
    assert facts(text.getvalue()) == [(2, "a,b;c.svs", SlideFacts(case='C"1'))]


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    assert [row[0] for row in facts('\nfile,name\n\na,"x"\n,\nb,y\n')] == [4, 6]
    assert issues('file,other\na,"1\n2"\nb\n,x\n') == [(5, "Line 5: the file needs 1 to 4096 printable characters.")]


def test_headers_are_read_as_people_write_them() -> None:
    content = "File ,CASE,Original-Case,Original  Patient,patient\na,C1,B24,Anna,P1\n"
    (row,) = parse_manifest(content.encode()).rows
    assert dict(row.originals) == {"case": "B24", "patient": "Anna"}
    assert row.facts == SlideFacts(case="C1", patient="P1")


def test_unknown_columns_are_named_and_not_kept() -> None:
    manifest = parse_manifest(b"file,Scanner,case,,Remark\na,x,C1,,secret\n")
    assert manifest.unknown == ("Scanner", "Remark")
    assert "secret" not in repr(manifest)


@pytest.mark.parametrize(
    "column",
    [
        "PatientName",
        "patient name",
        "Patient's Name",
        "Date of birth",
        "DOB",
        "MRN",
        "Surname",
        "Geburtsdatum",
        "Prénom",
    ],
)
def test_columns_for_identity_are_refused_by_name(column: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_manifest(f"file,{column}\na,Anna\n".encode())
    assert caught.value.code == "identity_column"
    assert f'"{column}"' in caught.value.message
    assert "Anna" not in caught.value.message


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("patient", "MUELLER^ANNA"),
        ("patient", '"Müller, Anna"'),
        ("patient", "12.03.1956"),
        ("patient", "x 1956-03-12"),
        ("case", "3/12/1956"),
        ("name", "Mueller^Anna"),
    ],
)
def test_values_that_look_like_identity_are_refused_without_being_shown(column: str, value: str) -> None:
    ((line, message),) = issues(f"file,{column}\na,{value}\n")
    assert line == 2
    assert "pseudonym" in message
    assert not any(word in message for word in ("1956", "nna", "NNA"))


@pytest.mark.parametrize("value", ["P-0017", "P 1956", "TCGA-DU-6399", "S24-12345", "case 3, left", "2024-17"])
def test_pseudonyms_are_taken(value: str) -> None:
    assert facts(f'file,patient,case\na,"{value}","{value}"\n')[0][2].patient == value


@pytest.mark.parametrize(
    ("content", "line", "sentence"),
    [
        ("file,name\na,x\na,y\n", 3, "line 2"),
        ("file,case,patient\na,C1,P1\nb,C1,P2\n", 3, "another patient"),
        ("file,case,original_case\na,C1,B1\nb,C1,B2\n", 3, "another original"),
        ("file,patient,original_patient\na,P1,Anna\nb,P1,Eve\n", 3, "another original"),
        ("file,patient,original_patient\na,Anna,anna\n", 2, "not a pseudonym"),
        ("file,original_case\na,B24\n", 2, "needs a pseudonym"),
        ("file,name\na,x,y\n", 2, "more fields"),
        ("file,name\na,\x00\n", 2, ""),
        ("file,name\na," + "x" * 201 + "\n", 2, "200"),
        ("file,name\n" + "x" * 4097 + ",n\n", 2, "4096"),
    ],
)
def test_a_wrong_line_is_named_and_the_others_hold(content: str, line: int, sentence: str) -> None:
    manifest = parse_manifest((content + "last.svs\n").encode())
    assert [issue.line for issue in manifest.issues] == [line]
    assert manifest.issues[0].message.startswith(f"Line {line}: ")
    assert sentence in manifest.issues[0].message
    assert manifest.rows[-1].file == "last.svs"


def test_the_same_case_label_in_two_projects_is_two_cases() -> None:
    assert issues("file,project,case,patient\na,p,C1,P1\nb,q,C1,P2\n") == []


def test_a_line_that_stands_twice_counts_once() -> None:
    assert len(facts("file,name\na,x\na,x\n")) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"name,case\nx,y\n",
        b"file,name,Name\na,x,y\n",
        b'file,name\na,"x\n',
        b'file,name\na,"x"y\n',
        b"file,name\na,\xff\xfe\n",
        b"\xff\xfea",
        b"PK\x03\x04" + bytes(100),
        b"file\n" + b"x" * 200_000,
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid):
        parse_manifest(content)


def test_limits() -> None:
    for content in (
        b"file\n" + b"a" * MAX_BYTES,
        b"file\n" + b"a\n" * (MAX_ROWS + 1),
        b"file" + b"," * 100 + b"\n",
    ):
        with pytest.raises(TooLarge):
            parse_manifest(content)


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: ("file,case,patient\n" + text).encode("utf-8", "replace"))
)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        manifest = parse_manifest(content)
    except Invalid:
        return
    assert all(row.file for row in manifest.rows)
    assert [row.line for row in manifest.rows] == sorted({row.line for row in manifest.rows})
