"""Fresh weights: Keras' initialisers in NumPy, and the arrays each kind of layer starts with.

    rng = numpy.random.default_rng(1)
    kernel, bias = init.dense(rng, inputs=300, units=64)
    network = deepmoji.build(Contents("fresh", init.deepmoji(rng, vocabulary=2000, embedding=32, units=48)))

Whatever draws takes a `numpy.random.Generator` first, or a seed: an int >= 0, which starts a new stream at every call, so
that two calls with one int draw the same numbers; a Generator goes on from where it is. Arrays are float32, C order.

What a seed promises. On one build of NumPy on one machine a seed gives the same bits, always. On another machine it
does too for all uniform draws: they are 53 bits of the stream each, scaled by one float64 product and sum and rounded.
Normal draws may there differ in the last digit, as NumPy's ziggurat method asks the C library for exp and log now and
then. `orthogonal` adds LAPACK's QR decomposition, whose sums run in an order that depends on the BLAS build, the CPU
and the number of threads: equal to about 1e-15 before rounding, so nearly all float32 values are the same, but not
surely all. Between versions NumPy promises PCG64's bits but not what the distributions make of them (its NEP 19).

Sources: the reference at https://keras.io/api/layers/initializers/ and the behaviour of Keras 2.0.5, 2.2.4, 2.3.1,
tf_keras 2.16 and Keras 3.9, which agree on everything here but for what each function names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from operator import index
from typing import Literal, TypeAlias, overload

import numpy as np

from ..errors import InputError

Random: TypeAlias = np.random.Generator | int
Shape: TypeAlias = int | Sequence[int]
One: TypeAlias = tuple[np.ndarray]
Two: TypeAlias = tuple[np.ndarray, np.ndarray]
Three: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
Four: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

#: the standard deviation of a standard normal distribution cut off at -2 and 2: sqrt(1 - 4 φ(2) / (Φ(2) - Φ(-2)))
TRUNCATED_STD = 0.87962566103423978

LARGEST = float(np.finfo(np.float32).max)
MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("uniform", "normal", "truncated_normal", "untruncated_normal")


# Constants -----------------------------------------------------------------------------------------------------------


def constant(shape: Shape, value: float = 0.0) -> np.ndarray:
    """An array full of ``value``."""
    return np.full(_shape(shape), _number("value", value), np.float32)


def zeros(shape: Shape) -> np.ndarray:
    """An array of zeros."""
    return constant(shape, 0.0)


def ones(shape: Shape) -> np.ndarray:
    """An array of ones."""
    return constant(shape, 1.0)


def identity(shape: Shape, gain: float = 1.0) -> np.ndarray:
    """``gain`` on the main diagonal of a matrix, 0 elsewhere (Keras 2.0.5 took square ones only)."""
    shape = _shape(shape)
    if len(shape) != 2:
        raise InputError(f"identity needs a shape of 2 sizes, got {shape}")
    return np.eye(*shape, dtype=np.float32) * np.float32(_number("gain", gain))


# Distributions -------------------------------------------------------------------------------------------------------


def uniform(rng: Random, shape: Shape, minval: float = -0.05, maxval: float = 0.05) -> np.ndarray:
    """Uniform from ``minval`` to ``maxval``; both, rounded to float32, are bounds that may be met."""
    low, high = _number("minval", minval), _number("maxval", maxval)
    if low > high:
        raise InputError(f"minval {minval} is above maxval {maxval}")
    x = _generator(rng).random(_shape(shape))
    return np.asarray(x * (high - low) + low, np.float32)  # not Generator.uniform, which may fuse product and sum


def normal(rng: Random, shape: Shape, mean: float = 0.0, stddev: float = 0.05) -> np.ndarray:
    """Normal with this mean and standard deviation."""
    mean, stddev = _number("mean", mean), _number("stddev", stddev, lowest=0.0)
    return np.asarray(_generator(rng).standard_normal(_shape(shape)) * stddev + mean, np.float32)


def truncated_normal(rng: Random, shape: Shape, mean: float = 0.0, stddev: float = 0.05) -> np.ndarray:
    """Normal, with draws beyond 2 ``stddev`` from the mean drawn again: the result's deviation is 0.8796 ``stddev``.

    Keras 2 on Theano moved such draws to the bounds instead: always in 2.0.5, in 2.2.4 where Theano cannot truncate.
    """
    mean, stddev = _number("mean", mean), _number("stddev", stddev, lowest=0.0)
    shape, rng = _shape(shape), _generator(rng)
    x = rng.standard_normal(math.prod(shape))
    far = np.flatnonzero(np.abs(x) > 2)
    while far.size:
        x[far] = rng.standard_normal(far.size)
        far = far[np.abs(x[far]) > 2]
    return np.asarray(x.reshape(shape) * stddev + mean, np.float32)


def orthogonal(rng: Random, shape: Shape, gain: float = 1.0) -> np.ndarray:
    """``gain`` times a matrix with orthonormal columns, or orthonormal rows where there are fewer of them.

    All such matrices are equally likely (Haar measure): Q of a normal matrix's QR decomposition, with signs that make
    R's diagonal positive, as in tf.keras and Keras 3 (Keras 2: a factor of a singular value decomposition). More than
    two sizes are taken as a matrix of (product of all but the last, last).
    """
    shape, gain, rng = _shape(shape), _number("gain", gain), _generator(rng)
    if len(shape) < 2:
        raise InputError(f"orthogonal needs a shape of 2 sizes or more, got {shape}")
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diag(r) < 0, -gain, gain)
    return np.ascontiguousarray(q if rows >= columns else q.T, np.float32).reshape(shape)


# Scaled by the layer's width -----------------------------------------------------------------------------------------


def fans(shape: Shape) -> tuple[int, int]:
    """How many inputs feed one output of a kernel of this shape, and how many outputs one input feeds, in Keras' view.

    Matrices: their two sizes (Dense (in, out), embeddings (V, E)). More sizes: a convolution (steps, ..., in, out), the
    last two each times the product of the others. One size: that size twice (Keras 2: its square root); none: 1, 1.
    """
    shape = _shape(shape)
    if len(shape) < 2:
        return (shape or (1,)) * 2
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def variance_scaling(
    rng: Random,
    shape: Shape,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    corrected: bool = True,
) -> np.ndarray:
    """Zero mean and variance ``scale / n``, where n is one of the shape's `fans` or the mean of both, at least 1.

    Args:
        mode: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``.
        distribution: ``"uniform"``, within ±sqrt(3 scale / n); ``"untruncated_normal"``; ``"truncated_normal"``, which
            Keras also calls ``"normal"``.
        corrected: widen the truncated distribution so that its deviation *after* truncation is sqrt(scale / n), as
            Keras 2.2.4 and later, tf_keras and Keras 3 do. False: Keras 2.0.5, where it is 12 % less.
    """
    scale = _number("scale", scale)
    if scale <= 0:
        raise InputError(f"scale must be positive, got {scale}")
    _choice("mode", mode, MODES)
    _choice("distribution", distribution, DISTRIBUTIONS)
    fan_in, fan_out = fans(shape)
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    if distribution == "uniform":
        limit = math.sqrt(3.0 * scale / n)
        return uniform(rng, shape, -limit, limit)
    stddev = math.sqrt(scale / n)
    if distribution == "untruncated_normal":
        return normal(rng, shape, 0.0, stddev)
    return truncated_normal(rng, shape, 0.0, stddev / TRUNCATED_STD if corrected else stddev)


def glorot_uniform(rng: Random, shape: Shape) -> np.ndarray:
    """Uniform within ±sqrt(6 / (fan_in + fan_out)): the default of Keras' kernels; also called Xavier."""
    return variance_scaling(rng, shape, 1.0, "fan_avg", "uniform")


