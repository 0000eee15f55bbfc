"""One annotation as the client asks for it and writes it: every write names the revision that was seen."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from pathserve.client.wire import JSON, Wire


def address(annotation_id: str) -> str:
    """Give the address of one annotation."""
    return f"/api/annotations/{quote(str(annotation_id), safe='')}"


def feature_of(body: bytes) -> dict[str, Any]:
    """Read an answer that is one Feature."""
    found: dict[str, Any] = orjson.loads(body)
    return found


def if_match(revision: int) -> dict[str, str]:
    """Give the header that names the revision that was seen."""
    return {"if-match": f'"r{revision}"'}


def write(wire: Wire, method: str, path: str, revision: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Send one conditional write and give the Feature as it is then."""
    return feature_of(wire.request(method, path, body=orjson.dumps(body), headers=JSON | if_match(revision)))
