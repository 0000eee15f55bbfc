"""Machine code of kernels, kept as object files: loading one takes a tenth of what importing numba does.

A module of entries is written with numba. When its object file is missing, or was made from other sources, by other
versions or for another processor, numba is imported and makes it anew; else only llvmlite is needed.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int64, c_void_p, cast, pythonapi
from functools import cache
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from struct import Struct
from types import SimpleNamespace
from typing import Any

import numpy as np

from pathserve.native.folder import choose_folder
from pathserve.native.sources import key_of, tell_of_compiling

_IN_NUMBA = (
    "numba_do_raise",
    "numba_gil_ensure",
    "numba_gil_release",
    "numba_runtime_build_excinfo_struct",
    "numba_unpickle",
)
"""What would be called if a kernel raised an exception."""

_ELSEWHERE = ("Py", "llvm.", "mem")
"""What else is called begins so: of Python, of the compiler, of the system."""

_CONTIGUOUS, _WRITEABLE = 0x1, 0x400
"""Flags of numpy's C interface (``NPY_ARRAY_C_CONTIGUOUS`` and so on)."""


class Function:
    """A kernel: it takes arrays and numbers, gives an int, and holds no interpreter lock meanwhile.

    Parameters
    ----------
    takes
        For each argument the type of an array's members, its dimensions, and whether it is written to; or ``int`` or
        ``float``, 0 and False.
    """

    def __init__(self, address: int, takes: Sequence[tuple[str, int, bool]]) -> None:
        self._call = CFUNCTYPE(c_int64, c_char_p)(address)
        self._takes = [
            (None if not many else np.dtype(f"<{kind}"), many, _CONTIGUOUS | (_WRITEABLE if out else 0))
            for kind, many, out in takes
        ]
        words = ("d" if kind == "float" else "q" * (1 + many) for kind, many, _ in takes)
        self._table = Struct("=" + "".join(words))

    def __call__(self, *given: Any) -> int:  # noqa: ANN401 - arrays and numbers
        """Run it; raises TypeError for arrays of another type or shape or with gaps, or that must not be written to."""
        values = list[Any]()
        for value, (kind, many, wanted) in zip(given, self._takes, strict=True):
            if kind is None:
                values.append(value)
                continue
            # As `places_of` does: calling it for each would take as long again.
            if value.dtype != kind or value.ndim != many or value.flags.num & wanted != wanted:
                raise TypeError(f"this kernel takes arrays of {kind} without gaps, some of them to be written to")
            values.append(_address(value))
            values.extend(value.shape)
        result: int = self._call(self._table.pack(*values))
        return result


def places_of(arrays: Iterable[Any], takes: Iterable[tuple[Any, int]]) -> list[int]:
    """Give where the members of each array lie in memory, and its shape, as kernels find arrays in a table.

    The table must not outlive the arrays.

    Parameters
    ----------
    takes
        For each array the dtype of its members, and its dimensions.

    Raises
    ------
    TypeError
        For an array of another type or shape or with gaps.
    """
    places = list[int]()
    for array, (kind, many) in zip(arrays, takes, strict=False):
        if array.dtype != kind or array.ndim != many or not array.flags.c_contiguous:
            raise TypeError(f"machine code takes arrays of {kind} without gaps")
        places.append(_address(array))
        places.extend(array.shape)
    return places


def _said_address(array: Any) -> int:  # noqa: ANN401 - an array of any type
    """Ask an array where its members begin, which takes 3 us: as long as many a kernel."""
    address: int = array.__array_interface__["data"][0]
    return address


_WORD = 8
_MEMORY = cast(_WORD, POINTER(c_int64))
"""All memory, from its second word on: reading it so takes a third of what making an object of ctypes does."""


