"""The engines: `ops.Ops` defines all functions and computes them in plain NumPy; other engines are subclasses of it.

    ops.py            every function, the reference
    activations.py    the activation functions
    products.py       rows times a matrix
    windows.py        windows of time steps
    quantised.py      the reference's int8 products
    numba_ops.py      the fast path, on `kernels`; numba_windows.py: its convolution
    packing.py        batches without padding
    torch/            PyTorch, on a CPU or a GPU

Layers are given an engine with every call. This module maps names to engines.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError

if TYPE_CHECKING:
    from .ops import Ops

DEVICES = ("cpu", "cuda")  # of the torch engine


def _numpy(threads: int | None, precision: str, device: str) -> Ops:
    from .ops import Ops

    return Ops(precision)


def _numba(threads: int | None, precision: str, device: str) -> Ops:
    from .numba_ops import NumbaOps

    return NumbaOps(threads or default_threads(), precision)


def _torch(threads: int | None, precision: str, device: str) -> Ops:
    from .torch.ops import TorchOps

    return TorchOps(device, threads, precision)


class Engine(NamedTuple):
    """How an engine is made, with its imports on first use, and what to do if it cannot be imported."""

    make: Callable[[int | None, str, str], Ops]  # of threads, precision, device
    remedy: str


#: by name; "auto" chooses between the first two
ENGINES: dict[str, Engine] = {
    "numpy": Engine(_numpy, "reinstall NumPy"),
    "numba": Engine(_numba, "choose engine='numpy'"),
    "torch": Engine(_torch, "pip install 'torch>=2.0'"),
}


@functools.cache
def backend(name: str, threads: int | None = None, precision: str = "fp32", device: str = "cpu") -> Ops:
    """The engine of that name.

    Args:
        name: a key of `ENGINES`.
        threads: how many threads it may use; None: its own choice.
        precision: one of `precision.PRECISIONS`, for the LSTM weights.
        device: one of `DEVICES`.

    Raises:
        InputError: the engine cannot be imported, or the device is not available.
    """
    engine = ENGINES[name]
    try:
        return engine.make(threads, precision, device)
    except ImportError as error:
        raise InputError(f"engine {name!r} cannot be used: {error}; {engine.remedy}") from error


def default_threads() -> int:
    """The number of cores this process may use, or NPMOJI_THREADS if set."""
    wanted = os.environ.get("NPMOJI_THREADS", "")
    if wanted:
        if not wanted.isdecimal() or int(wanted) < 1:
            raise InputError(f"NPMOJI_THREADS is {wanted!r}, expected an integer of at least 1")
        return int(wanted)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
