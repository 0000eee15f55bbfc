"""Files of annotations through the dialogs: real files of other tools in, what they say, and the same content out."""

import json
from pathlib import Path

import pytest
import shapely
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

VIEW = {"x": 1100, "y": 1200, "z": 0.2}


@pytest.fixture
def files(shared_data) -> Path:
    return shared_data / "annotations"


def choose(reader, file: Path, layer: str) -> None:
    reader.test_id("import-button").click()
    reader.test_id("import-file").set_input_files(str(file))
    reader.page.get_by_label("Layer, made when it is not there").fill(layer)


def figures(reader) -> dict[str, int]:
    """What the report counts, by its labels."""
    return dict(
        reader.page.evaluate(
            "() => [...document.querySelectorAll('.report-numbers > div')]"
            ".map((each) => [each.querySelector('dt').textContent,"
            " Number(each.querySelector('dd').textContent.replaceAll(',', ''))])"
        )
    )


def test_a_file_comes_in_is_told_of_and_shown_and_again_changes_nothing(site, reader, files) -> None:
    reader.open(**VIEW)
    choose(reader, files / "dlup" / "dlup_xml_example.xml", "dlup")
    reader.test_id("start-import").click()
    report = reader.test_id("import-report")
    # so that it is read out: the button that was pressed is gone
    expect(report).to_be_focused()
    expect(report).to_contain_text("dlup XML: 7 features read into the layer “dlup”.")
    assert figures(reader) == {"created": 7, "repaired": 1}
    expect(report).to_contain_text("Assumed that it is dlup XML")
    expect(report).to_contain_text("metadata_dropped")
    report.locator("summary").filter(has_text="Repaired").click()
    expect(report.locator(".issues li")).to_have_count(1)
    features = site.annotations(layer="dlup")
    assert len(features) == 7

    reader.moved_by(lambda: reader.test_id("show-import").click())
    expect(reader.test_id("import-dialog")).to_have_count(0)
    expect(reader.test_id("import-button")).to_be_focused()
    x0, y0, x1, y1 = shapely.GeometryCollection([shapely.geometry.shape(f["geometry"]) for f in features]).bounds
    state = reader.state()
    assert (state["x"], state["y"]) == (pytest.approx((x0 + x1) / 2, abs=1), pytest.approx((y0 + y1) / 2, abs=1))
    row = reader.test_id("layer-row", layer="dlup")
    expect(row).to_contain_text("imported")
    expect(row.locator(".count")).to_have_text("7")

    choose(reader, files / "dlup" / "dlup_xml_example.xml", "dlup")
    reader.test_id("start-import").click()
    expect(report).to_be_visible()
    assert figures(reader) == {"created": 0, "there already": 7, "repaired": 1}
    assert len(site.annotations(layer="dlup")) == 7


def test_a_file_that_is_there_in_another_layer_or_with_other_content_says_so(site, reader, tmp_path) -> None:
    given = [site.add([[[x, 300], [x + 90, 300], [x, 390], [x, 300]]], "Tumour") for x in (300, 500, 700)]
    changed = given[2] | {
        "geometry": {"type": "Polygon", "coordinates": [[[700, 300], [799, 300], [700, 399], [700, 300]]]}
    }
    file = tmp_path / "again.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [*given[:2], changed]}))
    reader.open(**VIEW)
    choose(reader, file, "elsewhere")
    reader.test_id("start-import").click()
    report = reader.test_id("import-report")
    expect(reader.test_id("there-already")).to_contain_text("2 features are on the slide already")
    expect(reader.test_id("there-already")).to_contain_text(
        "2 in “given”. What lies in other layers stays there, and is not copied into “elsewhere”."
    )
    assert figures(reader) == {"created": 0, "there already": 2, "refused": 1}
    expect(report.locator(".issues li")).to_contain_text("feature 2")
    taken = reader.test_id("taken-ids")
    expect(taken).to_contain_text("1 feature whose id is there with other content was refused")
    taken.get_by_role("button", name="Bring in as new objects").click()
    expect(report).to_contain_text("came in as new objects with ids of their own")
    expect(taken).to_have_count(0)
    assert figures(reader) == {"created": 1, "there already": 2, "new ids": 1}
    (copy,) = site.annotations(layer="elsewhere")
    assert copy["geometry"] == changed["geometry"]
    assert copy["id"] != given[2]["id"]
    assert site.get(f"/api/annotations/{given[2]['id']}").json()["geometry"] == given[2]["geometry"]


def test_what_is_refused_is_told_by_its_place_and_reason(site, reader, files) -> None:
    reader.open(site.field, x=750, y=750, z=0.5)
    choose(reader, files / "qupath" / "test-anno-data.geojson", "anno")
    reader.test_id("start-import").click()
    report = reader.test_id("import-report")
    expect(report).to_be_visible()
    assert figures(reader) == {"created": 1, "refused": 3}
    places = report.locator(".issues li")
    expect(places).to_have_count(3)
    expect(places.first).to_contain_text("feature 0 A coordinate is not finite or lies too far outside the slide.")
    site.request("DELETE", f"/api/slides/{site.field}/layers/anno")


