"""What all callers share is bounded, and nobody can have so much of it that others have none."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import httpx2
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from pathserve.access import Actor, Role
from pathserve.config import PROCESSES_VARIABLE, Settings, processes
from pathserve.errors import Busy, Cancelled
from pathserve.server.services import Services
from pathserve.server.shares import MOST_ASKED, MOST_OF_ONE, Places, Turns
from pathserve.tiles import encode_image
from pathserve.tiles import service as tiles_service

SECONDS = 30  # after which a test has failed
A, B, C = (Actor(name, Role.VIEWER) for name in "abc")


async def stays() -> Message:
    """Be a client that waits for its answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def settle(condition: Callable[[], bool]) -> None:
    for _ in range(SECONDS * 100):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError


def test_one_caller_never_has_the_last_thread() -> None:
    gate, running = threading.Event(), Counter[str]()

    def hold(actor: Actor) -> None:
        running[actor.name] += 1
        gate.wait(SECONDS)

    async def crowd() -> None:
        turns = Turns(2)
        held = [asyncio.create_task(turns.run(A, lambda: hold(A), stays)) for _ in range(20)]
        await settle(lambda: running["a"] == 2)
        for other in (B, C):
            assert await asyncio.wait_for(turns.run(other, lambda: "done", stays), SECONDS) == "done"
        assert running == {"a": 2}
        gate.set()
        await asyncio.gather(*held)
        assert running == {"a": 20}

    asyncio.run(crowd())


