"""The functions of `Ops` in PyTorch, on a CPU or an NVIDIA GPU; see `recurrence` for the LSTMs.

Values between layers are `Value`s; masks and token ids stay NumPy arrays. Matrix products are full float32: if the
process has TensorFloat-32 or bfloat16 products enabled, they are disabled while a function here runs, and then
restored. These settings are process-wide, so other threads that rely on them may find them disabled meanwhile.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ...errors import InputError
from ...precision import float32
from ..ops import EPSILON, Array, Ops
from .matrices import MATRICES, HalfMatrix, Matrix, one_wide, reorder
from .recurrence import GATES, CudaGraphs, Plain, Plan, Recorded, plan
from .settings import settings

GPU_TOKENS = 16384  # steps per batch: a GPU needs many at once

Tensor = torch.Tensor
Directions = tuple["PackedLstm", ...]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "hard_sigmoid_keras3": torch.nn.functional.hardsigmoid,
    "softmax": lambda x: torch.softmax(x, dim=-1),
}


class Value:
    """What layers pass on: a float32 tensor on the device, which NumPy can convert to an array.

    With ``index`` (N, T) it represents ``tensor[index]``, (N, T, F): distinct rows are computed once.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, tensor: Tensor, index: np.ndarray | None = None):
        self.tensor, self.index = tensor, index
        self.shape = tuple(tensor.shape) if index is None else (*index.shape, tensor.shape[1])
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(self)[key]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        array = self.tensor.cpu().numpy()
        return (array if self.index is None else array[self.index]).astype(dtype or self.dtype, copy=bool(copy))


class Joined(NamedTuple):
    """The weights of all D directions of a layer, on the device."""

    kernel: Matrix  # (1, F, D·4H)
    recurrent_kernel: Matrix  # (D, H, 4H)
    bias: Tensor  # (D·4H)


class PackedLstm:
    """The weights of one direction, unchanged; ``joined`` are its weights joined with those of others."""

    def __init__(self, kernel: Any, recurrent_kernel: Any, bias: np.ndarray, exact_projection: bool):
        self.arrays, self.exact_projection = (kernel, recurrent_kernel, bias), exact_projection
        self.units = len(recurrent_kernel)
        self.joined: dict[Directions, Joined] = {}


def computes(method: Callable) -> Callable:
    """Run a method of `TorchOps` under its `settings`."""

    @functools.wraps(method)
    def call(self: TorchOps, *arguments, **options):
        with settings(self.device, self.threads):
            return method(self, *arguments, **options)

    return call


# The functions -----------------------------------------------------------------------------------------------------


