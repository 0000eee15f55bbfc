"""Machine code of kernels, loaded without numba."""

from pathserve.native.functions import Function, load_functions

__all__ = ["Function", "load_functions"]
