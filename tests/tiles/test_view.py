"""Views as text in an address: what is understood, the one form that each has, and what is refused."""

import re
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathserve.errors import Invalid, NotFound, TooLarge
from pathserve.geometry import Size
from pathserve.pixels import Channel, Plane
from pathserve.pyramid.layout import Facts
from pathserve.server.params import ViewQuery, parse_query
from pathserve.tiles.view import DEFAULT_VIEW, ChannelView, Projection, View

numbers = st.floats(-1e38, 1e38, allow_nan=False).map(lambda value: value + 0.0) | st.integers(-70_000, 70_000).map(
    float
)
windows = st.tuples(numbers, numbers).filter(lambda window: window[0] != window[1])
colors = st.tuples(*[st.integers(0, 255)] * 3)
channel_views = st.lists(
    st.builds(
        ChannelView,
        st.integers(0, 99_999),
        st.none() | colors,
        st.none() | st.just("auto") | windows,
        st.floats(0.1, 10) | st.just(1.0),
    ),
    max_size=64,
    unique_by=lambda channel: channel.number,
).map(lambda channels: tuple(sorted(channels, key=lambda channel: channel.number)))
depths = (
    st.none()
    | st.integers(0, 999_999_999)
    | st.just(Projection())
    | st.lists(st.integers(0, 999_999_999), min_size=2, max_size=2, unique=True).map(
        lambda ends: Projection(min(ends), max(ends))
    )
)
views = st.builds(View, channel_views, depths, st.integers(0, (1 << 31) - 1))


def parsed(query: str) -> View:
    return parse_query(query.encode(), ViewQuery).view


@given(views)
def test_the_text_of_a_view_gives_the_view_back_and_needs_no_escaping(view):
    assert parsed(view.query) == view
    assert urllib.parse.quote(view.query, safe=":,=&") == view.query
    # What a browser's URLSearchParams makes of it means the same.
    assert parsed(urllib.parse.urlencode(urllib.parse.parse_qsl(view.query))) == view


@given(views)
def test_the_tag_of_a_view_is_its_own_and_fits_a_list_of_etags(view):
    assert re.fullmatch(r"[!#-+\--~]*", view.tag)  # the characters of an ETag (RFC 9110), without the comma
    assert (view.tag == "") == (view == DEFAULT_VIEW)
    assert parsed(view.tag[1:].replace("+", ",")) == view


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("", ""),
        ("c=0,2", "c=0,2"),
        ("c=2&c=0", "c=0,2"),
        ("c=0:ff0000:100-4000:0.8,2", "c=0:ff0000:100-4000:0.8,2"),
        ("c=2,0:0.80:100.0-4e3:FF0000", "c=0:ff0000:100-4000:0.8,2"),
        ("c=00:auto:1.0", "c=0:auto"),
        ("c=1:-1000--400", "c=1:-1000--400"),
        ("c=1:0.5-0.25", "c=1:0.5-0.25"),
        ("c=1:-0-1e-5", "c=1:0-1e-05"),
        ("c=0:123456:10", "c=0:123456:10"),
        ("z=4", "z=4"),
        ("z=max&t=2", "z=max&t=2"),
        ("z=03-9", "z=3-9"),
        ("z=7-7", "z=7"),
        ("t=0", ""),
    ],
)
def test_each_view_has_one_form(query, form):
    assert parsed(query).query == form


def test_in_a_body_of_json_numbers_may_stand_as_numbers():
    assert ViewQuery.model_validate({"c": [2, "0:auto"], "z": 3, "t": 1}).view == parsed("c=0:auto,2&z=3&t=1")
    for body in ({"z": True}, {"z": 1.5}, {"z": -1}, {"c": [[0]]}, {"c": [None]}, {"c": [False]}):
        with pytest.raises(ValueError, match="validation error"):
            ViewQuery.model_validate(body)


def test_the_default_view_is_one_object():
    assert parsed("t=0") is DEFAULT_VIEW


