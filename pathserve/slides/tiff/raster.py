"""One image of a TIFF: where its tiles or strips lie in the file, and what their samples mean."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pathserve.errors import Corrupt, TooLarge, Unsupported
from pathserve.geometry import Size
from pathserve.pixels import DTYPES
from pathserve.slides.limits import MAX_PLANES, MAX_TILE_PIXELS, require_size
from pathserve.slides.tiff.directory import CODECS, JPEG, OLD_JPEG, YCBCR, Page, require_inside_file

Form = Literal["rgb", "palette", "samples"]
Decode = Callable[[bytes, int], npt.NDArray[Any]]

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = 0, 1, 2, 3
_ALPHA = {1: "associated", 2: "unassociated"}
_MAX_SEGMENT_BYTES = 512 << 20
_RECUT_BYTES = 1 << 20
"""Rows without compression are read in pieces of about this size, however the file groups them."""

_MAX_PIECES = 1 << 22


@dataclass(frozen=True, slots=True)
class Jpeg:
    """What is needed to make complete JPEGs of an image's segments: shared tables, and whether they hold RGB."""

    tables: bytes
    rgb: bool


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """One image of a TIFF.

    Parameters
    ----------
    size
        Pixels.
    segment
        Size of a tile; or the image's width and the rows of a strip.
    tiled
        Whether the segments are tiles.
    form
        ``"rgb"`` (three 8-bit samples), ``"palette"`` (one that stands for a colour) or ``"samples"`` (values).
    samples
        Channels of a pixel: 3 for colour, else as many as there are values; transparency does not count.
    stored
        Samples of a pixel as stored, transparency included.
    separate
        Whether each sample has segments of its own, sample by sample.
    dtype
        Numpy name of the type of the decoded samples.
    bits
        Bits of a stored sample.
    inverted
        Whether the lowest value is white.
    alpha
        ``"associated"`` when colours are multiplied with transparency, ``"unassociated"`` when not, None without.
    colours
        (n, 3) uint8 of a palette.
    jpeg
        How to make complete JPEGs of segments, or None when they are none that can be kept.
    codec
        Name of the compression.
    offsets, counts
        Where the bytes of each segment lie; 0 bytes for segments that the file leaves out.
    decode
        Gives a segment's samples, (h, w, samples), of its bytes and index.
    file
        Which of the scan's files holds it.
    """

    size: Size
    segment: Size
    tiled: bool
    form: Form
    samples: int
    stored: int
    separate: bool
    dtype: str
    bits: int
    inverted: bool
    alpha: str | None
    colours: npt.NDArray[np.uint8] | None
    jpeg: Jpeg | None
    codec: str
    offsets: npt.NDArray[np.int64] = field(repr=False)
    counts: npt.NDArray[np.int64] = field(repr=False)
    decode: Decode = field(repr=False)
    file: int = 0

    @property
    def columns(self) -> int:
        """Segments along x."""
        return -(-self.size.width // self.segment.width)

    @property
    def rows(self) -> int:
        """Segments along y."""
        return -(-self.size.height // self.segment.height)

    @property
    def rgb(self) -> bool:
        """Whether it is read as three 8-bit samples of one plane."""
        return self.form != "samples"

    @property
    def missing(self) -> int:
        """Segments without bytes."""
        return int(np.count_nonzero(self.counts == 0))

    def like(self, other: "Raster") -> bool:
        """Tell whether the samples of two images mean the same."""
        mine = (self.form, self.samples, self.stored, self.separate, self.dtype, self.inverted)
        return mine == (other.form, other.samples, other.stored, other.separate, other.dtype, other.inverted)

    def as_samples(self) -> "Raster":
        """Take the colours of each pixel as values of channels."""
        return replace(self, form="samples", jpeg=None)


def raster_of(page: Page, *, file_size: int, palette: bool = True) -> Raster:
    """Describe an image.

    Parameters
    ----------
    file_size
        Bytes of the file that holds it.
    palette
        Whether a colour map says what the samples mean; in microscopes' files it is a way to show values.

    Raises
    ------
    Unsupported
        When it is stored in a way that is not read.
    Corrupt, TooLarge
        When what it claims is impossible or over a limit.
    """
    _require_known(page)
    size = require_size(page.imagewidth, page.imagelength)
    dtype, photometric = _dtype(page), int(page.photometric)
    # Transparency comes last; a further value behind it makes all of them values.
    alpha = _ALPHA.get(int(page.extrasamples[-1])) if page.extrasamples else None
    stored = int(page.samplesperpixel)
    samples = stored - (alpha is not None)
    form: Form = "samples"
    colours = None
    if photometric in (_RGB, YCBCR) and samples >= 3 and dtype == "uint8":
        form, samples = "rgb", 3
    elif photometric == _PALETTE and palette and stored == 1:
        form, colours = "palette", _colours(page)
    segment = _segment(page, size, stored * np.dtype(dtype).itemsize)
    raster = Raster(
        size=size,
        segment=segment,
        tiled=bool(page.is_tiled),
        form=form,
        samples=samples,
        stored=stored,
        separate=int(page.planarconfig) == 2 and stored > 1,
        dtype=dtype,
        bits=int(page.bitspersample),
        inverted=photometric == _WHITE_IS_ZERO and np.dtype(dtype).kind == "u",
        alpha=alpha,
        colours=colours,
        jpeg=_jpeg(page, stored, photometric),
        codec=CODECS[int(page.compression)],
        offsets=np.asarray(page.dataoffsets, np.int64),
        counts=np.asarray(page.databytecounts, np.int64),
        decode=_tifffile_decode(page),
    )
    segments = raster.columns * raster.rows * (stored if raster.separate else 1)
    if not len(raster.offsets) == len(raster.counts) == segments:
        raise Corrupt("The scan's list of tiles does not fit its size.")
    require_inside_file(raster.offsets, raster.counts, file_size)
    return _recut(raster, page) if _is_bare(page) else raster


def _require_known(page: Page) -> None:
    """Refuse what no decoder here decodes faithfully, by its reason."""
    compression, photometric = int(page.compression), int(page.photometric)
    if compression == OLD_JPEG:
        raise Unsupported("This TIFF holds old-style JPEG (compression 6), which cannot be decoded reliably.")
    if compression not in CODECS:
        raise Unsupported("This TIFF is compressed in a way that PathServe does not read.")
    if photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, YCBCR):
        raise Unsupported("The colours of this TIFF are of a kind that PathServe does not read.")
    if photometric == YCBCR and compression not in (JPEG, 34892):
        raise Unsupported("This TIFF holds YCbCr colours without JPEG, which PathServe does not read.")
    if page.imagedepth != 1:
        raise Unsupported("This TIFF holds volumes in one image, which PathServe does not read.")
    if not 1 <= page.samplesperpixel <= MAX_PLANES:
        raise Corrupt("The scan states an impossible number of samples.")


def _dtype(page: Page) -> str:
    """Name the type of the decoded samples; single bits become bytes."""
    if page.dtype is None or not isinstance(page.bitspersample, int):
        raise Unsupported("The samples of this TIFF are of a kind that PathServe does not read.")
    name: str = np.dtype(page.dtype).name
    if name == "bool":
        return "uint8"
    if name not in DTYPES:
        raise Unsupported(f"Samples of type {name} are not read.")
    return name


def _colours(page: Page) -> npt.NDArray[np.uint8]:
    """Give the palette as (n, 3) uint8; TIFF states 16 bits, but some writers put 8 there."""
    stated = page.colormap
    if page.bitspersample > 8 or stated is None or stated.ndim != 2 or stated.shape[0] != 3:
        raise Unsupported("The colour table of this TIFF is of a kind that PathServe does not read.")
    wide = stated.max(initial=0) > 255
    table: npt.NDArray[np.uint8] = (stated // 256 if wide else stated).astype(np.uint8).T
    if len(table) < 1 << page.bitspersample:
        raise Corrupt("The colour table of this TIFF is too short.")
    return table


def _segment(page: Page, size: Size, bytes_per_pixel: int) -> Size:
    if page.is_tiled:
        segment = require_size(page.tilewidth, page.tilelength)
    else:
        segment = Size(size.width, max(1, min(int(page.rowsperstrip), size.height)))
    pixels = segment.width * segment.height
    if not _is_bare(page) and (pixels > MAX_TILE_PIXELS or pixels * bytes_per_pixel > _MAX_SEGMENT_BYTES):
        raise TooLarge(f"A tile may have at most {MAX_TILE_PIXELS:,} pixels.")
    return segment


def _jpeg(page: Page, stored: int, photometric: int) -> Jpeg | None:
    """Tell how segments become complete JPEGs, when they may be 8-bit ones of colour or grey."""
    colour = stored == 3 and photometric in (_RGB, YCBCR) and page.planarconfig == 1
    grey = stored == 1 and photometric == _BLACK_IS_ZERO
    if page.compression != JPEG or page.bitspersample != 8 or not (colour or grey):
        return None
    return Jpeg(page.jpegtables or b"", photometric == _RGB)


def _is_bare(page: Page) -> bool:
    """Tell whether the rows of an image lie in the file as they are."""
    return (
        not page.is_tiled
        and page.compression == 1
        and page.predictor == 1
        and page.fillorder == 1
        and page.bitspersample in (8, 16, 32)
    )


def _recut(raster: Raster, page: Page) -> Raster:
    """Cut strips without compression into short ones, so that a region reads the rows that it needs."""
    contiguous = 1 if raster.separate else raster.stored
    width, strip_rows = raster.size.width, raster.segment.height
    row_bytes = width * contiguous * np.dtype(raster.dtype).itemsize
    rows = min(max(1, _RECUT_BYTES // row_bytes), strip_rows)
    if raster.rows > 1:  # pieces of all strips must lie on one grid
        rows = next(fitting for fitting in range(rows, 0, -1) if strip_rows % fitting == 0)
    starts = np.arange(0, strip_rows, rows)
    if len(starts) * len(raster.offsets) > _MAX_PIECES:
        raise TooLarge(f"An image may consist of at most {_MAX_PIECES:,} pieces.")
    first = np.arange(len(raster.offsets)) % raster.rows * strip_rows
    heights = np.minimum(strip_rows, raster.size.height - first)
    if np.any((raster.counts > 0) & (raster.counts < heights * row_bytes)):
        raise Corrupt("A strip of the scan is shorter than its rows.")
    piece_rows = np.clip(heights[:, None] - starts, 0, rows)
    there = piece_rows > 0
    stored_type = np.dtype(raster.dtype).newbyteorder(page.parent.byteorder)

    def decode(data: bytes, index: int) -> npt.NDArray[Any]:
        del index
        values = np.frombuffer(data, stored_type).reshape(-1, width, contiguous)
        return values.astype(raster.dtype, copy=False)

    return replace(
        raster,
        segment=Size(width, rows),
        offsets=(raster.offsets[:, None] + starts * row_bytes)[there],
        counts=(piece_rows * row_bytes * (raster.counts > 0)[:, None])[there],
        decode=decode,
    )


def _tifffile_decode(page: Page) -> Decode:
    """Wrap tifffile's decoder of an image's segments; it needs no open file."""
    decoder = page.decode
    tables = page.jpegtables if page.compression == JPEG else None

    def decode(data: bytes, index: int) -> npt.NDArray[Any]:
        values, _, shape = decoder(data, index, jpegtables=tables)
        array: npt.NDArray[Any] = np.asarray(values).reshape(shape)[0]
        return array

    return decode
