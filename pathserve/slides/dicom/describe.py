"""The technical facts in a DICOM header that a slide keeps."""

from pydicom.dataset import Dataset

from pathserve.geometry import Mpp
from pathserve.pixels import Channel
from pathserve.slides.dicom.instance import Instance, field_names
from pathserve.slides.dicom.values import items, number, numbers, shared, text
from pathserve.slides.limits import MAX_ICC_BYTES
from pathserve.slides.limits import field_names as tidy

_MICROMETRES = 1000.0  # per millimetre
_NAME_LENGTH = 64
# One after the other for channels whose colour nobody states.
_COLOURS = ((0, 0, 255), (0, 255, 0), (255, 0, 0), (0, 255, 255), (255, 0, 255), (255, 255, 0))
_GREY = (255, 255, 255)

# Elements that say how the pixels are stored and placed; every other one is metadata and is not kept.
_STRUCTURAL = {
    "BitsAllocated", "BitsStored", "Columns", "DimensionIndexSequence", "DimensionOrganizationSequence",
    "DimensionOrganizationType", "FocusMethod", "HighBit", "ImageOrientationPatient", "ImageOrientationSlide",
    "ImagePositionPatient", "ImageType", "LossyImageCompression", "LossyImageCompressionMethod",
    "LossyImageCompressionRatio", "Modality", "NumberOfFocalPlanes", "NumberOfFrames", "NumberOfOpticalPaths",
    "PhotometricInterpretation", "PixelRepresentation", "PixelSpacing", "PlanarConfiguration", "RescaleIntercept",
    "RescaleSlope", "Rows", "SOPClassUID", "SamplesPerPixel", "SpecificCharacterSet", "TotalPixelMatrixColumns",
    "TotalPixelMatrixFocalPlanes", "TotalPixelMatrixOriginSequence", "TotalPixelMatrixRows", "VolumetricProperties",
    "WindowCenter", "WindowWidth",
}  # fmt: skip


def dropped_fields(instances: list[Instance]) -> tuple[str, ...]:
    """Name the elements of some headers that are not kept."""
    names = {name for instance in instances for name in field_names(instance.dataset)}
    return tidy(sorted(names - _STRUCTURAL))


def spacing_to_mpp(spacing: tuple[float, ...] | None) -> Mpp | None:
    """Turn a pixel spacing, (between rows, between columns) in mm, into micrometres a pixel; None unless above 0."""
    if spacing is None or len(spacing) != 2 or min(spacing) <= 0:
        return None
    return Mpp(spacing[1] * _MICROMETRES, spacing[0] * _MICROMETRES)


def shared_mpp(header: Dataset) -> Mpp | None:
    """Read the pixel size of all frames, in micrometres."""
    return spacing_to_mpp(numbers(shared(header, "PixelMeasuresSequence"), "PixelSpacing", 2))


def shared_spacing(header: Dataset) -> float | None:
    """Read the distance of the planes of all frames, in micrometres."""
    spacing = number(shared(header, "PixelMeasuresSequence"), "SpacingBetweenSlices")
    return spacing * _MICROMETRES if spacing is not None and spacing > 0 else None


def objective_power(header: Dataset) -> float | None:
    """Read the magnification of the objective of the first optical path that states one."""
    for path in items(header, "OpticalPathSequence"):
        power = number(path, "ObjectiveLensPower")
        if power is not None and power > 0:
            return power
    return None


def icc_profile(header: Dataset) -> bytes | None:
    """Take the colour profile of the first optical path that has one."""
    for holder in (*items(header, "OpticalPathSequence"), header):
        profile = holder.get("ICCProfile")
        if isinstance(profile, bytes) and 0 < len(profile) <= MAX_ICC_BYTES:
            return profile
    return None


def path_identifiers(header: Dataset) -> list[str]:
    """List the identifiers of the optical paths; one without a name when there are none."""
    return [text(path, "OpticalPathIdentifier") for path in items(header, "OpticalPathSequence")] or [""]


def optical_channels(header: Dataset, identifiers: list[str]) -> tuple[Channel, ...]:
    """Describe the optical paths as channels: in the colour of their palette, or one made up here."""
    described = {text(path, "OpticalPathIdentifier"): path for path in items(header, "OpticalPathSequence")}
    channels = []
    for index, identifier in enumerate(identifiers):
        path = described.get(identifier, Dataset())
        name = _channel_name(text(path, "OpticalPathDescription")) or _channel_name(identifier)
        made_up = _GREY if len(identifiers) == 1 else _COLOURS[index % len(_COLOURS)]
        channels.append(Channel(name or f"Channel {index + 1}", _palette_colour(path) or made_up))
    return tuple(channels)


def _channel_name(stated: str) -> str:
    """Take a name as it is stated when it is short and printable, else none."""
    return stated if len(stated) <= _NAME_LENGTH and stated.isprintable() else ""


def _palette_colour(path: Dataset) -> tuple[int, int, int] | None:
    """Read the colour that an optical path's palette gives to its brightest value."""
    for palette in items(path, "PaletteColorLookupTableSequence"):
        parts = [_last_entry(palette, name) for name in ("Red", "Green", "Blue")]
        if None not in parts and any(parts):
            red, green, blue = (part or 0 for part in parts)
            return red, green, blue
    return None


def _last_entry(palette: Dataset, name: str) -> int | None:
    """Read the last entry of a lookup table as 8 bits: its last byte, or the end of its last segment."""
    plain = palette.get(f"{name}PaletteColorLookupTableData")
    segmented = palette.get(f"Segmented{name}PaletteColorLookupTableData")
    descriptor = numbers(palette, f"{name}PaletteColorLookupTableDescriptor", 3)
    if isinstance(plain, bytes) and plain:
        return plain[-1]
    if isinstance(segmented, bytes) and len(segmented) >= 2 and descriptor is not None:
        return segmented[-1] if descriptor[2] == 16 else segmented[-2]
    return None
