"""Functions of tensors: Keras 3's operations, and TensorFlow's functions in tf_keras' graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .workshop import Workshop, flat, recipe


def _start(w: Workshop) -> tuple[Any, Any, Any, Any]:
    """Two arrays of numbers, token ids, and their embeddings, masked or not."""
    x, y = w.numbers(4, 3, name="x"), w.numbers(4, 3, name="y")
    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")
    return x, y, ids, w.L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.7))(ids)


def _finish(w: Workshop, tensors: list[Any], start: tuple[Any, Any, Any, Any]) -> Any:
    """A model of all of them, brought together; most are seen as layers' outputs only, which keeps files small."""
    L = w.L
    rows, others = [], []
    for tensor in tensors:
        for one in flat(tensor):
            if None in one.shape[1:]:
                others.append(one)
                continue
            one = one if "float" in str(one.dtype) else _cast(w, one)
            rows.append(one if len(one.shape) == 2 else _flat(w, one))
    x, y, ids, h = start
    rows.append(L.GlobalMaxPooling1D()(h))
    return w.model([x, y, ids], [L.Dense(2, activation="softmax")(L.Concatenate()(rows)), *others])


def _flat(w: Workshop, x: Any) -> Any:
    """As rows; by a function, of which Keras 3's files hold less than of a layer."""
    return w.K.ops.reshape(x, (-1, int(np.prod(x.shape[1:])))) if w.keras3 else w.L.Flatten()(x)


def _cast(w: Workshop, x: Any) -> Any:
    if w.keras3:
        return w.K.ops.cast(x, "float32")
    import tensorflow as tf

    return tf.cast(x, "float32")


def _chosen(w: Workshop, functions: list[Callable[[], Any]]) -> list[Any]:
    """What most of them give."""
    return [function() for function in functions if w.chance(0.93)]


def _functions(w: Workshop) -> Any:
    if w.keras3:
        return w.K.ops
    import tensorflow as tf

    return tf


@recipe(("keras3", 0, "model.keras"), ("tf_keras", 0, "model.h5"))
def elementwise_functions(w: Workshop) -> Any:
    """Functions of each element, and of two arrays or constants."""
    start = x, y, ids, h = _start(w)
    o = _functions(w)
    m = o if w.keras3 else o.math
    positive = o.abs(x) + w.pick(0.3, 1)
    small = o.tanh(x) * 0.9
    numbers = np.round(w.rng.standard_normal(3), 2).astype(np.float32)
    table = w.rng.standard_normal((4, 3)).astype(np.float32)
    functions = [
        lambda: x + w.pick(1, 2.5, np.float32(0.3)),
        lambda: w.pick(2, -1.5) - x,
        lambda: x * numbers + table,
        lambda: w.pick(3.0, 2) / positive,
        lambda: x / 3,
        lambda: ids / 2 if w.keras3 else o.cast(ids, "float32") / 2,
        lambda: ids // 2,
        lambda: ids % 3,
        lambda: o.maximum(x, w.pick(0.0, 0.2)) - o.minimum(y, x),
        lambda: positive ** w.pick(2, 0.5, 1.7),
        lambda: x**2,
        lambda: ids**2,
        lambda: -x,
        lambda: o.abs(x - y),
        lambda: o.exp(x),
        lambda: m.log(positive),
        lambda: m.log1p(positive),
        lambda: m.expm1(x),
        lambda: o.sqrt(positive),
        lambda: m.rsqrt(positive),
        lambda: o.square(h),
        lambda: o.sign(x),
        lambda: m.floor(x * 3),
        lambda: m.ceil(x * 3),
        lambda: o.round(x * 3),
        lambda: o.sin(x),
        lambda: o.cos(x),
        lambda: o.tan(small),
        lambda: o.tanh(h),
        lambda: (o.arctan if w.keras3 else o.atan)(x),
        lambda: (o.arcsin if w.keras3 else o.asin)(small),
        lambda: m.sinh(x) - m.cosh(y),
        lambda: m.erf(x),
        lambda: m.reciprocal(positive),
        lambda: (o.clip if w.keras3 else o.clip_by_value)(x, -0.5, w.pick(0.7, 1)),
        lambda: o.where(x > 0, x, w.pick(0.0, -1.0)),
        lambda: o.where(o.logical_and(x > y, y < w.pick(0.5, 1)), x, y),
        lambda: o.logical_or(x >= y, o.logical_not(y <= 0.2)),
        lambda: o.not_equal(ids, 0),
        lambda: o.equal(ids, 3),
        lambda: o.cast(x * 3, "int32"),
        lambda: o.cast(ids, "bool"),
        lambda: o.zeros_like(x) + o.ones_like(y) * 3,
        lambda: (o.arctan2 if w.keras3 else o.atan2)(x, positive),
        lambda: o.stop_gradient(x),
    ]
    if w.keras3:
        functions += [
            lambda: o.log2(positive) + o.log10(positive),
            lambda: o.full_like(x, 2.5) - o.full_like(x, 2, dtype="int32"),
            lambda: o.logaddexp(x, y),
            lambda: o.divide_no_nan(x, o.relu(y)),
            lambda: o.nan_to_num(x / o.relu(y), nan=w.pick(0.0, 2.0), posinf=1.0, neginf=-1.0),
            lambda: o.isfinite(x / o.relu(y)),
            lambda: o.select([x > 0.5, x < -0.5], [x, -y], 0.25),
            lambda: ids * 0.5,
            lambda: x + o.ones((3,)),
            lambda: o.round(x, 1),
            lambda: o.logical_xor(x > 0, y > 0),
            lambda: o.arccos(small) + o.arctanh(small) - o.arcsinh(x) + o.arccosh(positive + 1),
            lambda: o.hypot(x, y) + o.exp2(x) - o.trunc(y * 3),
            lambda: o.logical_or(o.isnan(x / o.relu(y)), o.isinf(x / o.relu(y))),
            lambda: o.array(x) + o.convert_to_tensor(y) + o.array(ids[:, :1, None], dtype="float32"),
        ]
    else:
        functions += [
            lambda: o.math.divide_no_nan(x, o.nn.relu(y)),
            lambda: o.math.squared_difference(x, y),
            lambda: o.add_n([x, y, x]),
            lambda: x + [1.0, 2.0, 0.5],
            lambda: o.identity(h),
            lambda: o.nn.bias_add(x, numbers),
        ]
    return _finish(w, _chosen(w, functions), start)


