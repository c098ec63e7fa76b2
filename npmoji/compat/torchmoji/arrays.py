"""Tensors in, tensors out; arrays in, arrays out. PyTorch is never imported: who has a tensor has imported it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np


def taken(x: Any) -> tuple[Any, Callable[[np.ndarray], Any]]:
    """A tensor as an array, and a function that makes tensors of arrays, on the same device. Anything else as it is."""
    torch: Any = sys.modules.get("torch")
    tensor: Any = getattr(torch, "Tensor", ())
    if not isinstance(x, tensor):
        return x, lambda array: array
    device = x.device
    return array_of(x), lambda array: torch.from_numpy(array).to(device)


def array_of(x: Any) -> np.ndarray:
    """A tensor or anything like it as an array."""
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
