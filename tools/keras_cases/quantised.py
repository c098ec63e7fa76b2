"""Networks whose weights are not float32: quantised ones, half precisions, and weights in several files. Keras 3's."""

from __future__ import annotations

import json
from typing import Any

from .workshop import Workshop, recipe

SHARD = 3e-7  # GB: some three hundred bytes
POLICIES = ("bfloat16", "float16", "mixed_bfloat16", "mixed_float16")


def _text(w: Workshop, policy: str = "float32") -> Any:
    """A network of words and numbers with the layers that Keras quantises, and others between them."""
    L = w.L
    w.K.config.set_dtype_policy(policy)
    try:
        ids = w.tokens("ids")
        x = L.Embedding(w.WORDS, w.size(), mask_zero=w.chance(0.7))(ids)
        numbers = w.numbers(w.size(), name="numbers")
        dense = L.Dense(w.size(), activation=w.activation(), use_bias=w.chance(0.7), dtype=w.pick(None, "float32"))
        outputs = [L.Dense(w.size(), use_bias=w.chance(0.6), activation=w.pick("linear", "tanh"))(x), dense(numbers)]
        if w.chance():
            each = w.K.Sequential([L.Input((outputs[0].shape[-1],)), L.Dense(3, activation="relu")])
            outputs.append(L.TimeDistributed(each)(outputs[0]))
        if w.chance():
            once = L.Dense(w.size())
            outputs += [once(x), once(L.Activation("tanh")(x))]
        # the default initializer needs what bfloat16 has not
        rnn = w.recurrent(3, plain=True, recurrent_initializer="glorot_uniform")
        h = (L.Bidirectional(rnn) if w.chance() else rnn)(outputs[0])
        inner_input = w.K.Input((int(h.shape[-1]),), name="inner_input")
        y = L.Dense(4, activation="relu", use_bias=w.chance(0.8))(inner_input)
        inner = w.K.Model(inner_input, L.LayerNormalization()(L.Dense(3)(y)), name="inner")
        pooled = L.GlobalAveragePooling1D()(outputs[0])
        end = L.Dense(3, activation="softmax")(L.Concatenate()([inner(h), pooled]))
        made = w.model([ids, numbers], [end, *outputs])
    finally:
        w.K.config.set_dtype_policy("float32")
    if policy != "float32":
        w.reference = lambda model: in_float32(w.K, model)
    return made


@recipe(("keras3", 3, "model.keras"), ("keras3", 2, "model.h5"))
def whole_numbers(w: Workshop) -> Any:
    """Embeddings and Dense layers quantised to int8."""
    made = _text(w, w.pick("float32", "float32", "bfloat16", "mixed_bfloat16"))
    _quantise(w)
    return made


def _quantise(w: Workshop) -> None:
    """Have the model quantised once it is made, in one of the ways that there are."""
    quantizers = w.K.quantizers
    config = w.pick(
        None,
        None,
        quantizers.Int8QuantizationConfig(activation_quantizer=None),
        quantizers.Int8QuantizationConfig(activation_quantizer=quantizers.AbsMaxQuantizer(value_range=(-100, 100))),
    )
    w.after = lambda model: model.quantize("int8", config=config)


#: equations with the shapes of inputs and outputs and the bias' axes, the last three with kernels of their own for some
#: places; Keras 3.15 cannot quantise those with an ellipsis
EQUATIONS = (
    ("ab,bc->ac", (4,), (3,), "c"),
    ("ab,b->ab", (4,), (4,), None),
    ("abc,cd->abd", (3, 4), (None, 5), "d"),
    ("abc,cd->adb", (3, 4), (5, None), None),
    ("abc,cde->adbe", (3, 4), (2, 3, 5), "de"),
    ("abcd,cde->abe", (2, 3, 4), (2, 5), "e"),
    ("abcd,bed->ace", (2, 3, 4), (3, 5), "e"),
    ("abcd,bce->ade", (2, 3, 4), (4, 5), "e"),
    ("abc,cb->ac", (3, 4), (4,), "c"),
    ("abc,bcd->abd", (3, 4), (3, 2), "bd"),
    ("abcd,dbe->abec", (3, 4, 2), (3, 5, 4), "e"),
    ("abcd,cbde->abce", (3, 2, 4), (3, 2, 3), "ce"),
)


@recipe(("keras3", 11, "model.h5"))
def whole_numbers_along_axes(w: Workshop) -> Any:
    """EinsumDense layers quantised to int8, three on inputs and one behind other layers."""
    L, inputs, outputs = w.L, [w.tokens("ids")], []
    for i in w.rng.permutation(len(EQUATIONS))[:3]:
        equation, shape, out, bias = EQUATIONS[i]
        layer = L.EinsumDense(equation, out, bias_axes=w.pick(bias, bias, None), activation=w.pick("linear", "tanh"))
        inputs.append(w.numbers(*shape, name=f"numbers{i}"))
        outputs.append(layer(inputs[-1]))
    x = L.Dense(w.size(), activation="relu")(L.Embedding(w.WORDS, w.size(), mask_zero=w.chance())(inputs[0]))
    outputs.append(L.EinsumDense("abc,cde->abde", (None, 2, w.size()), bias_axes="de")(x))
    _quantise(w)
    return w.model(inputs, outputs)


@recipe(("keras3", 0, "model.keras"))
def half_floats(w: Workshop) -> Any:
    """Weights in bfloat16 or float16, or in float32 and computed with in less; a layer may have a policy of its own.
    The golden is of the same weights in float32."""
    return _text(w, w.pick(*POLICIES, "bfloat16"))


@recipe(("keras3", 0, "model.weights.json"))
def shards(w: Workshop) -> Any:
    """Weights in several files beside their index."""
    w.shard = SHARD
    return _text(w)


def in_float32(K: Any, model: Any) -> Any:
    """The same model with all policies float32."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: changed(one) for key, one in value.items()}
        if isinstance(value, list):
            return [changed(one) for one in value]
        return "float32" if value in POLICIES else value

    exact = K.models.model_from_json(json.dumps(changed(json.loads(model.to_json()))))
    exact.set_weights([one if one.dtype == "int8" else one.astype("float32") for one in model.get_weights()])
    return exact
