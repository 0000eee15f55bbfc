"""Commands that find, count and edit annotations, bring versions back, and care for layers."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from pathserve.annotations import AnnotationQuery, edit_found
from pathserve.catalog import DEFAULT_PROJECT, make_slide_id
from pathserve.config import Settings
from pathserve.geometry import Mpp, Size
from pathserve.labels import NewAnnotation
from pathserve.pixels import Level, SlideInfo
from pathserve.server.services import Services


def square(x: float, side: float, name: str, **properties) -> NewAnnotation:
    ring = [[x, 0], [x + side, 0], [x + side, side], [x, side], [x, 0]]
    return NewAnnotation({"type": "Polygon", "coordinates": [ring]}, class_name=name, properties=properties)


@pytest.fixture
def services(data: Path) -> Iterator[Services]:
    opened = Services.open(Settings(data=data))
    yield opened
    opened.close()


@pytest.fixture
def slide(services: Services) -> str:
    """Give a slide without pixels: ten squares, the k-th with side 5 + k and score k/10, on two layers."""
    slide_id = make_slide_id()
    info = SlideInfo("aperio", (Level(Size(2220, 2967), 1.0),), Mpp(0.5, 0.5), True, 20.0, "jpeg")
    services.catalog.add_slide(
        slide_id=slide_id,
        project=DEFAULT_PROJECT,
        name="made",
        info=info,
        levels=5,
        tile_size=256,
        content_hash=slide_id,
    )
    made = [square(100 * k, 5 + k, "Tumor" if k % 2 else "Stroma", score=k / 10, note=f"n{k}") for k in range(10)]
    services.annotations.add(slide_id, made[:6], layer="AI", author="anna")
    services.annotations.add(slide_id, made[6:], layer="readers", author="bert")
    return slide_id


def numbers(done) -> list[int]:
    assert done.returncode == 0, done.stderr
    return [feature["properties"]["number"] for feature in json.loads(done.stdout)["items"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--class", "Tumor", "--min-score", "0.3", "--max-score", "0.7"], [4, 6, 8]),
        (["--layer", "readers", "--author", "bert", "--order", "-area"], [10, 9, 8, 7]),
        (["--bbox", "0,0,150,10", "--min-area", "30"], [2]),
        (["--polygon", "190,0,310,0,310,50", "--max-area", "50", "--state", "draft"], [3]),
        (["--filter", "class = 'Tumor' AND area > 150"], [10]),
        (["--text", "N3", "--number", "4", "--number", "5"], [4]),
        (["--layer", "readers", "--as-of", "1"], []),
    ],
)
def test_a_list_takes_every_filter(run, slide: str, words: list[str], expected: list[int]) -> None:
    assert numbers(run("annotations", "list", slide, *words, "--json")) == expected


def test_a_list_goes_on_where_it_ended(run, slide: str) -> None:
    first = json.loads(run("annotations", "list", slide, "--limit", "7", "--order", "-score", "--json").stdout)
    rest = json.loads(run("annotations", "list", slide, "--cursor", first["next"], "--json").stdout)
    seen = [feature["properties"]["number"] for feature in first["items"] + rest["items"]]
    assert (seen, rest["next"], first["revision"]) == ([*range(10, 0, -1)], None, 2)
    table = run("annotations", "list", slide, "--limit", "1")
    assert table.stdout.split()[:3] == ["number", "id", "class"]
    assert "Stroma" in table.stdout
    assert table.stderr.startswith("There are more: --cursor ")


def test_counts_are_exact(run, slide: str) -> None:
    counted = json.loads(run("annotations", "count", slide, "--min-score", "0.5", "--json").stdout)
    assert counted == {
        "revision": 2,
        "total": 5,
        "classes": [{"name": "Tumor", "count": 3}, {"name": "Stroma", "count": 2}],
        "layers": [{"name": "readers", "count": 4}, {"name": "AI", "count": 1}],
        "states": [{"name": "draft", "count": 5}],
    }
    assert run("annotations", "count", slide).stdout.endswith("10 annotations, revision 2.\n")


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--bbox", "1,2"],
        ["list", "--filter", "nothing = 1"],
        ["list", "--min-score", "nan"],
        ["count", "--id", "x"],
        ["edit", "--yes"],
        ["edit", "--delete", "--set-class", "Tumor", "--yes"],
        ["edit", "--delete"],
    ],
)
def test_wrong_options_are_wrong_usage_and_change_nothing(run, services: Services, slide: str, words) -> None:
    done = run("annotations", words[0], slide, *words[1:])
    assert (done.returncode, done.stdout) == (2, "")
    assert services.annotations.revision(slide) == 2


def test_all_that_is_found_is_edited_after_a_look(run, services: Services, slide: str) -> None:
    some = ["annotations", "edit", slide, "--filter", "score >= 0.5"]
    looked = run(*some, "--set-class", "Unsure", "--dry-run")
    assert looked.stdout == "5 found, 0 changed, revision 2.\n"
    assert services.annotations.revision(slide) == 2
    unasked = run(*some, "--set-class", "Unsure")
    assert (unasked.returncode, "5 annotations are found" in unasked.stderr) == (2, True)
    one = run("annotations", "edit", slide, "--number", "1", "--delete")
    assert (one.returncode, "1 annotation is found" in one.stderr) == (2, True)
    done = run(*some, "--set-class", "Unsure", "--set-state", "reviewed", "--yes", "--json")
    assert json.loads(done.stdout) == {"revision": 3, "found": 5, "done": 5, "stale": 0}
    summary = services.annotations.summary(AnnotationQuery(slide))
    assert (summary.classes, summary.states) == ({"Stroma": 3, "Tumor": 2, "Unsure": 5}, {"draft": 5, "reviewed": 5})
    assert run("annotations", "edit", slide, "--class", "Unsure", "--set-class", "", "--yes").returncode == 0
    assert services.annotations.summary(AnnotationQuery(slide)).classes[None] == 5
    assert run("annotations", "edit", slide, "--layer", "AI", "--delete", "--yes").returncode == 0
    assert services.annotations.summary(AnnotationQuery(slide)).layers == {"readers": 4}


def test_what_was_changed_since_the_look_stays(run, services: Services, slide: str) -> None:
    store = services.annotations
    first, second = store.page(AnnotationQuery(slide), limit=2).annotations
    store.replace(first.id, square(0, 50, "Necrosis"), expected=first.revision, author="anna")
    store.delete(second.id, expected=second.revision, author="anna")
    done = run("annotations", "edit", slide, "--as-of", "2", "--set-class", "Late", "--yes", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout) == {"revision": 5, "found": 10, "done": 8, "stale": 2}
    assert store.get(first.id).class_name == "Necrosis"
    assert store.summary(AnnotationQuery(slide)).classes == {"Late": 8, "Necrosis": 1}
    late = run("annotations", "edit", slide, "--as-of", "2", "--delete", "--yes")
    assert (late.returncode, store.revision(slide)) == (1, 5)


def test_more_than_one_write_takes_are_edited(services: Services, slide: str, monkeypatch) -> None:
    monkeypatch.setattr("pathserve.annotations.found_edits.MAX_EDITS", 4)
    made = edit_found(services.annotations, AnnotationQuery(slide), author="anna", class_name="Other")
    assert (made.done, made.stale, made.revision) == (10, 0, 5)
    assert services.annotations.summary(AnnotationQuery(slide)).classes == {"Other": 10}


def test_an_annotation_has_a_history_and_comes_back(run, services: Services, slide: str) -> None:
    store = services.annotations
    (first,) = store.page(AnnotationQuery(slide, numbers=(1,)), limit=1).annotations
    changed = store.replace(first.id, square(0, 50, "Necrosis"), expected=1, author="bert")
    store.delete(first.id, expected=changed.revision, author="carl")
    table = run("annotations", "history", first.id).stdout.splitlines()
    rows = [line.split() for line in table[1:]]
    assert [(row[0], *row[2:5]) for row in rows] == [
        ("1", "anna", "added", "Stroma"),
        ("3", "bert", "changed", "Necrosis"),
        ("4", "carl", "deleted", "Necrosis"),
    ]
    items = json.loads(run("annotations", "history", first.id, "--json").stdout)["items"]
    assert [item["properties"]["revision"] for item in items] == [1, 3, 4]
    assert [item["deleted"] for item in items] == [False, False, True]
    stale = run("annotations", "revert", first.id, "1", "--seen", "3")
    assert (stale.returncode, "That is 4." in stale.stderr) == (1, True)
    assert run("annotations", "revert", first.id, "2").returncode == 1
    assert run("annotations", "revert", first.id, "1").stdout == "As at revision 1 again, revision 5.\n"
    back = store.get(first.id)
    assert (back.class_name, back.geometry, back.author) == ("Stroma", first.geometry, "command line")
    assert run("annotations", "history", UUID(int=1)).returncode == 1
    wrong = run("annotations", "history", "foo")
    assert (wrong.returncode, wrong.stderr.splitlines()[-1].partition("': ")[2]) == (2, "Input should be a valid UUID.")


def test_layers_are_listed_renamed_taken_away_and_brought_back(run, services: Services, slide: str) -> None:
    assert run("layers", "rename", slide, "AI", " HoVer-Net ").stdout == "AI is HoVer-Net now, revision 3.\n"
    assert run("layers", "rename", slide, "readers", "HoVer-Net").returncode == 1
    same = run("layers", "rename", slide, "readers", "readers")
    assert (same.returncode, same.stderr) == (1, "pathserve: The layer has this name already.\n")
    assert run("layers", "add", slide, "").returncode == 2
    assert run("layers", "rename", slide, "readers", " ").returncode == 2
    assert run("layers", "remove", slide, "HoVer-Net").stdout == "HoVer-Net is gone, revision 4.\n"
    assert run("layers", "add", slide, "new", "--kind", "model").returncode == 0
    assert services.annotations.summary(AnnotationQuery(slide)).total == 4
    items = json.loads(run("layers", "list", slide, "--json").stdout)
    assert items == {
        "items": [
            {"name": "readers", "author": "bert", "kind": "author", "annotations": 4},
            {"name": "new", "author": "command line", "kind": "model", "annotations": 0},
        ],
        "next": None,
    }
    assert run("layers", "restore", slide, "HoVer-Net").stdout == "HoVer-Net is back, revision 5.\n"
    assert services.annotations.summary(AnnotationQuery(slide)).layers == {"HoVer-Net": 6, "readers": 4}
    assert run("layers", "restore", slide, "HoVer-Net").returncode == 1
    assert run("layers", "list", "nothing").returncode == 1
