"""ONNX Runtime on the files that `npmoji convert` writes: what `bench.py` compares npmoji with."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from npmoji.export.onnx.rounding import int8
from npmoji.export.onnx.write import TOKENS, network
from npmoji.model import Model


def write(model: Model, path: str, path_int8: str) -> None:
    """Write the network of ``model``, and the same with int8 matrices."""
    whole = network(model)
    onnx.save(whole, path)
    onnx.save(int8(whole), path_int8)


class Session:
    """A graph in ONNX Runtime on so many threads, all other settings as they come."""

    def __init__(self, path: str, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    @property
    def inputs(self) -> dict[str, str]:
        """The types of the inputs by name, in their order."""
        return {given.name: given.type for given in self._session.get_inputs()}

    def run(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Probabilities of one batch from `feeds`."""
        return self.all(feed)[0]

    def all(self, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """All outputs."""
        return self._session.run(None, feed)


def feeds(tokens: np.ndarray, size: int) -> list[dict[str, np.ndarray]]:
    """Inputs for batches of ``size`` texts, cut to their longest; ``tokens`` (N, T), longest first, no empty text."""
    lengths = np.count_nonzero(tokens, axis=1)
    starts = range(0, len(tokens), size)
    return [{TOKENS: np.ascontiguousarray(tokens[at : at + size, : lengths[at]], np.int64)} for at in starts]
