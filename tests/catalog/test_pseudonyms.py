"""What staff call patients, cases and slides stands in one file, and nowhere else."""

import sqlite3
import stat

import pytest

from pathserve.catalog import Catalog, Kind, PseudonymKey, Pseudonyms, SlideFacts, make_slide_id
from pathserve.config import Settings
from pathserve.db import Database
from pathserve.errors import Invalid, NotFound
from pathserve.geometry import Size
from pathserve.pixels import Level, SlideInfo

pytestmark = pytest.mark.databases("sqlite", "postgresql")

INFO = SlideInfo("aperio", (Level(Size(1000, 500), 1.0),), None, True, None, "jpeg")
PATIENT = PseudonymKey(Kind.PATIENT, "colon", "P1")
CASE = PseudonymKey(Kind.CASE, "colon", "C1")


@pytest.fixture
def pseudonyms(db: Database, settings: Settings) -> Pseudonyms:
    return Pseudonyms(db, settings.pseudonyms)


@pytest.fixture
def catalog(db: Database, pseudonyms: Pseudonyms) -> Catalog:
    return Catalog(db, pseudonyms)


def add(catalog: Catalog, **facts: str) -> str:
    slide_id = make_slide_id()
    given = {"project": "colon", "name": None, "info": INFO, "levels": 1, "tile_size": 256}
    catalog.add_slide(slide_id=slide_id, content_hash=slide_id, **given)
    catalog.edit_slide(slide_id, SlideFacts(**facts))
    return slide_id


def texts(pseudonyms: Pseudonyms, *words: object, **more: object) -> list[str]:
    return [original.text for original in pseudonyms.find(*words, **more)[0]]


def test_staff_find_a_slide_again(catalog: Catalog, pseudonyms: Pseudonyms) -> None:
    first, second = add(catalog, case="C1", patient="P1", name="one"), add(catalog, case="C2", patient="P1", name="two")
    slide = PseudonymKey.of_slide(second)
    pseudonyms.set({PATIENT: "Müller, Anna", CASE: "B24-0815", slide: "B24-0815 / 3"})
    found = {original.key: dict(original.slides) for original in pseudonyms.find("b24-0815")[0]}
    assert found == {CASE: {first: "one"}, slide: {second: "two"}}
    assert [dict(original.slides) for original in pseudonyms.find("MÜLLER")[0]] == [{first: "one", second: "two"}]
    assert texts(pseudonyms, "p1") == ["Müller, Anna"]
    assert texts(pseudonyms, kind=Kind.CASE) == ["B24-0815"]
    assert texts(pseudonyms, project="breast") == []
    pseudonyms.set({PATIENT: "Maier, Anna"})
    assert texts(pseudonyms, kind=Kind.PATIENT) == ["Maier, Anna"]


def test_pages_hold_every_original_once(catalog: Catalog, pseudonyms: Pseudonyms) -> None:
    keys = [PseudonymKey.of_slide(add(catalog)) for _ in range(5)]
    pseudonyms.set({key: f"original {n}" for n, key in enumerate(keys)})
    seen, after = [], 0
    while after is not None:
        page, after = pseudonyms.find(after=after, limit=2)
        seen += [original.key for original in page]
    assert seen == sorted(keys)


def test_nothing_is_kept_until_there_is_something(catalog: Catalog, pseudonyms: Pseudonyms, settings: Settings) -> None:
    slide = add(catalog, case="C1")
    pseudonyms.set({})
    assert pseudonyms.find("x") == ([], None)
    catalog.remove_slide(slide)
    assert not settings.pseudonyms.exists()


def test_originals_are_in_their_own_file_which_is_its_owners_alone(
    catalog: Catalog, pseudonyms: Pseudonyms, settings: Settings
) -> None:
    add(catalog, patient="P1")
    pseudonyms.set({PATIENT: "Anna-Originalname"})
    assert stat.S_IMODE(settings.pseudonyms.stat().st_mode) == 0o600
    holding = [path.name for path in settings.data.iterdir() if b"Anna-Originalname" in path.read_bytes()]
    assert holding == ["pseudonyms.db"]
    settings.pseudonyms.unlink()
    assert pseudonyms.find() == ([], None)
    pseudonyms.set({PATIENT: "again"})
    assert texts(pseudonyms) == ["again"]


def test_removing_a_slide_forgets_what_led_to_it_and_to_no_other(
    catalog: Catalog, pseudonyms: Pseudonyms, settings: Settings
) -> None:
    first, second = add(catalog, case="C1", patient="P1"), add(catalog, case="C2", patient="P1")
    pseudonyms.set({PATIENT: "Anna-X", CASE: "B24-X", PseudonymKey.of_slide(first): "scan-X"})
    catalog.remove_slide(first)
    assert texts(pseudonyms) == ["Anna-X"]
    assert not any(word in settings.pseudonyms.read_bytes() for word in (b"B24-X", b"scan-X"))
    catalog.remove_slide(second)
    assert texts(pseudonyms) == []
    assert b"Anna-X" not in settings.pseudonyms.read_bytes()


def test_originals_follow_a_case_to_another_project(catalog: Catalog, pseudonyms: Pseudonyms) -> None:
    slide, stays = add(catalog, case="C1", patient="P1"), add(catalog, case="C2", patient="P1")
    pseudonyms.set({PATIENT: "Anna", CASE: "B24"})
    catalog.edit_slide(slide, SlideFacts(project="breast"))
    found = {(original.key.project, original.text): list(original.slides) for original in pseudonyms.find()[0]}
    assert found == {("breast", "Anna"): [slide], ("breast", "B24"): [slide], ("colon", "Anna"): [stays]}


def test_what_a_case_was_called_goes_with_its_label(catalog: Catalog, pseudonyms: Pseudonyms) -> None:
    slide = add(catalog, case="C1", patient="P1")
    pseudonyms.set({PATIENT: "Anna", CASE: "B24"})
    catalog.edit_slide(slide, SlideFacts(case="C2"))
    assert texts(pseudonyms) == ["Anna"]


def test_only_what_is_there_has_an_original(catalog: Catalog, pseudonyms: Pseudonyms) -> None:
    add(catalog, patient="P1")
    for key in (CASE, PseudonymKey(Kind.PATIENT, "breast", "P1"), PseudonymKey.of_slide("nothing")):
        with pytest.raises(NotFound):
            pseudonyms.set({PATIENT: "Anna", key: "x"})
    with pytest.raises(Invalid):
        pseudonyms.set({PATIENT: "a\nb"})
    assert texts(pseudonyms) == []
    pseudonyms.set({PATIENT: "Anna"})
    pseudonyms.remove(PATIENT)
    with pytest.raises(NotFound):
        pseudonyms.remove(PATIENT)


def test_the_file_is_a_plain_database_that_any_tool_reads(
    catalog: Catalog, pseudonyms: Pseudonyms, settings: Settings
) -> None:
    add(catalog, patient="P1")
    pseudonyms.set({PATIENT: "Anna"})
    with sqlite3.connect(f"file:{settings.pseudonyms}?mode=ro", uri=True) as connection:
        rows = connection.execute("select kind, project, pseudonym, original from pseudonym").fetchall()
    connection.close()
    assert rows == [("patient", "colon", "P1", "Anna")]
