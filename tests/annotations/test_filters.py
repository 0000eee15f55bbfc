import math
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import orjson
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pathserve.annotations.filters import Filter, parse_filter
from pathserve.annotations.filters.parse import FACTS, MAX_DEPTH, MAX_LIST
from pathserve.annotations.filters.tree import (
    Among,
    And,
    Arithmetic,
    Between,
    Compare,
    Constant,
    Fold,
    Like,
    Missing,
    Name,
    Not,
    Or,
    Truth,
)
from pathserve.errors import Invalid
from pathserve.labels import Columns, NewAnnotation, Texts

AUTHORS = {1: "ada", 2: "bob"}


def polygon(side: float) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[[0, 0], [side, 0], [side, side], [0, side], [0, 0]]]}


def columns(*annotations: NewAnnotation) -> Columns:
    """Put annotations into columns as a store gives them: numbers 1, 2, ..., revisions 1, 2, 1, 2, ..."""
    made = Columns.of(annotations)
    count = len(made)
    return replace(made, numbers=np.arange(count) + 1, revisions=np.arange(count) % 2 + 1, layer="nuclei")


FOUR = columns(
    NewAnnotation(
        polygon(10),
        class_name="Tumor",
        properties={"score": 0.9, "state": "approved", "measurements": {"Nucleus: Area": 61.5, "odd": "NaN"}},
    ),
    NewAnnotation(
        polygon(2), class_name="Stroma", properties={"measurements": [{"name": "Nucleus: Area", "value": 7}]}
    ),
    NewAnnotation(polygon(3), properties={"name": "50% o'clock", "lab": {"in": {"x": True}}, "exhaustive": True}),
    NewAnnotation({"type": "Point", "coordinates": [1, 1]}, class_name="tumor: deep", properties={"lab": None}),
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("class = 'Tumor'", [1]),
        ("class <> 'Tumor'", [2, 4]),  # the one without a class has no answer
        ("NOT class = 'Tumor'", [2, 4]),
        ("class IS NULL", [3]),
        ("class is not null and not exhaustive", [1, 2, 4]),
        ("class IN ('Tumor', 'Stroma')", [1, 2]),
        ("class NOT IN ('Tumor', 'Stroma')", [4]),
        ("class LIKE '%umo%'", [1, 4]),
        ("CASEI(class) LIKE CASEI('TUMOR%')", [1, 4]),
        ("CASEI(class) = 'tumor'", [1]),
        ("class LIKE 'T_mor'", [1]),
        ("class NOT LIKE 'T%'", [2, 4]),
        (r"name LIKE '50\% o''c%'", [3]),
        ("name = '50% o''clock'", [3]),
        (r"name LIKE '50\_%'", []),
        ("class > 'Stroma'", [1, 4]),
        ("score >= 0.9", [1]),
        ("score < 0.9", []),
        ("score IS NULL", [2, 3, 4]),
        ("area = 9", [3]),
        ("area BETWEEN 4 AND 9", [2, 3]),
        ("area NOT BETWEEN 4 AND 9", [1, 4]),
        ("area / 2 + 1 > 3 * (1 + 0.5)", [1, 3]),
        ("-area < -9", [1]),
        ("1 / area > 0", [1, 2, 3]),  # 1 / 0 is unknown
        ("number IN (1, 3, 99)", [1, 3]),
        ("number > 1e0 AND number <= +3", [2, 3]),
        ("revision = 2", [2, 4]),
        ("author = 'bob' OR number = 1", [1, 2, 4]),
        ("layer = 'nuclei'", [1, 2, 3, 4]),
        ("layer LIKE 'x%'", []),
        ("state = 'draft'", [2, 3, 4]),
        ("exhaustive", [3]),
        ("exhaustive = TRUE", [3]),
        ("exhaustive IN (FALSE)", [1, 2, 4]),
        ('measurements."Nucleus: Area" > 6', [1, 2]),
        ('properties.measurements."Nucleus: Area" = 61.5', [1]),
        ('"measurements"."Nucleus: Area" IS NULL', [3, 4]),
        ('"measurements.Nucleus: Area" > 6', [1, 2]),  # as plain CQL2 has it
        ('"properties.lab.in.x" = TRUE', [3]),
        ("measurements.odd > 0", []),  # a text is no number
        ("NOT measurements.odd > 0", []),
        ("measurements.odd IS NOT NULL", [1]),
        ("properties.lab.in.x", [3]),
        ("properties.lab IS NULL", [1, 2, 4]),
        ("properties.lab = 'x' OR properties.lab <> 'x'", []),  # an object equals nothing, and differs from nothing
        ("TRUE", [1, 2, 3, 4]),
        ("FALSE OR NOT TRUE", []),
        ("class = 'Tumor' OR class = 'Stroma' AND area > 50", [1]),  # AND binds more
        ("(class = 'Tumor' OR class = 'Stroma') AND area < 50", [2]),
    ],
)
def test_a_filter_means_what_it_says(text: str, rows: list[int]) -> None:
    assert (np.flatnonzero(parse_filter(text).mask(FOUR, AUTHORS)) + 1).tolist() == rows


