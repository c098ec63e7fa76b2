"""Recurrent layers: the formulas of `backends.ops`, over the packed steps of `packing`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ...layers import GRU, LSTM, Bidirectional, Recurrent, SimpleRNN, StackedRNN
from .elementwise import ACTIVATIONS
from .packing import Packing
from .scan import Scan
from .table import Run, Seen, rule

Tensor = torch.Tensor
FAST_GATES = ("hard_sigmoid", "hard_sigmoid_keras3", "sigmoid")  # those that `Scan` has, with tanh


def packing(run: Run, mask: np.ndarray, backwards: tuple[bool, ...], hold: bool) -> Packing:
    """The packing of a mask, made once in a pass."""
    key = mask.shape, mask.tobytes(), backwards, hold
    if key not in run.packings:
        run.packings[key] = Packing(mask, backwards, hold, run.like.device)
    return run.packings[key]


def scanned(
    run: Run, cells: Sequence[Recurrent], x: Tensor, mask: np.ndarray, initial: Sequence[Tensor]
) -> list[tuple[Tensor, ...]]:
    """Recurrent layers of one kind and size over the same x (N, T, F), each in its direction: for each the outputs of
    all steps (N, T, H) in time order, and its states (N, H) after the last step."""
    first = cells[0]
    steps = packing(run, mask, tuple(cell.go_backwards for cell in cells), first.options["hold_masked"])
    kernels = torch.stack([run.weight(cell.kernel) for cell in cells])
    projected = torch.bmm(steps.packed(x), kernels)
    bias = [one for cell in cells if (one := input_bias(run, cell)) is not None]
    if bias:
        projected = projected + torch.stack(bias)[:, None]
    recurrent = torch.stack([run.weight(cell.recurrent_kernel) for cell in cells])
    S, H = first.STATES, first.units
    given = [torch.stack(list(initial[s::S])) if initial else None for s in range(S)]
    zeros = projected.new_zeros(len(cells), len(mask), H)
    start = [zeros if state is None else state.index_select(1, steps.order) for state in given]
    start = [state[:, : steps.sizes[0] if steps.sizes else 0] for state in start]
    if isinstance(first, LSTM) and fast(first):
        states = Scan.apply(projected, recurrent, *start, steps.sizes, first.options["gate"])
    else:
        states = over_turns(STEPS[type(first)](run, cells, recurrent), projected, start, steps.sizes)
    found = []
    for d in range(len(cells)):
        ends = [steps.ends(state[d], None if g is None else g[d]) for state, g in zip(states, given)]
        found.append((steps.unpacked(states[0][d], d, mask.shape[1]), *ends))
    return found


def fast(cell: Recurrent) -> bool:
    """Whether `Scan` computes the layer."""
    return cell.options["gate"] in FAST_GATES and cell.options.get("activation", "tanh") == "tanh"


def input_bias(run: Run, cell: Recurrent) -> Tensor | None:
    """What is added to the inputs' product."""
    if cell.bias is None:
        return None
    bias = run.weight(cell.bias)
    return bias if bias.ndim == 1 else bias[0]


def over_turns(
    step: Callable[..., Sequence[Tensor]], projected: Tensor, state: list[Tensor], sizes: list[int]
) -> list[Tensor]:
    """All states after each packed step, each (D, M, H); ``step(projection, *states)`` gives the next ones."""
    turns: list[list[Tensor]] = [[] for _ in state]
    at = 0
    for size in sizes:
        state = list(step(projected[:, at : at + size], *(some[:, :size] for some in state)))
        for kept, some in zip(turns, state):
            kept.append(some)
        at += size
    return [torch.cat(kept, 1) if kept else some for kept, some in zip(turns, state)]


