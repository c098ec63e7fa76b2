"""DeepMoji as an ONNX graph with the fused LSTM operator, for ONNX Runtime: what `bench.py` compares npmoji with.

Inputs, time-major: ``ids`` int64 (T, N), 0 = padding; ``lengths`` int32 (N,); output ``probabilities`` float32 (N, C).
Operators: https://onnx.ai/onnx/operators (LSTM: gates in the order i, o, f, c; two biases, of which Keras has one).

One thing differs from Keras 2.0: the LSTM operator gives 0 at padded steps instead of the output before them. Only the
maximum that the attention subtracts sees padded steps, so this moves a probability by less than its epsilon does.
"""

from __future__ import annotations

import logging

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from npmoji.backends.ops import EPSILON
from npmoji.model import Model

OPSET, IR_VERSION = 18, 9  # the oldest that will do: any runtime since 2023 reads them
GATES = {
    "hard_sigmoid": ("HardSigmoid", 0.2, 0.5),
    "hard_sigmoid_keras3": ("HardSigmoid", 1 / 6, 0.5),
    "sigmoid": ("Sigmoid",),
}
FINAL = {"softmax": "Softmax", "sigmoid": "Sigmoid"}


class Graph:
    """Nodes and constants as they are added; every method returns the name of a value."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, array: np.ndarray) -> str:
        """A weight or another fixed array."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, *inputs: str | np.ndarray, **attributes) -> str:
        """A node; arrays among its inputs become constants."""
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        name = attributes.pop("called", f"value_{len(self.nodes)}")
        self.nodes.append(helper.make_node(operator, names, [name], **attributes))
        return name


def write(model: Model, path: str) -> None:
    """Write the network of ``model`` as an ONNX file with its weights in it."""
    g = Graph()
    x = g.add("Tanh", g.add("Gather", model["embedding"].embeddings, "ids"))
    y_0 = _bidirectional(g, x, model["bi_lstm_0"])
    y_1 = _bidirectional(g, y_0, model["bi_lstm_1"])
    features = _attention(g, g.add("Concat", y_1, y_0, x, axis=2), model["attlayer"].kernel)
    last = model["softmax"].weights()
    bias = last.get("bias", np.zeros(model.classes, np.float32))
    g.add(FINAL[model["softmax"].activation], g.add("Gemm", features, last["kernel"], bias), called="probabilities")
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["T", "N"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["N"]),
    ]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", model.classes])]
    graph = helper.make_graph(g.nodes, "deepmoji", inputs, outputs, g.constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION), path)


def write_int8(source: str, path: str) -> None:
    """The same graph with its LSTM weights as int8, activations quantised as they come; scales as the tool has them."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it recommends a preprocessing that changes nothing here
    try:
        quantize_dynamic(source, path, weight_type=QuantType.QInt8, op_types_to_quantize=["LSTM"])
    finally:
        logging.disable(before)


def _iofc(array: np.ndarray) -> np.ndarray:
    """Keras' column blocks i, f, c, o in ONNX' order."""
    i, f, c, o = np.split(array, 4, axis=-1)
    return np.concatenate([i, o, f, c], axis=-1)


def _bidirectional(g: Graph, x: str, layer) -> str:
    """(T, N, F) -> (T, N, 2H)."""
    directions = layer.ahead, layer.behind
    gate, *numbers = GATES[layer.ahead.options["gate"]]
    scale = {f"activation_{name}": [number] * 2 for name, number in zip(("alpha", "beta"), numbers)}
    y = g.add(
        "LSTM",
        x,
        np.stack([_iofc(d.kernel).T for d in directions]),
        np.stack([_iofc(d.recurrent_kernel).T for d in directions]),
        np.stack([np.concatenate([_iofc(d.bias), np.zeros_like(d.bias)]) for d in directions]),
        "lengths",
        hidden_size=len(layer.ahead.recurrent_kernel),
        direction="bidirectional",
        activations=[gate, "Tanh", "Tanh"] * 2,
        **scale,
    )
    return g.add("Reshape", g.add("Transpose", y, perm=[0, 2, 1, 3]), np.array([0, 0, -1]))


def _attention(g: Graph, x: str, kernel: np.ndarray) -> str:
    """(T, N, F) -> (N, F): the maximum over all steps, the sums over the valid ones."""
    time, last = np.array([0]), np.array([2])
    valid = g.add("Unsqueeze", g.add("Cast", g.add("Greater", "ids", np.array(0)), to=TensorProto.FLOAT), last)
    logits = g.add("MatMul", x, kernel)  # (T, N, 1)
    a = g.add("Mul", g.add("Exp", g.add("Sub", logits, g.add("ReduceMax", logits, time))), valid)
    weights = g.add("Div", a, g.add("Add", g.add("ReduceSum", a, time), EPSILON))
    return g.add("ReduceSum", g.add("Mul", x, weights), time, keepdims=0)


class Session:
    """A graph in ONNX Runtime on so many threads, all other settings as they come."""

    def __init__(self, path: str, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Probabilities of one batch from `feeds`."""
        return self._session.run(None, feed)[0]


def feeds(tokens: np.ndarray, size: int) -> list[dict[str, np.ndarray]]:
    """Inputs for batches of ``size`` texts, cut to their longest; ``tokens`` (N, T), longest first, no empty text."""
    lengths = np.count_nonzero(tokens, axis=1).astype(np.int32)
    starts = range(0, len(tokens), size)
    return [
        {
            "ids": np.ascontiguousarray(tokens[at : at + size, : lengths[at]].T, np.int64),
            "lengths": lengths[at : at + size],
        }
        for at in starts
    ]
