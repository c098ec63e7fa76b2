"""Networks of layers put on one another at random."""

from __future__ import annotations

from typing import Any

from .averages import attention
from .workshop import Workshop, flat, origins, recipe, unique


@recipe(("tf_keras", 58, "model.h5"), ("keras3", 54, "model.h5"))
def composed(w: Workshop) -> Any:
    """Layers put on one another at random."""
    sequences, rows = [w.sequence() for _ in range(w.pick(1, 2))], []
    if w.chance(0.4):
        rows.append(w.numbers(w.size()))
    inputs = list(origins(w, sequences + rows))
    for _ in range(w.rng.integers(5, 14)):
        which = w.rng.random()
        if which < 0.55:
            grow_sequence(w, sequences, rows)
        elif which < 0.8:
            merge_sequences(w, sequences)
        elif rows:
            grow_rows(w, sequences, rows)
    rows.append(w.L.GlobalMaxPooling1D()(sequences[-1]))
    rows.append(w.L.Dense(3, activation="softmax")(w.L.Concatenate()(rows) if len(rows) > 1 else rows[0]))
    given = {id(x) for x in inputs}
    outputs = [x for x in unique([*rows, *sequences]) if id(x) not in given]
    return w.model(inputs if len(inputs) > 1 else inputs[0], outputs)


def grow_sequence(w: Workshop, sequences: list[Any], rows: list[Any]) -> None:
    """Put a layer on a sequence."""
    L, x = w.L, w.pick(*sequences)
    known = x.shape[1] is not None
    kind = w.pick(*SEQUENCE_LAYERS)
    if kind == "recurrent":
        layer = w.recurrent(return_sequences=w.chance(0.6), return_state=w.chance(0.3), go_backwards=w.chance(0.3))
        outputs = flat(layer(x))
        (sequences if layer.return_sequences else rows).append(outputs[0])
        rows.extend(outputs[1:])
    elif kind == "bidirectional":
        sequence, state, mode = w.chance(0.6), w.chance(0.3), w.pick("concat", "sum", "mul", "ave", None)
        inner = w.recurrent(return_sequences=sequence, return_state=state)
        outputs = flat(L.Bidirectional(inner, merge_mode=mode)(x))
        count = 1 if mode else 2
        (sequences if sequence else rows).extend(outputs[:count])
        rows.extend(outputs[count:])
    elif kind == "conv":
        padding = w.pick("valid", "same", "causal")
        size = int(w.rng.integers(1, 3))
        options = w.pick({"strides": 2}, {"dilation_rate": 2}, {}) if padding != "valid" else {}
        if not known or x.shape[1] > 3 or padding != "valid":
            sequences.append(
                L.Conv1D(w.size(), size, padding=padding, activation=w.activation(), use_bias=w.chance(), **options)(x)
            )
    elif kind == "pool":
        layer = w.pick(L.MaxPooling1D, L.AveragePooling1D)
        if known and x.shape[1] > 3:
            sequences.append(layer(w.pick(2, 3), strides=w.pick(None, 1, 2), padding=w.pick("valid", "same"))(x))
    elif kind == "global":
        rows.append(w.pick(L.GlobalAveragePooling1D, L.GlobalMaxPooling1D)()(x))
    elif kind == "keepdims":
        sequences.append(w.pick(L.GlobalAveragePooling1D, L.GlobalMaxPooling1D)(keepdims=True)(x))
    elif kind == "flatten" and known:
        rows.append(L.Flatten()(x))
    elif kind == "reshape" and known:
        sequences.append(L.Reshape((-1, x.shape[2] * w.pick(1, x.shape[1])))(x))
    elif kind == "permute" and known:
        sequences.append(L.Permute(w.pick((2, 1), (1, 2)))(x))
    elif kind == "distributed":
        sequences.append(L.TimeDistributed(L.Dense(w.size(), activation=w.activation()))(x))
    elif kind == "last":
        rows.append(w.recurrent()(x))
    elif kind == "attention":
        outputs = flat(attention(w, x, known))
        rows.append(outputs[0])
    else:
        sequences.append(pointwise(w, x, known)(x))


SEQUENCE_LAYERS = (
    ["recurrent"] * 4 + ["bidirectional"] * 3 + ["conv", "pool", "global", "keepdims", "flatten", "reshape", "permute"]
    + ["distributed", "last", "attention"] + ["pointwise"] * 4
)  # fmt: skip


