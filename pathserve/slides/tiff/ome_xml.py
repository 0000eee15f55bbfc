"""OME-XML: what it says about the pictures of an OME-TIFF. Pure: text in, values out."""

from dataclasses import dataclass

from pathserve.errors import Corrupt, TooLarge, Unsupported
from pathserve.geometry import Mpp
from pathserve.slides.limits import MAX_PLANES, positive_number
from pathserve.slides.xml_tree import Element, names_in, parse_xml

_MICROMETRES = {
    "µm": 1.0, "μm": 1.0, "um": 1.0, "pm": 1e-6, "fm": 1e-9, "nm": 1e-3, "\u00c5": 1e-4, "\u212b": 1e-4, "mm": 1e3,
    "cm": 1e4, "dm": 1e5, "m": 1e6, "in": 25_400.0, "ft": 304_800.0, "pt": 25_400 / 72, "thou": 25.4, "mil": 25.4,
}  # fmt: skip
_ORDERS = {"XYCZT", "XYCTZ", "XYZCT", "XYZTC", "XYTCZ", "XYTZC"}
_KEPT = {
    "Pixels.SizeX", "Pixels.SizeY", "Pixels.SizeZ", "Pixels.SizeC", "Pixels.SizeT", "Pixels.Type",
    "Pixels.DimensionOrder", "Pixels.PhysicalSizeX", "Pixels.PhysicalSizeY", "Pixels.PhysicalSizeZ",
    "Pixels.PhysicalSizeXUnit", "Pixels.PhysicalSizeYUnit", "Pixels.PhysicalSizeZUnit", "Pixels.BigEndian",
    "Pixels.Interleaved", "Pixels.ID", "Pixels.SignificantBits", "Channel.Name", "Channel.Color",
    "Channel.SamplesPerPixel", "Channel.ID", "TiffData.IFD", "TiffData.FirstC", "TiffData.FirstZ", "TiffData.FirstT",
    "TiffData.PlaneCount", "OME.schemaLocation", "Image.ID", "Objective.ID", "Objective.NominalMagnification",
    "ObjectiveSettings.ID", "Instrument.ID", "InstrumentRef.ID",
}  # fmt: skip

MAX_IMAGES = 1_000
MAX_ALL_PLANES = 65_536
_MOST_MENTIONS = 4
"""How often a plane may be stated, on average."""

Place = tuple[int, int, int]
"""Time, channel and focal plane."""


@dataclass(frozen=True, slots=True)
class OmeChannel:
    """A channel as stated: its name, its colour, how many samples of a pixel belong to it."""

    name: str | None
    color: tuple[int, int, int] | None
    samples: int


