"""Attention layers of several authors."""

from __future__ import annotations

from typing import Any

from .workshop import Workshop, flat, origins, recipe

ATTENTIONS = [f"{score}-{mask}" for score in ("linear", "tanh", "context") for mask in ("masked", "unmasked")]


@recipe(("tf_keras", 0, "model.h5"), ("keras3", 0, "model.keras"))
def six_attentions(w: Workshop) -> Any:
    """One layer `Attention` of each kind over a masked sequence, named after what it computes."""
    from keras_attention import attention_of

    w.tokens("ids")
    ids = w.K.Input((w.STEPS,), dtype="int32", name="ids")  # of a known length, for b
    x = w.L.Embedding(w.WORDS, 3, mask_zero=True)(ids)
    w.choices = {choice: choice for choice in ATTENTIONS}
    return w.model(ids, [attention_of(w.K, name, name.endswith("-masked"))(name=name)(x) for name in ATTENTIONS])


@recipe(("keras3", 0, "model.h5"))
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


@recipe(("keras3", 0, "model.h5"))
def attentions(w: Workshop) -> Any:
    """The three attention layers over masked or unmasked sequences."""
    x = w.L.Embedding(w.WORDS, 3, mask_zero=w.chance(0.7))(w.tokens("ids", steps=w.STEPS))
    h = w.recurrent(3, return_sequences=True)(x)
    outputs = [y for _ in range(3) for y in flat(attention(w, w.pick(x, h), True))]
    return w.model(origins(w, [x]), outputs)


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