def test_areas_are_those_of_the_shapes() -> None:
    ring = [[0, 0], [30, 2], [25, 20], [3, 17], [0, 0]]
    hole = [[5, 5], [5, 8], [9, 8], [5, 5]]
    shape = {"type": "Polygon", "coordinates": [ring, hole]}
    area = shapely.Polygon(ring, [hole]).area
    one = columns(NewAnnotation(shape))
    assert parse_filter(f"area BETWEEN {area - 0.01} AND {area + 0.01}").mask(one).all()


def test_a_filter_says_what_it_reads() -> None:
    plain = parse_filter("class = 'a' AND score > 1 OR author IN ('x')")
    assert plain.names == frozenset({"class", "score", "author"})
    assert not plain.reads_properties
    more = parse_filter("NOT (area > 3 AND (measurements.x + 1 > 2 OR CASEI(name) = 'a'))")
    assert more.names == frozenset({"area", "measurements", "name"})
    assert more.reads_properties
    nothing = replace(FOUR, properties=Texts.of([b"not json"] * 4))
    assert parse_filter("class = 'Tumor' AND area > 3 AND exhaustive = FALSE").mask(nothing).tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_equal_filters_are_equal_keys() -> None:
    assert parse_filter("class='a'  and  area>1") == parse_filter("\"class\" = 'a' AND area > 1.0")
    assert len({parse_filter("area > 1"), parse_filter("area>1"), parse_filter("area >= 1")}) == 2


ATTEMPTS = [
    "",
    "   ",
    "class",
    "class = ",
    "= 'a'",
    "class = 'a",
    'class = "a"',  # double quotes name things
    "class == 'a'",
    "class != 'a'",
    "class = 'a' 'b'",
    r"class = 'a\' OR 'b'",
    "class = 'a';",
    "class = 'a' -- x",
    "class = 'a' /* x */",
    "class = 'a' AND",
    "(class = 'a'",
    "class = 'a')",
    "NOT",
    "__class__ = 'a'",
    "class.__class__ = 'a'",
    "().__class__",
    "__import__('os')",
    "eval('1')",
    "lambda: 1",
    "'a'.join(class)",
    "[class]",
    "{class}",
    "class[0] = 'a'",
    "select 1",
    "1; drop table slide",
    "class = (select 1)",
    "id = 'x'",
    "slide = 'x'",
    "properties = 1",
    "measurements = 1",
    "properties. = 1",
    "properties.5x = 1",
    "properties." + ".".join("abcdefghij") + " = 1",
    "xproperties.a = 1",
    "\uff43lass = 'a'",  # a full-width letter makes another name
    "class\u00a0= 'a'",
    "class = 'a' \u2028AND area > 1",
    "area > 1\x00",
    "area > \u0661",  # an Arabic digit; digits are 0 to 9
    "area > 1e999",
    "area > NaN",
    "area > 0x10",
    "area > 1_000",
    "1 + 2",
    "'a'",
    "area",  # is checked below: a fact by itself is a truth value
    "class IN ()",
    "class IN ('a', 1)",
    "class IN (area)",
    "class IS 'a'",
    "class NOT 'a'",
    "class NOT = 'a'",
    "class LIKE area",
    "class LIKE 5",
    "area BETWEEN 1",
    "area BETWEEN 1 OR 2",
    "(area > 1) + 1 > 2",
    "CASEI(area > 1) = 'a'",
    "CASEI class = 'a'",
    "area > 1 = TRUE",
]


