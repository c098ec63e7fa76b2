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
    from .emojis import EMOJIS
    from .errors import InputError, NpmojiError, VocabularyError, WeightsError
    from .layers import (
        LSTM,
        Activation,
        AttentionWeightedAverage,
        Bidirectional,
        Concatenate,
        Dense,
        Dropout,
        Embedding,
        Input,
        Layer,
    )
    from .model import Model, Prediction, load
    from .tokenizer import Tokenizer

__version__ = "0.1.0"

__all__ = [
    "EMOJIS",
    "LSTM",
    "Activation",
    "AttentionWeightedAverage",
    "Bidirectional",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Input",
    "InputError",
    "Layer",
    "Model",
    "NpmojiError",
    "Prediction",
    "Tokenizer",
    "VocabularyError",
    "WeightsError",
    "init",
    "load",
]

_SUBMODULES = {"init"}  # public as modules
_MODULES = {
    "EMOJIS": "emojis",
    "Model": "model",
    "Prediction": "model",
    "load": "model",
    "Tokenizer": "tokenizer",
    **dict.fromkeys(("InputError", "NpmojiError", "VocabularyError", "WeightsError"), "errors"),
}


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
