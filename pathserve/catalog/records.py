"""One row of the catalog, and how it is read."""

import secrets
from dataclasses import dataclass
from datetime import datetime

import orjson

from pathserve.db import Value, as_int, as_real
from pathserve.errors import Invalid
from pathserve.geometry import Mpp, Size
from pathserve.labels import clean_name
from pathserve.pixels import Channel

DEFAULT_PROJECT = "default"
READY, BUILDING = "ready", "building"

_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: nothing to misread aloud


@dataclass(frozen=True, slots=True)
class SlideRecord:
    """One slide of the catalog; ``width`` and ``height`` are level-0 pixels.

    ``generation`` changes whenever the slide's stored pixels do, and ``content_hash`` is the SHA-256 of the scan file.
    ``case`` and ``patient`` are pseudonyms; None when it has none. It is picture ``scene``, from 0, of the ``scenes``
    that its scan holds. ``status`` is ``BUILDING`` while it can be viewed and levels are still being made; ``READY``
    after that.
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
    scene: int = 0
    scenes: int = 1
    times: int = 1
    dtype: str = "uint8"
    stain: str | None = None
    case: str | None = None
    patient: str | None = None

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


@dataclass(frozen=True, slots=True)
class SlideFacts:
    """What people say about a slide; None leaves a fact as it is.

    An empty ``case``, ``patient`` or ``stain`` takes the fact away. A patient belongs to the whole case: naming another
    one changes it for every slide of the case. A slide with a patient and no case gets one with a made-up label.
    """

    name: str | None = None
    project: str | None = None
    case: str | None = None
    patient: str | None = None
    stain: str | None = None

    def cleaned(self) -> "SlideFacts":
        """Give the facts without blanks around them.

        Raises
        ------
        Invalid
            When one of them is longer than a name may be or has characters that cannot be printed; or the name of the
            slide or the project is blank.
        """
        return SlideFacts(
            name=None if self.name is None else clean_name(self.name, "slide name"),
            project=None if self.project is None else clean_name(self.project, "project name"),
            case=_clean(self.case, "case"),
            patient=_clean(self.patient, "patient"),
            stain=_clean(self.stain, "stain"),
        )


def _clean(text: str | None, what: str) -> str | None:
    if text is None or not text.strip():
        return None if text is None else ""
    return clean_name(text, what)


def make_slide_id() -> str:
    """Make an opaque, URL-safe slide id: 12 random characters, 60 bits, said aloud without mistakes."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(12))


COLUMNS = (
    "id, name, project, width, height, mpp_x, mpp_y, mpp_plausible, objective_power, levels, tile_size, channels, "
    "planes, status, generation, content_hash, created, stain, "
    "scene, scenes, times, dtype"
)
"""The slide's own columns."""

SELECT = (
    f"select {', '.join(f'slide.{column}' for column in COLUMNS.split(', '))}, c.label, c.patient, slide.number "  # noqa: S608 - constants only
    "from slide left join slide_case c on c.id = slide.case_id"
)
"""Reads rows for `to_record`; a condition may follow."""


def to_record(row: tuple[Value, ...]) -> SlideRecord:
    """Read a row of `SELECT`."""
    slide_id, name, project, width, height, mpp_x, mpp_y, plausible, power, levels, tile, channels, *rest = row
    planes, status, generation, content_hash, created, stain, scene, scenes, times, dtype, case, patient, _ = rest
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
        channels=tuple(Channel.parse(channel) for channel in orjson.loads(str(channels))),
        planes=as_int(planes),
        status=str(status),
        generation=as_int(generation),
        content_hash=str(content_hash),
        created=datetime.fromisoformat(str(created)),
        scene=as_int(scene),
        scenes=as_int(scenes),
        times=as_int(times),
        dtype=str(dtype),
        stain=None if stain is None else str(stain),
        case=None if case is None else str(case),
        patient=None if patient is None else str(patient),
    )
