"""Recurrent layers made of cells, one or several upon each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from .workshop import Workshop, flat, origins, recipe


def cell(w: Workshop, units: int | None = None) -> Any:
    """A cell of one of the three kinds, with random settings."""
    name = w.pick("LSTMCell", "GRUCell", "SimpleRNNCell")
    options: dict[str, Any] = {"use_bias": w.chance(0.8)}
    if w.chance(0.25):
        options["activation"] = w.pick("relu", "linear", "softsign", "sigmoid")
    if name != "SimpleRNNCell":
        if w.chance(0.4):
            options["recurrent_activation"] = w.pick("hard_sigmoid", "tanh", "relu")
        if name == "GRUCell":
            options["reset_after"] = w.chance()
    return getattr(w.L, name)(units or w.size(), **options)


def stack(w: Workshop, units: int | None = None, least: int = 1) -> Any:
    """One cell, a list of several, or the same as a layer."""
    count = int(w.rng.integers(least, 4))
    cells = [cell(w) for _ in range(count - 1)] + [cell(w, units)]
    if count > 1 and w.chance(0.3):
        w.pick(*cells).trainable = False
    if count == 1 and w.chance(0.7):
        return cells[0]
    return w.pick(cells, w.L.StackedRNNCells(cells))


def returns(w: Workshop) -> dict[str, Any]:
    """Settings of a layer of cells."""
    return {"return_sequences": w.chance(0.6), "return_state": w.chance(0.4)}


@recipe(("tf_keras", 6, "model.h5"), ("keras3", 6, "model.keras"))
def cells(w: Workshop) -> Any:
    """Layers of cells one after the other, forward and backward in time, with masks of every kind."""
    x = w.sequence()
    outputs = []
    h = x
    for _ in range(w.pick(1, 2)):
        zero, given = w.chance(0.3), returns(w)
        layer = w.L.RNN(stack(w), go_backwards=w.chance(0.3), zero_output_for_mask=zero, **given)
        found = flat(layer(h))
        outputs += found[1:]
        if not given["return_sequences"]:
            outputs.append(found[0])
            break
        h = found[0]
        outputs += [h, w.L.GlobalAveragePooling1D()(h)] if w.chance() else [w.recurrent(3)(h)]
    return w.model(origins(w, [x]), outputs)


@recipe(("tf_keras", 6, "model.h5"), ("keras3", 4, "model.keras"))
def cells_both_ways(w: Workshop) -> Any:
    """Bidirectional of layers of cells, of the same ones or of others backward."""
    x, given, reverse = w.sequence(), returns(w), w.chance(0.2)
    units = w.size()
    ahead = w.L.RNN(stack(w, units), go_backwards=reverse, zero_output_for_mask=w.chance(0.3), **given)
    options: dict[str, Any] = {"merge_mode": w.pick("concat", "sum", "mul", "ave", None)}
    if w.chance(0.4) or (w.keras3 and reverse):  # its copy always goes backward
        backward = w.recurrent(units, go_backwards=not reverse, **given) if w.chance(0.3) else None
        options["backward_layer"] = backward or w.L.RNN(stack(w, units), go_backwards=not reverse, **given)
    found = flat(w.L.Bidirectional(ahead, **options)(x))
    return w.model(origins(w, [x]), found)


@recipe(("tf_keras", 3, "model.keras"), ("keras3", 4, "model.h5"))
def cell_states(w: Workshop) -> Any:
    """States from one layer of cells to another, beside masks."""
    L = w.L
    ids, target = w.tokens("ids", steps=w.STEPS), w.tokens("target", steps=w.STEPS)
    shared = L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.7))
    one, kinds = w.chance(0.3), w.rng.integers(0, 3, 3)
    sizes = [w.size() for _ in kinds]

    def made() -> Any:
        found = [(L.LSTMCell, L.GRUCell, L.SimpleRNNCell)[kind](size) for kind, size in zip(kinds, sizes)]
        return found[0] if one else found[: 2 + int(kinds[2] == 0)]

    both = w.chance(0.4)
    wrapped = L.Bidirectional if both else lambda layer: layer
    _, *states = wrapped(L.RNN(made(), return_state=True, return_sequences=w.chance()))(shared(ids))
    options = {"return_sequences": w.chance(), "return_state": w.chance(), "zero_output_for_mask": w.chance(0.3)}
    reverse = w.chance(0.3) and not (both and w.keras3)
    found = wrapped(L.RNN(made(), go_backwards=reverse, **options))(shared(target), initial_state=states)
    return w.model([ids, target], flat(found))


@recipe(("keras3", 0, "model.weights.h5"))
def cells_of_steps(w: Workshop) -> Any:
    """TimeDistributed of layers of cells, and a model with them as a layer."""
    L = w.L
    ids = w.rng.integers(1, w.WORDS, (w.ROWS, 4, w.STEPS)).astype(np.int32)
    ids[w.rng.random(ids.shape) < 0.3] = 0
    ids[2, 2:] = 0
    w.inputs.append(ids)
    x = w.K.Input((4, w.STEPS), dtype="int32")
    both = w.chance(0.3)
    layer = L.RNN(stack(w), return_sequences=False, go_backwards=w.chance(0.3) and not both)
    layer = L.Bidirectional(layer) if both else layer
    if w.chance():
        h = L.TimeDistributed(L.Embedding(w.WORDS, 3, mask_zero=w.chance()))(x)
        return w.model(x, w.recurrent(3)(L.TimeDistributed(layer)(h)))
    z = w.K.Input((w.STEPS,), dtype="int32")
    inner = w.K.Model(z, layer(L.Embedding(w.WORDS, 3, mask_zero=w.chance())(z)), name="inner")
    return w.model(x, L.RNN(stack(w))(L.TimeDistributed(inner)(x)))
