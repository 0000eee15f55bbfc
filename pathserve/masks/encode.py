"""Masks as bytes. The same mask gives the same bytes every time."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pathserve.errors import TooLarge, Unsupported

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_PNG_LEVEL = 1  # masks are runs of equal values: higher levels cost much more time than they save bytes


def encode_png(mask: npt.NDArray[Any]) -> bytes:
    """Encode a mask as a grey PNG whose pixel values are the mask's values.

    Parameters
    ----------
    mask
        Array (h, w): uint8 becomes 8-bit grey; uint32 object numbers 16-bit grey, when all are below 65,536.

    Returns
    -------
    PNG.

    Raises
    ------
    TooLarge
        When an object number does not fit into 16 bits.
    Unsupported
        For float masks: PNG would round them.
    """
    if mask.dtype == np.uint8:
        grey = mask
    elif mask.dtype == np.uint32:
        if mask.max(initial=0) > np.iinfo(np.uint16).max:
            raise TooLarge("These object numbers need more than the 16 bits of a PNG; ask for npy.")
        grey = mask.astype(np.uint16)
    else:
        raise Unsupported("Distances and shares are no whole numbers and do not fit a PNG; ask for npy.")
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="png", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def encode_npy(array: npt.NDArray[Any]) -> bytes:
    """Encode an array as `numpy.load` reads it."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def encode_npz(members: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Encode named arrays as `numpy.load` reads them; stored, not deflated, and without the time of day.

    Parameters
    ----------
    members
        Arrays by name, in the order in which they are written.

    Returns
    -------
    An npz file. Memory: twice the arrays.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in members.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=_ZIP_DATE), encode_npy(array))
    return buffer.getvalue()
