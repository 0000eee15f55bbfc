"""The image information documents (``info.json``) of the IIIF Image API, versions 3.0 and 2.1. Pure."""

from typing import Any

from pathserve.pyramid.layout import Facts
from pathserve.tiles.deepzoom import DeepZoom
from pathserve.tiles.iiif import FORMATS, QUALITIES, Limits, Version

PROTOCOL = "http://iiif.io/api/image"
_REQUIRED_FORMATS = ("jpg", "png")  # of level 2, in both versions
_FEATURES = ("canonicalLinkHeader", "mirroring", "profileLinkHeader", "rotationArbitrary")


def context(version: Version) -> str:
    """Give the address of the JSON-LD context, which is also the media type's profile."""
    return f"{PROTOCOL}/{version}/context.json"


def profile(version: Version) -> str:
    """Give the address of the document that says what level 2 is."""
    return f"{PROTOCOL}/{version}/level2.json"


def describe(version: Version, base: str, facts: Facts, limits: Limits) -> dict[str, Any]:
    """Describe a slide to IIIF clients.

    ``tiles`` is the tile grid, and ``sizes`` are those of the stored levels. Tiles that are asked for so are stored
    bytes.

    Parameters
    ----------
    base
        The absolute address of the slide, without a slash at the end.
    """
    zoom = DeepZoom.of(facts)
    sizes = [
        {"width": size.width, "height": size.height}
        for size in reversed(facts.levels)
        if limits.hold(size.width, size.height)
    ]
    factors = [2**level for level in range(facts.level_count)]
    shared = {
        "protocol": PROTOCOL,
        "width": facts.size.width,
        "height": facts.size.height,
        "sizes": sizes,
        "tiles": [{"width": zoom.tile_size, "height": zoom.tile_size, "scaleFactors": factors}],
    }
    most = {"maxWidth": limits.side, "maxHeight": limits.side, "maxArea": limits.area}
    extra_formats = [name for name in FORMATS if name not in _REQUIRED_FORMATS]
    if version == 2:
        more = {"formats": extra_formats, "supports": sorted((*_FEATURES, "regionSquare", "sizeAboveFull"))}
        return {"@context": context(2), "@id": base} | shared | {"profile": [profile(2), more | most]}
    extra = {
        "extraFormats": extra_formats,
        "extraQualities": [name for name in QUALITIES if name != "default" and (name != "color" or _has_colour(facts))],
        "extraFeatures": sorted((*_FEATURES, "sizeUpscaling")),
    }
    head = {"@context": context(3), "id": base, "type": "ImageService3", "profile": "level2"}
    return head | shared | most | extra


def _has_colour(facts: Facts) -> bool:
    return facts.rgb or any(len(set(channel.color)) > 1 for channel in facts.channels)
