"""What machine code is made of: when any of it changes, it is compiled anew."""

import logging
import re
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_IMPORT = re.compile(rb"^(?:from|import) pathserve\.([\w.]+)", re.MULTILINE)
_DIGEST_BYTES = 16
_LOG = logging.getLogger(__name__)


@cache
def digest_of(module: str) -> str:
    """Give a digest of the source of a module, and of all of this package that it imports."""
    sources, waiting = dict[str, bytes](), [module.removeprefix("pathserve.")]
    while waiting:
        name = waiting.pop()
        if name not in sources:
            sources[name] = _source(name)
            waiting += (found.decode() for found in _IMPORT.findall(sources[name]))
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for name in sorted(sources):
        digest.update(blake2b(sources[name]).digest())
    return digest.hexdigest()


def key_of(modules: Iterable[str]) -> str:
    """Give a digest of the sources of modules, of the versions that compile them and of the processor."""
    llvm = import_module("llvmlite.binding")  # commands that need no machine code never load it
    processor = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    about = [*map(digest_of, modules), version("numba"), version("llvmlite"), sys.version, *processor]
    return blake2b(repr(about).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _source(name: str) -> bytes:
    path = _PACKAGE.joinpath(*name.split("."))
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_bytes()


@cache
def tell_of_compiling() -> None:
    """Tell, once, why what was asked for takes so long: a command line shows it."""
    _LOG.warning("Machine code is compiled, once after an installation or an update: up to half a minute.")
