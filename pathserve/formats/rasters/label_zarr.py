"""Labels of an OME-Zarr image (0.4 and 0.5): a folder of label images, each an image of whole numbers.

The folder may be the image, its group of labels, or one label image; of several labels the user says which
(``--option label=NAME``), and of several planes and times too (``--option z=0``, ``--option t=0``). Foreign Zarr is
hostile: the reader of scans checks metadata and chunks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.errors import Corrupt, Invalid, NotFound, TooLarge, Unsupported
from pathserve.formats.contract import Format, Item, ReadContext
from pathserve.formats.rasters.label_mask import Mask, items_of_mask
from pathserve.slides.omezarr.array import read_array
from pathserve.slides.omezarr.chunks import ChunkedArray
from pathserve.slides.omezarr.folder import Json, ZarrFolder, safe_path
from pathserve.slides.omezarr.images import read_image

_MAX_BAND_BYTES = 256 * 1024 * 1024
_MAX_LABELS = 1000


def is_label_folder(path: Path) -> bool:
    """Tell whether a folder is an OME-Zarr image with labels, or a part of one."""
    return path.is_dir() and any((path / name).is_file() for name in (".zgroup", "zarr.json"))


def read_labels(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a label image, a row of chunks at a time."""
    if not is_label_folder(path):
        raise Invalid("This is no folder of an OME-Zarr image.", code="no_labels")
    try:
        image = _open(ZarrFolder(path), context)
        yield from items_of_mask(Mask(image.bands), None, context)
    except Corrupt as error:
        raise Invalid(error.message, code="damaged") from None
    except NotFound:
        raise Invalid("The OME-Zarr image has no such labels.", code="choose_label") from None


@dataclass(frozen=True, slots=True)
class _LabelImage:
    """One plane of an array.

    Parameters
    ----------
    fixed
        Axis -> place, of those that are neither x nor y.
    """

    array: ChunkedArray
    x: int
    y: int
    fixed: dict[int, int]

    def bands(self) -> Iterator[npt.NDArray[Any]]:
        """Give the plane in bands of rows, from the top."""
        spec = self.array.spec
        height, width = spec.shape[self.y], spec.shape[self.x]
        rows, columns = spec.coding.shape[self.y], spec.coding.shape[self.x]
        dtype = spec.coding.dtype.newbyteorder("=")
        place = [0] * len(spec.shape)
        pick: list[Any] = [slice(None)] * len(spec.shape)
        for axis, index in self.fixed.items():
            place[axis], pick[axis] = index // spec.coding.shape[axis], index % spec.coding.shape[axis]
        for row in range(-(-height // rows)):
            band = np.full((rows, -(-width // columns) * columns), spec.fill, dtype)
            for column in range(-(-width // columns)):
                place[self.y], place[self.x] = row, column
                chunk = self.array.decoded(tuple(place))
                if chunk is not None:
                    plane = chunk[tuple(pick)]
                    band[:, column * columns : (column + 1) * columns] = plane.T if self.x < self.y else plane
            yield band[: height - row * rows, :width]


def _open(folder: ZarrFolder, context: ReadContext) -> _LabelImage:
    group = _choose(folder, context.options.get("label"))
    stated = read_image(folder, group)
    spec = read_array(folder, stated.levels[0][0])
    if np.dtype(spec.coding.dtype).kind not in "iub":
        raise Unsupported("A label image has rows and columns of whole numbers.", code="no_labels")
    if len(spec.shape) != len(stated.axes):
        raise Invalid("The metadata of the labels is damaged.", code="damaged")
    x, y = stated.axes.index("x"), stated.axes.index("y")
    fixed = {}
    for axis, name in enumerate(stated.axes):
        if name in "xy":
            continue
        chosen = context.options.get(name, "0" if spec.shape[axis] == 1 else "")
        if not chosen.isdecimal() or len(chosen) > 9 or int(chosen) >= spec.shape[axis]:
            raise Invalid(
                "The labels have several planes, times or channels; say which with the option z=0, t=0 or c=0.",
                code="choose_plane",
            )
        fixed[axis] = int(chosen)
    if spec.coding.shape[y] * spec.shape[x] * spec.coding.dtype.itemsize > _MAX_BAND_BYTES:
        raise TooLarge("The label image is too large.", code="mask_too_large")
    return _LabelImage(ChunkedArray(folder, spec), x, y, fixed)


def _choose(folder: ZarrFolder, wanted: str | None) -> str:
    """Give the group of the label image."""
    root = _attributes(folder, "")
    names = root.get("labels")
    before = ""
    if names is None and "image-label" in root:
        return ""
    if names is None:
        names, before = _attributes(folder, "labels").get("labels"), "labels/"
    if not isinstance(names, list) or not 0 < len(names) <= _MAX_LABELS:
        raise Unsupported("The OME-Zarr image has no labels.", code="no_labels")
    known = [name for name in names if isinstance(name, str) and wanted in (None, name)]
    if len(known) != 1:
        raise Invalid("The image has several labels; say which with the option label=NAME.", code="choose_label")
    return before + safe_path(known[0])


def _attributes(folder: ZarrFolder, group: str) -> Json:
    """Give what a group states as OME-Zarr, in either version of Zarr; empty when there is no such group."""
    inside = f"{group}/" if group else ""
    third = folder.metadata(f"{inside}zarr.json")
    found = folder.metadata(f"{inside}.zattrs") if third is None else (third.get("attributes") or {}).get("ome")
    return found if isinstance(found, dict) else {}


OME_ZARR_LABELS = Format(
    name="ome-zarr-labels",
    title="OME-Zarr labels",
    endings=(".zarr",),
    media_type="application/octet-stream",
    # A folder has no first bytes; `registry.recognise_path` looks at what is in it.
    recognise=lambda _: False,
    read=read_labels,
    options=("kind", "classes", "label", "z", "t", "c"),
)
