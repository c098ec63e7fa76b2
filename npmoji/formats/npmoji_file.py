"""One file with everything: weights in any precision, vocabulary, class names and reference results. `npmoji convert`
writes it, and so does whatever saves a model.

A safetensors file, so that others can read it too. Its tensors are named ``layer/weight``, weights without a name of
their own by numbers; its metadata, all texts:

    format          "npmoji 1"
    npmoji_version  of the npmoji that wrote it
    precision       fp32, fp16 or int8
    layers          JSON: [[layer, [its tensors]], ...], in the order of the graph, layers without weights too
    keras_version   of the Keras that the weights come from, which decides some details of the arithmetic; or empty
    compat          whose tokenizer the model wants, as `Tokenizer` takes it; not there for the original's
    vocabulary      the words with a space before and after each, in the order of their ids; or JSON {word: id}
    whole           JSON: [the tensors that are I8 and have no such scale as below: Keras has quantised their layers]
    classes, multi_label, provenance, references, config    JSON, see `metadata`

The last eight only if there is such a thing. Matrices are F32, F16, or I8 with a scale for each column in a tensor of
the same name and `_scale`: the weight in row k and column n is ``matrix[k, n] * scale[n]``.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import numpy as np

from .. import __version__
from ..errors import WeightsError
from ..precision import PRECISIONS, QUANTUM, Int8Array, is_whole
from ..text.vocabulary import WordText
from . import metadata as described
from . import safetensors
from .contents import Contents, Layers, checked_compat

FORMAT = "npmoji 1"
SCALE = "_scale"


def read(path: str, mmap: bool = True) -> Contents:
    """Read such a file, or torchMoji's state dict in a safetensors file.

    Raises:
        WeightsError: it is damaged, or another kind of safetensors file; names what is wrong.
    """
    tensors, metadata = safetensors.read(path, mmap)
    if metadata.get("format") != FORMAT:
        return _state_dict(path, tensors, metadata.get("format", ""))
    precision = metadata.get("precision")
    if precision not in PRECISIONS:
        raise WeightsError(f"{path}: precision {precision!r:.60}, expected one of {', '.join(PRECISIONS)}")
    words = metadata.get("vocabulary")
    return Contents(
        path,
        _layers(path, tensors, _listed(path, metadata), _listed(path, {"whole": "[]", **metadata}, "whole")),
        metadata.get("keras_version", ""),
        vocabulary=None if words is None else WordText(words, f"{path}: vocabulary"),
        precision=precision,
        compat=checked_compat(path, metadata.get("compat")),
        **{
            key: described.parsed(path, key, metadata[key], f"{key!r} in the metadata")
            for key in described.KINDS
            if key in metadata
        },
    )


def _state_dict(path: str, tensors: dict[str, np.ndarray], found: str) -> Contents:
    """What others keep in such files: torchMoji's tensors under PyTorch's names, in any type of floats."""
    from . import torch_state  # of no use to our own files

    if not torch_state.holds(tensors):
        wanted = f"expected {FORMAT!r} (see `npmoji convert`) or torchMoji's state dict"
        names = ", ".join(f"{name!r:.40}" for name in list(tensors)[:3]) or "none"
        raise WeightsError(f"{path}: a safetensors file of format {found!r:.60}, {wanted}; its tensors: {names}")
    for name, array in tensors.items():
        if array.dtype.kind != "f":
            raise WeightsError(f"{path}: tensor {name!r:.100} is of type {array.dtype}, expected one of floats")
    with np.errstate(all="ignore"):  # a float64 too large for float32 becomes infinite, which is looked for later
        floats = {name: array.astype(np.float32, copy=False) for name, array in tensors.items()}
    return torch_state.contents(path, floats)


def _listed(path: str, metadata: dict[str, str], key: str = "layers") -> list[Any]:
    """What the metadata's `layers` hold, or another list of it."""
    label = f"{path}: damaged: {key!r}"
    if key not in metadata:
        raise WeightsError(f"{label} is missing from the metadata")
    try:
        value = json.loads(metadata[key])
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{label} in the metadata is not JSON: {error}") from None
    if not isinstance(value, list):
        raise WeightsError(f"{label} in the metadata is {value!r:.60}, expected a list")
    return value