def glorot_normal(rng: Random, shape: Shape, corrected: bool = True) -> np.ndarray:
    """Truncated normal of deviation sqrt(2 / (fan_in + fan_out)); ``corrected`` as in `variance_scaling`."""
    return variance_scaling(rng, shape, 1.0, "fan_avg", "truncated_normal", corrected)


def he_uniform(rng: Random, shape: Shape) -> np.ndarray:
    """Uniform within ±sqrt(6 / fan_in)."""
    return variance_scaling(rng, shape, 2.0, "fan_in", "uniform")


def he_normal(rng: Random, shape: Shape, corrected: bool = True) -> np.ndarray:
    """Truncated normal of deviation sqrt(2 / fan_in); ``corrected`` as in `variance_scaling`."""
    return variance_scaling(rng, shape, 2.0, "fan_in", "truncated_normal", corrected)


def lecun_uniform(rng: Random, shape: Shape) -> np.ndarray:
    """Uniform within ±sqrt(3 / fan_in)."""
    return variance_scaling(rng, shape, 1.0, "fan_in", "uniform")


def lecun_normal(rng: Random, shape: Shape, corrected: bool = True) -> np.ndarray:
    """Truncated normal of deviation sqrt(1 / fan_in) (not in Keras 2.0.5); ``corrected`` as in `variance_scaling`."""
    return variance_scaling(rng, shape, 1.0, "fan_in", "truncated_normal", corrected)


