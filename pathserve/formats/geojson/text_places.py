"""Where the texts stand that `text_kernels` puts between those of each row, and how much room a row takes."""

from typing import Final

BEFORE: Final = 0
GEOMETRY: Final = 1
PROPERTIES: Final = 2
STATE: Final = 3
TYPE: Final = 4
AFTER: Final = 5
HEADS: Final = 6
CLASSES: Final = 13

NUMBER_BYTES: Final = 24
"""Most bytes of a number."""

SLACK: Final = 32
"""Bytes behind a text that may be written over."""

POSITION_BYTES: Final = 2 * NUMBER_BYTES + 4
"""Most bytes of a position, with what stands around it."""

ROW_BYTES: Final = 36 + 2 + 20
"""Most bytes of an id, of what geometries and properties may have between, and of a number, in one row."""
