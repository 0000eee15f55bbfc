import pytest

from pathserve.catalog import Catalog, SlideFacts, SlideFilter, make_slide_id
from pathserve.errors import Conflict, Invalid, NotFound
from pathserve.geometry import Mpp, Size
from pathserve.pixels import Level, SlideInfo

pytestmark = pytest.mark.databases("sqlite", "postgresql")

INFO = SlideInfo("aperio", (Level(Size(1000, 500), 1.0),), Mpp(0.25, 0.26), True, 40.0, "jpeg")


@pytest.fixture
def catalog(db) -> Catalog:
    return Catalog(db)


def add(catalog: Catalog, content: str, **changes):
    given = {"slide_id": make_slide_id(), "project": "default", "name": None, "info": INFO, "levels": 3}
    return catalog.add_slide(**(given | {"tile_size": 240, "content_hash": content} | changes))


def test_what_was_listed_comes_back(catalog: Catalog) -> None:
    made = add(catalog, "a", name="  Colon 1 ", project="colon")
    found = catalog.slide(made.id)
    assert found == made
    assert (found.name, found.project, found.width, found.height) == ("Colon 1", "colon", 1000, 500)
    assert (found.mpp, found.objective_power, found.generation) == (Mpp(0.25, 0.26), 40.0, 1)
    assert [channel.name for channel in found.channels] == ["red", "green", "blue"]
    assert catalog.find_by_content("a") == made
    assert catalog.find_by_content("b") is None


def test_a_made_up_label_is_never_given_twice(catalog: Catalog) -> None:
    first = add(catalog, "a")
    second = add(catalog, "b")
    catalog.remove_slide(second.id)
    assert (first.name, second.name, add(catalog, "c").name) == ("Slide 1", "Slide 2", "Slide 3")


def test_the_same_content_is_listed_once(catalog: Catalog) -> None:
    add(catalog, "a")
    with pytest.raises(Conflict):
        add(catalog, "a")
    assert len(catalog.slides()[0]) == 1


def test_pages_hold_every_slide_once(catalog: Catalog) -> None:
    made = [add(catalog, str(n), project="even" if n % 2 == 0 else "odd").id for n in range(7)]
    seen, after = [], 0
    while after is not None:
        page, after = catalog.slides(after=after, limit=3)
        seen += [slide.id for slide in page]
    assert seen == made
    assert [slide.id for slide in catalog.slides(SlideFilter(projects=["odd"]))[0]] == made[1::2]
    assert catalog.slides(SlideFilter(projects=[]))[0] == []


def test_renaming_checks_the_name(catalog: Catalog) -> None:
    made = add(catalog, "a")
    assert catalog.edit_slide(made.id, SlideFacts(name="New", project="other")).name == "New"
    assert catalog.slide(made.id).project == "other"
    for bad in ("", "   ", "a" * 201, "a\nb"):
        with pytest.raises(Invalid):
            catalog.edit_slide(made.id, SlideFacts(name=bad))


def test_a_removed_slide_is_gone(catalog: Catalog) -> None:
    made = add(catalog, "a")
    catalog.remove_slide(made.id)
    with pytest.raises(NotFound):
        catalog.slide(made.id)
    with pytest.raises(NotFound):
        catalog.remove_slide(made.id)
    assert add(catalog, "a").id != made.id