WORDS = (
    """class area measurements . "a b" 'x' '' 1 2.5e3 ( ) , + - * / = <> <= AND OR NOT LIKE IN BETWEEN IS NULL TRUE """
    """CASEI \0 é " ' ; """
)


@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=14), st.sampled_from([" ", "", "\t"]))
@settings(max_examples=500)
def test_whatever_is_written_is_a_filter_or_refused(words: list[str], blank: str) -> None:
    parsed = None
    with suppress(Invalid):
        parsed = parse_filter(blank.join(words))
    if parsed is not None:
        assert parsed.mask(FOUR, AUTHORS).shape == (4,)


@pytest.mark.parametrize("text", ATTEMPTS)
def test_what_is_no_filter_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_filter(text)
    assert caught.value.code == "bad_filter"
    for word in ("drop", "select", "__", "import", "lambda", "join", "xprop"):
        assert word not in caught.value.message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("area", 1),
        ("  score", 3),
        ("NOT class", 5),
        ("area > 1 AND (number)", 15),
        ("state OR area > 1", 1),
        ("exhaustive AND name", 16),
    ],
)
def test_a_value_is_no_condition(text: str, place: int) -> None:
    with pytest.raises(Invalid) as caught:
        parse_filter(text)
    where = f"The filter cannot be read at character {place}: "
    assert caught.value.message == f"{where}a value stands where a condition is expected."


def test_a_text_in_double_quotes_is_told_of_single_ones() -> None:
    with pytest.raises(Invalid) as caught:
        parse_filter('class = "Tumor"')
    told = "The filter cannot be read at character 9: texts stand in single quotes, and names are class, layer,"
    assert caught.value.message.startswith(told)


def test_a_property_that_is_no_truth_value_is_never_true() -> None:
    assert not parse_filter("measurements.nothing").mask(FOUR).any()
    assert not parse_filter("NOT measurements.nothing").mask(FOUR).any()


def test_members_of_python_are_only_names_of_properties() -> None:
    assert not parse_filter("properties.__class__ IS NOT NULL").mask(FOUR).any()
    own = columns(NewAnnotation(polygon(1), properties={"__class__": "x"}))
    assert parse_filter("properties.__class__ = 'x'").mask(own).all()


@pytest.mark.parametrize(
    "text",
    [
        "area > 1 OR " * 100_000 + "area > 1",
        "area > 1 OR " * 250 + "area > 1",
        "(" * 100_000 + "area > 1" + ")" * 100_000,
        "(" * 1900 + "area > 1" + ")" * 1900,
        "NOT " * 900 + "area > 1",
        "area > " + "-" * 3000 + "1",
        "area > " + "1+" * 1500 + "1",
        "area > " + "CASEI(" * 400 + "class" + ")" * 400,
        f"number IN ({','.join('1' for _ in range(MAX_LIST + 1))})",
        f"class LIKE '{'%a' * 101}'",
        " OR ".join(["class LIKE 'a%'"] * 9),
        "exhaustive OR " * 250 + "exhaustive",
    ],
    ids=lambda text: text[:12],
)
def test_limits_hold_before_anything_is_done(text: str) -> None:
    with pytest.raises(Invalid, match="at most") as caught:
        parse_filter(text)
    assert caught.value.code == "bad_filter"


def test_what_is_within_the_limits_is_read_and_worked_out() -> None:
    deep = "(" * 20 + "area > 1" + ")" * 20
    wide = " OR ".join(["area>1"] * 199)
    long = "area > " + "1-" * 60 + "1"
    for text in (deep, wide, long, f"number IN ({','.join(map(str, range(MAX_LIST)))})"):
        assert parse_filter(text).mask(FOUR).any()


def test_a_pattern_takes_no_longer_than_text_times_pattern() -> None:
    # A regular expression of these stars would go back and forth for ever.
    text = "a" * 30_000
    long = columns(NewAnnotation(polygon(1), properties={"name": text}))
    assert not parse_filter(f"name LIKE '{'%a' * 60}%b'").mask(long).any()
    assert parse_filter(f"name LIKE '{'%a' * 60}%'").mask(long).all()


# a naive evaluation, one feature at a time

