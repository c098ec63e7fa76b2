"""Which backend an engine's name stands for."""

from __future__ import annotations

import functools
import os
from typing import Any

from .errors import InputError

ENGINES = ("auto", "numpy", "numba", "torch")
PRECISIONS = ("fp32", "fp16", "int8")
DEVICES = ("cpu", "cuda")  # of the torch engine


@functools.cache
def backend(name: str, threads: int | None = None, precision: str = "fp32", device: str = "cpu") -> Any:
    """The backend of the engine ``"numpy"``, ``"numba"`` or ``"torch"``, imported on first use, for so many threads.

    Args:
        precision: one of `PRECISIONS`, that of the LSTM weights.
        device: one of `DEVICES`.

    Raises:
        InputError: the backend cannot be imported.
    """
    if name == "numpy":
        from .backends import numpy_ops, numpy_precision

        return numpy_ops if precision == "fp32" else numpy_precision.NumpyOps(precision)
    if name == "torch":
        try:
            from .backends.torch_ops import TorchOps
        except ImportError as error:
            raise InputError(f"engine 'torch' cannot be used: {error}; pip install 'torch>=2.0'") from error
        return TorchOps(device, threads, precision)
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
