"""Work and places that all callers share: how much there is in one process, and how much of it one caller may have."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import contextmanager
from typing import TypeVar, cast

from anyio import CapacityLimiter, Event, create_task_group, to_thread
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from pathserve.access import Actor
from pathserve.errors import Busy, PathServeError

_T = TypeVar("_T")

MOST_ASKED = 512
"""Pieces of work that may wait or run at once."""

MOST_OF_ONE = 128
"""Of these, those of one caller."""


class Turns:
    """Work that takes much memory or processor time: a few at once, a short queue, the others are sent away.

    Callers take turns, whatever each has asked for before. One alone keeps all processors busy, and yet there is one
    thread more, which only another can have: so nobody waits for all that somebody else has asked for. Whatever is not
    done here has threads of its own and goes on meanwhile. Only for the event loop's thread.

    Parameters
    ----------
    of_one
        Threads of one caller; there is one more.
    """

    def __init__(self, of_one: int) -> None:
        self._of_one = of_one
        self._limiter = CapacityLimiter(of_one + 1)
        self._free = of_one + 1
        self._asked, self._running = Counter[str](), Counter[str]()
        self._queues = OrderedDict[str, deque[Event]]()  # of those who wait; whose turn comes next is first

    async def run(
        self,
        actor: Actor,
        work: Callable[[], _T],
        receive: Receive,
        *,
        gone: Callable[[], object] | None = None,
    ) -> _T:
        """Run ``work`` in a thread when its turn comes.

        Parameters
        ----------
        receive
            Of the request, whose body was read: it tells that the client has gone, as one does that pans on.
        gone
            Called when it goes while the work is done; for work that can be told to stop.

        Raises
        ------
        ClientDisconnect
            When it has gone before; then nothing is done.
        Busy
            When too many wait already, or this caller has too much here.
        """
        who = actor.name
        if self._asked.total() >= MOST_ASKED or self._asked[who] >= MOST_OF_ONE:
            raise Busy("Too many pictures and masks are asked for at once; try again.")
        self._asked[who] += 1
        turn = Event()
        self._queues.setdefault(who, deque()).append(turn)
        self._call_next()
        try:
            if not turn.is_set():
                await _turn_or_leave(turn, receive)
            if gone is None:
                return await to_thread.run_sync(work, limiter=self._limiter)
            return await self._watched(work, receive, gone)
        finally:
            self._leave(who, turn)

    async def _watched(self, work: Callable[[], _T], receive: Receive, gone: Callable[[], object]) -> _T:
        def outcome() -> tuple[_T | None, PathServeError | None]:
            try:
                return work(), None
            except PathServeError as error:
                return None, error

        async with create_task_group() as tasks:  # it would put an error into a group of errors
            tasks.start_soon(_tell_when_gone, receive, gone)
            made, error = await to_thread.run_sync(outcome, limiter=self._limiter)
            tasks.cancel_scope.cancel()
        if error is not None:
            raise error
        return cast(_T, made)

    def _call_next(self) -> None:
        while self._free:
            who = next((who for who in self._queues if self._running[who] < self._of_one), None)
            if who is None:
                return
            queue = self._queues[who]
            queue.popleft().set()
            self._queues.move_to_end(who)
            if not queue:
                del self._queues[who]
            self._running[who] += 1
            self._free -= 1

    def _leave(self, who: str, turn: Event) -> None:
        _count_down(self._asked, who)
        if turn.is_set():
            _count_down(self._running, who)
            self._free += 1
            self._call_next()
            return
        queue = self._queues[who]
        queue.remove(turn)
        if not queue:
            del self._queues[who]


class Places:
    """So many may be held at once, such as streams that stay open. Only for the event loop's thread.

    Parameters
    ----------
    of_one
        Places that one caller may hold.
    held
        One cell, in which those that are held are counted for whoever watches the server.
    """

    def __init__(self, most: int, of_one: int, held: MutableSequence[int] | None = None) -> None:
        self._left = most
        self._of_one = of_one
        self._by_caller = Counter[str]()
        self._held = [0] if held is None else held

    @contextmanager
    def hold(self, actor: Actor) -> Iterator[None]:
        """Hold one place for a while.

        Raises
        ------
        Busy
            When none is left, or this caller has enough.
        """
        who = actor.name
        if self._left <= 0 or self._by_caller[who] >= self._of_one:
            raise Busy("Too many long answers are open at once; try again.")
        self._left -= 1
        self._by_caller[who] += 1
        self._held[0] += 1
        try:
            yield
        finally:
            self._left += 1
            _count_down(self._by_caller, who)
            self._held[0] -= 1


async def _tell_when_gone(receive: Receive, gone: Callable[[], object]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone()


async def _turn_or_leave(turn: Event, receive: Receive) -> None:
    async with create_task_group() as tasks:
        tasks.start_soon(_tell_when_gone, receive, tasks.cancel_scope.cancel)
        await turn.wait()
        tasks.cancel_scope.cancel()
    if not turn.is_set():
        raise ClientDisconnect


def _count_down(counts: Counter[str], who: str) -> None:
    """Count one less, and forget who has nothing left."""
    counts[who] -= 1
    if not counts[who]:
        del counts[who]
