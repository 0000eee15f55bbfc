"""DICOM files made by pydicom: pictures cut into frames, with headers as a test wants them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import RLELosslessEncoder
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    VLWholeSlideMicroscopyImageStorage,
    generate_uid,
)

from pathserve.geometry import LevelRegion
from pathserve.pixels import Plane
from pathserve.slides.dicom.opening import open_dicom

ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    JPEG2000Lossless: lambda frame: imagecodecs.jpeg2k_encode(frame, level=0, reversible=True, codecformat="j2k"),
    HTJ2KLossless: imagecodecs.htj2k_encode,
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEGBaseline8Bit: lambda frame: imagecodecs.jpeg8_encode(frame, level=92),
}


def base_dataset(sop_class: str, syntax: str, frames: Sequence[np.ndarray]) -> Dataset:
    """Everything that says how frames of one shape (h, w) or (h, w, 3) are stored, and the frames themselves."""
    first = frames[0]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, generate_uid()
    dataset.SeriesInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns = first.shape[:2]
    dataset.SamplesPerPixel = 1 if first.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if first.ndim == 2 else "RGB"
    if first.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = first.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(first.dtype.kind == "i")
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    if syntax == RLELossless:
        runs = [RLELosslessEncoder.encode(frame, **_rle(dataset)) for frame in frames]
        dataset.PixelData = encapsulate(runs)
    elif syntax in ENCODERS:
        dataset.PixelData = encapsulate([ENCODERS[syntax](np.ascontiguousarray(frame)) for frame in frames])
    else:
        order = ">" if syntax == pydicom.uid.ExplicitVRBigEndian else "<"
        data = b"".join(frame.astype(frame.dtype.newbyteorder(order)).tobytes() for frame in frames)
        dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if syntax in ENCODERS or syntax == RLELossless or first.itemsize == 1 else "OW"
    return dataset


def _rle(dataset: Dataset) -> dict[str, Any]:
    return {
        "rows": dataset.Rows, "columns": dataset.Columns, "samples_per_pixel": dataset.SamplesPerPixel,
        "bits_allocated": dataset.BitsAllocated, "bits_stored": dataset.BitsStored,
        "pixel_representation": dataset.PixelRepresentation, "number_of_frames": 1,
        "photometric_interpretation": dataset.PhotometricInterpretation, "planar_configuration": 0,
    }  # fmt: skip


def tiles_of(image: np.ndarray, tile: int) -> list[np.ndarray]:
    """Cut a picture into square tiles, row by row; the last ones are filled up with 9."""
    rows, columns = -(-image.shape[0] // tile), -(-image.shape[1] // tile)
    padded = np.full((rows * tile, columns * tile, *image.shape[2:]), 9, image.dtype)
    padded[: image.shape[0], : image.shape[1]] = image
    return [
        padded[row * tile : (row + 1) * tile, col * tile : (col + 1) * tile]
        for row in range(rows)
        for col in range(columns)
    ]


@pytest.fixture
def picture() -> Callable[..., np.ndarray]:
    """Give a picture by a formula: (h, w, 3) uint8, or (h, w) of another type."""

    def make(width: int, height: int, *, dtype: str = "uint8", rgb: bool = False, seed: int = 0) -> np.ndarray:
        y, x = np.mgrid[0:height, 0:width] + seed
        if rgb:
            return np.stack([x * 3 + y, x + y * 5, x * y // 7], axis=-1).astype(np.uint8)
        low = np.iinfo(dtype).min
        return (x * 37 + y * 101 + low).astype(dtype)

    return make


@pytest.fixture
def write_slide(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of a slide: the tiles of one or more pictures of a size, one after the other."""

    def write(
        images: np.ndarray | Sequence[np.ndarray],
        *,
        tile: int = 32,
        name: str = "slide.dcm",
        syntax: str = ExplicitVRLittleEndian,
        flavor: str = "VOLUME",
        change: Callable[[Dataset], None] | None = None,
    ) -> Path:
        pictures = [images] if isinstance(images, np.ndarray) else list(images)
        frames = [frame for image in pictures for frame in tiles_of(image, tile)]
        dataset = base_dataset(VLWholeSlideMicroscopyImageStorage, syntax, frames)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", flavor, "NONE"]
        dataset.Modality = "SM"
        dataset.NumberOfFrames = len(frames)
        dataset.TotalPixelMatrixRows, dataset.TotalPixelMatrixColumns = pictures[0].shape[:2]
        dataset.DimensionOrganizationType = "TILED_FULL"
        if change is not None:
            change(dataset)
        dataset.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return write


@pytest.fixture
def write_slice(tmp_path: Path) -> Callable[..., Path]:
    """Write a picture, or several, as a CT file; keyword arguments become elements of its header."""

    def write(
        images: np.ndarray | Sequence[np.ndarray],
        name: str,
        *,
        syntax: str = ExplicitVRLittleEndian,
        change: Callable[[Dataset], None] | None = None,
        **elements: Any,
    ) -> Path:
        frames = [images] if isinstance(images, np.ndarray) else list(images)
        dataset = base_dataset(CTImageStorage, syntax, frames)
        dataset.Modality = "CT"
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        if change is not None:
            change(dataset)
        dataset.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return write


@pytest.fixture
def pixels() -> Callable[..., np.ndarray]:
    """Open files and read one plane of level 0 whole."""

    def read(*files: Path, plane: Plane | None = None, scene: int = 0) -> np.ndarray:
        with open_dicom(files, scene) as source:
            size = source.info.size
            return source.read(0, LevelRegion(0, 0, size.width, size.height), plane or Plane())

    return read
