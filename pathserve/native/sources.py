"""What machine code is made of: when any of it changes, it is compiled anew."""

import logging
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import blake2b
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_IMPORT = re.compile(r"^import pathserve\.([\w.]+)|^from pathserve\.?([\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)
_NAME = re.compile(r"\w+")
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
            waiting += _imported(sources[name].decode())
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


def _imported(source: str) -> Iterator[str]:
    """Give the modules of this package that a source imports, and those of them that it names behind ``import``."""
    for whole, room, names in _IMPORT.findall(source):
        if whole or room:
            yield whole or room
        for name in _NAME.findall(names):
            inner = f"{room}.{name}" if room else name
            path = _PACKAGE.joinpath(*inner.split("."))
            if path.is_dir() or path.with_suffix(".py").exists():
                yield inner


def _source(name: str) -> bytes:
    path = _PACKAGE.joinpath(*name.split("."))
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_bytes()


@cache
def tell_of_compiling() -> None:
    """Tell, once, why what was asked for takes so long: a command line shows it."""
    _LOG.warning("Machine code is compiled, once after an installation or an update: up to half a minute.")
