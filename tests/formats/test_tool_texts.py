"""Numbers, attributes and vertices as the writers and readers of other tools' files have them, many at once."""

from pathlib import Path
from uuid import UUID
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathserve.errors import Invalid
from pathserve.formats.contract import ReadContext
from pathserve.formats.tools import asap, number_texts
from pathserve.formats.tools.xml_events import attribute, read_elements
from pathserve.labels import Columns, NewAnnotation

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1e-3, 1e-3) | st.integers(-(2**53), 2**53)
RINGS = st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=1, max_size=20)


@given(RINGS)
def test_numbers_are_written_as_python_writes_them(ring):
    assert number_texts.joined(ring) == " ".join(f"{x},{y}" for x, y in ring)
    assert number_texts.formatted(ring, ('<V X="', '" Y="', '"/>\n')) == "".join(
        f'<V X="{x}" Y="{y}"/>\n' for x, y in ring
    )
    assert number_texts.Numbered(('<V O="{}" X="', '" Y="', '"/>\n')).text(ring) == "".join(
        f'<V O="{place}" X="{x}" Y="{y}"/>\n' for place, (x, y) in enumerate(ring)
    )


@given(st.lists(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2), min_size=1, max_size=20))
def test_whole_pixels_are_rounded_to_the_even_one(ring):
    assert number_texts.rounded(ring, ("<", " ", ">")) == "".join(f"<{round(x)} {round(y)}>" for x, y in ring)


def test_places_go_on_behind_those_that_are_kept():
    ring = [[float(x), 0.5] for x in range(1000)]
    text = number_texts.Numbered(("{}:", ",", ";")).text(ring)
    assert text == "".join(f"{place}:{x},{y};" for place, (x, y) in enumerate(ring))


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from("&<>\"'\n\t\r")))
def test_attributes_are_written_as_the_standard_library_does(value):
    assert attribute(value) == quoteattr(value)


SHAPES = (
    {"type": "Point", "coordinates": [1.5, 2.0]},
    {"type": "MultiPoint", "coordinates": [[1.0, 2.0], [3.0, 4.5]]},
    {"type": "LineString", "coordinates": [[1.0, 2.0], [3.0, 4.5]]},
    {"type": "MultiLineString", "coordinates": [[[1.0, 2.0], [3.0, 4.5]], [[5.0, 6.0], [7.0, 8.0]]]},
    {"type": "Polygon", "coordinates": [[[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [0.0, 0.0]]]},
    {"type": "Polygon", "coordinates": [[[0, 0, 1], [9, 0, 1], [0, 9, 1], [0, 0, 1]]]},
    {
        "type": "MultiPolygon",
        "coordinates": [
            [[[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [0.0, 0.0]], [[1.0, 1.0], [2.0, 1.0], [1.0, 2.0], [1.0, 1.0]]],
            [[[20.0, 0.0], [29.0, 0.0], [20.0, 9.0], [20.0, 0.0]]],
        ],
    },
    {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1.5, 2.0]}]},
)


def test_all_rows_come_out_as_they_went_in():
    # More than are made at once, of every kind, with and without what a row may have.
    rows = [
        NewAnnotation(
            geometry=SHAPES[place % len(SHAPES)],
            id=UUID(int=place + 1) if place % 3 else None,
            class_name=("tumour", None, "stroma")[place % 3],
            class_color=(1, 2, 3) if place % 3 == 0 else None,
            properties={"score": place / 2} if place % 2 else {},
            drawn=SHAPES[0] if place % 5 == 0 else None,
        )
        for place in range(300)
    ]
    columns = Columns.of(rows)
    assert list(columns.new_annotations(colors={"tumour": (1, 2, 3)})) == rows
    assert [columns.new_annotation(row, colors={"tumour": (1, 2, 3)}) for row in range(300)] == rows


RECORD = '<R><V X="1" Y="2"/>\n<V Y="4" X="3" Z="0"/> <V X="5,5" Y="6"/><V X="7"/></R>'


def elements(path: Path, text: str, **said: object) -> list[list[str]]:
    path.write_text(f"<all>{text}</all>")
    found = read_elements(path, records=("R",), points={"V": ("X", "Y")}, **said)
    return [list(map(str, one.element.numbers)) for one in found]


def test_vertices_are_the_same_without_the_texts_between_them(tmp_path):
    numbers = ["1.0", "2.0", "3.0", "4.0", "5.5", "6.0", "7.0", "nan"]
    assert elements(tmp_path / "a.xml", RECORD) == elements(tmp_path / "a.xml", RECORD, texts=False) == [numbers]


def test_what_is_not_to_be_read_is_passed_over_and_nothing_else(tmp_path):
    text = RECORD + "<R><Vx/><V X='1' Y='2'></V></R>" + 9000 * '<R><V X="1" Y="2" /></R>'  # over several blocks
    found = elements(tmp_path / "a.xml", text, unread="V")
    assert len(found) == 9002
    assert found[:2] == [[], ["1.0", "2.0"]]


BROKEN = """<?xml version="1.0"?>
<ASAP_Annotations>
<Annotations><Annotation Name="a" Type="Polygon" PartOfGroup="None"><Coordinates>
<Coordinate Order="0" X="1" Y="2" /><Coordinate Order="0" X="1" X="2" />
</Coordinates></Annotation></Annotations>
</ASAP_Annotations>
"""


TWICE = BROKEN.splitlines()[3].index('X="2"')
WRONG = BROKEN.replace('X="2" />', 'Y="2" /></Wrong>')


@pytest.mark.parametrize(("text", "column"), [(BROKEN, TWICE), (WRONG, WRONG.splitlines()[3].index("Wrong"))])
def test_broken_xml_is_named_by_its_place_in_the_file(tmp_path, text, column):
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(Invalid, match=rf"^The XML is broken at line 4, column {column}\.$"):
        list(asap.read(path, ReadContext()))
