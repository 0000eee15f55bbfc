import json
from pathlib import Path

import pytest

from pathserve.errors import Invalid
from pathserve.formats.class_file import parse_class_file, write_classes
from pathserve.labels import AnnotationClass, ClassSchema, CodedTerm


def test_classes_of_a_real_project_of_qupath(shared_data: Path) -> None:
    text = (shared_data / "annotations/qupath/project/classifiers/classes.json").read_bytes()
    found = {c.name: c.color for c in parse_class_file(text)}
    packed = {item["name"]: item["color"] for item in json.loads(text)["pathClasses"]}
    # QuPath packs 0xAARRGGBB into a signed number.
    assert found == {name: tuple((color & 0xFFFFFF).to_bytes(3, "big")) for name, color in packed.items()}
    assert found["circles"] == (0, 255, 0)


def test_what_qupath_has_for_no_class_is_left_out() -> None:
    text = json.dumps({"pathClasses": [{"name": None, "color": -1}, {"name": "Tumor: Positive"}]})
    assert parse_class_file(text.encode()) == [AnnotationClass("Tumor: Positive", (144, 144, 144), 0)]


def test_what_was_written_is_read() -> None:
    schema = ClassSchema((AnnotationClass("A", (1, 2, 3), 7, -4, "x", CodedTerm("SCT", "1", "m")),), 3)
    text = json.dumps({"items": write_classes(schema), "next": None}).encode()
    (found,) = parse_class_file(text)
    assert (found.name, found.color, found.priority, found.hotkey) == ("A", (1, 2, 3), -4, "x")
    assert found.code == CodedTerm("SCT", "1", "m")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "5",
        "{}",
        '{"items": 5}',
        '{"pathClasses": [5]}',
        '{"pathClasses": [{"color": 1}]}',
        '[{"name": "A"}]',
        '[{"name": "A", "color": [1, 2]}]',
        '[{"name": "A", "color": [1, 2, 3], "code": {"system": "SCT"}}]',
        '[{"name": "A", "color": [1, 2, 3], "priority": "high"}]',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_class_file(text.encode())
