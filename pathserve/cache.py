"""A cache bounded by bytes, not by entries."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, MutableSequence
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteBudgetCache(Generic[K, V]):
    """Keeps what was used last, as much as fits a number of bytes; for several threads.

    Invariant: ``used`` equals the sum of the sizes of the entries and never exceeds ``budget``.

    Parameters
    ----------
    budget
        Most bytes of all entries together.
    size_of
        Bytes of one value; asked once, when it comes in.
    counts
        Two cells, in which what was found and what was not is counted for whoever watches.
    """

    def __init__(self, budget: int, size_of: Callable[[V], int], *, counts: MutableSequence[int] | None = None) -> None:
        self._counts = [0, 0] if counts is None else counts
        self._budget = budget
        self._size_of = size_of
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._used = 0
        self._lock = Lock()

    @property
    def used(self) -> int:
        """Accounted bytes."""
        return self._used

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Give an entry and make it the most recently used one, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                self._counts[1] += 1
                return None
            self._counts[0] += 1
            self._entries.move_to_end(key)
            return entry[0]

    def get_each(self, keys: Iterable[K]) -> list[V | None]:
        """Give several entries as `get` does, for little more than one of them takes."""
        found, missing = list[V | None](), 0
        with self._lock:
            for key in keys:
                entry = self._entries.get(key)
                if entry is None:
                    missing += 1
                    found.append(None)
                else:
                    self._entries.move_to_end(key)
                    found.append(entry[0])
            self._counts[0] += len(found) - missing
            self._counts[1] += missing
        return found

    def put(self, key: K, value: V) -> None:
        """Keep a value; one that alone is over the budget is not kept."""
        size = self._size_of(value)
        with self._lock:
            self._drop(key)
            if size > self._budget:
                return
            self._entries[key] = (value, size)
            self._used += size
            while self._used > self._budget:
                self._drop(next(iter(self._entries)))

    def discard(self, wanted: Callable[[K], bool]) -> None:
        """Let go of every entry whose key is wanted gone."""
        with self._lock:
            for key in [key for key in self._entries if wanted(key)]:
                self._drop(key)

    def items(self) -> list[tuple[K, V]]:
        """List the entries, least recently used first."""
        with self._lock:
            return [(key, value) for key, (value, _) in self._entries.items()]

    def _drop(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._used -= entry[1]
