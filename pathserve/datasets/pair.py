"""A tile-mask pair: pixels and labels on one grid."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.masks import encode_npz


@dataclass(frozen=True, slots=True)
class TileMaskPair:
    """An image and its mask on the same grid.

    Parameters
    ----------
    image
        uint8, (h, w, 3), RGB.
    mask
        (h, w); dtype by kind.
    classes
        Class map ``{name: mask value}``.
    """

    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[Any]
    classes: Mapping[str, int]


def encode_pair_npz(pair: TileMaskPair) -> bytes:
    """Encode the members ``image``, ``mask`` and ``classes`` (a JSON text); equal pairs give equal bytes."""
    classes = np.array(orjson.dumps(dict(pair.classes)).decode())
    return encode_npz({"image": pair.image, "mask": pair.mask, "classes": classes})
