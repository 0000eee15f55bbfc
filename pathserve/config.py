"""Settings: read once at start, passed in, never changed."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from pathserve.errors import Invalid

DATA_VARIABLE = "PATHSERVE_DATA"
"""Environment variable that names the data folder."""

STORE_VARIABLE = "PATHSERVE_STORE"
"""Environment variable that names the object store of the slides."""

DATABASE_VARIABLE = "PATHSERVE_DATABASE"
"""Environment variable that holds the address of a PostgreSQL database."""

RESERVE_VARIABLE = "PATHSERVE_RESERVE"
"""Environment variable that says how much of the disk stays free."""

PUBLIC_URL_VARIABLE = "PATHSERVE_PUBLIC_URL"
"""Environment variable that says under which address people reach the server."""

COUNTERS_VARIABLE = "PATHSERVE_COUNTERS"
"""Environment variable in which `serve` tells its processes where they count."""

PROCESSES_VARIABLE = "PATHSERVE_PROCESSES"
"""Environment variable in which `serve` tells its processes how many they are."""

DEFAULT_DATA = Path("pathserve-data")
"""The data folder when nothing names one."""

_BYTES = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?(|[KMGT]i?B?|B)", re.IGNORECASE)
_UNITS = "bkmgt"
_SECRETS = ("password", "sslpassword")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")


def data_folder(given: Path | None = None) -> Path:
    """Choose the data folder: what was given, else PATHSERVE_DATA, else ``./pathserve-data``."""
    return given or Path(os.environ.get(DATA_VARIABLE) or DEFAULT_DATA)


def store_address(given: str | None = None) -> str | None:
    """Choose where slides are kept: what was given, else PATHSERVE_STORE, else None, the data folder."""
    return given or os.environ.get(STORE_VARIABLE) or None


def database_address(given: str | None = None) -> str | None:
    """Choose the database: the address that was given, else PATHSERVE_DATABASE, else None, a file in the data folder.

    Parameters
    ----------
    given
        An argument of a command, which everybody on the machine can read: it holds no password.

    Raises
    ------
    Invalid
        When it is no address of PostgreSQL, or was given with a password in it.
    """
    address = given or os.environ.get(DATABASE_VARIABLE) or None
    if address is None:
        return None
    try:
        parts = urlsplit(address)
        has_password = parts.password is not None or any(
            name.lower() in _SECRETS for name, _ in parse_qsl(parts.query, keep_blank_values=True)
        )
    except ValueError:
        parts, has_password = urlsplit(""), False
    if parts.scheme not in ("postgresql", "postgres"):
        raise Invalid("The address of a database is postgresql://USER@HOST/DATABASE.")
    if given and has_password:
        raise Invalid(
            f"Others on this machine can read a password on the command line: put the address into "
            f"{DATABASE_VARIABLE}, or the password into PGPASSWORD or a password file."
        )
    return address


def disk_reserve(given: str | None = None) -> int | None:
    """Choose how many bytes of the disk stay free: what was given, else PATHSERVE_RESERVE, else None, what is usual.

    Raises
    ------
    Invalid
        When it is no size.
    """
    text = os.environ.get(RESERVE_VARIABLE) or None if given is None else given
    return None if text is None else parse_bytes(text)


def public_address(given: str | None = None) -> str | None:
    """Choose the address under which people reach the server: what was given, else PATHSERVE_PUBLIC_URL, else None.

    Returns
    -------
    Scheme, host and port as browsers write them in ``Origin``: lower case, no slash at the end, no default port.

    Raises
    ------
    Invalid
        When it is no such address.
    """
    text = given or os.environ.get(PUBLIC_URL_VARIABLE) or None
    return None if text is None else parse_public_url(text)


def counters_place() -> Path | None:
    """Give the folder that `serve` made for its processes to count in; None: this process counts alone."""
    text = os.environ.get(COUNTERS_VARIABLE)
    return Path(text) if text else None


def processes() -> int:
    """Tell how many processes `serve` has started, which share the machine's processors."""
    text = os.environ.get(PROCESSES_VARIABLE, "")
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) <= 4 and int(text) else 1