def _layers(path: str, tensors: dict[str, np.ndarray], listed: list[Any], whole: list[Any]) -> Layers:
    """The weights by layer; every tensor belongs to one. ``whole`` names those that are plain int8."""
    layers: Layers = {}
    rest = dict(tensors)
    for item in listed:
        if (
            not isinstance(item, list)
            or len(item) != 2
            or not isinstance(item[0], str)
            or not isinstance(item[1], list)
        ):
            raise WeightsError(
                f"{path}: damaged: 'layers' in the metadata holds {item!r:.60}, expected [layer, [tensors]]"
            )
        layer, names = item
        if not all(isinstance(name, str) for name in names):
            raise WeightsError(f"{path}: damaged: 'layers' in the metadata holds {names!r:.60}, expected texts")
        if layer in layers:
            raise WeightsError(f"{path}: damaged: layer {layer!r} comes twice")
        layers[layer] = {
            name.removeprefix(f"{layer}/"): _weights(path, layer, name, rest, name in whole) for name in names
        }
        if len(layers[layer]) < len(names):
            raise WeightsError(f"{path}: damaged: layer {layer!r} has two weights of one name among {names!r:.100}")
    if rest:
        raise WeightsError(f"{path}: damaged: tensor {next(iter(rest))!r} belongs to no layer")
    return layers


def _weights(
    path: str, layer: str, name: str, rest: dict[str, np.ndarray], whole: bool = False
) -> np.ndarray | Int8Array:
    """One array of weights, taken out of the rest."""
    label = f"{path}: layer {layer!r}: tensor {name!r}"
    array = rest.pop(name, None)
    if array is None:
        raise WeightsError(f"{label} is missing")
    if array.dtype in (np.float32, np.float16):
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if array.dtype != np.int8:
        raise WeightsError(f"{label} is of type {array.dtype}, expected float32, float16 or int8")
    if whole:
        return array
    scales = rest.pop(name + SCALE, None)
    if array.ndim != 2 or scales is None or scales.dtype != np.float32 or scales.shape != array.shape[1:]:
        raise WeightsError(f"{label} of int8 needs two axes, and a float32 scale for each column in {name + SCALE!r}")
    if array.min(initial=0) < -QUANTUM:
        raise WeightsError(f"{label} holds -128, expected numbers from -127 to 127")
    return Int8Array(array, scales)


def write(file: BinaryIO, contents: Contents, words: dict[str, int] | None) -> None:
    """Write such a file, the same contents always as the same bytes.

    Args:
        contents: its arrays are stored as they are: float32, float16 or an `Int8Array`; ``precision`` is what it says.
        words: the vocabulary.

    Raises:
        WeightsError: two weights would get the same name.
    """
    tensors: dict[str, np.ndarray] = {}
    listed = []
    for layer, arrays in contents.layers.items():
        listed.append((layer, [f"{layer}/{name}" for name in arrays]))
        for name, array in zip(listed[-1][1], arrays.values()):
            parts = {name: array}
            if isinstance(array, Int8Array):
                parts = {name: array.values, name + SCALE: array.scales}
            if parts.keys() & tensors.keys():
                raise WeightsError(f"{contents.path}: layer {layer!r}: there is another tensor {name!r}")
            tensors.update(parts)
    safetensors.write(file, tensors, _metadata(contents, words, listed))


def _metadata(contents: Contents, words: dict[str, int] | None, listed: list) -> dict[str, str]:
    metadata = {
        "format": FORMAT,
        "npmoji_version": __version__,
        "precision": contents.precision,
        "keras_version": contents.keras_version,
        "layers": json.dumps(listed),
    }
    if contents.compat is not None:
        metadata["compat"] = contents.compat
    whole = [f"{layer}/{name}" for layer, some in contents.layers.items() for name in some if is_whole(some[name])]
    if whole:
        metadata["whole"] = json.dumps(whole)
    metadata |= described.described(contents)
    if words is not None:
        metadata["vocabulary"] = WordText.of(words).text
    return metadata
