"""Writes DICOM segmentations of slides: one segment for each class, its tiles of 512 pixels as single bits.

A segmentation holds pixels, so the user says at which scale (``--option downsample=4``); what has to keep its outlines
or its objects apart goes into `dicom_ann` instead. Empty tiles are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from pathserve.errors import Invalid, TooLarge, Unsupported
from pathserve.formats.contract import WriteContext
from pathserve.formats.dicom.cielab import to_cielab
from pathserve.formats.dicom.dicom import SEGMENTATION
from pathserve.formats.dicom.dicom_file import new_file, reference, term_sequence, write_file, write_label
from pathserve.formats.tables.attributes import note_drawn, parse_numbers
from pathserve.geometry import PixelGrid
from pathserve.labels import CodedTerm, Columns, GeometryKind
from pathserve.masks.outlines import Outlines
from pathserve.masks.raster import draw

TILE = 512
MAX_BYTES = 2**31 - 2**20
"""Most bytes of all tiles; they are held in memory."""

MAX_FRAMES = 1_000_000
"""Most tiles: each has some 500 bytes of description too."""

MAX_VERTICES = 50_000_000
"""Most vertices of a class; they are held in memory."""

_CATEGORY = CodedTerm("SCT", "91723000", "Anatomical Structure")
_SCHEME, _NO_CLASS = "99PATHSERVE", "unclassified"
_ORIENTATION = [0.0, -1.0, 0.0, -1.0, 0.0, 0.0]
_AREAL = (GeometryKind.POLYGON, GeometryKind.MULTI_POLYGON)


@dataclass(slots=True)
class _Class:
    """Outlines of a class."""

    xy: list[npt.NDArray[np.float64]] = field(default_factory=list)
    lengths: list[npt.NDArray[np.int64]] = field(default_factory=list)
    parts: list[npt.NDArray[np.int64]] = field(default_factory=list)
    part_count: int = 0
    vertices: int = 0

    def add(self, columns: Columns) -> None:
        """Add annotations."""
        rings = np.diff(columns.part_starts)
        self.xy.append(columns.xy)
        self.lengths.append(np.diff(columns.ring_starts))
        self.parts.append(np.repeat(np.arange(len(rings)) + self.part_count, rings))
        self.part_count += len(rings)
        self.vertices += len(columns.xy)

    def outlines(self) -> Outlines:
        """Give all of them, as one geometry."""
        xy, lengths, part = np.concatenate(self.xy), np.concatenate(self.lengths), np.concatenate(self.parts)
        following = np.arange(1, len(xy) + 1)
        ends = np.cumsum(lengths)
        following[ends - 1] = ends - lengths
        return Outlines(xy, following, np.repeat(part, lengths), np.zeros(self.part_count, np.int64))


def write_segmentation(batches: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write a segmentation; memory holds outlines and tiles."""
    grid = _grid(context)
    classes = _collect(batches, context)
    frames: list[bytes] = []
    places: list[tuple[int, int, int]] = []
    for number, outlines in enumerate(classes.values(), 1):
        for column, row, tile in _tiles(outlines.outlines(), grid):
            frames.append(np.packbits(tile.reshape(-1), bitorder="little").tobytes())
            places.append((number, column, row))
            if len(frames) > MAX_FRAMES or len(frames) * TILE * TILE // 8 > MAX_BYTES:
                raise TooLarge("The segmentation is too large; use a larger downsample.", code="mask_too_large")
    if not frames:
        raise Invalid("There is nothing with an area, and a segmentation needs pixels.", code="no_area")
    write_file(_file(context, grid, list(classes), frames, places), out)


def _grid(context: WriteContext) -> PixelGrid:
    size, mpp = context.slide.size, context.slide.mpp
    stated = context.options.get("downsample")
    if stated is None:
        raise Unsupported(
            "A segmentation holds pixels: say at which scale with the option downsample=4, or use dicom-ann, which"
            " holds outlines.",
            code="choose_downsample",
        )
    (downsample,) = parse_numbers(stated, 1, "downsample")
    if size is None or mpp is None:
        raise Unsupported("A segmentation needs the slide's size and pixel size, which are not known.", code="no_size")
    if downsample <= 0:
        raise Invalid("The option downsample is a number above 0.", code="bad_option")
    width, height = max(1, int(np.ceil(size.width / downsample))), max(1, int(np.ceil(size.height / downsample)))
    return PixelGrid(0.0, 0.0, width, height, downsample, downsample)


