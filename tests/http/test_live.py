"""Live updates: what others do is told without a gap, and where they look, to those who may know."""

import os
import threading
import time

import orjson
import pytest

from pathserve.access import Role
from pathserve.config import Settings
from pathserve.errors import Busy
from pathserve.server.presence import LIVES_SECONDS, Presence, Present
from pathserve.server.services import Services

HERE = {"client": "one", "x": 10, "y": 20.5, "width": 300, "height": 200}


@pytest.fixture
def site(new_slide):
    return new_slide()


@pytest.fixture
def path(site) -> str:
    return f"/api/slides/{site.slide}"


def square(x: float, y: float, side: float = 10, name: str | None = None):
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    properties = {} if name is None else {"classification": {"name": name}}
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}


def add(client, path: str, *features, layer: str = "a") -> list[str]:
    body = {"type": "FeatureCollection", "features": list(features)}
    answer = client.post(f"{path}/annotations", json=body, params={"layer": layer})
    assert answer.status_code == 201, answer.text
    return answer.json()["ids"]


def told(site, path: str, last: str | None = None, seconds: float = 1.0, role: str = "viewer"):
    """Follow for a while; gives (id, name, data) of each event."""
    threading.Timer(seconds, site.services.stopping.set).start()
    answer = site.client(role).get(f"{path}/events", headers={} if last is None else {"last-event-id": last})
    site.services.stopping.clear()
    assert answer.status_code == 200, answer.text
    events = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in fields:
            events.append((fields.get("id"), fields["event"], orjson.loads(fields["data"])))
    return events


def test_every_change_is_told_with_its_author_and_place(site, path: str) -> None:
    client = site.client("annotator")
    ids = add(client, path, square(0, 0), square(100, 50))
    edits = [{"id": ids[0], "revision": 1, "class": "Tumor"}, {"id": ids[1], "revision": 1, "delete": True}]
    assert client.post(f"{path}/annotations/edits", json={"edits": edits}).json()["done"] == 2
    site.client("reviewer").patch(f"{path}/layers/a", json={"name": "b"})
    events = told(site, path, last="0")
    assert {name for _, name, _ in events} == {"changed"}
    changes = [data for _, _, data in events]
    assert [(c["revision"], c["kind"], c["count"]) for c in changes] == [
        (1, "created", 2),
        (2, "deleted", 1),
        (2, "updated", 1),
        (3, "renamed", 0),
    ]
    assert [c["author"] for c in changes] == ["annotator"] * 3 + ["reviewer"]
    assert [c["layer"] for c in changes] == ["a", "a", "a", "b"]
    assert [set(c["ids"] or []) for c in changes] == [set(ids), {ids[1]}, {ids[0]}, set()]
    assert [c["box"] for c in changes] == [[0, 0, 110, 60], [100, 50, 110, 60], [0, 0, 10, 10], None]
    # A client that comes back after a part of a revision is told all of that revision again.
    assert [number for number, _, _ in events] == ["1", None, "2", "3"]


def test_who_comes_back_goes_on_where_it_was(site, path: str) -> None:
    client = site.client("annotator")
    for k in range(4):
        add(client, path, square(k, k))
    assert [data["revision"] for _, _, data in told(site, path, last="2")] == [3, 4]
    assert told(site, path) == []  # begins now
    assert told(site, path, last="99") == []  # of another data folder
    assert site.client("viewer").get(f"{path}/events", headers={"last-event-id": "x"}).status_code == 422


def test_many_at_once_are_told_by_their_count(site, path: str) -> None:
    add(site.client("annotator"), path, *(square(k, 0) for k in range(101)))
    ((_, _, change),) = told(site, path, last="0")
    assert (change["count"], change["ids"], change["box"]) == (101, None, [0, 0, 110, 10])


def test_what_happens_meanwhile_is_told(site, path: str) -> None:
    threading.Timer(0.3, add, (site.client("annotator"), path, square(5, 5))).start()
    ((number, name, change),) = told(site, path, seconds=1.2)
    assert (number, name, change["revision"]) == ("1", "changed", 1)


def test_others_see_where_somebody_looks(site, path: str) -> None:
    put = site.client("annotator").put(f"{path}/presence", json=HERE)
    assert (put.status_code, put.content) == (204, b"")
    site.client("reviewer").put(f"{path}/presence", json=HERE | {"rotation": 90, "pointer": [1, 2]})
    ((number, name, here),) = told(site, path)
    assert (number, name) == (None, "presence")
    assert here["items"] == [
        HERE | {"account": "annotator", "rotation": 0.0, "pointer": None},
        HERE | {"account": "reviewer", "rotation": 90.0, "pointer": [1.0, 2.0]},
    ]


def test_moves_are_told_and_so_is_that_nobody_is_left(site, path: str) -> None:
    client = site.client("annotator")
    client.put(f"{path}/presence", json=HERE)
    threading.Timer(0.4, client.put, (f"{path}/presence",), {"json": HERE | {"x": 77}}).start()

    def leave() -> None:
        folder = site.services.settings.presence / site.slide
        for file in folder.iterdir():
            os.utime(file, (time.time() - LIVES_SECONDS,) * 2)

    threading.Timer(1.0, leave).start()
    events = [data["items"] for _, _, data in told(site, path, seconds=4.0)]
    assert [[item["x"] for item in items] for items in events] == [[10], [77], []]


