"""One row of the catalog, and how it is read."""

import secrets
from dataclasses import dataclass
from datetime import datetime

import orjson

from pathserve.db import Value, as_int, as_real
from pathserve.errors import Invalid
from pathserve.geometry import Mpp, Size
from pathserve.pixels import Channel

DEFAULT_PROJECT = "default"

_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: nothing to misread aloud


@dataclass(frozen=True, slots=True)
class SlideRecord:
    """One slide of the catalog; ``width`` and ``height`` are level-0 pixels.

    ``generation`` changes whenever the slide's stored pixels do, and ``content_hash`` is the SHA-256 of the scan file.
    """

    id: str
    name: str
    project: str
    width: int
    height: int
    mpp: Mpp | None
    mpp_plausible: bool
    objective_power: float | None
    levels: int
    tile_size: int
    channels: tuple[Channel, ...]
    planes: int
    status: str
    generation: int
    content_hash: str
    created: datetime

    @property
    def size(self) -> Size:
        """Level-0 size."""
        return Size(self.width, self.height)

    def require_mpp(self) -> Mpp:
        """Give the pixel size when it can be scaled by.

        Raises
        ------
        Invalid
            When the scan states none, or one that no microscope has.
        """
        if self.mpp is None:
            raise Invalid("This slide states no micrometres per pixel; ask by downsample.", code="no_mpp")
        if not self.mpp_plausible:
            raise Invalid(
                "This slide states micrometres per pixel that no microscope has; ask by downsample.",
                code="implausible_mpp",
            )
        return self.mpp


def make_slide_id() -> str:
    """Make an opaque, URL-safe slide id: 12 random characters, 60 bits, said aloud without mistakes."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(12))


COLUMNS = (
    "id, name, project, width, height, mpp_x, mpp_y, mpp_plausible, objective_power, levels, tile_size, channels, "
    "planes, status, generation, content_hash, created"
)


def to_record(row: tuple[Value, ...]) -> SlideRecord:
    """Read a row of `COLUMNS`."""
    slide_id, name, project, width, height, mpp_x, mpp_y, plausible, power, levels, tile, channels, *rest = row
    planes, status, generation, content_hash, created = rest
    return SlideRecord(
        id=str(slide_id),
        name=str(name),
        project=str(project),
        width=as_int(width),
        height=as_int(height),
        mpp=None if mpp_x is None or mpp_y is None else Mpp(as_real(mpp_x), as_real(mpp_y)),
        mpp_plausible=bool(plausible),
        objective_power=None if power is None else as_real(power),
        levels=as_int(levels),
        tile_size=as_int(tile),
        channels=tuple(Channel(c["name"], tuple(c["color"])) for c in orjson.loads(str(channels))),
        planes=as_int(planes),
        status=str(status),
        generation=as_int(generation),
        content_hash=str(content_hash),
        created=datetime.fromisoformat(str(created)),
    )
