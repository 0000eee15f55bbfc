"""Every real scan at hand becomes a slide with its own pixels, or is refused for a true reason; a table tells which."""

import io
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image, UnidentifiedImageError
from proofs.formats_table import Row, shape_in_words, to_markdown, write, written
from proofs.readers import Pixels, Region, Truth, stored, truth_of
from pydicom.errors import InvalidDicomError

from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.errors import Unsupported
from pathserve.ingest import IngestOptions, find_scans, ingest_scan
from pathserve.pixels import SlideInfo
from pathserve.pyramid import Pyramid, verify_pyramid
from pathserve.slides import Scan, open_slide

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"
UPDATE = "PATHSERVE_UPDATE_FORMATS"

WHOLE = 12_000_000
"""Up to so many pixels a scan is compared as a whole; of larger ones strips are."""

AS_PILLOW, SLACK = 1.2, 0.2
"""How much more JPEG may differ from the scan than Pillow's of the same quality does, times and in grey levels."""

READERS = {
    "tiff": "tifffile, imagecodecs",
    "openslide": "OpenSlide",
    "ndpi": "OpenSlide, pathserve",
    "plain": "Pillow",
    "omezarr": "pathserve",
    "czi": "pylibCZIrw",
    "dicom": "pathserve, pydicom, imagecodecs",
}
KEPT = {"copied": "copied", "lossless": "kept without loss", "encoded": "decoded once"}


@dataclass(frozen=True)
class Result:
    """What became of one scan: a slide for each scene, or a refusal."""

    scan: Scan
    reader: str = ""
    info: SlideInfo | None = None
    kept: str = ""
    truth: str = ""
    differing: int = 0
    compared: int = 0
    mean: float = 0.0
    pillow: float = 0.0
    damage: int = 0
    refusal: str = ""


@pytest.fixture(scope="module")
def results(shared_data, tmp_path_factory) -> list[Result]:
    settings = Settings(data=tmp_path_factory.mktemp("every file") / "data")
    database = open_database(settings.database)
    catalog = Catalog(database)
    made = [bring_in(scan, settings, catalog) for scan in find_scans([shared_data / "slides"])]
    database.close()
    return made


def bring_in(scan: Scan, settings: Settings, catalog: Catalog) -> Result:
    options = IngestOptions(workers=os.cpu_count() or 1)
    try:
        outcomes = ingest_scan(scan, settings=settings, catalog=catalog, options=options, progress=lambda _: None)
    except Unsupported as error:
        return Result(scan, refusal=error.message)
    with open_slide(scan) as source:
        info, module = source.info, type(source).__module__.split(".")[2]
    truth = truth_of(scan)
    assert truth is not None, "no other program reads this scan"
    differing = compared = damage = 0
    mean = pillow = 0.0
    for scene, outcome in enumerate(outcomes):
        folder = settings.slides / f"{outcome.slide.id}.zarr"
        damage += len(verify_pyramid(folder))
        kept = how_kept(Pyramid.open(folder), info)
        for region in regions(outcome.slide.width, outcome.slide.height):
            got, expected = aligned(stored(folder, region), truth, scene, region)
            distance = np.abs(got.astype(np.float64) - expected)
            differing += int((distance > 0).any(axis=(0, 1, 2)).sum())
            compared += region[2] * region[3]
            mean = max(mean, float(distance.mean()))
            if kept == "encoded":
                pillow = max(pillow, pillow_s(expected))
    return Result(scan, READERS[module], info, kept, truth.reader, differing, compared, mean, pillow, damage)


def how_kept(pyramid: Pyramid, info: SlideInfo) -> str:
    if pyramid.facts.storage == "zstd":
        return "lossless"
    return "copied" if info.levels[0].encoding == "jpeg" else "encoded"


def pillow_s(picture: Pixels) -> float:
    """Give the mean difference that JPEG of quality 90 with whole colour makes of a picture (1, 3, 1, h, w)."""
    rgb = np.ascontiguousarray(np.moveaxis(picture[0, :, 0], 0, 2))
    coded = io.BytesIO()
    Image.fromarray(rgb).save(coded, "JPEG", quality=90, subsampling=0)
    return float(np.abs(np.asarray(Image.open(coded)).astype(np.float64) - rgb).mean())


def regions(width: int, height: int) -> list[Region]:
    """Give the whole, or ten strips of a large scan, among them its first and last rows."""
    if width * height <= WHOLE:
        return [(0, 0, width, height)]
    return [(0, round(y), width, 64) for y in np.linspace(0, height - 64, 10)]


