"""Which networks can be explained: one text in, the probabilities of classes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import layers
from ..errors import InputError
from ..layers import Activation, Dense, Layer, Softmax
from ..layers.base import DroppedMask, HiddenMask, ancestors
from ..layers.wrappers import Named

if TYPE_CHECKING:
    from ..model import Model

_GIVE = ("softmax", "sigmoid", "hard_sigmoid", "hard_sigmoid_keras3")  # activations that give probabilities
#: layers that give probabilities if they get nothing else
_PASS = (
    *(layers.Average, layers.Concatenate, layers.Dropout, layers.Flatten, layers.Maximum, layers.Minimum),
    *(layers.Multiply, layers.Reshape, DroppedMask, HiddenMask, Named),
)


def check(model: Model) -> None:
    """Raise an InputError if the model is closed, or its network is of another kind."""
    model.check_ready()
    ins, outs = model.graph.inputs, model.graph.outputs
    if len(ins) > 1:
        raise _unsuited(model, f"this network has {len(ins)} inputs, expected one, of texts")
    if model.takes_texts:
        raise _unsuited(model, "this network splits texts itself, expected one of token ids")
    if ins[0].vocabulary_size is None:
        raise _unsuited(model, "this network takes numbers, expected one of token ids")
    if len(outs) > 1:
        raise _unsuited(model, f"this network has {len(outs)} outputs, expected one, of the classes' probabilities")
    ends = [layer for layer in ancestors(outs, _before) if not _before(layer)]
    if odd := next((layer for layer in ends if not _gives(layer)), None):
        found = getattr(odd, "activation", None) or type(odd).__name__
        raise _unsuited(
            model,
            f"its last layer {odd.name!r} is {found}, expected softmax or sigmoid, which give probabilities of classes",
        )


def check_probabilities(model: Model, probabilities: Any) -> None:
    """Raise an InputError unless they are one for each class, (N, C)."""
    if np.ndim(probabilities) != 2:
        shape = ", ".join(["rows", *map(str, np.shape(probabilities)[1:])])
        raise _unsuited(model, f"it gives an array of shape ({shape}), expected one probability for each class")


def check_words(models: Sequence[Model]) -> None:
    """Raise an InputError unless all models split texts in the same way and take as many words."""
    first, *others = models
    for model in others:
        for name in ("maxlen", "compat"):
            ours, theirs = getattr(first.tokenizer, name), getattr(model.tokenizer, name)
            if ours != theirs:
                why = (
                    f"its {name} is {theirs!r}, that of {first.path} {ours!r}: expected models that see the same words"
                )
                raise _unsuited(model, why)


def _before(layer: Layer) -> tuple[Layer, ...]:
    """The layers on which alone it depends whether this one gives probabilities."""
    passes = layer.activation == "linear" if isinstance(layer, Activation) else isinstance(layer, _PASS)
    return tuple(layer.previous) if passes else ()


def _gives(layer: Layer) -> bool:
    """Whether it gives probabilities whatever it gets. A layer of the caller's own is not known, and let through."""
    if isinstance(layer, (Activation, Dense)):
        return layer.activation in _GIVE
    return isinstance(layer, Softmax) or not layer.takes_any_array


def _unsuited(model: Model, why: str) -> InputError:
    return InputError(f"{model.path}: cannot be explained: {why}")