class TorchOps(Ops):
    """The functions in PyTorch; Python threads may share an engine. Other functions are the reference's, on NumPy
    arrays.

    Args:
        device: ``"cpu"``, or ``"cuda"`` for the current CUDA device.
        threads: on a CPU, how many threads PyTorch uses from now on, *in the whole process*; None leaves its setting
            alone.
        precision: of the LSTM weights, as in `Ops`. The arithmetic is always float32, so fp16 and int8 save neither
            time nor memory here.

    Raises:
        InputError: ``"cuda"``, but PyTorch finds no GPU.
    """

    def __init__(self, device: str = "cpu", threads: int | None = None, precision: str = "fp32"):
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError(f"device 'cuda': PyTorch {torch.__version__} finds no GPU it can use; choose device='cpu'")
        super().__init__(precision)
        self.device, self.threads = device, threads
        self.packing = type(self), device, precision
        if device == "cuda":
            self.batch_tokens = GPU_TOKENS
        self._loop = Recorded(CudaGraphs()) if device == "cuda" else Plain()
        self._reference = Ops(precision)
        self._plans: dict[tuple, Plan] | None = (
            None  # plans of a pass, by the mask's bits and whatever else they depend on
        )

    def for_pass(self) -> TorchOps:
        """This engine, with a cache for the plans of one pass: stacked layers share theirs."""
        engine = copy.copy(self)
        engine._plans = {}
        return engine

    # Layers without state

    def pack_embedding(self, embeddings: np.ndarray) -> np.ndarray | Tensor:
        """See `Ops.pack_embedding`. A GPU gets the whole table; a CPU reads only the parts of the file it needs."""
        return embeddings if self.device == "cpu" else self._send(self._rounded_rows(embeddings))

    @computes
    def embedding(self, ids: np.ndarray, embeddings: np.ndarray | Tensor) -> Value:
        """See `Ops.embedding`; each distinct row is looked up once."""
        used = np.zeros(len(embeddings), bool)
        used[ids] = True
        distinct, index = np.flatnonzero(used), (np.cumsum(used) - 1)[ids]
        if isinstance(embeddings, Tensor):
            return Value(embeddings.index_select(0, self._send(distinct)), index)
        return Value(torch.from_numpy(self._rounded_rows(embeddings[distinct])).to(self.device), index)

    @computes
    def all_finite(self, x: Any) -> bool:
        """See `Ops.all_finite`."""
        return bool(torch.isfinite(x.tensor if isinstance(x, Value) else self._tensor(x)).all())

    @computes
    def activate(self, name: str, x: Any) -> Value | np.ndarray:
        """See `Ops.activate`."""
        if name not in ACTIVATIONS:
            return self._reference.activate(name, x)
        if isinstance(x, Value) and name != "softmax":
            return Value(ACTIVATIONS[name](x.tensor), x.index)
        return Value(ACTIVATIONS[name](self._tensor(x)))

    @computes
    def pack_dense(self, kernel: np.ndarray, bias: np.ndarray | None) -> tuple[Tensor, Tensor]:
        """See `Ops.pack_dense`."""
        kernel, bias = super().pack_dense(kernel, bias)
        return self._send(float32(kernel)), self._send(float32(bias))

    @computes
    def dense(self, x: Any, weights: tuple[Tensor, Tensor]) -> Value:
        """See `Ops.dense`."""
        kernel, bias = weights
        x = self._tensor(x)
        return Value(torch.addmm(bias, x.reshape(-1, len(kernel)), kernel).view(*x.shape[:-1], len(bias)))

    @computes
    def concatenate(self, values: Sequence[Any]) -> Value:
        """See `Ops.concatenate`."""
        return Value(torch.cat([self._tensor(value) for value in values], dim=-1))

    @computes
    def attention_logits(self, x: Any, kernel: np.ndarray) -> Value:
        """See `Ops.attention_logits`."""
        return self._dot(x, kernel[:, 0])

    @computes
    def feature_sum(self, x: Any) -> Value:
        """See `Ops.feature_sum`."""
        return self._dot(x, np.ones(x.shape[-1], np.float32))

    def _dot(self, x: Any, vector: np.ndarray) -> Value:
        """Dot products of the last axis with a vector: (..., F), (F,) -> (...)."""
        x = self._tensor(x)
        return Value(torch.mv(x.reshape(-1, len(vector)), self._send(float32(vector))).view(x.shape[:-1]))

    @computes
    def attention_weights(self, logits: Any, mask: np.ndarray) -> Value:
        """See `Ops.attention_weights`."""
        logits = self._tensor(logits)
        a = torch.exp(logits - logits.amax(dim=1, keepdim=True)) * self._send(mask)
        return Value(a / (a.sum(dim=1, keepdim=True) + EPSILON.item()))

    @computes
    def weighted_sum(self, x: Any, weights: Any) -> Value:
        """See `Ops.weighted_sum`."""
        return Value(torch.bmm(self._tensor(weights)[:, None, :], self._tensor(x))[:, 0])

    # Recurrence

    def pack_lstm(
        self, kernel: Any, recurrent_kernel: Any, bias: np.ndarray, exact_projection: bool = False
    ) -> PackedLstm:
        """See `Ops.pack_lstm`."""
        return PackedLstm(kernel, recurrent_kernel, bias, exact_projection)

    @computes
    def lstm(
        self,
        x: Any,
        mask: np.ndarray,
        weights: PackedLstm,
        *,
        gate: str = "hard_sigmoid",
        activation: str = "tanh",
        hold_masked: bool = True,
        go_backwards: bool = False,
        initial_state: tuple[Any, Any] | None = None,
        return_state: bool = False,
    ) -> Array | tuple[Array, Array, Array]:
        """See `Ops.lstm`. Computed by the reference if there are initial or returned states, or unusual activations."""
        if initial_state is None and not return_state and usual(gate, activation):
            return self._recur(x, mask, (weights,), (go_backwards,), gate, hold_masked)
        packed = self._reference.pack_lstm(*weights.arrays, weights.exact_projection)
        options = {"go_backwards": go_backwards, "initial_state": initial_state, "return_state": return_state}
        options |= {"gate": gate, "activation": activation, "hold_masked": hold_masked}
        return self._reference.lstm(x, mask, packed, **options)

    @computes
    def bidirectional(
        self,
        x: Any,
        mask: np.ndarray,
        forward: PackedLstm,
        backward: PackedLstm,
        *,
        gate: str = "hard_sigmoid",
        activation: str = "tanh",
        hold_masked: bool = True,
    ) -> Array:
        """See `Ops.bidirectional`."""
        if usual(gate, activation) and forward.units == backward.units:
            return self._recur(x, mask, (forward, backward), (False, True), gate, hold_masked)
        options = {"gate": gate, "activation": activation, "hold_masked": hold_masked}
        return super().bidirectional(x, mask, forward, backward, **options)

    # GRUs and SimpleRNNs: the reference's functions and weights, as its `dense` differs from this one

    def pack_gru(self, *arrays: Any) -> Any:
        """See `Ops.pack_gru`."""
        return self._reference.pack_gru(*arrays)

    def gru(self, x: Any, mask: np.ndarray, weights: Any, **options: Any) -> tuple[Array, Array]:
        """See `Ops.gru`."""
        return self._reference.gru(x, mask, weights, **options)

    def pack_simple_rnn(self, *arrays: Any) -> Any:
        """See `Ops.pack_simple_rnn`."""
        return self._reference.pack_simple_rnn(*arrays)

    def simple_rnn(self, x: Any, mask: np.ndarray, weights: Any, **options: Any) -> tuple[Array, Array]:
        """See `Ops.simple_rnn`."""
        return self._reference.simple_rnn(x, mask, weights, **options)

    def _recur(
        self,
        x: Any,
        mask: np.ndarray,
        weights: Directions,
        backwards: tuple[bool, ...],
        gate: str,
        hold_masked: bool,
    ) -> Value:
        """Outputs (N, T, D·H) of LSTMs over the same input, concatenated."""
        kernel, matrix, bias = self._join(weights)
        D, H, _ = matrix.shape
        if not mask.any():
            return Value(torch.zeros((*mask.shape, D * H), device=self.device))
        packing = self._packing(mask, backwards, hold_masked)
        x = x if isinstance(x, Value) and x.index is not None else self._valid_rows(x, mask)
        projected = bias.repeat(1, len(x.tensor), 1)
        kernel.add_product(projected, x.tensor[None])  # for all directions at once, once per distinct row
        source = x.index.reshape(-1)[packing.source] * D + packing.direction
        places = self._send(source), self._send(packing.target.reshape(-1))
        outputs = self._loop.run(projected.view(-1, 4 * H), *places, matrix, packing.sizes, gate)
        return Value(outputs.view(*mask.shape, D * H))

    def _join(self, weights: Directions) -> Joined:
        """The weights of all directions joined, cached with the first."""
        first, others = weights[0], weights[1:]
        if others not in first.joined:
            kernels, recurrent, biases = zip(*(direction.arrays for direction in weights))
            projection = HalfMatrix if first.exact_projection and self.precision == "int8" else MATRICES[self.precision]
            first.joined[others] = Joined(
                projection(kernels, one_wide, self.device),
                MATRICES[self.precision](recurrent, np.stack, self.device),
                self._send(np.concatenate([reorder(bias) for bias in biases])),
            )
        return first.joined[others]

    def _packing(self, mask: np.ndarray, backwards: tuple[bool, ...], hold_masked: bool) -> Plan:
        """The plan for a mask, made once per pass."""
        if self._plans is None:  # called outside of a pass
            return plan(mask, backwards, hold_masked, self._loop.fit)
        key = mask.shape, mask.tobytes(), backwards, hold_masked
        if key not in self._plans:
            self._plans[key] = plan(mask, backwards, hold_masked, self._loop.fit)
        return self._plans[key]

    def _valid_rows(self, x: Any, mask: np.ndarray) -> Value:
        """The valid steps only; masked ones get an arbitrary index."""
        rows = self._tensor(x).reshape(-1, x.shape[-1])
        if not mask.all():
            rows = rows.index_select(0, self._send(np.flatnonzero(mask)))
        return Value(rows, np.cumsum(mask).reshape(mask.shape) - 1)

    # To the device

    def _send(self, array: np.ndarray) -> Tensor:
        """A copy on the device."""
        return torch.tensor(
            np.ascontiguousarray(array), device=self.device
        )  # PyTorch does not support negative strides

    def _tensor(self, x: Any) -> Tensor:
        """Any value as a float32 tensor (N, ..., F) on the device."""
        if not isinstance(x, Value):
            return self._send(np.asarray(x, np.float32))
        if x.index is None:
            return x.tensor
        return x.tensor.index_select(0, self._send(x.index.reshape(-1))).view(x.shape)


def usual(gate: str, activation: str) -> bool:
    """Whether the loop supports these activations."""
    return activation == "tanh" and gate in GATES