# Layers: the arrays a new one has in Keras, as a tuple in the order of its `get_weights` --------------------------------


@overload
def dense(rng: Random, inputs: int, units: int, use_bias: Literal[True] = True) -> Two: ...
@overload
def dense(rng: Random, inputs: int, units: int, use_bias: Literal[False]) -> One: ...
def dense(rng: Random, inputs: int, units: int, use_bias: bool = True) -> One | Two:
    """kernel (inputs, units) glorot_uniform; bias (units,) zeros."""
    kernel = glorot_uniform(rng, (inputs, units))
    return (kernel, zeros(units)) if use_bias else (kernel,)


@overload
def conv1d(rng: Random, size: int, inputs: int, filters: int, use_bias: Literal[True] = True) -> Two: ...
@overload
def conv1d(rng: Random, size: int, inputs: int, filters: int, use_bias: Literal[False]) -> One: ...
def conv1d(rng: Random, size: int, inputs: int, filters: int, use_bias: bool = True) -> One | Two:
    """kernel (size, inputs, filters) glorot_uniform, a window of ``size`` steps; bias (filters,) zeros."""
    kernel = glorot_uniform(rng, (size, inputs, filters))
    return (kernel, zeros(filters)) if use_bias else (kernel,)


def embedding(rng: Random, vocabulary: int, width: int) -> One:
    """embeddings (vocabulary, width), uniform within ±0.05."""
    return (uniform(rng, (vocabulary, width)),)


def simple_rnn(rng: Random, inputs: int, units: int) -> Three:
    """kernel (inputs, H) glorot_uniform, recurrent_kernel (H, H) orthogonal, bias (H,) zeros; H = ``units``."""
    kernel, recurrent_kernel = _recurrent(rng, inputs, units, 1)
    return kernel, recurrent_kernel, zeros(len(recurrent_kernel))


def lstm(rng: Random, inputs: int, units: int, unit_forget_bias: bool = True) -> Three:
    """kernel (inputs, 4H) glorot_uniform, recurrent_kernel (H, 4H) orthogonal, bias (4H,); H = ``units``.

    Blocks of H columns: input, forget, candidate, output. Each matrix is drawn as a whole, not block by block. The bias
    is 0, with ``unit_forget_bias`` 1 in the forget block.
    """
    kernel, recurrent_kernel = _recurrent(rng, inputs, units, 4)
    bias = np.repeat(np.float32([0, 1 if unit_forget_bias else 0, 0, 0]), len(recurrent_kernel))
    return kernel, recurrent_kernel, bias


