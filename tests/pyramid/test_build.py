"""Building: every way in which a level can come about, against OpenSlide and plain means."""

import hashlib
import os

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from pathserve.errors import Corrupt
from pathserve.geometry import LevelRegion, Size
from pathserve.pyramid import Pyramid, plan_pyramid, verify_pyramid
from pathserve.pyramid.build import build_pyramid
from pathserve.pyramid.coding import mean_2x2
from pathserve.slides import open_slide


def level_pixels(pyramid, level):
    size = pyramid.levels[level]
    return pyramid.read(level, LevelRegion(0, 0, size.width, size.height))


def scan_pixels(path, level=0):
    with openslide.OpenSlide(path) as slide:
        return np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]))[..., :3]


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_level_0_of_the_sample_slide_is_openslide_s_and_the_others_are_means(sample_pyramid, sample_slide):
    pyramid = Pyramid.open(sample_pyramid)
    exact = scan_pixels(sample_slide)
    np.testing.assert_array_equal(level_pixels(pyramid, 0), exact)
    assert len(pyramid.levels) == 5
    for level in range(1, 5):
        exact = mean_2x2(exact)
        got = level_pixels(pyramid, level)
        assert got.shape == exact.shape
        difference = got.astype(int) - exact
        assert np.abs(difference).mean() < 5
        assert np.abs(difference.mean(axis=(0, 1))).max() < 0.7  # no shift in brightness or colour


def test_the_sample_pyramid_takes_less_than_the_scan_and_two_fifths(sample_pyramid, sample_slide):
    assert sum(len(data) for data in files(sample_pyramid).values()) <= 1.4 * sample_slide.stat().st_size


def test_whole_levels_of_the_scan_are_kept_as_they_lie(build, make_tiff):
    path = make_tiff([(1024, 600), (512, 300), (256, 150)])
    pyramid = Pyramid.open(build(path))
    for level in range(3):
        np.testing.assert_array_equal(level_pixels(pyramid, level), scan_pixels(path, level))
    with open_slide(path) as source:
        assert pyramid.chunk(1, 1, 1) == source.encoded_tile(1, 1, 1)


@pytest.mark.parametrize(("reduced", "missing"), [((512, 301), (1, 0)), ((513, 300), (0, 1)), ((512, 300), (1, 1))])
def test_a_missing_last_row_or_column_comes_from_the_level_above(build, make_tiff, reduced, missing):
    path = make_tiff([(1025, 601), reduced])
    pyramid = Pyramid.open(build(path))
    assert pyramid.levels[1] == Size(513, 301)
    got, own, above = level_pixels(pyramid, 1), scan_pixels(path, 1), mean_2x2(scan_pixels(path, 0))
    np.testing.assert_array_equal(got[:256, :512], own[:256, :512])
    height, width, _ = own.shape
    assert np.abs(got[:height, :width].astype(int) - own).mean() < 2
    if missing[0]:
        assert np.abs(got[:, -1].astype(int) - above[:, -1]).mean() < 6
    if missing[1]:
        assert np.abs(got[-1].astype(int) - above[-1]).mean() < 6


def test_a_plain_field_is_decoded_once_and_stays_close(build, sample_field):
    pyramid = Pyramid.open(build(sample_field))
    expected = np.asarray(Image.open(sample_field).convert("RGB")).astype(int)
    assert np.abs(level_pixels(pyramid, 0) - expected).mean() < 2.5
    rough = Pyramid.open(build(sample_field, name="rough", recompress=30))
    assert np.abs(level_pixels(rough, 0) - expected).mean() > 3
    assert verify_pyramid(rough.files) == []


def test_a_field_smaller_than_one_tile_has_one_level(build, tmp_path):
    Image.new("RGB", (5, 3), (200, 100, 50)).save(tmp_path / "dot.png")
    pyramid = Pyramid.open(build(tmp_path / "dot.png"))
    assert pyramid.levels == (Size(5, 3),)
    assert np.abs(level_pixels(pyramid, 0).astype(int) - [200, 100, 50]).max() <= 2


def test_several_shards_side_by_side_are_seamless(build, make_tiff):
    path = make_tiff([(700, 650)], tile=16)  # 44 x 41 tiles: 3 x 3 shards
    pyramid = Pyramid.open(build(path))
    np.testing.assert_array_equal(level_pixels(pyramid, 0), scan_pixels(path))
    exact = scan_pixels(path)
    for level in range(1, 4):
        exact = mean_2x2(exact)
        assert np.abs(level_pixels(pyramid, level).astype(int) - exact).mean() < 3
    assert sum(path.startswith("0/c/") for path in pyramid.manifest.files) == 9


def test_tiles_that_are_not_square_are_kept_too(build, make_tiff):
    path = make_tiff([(700, 500)], tile=(128, 256))
    pyramid = Pyramid.open(build(path))
    assert pyramid.facts.tile == Size(256, 128)
    np.testing.assert_array_equal(level_pixels(pyramid, 0), scan_pixels(path))


def test_white_places_take_no_bytes(build, tmp_path):
    field = np.full((600, 600, 3), 255, np.uint8)
    field[:100, :100] = 90
    Image.fromarray(field).save(tmp_path / "field.png")
    pyramid = Pyramid.open(build(tmp_path / "field.png"))
    assert pyramid.chunk(0, 0, 0) is not None
    assert pyramid.chunk(0, 2, 2) is None
    assert (pyramid.read(0, LevelRegion(300, 300, 300, 300)) == 255).all()