def parse_public_url(text: str) -> str:
    """Read an address such as ``https://slides.example.org``.

    Raises
    ------
    Invalid
        When it is none, or holds more than scheme, host and port: the viewer stands at the top of its host.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc or len(text.split()) != 1
    if parts.scheme not in _DEFAULT_PORTS or not host or more or not _HOST.fullmatch(host):
        raise Invalid("A public address is http:// or https://, a host and perhaps a port, with nothing behind them.")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}")


def parse_bytes(text: str) -> int:
    """Read a size: ``500``, ``10GB`` (powers of 1,000) or ``10GiB`` (powers of 1,024).

    Raises
    ------
    Invalid
        When it is none.
    """
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise Invalid("A size is a number of bytes, or one with KB, MB, GB, TB, KiB, MiB, GiB or TiB behind it.")
    unit = match[2].lower()
    power = _UNITS.index(unit[:1] or "b")
    return int(float(match[1]) * (1024 if "i" in unit else 1000) ** power)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are and how much one request may ask for.

    Parameters
    ----------
    data
        The data folder: holds ``pathserve.db`` and ``slides/<slide-id>.zarr``.
    database_url
        Address of a PostgreSQL database in place of ``pathserve.db``; can hold a password.
    store
        Address of the object store that holds the slides instead, ``s3://bucket/prefix``; or a folder as ``file://``.
    max_output_pixels
        Most output pixels of one region, mask or pair.
    max_body_bytes
        Most bytes of one request body.
    max_features
        Most features of one write.
    max_vertices
        Most vertices of one geometry.
    max_upload_bytes
        Most bytes of one upload, or of all files of one set of uploads.
    max_import_bytes
        Most bytes of one file of annotations over HTTP.
    disk_reserve_bytes
        How much of the disk ingest and uploads leave free; None: 5 GiB, or 5 % of a smaller disk.
    public_url
        Address under which people reach the server, as `public_address` gives it: a proxy in front of it. None: they
        reach it as it is.
    counters
        Folder in which the processes of one server keep what they count; None: a process counts alone.
    processes
        How many processes of one server share the machine's processors.
    jobs_at_once
        Most ingest jobs that all servers of the data folder together run at once; each uses all cores.
    session_hours
        How long a browser stays signed in.
    link_minutes
        How long a one-time sign-in link works.
    """

    data: Path = DEFAULT_DATA
    database_url: str | None = field(default=None, repr=False)
    store: str | None = None
    max_output_pixels: int = 64 * 1024 * 1024
    max_body_bytes: int = 512 * 1024 * 1024
    max_features: int = 1_000_000
    max_vertices: int = 1_000_000
    max_upload_bytes: int = 64 * 1024**3
    max_import_bytes: int = 16 * 1024**3
    disk_reserve_bytes: int | None = None
    public_url: str | None = None
    counters: Path | None = None
    processes: int = 1
    jobs_at_once: int = 1
    session_hours: float = 12.0
    link_minutes: float = 60.0

    @property
    def database(self) -> Path | str:
        """The SQLite file, or the address of PostgreSQL."""
        return self.database_url or self.data / "pathserve.db"

    @property
    def uploads(self) -> Path:
        """The folder of what is being uploaded or waits to be ingested."""
        return self.data / "uploads"

    @property
    def imports(self) -> Path:
        """The folder of files of annotations while they are imported; it may be deleted when no server runs."""
        return self.data / "imports"

    @property
    def presence(self) -> Path:
        """The folder of who is looking at which slide now; it may be deleted at any time."""
        return self.data / "presence"

    @property
    def pseudonyms(self) -> Path:
        """The SQLite file of what staff call the patients, cases and slides; there once something is kept."""
        return self.data / "pseudonyms.db"

    @property
    def runners(self) -> Path:
        """The folder of lock files of the processes that run ingest jobs."""
        return self.data / "runners"

    @property
    def slides(self) -> Path:
        """The folder of published slides, one ``<slide-id>.zarr`` each; beside an object store, of staging alone."""
        return self.store_folder or self.data / "slides"

    @property
    def store_folder(self) -> Path | None:
        """The folder that is the store; None when it is no folder."""
        if self.store is None or not self.store.startswith("file:"):
            return None
        return Path(unquote(urlsplit(self.store).path))