NUMBERS = st.sampled_from([-2.0, 0.0, 0.5, 1.0, 3.0])
TEXTS = st.sampled_from(["", "a", "A", "ab", "%", "_", "o'c", "\\", "ä"])
SCALARS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([Name((fact,)) for fact in FACTS])
    | st.sampled_from([Name(("measurements", "a b")), Name(("properties", "x", 'y"z')), Name(("properties", "in"))])
    | st.builds(Constant, NUMBERS | TEXTS | st.booleans()),
    lambda inner: st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner) | st.builds(Fold, inner),
    max_leaves=3,
)
LISTS = st.one_of(*(st.lists(kind, min_size=1, max_size=3).map(tuple) for kind in (NUMBERS, TEXTS, st.booleans())))
LEAVES = st.one_of(
    st.builds(Compare, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), SCALARS, SCALARS),
    st.builds(Like, SCALARS, st.text("aA%_\\b", max_size=5)),
    st.builds(Among, SCALARS, LISTS),
    st.builds(Between, SCALARS, SCALARS, SCALARS),
    st.builds(Missing, SCALARS),
    st.builds(Truth, st.sampled_from([Name(("exhaustive",)), Name(("properties", "in")), Constant(True)])),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(lambda parts: And(tuple(parts)), st.lists(inner, min_size=2, max_size=3))
        | st.builds(lambda parts: Or(tuple(parts)), st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=6,
)
JSON = st.none() | NUMBERS | TEXTS | st.booleans() | st.just([1]) | st.integers(-3, 3)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "score": JSON,
        "state": JSON,
        "name": JSON,
        "exhaustive": JSON,
        "in": JSON,
        "measurements": st.dictionaries(st.just("a b"), JSON)
        | st.lists(st.fixed_dictionaries({"name": st.sampled_from(["a b", "c"]), "value": JSON}), max_size=2)
        | JSON,
        "x": st.dictionaries(st.just('y"z'), JSON) | JSON,
    },
)
ANNOTATIONS = st.builds(
    NewAnnotation,
    st.sampled_from([polygon(1), polygon(0.5), {"type": "Point", "coordinates": [1, 2]}]),
    class_name=st.none() | st.sampled_from(["a", "A", "ab"]),
    properties=PROPERTIES,
)


def written(node: Any) -> str:
    match node:
        case Name(path):
            return ".".join('"' + part.replace('"', '""') + '"' for part in path)
        case Constant(value):
            return constant(value)
        case Arithmetic(sign, left, right) | Compare(sign, left, right):
            return f"({written(left)} {sign} {written(right)})"
        case And(parts) | Or(parts):
            word = " AND " if isinstance(node, And) else " OR "
            return "(" + word.join(f"({written(part)})" for part in parts) + ")"
        case Not(inner):
            return f"NOT ({written(inner)})"
    return written_of_one(node, written(node.inner))


def written_of_one(node: Any, inner: str) -> str:
    match node:
        case Fold():
            return f"CASEI({inner})"
        case Like(pattern=pattern):
            return f"{inner} LIKE {constant(pattern)}"
        case Among(values=values):
            return f"{inner} IN ({', '.join(map(constant, values))})"
        case Between(low=low, high=high):
            return f"{inner} BETWEEN {written(low)} AND {written(high)}"
        case Missing():
            return f"{inner} IS NULL"
    return inner


def constant(value: float | str | bool) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).upper() if isinstance(value, bool) else repr(value)


def fact(feature: NewAnnotation, row: int, path: tuple[str, ...]) -> Any:
    properties = orjson.loads(orjson.dumps(feature.properties))
    score, state = properties.get("score"), properties.get("state")
    single = {
        "class": feature.class_name,
        "layer": "nuclei",
        "author": AUTHORS[row % 2 + 1],
        "state": state if isinstance(state, str) else "draft",
        "score": None if isinstance(score, bool) or not isinstance(score, int | float) else score,
        "area": shapely.from_geojson(orjson.dumps(feature.geometry)).area,
        "number": row + 1,
        "revision": row % 2 + 1,
        "exhaustive": bool(properties.get("exhaustive")),
        "name": properties.get("name"),
    }
    if len(path) == 1:
        return single[path[0]]
    value = properties
    for part in path[1:] if path[0] == "properties" else path:
        if isinstance(value, list):
            value = next((i["value"] for i in value if isinstance(i, dict) and i["name"] == part), None)
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else "text" if isinstance(value, str) else "none"


