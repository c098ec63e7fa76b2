"""The recurrence of the PyTorch engine: all directions of a layer together, one batched product per time step.

A batch is packed first. Each direction visits only the valid steps of each text, the backward one starting at the
text's last, so that *turn* k is step k of every text in either direction: texts are sorted by length, longest first,
and all directions have the same texts still running. Rows are stored turn by turn, within a turn direction by
direction.

On a GPU a turn is about nine short kernels, and launching them takes longer than running them. So the loop is recorded
once as a CUDA graph for a number of turns and texts, both rounded up, and replayed as a whole. It works on fixed memory
without a mask: texts that have ended continue on rows that are never read. **The recording was written without access
to a GPU and has not been run on one**; the tests run everything else, with a recording that merely calls the loop.

Legend: N texts, T steps (padded), D directions, H units, R rows: the texts of all turns in all directions.
"""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

KEPT = 64  # recordings; beyond that, the least recently used one is dropped

Tensor = torch.Tensor


# Where the rows are ------------------------------------------------------------------------------------------------


class Plan(NamedTuple):
    """How a batch is packed."""

    sizes: list[int]  # how many texts run at each turn
    source: np.ndarray  # (R,) the step of the batch, as an index into (N, T) flattened, that a row reads
    direction: np.ndarray  # (R,) the row's direction
    target: np.ndarray  # (N, T, D) the row that becomes a step's output; R stands for zeros


def plan(
    mask: np.ndarray, backwards: tuple[bool, ...], hold_masked: bool, fit: Callable[[list[int]], list[int]]
) -> Plan:
    """The plan for a mask (N, T) with at least one valid step; ``backwards`` says which directions run backward in
    time.

    A masked step takes the row of the turn before it in the direction of travel, or zeros if there is none or without
    ``hold_masked``. ``fit`` may make the sizes larger; rows without a text read an arbitrary valid step.
    """
    D, lengths = len(backwards), mask.sum(axis=1)
    rank = np.empty(len(mask), np.int64)
    rank[np.argsort(-lengths, kind="stable")] = np.arange(len(mask))
    running = len(mask) - np.cumsum(np.bincount(lengths))[:-1]  # at turn k: the texts longer than k
    sizes = np.array(fit(running.tolist()))
    starts = D * (np.cumsum(sizes) - sizes)
    steps = np.flatnonzero(mask)
    R = int(D * sizes.sum())
    source, direction = np.full(R, steps[0]), np.zeros(R, np.int64)
    target = np.empty((*mask.shape, D), np.int64)
    seen = np.cumsum(mask, axis=1)
    for d, back in enumerate(backwards):
        turn = (lengths[:, None] - seen + mask if back else seen) - 1  # at masked steps: the turn before
        row = starts[turn] + d * sizes[turn] + rank[:, None]
        source[row[mask]], direction[row[mask]] = steps, d
        target[:, :, d] = np.where((turn >= 0) & (mask | hold_masked), row, R)
    return Plan(sizes.tolist(), source, direction, target)


# The loop ----------------------------------------------------------------------------------------------------------


def hard_sigmoid_(x: Tensor) -> Tensor:
    """Keras 2's, in place."""
    return torch.add(torch.tensor(0.5), x, alpha=0.2, out=x).clamp_(0, 1)


def hard_sigmoid_keras3_(x: Tensor) -> Tensor:
    """Keras 3's, in place."""
    return torch.nn.functional.hardsigmoid(x, inplace=True)


GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "hard_sigmoid": hard_sigmoid_,
    "hard_sigmoid_keras3": hard_sigmoid_keras3_,
    "sigmoid": torch.Tensor.sigmoid_,
}


def run_turns(z: Tensor, outputs: Tensor, matrix: Any, sizes: list[int], gate: str) -> None:
    """All turns: projected inputs ``z`` (R, 4H), gates input, forget, output, candidate; overwritten -> outputs (R, H).

    ``matrix`` is the recurrent one, see `matrices.Matrix`. This is the only loop over time, and what gets recorded.
    """
    D, H, gate_ = matrix.shape[0], matrix.shape[1], GATES[gate]
    c, h, start = z.new_zeros(D, sizes[0], H), None, 0
    for n in sizes:
        rows = slice(start, start + D * n)
        gates, before, h, c = z[rows].view(D, n, 4 * H), h, outputs[rows].view(D, n, H), c[:, :n]
        if before is not None:
            matrix.add_product(gates, before[:, :n])
        i, f, o = gate_(gates[..., : 3 * H]).split(H, dim=-1)
        c.mul_(f).addcmul_(i, gates[..., 3 * H :].tanh_())
        torch.tanh(c, out=h).mul_(o)
        start = rows.stop


