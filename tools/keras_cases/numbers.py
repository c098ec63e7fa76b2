"""Normalisations, products and arithmetic."""

from __future__ import annotations

from typing import Any

from .workshop import Workshop, recipe


@recipe(("tf_keras", 0, "model.h5"), ("keras3", 2, "model.h5"))
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


@recipe(("tf_keras", 1, "model.h5"), ("keras3", 2, "model.keras"))
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


@recipe(("tf_keras", 0, "model.h5"), ("keras3", 1, "model.keras"))
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


@recipe()
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