@dataclass(frozen=True, slots=True)
class OmeFile:
    """A file that planes lie in: None for the name of the file that is being read."""

    name: str | None
    uuid: str | None


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One picture: its size, its channels, and the file and number of the image for each plane."""

    name: str
    width: int
    height: int
    times: int
    planes: int
    channels: tuple[OmeChannel, ...]
    mpp: Mpp | None
    spacing: float | None
    objective_power: float | None
    images: dict[Place, tuple[OmeFile, int]]


@dataclass(frozen=True, slots=True)
class Ome:
    """All pictures that an OME-TIFF describes, and the names of what else its metadata says."""

    images: tuple[OmeImage, ...]
    dropped: tuple[str, ...]


def is_ome(description: str) -> bool:
    """Tell whether a description is OME-XML."""
    return description.rstrip("\x00 \r\n\t").endswith("OME>") and "<" in description[:64]


def own_uuid(description: str) -> str | None:
    """Read the number of the file that bears a description, None when it has none or is not OME-XML.

    Raises
    ------
    Corrupt, TooLarge
        When it is damaged or over a limit.
    """
    return parse_xml(description).attributes.get("UUID") if is_ome(description) else None


def parse_ome(description: str, images_in_file: int) -> Ome:
    """Read OME-XML.

    Parameters
    ----------
    images_in_file
        Images of the main chain of the file that holds it.

    Raises
    ------
    Unsupported
        When the metadata itself lies in another file.
    Corrupt, TooLarge
        When it is damaged or over a limit.
    """
    root = parse_xml(description)
    if root.name != "OME":
        raise Corrupt("The scan's metadata is damaged.")
    if root.first("BinaryOnly") is not None:
        raise Unsupported("The metadata of this OME-TIFF lies in another file; ingest that one.")
    own = root.attributes.get("UUID")
    powers = {
        objective.attributes.get("ID"): positive_number(objective.attributes.get("NominalMagnification"))
        for instrument in root.all("Instrument")
        for objective in instrument.all("Objective")
    }
    described = [(image, pixels) for image in root.all("Image") if (pixels := image.first("Pixels")) is not None]
    if len(described) > MAX_IMAGES:
        raise TooLarge(f"An OME-TIFF may hold at most {MAX_IMAGES:,} pictures.")
    images = tuple(_image(image, pixels, own, images_in_file, powers) for image, pixels in described)
    if not images:
        raise Corrupt("The scan's metadata describes no picture.")
    if sum(len(image.images) for image in images) > MAX_ALL_PLANES:
        raise TooLarge(f"All pictures of an OME-TIFF may have at most {MAX_ALL_PLANES:,} planes.")
    return Ome(images, tuple(name for name in names_in(root) if name not in _KEPT))


def _image(
    image: Element, pixels: Element, own: str | None, images_in_file: int, powers: dict[str | None, float | None]
) -> OmeImage:
    size = {axis: _whole(pixels.attributes.get(f"Size{axis}")) for axis in "XYZCT"}
    stated = [_channel(channel) for channel in pixels.all("Channel")]
    # One <Channel> may stand for all samples of a colour image; writers of old left channels out.
    if sum(channel.samples for channel in stated) != size["C"] and len(stated) != size["C"]:
        stated = [OmeChannel(None, None, 1)] * size["C"]
    counts = {"Z": size["Z"], "C": len(stated), "T": size["T"]}
    if counts["Z"] * counts["C"] * counts["T"] > MAX_PLANES:
        raise TooLarge(f"A scan may have at most {MAX_PLANES:,} planes.")
    settings = image.first("ObjectiveSettings")
    return OmeImage(
        name=image.attributes.get("Name", ""),
        width=size["X"],
        height=size["Y"],
        times=size["T"],
        planes=size["Z"],
        channels=tuple(stated),
        mpp=_mpp(pixels),
        spacing=_micrometres(pixels, "Z"),
        objective_power=powers.get(settings.attributes.get("ID")) if settings is not None else None,
        images=_images(pixels, counts, own, images_in_file),
    )


def _whole(stated: str | None, least: int = 1) -> int:
    if stated is None or not (stated.isascii() and stated.isdigit() and len(stated) <= 9) or int(stated) < least:
        raise Corrupt("The scan's metadata states an impossible number.")
    return int(stated)


def _channel(element: Element) -> OmeChannel:
    color = element.attributes.get("Color")
    return OmeChannel(
        element.attributes.get("Name"),
        _color(color) if color is not None else None,
        _whole(element.attributes.get("SamplesPerPixel", "1")),
    )


def _color(stated: str) -> tuple[int, int, int] | None:
    """Read a colour: red, green, blue and opacity as the bytes of a signed number."""
    digits = stated.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        return None
    value = int(stated) & 0xFFFFFFFF
    return value >> 24, value >> 16 & 255, value >> 8 & 255


def _micrometres(pixels: Element, axis: str) -> float | None:
    """Read a physical size; a unit that is no length, such as ``pixel``, says nothing."""
    unit = _MICROMETRES.get(pixels.attributes.get(f"PhysicalSize{axis}Unit", "µm"))
    size = positive_number(pixels.attributes.get(f"PhysicalSize{axis}"))
    return None if unit is None or size is None else size * unit


def _mpp(pixels: Element) -> Mpp | None:
    x, y = _micrometres(pixels, "X"), _micrometres(pixels, "Y")
    return None if x is None or y is None else Mpp(x, y)


def _images(
    pixels: Element, counts: dict[str, int], own: str | None, images_in_file: int
) -> dict[Place, tuple[OmeFile, int]]:
    """Work out which image of which file holds each plane.

    Raises
    ------
    Corrupt
        When a plane is nowhere.
    """
    order = pixels.attributes.get("DimensionOrder", "")
    if order not in _ORDERS:
        raise Corrupt("The scan's metadata states an impossible order of planes.")
    axes = order[2:]
    total = counts["Z"] * counts["C"] * counts["T"]
    found: dict[Place, tuple[OmeFile, int]] = {}
    mentioned = 0
    blocks = pixels.all("TiffData") or [Element("TiffData")]
    for block in blocks:
        first = {axis: _whole(block.attributes.get(f"First{axis}", "0"), 0) for axis in "ZCT"}
        file, start = _file(block, own), _whole(block.attributes.get("IFD", "0"), 0)
        # Without a number of planes a block that names its image means that one; otherwise all that there are.
        rest = 1 if "IFD" in block.attributes else min(total, images_in_file)
        count = _whole(block.attributes.get("PlaneCount", str(rest)), 0)
        at = _number(first, counts, axes)
        mentioned += min(count, total - at)
        if mentioned > _MOST_MENTIONS * total:
            raise Corrupt("The scan's metadata states its planes over and over.")
        for step in range(min(count, total - at)):
            found[_place(at + step, counts, axes)] = (file, start + step)
    if len(found) != total:
        raise Corrupt(f"{total - len(found):,} of the scan's {total:,} planes are nowhere.")
    return found


def _file(block: Element, own: str | None) -> OmeFile:
    element = block.first("UUID")
    if element is None:
        return OmeFile(None, None)
    uuid = element.text.strip()
    # A file that was renamed is still the one whose number it bears.
    return OmeFile(None if uuid == own else element.attributes.get("FileName"), uuid)


def _number(first: dict[str, int], counts: dict[str, int], axes: str) -> int:
    number, step = 0, 1
    for axis in axes:
        # Some writers count a colour image as three channels.
        number += min(first[axis], counts[axis] - 1) * step
        step *= counts[axis]
    return number


def _place(number: int, counts: dict[str, int], axes: str) -> Place:
    at = {}
    for axis in axes:
        number, at[axis] = divmod(number, counts[axis])
    return at["T"], at["C"], at["Z"]
