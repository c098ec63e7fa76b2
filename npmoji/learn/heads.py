"""Models with another last layer, or with other weights, and files of them.

`with_head` puts a Dense layer with one's own classes on what a network computes; `rebuilt` gives the same network
other arrays. Both return an ordinary `Model`, in memory, that knows nothing of how it was trained; `save` writes it to
a file that `npmoji.load` takes like any other.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import deepmoji, inputs
from ..errors import InputError, WeightsError
from ..formats.contents import Contents, Layers
from ..formats.metadata import checked_names, plain
from ..layers import AttentionWeightedAverage, Dense, Dropout, Layer
from ..loading import build
from ..model import Model
from ..precision import COMPACT
from ..text.tokenizer import ORIGINAL, Tokenizer
from . import configs

MADE_FROM = "made from "
MAXLEN = 30  # tokens of a text, for a model that had no vocabulary


def with_head(
    model: Model,
    kernel: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    classes: Sequence[str],
    multi_label: bool = False,
    provenance: dict[str, Any] | None = None,
    after: str | None = None,
) -> Model:
    """The model with another last layer: softmax over the classes, or a sigmoid for each of them.

    Args:
        kernel: float32 (F, C). One column for two classes is a sigmoid, the probability of the second.
        bias: float32 (C,), by default zeros.
        classes: their names, C of them; two for one column.
        multi_label: each class has a probability of its own, by a sigmoid.
        provenance: how the weights were made, as JSON can hold it.
        after: the name of the layer that the new one takes; by default the attention layer if the kernel fits it, else
            the one before the last Dense layer. If the last Dense layer takes it, that one is replaced, and else
            whatever comes after it is left out.

    Raises:
        InputError: the kernel fits neither, the classes are not as many as the columns, or the network has no place for
            such a layer.

    >>> model = npmoji.load(engine="numpy")
    >>> mine = npmoji.learn.with_head(model, np.zeros((320, 2)), [0, 1], classes=["calm", "angry"])
    >>> [(p.label, round(p.probability, 2)) for p in mine.top(["I love mom's cooking"])[0]]
    [('angry', 0.73), ('calm', 0.27)]
    """
    model.check_ready()
    kernel = _numbers("kernel", kernel, None, None)
    C = kernel.shape[1]
    bias = np.zeros(C, np.float32) if bias is None else _numbers("bias", bias, C)
    classes = checked_names(list(classes), "classes", InputError)
    one = C == 1 and not multi_label
    if len(classes) != (2 if one else C):
        wanted = "2 for one column" if one else str(C)
        raise InputError(f"classes: {len(classes)} names for a kernel of shape {kernel.shape}, expected {wanted}")
    activation = "sigmoid" if one or multi_label else "softmax"
    head = {"kernel": kernel, "bias": bias}
    file = _with_last(model, head, activation, after)
    file = file._replace(classes=classes, multi_label=multi_label, provenance=_told(provenance), references=None)
    return _made(model, file)


def rebuilt(
    model: Model,
    layers: Layers,
    *,
    words: dict[str, int] | None = None,
    classes: Sequence[str] | None = None,
    multi_label: bool | None = None,
    provenance: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
) -> Model:
    """The same network with other arrays.

    Args:
        layers: ``{layer: {name: array}}``, names as ``model.contents.layers`` has them; what is not given stays as it
            is. An embedding may have more rows than before.
        words: the vocabulary, if it is another one.
        classes, multi_label, provenance, config: by default the model's.

    Raises:
        InputError: a layer or array that the model does not have, of another shape or not finite.
        WeightsError, VocabularyError: the arrays do not fit together; the vocabulary does not fit.

    >>> import npmoji.learn.heads
    >>> model = npmoji.load(engine="numpy")
    >>> other = npmoji.learn.heads.rebuilt(model, {"softmax": {"bias": np.arange(64.0)}})
    >>> int(other.predict(["I love mom's cooking"]).argmax())
    63
    """
    model.check_ready()
    file = model.contents
    merged = {name: dict(arrays) for name, arrays in file.layers.items()}
    for layer, arrays in layers.items():
        for name, array in arrays.items():
            if name not in merged.get(layer, {}):
                raise InputError(f"{file.path}: there is no array {layer}/{name}")
            merged[layer][name] = _like(f"{layer}/{name}", array, merged[layer][name], name == "embeddings")
    exact = all(array.dtype not in COMPACT for arrays in merged.values() for array in arrays.values())
    config = file.config if config is None else config
    file = file._replace(
        layers=merged,
        config=configs.with_rows(config, merged) if config else None,
        precision="fp32" if exact else file.precision,
        references=None,
        classes=file.classes if classes is None else checked_names(list(classes), "classes", InputError),
        multi_label=file.multi_label if multi_label is None else multi_label,
        provenance=file.provenance if provenance is None else _told(provenance),
    )
    return _made(model, file, words)


def save(model: Model, path: str | os.PathLike) -> None:
    """Write a model to a `.safetensors` file, or a `.hdf5` or `.h5` file in Keras' layout, with vocabulary, names of
    the classes, provenance and reference results, so that it needs no other file.

    It appears whole or not at all; the same model always gives the same bytes.

    Raises:
        InputError: a name of another kind, or the file cannot be written.
        WeightsError: the model's precision cannot hold a weight.

    >>> mine = npmoji.learn.with_head(npmoji.load(), np.eye(320, 2), classes=["calm", "angry"])
    >>> npmoji.learn.save(mine, "mine.safetensors")
    >>> npmoji.load("mine.safetensors").class_names
    ['calm', 'angry']
    """
    from ..export.convert import convert

    convert(model, path)


def _told(provenance: Any) -> Any:
    """The provenance as a file holds it, or an InputError."""
    if provenance is not None and not isinstance(provenance, dict):
        raise InputError(f"provenance: {type(provenance).__name__}, expected a dict")
    return plain(provenance, "provenance")


def _made(model: Model, file: Contents, words: dict[str, int] | None = None) -> Model:
    """A model of these contents, in memory, otherwise like the one it is made from."""
    base = file.path.removeprefix(MADE_FROM)
    file = file._replace(path=f"{MADE_FROM}{base}")
    try:
        graph = build(file, model.precision, (model.source or {}).get("layers"))
    except WeightsError as error:
        raise WeightsError(f"{file.path}: {error}") from error
    tokenizer = model.tokenizer
    if words is not None:
        maxlen = graph.steps or (tokenizer.maxlen if tokenizer else MAXLEN)
        tokenizer = Tokenizer(words, maxlen, tokenizer.compat if tokenizer else file.compat or ORIGINAL)
    new = Model(graph, tokenizer, file=file, **model.settings)
    new.vocabulary_file = model.vocabulary_file if words is None else None
    new.files = model.files
    return new


# Where the new layer goes ---------------------------------------------------------------------------------------------


def _with_last(model: Model, head: dict[str, np.ndarray], activation: str, after: str | None) -> Contents:
    """The model's contents with the arrays of the new layer, and a config that has it."""
    file, (F, C) = model.contents, head["kernel"].shape
    if not file.config:
        if not deepmoji.matches(file):
            raise InputError(
                f"{file.path}: was made by hand: only DeepMoji and networks of Keras files take a new layer"
            )
        if after not in (None, "attlayer"):
            raise InputError(f"{file.path}: a file without a config takes a new layer after 'attlayer' only")
        if F != model.features:
            raise InputError(f"{file.path}: a kernel of {F} rows, expected {model.features}, as many as the features")
        return file._replace(layers={**file.layers, "softmax": head})
    found = configs.output_dense(file.config)
    if after is None:
        after = _place(model, F, found and found[0])
    else:
        _check_gives(model, after, F)
    if after not in file_layers(file):  # but in a nested model
        raise InputError(f"{file.path}: layer {after!r} is no layer of the model itself that a new one could take")
    if found is not None and _taken(model, found[0]) == after:
        dense, ends = found
        config = configs.with_units(file.config, dense, ends, C, activation)
        return file._replace(config=config, layers={**file.layers, dense: head})
    made = configs.cut(file.config, after, found[0] if found else "softmax", F, C, activation)
    return file._replace(config=made.config, layers={**_kept(file.layers, made.kept), made.new: head})


