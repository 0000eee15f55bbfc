"""Slides, their cases and patients, and what becomes of these when slides change."""

from itertools import count

import pytest

from pathserve.catalog import Catalog, SlideFacts, SlideFilter, SlideRecord
from pathserve.db import Database
from pathserve.errors import Conflict, Invalid, NotFound
from pathserve.geometry import Mpp, Size
from pathserve.pixels import Level, SlideInfo

pytestmark = pytest.mark.databases("sqlite", "postgresql")

INFO = SlideInfo("aperio", (Level(Size(1000, 500), 1.0),), Mpp(0.25, 0.26), True, 40.0, "jpeg")


@pytest.fixture
def catalog(db: Database) -> Catalog:
    return Catalog(db)


@pytest.fixture
def add(catalog: Catalog):
    numbers = count(1)

    def make(project: str = "default", **more) -> str:
        slide_id = f"s{next(numbers):011}"  # one in which no word of a search can stand by chance
        given = {"name": None, "info": INFO, "levels": 1, "tile_size": 256, "content_hash": slide_id}
        return catalog.add_slide(slide_id=slide_id, project=project, **(given | more)).id

    return make


def described(record: SlideRecord) -> tuple[str | None, str | None, str | None]:
    return record.case, record.patient, record.stain


def cases(db: Database) -> list[tuple]:
    return db.read(lambda tx: tx.rows("select project, label, patient from slide_case order by project, label"))


def test_facts_are_kept_and_what_is_not_said_stays(catalog: Catalog, add) -> None:
    slide = add()
    assert described(catalog.slide(slide)) == (None, None, None)
    changed = catalog.edit_slide(slide, SlideFacts(case=" C1 ", patient="P1", stain="H&E"))
    assert described(changed) == ("C1", "P1", "H&E")
    assert described(catalog.edit_slide(slide, SlideFacts(name="x"))) == ("C1", "P1", "H&E")
    assert described(catalog.edit_slide(slide, SlideFacts(stain=""))) == ("C1", "P1", None)
    assert described(catalog.edit_slide(slide, SlideFacts(patient=" "))) == ("C1", None, None)
    assert catalog.slide(slide) == catalog.find_slide(slide)


def test_a_patient_belongs_to_the_whole_case(catalog: Catalog, add, db: Database) -> None:
    first, second, third = add(), add(), add("other")
    for slide in (first, second, third):
        catalog.edit_slide(slide, SlideFacts(case="C1"))
    catalog.edit_slide(first, SlideFacts(patient="P1"))
    assert [catalog.slide(slide).patient for slide in (first, second, third)] == ["P1", "P1", None]
    assert cases(db) == [("default", "C1", "P1"), ("other", "C1", None)]


def test_another_case_keeps_the_patient_unless_that_case_has_its_own(catalog: Catalog, add) -> None:
    first, second = add(), add()
    catalog.edit_slide(first, SlideFacts(case="C1", patient="P1"))
    catalog.edit_slide(second, SlideFacts(case="C2", patient="P2"))
    assert described(catalog.edit_slide(first, SlideFacts(case="C3"))) == ("C3", "P1", None)
    assert described(catalog.edit_slide(first, SlideFacts(case="C2"))) == ("C2", "P2", None)


def test_a_case_is_there_as_long_as_it_has_slides(catalog: Catalog, add, db: Database) -> None:
    first, second = add(), add()
    for slide in (first, second):
        catalog.edit_slide(slide, SlideFacts(case="C1", patient="P1"))
    catalog.remove_slide(first)
    assert cases(db) == [("default", "C1", "P1")]
    catalog.edit_slide(second, SlideFacts(case=""))
    assert (cases(db), described(catalog.slide(second))) == ([], (None, None, None))
    catalog.edit_slide(second, SlideFacts(case="C1"))
    catalog.remove_slide(second)
    assert cases(db) == []


