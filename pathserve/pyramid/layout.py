"""The layout on disk: every Zarr path and attribute is named here and nowhere else.

A slide is an OME-Zarr 0.5 group of Zarr v3 arrays with axes c, y, x, one array per level ("0", "1", ...). An array is
cut into shards of 16 x 16 inner chunks. An inner chunk is a complete JPEG of the tile size; behind the chunks of a
shard lies their index with a CRC-32C. What a shard does not hold is white.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pathserve.errors import Corrupt, Invalid, Unsupported
from pathserve.geometry import Mpp, Size
from pathserve.pixels import RGB_CHANNELS, Channel, SlideInfo

METADATA = "zarr.json"
MANIFEST = "manifest.json"
SUFFIX = ".zarr"
SHARD_CHUNKS = 16
"""Inner chunks along each side of a shard."""

CODEC = "imagecodecs_jpeg"
"""Registered name of the inner codec; a neutral ``jpeg`` is under way in the zarr-extensions registry."""

FILL = 255
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

    @property
    def levels(self) -> tuple[Size, ...]:
        """The size of every stored level, finest first."""
        sizes = [self.size]
        while len(sizes) < self.level_count:
            sizes.append(sizes[-1].halved())
        return tuple(sizes)

    @classmethod
    def of(cls, info: SlideInfo, *, tile: Size, level_count: int, generation: int) -> "Facts":
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
            icc_profile=info.icc_profile,
            channels=info.channels,
        )


def shard_path(level: int, t_row: int, t_col: int) -> str:
    """Path of a shard inside the group; row and column count shards."""
    return f"{level}/c/0/{t_row}/{t_col}"


def array_path(level: int) -> str:
    """Path of the metadata of one level inside the group."""
    return f"{level}/{METADATA}"


def grid_of(size: Size, tile: Size) -> tuple[int, int]:
    """Columns and rows of tiles that cover a size."""
    return -(-size.width // tile.width), -(-size.height // tile.height)


def array_metadata(size: Size, tile: Size) -> dict[str, Any]:
    """Give the Zarr v3 metadata of one level."""
    inner = [
        {"name": "transpose", "configuration": {"order": [1, 2, 0]}},
        {"name": CODEC, "configuration": {}},
    ]
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    sharding = {
        "chunk_shape": [3, tile.height, tile.width],
        "codecs": inner,
        "index_codecs": index,
        "index_location": "end",
    }
    shard = [3, tile.height * SHARD_CHUNKS, tile.width * SHARD_CHUNKS]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [3, size.height, size.width],
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": FILL,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "dimension_names": ["c", "y", "x"],
        "attributes": {},
        "storage_transformers": [],
    }


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
    unit = {} if mpp is None else {"unit": "micrometer"}
    x, y = (1.0, 1.0) if mpp is None else (mpp.x, mpp.y)
    datasets = []
    for level in range(facts.level_count):
        factor = 2**level
        # The centre of the first pixel of level k lies (2^k - 1) / 2 level-0 pixels from that of level 0.
        offset = (factor - 1) / 2
        transformations = [
            {"type": "scale", "scale": [1.0, y * factor, x * factor]},
            {"type": "translation", "translation": [0.0, y * offset, x * offset]},
        ]
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    axes = [
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", **unit},
        {"name": "x", "type": "space", **unit},
    ]
    channels = [
        {
            "label": channel.name,
            "color": "{:02X}{:02X}{:02X}".format(*channel.color),
            "active": True,
            "coefficient": 1.0,
            "family": "linear",
            "inverted": False,
            "window": {"min": 0, "max": 255, "start": 0, "end": 255},
        }
        for channel in facts.channels
    ]
    return {
        "version": _OME_VERSION,
        "multiscales": [{"name": "slide", "axes": axes, "datasets": datasets, "type": "mean"}],
        "omero": {"channels": channels, "rdefs": {"model": "color"}},
    }


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
        "channels": [{"name": channel.name, "color": list(channel.color)} for channel in facts.channels],
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
    icc, mpp = own["icc_profile"], own["mpp"]
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
        channels=tuple(Channel(c["name"], (c["color"][0], c["color"][1], c["color"][2])) for c in own["channels"]),
    )
