"""Small random networks made, saved and run by genuine Keras: what the tests of the graph builder compare with.

    python tools/make_keras_cases.py OUT --seeds 0 1 2 [--recipes composed nested ...] [--flavours tf_keras keras3]
    python tools/make_keras_cases.py tests/data/keras --shipped    (only the cases and files that travel with the tests)

needs tensorflow, tf_keras and Keras 3 (not needed by npmoji itself). For each recipe, seed and flavour a folder
``OUT/<flavour>_<recipe>_<seed>`` is written:

    model.h5, model.keras, model.weights.h5, weights.h5    what genuine Keras saves; some flavours lack one
    config.json      the model's to_json(), for the two files with weights only
    golden.npz       ``inputs/NAME``, ``outputs/I``, and ``layers/NAME`` of every call of every layer (``NAME:1`` the
                     second call, ``NAME/0`` the first of several outputs)
    case.json        versions, which files there are; ``inputs``: the names in the order in which Keras takes a list,
                     and those by which it takes a dict; ``layers``: what `npmoji.load` must be told
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parent))

FLAVOURS = ("tf_keras", "keras3")
RECIPES: dict[str, Callable] = {}
SHIPPED = (  # flavour, recipe, seed, and the file to keep
    ("tf_keras", "composed", 58, "model.h5"),
    ("tf_keras", "deeply_nested", 4, "weights.h5"),
    ("tf_keras", "time_distributed", 1, "model.keras"),
    ("tf_keras", "distributed_masks", 1, "model.h5"),
    ("tf_keras", "cudnn", 1, "cudnn.h5"),
    ("tf_keras", "slashes", 1, "weights.h5"),
    ("tf_keras", "perceptron", 1, "model.weights.h5"),
    ("tf_keras", "own_backward_layer", 2, "model.h5"),
    ("keras3", "composed", 54, "model.h5"),
    ("keras3", "nested", 2, "model.h5"),
    ("keras3", "encoder_decoder", 1, "model.keras"),
    ("keras3", "attentions", 0, "model.h5"),
    ("keras3", "operators", 1, "model.keras"),
    ("keras3", "named_ends", 1, "model.h5"),
    ("tf_keras", "listed_ends", 0, "model.h5"),
    ("tf_keras", "listed_ends", 1, "model.keras"),
    ("tf_keras", "listed_ends", 2, "weights.h5"),
    ("tf_keras", "listed_ends", 3, "model.weights.h5"),
    ("keras3", "listed_ends", 4, "model.h5"),
    ("keras3", "listed_ends", 5, "model.keras"),
    ("keras3", "listed_ends", 6, "model.weights.h5"),
    ("keras3", "called_attention", 0, "model.h5"),
    ("tf_keras", "six_attentions", 0, "model.h5"),
    ("keras3", "six_attentions", 0, "model.keras"),
    ("tf_keras", "planes", 1, "model.h5"),
    ("keras3", "planes", 2, "model.h5"),
    ("tf_keras", "feature_convolutions", 1, "model.h5"),
    ("keras3", "feature_convolutions", 2, "model.h5"),
    ("tf_keras", "normalisations", 0, "model.h5"),
    ("keras3", "normalisations", 2, "model.h5"),
    ("tf_keras", "dots", 1, "model.h5"),
    ("keras3", "dots", 2, "model.keras"),
    ("tf_keras", "scaled_numbers", 0, "model.h5"),
    ("keras3", "scaled_numbers", 1, "model.keras"),
    ("tf_keras", "hierarchical", 6, "weights.h5"),
    ("keras3", "hierarchical", 6, "model.h5"),
)


def recipe(function: Callable) -> Callable:
    """Enter a function (workshop) -> model."""
    RECIPES[function.__name__] = function
    return function


class Workshop:
    """One flavour of Keras and a generator of random numbers, to make one network with.

    Attributes:
        K: the module, tf_keras or keras.
        L: its layers.
        inputs: arrays for the inputs made so far; ``named`` those of inputs that were given a name.
        choices: by layer what the class `Attention` is there.
    """

    ROWS, STEPS, WORDS = 7, 6, 11

    def __init__(self, K: ModuleType, seed: int, recipe: Callable):
        self.K, self.L, self.recipe = K, K.layers, recipe
        self.keras3 = K.__name__ == "keras"
        self.rng = np.random.default_rng(seed)
        self.inputs: list[np.ndarray] = []
        self.named: dict[str, np.ndarray] = {}
        self.choices: dict[str, str] = {}

    def pick(self, *options: Any) -> Any:
        """One of them."""
        return options[self.rng.integers(len(options))]

    def chance(self, p: float = 0.5) -> bool:
        """True as often as that."""
        return bool(self.rng.random() < p)

    def size(self) -> int:
        """A small width."""
        return int(self.rng.integers(2, 6))

    def tokens(self, name: str | None = None, steps: int | None = None) -> Any:
        """An input of token ids: padding at the end, inside, in front, everywhere, nowhere."""
        steps = steps or self.STEPS
        ids = self.rng.integers(1, self.WORDS, (self.ROWS, steps))
        ids[0, steps // 2 :] = 0
        ids[1, : steps // 2] = 0
        ids[2, 1 : steps - 1 : 2] = 0
        ids[3] = 0
        ids[4, 1:] = 0
        ids[5][self.rng.random(steps) < 0.4] = 0
        self.inputs.append(ids.astype(np.int32))
        if name:
            self.named[name] = self.inputs[-1]
        return self.K.Input((self.pick(steps, None),) if steps == self.STEPS else (steps,), name=name, dtype="int32")

    def numbers(self, *shape: int, name: str | None = None, free: bool = False) -> Any:
        """An input of numbers; of a sequence some steps are 0."""
        x = self.rng.standard_normal((self.ROWS, *shape)).astype(np.float32)
        if len(shape) == 2:
            x[self.rng.random(x.shape[:2]) < 0.3] = 0
            x[3] = 0
        self.inputs.append(x)
        if name:
            self.named[name] = x
        return self.K.Input((None, *shape[1:]) if free and len(shape) == 2 else shape, name=name)

    def words(self, name: str | None = None) -> Any:
        """Embedded tokens."""
        layer = self.L.Embedding(self.WORDS, self.size(), mask_zero=self.chance(0.7))
        return layer(self.tokens(name))

    def sequence(self) -> Any:
        """Something of shape (N, T, F), with a mask or without."""
        if self.chance(0.7):
            return self.words()
        x = self.numbers(self.STEPS, self.size())
        return self.L.Masking(self.pick(0.0, 0.0, 1.0))(x) if self.chance(0.7) else x

    def activation(self) -> str:
        """One of those that both flavours have."""
        names = (
            "linear tanh relu sigmoid hard_sigmoid softmax elu selu softplus softsign swish gelu mish exponential relu6"
        )
        more = " hard_silu leaky_relu log_softmax silu" if self.keras3 else " leaky_relu"
        return str(self.pick(*(names + more).split()))

    def recurrent(self, units: int | None = None, plain: bool = False, **options: Any) -> Any:
        """An LSTM, GRU or SimpleRNN with random settings."""
        name = self.pick("LSTM", "GRU", "SimpleRNN")
        options.setdefault("use_bias", self.chance(0.8))
        if self.chance(0.25):
            options["activation"] = self.pick("relu", "linear", "softsign", "sigmoid")
        if name != "SimpleRNN":
            if self.chance(0.4):
                options["recurrent_activation"] = self.pick("hard_sigmoid", "tanh", "relu")
            if name == "GRU":
                options["reset_after"] = self.chance()
        if plain:
            options.pop("return_state", None)
        return getattr(self.L, name)(units or self.size(), **options)

    def model(self, inputs: Any, outputs: Any, **options: Any) -> Any:
        """A Functional model."""
        return self.K.Model(inputs, outputs, **options)


# Recipes -----------------------------------------------------------------------------------------------------------


@recipe
def composed(w: Workshop) -> Any:
    """Layers put on one another at random."""
    sequences, rows = [w.sequence() for _ in range(w.pick(1, 2))], []
    if w.chance(0.4):
        rows.append(w.numbers(w.size()))
    inputs = list(_origins(w, sequences + rows))
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
    outputs = [x for x in _unique([*rows, *sequences]) if id(x) not in given]
    return w.model(inputs if len(inputs) > 1 else inputs[0], outputs)


def _origins(w: Workshop, tensors: list[Any]) -> list[Any]:
    """The input tensors that these come from, in the order made."""
    if w.keras3:
        found = {}
        for tensor in tensors:
            model = w.K.Model(_roots(tensor, lambda t: t._keras_history.operation, w), tensor)
            found.update({id(x): x for x in model.inputs})
        return list(found.values())
    return _unique(x for tensor in tensors for x in _roots(tensor, lambda t: t._keras_history.layer, w))


def _unique(tensors: Any) -> list[Any]:
    found: dict[int, Any] = {}
    for tensor in tensors:
        found.setdefault(id(tensor), tensor)
    return list(found.values())


def _roots(tensor: Any, maker: Callable, w: Workshop) -> list[Any]:
    history = tensor._keras_history
    node = maker(tensor)._inbound_nodes[history.node_index]
    if w.keras3:
        if not node.input_tensors:
            return [tensor]
        return _unique(x for source in node.input_tensors for x in _roots(source, maker, w))
    if node.is_input:
        return [tensor]
    return _unique(x for source in _flat(node.input_tensors) for x in _roots(source, maker, w))


def _flat(values: Any) -> list[Any]:
    if isinstance(values, dict):
        values = list(values.values())
    return [x for value in values for x in _flat(value)] if isinstance(values, (list, tuple)) else [values]


def grow_sequence(w: Workshop, sequences: list[Any], rows: list[Any]) -> None:
    """Put a layer on a sequence."""
    L, x = w.L, w.pick(*sequences)
    known = x.shape[1] is not None
    kind = w.pick(*SEQUENCE_LAYERS)
    if kind == "recurrent":
        layer = w.recurrent(return_sequences=w.chance(0.6), return_state=w.chance(0.3), go_backwards=w.chance(0.3))
        outputs = _flat(layer(x))
        (sequences if layer.return_sequences else rows).append(outputs[0])
        rows.extend(outputs[1:])
    elif kind == "bidirectional":
        sequence, state, mode = w.chance(0.6), w.chance(0.3), w.pick("concat", "sum", "mul", "ave", None)
        inner = w.recurrent(return_sequences=sequence, return_state=state)
        outputs = _flat(L.Bidirectional(inner, merge_mode=mode)(x))
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
        outputs = _flat(attention(w, x, known))
        rows.append(outputs[0])
    else:
        sequences.append(pointwise(w, x, known)(x))


SEQUENCE_LAYERS = (
    ["recurrent"] * 4 + ["bidirectional"] * 3 + ["conv", "pool", "global", "keepdims", "flatten", "reshape", "permute"]
    + ["distributed", "last", "attention"] + ["pointwise"] * 4
)  # fmt: skip


def attention(w: Workshop, x: Any, known: bool) -> Any:
    """One of the three attention layers that people write themselves."""
    from keras_attention import layers_for

    average, kaggle, context = layers_for(w.K)
    which = w.pick("average", "kaggle", "context")
    if which == "average":
        return average(return_attention=w.chance(0.4))(x)
    if which == "kaggle" and known:
        return kaggle(x.shape[1], bias=w.chance(0.7))(x)
    return context(bias=w.chance(0.7))(x)


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


@recipe
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


@recipe
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


@recipe
def encoder_decoder(w: Workshop) -> Any:
    """States from one recurrent layer, or from dense ones, to another."""
    L = w.L
    source, target = w.tokens("source"), w.tokens("target")
    shared = L.Embedding(w.WORDS, 4, mask_zero=w.chance(0.7))
    kind = w.pick("LSTM", "GRU", "SimpleRNN")
    layer = getattr(L, kind)
    _, *states = _flat(layer(4, return_state=True, return_sequences=w.chance())(shared(source)))
    if w.chance(0.3):
        states = [L.Dense(4, activation="tanh")(state) for state in states]
    decoded = _flat(
        layer(4, return_sequences=True, return_state=w.chance(), go_backwards=w.chance(0.3))(
            shared(target), initial_state=states
        )
    )
    outputs = [L.Dense(w.WORDS, activation="softmax")(decoded[0]), *decoded[1:]]
    return w.model([source, target], outputs if len(outputs) > 1 else outputs[0])


@recipe
def bidirectional_states(w: Workshop) -> Any:
    """Bidirectional layers handing their states on."""
    L, x = w.L, w.words("a")
    origin = _origins(w, [x])
    kind = getattr(L, w.pick("LSTM", "GRU"))
    _, *states = _flat(L.Bidirectional(kind(3, return_state=True))(x))
    other = w.words("b")
    out = L.Bidirectional(
        kind(3, return_sequences=w.chance(), return_state=w.chance()), merge_mode=w.pick("concat", "sum", None)
    )(other, initial_state=states)
    return w.model([*origin, *_origins(w, [other])], _flat(out))


@recipe
def own_backward_layer(w: Workshop) -> Any:
    """Bidirectional with a backward layer of another kind."""
    L, x = w.L, w.sequence()
    sequences = w.chance()
    ahead = w.recurrent(4, return_sequences=sequences, go_backwards=(reverse := w.chance(0.3)))
    behind = w.recurrent(w.pick(4, 4, 3), return_sequences=sequences, go_backwards=not reverse)
    mode = w.pick("concat", "sum", None) if ahead.units == behind.units else w.pick("concat", None)
    if w.keras3 and ahead.units != behind.units:
        behind = L.LSTM(4, return_sequences=sequences, go_backwards=not reverse)
    out = L.Bidirectional(ahead, backward_layer=behind, merge_mode=mode)(x)
    return w.model(_origins(w, [x]), _flat(out))


@recipe
def shared_layers(w: Workshop) -> Any:
    """One embedding and one recurrent layer over two texts."""
    L = w.L
    a, b = w.tokens("premise"), w.tokens("other_premise")
    embedding, lstm = L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.7)), w.recurrent(3, return_sequences=w.chance())
    drop = L.Dropout(0.1)
    left, right = (drop(lstm(embedding(x))) for x in (a, b))
    if len(left.shape) == 3:
        left, right = (L.GlobalMaxPooling1D()(x) for x in (left, right))
    both = L.Concatenate()([left, right, L.Subtract()([left, right]), L.Multiply()([left, right])])
    dense = L.Dense(8, activation="relu", name="again")
    once = dense(both)
    twice = dense(L.Reshape((-1,))(L.Concatenate()([once, once]))) if both.shape[1] == 16 else once
    return w.model([a, b], L.Dense(1, activation="sigmoid")(twice))


@recipe
def nested(w: Workshop) -> Any:
    """Models in models, some called twice, with frozen layers and batch normalisation."""
    L = w.L
    x = w.K.Input((w.STEPS,), dtype="int32", name="inner_tokens")
    embedded = L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.7))(x)
    h = L.BatchNormalization()(w.recurrent(4, return_sequences=True)(embedded))
    head = w.K.Sequential([L.Dense(4, activation="tanh"), L.BatchNormalization(), L.Dense(3)], name="head")
    encoder = w.K.Model(x, head(L.GlobalMaxPooling1D()(h)), name="encoder")
    for layer in encoder.layers:
        if w.chance(0.25):
            layer.trainable = False
    a, b = w.tokens("a", steps=w.STEPS), w.tokens("b", steps=w.STEPS)
    if w.keras3 or w.chance():
        a, b = (w.K.Input((w.STEPS,), dtype="int32", name=name) for name in ("a2", "b2"))
    parts = [encoder(a), encoder(b)]
    y = L.Dense(3)(L.BatchNormalization()(L.Concatenate()(parts)))
    if w.chance(0.3):
        encoder.trainable = False
    return w.model([a, b], y)


@recipe
def masked_nested(w: Workshop) -> Any:
    """A nested model over masked sequences, which gives several outputs."""
    L = w.L
    x = w.K.Input((w.STEPS, 4), name="inner_x")
    h = w.recurrent(4, return_sequences=True)(x)
    several = w.chance()
    inner = w.K.Model(x, [h, L.GlobalMaxPooling1D()(h)] if several else h, name="body")
    ids = w.tokens("ids", steps=w.STEPS)
    outputs = _flat(inner(L.Embedding(w.WORDS, 4, mask_zero=True)(ids)))
    return w.model(ids, [w.recurrent(3)(outputs[0]), *outputs[1:]])


@recipe
def time_distributed(w: Workshop) -> Any:
    """TimeDistributed over layers and models: a text of sentences of words."""
    L = w.L
    which = w.pick("conv", "lstm", "model", "flatten", "functional", "norm", "embedding", "dense")
    if which in ("norm", "dense"):
        x = w.sequence()
        inner = L.BatchNormalization() if which == "norm" else L.Dense(3, activation=w.activation())
        y = w.recurrent(3)(L.TimeDistributed(inner)(x))
        return w.model(_origins(w, [x]), y)
    if which == "embedding":
        ids = w.rng.integers(0, w.WORDS, (w.ROWS, 4, w.STEPS)).astype(np.int32)
        w.inputs.append(ids)
        x = w.K.Input((4, w.STEPS), dtype="int32")
        y = L.TimeDistributed(L.Embedding(w.WORDS, 3))(x)
        y = L.TimeDistributed(L.Bidirectional(L.LSTM(3)))(y)
        return w.model(x, L.GRU(3)(y))
    x = w.numbers(4, w.STEPS, 3)
    if which == "conv":
        layer = L.Conv1D(3, 2, activation="relu", padding="same")
    elif which == "lstm":
        layer = w.recurrent(3, go_backwards=w.chance(), return_sequences=False)
    elif which == "flatten":
        layer = L.Flatten()
    elif which == "model":
        layer = w.K.Sequential([w.K.Input((w.STEPS, 3)), L.Dense(4), L.BatchNormalization(), L.GlobalMaxPooling1D()])
    else:
        z = w.K.Input((w.STEPS, 3))
        layer = w.K.Model(z, L.Concatenate()([L.LSTM(3)(z), L.GlobalAveragePooling1D()(z)]))
    y = L.TimeDistributed(layer)(x)
    y = L.TimeDistributed(L.Flatten())(y) if len(y.shape) == 4 else y
    return w.model(x, L.Dense(2)(w.recurrent(3)(y)))


@recipe
def named_ends(w: Workshop) -> Any:
    """Inputs and outputs in dicts."""
    L = w.L
    ids, more = w.tokens("ids"), w.numbers(3, name="more")
    x = w.recurrent(4)(L.Embedding(w.WORDS, 3, mask_zero=True)(ids))
    y = L.Concatenate()([x, more])
    outputs = {"zeta": L.Dense(2, name="zeta")(y), "alpha": L.Dense(3, activation="softmax", name="alpha")(y)}
    return w.model({"more": more, "ids": ids} if w.chance() else {"ids": ids, "more": more}, outputs)


@recipe
def listed_ends(w: Workshop) -> Any:
    """Inputs of one shape listed in any order, one of them unused; a model within that takes two in another order;
    outputs."""
    L = w.L
    names = [str(name) for name in w.rng.permutation(["a", "b", "c", "d", "e"])]
    given = {name: w.tokens(name, steps=w.STEPS) for name in names[:3]}
    given |= {name: w.numbers(w.STEPS, name=name) for name in names[3:]}
    source, target, other, numbers, _ = (given[name] for name in names)
    shared = L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.7))
    _, state = L.GRU(3, return_state=True)(shared(source))
    decoded = L.GRU(3)(shared(target), initial_state=state)
    ends = [str(name) for name in w.rng.permutation(["p", "q", "r"])]
    within = {"p": w.K.Input((w.STEPS,), dtype="int32", name="p"), "q": w.K.Input((3,), name="q")}
    within["r"] = w.K.Input((w.STEPS,), name="r")
    embedded = L.GlobalMaxPooling1D()(L.Embedding(w.WORDS, 2)(within["p"]))
    y = L.Concatenate()([L.Dense(2)(within["r"]), embedded, L.Dense(2, activation="tanh")(within["q"])])
    outer = {"p": other, "q": decoded, "r": numbers}
    keyed = w.chance(0.3)  # by other keys than the layers' names, or by each other's
    keys = dict(zip(ends, w.rng.permutation([f"{end}!" for end in ends] if w.chance() else ends)))
    inner_ends = {str(keys[end]): within[end] for end in ends} if keyed else [within[end] for end in ends]
    inner = w.K.Model(inner_ends, [L.Dense(2)(y), y] if w.chance() else y, name="inner")
    if keyed:
        parts = inner({str(keys[end]): outer[end] for end in ends})
    else:
        parts = inner(outer if w.chance(0.4) else [outer[end] for end in ends])
    outputs = [decoded, *_flat(parts), L.Dense(2, name="last")(decoded)]
    outputs = [outputs[i] for i in [*w.rng.permutation(len(outputs)), 0]]
    inputs: Any = [given[name] for name in w.rng.permutation(names)]
    how = w.rng.random()
    if how < 0.15:
        inputs = [inputs[:2], inputs[2:]]
    elif how < 0.4:
        inputs = dict(zip(map(str, w.rng.permutation([f"{name}!" for name in names] if w.chance() else names)), inputs))
    return w.model(inputs, outputs)


ATTENTIONS = [f"{score}-{mask}" for score in ("linear", "tanh", "context") for mask in ("masked", "unmasked")]


@recipe
def six_attentions(w: Workshop) -> Any:
    """One layer `Attention` of each kind over a masked sequence, named after what it computes."""
    from keras_attention import attention_of

    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")  # of a known length, for b
    x = w.L.Embedding(w.WORDS, 3, mask_zero=True)(ids)
    w.choices = {choice: choice for choice in ATTENTIONS}
    return w.model(ids, [attention_of(w.K, name, name.endswith("-masked"))(name=name)(x) for name in ATTENTIONS])


@recipe
def called_attention(w: Workshop) -> Any:
    """Layers of a class `Attention` by several authors, over masked or unmasked sequences."""
    from keras_attention import attention_of

    L = w.L

    def made(name: str) -> Any:
        choice = w.choices[name] = str(w.pick(*ATTENTIONS))
        return attention_of(w.K, choice, choice.endswith("-masked") or w.chance(0.2))(name=name)

    words = L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.7))
    if w.chance(0.3):
        w.tokens(steps=w.STEPS)
        return w.K.Sequential([w.K.Input((w.STEPS,), dtype="int32"), words, made("attention"), L.Dense(2)])
    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")
    x = words(ids)
    h = w.recurrent(3, return_sequences=True)(x)
    return w.model(ids, [made(f"attention_{i}")(w.pick(x, h)) for i in range(3)])


@recipe
def masks(w: Workshop) -> Any:
    """Branches with different masks brought together, and softmax over masked things."""
    L = w.L
    a, b = w.tokens("a", steps=w.STEPS), w.tokens("b", steps=w.STEPS)
    x = L.Embedding(w.WORDS, 3, mask_zero=True)(a)
    y = L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.6))(b)
    merged = w.pick(L.Concatenate(), L.Concatenate(axis=1), L.Add(), L.Average(), L.Multiply())([x, y])
    h = w.recurrent(3, return_sequences=True)(merged)
    outputs = [L.GlobalAveragePooling1D()(h), w.recurrent(3, go_backwards=True)(h)]
    three = w.pick(L.Concatenate(), L.Maximum())([h, merged if merged.shape[2] == 3 else L.Dense(3)(merged), h])
    return w.model([a, b], [*outputs, L.GlobalAveragePooling1D()(three)])


@recipe
def backwards(w: Workshop) -> Any:
    """Layers that go backwards, one on another, over masks."""
    x = w.words("ids")
    h = w.recurrent(3, return_sequences=True, go_backwards=True)(x)
    h = w.recurrent(3, return_sequences=True, go_backwards=w.chance(), zero_output_for_mask=w.chance())(h)
    last = _flat(w.recurrent(3, go_backwards=w.chance(), return_state=w.chance())(h))
    pooled = w.L.GlobalAveragePooling1D()(h)
    return w.model(_origins(w, [x]), [pooled, *last])


@recipe
def convolutions(w: Workshop) -> Any:
    """Convolution with strides, dilation and groups, and pooling."""
    L = w.L
    x = w.numbers(9, 4)
    outputs = []
    for padding in ("valid", "same", "causal"):
        options = w.pick({"strides": 2}, {"strides": 3}, {"dilation_rate": 2}, {"groups": 2}, {})
        h = L.Conv1D(4, w.pick(1, 2, 3, 4), padding=padding, activation=w.activation(), **options)(x)
        pool = w.pick(L.MaxPooling1D, L.AveragePooling1D)
        if h.shape[1] >= 3:
            h = pool(w.pick(2, 3), strides=w.pick(None, 1, 2), padding=w.pick("valid", "same"))(h)
        outputs.append(h)
    return w.model(x, outputs)


@recipe
def planes(w: Workshop) -> Any:
    """Kim's network of sentences: convolutions as wide as the embedding, pooled over all that they give; and other
    convolutions and poolings of planes."""
    L, E, k = w.L, w.pick(2, 3, 4), w.pick(1, 2, 3)
    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")  # of a known length, for the layers after it
    x = L.SpatialDropout1D(0.1)(L.Embedding(w.WORDS, E, mask_zero=w.chance(0.6))(ids))
    plane = L.SpatialDropout2D(0.1)(L.Reshape((w.STEPS, E, 1))(x))
    words = L.Conv2D(w.pick(3, 4), (k, E), activation=w.activation(), use_bias=w.chance(0.8))(plane)
    rows = [L.Flatten()(L.MaxPooling2D((w.STEPS - k + 1, 1), strides=w.pick(None, (1, 1)))(words))]
    rows.append(w.pick(L.GlobalMaxPooling2D, L.GlobalAveragePooling2D)(keepdims=w.chance(0.3))(words))
    given, outputs = w.numbers(5, 4, 2, name="given"), []
    for padding in ("valid", "same"):
        options = w.pick({"strides": 2}, {"strides": (1, 2)}, {"dilation_rate": (2, 1)}, {"groups": 2}, {})
        if not w.keras3 and options.get("strides") == (1, 2):  # its convolutions on a CPU take equal ones only
            options = {"strides": (2, 2)}
        size = w.pick(1, 2, (3, 2), (2, 1))
        h = L.Conv2D(4, size, padding=padding, activation=w.activation(), use_bias=w.chance(0.7), **options)(given)
        pool = w.pick(L.MaxPooling2D, L.AveragePooling2D)
        outputs.append(pool(w.pick(2, (1, 2), (3, 2)), strides=w.pick(None, 1, (2, 1)), padding="same")(h))
        if h.shape[1] > 1 and h.shape[2] > 1:
            outputs.append(pool(w.pick(2, (2, 1)), strides=w.pick(None, 1), padding="valid")(h))
    pooled = [w.pick(L.GlobalMaxPooling2D, L.GlobalAveragePooling2D)()(h) for h in outputs]
    rows = [L.Flatten()(row) for row in rows]
    return w.model([ids, given], [L.Dense(3, activation="softmax")(L.Concatenate()([*rows, *pooled])), *outputs])


@recipe
def feature_convolutions(w: Workshop) -> Any:
    """Convolutions of each feature on its own or of each place, and steps added, cut off and repeated."""
    L, outputs = w.L, []
    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")
    x = L.Embedding(w.WORDS, 4, mask_zero=w.chance(0.6))(ids)
    for _ in range(3):
        padding = w.pick("valid", "same", *([] if w.keras3 else ["causal"]))
        options = w.pick({"strides": 2}, {"dilation_rate": 2}, {}) | {"depth_multiplier": w.pick(1, 2, 3)}
        options |= {"use_bias": w.chance(0.7), "activation": w.activation(), "padding": padding}
        size = w.pick(1, 2, 3)
        if w.chance():
            outputs.append(L.SeparableConv1D(w.size(), size, **options)(x))
        else:
            options["padding"] = "valid" if padding == "causal" else padding
            outputs.append(L.DepthwiseConv1D(size, **options)(x))
    if not w.keras3:
        options = {"strides": w.pick(1, 2), "use_bias": w.chance(0.7), "activation": w.activation()}
        outputs.append(L.LocallyConnected1D(3, w.pick(1, 2, 3), **options)(x))
    outputs.append(L.ZeroPadding1D(w.pick(1, (0, 2), (3, 1)))(x))
    outputs.append(L.Cropping1D(w.pick(1, (0, 2), (3, 1)))(x))
    outputs.append(L.UpSampling1D(w.pick(1, 2, 3))(x))
    pooled = [w.pick(L.GlobalAveragePooling1D(), L.GlobalMaxPooling1D(), w.recurrent(3))(h) for h in outputs]
    return w.model(ids, [L.Dense(3)(L.Concatenate()(pooled)), *outputs])


@recipe
def normalisations(w: Workshop) -> Any:
    """Normalisations along one axis or several, over masks where Keras can."""
    L = w.L
    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")
    plane = w.numbers(3, 4, 2, name="plane")
    x = L.Embedding(w.WORDS, 6, mask_zero=w.chance(0.6))(ids)

    def options(**more: Any) -> dict[str, Any]:
        return {"scale": w.chance(0.7), "center": w.chance(0.7), "epsilon": w.pick(1e-3, 1e-5), **more}

    unmasked = x if w.keras3 else L.Reshape((w.STEPS, 6))(x)  # tf_keras cannot compute groups over a mask
    h = [
        L.LayerNormalization(**options(axis=w.pick(1, 2, [1, 2], [-2, -1], [-1])))(x),
        L.UnitNormalization(axis=w.pick(-1, 1, [1, 2]))(x),
        L.GroupNormalization(**options(groups=w.pick(-1, 1, 2, 3), axis=w.pick(-1, 2, 1)))(unmasked),
    ]
    outputs = [
        L.LayerNormalization(**options(axis=w.pick([1, 2, 3], [2, 3], [1, 3], 3, 2)))(plane),
        L.UnitNormalization(axis=w.pick(-1, [1, 3], 2))(plane),
        L.GroupNormalization(**options(groups=w.pick(-1, 1, 2), axis=w.pick(-1, 3, 2)))(plane),
    ]
    if w.keras3:
        h.append(L.RMSNormalization(axis=w.pick(-1, 2, [1, 2]), epsilon=w.pick(1e-6, 1e-3))(x))
        h.append(L.LayerNormalization(rms_scaling=True, axis=w.pick(-1, [1, 2]))(x))
    pooled = [w.pick(L.GlobalAveragePooling1D(), w.recurrent(3))(one) for one in h]
    return w.model([ids, plane], [L.Dense(3)(L.Concatenate()(pooled)), *h, *outputs])


@recipe
def dots(w: Workshop) -> Any:
    """Products of two sequences or rows along all kinds of axes, cosines too."""
    L, outputs = w.L, []
    a, b = w.numbers(5, 3, name="a"), w.numbers(5, 4, name="b")
    c, d = w.numbers(3, name="c"), w.numbers(3, name="d")
    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")
    x = L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.6))(ids)
    pairs = [
        ([a, b], 1),
        ([a, a], (w.pick(1, -2), 1)),
        ([a, c], (2, 1)),
        ([c, x], (1, w.pick(2, -1))),
        ([c, d], w.pick(1, -1)),
    ]
    pairs += [([x, a], w.pick(-1, 2, (2, 2))), ([x, x], w.pick(1, 2))]
    for values, axes in pairs:
        outputs.append(L.Dot(axes=axes, normalize=w.chance())(values))
    return w.model([a, b, c, d, ids], outputs)


@recipe
def scaled_numbers(w: Workshop) -> Any:
    """Numbers brought to another scale, by layers that were adapted to data and others; and layers that do nothing."""
    L, outputs = w.L, []
    x, y = w.numbers(5, 3, name="x"), w.numbers(4, name="y")
    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")
    words = L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.7))(ids)
    for value in (x, y, words):
        kept = w.pick(-1, None, *([1, (1, 2)] if len(value.shape) == 3 else []))
        outputs.append(L.Normalization(axis=kept, invert=w.chance(0.3))(value))
        mean, variance = w.pick((1.5, 4.0), ([0.5] * value.shape[-1], [2.0] * value.shape[-1]))
        outputs.append(L.Normalization(mean=mean, variance=variance, invert=w.chance(0.3))(value))
        outputs.append(L.Rescaling(w.pick(0.5, 2, [0.5] * value.shape[-1]), offset=w.pick(0, -1.5))(value))
        outputs.append(L.Identity()(value))
    sequences = [h for h in outputs if len(h.shape) == 3]
    pooled = [w.pick(L.GlobalAveragePooling1D(), w.recurrent(3))(h) for h in sequences[-4:]]
    return w.model([x, y, ids], [L.Concatenate()(pooled), *outputs])


@recipe
def arithmetic(w: Workshop) -> Any:
    """Merges of different ranks and sizes."""
    L = w.L
    x, y, z = w.numbers(4, 3), w.numbers(3), w.numbers(1, 3)
    outputs = [
        L.Add()([x, z]), L.Multiply()([x, y]), L.Maximum()([z, x]), L.Minimum()([x, z]), L.Average()([x, y]),
        L.Subtract()([x, z]), L.Concatenate(axis=-1)([x, x]), L.Concatenate(axis=1)([x, z]), L.Permute((2, 1))(x),
        L.Reshape((3, -1))(x), L.RepeatVector(3)(y),
    ]  # fmt: skip
    return w.model([x, y, z], outputs)


@recipe
def attentions(w: Workshop) -> Any:
    """The three attention layers over masked or unmasked sequences."""
    x = w.L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.7))(w.tokens("ids", steps=w.STEPS))
    h = w.recurrent(3, return_sequences=True)(x)
    outputs = [y for _ in range(3) for y in _flat(attention(w, w.pick(x, h), True))]
    return w.model(_origins(w, [x]), outputs)


@recipe
def slashes(w: Workshop) -> Any:
    """Names with slashes in them, which HDF5 takes for groups."""
    L, x = w.L, w.tokens("ids")
    if w.keras3:  # refuses such names
        h = L.LSTM(3, name="a.b")(L.Embedding(w.WORDS, 3, name="block1_emb", mask_zero=True)(x))
        return w.model(x, L.Dense(2, name="out-1")(h))
    h = L.LSTM(3, name="block1/lstm")(L.Embedding(w.WORDS, 3, name="block1/emb", mask_zero=True)(x))
    return w.model(x, L.Dense(2, name="out/dense")(h))


@recipe
def explicit_masks(w: Workshop) -> Any:
    """Masks given by hand."""
    L = w.L
    ids, mask = w.tokens("ids", steps=w.STEPS), w.K.Input((w.STEPS,), dtype="bool", name="mask")
    w.inputs.append(w.rng.random((w.ROWS, w.STEPS)) < 0.6)
    x = L.Embedding(w.WORDS, 3, mask_zero=w.chance())(ids)
    h = w.recurrent(3, return_sequences=True)(x, mask=mask)
    return w.model([ids, mask], [L.GlobalAveragePooling1D()(h, mask=mask), w.recurrent(3)(h)])


@recipe
def deeply_nested(w: Workshop) -> Any:
    """Three levels of models; one of several inputs, called with a list or a dict."""
    L = w.L
    core = w.K.Sequential(
        [w.K.Input((3,)), L.Dense(4, activation="relu"), L.BatchNormalization(), L.Dense(2)], name="core"
    )
    x, y = w.K.Input((w.STEPS, 3), name="x"), w.K.Input((3,), name="y")
    pooled = L.GlobalAveragePooling1D()(w.recurrent(3, return_sequences=True)(x))
    both = L.Concatenate()([core(pooled), core(y), L.Dense(2)(y)])
    inputs = {"y": y, "x": x} if w.chance() else [x, y]
    middle = w.K.Model(inputs, [L.Dense(2)(both), both] if w.chance() else both, name="middle")
    if w.chance(0.4):
        core.layers[-1].trainable = False
    ids, more = w.tokens("ids", steps=w.STEPS), w.numbers(3, name="more")
    embedded = L.Embedding(w.WORDS, 3, mask_zero=w.chance())(ids)
    given = {"x": embedded, "y": more} if isinstance(inputs, dict) else [embedded, more]
    outputs = _flat(middle(given))
    other = w.K.Sequential([L.Dense(4), L.BatchNormalization()], name="core")
    outer = w.K.Sequential([L.Dense(3), other, L.Dense(2)], name="outer")
    model = w.model([ids, more], [outer(outputs[0]), *outputs[1:]])
    if w.chance(0.2):
        model.trainable = False
    return model


@recipe
def distributed_masks(w: Workshop) -> Any:
    """TimeDistributed over masked sequences, and over sequences of masked sequences."""
    L = w.L
    if w.chance():
        ids = w.rng.integers(1, w.WORDS, (w.ROWS, 4, w.STEPS)).astype(np.int32)
        ids[w.rng.random(ids.shape) < 0.3] = 0
        ids[2, 2:] = 0
        w.inputs.append(ids)
        x = w.K.Input((4, w.STEPS), dtype="int32")
        if w.chance():
            h = L.TimeDistributed(L.Embedding(w.WORDS, 3, mask_zero=True))(x)
            h = L.TimeDistributed(w.recurrent(3))(h)
        else:
            z = w.K.Input((w.STEPS,), dtype="int32")
            inner = w.K.Model(z, w.recurrent(3)(L.Embedding(w.WORDS, 3, mask_zero=True)(z)))
            h = L.TimeDistributed(inner)(x)
        return w.model(x, w.recurrent(3)(h))
    x = L.Embedding(w.WORDS, 3, mask_zero=True)(w.tokens("ids"))
    h = L.TimeDistributed(w.pick(L.Dense(4), L.LayerNormalization(), L.Activation("tanh"), L.Dropout(0.1)))(x)
    return w.model(_origins(w, [x]), [w.recurrent(3)(h), L.GlobalAveragePooling1D()(h)])


@recipe
def hierarchical(w: Workshop) -> Any:
    """A text of sentences of words: TimeDistributed over a model with a recurrent layer and an attention layer of one's
    own, or two of them, and the same again over the sentences."""
    L = w.L
    ids = w.rng.integers(1, w.WORDS, (w.ROWS, 4, w.STEPS)).astype(np.int32)
    ids[w.rng.random(ids.shape) < 0.2] = 0
    ids[2, 2:] = 0
    w.inputs.append(ids)
    z = w.K.Input((w.STEPS,), dtype="int32")
    h = L.Embedding(w.WORDS, 3, mask_zero=w.chance())(z)
    h = L.Bidirectional(w.recurrent(2, return_sequences=True))(h)
    h = L.TimeDistributed(L.Dense(3))(h) if w.chance() else h
    pooled = [_flat(attention(w, h, True))[0] for _ in range(w.pick(1, 1, 2))]
    y = L.Dense(3)(L.Concatenate()(pooled)) if len(pooled) > 1 else pooled[0]
    y = L.BatchNormalization()(y) if w.chance(0.3) else y
    inner = w.K.Model(z, y, name="sentence")
    if w.chance(0.2):
        w.pick(*inner.layers[1:]).trainable = False
    x = w.K.Input((4, w.STEPS), dtype="int32")
    h = L.Bidirectional(w.recurrent(2, return_sequences=True))(L.TimeDistributed(inner)(x))
    return w.model(x, L.Dense(2, activation="softmax")(_flat(attention(w, h, True))[0]))


@recipe
def masked_softmax(w: Workshop) -> Any:
    """Attention made of plain layers: a softmax over steps with a mask."""
    L = w.L
    ids, mask = w.tokens("ids", steps=w.STEPS), w.K.Input((w.STEPS,), dtype="bool", name="mask")
    w.inputs.append(w.inputs[0] != 0)
    h = w.recurrent(4, return_sequences=True)(L.Embedding(w.WORDS, 3)(ids))
    logits = L.Flatten()(L.Dense(1, activation="tanh")(h))
    weights = L.Softmax()(logits, mask=mask)
    shaped = L.Permute((2, 1))(L.RepeatVector(4)(weights))
    return w.model([ids, mask], [weights, L.Flatten()(L.Multiply()([h, shaped]))])


@recipe
def states_and_masks(w: Workshop) -> Any:
    """Explicit masks beside initial states, unrolled layers, and a state from an input."""
    L = w.L
    ids, state = w.tokens("ids", steps=w.STEPS), w.numbers(3, name="state")
    mask = w.K.Input((w.STEPS,), dtype="bool", name="mask")
    w.inputs.append(w.rng.random((w.ROWS, w.STEPS)) < 0.6)
    x = L.Embedding(w.WORDS, 3, mask_zero=w.chance())(ids)
    layer = w.pick(L.GRU, L.SimpleRNN)(3, return_sequences=True, unroll=w.chance())
    h = layer(x, mask=mask, initial_state=state)
    return w.model(
        [ids, state, mask], [h, L.LSTM(3)(h), L.Bidirectional(L.GRU(2, return_sequences=True))(h, mask=mask)]
    )


@recipe
def operators(w: Workshop) -> Any:
    """Arithmetic between tensors, which Keras 3 stores as operations (and tf_keras as code, which is refused)."""
    x, y = w.numbers(3), w.numbers(3)
    return w.model([x, y], w.L.Dense(2)((x + y) * 0.5 - x / 3.0))


@recipe
def cudnn(w: Workshop) -> Any:
    """What CuDNNLSTM and CuDNNGRU compute; `cudnn.h5` holds it in their layout, see `as_cudnn`."""
    L = w.L
    x = L.Embedding(w.WORDS, 4)(w.tokens("ids"))
    h = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    h, *states = L.GRU(5, return_sequences=True, return_state=True, reset_after=True)(h)
    h = L.LSTM(2, return_sequences=True, go_backwards=True)(L.Bidirectional(L.GRU(3, return_sequences=True))(h))
    return w.model(_origins(w, [x]), [L.GlobalMaxPooling1D()(h), *states])


def as_cudnn(source: Path, target: Path) -> None:
    """A copy of a tf_keras .h5 with its LSTM and GRU layers as CuDNN ones, whose layers need a GPU to be made.

    Arrays are converted by tf_keras' own function for that, as it does when plain weights are loaded into CuDNN layers.
    """
    import h5py
    from tf_keras.src.saving.legacy import hdf5_format

    def convert(kind: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
        return hdf5_format._convert_rnn_weights(type(f"CuDNN{kind}", (), {})(), arrays)

    shutil.copyfile(source, target)
    with h5py.File(target, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for entry in config["config"]["layers"]:
            halves = [entry["config"][key] for key in ("layer", "backward_layer") if key in entry["config"]] or [entry]
            kind = halves[0]["class_name"]
            if kind not in ("LSTM", "GRU"):
                continue
            for half in halves:
                half["class_name"] = f"CuDNN{kind}"
                for key in (
                    "activation",
                    "recurrent_activation",
                    "use_bias",
                    "reset_after",
                    "implementation",
                    "unroll",
                ):
                    half["config"].pop(key, None)
            group = file["model_weights"][entry["config"]["name"]]
            names = list(group.attrs["weight_names"])
            for start in range(0, len(names), 3):
                for name, array in zip(names[start:], convert(kind, [group[n][()] for n in names[start : start + 3]])):
                    del group[name]
                    group[name] = array
        file.attrs["model_config"] = json.dumps(config)


# Running and saving ------------------------------------------------------------------------------------------------


def randomise(model: Any, rng: np.random.Generator) -> None:
    """Give every weight new values: biases and averages too, which are 0 and 1 at first."""
    values = []
    for weight in model.weights:
        shape, name = tuple(weight.shape), getattr(weight, "path", weight.name)
        if "int" in str(weight.dtype):  # what an adapted layer counts
            values.append(np.full(shape, 7))
            continue
        value = rng.standard_normal(shape) * (0.6 if len(shape) < 2 else 1 / np.sqrt(max(1, shape[-2])))
        values.append((np.abs(value) + 0.3 if "variance" in name else value).astype(np.float32))
    model.set_weights(values)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # an adapted layer computes with what it made of its weights
            layer.finalize_state()


def layer_outputs(model: Any, keras3: bool) -> dict[str, Any]:
    """Every output of every call of every layer, by the name that the golden keeps it under."""
    functional = getattr(model, "_functional", None) or model
    found = {}
    for layer in model.layers:
        nodes = [node for node in layer._inbound_nodes if _belongs(functional, layer, node, keras3)]
        for i, node in enumerate(nodes):
            tensors = _flat(node.output_tensors if keras3 else node.outputs)
            name = layer.name + (f":{i}" if i else "")
            found.update({f"{name}/{j}" if len(tensors) > 1 else name: tensor for j, tensor in enumerate(tensors)})
    return found


def _belongs(functional: Any, layer: Any, node: Any, keras3: bool) -> bool:
    if keras3:
        return any(node is other for nodes in functional._nodes_by_depth.values() for other in nodes)
    keys = getattr(functional, "_network_nodes", None)
    return keys is None or f"{layer.name}_ib-{layer._inbound_nodes.index(node)}" in keys


def golden(w: Workshop, model: Any) -> dict[str, np.ndarray]:
    """Inputs, outputs and layers' outputs of a model."""
    named = layer_outputs(model, w.keras3)
    functional = getattr(model, "_functional", None) or model
    flat_inputs = _flat(functional.inputs)
    names = [_input_name(tensor) for tensor in flat_inputs]
    arrays = {name: w.named.get(name, x) for name, x in zip(names, w.inputs)}
    probe = w.K.Model(functional.inputs, list(named.values()))
    feed = [arrays[name] for name in names]
    values = probe.predict_on_batch(feed if len(feed) > 1 else feed[0])
    values = values if isinstance(values, (list, tuple)) else [values]
    keys = input_keys(model)
    given = feed if keys is None else {key: arrays[name] for key, name in zip(keys, names)}
    outputs = model.predict_on_batch(given if len(feed) > 1 else feed[0])
    arrays = {f"inputs/{name}": array for name, array in arrays.items()}
    arrays |= {f"layers/{name}": np.asarray(value) for name, value in zip(named, values)}
    keyed = outputs.items() if isinstance(outputs, dict) else enumerate(_flat(outputs))
    return arrays | {f"outputs/{key}": np.asarray(value) for key, value in keyed}


