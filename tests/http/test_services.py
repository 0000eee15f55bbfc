"""What is remembered of the database, and what happens when something breaks."""

import asyncio
import logging

import pytest

from pathserve.labels import ClassSchema, NewAnnotation
from pathserve.server.features import feature_writer
from pathserve.server.middleware import Envelope
from pathserve.server.services import Lookups


def test_an_answer_found_while_somebody_wrote_is_not_kept(db) -> None:
    db.write(lambda tx: tx.run("insert into counter values ('n', 1)"))

    def count(_: str) -> int:
        return db.read(lambda tx: tx.row("select value from counter"))[0]

    def overtaken(key: str) -> int:
        found = count(key)
        db.write(lambda tx: tx.run("update counter set value = value + 1"))
        return found

    lookups = Lookups(db, overtaken)
    assert lookups.get_here("n") == 1
    lookups._find = count
    assert lookups.get_here("n") == 2
    assert asyncio.run(lookups.get("n", db.version())) == 2


def test_an_answer_is_asked_for_once_until_somebody_writes(db) -> None:
    asked = []

    def find(key: str) -> str | None:
        asked.append(key)
        return None if key == "absent" else key

    lookups = Lookups(db, find)
    for key in ("a", "a", "absent", "absent"):
        lookups.get_here(key)
    assert asked == ["a", "absent", "absent"]  # absence is not remembered
    db.write(lambda tx: tx.run("insert into counter values ('n', 1)"))
    lookups.get_here("a")
    assert asked == ["a", "absent", "absent", "a"]


def test_a_strangers_long_token_is_nobody_and_leaves_nothing(site) -> None:
    for length in (201, 100_000):
        answer = site.anonymous.get("/api/slides", headers={"authorization": "Bearer " + "x" * length})
        assert answer.status_code == 401
    assert site.services._tokens._entries == {}


def test_colours_are_asked_for_once_and_only_for_classes(site) -> None:
    asked = []
    classes = site.services.classes

    class Asked:
        def of(self, project: str) -> ClassSchema:
            asked.append(project)
            return classes.of(project)

    slide = site.services.catalog.slide(site.slide)
    point = {"type": "Point", "coordinates": [1, 1]}
    new = [NewAnnotation(point), NewAnnotation(point, class_name="Red", class_color=(255, 0, 0)), NewAnnotation(point)]
    ids = site.services.annotations.add(slide.id, new, layer="colours", author="ada").ids
    plain, red, _ = (site.services.annotations.get(i) for i in ids)
    write = feature_writer(Asked(), slide)
    assert "classification" not in write(plain)["properties"]
    assert asked == []
    assert [write(red)["properties"]["classification"] for _ in range(2)] == 2 * [{"name": "Red", "color": [255, 0, 0]}]
    assert asked == [slide.project]


@pytest.mark.parametrize("started", [False, True])
def test_a_bug_leaves_the_application_without_its_text(caplog, started: bool) -> None:
    async def broken(scope, receive, send) -> None:
        if started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise FileNotFoundError("/scans/Smith_John_1950.svs")

    sent = []

    async def send(message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with caplog.at_level(logging.ERROR):
        asyncio.run(Envelope(broken)(scope, None, send))  # raises nothing that a server could log
    assert sent[0]["status"] == (200 if started else 500)
    assert "Smith" not in caplog.text + str(sent)
    assert "FileNotFoundError" in caplog.text
