"""Smaller ONNX files in ONNX Runtime's own formats, and whether they still give what the large ones do.

fp16: weights and arithmetic in half precision; what a processor has no half-precision kernel for, ONNX Runtime computes
in float32. int8: the matrices of recurrent layers and products as int8, activations quantised as they come.
"""

from __future__ import annotations

import copy
import logging
import os
from typing import Any, NamedTuple

import numpy as np

from ...checks.golden_texts import Builtin
from ...errors import InputError
from ...files.extras import need
from ...graph import FREE_STEPS
from ...model import Model
from .graph import INT8
from .write import input_names

LEAST = 0.99  # the share of rows that must keep their best class
#: the operators that are quantised: not the look-up, whose rows are used as they are
QUANTISED = ("LSTM", "MatMul")


class Agreement(NamedTuple):
    """How a smaller file compares with the large one.

    Attributes:
        same: rows whose best class, of the first output, is the same.
        rows: how many there are; for a network that gives each step something, steps.
        error: the largest difference of a number.
        size: the smaller file's, as a share of the other's.
    """

    same: int
    rows: int
    error: float
    size: float

    def __str__(self) -> str:
        return (
            f"{self.same} of {self.rows} builtin rows keep their best class ({self.same / self.rows:.1%}); "
            f"the largest difference is {self.error:.2g}, the size {self.size:.2f} of that of fp32"
        )

    def check(self, target: str, precision: str) -> None:
        """Raise an InputError if too few rows agree."""
        if self.same < LEAST * self.rows:
            raise InputError(f"{target}: not written in {precision}: {self}; expected at least {LEAST:.0%}")


def float16(model: Any) -> Any:
    """The model with half-precision weights; inputs and outputs stay float32."""
    if any(array.data_type == INT8 for array in model.graph.initializer):
        raise InputError("precision fp16: Keras has quantised layers of this network, whose scales need float32")
    module = need("onnxruntime.transformers.float16", "onnx", "precision fp16 in an ONNX file")
    return module.convert_float_to_float16(copy.deepcopy(model), keep_io_types=True)


def int8(model: Any) -> Any:
    """The model with int8 matrices."""
    quantisation = need("onnxruntime.quantization", "onnx", "precision int8 in an ONNX file")
    onnx = need("onnx", "onnx", "precision int8 in an ONNX file")
    import tempfile

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it recommends a preprocessing that changes nothing here
    try:
        with tempfile.TemporaryDirectory() as folder:  # it takes and gives files only
            source, target = (os.path.join(folder, name) for name in ("fp32.onnx", "int8.onnx"))
            onnx.save(model, source)
            kinds = {"weight_type": quantisation.QuantType.QInt8, "op_types_to_quantize": list(QUANTISED)}
            quantisation.quantize_dynamic(source, target, **kinds)
            return onnx.load(target)
    finally:
        logging.disable(before)


KINDS = {"fp16": float16, "int8": int8}


def agreement(model: Model, exact: Any, rounded: Any, source: Builtin) -> Agreement:
    """Both files on the builtin texts and rows of ids: how a smaller one compares, see `LEAST`.

    Args:
        exact, rounded: ONNX models of the same network.
    """
    feed = feeds(model, source)
    want, got = (_first_output(one, feed) for one in (exact, rounded))
    same = int((_best(want) == _best(got)).sum())
    size = rounded.ByteSize() / exact.ByteSize()
    return Agreement(same, len(_best(want)), float(np.abs(want - got).max()), size)


def feeds(model: Model, source: Builtin) -> dict[str, np.ndarray]:
    """Values for the inputs of a model's ONNX file, by name: the builtin texts where there is a vocabulary, and rows of
    ids; numbers drawn from a seed."""
    steps = model.graph.steps or (model.tokenizer.maxlen if model.tokenizer else FREE_STEPS)
    names, rng, found = input_names(model), np.random.default_rng(0), {}
    for layer in model.graph.inputs:
        if layer.vocabulary_size is None:
            shape = tuple(steps if n is None else n for n in layer.shape or (None,))
            found[names[layer]] = lambda N, shape=shape: rng.standard_normal((N, *shape)).astype(np.float32)
            continue
        rows = source.rows(steps, layer.vocabulary_size)
        if model.tokenizer is not None:
            texts = model.tokenizer(source.texts).astype(np.int64)[:, :steps]
            rows = np.concatenate([np.pad(texts, ((0, 0), (0, steps - texts.shape[1]))), rows])
        found[names[layer]] = rows
    N = max((len(rows) for rows in found.values() if isinstance(rows, np.ndarray)), default=100)
    return {name: rows if isinstance(rows, np.ndarray) else rows(N) for name, rows in found.items()}


def _first_output(model: Any, feed: dict[str, np.ndarray]) -> np.ndarray:
    runtime = need("onnxruntime", "onnx", "comparing ONNX files")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # it warns of what it computes in float32 instead
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    types = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}
    given = {one.name: feed[one.name].astype(types.get(one.type, np.float32)) for one in session.get_inputs()}
    return session.run(None, given)[0]


def _best(values: np.ndarray) -> np.ndarray:
    """The best class of each row or step; of one number, on which side of a half it is."""
    return values.argmax(axis=-1).reshape(-1) if values.shape[-1] > 1 else values.reshape(-1) > 0.5
