"""Every store of slides: the same files, the same tiles, all of a slide or nothing."""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pathserve.config import Settings
from pathserve.errors import Conflict, Corrupt, NotFound
from pathserve.geometry import LevelRegion
from pathserve.pyramid import Pyramid, plan_pyramid, verify_pyramid
from pathserve.pyramid.bucket import Bucket
from pathserve.pyramid.build import build_pyramid, build_reduced
from pathserve.pyramid.layout import MANIFEST
from pathserve.pyramid.objects import LOOK_SECONDS, ObjectSlides
from pathserve.pyramid.storage import Slides, load_manifest
from pathserve.pyramid.stores import open_slides
from pathserve.slides import open_slide
from pathserve.tiles import TileService


def _ignore(done, total):
    pass


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Store:
    """A store, and a way past it to the bytes that it holds."""

    slides: Slides
    listing: Callable[[], dict[str, str]]
    write: Callable[[str, bytes], None]
    delete: Callable[[str], None]
    clock: Clock


def disk(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()

    def listing():
        found = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    slides = open_slides(Settings(data=tmp_path, store=folder.as_uri()))
    return Store(
        slides,
        listing,
        lambda key, data: (folder / key).write_bytes(data) and None,
        lambda key: (folder / key).unlink(),
        Clock(),
    )


def objects(url):
    bucket, clock = Bucket(url), Clock()

    def listing():
        return {key: bucket.record(key).sha256 for key in bucket.list("")}

    return Store(ObjectSlides(bucket, clock=clock), listing, lambda *it: bucket.put(*it) and None, bucket.delete, clock)


@pytest.fixture(params=["disk", "object store"])
def store(request, tmp_path):
    return disk(tmp_path) if request.param == "disk" else objects(request.getfixturevalue("object_store"))


@pytest.fixture
def object_slides(object_store):
    return objects(object_store)


@pytest.fixture
def staged(tmp_path, sample_slide):
    """Build the sample's pyramid into a staging folder; gives its folder."""

    def run(name="staging", *, reduced=True, content="c" * 64, path=sample_slide):
        staging = tmp_path / name
        staging.mkdir(exist_ok=True)
        with open_slide(path) as source:
            plan = plan_pyramid(source.info)
            more = {"workers": 2, "progress": _ignore, "content_hash": content, "reduced": reduced}
            return build_pyramid(source, plan, staging, **more).folder

    return run


def digests(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def of_slide(store, slide="one"):
    prefix = f"{slide}.zarr/"
    return {key.removeprefix(prefix): digest for key, digest in store.listing().items() if key.startswith(prefix)}


def test_what_is_published_has_every_file_as_it_was_staged_and_nothing_else(store, staged):
    folder = staged()
    expected, told = digests(folder), []
    store.slides.publish(folder, "one", lambda *state: told.append(state))
    assert of_slide(store) == expected
    assert set(store.listing()) == {f"one.zarr/{path}" for path in expected}
    assert told[-1] == (len(expected) - 1, len(expected) - 1)  # all but the manifest
    assert verify_pyramid(store.slides.files("one")) == []


def test_chunks_and_pixels_are_those_of_the_staged_pyramid(store, staged, tmp_path):
    folder = staged()
    shutil.copytree(folder, tmp_path / "copy.zarr")
    store.slides.publish(folder, "one")
    expected, found = Pyramid.open(tmp_path / "copy.zarr"), Pyramid.open(store.slides.files("one"))
    assert found.facts == expected.facts
    for level, (columns, rows) in enumerate(expected.grids):
        for col, row in {(0, 0), (columns - 1, rows - 1), (columns // 2, rows // 3)}:
            assert found.chunk(level, col, row) == expected.chunk(level, col, row)
    region = expected.facts.levels[-1]
    whole = [p.read(len(p.levels) - 1, _whole(region)) for p in (expected, found)]
    np.testing.assert_array_equal(*whole)


def _whole(size):
    return LevelRegion(0, 0, size.width, size.height)


def test_what_is_not_there_is_not_found(store):
    files = store.slides.files("none")
    assert not files.exists()
    for look in (load_manifest, verify_pyramid, Pyramid.open):
        with pytest.raises(NotFound):
            look(files)
    with pytest.raises(NotFound):
        TileService(store.slides).pyramid("none")


def test_parts_are_those_of_the_staged_file_and_end_where_it_ends(store, staged):
    folder = staged()
    whole = (folder / "0/c/0/0/0").read_bytes()
    store.slides.publish(folder, "one")
    files, size = store.slides.files("one"), len(whole)
    for start, length in ((0, 1), (0, size), (12345, 6789), (size - 7, 7), (size - 7, 100), (size - 1, 1)):
        assert files.part("0/c/0/0/0", start, length) == whole[start : start + length]
    for path in ("0/c/0/9/9", "nothing"):
        with pytest.raises(FileNotFoundError):
            files.part(path, 0, 1)


def test_a_second_slide_of_the_same_id_is_refused(store, staged):
    store.slides.publish(staged(), "one")
    before = store.listing()
    with pytest.raises(Conflict):
        store.slides.publish(staged("other", content="d" * 64), "one")
    assert of_slide(store) == {key.removeprefix("one.zarr/"): digest for key, digest in before.items()}


def test_a_staged_file_that_has_changed_is_not_published(store, staged):
    folder = staged()
    shard = folder / "0/c/0/0/0"
    data = bytearray(shard.read_bytes())
    data[1000] ^= 1
    shard.write_bytes(data)
    with pytest.raises(Corrupt):
        store.slides.publish(folder, "one")
    assert not store.slides.files("one").exists()


def test_damage_is_named_and_met_with_an_error(store, staged):
    store.slides.publish(staged(), "one")
    files = store.slides.files("one")
    store.write("one.zarr/1/c/0/0/0", b"changed")
    store.delete("one.zarr/0/c/0/0/0")
    damage = {found.path: found.message for found in verify_pyramid(files)}
    assert damage["0/c/0/0/0"] == "The file is missing."
    assert damage["1/c/0/0/0"].startswith("The file has 7 bytes instead of ")
    assert len(damage) == 2
    for level in (0, 1):
        with pytest.raises(Corrupt):
            Pyramid.open(files).chunk(level, 0, 0)
    store.write(f"one.zarr/{MANIFEST}", b"{")
    with pytest.raises(Corrupt):
        verify_pyramid(files)


def test_missing_levels_are_added_in_one_step(store, staged, tmp_path):
    expected = digests(staged("whole"))
    staging = tmp_path / "staging"
    folder = staged(reduced=False)
    store.slides.publish(folder, "one")
    files = store.slides.files("one")
    pyramid = Pyramid.open(files)
    (missing, *_) = pyramid.manifest.missing_levels
    made = pyramid.chunk(missing, 0, 0)
    store.slides.bring("one", staging)
    rest = staging / "rest"
    rest.mkdir()
    at_hand = store.slides.at_hand("one", staging)
    built = build_reduced(at_hand, rest, workers=2, progress=_ignore).folder
    store.slides.publish_rest(built, "one")
    assert of_slide(store) == expected
    assert {key.partition("/")[0] for key in store.listing()} == {"one.zarr"}
    assert Pyramid.open(files).chunk(missing, 0, 0) == made
    assert Pyramid.open(files).manifest.missing_levels == ()


def test_removal_takes_everything_and_a_failed_one_nothing(store, staged):
    store.slides.publish(staged(), "one")
    store.slides.publish(staged("other"), "two")
    before = store.listing()
    unseen = []
    with contextlib.suppress(RuntimeError), store.slides.discarded("one"):
        unseen.append(not store.slides.files("one").exists())
        raise RuntimeError
    assert unseen == [True]
    assert store.listing() == before
    with store.slides.discarded("one"):
        pass
    assert store.listing() == {key: digest for key, digest in before.items() if key.startswith("two.zarr/")}
    with store.slides.discarded("one"):  # again, as after a kill
        pass


def test_a_service_gives_the_same_tiles_and_sees_a_removal(store, staged, tmp_path):
    folder = staged()
    shutil.copytree(folder, tmp_path / "plain" / "one.zarr")
    store.slides.publish(folder, "one")
    expected, service = TileService(tmp_path / "plain"), TileService(store.slides)
    top = expected.deepzoom("one").level_count - 1
    for address in ((top, 0, 0), (top, 9, 12), (top - 1, 2, 2), (4, 0, 0)):
        assert service.tile("one", *address) == expected.tile("one", *address)
    assert service.thumbnail("one", 300) == expected.thumbnail("one", 300)
    with store.slides.discarded("one"):
        pass
    store.clock.now += LOOK_SECONDS
    with pytest.raises(NotFound):
        service.tile("one", top, 0, 0)


# an object store alone


PUBLISH = """
import os, signal, sys
from pathlib import Path
from pathserve.config import Settings
from pathserve.pyramid.stores import open_slides
def progress(done, total):
    if done >= total * float(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
open_slides(Settings(store=sys.argv[1])).publish(Path(sys.argv[2]), "one", progress)
"""


def test_killed_in_mid_publish_nothing_is_visible_and_the_next_one_completes(object_store, object_slides, staged):
    folder = staged()
    expected = digests(folder)
    for share in (0.1, 0.6, 1.0):
        process = subprocess.run([sys.executable, "-c", PUBLISH, object_store, folder, str(share)], check=False)
        assert process.returncode == -signal.SIGKILL
        assert object_slides.listing()  # something had been uploaded by then
        assert not object_slides.slides.files("one").exists()
        with pytest.raises(NotFound):
            TileService(object_slides.slides).pyramid("one")
    # A part that only an earlier build had: nobody may find it in the end.
    object_slides.write("one.zarr/0/c/0/7/7", b"orphan")
    object_slides.slides.publish(folder, "one")
    assert object_slides.listing() == {f"one.zarr/{path}": digest for path, digest in expected.items()}


def test_publishing_again_after_the_last_step_was_taken_changes_nothing(object_slides, staged):
    folder = staged(reduced=False)
    object_slides.slides.publish(folder, "one")
    before = object_slides.listing()
    object_slides.slides.publish(folder, "one")
    assert object_slides.listing() == before


def test_two_publishers_never_mix(object_slides, staged):
    one, two = staged("one"), staged("two", content="d" * 64)
    slides = object_slides.slides

    def meanwhile(done, total):
        with pytest.raises(Conflict):
            slides.publish(two, "one")

    slides.publish(one, "one", meanwhile)
    assert of_slide(object_slides) == digests(one)


def test_levels_that_come_while_a_slide_is_removed_leave_nothing(object_slides, staged, tmp_path):
    slides = object_slides.slides
    slides.publish(staged(reduced=False), "one")
    rest = tmp_path / "staging" / "rest"
    rest.mkdir()
    built = build_reduced(slides.at_hand("one", tmp_path / "staging"), rest, workers=1, progress=_ignore).folder

    def remove(done, total):
        if done == 1:
            with slides.discarded("one"):
                pass

    with pytest.raises((Conflict, NotFound)):
        slides.publish_rest(built, "one", remove)
    assert not slides.files("one").exists()


def test_levels_are_brought_back_where_the_staging_folder_is_lost(object_slides, staged, tmp_path):
    folder = staged(reduced=False)
    expected = digests(folder)
    object_slides.slides.publish(folder, "one")
    object_slides.slides.bring("one", tmp_path / "new")
    assert digests(object_slides.slides.at_hand("one", tmp_path / "new")) == expected


def test_a_sweep_deletes_what_nobody_went_on_with(object_store, object_slides, staged):
    slides, folder = object_slides.slides, staged()
    subprocess.run([sys.executable, "-c", PUBLISH, object_store, folder, "0.5"], check=False)
    slides.sweep(lambda _: False)  # it is young
    slides.sweep(lambda _: True, keep=timedelta(0))  # it is listed
    object_slides.write(".probe/of-one-that-was-killed", b"0123456789")
    assert of_slide(object_slides)
    assert ".writers/one" in object_slides.listing()
    slides.sweep(lambda _: False, keep=timedelta(0))
    assert object_slides.listing() == {}
    slides.publish(folder, "one")
    object_slides.write(".writers/one", b"of one that was killed after its last step")
    slides.sweep(lambda _: False, keep=timedelta(0))
    assert of_slide(object_slides) == digests(folder)
    assert set(object_slides.listing()) == {f"one.zarr/{path}" for path in digests(folder)}


def test_a_removal_is_seen_after_some_seconds_and_until_then_nothing_is_asked(object_slides, staged):
    slides, clock = object_slides.slides, object_slides.clock
    slides.publish(staged(), "one")
    service = TileService(slides)
    service.tile("one", 12, 0, 0)
    with slides.discarded("one"):
        pass
    assert service.deepzoom("one").level_count == 13  # from memory
    clock.now += LOOK_SECONDS
    assert service.tile_at_once("one", 12, 0, 0) is None  # the event loop asks nobody
    with pytest.raises(NotFound):
        service.deepzoom("one")


def test_the_folder_of_a_file_address_is_the_slides_folder(tmp_path):
    settings = Settings(data=tmp_path, store=(tmp_path / "a b").as_uri())
    assert settings.slides == Path(tmp_path / "a b")
    assert settings.slides != Settings(data=tmp_path).slides == tmp_path / "slides"
    assert os.fspath(settings.slides).endswith("a b")


def test_what_somebody_else_wrote_over_is_noticed_before_it_is_published(object_slides, staged):
    folder = staged()

    def write_over(done, total):
        if done == total:
            object_slides.write("one.zarr/0/c/0/0/0", b"other bytes")

    with pytest.raises(Conflict):
        object_slides.slides.publish(folder, "one", write_over)
    assert not object_slides.slides.files("one").exists()
    object_slides.slides.publish(folder, "one")
    assert of_slide(object_slides) == digests(folder)
