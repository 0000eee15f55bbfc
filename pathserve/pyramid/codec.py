"""The Zarr v3 codec of inner chunks: an (h, w, 3) or (h, w, 1) uint8 array as one JPEG.

The name and the stored form are those of imagecodecs' own codec, which has no entry point and no form for Python 3.11,
so stores open with either. The package declares this class as a ``zarr.codecs`` entry point.
"""

from dataclasses import dataclass, field
from typing import Any, Self

from zarr.abc.codec import ArrayBytesCodec
from zarr.registry import get_codec_class, register_codec

from pathserve.pyramid.layout import CODEC
from pathserve.slides import jpeg

_DEFAULT_LEVEL = 90


@dataclass(frozen=True)
class JpegCodec(ArrayBytesCodec):
    """JPEG as the last step before a chunk's bytes.

    Parameters
    ----------
    configuration
        As stored in the array's metadata. ``level`` is the quality when encoding (default 90); everything else
        only matters to other implementations and is kept.
    """

    is_fixed_size = False

    configuration: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Make the codec of its stored form."""
        return cls(dict(data.get("configuration") or {}))

    def to_dict(self) -> dict[str, Any]:
        """Give the stored form."""
        return {"name": CODEC, "configuration": dict(self.configuration)}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:  # noqa: ANN401 - zarr's types are private
        """Refuse, as zarr asks of codecs whose output has no fixed size."""
        raise NotImplementedError

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:  # noqa: ANN401 - zarr's types are private
        pixels = jpeg.decode(chunk_data.to_bytes(), grey=chunk_spec.shape[-1] == 1)
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(pixels.reshape(chunk_spec.shape))

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:  # noqa: ANN401 - zarr's types are private
        encoding = jpeg.Encoding(int(self.configuration.get("level") or _DEFAULT_LEVEL), "444")
        pixels = chunk_data.as_numpy_array()
        return chunk_spec.prototype.buffer.from_bytes(jpeg.encode(pixels.reshape(pixels.shape[-3:]), encoding))


def register() -> None:
    """Make the codec known to zarr where no entry point did, and never over another implementation."""
    try:
        get_codec_class(CODEC)
    except KeyError:
        register_codec(CODEC, JpegCodec)
