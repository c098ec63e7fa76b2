"""The bundled model's network at its small size: how it starts, what it drops while training, and its file.

V words, embedding width E, H hidden units per direction, F = 4H + E features, C classes.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from npmoji import Tokenizer, deepmoji
from npmoji import init as initial
from npmoji.checks.verify import references
from npmoji.files.whole import whole_file
from npmoji.formats import Contents, keras_write
from npmoji.formats.contents import Layers
from npmoji.graph import Graph
from npmoji.layers import (
    Activation,
    AttentionWeightedAverage,
    Bidirectional,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Input,
)
from npmoji.loading import build
from npmoji.model import Model

CHANNELS = "SpatialDropout1D"  # drops whole channels over all steps of a text


def first_weights(vocabulary: int, embedding: int, units: int, classes: int, seed: int) -> Layers:
    """As Keras starts DeepMoji, but with larger embeddings, and a last layer as PyTorch starts it."""
    random = np.random.default_rng(seed)
    layers = initial.deepmoji(random, vocabulary, embedding, units, classes)
    layers["embedding"]["embeddings"] *= np.float32(10)  # ±0.5
    F = 4 * units + embedding
    end = 1 / math.sqrt(F)
    layers["softmax"] = {"kernel": initial.uniform(random, (F, classes), -end, end)}
    layers["softmax"]["bias"] = initial.uniform(random, classes, -end, end)
    return layers


def network(w: Layers, dropout: float) -> Model:
    """DeepMoji's graph with dropout before both LSTMs and the last layer; the layers' names are DeepMoji's."""
    ids = Input(vocabulary_size=len(w["embedding"]["embeddings"]), name="input")
    embedding = Embedding(ids, **w["embedding"], mask_zero=True, name="embedding")
    x = Dropout(Activation(embedding, "tanh"), dropout, CHANNELS)
    first, second = (deepmoji.directions(w[name]) for name in ("bi_lstm_0", "bi_lstm_1"))
    lstm_0 = Bidirectional(x, **first, gate="hard_sigmoid", hold_masked=True, name="bi_lstm_0")
    # what goes round the second LSTM is not dropped again
    dropped = Dropout(lstm_0, dropout, CHANNELS)
    lstm_1 = Bidirectional(dropped, **second, gate="hard_sigmoid", hold_masked=True, name="bi_lstm_1")
    features = AttentionWeightedAverage(Concatenate(lstm_1, lstm_0, x), **w["attlayer"], name="attlayer")
    end = Dense(Dropout(features, dropout), **w["softmax"], activation="softmax", name="softmax")
    return Model(Graph([embedding, x, lstm_0, dropped, lstm_1, features, end], [end]), engine="numpy")


def write_model(path: Path, weights: dict[str, np.ndarray], vocabulary: dict[str, int]) -> None:
    """Write a Keras 2 weights file that carries its own reference results, which `npmoji verify` checks, but not the
    vocabulary, which lies beside it.

    Args:
        weights: by ``"layer/array"``.
    """
    arrays = {layer: {name: weights[f"{layer}/{name}"] for name in names} for layer, names in deepmoji.WEIGHTED.items()}
    # 2.0.5 settles what padded steps put out and the hard sigmoid's slope
    file = Contents(str(path), arrays, keras_version="2.0.5")
    model = Model(build(file), Tokenizer(vocabulary), file=file, engine="numpy")
    with whole_file(path) as out:
        keras_write.write(out, file._replace(references=references(model)), None)