class Plain:
    """Runs the loop directly."""

    def fit(self, sizes: list[int]) -> list[int]:
        """The sizes to plan for: exactly those needed."""
        return sizes

    def run(
        self, projected: Tensor, source: Tensor, target: Tensor, matrix: Any, sizes: list[int], gate: str
    ) -> Tensor:
        """Run the loop on the rows ``source`` (R,) of ``projected`` (any number, 4H), and return the rows ``target``
        (M,) of its outputs: (M, H)."""
        outputs = projected.new_empty(len(source) + 1, matrix.shape[1])
        outputs[-1] = 0
        run_turns(projected.index_select(0, source), outputs, matrix, sizes, gate)
        return outputs.index_select(0, target)


# The loop, recorded --------------------------------------------------------------------------------------------------


def round_up(n: int) -> int:
    """The next number with at most four significant bits: up to 16 every one, then every second, and so on."""
    step = 1 << max(0, (n - 1).bit_length() - 4)
    return -(-n // step) * step


class CudaGraphs:
    """The functions of CUDA that `Recorded` needs."""

    _one_at_a_time = threading.Lock()

    def __init__(self):
        self._pool, self._aside = torch.cuda.graph_pool_handle(), torch.cuda.Stream()
        self._idle = torch.cuda.Event()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record the kernels that ``work`` launches; returns a function that launches them again on the same memory."""
        here, graph = torch.cuda.current_stream(), torch.cuda.CUDAGraph()
        with self._one_at_a_time:
            self._aside.wait_stream(here)
            with torch.cuda.stream(self._aside):
                work()  # once unrecorded: libraries initialise themselves on first use, which must not be recorded
            with torch.cuda.graph(graph, self._pool, self._aside, capture_error_mode="thread_local"):
                work()
            here.wait_stream(self._aside)
        return graph.replay

    def acquire(self) -> None:
        """Make this thread's stream wait until no other stream uses the memory."""
        torch.cuda.current_stream().wait_event(self._idle)

    def release(self) -> None:
        """Make the next `acquire` wait for everything this thread's stream has been given so far."""
        self._idle.record()


class Recorded:
    """Runs the loop from recordings, one per matrix, gate, number of turns and number of texts, on shared memory.

    If a recording fails, there is one RuntimeWarning, and from then on the loop runs directly.
    """

    def __init__(self, graphs: Any):
        self._graphs, self._lock = graphs, threading.Lock()
        self._replays: OrderedDict[tuple, Callable[[], None]] = OrderedDict()
        self._memory: dict[int, tuple[Tensor, Tensor]] = {}  # H -> the rows of z and outputs, for all recordings
        self._plain = Plain()

    def fit(self, sizes: list[int]) -> list[int]:
        """The sizes to plan for: all texts at every turn, both numbers rounded up."""
        return sizes if self._graphs is None else [round_up(sizes[0])] * round_up(len(sizes))

    def run(
        self, projected: Tensor, source: Tensor, target: Tensor, matrix: Any, sizes: list[int], gate: str
    ) -> Tensor:
        """See `Plain.run`."""
        R = len(source)
        with self._lock:
            replay = self._replay(projected, R, matrix, sizes, gate) if self._graphs is not None else None
            if replay is not None:
                z, outputs = self._memory[matrix.shape[1]]
                self._graphs.acquire()
                torch.index_select(projected, 0, source, out=z[:R])
                replay()
                outputs[R] = 0
                result = outputs[: R + 1].index_select(0, target)
                self._graphs.release()
                return result
        return self._plain.run(projected, source, target, matrix, sizes, gate)

    def _replay(self, like: Tensor, R: int, matrix: Any, sizes: list[int], gate: str) -> Callable[[], None] | None:
        """The recording for these sizes, made if necessary; None if that failed."""
        key = matrix.number, gate, tuple(sizes)
        self._make_room(like, R, matrix.shape[1])
        if key not in self._replays:
            z, outputs = self._memory[matrix.shape[1]]
            self._graphs.acquire()
            try:
                self._replays[key] = self._graphs.record(lambda: run_turns(z[:R], outputs[:R], matrix, sizes, gate))
            except RuntimeError as error:
                warnings.warn(
                    f"npmoji: no CUDA graph, the torch engine is slower: {error}", RuntimeWarning, stacklevel=2
                )
                self._graphs = None
                self._replays.clear()
                self._memory.clear()
                return None
            self._graphs.release()
        self._replays.move_to_end(key)
        while len(self._replays) > KEPT:
            self._replays.popitem(last=False)
        return self._replays[key]

    def _make_room(self, like: Tensor, R: int, H: int) -> None:
        """Provide memory for R rows; if it has to grow, the recordings on the old memory are dropped."""
        if H not in self._memory or len(self._memory[H][0]) < R:
            self._replays.clear()
            self._memory[H] = like.new_empty(R, 4 * H), like.new_empty(R + 1, H)
