"""Attention layers of one name that several authors wrote: their formulas, and which of them a file means.

All are an average over time, ``sum over t of a_t · x_t``, of x (N, T, F), and let no mask through. They differ in the
scores that a is made of, and in whether they respect a mask. Keras stores a class' name and arrays, not its code: the
arrays' shapes say which scores a file means; whether masks count is known only

- from Keras 3's Functional models: a layer whose ``call`` takes no mask is stored as called without one;
- from settings that only one author's constructor takes, or from the name where all copies of the class agree.

Without a mask there is no difference. What remains ambiguous is refused, and the caller chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import layers
from ..errors import WeightsError
from ..layers import DroppedMask, Layer
from .classes import weighted_average
from .place import Place, any_number, kind
from .queries import dot_arrays, dot_attention

#: what a choice's name is made of
SCORES = {
    "linear": "x·W",
    "tanh": "tanh(x·W + b)",
    "context": "tanh(x·W + b)·u",
}
MASKS = {
    "masked": "exp(score), 0 at masked steps, over its sum + 1e-7",
    "unmasked": "softmax(score) over all steps, whatever the mask",
}
COUNTS = {"linear": (1,), "tanh": (1, 2), "context": (2, 3)}  # of arrays
WANTED = {
    "linear": "W (F, 1)",
    "tanh": "W (F, 1) and perhaps b (T, 1)",
    "context": "W (F, A), perhaps b (A,), and u (A, 1)",
}


def scores_of(arrays: list[np.ndarray]) -> tuple[str, ...]:
    """The scores that arrays of these shapes may be for."""
    narrow = bool(arrays) and arrays[0].ndim in (1, 2) and arrays[0].shape[1:] in ((), (1,))
    if narrow and len(arrays) == 1:
        return ("tanh",) if arrays[0].ndim == 1 else ("tanh", "linear")
    if narrow and len(arrays) == 2:
        return ("tanh",)
    return ("context",) if len(arrays) in (2, 3) and arrays[0].ndim == 2 else ()


def make_attention(at: Place, score: str, masked: bool) -> Layer | list[Layer]:
    """The layer of a choice.

    Raises:
        WeightsError: arrays or settings that are not those of this choice, or several inputs.
    """
    arrays = list(at.arrays.values())
    if len(at.previous) != 1 or len(arrays) not in COUNTS[score] or arrays[0].ndim not in (1, 2):
        raise WeightsError(
            f"layer {at.name!r}: {len(at.previous)} inputs and arrays {shapes(at)}, "
            f"expected one input and {WANTED[score]} for {score!r}"
        )
    if at.flag("return_sequences"):
        raise WeightsError(f"layer {at.name!r}: return_sequences is not supported")
    both = at.flag("return_attention", at.flag("return_coefficients"))
    previous, kernel, *rest = at.previous[0], *arrays
    kernel = kernel[:, None] if kernel.ndim == 1 else kernel
    if score == "linear":
        previous = previous if masked else DroppedMask(previous, name=f"{at.name}/unmasked")
        return weighted_average(at, previous, kernel, both)
    context = rest.pop() if score == "context" else None
    context = context[:, None] if context is not None and context.ndim == 1 else context
    bias = rest[0] if rest else None
    if bias is not None and bias.ndim != 1:  # else it stays the file's own array, which keeps its name
        bias = bias.reshape(-1)
    return layers.AttentionWithContext(previous, kernel, bias, context, both, masked=masked, name=at.name)


def _maker(score: str, masked: bool) -> Callable[[Place], Layer | list[Layer]]:
    return lambda at: make_attention(at, score, masked)


#: makes the layer for a place, by the choice's name
CHOICES = {f"{score}-{mask}": _maker(score, mask == "masked") for score in SCORES for mask in MASKS}


# Which of them -------------------------------------------------------------------------------------------------------


def settled(at: Place, scores: tuple[str, ...]) -> str | None:
    """The choice that a file settles, or None.

    ``step_dim`` is a setting of the author's that Kaggle took `Attention` from, who keeps W as (F,) where others have
    (F, 1); ``attention_dim`` of the hierarchical network's `AttLayer`. All known copies of `AttentionWithContext`
    respect the mask.
    """
    name = at.config["class_name"]
    if at.takes_mask is False and len(scores) == 1:
        return f"{scores[0]}-unmasked"
    if name == "AttentionWithContext" or ("context" in scores and "attention_dim" in at.config):
        return "context-masked"
    if "tanh" in scores and ("step_dim" in at.config or (name == "Attention" and at.arrays["0"].ndim == 1)):
        return "tanh-masked"
    return None


def _arrays(config: dict[str, Any]) -> list[str]:
    return dot_arrays(config) if _is_keras_own(config) else any_number(config)


@kind("Attention", "AttentionWithContext", "AttLayer", arrays=_arrays)
def _attention_of_several_authors(at: Place) -> Layer | list[Layer]:
    name = at.config["class_name"]
    scores = ("context",) if name == "AttentionWithContext" else scores_of(list(at.arrays.values()))
    if _is_keras_own(at.config):
        return dot_attention(at)
    if len(at.previous) > 1 or not scores:
        raise WeightsError(
            f"layer {at.name!r}: class {name!r} with {len(at.previous)} inputs and arrays {shapes(at)} is none of the "
            f"attention layers known; npmoji.register_layer({at.name!r}, ...) can supply it"
        )
    found = settled(at, scores)
    if found is not None:
        return CHOICES[found](at)
    if len(scores) > 1:
        raise WeightsError(unsettled(at, scores))
    # without a mask it does not matter which; try_out shows whether there is one
    guard = DroppedMask(at.previous[0], unsettled(at, scores), name=f"{at.name}/unmasked")
    return CHOICES[f"{scores[0]}-masked"](at._replace(previous=[guard]))


def _is_keras_own(config: dict[str, Any]) -> bool:
    """Whether it is `keras.layers.Attention`, by its settings: others only share its name."""
    return not {"use_scale", "score_mode"}.isdisjoint(config)


def unsettled(at: Place, scores: tuple[str, ...]) -> str:
    """The message that lists the choices."""
    name, masks = at.config["class_name"], ["unmasked"] if at.takes_mask is False else list(MASKS)
    choices = ", ".join(f"'{score}-{mask}'" for score in scores for mask in masks)
    meaning = [f"{score}: score = {SCORES[score]}" for score in scores] + [
        f"{mask}: a = {MASKS[mask]}" for mask in masks
    ]
    why = "" if len(scores) > 1 else ", not all of which respect the mask that arrives here"
    return (
        f"layer {at.name!r}: several authors wrote a class {name!r} with arrays {shapes(at)}{why}; "
        f"choose one of {choices} ({'; '.join(meaning)}) with "
        f"npmoji.load(..., layers={{{name!r}: CHOICE}}), register_layer({name!r}, CHOICE) or --layer {name}=CHOICE"
    )


def shapes(at: Place) -> str:
    """The arrays' shapes, for messages."""
    return ", ".join(str(array.shape) for array in at.arrays.values()) or "none"
