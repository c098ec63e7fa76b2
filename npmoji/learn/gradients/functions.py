"""The functions of `layers.functions` that have a gradient, on tensors: the same arguments in the same order."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from ...layers.functions.activations import PLAIN
from .elementwise import ACTIVATIONS, sparsemax

Tensor = torch.Tensor
Axes = tuple[int, ...] | None

TINY = 1e-7  # Keras' epsilon


def dims(x: Tensor, axis: Axes) -> Axes:
    """The numbers of the axes, all of them for None."""
    return tuple(range(x.ndim)) if axis is None else tuple(n % x.ndim for n in axis)


def flat(x: Tensor, axis: Axes) -> Tensor:
    """The axes to be reduced as one, the last."""
    places = dims(x, axis)
    rest = [i for i in range(x.ndim) if i not in places]
    return x.permute(*rest, *places).reshape(*(x.shape[i] for i in rest), -1)


def kept(out: Tensor, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    """What a reduction gave, the axes reduced kept as ones of size 1 if asked for."""
    places = dims(x, axis)
    return out.reshape([1 if i in places else n for i, n in enumerate(x.shape)]) if keepdims else out


# Of one array, and of two --------------------------------------------------------------------------------------------

UNARY: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Absolute": torch.abs,
    "Arccos": torch.acos,
    "Arccosh": torch.acosh,
    "Arcsin": torch.asin,
    "Arcsinh": torch.asinh,
    "Arctan": torch.atan,
    "Arctanh": torch.atanh,
    "Copy": lambda x: x,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Exp2": torch.exp2,
    "Expm1": torch.expm1,
    "Log": torch.log,
    "Log10": torch.log10,
    "Log1p": torch.log1p,
    "Log2": torch.log2,
    "Negative": torch.neg,
    "Reciprocal": torch.reciprocal,
    "Rsqrt": torch.rsqrt,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Sqrt": torch.sqrt,
    "Square": torch.square,
    "StopGradient": lambda x: x.detach(),
    "Tan": torch.tan,
    **{name: ACTIVATIONS[activation] for name, activation in PLAIN.items()},
}


def both(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Any, Any], Tensor]:
    """A function of two tensors, one of which may be a number."""

    def apply(a: Any, b: Any) -> Tensor:
        like = a if isinstance(a, Tensor) and a.is_floating_point() else b
        return function(*(torch.as_tensor(one, dtype=like.dtype, device=like.device) for one in (a, b)))

    return apply


def _divide_no_nan(a: Tensor, b: Tensor) -> Tensor:
    none = b == 0
    return torch.where(none, torch.zeros_like(b), a / torch.where(none, torch.ones_like(b), b))


BINARY: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "Arctan2": both(torch.atan2),
    "Divide": operator.truediv,
    "DivideNoNan": both(_divide_no_nan),
    "Hypot": both(torch.hypot),
    "Logaddexp": both(torch.logaddexp),
    "Maximum": both(torch.maximum),
    "Minimum": both(torch.minimum),
    "Mod": both(lambda a, b: a - torch.floor(a / b).detach() * b),
    "Multiply": operator.mul,
    "Power": both(torch.pow),
    "SquaredDifference": lambda a, b: (a - b) ** 2,
    "Subtract": operator.sub,
    "TrueDivide": operator.truediv,
}


def _where(condition: Any, a: Any, b: Any) -> Tensor:
    if not isinstance(condition, Tensor):
        return a if condition else b
    return both(lambda x, y: torch.where(condition.bool(), x, y))(a, b)


def _select(conditions: list[Any], choices: list[Any], default: Any) -> Tensor:
    pairs = reversed(list(zip(conditions, choices)))
    return functools.reduce(lambda out, pair: _where(pair[0], pair[1], out), pairs, default)


def _clip(x: Tensor, low: Any, high: Any) -> Tensor:
    return BINARY["Minimum"](BINARY["Maximum"](x, low), high)


def _full_like(x: Tensor, value: Any, dtype: Any) -> Tensor:
    return torch.as_tensor(value).expand(x.shape)


def _nan_to_num(x: Tensor, nan: float, posinf: float | None, neginf: float | None) -> Tensor:
    return torch.nan_to_num(x, nan, posinf, neginf)


OTHERS: dict[str, Callable[..., Any]] = {
    "AddN": lambda values: functools.reduce(operator.add, values),
    "Array": lambda x, *settings: x,
    "Cast": lambda x, dtype: x,
    "Clip": _clip,
    "ConvertToTensor": lambda x, *settings: x,
    "Fill": lambda shape, value: value.expand([int(n) for n in shape]),
    "Full": lambda value, shape, dtype: value.expand([int(n) for n in shape]),
    "FullLike": _full_like,
    "NanToNum": _nan_to_num,
    "SaturateCast": lambda x, dtype: x,
    "Select": _select,
    "Where": _where,
}

# Activations with settings -------------------------------------------------------------------------------------------


def _along(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Axes], Tensor]:
    """An activation of the last axis along others: several count as one."""

    def apply(x: Tensor, axis: Axes) -> Tensor:
        places = dims(x, axis)
        order = [*(i for i in range(x.ndim) if i not in places), *places]
        moved = x.permute(order)
        out = function(moved.reshape(*moved.shape[: x.ndim - len(places)], -1)).reshape(moved.shape)
        return out.permute([order.index(i) for i in range(x.ndim)])

    return apply


def _gelu(x: Tensor, approximate: Any) -> Tensor:
    return functional.gelu(x, approximate="tanh" if approximate else "none")


def _relu(x: Tensor, slope: float, most: float | None, threshold: float) -> Tensor:
    above = torch.where(x > threshold, x, torch.zeros_like(x))
    above = above if most is None else torch.clamp(above, 0, most)
    return above - slope * torch.relu(threshold - x)


SETTINGS: dict[str, Callable[..., Any]] = {
    "Celu": functional.celu,
    "Elu": functional.elu,
    "Gelu": _gelu,
    "Glu": functional.glu,
    "HardShrink": lambda x, threshold: x * (x.abs() > threshold),
    "LeakyRelu": functional.leaky_relu,
    "LogSoftmax": _along(lambda x: torch.log_softmax(x, -1)),
    "ReLU": _relu,
    "SoftShrink": functional.softshrink,
    "Softmax": _along(lambda x: torch.softmax(x, -1)),
    "Sparsemax": sparsemax,
    "Squareplus": lambda x, b: (x + torch.sqrt(x * x + b)) / 2,
    "Threshold": lambda x, threshold, value: torch.where(x > threshold, x, torch.full_like(x, value)),
}

# Reductions ----------------------------------------------------------------------------------------------------------


def _variance(x: Tensor, axis: Axes, keepdims: bool = False) -> Tensor:
    return ((x - x.mean(dims(x, axis), keepdim=True)) ** 2).mean(dims(x, axis), keepdim=keepdims)


def _product(x: Tensor, axis: Axes, keepdims: bool, dtype: Any) -> Tensor:
    return kept(flat(x, axis).prod(-1), x, axis, keepdims)


def _extremum(reduce: Callable[..., Tensor], clamp: str) -> Callable[..., Tensor]:
    def apply(x: Tensor, axis: Axes, keepdims: bool, initial: float | None) -> Tensor:
        out = reduce(x, dims(x, axis), keepdim=keepdims)
        return out if initial is None else torch.clamp(out, **{clamp: initial})

    return apply


def _average(x: Tensor, weights: Any, axis: Axes) -> Tensor:
    if weights is None:
        return x.mean(dims(x, axis))
    if weights.ndim != x.ndim:
        (place,) = dims(x, axis)
        weights = weights.reshape([-1 if i == place else 1 for i in range(x.ndim)])
    weights = weights.expand(x.shape)
    return (x * weights).sum(dims(x, axis)) / weights.sum(dims(x, axis))


def _norm(x: Tensor, order: Any, axis: Axes, keepdims: bool) -> Tensor:
    if order is None:
        return torch.sqrt((x * x).sum(dims(x, axis), keepdim=keepdims))
    return torch.linalg.vector_norm(x, order, dims(x, axis), keepdim=keepdims)


def _normalized(x: Tensor, axis: Axes, order: float, epsilon: float | None) -> Tensor:
    least = TINY if epsilon is None else epsilon
    if order == 2:
        return x * torch.clamp(torch.rsqrt((x * x).sum(dims(x, axis), keepdim=True)), max=1 / least)
    return x / torch.clamp(_norm(x, order, axis, True), min=least)


def _l2_normalized(x: Tensor, axis: Axes, epsilon: float) -> Tensor:
    return x * torch.rsqrt(torch.clamp((x * x).sum(dims(x, axis), keepdim=True), min=epsilon))


def _layer_norm(x: Tensor, gamma: Any, beta: Any, axis: Axes, epsilon: float | None, rms_scaling: bool) -> Tensor:
    inverse = torch.rsqrt(_variance(x, axis, True) + (TINY if epsilon is None else epsilon))
    out = x * inverse if rms_scaling else (x - x.mean(dims(x, axis), keepdim=True)) * inverse
    return _scaled(out, gamma, beta, axis)


def _rms_norm(x: Tensor, scale: Any, axis: Axes, epsilon: float | None) -> Tensor:
    least = TINY if epsilon is None else epsilon
    return _scaled(x * torch.rsqrt((x * x).mean(dims(x, axis), keepdim=True) + least), scale, None, axis)


def _scaled(x: Tensor, gamma: Any, beta: Any, axis: Axes) -> Tensor:
    places = dims(x, axis)
    shape = [n if i in places else 1 for i, n in enumerate(x.shape)]
    x = x if gamma is None else x * gamma.reshape(shape)
    return x if beta is None else x + beta.reshape(shape)


def _sort(x: Tensor, axis: int, descending: bool) -> Tensor:
    return torch.sort(x, dim=axis, descending=descending, stable=True).values


def _top_k(x: Tensor, k: Any, in_order: bool) -> tuple[Tensor, Tensor]:
    places = torch.sort(-x.detach(), dim=-1, stable=True).indices[..., : int(k)]
    return x.gather(-1, places), places


def _running(step: Callable[..., Tensor], first: float) -> Callable[..., Tensor]:
    def apply(x: Tensor, axis: int | None, dtype: Any, exclusive: bool, reverse: bool) -> Tensor:
        x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
        x = x.flip(axis) if reverse else x
        if exclusive:
            start = torch.full_like(x.narrow(axis, 0, 1), first)
            x = torch.cat([start, x.narrow(axis, 0, x.shape[axis] - 1)], axis)
        out = step(x, axis)
        return out.flip(axis) if reverse else out

    return apply


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "Amax": _extremum(torch.amax, "min"),
    "Amin": _extremum(torch.amin, "max"),
    "Average": _average,
    "Cumprod": _running(torch.cumprod, 1.0),
    "Cumsum": _running(torch.cumsum, 0.0),
    "L2Normalize": _l2_normalized,
    "LayerNorm": _layer_norm,
    "Logsumexp": lambda x, axis, keepdims: torch.logsumexp(x, dims(x, axis), keepdim=keepdims),
    "Max": _extremum(torch.amax, "min"),
    "Mean": lambda x, axis, keepdims: x.mean(dims(x, axis), keepdim=keepdims),
    "Min": _extremum(torch.amin, "max"),
    "Moments": lambda x, axes, keepdims, _: (x.mean(dims(x, axes), keepdim=keepdims), _variance(x, axes, keepdims)),
    "Norm": _norm,
    "Normalize": _normalized,
    "Prod": _product,
    "RMSNorm": _rms_norm,
    "Sort": _sort,
    "Std": lambda x, axis, keepdims: torch.sqrt(_variance(x, axis, keepdims)),
    "Sum": lambda x, axis, keepdims: x.sum(dims(x, axis), keepdim=keepdims),
    "TopK": _top_k,
    "Var": _variance,
}

# Products ------------------------------------------------------------------------------------------------------------


def _alike(*values: Any) -> list[Tensor]:
    dtype = next(value.dtype for value in values if value.is_floating_point())
    return [value.to(dtype) for value in values]


def _matmul(a: Tensor, b: Tensor, transpose_a: bool, transpose_b: bool) -> Tensor:
    a, b = _alike(a, b)
    return torch.matmul(a.mT if transpose_a else a, b.mT if transpose_b else b)


def _tensordot(a: Tensor, b: Tensor, axes: Any) -> Tensor:
    pairs = axes if isinstance(axes, int) else [list(one) if isinstance(one, (list, tuple)) else [one] for one in axes]
    return torch.tensordot(*_alike(a, b), dims=pairs)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    a, b = _alike(a, b)
    return a * b if not a.ndim or not b.ndim else torch.tensordot(a, b, ([a.ndim - 1], [max(0, b.ndim - 2)]))


PRODUCTS: dict[str, Callable[..., Any]] = {
    "Dot": _dot,
    "Einsum": lambda operands, subscripts: torch.einsum(subscripts, *_alike(*operands)),
    "Matmul": _matmul,
    "Tensordot": _tensordot,
}

TORCH: dict[str, Callable[..., Any]] = {**UNARY, **BINARY, **OTHERS, **SETTINGS, **REDUCTIONS, **PRODUCTS}
