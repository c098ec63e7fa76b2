"""Attention as Keras has it, and what else transformers are made of."""

from __future__ import annotations

from typing import Any

from .workshop import Workshop, flat, origins, recipe


def _sequences(w: Workshop, width: int) -> tuple[list[Any], Any, Any]:
    """Inputs, and two sequences of this width, of different lengths, each with a mask or without."""
    L = w.L
    source, target = w.tokens("source", steps=w.STEPS), w.tokens("target", steps=w.STEPS + 2)
    first, second = (L.Embedding(w.WORDS, width, mask_zero=w.chance(0.7)) for _ in range(2))
    return [source, target], first(source), second(target)


def _mask(w: Workshop, name: str, *sequences: Any) -> Any:
    """An input of truth values for each step of some sequences, or each pair of steps of two."""
    w.inputs.append(w.rng.random((w.ROWS, *(one.shape[1] or w.STEPS for one in sequences))) < 0.6)
    w.named[name] = w.inputs[-1]
    return w.K.Input([one.shape[1] for one in sequences], dtype="bool", name=name)


@recipe(("tf_keras", 3, "model.h5"), ("keras3", 1, "model.keras"))
def step_attention(w: Workshop) -> Any:
    """Attention and AdditiveAttention: of one sequence or two, with scores, scales and masks of every kind."""
    L = w.L
    inputs, x, y = _sequences(w, 3)
    outputs = []
    for _ in range(2):
        if w.chance():
            layer = L.Attention(use_scale=w.chance(), score_mode=w.pick("dot", "dot", "concat"))
        else:
            layer = L.AdditiveAttention(use_scale=w.chance())
        given = w.pick([x, y], [x, y], [y, x, L.Dense(3)(x)], [x, x])
        options = {"use_causal_mask": w.chance(0.4), "return_attention_scores": w.chance(0.4)}
        options = {key: value for key, value in options.items() if value or w.chance(0.3)}
        if w.chance(0.3):
            masks = [_mask(w, f"mask{len(inputs)}_{i}", one) for i, one in enumerate(given[:2])]
            inputs = [*inputs, *masks]
            options["mask"] = [None if w.keras3 and w.chance() else masks[0], masks[1]]
        found = flat(layer(given, **options))
        outputs += [L.GlobalAveragePooling1D()(found[0]), *found[1:]]
        x = L.Dense(3)(found[0]) if len(found[0].shape) == 3 and given[0] is x and w.chance() else x
    return w.model(inputs, outputs)


@recipe(("tf_keras", 2, "model.keras"), ("keras3", 3, "model.h5"), ("keras3", 4, "model.weights.h5"))
def several_heads(w: Workshop) -> Any:
    """MultiHeadAttention and GroupQueryAttention, called in every way, and what becomes of masks after them."""
    L = w.L
    inputs, x, y = _sequences(w, 4)
    outputs: list[Any] = []
    for number in range(2):
        options: dict[str, Any] = {"use_bias": w.chance(0.8), "dropout": w.pick(0.0, 0.0, 0.1)}
        if w.keras3 and w.chance(0.2):
            options |= {"sliding_window": 2}
        if w.keras3 and w.chance(0.2):
            options |= {"use_gate": True}
        if w.keras3 and w.chance(0.25):
            layer = L.GroupQueryAttention(3, 4, w.pick(1, 2, 4), **options)
        else:
            options |= {"value_dim": (None, 2)[w.chance()], "output_shape": (None, 4)[w.chance(0.3)]}
            if not w.keras3 and w.chance(0.3):
                options["softmax_robust_masking"] = True
            layer = L.MultiHeadAttention(w.pick(1, 2, 3), 3, **options)
        query, value = w.pick((x, x), (x, y), (y, x))
        called: dict[str, Any] = {}
        if w.chance(0.4):
            called["use_causal_mask"] = True
        if w.chance(0.3):
            called["return_attention_scores"] = True
        if w.chance(0.3):
            called["attention_mask"] = _mask(w, f"mask{number}", query, value)
            inputs = [*inputs, called["attention_mask"]]
        if w.chance():
            called["key"] = value if w.chance() else L.Dense(4)(value)
        if w.keras3 and w.chance(0.3):
            called["value_mask"] = _mask(w, f"value_mask{number}", value)
            inputs = [*inputs, called["value_mask"]]
        found = flat(layer(query=query, value=value, **called) if w.chance(0.4) else layer(query, value, **called))
        z = L.LayerNormalization()(L.Add()([query, L.Dropout(0.1)(found[0])]))
        outputs += [L.GlobalAveragePooling1D()(z), w.recurrent(3)(found[0]), *found[1:]]
        if query is x:
            x = z
        else:
            y = z
    return w.model(inputs, [*outputs, L.GlobalAveragePooling1D()(x), w.recurrent(3)(y)])


