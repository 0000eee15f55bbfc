"""``Server-Timing``: where the time of an answer went, told to admins alone.

Others could learn from it what they may not see, such as whether a slide is there or how much
another layer holds.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter_ns
from typing import Any

from pathserve.access import Actor, Role

HEADER = b"server-timing"
_STATE = "timing"
_UNTIMED = nullcontext()


class Timing:
    """The parts of one request's time, in nanoseconds and in the order in which they began.

    Parameters
    ----------
    arrived, reached, found
        Moments of `time.perf_counter_ns`: the request's arrival, when its route was reached (up to there: ``auth``),
        and when its query was parsed and its slide was looked up.
    """

    def __init__(self, arrived: int, reached: int, found: int) -> None:
        self._arrived = arrived
        self._parts = {"auth": reached - arrived, "lookup": found - reached}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure a part; several of one name are added."""
        began = perf_counter_ns()
        try:
            yield
        finally:
            self._parts[name] = self._parts.get(name, 0) + perf_counter_ns() - began

    def header(self, now: int) -> bytes:
        """Give the header's value, in milliseconds; ``total`` is until ``now``."""
        parts = {**self._parts, "total": now - self._arrived}
        return ", ".join(f"{name};dur={spent / 1e6:.3f}" for name, spent in parts.items()).encode("ascii")


def timed(state: dict[str, Any], name: str) -> AbstractContextManager[None]:
    """Measure a part of a request's work when its caller may know of it; else nothing is done.

    Only admins of all projects may: of a slide that is hidden from others nothing can be told apart by them.

    Parameters
    ----------
    state
        Of the request; holds ``actor``, ``arrived``, ``reached`` and ``found``.
    """
    actor = state["actor"]
    if not (isinstance(actor, Actor) and actor.role is Role.ADMIN and actor.projects is None) or "arrived" not in state:
        return _UNTIMED
    if _STATE not in state:
        state[_STATE] = Timing(state["arrived"], state["reached"], state["found"])
    timing: Timing = state[_STATE]
    return timing.part(name)


def timing_of(state: dict[str, Any]) -> Timing | None:
    """Give what was measured of a request, if anything was."""
    return state.get(_STATE)