def gru(rng: Random, inputs: int, units: int, reset_after: bool = False) -> Three:
    """kernel (inputs, 3H) glorot_uniform, recurrent_kernel (H, 3H) orthogonal, bias zeros; H = ``units``.

    The bias is (3H,) as in Keras 2.0.5; with ``reset_after``, the default of tf_keras and Keras 3, it is (2, 3H).
    """
    kernel, recurrent_kernel = _recurrent(rng, inputs, units, 3)
    width = kernel.shape[1]
    return kernel, recurrent_kernel, zeros((2, width) if reset_after else width)


def _recurrent(rng: Random, inputs: int, units: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    (inputs, units), rng = _shape((inputs, units)), _generator(rng)
    return glorot_uniform(rng, (inputs, blocks * units)), orthogonal(rng, (units, blocks * units))


def batch_normalization(width: int) -> Four:
    """gamma 1, beta 0, moving mean 0, moving variance 1, each (width,)."""
    return ones(width), zeros(width), zeros(width), ones(width)


def layer_normalization(width: int) -> Two:
    """gamma 1, beta 0, each (width,)."""
    return ones(width), zeros(width)


def attention(rng: Random, features: int) -> One:
    """The attention vector of DeepMoji, kernel (features, 1), uniform within ±0.05."""
    return (uniform(rng, (features, 1)),)


def deepmoji(
    rng: Random, vocabulary: int = 50_000, embedding: int = 256, units: int = 512, classes: int = 64
) -> dict[str, dict[str, np.ndarray]]:
    """A new DeepMoji network, untrained: arrays by layer and name, as `formats.Contents.layers` has them.

    Args:
        rng: draws are made in the order of the result; the sizes of later layers do not change earlier ones.
        vocabulary: V; embedding: E; units: H per direction; classes: C, or 1 for the sigmoid of a 2-class model.
    """
    vocabulary, embedding, units, classes = _shape((vocabulary, embedding, units, classes))
    rng = _generator(rng)
    return {
        "embedding": {"embeddings": uniform(rng, (vocabulary, embedding))},
        "bi_lstm_0": _both_directions(rng, embedding, units),
        "bi_lstm_1": _both_directions(rng, 2 * units, units),
        "attlayer": dict(zip(("kernel",), attention(rng, 4 * units + embedding))),
        "softmax": dict(zip(("kernel", "bias"), dense(rng, 4 * units + embedding, classes))),
    }


def _both_directions(rng: np.random.Generator, inputs: int, units: int) -> dict[str, np.ndarray]:
    """The arrays of a bidirectional LSTM, by name."""
    names = ("kernel", "recurrent_kernel", "bias")
    return {
        f"{direction}_{name}": array
        for direction in ("forward", "backward")
        for name, array in zip(names, lstm(rng, inputs, units))
    }


# Arguments -----------------------------------------------------------------------------------------------------------


def _generator(rng: Random) -> np.random.Generator:
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(int(rng))
    raise InputError(f"expected a numpy.random.Generator or a seed, an int of 0 or more, got {rng!r}")


def _shape(shape: Shape) -> tuple[int, ...]:
    """The shape as a tuple; one int is a shape of one size."""
    sizes = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else (shape,)
    try:
        whole = tuple(index(size) for size in sizes if not isinstance(size, bool))
    except TypeError:
        whole = ()
    if len(whole) != len(sizes) or min(whole, default=1) < 1:
        raise InputError(f"sizes must be integers of 1 or more, got {shape!r}")
    return whole


def _number(name: str, value: float, lowest: float = -math.inf) -> float:
    """The value as a float, if float32 can hold it."""
    if not isinstance(value, Real) or isinstance(value, bool) or not max(lowest, -LARGEST) <= value <= LARGEST:
        raise InputError(f"{name} must be a finite number{' of 0 or more' if lowest == 0 else ''}, got {value!r}")
    return float(value)


def _choice(name: str, value: str, values: tuple[str, ...]) -> None:
    if value not in values:
        raise InputError(f"{name} must be one of {', '.join(values)}, got {value!r}")