@recipe(("keras3", 0, "model.keras"), ("tf_keras", 0, "model.keras"))
def activation_functions(w: Workshop) -> Any:
    """Activations as functions with their settings, as layers' activations, and as layers within layers."""
    L, start = w.L, _start(w)
    x, _, _, h = start
    o = _functions(w)
    if w.keras3:
        a = w.K.activations
        names = "relu relu6 silu gelu selu elu softplus softsign sigmoid tanh hard_sigmoid hard_silu hard_tanh"
        names += (
            " hard_shrink soft_shrink log_sigmoid sparse_plus sparse_sigmoid squareplus tanh_shrink celu leaky_relu"
        )
        functions = [lambda name=name: getattr(o, name)(x) for name in names.split()]
        functions += [
            lambda: o.softmax(x, axis=w.pick(-1, 1)),
            lambda: o.log_softmax(x, axis=w.pick(-1, 1)),
            lambda: o.sparsemax(x, axis=w.pick(-1, 1)),
            lambda: o.gelu(x, approximate=False),
            lambda: o.elu(x, alpha=0.3),
            lambda: o.celu(x, alpha=1.7),
            lambda: o.leaky_relu(x, negative_slope=0.05),
            lambda: o.squareplus(x, b=1.5),
            lambda: o.threshold(x, 0.2, -1.0),
            lambda: o.glu(x, axis=1),
            lambda: o.soft_shrink(x, 0.2) + o.hard_shrink(x, 0.3),
            lambda: a.relu(x, negative_slope=w.pick(0.0, 0.1), max_value=w.pick(None, 1.0), threshold=w.pick(0, 0.2)),
            lambda: a.exponential(x),
        ]
        names += " sparsemax mish exponential log_softmax linear"
        slope = "negative_slope"
    else:
        n = o.nn
        names = "relu elu selu softplus softsign sigmoid tanh swish gelu mish hard_sigmoid exponential"
        functions = [lambda name=name: getattr(w.K.activations, name)(x) for name in names.split()]
        functions += [
            lambda: n.softmax(x, axis=w.pick(-1, 1)),
            lambda: n.log_softmax(x),
            lambda: n.leaky_relu(x, alpha=w.pick(0.1, 0.2)),
            lambda: n.gelu(x, approximate=w.chance()),
            lambda: n.relu6(x),
            lambda: w.K.activations.relu(x, max_value=w.pick(None, 1.5, 6), threshold=w.pick(0, 0.1)),
        ]
        slope = "alpha"
    functions += [
        lambda: L.Dense(3, activation=w.pick(*names.split()))(h),
        lambda: L.Dense(3, activation=L.LeakyReLU(**{slope: 0.1}))(h),
        lambda: L.Dense(2, activation=L.ReLU(max_value=w.pick(None, 1.0)))(x),
        lambda: L.Dense(2, activation=L.ELU(0.5))(x),
        lambda: L.Dense(2, activation=L.Softmax())(x),
        lambda: L.Conv1D(2, 2, activation=L.LeakyReLU(**{slope: 0.2}))(x),
        lambda: L.Activation(L.ReLU(negative_slope=0.25))(h),
    ]
    functions += [lambda: L.Activation(w.pick(*names.split()))(h) for _ in range(4)]
    tensors = _chosen(w, functions)
    if w.keras3:
        tensors.append(L.Lambda(w.pick(w.K.activations.relu, w.K.activations.gelu, w.K.activations.hard_sigmoid))(h))
        tensors.append(L.Lambda(w.K.activations.relu, arguments={"max_value": 0.5})(x))
    masked = [tensor for tensor in tensors if tensor.shape[1] == w.STEPS or tensor.shape[1] is None]
    tensors += [w.recurrent(2)(tensor) for tensor in masked[:4]]
    return _finish(w, tensors, start)


