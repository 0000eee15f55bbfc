"""Machine code: where it is kept, how it is compiled, and how kernels are loaded without numba."""

from pathserve.native.folder import choose_folder
from pathserve.native.functions import (
    Function,
    kept_kernels_of,
    kernels_of,
    load_functions,
    loaded_kernels_of,
    places_of,
)
from pathserve.native.sources import key_of

__all__ = [
    "Function",
    "choose_folder",
    "kept_kernels_of",
    "kernels_of",
    "key_of",
    "load_functions",
    "loaded_kernels_of",
    "places_of",
]
