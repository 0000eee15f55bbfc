"""The Python client's annotations against a real server, and its stream of events when the connection breaks."""

from collections.abc import Generator
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest

from pathserve import client as package
from pathserve.client import Client
from pathserve.config import Settings
from pathserve.errors import Busy, Invalid, NotFound, Unauthenticated
from pathserve.server.services import Services

NOBODY = "x"


def square(x: float, side: float, name: str, **properties):
    ring = [[x, 0], [x + side, 0], [x + side, side], [x, side], [x, 0]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties | {"classification": {"name": name}},
    }


def test_annotations_are_found_counted_edited_and_followed(serve, add_slide) -> None:
    served = serve()
    services = Services.open(Settings(data=served.data))
    slide_id = add_slide(services)
    services.close()
    with Client(served.address, token=served.tokens["annotator"]) as client:
        slide = client.slide(slide_id)
        features = [square(k * 100, 5 + k, "Tumor" if k % 2 else "Stroma", score=k / 10) for k in range(6)]
        slide.add_annotations(features, layer="a")
        stream = slide.events(since=0)
        first = next(stream)
        assert (first.name, first.revision, first.data["count"]) == ("changed", 1, 6)

        def numbers(**filters) -> list[int]:
            return [found["properties"]["number"] for found in slide.annotations(**filters)]

        assert numbers() == [1, 2, 3, 4, 5, 6]
        assert numbers(classes=["Tumor"], min_score=0.2, order="-area") == [6, 4]
        assert numbers(where="class = 'Stroma' AND area > 30") == [3, 5]
        assert numbers(numbers=[2, 3], max_area=40.0) == [2]
        assert numbers(bbox=(0, 0, 150, 10)) == [1, 2]
        assert numbers(polygon=[(190, 0), (310, 0), (310, 50)]) == [3, 4]
        assert numbers(layers=["a"], as_of=0) == []
        assert slide.summary(min_area=49.0)["total"] == 4
        with pytest.raises(Invalid, match="character 1"):
            numbers(where="nothing = 1")
        with pytest.raises(TypeError, match="no filter colour"):
            numbers(colour="red")
        results = slide.edit_annotations(
            [{"number": 1, "revision": 1, "class": "Necrosis"}, {"number": 2, "revision": 0, "delete": True}]
        )
        assert results == [{"result": "done", "revision": 2}, {"result": "stale", "revision": 1}]
        assert numbers(classes=["Necrosis"]) == [1]
        second = next(stream)
        assert (second.data["kind"], second.revision) == ("updated", 2)
        assert slide.classes() == {"Stroma": 1, "Tumor": 2, "Necrosis": 3}
        assert slide.class_schema()["version"] == 2
        assert slide.layers() == [{"name": "a", "author": "annotator", "kind": "author", "annotations": 6}]
        assert slide.mask(0, 0, 4, 4, where="class = 'Tumor'").max() == 0
        assert slide.mask(0, 0, 4, 4).max() == 3
        assert isinstance(stream, Generator)
        stream.close()


class Breaking(BaseHTTPRequestHandler):
    """A stream that ends after each event, and is refused in the end."""

    asked: ClassVar[list[str | None]] = []
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        seen = self.asked
        seen.append(self.headers.get("last-event-id"))
        if len(seen) > 3:
            self.send_response(401)
            self.end_headers()
            self.wfile.write(b'{"code": "unauthenticated", "detail": "Sign in."}')
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"retry: 2000\nid: 4\n\n" if len(seen) == 1 else b":\n\n")
        if len(seen) == 2:
            self.wfile.write(
                b'id: 7\nevent: changed\ndata: {"revision": 7}\n\nevent: presence\ndata: {"items": []}\n\n'
            )

    def log_message(self, *_: object) -> None:
        pass


def test_a_lost_stream_goes_on_where_it_was_until_it_is_refused(serving, monkeypatch) -> None:
    monkeypatch.setattr(package.annotations, "_AGAIN_SECONDS", 0.01)
    Breaking.asked.clear()
    with serving(Breaking) as place, Client(f"http://{place}", token=NOBODY) as client:
        slide = package.slide.Slide(client, "s", "s", "p", 1, 1, None, None, 1)
        stream = slide.events()
        told = [(happening.name, happening.revision) for happening in (next(stream), next(stream))]
        with pytest.raises(Unauthenticated):
            next(stream)
    assert Breaking.asked == [None, "4", "7", "7"]
    assert told == [("changed", 7), ("presence", 7)]


def test_a_server_that_is_gone_is_told(monkeypatch) -> None:
    monkeypatch.setattr(package.annotations, "_AGAIN_SECONDS", 0.01)
    with Client("http://127.0.0.1:9", token=NOBODY) as client:
        slide = package.slide.Slide(client, "s", "s", "p", 1, 1, None, None, 1)
        with pytest.raises(Busy):
            next(slide.events())


def test_a_slide_that_is_not_there_is_told(serve) -> None:
    served = serve()
    with Client(served.address, token=served.tokens["viewer"]) as client:
        slide = package.slide.Slide(client, "absent", "s", "p", 1, 1, None, None, 1)
        with pytest.raises(NotFound):
            next(slide.events())
