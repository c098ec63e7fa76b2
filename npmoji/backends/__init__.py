"""The arithmetic, one module a backend, all with the same function names and signatures.

`numpy_ops` is the reference: plain NumPy that says what each function means. `numba_ops` overrides what is worth
compiling. Layers are handed a backend with every call.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from ..errors import InputError

ENGINES = ("auto", "numpy", "numba")


@functools.cache
def load(name: str, threads: int | None = None) -> Any:
    """The backend for an engine name, ``"numpy"`` or ``"numba"``, imported on first use."""
    if name == "numpy":
        from . import numpy_ops

        return numpy_ops
    try:
        from .numba_ops import NumbaOps

        return NumbaOps(threads or default_threads())
    except ImportError as error:
        raise InputError(f"engine {name!r} cannot be used: {error}; choose engine='numpy'") from error


def default_threads() -> int:
    """The cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
