"""How kernels are compiled by numba. Only modules of kernels import this: numba takes time and memory to load.

All functions that one entry calls stand in its own module: numba's cache of an entry is renewed when its own file
changes, and only then.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])

INT, SMALL, BYTE, TRUTH, FLOAT = numba.int64, numba.int32, numba.uint8, numba.boolean, numba.float64


def given(kept: Any, dimensions: int = 1) -> Any:  # noqa: ANN401 - numba's own types
    """Give the type of an array that is only read: writable ones are taken too."""
    return numba.types.Array(kept, dimensions, "C", readonly=True)


def inner(function: Kernel) -> Kernel:
    """Compile what only other kernels call; it is part of them in the cache, so most processes never compile it."""
    compiled: Any = numba.njit(nogil=True, error_model="numpy")(function)
    kernel: Kernel = compiled
    return kernel


def inlined(function: Kernel) -> Kernel:
    """Compile it into its callers: a call with a few arrays takes as long as all that is done with a cell."""
    compiled: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)(function)
    kernel: Kernel = compiled
    return kernel


def entry(returns: Any, *arguments: Any) -> Callable[[Kernel], Kernel]:  # noqa: ANN401 - numba's own types
    """Compile what Python calls, for one signature, or take it from the cache."""
    compiled: Callable[[Kernel], Kernel] = numba.njit(returns(*arguments), cache=True, nogil=True, error_model="numpy")
    return compiled


def plain(value: Any) -> int:  # noqa: ANN401 - a number of numpy's
    """Call a number an int for the type checker. numba compiles a function anew for each literal, but not for these."""
    named: int = value
    return named
