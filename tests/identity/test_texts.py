"""Texts are searched field by field, whatever they are wrapped in."""

import base64
import json

import pytest

from pathserve.slides.identity import Findings, IdentityReport
from pathserve.slides.identity.text import decode_text, search_text
from pathserve.slides.identity.vocabulary import is_plain, kind_of

NAME = "Jane Zebedee"


def found_in(text: str, field: str = "ImageDescription") -> dict[tuple[str, str], tuple[str, str]]:
    found = Findings("shown")
    search_text(found, "IFD 0", field, text, kind="free text", known=True)
    return {(f.place, f.field): (f.kind, " ".join(f.values)) for f in found.report().findings}


@pytest.mark.parametrize(
    ("text", "field", "kind"),
    [
        (f"Aperio Image Library v11\r\n46000x32914 Q=30;x|AppMag = 20|User = {NAME}|MPP = 0.5", "User", "name"),
        (f"Created=2011/05/23\r\nOperator={NAME}\r\n", "Operator", "name"),
        (f'<?xml version="1.0" encoding="utf-16"?><A><SlideID>{NAME}</SlideID></A>', "SlideID", "id"),
        (f'<OME><Experimenter LastName="{NAME}"/></OME>', "Experimenter LastName", "name"),
        (f"<OME><M K='patient'>{NAME}</M></OME>", "patient", "name"),
        (f"<O><Key>Birth date</Key><Value>{NAME}</Value></O>", "Birth date", "date"),
        (
            f"<DataObject><Attribute Name='PIM_DP_UFS_BARCODE'>{NAME}</Attribute></DataObject>",
            "PIM_DP_UFS_BARCODE",
            "id",
        ),
        (f"<a><!-- {NAME} --></a>", "XML comment", "free text"),
        (json.dumps({"a": [{"patientName": NAME}]}), "patientName", "name"),
        (f"<a><b>{base64.b64encode(NAME.encode('utf-16-le')).decode()}</b></a>", "b", "free text"),
        (f"<a note='{{&quot;user&quot;: &quot;{NAME}&quot;}}'/>", "user", "name"),
        (f"x=1|odd key = {NAME}", "odd key", "unknown"),
        (f"just words, {NAME}", "ImageDescription", "free text"),
        (f"<not xml {NAME}", "ImageDescription", "free text"),
    ],
)
def test_a_name_is_found_in_its_field(text: str, field: str, kind: str) -> None:
    hits = {(name, k) for (_, name), (k, value) in found_in(text).items() if NAME in value}
    assert hits == {(field, kind)}


def test_pictures_in_base64_are_pictures() -> None:
    picture = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(100)).decode()
    text = f"<Label>{picture}</Label>"
    assert [kind for kind, _ in found_in(text).values()] == ["picture"]


def test_words_that_are_valid_base64_stay_words() -> None:
    assert found_in("patient JaneFeatherstonehaugh123") == {
        ("IFD 0", "ImageDescription"): ("free text", "patient JaneFeatherstonehaugh123")
    }
    hidden = base64.b64encode(b"patient JaneFeatherstonehaugh123").decode()
    assert {value for _, value in found_in(hidden).values()} == {"patient JaneFeatherstonehaugh123"}


def test_what_describes_pixels_is_no_finding() -> None:
    assert found_in("<Pixels SizeX='2220' PhysicalSizeX='0.5'/>") == {}
    assert found_in("x|MPP = 0.499|AppMag = 20|Left = 25.69") == {
        ("IFD 0 / ImageDescription", "ImageDescription"): ("free text", "x")
    }


def test_entities_are_not_expanded() -> None:
    bomb = "<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'>" + "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>" * 1 + "]><a>&c;</a>"
    values = [value for _, value in found_in(bomb).values()]
    assert len(values) == 1
    assert "bbbbbbbbbbbbbbb" not in values[0]
    assert found_in("<a>" * 5_000) != {}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "latin-1"])
def test_bytes_are_read_as_what_they_are(encoding: str) -> None:
    assert decode_text("Müller, Anna".encode(encoding)) == "Müller, Anna"


def test_kept_is_no_value_and_no_word_of_the_scan() -> None:
    found = Findings("shown")
    search_text(found, "IFD 0", "ImageDescription", f"a|User = {NAME}|{NAME} = 12345|Zebedee Jane = x", known=True)
    report = found.report()
    assert NAME in str(report)
    kept = json.dumps(report.summary())
    assert "Zebedee" not in kept
    assert "Jane" not in kept
    by_field = {item["field"]: (item["kind"], item["count"]) for item in report.summary()["dropped"]}
    assert by_field["User"] == ("name", 1)
    assert by_field[None] == ("unknown", 2)


def test_values_are_masked_or_left_out_unless_asked_for() -> None:
    for values, expected in (("none", ()), ("masked", ("J… (12 characters)",)), ("shown", (NAME,))):
        found = Findings(values)
        found.add("IFD 0", "Artist", NAME, kind="name", known=True)
        assert found.report().findings[0].values == expected


def test_a_report_survives_the_pipe() -> None:
    found = Findings("masked")
    found.add("IFD 0", "Artist", NAME, kind="name", known=True)
    found.stopped("TIFF directories")
    report = found.report()
    assert IdentityReport.parse(json.loads(json.dumps(report.to_dict()))) == report


def test_the_list_ends_and_says_so() -> None:
    found = Findings()
    for number in range(5_000):
        found.add("place", f"odd{number}", "12345 x")
    for number in range(500):
        found.add("place", f"name {number}", "12345 x")
    report = found.report()
    kinds = [f.kind for f in report.findings]
    assert (kinds.count("unknown"), kinds.count("name"), report.more) == (1_000, 500, 4_000)


def test_field_names() -> None:
    names = {
        "PatientBirthDate": "date",
        "Filename": "file name",
        "ScanScope ID": "id",
        "UserName": "name",
        "MPP": "technical",
    }
    assert {name: kind_of(name) for name in names} == names
    assert is_plain("ScanScope ID")
    assert not is_plain("Zebedee ID")
    assert not is_plain("ID 12345")
