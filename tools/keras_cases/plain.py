"""Networks that have the plain layers one by one, which others have by chance only."""

from __future__ import annotations

from typing import Any

from .workshop import Workshop, recipe


@recipe(("tf_keras", 1, "model.h5"), ("keras3", 2, "model.keras"))
def one_by_one(w: Workshop) -> Any:
    """Each function of single numbers and each merge once, on a sequence that may have a mask."""
    L, E = w.L, 4
    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")  # of a known length, for PReLU
    x = L.Embedding(w.WORDS, E, mask_zero=w.chance(0.6))(ids)
    slope = "negative_slope" if w.keras3 else "alpha"
    single = [
        L.LeakyReLU(**{slope: w.pick(0.1, 0.3)}),
        L.PReLU(shared_axes=w.pick([1], None)),
        L.ELU(w.pick(1.0, 0.7)),
        L.ReLU(w.pick(None, 1.0), negative_slope=w.pick(0.0, 0.1), threshold=w.pick(0.0, 0.4)),
        L.Dropout(0.3),
        L.GaussianNoise(0.1),
        L.GaussianDropout(0.2),
        L.AlphaDropout(0.1),
        L.ActivityRegularization(l2=0.1),
        L.Masking(w.pick(0.0, 1.0)),
    ]
    single += [] if w.keras3 else [L.ThresholdedReLU(theta=0.2)]
    alone = [layer(x) for layer in single]
    given = w.numbers(w.STEPS, E, name="given")
    alone.append(L.Softmax()(given))  # Keras 3's takes no mask
    other = L.Masking()(given) if w.chance() else given
    merged = [merge()([x, other]) for merge in (L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum)]
    return w.model([ids, given], [L.Concatenate()(alone), L.GlobalMaxPooling1D()(L.Concatenate()(merged))])


@recipe(("tf_keras", 1, "model.h5"), ("keras3", 2, "model.h5"))
def plain_windows(w: Workshop) -> Any:
    """Convolutions, poolings and other shapes once each, and a hierarchical network's attention layer."""
    from keras_attention import attention_of

    L, E = w.L, 4
    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")
    x = L.Embedding(w.WORDS, E, mask_zero=w.chance(0.6))(ids)
    conv = L.Conv1D(3, w.pick(1, 2, 3), padding=w.pick("valid", "same", "causal"), activation=w.activation())(x)
    rest = w.pick({"strides": 2}, {"dilation_rate": 2}, {}) | {"depth_multiplier": w.pick(1, 2)}
    separable = L.SeparableConv1D(3, 2, padding=w.pick("valid", "same"), activation=w.activation(), **rest)(x)
    pools = [pool(2, strides=w.pick(None, 1), padding="same")(conv) for pool in (L.MaxPooling1D, L.AveragePooling1D)]
    plane = L.Reshape((w.STEPS, E, 1))(x)
    planes = [pool(2, padding=w.pick("valid", "same"))(plane) for pool in (L.MaxPooling2D, L.AveragePooling2D)]
    rows = [pool()(planes[0]) for pool in (L.GlobalMaxPooling2D, L.GlobalAveragePooling2D)]
    turned = L.Permute(w.pick((2, 1), (1, 2)))(x)
    average = type("AttLayer", (attention_of(w.K, "context-masked", True),), {})(name="average")(x)
    w.choices = {"AttLayer": "context-masked"}
    repeated = L.RepeatVector(w.pick(2, 3))(average)
    ends = [L.GlobalMaxPooling1D()(end) for end in (separable, *pools, turned, repeated)]
    return w.model(ids, [L.Dense(3)(L.Concatenate()([*rows, *ends])), planes[1]])
