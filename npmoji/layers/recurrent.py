"""Recurrent layers, and the wrapper that runs one forward and one backward in time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer, given


class Recurrent(Layer):
    """What LSTM, GRU and SimpleRNN have in common.

    Args:
        kernel: float32 (F, G H), recurrent_kernel (H, G H), bias (G H) or None, with the column blocks of G gates.
        hold_masked: what a masked step returns: the previous output (Keras 2.0 to 2.3, and later versions outside of
            Bidirectional), or 0.
        go_backwards: run from the last step to the first.
        time_order: whether the outputs of a layer that goes backwards are in time order, or in the order of
            computation.
        return_sequences: return the outputs of all steps (N, T, H), else the last one (N, H).
        return_state: also return the states after the last step, each (N, H).
        initial_state: layers whose outputs are the states before the first step; 0 without any.
        dropout: how much of inputs or states is dropped in training, which nothing here does.
        options: further options of the subclass.
    """

    GATES = 1
    STATES = 1
    COMPACT = False  # whether the matrices may be float16 or an `Int8Array`
    uses_mask = True

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        recurrent_kernel: np.ndarray,
        bias: np.ndarray | None = None,
        *,
        hold_masked: bool = True,
        go_backwards: bool = False,
        time_order: bool = True,
        return_sequences: bool = True,
        return_state: bool = False,
        initial_state: tuple[Layer, ...] = (),
        dropout: float = 0.0,
        name: str | None = None,
        **options: Any,
    ):
        super().__init__(previous, *initial_state, name=name)
        self.dropout = float(dropout)
        if len(initial_state) not in (0, self.STATES):
            raise WeightsError(f"layer {self.name!r}: {len(initial_state)} initial states, expected {self.STATES}")
        self.outputs = 1 + (self.STATES if return_state else 0)
        self.units = H = recurrent_kernel.shape[0] if recurrent_kernel.ndim else 0
        self.kernel = self.expect("kernel", kernel, None, self.GATES * H, compact=self.COMPACT)
        self.recurrent_kernel = self.expect(
            "recurrent_kernel", recurrent_kernel, H, self.GATES * H, compact=self.COMPACT
        )
        self.bias = None if bias is None else self.check_bias(bias)
        self.go_backwards, self.time_order = bool(go_backwards), time_order
        self.options = {"hold_masked": hold_masked, **options}
        self.return_sequences, self.return_state = return_sequences, return_state

    def check_bias(self, bias: np.ndarray) -> np.ndarray:
        """The bias, if it has the right shape."""
        return self.expect("bias", bias, self.GATES * self.units)

    def forward(self, ops: Ops, x: Array, *initial: Array, mask: np.ndarray) -> Array | tuple[Array, ...]:
        self.check_input(x, initial)
        outputs, *states = self.run(ops, x, mask, initial)
        if not self.return_sequences:
            outputs = np.asarray(outputs)[:, 0 if self.go_backwards else -1]
        elif self.go_backwards and not self.time_order:
            outputs = np.asarray(outputs)[:, ::-1]
        return (outputs, *states) if self.return_state else outputs

    def check_input(self, x: Array, initial: tuple[Array, ...]) -> None:
        """Raise a WeightsError unless the input is (N, T, F) and the initial states are (N, H)."""
        if len(x.shape) != 3 or x.shape[2] != len(self.kernel):
            raise WeightsError(
                f"layer {self.name!r}: kernel has shape {self.kernel.shape}, but its input {tuple(x.shape)}"
            )
        self.check_states(x.shape[0], initial)

    def check_states(self, rows: int, initial: tuple[Array, ...]) -> None:
        """Raise a WeightsError unless the initial states are (N, H)."""
        for state in initial:
            if tuple(state.shape) != (rows, self.units):
                raise WeightsError(
                    f"layer {self.name!r}: an initial state has shape {tuple(state.shape)}, expected (N, {self.units})"
                )

    def run(self, ops: Ops, x: Array, mask: np.ndarray, initial: tuple[Array, ...]) -> tuple[Array, ...]:
        """The outputs of all steps in time order, and the last states if requested."""
        raise NotImplementedError

    def propagate(self, values, masks):
        mask = masks[0] if self.return_sequences else None
        return (mask, *[None] * self.STATES) if self.return_state else mask

    def weights(self) -> dict[str, np.ndarray]:
        return given(kernel=self.kernel, recurrent_kernel=self.recurrent_kernel, bias=self.bias)


class LSTM(Recurrent):
    """Long short-term memory, with the column blocks input, forget, candidate, output.

    Options, besides those of `Recurrent`:
        gate: the recurrent activation, ``"hard_sigmoid"`` (Keras 2's), ``"hard_sigmoid_keras3"`` or ``"sigmoid"``.
        activation: the activation of candidate and output, by default tanh.
        exact_projection: at precision int8, compute ``x · kernel`` in float32 with an fp16 kernel.

    >>> layer = npmoji.LSTM(npmoji.Input(), *npmoji.init.lstm(1, inputs=3, units=2))
    >>> layer(np.zeros((1, 2, 3), np.float32)).tolist()
    [[[0.0, 0.0], [0.0, 0.0]]]
    """

    GATES, STATES, COMPACT = 4, 2, True

    def __init__(self, *arguments: Any, gate: str = "hard_sigmoid", exact_projection: bool = False, **options: Any):
        super().__init__(*arguments, gate=gate, **options)
        self.exact_projection = exact_projection

    def run(self, ops: Ops, x: Array, mask: np.ndarray, initial: tuple[Array, ...]) -> tuple[Array, ...]:
        if not initial and not self.return_state:
            return (ops.lstm(x, mask, self.packed(ops), go_backwards=self.go_backwards, **self.options),)
        states = {"initial_state": initial or None, "return_state": True}
        return ops.lstm(x, mask, self.packed(ops), go_backwards=self.go_backwards, **states, **self.options)

    def pack(self, ops: Ops) -> Any:
        bias = np.zeros(4 * self.units, np.float32) if self.bias is None else self.bias
        return ops.pack_lstm(self.kernel, self.recurrent_kernel, bias, self.exact_projection)


class GRU(Recurrent):
    """Gated recurrent unit, with the column blocks update, reset, candidate.

    Options, besides those of `Recurrent`:
        gate, activation: the activation of the gates (by default sigmoid) and of the candidate (tanh).
        reset_after: apply the reset gate after the recurrent product, not before. The bias is then (2, 3H), one for the
            input's and one for the recurrent product; (3H) is the former alone.

    >>> layer = npmoji.GRU(npmoji.Input(), *npmoji.init.gru(1, inputs=3, units=2))
    >>> layer(np.zeros((1, 2, 3), np.float32)).tolist()
    [[[0.0, 0.0], [0.0, 0.0]]]
    """

    GATES = 3

    def __init__(self, *arguments: Any, gate: str = "sigmoid", reset_after: bool = True, **options: Any):
        self._reset_after = reset_after
        super().__init__(*arguments, gate=gate, reset_after=reset_after, **options)

    def check_bias(self, bias):
        rows = (2,) if self._reset_after and bias.ndim == 2 else ()
        return self.expect("bias", bias, *rows, 3 * self.units)

    def run(self, ops: Ops, x: Array, mask: np.ndarray, initial: tuple[Array, ...]) -> tuple[Array, ...]:
        start = {"initial_state": initial[0] if initial else None}
        return ops.gru(x, mask, self.packed(ops), go_backwards=self.go_backwards, **start, **self.options)

    def pack(self, ops: Ops) -> Any:
        return ops.pack_gru(self.kernel, self.recurrent_kernel, self.bias)


class SimpleRNN(Recurrent):
    """``activation(x · kernel + h · recurrent_kernel + bias)``; the option ``activation`` defaults to tanh.

    >>> layer = npmoji.SimpleRNN(npmoji.Input(), *npmoji.init.simple_rnn(1, inputs=3, units=2))
    >>> layer(np.zeros((1, 2, 3), np.float32)).tolist()
    [[[0.0, 0.0], [0.0, 0.0]]]
    """

    def run(self, ops: Ops, x: Array, mask: np.ndarray, initial: tuple[Array, ...]) -> tuple[Array, ...]:
        start = {"initial_state": initial[0] if initial else None}
        return ops.simple_rnn(x, mask, self.packed(ops), go_backwards=self.go_backwards, **start, **self.options)

    def pack(self, ops: Ops) -> Any:
        bias = np.zeros(self.units, np.float32) if self.bias is None else self.bias
        return ops.pack_simple_rnn(self.kernel, self.recurrent_kernel, bias)


class Bidirectional(Layer):
    """Two recurrent layers over the same input, one forward and one backward in time; concatenated LSTMs: (N, T, 2H).

    Args:
        forward, backward: kernel, recurrent_kernel and bias of each direction, as arguments of ``cell``.
        cell: LSTM, GRU, SimpleRNN or StackedRNN; ``backward_cell`` and ``backward_options`` if the backward direction
            differs.
        merge_mode: ``"concat"``, ``"sum"``, ``"mul"``, ``"ave"``, or None for two separate outputs.
        reverse: the forward layer runs backward and vice versa; outputs are in reverse time order.
        return_sequences, return_state, initial_state: as in `Recurrent`; states are the forward layer's, then the
            backward layer's.
        options: for both directions, as in ``cell``.

    >>> lstm = npmoji.init.lstm(1, inputs=3, units=2)
    >>> npmoji.Bidirectional(npmoji.Input(), lstm, lstm)(np.zeros((1, 5, 3), np.float32)).shape
    (1, 5, 4)
    """

    uses_mask = True

    def __init__(
        self,
        previous: Layer,
        forward: tuple,
        backward: tuple,
        name: str | None = None,
        cell: type[Recurrent] = LSTM,
        merge_mode: str | None = "concat",
        reverse: bool = False,
        return_sequences: bool = True,
        return_state: bool = False,
        initial_state: tuple[Layer, ...] = (),
        backward_cell: type[Recurrent] | None = None,
        backward_options: dict[str, Any] | None = None,
        **options: Any,
    ):
        super().__init__(previous, *initial_state, name=name)
        self.merge_mode, self.reverse = merge_mode, reverse
        self.return_sequences, self.return_state = return_sequences, return_state
        returns = {"return_sequences": return_sequences, "return_state": return_state}
        behind, other = backward_cell or cell, options if backward_options is None else backward_options
        self.ahead = cell(previous, *forward, name=f"{self.name}/forward", go_backwards=reverse, **returns, **options)
        self.behind = behind(
            previous, *backward, name=f"{self.name}/backward", go_backwards=not reverse, **returns, **other
        )
        inputs, columns = self.ahead.kernel.shape
        self.behind.expect("kernel", self.behind.kernel, inputs, None if backward_cell else columns, compact=True)
        states = self.ahead.STATES + self.behind.STATES
        if len(initial_state) not in (0, states):
            raise WeightsError(f"layer {self.name!r}: {len(initial_state)} initial states, expected {states}")
        self.outputs = (1 if merge_mode else 2) + (states if return_state else 0)
        plain = return_sequences and not (return_state or initial_state or reverse or backward_options)
        self._together = plain and merge_mode == "concat" and cell is LSTM

    def forward(self, ops: Ops, x: Array, *initial: Array, mask: np.ndarray) -> Array | tuple[Array, ...]:
        if self._together:
            self.ahead.check_input(x, ())
            return ops.bidirectional(x, mask, self.ahead.packed(ops), self.behind.packed(ops), **self.ahead.options)
        own = self.ahead.STATES
        ahead = self.ahead.forward(ops, x, *initial[:own], mask=mask)
        behind = self.behind.forward(ops, x, *initial[own:], mask=mask)
        (y, *states), (z, *other) = (value if self.return_state else (value,) for value in (ahead, behind))
        if self.reverse and self.return_sequences:
            y, z = np.asarray(y)[:, ::-1], np.asarray(z)[:, ::-1]
        merged = self._merge(ops, y, z)
        return (*merged, *states, *other) if self.outputs > 1 else merged[0]

    def _merge(self, ops: Ops, y: Array, z: Array) -> tuple[Array, ...]:
        if self.merge_mode is None:
            return y, z
        if self.merge_mode == "concat":
            return (ops.concatenate([y, z]),)
        y, z = np.asarray(y), np.asarray(z)
        return (
            {"sum": np.add, "mul": np.multiply, "ave": lambda a, b: (a + b) / np.float32(2)}[self.merge_mode](y, z),
        )

    def propagate(self, values, masks):
        mask = masks[0] if self.return_sequences else None
        merged = 1 if self.merge_mode else 2
        return (*[mask] * merged, *[None] * (self.outputs - merged)) if self.outputs > 1 else mask

    def weights(self) -> dict[str, np.ndarray]:
        return {f"{part}_{name}": array
                for part, layer in (("forward", self.ahead), ("backward", self.behind))
                for name, array in layer.weights().items()}  # fmt: skip
