"""How kernels are compiled. Only modules of kernels import this: numba takes time and memory to load.

What Python calls is an entry of an object file (`called`), loaded without numba (`pathserve.native.functions`). All
other kernels are part of the entries that call them, and are never compiled by a process that finds those.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

import numba
import numpy.typing as npt
from numba import types
from numba.core.extending import intrinsic
from numba.np import arrayobj
from numba.np.numpy_support import as_dtype

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])

INT, SMALL, SHORT, TINY = types.int64, types.int32, types.int16, types.int8
WORD, BYTE, FLOAT, HALF = types.uint64, types.uint8, types.float64, types.float32
TRUTH, NOTHING = types.boolean, types.void

_populate_array: Any = arrayobj.populate_array

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
_WITHOUT_ROOM: dict[str, Any] = {"_nrt": False}
"""Without making arrays, so that nothing need count who uses them: that takes a third of the time."""

_ONLY_INSIDE: dict[str, Any] = {"no_cpython_wrapper": True, **_WITHOUT_ROOM}
"""Without what would let Python call them, a sixth of all that is compiled. They can give no arrays back."""


def given(kept: Any, dimensions: int = 1) -> Any:  # noqa: ANN401 - numba's own types
    """Give the type of an array that is only read: writable ones are taken too."""
    return types.Array(kept, dimensions, "C", readonly=True)


def together(*kinds: Any, of: type | None = None) -> Any:  # noqa: ANN401 - as above
    """Give the type of a tuple, or of a named one of a class."""
    made: Any = types
    if of is None:
        return made.Tuple(kinds)
    if len(set(kinds)) == 1:  # which is another type to numba
        return made.NamedUniTuple(kinds[0], len(kinds), of)
    return made.NamedTuple(kinds, of)


def inner(function: Kernel) -> Kernel:
    """Compile what only other kernels call."""
    compiled: Any = numba.njit(**_OPTIONS, **_ONLY_INSIDE)(function)
    kernel: Kernel = compiled
    return kernel


def inlined(function: Kernel) -> Kernel:
    """Compile it into each of its callers: a call with a few arrays takes as long as all that is done with a cell."""
    compiled: Any = numba.njit(**_OPTIONS, **_ONLY_INSIDE, forceinline=True)(function)
    kernel: Kernel = compiled
    return kernel


def called(kernel: Kernel, returns: Any, *arguments: Any) -> tuple[Any, list[tuple[str, int, bool]]]:  # noqa: ANN401 - as above
    """Make a kernel an entry of an object file, for one signature that returns a number or nothing.

    The kernel can make no arrays: they belong to numba, which is not there.

    Returns
    -------
    The compiled entry, which takes a table of int64: of each array its address and shape, of numbers themselves; and
    what `pathserve.native.functions.Function` is told of it, the members of tuples one by one.
    """
    taken: Any = made_by(_taken(arguments))

    def give(table: Any) -> Any:  # noqa: ANN401 - as above
        return kernel(*taken(table))

    def do(table: Any) -> int:  # noqa: ANN401 - as above
        kernel(*taken(table))
        return 0

    makes: Any = numba.cfunc
    made: Any = types.CPointer
    compiled = makes(INT(made(INT)), **_WITHOUT_ROOM)(do if returns is NOTHING else give)
    return compiled, list(_told(arguments))


def _told(kinds: Iterable[Any]) -> Iterator[tuple[str, int, bool]]:
    """Give of each argument the type of its members, its dimensions and whether it is written to."""
    for kind in kinds:
        if isinstance(kind, types.BaseTuple):
            yield from _told(cast(Any, kind))
        elif isinstance(kind, types.Array):
            yield as_dtype(kind.dtype).str[1:], kind.ndim, kind.mutable
        else:
            yield "float" if isinstance(kind, types.Float) else "int", 0, False


def _taken(kinds: Any) -> Callable[..., Any]:  # noqa: ANN401 - as above
    """Make what takes arguments out of a table."""

    def take(_: Any, table: Any) -> Any:  # noqa: ANN401 - as above
        made: Any = types

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            words, places = arguments[0], iter(range(1 << 16))
            if isinstance(table, types.Array):
                words = context.make_array(table)(context, builder, words).data

            def word() -> Any:  # noqa: ANN401
                return builder.load(builder.gep(words, [context.get_constant(INT, next(places))]))

            return _value(context, builder, signature.return_type, word)

        return made.Tuple(kinds)(table), generate

    return take


def found_in_table(kind: Any) -> Any:  # noqa: ANN401 - as above
    """Make what sees a tuple of arrays whose addresses and shapes stand in an array of int64; only for kernels."""
    return made_by(_taken([kind]))


def _value(context: Any, builder: Any, kind: Any, word: Callable[[], Any]) -> Any:  # noqa: ANN401 - as above
    """Make a value of some type of the next words of a table."""
    if isinstance(kind, types.BaseTuple):
        return context.make_tuple(builder, kind, [_value(context, builder, each, word) for each in cast(Any, kind)])
    first, value_type = word(), context.get_value_type(kind)
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder)
        shape = [word() for _ in range(kind.ndim)]
        size = context.get_constant(INT, as_dtype(kind.dtype).itemsize)
        strides = [size]
        for length in shape[:0:-1]:
            strides.insert(0, builder.mul(length, strides[0]))
        data = builder.inttoptr(first, context.get_data_type(kind.dtype).as_pointer())
        _populate_array(array, data, shape, strides, size, None)
        return array._getvalue()
    if isinstance(kind, types.Float):
        return builder.bitcast(first, value_type)
    return first if value_type.width == first.type.width else builder.trunc(first, value_type)


def plain(value: Any) -> int:  # noqa: ANN401 - a number of numpy's
    """Call a number an int for the type checker. numba compiles a function anew for each literal, but not for these."""
    named: int = value
    return named


def made_by(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - as above
    """Make what puts machine code of its own into kernels; to Python it is no function."""
    return intrinsic(function)
