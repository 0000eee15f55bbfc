"""The Python client's writes of single annotations and of layers, against a real server."""

from uuid import UUID

import orjson
import pytest

from pathserve.client import Client
from pathserve.config import Settings
from pathserve.errors import Conflict, Invalid, NotFound, Stale
from pathserve.server.services import Services

RING = [[700, 700], [740, 700], [740, 740], [700, 740], [700, 700]]
CELL = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [RING]}, "properties": {"name": "a"}}


@pytest.fixture
def served(serve, add_slide):
    started = serve()
    services = Services.open(Settings(data=started.data))
    add_slide(services)
    services.close()
    return started


@pytest.fixture
def client(served):
    with Client(served.address, token=served.tokens["annotator"]) as opened:
        yield opened


def test_an_annotation_is_written_with_the_revision_that_was_seen(client) -> None:
    (slide,) = client.slides()
    (name,) = slide.add_annotations([CELL])["ids"]
    first = client.annotation(name)
    assert (first["id"], first["properties"]["revision"], first["properties"]["name"]) == (name, 1, "a")

    moved = [[x + 10, y] for x, y in RING]
    second = client.replace_annotation(first | {"geometry": {"type": "Polygon", "coordinates": [moved]}})
    assert (second["properties"]["revision"], second["geometry"]["coordinates"]) == (2, [moved])
    third = client.patch_annotation(name, {"properties": {"classification": {"name": "T"}, "name": None}}, revision=2)
    assert third["properties"]["classification"]["name"] == "T"
    assert "name" not in third["properties"]

    # `first` names revision 1, which is long past.
    for late in (
        lambda: client.replace_annotation(first),
        lambda: client.patch_annotation(name, {}, revision=2),
        lambda: client.delete_annotation(name, revision=1),
        lambda: client.revert_annotation(name, 1, revision=2),
    ):
        with pytest.raises(Stale) as refused:
            late()
        assert refused.value.revision == 3
    assert client.replace_annotation(first, revision=3)["properties"]["revision"] == 4

    client.delete_annotation(name, revision=4)
    with pytest.raises(NotFound):
        client.annotation(name)
    with pytest.raises(Stale) as refused:
        client.patch_annotation(name, {}, revision=4)
    assert refused.value.revision == 5
    history = list(client.history(name))
    assert [version["properties"]["revision"] for version in history] == [1, 2, 3, 4, 5]
    assert [version.get("deleted", False) for version in history] == [False] * 4 + [True]
    with pytest.raises(Invalid):
        client.revert_annotation(name, 5, revision=5)
    back = client.revert_annotation(name, 2, revision=5)
    assert (back["properties"]["revision"], back["geometry"]["coordinates"]) == (6, [moved])
    with pytest.raises(NotFound):
        list(client.history(str(UUID(int=1))))


def test_layers_are_made_renamed_taken_away_and_brought_back(client, served) -> None:
    (slide,) = client.slides()
    made = slide.add_layer("cells / AI?", kind="model")
    assert made == {"name": "cells / AI?", "author": "annotator", "kind": "model", "annotations": 0}
    with pytest.raises(Conflict):
        slide.add_layer("cells / AI?")
    slide.add_annotations([CELL], layer="cells / AI?")
    assert slide.rename_layer("cells / AI?", "a/b") == made | {"name": "a/b", "annotations": 1}
    slide.remove_layer("a/b")
    assert (slide.layers(), list(slide.annotations())) == ([], [])
    with pytest.raises(NotFound):
        slide.remove_layer("a/b")
    assert slide.restore_layer("a/b") == made | {"name": "a/b", "annotations": 1}
    assert len(list(slide.annotations(layers=["a/b"]))) == 1

    # What else is versioned says in the same way what is current.
    slide.add_annotations([CELL | {"properties": {"classification": {"name": "T"}}}])
    body, seen = orjson.dumps({"items": [{"name": "U", "color": [1, 2, 3]}]}), {"if-match": '"c0"'}
    with Client(served.address, token=served.tokens["admin"]) as admin, pytest.raises(Stale) as refused:
        admin.request("PUT", f"/api/projects/{slide.project}/classes", body=body, headers=seen)
    assert refused.value.revision == slide.class_schema()["version"] == 1
