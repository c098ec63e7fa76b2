"""The arithmetic, one module a backend, all with the same function names and signatures.

`numpy_ops` is the reference: plain NumPy that says what each function means. `numba_ops` overrides what is worth
compiling. Layers are handed a backend with every call.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from ..errors import InputError

ENGINES = ("auto", "numpy", "numba")


def load(name: str) -> ModuleType:
    """The backend module for an engine name, ``"numpy"`` or ``"numba"``; imported on first use."""
    try:
        return importlib.import_module(f"{__name__}.{name}_ops")
    except ImportError as error:
        raise InputError(f"engine {name!r} cannot be used: {error}; choose engine='numpy'") from error


def default_threads() -> int:
    """The cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
