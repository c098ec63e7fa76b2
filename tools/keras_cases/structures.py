"""How networks hang together: shared layers, nested models, named ends, states handed on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from .averages import attention
from .workshop import Workshop, flat, origins, recipe


@recipe(("keras3", 1, "model.keras"))
def encoder_decoder(w: Workshop) -> Any:
    """States from one recurrent layer, or from dense ones, to another."""
    L = w.L
    source, target = w.tokens("source"), w.tokens("target")
    shared = L.Embedding(w.WORDS, 4, mask_zero=w.chance(0.7))
    kind = w.pick("LSTM", "GRU", "SimpleRNN")
    layer = getattr(L, kind)
    _, *states = flat(layer(4, return_state=True, return_sequences=w.chance())(shared(source)))
    if w.chance(0.3):
        states = [L.Dense(4, activation="tanh")(state) for state in states]
    decoded = flat(
        layer(4, return_sequences=True, return_state=w.chance(), go_backwards=w.chance(0.3))(
            shared(target), initial_state=states
        )
    )
    outputs = [L.Dense(w.WORDS, activation="softmax")(decoded[0]), *decoded[1:]]
    return w.model([source, target], outputs if len(outputs) > 1 else outputs[0])


@recipe()
def bidirectional_states(w: Workshop) -> Any:
    """Bidirectional layers handing their states on."""
    L, x = w.L, w.words("a")
    origin = origins(w, [x])
    kind = getattr(L, w.pick("LSTM", "GRU"))
    _, *states = flat(L.Bidirectional(kind(3, return_state=True))(x))
    other = w.words("b")
    out = L.Bidirectional(
        kind(3, return_sequences=w.chance(), return_state=w.chance()), merge_mode=w.pick("concat", "sum", None)
    )(other, initial_state=states)
    return w.model([*origin, *origins(w, [other])], flat(out))


@recipe(("tf_keras", 2, "model.h5"))
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
    return w.model(origins(w, [x]), flat(out))


@recipe()
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


@recipe(("keras3", 2, "model.h5"))
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


@recipe()
def masked_nested(w: Workshop) -> Any:
    """A nested model over masked sequences, which gives several outputs."""
    L = w.L
    x = w.K.Input((w.STEPS, 4), name="inner_x")
    h = w.recurrent(4, return_sequences=True)(x)
    several = w.chance()
    inner = w.K.Model(x, [h, L.GlobalMaxPooling1D()(h)] if several else h, name="body")
    ids = w.tokens("ids", steps=w.STEPS)
    outputs = flat(inner(L.Embedding(w.WORDS, 4, mask_zero=True)(ids)))
    return w.model(ids, [w.recurrent(3)(outputs[0]), *outputs[1:]])


@recipe(("tf_keras", 1, "model.keras"))
def time_distributed(w: Workshop) -> Any:
    """TimeDistributed over layers and models: a text of sentences of words."""
    L = w.L
    which = w.pick("conv", "lstm", "model", "flatten", "functional", "norm", "embedding", "dense")
    if which in ("norm", "dense"):
        x = w.sequence()
        inner = L.BatchNormalization() if which == "norm" else L.Dense(3, activation=w.activation())
        y = w.recurrent(3)(L.TimeDistributed(inner)(x))
        return w.model(origins(w, [x]), y)
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


@recipe(("keras3", 1, "model.h5"))
def named_ends(w: Workshop) -> Any:
    """Inputs and outputs in dicts."""
    L = w.L
    ids, more = w.tokens("ids"), w.numbers(3, name="more")
    x = w.recurrent(4)(L.Embedding(w.WORDS, 3, mask_zero=True)(ids))
    y = L.Concatenate()([x, more])
    outputs = {"zeta": L.Dense(2, name="zeta")(y), "alpha": L.Dense(3, activation="softmax", name="alpha")(y)}
    return w.model({"more": more, "ids": ids} if w.chance() else {"ids": ids, "more": more}, outputs)


@recipe(
    ("tf_keras", 0, "model.h5"),
    ("tf_keras", 1, "model.keras"),
    ("tf_keras", 2, "weights.h5"),
    ("tf_keras", 3, "model.weights.h5"),
    ("keras3", 4, "model.h5"),
    ("keras3", 5, "model.keras"),
    ("keras3", 6, "model.weights.h5"),
)
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
    outputs = [decoded, *flat(parts), L.Dense(2, name="last")(decoded)]
    outputs = [outputs[i] for i in [*w.rng.permutation(len(outputs)), 0]]
    inputs: Any = [given[name] for name in w.rng.permutation(names)]
    how = w.rng.random()
    if how < 0.15:
        inputs = [inputs[:2], inputs[2:]]
    elif how < 0.4:
        inputs = dict(zip(map(str, w.rng.permutation([f"{name}!" for name in names] if w.chance() else names)), inputs))
    return w.model(inputs, outputs)


@recipe(("tf_keras", 1, "weights.h5"))
def slashes(w: Workshop) -> Any:
    """Names with slashes in them, which HDF5 takes for groups."""
    L, x = w.L, w.tokens("ids")
    if w.keras3:  # refuses such names
        h = L.LSTM(3, name="a.b")(L.Embedding(w.WORDS, 3, name="block1_emb", mask_zero=True)(x))
        return w.model(x, L.Dense(2, name="out-1")(h))
    h = L.LSTM(3, name="block1/lstm")(L.Embedding(w.WORDS, 3, name="block1/emb", mask_zero=True)(x))
    return w.model(x, L.Dense(2, name="out/dense")(h))


@recipe(("tf_keras", 4, "weights.h5"))
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
    outputs = flat(middle(given))
    other = w.K.Sequential([L.Dense(4), L.BatchNormalization()], name="core")
    outer = w.K.Sequential([L.Dense(3), other, L.Dense(2)], name="outer")
    model = w.model([ids, more], [outer(outputs[0]), *outputs[1:]])
    if w.chance(0.2):
        model.trainable = False
    return model


@recipe(("tf_keras", 6, "weights.h5"), ("keras3", 6, "model.h5"))
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
    pooled = [flat(attention(w, h, True))[0] for _ in range(w.pick(1, 1, 2))]
    y = L.Dense(3)(L.Concatenate()(pooled)) if len(pooled) > 1 else pooled[0]
    y = L.BatchNormalization()(y) if w.chance(0.3) else y
    inner = w.K.Model(z, y, name="sentence")
    if w.chance(0.2):
        w.pick(*inner.layers[1:]).trainable = False
    x = w.K.Input((4, w.STEPS), dtype="int32")
    h = L.Bidirectional(w.recurrent(2, return_sequences=True))(L.TimeDistributed(inner)(x))
    return w.model(x, L.Dense(2, activation="softmax")(flat(attention(w, h, True))[0]))


@recipe(("tf_keras", 1, "cudnn.h5"))
def cudnn(w: Workshop) -> Any:
    """What CuDNNLSTM and CuDNNGRU compute; `cudnn.h5` holds it in their layout, see `as_cudnn`."""
    L = w.L
    x = L.Embedding(w.WORDS, 4)(w.tokens("ids"))
    h = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    h, *states = L.GRU(5, return_sequences=True, return_state=True, reset_after=True)(h)
    h = L.LSTM(2, return_sequences=True, go_backwards=True)(L.Bidirectional(L.GRU(3, return_sequences=True))(h))
    return w.model(origins(w, [x]), [L.GlobalMaxPooling1D()(h), *states])


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
