"""Which form of a thing a client takes: ``Accept`` and ``Accept-Encoding`` by RFC 9110, section 12.5. Pure."""

import re
from collections.abc import Mapping
from typing import TypeVar

from pathserve.errors import NotAcceptable

_K = TypeVar("_K", bound=str)

_WEIGHT = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")
_NEVER = re.compile(r"q=0(?:\.0{0,3})?")
_RANGE = re.compile(r"\*/\*|[\w!#$%&'+.^`|~-]+/(?:\*|[\w!#$%&'+.^`|~-]+)", re.ASCII)


def preferred(accept: str, offered: Mapping[_K, str]) -> _K:
    """Choose the form that a client gives the highest weight; of equal ones, the one that is offered first.

    The most specific range that fits a media type says its weight (``image/webp`` before ``image/*`` before ``*/*``),
    and a weight of 0 rules it out. A range with parameters of its own fits none of ours, and what cannot be read is
    passed over. A header without a single range asks for nothing, so it gets the first form.

    Parameters
    ----------
    accept
        The header's value; empty when there is none.
    offered
        Media type by name of the form, the one that the server would rather send first.

    Raises
    ------
    NotAcceptable
        When the client takes none of them.
    """
    weights = dict(found for part in accept.lower().split(",") if (found := _range(part)) is not None)
    if not weights:
        return next(iter(offered))
    best = max(offered, key=lambda name: _weight(weights, offered[name]))
    if _weight(weights, offered[best]) == 0:
        raise NotAcceptable(f"This address answers as {', '.join(offered.values())}.")
    return best


def takes_coding(accept_encoding: str, wanted: str) -> bool:
    """Tell whether a client takes a content coding by name; a star alone does not count."""
    for part in accept_encoding.lower().split(","):
        coding, *parameters = (word.replace(" ", "").replace("\t", "") for word in part.split(";"))
        if coding == wanted:
            return not any(_NEVER.fullmatch(parameter) for parameter in parameters)
    return False


def _range(text: str) -> tuple[str, float] | None:
    """Read one range and its weight; its parameters stay part of it, so that it fits only what has them too."""
    media, *parameters = (part.strip() for part in text.split(";"))
    if not _RANGE.fullmatch(media):
        return None
    for parameter in parameters:
        name, _, value = (part.strip() for part in parameter.partition("="))
        if name == "q":
            return (media, float(value)) if _WEIGHT.fullmatch(value) else None
        media += f";{name}={value}"
    return media, 1.0


def _weight(weights: Mapping[str, float], media: str) -> float:
    kind = media.partition("/")[0]
    return next((weights[known] for known in (media, f"{kind}/*", "*/*") if known in weights), 0.0)
