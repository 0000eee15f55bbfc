"""Parts of a file that stand after one another although they are written side by side."""

import shutil
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import BinaryIO, Self

from pathserve.errors import TooLarge

MAX_SECTIONS = 1000
"""Most sections of one file, such as the layers of a format that has one for each class."""

_IN_MEMORY = 256 * 1024


class Sections:
    """Collects the bytes of each section in a temporary file of its own, and copies them where they belong.

    Memory: a quarter of a megabyte for each section. Used in a ``with``, at the end of which all is deleted.
    """

    def __init__(self) -> None:
        self._files: dict[str, SpooledTemporaryFile[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    @property
    def names(self) -> list[str]:
        """Sections in the order in which they were begun."""
        return list(self._files)

    def write(self, section: str, data: bytes) -> None:
        """Add to a section.

        Raises
        ------
        TooLarge
            When there are too many sections.
        """
        file = self._files.get(section)
        if file is None:
            if len(self._files) >= MAX_SECTIONS:
                raise TooLarge(f"This format holds at most {MAX_SECTIONS:,} classes.", code="too_many_classes")
            file = self._files[section] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed at the end
        file.write(data)

    def copy(self, section: str, target: BinaryIO) -> None:
        """Copy a section, which is empty when nothing was written to it."""
        file = self._files.get(section)
        if file is not None:
            file.seek(0)
            shutil.copyfileobj(file, target)
