"""Masks: where they come from and what becomes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .workshop import Workshop, flat, origins, recipe


@recipe()
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


@recipe()
def backwards(w: Workshop) -> Any:
    """Layers that go backwards, one on another, over masks."""
    x = w.words("ids")
    h = w.recurrent(3, return_sequences=True, go_backwards=True)(x)
    h = w.recurrent(3, return_sequences=True, go_backwards=w.chance(), zero_output_for_mask=w.chance())(h)
    last = flat(w.recurrent(3, go_backwards=w.chance(), return_state=w.chance())(h))
    pooled = w.L.GlobalAveragePooling1D()(h)
    return w.model(origins(w, [x]), [pooled, *last])


@recipe()
def explicit_masks(w: Workshop) -> Any:
    """Masks given by hand."""
    L = w.L
    ids, mask = w.tokens("ids", steps=w.STEPS), w.K.Input((w.STEPS,), dtype="bool", name="mask")
    w.inputs.append(w.rng.random((w.ROWS, w.STEPS)) < 0.6)
    x = L.Embedding(w.WORDS, 3, mask_zero=w.chance())(ids)
    h = w.recurrent(3, return_sequences=True)(x, mask=mask)
    return w.model([ids, mask], [L.GlobalAveragePooling1D()(h, mask=mask), w.recurrent(3)(h)])


@recipe(("tf_keras", 1, "model.h5"))
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
    return w.model(origins(w, [x]), [w.recurrent(3)(h), L.GlobalAveragePooling1D()(h)])


@recipe()
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


@recipe()
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


@recipe(("keras3", 1, "model.keras"))
def operators(w: Workshop) -> Any:
    """Arithmetic between tensors, which Keras 3 stores as operations."""
    x, y = w.numbers(3), w.numbers(3)
    return w.model([x, y], w.L.Dense(2)((x + y) * 0.5 - x / 3.0))
