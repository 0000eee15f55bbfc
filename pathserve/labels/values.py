"""Single values: a class, a schema, a layer, an annotation as it stands at one revision. No storage."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pathserve.errors import Invalid

BACKGROUND = 0
"""Mask value of tissue that no annotation covers."""

IGNORE = 255
"""Mask value of places that nobody has annotated exhaustively."""

MAX_CLASSES = IGNORE - BACKGROUND - 1
"""How many classes one schema can ever hold: values 1 to 254, never used twice."""

EXHAUSTIVE = "exhaustive"
"""Property that marks an annotation as an exhaustively annotated area: true, or a list of class names."""

STATE = "state"
"""Property that names the review state of an annotation; what has none is a draft."""


MAX_NAME = 200
"""Most characters of a name that people give to a project, slide, layer or class."""

Color = tuple[int, int, int]
"""sRGB, 0 to 255 each."""


def require_name(name: str, what: str) -> str:
    """Check a name and give it back as it is.

    Parameters
    ----------
    what
        What it names, for the error: ``"class name"``.

    Raises
    ------
    Invalid
        When it is blank, longer than 200 characters, or has characters that cannot be printed.
    """
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise Invalid(f"A {what} needs 1 to {MAX_NAME} printable characters.", code="bad_name")
    return name


def clean_name(name: str, what: str) -> str:
    """Check a name as `require_name` does and give it without blanks around it."""
    return require_name(name.strip(), what)


def require_clear(properties: Mapping[str, Any]) -> None:
    """Refuse properties that are not clear where they decide how an annotation is counted, found and rasterized.

    Raises
    ------
    Invalid
        When the state is neither null nor a name, or the mark ``exhaustive`` neither true, false, nor a list of class
        names.
    """
    state, mark = properties.get(STATE), properties.get(EXHAUSTIVE, False)
    if state is not None:
        require_name(state if isinstance(state, str) else "", "state")
    if not (isinstance(mark, bool) or (isinstance(mark, list) and all(isinstance(name, str) for name in mark))):
        raise Invalid("The property exhaustive is true, false, or a list of class names.", code="bad_exhaustive")


def unclear(properties: Mapping[str, Any]) -> Invalid | None:
    """Tell why `require_clear` refuses properties, for those who go on with others; None when it does not."""
    try:
        require_clear(properties)
    except Invalid as error:
        return error
    return None


@dataclass(frozen=True, slots=True)
class CodedTerm:
    """What a class means in a terminology, so that programs agree on it.

    Parameters
    ----------
    system
        The terminology, as DICOM designates coding schemes (PS3.16, section 8): ``SCT`` is SNOMED CT.
    code
        The term there: ``108369006``.
    meaning
        The same for people: ``Neoplasm``.
    """

    system: str
    code: str
    meaning: str


@dataclass(frozen=True, slots=True)
class AnnotationClass:
    """One class of a project's schema.

    Parameters
    ----------
    name
        What people call it; unique in its schema.
    color
        (r, g, b), each 0-255.
    value
        Mask value, 1 to 254; never given to another class again.
    priority
        The class with the higher number wins where annotations overlap.
    hotkey
        One key of the viewer, or None.
    code
        What it means in a terminology, or None.
    """

    name: str
    color: Color
    value: int
    priority: int = 0
    hotkey: str | None = None
    code: CodedTerm | None = None


@dataclass(frozen=True, slots=True)
class ClassSchema:
    """The classes of one project, in the order in which they were made.

    Parameters
    ----------
    version
        Counts up with every change; 0 before the first one.
    """

    classes: tuple[AnnotationClass, ...] = ()
    version: int = 0

    def __iter__(self) -> Iterator[AnnotationClass]:
        return iter(self.classes)

    def get(self, name: str) -> AnnotationClass | None:
        """Find a class by name."""
        return next((c for c in self.classes if c.name == name), None)

    @property
    def values(self) -> dict[str, int]:
        """Class map ``{name: mask value}``."""
        return {c.name: c.value for c in self.classes}


@dataclass(frozen=True, slots=True)
class Layer:
    """The annotations of one author, task or model on one slide.

    Parameters
    ----------
    kind
        ``author``, ``task``, ``model`` or ``imported``.
    """

    id: int
    slide: str
    name: str
    author: str
    kind: str = "author"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation as it stands at one revision.

    Parameters
    ----------
    id
        UUID, the same at every revision.
    number
        Whole number above 0, unique on its slide and never used again: its value in instance masks.
    revision
        The slide's revision at which this version was written.
    geometry
        GeoJSON geometry object in level-0 pixels, as it came in (ring start, direction and foreign members kept).
    class_name
        Name of its class, or None when it has none.
    properties
        Everything else that came in, kept as it was.
    drawn
        The geometry as drawn, when it had to be repaired; otherwise None.
    """

    id: UUID
    number: int
    slide: str
    layer: str
    author: str
    revision: int
    geometry: Mapping[str, Any]
    class_name: str | None
    properties: Mapping[str, Any]
    created: datetime
    updated: datetime
    deleted: bool = False
    drawn: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class NewAnnotation:
    """An annotation that is not stored yet; ``id`` is None when the store shall make one."""

    geometry: Mapping[str, Any]
    id: UUID | None = None
    class_name: str | None = None
    class_color: Color | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    drawn: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class FeatureIssue:
    """What happened to one feature at the door: its place in the input, a stable code and one sentence."""

    index: int
    code: str
    message: str