def test_a_file_that_needs_an_answer_asks_for_it_and_takes_it(site, reader, files) -> None:
    reader.open(**VIEW)
    choose(reader, files / "histolytics" / "hgsc_nest_inst_mask.npz", "mask")
    reader.test_id("start-import").click()
    problem = reader.test_id("import-problem")
    expect(problem).to_contain_text("The mask does not say what its values mean: say the option kind=instance")
    expect(problem).to_contain_text("Options stand under Advanced.")
    reader.page.get_by_text("Advanced:").click()
    reader.page.get_by_label("Options, that a format asks for").fill("kind=instance")
    reader.test_id("start-import").click()
    expect(reader.test_id("import-report")).to_be_visible()
    assert figures(reader)["created"] == len(site.annotations(layer="mask"))
    assert figures(reader)["created"] > 1200
    site.request("DELETE", f"/api/slides/{site.slide}/layers/mask")


def test_no_file_of_annotations_is_refused_in_words(site, reader, tmp_path) -> None:
    reader.open(**VIEW)
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear colleague, enclosed find nothing.")
    choose(reader, letter, "letter")
    reader.test_id("start-import").click()
    problem = reader.test_id("import-problem")
    expect(problem).to_be_visible()
    assert "letter.txt" not in (problem.text_content() or "")
    expect(reader.test_id("start-import")).to_be_enabled()
    assert site.annotations() == []


def test_an_import_that_is_cancelled_leaves_nothing(site, reader, tmp_path) -> None:
    cells = tmp_path / "cells.geojsonl"
    with cells.open("w") as file:
        for k in range(150_000):
            x, y = 10 * (k % 200), 10 * (k // 200 % 290)
            ring = [[x, y], [x + 6, y], [x + 6, y + 6 + k % 3], [x, y + 6], [x, y]]
            geometry = {"type": "Polygon", "coordinates": [ring]}
            file.write(json.dumps({"type": "Feature", "properties": {"k": k}, "geometry": geometry}) + "\n")
    reader.open(**VIEW)
    choose(reader, cells, "cells")
    reader.test_id("start-import").click()
    expect(reader.test_id("import-progress")).to_be_visible()
    reader.page.get_by_role("button", name="Cancel").click()
    expect(reader.test_id("start-import")).to_be_enabled()
    reader.wait_quiet()
    assert site.annotations() == []


def test_a_file_goes_out_as_it_is_on_the_server_and_losses_are_told_before(site, reader, files) -> None:
    reader.expect_problem("status of 422")
    halves = [[300.5, 300.25], [900.5, 310.125], [800.75, 900.5], [300.5, 300.25]]
    hole = [[500, 400], [600, 420], [580, 500], [500, 400]]
    feature = site.add([halves, hole], "Tumour", measurements={"Nucleus: Area": 41.5})
    reader.open(**VIEW)
    reader.test_id("export-button").click()
    page = reader.page
    expect(page.get_by_label("Format", exact=True).locator("option").nth(5)).to_be_attached()
    with page.expect_download() as told:
        reader.test_id("start-export").click()
    (exported,) = json.loads(Path(told.value.path()).read_text())["features"]
    assert told.value.suggested_filename.endswith(".geojson")
    assert (exported["id"], exported["geometry"]) == (feature["id"], feature["geometry"])
    assert exported["properties"]["measurements"] == {"Nucleus: Area": 41.5}

    page.get_by_label("Format", exact=True).select_option("halo")
    expect(page.get_by_text("Outlines in whole pixels")).to_be_visible()
    reader.test_id("look-export").click()
    losses = site.get(f"/api/slides/{site.slide}/annotations/export/report", format="halo").json()["losses"]
    assert losses
    for loss in losses:
        expect(reader.test_id("export-report")).to_contain_text(loss["message"])

    page.get_by_label("As it was, a revision or a time; empty: now").fill("yesterday")
    expect(reader.test_id("export-report")).to_have_count(0)
    reader.test_id("start-export").click()
    expect(reader.test_id("export-problem")).to_contain_text("as_of")


def test_what_the_list_is_narrowed_to_goes_out(site, reader) -> None:
    small, large = (site.add([[[300, 300], [300 + a, 300], [300, 300 + a], [300, 300]]], "Tumour") for a in (20, 900))
    reader.open(**VIEW)
    reader.test_id("export-button").click()
    expect(reader.test_id("start-export")).to_be_visible()
    expect(reader.test_id("as-listed")).to_have_count(0)
    reader.key("Escape")
    reader.page.get_by_role("tab", name="Objects").click()
    reader.test_id("object-condition").fill("area > 1000")
    expect(reader.test_id("object-count")).to_contain_text("1 object")
    reader.page.get_by_role("tab", name="Annotate").click()
    reader.test_id("export-button").click()
    reader.test_id("as-listed").check()
    with reader.page.expect_download() as told:
        reader.test_id("start-export").click()
    (exported,) = json.loads(Path(told.value.path()).read_text())["features"]
    assert exported["id"] == large["id"] != small["id"]