def _seen_address(array: Any) -> int:  # noqa: ANN401 - as above
    """Look for it where numpy's C interface has it, right behind the head that every object has, in 0.2 us."""
    address: int = _MEMORY[(id(array) + object.__basicsize__) // _WORD - 1]
    return address


_PROBE = np.zeros(1)
_address = _seen_address if _seen_address(_PROBE) == _said_address(_PROBE) else _said_address


@cache
def _loaded() -> dict[str, SimpleNamespace]:
    """Give what this process has loaded, by its modules."""
    return {}


def kernels_of(module: str) -> SimpleNamespace:
    """Give the kernels of a module of entries, loaded once in a process."""
    found = loaded_kernels_of(module)
    if found is None:
        found = _loaded()[module] = SimpleNamespace(**load_functions(module))
    return found


def loaded_kernels_of(module: str) -> SimpleNamespace | None:
    """Give the kernels of a module of entries if this process has loaded them."""
    return _loaded().get(module)


def kept_kernels_of(module: str) -> SimpleNamespace | None:
    """Give the kernels of a module of entries as `kernels_of` does, but compile nothing.

    None when they must be compiled first; who asks again later may get them, for another process may compile them.
    """
    if loaded_kernels_of(module) is None and _read(choose_folder() / f"{module}.o", key_of([module])) is None:
        return None
    return kernels_of(module)


def load_functions(module: str, folder: Path | None = None) -> Mapping[str, Function]:
    """Give the kernels of a module of entries by their names.

    Parameters
    ----------
    module
        Its ``ENTRIES`` are what `compiling.called` gives, by name.
    folder
        Where object files are kept; by default what `choose_folder` gives.
    """
    llvm = import_module("llvmlite.binding")
    file, key = (folder or choose_folder()) / f"{module}.o", key_of([module])
    found = _read(file, key)
    if found is None:
        tell_of_compiling()
        found = _compiled(llvm, module)
        with suppress(OSError):
            _write(file, key, *found)
    return _linked(llvm, *found)


def _read(file: Path, key: str) -> tuple[dict[str, Any], bytes] | None:
    """Read what `_write` wrote with the same key, whole; else None."""
    try:
        digest, _, rest = file.read_bytes().partition(b"\n")
    except OSError:
        return None
    if digest != _digest(rest):
        return None
    head, _, code = rest.partition(b"\n")
    said = json.loads(head)
    return (said["functions"], code) if said["key"] == key else None


def _write(file: Path, key: str, functions: Mapping[str, Any], code: bytes) -> None:
    """Write a file at once, or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"key": key, "functions": functions}).encode() + b"\n" + code
    handle, part = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(_digest(content) + b"\n" + content)
        Path(part).chmod(0o644)  # whoever may read the sources may read this
        Path(part).replace(file)
    finally:
        Path(part).unlink(missing_ok=True)


def _digest(content: bytes) -> bytes:
    """Sum up all that is read of a file: a size or a type that was changed would make the process run wild."""
    return blake2b(content).hexdigest().encode()


def _machine(llvm: Any) -> Any:  # noqa: ANN401 - llvmlite's own types
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    # Objects are linked in memory, where that of Windows cannot be.
    target = llvm.Target.from_triple(llvm.get_process_triple() + ("-elf" if os.name == "nt" else ""))
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True)


def _compiled(llvm: Any, module: str) -> tuple[dict[str, Any], bytes]:  # noqa: ANN401 - as above
    """Compile all entries; gives of each its symbol, what it takes and how long its object is, and all objects."""
    entries: Mapping[str, tuple[Any, Any]] = import_module(module).ENTRIES
    machine, functions, code = _machine(llvm), dict[str, Any](), b""
    for name, (compiled, takes) in entries.items():
        assembly = llvm.parse_assembly(compiled.inspect_llvm())
        outside = {function.name for function in assembly.functions if function.is_declaration} - {*_IN_NUMBA}
        if any(not called.startswith(_ELSEWHERE) for called in outside):
            raise TypeError(f"the kernel {name} makes arrays or calls something else that is not there")
        made = machine.emit_object(assembly)
        functions[name] = [compiled.native_name, takes, len(made)]
        code += made
    return functions, code


def _linked(llvm: Any, functions: Mapping[str, Any], code: bytes) -> dict[str, Function]:  # noqa: ANN401 - as above
    # Where one name is unknown, none is found. No kernel raises anything: the process would end.
    for name in _IN_NUMBA:
        if llvm.address_of_symbol(name) is None:
            llvm.add_symbol(name, cast(pythonapi.Py_FatalError, c_void_p).value)
    linked, place = dict[str, Function](), 0
    for name, (symbol, takes, size) in functions.items():
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(llvm))
        engine.add_object_file(llvm.ObjectFileRef.from_data(code[place : place + size]))
        engine.finalize_object()
        linked[name] = Function(engine.get_function_address(symbol), takes)
        engine.detach()  # it lives as long as the process: threads may run it while that ends
        place += size
    return linked
