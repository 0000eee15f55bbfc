"""Places in what `record_kernels.measure` tells of records."""

from typing import Final

SCALE: Final = 0
RAW: Final = 1
CLOSED: Final = 2
REACH: Final = 3
PARTS: Final = 4
RINGS: Final = 5
POSITIONS: Final = 6
TEXTS: Final = 7
"""Followed by those of the other two texts."""

TOLD: Final = 10