@recipe(("keras3", 0, "model.keras"), ("tf_keras", 0, "model.h5"))
def reduction_functions(w: Workshop) -> Any:
    """Sums, means, norms and places along axes; what goes along an axis."""
    start = x, y, ids, h = _start(w)
    o = _functions(w)
    m = o if w.keras3 else o.math

    def axis() -> Any:
        return w.pick(1, 2, -1, [1, 2], (-1, 1))

    def one() -> int:
        return w.pick(1, 2, -1)

    def reduced(name: str, x: Any, **options: Any) -> Any:
        function = getattr(o, name) if w.keras3 else getattr(o.math, "reduce_" + {"var": "variance"}.get(name, name))
        return function(x, axis=axis(), keepdims=w.chance(0.3), **options)

    functions = [lambda name=name: reduced(name, x) for name in ["mean", "sum", "max", "min", "prod", "var", "std"]]
    functions += [
        lambda: reduced("mean", h),
        lambda: reduced("sum", x * y),
        lambda: reduced("any", x > 1),
        lambda: reduced("all", x > -1),
        lambda: reduced("logsumexp", x * 5),
        lambda: o.argmax(x, axis=one()),
        lambda: o.argmin(x, axis=one()),
        lambda: o.sum(ids, axis=1) if w.keras3 else o.reduce_sum(ids, axis=1),
        lambda: o.norm(x, axis=w.pick(-1, 1, (1, 2))),
        lambda: o.norm(x, axis=1, ord=w.pick(1, np.inf, 2, 3)),
        lambda: o.cumsum(x, axis=one()),
        lambda: o.sort(x, axis=one()),
        lambda: o.argsort(x, axis=one()),
        lambda: o.math.top_k(x, 2) if not w.keras3 else o.top_k(x, 2),
        lambda: m.count_nonzero(ids, axis=1),
    ]
    if w.keras3:
        functions += [
            lambda: o.mean(ids, axis=1),
            lambda: o.normalize(x, axis=w.pick(-1, 1), order=w.pick(2, 1, 3)),
            lambda: o.average(x, axis=1, weights=np.float32([1, 2, 0.5, 1])),
            lambda: o.average(x, axis=2, weights=o.abs(y) + 0.1),
            lambda: o.moments(x, axes=[w.pick(1, 2)]),
            lambda: o.max(x, axis=1, initial=0.5),
            lambda: o.layer_normalization(x, axis=-1),
            lambda: o.rms_normalization(x, np.float32([1, 2, 3])),
            lambda: o.amax(x, axis=2) + o.amin(x, axis=2),
            lambda: o.any(x > 0, axis=-1),
        ]
    else:
        functions += [
            lambda: o.math.l2_normalize(x, axis=axis()),
            lambda: o.nn.moments(x, axes=[w.pick(1, 2)]),
            lambda: o.cumsum(x, axis=1, exclusive=w.chance(), reverse=w.chance()),
            lambda: w.K.backend.l2_normalize(x, axis=1),
            lambda: w.K.backend.mean(x, axis=1),
            lambda: o.sequence_mask(o.reduce_sum(ids, axis=1) % 5, 4),
            lambda: w.K.backend.hard_sigmoid(x),
        ]
    tensors = [value for chosen in _chosen(w, functions) for value in flat(_listed(chosen))]
    return _finish(w, [t if len(t.shape) > 1 else _wide(w, t) for t in tensors], start)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _wide(w: Workshop, x: Any) -> Any:
    return (w.K.ops if w.keras3 else _functions(w)).expand_dims(x, 1)


