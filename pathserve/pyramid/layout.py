"""The layout on disk: every Zarr path and attribute is named here and nowhere else.

A slide is an OME-Zarr 0.5 group of Zarr v3 arrays, one per level ("0", "1", ...), with axes c, y, x; t stands in front
when the scan has several times, z before y when it has several planes. An array is cut into shards of 16 x 16 inner
chunks of one plane. An inner chunk of the tile size is a complete JPEG or, of scans that are kept without loss, a
Zstandard frame of its little-endian samples, channel by channel; behind the chunks of a shard lies their index with a
CRC-32C. What a shard does not hold is white in colour scans and 0 in others. Beside the arrays lie the manifest and, of
scans that are not in colour, the histograms of their channels.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pathserve.errors import Corrupt, Invalid, Unsupported
from pathserve.geometry import Mpp, Size
from pathserve.pixels import DTYPES, RGB_CHANNELS, Channel, Plane, SlideInfo, planes_of
from pathserve.slides.icc import neutral_profile
from pathserve.slides.jpeg import Encoding

METADATA = "zarr.json"
MANIFEST = "manifest.json"
HISTOGRAMS = "histograms.json"
SUFFIX = ".zarr"
SHARD_CHUNKS = 16
"""Inner chunks along each side of a shard."""

CODEC = "imagecodecs_jpeg"
"""Registered name of the inner codec; a neutral ``jpeg`` is under way in the zarr-extensions registry."""

Storage = Literal["jpeg", "zstd"]
"""How inner chunks are encoded: with the loss of JPEG, or without any."""

FILL = 255
"""What colour scans hold where they hold nothing: white."""

ZSTD_LEVEL = 3
FORMAT = 1
"""Version of what PathServe itself writes beside the OME metadata."""

OME = "ome"
FACTS = "pathserve"
_OME_VERSION = "0.5"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a pyramid knows about its slide.

    Parameters
    ----------
    size
        Level-0 pixels.
    tile
        Size of the inner chunks.
    level_count
        Stored levels, each half of the one before, rounded up.
    generation
        Grows by one whenever the pixels behind one slide id are replaced.
    storage
        How every chunk is encoded.
    encodings
        For every level the JPEG of chunks that are made, so that one made on request is the one that is built.

    The others are those of :class:`pathserve.pixels.SlideInfo`.
    """

    size: Size
    tile: Size
    level_count: int
    generation: int
    vendor: str
    codec: str
    mpp: Mpp | None
    mpp_plausible: bool
    objective_power: float | None
    icc_profile: bytes | None
    channels: tuple[Channel, ...] = RGB_CHANNELS
    rgb: bool = True
    dtype: str = "uint8"
    planes: int = 1
    plane_spacing: float | None = None
    times: int = 1
    storage: Storage = "jpeg"
    encodings: tuple[Encoding, ...] = ()
    bounds: tuple[int, int] = (0, 0)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of every array."""
        return axes_of(times=self.times, planes=self.planes)

    @property
    def samples(self) -> int:
        """Samples per pixel of a plane: 3 or 1."""
        return 3 if self.rgb else 1

    @property
    def fill(self) -> int:
        """The value of pixels that no chunk holds."""
        return FILL if self.rgb else 0

    def each_plane(self) -> Iterator[Plane]:
        """List every plane: by time, then channel, then depth."""
        return planes_of(times=self.times, channels=1 if self.rgb else len(self.channels), depth=self.planes)

    @property
    def default_plane(self) -> int:
        """The plane that is shown when nobody names one: the middle of a stack."""
        return self.planes // 2

    @property
    def levels(self) -> tuple[Size, ...]:
        """The size of every stored level, finest first."""
        sizes = [self.size]
        while len(sizes) < self.level_count:
            sizes.append(sizes[-1].halved())
        return tuple(sizes)

    @classmethod
    def of(
        cls, info: SlideInfo, *, tile: Size, level_count: int, generation: int, storage: Storage = "jpeg"
    ) -> "Facts":
        """Take over what a scan states: an allow-list, nothing else of a scan is ever stored."""
        return cls(
            size=info.size,
            tile=tile,
            level_count=level_count,
            generation=generation,
            vendor=info.vendor,
            codec=info.codec,
            mpp=info.mpp,
            mpp_plausible=info.mpp_plausible,
            objective_power=info.objective_power,
            icc_profile=neutral_profile(info.icc_profile),
            channels=info.channels,
            rgb=info.rgb,
            dtype=info.dtype,
            planes=info.planes,
            plane_spacing=info.plane_spacing,
            times=info.times,
            storage=storage,
            bounds=info.bounds,
        )


def axes_of(*, times: int, planes: int) -> tuple[str, ...]:
    """Name the axes that a slide's arrays have, in order."""
    return (*(("t",) if times > 1 else ()), "c", *(("z",) if planes > 1 else ()), "y", "x")


