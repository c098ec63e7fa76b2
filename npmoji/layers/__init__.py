"""Layers as callable objects, each made from its predecessor(s) and its arrays; `base` says how a call works.

    base.py         Layer, Input, and the pass through the graph
    core.py         look-up, affine maps, activations
    recurrent.py    LSTM, Bidirectional
    merging.py      several arrays to one
    attention.py    DeepMoji's attention

Legend: N texts, T steps (padded), F features in, H units, V vocabulary, C classes. Layer names are the weights file's.
"""

from .attention import AttentionLogits, AttentionWeightedAverage, AttentionWeights
from .base import Input, Layer, Pass
from .core import Activation, Dense, Dropout, Embedding
from .merging import Concatenate
from .recurrent import LSTM, Bidirectional

__all__ = [
    "LSTM",
    "Activation",
    "AttentionLogits",
    "AttentionWeightedAverage",
    "AttentionWeights",
    "Bidirectional",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Input",
    "Layer",
    "Pass",
]
