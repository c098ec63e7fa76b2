"""One pass through a graph, on tensors, and the table of functions that it goes by."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from ...backends.ops import REFERENCE
from ...errors import InputError
from ...layers import Csr, Input, Layer
from ...precision import float32
from .packing import Packing

Tensor = torch.Tensor
#: a layer's function of tensors: the pass, the layer, its predecessors' values and masks -> its value
Rule: TypeAlias = Callable[["Run", Any, list[Any], list[Any]], Any]

RULES: dict[type, Rule] = {}  # by class, exactly: a subclass may compute something else


def rule(*classes: type) -> Callable[[Rule], Rule]:
    """Decorator: the function is the differentiable form of these classes' `forward`."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(classes, function))
        return function

    return enter


def place(array: Any) -> Hashable:
    """What tells an array from others: layers that share one, or hold it in another shape, train the same numbers."""
    if not isinstance(array, np.ndarray):
        return id(array)
    start = array.__array_interface__["data"][0]
    return (start, array.size) if array.flags.c_contiguous else (start, array.shape, array.strides)


class Drop(NamedTuple):
    """A dropout: its rate, and whether all steps of a row lose the same features."""

    rate: float
    spatial: bool = False


class Run:
    """One pass: what has been computed so far, as tensors with NumPy masks.

    Args:
        weights: the network's arrays as tensors, by `place`.
        like: a tensor of the type and on the device that all numbers have.
        generator: where dropout draws from; without one nothing is dropped.
        drops: dropouts after layers, besides those that are layers themselves.
    """

    def __init__(
        self,
        weights: Mapping[Hashable, Tensor],
        like: Tensor,
        generator: torch.Generator | None = None,
        drops: Mapping[Layer, Drop] | None = None,
    ):
        self.weights, self.like, self.generator, self.drops = weights, like, generator, drops or {}
        self.done: dict[Layer, tuple[Any, Any]] = {}
        self._masks: dict[int, tuple[np.ndarray, Tensor]] = {}
        self.packings: dict[Any, Packing] = {}  # shared by the layers that go through the same steps

    def apart(self) -> Run:
        """A pass of its own through the layers within a layer, with the same weights."""
        return Run(self.weights, self.like, self.generator)

    def weight(self, array: Any) -> Tensor:
        """The tensor of a layer's array; one that is not among the layer's weights is a constant."""
        found = self.weights.get(place(array))
        return self.tensor(float32(array)) if found is None else found.reshape(array.shape)

    def tensor(self, value: Any) -> Any:
        """A value that has no gradient as a tensor: ids as int64, truth values as they are, other numbers as all
        numbers are."""
        if isinstance(value, tuple):
            return tuple(map(self.tensor, value))
        if isinstance(value, (Tensor, Csr)):
            return value
        array = np.asarray(value)
        if array.dtype.kind == "O":  # texts
            return array
        if array.dtype.kind in "iu":
            return torch.from_numpy(array.astype(np.int64)).to(self.like.device)
        kind = torch.bool if array.dtype.kind == "b" else self.like.dtype
        return torch.from_numpy(np.array(array)).to(self.like.device, kind)

    def mask(self, mask: np.ndarray) -> Tensor:
        """A mask as a tensor of truth values."""
        if id(mask) not in self._masks:
            self._masks[id(mask)] = mask, torch.from_numpy(np.array(mask)).to(self.like.device)
        return self._masks[id(mask)][1]

    def dropped(self, x: Tensor, drop: Drop) -> Tensor:
        """``x`` with some numbers 0 and the others larger by 1 / (1 - rate), while training."""
        if self.generator is None or drop.rate == 0:
            return x
        shape = (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1]) if drop.spatial else tuple(x.shape)
        return x * self.keep(shape, drop.rate)

    def keep(self, shape: tuple[int, ...], rate: float) -> Tensor:
        """0 with probability ``rate``, else 1 / (1 - rate): drawn on the CPU, so that no device changes it."""
        drawn = torch.rand(shape, generator=self.generator) >= rate
        return drawn.to(self.like.device, self.like.dtype) / (1 - rate)

    def compute(self, layer: Layer, arrays: Mapping[str, Any]) -> None:
        """Compute a layer whose predecessors have been computed."""
        if layer in self.done:
            return
        if isinstance(layer, Input):
            self.done[layer] = self.tensor(arrays[layer.name]), None
            return
        before = [self.done[previous] for previous in layer.previous]
        values, masks = [value for value, _ in before], [mask for _, mask in before]
        value, mask = self._value(layer, values, masks)
        if layer in self.drops:
            value = self.dropped(value, self.drops[layer])
        self.done[layer] = value, mask

    def _value(self, layer: Layer, values: list[Any], masks: list[Any]) -> tuple[Any, Any]:
        function = RULES.get(type(layer))
        if function is None:
            return without_gradient(self, layer, values, masks)
        value = function(self, layer, values, masks)
        if isinstance(value, WithMask):
            return value
        return value, layer.propagate([Seen.of(value) for value in values], masks)


class WithMask(NamedTuple):
    """What a rule returns that knows the mask better than the layer's `propagate`."""

    value: Any
    mask: Any


def without_gradient(run: Run, layer: Layer, values: list[Any], masks: list[Any]) -> WithMask:
    """The layer's own arithmetic in NumPy; an InputError if a gradient has to go through."""
    if any(needs_gradient(value) for value in values):
        raise no_gradient(layer)
    value, mask = layer.evaluate(REFERENCE, [plain(value) for value in values], masks)
    return WithMask(run.tensor(value), mask)


class Seen:
    """A tensor as `Layer.propagate` looks at it: its shape, and as an array if it asks for one."""

    def __init__(self, tensor: Tensor):
        self.tensor, self.shape, self.ndim = tensor, tuple(tensor.shape), tensor.ndim

    @classmethod
    def of(cls, value: Any) -> Any:
        """A value, each tensor of it wrapped."""
        if isinstance(value, tuple):
            return tuple(map(cls.of, value))
        return cls(value) if isinstance(value, Tensor) else value

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(plain(self.tensor), dtype)


def plain(value: Any) -> Any:
    """A value as NumPy arrays, without its gradient."""
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if not isinstance(value, Tensor):
        return value
    array = value.detach().cpu().numpy()
    return array.astype(np.float32) if array.dtype == np.float64 else array


def needs_gradient(value: Any) -> bool:
    """Whether a value depends on what is trained."""
    if isinstance(value, tuple):
        return any(map(needs_gradient, value))
    return isinstance(value, Tensor) and value.requires_grad


def no_gradient(layer: Layer) -> InputError:
    """The error for a layer that cannot be trained through."""
    return InputError(
        f"layer {layer.name!r} of class {layer.class_name!r} has no gradient here: "
        "neither it nor a layer before it can be trained; freeze those, as method='last' does"
    )
