"""The reference's functions in PyTorch, on a CPU or an NVIDIA GPU; see `torch_recurrence` for the LSTMs.

Values between layers are `Value`s; masks and token ids stay NumPy arrays. Matrix products are full float32: if the process
has TensorFloat-32 or bfloat16 products on, they are off while a function here runs, and then as they were. These are settings
of the whole process, so other threads that rely on them may see them off meanwhile.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..precision import float32, half
from . import numpy_ops, numpy_precision
from .torch_matrices import MATRICES, HalfMatrix, Matrix, one_wide, reorder
from .torch_recurrence import GATES, CudaGraphs, Plain, Plan, Recorded, plan
from .torch_settings import settings

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
    """What goes from layer to layer: a float32 tensor on the device; to NumPy an array like any other.

    With ``index`` (N, T) it stands for ``tensor[index]``, (N, T, F): distinct rows are computed once.
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


class PackedLstm:
    """The weights of one direction, as they are; `joined` are those of all directions of a layer on the device."""

    def __init__(self, kernel: Any, recurrent_kernel: Any, bias: np.ndarray, exact_projection: bool):
        self.arrays, self.exact_projection = (kernel, recurrent_kernel, bias), exact_projection
        self.units = len(recurrent_kernel)
        self.joined: dict[Directions, tuple[Matrix, Matrix, Tensor]] = {}


def computes(method: Callable) -> Callable:
    """Makes a method of `TorchOps` run under its `settings`."""

    @functools.wraps(method)
    def call(self: TorchOps, *arguments, **options):
        with settings(self.device, self.threads):
            return method(self, *arguments, **options)

    return call


# The functions -----------------------------------------------------------------------------------------------------