@recipe(("keras3", 0, "model.keras"), ("tf_keras", 0, "model.h5"))
def shape_functions(w: Workshop) -> Any:
    """Slices, and the same numbers in other shapes and orders."""
    start = x, y, ids, h = _start(w)
    o = _functions(w)
    keras3 = w.keras3
    transpose = (lambda t, p: o.transpose(t, p)) if keras3 else (lambda t, p: o.transpose(t, perm=p))
    functions = [
        lambda: x[:, -1, :],
        lambda: x[:, ::2],
        lambda: x[..., 0],
        lambda: x[:, None, 1],
        lambda: x[:, 1:-1, ::-1],
        lambda: h[:, w.pick(0, -1, 2)],
        lambda: h[:, 1:],
        lambda: x[:, w.pick(1, -2), ..., None],
        lambda: ids[:, -3:],
        lambda: (o.concatenate if keras3 else o.concat)([x, y], w.pick(1, 2, -1)),
        lambda: o.stack([x, y, x * 2], axis=w.pick(1, 2, -1)),
        lambda: o.unstack(x, axis=w.pick(1, 2)),
        lambda: o.split(x, w.pick(2, 4), axis=1),
        lambda: o.expand_dims(x, w.pick(1, -1)),
        lambda: o.squeeze(o.expand_dims(x, 2), 2),
        lambda: o.reshape(x, w.pick((-1, 12), (-1, 3, 4), (-1, 2, 6))),
        lambda: transpose(x, (0, 2, 1)),
        lambda: o.tile(x, (1, w.pick(1, 2), 2)),
        lambda: o.repeat(x, w.pick(2, 3), axis=w.pick(1, 2)),
        lambda: o.repeat(x, [1, 0, 2], axis=2),
        lambda: o.pad(x, [[0, 0], [1, 2], [0, 1]], constant_values=w.pick(0, 1.5)),
        lambda: o.pad(x, [[0, 0], [1, 1], [0, 0]], mode="reflect"),
        lambda: o.roll(x, w.pick(1, -2), axis=1),
        lambda: o.flip(x, axis=w.pick(1, 2)) if keras3 else o.reverse(x, [w.pick(1, 2)]),
    ]
    if keras3:
        functions += [
            lambda: o.moveaxis(x, 1, 2),
            lambda: o.swapaxes(x, 1, 2),
            lambda: o.split(x, [1, 3], axis=1),
            lambda: o.expand_dims(x, (1, -1)),
            lambda: o.hstack([x, y]),
            lambda: o.tril(o.matmul(x, transpose(y, (0, 2, 1))), k=w.pick(0, 1)),
            lambda: o.triu(x),
            lambda: x + o.arange(3),
        ]
    else:
        functions += [
            lambda: o.split(x, [1, -1, 2], axis=1),
            lambda: o.reshape(x, (o.shape(x)[0], 12)),
            lambda: o.reshape(x, (-1, o.shape(x)[1] * 3)),
            lambda: o.slice(x, [0, 1, 0], [-1, 2, -1]),
            lambda: o.linalg.band_part(x, w.pick(-1, 0, 1), w.pick(0, -1)),
            lambda: o.fill([o.shape(x)[0], 2], 0.5),
            lambda: o.ones_like(x) * o.cast(o.range(o.shape(x)[2]), "float32"),
            lambda: w.K.backend.permute_dimensions(x, (0, 2, 1)),
            lambda: w.K.backend.repeat_elements(x, 2, 1),
            lambda: w.K.backend.batch_flatten(x),
            lambda: w.K.backend.reverse(x, 1),
            lambda: x[:, ids[0, 0] * 0],
        ]
    tensors = [value for chosen in _chosen(w, functions) for value in flat(_listed(chosen))]
    return _finish(w, [t if len(t.shape) > 1 else _wide(w, t) for t in tensors], start)


