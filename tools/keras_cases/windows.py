"""Convolutions and pooling."""

from __future__ import annotations

from typing import Any

from .workshop import Workshop, recipe


@recipe()
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


@recipe(("tf_keras", 1, "model.h5"), ("keras3", 2, "model.h5"))
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


@recipe(("tf_keras", 1, "model.h5"), ("keras3", 2, "model.h5"))
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