@recipe(("tf_keras", 0, "model.h5"))
def heads_along_axes(w: Workshop) -> Any:
    """MultiHeadAttention over texts of sentences of words: along one of the axes, or both; EinsumDense."""
    L = w.L
    x, y = w.numbers(3, 4, 5), w.numbers(3, 4, 5)
    options = {"value_dim": (None, 2)[w.chance()], "output_shape": (None, (2, 3))[w.chance()]}
    axes = (None, (1,), (2,), (1, 2), (2, 1), 2)[w.rng.integers(6)]
    layer = L.MultiHeadAttention(2, 3, attention_axes=axes, **options)
    found = flat(layer(x, y, return_attention_scores=w.chance()))
    z = L.EinsumDense(
        "abcd,de->abce", output_shape=(3, 4, 5), bias_axes=w.pick("e", "ce", None), activation=w.activation()
    )(y)
    z = L.EinsumDense("...d,de->...e", output_shape=(w.size(),), bias_axes=w.pick("e", None))(z)
    return w.model([x, y], [*found, z, L.EinsumDense("abcd,bde->aecb", output_shape=(2, 4, 3), bias_axes="e")(x)])


@recipe()
def einsum_dense(w: Workshop) -> Any:
    """EinsumDense over a masked sequence."""
    L = w.L
    x = w.words("ids")
    D = x.shape[2]
    equation, shape, bias = w.pick(
        ("abc,cd->abd", (None, 3), "d"), ("...c,cd->...d", (3,), None), ("abc,cde->abde", (None, 2, 3), "de"),
        ("abc,cd->adb", (3, None), None), ("ab...,cb->ac...", (4, D), "c"),
    )  # fmt: skip
    if equation.startswith("ab..."):
        x = L.Embedding(w.WORDS, D)(w.tokens("fixed", steps=w.STEPS))
        w.inputs, w.named = w.inputs[-1:], {"fixed": w.named["fixed"]}
    z = L.EinsumDense(equation, output_shape=shape, bias_axes=bias, activation=w.activation())(x)
    return w.model(origins(w, [z]), [z, L.GlobalAveragePooling1D()(z)] if len(z.shape) == 3 else z)


@recipe(("keras3", 2, "model.h5"))
def small_transformer(w: Workshop) -> Any:
    """A text classifier of plain layers: embeddings of tokens and of positions, blocks, the mean."""
    L = w.L
    ids = w.tokens("ids", steps=w.STEPS + 1)
    x = L.Embedding(w.WORDS, 4, mask_zero=w.chance())(ids)
    if w.keras3:
        table = w.rng.standard_normal((w.STEPS + 1, 4)).astype("float32")
        x = x + table if w.chance() else w.K.ops.add(table, x)
    for _ in range(w.pick(1, 2)):
        h = L.LayerNormalization(epsilon=1e-6)(x) if w.chance() else x
        h = L.Dropout(0.1)(L.MultiHeadAttention(2, 3, dropout=w.pick(0, 0.1))(h, h, use_causal_mask=w.chance(0.3)))
        x = L.LayerNormalization(epsilon=1e-6)(x + h if w.keras3 and w.chance() else L.Add()([x, h]))
        h = L.Dense(4)(L.Dense(6, activation=w.pick("relu", "gelu"))(x))
        x = L.LayerNormalization()(L.Add()([x, L.Dropout(0.1)(h)]))
    pooled = w.pick(L.GlobalAveragePooling1D(), L.GlobalMaxPooling1D())(x)
    return w.model(ids, L.Dense(2, activation="softmax")(L.Dense(4, activation="relu")(pooled)))