def test_callers_take_turns() -> None:
    gates = {name: threading.Event() for name in "abc"}
    begun = list[str]()

    def work(name: str) -> None:
        begun.append(name)
        gates[name].wait(SECONDS)

    async def crowd() -> None:
        turns = Turns(1)
        first = asyncio.create_task(turns.run(C, lambda: work("c"), stays))  # keeps one of the two threads to the end
        await settle(lambda: begun == ["c"])
        tasks = [asyncio.create_task(turns.run(A, lambda: work("a"), stays)) for _ in range(5)]
        await settle(lambda: begun == ["c", "a"])
        tasks += [asyncio.create_task(turns.run(B, lambda: work("b"), stays)) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert begun == ["c", "a"]
        gates["a"].set()
        gates["b"].set()
        await asyncio.gather(*tasks)
        gates["c"].set()
        await first

    asyncio.run(crowd())
    assert "".join(begun[1:]) == "aababababb"  # a's second was asked for before b's first


def test_the_queue_is_short_and_one_callers_share_of_it_shorter() -> None:
    gate = threading.Event()

    async def refused(turns: Turns, actor: Actor, tasks: list[asyncio.Task[object]], count: int) -> int:
        mine = [asyncio.create_task(turns.run(actor, lambda: gate.wait(SECONDS), stays)) for _ in range(count)]
        tasks += mine
        await asyncio.sleep(0.05)
        return sum(task.done() and type(task.exception()) is Busy for task in mine)

    async def crowd() -> None:
        turns, tasks = Turns(1), list[asyncio.Task[object]]()
        assert await refused(turns, A, tasks, MOST_OF_ONE + 7) == 7
        others = [Actor(f"other {number}", Role.VIEWER) for number in range(MOST_ASKED // MOST_OF_ONE)]
        for actor in others[:-1]:
            assert await refused(turns, actor, tasks, MOST_OF_ONE) == 0
        assert await refused(turns, others[-1], tasks, 3) == 3
        gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await refused(turns, others[-1], tasks, 3) == 0

    asyncio.run(crowd())


def test_who_stops_waiting_leaves_nothing_behind() -> None:
    gate = threading.Event()

    async def crowd() -> None:
        turns = Turns(1)
        first = asyncio.create_task(turns.run(A, lambda: gate.wait(SECONDS), stays))
        await asyncio.sleep(0.01)
        for _ in range(3):
            waiting = [asyncio.create_task(turns.run(A, lambda: None, stays)) for _ in range(MOST_OF_ONE - 1)]
            await asyncio.sleep(0.01)
            for task in waiting:
                task.cancel()
            ended = await asyncio.gather(*waiting, return_exceptions=True)
            assert {type(error) for error in ended} == {asyncio.CancelledError}
        gate.set()
        await first
        assert await turns.run(A, lambda: 7, stays) == 7
        with pytest.raises(ZeroDivisionError):
            await turns.run(A, lambda: 1 // 0, stays)
        assert (turns._asked, turns._running, turns._queues, turns._free) == ({}, {}, {}, 2)

    asyncio.run(crowd())


def test_work_whose_client_has_gone_is_not_done_and_counts_no_longer() -> None:
    gate, gone, done = threading.Event(), asyncio.Event(), list[str]()

    async def leaves() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def crowd() -> None:
        turns = Turns(1)
        first = asyncio.create_task(turns.run(A, lambda: gate.wait(SECONDS), stays))
        await asyncio.sleep(0.01)
        given_up = [
            asyncio.create_task(turns.run(A, lambda: done.append("given up"), leaves)) for _ in range(MOST_OF_ONE - 1)
        ]
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await turns.run(A, lambda: done.append("too many"), stays)
        gone.set()
        ended = await asyncio.gather(*given_up, return_exceptions=True)
        assert {type(error) for error in ended} == {ClientDisconnect}
        seen = asyncio.create_task(turns.run(A, lambda: done.append("seen"), stays))
        await asyncio.sleep(0.01)
        gate.set()
        await asyncio.gather(first, seen)
        assert (turns._asked, turns._running, turns._queues, turns._free) == ({}, {}, {}, 2)

    asyncio.run(crowd())
    assert done == ["seen"]


def test_work_that_can_stop_is_told_when_its_client_goes() -> None:
    begun, gone = threading.Event(), threading.Event()

    async def leaves() -> Message:
        await settle(begun.is_set)
        return {"type": "http.disconnect"}

    def work() -> str:
        begun.set()
        if not gone.wait(SECONDS):
            return "went on"
        raise Cancelled("Nobody waits.")

    async def crowd() -> None:
        turns = Turns(1)
        with pytest.raises(Cancelled):
            await turns.run(A, work, leaves, gone=gone.set)
        assert await turns.run(A, lambda: "done", stays, gone=pytest.fail) == "done"

    asyncio.run(crowd())


def test_places_are_bounded_for_one_and_for_all() -> None:
    held = [0]
    places = Places(5, 2, held)
    with ExitStack() as stack:
        for actor in (A, A, B, B):
            stack.enter_context(places.hold(actor))
        for actor in (A, B):
            with pytest.raises(Busy), places.hold(actor):
                pass
        stack.enter_context(places.hold(C))
        with pytest.raises(Busy), places.hold(C):
            pass
        assert held == [5]
    assert held == [0]
    with places.hold(A), places.hold(A):
        pass


def test_pictures_that_are_made_keep_nobody_waiting(site, monkeypatch) -> None:
    gate, begun = threading.Event(), threading.Event()

    def gated(pixels, image_format, *rest) -> bytes:
        if image_format == "webp":
            begun.set()
            gate.wait(SECONDS)
        return encode_image(pixels, image_format, *rest)

    monkeypatch.setattr(tiles_service, "encode_image", gated)
    level = site.services.tiles.deepzoom(site.slide).level_count - 1
    made = [f"/dzi/{site.slide}_files/{level}/{number % 8}_{number // 8}.webp" for number in range(40)]
    made += [f"/iiif/3/{site.slide}/{240 * n},240,240,240/max/0/default.webp" for n in range(4)]
    made += [f"/api/slides/{site.slide}/thumbnail?size={200 + n}&format=webp" for n in range(8)]
    new = site.services.accounts.create_token("reader", role=Role.VIEWER).secret  # has to be looked up
    transport = httpx2.ASGITransport(site.anonymous.app)

    async def crowd() -> list[int]:
        async with httpx2.AsyncClient(transport=transport, base_url="http://a") as client:

            def ask(path: str, secret: str) -> Awaitable[httpx2.Response]:
                asked = client.get(path, headers={"authorization": f"Bearer {secret}"})
                return asyncio.wait_for(asked, SECONDS / 2)

            bad = [asyncio.create_task(ask(path, site.tokens["viewer"])) for path in made]
            try:
                await settle(begun.is_set)
                await asyncio.sleep(0.1)  # by now all of them are where they wait
                for path in (
                    "/readyz",
                    "/api/slides",
                    f"/zarr/{site.slide}/zarr.json",
                    f"/dzi/{site.slide}_files/{level}/1_1.jpeg",
                    f"/dzi/{site.slide}_files/{level}/1_1.png",  # made, too, but for somebody else
                    f"/iiif/3/{site.slide}/0,0,240,240/max/0/default.png",
                    f"/api/slides/{site.slide}/thumbnail?size=100&format=png",
                ):
                    assert (await ask(path, new)).status_code == 200, path
                assert not any(task.done() for task in bad)
            finally:
                gate.set()
            return [(await task).status_code for task in bad]

    assert set(asyncio.run(crowd())) == {200}


def test_long_answers_of_one_caller_leave_places_for_others(site) -> None:
    body = {"tiles": [[11, 0, 0]] * 65}
    address = f"/api/slides/{site.slide}/tiles"
    with ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(site.services.sending.hold(Actor("viewer", Role.VIEWER)))
        refused = site.client("viewer").post(address, json=body)
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert site.client("annotator").post(address, json=body).status_code == 200
    assert site.client("viewer").post(address, json=body).status_code == 200


@pytest.mark.parametrize(("told", "of_one"), [("", 8), ("1", 8), ("3", 2), ("8", 1), ("20", 1), ("0", 8), ("x", 8)])
def test_processes_of_one_server_share_the_processors(tmp_path, monkeypatch, told: str, of_one: int) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setenv(PROCESSES_VARIABLE, told)
    services = Services.open(Settings(data=tmp_path, processes=processes()))
    assert (services.drawing._of_one, services.making._of_one) == (of_one, of_one)
    services.close()
