"""What only some formats need: loaded when first used, and a clear sentence when it is missing."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pathserve.errors import Unsupported

_BLOCK = 1024 * 1024


def load(module: str, extra: str) -> Any:  # noqa: ANN401 - whatever the package is
    """Give a module of a package that comes with an extra.

    Raises
    ------
    Unsupported
        When it is not installed; the sentence says what to do.
    """
    package = module.partition(".")[0]
    if package not in sys.modules:
        read_libraries(package)
    try:
        return import_module(module)
    except ImportError:
        raise Unsupported(
            f"This format needs a further package: pip install 'pathserve[{extra}]'.", code="package_missing"
        ) from None


def read_libraries(package: str) -> int:
    """Read the shared libraries of a package into the system's memory, if it is installed; gives their bytes.

    An import loads them with the interpreter's lock: what it has to wait for a disk, everybody else would wait too.
    """
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        return 0
    folder, buffer, size = Path(found.submodule_search_locations[0]), bytearray(_BLOCK), 0
    for place in (folder, folder.with_name(f"{folder.name}.libs")):
        for path in place.rglob("*.so*"):
            with path.open("rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    size += count
    return size


def later(module: str, name: str) -> Callable[..., Any]:
    """Give a function of a module that is loaded when the function is first called."""

    def call(*given: object) -> Any:  # noqa: ANN401 - whatever the function gives
        return getattr(import_module(module), name)(*given)

    return call
