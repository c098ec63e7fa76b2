"""Golden outputs: every layer's output for a list of texts, for authors of other ports; `npmoji golden`.

A folder of `manifest.json` and a `.npy` file for each tensor (or one `.npz` of the same files). Tensors are
little-endian and in C order: ``tokens`` int64 (N, T), and one float32 tensor for each layer that `golden_names` lists,
at all N texts and T steps, masked ones too; T is the model's maxlen, or the width of the token ids given. A network
that takes something else has its inputs by their names in place of ``tokens``; a layer with several outputs is kept as
name/0, name/1, ...

The bytes depend on input and weights only: not on the CPU, the number of threads or the size of the blocks that are
computed together. That is the numba engine's promise, so it computes them unless another was asked for by name.

The manifest, JSON in ASCII, has these keys in this order:

    format_version          1
    npmoji_version          who wrote it
    engine                  "numba"; with "numpy" or "torch" the last bits depend on the machine
    precision               "fp32", "fp16" or "int8": that of the LSTM's matrices
    weights                 {"name", "sha256", "bytes", "vocabulary_size", "features", "classes"}: the file, the
                            network's sizes; null for digest and bytes that are not known, as of a model made by hand
    keras_version           of the Keras that made the file, "" if it does not tell
    recurrent_activation    the LSTMs' gates: "hard_sigmoid" (Keras 2's), "hard_sigmoid_keras3" or "sigmoid"
    holds_masked_outputs    whether an LSTM repeats its last output at masked steps (true), or gives 0 there
    vocabulary_sha256       of the vocabulary's file, null without one; of its JSON text by id where it came from none
    compat                  whose tokenizer it was, "deepmoji" (the original's) or "torchmoji"; null without one
    maxlen                  tokens kept of a text, null for a model without a vocabulary
    T                       steps
    tensors                 a list of {"name", "file", "shape", "dtype", "sha256", "tolerance"}
    texts                   a list of {"text", "words", "ids", "top5"}, one a row of the tensors

``sha256`` of a tensor is that of its file. ``tolerance`` is {"absolute", "relative"}, recommended for another
implementation: it passes where ``|candidate - golden| <= absolute + relative * |golden|``. A row of token ids has null
for ``text`` and ``words``; ``words`` are all tokens of a text, ``ids`` what was kept of them, without trailing padding.
``top5`` is [[class, probability], ...], best first, equal ones by class; empty for a file without classes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .. import __version__, deepmoji
from ..backends import backend
from ..errors import InputError
from ..files.paths import local
from ..layers import AttentionWeights, Concatenate, Dropout, Embedding, Input, Layer, Pass
from .golden_files import (
    FORMAT_VERSION,
    MANIFEST,
    Golden,
    TensorFile,
    check_replaceable,
    file_name,
    manifest_bytes,
    pack,
    read,
    read_inputs,
)
from .golden_texts import BUILTIN, Builtin

if TYPE_CHECKING:
    from ..model import Model

__all__ = ["BUILTIN", "Builtin", "Golden", "collect", "golden_names", "read", "read_inputs", "write"]

Source = list[str] | np.ndarray | dict[str, Any] | Builtin

BLOCK_STEPS = 2048  # texts x steps computed together: at the original's sizes 40 MB, all layers
NOTHING = np.zeros(0, np.float32)
WIDTH = 30  # steps of the builtin rows for a model without a vocabulary, which has no maxlen

# Two float32 implementations add up in different orders. At the original's sizes (2304 features, 30 steps) each of
# npmoji's engines is up to 5.3e-6 from float64 in some of a layer's numbers, and 3.4e-7 in probabilities and attention
# weights: two correct ports may be twice that apart. Genuine Keras stays within half of these limits on all reference
# outputs. Where a tensor's values exceed 1, as logits may, rounding grows with them: there the limit is relative as
# well.
PROBABILITIES, LAYERS = 2e-6, 1e-5
# int8 rounds activations: where two implementations differ in the last bit a number may go to the other side, and a
# step of 1/127 follows.
INT8 = 1e-2


def write(model: Model, source: Source, target: str | os.PathLike, npz: bool = False, block: int | None = None) -> None:
    """Write golden outputs: a folder, or one file. They appear whole or not at all.

    Args:
        source: texts, token ids (N, T), or `BUILTIN`; for other networks whatever their `predict` takes.
        target: a folder that does not exist, is empty, or was written by this function and holds nothing else; with
            ``npz`` the name of a file, ending in .npz.
        block: texts computed together; bounds the memory, and changes no bit of what is written.

    Raises:
        InputError: there are no texts, they cannot be used, or the target cannot be written.
        VocabularyError: texts for a model without a vocabulary.
    """
    from ..files.whole import scratch_folder, whole_file, whole_folder

    target = local(target, "target")
    if not target:
        raise InputError("expected the name of a folder to write, got ''")
    rows = _Rows(model, source)
    if not npz:
        with whole_folder(target, check_replaceable) as folder:
            _write_files(model, rows, folder, block)
        return
    if not target.endswith(".npz"):
        raise InputError(f"{target}: expected a name that ends in .npz")
    with whole_file(target) as file, scratch_folder(os.path.realpath(target)) as folder:
        pack(folder, _write_files(model, rows, folder, block), file)


def collect(model: Model, source: Source, block: int | None = None) -> Golden:
    """The same in memory, where ``path`` says which engine computed it."""
    files: dict[str, io.BytesIO] = {}

    def create(name: str) -> BinaryIO:
        files[name] = io.BytesIO()
        return files[name]

    manifest = _compute(model, _Rows(model, source), create, block)
    tensors = {}
    for entry in manifest["tensors"]:
        content, shape = files[entry["file"]].getbuffer(), entry["shape"]
        size = int(np.prod(shape)) * np.dtype(entry["dtype"]).itemsize
        tensors[entry["name"]] = np.frombuffer(content[len(content) - size :], entry["dtype"]).reshape(shape)
    return Golden(manifest, tensors, f"the {manifest['engine']} engine")


def golden_names(model: Model) -> list[str]:
    """The layers whose outputs are kept, in graph order.

    Each layer of the file but the inputs. Of DeepMoji also the parts of its last two layers, and none that only hands
    on numbers that others hold.
    """
    if set(deepmoji.FEATURES) <= set(model.graph.named):
        layers, skipped = model.graph.named.values(), (Input, Embedding, Concatenate, Dropout)
    else:
        layers, skipped = model.graph.layers, (Input,)
    return [layer.name for layer in layers if not isinstance(layer, skipped)]


# The rows: texts with their words, token ids, other numbers -----------------------------------------------------------


class _Rows:
    """What the golden outputs are computed for.

    Attributes:
        inputs: int64 or float32 (N, ...) by the names of the network's inputs.
        names: those that the tensors have: the same, or ``tokens`` for token ids as the only input.
        tokens: the token ids (N, T), if there are any.
        texts: of the first rows; the others have none.
        T: the width of the token ids, else of the first input.
    """

    def __init__(self, model: Model, source: Source):
        self.tokenizer, self.texts = model.tokenizer, []
        ids = next((layer.name for layer in model.graph.inputs if layer.vocabulary_size is not None), None)
        found = model.arrays(self._builtin(source, model) if isinstance(source, Builtin) else source)
        self.inputs = {name: _portable(name, array) for name, array in found.items()}
        self.names = {name: "tokens" if len(found) == 1 and name == ids else name for name in found}
        self.tokens = self.inputs.get(ids)
        first = next(iter(self.inputs.values())) if self.tokens is None else self.tokens
        self.N, self.T = len(first), first.shape[1] if first.ndim > 1 else 1
        if not self.N:
            raise InputError("golden outputs need at least one text")
        given = source.get(ids, ()) if isinstance(source, dict) else source
        if not isinstance(source, Builtin) and len(given) and isinstance(given[0], str):
            self.texts = list(map(str, given))

    def _builtin(self, source: Builtin, model: Model) -> np.ndarray:
        """Texts and rows, or only rows without a vocabulary, as token ids."""
        if len(model.graph.inputs) != 1 or not model.vocabulary_size:
            raise InputError("the builtin list is of texts and token ids; this network takes something else")
        if self.tokenizer is None:
            return source.rows(model.graph.steps or WIDTH, model.vocabulary_size)
        self.texts = list(source.texts)
        return np.concatenate([self.tokenizer(self.texts), source.rows(self.tokenizer.maxlen, model.vocabulary_size)])

    def block(self, first: int, size: int) -> dict[str, np.ndarray]:
        """Some rows of the inputs."""
        return {name: array[first : first + size] for name, array in self.inputs.items()}

    def describe(self, row: int, probabilities: np.ndarray) -> dict[str, Any]:
        """The manifest's entry of a row; ``probabilities`` (C,)."""
        ids = np.zeros(0, np.int64) if self.tokens is None else self.tokens[row]
        text = words = None
        if row < len(self.texts):
            text, words = self.texts[row], self.tokenizer.words(self.texts[row])
        ids = np.trim_zeros(ids, "b") if words is None else ids[: len(words)]
        return {"text": text, "words": words, "ids": ids.tolist(), "top5": _top5(probabilities)}


