"""Ids as files have them: UUIDs are kept, any other stays as a property, and the store makes a new one."""

from typing import Any
from uuid import UUID

ORIGINAL_ID = "original_id"
"""Property that holds an id which was no UUID."""

ID_REPLACED = ("id_replaced", "The id was no UUID; a new one was made and the old one kept as original_id.")
"""Code and sentence of that, where a format has places for ids of ours."""

_LENGTH = 36


def read_id(value: object, properties: dict[str, Any]) -> UUID | None:
    """Read an id, None where there is none; one that is no UUID in its usual form becomes a property."""
    if value is None:
        return None
    if isinstance(value, str) and len(value) == _LENGTH:
        try:
            return UUID(value)
        except ValueError:
            pass
    properties[ORIGINAL_ID] = value
    return None
