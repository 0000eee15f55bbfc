"""DICOM segmentations of slides (PS3.3, A.51 and C.8.20): frames of pixels that belong to segments.

Each segment is drawn for itself, so that those which overlap keep their shapes; each region of one is an object, whose
outline runs along the edges of pixels. Shares (FRACTIONAL) count from ``--option threshold=0.5`` of their maximum.
Where the segmentation's pixels are larger than the slide's, outlines grow by the ratio that both files state.

A segment's property type becomes the class and its coded term; what else is said of it is kept with each of its
objects in the property ``dicom``. Segmentations of slices in a patient are no annotations of a slide and are refused.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels

from pathserve.errors import Invalid, TooLarge, Unsupported
from pathserve.formats.contract import Item, ReadContext
from pathserve.formats.dicom.cielab import color_of
from pathserve.formats.dicom.dicom_file import DAMAGED, ERRORS, algorithm_of, read_file, term, term_json
from pathserve.formats.rasters.traced import items_of_traced
from pathserve.formats.tables.attributes import parse_numbers
from pathserve.formats.tables.wkb import Row
from pathserve.labels import require_name
from pathserve.masks.vectorize import trace_bands

MAX_SIDE = 10_000_000
MAX_FRAMES = 4_000_000
_MAX_FRAME_PIXELS = 64 * 1024 * 1024
_MAX_BAND_PIXELS = 512 * 1024 * 1024

Frame = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment and its frames.

    Parameters
    ----------
    frames
        (n, 3) int64: index of the frame in the file, column and row of its corner; by row, then column.
    """

    number: int
    row: Row
    frames: npt.NDArray[np.int64]

    def row_of(self, _: int) -> Row:
        """Give class and properties, which all of its objects share."""
        return self.row


