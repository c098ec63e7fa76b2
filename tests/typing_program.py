"""A program that uses what is public, for type checkers: `test_typing.py` has mypy and pyright look at it.

It is run too, on the bundled model and a network with two inputs whose path is given.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import npmoji
from npmoji import (
    LSTM,
    Activation,
    BatchNorm,
    Bidirectional,
    Concatenate,
    Conv1D,
    Dense,
    Embedding,
    GlobalMaxPooling1D,
    Input,
    InputError,
    MaskedMean,
    NpmojiError,
    Prediction,
    Projection,
    Softmax,
    VocabularyError,
    WeightsError,
    init,
)


def use_the_model() -> None:
    model: npmoji.Model = npmoji.load(None, maxlen=20, engine="numpy", precision="fp32", threads=1)
    texts = ["I love mom's cooking", "so sad today"]
    p: np.ndarray = model.predict(texts)
    print(p.shape, p.argmax(axis=1), float(p[0, 3]), model.predict(texts).sum(axis=1))
    model.predict(text for text in texts)
    model.predict([[1, 2, 3]])
    model.predict(np.array([[11, 12, 13]]))
    model.predict(np.array(texts))
    model.predict({"input": np.array([[11, 12, 13]])})
    features: np.ndarray = model.encode(texts, progress=False)
    weights: np.ndarray = model.attention(texts)
    print(features.dtype, weights.shape, model.encode([[1, 2, 3]]).mean())
    best: list[list[Prediction]] = model.top(texts, k=3)
    for prediction in best[0]:
        print(prediction.id + 1, prediction.emoji.upper(), prediction.probability * 100, prediction.label.upper())
    names: list[str] = model.class_names
    again: np.ndarray = model.probabilities(features.mean(axis=0)[None])
    print(names[0], again.shape, model.multi_label, (model.provenance or {}).get("method"))
    for row in model.stream(iter(texts), block=1):
        print(row.max())

    explanation = model.explain(texts, target="joy")[0]
    word = max(explanation.words, key=lambda word: word.contribution)
    print(word.text.upper(), word.start + 1, word.attention, explanation.text[word.start : word.end].upper())
    print(explanation.toward(best[0][0]).target.label.upper(), explanation.top(2)[0].id + explanation.contributions)
    print(str(explanation), explanation.html().lower(), explanation.as_dict(top=2)["text"])

    def told(done: int, total: int) -> None:
        print(done, "of", total)

    model.predict(texts, progress=told)
    model.predict(texts, progress=True)

    tokens = model.tokenizer(texts)
    print(model.tokenizer.words(texts[0]), model.tokenizer.ids(texts[0])[0] + 1, tokens.shape)
    out: np.ndarray = model.layers[-1](tokens)
    print(out.shape, model.layers[-3](tokens).dtype, model["bi_lstm_0"](tokens)[:, 0].mean(), model.layers[-1].name)
    print(
        model.classes + model.features + model.vocabulary_size, model.path.upper(), npmoji.EMOJIS[0], npmoji.__version__
    )


def use_several_inputs(path: Path) -> None:
    model = npmoji.load(path, engine="numpy")
    X, F = np.array([[1, 2, 3, 0, 0, 0, 0, 0, 0, 0]]), np.zeros((1, 3), np.float32)
    p: np.ndarray = model.predict([X, F])
    print(
        p.shape, model.predict({"input_1": X, "input_2": F}).shape, model.predict([X.tolist(), [[0.0, 0.0, 0.0]]]).shape
    )
    sequence, forward_state, backward_state = model["bidirectional_1"]({"input_1": X, "input_2": F})
    print(sequence.shape, forward_state.shape, backward_state.shape)
    ensemble = npmoji.Ensemble([path, str(path)], engine="numpy")
    mean: np.ndarray = ensemble.predict([X, F])
    print(mean.shape, len(ensemble), ensemble.models[0].path)


def use_the_tokenizer() -> None:
    vocabulary = {"CUSTOM_MASK": 0, "CUSTOM_UNKNOWN": 1, "hello": 10}
    tokenizer = npmoji.Tokenizer(vocabulary, maxlen=5, compat="torchmoji")
    words: list[str] = tokenizer.words("hello you")
    ids: list[int] = tokenizer.ids("hello you")
    print(words, ids, tokenizer(["hello"]).dtype, tokenizer.vocabulary["hello"] + 1)


class Scale(npmoji.Layer):
    def __init__(self, previous: npmoji.Layer, gain: np.ndarray, name: str | None = None) -> None:
        super().__init__(previous, name=name)
        self.gain = gain

    def forward(self, ops: Any, x: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = x * self.gain
        return scaled


def make_scale(previous: npmoji.Layer, config: dict[str, Any], name: str, gain: np.ndarray) -> npmoji.Layer:
    return Scale(previous, gain, name)


def use_layers_by_hand() -> None:
    npmoji.register_layer("Scale", make_scale, arrays=["gain"])
    rng = np.random.default_rng(0)
    inp = Input()
    pro = Projection(inp, *init.dense(rng, 10, 14))
    norm = BatchNorm(pro, *init.batch_normalization(14))
    kernel, bias = init.dense(rng, 14, 6)
    net: list[npmoji.Layer] = [inp, pro, norm, Softmax(Dense(norm, kernel, bias))]
    X = rng.standard_normal((5, 10)).astype(np.float32)
    y: np.ndarray = net[-1](X)
    print(y.shape, net[-3](X).sum(), Dense(inp, *init.dense(rng, 10, 2, use_bias=False))(X).shape)
    words = Embedding(Input(vocabulary_size=100), *init.embedding(rng, 100, 8), mask_zero=True)
    wide = Conv1D(words, *init.conv1d(rng, 3, 8, 4), padding="same")
    lstm = LSTM(words, *init.lstm(rng, 8, 5), return_sequences=False)
    both = Bidirectional(words, init.lstm(rng, 8, 5), init.lstm(rng, 8, 5))
    merged = Concatenate(MaskedMean(words), GlobalMaxPooling1D(wide), lstm, GlobalMaxPooling1D(both))
    last = Activation(Scale(merged, np.ones(27, np.float32)), "tanh", name="last")
    print(last([[1, 2, 3]]).shape, words.embeddings.shape, {name: array.size for name, array in lstm.weights().items()})
    print(
        init.orthogonal(1, (3, 3)).dtype,
        init.glorot_uniform(rng, [2, 3]).shape,
        init.zeros(4).size,
        init.fans((3, 4))[0],
    )
    with tempfile.TemporaryDirectory() as folder:
        npmoji.save_layers(Path(folder) / "net.npz", net[-1])
        again: list[npmoji.Layer] = npmoji.load_layers(f"{folder}/net.npz")
        print(np.array_equal(again[-1](X), y))


def use_a_scorer() -> None:
    scorer: npmoji.Scorer = npmoji.Scorer(None, column="body", what=["top", "tokens"], top=2, keep=["id"], threads=1)
    print(scorer, scorer.results().fields)


def use_the_errors() -> str:
    try:
        npmoji.load("no such file.hdf5")
    except (WeightsError, VocabularyError, InputError) as error:
        return str(error)
    except NpmojiError as error:
        return f"{error}"
    return ""


if __name__ == "__main__":
    use_the_model()
    use_several_inputs(Path(sys.argv[1]))
    use_the_tokenizer()
    use_layers_by_hand()
    use_a_scorer()
    print(use_the_errors())
