"""What only some formats need: loaded when first used, and a clear sentence when it is missing."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from pathserve.errors import Unsupported


def load(module: str, extra: str) -> Any:  # noqa: ANN401 - whatever the package is
    """Give a module of a package that comes with an extra.

    Raises
    ------
    Unsupported
        When it is not installed; the sentence says what to do.
    """
    try:
        return import_module(module)
    except ImportError:
        raise Unsupported(
            f"This format needs a further package: pip install 'pathserve[{extra}]'.", code="package_missing"
        ) from None


def later(module: str, name: str) -> Callable[..., Any]:
    """Give a function of a module that is loaded when the function is first called."""

    def call(*given: object) -> Any:  # noqa: ANN401 - whatever the function gives
        return getattr(import_module(module), name)(*given)

    return call
