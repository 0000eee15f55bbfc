"""Keeping garbage collections short: each of all generations goes through every object while everybody waits."""

import gc

_MANY = 50_000
_TIMES = 8


class LongLived:
    """Leaves what is there for good out of collections: at once, and again when much more has come to stay.

    Kernels and what they need are loaded when they are first used: 80,000 objects, 20 ms for each collection on an idle
    machine. Left out is only what has survived one, and only a few times in the life of a process: a circle among such
    objects that is let go of later is never found.

    Parameters
    ----------
    many
        How many objects are worth it.
    times
        Most times after the first.
    """

    def __init__(self, *, many: int = _MANY, times: int = _TIMES) -> None:
        self._many, self._left = many, times

    def begin(self) -> None:
        """Leave out what is there, and watch what comes."""
        gc.freeze()
        gc.callbacks.append(self.watch)

    def watch(self, phase: str, info: dict[str, int]) -> None:
        """Look at what a collection of all generations has left over."""
        if phase == "stop" and info["generation"] == 2 and self._left and len(gc.get_objects(2)) > self._many:
            self._left -= 1
            gc.freeze()