def input_keys(model: Any) -> list[str] | None:
    """The keys of the dict of inputs that a model was made with, sorted as Keras does; None if it was no dict."""
    inputs = getattr(model, "_nested_inputs", getattr(model, "_inputs_struct", None))
    return sorted(inputs) if isinstance(inputs, dict) else None


def _input_name(tensor: Any) -> str:
    history = tensor._keras_history
    return getattr(history, "operation", None).name if hasattr(history, "operation") else history.layer.name


def save(w: Workshop, model: Any, folder: Path) -> dict[str, str]:
    """Every kind of file that this flavour writes; returns what failed, with the reason."""
    failed = {}

    def attempt(name: str, write: Callable[[str], Any]) -> None:
        try:
            write(str(folder / name))
        except Exception as error:  # noqa: BLE001  whatever genuine Keras cannot save
            (folder / name).unlink(missing_ok=True)
            failed[name] = f"{type(error).__name__}: {str(error)[:200]}"

    attempt("model.h5", model.save)
    attempt("model.keras", model.save)
    attempt("model.weights.h5", model.save_weights)
    if not w.keras3:
        attempt("weights.h5", model.save_weights)
    if w.recipe is cudnn and not w.keras3:
        attempt("cudnn.h5", lambda path: as_cudnn(folder / "model.h5", Path(path)))
    attempt("config.json", lambda path: Path(path).write_text(model.to_json()))
    return failed


