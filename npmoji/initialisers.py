"""Fresh weights: Keras' initialisers in NumPy, and the arrays each kind of layer starts with.

    rng = numpy.random.default_rng(1)
    kernel, bias = init.dense(rng, inputs=300, units=64)
    network = deepmoji.build(Contents("fresh", init.deepmoji(rng, vocabulary=2000, embedding=32, units=48)))

Functions that draw numbers take a `numpy.random.Generator` or a seed as their first argument. A seed, an int >= 0,
starts a new stream at every call, so two calls with the same int draw the same numbers; a Generator continues its
stream. Arrays are float32, C order.

What a seed guarantees: with the same build of NumPy on the same machine, always the same bits. On another machine that
also holds for all uniform draws, which are 53 bits of the stream each, scaled by one float64 product and sum and
rounded. Normal draws may differ there in the last digit, because NumPy's ziggurat method occasionally calls the C
library's exp and log. `orthogonal` adds LAPACK's QR decomposition, whose order of summation depends on the BLAS build,
the CPU and the number of threads: results agree to about 1e-15 before rounding, so nearly all float32 values are equal,
but not necessarily all. Across versions, NumPy guarantees PCG64's bits but not what the distributions make of them (its
NEP 19).

Sources: the reference at https://keras.io/api/layers/initializers/ and the behaviour of Keras 2.0.5, 2.2.4, 2.3.1,
tf_keras 2.16 and Keras 3.9, which agree on everything here except where a function says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from operator import index
from typing import Literal, TypeAlias, overload

import numpy as np

from .errors import InputError

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
    """An array filled with ``value``.

    >>> npmoji.init.constant(2, 0.5)
    array([0.5, 0.5], dtype=float32)
    """
    return np.full(_shape(shape), _number("value", value), np.float32)


def zeros(shape: Shape) -> np.ndarray:
    """An array of zeros.

    >>> npmoji.init.zeros((1, 2))
    array([[0., 0.]], dtype=float32)
    """
    return constant(shape, 0.0)


def ones(shape: Shape) -> np.ndarray:
    """An array of ones.

    >>> npmoji.init.ones(2)
    array([1., 1.], dtype=float32)
    """
    return constant(shape, 1.0)


def identity(shape: Shape, gain: float = 1.0) -> np.ndarray:
    """``gain`` on the main diagonal of a matrix, 0 elsewhere (Keras 2.0.5 took square ones only).

    >>> npmoji.init.identity((2, 2), gain=3)
    array([[3., 0.],
           [0., 3.]], dtype=float32)
    """
    shape = _shape(shape)
    if len(shape) != 2:
        raise InputError(f"identity needs a shape of 2 sizes, got {shape}")
    return np.eye(*shape, dtype=np.float32) * np.float32(_number("gain", gain))


# Distributions -------------------------------------------------------------------------------------------------------


def uniform(rng: Random, shape: Shape, minval: float = -0.05, maxval: float = 0.05) -> np.ndarray:
    """Uniform from ``minval`` to ``maxval``, both rounded to float32 and inclusive.

    >>> npmoji.init.uniform(1, 2).round(3)
    array([0.001, 0.045], dtype=float32)
    """
    low, high = _number("minval", minval), _number("maxval", maxval)
    if low > high:
        raise InputError(f"minval {minval} is above maxval {maxval}")
    x = _generator(rng).random(_shape(shape))
    return np.asarray(x * (high - low) + low, np.float32)  # not Generator.uniform, which may fuse product and sum


def normal(rng: Random, shape: Shape, mean: float = 0.0, stddev: float = 0.05) -> np.ndarray:
    """Normal with this mean and standard deviation.

    >>> round(float(npmoji.init.normal(1, 10_000, mean=5).mean()), 1)
    5.0
    """
    mean, stddev = _number("mean", mean), _number("stddev", stddev, lowest=0.0)
    return np.asarray(_generator(rng).standard_normal(_shape(shape)) * stddev + mean, np.float32)


def truncated_normal(rng: Random, shape: Shape, mean: float = 0.0, stddev: float = 0.05) -> np.ndarray:
    """Normal, with draws more than 2 ``stddev`` from the mean redrawn: the standard deviation becomes 0.8796
    ``stddev``.

    Keras 2 on Theano clipped such draws to the bounds instead: 2.0.5 always, 2.2.4 where Theano cannot truncate.

    >>> round(float(npmoji.init.truncated_normal(1, 10_000).max()), 2)
    0.1
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
    """``gain`` times a matrix with orthonormal columns, or orthonormal rows if there are fewer rows.

    All such matrices are equally likely (Haar measure): Q of a normal matrix's QR decomposition, with signs that make
    R's diagonal positive, as in tf.keras and Keras 3 (Keras 2: a factor of a singular value decomposition). A shape of
    more than two dimensions is treated as a matrix of (product of all but the last, last).

    >>> q = npmoji.init.orthogonal(1, (4, 2))
    >>> bool(np.allclose(q.T @ q, np.eye(2), atol=1e-6))
    True
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
    """How many inputs feed one output of a kernel of this shape, and how many outputs one input feeds, as Keras counts.

    Matrices: their two sizes (Dense (in, out), embeddings (V, E)). More dimensions: a convolution (steps, ..., in,
    out), the last two each times the product of the others. One dimension: its size twice (Keras 2: its square root);
    none: 1, 1.

    >>> npmoji.init.fans((3, 8, 16))
    (24, 48)
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
        corrected: widen the truncated distribution so that its standard deviation *after* truncation is
            sqrt(scale / n), as in Keras 2.2.4 and later, tf_keras and Keras 3. False: as in Keras 2.0.5, 12 % less.

    >>> round(float(npmoji.init.variance_scaling(1, (300, 64), scale=3).var()), 2)  # 3 / 300
    0.01
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
    """Uniform within ±sqrt(6 / (fan_in + fan_out)): the default for Keras' kernels; also called Xavier.

    >>> round(float(npmoji.init.glorot_uniform(1, (300, 64)).std()), 2)
    0.07
    """
    return variance_scaling(rng, shape, 1.0, "fan_avg", "uniform")


