"""The files of a Zarr store: only ordinary files inside its folder, never more bytes than asked for."""

import os
import stat
from pathlib import Path
from typing import Any

import orjson

from pathserve.errors import Corrupt, TooLarge, Unsupported

MAX_JSON = 16 << 20
"""Most bytes of one metadata file."""

Json = dict[str, Any]


class ZarrFolder:
    """Reads the files of one store, by several threads at once; holds no file open.

    Parameters
    ----------
    root
        The folder; it may be reached through a link itself, but no link inside it may lead out.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)

    def metadata(self, name: str) -> Json | None:
        """Read a metadata file, or None when there is none.

        Raises
        ------
        Corrupt, TooLarge
            When it is no JSON object, or over ``MAX_JSON``.
        """
        data = self.read(name, most=MAX_JSON)
        if data is None:
            return None
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise Corrupt("The metadata of the Zarr store is damaged.")
        return found

    def exists(self, name: str) -> bool:
        """Tell whether there is an ordinary file."""
        return os.path.isfile(self._inside(name))

    def size(self, name: str) -> int | None:
        """Give the bytes of a file, or None when there is none."""
        try:
            status = os.stat(self._inside(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            raise Corrupt("A part of the Zarr store cannot be read.") from None
        return status.st_size

    def read(self, name: str, *, most: int, offset: int = 0, length: int | None = None) -> bytes | None:
        """Read a file, or ``length`` bytes of it.

        Parameters
        ----------
        most
            Limit on the bytes to read.

        Returns
        -------
        None when there is no such file.

        Raises
        ------
        TooLarge
            When it would be more than ``most``.
        Corrupt
            When it is no ordinary file, or ends before ``length`` bytes.
        """
        try:
            # A pipe under a chunk's name would let an ordinary open wait for ever.
            file = os.open(self._inside(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            raise Corrupt("A part of the Zarr store cannot be read.") from None
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise Corrupt("A part of the Zarr store is no ordinary file.")
            wanted = status.st_size if length is None else length
            if wanted > most:
                raise TooLarge("A part of the Zarr store is larger than it may be.")
            data = os.pread(file, wanted, offset)
        except OSError:
            raise Corrupt("A part of the Zarr store cannot be read.") from None
        finally:
            os.close(file)
        if len(data) != wanted:
            raise Corrupt("A part of the Zarr store was cut off.")
        return data

    def _inside(self, name: str) -> str:
        path = os.path.realpath(os.path.join(self._root, name))
        if not path.startswith(self._root + os.sep):
            raise Unsupported("The Zarr store has links that lead out of its folder.")
        return path


def safe_path(text: object) -> str:
    """Check a path that metadata states: relative, and of plain names.

    Raises
    ------
    Corrupt
        When it is anything else.
    """
    names = text.split("/") if isinstance(text, str) else [""]
    if len(names) > 16 or any(name in ("", ".", "..") or "\\" in name or not name.isprintable() for name in names):
        raise Corrupt("A path in the metadata of the Zarr store is not one that may be followed.")
    return "/".join(names)
