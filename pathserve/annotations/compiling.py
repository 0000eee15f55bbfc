"""How kernels are compiled by numba. Only modules of kernels import this: numba takes time and memory to load.

numba's cache of an entry is renewed when its own file changes. A digest of the other modules whose kernels it calls is
part of its name there, so that it is renewed with them too.
"""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])

INT, SMALL, BYTE, TRUTH, FLOAT = numba.int64, numba.int32, numba.uint8, numba.boolean, numba.float64


_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
_ONLY_INSIDE: dict[str, Any] = {"no_cpython_wrapper": True}
"""Without what would let Python call them: a sixth of all that is compiled."""


def given(kept: Any, dimensions: int = 1) -> Any:  # noqa: ANN401 - numba's own types
    """Give the type of an array that is only read: writable ones are taken too."""
    return numba.types.Array(kept, dimensions, "C", readonly=True)


def inner(function: Kernel) -> Kernel:
    """Compile what only other kernels call; it is part of them in the cache, so most processes never compile it."""
    compiled: Any = numba.njit(**_OPTIONS, **_ONLY_INSIDE)(function)
    kernel: Kernel = compiled
    return kernel


def inlined(function: Kernel) -> Kernel:
    """Compile it into its callers: a call with a few arrays takes as long as all that is done with a cell."""
    compiled: Any = numba.njit(**_OPTIONS, **_ONLY_INSIDE, forceinline=True)(function)
    kernel: Kernel = compiled
    return kernel


def entry(returns: Any, *arguments: Any) -> Callable[[Kernel], Kernel]:  # noqa: ANN401 - numba's own types
    """Compile what Python calls, for one signature, or take it from the cache."""
    compiled: Callable[[Kernel], Kernel] = numba.njit(returns(*arguments), cache=True, **_OPTIONS)

    def compile_it(function: Kernel) -> Kernel:
        # The name is part of the name of the file in the cache, and of nothing else.
        function.__qualname__ += _of_others(function.__module__, function.__globals__)
        return compiled(function)

    return compile_it


def _of_others(own: str, names: Mapping[str, Any]) -> str:
    """Give a digest of the other modules whose kernels a module names; nothing when there are none."""
    others = {value.py_func.__module__ for value in names.values() if hasattr(value, "py_func")} - {own}
    return "".join(f"-{_digest(str(sys.modules[name].__file__))}" for name in sorted(others))


@cache
def _digest(file: str) -> str:
    return sha256(Path(file).read_bytes()).hexdigest()[:8]


def plain(value: Any) -> int:  # noqa: ANN401 - a number of numpy's
    """Call a number an int for the type checker. numba compiles a function anew for each literal, but not for these."""
    named: int = value
    return named