def _portable(name: str, array: Any) -> np.ndarray:
    if not isinstance(array, np.ndarray):
        raise InputError(f"input {name!r}: golden outputs are not made for sparse arrays")
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int64)


def _top5(probabilities: np.ndarray) -> list[list[float]]:
    if probabilities.ndim != 1:  # a layer of steps, for instance
        return []
    best = np.argsort(-probabilities, kind="stable")[:5]
    return [[int(i), float(str(probabilities[i]))] for i in best]


# Computing ------------------------------------------------------------------------------------------------------------


def _write_files(model: Model, rows: _Rows, folder: str, block: int | None) -> list[str]:
    """Fill a folder; the names of its files, the manifest first."""
    with contextlib.ExitStack() as files:
        manifest = _compute(
            model, rows, lambda name: files.enter_context(open(os.path.join(folder, name), "xb")), block
        )
    with open(os.path.join(folder, MANIFEST), "xb") as file:
        file.write(manifest_bytes(manifest))
    return [MANIFEST, *(entry["file"] for entry in manifest["tensors"])]


def _compute(model: Model, rows: _Rows, create: Callable[[str], BinaryIO], block: int | None) -> dict[str, Any]:
    """Compute block by block into files that ``create`` opens by name; the manifest."""
    manifest = _facts(model, rows)
    final = "" if model.feature_only else model.graph.outputs[0].name
    parts_of_one = {final, *(name for name, layer in model.graph.named.items() if isinstance(layer, AttentionWeights))}
    files: dict[str, TensorFile] = {}
    texts: list[dict] = []
    for values in _blocks(model, manifest["engine"], rows, block):
        for name, value in values.items():
            if name not in files:
                files[name] = TensorFile(create(file_name(name)), rows.N, value)
            files[name].append(value)
        ranked = values.get(final)  # missing if there are no classes, or it has several outputs
        count = len(next(iter(values.values())))
        texts += [rows.describe(len(texts) + i, NOTHING if ranked is None else ranked[i]) for i in range(count)]
    manifest["tensors"] = [
        {
            "name": name,
            "file": file_name(name),
            **file.facts(),
            "tolerance": tolerance(file, name in parts_of_one, model.precision),
        }
        for name, file in files.items()
    ]
    manifest["texts"] = texts
    return manifest