def glorot_normal(rng: Random, shape: Shape, corrected: bool = True) -> np.ndarray:
    """Truncated normal with standard deviation sqrt(2 / (fan_in + fan_out)); ``corrected`` as in `variance_scaling`.

    >>> round(float(npmoji.init.glorot_normal(1, (300, 64)).std()), 2)
    0.07
    """
    return variance_scaling(rng, shape, 1.0, "fan_avg", "truncated_normal", corrected)


def he_uniform(rng: Random, shape: Shape) -> np.ndarray:
    """Uniform within ±sqrt(6 / fan_in).

    >>> round(float(npmoji.init.he_uniform(1, (300, 64)).std()), 2)
    0.08
    """
    return variance_scaling(rng, shape, 2.0, "fan_in", "uniform")


def he_normal(rng: Random, shape: Shape, corrected: bool = True) -> np.ndarray:
    """Truncated normal with standard deviation sqrt(2 / fan_in); ``corrected`` as in `variance_scaling`.

    >>> round(float(npmoji.init.he_normal(1, (300, 64)).std()), 2)
    0.08
    """
    return variance_scaling(rng, shape, 2.0, "fan_in", "truncated_normal", corrected)


def lecun_uniform(rng: Random, shape: Shape) -> np.ndarray:
    """Uniform within ±sqrt(3 / fan_in).

    >>> round(float(npmoji.init.lecun_uniform(1, (300, 64)).std()), 2)
    0.06
    """
    return variance_scaling(rng, shape, 1.0, "fan_in", "uniform")


def lecun_normal(rng: Random, shape: Shape, corrected: bool = True) -> np.ndarray:
    """Truncated normal with standard deviation sqrt(1 / fan_in) (not in Keras 2.0.5); ``corrected`` as in
    `variance_scaling`.

    >>> round(float(npmoji.init.lecun_normal(1, (300, 64)).std()), 2)
    0.06
    """
    return variance_scaling(rng, shape, 1.0, "fan_in", "truncated_normal", corrected)


# Layers: the arrays of a new one in Keras, as a tuple in the order of its `get_weights` -------------------------------


@overload
def dense(rng: Random, inputs: int, units: int, use_bias: Literal[True] = True) -> Two: ...
@overload
def dense(rng: Random, inputs: int, units: int, use_bias: Literal[False]) -> One: ...
def dense(rng: Random, inputs: int, units: int, use_bias: bool = True) -> One | Two:
    """kernel (inputs, units) glorot_uniform; bias (units,) zeros.

    >>> [array.shape for array in npmoji.init.dense(1, inputs=300, units=64)]
    [(300, 64), (64,)]
    """
    kernel = glorot_uniform(rng, (inputs, units))
    return (kernel, zeros(units)) if use_bias else (kernel,)


@overload
def conv1d(rng: Random, size: int, inputs: int, filters: int, use_bias: Literal[True] = True) -> Two: ...
@overload
def conv1d(rng: Random, size: int, inputs: int, filters: int, use_bias: Literal[False]) -> One: ...
def conv1d(rng: Random, size: int, inputs: int, filters: int, use_bias: bool = True) -> One | Two:
    """kernel (size, inputs, filters) glorot_uniform, a window of ``size`` steps; bias (filters,) zeros.

    >>> [array.shape for array in npmoji.init.conv1d(1, size=3, inputs=8, filters=16)]
    [(3, 8, 16), (16,)]
    """
    kernel = glorot_uniform(rng, (size, inputs, filters))
    return (kernel, zeros(filters)) if use_bias else (kernel,)