class TorchOps:
    """The functions of `numpy_ops` in PyTorch; Python threads may share one.

    Args:
        device: ``"cpu"``, or ``"cuda"``: the current CUDA device.
        threads: on a CPU, how many threads PyTorch uses from now on, *in the whole process*; None leaves its setting.
        precision: of the LSTM weights, as `numpy_precision` defines them. The arithmetic is float32's all the same, so
            fp16 and int8 save neither time nor memory here.

    Attributes:
        BATCH_TOKENS: how many steps a batch should have; a GPU wants many at once.

    Raises:
        InputError: ``"cuda"``, but PyTorch finds no GPU.
    """

    def __init__(self, device: str = "cpu", threads: int | None = None, precision: str = "fp32"):
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError(f"device 'cuda': PyTorch {torch.__version__} finds no GPU it can use; choose device='cpu'")
        self.device, self.threads, self.precision = device, threads, precision
        self.PACKING = "torch", device, precision
        self.BATCH_TOKENS = 16384 if device == "cuda" else 1536
        self._loop = Recorded(CudaGraphs()) if device == "cuda" else Plain()
        self._copies: dict[int, tuple[weakref.ref, Tensor]] = {}
        self._plan = threading.local()

    def __getattr__(self, name: str) -> Any:
        """Functions not written for PyTorch, those of GRUs for example, are the reference's, on NumPy arrays."""
        function = getattr(numpy_ops, name)
        return lambda *values, **options: function(*map(as_array, values), **as_array(options))

    def for_each(self, batches: Iterable, work: Callable[[Any, Any], None]) -> None:
        """See `numpy_ops.for_each`."""
        for batch in batches:
            work(self, batch)

    # Layers without a memory

    @computes
    def embedding(self, ids: np.ndarray, embeddings: np.ndarray) -> Value:
        """See `numpy_ops.embedding`; rows of halves in fp16 and int8."""
        used = np.zeros(len(embeddings), bool)
        used[ids] = True
        distinct, index = np.flatnonzero(used), (np.cumsum(used) - 1)[ids]
        rounded = float32 if self.precision == "fp32" else half
        if self.device == "cpu":  # touches no more of the file than it needs
            return Value(torch.from_numpy(rounded(embeddings[distinct])), index)
        return Value(self._copy(embeddings, rounded).index_select(0, self._send(distinct)), index)

    @computes
    def all_finite(self, x: Any) -> bool:
        """See `numpy_ops.all_finite`."""
        return bool(torch.isfinite(x.tensor if isinstance(x, Value) else self._tensor(x)).all())

    @computes
    def activate(self, name: str, x: Any) -> Value | np.ndarray:
        """See `numpy_ops.activate`."""
        if name not in ACTIVATIONS:
            return numpy_ops.activate(name, np.asarray(x))
        if isinstance(x, Value) and name != "softmax":
            return Value(ACTIVATIONS[name](x.tensor), x.index)
        return Value(ACTIVATIONS[name](self._tensor(x)))

    @computes
    def pack_dense(self, kernel: np.ndarray, bias: np.ndarray | None) -> tuple[Tensor, Tensor]:
        """See `numpy_ops.pack_dense`."""
        kernel, bias = numpy_ops.pack_dense(kernel, bias)
        return self._send(float32(kernel)), self._send(float32(bias))

    @computes
    def dense(self, x: Any, weights: tuple[Tensor, Tensor]) -> Value:
        """See `numpy_ops.dense`."""
        kernel, bias = weights
        x = self._tensor(x)
        return Value(torch.addmm(bias, x.reshape(-1, len(kernel)), kernel).view(*x.shape[:-1], len(bias)))

    @computes
    def concatenate(self, values: Sequence[Any]) -> Value:
        """See `numpy_ops.concatenate`."""
        return Value(torch.cat([self._tensor(value) for value in values], dim=-1))

    @computes
    def attention_logits(self, x: Any, kernel: np.ndarray) -> Value:
        """See `numpy_ops.attention_logits`."""
        x = self._tensor(x)
        return Value(torch.mv(x.reshape(-1, len(kernel)), self._copy(kernel, float32)[:, 0]).view(x.shape[:-1]))

    @computes
    def attention_weights(self, logits: Any, mask: np.ndarray) -> Value:
        """See `numpy_ops.attention_weights`."""
        logits = self._tensor(logits)
        a = torch.exp(logits - logits.amax(dim=1, keepdim=True)) * self._send(mask)
        return Value(a / (a.sum(dim=1, keepdim=True) + numpy_ops.EPSILON.item()))

    @computes
    def weighted_sum(self, x: Any, weights: Any) -> Value:
        """See `numpy_ops.weighted_sum`."""
        return Value(torch.bmm(self._tensor(weights)[:, None, :], self._tensor(x))[:, 0])

    # Recurrence

    def pack_lstm(
        self, kernel: Any, recurrent_kernel: Any, bias: np.ndarray, exact_projection: bool = False
    ) -> PackedLstm:
        """See `numpy_ops.pack_lstm`, and `precision` for what the precisions mean."""
        return PackedLstm(kernel, recurrent_kernel, bias, exact_projection)

    @computes
    def lstm(
        self,
        x: Any,
        mask: np.ndarray,
        weights: PackedLstm,
        go_backwards: bool = False,
        initial_state: tuple[Any, Any] | None = None,
        return_state: bool = False,
        **options,
    ) -> Value | tuple[np.ndarray, ...]:
        """See `numpy_ops.lstm`, which does it if there are states to begin with or to return, or other functions than usual."""
        if initial_state is None and not return_state and usual(options):
            return self._recur(x, mask, (weights,), (go_backwards,), **options)
        reference = numpy_ops if self.precision == "fp32" else numpy_precision.NumpyOps(self.precision)
        packed = reference.pack_lstm(*weights.arrays, weights.exact_projection)
        state = {"initial_state": as_array(initial_state), "return_state": return_state}
        return reference.lstm(as_array(x), mask, packed, go_backwards=go_backwards, **state, **options)

    @computes
    def bidirectional(self, x: Any, mask: np.ndarray, forward: PackedLstm, backward: PackedLstm, **options) -> Value:
        """See `numpy_ops.bidirectional`."""
        if not usual(options):
            both = [self.lstm(x, mask, w, go_backwards=back, **options) for w, back in ((forward, False), (backward, True))]
            return self.concatenate(both)
        if forward.units == backward.units:
            return self._recur(x, mask, (forward, backward), (False, True), **options)
        directions = zip((forward, backward), (False, True))
        return self.concatenate([self._recur(x, mask, (weights,), (back,), **options) for weights, back in directions])

    def _recur(
        self,
        x: Any,
        mask: np.ndarray,
        weights: Directions,
        backwards: tuple[bool, ...],
        gate: str = "hard_sigmoid",
        hold_masked: bool = True,
        activation: str = "tanh",
    ) -> Value:
        """Outputs (N, T, D·H) of LSTMs over the same input side by side; ``activation`` is tanh, see `usual`."""
        kernel, matrix, bias = self._join(weights)
        D, H, _ = matrix.shape
        if not mask.any():
            return Value(torch.zeros((*mask.shape, D * H), device=self.device))
        packing = self._packing(mask, backwards, hold_masked)
        x = x if isinstance(x, Value) and x.index is not None else self._valid_rows(x, mask)
        projected = bias.repeat(1, len(x.tensor), 1)
        kernel.add_product(projected, x.tensor[None])  # of all directions at once, once for each distinct row
        source = x.index.reshape(-1)[packing.source] * D + packing.direction
        places = self._send(source), self._send(packing.target.reshape(-1))
        outputs = self._loop.run(projected.view(-1, 4 * H), *places, matrix, packing.sizes, gate)
        return Value(outputs.view(*mask.shape, D * H))

    def _join(self, weights: Directions) -> tuple[Matrix, Matrix, Tensor]:
        """Kernel (1, F, D·4H), recurrent kernel (D, H, 4H) and bias (D·4H) of all directions, kept with the first."""
        first, others = weights[0], weights[1:]
        if others not in first.joined:
            kernels, recurrent, biases = zip(*(direction.arrays for direction in weights))
            projection = HalfMatrix if first.exact_projection and self.precision == "int8" else MATRICES[self.precision]
            first.joined[others] = (
                projection(kernels, one_wide, self.device),
                MATRICES[self.precision](recurrent, np.stack, self.device),
                self._send(np.concatenate([reorder(bias) for bias in biases])),
            )
        return first.joined[others]

    def _packing(self, mask: np.ndarray, backwards: tuple[bool, ...], hold_masked: bool) -> Plan:
        """The plan for a mask; layer after layer asks for the same one, so a thread keeps the last."""
        last = getattr(self._plan, "last", None)
        if last is None or last[0]() is not mask or last[1] != (backwards, hold_masked):
            made = plan(mask, backwards, hold_masked, self._loop.fit)
            self._plan.last = last = weakref.ref(mask), (backwards, hold_masked), made
        return last[2]

    def _valid_rows(self, x: Any, mask: np.ndarray) -> Value:
        """The valid steps alone; masked ones get any index."""
        rows = self._tensor(x).reshape(-1, x.shape[-1])
        if not mask.all():
            rows = rows.index_select(0, self._send(np.flatnonzero(mask)))
        return Value(rows, np.cumsum(mask).reshape(mask.shape) - 1)

    # To the device

    def _send(self, array: np.ndarray) -> Tensor:
        """A copy on the device."""
        return torch.tensor(np.ascontiguousarray(array), device=self.device)  # PyTorch knows no negative strides

    def _copy(self, array: np.ndarray, prepare: Callable[[np.ndarray], np.ndarray]) -> Tensor:
        """``prepare(array)`` on the device, made once as long as the array lives."""
        key = id(array)
        found = self._copies.get(key)
        if found is None or found[0]() is not array:
            forget = weakref.ref(array, lambda _: self._copies.pop(key, None))
            self._copies[key] = found = forget, self._send(prepare(array))
        return found[1]

    def _tensor(self, x: Any) -> Tensor:
        """Any value as a float32 tensor (N, ..., F) on the device."""
        if not isinstance(x, Value):
            return self._send(np.asarray(x, np.float32))
        if x.index is None:
            return x.tensor
        return x.tensor.index_select(0, self._send(x.index.reshape(-1))).view(x.shape)


def usual(options: dict[str, Any]) -> bool:
    """Whether an LSTM's options name functions that the loop has."""
    return options.get("activation", "tanh") == "tanh" and options.get("gate", "hard_sigmoid") in GATES


def as_array(x: Any) -> Any:
    """With each `Value` in it, also in a tuple or dict, as a NumPy array; anything else as it is."""
    if isinstance(x, tuple):
        return tuple(map(as_array, x))
    if isinstance(x, dict):
        return {name: as_array(value) for name, value in x.items()}
    return np.asarray(x) if isinstance(x, Value) else x
