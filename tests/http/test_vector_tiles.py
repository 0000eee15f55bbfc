"""Vector tiles over HTTP: the grid, caches, revisions, filters. What is in them: tests/annotations."""

import subprocess
import sys
from threading import Event

import mapbox_vector_tile
import pytest
from starlette.testclient import TestClient

from pathserve.access import Role
from pathserve.config import Settings
from pathserve.server.app import create_app


def square(x: float, y: float, side: float, name: str):
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": name}},
    }


@pytest.fixture
def site(new_slide):
    """A slide of 2220 x 2967 px, so of 13 levels, with two annotations at revision 1."""
    site = new_slide()
    add(site, square(10, 10, 8, "Tumor"), square(2000, 2800, 100, "Stroma"))
    return site


def add(site, *features) -> None:
    body = {"type": "FeatureCollection", "features": list(features)}
    assert site.client("annotator").post(f"/api/slides/{site.slide}/annotations", json=body).status_code == 201


def get(site, address: str, headers=None, role: str = "viewer", **query):
    url = f"/api/slides/{site.slide}/annotations/tiles/{address}"
    return site.client(role).get(url, params=query, headers=headers or {})


def numbers(answer) -> list[int]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    decoded = mapbox_vector_tile.decode(answer.content) if answer.content else {}
    return sorted(feature["id"] for feature in decoded.get("objects", {}).get("features", ()))


def test_tiles_lie_on_the_grid_of_the_dzi(site) -> None:
    assert numbers(get(site, "12/0/0")) == [1]
    assert numbers(get(site, "12/8/11")) == [2]
    assert numbers(get(site, "12/5/5")) == []
    assert get(site, "12/5/5").content == b""
    far = mapbox_vector_tile.decode(get(site, "8/0/0").content, default_options={"y_coord_down": True})
    assert [feature["id"] for feature in far["objects"]["features"]] == [2]
    (point,) = far["density"]["features"]
    assert point["properties"] == {"class": "Tumor", "layer": "annotator", "count": 1}
    assert point["geometry"]["coordinates"] == [32, 32]  # the centre of a bin of 4 px of 16 units


@pytest.mark.parametrize(
    "address", ["13/0/0", "12/9/0", "12/0/12", "0/1/0", "12/x/0", "12/-1/0", "12/1.5/0", "12/0/" + "9" * 30]
)
def test_outside_of_the_grid_there_is_nothing(site, address: str) -> None:
    assert get(site, address).status_code == 404


def test_a_tile_of_a_revision_never_changes(site) -> None:
    first = get(site, "12/0/0", r=1)
    assert (first.headers["cache-control"], first.headers["etag"]) == (
        "private, max-age=31536000, immutable",
        '"v2-1"',
    )
    add(site, square(50, 50, 10, "Tumor"))
    assert get(site, "12/0/0", r=1).content == first.content
    assert numbers(get(site, "12/0/0", r=2)) == [1, 3]
    assert numbers(get(site, "12/0/0", r=0)) == []
    assert get(site, "12/0/0", r=3).status_code == 422
    assert get(site, "12/0/0", r=3, headers={"if-none-match": '"v2-3"'}).status_code == 422


def test_without_a_revision_a_tile_is_asked_for_again(site) -> None:
    first = get(site, "12/0/0")
    assert first.headers["cache-control"] == "private, no-cache"
    known = {"if-none-match": first.headers["etag"]}
    again = get(site, "12/0/0", headers=known)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    add(site, square(50, 50, 10, "Tumor"))
    changed = get(site, "12/0/0", headers=known)
    assert numbers(changed) == [1, 3]
    assert changed.headers["etag"] == '"v2-2"'
    assert numbers(get(site, "12/0/0", as_of="1")) == [1]
    assert get(site, "12/0/0", as_of="1", r="1").status_code == 422


def test_the_filters_of_the_list_hold(site) -> None:
    add(site, square(50, 50, 10, "Stroma"))
    assert numbers(get(site, "12/0/0", **{"class": "Stroma"})) == [3]
    assert numbers(get(site, "12/0/0", filter="class = 'Tumor' OR area > 1000")) == [1]
    assert numbers(get(site, "12/0/0", number="3", layer="annotator")) == [3]
    assert numbers(get(site, "12/0/0", layer="other")) == []
    assert get(site, "12/0/0", filter="class = ").json()["code"] == "bad_filter"
    assert get(site, "12/0/0", bbox="0,0,1,1").status_code == 422
    assert get(site, "12/0/0", r="-1").status_code == 422


def test_a_tile_is_made_once(site, monkeypatch) -> None:
    made = []
    tiles = site.services.vector_tiles
    monkeypatch.setattr(type(tiles), "tile", lambda self, *given, **more: made.append(given) or b"made")
    before = site.services.metrics.snapshot().tallies
    for _ in range(3):
        assert get(site, "11/0/0", r=1).content == b"made"
        assert get(site, "11/0/0").content == b"made"  # of the same revision
    assert len(made) == 1
    get(site, "11/0/0", r=1, layer="x")
    get(site, "11/0/1", r=1)
    assert len(made) == 3
    after = site.services.metrics.snapshot().tallies
    assert {t.name: after[t] - before[t] for t in after if "VECTOR" in t.name} == {
        "VECTOR_TILES_KEPT": 5,
        "VECTOR_TILES_MADE": 3,
    }


def test_metrics_tell_of_vector_tiles(site) -> None:
    get(site, "12/1/1", r=1)
    text = site.client().get("/metrics").text
    assert 'pathserve_vector_tiles_total{how="made"}' in text


def test_what_is_kept_is_bounded_by_bytes(site) -> None:
    cache = site.services.vector_cache
    question = ("x", 1, 1, 1, 1)
    cache.put(question, b"x" * (64 * 1024 * 1024))  # with its key more than fits
    assert cache.get(question) is None


def test_whoever_may_not_see_the_slide_gets_no_tile(site) -> None:
    hidden = site.client()
    secret = site.services.accounts.create_token("p", role=Role.ADMIN, project="elsewhere").secret
    hidden.headers["authorization"] = f"Bearer {secret}"
    get(site, "12/0/0", r=1)
    answer = hidden.get(f"/api/slides/{site.slide}/annotations/tiles/12/0/0", params={"r": 1})
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such slide.")


def test_no_tile_waits_for_machine_code_to_load(tmp_path, monkeypatch) -> None:
    """A server loads it when it starts, in a thread; commands that only import the same modules never do."""
    done = Event()
    monkeypatch.setattr("pathserve.server.app.compile_apart", lambda *_: None)
    monkeypatch.setattr("pathserve.server.app.load_kernels", done.set)
    with TestClient(create_app(Settings(data=tmp_path / "data"))):
        assert done.wait(30)
    program = "import sys, pathserve.cli, pathserve.server; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