def _lstm_step(run: Run, cells: Sequence[Any], recurrent: Tensor) -> Callable[..., Sequence[Tensor]]:
    gate, function = _functions(cells[0])

    def step(projected: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = torch.split(torch.baddbmm(projected, h, recurrent), h.shape[-1], -1)
        c = gate(f) * c + gate(i) * function(g)
        return gate(o) * function(c), c

    return step


def _gru_step(run: Run, cells: Sequence[Any], recurrent: Tensor) -> Callable[..., Sequence[Tensor]]:
    gate, function = _functions(cells[0])
    H = cells[0].units
    second = [run.weight(cell.bias)[1] for cell in cells if cell.bias is not None and cell.bias.ndim == 2]
    bias = torch.stack(second)[:, None] if second else recurrent.new_zeros(len(cells), 1, 3 * H)
    gates, candidate = recurrent[..., : 2 * H], recurrent[..., 2 * H :]

    def step(projected: Tensor, h: Tensor) -> tuple[Tensor]:
        zr = gate(projected[..., : 2 * H] + torch.baddbmm(bias[..., : 2 * H], h, gates))
        z, r = torch.split(zr, H, -1)
        if cells[0].options["reset_after"]:
            again = r * torch.baddbmm(bias[..., 2 * H :], h, candidate)
        else:
            again = torch.baddbmm(bias[..., 2 * H :], r * h, candidate)
        return (z * h + (1 - z) * function(projected[..., 2 * H :] + again),)

    return step


def _simple_step(run: Run, cells: Sequence[Any], recurrent: Tensor) -> Callable[..., Sequence[Tensor]]:
    function = ACTIVATIONS[cells[0].options.get("activation", "tanh")]
    return lambda projected, h: (function(torch.baddbmm(projected, h, recurrent)),)


def _functions(cell: Recurrent) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    return ACTIVATIONS[cell.options["gate"]], ACTIVATIONS[cell.options.get("activation", "tanh")]


STEPS: dict[type, Callable[..., Callable[..., Sequence[Tensor]]]] = {
    LSTM: _lstm_step,
    GRU: _gru_step,
    SimpleRNN: _simple_step,
}


@rule(LSTM, GRU, SimpleRNN, StackedRNN)
def _recurrent(run: Run, layer: Recurrent, values: list[Any], masks: list[Any]) -> Any:
    x, *initial = values
    layer.check_input(x, tuple(initial))
    mask = layer._valid_steps(Seen(x), masks[0])
    outputs, *states = one_way(run, layer, x, mask, initial)
    return returned(layer, outputs, states)


def one_way(run: Run, layer: Recurrent, x: Tensor, mask: np.ndarray, initial: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """A layer's outputs of all steps (N, T, H) in time order, and its states (N, H) after the last step."""
    if not isinstance(layer, StackedRNN):
        return scanned(run, [layer], x, mask, initial)[0]
    after: list[Tensor] = []
    for cell, states in layer.with_states(initial):
        x, *own = one_way(run, cell, x, mask, states)
        after += own
    return x, *after


def returned(layer: Recurrent, outputs: Tensor, states: list[Tensor]) -> Any:
    """What a layer returns of the outputs of all steps and the last states."""
    if not layer.return_sequences:
        outputs = outputs[:, 0 if layer.go_backwards else -1]
    elif layer.go_backwards and not layer.time_order:
        outputs = outputs.flip(1)
    return (outputs, *states) if layer.return_state else outputs


@rule(Bidirectional)
def _bidirectional(run: Run, layer: Bidirectional, values: list[Any], masks: list[Any]) -> Any:
    x, *initial = values
    ahead, behind, own = layer.ahead, layer.behind, layer.ahead.STATES
    ahead.check_input(x, tuple(initial[:own]))
    mask = layer._valid_steps(Seen(x), masks[0])
    alike = (type(ahead), ahead.options, ahead.units) == (type(behind), behind.options, behind.units)
    stacked = isinstance(ahead, StackedRNN) or isinstance(behind, StackedRNN)
    if alike and not stacked and _bias_shape(ahead) == _bias_shape(behind):
        pair = scanned(run, [ahead, behind], x, mask, initial)
    else:
        pair = [one_way(run, ahead, x, mask, initial[:own]), one_way(run, behind, x, mask, initial[own:])]
    (y, *states), (z, *other) = (
        (returned(cell, *_split(found)) if cell.return_state else (returned(cell, *_split(found)),))
        for cell, found in zip((ahead, behind), pair)
    )
    if layer.reverse and layer.return_sequences:
        y, z = y.flip(1), z.flip(1)
    merged = MERGES[layer.merge_mode](y, z)
    return (*merged, *states, *other) if layer.outputs > 1 else merged[0]


def _split(found: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
    return found[0], list(found[1:])


def _bias_shape(cell: Recurrent) -> Any:
    return None if cell.bias is None else cell.bias.shape


MERGES: dict[str | None, Callable[[Tensor, Tensor], tuple[Tensor, ...]]] = {
    None: lambda y, z: (y, z),
    "concat": lambda y, z: (torch.cat([y, z], -1),),
    "sum": lambda y, z: (y + z,),
    "mul": lambda y, z: (y * z,),
    "ave": lambda y, z: ((y + z) / 2,),
}
