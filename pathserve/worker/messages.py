"""What parent and worker say to each other: JSON lines, so that a worker gone bad can run nothing in its parent."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathserve import errors
from pathserve.errors import PathServeError
from pathserve.geometry import Mpp, Size
from pathserve.pixels import Channel, Level, SlideInfo
from pathserve.slides import Scan
from pathserve.slides.identity import Values

MAX_LINE = 64 << 20
"""Most bytes of one message: a colour profile of 16 MiB fits."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker shall do.

    Parameters
    ----------
    scan
        The scan to open; None when only the levels that ``published`` lacks are to be built.
    scene
        Which of its pictures.
    staging
        Folder in which a pyramid is built; None when the scan is only to be looked at.
    published
        Where the pyramid will lie, or lies, for everybody to see.
    identity
        Whether and how the scan is searched for what may name a person; None: it is not.
    pictures
        Folder into which its label and macro are written; None: they are left alone.
    scheduler
        Address of the Dask scheduler whose workers build; None: threads of this process.
    """

    scan: Scan | None = None
    scene: int = 0
    staging: Path | None = None
    published: Path | None = None
    content_hash: str = ""
    recompress: int | None = None
    lossless: bool = False
    workers: int = 1
    identity: Values | None = None
    pictures: Path | None = None
    scheduler: str | None = None

    def to_bytes(self) -> bytes:
        """Give the stored form; names on a disk may be no UTF-8, which the standard library's JSON escapes."""
        scan = self.scan
        order = {
            "scan": None if scan is None else [str(scan.main), [str(path) for path in scan.files]],
            "scene": self.scene,
            "staging": None if self.staging is None else str(self.staging),
            "published": None if self.published is None else str(self.published),
            "content_hash": self.content_hash,
            "recompress": self.recompress,
            "lossless": self.lossless,
            "workers": self.workers,
            "identity": self.identity,
            "pictures": None if self.pictures is None else str(self.pictures),
            "scheduler": self.scheduler,
        }
        return json.dumps(order).encode("ascii") + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> "Order":
        """Read an order."""
        order = json.loads(line)
        scan, staging, published = order["scan"], order["staging"], order["published"]
        return cls(
            scan=None if scan is None else Scan(Path(scan[0]), tuple(Path(path) for path in scan[1])),
            scene=order["scene"],
            staging=None if staging is None else Path(staging),
            published=None if published is None else Path(published),
            content_hash=order["content_hash"],
            recompress=order["recompress"],
            lossless=order["lossless"],
            workers=order["workers"],
            identity=order["identity"],
            pictures=None if order["pictures"] is None else Path(order["pictures"]),
            scheduler=order["scheduler"],
        )


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
        "bounds": list(info.bounds),
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
        bounds=tuple(message["bounds"]),
        icc_profile=None if icc is None else base64.b64decode(icc),
        associated=tuple(message["associated"]),
        missing_tiles=message["missing_tiles"],
        dropped_metadata=tuple(message["dropped_metadata"]),
    )