def _example(w: Workshop) -> tuple[type, type]:
    """The two classes of Keras' example of a text classifier, as people copy them."""
    L = w.L

    class TransformerBlock(L.Layer):
        def __init__(self, embed_dim: int, num_heads: int, ff_dim: int, rate: float = 0.1, **options: Any):
            super().__init__(**options)
            self.settings = {"embed_dim": embed_dim, "num_heads": num_heads, "ff_dim": ff_dim, "rate": rate}
            self.att = L.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
            self.ffn = w.K.Sequential([L.Dense(ff_dim, activation="relu"), L.Dense(embed_dim)])
            self.layernorm1, self.layernorm2 = L.LayerNormalization(epsilon=1e-6), L.LayerNormalization(epsilon=1e-6)
            self.dropout1, self.dropout2 = L.Dropout(rate), L.Dropout(rate)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), **self.settings}

        def call(self, inputs: Any) -> Any:
            out = self.layernorm1(inputs + self.dropout1(self.att(inputs, inputs)))
            return self.layernorm2(out + self.dropout2(self.ffn(out)))

    class TokenAndPositionEmbedding(L.Layer):
        def __init__(self, maxlen: int, vocab_size: int, embed_dim: int, **options: Any):
            super().__init__(**options)
            self.settings = {"maxlen": maxlen, "vocab_size": vocab_size, "embed_dim": embed_dim}
            self.token_emb = L.Embedding(input_dim=vocab_size, output_dim=embed_dim)
            self.pos_emb = L.Embedding(input_dim=maxlen, output_dim=embed_dim)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), **self.settings}

        def call(self, x: Any) -> Any:
            if w.keras3:
                positions = w.K.ops.arange(0, w.K.ops.shape(x)[-1], 1)
            else:
                import tensorflow as tf

                positions = tf.range(0, tf.shape(x)[-1], 1)
            return self.token_emb(x) + self.pos_emb(positions)

    return TransformerBlock, TokenAndPositionEmbedding


@recipe(("tf_keras", 1, "model.h5"), ("keras3", 3, "model.keras"))
def keras_example(w: Workshop) -> Any:
    """Keras' example of a text classifier with a transformer block, whose classes are the reader's own."""
    L = w.L
    block, embedding = _example(w)
    ids = w.tokens("ids", steps=w.pick(w.STEPS, w.STEPS + 2))
    width = 4
    if w.chance(0.7):
        x = embedding(w.STEPS + 2, w.WORDS, width)(ids)
    else:
        x = L.Embedding(w.WORDS, width, mask_zero=w.chance(0.7))(ids)
    for _ in range(w.pick(1, 1, 2)):
        x = block(width, w.pick(1, 2), 6)(x)
    x = L.Dropout(0.1)(L.GlobalAveragePooling1D()(x))
    return w.model(ids, L.Dense(2, activation="softmax")(L.Dropout(0.1)(L.Dense(5, activation="relu")(x))))


@recipe(("keras3", 1, "model.keras"))
def hub_positions(w: Workshop) -> Any:
    """Embeddings of positions from KerasHub, which must be installed (``pip install keras-hub``)."""
    import keras_hub

    L, ids = w.L, w.tokens()
    both = keras_hub.layers.TokenAndPositionEmbedding(w.WORDS, 8, 4, mask_zero=w.chance(), tie_weights=w.chance())(ids)
    words = L.Embedding(w.WORDS, 4, mask_zero=w.chance())(ids)
    sums = words + keras_hub.layers.PositionEmbedding(8)(words)
    x = L.Concatenate()([both, sums])
    return w.model(ids, L.Dense(3, activation="softmax")(L.GlobalMaxPooling1D()(L.Dense(5, activation="tanh")(x))))