def embedding(rng: Random, vocabulary: int, width: int) -> One:
    """embeddings (vocabulary, width), uniform within ±0.05.

    >>> [array.shape for array in npmoji.init.embedding(1, vocabulary=2000, width=32)]
    [(2000, 32)]
    """
    return (uniform(rng, (vocabulary, width)),)


def simple_rnn(rng: Random, inputs: int, units: int) -> Three:
    """kernel (inputs, H) glorot_uniform, recurrent_kernel (H, H) orthogonal, bias (H,) zeros; H = ``units``.

    >>> [array.shape for array in npmoji.init.simple_rnn(1, inputs=8, units=2)]
    [(8, 2), (2, 2), (2,)]
    """
    kernel, recurrent_kernel = _recurrent(rng, inputs, units, 1)
    return kernel, recurrent_kernel, zeros(len(recurrent_kernel))


def lstm(rng: Random, inputs: int, units: int, unit_forget_bias: bool = True) -> Three:
    """kernel (inputs, 4H) glorot_uniform, recurrent_kernel (H, 4H) orthogonal, bias (4H,); H = ``units``.

    Blocks of H columns: input, forget, candidate, output. Each matrix is drawn as a whole, not block by block. The bias
    is 0, but 1 in the forget block with ``unit_forget_bias``.

    >>> npmoji.init.lstm(1, inputs=8, units=2)[2]
    array([0., 0., 1., 1., 0., 0., 0., 0.], dtype=float32)
    """
    kernel, recurrent_kernel = _recurrent(rng, inputs, units, 4)
    bias = np.repeat(np.float32([0, 1 if unit_forget_bias else 0, 0, 0]), len(recurrent_kernel))
    return kernel, recurrent_kernel, bias


def gru(rng: Random, inputs: int, units: int, reset_after: bool = False) -> Three:
    """kernel (inputs, 3H) glorot_uniform, recurrent_kernel (H, 3H) orthogonal, bias zeros; H = ``units``.

    The bias is (3H,) as in Keras 2.0.5; with ``reset_after``, the default of tf_keras and Keras 3, it is (2, 3H).

    >>> [array.shape for array in npmoji.init.gru(1, inputs=8, units=2)]
    [(8, 6), (2, 6), (6,)]
    """
    kernel, recurrent_kernel = _recurrent(rng, inputs, units, 3)
    width = kernel.shape[1]
    return kernel, recurrent_kernel, zeros((2, width) if reset_after else width)


def _recurrent(rng: Random, inputs: int, units: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    (inputs, units), rng = _shape((inputs, units)), _generator(rng)
    return glorot_uniform(rng, (inputs, blocks * units)), orthogonal(rng, (units, blocks * units))


def batch_normalization(width: int) -> Four:
    """gamma 1, beta 0, moving mean 0, moving variance 1, each (width,).

    >>> npmoji.init.batch_normalization(2)[3]
    array([1., 1.], dtype=float32)
    """
    return ones(width), zeros(width), zeros(width), ones(width)


def layer_normalization(width: int) -> Two:
    """gamma 1, beta 0, each (width,).

    >>> npmoji.init.layer_normalization(2)[0]
    array([1., 1.], dtype=float32)
    """
    return ones(width), zeros(width)


def attention(rng: Random, features: int) -> One:
    """The attention vector of DeepMoji, kernel (features, 1), uniform within ±0.05.

    >>> [array.shape for array in npmoji.init.attention(1, features=2304)]
    [(2304, 1)]
    """
    return (uniform(rng, (features, 1)),)


def deepmoji(
    rng: Random, vocabulary: int = 50_000, embedding: int = 256, units: int = 512, classes: int = 64
) -> dict[str, dict[str, np.ndarray]]:
    """A new DeepMoji network, untrained: arrays by layer and name, as `formats.Contents.layers` has them.

    Args:
        rng: the layers are drawn in the order of the result; the sizes of later layers do not affect earlier ones.
        vocabulary: V; embedding: E; units: H per direction; classes: C, or 1 for the sigmoid of a 2-class model.

    >>> arrays = npmoji.init.deepmoji(1, vocabulary=50, embedding=4, units=3)
    >>> list(arrays), arrays["softmax"]["kernel"].shape
    (['embedding', 'bi_lstm_0', 'bi_lstm_1', 'attlayer', 'softmax'], (16, 64))
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
