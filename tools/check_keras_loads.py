"""Checks that genuine Keras loads what `npmoji convert` and classifiers' `save` write as HDF5, and computes the same
from it. Slow; needs tf_keras.

    pip install tensorflow tf_keras
    python tools/check_keras_loads.py [WEIGHTS ...]      (default: the small goldens that travel with the tests)
    python tools/check_keras_loads.py --write FOLDER     only write files for tools/check_keras205_loads.py

Each file is converted twice, directly and by way of a .safetensors file; and it gets last layers for people's own
classes, of every kind. Keras builds DeepMoji's network with that last layer, loads each result with its own
`load_weights`, and predicts random token ids, with padding inside and after; npmoji does the same with the file's
`keras_version` set to that of the Keras in use, since versions differ at masked steps. Last, a full model of another
kind gets other last layers and a larger vocabulary, and Keras loads it with `load_model`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import h5py
import numpy as np
import tensorflow as tf
import tf_keras as keras

import npmoji
from npmoji.export.convert import convert
from npmoji.learn import heads
from npmoji.text.vocabulary import SPECIAL_WORDS

LIMIT = 5e-6  # largest difference of probabilities
#: columns and whether each class has a probability of its own; one column is a sigmoid for two classes
HEADS = ((2, False), (3, False), (5, False), (1, False), (4, True))


class Attention(keras.layers.Layer):
    """DeepMoji's attention: a softmax over time of ``x · kernel``, 0 where masked, weighs the sum over time."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True

    def build(self, shape):
        """The one weight, (F, 1)."""
        self.kernel = self.add_weight(shape=(int(shape[-1]), 1), name="W")
        super().build(shape)

    def call(self, x, mask=None):
        """(N, T, F) -> (N, F)."""
        logits = tf.squeeze(tf.matmul(x, self.kernel), -1)
        a = tf.exp(logits - tf.reduce_max(logits, axis=1, keepdims=True)) * tf.cast(mask, tf.float32)
        return tf.reduce_sum(x * (a / (tf.reduce_sum(a, axis=1, keepdims=True) + 1e-7))[..., None], axis=1)

    def compute_mask(self, x, mask=None):
        """None: there is no time any more."""


def network(model: npmoji.Model, steps: int) -> keras.Model:
    """DeepMoji's network in Keras, of the model's sizes, with weights of its own."""
    V, E = model["embedding"].embeddings.shape
    lstm = {"return_sequences": True, "recurrent_activation": "hard_sigmoid"}
    H_0, H_1 = (len(model[name].ahead.recurrent_kernel) for name in ("bi_lstm_0", "bi_lstm_1"))
    ids = keras.Input((steps,), dtype="int32", name="input")
    x = keras.layers.Activation("tanh", name="activation")(
        keras.layers.Embedding(V, E, mask_zero=True, name="embedding")(ids)
    )
    lstm_0 = keras.layers.Bidirectional(keras.layers.LSTM(H_0, **lstm), name="bi_lstm_0")(x)
    lstm_1 = keras.layers.Bidirectional(keras.layers.LSTM(H_1, **lstm), name="bi_lstm_1")(lstm_0)
    features = Attention(name="attlayer")(keras.layers.concatenate([lstm_1, lstm_0, x], name="concatenate"))
    activation = "sigmoid" if model.classes == 1 or model.multi_label else "softmax"
    return keras.Model(ids, keras.layers.Dense(model.classes, activation=activation, name="softmax")(features))


def tokens_for(model: npmoji.Model, steps: int = 12, rows: int = 40) -> np.ndarray:
    """Random ids (rows, steps), padded to random lengths, some with padding inside and none without any word."""
    rng = np.random.default_rng(1)
    ids = rng.integers(1, model.vocabulary_size, (rows, steps))
    ids[np.arange(steps) >= rng.integers(1, steps + 1, (rows, 1))] = 0
    ids[::3, 1] = 0
    return ids


def files(weights: Path, folder: Path) -> Iterator[Path]:
    """The file converted, directly and by way of another, and with each of the last layers."""
    direct, packed, again = folder / "direct.hdf5", folder / "packed.safetensors", folder / "again.h5"
    base, rng = npmoji.load(weights), np.random.default_rng(3)
    words = [*SPECIAL_WORDS, *(f"{'word' * 100}{i}" for i in range(10, base.vocabulary_size))]  # more than 64 KiB
    base = npmoji.load(weights, vocabulary=dict(zip(words, range(len(words)))))
    convert(base, direct)
    convert(base, packed)
    convert(packed, again)
    yield from (direct, again)
    for C, multi_label in HEADS:
        kernel, bias = np.float32(rng.standard_normal((base.features, C))), np.float32(rng.standard_normal(C))
        names = [f"class {i}" for i in range(2 if C == 1 else C)]
        told = {"method": "last", "seed": 3, "scores": {"accuracy": 0.5}}
        model = heads.with_head(base, kernel, bias, classes=names, multi_label=multi_label, provenance=told)
        path = folder / f"{'multi_label' if multi_label else 'classes'}_{C}.hdf5"
        heads.save(model, path)
        yield path