def level_folder(level: int) -> str:
    """Path of the folder of a level's shards inside the group."""
    return f"{level}/c"


def shard_path(axes: tuple[str, ...], level: int, plane: Plane, t_row: int, t_col: int) -> str:
    """Path of a shard inside the group; row and column count shards."""
    place = {"t": plane.t, "c": plane.c, "z": plane.z, "y": t_row, "x": t_col}
    return f"{level_folder(level)}/" + "/".join(str(place[axis]) for axis in axes)


def array_path(level: int) -> str:
    """Path of the metadata of one level inside the group."""
    return f"{level}/{METADATA}"


def grid_of(size: Size, tile: Size) -> tuple[int, int]:
    """Columns and rows of tiles that cover a size."""
    return -(-size.width // tile.width), -(-size.height // tile.height)


def array_metadata(facts: Facts, level: int) -> dict[str, Any]:
    """Give the Zarr v3 metadata of one level."""
    size, tile, axes = facts.levels[level], facts.tile, facts.axes
    channels = facts.samples if facts.rgb else len(facts.channels)
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    sharding = {
        "chunk_shape": _shape(axes, c=facts.samples, y=tile.height, x=tile.width),
        "codecs": _codecs(axes, facts.storage),
        "index_codecs": index,
        "index_location": "end",
    }
    shard = _shape(axes, c=facts.samples, y=tile.height * SHARD_CHUNKS, x=tile.width * SHARD_CHUNKS)
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": _shape(axes, t=facts.times, c=channels, z=facts.planes, y=size.height, x=size.width),
        "data_type": facts.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": facts.fill,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "dimension_names": list(axes),
        "attributes": {},
        "storage_transformers": [],
    }


def _shape(axes: tuple[str, ...], **lengths: int) -> list[int]:
    return [lengths.get(axis, 1) for axis in axes]


def _codecs(axes: tuple[str, ...], storage: Storage) -> list[dict[str, Any]]:
    if storage == "zstd":
        return [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": True}},
        ]
    samples_last = [i for i, axis in enumerate(axes) if axis != "c"] + [axes.index("c")]
    return [
        {"name": "transpose", "configuration": {"order": samples_last}},
        {"name": CODEC, "configuration": {}},
    ]


def group_metadata(facts: Facts) -> dict[str, Any]:
    """Give the metadata of the group: OME multiscales and channels, and PathServe's own facts."""
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {OME: _ome(facts), FACTS: _own(facts)},
    }


def _ome(facts: Facts) -> dict[str, Any]:
    # An implausible pixel size is kept among the facts but never used as a scale.
    mpp = facts.mpp if facts.mpp_plausible else None
    x, y = (1.0, 1.0) if mpp is None else (mpp.x, mpp.y)
    step = {"t": 1.0, "c": 1.0, "z": facts.plane_spacing or 1.0, "y": y, "x": x}
    measured = {"z": facts.plane_spacing is not None, "y": mpp is not None, "x": mpp is not None}
    datasets = []
    for level in range(facts.level_count):
        factor = {"y": 2**level, "x": 2**level}
        # The centre of the first pixel of level k lies (2^k - 1) / 2 level-0 pixels from that of level 0.
        transformations = [
            {"type": "scale", "scale": [step[axis] * factor.get(axis, 1) for axis in facts.axes]},
            {
                "type": "translation",
                "translation": [step[axis] * (factor.get(axis, 1) - 1) / 2 for axis in facts.axes],
            },
        ]
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    kinds = {"t": "time", "c": "channel"}
    axes = [
        {
            "name": axis,
            "type": kinds.get(axis, "space"),
            **({"unit": "micrometer"} if measured.get(axis) else {}),
        }
        for axis in facts.axes
    ]
    return {
        "version": _OME_VERSION,
        "multiscales": [{"name": "slide", "axes": axes, "datasets": datasets, "type": "mean"}],
        "omero": {
            "channels": [_omero_channel(channel, facts.dtype) for channel in facts.channels],
            "rdefs": {
                "model": "color" if len(facts.channels) > 1 else "greyscale",
                "defaultT": 0,
                "defaultZ": facts.default_plane,
            },
        },
    }