def pointwise(w: Workshop, x: Any, known: bool) -> Any:
    """A layer that leaves the shape, or all of it but the width."""
    L = w.L
    slope = "negative_slope" if w.keras3 else "alpha"
    options = {"negative_slope": w.pick(0.0, 0.1), "max_value": w.pick(None, 1.0), "threshold": w.pick(0.0, 0.4)}
    axis = -1 if not known else w.pick(-1, 2, 1)
    softmax_axis = -1 if _masked(x) else w.pick(-1, 1)
    layers = [
        lambda: L.Dense(w.size(), activation=w.activation(), use_bias=w.chance(0.7)),
        lambda: L.Activation(w.activation()),
        lambda: L.LeakyReLU(**{slope: 0.15}),
        lambda: L.PReLU(shared_axes=[1] if not known else w.pick([1], None)),
        lambda: L.ELU(alpha=w.pick(1.0, 0.7)),
        lambda: L.ReLU(**options),
        lambda: L.Softmax(axis=softmax_axis),
        lambda: L.BatchNormalization(axis=axis, scale=w.chance(0.7), center=w.chance(0.7), epsilon=w.pick(1e-3, 1e-5)),
        lambda: L.LayerNormalization(scale=w.chance(0.7), center=w.chance(0.7), epsilon=w.pick(1e-3, 1e-5)),
        lambda: w.pick(L.Dropout(0.3), L.SpatialDropout1D(0.2), L.GaussianNoise(0.1), L.GaussianDropout(0.2)),
        lambda: L.Masking(0.0),
    ]
    if not w.keras3:
        layers.append(lambda: L.ThresholdedReLU(theta=0.2))
    return w.pick(*layers)()


def _masked(x: Any) -> bool:
    return getattr(x, "_keras_mask", None) is not None


def merge_sequences(w: Workshop, sequences: list[Any]) -> None:
    """Combine sequences of equal lengths."""
    L, first, rest = w.L, w.pick(*sequences), list(sequences)
    alike = [x for x in rest if x.shape[1] == first.shape[1]]
    same = [x for x in alike if x.shape[2] == first.shape[2]]
    some = [w.pick(*alike) for _ in range(w.pick(1, 2))]
    which = w.pick("concat", "steps", "add", "arithmetic")
    if which == "concat":
        sequences.append(L.Concatenate()([first, *some]))
    elif which == "steps":
        sequences.append(L.Concatenate(axis=1)([first, w.pick(*[x for x in rest if x.shape[2] == first.shape[2]])]))
    elif which == "add":
        sequences.append(L.Add()([first, w.pick(*same)]))
    else:
        layer = w.pick(L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum)
        sequences.append(layer()([first, w.pick(*same)]))


def grow_rows(w: Workshop, sequences: list[Any], rows: list[Any]) -> None:
    """Put a layer on rows (N, F)."""
    L, x = w.L, w.pick(*rows)
    which = w.pick("dense", "repeat", "reshape", "concat", "norm", "softmax", "gate")
    if which == "dense":
        rows.append(L.Dense(w.size(), activation=w.activation())(x))
    elif which == "repeat":
        sequences.append(L.RepeatVector(w.STEPS)(x))
    elif which == "reshape":
        sequences.append(L.Reshape((w.pick(-1, 1), x.shape[1]))(x))
    elif which == "concat":
        rows.append(L.Concatenate()([x, w.pick(*rows)]))
    elif which == "norm":
        rows.append(w.pick(L.BatchNormalization, L.LayerNormalization)()(x))
    elif which == "softmax":
        rows.append(L.Softmax()(x))
    else:
        alike = [s for s in sequences if s.shape[2] == x.shape[1] and not _masked(s)]
        if alike:  # of other rank: broadcast
            sequences.append(w.pick(L.Multiply, L.Add, L.Maximum)()([w.pick(*alike), x]))


@recipe()
def sequential(w: Workshop) -> Any:
    """A Sequential model, with an InputLayer or without."""
    L = w.L
    ids = w.tokens(steps=w.STEPS)
    del ids
    first = {} if w.keras3 else w.pick({"input_length": w.STEPS}, {})
    layers = [
        L.Embedding(w.WORDS, 4, mask_zero=w.chance(), **first),
        L.SpatialDropout1D(0.2),
        w.pick(L.Bidirectional(w.recurrent(return_sequences=True)), L.Conv1D(4, 2, activation="relu")),
        L.TimeDistributed(L.Dense(3)),
        w.pick(L.GlobalMaxPooling1D(), L.GlobalAveragePooling1D(), w.recurrent(4)),
        L.BatchNormalization(),
        L.Dense(2, activation="softmax"),
    ]
    if w.chance():
        layers.insert(0, w.K.Input((w.STEPS,), dtype="int32") if w.keras3 else L.InputLayer((w.STEPS,), dtype="int32"))
    model = w.K.Sequential(layers)
    model.build((None, w.STEPS))
    return model


@recipe(("tf_keras", 1, "model.weights.h5"))
def perceptron(w: Workshop) -> Any:
    """Rows through dense layers, nested Sequential models among them."""
    L = w.L
    w.numbers(5)
    inner = w.K.Sequential([L.Dense(4), L.BatchNormalization(), L.ReLU()], name="inner")
    if w.chance():
        inner.layers[w.pick(0, 1)].trainable = False
    layers = [
        L.Dense(5, activation="relu"),
        inner,
        L.BatchNormalization(trainable=w.chance()),
        L.PReLU(),
        L.Dense(3),
        L.Softmax(),
    ]
    model = w.K.Sequential(layers)
    model.build((None, 5))
    return model
