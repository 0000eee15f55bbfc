"""What modules of entries are written with; only these import it, for it imports numba."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy.typing as npt
from numba import types
from numba.core.extending import intrinsic

__all__ = ["Array", "Kernel", "carray", "compiled", "inline", "pointer"]

Array = npt.NDArray[Any]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def inline(function: Kernel) -> Kernel:
    """Compile what only other kernels call, into each of them: a call would cost more than its work.

    Nothing in it allocates, so references are not counted.
    """
    options: dict[str, Any] = {"nogil": True, "_nrt": False, "forceinline": True, "error_model": "numpy"}
    compiled: Any = numba.njit(**options)(function)
    kernel: Kernel = compiled
    return kernel


def compiled(function: Callable[[Any], int]) -> Any:  # noqa: ANN401 - numba's own type
    """Compile an entry; it is given int64: of each argument an address and a count, or a number and 0."""
    made: Any = types.CPointer
    return numba.cfunc(types.int64(made(types.int64)))(function)


def _pointer(_: Any, address: Any) -> Any:  # noqa: ANN401, ARG001 - numba's own types; a name for what is given
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.voidptr(types.int64), generate


carray: Any = getattr(numba, "carray")  # noqa: B009 - it is there, but numba's stubs do not export it
"""See what lies at a pointer as an array."""

pointer: Any = intrinsic(_pointer)
"""Turn an address into a pointer."""