def test_a_patient_without_a_case_gets_a_made_up_one_that_no_other_has(catalog: Catalog, add) -> None:
    taken, first, second = add(), add(), add()
    catalog.edit_slide(taken, SlideFacts(case="Case 2"))
    assert described(catalog.edit_slide(first, SlideFacts(patient="P1"))) == ("Case 1", "P1", None)
    assert described(catalog.edit_slide(first, SlideFacts(patient="P1"))) == ("Case 1", "P1", None)
    assert described(catalog.edit_slide(second, SlideFacts(patient="P1"))) == ("Case 3", "P1", None)


def test_scenes_of_one_file_share_a_case(catalog: Catalog, add) -> None:
    first = add("colon")
    scenes = [add("colon", case_of=first) for _ in range(2)]
    assert {catalog.slide(slide).case for slide in (first, *scenes)} == {"Case 1"}
    given = add("colon")
    catalog.edit_slide(given, SlideFacts(case="C9", patient="P9"))
    assert described(catalog.slide(add("colon", case_of=given))) == ("C9", "P9", None)


def test_a_case_moves_with_its_slide_to_another_project(catalog: Catalog, add, db: Database) -> None:
    slide = add("a")
    catalog.edit_slide(slide, SlideFacts(case="C1", patient="P1"))
    moved = catalog.edit_slide(slide, SlideFacts(project="b"))
    assert (moved.project, *described(moved)) == ("b", "C1", "P1", None)
    assert cases(db) == [("b", "C1", "P1")]


@pytest.mark.parametrize("facts", [{"case": "a\nb"}, {"patient": "a" * 201}, {"stain": "\x00"}, {"name": " "}])
def test_facts_that_are_no_names_are_refused_and_change_nothing(catalog: Catalog, add, facts) -> None:
    slide = add()
    before = catalog.slide(slide)
    with pytest.raises(Invalid):
        catalog.edit_slide(slide, SlideFacts(**facts))
    assert catalog.slide(slide) == before


def test_a_slide_that_is_not_there_has_no_facts(catalog: Catalog) -> None:
    with pytest.raises(NotFound):
        catalog.edit_slide("nothing", SlideFacts(case="C1"))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (SlideFilter(), "abcd"),
        (SlideFilter(project="colon"), "abc"),
        (SlideFilter(project="colon", projects=["breast"]), ""),
        (SlideFilter(case="C1"), "ab"),
        (SlideFilter(case="C1", stain="CDX2"), "b"),
        (SlideFilter(patient="P1"), "ab"),
        (SlideFilter(patient="p1"), ""),
        (SlideFilter(stain="H&E"), "ad"),
        (SlideFilter(text="h&e"), "ad"),
        (SlideFilter(text=" colon  c1 "), "ab"),
        (SlideFilter(text="%"), ""),
        (SlideFilter(text="_"), "c"),
        (SlideFilter(text="\\"), "d"),
        (SlideFilter(text="colon " * 20 + "zzz"), "abc"),
    ],
)
def test_slides_are_found_by_what_is_said_about_them(catalog: Catalog, add, wanted: SlideFilter, expected: str) -> None:
    names = {
        add("colon", name="one"): ("a", SlideFacts(case="C1", patient="P1", stain="H&E")),
        add("colon", name="two"): ("b", SlideFacts(case="C1", stain="CDX2")),
        add("colon", name="three_"): ("c", SlideFacts()),
        add("breast", name="back\\slash"): ("d", SlideFacts(stain="H&E")),
    }
    for slide, (_, facts) in names.items():
        catalog.edit_slide(slide, facts)
    assert "".join(names[slide.id][0] for slide in catalog.slides(wanted)[0]) == expected


def test_pages_of_a_filtered_list_hold_every_slide_once(catalog: Catalog, add) -> None:
    made = [add("odd" if n % 2 else "even") for n in range(7)]
    seen, after = [], 0
    while after is not None:
        page, after = catalog.slides(SlideFilter(project="odd"), after=after, limit=2)
        seen += [slide.id for slide in page]
    assert seen == made[1::2]


def test_projects_are_made_once_and_know_how_many_slides_they_have(catalog: Catalog, add) -> None:
    assert catalog.add_project(" colon ") == "colon"
    with pytest.raises(Conflict):
        catalog.add_project("colon")
    with pytest.raises(Invalid):
        catalog.add_project("")
    add("breast")
    assert catalog.projects() == {"breast": 1, "colon": 0}