@recipe(("keras3", 0, "model.keras"), ("tf_keras", 0, "model.h5"))
def product_functions(w: Workshop) -> Any:
    """Products of matrices, and what is chosen by places."""
    start = x, y, ids, _ = _start(w)
    o = _functions(w)
    keras3 = w.keras3
    matrix = w.rng.standard_normal((3, 2)).astype(np.float32)
    table = w.rng.standard_normal((w.WORDS, 2)).astype(np.float32)
    transposed = o.transpose(y, (0, 2, 1))
    functions = [
        lambda: o.matmul(x, transposed),
        lambda: x @ matrix,
        lambda: o.matmul(o.matmul(transposed, x), np.float32([1, 2, 3])) if keras3 else o.matmul(transposed, x),
        lambda: o.tensordot(x, matrix, axes=w.pick(1, [[2], [0]])),
        lambda: o.one_hot(ids, w.pick(5, w.WORDS)),
        lambda: o.one_hot(ids, 5, axis=1),
        lambda: o.take(x, [0, 2, -1], axis=1) if keras3 else o.gather(x, [0, 2], axis=1),
        lambda: o.take(table, ids, axis=0) if keras3 else o.gather(table, ids),
    ]
    if keras3:
        subscripts = ["bij,bkj->bik", "bij,bkj->bki", "bij,bij->bi", "bij,bkj->b", "...ij,...kj->...ik"]
        functions += [lambda s=s: o.einsum(s, x, y) for s in subscripts]
        functions += [
            lambda: o.einsum("bij,jk->bik", x, matrix),
            lambda: o.einsum("bij->bji", x),
            lambda: o.einsum("bij,bkj,bkl->bil", x, y, y),
            lambda: o.einsum("bij,bj->bi", x, y[:, 0]),
            lambda: o.dot(x, matrix),
            lambda: o.dot(x, np.float32([1, 2, 3])),
            lambda: o.matmul(x[:, None], transposed[:, None]),
            lambda: o.take_along_axis(x, o.argsort(y, axis=1), axis=1),
            lambda: o.take_along_axis(x, o.expand_dims(o.argmax(x, axis=1), 1), axis=1),
            lambda: o.multi_hot(ids, w.WORDS),
        ]
    else:
        functions += [
            lambda: o.matmul(x, y, transpose_a=True),
            lambda: o.matmul(x, y, transpose_b=True),
            lambda: o.gather(x, ids % 4, axis=1, batch_dims=1),
            lambda: o.gather(x, o.argsort(y, axis=1)[:, :, 0], batch_dims=1),
            lambda: w.K.backend.batch_dot(x, y, axes=2),
            lambda: w.K.backend.dot(x, w.K.backend.constant(matrix)),
            lambda: o.one_hot(ids, 4, on_value=2.0, off_value=-1.0),
        ]
    return _finish(w, _chosen(w, functions), start)


@recipe()
def rare_functions(w: Workshop) -> Any:
    """Those that ONNX has no operator for."""
    start = x, _, _, _ = _start(w)
    o = _functions(w)
    tensors = [
        (o if w.keras3 else o.math).cumprod(x, axis=w.pick(1, 2, -1)),
        o.pad(x, [[0, 0], [1, 1], [2, 0]], mode="symmetric"),
    ]
    return _finish(w, tensors, start)


@recipe(("keras3", 0, "model.keras"), ("tf_keras", 1, "model.h5"))
def functions_over_masks(w: Workshop) -> Any:
    """What becomes of a mask: layers that use one behind functions, most of which drop it."""
    L, o = w.L, _functions(w)
    x, y, ids, h = _start(w)
    h = w.recurrent(3, return_sequences=True)(h)
    mask = o.cast(o.not_equal(ids, 0), "float32")
    total = o.sum if w.keras3 else o.reduce_sum
    count = o.maximum(total(mask, axis=1, keepdims=True), w.pick(1.0, 1))
    mean = total(h * o.expand_dims(mask, -1), axis=1) / count
    same = w.pick(lambda t: o.cast(t, "float32"), lambda t: t + 0.0, lambda t: t[:, :], o.stop_gradient)(h)
    later = w.pick(lambda t: t * 2, lambda t: t[:, 1:], o.tanh, lambda t: o.cast(t, "float32"))(h)
    rows = [w.recurrent(2)(same), w.recurrent(2)(later), w.recurrent(2)(L.Dense(2)(later)), mean]
    rows.append(w.pick(o.max, o.mean)(h, axis=1) if w.keras3 else o.reduce_max(h, axis=1))
    pooled = L.Concatenate()([*rows, _flat(w, x + y)])
    return w.model([x, y, ids], [L.Dense(2)(pooled), *rows])
