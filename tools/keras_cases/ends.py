"""What a model takes and gives: outputs in dicts and lists, and inputs that leave a size free which a later layer
fixes."""

from __future__ import annotations

from typing import Any

from .averages import attention
from .workshop import Workshop, recipe


def nested(w: Workshop, tensors: list[Any], depth: int = 0) -> Any:
    """The tensors in lists and dicts in each other, each once or more."""
    if len(tensors) == 1 and w.chance(0.7 if depth else 0.3):
        return tensors[0]
    count = int(w.rng.integers(1, len(tensors) + 1)) if depth < 2 else len(tensors)
    cuts = sorted(int(i) for i in w.rng.choice(range(1, len(tensors)), count - 1, replace=False)) if count > 1 else []
    groups = [tensors[a:b] for a, b in zip([0, *cuts], [*cuts, len(tensors)])]
    inner = [group[0] if len(group) == 1 and w.chance(0.6) else nested(w, group, depth + 1) for group in groups]
    if depth > 2:
        return inner[0] if len(inner) == 1 else inner
    if w.chance(0.6):
        keys = [str(key) for key in w.rng.permutation(["zeta", "alpha", "m", "b", "top", "x"])[: len(inner)]]
        return dict(zip(keys, inner))
    return inner[0] if len(inner) == 1 and not w.keras3 else inner  # tf_keras does not keep a list of one


@recipe(("tf_keras", 13, "model.keras"), ("keras3", 13, "model.h5"))
def nested_ends(w: Workshop) -> Any:
    """Outputs in lists and dicts in each other, of the model and of one within it."""
    L = w.L
    z = w.K.Input((3,), name="z")
    inner = w.K.Model(z, nested(w, [L.Dense(w.size(), name=f"d{i}")(z) for i in range(w.pick(1, 2, 3))]), name="inner")
    ids = w.tokens("ids")
    x = L.Dense(3)(w.recurrent(4)(L.Embedding(w.WORDS, 3, mask_zero=True)(ids)))
    if w.keras3 and w.chance(0.2):
        w.inputs.clear()
        w.named.clear()
        return w.K.Sequential([w.numbers(3), inner])
    found = inner(x)
    if w.chance(0.3):
        return w.model(ids, found)
    tensors = [L.Dense(2)(tensor) for tensor in leaves(found)]
    return w.model(ids, nested(w, [*tensors, x, leaves(found)[-1]]))


def leaves(found: Any) -> list[Any]:
    if isinstance(found, dict):
        found = list(found.values())
    return [x for inner in found for x in leaves(inner)] if isinstance(found, (list, tuple)) else [found]


@recipe(("tf_keras", 1, "model.h5"), ("keras3", 2, "model.keras"))
def fixed_later(w: Workshop) -> Any:
    """A number of steps that no input fixes, but a layer behind: a shape, a bias for each step, another input."""
    L = w.L
    w.tokens("ids")
    ids = w.K.Input((None,), dtype="int32", name="ids")
    F = w.size()
    x = L.Embedding(w.WORDS, F, mask_zero=w.chance(0.5))(ids)
    inputs, steps = [ids], w.STEPS
    if w.chance(0.4):
        x, steps = L.Conv1D(F, 2, activation="tanh", padding=(padding := w.pick("valid", "same")))(x), steps - 1
        steps += padding == "same"
    if w.chance(0.3):
        x, steps = L.MaxPooling1D(2)(x), steps // 2
    if w.chance(0.5):
        x = w.recurrent(F, return_sequences=True)(x)
    which = w.pick("steps", "flat", "bias", "other")
    if which == "other":
        inputs.append(w.numbers(steps, F, name="other"))
        y = L.Flatten()(w.pick(L.Add(), L.Multiply(), L.Concatenate())([x, inputs[1]]))
    elif which == "bias":
        y = attention(w, L.Reshape((steps, F))(x), True)
        y = y[0] if isinstance(y, (list, tuple)) else y
    else:
        y = L.Reshape((steps, F) if which == "steps" else (steps * F,))(x)
        y = L.Flatten()(y) if w.chance(0.6) or which == "flat" else w.recurrent(3)(y)
    return w.model(inputs if len(inputs) > 1 else ids, L.Dense(2, activation="softmax")(y))
