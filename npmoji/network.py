"""`Network` runs a graph of layers on an engine: inputs by name, batch by batch, results in the caller's order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import inputs as given
from .backends import backend
from .backends.ops import REFERENCE, Ops
from .errors import InputError, shortened
from .graph import Graph, zeros
from .layers import Checked, Csr, Input, Layer, Pass
from .layers.base import ancestors
from .outputs import each

if TYPE_CHECKING:
    from .compiling import Kernels
    from .display import Told

AUTO_WORK = 20e9  # multiply-adds that a model does before its engine="auto" spends half a second on importing numba


class Network:
    """A graph on an engine. `Model` adds the tokenizer.

    Args:
        engine, precision, threads, device: as `npmoji.load` takes them.
    """

    def __init__(
        self,
        graph: Graph,
        engine: str = "auto",
        precision: str = "fp32",
        threads: int | None = None,
        device: str = "cpu",
    ):
        self.graph = graph = graph.belonging_to(self)
        self.layers = graph.layers
        self.takes_texts = graph.takes_texts
        self.engine, self.precision, self.threads, self.device = engine, precision, threads, device
        #: multiply-adds per token: each weight of a matrix is used about once, but for the embedding's
        self.work = sum(
            array.size
            for layer in graph.layers
            for name, array in layer.weights().items()
            if "kernel" in name and (layer is not graph.layers[-1])
        )
        self._work_done = 0.0
        self._kernels: Kernels | None = None  # of engine="auto", once there is work enough for numba

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments besides the graph."""
        return {name: getattr(self, name) for name in ("engine", "precision", "threads", "device")}

    def __getitem__(self, name: str) -> Layer:
        """The layer of that Keras name; of DeepMoji also `attention_logits`, `attention` and `logits`."""
        # Keras numbers unnamed layers: activation_1, concatenate_1, input_1
        stem, _, number = str(name).rpartition("_")
        for key in (name, stem if number.isdigit() else name):
            if key in self.graph.named:
                return self.graph.named[key]
        raise KeyError(shortened(f"no layer {name!r}; there are: {', '.join(self.graph.named)}"))

    def arrays(self, x: Any) -> Checked:
        """The inputs as checked arrays, by name.

        Args:
            x: an array for the one input there is, a dict by `Graph.input_names` or by the layers' names, or a list in
                the order of `Graph.inputs`. What this method returned is not checked again.

        Raises:
            InputError: an input is missing or unknown, an array does not fit, or their numbers of rows differ.
        """
        if isinstance(x, Checked):
            return x
        arrays = self._given(x)
        if self.graph.takes_texts:
            from .layers.lookup import add_numbers

            add_numbers(arrays, self.graph.named.values(), Pass(REFERENCE))
        return arrays

    def _given(self, x: Any) -> Checked:
        """The inputs by name."""
        inputs = self.graph.inputs
        if len(inputs) == 1 and not given.is_named(x):
            return Checked({inputs[0].name: self._checked(inputs[0], x)})
        names = self.graph.input_names
        if given.is_named(x) and set(x) != set(names) and set(x) == {layer.name for layer in inputs}:
            names = [layer.name for layer in inputs]
        x = given.by_name(x, names)
        arrays = Checked({layer.name: self._named(layer, x[name]) for layer, name in zip(inputs, names)})
        if len({len(array) for array in arrays.values()}) > 1:
            rows = ", ".join(f"{name!r} has {len(array)}" for name, array in arrays.items())
            raise InputError(f"inputs with different numbers of rows: {rows}")
        return arrays

    def _checked(self, layer: Input, x: Any) -> Any:
        """An input's value as an array; `Model` tokenizes texts."""
        return layer.check(x)

    def _named(self, layer: Input, x: Any) -> Any:
        try:
            return self._checked(layer, x)
        except InputError as error:
            label = f"input {layer.name!r}"
            if str(error).startswith(label):
                raise
            raise InputError(f"{label}: {error}") from error

    def check_ready(self) -> None:
        """Raise an error unless the weights can be used; called before each batch. `Model` checks its file."""

    def enter(self, x: Any) -> tuple[Checked, Ops]:
        """Where a call of a layer starts: the inputs' arrays, and the engine to run them on."""
        self.check_ready()
        arrays = self.arrays(x)
        return arrays, self._backend_for(arrays)

    def run(self, x: Any, layer: Layer, width: int | None = None, told: Told | None = None) -> np.ndarray:
        """A layer's output for all rows, computed batch by batch.

        Args:
            width: the size of the second axis, if batches may be narrower; they are filled up with 0.
            told: called after each batch, one call at a time, with the rows done so far and all there are.
        """
        return self.run_all(x, {layer: width}, told)[0]

    def run_all(self, x: Any, layers: dict[Layer, int | None], told: Told | None = None) -> list[np.ndarray]:
        """The outputs of several layers, each with its width as `run` takes it; what they have in common is computed
        once."""
        arrays = self.arrays(x)
        N = len(next(iter(arrays.values())))
        if N == 0:
            return [
                self._empty(layer, arrays) if width is None else np.zeros((0, width), np.float32)
                for layer, width in layers.items()
            ]
        return self.run_on(self._backend_for(arrays), arrays, layers, told)

    def run_on(
        self, ops: Ops, arrays: Checked, layers: dict[Layer, int | None], told: Told | None = None
    ) -> list[np.ndarray]:
        """The same on this engine, of at least one row."""
        N = len(next(iter(arrays.values())))
        if N == 1:
            return self._run_one(arrays, layers, ops, told)
        found = [Results(N, width) for width in layers.values()]
        found[-1] = Results(N, found[-1].width, told)

        def work(ops: Ops, batch: tuple[Any, Checked]) -> None:
            self.check_ready()
            rows, some = batch
            run = Pass(ops)
            for layer, results in zip(layers, found):
                results.store(rows, np.asarray(layer.compute(some, run)))

        ops.for_each(self._batches(arrays, ops.batch_tokens), work)
        return [results.out for results in found]

    def _run_one(
        self, arrays: Checked, layers: dict[Layer, int | None], ops: Ops, told: Told | None
    ) -> list[np.ndarray]:
        """The same for one row: without what it takes to put batches together."""
        self.check_ready()
        _, some = next(self._batches(arrays, ops.batch_tokens))
        done, found = self._ahead(some, tuple(layers), ops), []
        run = None
        for layer, width in layers.items():
            if layer in done:
                values = done[layer][0]
            else:
                run = run or Pass(ops, done)
                values = np.asarray(layer.compute(some, run))
            if width is not None:
                values, narrow = np.zeros((1, width, *values.shape[2:]), values.dtype), values
                values[:, : narrow.shape[1]] = narrow
            found.append(values)
        if told is not None:
            told(1, 1)
        return found

    def _ahead(self, some: Checked, layers: tuple[Layer, ...], ops: Ops) -> dict[Layer, tuple[Any, Any]]:
        """Values and masks of layers that the engine computes all at once for one text; the others are called then."""
        ids = next(iter(some.values()))
        if not ops.program_steps or len(some) > 1 or not isinstance(ids, np.ndarray) or ids.ndim != 2:
            return {}
        if ids.shape[1] > ops.program_steps:
            return {}
        from .lowering import ahead  # imports Numba

        return ahead(ops, layers, ids, self.graph.plans)

    def run_from(self, layer: Layer, values: np.ndarray, outputs: list[Layer]) -> list[np.ndarray]:
        """The outputs of layers for all rows, given the output of a layer that they are computed from, float32 (N, F).

        Raises:
            InputError: they are computed from something else, too.
        """
        between = ancestors(outputs, lambda one: () if one is layer else one.previous)
        if other := next((one for one in between if isinstance(one, Input)), None):
            raise InputError(
                f"layer {outputs[0].name!r} is not computed from {layer.name!r} alone, but also from {other.name!r}"
            )
        work = sum(array.size for one in between if one is not layer for array in one.weights().values())
        ops = self._engine_for(len(values) * work)
        found = [Results(len(values)) for _ in outputs]

        def compute(ops: Ops, rows: np.ndarray) -> None:
            self.check_ready()
            run = Pass(ops)
            run.done[layer] = values[rows], None
            for output, results in zip(outputs, found):
                results.store(rows, np.asarray(output.compute(Checked(), run)))

        size = ops.batch_tokens
        parts = [np.arange(start, min(start + size, len(values))) for start in range(0, len(values), size)]
        ops.for_each(parts or [np.arange(0)], compute)
        return [results.out for results in found]

    def _empty(self, layer: Layer, arrays: dict[str, Any]) -> np.ndarray:
        """The layer's output for no rows: its shape is found with one row of zeros."""
        self.check_ready()
        row = {}
        for source in self.graph.inputs:
            x = arrays[source.name]
            numbers = isinstance(x, np.ndarray) and source.dtype is None
            row[source.name] = np.zeros((1, *x.shape[1:]), x.dtype) if numbers else zeros(source, 1)
            if self.graph.trims_padding:  # so that the outputs have nothing of the number of steps: one does
                row[source.name] = row[source.name][:, :1]
        return np.asarray(layer.compute(row, Pass(REFERENCE)))[:0]

    def _batches(self, arrays: Checked, tokens: int) -> Iterator[tuple[Any, Checked]]:
        """Batches of about so many tokens: the rows' numbers, and their part of each input."""
        first = next(iter(arrays.values()))
        if len(arrays) == 1 and self.graph.trims_padding:
            name = next(iter(arrays))
            yield from ((rows, Checked({name: ids})) for rows, ids in trimmed_batches(first, tokens))
            return
        if any(isinstance(array, Csr) for array in arrays.values()):
            yield np.arange(len(first)), arrays
            return
        steps = max(
            (array.shape[1] for array in arrays.values() if array.ndim > 2 or array.dtype.kind in "iu"), default=1
        )
        size = max(1, tokens // max(1, steps))
        for start in range(0, len(first), size):
            rows = np.arange(start, min(start + size, len(first)))
            yield rows, Checked({name: array[start : start + size] for name, array in arrays.items()})

    def _backend_for(self, arrays: dict[str, Any]) -> Ops:
        auto = self.engine == "auto"
        tokens = auto and max(np.count_nonzero(a) if getattr(a, "ndim", 0) == 2 else len(a) for a in arrays.values())
        return self._engine_for(int(tokens) * self.work)

    def _engine_for(self, work: float) -> Ops:
        """The engine for so many more multiply-adds."""
        if self.engine != "auto":
            return backend(self.engine, self.threads, self.precision, self.device)
        self._work_done += work
        # but for what is still to be compiled nothing but this model's own work decides: the engines' results differ in
        # their last bits
        name = "numba" if self._work_done > AUTO_WORK and self._compiled(work) else "numpy"
        return backend(name, self.threads, self.precision)

    def _compiled(self, work: float) -> bool:
        """Whether a call of so many multiply-adds need not wait for a compiler, or is done sooner all the same."""
        if self._kernels is None:
            from .compiling import Kernels

            self._kernels = Kernels()
        return self._kernels.ready(self, work, self._work_done)


class Results:
    """Collects rows, which may come in any order and from any thread, in one array."""

    def __init__(self, rows: int, width: int | None = None, told: Told | None = None):
        import threading  # of no use to one text

        self.rows, self.width = rows, width
        self._told, self._done = told, 0
        self._lock = threading.Lock()
        self.out: np.ndarray = np.zeros((0, 0), np.float32)
        self._begun = False

    def store(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Store the values of these rows."""
        with self._lock:
            if not self._begun:
                shape = values.shape[1:] if self.width is None else (self.width, *values.shape[2:])
                self.out, self._begun = np.zeros((self.rows, *shape), values.dtype), True
        if self.width is None:
            self.out[rows] = values
        else:
            self.out[rows, : values.shape[1]] = values
        if self._told is not None:
            with self._lock:
                self._done += len(rows)
                self._told(self._done, self.rows)


def joined(parts: list[tuple[np.ndarray, Any]]) -> Any:
    """Results of parts of the rows, each with the rows' numbers, as one array in each place; narrower ones filled up
    with 0."""
    numbers = [rows for rows, _ in parts]

    def one(*found: np.ndarray) -> np.ndarray:
        width = max((values.shape[1] for values in found if values.ndim > 1), default=None)
        out = Results(sum(map(len, numbers)), width)
        for rows, values in zip(numbers, found):
            out.store(rows, values)
        return out.out

    return each(one, *(values for _, values in parts))


def trimmed_batches(tokens: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of about equal length together, longest first, each batch cut to one step more than its longest row.

    That one padded step stands for all that follow: beyond a row's last token every step of every layer is the same,
    and the attention's maximum over the padding is the maximum over one of them. So padding costs next to nothing.
    """
    N, T = tokens.shape
    if N == 1:
        steps = int(np.flatnonzero(tokens[0]).max(initial=-1)) + 2
        yield np.zeros(1, np.intp), tokens[:, :steps]
        return
    lengths = (T - np.argmax(tokens[:, ::-1] != 0, axis=1)) * tokens.any(axis=1)
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < N:
        steps = min(T, int(lengths[order[start]]) + 1)
        rows = order[start : start + max(1, size // steps)]
        yield rows, tokens[rows, :steps]
        start += len(rows)