def value_of(node: Any, feature: NewAnnotation, row: int) -> Any:
    match node:
        case Name(path):
            return fact(feature, row, path)
        case Constant(value):
            return value
        case Fold(inner):
            value = value_of(inner, feature, row)
            return value.casefold() if isinstance(value, str) else None
        case Arithmetic(sign, left, right):
            a, b = value_of(left, feature, row), value_of(right, feature, row)
            if kind(a) != "number" or kind(b) != "number" or (sign == "/" and b == 0):
                return None
            number = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else 0}[sign]
            return number if math.isfinite(number) else None
    raise AssertionError(node)


def like(text: str, pattern: str) -> bool:
    """Match by trying every way."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[start:], pattern[1:]) for start in range(len(text) + 1))
    escaped = pattern[0] == "\\" and len(pattern) > 1
    if not text or (pattern[0] != "_" and text[0] != pattern[escaped]):
        return False
    return like(text[1:], pattern[1 + escaped :])


def compared(sign: str, a: Any, b: Any) -> bool | None:
    if kind(a) != kind(b) or kind(a) == "none" or (kind(a) == "truth" and sign not in ("=", "<>")):
        return None
    return bool({"=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign])


def both(a: bool | None, b: bool | None) -> bool | None:
    return False if a is False or b is False else None if a is None or b is None else True


def inverse(a: bool | None) -> bool | None:
    return None if a is None else not a


def holds(node: Any, feature: NewAnnotation, row: int) -> bool | None:
    match node:
        case Compare(sign, left, right):
            return compared(sign, value_of(left, feature, row), value_of(right, feature, row))
        case Between(inner, low, high):
            value = value_of(inner, feature, row)
            return both(
                compared(">=", value, value_of(low, feature, row)), compared("<=", value, value_of(high, feature, row))
            )
        case Not(inner):
            return inverse(holds(inner, feature, row))
        case And(parts):
            answers = [holds(part, feature, row) for part in parts]
            return False if False in answers else None if None in answers else True
        case Or(parts):
            answers = [holds(part, feature, row) for part in parts]
            return True if True in answers else None if None in answers else False
    value = value_of(node.inner, feature, row)
    match node:
        case Missing():
            return value is None
        case Truth():
            return value if kind(value) == "truth" else None
        case Like(pattern=pattern):
            return like(value, pattern) if kind(value) == "text" else None
        case Among(values=values):
            return any(value == v for v in values) if kind(value) == kind(values[0]) else None
    raise AssertionError(node)


@given(CONDITIONS, st.lists(ANNOTATIONS, min_size=1, max_size=5))
@settings(max_examples=300)
def test_many_at_once_get_the_answer_that_each_gets_alone(condition: Any, annotations: list[NewAnnotation]) -> None:
    text = written(condition)
    assume(2 * text.count("NOT (") + text.count("CASEI") + text.count("((") < MAX_DEPTH)
    parsed = parse_filter(text)
    assert parsed == Filter(condition)
    expected = [holds(condition, feature, row) is True for row, feature in enumerate(annotations)]
    assert parsed.mask(columns(*annotations), AUTHORS).tolist() == expected


@given(st.text("aA%_\\b", max_size=6), st.text("aAb\\%", max_size=6))
@settings(max_examples=300)
def test_patterns_fit_as_when_every_way_is_tried(pattern: str, text: str) -> None:
    one = columns(NewAnnotation(polygon(1), properties={"name": text}))
    assert Filter(Like(Name(("name",)), pattern)).mask(one).tolist() == [like(text, pattern)]


def test_unknown_goes_through_and_or_and_not_as_in_sql() -> None:
    # true, false and unknown as conditions over any annotation (SQL-92, 8.12)
    words = {"TRUE": True, "FALSE": False, "score > 1": None}
    one = columns(NewAnnotation(polygon(1)))
    for (left, a), (right, b) in product(words.items(), repeat=2):
        conjunction = both(a, b)
        assert parse_filter(f"{left} AND {right}").mask(one).all() == (conjunction is True)
        assert parse_filter(f"NOT ({left} AND {right})").mask(one).all() == (conjunction is False)
        disjunction = inverse(both(inverse(a), inverse(b)))
        assert parse_filter(f"{left} OR {right}").mask(one).all() == (disjunction is True)
        assert parse_filter(f"NOT ({left} OR {right})").mask(one).all() == (disjunction is False)