def _omero_channel(channel: Channel, dtype: str) -> dict[str, Any]:
    low, high = sample_range(dtype)
    start, end = channel.window or (low, high)
    return {
        "label": channel.name,
        "color": "{:02X}{:02X}{:02X}".format(*channel.color),
        "active": True,
        "coefficient": 1.0,
        "family": "linear",
        "inverted": False,
        "window": {"min": min(low, start), "max": max(high, end), "start": start, "end": end},
    }


def sample_range(dtype: str) -> tuple[float, float]:
    """Lowest and highest value of a sample type; 0 and 1 for floating point, as pictures use it."""
    if np.dtype(dtype).kind == "f":
        return 0.0, 1.0
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def _own(facts: Facts) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "generation": facts.generation,
        "size": [facts.size.width, facts.size.height],
        "tile": [facts.tile.width, facts.tile.height],
        "levels": facts.level_count,
        "vendor": facts.vendor,
        "codec": facts.codec,
        "mpp": None if facts.mpp is None else [facts.mpp.x, facts.mpp.y],
        "mpp_plausible": facts.mpp_plausible,
        "objective_power": facts.objective_power,
        "icc_profile": None if facts.icc_profile is None else base64.b64encode(facts.icc_profile).decode("ascii"),
        "channels": [channel.to_dict() for channel in facts.channels],
        "rgb": facts.rgb,
        "dtype": facts.dtype,
        "planes": facts.planes,
        "plane_spacing": facts.plane_spacing,
        "times": facts.times,
        "storage": facts.storage,
        "encodings": [[encoding.quality, encoding.subsampling] for encoding in facts.encodings],
        "bounds": list(facts.bounds),
    }


def parse_facts(metadata: Mapping[str, Any]) -> Facts:
    """Read the facts back out of the metadata of a group.

    Raises
    ------
    Unsupported
        When a newer PathServe wrote it.
    Corrupt
        When it is not what PathServe writes.
    """
    try:
        own = metadata["attributes"][FACTS]
        version = int(own["format"])
        facts = _parse_own(own) if version <= FORMAT else None
    except (LookupError, TypeError, ValueError, binascii.Error, Invalid):
        raise Corrupt("The metadata of a stored slide is damaged.") from None
    if facts is None:
        raise Unsupported("A newer version of PathServe wrote this slide.")
    return facts


def _parse_own(own: Mapping[str, Any]) -> Facts:
    x, y = own.get("bounds", (0, 0))
    icc, mpp, dtype = own["icc_profile"], own["mpp"], own.get("dtype", "uint8")
    if dtype not in DTYPES:
        raise ValueError(dtype)
    # What earlier pyramids do not state is what all of them were: one plane of colour, kept as JPEG.
    return Facts(
        size=Size(*own["size"]),
        tile=Size(*own["tile"]),
        level_count=own["levels"],
        generation=own["generation"],
        vendor=own["vendor"],
        codec=own["codec"],
        mpp=None if mpp is None else Mpp(*mpp),
        mpp_plausible=own["mpp_plausible"],
        objective_power=own["objective_power"],
        icc_profile=None if icc is None else base64.b64decode(icc, validate=True),
        channels=tuple(Channel.parse(channel) for channel in own["channels"]),
        rgb=own.get("rgb", True),
        dtype=dtype,
        planes=own.get("planes", 1),
        plane_spacing=own.get("plane_spacing"),
        times=own.get("times", 1),
        storage=own.get("storage", "jpeg"),
        encodings=tuple(Encoding(*encoding) for encoding in own.get("encodings", ())),
        bounds=(int(x), int(y)),
    )
