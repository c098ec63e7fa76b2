"""Layers as callable objects, each made from its predecessor(s) and its arrays; `base` says how a call works.

    base.py            Layer, and the pass through the graph
    entry.py           Input
    core.py            look-up, affine maps, activations, masking
    recurrent.py       LSTM, GRU, SimpleRNN, Bidirectional; cells.py, several upon each other
    attention.py       DeepMoji's attention, and that of Kaggle's text classifiers
    queries.py         Keras' attention of queries to keys; heads.py, with several heads
    einsum.py          affine maps along any axes; positions.py, what tells steps apart by their place
    merging.py         several arrays to one
    windows.py         convolution and pooling
    planes.py          the same along two axes; separate.py, with a kernel for each feature or place
    activations.py, normalisation.py, shapes.py    what else Keras' text models are made of
    wrappers.py        layers around layers
    scaling.py         numbers on another scale
    vectorization.py   texts to numbers of words; lookup.py, categories.py, by vocabularies and hashes
    quantised.py       Keras' layers of whole numbers
    operations.py      single functions between layers; the table of them, functions/
    sparse.py          inputs that are mostly zeros
    copying.py         copies of connected layers

Legend: N texts, T steps (padded), F features in, H units, V vocabulary, C classes. Layer names are the weights file's.

Each layer is named in the table here, by which `save_layers` finds it, too. Its module is imported when the layer is
first asked for: DeepMoji needs few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import imported

#: layer -> the module that has it
_MODULES: dict[str, str] = {
    name: module
    for module, names in {
        "activations": "ELU ReLU Softmax ThresholdedReLU TopK",
        "attention": "AttentionLogits AttentionWeightedAverage AttentionWeights AttentionWithContext",
        "base": "DroppedMask Layer Part Pass Remask",
        "categories": "CategoryEncoding Hashing",
        "cells": "StackedRNN",
        "core": "Activation Dense Dropout Embedding Masking",
        "einsum": "EinsumDense",
        "entry": "Checked Input",
        "heads": "MultiHeadAttention",
        "lookup": "IntegerLookup StringLookup",
        "merging": "Add Average Concatenate Dot Maximum Minimum Multiply Subtract",
        "normalisation": "BatchNormalization GroupNormalization LayerNormalization RMSNormalization UnitNormalization",
        "planes": "Conv2D GlobalAveragePooling2D GlobalMaxPooling2D Pooling2D",
        "positions": "PositionEmbedding",
        "quantised": "Int8Dense Int8EinsumDense Int8Embedding",
        "queries": "AdditiveAttention DotAttention",
        "recurrent": "GRU LSTM Bidirectional Recurrent SimpleRNN",
        "scaling": "Normalization Rescaling",
        "separate": "DepthwiseConv1D LocallyConnected1D",
        "shapes": "Cropping1D Flatten Permute RepeatVector Reshape UpSampling1D ZeroPadding1D",
        "sparse": "Csr",
        "vectorization": "TextVectorization",
        "windows": "Conv1D GlobalAveragePooling1D GlobalMaxPooling1D MaskedMean Pooling1D",
        "wrappers": "Named TimeDistributed",
    }.items()
    for name in names.split()
}
#: their names where layers are chained by hand
_OTHER_NAMES = {"Projection": "Dense", "BatchNorm": "BatchNormalization"}
__all__ = sorted([*_MODULES, *_OTHER_NAMES])  # noqa: PLE0605

if TYPE_CHECKING:  # the same for type checkers, which read no tables; a test compares the two
    from .activations import ELU as ELU
    from .activations import ReLU as ReLU
    from .activations import Softmax as Softmax
    from .activations import ThresholdedReLU as ThresholdedReLU
    from .activations import TopK as TopK
    from .attention import AttentionLogits as AttentionLogits
    from .attention import AttentionWeightedAverage as AttentionWeightedAverage
    from .attention import AttentionWeights as AttentionWeights
    from .attention import AttentionWithContext as AttentionWithContext
    from .base import DroppedMask as DroppedMask
    from .base import Layer as Layer
    from .base import Part as Part
    from .base import Pass as Pass
    from .base import Remask as Remask
    from .categories import CategoryEncoding as CategoryEncoding
    from .categories import Hashing as Hashing
    from .cells import StackedRNN as StackedRNN
    from .core import Activation as Activation
    from .core import Dense as Dense
    from .core import Dropout as Dropout
    from .core import Embedding as Embedding
    from .core import Masking as Masking
    from .einsum import EinsumDense as EinsumDense
    from .entry import Checked as Checked
    from .entry import Input as Input
    from .heads import MultiHeadAttention as MultiHeadAttention
    from .lookup import IntegerLookup as IntegerLookup
    from .lookup import StringLookup as StringLookup
    from .merging import Add as Add
    from .merging import Average as Average
    from .merging import Concatenate as Concatenate
    from .merging import Dot as Dot
    from .merging import Maximum as Maximum
    from .merging import Minimum as Minimum
    from .merging import Multiply as Multiply
    from .merging import Subtract as Subtract
    from .normalisation import BatchNormalization as BatchNormalization
    from .normalisation import GroupNormalization as GroupNormalization
    from .normalisation import LayerNormalization as LayerNormalization
    from .normalisation import RMSNormalization as RMSNormalization
    from .normalisation import UnitNormalization as UnitNormalization
    from .planes import Conv2D as Conv2D
    from .planes import GlobalAveragePooling2D as GlobalAveragePooling2D
    from .planes import GlobalMaxPooling2D as GlobalMaxPooling2D
    from .planes import Pooling2D as Pooling2D
    from .positions import PositionEmbedding as PositionEmbedding
    from .quantised import Int8Dense as Int8Dense
    from .quantised import Int8EinsumDense as Int8EinsumDense
    from .quantised import Int8Embedding as Int8Embedding
    from .queries import AdditiveAttention as AdditiveAttention
    from .queries import DotAttention as DotAttention
    from .recurrent import GRU as GRU
    from .recurrent import LSTM as LSTM
    from .recurrent import Bidirectional as Bidirectional
    from .recurrent import Recurrent as Recurrent
    from .recurrent import SimpleRNN as SimpleRNN
    from .scaling import Normalization as Normalization
    from .scaling import Rescaling as Rescaling
    from .separate import DepthwiseConv1D as DepthwiseConv1D
    from .separate import LocallyConnected1D as LocallyConnected1D
    from .shapes import Cropping1D as Cropping1D
    from .shapes import Flatten as Flatten
    from .shapes import Permute as Permute
    from .shapes import RepeatVector as RepeatVector
    from .shapes import Reshape as Reshape
    from .shapes import UpSampling1D as UpSampling1D
    from .shapes import ZeroPadding1D as ZeroPadding1D
    from .sparse import Csr as Csr
    from .vectorization import TextVectorization as TextVectorization
    from .windows import Conv1D as Conv1D
    from .windows import GlobalAveragePooling1D as GlobalAveragePooling1D
    from .windows import GlobalMaxPooling1D as GlobalMaxPooling1D
    from .windows import MaskedMean as MaskedMean
    from .windows import Pooling1D as Pooling1D
    from .wrappers import Named as Named
    from .wrappers import TimeDistributed as TimeDistributed

    Projection = Dense
    BatchNorm = BatchNormalization
else:

    def __getattr__(name: str) -> object:
        return imported(globals(), name, _OTHER_NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
