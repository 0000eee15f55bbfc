"""XML that strangers wrote, as a tree: no document types, no entities, no outside references, bounded size."""

from dataclasses import dataclass, field
from xml.parsers import expat

from pathserve.errors import Corrupt, TooLarge

MAX_CHARACTERS = 64 << 20
MAX_ELEMENTS = 250_000
MAX_DEPTH = 256


@dataclass(slots=True)
class Element:
    """An element: its name and its attributes' names without namespaces, its own text, its children in order."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, name: str) -> list["Element"]:
        """List the children of a name."""
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> "Element | None":
        """Give the first child of a name."""
        return next(iter(self.all(name)), None)

    def text_of(self, name: str) -> str | None:
        """Give the text of the first child of a name, None when there is none or it is blank."""
        child = self.first(name)
        return (child.text.strip() or None) if child is not None else None


class _Builder:
    def __init__(self) -> None:
        self._open = [Element("")]
        self._count = 0

    @property
    def top(self) -> list[Element]:
        return self._open[0].children

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) > MAX_DEPTH:
            raise TooLarge("The scan's metadata is too long or too deep.")
        element = Element(_bare(name), {_bare(key): value for key, value in attributes.items()})
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].text += text

    def doctype(self, *_: object) -> None:
        raise Corrupt("The scan's metadata declares a document type, which no scanner writes.")


def _bare(name: str) -> str:
    """Take the namespace off a name."""
    return name.rpartition(":")[2]


def parse_xml(text: str) -> Element:
    """Parse XML whatever encoding it declares: it is text already.

    Raises
    ------
    Corrupt
        When it is not well-formed, or declares a document type.
    TooLarge
        When it is over a limit.
    """
    if len(text) > MAX_CHARACTERS:
        raise TooLarge("The scan's metadata is too long or too deep.")
    builder = _Builder()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.doctype
    try:
        parser.Parse(text.strip().strip("\x00").encode("utf-8", "replace"), True)
    except expat.ExpatError:
        raise Corrupt("The scan's metadata is damaged.") from None
    return builder.top[0]


def names_in(element: Element) -> list[str]:
    """Name every element that has text and every attribute below an element, each once, for a report."""
    names: dict[str, None] = {}
    waiting = [element]
    while waiting:
        here = waiting.pop()
        if here.text.strip():
            names[here.name] = None
        names.update((f"{here.name}.{key}", None) for key in here.attributes)
        waiting += here.children
    return list(names)
