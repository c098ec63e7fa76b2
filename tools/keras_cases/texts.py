"""Strings and numbers of categories as inputs: vocabularies, hashes, encodings."""

from __future__ import annotations

from typing import Any

import numpy as np

from .workshop import Workshop, recipe

WORDS = [
    *("the", "The", "THE", "a", "cat", "mat's", "über", "ÜBER", "Straße", "İstanbul", "ısı", "ΣΊΣΥΦΟΣ", "ǅ", "naïve"),
    *("e\u0301", "日本", "語", "שלום", "😀", "👩\u200d👩\u200d👧", "can't"),
]
GAPS = [
    *(" ", "  ", "\t", "\n", "\r\n", "\v", "\f", "-", ". ", "…"),
    *("\u00a0", "\u2003", "\u3000", "\x1c", "\x85", "\u2028"),
]
ODD = ["", " ", "?!", "\u200b", "\ufeff", *"!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'", "\x00x", "\x1f"]


def a_text(w: Workshop, words: int) -> str:
    """Words with all kinds of gaps and punctuation."""
    found = []
    for _ in range(words):
        found += [w.pick(*WORDS), w.pick(*GAPS) if w.chance(0.4) else " "]
        if w.chance(0.3):
            found.append(w.pick(*ODD))
    return "".join(map(str, found))


def texts(w: Workshop, name: str, *shape: int) -> Any:
    """An input of texts: long, short, empty, of punctuation only."""
    rows = [a_text(w, n) for n in (5, 9, 1, 3, 7)] + ["", " ?! \n"]
    x = np.array([rows[i] for i in w.rng.permutation(len(rows))])
    w.inputs.append(np.stack([w.rng.permutation(x) for _ in range(shape[0])], axis=1) if shape else x)
    w.named[name] = w.inputs[-1]
    return w.K.Input(shape, dtype="string", name=name)


def vectorization(w: Workshop, mode: str, data: np.ndarray, **options: Any) -> Any:
    """A layer with random settings, adapted to texts, or given a vocabulary."""
    options.setdefault("standardize", w.pick("lower_and_strip_punctuation", "lower", "strip_punctuation", None))
    options.setdefault("split", w.pick("whitespace", "whitespace", "character"))
    options.setdefault("ngrams", w.pick(None, None, 2, (2,), (3, 1)))
    if mode != "int" and w.chance(0.3):
        options |= {"pad_to_max_tokens": True, "max_tokens": 60}
    elif w.chance(0.3):
        options["max_tokens"] = 12
    plain = w.L.TextVectorization(**options, output_mode=mode)
    plain.adapt(data.reshape(-1))
    found = [word for word in plain.get_vocabulary() if word not in ("", "[UNK]")]
    if w.chance(0.4) or _broken(found):
        if w.chance(0.3):
            found = [*([""] if mode == "int" else []), "[UNK]", *found]
        if mode == "tf_idf":
            options["idf_weights"] = [float(np.float32(x)) for x in w.rng.uniform(0.2, 3, len(found))]
        return w.L.TextVectorization(**options, output_mode=mode, vocabulary=found)
    return plain


def embedded(w: Workshop, layer: Any, x: Any) -> tuple[Any, Any]:
    """The numbers that a layer gives, and vectors for them."""
    ids = layer(x)
    return ids, w.L.Embedding(layer.vocabulary_size(), 3, mask_zero=w.chance(0.7))(ids)


def _broken(words: list[Any]) -> bool:
    """Whether a file of these words would have them on more lines than one."""
    return any("\n" in str(word) for word in words)


@recipe(("tf_keras", 0, "model.keras"))
def vectorized_texts(w: Workshop) -> Any:
    """Texts to numbers of words, embedded; to counts of words."""
    L, outputs, pooled = w.L, [], []
    kinds = w.rng.permutation(["fixed", "free", "counts", "words"])[:2].tolist()
    x = texts(w, "texts", *([3] if "words" in kinds else w.pick((), (1,))))
    data = w.named["texts"]
    for kind in kinds:
        options = {"split": None, "ngrams": w.pick(None, 2)} if "words" in kinds else {}
        if kind == "counts":
            counts = vectorization(w, w.pick("multi_hot", "count", "tf_idf"), data, **options)(x)
            outputs.append(counts)
            if len(counts.shape) == 2:  # Keras 3 takes that of (N, 1) for (N, 1, words), which it is not
                pooled.append(L.Dense(3)(counts))
            continue
        if kind != "free" or "words" in kinds:
            options["output_sequence_length"] = w.pick(4, 7, 12)
        ids, h = embedded(w, vectorization(w, "int", data, **options), x)
        outputs += [ids] if kind != "free" else []
        pooled.append(w.pick(L.GlobalAveragePooling1D(), w.recurrent(3), L.GlobalMaxPooling1D())(h))
    return w.model(x, outputs + pooled)


