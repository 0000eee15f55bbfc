"""Filters as people write them: a part of the text form of CQL2 (OGC 21-065r2, section 8 and annex B).

The parser knows a short list of names, signs and words, and refuses everything else. It is our own, since limits have
to hold while a filter is read: 2,000 brackets end a process that reads them with cql2 0.6, and pygeofilter 0.4 refuses
names with blanks. What is wrong is said without the text, which can hold anything.

One form is not of CQL2: a name of several parts may have quotes around each, ``measurements."Nucleus: Area"``. Programs
that write plain CQL2 quote it whole, ``"measurements.Nucleus: Area"``.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from pathserve.annotations.filters.tree import (
    Among,
    And,
    Arithmetic,
    ArithmeticSign,
    Between,
    Compare,
    ComparisonSign,
    Condition,
    Constant,
    Fold,
    Like,
    Missing,
    Name,
    Node,
    Not,
    Or,
    Scalar,
    Truth,
)
from pathserve.errors import Invalid

MAX_TEXT = 4000
"""Most characters of a filter."""

MAX_DEPTH = 24
"""How deep brackets, signs and NOT may be nested."""

MAX_CONDITIONS = 200
"""Most comparisons and other conditions of a filter."""

MAX_OPERATIONS = 64
"""Most arithmetic signs of a filter."""

MAX_LIST = 500
"""Most values behind IN."""

MAX_PATTERN = 200
"""Most characters of a pattern behind LIKE."""

MAX_PATTERNS = 8
"""Most patterns of a filter."""

MAX_PATH = 8
"""Most parts of a name."""

FACTS = ("class", "layer", "author", "state", "score", "area", "number", "revision", "exhaustive", "name")
"""Names by themselves; beside them ``measurements.X`` and ``properties.X.Y``."""

ROOTS = ("measurements", "properties")

_VALUES = frozenset(FACTS) - {"exhaustive"}
"""Names that are never true or false by themselves."""

_MOST = {"conditions": MAX_CONDITIONS, "arithmetic signs": MAX_OPERATIONS, "patterns": MAX_PATTERNS}
_WORDS = frozenset({"AND", "OR", "NOT", "LIKE", "BETWEEN", "IN", "IS", "NULL", "TRUE", "FALSE", "CASEI"})
_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
    (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")+")
    |(?P<word>[^\W\d]\w*)
    |(?P<sign><>|<=|>=|[=<>()+\-*/.,])
    |(?P<end>\Z)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    place: int


def parse_condition(text: str) -> Condition:
    """Read a filter.

    Raises
    ------
    Invalid
        With the code ``bad_filter`` and the place of the first thing that is wrong, or when it is over a limit.
    """
    if len(text) > MAX_TEXT:
        raise _error(f"A filter has at most {MAX_TEXT:,} characters.")
    return _Parser(_tokens(text)).whole()


def _error(sentence: str) -> Invalid:
    return Invalid(sentence, code="bad_filter")


def _wrong(token: _Token, why: str) -> Invalid:
    return _error(f"The filter cannot be read at character {token.place}: {why}.")


def _tokens(text: str) -> list[_Token]:
    tokens, place = list[_Token](), 0
    while True:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _error(f"The filter cannot be read behind character {place}.")
        kind, found = match.lastgroup, match[match.lastgroup]
        if kind == "word" and found.upper() in _WORDS:
            kind = found.upper()
        elif kind == "sign":
            kind = found
        tokens.append(_Token(kind, found, match.start(match.lastgroup) + 1))
        if kind == "end":
            return tokens
        place = match.end()


class _Input:
    """The tokens from left to right, one ahead, and how much of each limit is used."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._counts = Counter[str]()

    @property
    def ahead(self) -> _Token:
        return self._tokens[self._at]

    def take(self, *kinds: str) -> _Token | None:
        return self.next() if self.ahead.kind in kinds else None

    def need(self, kind: str, what: str) -> _Token:
        token = self.take(kind)
        if token is None:
            raise self.wrong(f"{what} is missing")
        return token

    def next(self) -> _Token:
        token = self.ahead
        self._at += 1
        return token

    def wrong(self, why: str) -> Invalid:
        return _wrong(self.ahead, why)

    def deeper(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _error(f"A filter is nested at most {MAX_DEPTH} deep.")
        node = read()
        self._depth -= 1
        return node

    def count(self, what: str) -> None:
        self._counts[what] += 1
        if self._counts[what] > _MOST[what]:
            raise _error(f"A filter has at most {_MOST[what]} {what}.")


class _Parser:
    """Reads by recursive descent; every method that calls itself in the end counts how deep it is."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._input = _Input(tokens)
        self._name_read = tokens[0]  # where the last name began

    def whole(self) -> Condition:
        if self._input.ahead.kind == "end":
            raise _error("The filter is empty.")
        condition = self._condition(self._either())
        if self._input.ahead.kind != "end":
            raise self._input.wrong("this is not expected here")
        return condition

    def _condition(self, node: Node) -> Condition:
        if not isinstance(node, Scalar):
            return node
        if isinstance(node, Name) and node.path[0] in _VALUES:
            raise _wrong(self._name_read, "a value stands where a condition is expected")
        if isinstance(node, Name) or (isinstance(node, Constant) and isinstance(node.value, bool)):
            self._input.count("conditions")
            return Truth(node)
        raise self._input.wrong("a value stands where a condition is expected")

    def _scalar(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            return node
        raise self._input.wrong("a condition stands where a value is expected")

    def _either(self) -> Node:
        first = self._both()
        if self._input.ahead.kind != "OR":
            return first
        parts = [self._condition(first)]
        while self._input.take("OR"):
            parts.append(self._condition(self._both()))
        return Or(tuple(parts))

    def _both(self) -> Node:
        first = self._negated()
        if self._input.ahead.kind != "AND":
            return first
        parts = [self._condition(first)]
        while self._input.take("AND"):
            parts.append(self._condition(self._negated()))
        return And(tuple(parts))

    def _negated(self) -> Node:
        if self._input.take("NOT"):
            return Not(self._condition(self._input.deeper(self._negated)))
        return self._compared()

    def _compared(self) -> Node:
        left = self._sum()
        if self._input.ahead.kind not in _COMPARISONS | {"NOT", "LIKE", "IN", "BETWEEN", "IS"}:
            return left
        self._input.count("conditions")
        inner = self._scalar(left)
        sign = self._input.take(*_COMPARISONS)
        if sign is not None:
            return Compare(cast("ComparisonSign", sign.kind), inner, self._scalar(self._sum()))
        tells_missing = self._input.take("IS") is not None
        negated = self._input.take("NOT") is not None
        condition = self._missing(inner) if tells_missing else self._predicate(inner)
        return Not(condition) if negated else condition

    def _missing(self, inner: Scalar) -> Condition:
        self._input.need("NULL", "NULL")
        return Missing(inner)

    def _predicate(self, inner: Scalar) -> Condition:
        if self._input.take("LIKE"):
            return self._like(inner)
        if self._input.take("IN"):
            return self._among(inner)
        if self._input.take("BETWEEN"):
            low = self._scalar(self._sum())
            self._input.need("AND", "AND")
            return Between(inner, low, self._scalar(self._sum()))
        raise self._input.wrong("LIKE, IN or BETWEEN is missing")

    def _like(self, inner: Scalar) -> Condition:
        self._input.count("patterns")
        folded = self._input.take("CASEI") is not None
        if folded:
            self._input.need("(", "a bracket")
        pattern = _text(self._input.need("text", "a pattern in single quotes"))
        if folded:
            self._input.need(")", "a bracket")
        if len(pattern) > MAX_PATTERN:
            raise _error(f"A pattern has at most {MAX_PATTERN} characters.")
        return Like(inner, pattern.casefold() if folded else pattern)

    def _among(self, inner: Scalar) -> Condition:
        self._input.need("(", "a bracket")
        values = [self._value()]
        while self._input.take(","):
            values.append(self._value())
            if len(values) > MAX_LIST:
                raise _error(f"A list of a filter has at most {MAX_LIST} values.")
        self._input.need(")", "a bracket")
        if len({type(value) for value in values}) > 1:
            raise self._input.wrong("a list has values of one type")
        return Among(inner, tuple(values))

    def _value(self) -> float | str | bool:
        negative = self._input.take("-", "+")
        if negative is not None:
            number = _number(self._input.need("number", "a number"))
            return -number if negative.kind == "-" else number
        token = self._input.take("number", "text", "TRUE", "FALSE")
        if token is None:
            raise self._input.wrong("a value is missing")
        return _constant(token).value

    def _sum(self) -> Node:
        left = self._product()
        while sign := self._input.take("+", "-"):
            left = self._arithmetic(sign, left, self._product())
        return left

    def _product(self) -> Node:
        left = self._signed()
        while sign := self._input.take("*", "/"):
            left = self._arithmetic(sign, left, self._signed())
        return left

    def _arithmetic(self, sign: _Token, left: Node, right: Node) -> Arithmetic:
        # A long sum is a deep tree: what counts the signs bounds its depth too.
        self._input.count("arithmetic signs")
        return Arithmetic(cast("ArithmeticSign", sign.kind), self._scalar(left), self._scalar(right))

    def _signed(self) -> Node:
        sign = self._input.take("-", "+")
        if sign is None:
            return self._primary()
        inner = self._scalar(self._input.deeper(self._signed))
        if isinstance(inner, Constant) and isinstance(inner.value, float):
            return Constant(-inner.value) if sign.kind == "-" else inner
        return self._arithmetic(sign, Constant(0.0), inner)

    def _primary(self) -> Node:
        if self._input.take("("):
            node = self._input.deeper(self._either)
            self._input.need(")", "a closing bracket")
            return node
        if self._input.take("CASEI"):
            self._input.need("(", "a bracket")
            node = Fold(self._scalar(self._input.deeper(self._sum)))
            self._input.need(")", "a closing bracket")
            return node
        token = self._input.take("number", "text", "TRUE", "FALSE")
        if token is not None:
            return _constant(token)
        if self._input.ahead.kind in ("word", "quoted"):
            return self._name()
        raise self._input.wrong("a name or a value is missing")

    def _name(self) -> Name:
        first = self._input.ahead
        path = [_part(self._input.next())]
        while self._input.take("."):
            # Behind a dot every word is a name, such as `properties.in`.
            if not (self._input.ahead.kind == "quoted" or self._input.ahead.text[:1].isidentifier()):
                raise self._input.wrong("a name is missing; what is no plain word stands in double quotes")
            path.append(_part(self._input.next()))
        if len(path) == 1 and first.kind == "quoted":
            path = _split(path[0])
        fits = path[0] in FACTS if len(path) == 1 else path[0] in ROOTS
        if not fits or len(path) > MAX_PATH:
            names = f"names are {', '.join(FACTS)}, measurements.NAME and properties.NAME"
            raise _wrong(first, f"texts stand in single quotes, and {names}" if first.kind == "quoted" else names)
        self._name_read = first
        return Name(tuple(path))


def _part(token: _Token) -> str:
    return token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text


def _split(name: str) -> list[str]:
    """Take a name apart that was quoted whole; the names of measurements can hold dots of their own."""
    root, _, rest = name.partition(".")
    return [root, *(rest.split(".") if root == "properties" else [rest])] if rest else [name]


def _number(token: _Token) -> float:
    number = float(token.text)
    if number == float("inf"):
        raise _error(f"The number at character {token.place} is too large.")
    return number


def _text(token: _Token) -> str:
    return token.text[1:-1].replace("''", "'")


def _constant(token: _Token) -> Constant:
    match token.kind:
        case "number":
            return Constant(_number(token))
        case "text":
            return Constant(_text(token))
        case _:
            return Constant(token.kind == "TRUE")
