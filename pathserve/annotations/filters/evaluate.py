"""Filters over many annotations at once, with SQL's three answers: true, false, unknown. Pure."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.annotations.filters.tree import (
    Among,
    And,
    Arithmetic,
    Between,
    Compare,
    ComparisonSign,
    Condition,
    Constant,
    Fold,
    Like,
    Missing,
    Name,
    Not,
    Or,
    Scalar,
    Truth,
)
from pathserve.labels import Columns
from pathserve.labels.columns import Floats, areas

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]

_COMPARE: Mapping[ComparisonSign, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
_WILD = re.compile(r"\\(.)|([%_])|(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Texts:
    """A text per row as an index into ``names``; -1 where there is none."""

    codes: Codes
    names: tuple[str, ...]

    def each(self, tells: Callable[[str], bool]) -> Bools:
        """Ask something of every name once, and give the answer per row; False where there is no text."""
        table = np.array([*map(tells, self.names), False], np.bool_)
        answers: Bools = table[self.codes]
        return answers


@dataclass(frozen=True, slots=True)
class _Values:
    """One value per row, or one for all (arrays of length 1): a number, a text or a truth value, or something else.

    Parameters
    ----------
    present
        Whether there is anything at all.
    numbers
        float64, NaN where the value is no number; None when no value is one.
    truths
        int8: 1, 0, or -1 where the value is no truth value.
    """

    present: Bools
    numbers: Floats | None = None
    texts: _Texts | None = None
    truths: npt.NDArray[np.int8] | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """Where a condition is true and where it is false; it is unknown where it is neither."""

    true: Bools
    false: Bools

    @classmethod
    def where(cls, known: Bools, holds: Bools) -> "_Answer":
        return cls(known & holds, known & ~holds)


_UNKNOWN = _Answer(np.zeros(1, np.bool_), np.zeros(1, np.bool_))


def matching_rows(condition: Condition, columns: Columns, authors: Mapping[int, str]) -> Bools:
    """Tell (N,) bool: where a condition is true; where it is unknown, as of a value that is not there, it is not.

    Parameters
    ----------
    authors
        Author by revision; looked at when the condition names authors.
    """
    found = np.zeros(len(columns), np.bool_)
    found |= _Evaluation(columns, authors).answer(condition).true
    return found


class _Evaluation:
    """Works a condition out for some columns; every fact and every row's JSON is read at most once."""

    def __init__(self, columns: Columns, authors: Mapping[int, str]) -> None:
        self._columns = columns
        self._authors = authors
        self._facts = dict[tuple[str, ...], _Values]()

    def answer(self, condition: Condition) -> _Answer:
        match condition:
            case And():
                return reduce(_both, map(self.answer, condition.parts))
            case Or():
                return _opposite(reduce(_both, (_opposite(self.answer(part)) for part in condition.parts)))
            case Not():
                return _opposite(self.answer(condition.inner))
            case Between():
                inner = self.values(condition.inner)
                low = _compare(">=", inner, self.values(condition.low))
                return _both(low, _compare("<=", inner, self.values(condition.high)))
            case Compare():
                return _compare(condition.sign, self.values(condition.left), self.values(condition.right))
            case _:
                return self._about_one(condition, self.values(condition.inner))

    def _about_one(self, condition: Like | Among | Missing | Truth, values: _Values) -> _Answer:
        match condition:
            case Missing():
                return _Answer(~values.present, values.present)
            case Among():
                return _among(values, condition.values)
            case Like():
                tells = _pattern(condition.pattern)
                texts = values.texts
                return _UNKNOWN if texts is None else _Answer.where(texts.codes >= 0, texts.each(tells))
            case Truth():
                truths = values.truths
                return _UNKNOWN if truths is None else _Answer(truths == 1, truths == 0)

    def values(self, scalar: Scalar) -> _Values:
        match scalar:
            case Name():
                known = self._facts.get(scalar.path)
                return known if known is not None else self._facts.setdefault(scalar.path, self._fact(scalar.path))
            case Constant():
                return _of_objects([scalar.value])
            case Fold():
                inner = self.values(scalar.inner)
                texts = inner.texts
                if texts is None:
                    return _Values(np.zeros(1, np.bool_))
                return _Values(texts.codes >= 0, texts=_Texts(texts.codes, tuple(map(str.casefold, texts.names))))
            case Arithmetic():
                return _calculate(scalar.sign, self.values(scalar.left), self.values(scalar.right))

    def _fact(self, path: tuple[str, ...]) -> _Values:
        columns = self._columns
        match path:
            case ("class",):
                return _of_texts(columns.classes, columns.class_names)
            case ("state",):
                return _of_texts(columns.states, columns.state_names)
            case ("layer",):
                return _of_texts(np.zeros(1, np.int32), (columns.layer,))
            case ("author",):
                revisions, codes = np.unique(columns.revisions, return_inverse=True)
                names = [self._authors.get(int(revision)) for revision in revisions]
                return _take(_of_objects(names), codes)
            case ("score",):
                return _of_numbers(columns.scores)
            case ("area",):
                return _of_numbers(areas(columns))
            case ("number",):
                return _of_numbers(columns.numbers)
            case ("revision",):
                return _of_numbers(columns.revisions)
            case ("exhaustive",):
                truths = columns.exhaustive.astype(np.int8)
                return _Values(np.ones(len(truths), np.bool_), truths=truths)
            case _:
                inside = path[1:] if path[0] == "properties" else path
                return _of_objects([_member(found, inside) for found in self._properties])

    @cached_property
    def _properties(self) -> list[Any]:
        return [orjson.loads(text) if text else {} for text in self._columns.properties]