@pytest.mark.parametrize(
    "query",
    [
        *("c=", "c=a", "c=-1", "c=0,", "c=0,0", "c=0:ff0000,0", "c=1000000", "c=\u0661", "c=0:", "c=0::auto"),
        *("c=0:ff00", "c=0:ff0000:00ff00", "c=0:auto:1-2", "c=0:1:2", "c=0:gg0000", "c=0:%23ff0000"),
        *("c=0:0", "c=0:0.09", "c=0:10.1", "c=0:99", "c=0:nan", "c=0:inf", "c=0:1e1"),
        *("c=0:5-5", "c=0:0--0", "c=0:1e39-2", "c=0:1-1e999", "c=0:nan-1", "c=0:1-", "c=0:-1", "c=0:1-2-3-4"),
        "c=0:" + "1" * 25 + "-2",
        "c=" + ",".join(map(str, range(65))),
        *("z=", "z=-1", "z=mean", "z=9-3", "z=1-", "z=1-2-3", "z=1.5", "z=9999999999", "z=\u0661", "z=" + "0" * 21),
        *("t=-1", "t=max", "t=99999999999"),
    ],
)
def test_what_is_no_view_is_refused_in_a_sentence_that_repeats_nothing_of_it(query):
    with pytest.raises(Invalid) as refused:
        parsed(query)
    assert re.match(r"The parameter [czt]: ", refused.value.message)
    assert query[2:] not in refused.value.message or len(query) < 5


def facts(*, channels=3, planes=5, times=2, rgb=False, dtype="uint16"):
    return Facts(
        size=Size(10, 10),
        tile=Size(256, 256),
        level_count=1,
        generation=1,
        vendor="formula",
        codec="none",
        mpp=None,
        mpp_plausible=True,
        objective_power=None,
        icc_profile=None,
        channels=tuple(Channel(f"C{n}", (n, n, n), (n, n + 1.0)) for n in range(channels)),
        rgb=rgb,
        dtype=dtype,
        planes=planes,
        times=times,
        storage="zstd",
    )


def test_what_a_view_does_not_name_is_as_the_slide_states_it():
    shown = DEFAULT_VIEW.shown(facts())
    assert [channel.planes for channel in shown] == [(Plane(0, c, 2),) for c in range(3)]  # the middle one of five
    assert [(channel.color, channel.window, channel.gamma) for channel in shown] == [
        ((c, c, c), (c, c + 1.0), 1.0) for c in range(3)
    ]
    (only,) = parsed("c=1:ff8000:auto:0.5&z=1-3&t=1").shown(facts())
    assert only.planes == (Plane(1, 1, 1), Plane(1, 1, 2), Plane(1, 1, 3))
    assert (only.number, only.color, only.window, only.gamma) == (1, (255, 128, 0), "auto", 0.5)
    assert [plane.z for plane in parsed("z=max").shown(facts())[0].planes] == [0, 1, 2, 3, 4]


def test_a_colour_scan_has_nothing_to_choose_but_its_planes():
    (shown,) = parsed("c=0:00ff00:auto:2&z=3").shown(facts(rgb=True))
    assert (shown.planes, shown.window, shown.gamma) == ((Plane(0, 0, 3),), None, 1.0)
    with pytest.raises(NotFound):
        parsed("c=3").shown(facts(rgb=True))


@pytest.mark.parametrize(
    ("query", "what"),
    [("c=3", "channel"), ("c=0,1,3:auto", "channel"), ("z=5", "plane"), ("z=3-5", "plane"), ("t=2", "point in time")],
)
def test_what_the_slide_lacks_is_not_found_by_name(query, what):
    with pytest.raises(NotFound, match=f"no such {what}"):
        parsed(query).shown(facts())


def test_a_projection_has_a_limit():
    assert len(parsed("z=0-1023").shown(facts(planes=5000))[0].planes) == 1024
    for query in ("z=max", "z=0-1024"):
        with pytest.raises(TooLarge):
            parsed(query).shown(facts(planes=5000))