def aligned(got: Pixels, truth: Truth, scene: int, region: Region) -> tuple[Pixels, Pixels]:
    """Give what is stored and what the other program reads, plane beside plane: (t, c, z, h, w)."""
    expected = truth.read(scene if truth.ordered else 0, region)
    if not truth.ordered:
        expected = matching(got, expected)
    if got.shape[1] == 1 and expected.shape[1] == 3:  # OpenSlide makes three of a grey channel
        assert (expected == expected[:, :1]).all()
        expected = expected[:, :1]
    assert got.shape == expected.shape
    return got, expected


def matching(got: Pixels, planes: Pixels) -> Pixels:
    """Lay planes that stand in no certain order beside those that equal them; each is used once."""
    left = list(np.moveaxis(planes, 1, 0).reshape(-1, *planes.shape[-2:]))
    out = np.empty_like(got)
    for place in np.ndindex(got.shape[:3]):
        distances = [np.abs(got[place].astype(np.float64) - each).sum() for each in left]
        out[place] = left.pop(int(np.argmin(distances)))
    return out


def test_every_scan_was_tried(results, shared_data):
    tried = Counter(path for result in results for path in result.scan.files)
    there = {path for path in (shared_data / "slides").rglob("*") if path.is_file()}
    index = {path for path in there if path.name.startswith("DICOMDIR")}  # names the files beside it, holds no picture
    assert there - set(tried) - index == set()
    assert [path for path, count in tried.items() if count > 1] == []
    assert len(results) > 40


def test_what_is_copied_or_kept_without_loss_has_the_scan_s_own_pixels(results):
    wrong = [(r.scan.main.name, r.kept, r.truth, r.differing) for r in results if r.kept != "encoded" and r.differing]
    assert wrong == []
    assert {"copied", "lossless"} <= {r.kept for r in results}


def test_what_is_encoded_once_differs_as_little_as_pillow_s_jpeg(results):
    encoded = [r for r in results if r.kept == "encoded"]
    assert encoded
    assert [(r.scan.main.name, r.mean, r.pillow) for r in encoded if r.mean > AS_PILLOW * r.pillow + SLACK] == []


def test_what_is_stored_is_whole(results):
    assert [result.scan.main.name for result in results if result.damage] == []


def test_what_is_refused_is_no_picture(results):
    refused = [result for result in results if result.refusal]
    for result in refused:
        path = result.scan.main
        with pytest.raises(UnidentifiedImageError):
            Image.open(path)
        with pytest.raises(tifffile.TiffFileError):
            tifffile.TiffFile(path)
        try:
            assert all("PixelData" not in pydicom.dcmread(file) for file in result.scan.files)
            assert "holds no picture" in result.refusal
        except InvalidDicomError:
            assert "no scan" in result.refusal


def rows_of(results: list[Result], top: Path) -> list[Row]:
    """Give a row for each scan; the small series of a folder of DICOM share one for each way in which they ended."""
    rows: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        name = str(result.scan.main.relative_to(top))
        folder = "dicom-radiology/dicomdir"
        key = (folder, result.refusal) if name.startswith(folder) and "README" not in name else (name, "")
        rows.setdefault(key, []).append(result)
    return [row(key[0], group) for key, group in rows.items()]


def row(name: str, group: list[Result]) -> Row:
    first = group[0]
    count = len(first.scan.files)
    if len(group) > 1:
        what = f"{name} ({len(group)} series)"
    elif count == 1 or first.scan.main.is_dir():
        what = name
    else:
        what = f"{name if name.endswith('dicomdir') else Path(name).parent} ({count} files)"
    if first.info is None:
        return Row(what, "", "", f"refused: {first.refusal}", "", "")
    info = first.info
    kind = "colour" if info.rgb else info.dtype
    counts = {"channels": 1 if info.rgb else len(info.channels), "planes": info.planes, "times": info.times}
    shape = shape_in_words(info.size.width, info.size.height, counts | {"scenes": info.scenes}, kind)
    if len(group) > 1:
        most = max(result.info.planes for result in group), max(result.info.scenes for result in group)
        shape = f"{info.size.width} x {info.size.height}, 16 bits; up to {most[0]} planes or {most[1]} scenes"
    differing = sum(result.differing for result in group)
    share = f"0 of {sum(result.compared for result in group):,}"
    mean = max(result.mean for result in group)
    said = share if differing == 0 else f"by {mean:.1f} grey levels on average"
    return Row(what, first.reader, shape, KEPT[first.kept], first.truth, said)


def test_the_document_has_the_table_of_this_run(results, shared_data):
    table = to_markdown(rows_of(results, shared_data / "slides"))
    if os.environ.get(UPDATE):
        write(DOCUMENT, table)
    assert written(DOCUMENT) == table, "bash tests/update-formats.sh writes the table anew"
