"""What a filter says, as a tree of frozen values: nothing in it can be called, and nothing else can be said."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

ComparisonSign = Literal["=", "<>", "<", "<=", ">", ">="]
ArithmeticSign = Literal["+", "-", "*", "/"]


@dataclass(frozen=True, slots=True)
class Name:
    """A fact of an annotation: ``("class",)``, ``("measurements", "Nucleus: Area")``, ``("properties", "x", "y")``."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text or a truth value."""

    value: float | str | bool


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two numbers put together."""

    sign: ArithmeticSign
    left: "Scalar"
    right: "Scalar"


@dataclass(frozen=True, slots=True)
class Fold:
    """A text without regard to upper and lower case (``CASEI``)."""

    inner: "Scalar"


Scalar = Name | Constant | Arithmetic | Fold


@dataclass(frozen=True, slots=True)
class Compare:
    """Two values compared."""

    sign: ComparisonSign
    left: Scalar
    right: Scalar


@dataclass(frozen=True, slots=True)
class Like:
    """A text that looks like a pattern, in which ``%`` is any text, ``_`` any character and a backslash an escape."""

    inner: Scalar
    pattern: str


@dataclass(frozen=True, slots=True)
class Among:
    """A value that is one of a few, all of one type."""

    inner: Scalar
    values: tuple[float | str | bool, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """A number between two others, both ends included."""

    inner: Scalar
    low: Scalar
    high: Scalar


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that is not there (``IS NULL``)."""

    inner: Scalar


@dataclass(frozen=True, slots=True)
class Truth:
    """A truth value by itself."""

    inner: Scalar


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; of what is unknown it is unknown too."""

    inner: "Condition"


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    parts: tuple["Condition", ...]


Condition = Compare | Like | Among | Between | Missing | Truth | Not | And | Or
Node = Scalar | Condition


def inner_nodes(node: Node) -> tuple[Node, ...]:
    """Give the nodes right below one."""
    match node:
        case Name() | Constant():
            return ()
        case Arithmetic() | Compare():
            return node.left, node.right
        case Between():
            return node.inner, node.low, node.high
        case And() | Or():
            return node.parts
        case _:
            return (node.inner,)


def names_in(node: Node) -> Iterator[Name]:
    """Give every name that a tree mentions, each as often as it stands there."""
    if isinstance(node, Name):
        yield node
    for inner in inner_nodes(node):
        yield from names_in(inner)
