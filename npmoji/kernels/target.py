"""What Numba compiles for, the vector width and register count, from which the kernels' block sizes follow; and its
decorators.

Names used throughout this package: a *vector* holds LANES floats; a *tile* is VECTORS vectors, the width of one
register block; a *panel* is a column block of a matrix, one tile wide, stored k-major as (K, TILE). A *block* is LANES
units of an LSTM, i.e. the four vectors i, f, c, o side by side; a *group* is two blocks.
"""

from __future__ import annotations

import functools
import os
import platform
import sys
import threading
from collections.abc import Callable

import numpy as np
from numba import njit, types
from numba.core import config
from numba.core.codegen import get_host_cpu_features
from numba.np.numpy_support import from_dtype

from .notices import notices

_NEEDS = {  # feature -> what it is built upon: switched on along with it, and dragging it down when switched off
    "avx2": ("avx",),
    "fma": ("avx",),
    "f16c": ("avx",),
    "avx512f": ("avx2", "fma", "f16c"),
    "avx512bw": ("avx512f",),
    "avx512vnni": ("avx512f",),
    "avxvnni": ("avx2",),
}


def target_features() -> frozenset[str]:
    """Names of the CPU features that Numba compiles for, with NUMBA_CPU_NAME and NUMBA_CPU_FEATURES honoured.

    A CPU named explicitly implies features that LLVM does not list, so then only those switched on by name count.
    """
    named, listed = config.CPU_NAME is not None, config.CPU_FEATURES
    flags = get_host_cpu_features() if listed is None or not named else ""
    enabled: set[str] = set()
    for flag in f"{flags},{listed or ''}".split(","):
        name = flag.strip()[1:]
        if flag.strip().startswith("+"):
            _switch_on(enabled, name)
        elif name:
            _switch_off(enabled, name)
    return frozenset(enabled)


def _switch_on(enabled: set[str], name: str) -> None:
    enabled.add(name)
    for base in _NEEDS.get(name, ()):
        _switch_on(enabled, base)


def _switch_off(enabled: set[str], name: str) -> None:
    enabled.discard(name)
    for feature, bases in _NEEDS.items():
        if name in bases and feature in enabled:
            _switch_off(enabled, feature)


def _geometry(features: frozenset[str]) -> tuple[int, int]:
    """(LANES, VECTORS): 32 vector registers hold a block of 6 rows x 4 vectors, 16 registers 6 x 2."""
    if "avx512f" in features:
        return 16, 4
    if "avx" in features:
        return 8, 2
    return 4, 4 if MACHINE in ("arm64", "aarch64") else 2


MACHINE = platform.machine().lower()
FEATURES = target_features()
LANES, VECTORS = _geometry(FEATURES)
TILE = LANES * VECTORS
ROWS = 6  # rows of a register block
GROUP = 2 * 4 * LANES  # floats of two blocks: gives one row alone enough independent chains to hide the FMA latency
GROUP_PANELS = GROUP // TILE
GROUP_UNITS = 2 * LANES
K_BLOCK = 256  # a panel's slice of 256 k stays in the first-level cache while all rows pass over it
ROW_CHUNK = 96  # rows that share one pass over the weights; their inputs stay in the second-level cache
FLOAT_BYTES = 4
CACHE_LINE = 64
PREFETCH = 1024  # bytes ahead of the weights in use; the hardware's own prefetchers stop at every 4 KB page

TANH, EXP, SIGMOID, HARD_SIGMOID, HARD_SIGMOID_KERAS3 = range(5)
GATES = {"hard_sigmoid": HARD_SIGMOID, "hard_sigmoid_keras3": HARD_SIGMOID_KERAS3, "sigmoid": SIGMOID}

# Array types in the kernels' signatures; inputs may be read-only, as mapped weights are
MATRIX = types.Array(types.float32, 2, "A")
MATRIX_IN = types.Array(types.float32, 2, "A", readonly=True)
VECTOR_IN = types.Array(types.float32, 1, "C", readonly=True)
INDEX_IN = types.Array(types.int64, 1, "C", readonly=True)
FLOATS = types.Array(types.float32, 1, "C")


def jit(*signatures: str) -> Callable:
    """`njit` that releases the GIL and caches; without any writable cache folder it warns, and compiles each time
    instead."""

    def decorate(function: Callable) -> Callable:
        options = {"nogil": True, "error_model": "numpy"}
        place_in_application(function)
        try:
            return njit(list(signatures) or None, cache=True, **options)(function)
        except RuntimeError as error:
            if "no locator" not in str(error):
                raise
            notices.not_cached(function)
            return njit(list(signatures) or None, **options)(function)

    return decorate


def place_in_application(function: Callable) -> None:
    """In a frozen application, let a function's file name not depend on the current folder, nor on where a single file
    was unpacked to: Numba finds what it compiled by that name."""
    name = function.__code__.co_filename
    if getattr(sys, "frozen", False) and not (os.path.isabs(name) and os.path.exists(name)):
        place = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), function.__module__)
        function.__code__ = function.__code__.replace(co_filename=f"{place}.py")


inner = functools.partial(njit, nogil=True, error_model="numpy")  # for functions that compiled code calls
#: The same, written into the caller before that is compiled. For what is called in one place, and for a line or two:
#: each function is compiled on its own, and each level of calls has LLVM optimise everything below it once more, which
#: takes seconds where register blocks are.
inlined = functools.partial(inner, inline="always")

_COMPILED: dict[tuple[Callable, np.dtype], Callable] = {}
_compiling = threading.Lock()


def compiled(loop: Callable, signature: Callable[[types.Array], types.Type], weights: np.dtype) -> Callable:
    """The loop for panels of this type, compiled, or loaded from the cache, on first use: whoever stores weights in one
    way need not wait for the code of the other."""
    if (loop, weights) not in _COMPILED:
        with _compiling:  # threads tend to come here at the same time
            if (loop, weights) not in _COMPILED:
                panels = types.Array(from_dtype(weights), 3, "C", readonly=True)
                _COMPILED[loop, weights] = jit(signature(panels))(loop)
    return _COMPILED[loop, weights]