def read_segmentation(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read all segments, one after the other, a row of tiles at a time; memory holds the file."""
    try:
        # The package warns of many a harmless fault, and its warnings hold values.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = _Source(read_file(path), context)
            segments = source.segments()
    except ERRORS:
        raise Invalid(DAMAGED, code="damaged") from None
    scale = source.scale()
    seen = 0
    for segment in segments:
        if not len(segment.frames):
            continue
        corner = segment.frames[:, 1].min() * scale[0], segment.frames[:, 2].min() * scale[1]
        for traced in trace_bands(source.bands(segment)):
            seen += len(traced)
            if seen > context.max_features:
                raise TooLarge(f"At most {context.max_features:,} annotations are taken at once.")
            yield from items_of_traced(traced, segment.row_of, context, scale=scale, corner=corner)


class _Source:
    """The frames of a segmentation.

    Raises
    ------
    Unsupported
        When it is not of a slide.
    Invalid
        When what it says of its frames does not fit together.
    """

    def __init__(self, dataset: Dataset, context: ReadContext) -> None:
        self._dataset, self._context = dataset, context
        if "TotalPixelMatrixColumns" not in dataset:
            raise Unsupported("This segmentation is of slices in a patient, not of a slide.", code="not_a_slide")
        self._rows, self._columns = int(dataset.Rows), int(dataset.Columns)
        self._width, self._height = int(dataset.TotalPixelMatrixColumns), int(dataset.TotalPixelMatrixRows)
        self._count = int(dataset.get("NumberOfFrames", 1))
        self._kind = str(dataset.SegmentationType)
        self._check_sizes()
        self._data = dataset.get("PixelData")
        self._bits = int(dataset.BitsAllocated)
        self._native = not dataset.file_meta.TransferSyntaxUID.is_encapsulated
        if not isinstance(self._data, bytes) or self._bits not in (1, 8, 16):
            raise Invalid(DAMAGED, code="damaged")
        if self._native and len(self._data) * 8 < self._count * self._rows * self._columns * self._bits:
            raise Invalid(DAMAGED, code="damaged")
        self._threshold = self._least()

    def _check_sizes(self) -> None:
        if self._kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
            raise Unsupported("The segmentation is of a type that DICOM does not have.", code="bad_segmentation")
        sides = (self._rows, self._columns, self._width, self._height, self._count)
        if min(sides) < 1:
            raise Invalid(DAMAGED, code="damaged")
        large = max(self._width, self._height) > MAX_SIDE or self._count > MAX_FRAMES
        band = self._rows * (self._width + self._columns)
        if large or self._rows * self._columns > _MAX_FRAME_PIXELS or band > _MAX_BAND_PIXELS:
            raise TooLarge("The segmentation is too large.", code="mask_too_large")

    def _least(self) -> float:
        """Give the least stored value that counts as inside."""
        if self._kind != "FRACTIONAL":
            return 1
        (share,) = parse_numbers(self._context.options.get("threshold", "0.5"), 1, "threshold")
        if not 0 < share <= 1:
            raise Invalid("The option threshold lies above 0 and up to 1.", code="bad_option")
        self._context.losses.note("thresholded", "Shares became inside or outside, by one threshold for all.")
        return share * float(self._dataset.get("MaximumFractionalValue") or 255)

    def scale(self) -> tuple[float, float]:
        """Give level-0 pixels per pixel of the segmentation, along x and y."""
        mpp, shared = self._context.slide.mpp, self._dataset.get("SharedFunctionalGroupsSequence")
        stated = self._context.options.get("downsample")
        if stated is not None:
            (factor,) = parse_numbers(stated, 1, "downsample")
            if not 2**-20 <= factor <= 2**20:
                raise Invalid("The option downsample is a number above 0.", code="bad_option")
            return factor, factor
        try:
            spacing = shared[0].PixelMeasuresSequence[0].PixelSpacing
            down, across = float(spacing[0]) * 1000, float(spacing[1]) * 1000
        except ERRORS:
            return 1.0, 1.0
        if mpp is None or min(down, across) <= 0:
            return 1.0, 1.0
        found = _near_whole(across / mpp.x), _near_whole(down / mpp.y)
        if found != (1.0, 1.0):
            self._context.losses.note("scaled", "Outlines were scaled by the ratio of the stated pixel sizes.")
        return found

    def segments(self) -> list[_Segment]:
        """List the segments with their frames."""
        places = self._places()
        found = []
        for item in self._dataset.SegmentSequence:
            number = int(item.SegmentNumber)
            # A label map has all segments in each frame.
            mine = places if self._kind == "LABELMAP" else places[places[:, 3] == number]
            mine = mine[np.lexsort((mine[:, 1], mine[:, 2]))]
            if self._kind != "LABELMAP" or number > 0:
                found.append(_Segment(number, self._row(item, number), mine[:, :3]))
        if len({segment.number for segment in found}) < len(found):
            raise Invalid(DAMAGED, code="damaged")
        return found

    def _places(self) -> npt.NDArray[np.int64]:
        """Give (frames, 4): index, column and row of the corner, number of the segment."""
        if self._dataset.get("DimensionOrganizationType") == "TILED_FULL":
            return self._full()
        groups = self._dataset.PerFrameFunctionalGroupsSequence
        places = np.zeros((self._count, 4), np.int64)
        for index in range(self._count):
            group = groups[index]
            place = group.PlanePositionSlideSequence[0]
            places[index, :3] = (
                index,
                int(place.ColumnPositionInTotalImagePixelMatrix) - 1,
                int(place.RowPositionInTotalImagePixelMatrix) - 1,
            )
            if self._kind != "LABELMAP":
                places[index, 3] = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        outside = (places[:, 1:3] < 0).any(axis=1) | (places[:, 1] >= self._width) | (places[:, 2] >= self._height)
        if outside.any():
            raise Invalid("Frames of the segmentation lie outside it.", code="bad_frames")
        return places

    def _full(self) -> npt.NDArray[np.int64]:
        """Give the places that frames have without saying so: row by row, segment after segment."""
        across, down = -(-self._width // self._columns), -(-self._height // self._rows)
        segments = 1 if self._kind == "LABELMAP" else len(self._dataset.SegmentSequence)
        if across * down * segments != self._count:
            raise Invalid("The segmentation has not as many frames as its size asks for.", code="bad_frames")
        index = np.arange(self._count, dtype=np.int64)
        within = index % (across * down)
        columns, rows = within % across * self._columns, within // across * self._rows
        return np.stack((index, columns, rows, index // (across * down) + 1), axis=1)

    def _row(self, item: Dataset, number: int) -> Row:
        """Give class and properties of a segment's objects."""
        coded = term(item.get("SegmentedPropertyTypeCodeSequence"))
        label = str(item.get("SegmentLabel") or "")
        name = coded.meaning if coded is not None else (label or None)
        if name is not None:
            require_name(name, "class name")
            if coded is not None:
                self._context.codes.setdefault(name, coded)
            color = color_of(item)
            if color is not None:
                self._context.colors.setdefault(name, color)
        about = {
            "segment": number,
            "label": label or None,
            "category": term_json(term(item.get("SegmentedPropertyCategoryCodeSequence"))),
            "type": term_json(coded),
            "generation": str(item.get("SegmentAlgorithmType") or "") or None,
            "algorithm": algorithm_of(item, "SegmentationAlgorithmIdentificationSequence"),
            "trackingId": str(item.get("TrackingID") or "") or None,
            "trackingUid": str(item.get("TrackingUID") or "") or None,
        }
        return Row(None, name, {"dicom": {key: value for key, value in about.items() if value is not None}})

    def bands(self, segment: _Segment) -> Iterator[npt.NDArray[np.bool_]]:
        """Draw a segment in bands of rows, as far as its frames reach."""
        frames = segment.frames
        left, right = int(frames[:, 1].min()), min(int(frames[:, 1].max()) + self._columns, self._width)
        top, bottom = int(frames[:, 2].min()), min(int(frames[:, 2].max()) + self._rows, self._height)
        band = np.zeros((2 * self._rows, right - left), np.bool_)
        for first in range(top, bottom, self._rows):
            # A frame may begin in this band and end in the next.
            here = frames[(frames[:, 2] >= first) & (frames[:, 2] < first + self._rows)]
            for index, column, row in here.tolist():
                pixels = self._inside(index, segment.number)[: bottom - row, : right - column]
                part = band[row - first :, column - left :]
                part[: pixels.shape[0], : pixels.shape[1]] |= pixels
            yield band[: min(self._rows, bottom - first)].copy()
            band = np.concatenate((band[self._rows :], np.zeros_like(band[: self._rows])))

    def _inside(self, index: int, number: int) -> npt.NDArray[np.bool_]:
        frame = self._frame(index)
        inside: npt.NDArray[np.bool_] = frame == number if self._kind == "LABELMAP" else frame >= self._threshold
        return inside

    def _frame(self, index: int) -> Frame:
        """Decode one frame."""
        size = self._rows * self._columns
        if not self._native:
            return self._packed(index)
        if self._bits == 1:
            # Frames of single bits follow each other without a gap (PS3.5, 8.2).
            start = index * size
            data = np.frombuffer(self._data, np.uint8, (start % 8 + size + 7) // 8, start // 8)
            bits = np.unpackbits(data, bitorder="little")[start % 8 : start % 8 + size]
            return bits.reshape(self._rows, self._columns)
        little = self._dataset.original_encoding[1] is not False
        kind = np.dtype(f"{'<' if little else '>'}u{self._bits // 8}")
        found = np.frombuffer(self._data, kind, size, index * size * kind.itemsize)
        return found.reshape(self._rows, self._columns)

    def _packed(self, index: int) -> Frame:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                frame = next(iter(iter_pixels(self._dataset, indices=[index])))
        except RuntimeError:
            raise Unsupported("The segmentation is compressed in a way that is not read.", code="bad_codec") from None
        except (*ERRORS, StopIteration):
            raise Invalid(DAMAGED, code="damaged") from None
        if frame.shape != (self._rows, self._columns):
            raise Invalid(DAMAGED, code="damaged")
        return frame


def _near_whole(ratio: float) -> float:
    """Give a ratio, or the whole number that it is but for rounding."""
    whole = float(max(round(ratio), 1))
    return whole if abs(ratio - whole) <= 0.01 * whole else ratio
