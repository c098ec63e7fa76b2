"""PyTorch's process-wide settings while the engine computes."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator

import torch


class FullFloat32:
    """While any thread is inside, products of float32 matrices on this device are full float32; then as before."""

    def __init__(self, device: str):
        owner = torch.backends.cuda.matmul if device == "cuda" else getattr(torch.backends.mkldnn, "matmul", None)
        if hasattr(owner, "fp32_precision"):  # PyTorch 2.9
            self._get, self._full = lambda: owner.fp32_precision, ("ieee", "none")
            self._set = functools.partial(setattr, owner, "fp32_precision")
        else:
            self._get, self._full = torch.get_float32_matmul_precision, ("highest",)
            self._set = torch.set_float32_matmul_precision
        self._lock, self._inside, self._before = threading.Lock(), 0, self._full[0]

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = self._get()
                if self._before not in self._full:
                    self._set(self._full[0])
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._before not in self._full:
                self._set(self._before)


FULL_FLOAT32 = {device: FullFloat32(device) for device in ("cpu", "cuda")}  # one per device, shared by all engines


@contextlib.contextmanager
def settings(device: str, threads: int | None) -> Iterator[None]:
    """The settings in force while a function of the engine runs."""
    if threads is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    with torch.inference_mode(), FULL_FLOAT32[device]:
        yield
