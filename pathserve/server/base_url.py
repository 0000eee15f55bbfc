"""The address under which a client reaches this server, for documents that name their own address."""

import re
from typing import Any

from pathserve.errors import Malformed
from pathserve.server.endpoint import Call

# What stands in a document or a header is a host and nothing else, whatever a client sends.
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


def base_url(call: Call[Any]) -> str:
    """Give scheme, host and port, without a slash at the end: the public address, else what the client asked at.

    Raises
    ------
    Malformed
        When the request names no host.
    """
    public = call.services.settings.public_url
    if public is not None:
        return public
    host = call.request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise Malformed("The request names no host.")
    return f"{call.request.scope['scheme']}://{host}"
