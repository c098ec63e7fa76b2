"""Checks that genuine Keras 2.0.5 on Theano, the original's own software, loads what npmoji writes as HDF5.

It runs on Python 2.7 and 3.6, without npmoji, on files that `tools/check_keras_loads.py --write FOLDER` made:

    virtualenv -p python2.7 old && old/bin/pip install keras==2.0.5 theano==1.0.5 "h5py<3" numpy==1.16.6 "scipy<1.3"
    KERAS_BACKEND=theano old/bin/python tools/check_keras205_loads.py FOLDER

Each file is loaded in both of the ways there are: `load_weights`, by the order of the layers, into a network of the
same last layer; and layer by layer by name, as the original's transfer learning does, from the attribute `layer_names`
of the file's root.
"""
# for Python 2.7
# ruff: noqa: UP008, UP010, UP031, C402

from __future__ import print_function

import glob
import os
import sys

import h5py
import numpy as np
from keras import backend as K
from keras.engine.topology import Layer
from keras.layers import LSTM, Activation, Bidirectional, Dense, Embedding, Input, concatenate
from keras.models import Model

LIMIT = 2e-6  # largest difference of probabilities, as for the goldens


class Attention(Layer):
    """DeepMoji's attention: a softmax over time of ``x . kernel``, 0 where masked, weighs the sum over time."""

    def __init__(self, **options):
        self.supports_masking = True
        super(Attention, self).__init__(**options)

    def build(self, shape):
        """The one weight, (F, 1)."""
        self.W = self.add_weight(shape=(shape[2], 1), name="W", initializer="uniform")
        super(Attention, self).build(shape)

    def call(self, x, mask=None):
        """(N, T, F) -> (N, F)."""
        logits = K.reshape(K.dot(x, self.W), (K.shape(x)[0], K.shape(x)[1]))
        weights = K.exp(logits - K.max(logits, axis=-1, keepdims=True)) * K.cast(mask, K.floatx())
        weights = weights / (K.sum(weights, axis=1, keepdims=True) + K.epsilon())
        return K.sum(x * K.expand_dims(weights), axis=1)

    def compute_output_shape(self, shape):
        """Without the time."""
        return shape[0], shape[2]

    def compute_mask(self, x, mask=None):
        """None: there is no time any more."""


def network(steps, V, E, H_0, H_1, C, multi_label):
    """DeepMoji's network of these sizes."""
    lstm = {"return_sequences": True}
    ids = Input((steps,), dtype="int32")
    x = Activation("tanh")(Embedding(V, E, mask_zero=True, input_length=steps, name="embedding")(ids))
    lstm_0 = Bidirectional(LSTM(H_0, **lstm), name="bi_lstm_0")(x)
    lstm_1 = Bidirectional(LSTM(H_1, **lstm), name="bi_lstm_1")(lstm_0)
    features = Attention(name="attlayer")(concatenate([lstm_1, lstm_0, x]))
    activation = "sigmoid" if C == 1 or multi_label else "softmax"
    return Model(inputs=ids, outputs=Dense(C, activation=activation, name="softmax")(features))


def copied_by_name(model, path):
    """Give each layer the arrays that the file has under its name; returns the names."""
    named = dict((layer.name, layer) for layer in model.layers)
    done = []
    with h5py.File(path, "r") as file:
        for name in [text.decode("utf8") for text in file.attrs["layer_names"]]:
            arrays = [file[name][label.decode("utf8")][()] for label in file[name].attrs["weight_names"]]
            if arrays:
                named[name].set_weights(arrays)
                done.append(name)
    return done


def check(path):
    """Load a file in both ways; whether both give npmoji's probabilities."""
    known = np.load(os.path.splitext(path)[0] + ".npz")
    tokens, wanted, good = known["tokens"], known["probabilities"], True
    for way in ("load_weights", "by name"):
        model = network(tokens.shape[1], *[int(size) for size in known["sizes"]])
        before = np.abs(model.predict(tokens) - wanted).max()
        if way == "load_weights":
            model.load_weights(path)
        else:
            done = copied_by_name(model, path)
            assert len(done) == len([layer for layer in model.layers if layer.weights]), done
        off = np.abs(model.predict(tokens) - wanted).max()
        good = good and bool(off <= LIMIT < before)
        print("%s, %s: largest difference %.1e, before loading %.1e" % (path, way, off, before))
    return good


if __name__ == "__main__":
    import keras

    print("Keras", keras.__version__, "on", K.backend(), "Python", sys.version.split()[0])
    paths = [path for place in sys.argv[1:] for path in sorted(glob.glob(os.path.join(place, "*", "*.h*5")))]
    results = [check(path) for path in paths]
    print("passed" if results and all(results) else "failed")
    sys.exit(0 if results and all(results) else 1)
