"""Which backend an engine's name stands for."""

from __future__ import annotations

import functools
import os
from typing import Any

from .errors import InputError

ENGINES = ("auto", "numpy", "numba")
PRECISIONS = ("fp32", "fp16", "int8")


@functools.cache
def backend(name: str, threads: int | None = None, precision: str = "fp32") -> Any:
    """The backend of the engine ``"numpy"`` or ``"numba"``, imported on first use, for so many threads.

    Args:
        precision: one of `PRECISIONS`, that of the LSTM weights.

    Raises:
        InputError: the backend cannot be imported.
    """
    if name == "numpy":
        from .backends import numpy_ops, numpy_precision

        return numpy_ops if precision == "fp32" else numpy_precision.NumpyOps(precision)
    try:
        from .backends.numba_ops import NumbaOps
    except ImportError as error:
        raise InputError(f"engine {name!r} cannot be used: {error}; choose engine='numpy'") from error
    return NumbaOps(threads or default_threads(), precision)


def default_threads() -> int:
    """The cores this process may use, or what NPMOJI_THREADS says."""
    wanted = os.environ.get("NPMOJI_THREADS", "")
    if wanted:
        if not wanted.isdecimal() or int(wanted) < 1:
            raise InputError(f"NPMOJI_THREADS is {wanted!r}, expected an integer of at least 1")
        return int(wanted)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
