"""What parent and worker say to each other: JSON lines, so that a worker gone bad can run nothing in its parent."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pathserve import errors
from pathserve.errors import PathServeError
from pathserve.geometry import Mpp, Size
from pathserve.pixels import Channel, Level, SlideInfo

MAX_LINE = 64 << 20
"""Most bytes of one message: a colour profile of 16 MiB fits."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker shall do: open a scan, and build its pyramid in ``staging`` when there is one."""

    scan: Path
    staging: Path | None = None
    content_hash: str = ""
    recompress: int | None = None
    workers: int = 1

    def to_bytes(self) -> bytes:
        """Give the stored form."""
        order = {
            "scan": str(self.scan),
            "staging": None if self.staging is None else str(self.staging),
            "content_hash": self.content_hash,
            "recompress": self.recompress,
            "workers": self.workers,
        }
        return orjson.dumps(order) + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> "Order":
        """Read an order."""
        order = orjson.loads(line)
        staging = None if order["staging"] is None else Path(order["staging"])
        return cls(Path(order["scan"]), staging, order["content_hash"], order["recompress"], order["workers"])


def error_message(error: PathServeError) -> dict[str, Any]:
    """Give an error as a message."""
    return {"error": type(error).__name__, "message": error.message, "code": error.code}


def parse_error(message: Mapping[str, Any]) -> PathServeError:
    """Make the error of a message; a class that PathServe does not have becomes ``Corrupt``."""
    kind = getattr(errors, str(message["error"]), None)
    if not (isinstance(kind, type) and issubclass(kind, PathServeError)):
        kind = errors.Corrupt
    return kind(str(message["message"]), code=str(message["code"]))


def info_message(info: SlideInfo) -> dict[str, Any]:
    """Give what a scan is as a message."""
    return {
        "vendor": info.vendor,
        "levels": [
            {
                "size": [level.size.width, level.size.height],
                "downsample": level.downsample,
                "tile": None if level.tile is None else [level.tile.width, level.tile.height],
                "encoding": level.encoding,
            }
            for level in info.levels
        ],
        "mpp": None if info.mpp is None else [info.mpp.x, info.mpp.y],
        "mpp_plausible": info.mpp_plausible,
        "objective_power": info.objective_power,
        "codec": info.codec,
        "channels": [channel.to_dict() for channel in info.channels],
        "rgb": info.rgb,
        "dtype": info.dtype,
        "planes": info.planes,
        "plane_spacing": info.plane_spacing,
        "times": info.times,
        "scenes": info.scenes,
        "icc_profile": None if info.icc_profile is None else base64.b64encode(info.icc_profile).decode("ascii"),
        "associated": info.associated,
        "missing_tiles": info.missing_tiles,
        "dropped_metadata": info.dropped_metadata,
    }


def parse_info(message: Mapping[str, Any]) -> SlideInfo:
    """Make what a scan is of a message."""
    icc, mpp = message["icc_profile"], message["mpp"]
    return SlideInfo(
        vendor=message["vendor"],
        levels=tuple(
            Level(
                Size(*level["size"]),
                level["downsample"],
                None if level["tile"] is None else Size(*level["tile"]),
                level["encoding"],
            )
            for level in message["levels"]
        ),
        mpp=None if mpp is None else Mpp(*mpp),
        mpp_plausible=message["mpp_plausible"],
        objective_power=message["objective_power"],
        codec=message["codec"],
        channels=tuple(Channel.parse(channel) for channel in message["channels"]),
        rgb=message["rgb"],
        dtype=message["dtype"],
        planes=message["planes"],
        plane_spacing=message["plane_spacing"],
        times=message["times"],
        scenes=message["scenes"],
        icc_profile=None if icc is None else base64.b64decode(icc),
        associated=tuple(message["associated"]),
        missing_tiles=message["missing_tiles"],
        dropped_metadata=tuple(message["dropped_metadata"]),
    )
