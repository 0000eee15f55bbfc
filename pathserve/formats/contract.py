"""What every annotation format is: one value with a name, a way to recognise it, a reader and a writer.

A reader turns a file into annotations, one after another; a writer does the opposite. Neither holds more than a block
of them, knows the store, repairs geometry, or moves coordinates between frames unless the format itself says in which
frame it is: that is done once for all formats by who calls them (`pathserve.exchange`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from pathserve.geometry import Mpp, Size
from pathserve.labels import ClassSchema, CodedTerm, Color, Columns, FeatureIssue, NewAnnotation

HEAD_BYTES = 64 * 1024
"""How much of a file `Format.recognise` is shown."""

Origin = Literal["slide", "bounds"]
Unit = Literal["px", "um"]


@dataclass(frozen=True, slots=True)
class SlideFrame:
    """What formats may need to know of the slide; nothing in it names a patient.

    Parameters
    ----------
    size
        Level-0 pixels, or None when it is not known.
    mpp
        Micrometres per level-0 pixel, or None when they are not known.
    bounds
        Top-left corner, in level-0 pixels, of the non-empty part as OpenSlide gives it; (0, 0) when there is none.
    """

    size: Size | None = None
    mpp: Mpp | None = None
    bounds: tuple[float, float] = (0.0, 0.0)


class Losses:
    """Counts what a file or a format could not hold, by code; for one thread.

    Every code comes with one sentence, the same each time, that names neither files nor values out of them.

    Parameters
    ----------
    left_out
        How many annotations are not in the file that was written: no piece of them is.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self.left_out = 0

    def note(self, code: str, message: str, count: int = 1) -> None:
        """Count something that is lost or changed: ``note("holes_split", "Holes became objects of their own.")``."""
        self._counts[code, message] += count

    def leave_out(self, code: str, message: str, count: int = 1) -> None:
        """Count annotations of which nothing is written."""
        if count:
            self.note(code, message, count)
            self.left_out += count

    def items(self) -> list[tuple[str, str, int]]:
        """List code, sentence and count, in the order in which they were first met."""
        return [(code, message, count) for (code, message), count in self._counts.items()]


GEOMETRY_MEMBERS = ("geometry_members", "Members of geometries beside their coordinates are not kept.")
DRAWN_DROPPED = ("drawn_dropped", "Outlines as drawn before they were repaired are left out.")


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What a reader is given beside the file.

    Parameters
    ----------
    max_vertices, max_features
        Limits of one geometry and of the whole file; beyond the second a reader raises `TooLarge`.
    colors
        Class -> colour as the file states it, which readers add to: columns name classes and have no place for colours.
        The first colour of a class counts.
    codes
        Class -> what it means in a terminology, as the file states it; as for ``colors``.
    options
        What the user says beside the frame, as ``--option NAME=VALUE`` has it; each format tells which it knows.
    """

    slide: SlideFrame = field(default_factory=SlideFrame)
    losses: Losses = field(default_factory=Losses)
    max_vertices: int = 1_000_000
    max_features: int = 50_000_000
    colors: dict[str, Color] = field(default_factory=dict)
    codes: dict[str, CodedTerm] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WriteContext:
    """What a writer is given beside the annotations.

    Parameters
    ----------
    schema
        Classes with their colours, codes and mask values.
    revisions
        Revision -> (author, moment): who wrote what is at that revision, and when.
    options
        As for `ReadContext`.
    """

    slide: SlideFrame = field(default_factory=SlideFrame)
    losses: Losses = field(default_factory=Losses)
    schema: ClassSchema = field(default_factory=ClassSchema)
    revisions: Mapping[int, tuple[str, datetime]] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


Item = NewAnnotation | Columns | FeatureIssue
"""What a reader gives: one annotation, many, or why one could not be read.

Its place in the input is its place in the order given (every row of columns counts); an issue's own ``index`` is
replaced by it. Geometry has not passed the geometry gate yet.
"""

Reader = Callable[[Path, ReadContext], Iterator[Item]]
"""Reads a file.

Raises `Invalid` when it is not what it seemed, `TooLarge` beyond a limit, `Unsupported` when a package is missing.
"""

Writer = Callable[[Iterator[Columns], BinaryIO, WriteContext], None]
"""Writes annotations, each `Columns` of one layer, to a file that may not be seekable."""


@dataclass(frozen=True, slots=True)
class Format:
    """One annotation format.

    Parameters
    ----------
    name
        What ``--format`` and ``format=`` call it: ``"asap"``.
    title
        What people call it: ``"ASAP XML"``.
    endings
        Endings of its files with the dot, the one of a written file first; only for names that we make: files are told
        apart by content.
    recognise
        Whether a file's first `HEAD_BYTES` look like it.
    read, write
        None where it cannot be read or written.
    origin, unit
        The frame of its coordinates unless the user says otherwise. None where the format itself says it: its reader
        gives level-0 pixels, its writer takes them.
    options
        What it can be told: the names that its reader or writer takes of `ReadContext.options`.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    media_type: str
    recognise: Callable[[bytes], bool]
    read: Reader | None = None
    write: Writer | None = None
    origin: Origin | None = "slide"
    unit: Unit | None = "px"
    options: tuple[str, ...] = ()
