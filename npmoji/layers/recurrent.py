"""Layers with a memory, and the wrapper that runs one along time and one against it."""

from __future__ import annotations

import numpy as np

from .base import Layer


class LSTM(Layer):
    """Long short-term memory that returns the outputs of all steps.

    Args:
        kernel: float32 (F, 4H), recurrent_kernel (H, 4H), bias (4H); column blocks input, forget, candidate, output.
        gate: the recurrent activation, ``"hard_sigmoid"`` (Keras 2's), ``"hard_sigmoid_keras3"`` or ``"sigmoid"``.
        hold_masked: what a masked step returns: the previous output (Keras 2.0 to 2.3), or 0 (tf_keras and Keras 3).
        go_backwards: run from the last step to the first; outputs are in time order all the same.
        exact_projection: keep ``x · kernel`` in float32 when the precision is int8.
    """

    uses_mask = True

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        recurrent_kernel: np.ndarray,
        bias: np.ndarray,
        gate: str = "hard_sigmoid",
        hold_masked: bool = True,
        go_backwards: bool = False,
        exact_projection: bool = False,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        H = recurrent_kernel.shape[0] if recurrent_kernel.ndim else 0
        self.kernel = self.expect("kernel", kernel, None, 4 * H)
        self.recurrent_kernel = self.expect("recurrent_kernel", recurrent_kernel, H, 4 * H)
        self.bias = self.expect("bias", bias, 4 * H)
        self.options = {"gate": gate, "hold_masked": hold_masked}
        self.go_backwards = go_backwards
        self.exact_projection = exact_projection

    def forward(self, ops, x, mask):  # (N, T, F) -> (N, T, H)
        return ops.lstm(x, mask, self.packed(ops), go_backwards=self.go_backwards, **self.options)

    def pack(self, ops):
        return ops.pack_lstm(self.kernel, self.recurrent_kernel, self.bias, self.exact_projection)

    def weights(self):
        return {"kernel": self.kernel, "recurrent_kernel": self.recurrent_kernel, "bias": self.bias}


class Bidirectional(Layer):
    """Two LSTMs over the same input, one along time and one against it, outputs side by side: (N, T, 2H).

    Args:
        forward, backward: kernel, recurrent_kernel and bias of each direction, as `LSTM` takes them.
        options: ``gate``, ``hold_masked`` and ``exact_projection``, as `LSTM` takes them.
    """

    uses_mask = True

    def __init__(self, previous: Layer, forward: tuple, backward: tuple, name: str | None = None, **options):
        super().__init__(previous, name=name)
        self.ahead = LSTM(previous, *forward, name=f"{self.name}/forward", **options)
        self.behind = LSTM(previous, *backward, name=f"{self.name}/backward", go_backwards=True, **options)
        self.behind.expect("kernel", self.behind.kernel, *self.ahead.kernel.shape)

    def forward(self, ops, x, mask):  # (N, T, F) -> (N, T, 2H)
        return ops.bidirectional(x, mask, self.ahead.packed(ops), self.behind.packed(ops), **self.ahead.options)

    def weights(self):
        return {f"{part}_{name}": array
                for part, lstm in (("forward", self.ahead), ("backward", self.behind))
                for name, array in lstm.weights().items()}  # fmt: skip
