"""Level 0 of a scan as somebody else's program reads it: OpenSlide, tifffile, zarr-python, Pillow, pydicom, czifile."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import czifile
import imagecodecs
import numpy as np
import numpy.typing as npt
import openslide
import pydicom
import tifffile
import zarr
from PIL import Image
from pydicom.pixels.utils import pixel_array

from pathserve.slides import Scan

Pixels = npt.NDArray[Any]
Region = tuple[int, int, int, int]
"""x, y, width, height."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a scan's level 0 holds.

    Parameters
    ----------
    reader
        Who says so.
    read
        Gives a region of a scene as (t, c, z, h, w); pictures in colour have three channels.
    ordered
        Whether planes stand in the scan's own order. Else they are compared as a set.
    """

    reader: str
    read: Callable[[int, Region], Pixels]
    ordered: bool = True


def truth_of(scan: Scan) -> Truth | None:
    """Read a scan by whichever other program opens it; None when none does."""
    path = scan.main
    kinds: tuple[tuple[str, Callable[[Scan], Callable[[int, Region], Pixels]]], ...] = (
        ("OpenSlide", _openslide),
        ("zarr-python", _zarr),
        ("pydicom", _pydicom),
        ("czifile, imagecodecs", _czi),
        ("tifffile", _tifffile),
        ("Pillow", _pillow),
    )
    for reader, make in kinds:
        if (reader == "zarr-python") == path.is_dir():
            try:
                return Truth(reader, make(scan), ordered=reader != "pydicom")
            except (
                openslide.OpenSlideError,
                tifffile.TiffFileError,
                pydicom.errors.InvalidDicomError,
                ValueError,
                OSError,
            ):
                continue
    return None


def _cut(whole: Pixels) -> Callable[[int, Region], Pixels]:
    def read(scene: int, region: Region) -> Pixels:
        assert scene == 0
        x, y, width, height = region
        return whole[..., y : y + height, x : x + width]

    return read


def _in_order(array: Pixels, axes: str) -> Pixels:
    """Bring an array to (t, c, z, y, x); samples of a pixel are channels."""
    axes = axes.upper().replace("S", "C") if "C" not in axes.upper() else axes.upper()
    # Channels that hold samples (colour in several channels) do not occur among the files at hand.
    assert len(set(axes)) == len(axes), axes
    whole = array.reshape(array.shape + (1,) * sum(axis not in axes for axis in "TCZYX"))
    full = axes + "".join(axis for axis in "TCZYX" if axis not in axes)
    return np.transpose(whole, [full.index(axis) for axis in "TCZYX"])


def _openslide(scan: Scan) -> Callable[[int, Region], Pixels]:
    if openslide.OpenSlide.detect_format(scan.main) == "zeiss":
        raise ValueError("OpenSlide reads some CZI files at another offset")
    if _orientation(scan.main) != 1:
        raise ValueError("OpenSlide mirrors the single tiles of such a TIFF")
    slide = openslide.OpenSlide(scan.main)
    slide.read_region((0, 0), 0, (64, 64))  # it opens some files that it cannot read

    def read(scene: int, region: Region) -> Pixels:
        assert scene == 0
        image = slide.read_region(region[:2], 0, region[2:])
        white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.moveaxis(np.asarray(white.convert("RGB")), 2, 0)[None, :, None]

    return read


def _orientation(path: Path) -> int:
    try:
        with tifffile.TiffFile(path) as tiff:
            return int(tiff.pages.first.tags.valueof(274, 1))
    except (tifffile.TiffFileError, IndexError):  # no TIFF, or one without pictures that is a preamble of DICOM
        return 1


def _tifffile(scan: Scan) -> Callable[[int, Region], Pixels]:
    with tifffile.TiffFile(scan.main) as tiff:
        series = tiff.series[0]
        array, axes = series.asarray(), series.axes
    return _cut(_in_order(array, axes.replace("Q", "C").replace("I", "Z")))


def _zarr(scan: Scan) -> Callable[[int, Region], Pixels]:
    group = zarr.open_group(scan.main, mode="r")
    attributes = dict(group.attrs)
    if "multiscales" not in attributes.get("ome", attributes):
        group = zarr.open_group(scan.main / "0", mode="r")
        attributes = dict(group.attrs)
    scales = attributes.get("ome", attributes)["multiscales"][0]
    axes = "".join(axis if isinstance(axis, str) else axis["name"] for axis in scales.get("axes", "tczyx"))
    return _cut(_in_order(np.asarray(group[scales["datasets"][0]["path"]][...]), axes))


def _pillow(scan: Scan) -> Callable[[int, Region], Pixels]:
    with Image.open(scan.main) as image:
        return _cut(_in_order(np.asarray(image.convert("RGB")), "YXC"))


def _czi(scan: Scan) -> Callable[[int, Region], Pixels]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = czifile.CziFile(scan.main)
    scenes: dict[int, dict[tuple[int, int, int], list[tuple[int, int, int, Pixels]]]] = {}
    with file:
        for entry in file.subblock_directory:
            at = {dimension.dimension: dimension for dimension in entry.dimension_entries}
            if at["X"].size == at["X"].stored_size:
                scene, *plane = (at[axis].start if axis in at else 0 for axis in "STCZ")
                tile = (entry.mosaic_index or 0, at["X"].start, at["Y"].start, _czi_tile(entry, at))
                scenes.setdefault(scene, {}).setdefault((plane[0], plane[1], plane[2]), []).append(tile)
    ready = {scene: _mosaic(planes) for scene, planes in scenes.items()}

    def read(scene: int, region: Region) -> Pixels:
        return _cut(ready[sorted(ready)[scene]])(0, region)

    return read


def _czi_tile(entry: Any, at: dict[str, Any]) -> Pixels:
    """Decode a tile to (h, w, n); czifile knows neither of these compressions."""
    data, shape = entry.data_segment().data(raw=True), (at["Y"].stored_size, at["X"].stored_size, -1)
    if entry.compression == 4:
        return imagecodecs.jpegxr_decode(data).reshape(shape)
    if entry.compression != 6:
        raise ValueError("another compression")
    values = np.frombuffer(imagecodecs.zstd_decode(data[data[0] :]), np.uint8)
    if data[0] > 1 and data[1] == 1 and data[2] & 1:  # low bytes first, then high bytes
        values = np.ascontiguousarray(values.reshape(2, -1).T).ravel()
    return values.view("<u2").reshape(shape)


def _mosaic(planes: dict[tuple[int, int, int], list[tuple[int, int, int, Pixels]]]) -> Pixels:
    """Lay the tiles of a scene on one raster, later ones on top: (t, c, z, y, x)."""
    tiles = [tile for each in planes.values() for tile in each]
    left, top = min(tile[1] for tile in tiles), min(tile[2] for tile in tiles)
    width = max(tile[1] + tile[3].shape[1] for tile in tiles) - left
    height = max(tile[2] + tile[3].shape[0] for tile in tiles) - top
    samples, kind = tiles[0][3].shape[2], tiles[0][3].dtype
    counts = [max(plane[axis] for plane in planes) + 1 for axis in range(3)]
    fill = 255 if samples == 3 else 0
    out = np.full((counts[0], counts[1] * samples, counts[2], height, width), fill, kind)
    for (t, c, z), each in planes.items():
        for _, x, y, pixels in sorted(each, key=lambda tile: tile[0]):
            place = out[t, c * samples : (c + 1) * samples, z]
            place[:, y - top : y - top + pixels.shape[0], x - left : x - left + pixels.shape[1]] = np.moveaxis(
                pixels, 2, 0
            )
    return out


def _pydicom(scan: Scan) -> Callable[[int, Region], Pixels]:
    """Read a series: the largest picture of a slide by optical path, or each slice of a volume."""
    files = [pydicom.dcmread(path) for path in scan.files]
    if not any("PixelData" in file for file in files):
        raise ValueError("no picture")
    slides = [file for file in files if "VOLUME" in file.get("ImageType", ()) and "TotalPixelMatrixRows" in file]
    if slides:
        most = max(file.TotalPixelMatrixColumns for file in slides)
        planes = [plane for file in slides if file.TotalPixelMatrixColumns == most for plane in _assembled(file)]
    else:
        planes = [each for file in files for each in np.asarray(pixel_array(file)).reshape(-1, file.Rows, file.Columns)]
    return _cut(np.stack(planes)[None, :, None])


def _assembled(file: Any) -> list[Pixels]:
    """Put the frames of a slide at their places, one picture for each sample of each optical path."""
    frames = np.asarray(pixel_array(file))
    frames = frames.reshape(int(file.get("NumberOfFrames", 1)), file.Rows, file.Columns, -1)
    height, width = file.TotalPixelMatrixRows, file.TotalPixelMatrixColumns
    across, down = -(-width // file.Columns), -(-height // file.Rows)
    paths: dict[str, Pixels] = {}
    for number, frame in enumerate(frames):
        if "PerFrameFunctionalGroupsSequence" in file:
            group = file.PerFrameFunctionalGroupsSequence[number]
            place = group.PlanePositionSlideSequence[0]
            x, y = place.ColumnPositionInTotalImagePixelMatrix - 1, place.RowPositionInTotalImagePixelMatrix - 1
            path = "OpticalPathIdentificationSequence"
            name = str(group[path][0].OpticalPathIdentifier) if path in group else "1"
        else:
            tile = number % (across * down)
            x, y, name = tile % across * file.Columns, tile // across * file.Rows, str(number // (across * down))
        room = (down * file.Rows, across * file.Columns, frames.shape[3])
        paths.setdefault(name, np.zeros(room, frames.dtype))[y : y + file.Rows, x : x + file.Columns] = frame
    return [path[:height, :width, sample] for path in paths.values() for sample in range(path.shape[2])]


def stored(folder: Path, region: Region) -> Pixels:
    """Give a region of a published slide's level 0 as zarr-python reads it: (t, c, z, h, w)."""
    group = zarr.open_group(folder, mode="r")
    scales = dict(group.attrs)["ome"]["multiscales"][0]
    axes = "".join(axis["name"] for axis in scales["axes"])
    x, y, width, height = region
    array = group[scales["datasets"][0]["path"]]
    return _in_order(np.asarray(array[..., y : y + height, x : x + width]), axes)
