"""Layers as callable objects, each made from its predecessor(s) and its arrays; `base` says how a call works.

    base.py            Layer, Input, and the pass through the graph
    core.py            look-up, affine maps, activations, masking
    recurrent.py       LSTM, GRU, SimpleRNN, Bidirectional
    attention.py       DeepMoji's attention, and the one of Kaggle's text classifiers
    merging.py         several arrays to one
    windows.py         convolution and pooling
    activations.py, normalisation.py, shapes.py    what else Keras' text models are made of
    wrappers.py        layers around layers
    operations.py      single functions of Keras 3's graphs
    sparse.py          inputs that are mostly zeros
    copying.py         copies of layers that hang together

Legend: N texts, T steps (padded), F features in, H units, V vocabulary, C classes. Layer names are the weights file's.
"""

from .activations import ELU, ReLU, Softmax, ThresholdedReLU, TopK
from .attention import AttentionLogits, AttentionWeightedAverage, AttentionWeights, AttentionWithContext
from .base import Checked, Input, Layer, Part, Pass, Remask, Unmasked
from .core import Activation, Dense, Dropout, Embedding, Masking
from .merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from .normalisation import BatchNormalization, LayerNormalization
from .recurrent import GRU, LSTM, Bidirectional, Recurrent, SimpleRNN
from .shapes import Flatten, Permute, RepeatVector, Reshape
from .sparse import Csr
from .windows import Conv1D, GlobalAveragePooling1D, GlobalMaxPooling1D, MaskedMean, Pooling1D
from .wrappers import Named, TimeDistributed

Projection = Dense  # their names where layers are chained by hand
BatchNorm = BatchNormalization

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "Activation",
    "Add",
    "AttentionLogits",
    "AttentionWeightedAverage",
    "AttentionWeights",
    "AttentionWithContext",
    "Average",
    "BatchNorm",
    "BatchNormalization",
    "Bidirectional",
    "Checked",
    "Concatenate",
    "Conv1D",
    "Csr",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling1D",
    "Input",
    "Layer",
    "LayerNormalization",
    "MaskedMean",
    "Masking",
    "Maximum",
    "Minimum",
    "Multiply",
    "Named",
    "Part",
    "Pass",
    "Permute",
    "Pooling1D",
    "Projection",
    "ReLU",
    "Recurrent",
    "Remask",
    "RepeatVector",
    "Reshape",
    "SimpleRNN",
    "Softmax",
    "Subtract",
    "ThresholdedReLU",
    "TimeDistributed",
    "TopK",
    "Unmasked",
]
