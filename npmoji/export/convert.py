"""Any weights file to one that carries everything, or back to Keras: `npmoji convert`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import deepmoji
from ..errors import InputError, WeightsError
from ..files.paths import local, same
from ..files.whole import whole_file
from ..formats import Contents
from ..layers import LSTM, Bidirectional, Embedding, Int8Dense, Int8EinsumDense, Int8Embedding, Layer
from ..loading import load
from ..model import Model
from ..precision import LARGEST_HALF, PRECISIONS, Int8Array, float32, halves, int8, is_finite, is_whole
from ..text.emojis import EMOJIS
from ..text.tokenizer import ORIGINAL


class Writer(NamedTuple):
    """A kind of file that can be written.

    Attributes:
        module: of `formats`; its ``write`` takes the open file, the contents, and the words or None.
        precisions: those that it can hold.
    """

    module: str
    precisions: tuple[str, ...] = PRECISIONS


KERAS = Writer("keras_write", ("fp32",))
#: by the suffix of the file's name
WRITERS = {
    ".safetensors": Writer("npmoji_file"),
    ".hdf5": KERAS,
    ".h5": KERAS,
}
ONNX = ".onnx"  # which holds a network, not only its weights


def convert(
    source: str | os.PathLike | Model,
    target: str | os.PathLike,
    precision: str | None = None,
    vocabulary: str | os.PathLike | dict[str, int] | None = None,
    compat: str | None = None,
    layers: dict[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
    ids: str | None = None,
) -> None:
    """Write the weights of one file, which are checked by building the network, to another kind of file.

    Either carries the vocabulary, the names of the classes, where the weights are from and reference results, those of
    the source or else computed now. A `.safetensors` file, described in `formats.npmoji_file`, gives what the source
    gives in the same precision, bit for bit. A `.hdf5` or `.h5` file is float32 in Keras 2's layout, whatever the
    precision of the source; Keras passes over what it carries besides. A `.onnx` file is the network itself, for
    ONNX Runtime and others, see `export.onnx`.

    Args:
        source: any file that `load` takes, or a name that it knows; or a model, whose file need not be there any more.
            Its own precision, vocabulary, compat and layers then hold.
        target: ends in `.safetensors`, `.hdf5`, `.h5` or `.onnx`.
        precision: of the embedding and the LSTMs' matrices; by default as in the source. Of a `.onnx` file fp32 by
            default, else one of ONNX Runtime's own formats.
        vocabulary: as `load` takes it; by default the one the source carries, or the one beside it.
        compat: as `load` takes it; the target keeps it and `load` uses it from then on.
        layers: as `load` takes it, which the target needs again.
        outputs, ids: for a `.onnx` file: names of layers (by default the network's outputs), and the type of token
            ids, ``"int64"`` (default) or ``"int32"``.

    Raises:
        InputError: the target is the source, of no known kind, cannot be written or cannot hold the precision; or the
            source is a model, and settings are given that it has itself.
        WeightsError, VocabularyError: the source or its vocabulary cannot be used, or the precision cannot hold a
            weight.
    """
    target = local(target, "target")
    given = {"vocabulary": vocabulary, "precision": precision, "compat": compat, "layers": layers}
    if target.lower().endswith(ONNX):
        from .onnx.file import write as write_network

        # written from the weights as they are stored, and rounded as a whole
        model = _model(source, target, {**given, "precision": None})
        file = _named(model.contents, model)
        write_network(model, file, target, outputs, ids or "int64", "fp32" if precision is None else precision)
        return
    if outputs is not None or ids is not None:
        raise InputError(f"{target}: outputs and the type of ids are for files that end in {ONNX}")
    writer = _writer(target)
    if precision in PRECISIONS and precision not in writer.precisions:
        raise InputError(f"{target}: such a file is of precision {' or '.join(writer.precisions)}, not {precision}")
    model = _model(source, target, given)
    file = model.contents
    if writer is KERAS and any(is_whole(array) for arrays in file.layers.values() for array in arrays.values()):
        raise InputError(f"{target}: such a file cannot hold quantised layers; one that ends in .safetensors can")
    file = file._replace(compat=None if file.compat == ORIGINAL else file.compat)  # which goes without saying
    held = model.precision if model.precision in writer.precisions else writer.precisions[0]
    file = _completed(_stored(_named(file, model), model, held), model, file.precision)
    words = None if model.tokenizer is None else model.tokenizer.vocabulary
    if words is None and not model.takes_texts:
        name = model.path if source is model else source
        print(f"npmoji: note: {name} has no vocabulary: {target} will take token ids only", file=sys.stderr)
    write = importlib.import_module(f"..formats.{writer.module}", __package__).write
    with whole_file(target) as out:
        write(out, file, words)


def _model(source: str | os.PathLike | Model, target: str, given: dict[str, Any]) -> Model:
    """What is to be converted, which must not be the target; ``given`` as `load` takes it."""
    if not isinstance(source, Model):
        model = load(source, **given)
    elif any(value is not None for value in given.values()):
        raise InputError(f"{source.path}: a model has its own {', '.join(given)}: set them when it is loaded")
    else:
        model = source
    model.check_ready()
    if same(model.path, target):
        raise InputError(f"{target}: is the file to be converted; give another name")
    return model


def _writer(target: str) -> Writer:
    """What writes files of this name."""
    for suffix, writer in WRITERS.items():
        if target.lower().endswith(suffix):
            return writer
    raise InputError(f"{target}: expected a name that ends in {', '.join([*WRITERS, ONNX])}")


def _named(file: Contents, model: Model) -> Contents:
    """With names for DeepMoji's emojis."""
    emojis = file.classes is None and model.classes == len(EMOJIS) and deepmoji.matches(file)
    return file._replace(classes=list(EMOJIS)) if emojis else file


def _completed(file: Contents, model: Model, source: str) -> Contents:
    """With reference results, where a network gives a text any.

    The source's own results are kept, unless the source has rounded its weights more than the target does: the target
    would not be within its precision of them.

    Args:
        source: the precision of the source.
    """
    from ..checks.verify import references, weights_sha256

    finer = PRECISIONS.index(file.precision) < PRECISIONS.index(source)
    found = references(model) if finer or file.references is None else file.references
    if found is not None:
        found = {key: value for key, value in found.items() if key != "stored_sha256"}
        if file.precision != "fp32":
            found["stored_sha256"] = weights_sha256(file)
    return file._replace(references=found)


def _stored(file: Contents, model: Model, precision: str) -> Contents:
    """The same with its arrays in the types that the precision asks for; those that only have numbers are fp32."""
    types = {layer.name: storage(layer, precision) for layer in model.layers}
    layers = {
        layer: {
            name: _as(file.path, layer, array, types.get(layer, {}).get(name, "fp32")) for name, array in arrays.items()
        }
        for layer, arrays in file.layers.items()
    }
    return file._replace(layers=layers, precision=precision)


def storage(layer: Layer, precision: str) -> dict[str, str]:
    """The precision in which to store the layer's weights, by their names: those that `precision` does not keep in
    fp32."""
    if precision == "fp32" or isinstance(layer, (Int8Dense, Int8EinsumDense, Int8Embedding)):
        return {}
    if isinstance(layer, Embedding):
        return {"embeddings": "fp16"}
    if isinstance(layer, LSTM):
        return {"kernel": "fp16" if layer.exact_projection else precision, "recurrent_kernel": precision}
    if isinstance(layer, Bidirectional):
        parts = ("forward", layer.ahead), ("backward", layer.behind)
        return {f"{part}_{name}": kind for part, inner in parts for name, kind in storage(inner, precision).items()}
    return {}


def _as(path: str, layer: str, array: np.ndarray | Int8Array, kind: str) -> np.ndarray | Int8Array:
    """The array in a precision, or a WeightsError if it is not finite there."""
    if not is_finite(array):  # a large embedding has not been looked at yet
        raise WeightsError(f"{path}: layer {layer!r} holds NaN or infinite values in its array of shape {array.shape}")
    if is_whole(array):  # and its scale beside it, as Keras has quantised them
        return array
    stored = {"fp32": float32, "fp16": halves, "int8": int8}[kind](array)
    if not is_finite(stored):
        raise WeightsError(
            f"{path}: layer {layer!r} holds weights beyond {LARGEST_HALF:.0f} in its array of shape {array.shape}: "
            "too large for 16 bits"
        )
    return stored