def test_presence_is_in_no_history_and_wakes_nobody_else(site, path: str) -> None:
    version = site.services.db.version()
    site.client("annotator").put(f"{path}/presence", json=HERE)
    assert site.services.db.version() == version
    assert site.services.annotations.revision(site.slide) == 0
    (file,) = (site.services.settings.presence / site.slide).iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "body",
    [
        {},
        HERE | {"client": ""},
        HERE | {"client": "../x"},
        HERE | {"client": "x" * 41},
        HERE | {"x": "NaN"},
        HERE | {"x": 1e300},
        HERE | {"width": 0},
        HERE | {"height": -1},
        HERE | {"pointer": [1]},
        HERE | {"name": "somebody else"},
        HERE | {"account": "admin"},
    ],
)
def test_a_place_that_makes_no_sense_is_refused(site, path: str, body) -> None:
    assert site.client("viewer").put(f"{path}/presence", json=body).status_code == 422
    assert told(site, path, seconds=0.3) == []


def test_a_viewer_says_so_a_few_times_a_second_at_most(site, path: str) -> None:
    client = site.client("viewer")
    answers = [client.put(f"{path}/presence", json=HERE).status_code for _ in range(5)]
    assert answers[:2] == [204, 503]
    assert client.put(f"{path}/presence", json=HERE | {"client": "two"}).status_code == 204
    assert client.put(f"{path}/presence", content=b" " * 5000).status_code == 413


def test_there_are_places_for_some(tmp_path) -> None:
    presence = Presence(tmp_path)
    for k in range(8):
        presence.put("s", Present("ada", str(k), {}))
    with pytest.raises(Busy, match="Too many viewers"):
        presence.put("s", Present("ada", "8", {}))
    presence.put("t", Present("ada", "8", {}))
    for k in range(56):
        presence.put("s", Present(f"reader {k}", "a", {}))
    with pytest.raises(Busy, match="Too many viewers"):
        presence.put("s", Present("bob", "a", {}))
    assert len(presence.of("s")) == 64
    for file in (tmp_path / "s").iterdir():
        os.utime(file, (1, 1))
    assert presence.of("s") == []
    presence.put("s", Present("eve", "a", {}))
    assert [p.account for p in presence.of("s")] == ["eve"]
    assert len(list((tmp_path / "s").iterdir())) == 1


def test_what_nobody_renews_is_swept(tmp_path) -> None:
    presence = Presence(tmp_path / "presence")
    presence.sweep()
    for slide in ("old", "new"):
        presence.put(slide, Present("ada", "1", {}))
    # Names of accounts are for nobody else on this machine.
    assert {(tmp_path / "presence" / part).stat().st_mode & 0o777 for part in ("", "old")} == {0o700}
    for place in (*(tmp_path / "presence" / "old").iterdir(), tmp_path / "presence" / "old"):
        os.utime(place, (1, 1))
    presence.sweep()
    assert [folder.name for folder in (tmp_path / "presence").iterdir()] == ["new"]


def test_whoever_may_not_see_the_slide_is_told_nothing(site, path: str) -> None:
    hidden = site.client()
    secret = site.services.accounts.create_token("p", role=Role.ADMIN, project="elsewhere").secret
    hidden.headers["authorization"] = f"Bearer {secret}"
    for answer in (hidden.get(f"{path}/events"), hidden.put(f"{path}/presence", json=HERE)):
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such slide.")
    assert site.services.presence.of(site.slide) == []


def test_a_stream_ends_when_the_slide_moves_to_a_project_that_is_hidden(site, path: str) -> None:
    client = site.client()
    secret = site.services.accounts.create_token("p", role=Role.VIEWER, project=site.slide).secret
    client.headers["authorization"] = f"Bearer {secret}"
    move = threading.Timer(0.4, site.client().patch, (path,), {"json": {"project": "default"}})
    move.start()
    begin = time.monotonic()
    assert client.get(f"{path}/events").status_code == 200
    assert time.monotonic() - begin < 20


def test_a_stream_ends_when_the_slide_is_removed(site, path: str) -> None:
    threading.Timer(0.4, site.services.catalog.remove_slide, (site.slide,)).start()
    assert site.client("viewer").get(f"{path}/events").status_code == 200


def test_all_processes_of_a_server_tell_the_same(serve, open_stream, wait_for, add_slide) -> None:
    served = serve(2)
    services = Services.open(Settings(data=served.data))
    slide = add_slide(services)
    path = f"/api/slides/{slide}"
    streams = [open_stream(served, f"{path}/events", "viewer") for _ in range(4)]
    with served.client("annotator") as client:
        ids = add(client, path, square(0, 0))
        for stream in streams:
            wait_for(lambda stream=stream: stream.events)
            assert [(name, data["ids"]) for _, name, data in stream.events] == [("changed", ids)]
        assert client.put(f"{path}/presence", json=HERE).status_code == 204
    for stream in streams:
        wait_for(lambda stream=stream: stream.events[1:])
        _, name, data = stream.events[1]
        assert (name, [item["account"] for item in data["items"]]) == ("presence", ["annotator"])
        stream.close()
    services.close()