def _blocks(model: Model, engine: str, rows: _Rows, block: int | None) -> Iterator[dict[str, np.ndarray]]:
    """For each block of rows {tensor: values}, inputs first."""
    ops = backend(engine, model.threads, model.precision, model.device)
    block = block or max(1, BLOCK_STEPS // rows.T)
    for first in range(0, rows.N, block):
        model.check_ready()
        X, run = rows.block(first, block), Pass(ops)
        values = {rows.names[name]: array for name, array in X.items()}
        for name in golden_names(model):
            value, _ = model.graph.named[name].pull(X, run)
            several = isinstance(value, (tuple, list))
            for i, part in enumerate(value if several else [value]):
                values[f"{name}/{i}" if several else name] = np.asarray(part, np.float32)
        yield values


def tolerance(tensor: TensorFile, parts_of_one: bool, precision: str) -> dict[str, float]:
    """How far another implementation may be off: see the limits above. ``parts_of_one``: probabilities, attention
    weights."""
    if tensor.dtype.kind != "f":
        return {"absolute": 0.0, "relative": 0.0}
    limit = INT8 if precision == "int8" else PROBABILITIES if parts_of_one else LAYERS
    return {"absolute": limit, "relative": limit if tensor.largest > 1 else 0.0}


def _facts(model: Model, rows: _Rows) -> dict[str, Any]:
    """The manifest's keys before the tensors."""
    options = next((o for o in map(_lstm_options, model.graph.layers) if o), {})
    return {
        "format_version": FORMAT_VERSION,
        "npmoji_version": __version__,
        "engine": "numba" if model.engine == "auto" else model.engine,
        "precision": model.precision,
        "weights": {
            "name": os.path.basename(model.path),
            "sha256": model.weights_file.sha256,
            "bytes": model.weights_file.size,
            "vocabulary_size": model.vocabulary_size,
            "features": model.features,
            "classes": model.classes,
        },
        "keras_version": model.contents.keras_version,
        "recurrent_activation": options.get("gate"),
        "holds_masked_outputs": options.get("hold_masked"),
        "vocabulary_sha256": vocabulary_sha256(model),
        "compat": None if model.tokenizer is None else model.tokenizer.compat,
        "maxlen": None if model.tokenizer is None else model.tokenizer.maxlen,
        "T": rows.T,
    }


def _lstm_options(layer: Layer) -> dict[str, Any] | None:
    return getattr(getattr(layer, "ahead", layer), "options", None)


def vocabulary_sha256(model: Model) -> str | None:
    """Of the vocabulary's file; of one that came from no file of its own, of its JSON text by id; None without one."""
    if model.tokenizer is None:
        return None
    file = model.vocabulary_file
    if file is not None and file.path != model.path and file.sha256:
        return file.sha256
    ordered = dict(sorted(model.tokenizer.vocabulary.items(), key=lambda item: item[1]))
    return hashlib.sha256(json.dumps(ordered).encode("ascii")).hexdigest()
