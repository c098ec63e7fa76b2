"""Several recurrent cells upon each other as one layer."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer
from .recurrent import Recurrent

#: what a cell is made of: its layer's class, the arrays and the options that this takes
Parts: TypeAlias = tuple[type[Recurrent], tuple[np.ndarray | None, ...], dict[str, Any]]


class StackedRNN(Recurrent):
    """Recurrent layers of which each takes the outputs of the one before, with one mask for all: at a masked step none
    of their states changes.

    Args:
        cells: of each its class, its arrays and further options, ``(GRU, (kernel, recurrent_kernel, bias), {})``.
            Kernels are float32 (F, G H) for the first, then as wide as the outputs before.
        hold_masked, go_backwards, time_order, return_sequences, return_state, initial_state: as in `Recurrent`. The
            outputs are the last cell's; the states are those of the first cell, then those of the next.

    >>> cells = [(npmoji.LSTM, npmoji.init.lstm(1, inputs=3, units=2), {}), (npmoji.GRU, npmoji.init.gru(1, 2, 4), {})]
    >>> npmoji.StackedRNN(npmoji.Input(), *cells)(np.zeros((1, 5, 3), np.float32)).shape
    (1, 5, 4)
    """

    def __init__(
        self,
        previous: Layer,
        *cells: Parts,
        hold_masked: bool = True,
        go_backwards: bool = False,
        time_order: bool = True,
        return_sequences: bool = True,
        return_state: bool = False,
        initial_state: tuple[Layer, ...] = (),
        name: str | None = None,
    ):
        Layer.__init__(self, previous, *initial_state, name=name)
        if not cells:
            raise WeightsError(f"layer {self.name!r}: no cells, expected one or more")
        self.options: dict[str, Any] = {"hold_masked": hold_masked}
        self.go_backwards, self.time_order = bool(go_backwards), time_order
        self.return_sequences, self.return_state = return_sequences, return_state
        shared = {"go_backwards": go_backwards, "return_state": return_state, **self.options}
        self.cells = [
            kind(previous, *arrays, name=f"{self.name}/{i}", **shared, **options)
            for i, (kind, arrays, options) in enumerate(cells)
        ]
        for before, cell in zip(self.cells, self.cells[1:]):
            cell.expect("kernel", cell.kernel, before.units, None, compact=True)
        self.STATES = sum(cell.STATES for cell in self.cells)
        if len(initial_state) not in (0, self.STATES):
            raise WeightsError(f"layer {self.name!r}: {len(initial_state)} initial states, expected {self.STATES}")
        self.outputs = 1 + (self.STATES if return_state else 0)
        self.kernel, self.units = self.cells[0].kernel, self.cells[-1].units
        self.dropout = max(cell.dropout for cell in self.cells)

    def check_input(self, x: Array, initial: tuple[Array, ...]) -> None:
        """Raise a WeightsError unless the input is (N, T, F) and the initial states are (N, H)."""
        self.cells[0].check_input(x, initial[: self.cells[0].STATES])
        for cell, states in self.with_states(initial)[1:]:
            cell.check_states(x.shape[0], states)

    def run(self, ops: Ops, x: Array, mask: np.ndarray, initial: tuple[Array, ...]) -> tuple[Array, ...]:
        after: list[Array] = []
        for cell, states in self.with_states(initial):
            x, *own = cell.run(ops, x, mask, states)
            after += own
        return x, *after

    def with_states(self, initial: Any) -> list[tuple[Recurrent, Any]]:
        """The cells, each with those of the states that are its own."""
        found, start = [], 0
        for cell in self.cells:
            found.append((cell, initial[start : start + cell.STATES]))
            start += cell.STATES
        return found

    def weights(self) -> dict[str, np.ndarray]:
        """The arrays of all cells, ``cell0_kernel`` for the first one's ``kernel``."""
        return {f"cell{i}_{name}": array for i, cell in enumerate(self.cells) for name, array in cell.weights().items()}
