"""The layers of a slide as the client asks for them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from pathserve.client.wire import JSON, Wire


def layers_address(slide: str) -> str:
    """Give the address of a slide's layers."""
    return f"/api/slides/{slide}/layers"


def layer_address(slide: str, layer: str) -> str:
    """Give the address of one layer; its name can hold any printable characters."""
    return f"{layers_address(slide)}/{quote(layer, safe='')}"


def write_layer(wire: Wire, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Send one write about a layer and give the layer as it is then."""
    if body is None:
        answer = wire.request(method, path)
    else:
        answer = wire.request(method, path, body=orjson.dumps(body), headers=JSON)
    found: dict[str, Any] = orjson.loads(answer)
    return found
