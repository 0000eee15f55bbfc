"""Tiles and regions of published slides, as bytes to send or pixels to work with."""

from pathserve.tiles.deepzoom import DeepZoom
from pathserve.tiles.encode import (
    MEDIA_TYPES,
    PICTURE_TYPES,
    ImageFormat,
    PictureFormat,
    encode_image,
    require_encodable,
)
from pathserve.tiles.service import Tile, TileService
from pathserve.tiles.stored import StoredTiles
from pathserve.tiles.view import DEFAULT_VIEW, View

__all__ = [
    "DEFAULT_VIEW",
    "MEDIA_TYPES",
    "PICTURE_TYPES",
    "DeepZoom",
    "ImageFormat",
    "PictureFormat",
    "StoredTiles",
    "Tile",
    "TileService",
    "View",
    "encode_image",
    "require_encodable",
]
