"""What each command prints, what it leaves behind, and its exit status."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
import zarr
from PIL import Image

SQUARE = {
    "type": "Feature",
    "geometry": {"type": "Polygon", "coordinates": [[[10.2, 10], [60, 12], [55, 70.5], [9, 60], [10.2, 10]]]},
    "properties": {"classification": {"name": "Tumour", "color": [200, 0, 0]}},
}


def test_an_empty_folder_is_no_error(run) -> None:
    for words in (["slides"], ["verify"], ["user", "list"], ["token", "list"], ["classes", "list"]):
        done = run(*words)
        assert (done.returncode, done.stderr) == (0, ""), words
        as_json = run(*words, "--json")
        assert json.loads(as_json.stdout) == {"items": [], "next": None}


def test_a_data_folder_that_is_a_file_is_told(run, data: Path) -> None:
    data.write_text("a file")
    done = run("slides")
    assert (done.returncode, "The data folder is a file." in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "words", [["nothing"], ["ingest"], ["slides", "--wrong"], ["mask", "x"], ["serve", "--port", "x"]]
)
def test_wrong_usage_is_status_2(run, words) -> None:
    assert run(*words).returncode == 2


def test_ingest_lists_the_slide_and_skips_it_the_next_time(run, sample_slide: Path, data: Path) -> None:
    first = run("ingest", sample_slide)
    assert (first.returncode, "2,220 x 2,967" in first.stdout) == (0, True)
    again = run("ingest", sample_slide)
    assert (again.returncode, "was there already" in again.stdout) == (0, True)
    items = json.loads(run("slides", "--json").stdout)["items"]
    assert [(i["name"], i["width"], i["height"], i["mpp_x"], i["tile_size"]) for i in items] == [
        ("Slide 1", 2220, 2967, 0.499, 240)
    ]
    assert "CMU" not in run("slides").stdout
    assert b"CMU-1" not in (data / "pathserve.db").read_bytes()


def test_a_file_that_is_no_slide_is_one_sentence_and_leaves_nothing(run, data: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.svs"
    text.write_text("no slide at all\n" * 100)
    done = run("ingest", text)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert [path for path in (data / "slides").rglob("*") if path.is_file()] == []
    assert json.loads(run("slides", "--json").stdout)["items"] == []
    assert run("ingest", tmp_path / "absent.svs").returncode == 1


def test_one_bad_scan_of_two_is_status_3_and_named(run, sample_field: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(sample_field, folder / "good.jpg")
    (folder / "bad.svs").write_bytes(b"II*\0" + bytes(100))
    done = run("ingest", folder)
    assert (done.returncode, "bad.svs" in done.stderr) == (3, True)
    assert len(json.loads(run("slides", "--json").stdout)["items"]) == 1


def test_verify_names_what_is_damaged(run, slide: str, data: Path) -> None:
    assert run("verify").returncode == 0
    shard = next(p for p in (data / "slides" / f"{slide}.zarr" / "1").rglob("*") if p.is_file() and p.suffix == "")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    done = run("verify", slide)
    assert (done.returncode, slide in done.stderr) == (1, True)
    report = json.loads(run("verify", "--json").stdout)["items"][0]
    assert (report["slide"], report["ok"], len(report["damage"])) == (slide, False, 1)
    assert run("verify", "nothing").returncode == 1


def test_remove_takes_pixels_and_annotations(run, slide: str, data: Path) -> None:
    assert run("remove", slide).returncode == 0
    assert json.loads(run("slides", "--json").stdout)["items"] == []
    assert not (data / "slides" / f"{slide}.zarr").exists()
    assert run("remove", slide).returncode == 1


def test_a_token_is_printed_alone(run) -> None:
    done = run("token", "create", "ci", "--role", "annotator", "--expires", "90d")
    assert (done.returncode, done.stdout.count("\n"), done.stdout.startswith("pst_")) == (0, 1, True)
    listed = json.loads(run("token", "list", "--json").stdout)["items"]
    assert [(t["name"], t["role"], t["expires"] is not None) for t in listed] == [("ci", "annotator", True)]
    assert done.stdout.strip() not in json.dumps(listed)
    assert run("token", "revoke", "ci").returncode == 0
    assert run("token", "revoke", "ci").returncode == 1
    assert run("token", "create", "ci", "--expires", "soon").returncode == 2
    assert run("token", "create", "ci", "--project", "nosuch").returncode == 1
    assert len(json.loads(run("token", "list", "--json").stdout)["items"]) == 1
    assert run("token", "create", "ci", "--role", "king").returncode == 2


def test_accounts(run) -> None:
    added = run("user", "add", "ada", "--role", "reviewer")
    assert (added.returncode, "/sign-in#" in added.stdout) == (0, True)
    assert run("user", "add", "ada").returncode == 1
    assert "/sign-in#" in run("user", "link", "ada").stdout
    assert run("user", "link", "ada", "--url", "https://a.example/").stdout.startswith("https://a.example/sign-in#")
    assert run("user", "link", "ada", "--url", "notaurl").returncode == 2
    assert run("user", "add", "bert", "--url", "notaurl").returncode == 2
    king = run("user", "add", "bert", "--role", "king").stderr
    assert "'--role': 'king' is not one of" in king
    assert run("user", "disable", "ada").returncode == 0
    assert run("user", "link", "ada").returncode == 1
    people = json.loads(run("user", "list", "--json").stdout)["items"]
    assert [(p["name"], p["role"], p["disabled"]) for p in people] == [("ada", "reviewer", True)]


def test_annotations_go_in_and_come_out(run, program, slide: str, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.geojson"
    bad = {"type": "Feature", "geometry": None, "properties": {}}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [SQUARE, bad]}))
    done = run("annotations", "import", slide, file, "--layer", "readers", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["created"], [r["index"] for r in report["refused"]]) == (3, 1, [1])
    out = tmp_path / "out.geojson"
    assert run("annotations", "export", slide, "-o", out).returncode == 0
    exported = json.loads(out.read_text())["features"]
    assert [f["geometry"] for f in exported] == [SQUARE["geometry"]]
    assert exported[0]["properties"]["layer"] == "readers"
    again = run("annotations", "import", slide, out, "--json")
    assert (again.returncode, json.loads(again.stdout)["created"]) == (0, 0)
    assert json.loads(again.stdout)["there_already"] == 1
    elsewhere = run("annotations", "import", slide, out, "--layer", "others")
    assert "1 of those there already lie in the layer readers, and stay there." in elsewhere.stdout
    piped = program("annotations", "export", slide, "-o", "-")
    assert json.loads(piped.stdout)["features"] == exported
    again = program("annotations", "import", slide, "-", "--json", input=piped.stdout)
    assert json.loads(again.stdout)["there_already"] == 1
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipe.write_text, piped.stdout)
        assert json.loads(run("annotations", "import", slide, pipe, "--json").stdout)["there_already"] == 1
    assert not list(data.glob("tmp*"))
    assert run("annotations", "import", slide, tmp_path / "absent").returncode == 1
    assert run("annotations", "import", "nothing", file).returncode == 1
    mistaken = run("annotations", "export", slide, "--layer", "other", "-o", tmp_path / "none.geojson")
    assert mistaken.returncode == 1
    assert "There is no such layer. Layers are: readers." in mistaken.stderr
    assert not (tmp_path / "none.geojson").exists()


def test_annotation_files_in_other_frames_and_formats(run, slide: str, tmp_path: Path) -> None:
    file, out = tmp_path / "a.geojson", tmp_path / "out.geojsonl"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [SQUARE, SQUARE]}))
    done = run("annotations", "import", slide, file, "--affine", "2,0,100,0,2,0", "--layer", "far")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 added, 0 there already" in done.stdout
    assert "origin and unit assumed" in done.stdout
    assert "slide origin, pixels, to level-0 pixels by the affine 2,0,100,0,2,0" in done.stdout
    assert run("annotations", "export", slide, "--format", "geojsonl", "--layer", "far", "-o", out).returncode == 0
    past = run("annotations", "export", slide, "--as-of", "2001-01-01T00:00:00Z")
    assert (past.returncode, json.loads(past.stdout)["features"]) == (0, [])
    assert run("annotations", "export", slide, "--as-of", "never").returncode == 2
    first = json.loads(out.read_bytes().split(b"\x1e")[1])["geometry"]["coordinates"][0][0]
    assert first == [
        2 * SQUARE["geometry"]["coordinates"][0][0][0] + 100,
        2 * SQUARE["geometry"]["coordinates"][0][0][1],
    ]
    for wrong in (
        ("--origin", "moon"),
        ("--format", "none"),
        ("--affine", "1"),
        ("--affine", "0,0,0,0,0,0"),
        ("--on-conflict", "hope"),
    ):
        assert run("annotations", "import", slide, file, *wrong).returncode == 2
    broken = tmp_path / "broken.geojson"
    broken.write_text("{")
    refused = run("annotations", "import", slide, broken)
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)


def test_classes_keep_their_values(run, slide: str, tmp_path: Path) -> None:
    file = tmp_path / "classes.json"
    file.write_text(json.dumps([{"name": "A", "color": [1, 2, 3]}, {"name": "B", "color": [4, 5, 6], "priority": 2}]))
    assert run("classes", "set", file).returncode == 0
    file.write_text(json.dumps([{"name": "B", "color": [9, 9, 9]}]))
    assert run("classes", "set", file).returncode == 0
    items = json.loads(run("classes", "list", "--json").stdout)["items"]
    assert [(c["name"], c["value"], c["color"]) for c in items] == [("A", 1, [1, 2, 3]), ("B", 2, [9, 9, 9])]
    assert run("classes", "list", "--project", "nosuch").returncode == 1
    assert run("classes", "history", "--project", "nosuch").returncode == 1
    file.write_text('[{"name": "C", "color": [1, 2, 300]}]')
    assert run("classes", "set", file).returncode == 1


@pytest.mark.parametrize("downsample", [1, 3.7])
def test_a_mask_file_holds_the_pixels_whose_centres_lie_inside(
    run, slide: str, tmp_path: Path, downsample: float
) -> None:
    file = tmp_path / "a.geojson"
    file.write_text(json.dumps(SQUARE))
    run("annotations", "import", slide, file)
    outline = shapely.from_geojson(json.dumps(SQUARE["geometry"]))
    x, y = np.meshgrid(5.5 + (np.arange(80) + 0.5) * downsample, 7 + (np.arange(70) + 0.5) * downsample)
    expected = shapely.contains_xy(outline, x, y)
    png = tmp_path / "mask.png"
    done = run("mask", slide, "--region", "5.5,7,80,70", "--downsample", downsample, "-o", png)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.asarray(Image.open(png)), expected.astype(np.uint8))


def test_a_whole_slides_mask_in_every_format(run, slide: str, tmp_path: Path) -> None:
    file = tmp_path / "a.geojson"
    file.write_text(json.dumps(SQUARE))
    run("annotations", "import", slide, file)
    outline = shapely.from_geojson(json.dumps(SQUARE["geometry"]))
    x, y = np.meshgrid((np.arange(1110) + 0.5) * 2, (np.arange(1484) + 0.5) * 2)
    expected = shapely.contains_xy(outline, x, y).astype(np.uint8)
    names = ["m.png", "m.npy", "m.tif", "m.zarr"]
    for name in names:
        done = run("mask", slide, "--region", "full", "--downsample", 2, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert np.array_equal(np.asarray(Image.open(tmp_path / "m.png")), expected)
    assert np.array_equal(np.load(tmp_path / "m.npy"), expected)
    assert np.array_equal(tifffile.imread(tmp_path / "m.tif"), expected)
    assert np.array_equal(zarr.open_array(tmp_path / "m.zarr", mode="r")[...], expected)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--region", "1,2,3", "-o", "m.png"], 2),
        (["--region", "a,b,c,d", "-o", "m.png"], 2),
        (["--region", "0,0,0,5", "-o", "m.png"], 2),
        (["-o", "m.gif"], 2),
        (["--mpp", "1", "--downsample", "2", "-o", "m.png"], 2),
        (["--downsample", "0", "-o", "m.png"], 2),
        (["--downsample", "nan", "-o", "m.png"], 2),
        (["--downsample", "1e-9", "-o", "m.png"], 2),
        (["--kind", "distance", "--downsample", "32", "-o", "m.png"], 1),
        (["--layer", "nosuch", "-o", "m.png"], 1),
        (["--class", "nosuch", "-o", "m.png"], 1),
    ],
)
def test_a_wrong_mask_is_told_and_leaves_nothing(
    run, slide: str, tmp_path: Path, words: list[str], status: int
) -> None:
    words = [str(tmp_path / word) if word.startswith("m.") else word for word in words]
    done = run("mask", slide, *words)
    assert done.returncode == status
    assert status == 2 or len(done.stderr.strip().splitlines()) == 1
    assert "bug" not in done.stderr
    assert not list(tmp_path.glob("*m.*"))


def test_a_mask_of_a_mistaken_name_says_which_there_are(run, slide: str, tmp_path: Path) -> None:
    file, png = tmp_path / "a.geojson", tmp_path / "m.png"
    file.write_text(json.dumps(SQUARE))
    run("annotations", "import", slide, file, "--layer", "cells")
    layer = run("mask", slide, "--layer", "cell", "-o", png)
    assert layer.stderr == "pathserve: There is no such layer. Layers are: cells.\n"
    name = run("mask", slide, "--class", "Tumor", "-o", png)
    assert name.stderr == "pathserve: There is no such class. Classes are: Tumour.\n"
    assert not png.exists()
    assert run("mask", slide, "--layer", "cells", "--class", "Tumour", "-o", png).returncode == 0
    assert np.asarray(Image.open(png)).any()


@pytest.mark.parametrize("name", ["m.tif", "m.npy", "m.zarr"])
def test_a_mask_that_is_broken_off_leaves_nothing(run, slide: str, tmp_path: Path, monkeypatch, name: str) -> None:
    def broken_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pathserve.cli.commands_masks.read_mask", broken_off)
    before = set(tmp_path.iterdir())
    assert run("mask", slide, "-o", tmp_path / name).returncode == 130
    assert set(tmp_path.iterdir()) == before


def test_an_export_leaves_pipes_devices_and_links_what_they_are(run, slide: str, tmp_path: Path) -> None:
    pipe, link, target = tmp_path / "pipe", tmp_path / "link.geojson", tmp_path / "far.geojson"
    os.mkfifo(pipe)
    target.write_text("old")
    link.symlink_to(target)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        assert run("annotations", "export", slide, "-o", pipe).returncode == 0
        assert json.loads(read.result(10))["features"] == []
    assert pipe.is_fifo()
    assert run("annotations", "export", slide, "-o", link).returncode == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["features"] == []
    assert run("annotations", "export", slide, "-o", tmp_path).returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "far.geojson", "link.geojson", "pipe"]


def test_inspect_says_what_a_scan_is(run, sample_slide: Path) -> None:
    facts = json.loads(run("inspect", sample_slide, "--json").stdout)
    assert (facts["vendor"], facts["width"], facts["height"], facts["mpp_x"]) == ("aperio", 2220, 2967, 0.499)
    assert (facts["objective_power"], facts["codec"], facts["levels"][0]["tile"]) == (20, "jpeg", [240, 240])
    assert set(facts["associated"]) == {"label", "macro", "thumbnail"}
    assert run("inspect", __file__).returncode == 1
