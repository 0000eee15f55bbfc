"""What is there under the id of an annotation, and in what it differs."""

from enum import IntEnum, IntFlag


class Standing(IntEnum):
    """What is there under the id of a row."""

    NEW = 0
    KNOWN = 1
    CHANGED = 2
    TAKEN = 3


class Difference(IntFlag):
    """In what two annotations of one id differ, or where the one is that is there."""

    NONE = 0
    GEOMETRY = 1
    CLASS = 2
    PROPERTIES = 4
    DRAWN = 8
    ELSEWHERE = 16
    DELETED = 32
    REPEATED = 64


_PLACES = {
    Difference.ELSEWHERE: "An annotation of this id is on another slide, or in a layer that was taken away.",
    Difference.DELETED: "An annotation of this id was there and was deleted.",
    Difference.ELSEWHERE | Difference.DELETED: "An annotation of this id was deleted, or is on another slide, or in a "
    "layer that was taken away.",
    Difference.REPEATED: "An earlier one of those given has the same id and other content.",
}
_WORDS = {
    Difference.GEOMETRY: "another geometry",
    Difference.CLASS: "another class",
    Difference.PROPERTIES: "other properties",
    Difference.DRAWN: "another outline before its repair",
}


def conflict_message(difference: Difference) -> str:
    """Say it in a sentence."""
    if difference in _PLACES:
        return _PLACES[difference]
    *before, last = [word for one, word in _WORDS.items() if one in difference] or ["other content"]
    return f"An annotation of this id is there with {', '.join(before)}{' and ' if before else ''}{last}."
