"""npmoji: DeepMoji in NumPy. Texts in, probabilities of 64 emojis and emotion features out.

    import npmoji
    model = npmoji.load()
    model.top(["I love mom's cooking"])

All names below are imported when first used: `import npmoji` costs next to nothing, using it what `import numpy` costs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import init
    from .chain import load_layers, save_layers
    from .emojis import EMOJIS, Prediction
    from .ensemble import Ensemble
    from .errors import InputError, NpmojiError, VocabularyError, WeightsError
    from .keras.known import register_layer
    from .layers import (
        ELU,
        GRU,
        LSTM,
        Activation,
        Add,
        AttentionWeightedAverage,
        AttentionWithContext,
        Average,
        BatchNorm,
        BatchNormalization,
        Bidirectional,
        Concatenate,
        Conv1D,
        Dense,
        Dropout,
        Embedding,
        Flatten,
        GlobalAveragePooling1D,
        GlobalMaxPooling1D,
        Input,
        Layer,
        LayerNormalization,
        MaskedMean,
        Masking,
        Maximum,
        Minimum,
        Multiply,
        Permute,
        Pooling1D,
        Projection,
        ReLU,
        RepeatVector,
        Reshape,
        SimpleRNN,
        Softmax,
        Subtract,
        ThresholdedReLU,
        TimeDistributed,
        TopK,
    )
    from .model import Model, load
    from .tokenizer import Tokenizer

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "EMOJIS",
    "GRU",
    "LSTM",
    "Activation",
    "Add",
    "AttentionWeightedAverage",
    "AttentionWithContext",
    "Average",
    "BatchNorm",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Dense",
    "Dropout",
    "Embedding",
    "Ensemble",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling1D",
    "Input",
    "InputError",
    "Layer",
    "LayerNormalization",
    "MaskedMean",
    "Masking",
    "Maximum",
    "Minimum",
    "Model",
    "Multiply",
    "NpmojiError",
    "Permute",
    "Pooling1D",
    "Prediction",
    "Projection",
    "ReLU",
    "RepeatVector",
    "Reshape",
    "SimpleRNN",
    "Softmax",
    "Subtract",
    "ThresholdedReLU",
    "TimeDistributed",
    "Tokenizer",
    "TopK",
    "VocabularyError",
    "WeightsError",
    "init",
    "load",
    "load_layers",
    "register_layer",
    "save_layers",
]

_SUBMODULES = {"init"}  # public as modules
_MODULES = {
    "EMOJIS": "emojis",
    "Prediction": "emojis",
    "Model": "model",
    "load": "model",
    "Tokenizer": "tokenizer",
    "Ensemble": "ensemble",
    "register_layer": "keras.known",
    **dict.fromkeys(("load_layers", "save_layers"), "chain"),
    **dict.fromkeys(("InputError", "NpmojiError", "VocabularyError", "WeightsError"), "errors"),
}


if not TYPE_CHECKING:  # a type checker would take it for saying that there are all names

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _SUBMODULES:
            return importlib.import_module(f"{__name__}.{name}")  # which makes it an attribute of the package
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, 'layers')}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
