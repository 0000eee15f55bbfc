"""Label masks: pictures and arrays whose pixel values are classes, or numbers of objects.

A mask does not say which of the two it is. It is of classes when there is a class map: the member ``classes`` of an
.npz, HistomicsTK's table beside it (``*GTcodes.csv``, a file of the same folder), or
``--option classes=NAME=1,NAME=2``. Otherwise the user says ``--option kind=instance``. Pixel (0, 0) of the mask has its
corner at the origin; masks of another scale or of a part of the slide are moved by the affine of whoever imports them.

Each region of a class is an object; of a mask of objects each number is one. Outlines run along the edges of pixels, so
that drawing them gives the mask back.
"""

import csv
import itertools
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from pathserve.errors import Invalid, TooLarge, Unsupported
from pathserve.formats.contract import Format, Item, ReadContext
from pathserve.formats.rasters.label_arrays import is_array, open_array
from pathserve.formats.rasters.label_tiff import is_tiff, open_tiff
from pathserve.formats.rasters.traced import items_of_traced, trace_labels
from pathserve.formats.tables.wkb import Row
from pathserve.formats.tools.colors import parse_color
from pathserve.labels import BACKGROUND, IGNORE, require_name
from pathserve.masks.vectorize import LabelImage, trace_bands

MAX_PNG_PIXELS = 178_000_000
"""Most pixels of a PNG, which is decoded as a whole."""

_PNG = b"\x89PNG\r\n\x1a\n"
_MODES = {"1", "L", "P", "I;16", "I"}
_BAND_ROWS = 256
_MAX_TABLE = 1024 * 1024

Bands = Callable[[], Iterator[LabelImage]]


@dataclass(frozen=True, slots=True)
class Mask:
    """A label image.

    Parameters
    ----------
    bands
        Gives it in bands of rows from the top, each time anew.
    names
        Class -> value, when it says so itself.
    """

    bands: Bands
    names: dict[str, int] | None = None


def read_mask(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a mask by bands of rows; a PNG is decoded whole."""
    yield from items_of_mask(_open(path, context), path.parent, context)


def items_of_mask(mask: Mask, folder: Path | None, context: ReadContext) -> Iterator[Item]:
    """Trace a mask by what its values are.

    Parameters
    ----------
    folder
        Where a table of classes may lie beside it.

    Raises
    ------
    Invalid
        When nobody says what they are, or a value of a class mask has no name.
    """
    names = _class_map(folder, mask, context)
    kind = context.options.get("kind", "class" if names else None)
    if kind not in ("class", "instance", None):
        raise Invalid("The option kind is class or instance.", code="bad_option")
    if kind is None or (kind == "class" and not names):
        raise Invalid(
            "The mask does not say what its values mean: say the option kind=instance when each is an object, or name"
            " the classes with the option classes=NAME=1,NAME=2.",
            code="choose_kind",
        )
    seen = 0
    if kind == "instance":
        traced = trace_labels(mask.bands)
        rows = _instance
    else:
        by_value = {value: name for name, value in (names or {}).items()}
        traced = trace_bands(_known(mask.bands(), by_value))
        rows = _ClassRows(by_value)
    for some in traced:
        seen += len(some)
        if seen > context.max_features:
            raise TooLarge(f"At most {context.max_features:,} annotations are taken at once.")
        yield from items_of_traced(some, rows, context)


def _instance(label: int) -> Row:
    return Row(None, None, {"original_id": label})


class _ClassRows:
    """Names the class of a value."""

    def __init__(self, names: dict[int, str]) -> None:
        self._names = names

    def __call__(self, label: int) -> Row:
        return Row(None, self._names[label], {})


def _known(bands: Iterator[LabelImage], names: dict[int, str]) -> Iterator[LabelImage]:
    """Give the bands without what nobody looked at, and stop at a value without a name."""
    for band in bands:
        values = set(np.unique(band).tolist()) - names.keys() - {BACKGROUND}
        if values - {IGNORE}:
            raise Invalid("The mask has values that the class map does not name.", code="unnamed_value")
        yield np.where(band == IGNORE, BACKGROUND, band) if values else band


def _open(path: Path, context: ReadContext) -> Mask:
    with path.open("rb") as file:
        head = file.read(512)
    if is_tiff(head):
        return Mask(open_tiff(path).bands)
    if is_array(head):
        array = open_array(path, context.options.get("member"))
        return Mask(array.bands, array.names)
    picture = _picture(path)
    return Mask(lambda: _rows(picture))


def _picture(path: Path) -> npt.NDArray[Any]:
    """Decode a PNG."""
    try:
        with warnings.catch_warnings(), ExitStack() as stack:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = stack.enter_context(Image.open(path, formats=["PNG"]))
            if image.width * image.height > MAX_PNG_PIXELS:
                raise TooLarge(f"Label masks in PNG have at most {MAX_PNG_PIXELS:,} pixels.", code="mask_too_large")
            if image.mode not in _MODES:
                raise Unsupported("A label mask has one value a pixel, not colours.", code="no_labels")
            return np.asarray(image)
    except Image.DecompressionBombError:
        raise TooLarge(f"Label masks in PNG have at most {MAX_PNG_PIXELS:,} pixels.", code="mask_too_large") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise Invalid("The PNG is damaged, or was cut off.", code="damaged") from None


def _rows(picture: npt.NDArray[Any]) -> Iterator[LabelImage]:
    for first in range(0, len(picture), _BAND_ROWS):
        yield picture[first : first + _BAND_ROWS]


def _class_map(folder: Path | None, mask: Mask, context: ReadContext) -> dict[str, int] | None:
    """Give the class map, from the first place that has one."""
    stated = context.options.get("classes")
    names = _stated(stated) if stated is not None else (mask.names or _table_in(folder, context))
    for name in names or {}:
        require_name(name, "class name")
    if names and len(set(names.values())) < len(names):
        raise Invalid("The class map has two classes of one value.", code="bad_classes")
    return names


def _stated(text: str) -> dict[str, int]:
    names: dict[str, int] = {}
    for part in text.split(","):
        name, mark, value = part.rpartition("=")
        if not mark or not value.strip().isdecimal() or len(value) > 9:
            raise Invalid("The option classes is NAME=VALUE, with commas between.", code="bad_option")
        names[name.strip()] = int(value)
    return names


def _table_in(folder: Path | None, context: ReadContext) -> dict[str, int] | None:
    """Read HistomicsTK's table of classes when there is one in the folder."""
    tables = [] if folder is None else list(itertools.islice(folder.glob("*GTcodes.csv"), 2))
    if len(tables) != 1 or not tables[0].is_file() or tables[0].stat().st_size > _MAX_TABLE:
        return None
    names: dict[str, int] = {}
    try:
        with tables[0].open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                names[row["group"]] = int(row["GT_code"])
                color = parse_color(row.get("color"))
                if color is not None:
                    context.colors.setdefault(row["group"], color)
    except (KeyError, ValueError, TypeError, csv.Error):
        raise Invalid("The table of classes beside the mask cannot be read.", code="bad_classes") from None
    return names


LABEL_MASK = Format(
    name="mask",
    title="Label mask (PNG, TIFF, npy, npz)",
    endings=(".png", ".tif", ".npy", ".npz"),
    media_type="application/octet-stream",
    recognise=lambda head: head.startswith(_PNG) or is_tiff(head) or is_array(head),
    read=read_mask,
    options=("kind", "classes", "member"),
)