def _collect(batches: Iterator[Columns], context: WriteContext) -> dict[str | None, _Class]:
    classes: dict[str | None, _Class] = {}
    losses = context.losses
    for columns in batches:
        note_drawn(columns, losses)
        areal = np.isin(columns.kinds, _AREAL)
        losses.leave_out("no_area", "Points, lines and collections are left out.", int((~areal).sum()))
        losses.note(
            "rasterized", "Outlines became pixels; ids, properties and single objects are not held.", len(columns)
        )
        for index in np.unique(columns.classes[areal]).tolist():
            some = columns.take(np.flatnonzero(areal & (columns.classes == index)))
            made = classes.setdefault(None if index < 0 else columns.class_names[index], _Class())
            made.add(some)
            if made.vertices > MAX_VERTICES:
                raise TooLarge("There are too many vertices to draw at once; use dicom-ann.", code="too_many_vertices")
    return classes


def _tiles(outlines: Outlines, grid: PixelGrid) -> Iterator[tuple[int, int, npt.NDArray[np.uint8]]]:
    """Draw a class; gives column and row of each tile with something in it."""
    inside = np.ones(1, np.uint8)
    for row in range(0, grid.height, TILE):
        rows = min(TILE, grid.height - row)
        band = draw(outlines, inside, grid, window=(0, row, grid.width, rows))
        for column in range(0, grid.width, TILE):
            part = band[:, column : column + TILE]
            if part.any():
                tile = np.zeros((TILE, TILE), np.uint8)
                tile[: part.shape[0], : part.shape[1]] = part
                yield column, row, tile


def _file(
    context: WriteContext,
    grid: PixelGrid,
    names: list[str | None],
    frames: list[bytes],
    places: list[tuple[int, int, int]],
) -> Dataset:
    made, _, instance = new_file(SEGMENTATION, "SEG", context)
    made.PatientOrientation = ""
    made.ImageType = ["DERIVED", "PRIMARY"]
    made.ContentLabel = "SEGMENTATION"
    made.FrameOfReferenceUID = generate_uid(prefix=None)
    made.PositionReferenceIndicator = "SLIDE_CORNER"
    made.SegmentationType, made.SegmentsOverlap = "BINARY", "UNDEFINED"
    made.Rows = made.Columns = TILE
    made.NumberOfFrames = len(frames)
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 1, 1, 0
    made.LossyImageCompression = "00"
    made.BurnedInAnnotation = "NO"
    _place(made, context, grid)
    made.SharedFunctionalGroupsSequence[0].DerivationImageSequence = Sequence([_derivation(instance)])
    made.SegmentSequence = Sequence([_segment(number, name, context) for number, name in enumerate(names, 1)])
    made.PerFrameFunctionalGroupsSequence = Sequence([_frame(made, place) for place in places])
    data = b"".join(frames)
    made.PixelData = data + bytes(len(data) % 2)
    made["PixelData"].VR = "OB"
    return made


