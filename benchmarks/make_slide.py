"""Makes a slide of a gigapixel or more, in the manner of Aperio's SVS, out of the real tiles of a small one.

Level 0 holds JPEG streams of the small slide, bit for bit, with its JPEG tables; every block of tiles is mirrored and
shifted in its own way (the order of the tiles, not their pixels). ``--reduced`` adds levels at 1/4 and 1/16, averaged
from the same pixels. Memory: the small slide and one row of tiles.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
import tifffile
from openslide import OpenSlide

SMALL = Path(__file__).parent.parent / "pathserve" / "_demo" / "CMU-1-Small-Region.svs"
MPP, POWER = "0.4990", "20"
_SEED = 20_240_501
_ASPECT = 4 / 3
_MISSING = (101, 77)
"""Pixels that the last column and row of tiles reach beyond the slide, as they do in real slides."""

_REDUCED = (4, 16)
_QUALITY = 80
_CHECKED = 100
_MOST_DIFFERENCE = 12.0
"""Grey levels, mean over what a tile has on a reduced level."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Material:
    """The whole tiles of the small slide: their streams, row by row, and their pixels."""

    tile: int
    columns: int
    rows: int
    tables: bytes
    streams: list[bytes]
    pixels: list[Pixels]

    @classmethod
    def of(cls, slide: Path) -> "Material":
        """Read the streams with tifffile and the pixels with OpenSlide."""
        with tifffile.TiffFile(slide) as tiff, OpenSlide(slide) as opened:
            page = tiff.pages.first
            tile = page.tilewidth
            columns, rows = page.imagewidth // tile, page.imagelength // tile
            across = -(-page.imagewidth // tile)
            handle, streams, pixels = tiff.filehandle, [], []
            for row in range(rows):
                for col in range(columns):
                    number = row * across + col
                    handle.seek(page.dataoffsets[number])
                    streams.append(handle.read(page.databytecounts[number]))
                    picture = opened.read_region((col * tile, row * tile), 0, (tile, tile)).convert("RGB")
                    pixels.append(np.asarray(picture))
            return cls(tile, columns, rows, page.jpegtables or b"", streams, pixels)


def arrange(material: Material, columns: int, rows: int) -> npt.NDArray[np.intp]:
    """Choose which tile of the small slide lies where: (rows, columns) numbers of tiles."""
    rng = np.random.default_rng(_SEED)
    block = np.arange(material.columns * material.rows).reshape(material.rows, material.columns)
    down, across = -(-rows // material.rows), -(-columns // material.columns)
    bands = []
    for _ in range(down):
        band = []
        for _ in range(across):
            shift = int(rng.integers(material.rows)), int(rng.integers(material.columns))
            flipped = block[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
            band.append(np.roll(flipped, shift, (0, 1)))
        bands.append(np.hstack(band))
    return np.vstack(bands)[:rows, :columns]


def reduced_tiles(material: Material, order: npt.NDArray[np.intp], factor: int) -> Iterator[bytes]:
    """Give the tiles of a level at ``1 / factor``, row by row, each a complete JPEG."""
    tile, small = material.tile, material.tile // factor
    means = np.stack([_mean(pixels, factor) for pixels in material.pixels])
    rows, columns = (-(-count // factor) for count in order.shape)
    padded = np.pad(order, ((0, rows * factor - order.shape[0]), (0, columns * factor - order.shape[1])), "edge")
    for row in range(rows):
        chosen = means[padded[row * factor : (row + 1) * factor]]  # (factor, columns * factor, small, small, 3)
        strip = np.ascontiguousarray(chosen.swapaxes(1, 2)).reshape(factor * small, columns * tile, 3)
        for col in range(columns):
            picture = np.ascontiguousarray(strip[:, col * tile : (col + 1) * tile])
            yield simplejpeg.encode_jpeg(picture, quality=_QUALITY, colorspace="RGB", colorsubsampling="420")


def _mean(pixels: Pixels, factor: int) -> Pixels:
    side = pixels.shape[0] // factor
    mean: Pixels = pixels.reshape(side, factor, side, factor, 3).mean((1, 3)).round().astype(np.uint8)
    return mean


def check_slide(out: Path, size: tuple[int, int], small: Path = SMALL) -> str:
    """Make sure that OpenSlide sees what was meant, tile by tile in a sample; gives the sizes of the levels.

    Raises
    ------
    RuntimeError
        When it does not.
    """
    material = Material.of(small)
    tile, (width, height) = material.tile, size
    order = arrange(material, -(-width // tile), -(-height // tile))
    rng = np.random.default_rng(_SEED)
    with OpenSlide(out) as slide:
        if slide.dimensions != size:
            raise RuntimeError("OpenSlide does not see the size that was written.")
        for _ in range(_CHECKED):
            row, col = rng.integers(height // tile), rng.integers(width // tile)
            expected = material.pixels[order[row, col]]
            for level in range(slide.level_count):
                factor = round(slide.level_downsamples[level])
                if not _shows(slide, level, (int(col) * tile, int(row) * tile), _mean(expected, factor)):
                    raise RuntimeError(f"Level {level} does not show the pixels that were written.")
        return ", ".join(f"{w:,} x {h:,}" for w, h in slide.level_dimensions)


def _shows(slide: OpenSlide, level: int, place: tuple[int, int], expected: Pixels) -> bool:
    """Tell whether a level shows these pixels: exactly where streams were copied, about so where they were made."""
    downsample, side = slide.level_downsamples[level], expected.shape[0]
    # Aligned on the level's own pixels: its scale is a little off the whole factor, as Aperio's is.
    x, y = (round(value / round(downsample)) * downsample for value in place)
    seen = np.asarray(slide.read_region((round(x), round(y)), level, (side, side)).convert("RGB"), np.int16)
    return float(np.abs(seen - expected).mean()) <= (0.0 if level == 0 else _MOST_DIFFERENCE)


def write_slide(out: Path, *, gigapixels: float, reduced: bool, small: Path = SMALL) -> tuple[int, int]:
    """Write the slide and give its width and height.

    Parameters
    ----------
    gigapixels
        Least size of level 0, in 1e9 pixels.
    reduced
        Whether to write levels at 1/4 and 1/16.
    """
    material = Material.of(small)
    tile = material.tile
    columns = math.ceil((math.sqrt(gigapixels * 1e9 * _ASPECT) + _MISSING[0]) / tile)
    width = columns * tile - _MISSING[0]
    rows = math.ceil((gigapixels * 1e9 / width + _MISSING[1]) / tile)
    height = rows * tile - _MISSING[1]
    order = arrange(material, columns, rows)
    described = (
        f"Aperio Image Library (a benchmark's slide made of tiles of {small.name})\r\n"
        f"{width}x{height} ({tile}x{tile}) JPEG/RGB Q=30|AppMag = {POWER}|MPP = {MPP}"
    )
    same: dict[str, Any] = {
        "dtype": np.uint8,
        "tile": (tile, tile),
        "compression": "jpeg",
        "metadata": None,
        "software": False,
    }
    with tifffile.TiffWriter(out, bigtiff=True) as writer:
        writer.write(
            (material.streams[number] for number in order.ravel()),
            shape=(height, width, 3),
            photometric="rgb",
            jpegtables=material.tables,
            compressionargs={"outcolorspace": "rgb"},  # what the streams hold; tifffile would write YCbCr
            description=described,
            **same,
        )
        for factor in _REDUCED if reduced else ():
            writer.write(
                reduced_tiles(material, order, factor),
                shape=(height // factor, width // factor, 3),
                photometric="ycbcr",
                subsampling=(2, 2),
                description=f"Aperio Image Library\r\n{width}x{height} -> {width // factor}x{height // factor}",
                **same,
            )
    return width, height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="file to write, ending in .svs")
    parser.add_argument("--gigapixels", type=float, default=1.0)
    parser.add_argument("--reduced", action="store_true", help="with levels at 1/4 and 1/16, as Aperio writes them")
    arguments = parser.parse_args()
    width, height = write_slide(arguments.out, gigapixels=arguments.gigapixels, reduced=arguments.reduced)
    levels = check_slide(arguments.out, (width, height))
    size = arguments.out.stat().st_size
    print(f"{arguments.out.name}: {width * height / 1e9:.3f} Gpx, {size / 1e6:,.1f} MB, levels {levels}")


if __name__ == "__main__":
    main()
