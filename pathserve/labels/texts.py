"""Many texts as one run of bytes: a million small objects less, wherever annotations travel as columns."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Texts(Sequence[bytes]):
    """N texts (UTF-8), each a ``bytes`` to who indexes or goes through them.

    Parameters
    ----------
    data
        (B,) uint8: all texts, one behind another.
    starts
        (N + 1,) int64: text i is ``data[starts[i]:starts[i + 1]]``; the first is 0, the last B.
    """

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterable[bytes]) -> "Texts":
        """Put texts one behind another; those that are so already stay as they are."""
        if isinstance(texts, Texts):
            return texts
        several = list(texts)
        starts = np.zeros(len(several) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, several), np.int64, len(several)), out=starts[1:])
        return cls(np.frombuffer(b"".join(several), np.uint8), starts)

    @classmethod
    def empty(cls, count: int) -> "Texts":
        """Give so many empty texts."""
        return cls(np.empty(0, np.uint8), np.zeros(count + 1, np.int64))

    @classmethod
    def join(cls, several: Sequence["Texts"]) -> "Texts":
        """Put the texts of several (at least one) one behind another."""
        ends = np.cumsum([0, *(len(texts.data) for texts in several)])
        starts = [texts.starts[1:] + base for texts, base in zip(several, ends[:-1], strict=True)]
        return cls(np.concatenate([texts.data for texts in several]), np.concatenate(([0], *starts)))

    @property
    def nbytes(self) -> int:
        """Bytes of both arrays."""
        return self.data.nbytes + self.starts.nbytes

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Give (N,) int64: the bytes of each."""
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __eq__(self, other: object) -> bool:
        """Tell whether the other has the same texts in the same order."""
        if not isinstance(other, Texts):
            return NotImplemented
        return np.array_equal(self.starts, other.starts) and np.array_equal(self.data, other.data)

    @overload
    def __getitem__(self, row: int) -> bytes: ...
    @overload
    def __getitem__(self, row: slice) -> "Texts": ...
    def __getitem__(self, row: int | slice) -> "bytes | Texts":
        """Give one text, or some of them."""
        if isinstance(row, slice):
            return self.take(np.arange(len(self))[row])
        place = range(len(self))[row]
        return self.data[self.starts[place] : self.starts[place + 1]].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        """Go through them; one is made when it is its turn."""
        data = np.ascontiguousarray(self.data).data
        return (data[start:end].tobytes() for start, end in pairwise(self.starts.tolist()))

    def take(self, rows: npt.NDArray[np.int64]) -> "Texts":
        """Give some of them, by their places, in the order asked for."""
        if not len(self.data):
            return Texts.empty(len(rows))
        begins, ends = self.starts.take(rows), self.starts.take(rows + 1)
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(ends - begins, out=starts[1:])
        if len(rows) and np.array_equal(begins[1:], ends[:-1]):  # neighbours
            return Texts(self.data[begins[0] : ends[-1]], starts)
        data = np.ascontiguousarray(self.data).data
        pieces = [data[start:end] for start, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        return Texts(np.frombuffer(b"".join(pieces), np.uint8), starts)