def make_case(name: str, K: ModuleType, seed: int, folder: Path, keep: str = "") -> dict[str, str]:
    """One folder; of the model files only ``keep``, if given."""
    K.backend.clear_session()
    w = Workshop(K, seed, RECIPES[name])
    model = w.recipe(w)
    randomise(model, w.rng)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "golden.npz", **golden(w, model))
    failed = save(w, model, folder)
    if keep:
        unwanted = {path.name for path in folder.iterdir()} - {
            keep,
            "golden.npz",
            "config.json" if "weights" in keep else keep,
        }
        for file in unwanted:
            (folder / file).unlink()
    import tensorflow

    names = [_input_name(tensor) for tensor in _flat((getattr(model, "_functional", None) or model).inputs)]
    case = {
        "recipe": name,
        "seed": seed,
        "framework": {
            "name": K.__name__,
            "version": K.__version__,
            "tensorflow": tensorflow.__version__,
            "numpy": np.__version__,
        },
        "files": sorted(path.name for path in folder.iterdir() if path.suffix in (".h5", ".keras")),
        "inputs": [names, input_keys(model) or names],
    }
    if w.choices:
        case["layers"] = w.choices
    (folder / "case.json").write_text(json.dumps(case | ({"not_possible": failed} if failed else {}), indent=1) + "\n")
    return failed


