"""DeepMoji without a framework: text to probabilities of 64 emojis and 2304 emotion features, in NumPy and Numba.

    import npmoji
    model = npmoji.load()
    model.top(["I love mom's cooking"])

Public names are imported when they are first used: `import npmoji` imports nothing but this file.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: public name -> the module that has it
_MODULES: dict[str, str] = {
    name: module
    for module, names in {
        "corpora.scorer": "Scorer",
        "errors": "InputError NpmojiError VocabularyError WeightsError",
        "keras.known": "register_layer",
        "layers": """
        AdditiveAttention DotAttention EinsumDense MultiHeadAttention PositionEmbedding
        ELU GRU LSTM Activation Add AttentionWeightedAverage AttentionWithContext Average BatchNorm
        BatchNormalization Bidirectional CategoryEncoding Concatenate Conv1D Conv2D Cropping1D Dense
        DepthwiseConv1D Dot Dropout Embedding Flatten GlobalAveragePooling1D GlobalAveragePooling2D
        GlobalMaxPooling1D GlobalMaxPooling2D GroupNormalization Hashing Input IntegerLookup Layer
        LayerNormalization MaskedMean Masking Maximum Minimum Multiply Normalization Permute Pooling1D Pooling2D
        Projection RMSNormalization ReLU RepeatVector Rescaling Reshape SimpleRNN Softmax StackedRNN StringLookup
        Subtract TextVectorization ThresholdedReLU TimeDistributed TopK UnitNormalization UpSampling1D ZeroPadding1D
        """,
        "initialisers": "init",
        "layers.saving": "load_layers save_layers",
        "learn": "learn",
        "learn.classifier": "Classifier",
        "learn.features": "Features",
        "loading": "Ensemble load",
        "model": "Model",
        "text.emojis": "EMOJIS Prediction",
        "text.tokenizer": "Tokenizer",
    }.items()
    for name in names.split()
}
__all__ = sorted(_MODULES)  # noqa: PLE0605

if TYPE_CHECKING:  # the same for type checkers, which read no tables; a test compares the two
    from . import initialisers as init  # noqa: F401
    from . import learn as learn
    from .corpora.scorer import Scorer as Scorer
    from .errors import InputError as InputError
    from .errors import NpmojiError as NpmojiError
    from .errors import VocabularyError as VocabularyError
    from .errors import WeightsError as WeightsError
    from .keras.known import register_layer as register_layer
    from .layers import ELU as ELU
    from .layers import GRU as GRU
    from .layers import LSTM as LSTM
    from .layers import Activation as Activation
    from .layers import Add as Add
    from .layers import AdditiveAttention as AdditiveAttention
    from .layers import AttentionWeightedAverage as AttentionWeightedAverage
    from .layers import AttentionWithContext as AttentionWithContext
    from .layers import Average as Average
    from .layers import BatchNorm as BatchNorm
    from .layers import BatchNormalization as BatchNormalization
    from .layers import Bidirectional as Bidirectional
    from .layers import CategoryEncoding as CategoryEncoding
    from .layers import Concatenate as Concatenate
    from .layers import Conv1D as Conv1D
    from .layers import Conv2D as Conv2D
    from .layers import Cropping1D as Cropping1D
    from .layers import Dense as Dense
    from .layers import DepthwiseConv1D as DepthwiseConv1D
    from .layers import Dot as Dot
    from .layers import DotAttention as DotAttention
    from .layers import Dropout as Dropout
    from .layers import EinsumDense as EinsumDense
    from .layers import Embedding as Embedding
    from .layers import Flatten as Flatten
    from .layers import GlobalAveragePooling1D as GlobalAveragePooling1D
    from .layers import GlobalAveragePooling2D as GlobalAveragePooling2D
    from .layers import GlobalMaxPooling1D as GlobalMaxPooling1D
    from .layers import GlobalMaxPooling2D as GlobalMaxPooling2D
    from .layers import GroupNormalization as GroupNormalization
    from .layers import Hashing as Hashing
    from .layers import Input as Input
    from .layers import IntegerLookup as IntegerLookup
    from .layers import Layer as Layer
    from .layers import LayerNormalization as LayerNormalization
    from .layers import MaskedMean as MaskedMean
    from .layers import Masking as Masking
    from .layers import Maximum as Maximum
    from .layers import Minimum as Minimum
    from .layers import MultiHeadAttention as MultiHeadAttention
    from .layers import Multiply as Multiply
    from .layers import Normalization as Normalization
    from .layers import Permute as Permute
    from .layers import Pooling1D as Pooling1D
    from .layers import Pooling2D as Pooling2D
    from .layers import PositionEmbedding as PositionEmbedding
    from .layers import Projection as Projection
    from .layers import ReLU as ReLU
    from .layers import RepeatVector as RepeatVector
    from .layers import Rescaling as Rescaling
    from .layers import Reshape as Reshape
    from .layers import RMSNormalization as RMSNormalization
    from .layers import SimpleRNN as SimpleRNN
    from .layers import Softmax as Softmax
    from .layers import StackedRNN as StackedRNN
    from .layers import StringLookup as StringLookup
    from .layers import Subtract as Subtract
    from .layers import TextVectorization as TextVectorization
    from .layers import ThresholdedReLU as ThresholdedReLU
    from .layers import TimeDistributed as TimeDistributed
    from .layers import TopK as TopK
    from .layers import UnitNormalization as UnitNormalization
    from .layers import UpSampling1D as UpSampling1D
    from .layers import ZeroPadding1D as ZeroPadding1D
    from .layers.saving import load_layers as load_layers
    from .layers.saving import save_layers as save_layers
    from .learn.classifier import Classifier as Classifier
    from .learn.features import Features as Features
    from .loading import Ensemble as Ensemble
    from .loading import load as load
    from .model import Model as Model
    from .text.emojis import EMOJIS as EMOJIS
    from .text.emojis import Prediction as Prediction
    from .text.tokenizer import Tokenizer as Tokenizer

else:  # a checker would take any name

    def __getattr__(name: str) -> object:
        return imported(globals(), name, None if name in ("init", "learn") else name)


def imported(package: dict[str, Any], name: str, wanted: str | None) -> object:
    """A name of a package whose `_MODULES` says in which module it is, from now on a global of the package.

    Args:
        package: its globals.
        wanted: what the table and the module call it; None: it is the module itself.
    """
    module = package["_MODULES"].get(wanted or name)
    if module is None:
        raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
    found = importlib.import_module(f"{package['__name__']}.{module}")
    package[name] = found if wanted is None else getattr(found, wanted)
    return package[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
