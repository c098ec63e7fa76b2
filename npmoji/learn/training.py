"""What a `Trainer` is given, checked; and what a model's file says of its training."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files.extras import need
from ..layers import Checked
from ..model import Model

if TYPE_CHECKING:
    from types import ModuleType

    import torch


def pytorch() -> ModuleType:
    """PyTorch.

    Raises:
        InputError: it is not installed.
    """
    return need("torch", "torch", "training the network")


def full_float32(like: torch.Tensor) -> AbstractContextManager[Any]:
    """Where products are full float32: some machines round them otherwise, unless asked not to."""
    from ..backends.torch.settings import FULL_FLOAT32

    return FULL_FLOAT32[like.device.type]


def check_model(model: Any) -> Model:
    """The model, if it is one that can be trained.

    Raises:
        InputError: something else, closed, or in less than float32.
    """
    if not isinstance(model, Model):
        raise InputError(f"expected a model, as npmoji.load gives, got {type(model).__name__}")
    model.check_ready()
    if model.precision != "fp32":
        raise InputError(
            f"{model.path}: a model at precision {model.precision!r} cannot be trained; load it with precision='fp32'"
        )
    return model


def device_of(model: Model, device: str | None) -> str:
    """Where to train: the place given, else the model's own."""
    from ..backends import DEVICES

    device = (model.device if model.engine == "torch" else "cpu") if device is None else device
    if device not in DEVICES:
        raise InputError(f"device {device!r:.60}: expected one of {', '.join(DEVICES)}")
    torch = pytorch()
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device 'cuda': PyTorch {torch.__version__} finds no GPU it can use; choose device='cpu'")
    return device


def number(name: str, value: Any, below: float = float("inf")) -> float:
    """A setting that is a number from 0 on."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not real or not 0 <= value < below:
        raise InputError(f"{name} {value!r:.60}: expected a number of 0 or more{f', below {below}' * (below < 2)}")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """A setting that is true or false."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} {value!r:.60}: expected True or False")
    return bool(value)


def whole(name: str, value: Any, least: int) -> int:
    """A setting that is an integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value < 1 << 63:
        raise InputError(f"{name} {value!r:.60}: expected an integer of at least {least}")
    return int(value)


def frozen_layers(model: Model, given: Collection[str] | None, names: Collection[str]) -> set[str]:
    """The layers that are never trained: those given, else those that the config of another network than DeepMoji
    freezes."""
    if given is None:
        file = model.contents
        if model.graph.trims_padding or not file.config:
            return set()
        from ..keras.weights import frozen

        return frozen(file)
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise InputError(f"frozen {given!r:.60}: expected a list of layers' names")
    unknown = [name for name in given if name not in names]
    if unknown:
        raise InputError(f"frozen: no layer {unknown[0]!r:.60} with weights; there are: {', '.join(names)}")
    return set(given)


def rows(arrays: Checked, start: int, stop: int) -> Checked:
    """Some rows of the inputs."""
    return Checked({name: array[start:stop] for name, array in arrays.items()})