def written(weights: Path, folder: Path) -> None:
    """Leave the files in a folder, each with token ids and what npmoji makes of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in list(files(weights, folder)):
        model = npmoji.load(path, engine="numpy")
        tokens = tokens_for(model)
        H = [len(model[name].ahead.recurrent_kernel) for name in ("bi_lstm_0", "bi_lstm_1")]
        sizes = [*model["embedding"].embeddings.shape, *H, model.classes, model.multi_label]
        np.savez(path.with_suffix(".npz"), tokens=tokens, probabilities=model.predict(tokens), sizes=sizes)
        print(f"{path}: V, E, H, H, C, multi-label: {sizes}")


def check(weights: Path, folder: Path) -> bool:
    """Convert, load with Keras, compare; says how it went."""
    good = True
    for path in list(files(weights, folder)):
        model = npmoji.load(path)
        tokens = tokens_for(model)
        reference = network(model, tokens.shape[1])
        untrained = reference.predict(tokens, verbose=0)
        reference.load_weights(path)
        with h5py.File(path, "r+") as file:  # what this Keras gives at masked steps is not what Keras 2.0 gave
            file.attrs["keras_version"] = keras.__version__
        ours = npmoji.load(path).predict(tokens)
        off, before = (np.abs(theirs - ours).max() for theirs in (reference.predict(tokens, verbose=0), untrained))
        good &= bool(off <= LIMIT < before)
        print(
            f"{weights.parent.name}/{weights.name} as {path.name}: "
            f"largest difference {off:.1e}, before loading {before:.1e}"
        )
    return good


def full_model(path: Path) -> keras.Model:
    """A network of another kind, with two inputs, saved as a whole."""
    ids, more = keras.Input((8,), dtype="int32", name="ids"), keras.Input((3,), name="more")
    x = keras.layers.Embedding(40, 6, mask_zero=True, name="words")(ids)
    x = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True), name="lstm")(x)
    features = Attention(name="attention")(x)
    hidden = keras.layers.Dense(5, activation="relu", name="hidden")(keras.layers.Dropout(0.3)(features))
    last = keras.layers.Dense(3, name="out")(keras.layers.concatenate([hidden, more], name="both"))
    model = keras.Model([ids, more], keras.layers.Softmax(name="end")(last))
    model.save(path, save_format="h5")
    return model


def check_full_models(folder: Path) -> bool:
    """Whether Keras makes a model of the config in a file whose last layer was replaced, or cut and replaced, or whose
    embedding has grown."""
    reference, good, rng = full_model(folder / "full.h5"), True, np.random.default_rng(3)
    base = npmoji.load(folder / "full.h5", engine="numpy", layers={"Attention": (attention, ["W"])})
    ids, more = tokens_for(base, 8), np.float32(rng.standard_normal((40, 3)))
    assert np.abs(reference.predict([ids, more], verbose=0) - base.predict([ids, more])).max() <= LIMIT
    rows = np.float32(rng.standard_normal((44, 6)))
    models = {"a larger vocabulary": heads.rebuilt(base, {"words": {"embeddings": rows}})}
    for after, width, C, multi_label in (("attention", 8, 4, False), ("hidden", 5, 1, False), ("both", 8, 4, True)):
        kernel, names = np.float32(rng.standard_normal((width, C))), [f"class {i}" for i in range(max(2, C))]
        options = {"classes": names, "multi_label": multi_label, "after": after}
        models[f"after {after}"] = heads.with_head(base, kernel, **options)
    for label, model in models.items():
        heads.save(model, folder / "other.h5")
        theirs = keras.models.load_model(folder / "other.h5", custom_objects={"Attention": Attention})
        x = [ids, more] if len(model.graph.inputs) > 1 else ids
        off = np.abs(theirs.predict(x, verbose=0) - model.predict(x)).max()
        good &= bool(off <= LIMIT)
        print(f"a full model, {label}: largest difference {off:.1e}")
    return good


def attention(x: npmoji.Layer, W: np.ndarray, config: dict, name: str) -> npmoji.Layer:
    """The layer above, as npmoji has it."""
    return npmoji.AttentionWeightedAverage(x, W, name=name)


def main(arguments: list[str]) -> int:
    """Check all files; 1 if one fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("weights", nargs="*", type=Path)
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    given = parser.parse_args(arguments)
    places = given.weights or sorted((ROOT / "tests" / "data" / "models").glob("*/*.hdf5"))
    if given.write:
        for weights in places:
            written(weights, given.write / weights.parent.name)
        return 0
    print(f"tf_keras {keras.__version__}, tensorflow {tf.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        results = [check_full_models(Path(folder))]
    for weights in places:
        with tempfile.TemporaryDirectory() as folder:
            results.append(check(weights, Path(folder)))
    print("passed" if results and all(results) else "failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
