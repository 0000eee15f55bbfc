"""Which Dask schedulers may be given work."""

import importlib.util
import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from pathserve.errors import Invalid, Unsupported

_UNSAFE = (
    "A Dask cluster runs whatever code it is sent, so only one with TLS (tls://host:port) or on this machine "
    "(tcp://127.0.0.1:port) is used."
)


def checked_scheduler(address: str) -> str:
    """Give the address of a scheduler that may be used.

    Raises
    ------
    Invalid
        When it is no address, or that of a scheduler that anybody on the network could give code to.
    Unsupported
        When PathServe was installed without what a cluster needs.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or port is None:
        raise Invalid("A scheduler is given as tls://host:port or tcp://127.0.0.1:port.")
    if parts.username or parts.password or parts.path or parts.query or parts.fragment:
        raise Invalid("The address of a scheduler is a host and a port, nothing more.")
    require_private([address])
    if importlib.util.find_spec("distributed") is None:
        raise Unsupported("Ingest on a cluster needs a package more: pip install 'pathserve[cluster]'.")
    return address


def require_private(addresses: Iterable[str]) -> None:
    """Refuse addresses of a cluster that others on the network can reach without a certificate.

    Raises
    ------
    Invalid
        When one is neither TLS nor of this machine alone.
    """
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme != "tls" and not _is_loopback(parts.hostname or ""):
            raise Invalid(_UNSAFE)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
