"""Functions of each element, of one array or of two that are broadcast."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...backends.activations import one_by_one
from ...backends.ops import Ops
from .arguments import DTYPES, Dtype, Number, Value, check_size
from .numbers import common, counted, exactly, floats
from .table import function

# Of one array --------------------------------------------------------------------------------------------------------

#: computed in float64, whatever the numbers are
EXACT: dict[str, Callable[..., Any]] = {
    "Arccos": np.arccos,
    "Arccosh": np.arccosh,
    "Arcsin": np.arcsin,
    "Arcsinh": np.arcsinh,
    "Arctan": np.arctan,
    "Arctanh": np.arctanh,
    "Cos": np.cos,
    "Cosh": np.cosh,
    "Exp2": np.exp2,
    "Expm1": np.expm1,
    "Log": np.log,
    "Log10": np.log10,
    "Log1p": np.log1p,
    "Log2": np.log2,
    "Reciprocal": np.reciprocal,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Sin": np.sin,
    "Sinh": np.sinh,
    "Sqrt": np.sqrt,
    "Tan": np.tan,
}
#: of floats, exact in any type
FLOATING: dict[str, Callable[..., Any]] = {
    "Ceil": np.ceil,
    "Floor": np.floor,
    "Trunc": np.trunc,
}
#: of truth values about numbers
TESTS: dict[str, Callable[..., Any]] = {
    "Isfinite": np.isfinite,
    "Isinf": np.isinf,
    "Isnan": np.isnan,
}


def _exact(name: str) -> None:
    def compute(ops: Ops, x: Value) -> np.ndarray:
        return exactly(EXACT[name], x)

    function(name)(compute)


def _floating(name: str) -> None:
    def compute(ops: Ops, x: Value) -> np.ndarray:
        return FLOATING[name](floats(x))

    function(name)(compute)


def _test(name: str) -> None:
    def compute(ops: Ops, x: Value) -> np.ndarray:
        return TESTS[name](np.asarray(x))

    function(name)(compute)


for _name in EXACT:
    _exact(_name)
for _name in FLOATING:
    _floating(_name)
for _name in TESTS:
    _test(_name)


@function("Abs", "Absolute")
def _absolute(ops: Ops, x: Value) -> np.ndarray:
    return np.abs(x)


@function("Negative")
def _negative(ops: Ops, x: Value) -> np.ndarray:
    return np.negative(counted(x))


@function("Square")
def _square(ops: Ops, x: Value) -> np.ndarray:
    return np.square(counted(x))


@function("Sign")
def _sign(ops: Ops, x: Value) -> np.ndarray:
    return np.sign(counted(x))


@function("Exp")
def _exp(ops: Ops, x: Value) -> np.ndarray:
    return np.asarray(ops.activate("exponential", floats(x)))


@function("Erf")
def _erf(ops: Ops, x: Value) -> np.ndarray:
    return one_by_one(math.erf, floats(x))


@function("Round")
def _rounded(ops: Ops, x: Value, decimals: Number = 0) -> np.ndarray:
    if np.asarray(x).dtype.kind != "f":
        return np.asarray(x)
    factor = np.float32(10.0**decimals)
    return np.rint(floats(x) * factor) / factor if decimals else np.rint(floats(x))


@function("NanToNum")
def _nan_to_num(ops: Ops, x: Value, nan: Number = 0.0, posinf: Number = None, neginf: Number = None) -> np.ndarray:
    return np.nan_to_num(floats(x), nan=nan, posinf=posinf, neginf=neginf)


@function("LogicalNot")
def _logical_not(ops: Ops, x: Value) -> np.ndarray:
    return np.logical_not(x)


@function("Clip")
def _clip(ops: Ops, x: Value, x_min: Value, x_max: Value) -> np.ndarray:
    x = counted(x)
    return np.minimum(np.maximum(x, np.asarray(x_min).astype(x.dtype)), np.asarray(x_max).astype(x.dtype))


@function("Cast", "SaturateCast")
def cast(ops: Ops, x: Value, dtype: Dtype) -> np.ndarray:
    """The value as numbers of a type; the very array if it is of that type."""
    x = np.asarray(x)
    return x if x.dtype == DTYPES[dtype] else x.astype(DTYPES[dtype])


@function("Array", "ConvertToTensor")
def _array(ops: Ops, x: Value, dtype: Dtype = None, sparse: Value = None, ragged: Value = None) -> np.ndarray:
    return np.asarray(x) if dtype is None else cast(ops, x, dtype)


@function("Copy", "StopGradient")
def _same(ops: Ops, x: Value) -> np.ndarray:
    return np.asarray(x)


# Of two arrays -------------------------------------------------------------------------------------------------------


def broadcast(*values: Any) -> list[np.ndarray]:
    """The values as arrays of one type, which are broadcast to no more than a row may hold."""
    arrays = common(*values)
    check_size(np.broadcast_shapes(*(array.shape for array in arrays)), max(arrays, key=np.ndim))
    return arrays


ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Multiply": np.multiply,
    "NotEqual": np.not_equal,
}
LOGIC: dict[str, Callable[..., Any]] = {
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "LogicalXor": np.logical_xor,
}
#: computed in float64, whatever the numbers are
EXACT_PAIRS: dict[str, Callable[..., Any]] = {
    "Arctan2": np.arctan2,
    "Hypot": np.hypot,
    "Logaddexp": np.logaddexp,
}


def _arithmetic(name: str) -> None:
    def compute(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
        return ARITHMETIC[name](*broadcast(x1, x2))

    function(name)(compute)


def _logic(name: str) -> None:
    def compute(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
        return LOGIC[name](*broadcast(np.asarray(x1).astype(bool), np.asarray(x2).astype(bool)))

    function(name)(compute)


def _exact_pair(name: str) -> None:
    def compute(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
        return exactly(EXACT_PAIRS[name], *broadcast(floats(x1), floats(x2)))

    function(name)(compute)


for _name in ARITHMETIC:
    _arithmetic(_name)
for _name in LOGIC:
    _logic(_name)
for _name in EXACT_PAIRS:
    _exact_pair(_name)


@function("Subtract")
def _subtract(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
    return np.subtract(*map(counted, broadcast(x1, x2)))


@function("Divide", "TrueDivide")
def _divide(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
    return np.divide(*broadcast(floats(x1), floats(x2)))


@function("DivideNoNan")
def _divide_no_nan(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
    x1, x2 = broadcast(floats(x1), floats(x2))
    none = x2 == 0
    return np.where(none, np.float32(0), x1 / np.where(none, np.float32(1), x2))


@function("FloorDivide")
def _floor_divide(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
    return np.floor_divide(*map(counted, broadcast(x1, x2)))


@function("Mod")
def _mod(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
    return np.mod(*map(counted, broadcast(x1, x2)))


@function("Power")
def _power(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
    x1, x2 = map(counted, broadcast(x1, x2))
    return exactly(np.power, x1, x2) if x1.dtype.kind == "f" else np.power(x1, x2)


@function("SquaredDifference")
def _squared_difference(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
    return np.square(_subtract(ops, x1, x2))