def file_layers(file: Contents) -> list[str]:
    """The names of the layers in a full model's config, without those of nested models."""
    return [entry.name for entry in configs.description.entries_of((file.config or {})["config"])]


def _place(model: Model, F: int, dense: str | None) -> str:
    """The layer that a kernel of F rows is for."""
    attention = next((layer for layer in model.layers if isinstance(layer, AttentionWeightedAverage)), None)
    if attention is not None and len(attention.kernel) == F:
        return attention.name
    taken = 0 if dense is None else len(model[dense].weights()["kernel"])
    if dense is not None and taken == F:
        return _taken(model, dense)
    fitting = [
        f"{n} for {what}" for n, what in ((model.features, "the features"), (taken, "the last Dense layer")) if n
    ]
    expected = (
        " or ".join(fitting) or "a network with an attention layer or a Dense layer at its end, or a layer's name"
    )
    raise InputError(f"{model.path}: a kernel of {F} rows, expected {expected}")


def _check_gives(model: Model, name: str, F: int) -> None:
    """Raise an InputError unless a layer gives each text F numbers."""
    if name not in model.graph.named:
        raise InputError(f"{model.path}: there is no layer {name!r}")
    value, _ = model.graph.try_out()[model[name]]
    shape = np.shape(value[0] if isinstance(value, tuple) else value)
    if shape != (1, F):
        raise InputError(f"{model.path}: a kernel of {F} rows does not fit layer {name!r}, which gives {shape[1:]}")


def _taken(model: Model, dense: str) -> str:
    """The name of the layer that a Dense layer takes, but for dropout in between."""
    layer: Layer = model[dense]
    layer = layer.logits if isinstance(layer, Dense) else layer
    layer = layer.previous[0]
    while isinstance(layer, Dropout):
        layer = layer.previous[0]
    return layer.name


def _kept(layers: Layers, names: set[str]) -> Layers:
    """The arrays of these layers, those of nested models (``outer/inner``) among them."""
    parts = tuple(f"{name}/" for name in names)
    return {name: arrays for name, arrays in layers.items() if name in names or name.startswith(parts)}


# Arrays ---------------------------------------------------------------------------------------------------------------


def _numbers(label: str, values: Any, *shape: int | None) -> np.ndarray:
    """A float32 array of that shape (None: any size) and of finite numbers, or an InputError."""
    try:
        array = inputs.numbers(values)
    except InputError as error:
        raise InputError(f"{label}: {error}") from None
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
    if not fits or 0 in array.shape:
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise InputError(f"{label}: of shape {array.shape}, expected ({wanted})")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(array).all():
        raise InputError(f"{label}: holds NaN or infinite values")
    return array


def _like(label: str, values: Any, old: Any, may_grow: bool) -> Any:
    """An array to take another one's place."""
    if values is old:
        return old
    rows = None if may_grow else old.shape[0]
    return _numbers(label, values, rows, *old.shape[1:])