def _place(made: Dataset, context: WriteContext, grid: PixelGrid) -> None:
    """Say where the picture lies on the glass, and how its frames are found."""
    mpp = context.slide.mpp
    origin, orientation = context.options.get("matrix_origin"), context.options.get("matrix_orientation")
    if mpp is None:
        raise Unsupported("A segmentation needs the slide's pixel size, which is not known.", code="no_size")
    if origin is None or orientation is None:
        context.losses.note("made_up_position", "The picture's place on the glass is not known; the file says (0, 0).")
    made.TotalPixelMatrixColumns, made.TotalPixelMatrixRows = grid.width, grid.height
    made.TotalPixelMatrixFocalPlanes = 1
    made.ImageOrientationSlide = parse_numbers(orientation, 6, "matrix_orientation") if orientation else _ORIENTATION
    corner = Dataset()
    x, y = parse_numbers(origin, 2, "matrix_origin") if origin else (0.0, 0.0)
    # What is stated is the centre of the first pixel, and ours may be larger than the slide's.
    across, down = (grid.downsample_x - 1) / 2 * mpp.x / 1000, (grid.downsample_y - 1) / 2 * mpp.y / 1000
    turned = [float(part) for part in made.ImageOrientationSlide]
    x, y = x + across * turned[0] + down * turned[3], y + across * turned[1] + down * turned[4]
    corner.XOffsetInSlideCoordinateSystem, corner.YOffsetInSlideCoordinateSystem = _ds(x), _ds(y)
    corner.ZOffsetInSlideCoordinateSystem = 0.0
    made.TotalPixelMatrixOriginSequence = Sequence([corner])
    organization, uid = Dataset(), generate_uid(prefix=None)
    organization.DimensionOrganizationUID = uid
    made.DimensionOrganizationSequence = Sequence([organization])
    made.DimensionOrganizationType = "TILED_SPARSE"
    pointers = ((0x0062000B, 0x0062000A), (0x0048021F, 0x0048021A), (0x0048021E, 0x0048021A))
    made.DimensionIndexSequence = Sequence([_index(uid, *pointer) for pointer in pointers])
    measures = Dataset()
    measures.PixelSpacing = [_ds(mpp.y * grid.downsample_y / 1000), _ds(mpp.x * grid.downsample_x / 1000)]
    measures.SliceThickness = 0.001
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    made.SharedFunctionalGroupsSequence = Sequence([shared])


def _derivation(instance: str) -> Dataset:
    """Say that the slide is what was segmented."""
    source, made = reference(instance), Dataset()
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = term_sequence(
        CodedTerm("DCM", "121322", "Source image for image processing operation")
    )
    made.SourceImageSequence = Sequence([source])
    made.DerivationCodeSequence = term_sequence(CodedTerm("DCM", "113076", "Segmentation"))
    return made


def _index(uid: str, pointer: int, group: int) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = uid
    item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, group
    return item


def _segment(number: int, name: str | None, context: WriteContext) -> Dataset:
    text = name or _NO_CLASS
    known = context.schema.get(text)
    made = Dataset()
    made.SegmentNumber, made.SegmentLabel = number, write_label(text, context.losses)
    made.SegmentAlgorithmType = "MANUAL"
    coded = known.code if known is not None else None
    if known is not None:
        made.RecommendedDisplayCIELabValue = to_cielab(known.color)
    made.SegmentedPropertyCategoryCodeSequence = term_sequence(_CATEGORY)
    made.SegmentedPropertyTypeCodeSequence = term_sequence(coded or CodedTerm(_SCHEME, text[:16], text))
    return made


def _frame(made: Dataset, place: tuple[int, int, int]) -> Dataset:
    number, column, row = place
    content, position, segment, group = Dataset(), Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = [number, row // TILE + 1, column // TILE + 1]
    position.ColumnPositionInTotalImagePixelMatrix, position.RowPositionInTotalImagePixelMatrix = column + 1, row + 1
    corner, turned = made.TotalPixelMatrixOriginSequence[0], made.ImageOrientationSlide
    down, across = (
        float(part) for part in made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    )
    for name, axis in (("X", 0), ("Y", 1)):
        start = float(getattr(corner, f"{name}OffsetInSlideCoordinateSystem"))
        away = start + column * across * float(turned[axis]) + row * down * float(turned[3 + axis])
        setattr(position, f"{name}OffsetInSlideCoordinateSystem", _ds(away))
    position.ZOffsetInSlideCoordinateSystem = 0.0
    segment.ReferencedSegmentNumber = number
    group.FrameContentSequence = Sequence([content])
    group.PlanePositionSlideSequence = Sequence([position])
    group.SegmentIdentificationSequence = Sequence([segment])
    return group


def _ds(value: float) -> Any:  # noqa: ANN401 - a number or its text
    """Give a number as the 16 characters that DICOM has for it."""
    return f"{value:.10g}"[:16]
