"""How far `ring_kernels` looks at rings, and the room that it needs for that."""

from typing import Final

MOST_POSITIONS: Final = 500
"""Rings of more positions are not looked at: every edge is compared with the boxes of all others."""

TOGETHER: Final = 8
"""So many edges have a box."""

BOXES: Final = MOST_POSITIONS // TOGETHER + 1
