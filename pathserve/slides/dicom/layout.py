"""How the pixels of a DICOM file are stored, as its header states."""

from dataclasses import dataclass, replace

import numpy as np

from pathserve.errors import Corrupt, TooLarge, Unsupported
from pathserve.slides.dicom.elements import DOUBLE_PIXELS, FLOAT_PIXELS
from pathserve.slides.dicom.instance import Instance
from pathserve.slides.dicom.values import text, whole
from pathserve.slides.limits import MAX_TILE_PIXELS, require_size

NATIVE = "none"
_PREFIX = "1.2.840.10008.1.2"
_CODECS = {
    _PREFIX: NATIVE,  # implicit, little-endian
    f"{_PREFIX}.1": NATIVE,
    f"{_PREFIX}.2": NATIVE,  # big-endian
    f"{_PREFIX}.1.99": NATIVE,  # deflated: the file as a whole
    f"{_PREFIX}.4.50": "jpeg",
    f"{_PREFIX}.4.51": "jpeg",
    f"{_PREFIX}.4.57": "jpeg-lossless",
    f"{_PREFIX}.4.70": "jpeg-lossless",
    f"{_PREFIX}.4.80": "jpeg-ls",
    f"{_PREFIX}.4.81": "jpeg-ls",
    f"{_PREFIX}.4.90": "jpeg2000",
    f"{_PREFIX}.4.91": "jpeg2000",
    f"{_PREFIX}.4.201": "htj2k",
    f"{_PREFIX}.4.202": "htj2k",
    f"{_PREFIX}.4.203": "htj2k",
    f"{_PREFIX}.5": "rle",
}
"""Names of the compressions by transfer syntax."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the pixels of a frame are stored.

    Parameters
    ----------
    width, height
        Pixels of a frame.
    samples
        Samples a pixel: 1 or 3.
    dtype
        Type of a sample, in this machine's order.
    stored, high
        Bits of a sample that are used, and the number of the highest of them.
    photometric
        Photometric interpretation.
    planar
        Whether all of red comes before all of green, in pixels that are not compressed.
    codec
        Compression by name, ``NATIVE`` for none.
    big
        Whether pixels that are not compressed have the highest byte first.
    words
        Whether they are 16-bit words, so that 8-bit samples come swapped in big-endian files.
    """

    width: int
    height: int
    samples: int
    dtype: np.dtype[np.generic]
    stored: int
    high: int
    photometric: str
    planar: bool
    codec: str
    big: bool
    words: bool

    @property
    def subsampled(self) -> bool:
        """Whether two pixels share their colour in pixels that are not compressed."""
        return self.codec == NATIVE and self.photometric == "YBR_FULL_422"

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame when it is not compressed."""
        samples = 2 if self.subsampled else self.samples
        return self.width * self.height * samples * self.dtype.itemsize

    @property
    def most_bytes(self) -> int:
        """Bytes that no encoder exceeds."""
        return 2 * self.width * self.height * self.samples * self.dtype.itemsize + (1 << 20)

    @property
    def swapped(self) -> bool:
        """Whether the bytes of each two 8-bit samples have changed places."""
        return self.big and self.words and self.dtype.itemsize == 1

    def of_height(self, height: int) -> "Layout":
        """Give the layout of some whole rows."""
        return replace(self, height=height)

    @property
    def is_rgb(self) -> bool:
        """Whether it gives a colour picture of 8 bits."""
        return self.samples == 3 and self.dtype == np.uint8


def layout_of(instance: Instance) -> Layout:
    """Read how a file's frames are stored.

    Raises
    ------
    Unsupported
        When it is in a way that PathServe does not decode.
    Corrupt, TooLarge
        When what the header states is impossible or over a limit.
    """
    header = instance.dataset
    size = require_size(whole(header, "Columns"), whole(header, "Rows"))
    if size.width * size.height > MAX_TILE_PIXELS:
        raise TooLarge(f"A tile may have at most {MAX_TILE_PIXELS:,} pixels.")
    codec = _CODECS.get(str(instance.syntax))
    if codec is None:
        raise Unsupported("The pixels of this DICOM file are compressed in a way that PathServe does not read.")
    samples = whole(header, "SamplesPerPixel", 1)
    photometric = text(header, "PhotometricInterpretation")
    dtype = _dtype(instance)
    allocated = dtype.itemsize * 8
    stored = whole(header, "BitsStored", allocated)
    high = whole(header, "HighBit", stored - 1)
    if not 1 <= stored <= high + 1 <= allocated:
        raise Corrupt("The header of a DICOM file states an impossible number of bits.")
    _require_known_colour(samples, photometric, dtype)
    layout = Layout(
        width=size.width,
        height=size.height,
        samples=samples,
        dtype=dtype,
        stored=stored,
        high=high,
        photometric=photometric,
        planar=whole(header, "PlanarConfiguration", 0) == 1,
        codec=codec,
        big=not instance.little,
        words=instance.pixels.words,
    )
    if (layout.swapped or layout.subsampled) and layout.width * layout.height % 2:
        raise Unsupported("DICOM pictures of an odd number of pixels are not handled when they are stored in pairs.")
    return layout


def _dtype(instance: Instance) -> np.dtype[np.generic]:
    if instance.pixels.tag == FLOAT_PIXELS:
        return np.dtype(np.float32)
    allocated = whole(instance.dataset, "BitsAllocated")
    if instance.pixels.tag == DOUBLE_PIXELS or allocated not in (8, 16, 32):
        raise Unsupported("DICOM pictures of 1 or 64 bits a sample are not handled.")
    return np.dtype(f"{'i' if whole(instance.dataset, 'PixelRepresentation', 0) == 1 else 'u'}{allocated // 8}")


def _require_known_colour(samples: int, photometric: str, dtype: np.dtype[np.generic]) -> None:
    if photometric == "PALETTE COLOR":
        raise Unsupported("DICOM pictures with a palette of colours are not handled.")
    known = {1: photometric.startswith("MONOCHROME"), 3: photometric == "RGB" or photometric.startswith("YBR_")}
    if not known.get(samples, False):
        raise Unsupported("The colours of this DICOM file are stored in a way that PathServe does not read.")
    if samples == 3 and (dtype not in (np.uint8, np.uint16) or (dtype == np.uint16 and photometric != "RGB")):
        raise Unsupported("The colours of this DICOM file are stored in a way that PathServe does not read.")