def _label(flavour: str, name: str, keep: str) -> str:
    """The folder of a shipped case: it names the file where the recipe is shipped in several."""
    several = sum((flavour, name) == shipped[:2] for shipped in SHIPPED) > 1
    return f"{flavour}_{name}" + (f"_{keep.replace('.', '_')}" if several else "")


def main() -> None:
    """Make the cases that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--flavours", nargs="+", choices=FLAVOURS, default=list(FLAVOURS))
    parser.add_argument("--shipped", action="store_true", help="the cases that travel with the tests")
    parser.add_argument("--only", nargs="+", metavar="RECIPE", help="of the shipped cases those of these recipes")
    options = parser.parse_args()
    import keras
    import tf_keras

    modules = {"tf_keras": tf_keras, "keras3": keras}
    asked = [(f, name, seed, "") for f in options.flavours for name in options.recipes for seed in options.seeds]
    for flavour, name, seed, keep in SHIPPED if options.shipped else asked:
        label = _label(flavour, name, keep) if options.shipped else f"{flavour}_{name}_{seed}"
        if options.only and name not in options.only:
            continue
        try:
            failed = make_case(name, modules[flavour], seed, options.out / label, keep)
        except Exception as error:  # noqa: BLE001  a network that this Keras cannot make, for whatever reason
            print(f"{label}: not made: {type(error).__name__}: {str(error)[:300]}")
            continue
        for file, reason in failed.items():
            print(f"{label}: {file}: {reason}")


if __name__ == "__main__":
    main()