def lookup(w: Workshop, kind: str, mode: str, words: list[Any], mask: Any, **options: Any) -> Any:
    """A `StringLookup` or `IntegerLookup` with random settings."""
    options |= {"num_oov_indices": w.pick(1, 1, 2, 5), "mask_token": w.pick(None, mask), "output_mode": mode}
    if mode != "int" and w.chance(0.3):
        options |= {"pad_to_max_tokens": True, "max_tokens": len(words) + 9}
    if w.keras3 and options["num_oov_indices"] > 1 and w.chance(0.5):
        options["salt"] = w.pick(7, (-3, 2**62))
    if w.keras3 and kind == "IntegerLookup" and ("salt" in options or w.chance(0.4)):
        options["oov_method"] = "farmhash"
    layer = getattr(w.L, kind)
    if mode == "tf_idf":
        options["idf_weights"] = [float(np.float32(x)) for x in w.rng.uniform(0.2, 3, len(words))]
    elif w.chance(0.5) and not _broken(words):
        adapted = layer(**options)
        adapted.adapt(np.array([word for i, word in enumerate(words) for _ in range(i + 1)]))
        return adapted
    return layer(vocabulary=words, **options)


@recipe(("keras3", 9, "model.h5"), ("tf_keras", 4, "model.h5"))
def looked_up(w: Workshop) -> Any:
    """Single words and numbers by vocabularies and hashes, and what is made of their places."""
    L, outputs, inputs = w.L, [], []
    for kind in w.rng.permutation(["StringLookup", "IntegerLookup", "CategoryEncoding"])[:2].tolist():
        if kind == "CategoryEncoding":
            outputs += categories(w, inputs)
            continue
        if kind == "StringLookup":
            x, mask = texts(w, "words", w.pick(1, 3)), ""
            some = [word for word in dict.fromkeys(map(str, w.inputs[-1].ravel())) if word and word.strip()][:6]
        else:
            x, mask, some = w.K.Input((w.pick(1, 3),), dtype="int64", name="numbers"), 0, [-5, 7, 2**40, 12, -(2**62)]
            w.inputs.append(w.rng.choice([*some, 0, 3, -1, 10**15 + 7, -7], (w.ROWS, x.shape[1])))
            w.named["numbers"] = w.inputs[-1]
        inputs.append(x)
        outputs.append(lookup(w, kind, "int", some, mask)(x))
        modes = ["multi_hot", "count", "tf_idf"] + ["one_hot"] * (w.keras3 or int(x.shape[1]) == 1)
        outputs.append(L.Dense(2)(lookup(w, kind, w.pick(*modes), some, mask)(x)))
        hashed = {"salt": w.pick(None, 7, (3, 2**61)), "mask_value": w.pick(None, mask)}
        outputs.append(L.Hashing(w.pick(1, 9, 1000), **hashed)(x))
        outputs.append(L.Hashing(9, output_mode=w.pick("multi_hot", "count"), **hashed)(x))
    return w.model(inputs, outputs)


def categories(w: Workshop, inputs: list[Any]) -> list[Any]:
    """Numbers of classes as rows of zeros and ones, and as counts with weights."""
    x = w.K.Input((w.pick(1, 4),), dtype="int32", name="classes")
    w.inputs.append(w.rng.integers(0, 6, (w.ROWS, x.shape[1])).astype(np.int32))
    w.named["classes"] = w.inputs[-1]
    weights = w.numbers(int(x.shape[1]), name="weights")
    inputs += [x, weights]
    modes = ["multi_hot", "count"] + ["one_hot"] * (w.keras3 or int(x.shape[1]) == 1)
    plain = w.L.CategoryEncoding(num_tokens=6, output_mode=w.pick(*modes))(x)
    return [plain, w.L.CategoryEncoding(num_tokens=7, output_mode="count")(x, count_weights=weights)]


@recipe()
def end_to_end(w: Workshop) -> Any:
    """A classifier of token ids behind, or around, a model that makes them of texts; sparse counts."""
    L, K = w.L, w.K
    x = texts(w, "texts", *w.pick((), (1,)))
    data = w.named["texts"]
    layer = vectorization(w, "int", data, output_sequence_length=w.pick(None, 6), ngrams=None)
    size = int(layer.vocabulary_size())
    kind = w.pick("classifier", "both", "sequential", "sparse")
    if kind == "sparse":
        counts = L.TextVectorization(
            output_mode=w.pick("count", "multi_hot"), sparse=True, vocabulary=["a", "the", "cat"]
        )
        return K.Sequential([K.Input((), dtype="string"), counts, L.Dense(3)])
    after = [L.Embedding(size, 4, mask_zero=w.chance(0.7)), w.recurrent(3), L.Dense(2, activation="softmax")]
    if kind == "sequential":
        model = K.Sequential([layer, *after])
        model(data)
        return model
    if w.chance():
        classifier = K.Sequential([K.Input((None,), dtype="int64"), *after])
    else:
        ids = h = K.Input((None,), dtype="int64")
        for one in after:
            h = one(h)
        classifier = K.Model(ids, h)
    before = K.Sequential([K.Input(data.shape[1:], dtype="string"), layer]) if kind == "both" else layer
    return w.model(x, classifier(before(x)))