def test_a_sparse_scan_stays_sparse(build, make_tiff, empty_tiles):
    size = 256 * 40
    path = empty_tiles(make_tiff([(size, 512)]), [col + 40 * row for col in range(20, 38) for row in range(2)])
    pyramid = Pyramid.open(build(path))
    assert pyramid.chunk(0, 0, 0) is not None
    assert pyramid.chunk(0, 30, 1) is None
    assert pyramid.chunk(1, 12, 0) is None
    assert pyramid.chunk(1, 19, 0) is not None


def test_the_same_scan_gives_the_same_bytes_whatever_the_number_of_threads(build, make_tiff):
    path = make_tiff([(700, 650), (350, 325)], tile=16)
    assert files(build(path, name="one", workers=1)) == files(build(path, name="three", workers=3))


def test_progress_counts_every_chunk_once(build, make_tiff):
    told = []
    pyramid = Pyramid.open(build(make_tiff([(700, 650)], tile=16), progress=lambda *state: told.append(state)))
    total = sum(columns * rows for columns, rows in pyramid.grids)
    assert [done for done, _ in told] == list(range(1, total + 1))
    assert {of for _, of in told} == {total}


def test_a_scan_that_cannot_be_read_to_its_end_is_refused(make_tiff, tmp_path):
    path = make_tiff([(700, 650)])
    with tifffile.TiffFile(path) as tiff:
        last = tiff.pages.first.dataoffsets[-1]
    with path.open("r+b") as file:
        file.seek(last)
        file.write(bytes(500))
    (tmp_path / "staging").mkdir()
    with open_slide(path) as source, pytest.raises(Corrupt):
        build_pyramid(
            source,
            plan_pyramid(source.info),
            tmp_path / "staging",
            content_hash="x",
            workers=2,
            progress=lambda done, total: None,
        )


class Interrupted(Exception):
    pass


def test_an_interrupted_build_goes_on_where_it_stopped(make_tiff, tmp_path, build):
    path = make_tiff([(700, 650)], tile=16)
    undisturbed = build(path)
    staging = tmp_path / "staging"
    staging.mkdir()

    def stop(done, total):
        if done > total // 2:
            raise Interrupted

    # One thread: with more, those that are not interrupted go on for a while.
    options = {"content_hash": "c" * 64, "workers": 1}
    with open_slide(path) as source:
        plan = plan_pyramid(source.info)
        with pytest.raises(Interrupted):
            build_pyramid(source, plan, staging, progress=stop, **options)
        finished = {p: p.stat().st_ino for p in staging.rglob("c/0/*/*") if p.suffix != ".tmp"}
        assert finished
        built = build_pyramid(source, plan, staging, progress=lambda done, total: None, **options)
    assert built.resumed_shards == len(finished)
    assert {p: p.stat().st_ino for p in finished} == finished  # not written again
    assert files(built.folder) == files(undisturbed)


@pytest.mark.parametrize("damage", ["cut journal", "lost shard", "other content"])
def test_a_journal_is_believed_only_as_far_as_it_is_true(make_tiff, tmp_path, build, damage):
    path = make_tiff([(700, 650)], tile=16)
    undisturbed = build(path)
    staging = tmp_path / "staging"
    staging.mkdir()
    content = "c" * 64

    def run(content_hash):
        with open_slide(path) as source:
            plan = plan_pyramid(source.info)
            return build_pyramid(
                source, plan, staging, content_hash=content_hash, workers=1, progress=lambda done, total: None
            )

    total = len(run("d" * 64 if damage == "other content" else content).folder.parent.joinpath("journal").read_bytes())
    if damage == "cut journal":
        os.truncate(staging / "journal", total - 20)
    elif damage == "lost shard":
        (staging / "pyramid" / "0/c/0/1/1").unlink()
    again = run(content)
    shards = sum("/c/" in name for name in Pyramid.open(undisturbed).manifest.files)
    assert again.resumed_shards == (0 if damage == "other content" else shards - 1)
    assert files(again.folder) == files(undisturbed)
    # The journal is whole again: a third run finds everything.
    assert run(content).resumed_shards == shards


def test_nothing_of_the_scan_but_technical_facts_is_stored(sample_pyramid, sample_slide):
    with openslide.OpenSlide(sample_slide) as slide:
        identifying = [value for name, value in slide.properties.items() if name.startswith("aperio.")]
        words = {v.encode() for v in identifying if len(v) > 6} - {slide.properties["aperio.MPP"].encode()}
    assert words
    for name, data in files(sample_pyramid).items():
        if name.endswith(".json"):
            assert not any(word in data for word in words)


def test_the_manifest_names_every_file_with_its_digest(sample_pyramid):
    manifest = Pyramid.open(sample_pyramid).manifest
    on_disk = files(sample_pyramid)
    assert set(manifest.files) == set(on_disk) - {"manifest.json"}
    for name, record in manifest.files.items():
        assert (record.size, record.sha256) == (len(on_disk[name]), hashlib.sha256(on_disk[name]).hexdigest())