def _member(value: Any, path: Iterable[str]) -> Any:  # noqa: ANN401 - any JSON value
    for part in path:
        if isinstance(value, list):
            value = _named(value, part)
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            return None
    return value


def _named(items: list[Any], name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Find a value in the form in which older files have measurements: ``[{"name": ..., "value": ...}]``."""
    return next((item.get("value") for item in items if isinstance(item, dict) and item.get("name") == name), None)


def _of_numbers(numbers: npt.NDArray[Any]) -> _Values:
    values = numbers.astype(np.float64)
    return _Values(~np.isnan(values), numbers=values)


def _of_texts(codes: Codes, names: tuple[str, ...]) -> _Values:
    return _Values(codes >= 0, texts=_Texts(codes, names))


def _of_objects(objects: list[Any]) -> _Values:
    """Sort values of any type by type; objects and lists are there, and equal nothing."""
    names = dict[str, int]()
    codes = [names.setdefault(value, len(names)) if isinstance(value, str) else -1 for value in objects]
    truths = [int(value) if isinstance(value, bool) else -1 for value in objects]
    numbers = [
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")
        for value in objects
    ]
    return _Values(
        present=np.array([value is not None for value in objects], np.bool_),
        numbers=np.array(numbers, np.float64),
        texts=_Texts(np.array(codes, np.int32), tuple(names)),
        truths=np.array(truths, np.int8),
    )


def _take(values: _Values, rows: npt.NDArray[np.intp]) -> _Values:
    texts = values.texts
    return _Values(
        present=values.present[rows], texts=None if texts is None else _Texts(texts.codes[rows], texts.names)
    )


def _calculate(sign: str, left: _Values, right: _Values) -> _Values:
    if left.numbers is None or right.numbers is None:
        return _Values(np.zeros(1, np.bool_))
    with np.errstate(all="ignore"):
        numbers = _ARITHMETIC[sign](left.numbers, right.numbers)
    # What is no finite number, such as a division by 0, is unknown.
    return _of_numbers(np.where(np.isfinite(numbers), numbers, np.nan))


def _compare(sign: ComparisonSign, left: _Values, right: _Values) -> _Answer:
    """Compare values of the same type; two of different types have no answer."""
    compare, answers = _COMPARE[sign], list[_Answer]()
    if left.numbers is not None and right.numbers is not None:
        known = ~np.isnan(left.numbers) & ~np.isnan(right.numbers)
        answers.append(_Answer.where(known, compare(left.numbers, right.numbers)))
    if left.texts is not None and right.texts is not None:
        ranks = {name: rank for rank, name in enumerate(sorted({*left.texts.names, *right.texts.names}))}
        first, second = _ranks(left.texts, ranks), _ranks(right.texts, ranks)
        answers.append(_Answer.where((first >= 0) & (second >= 0), compare(first, second)))
    if left.truths is not None and right.truths is not None and sign in ("=", "<>"):
        known = (left.truths >= 0) & (right.truths >= 0)
        answers.append(_Answer.where(known, compare(left.truths, right.truths)))
    return reduce(_either_known, answers, _UNKNOWN)


def _ranks(texts: _Texts, ranks: Mapping[str, int]) -> npt.NDArray[np.int64]:
    table = np.array([*(ranks[name] for name in texts.names), -1], np.int64)
    found: npt.NDArray[np.int64] = table[texts.codes]
    return found


def _among(values: _Values, wanted: tuple[float | str | bool, ...]) -> _Answer:
    if isinstance(wanted[0], str):
        texts = values.texts
        return (
            _UNKNOWN if texts is None else _Answer.where(texts.codes >= 0, texts.each(frozenset(wanted).__contains__))
        )
    if isinstance(wanted[0], bool):
        truths = values.truths
        return _UNKNOWN if truths is None else _Answer.where(truths >= 0, np.isin(truths, np.array(wanted, np.int8)))
    numbers = values.numbers
    return _UNKNOWN if numbers is None else _Answer.where(~np.isnan(numbers), np.isin(numbers, np.array(wanted)))


def _either_known(left: _Answer, right: _Answer) -> _Answer:
    """Put together the answers of different types, of which at most one is known per row."""
    return _Answer(left.true | right.true, left.false | right.false)


def _both(left: _Answer, right: _Answer) -> _Answer:
    return _Answer(left.true & right.true, left.false | right.false)


def _opposite(answer: _Answer) -> _Answer:
    return _Answer(answer.false, answer.true)


def _pattern(pattern: str) -> Callable[[str], bool]:
    """Make the test of a pattern.

    Between two ``%`` stands text of a fixed length, so each piece is looked for where it first fits: the time goes with
    the length of the text times that of the pattern, whatever both hold.
    """
    pieces: list[list[str]] = [[]]
    for escaped, wild, plain in _WILD.findall(pattern):
        if wild == "%":
            pieces.append([])
        else:
            pieces[-1].append("." if wild else re.escape(escaped or plain))
    first, *middle = (re.compile("".join(piece), re.DOTALL) for piece in pieces)
    if not middle:
        return lambda text: first.fullmatch(text) is not None
    last, width = middle.pop(), len(pieces[-1])

    def fits(text: str) -> bool:
        found = first.match(text)
        for piece in middle:
            found = None if found is None else piece.search(text, found.end())
        start = len(text) - width
        return found is not None and start >= found.end() and last.fullmatch(text, start) is not None

    return fits
