"""What an import finds under an id."""

from enum import IntEnum


class Standing(IntEnum):
    """What is there under the id of a row."""

    NEW = 0
    KNOWN = 1
    CHANGED = 2
    TAKEN = 3
