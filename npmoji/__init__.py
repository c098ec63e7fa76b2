"""npmoji: DeepMoji in NumPy. Texts in, probabilities of 64 emojis and emotion features out.

    import npmoji
    model = npmoji.load()
    model.top(["I love mom's cooking"])

Everything below is imported when first used: `import npmoji` costs what `import numpy` costs.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as _numpy  # noqa: F401  (what every use needs anyway; see the docstring)

__version__ = "0.1.0"

_HOME = {
    "load": "model",
    "Model": "model",
    "Prediction": "model",
    "Tokenizer": "tokenizer",
    "EMOJIS": "emojis",
    "NpmojiError": "errors",
    "WeightsError": "errors",
    "VocabularyError": "errors",
    "InputError": "errors",
    **dict.fromkeys(
        ("Activation", "AttentionWeightedAverage", "Bidirectional", "Concatenate", "Dense", "Dropout", "Embedding",
         "Input", "LSTM", "Layer"), "layers"),
}  # fmt: skip

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
