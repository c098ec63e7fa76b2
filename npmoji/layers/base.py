"""What every layer has: predecessors, a name, weights, and a call that runs the network's input through all layers
before it.

    ids = Input(name="input")
    x = Embedding(ids, table)
    y = Dense(x, kernel, bias)
    y(tokens)                       # y asks x, x asks ids, and ids returns the tokens

A call computes every layer it needs once, however many paths lead to it; nothing is kept on the objects, so threads may
share a network. Each value comes with its mask, as in Keras: bool (N, T), True at valid steps, or None.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import inputs
from ..backends.ops import REFERENCE, Array, Ops
from ..errors import InputError, NpmojiError, WeightsError
from ..precision import COMPACT, float32

if TYPE_CHECKING:
    from typing_extensions import Self  # noqa: UP035  (typing has it from Python 3.11 on; checkers bring this one)


DEEP = 100  # layers in a row that may pull each other, well below Python's limit of calls in each other


class Pass:
    """One pass through the graph, on one thread: the engine it runs on and what has been computed so far."""

    def __init__(self, ops: Ops, done: dict[Layer, tuple[Any, Any]] | None = None):
        self.ops = ops.for_pass()
        self.done: dict[Layer, tuple[Any, Any]] = done or {}


class Layer:
    """A node of the network.

    Subclasses define `forward`, arithmetic only, and `propagate` if they change the mask. Those that need the mask for
    their arithmetic set ``uses_mask`` and take it as a keyword, all True if there is none. A layer with several outputs
    returns a tuple of them, and a tuple of masks; `Part` picks one.

    >>> class Double(npmoji.Layer):
    ...     def forward(self, ops, x):
    ...         return 2 * np.asarray(x)
    >>> Double(npmoji.Input())(np.float32([[1, 2]]))
    array([[2., 4.]], dtype=float32)
    """

    uses_mask = False
    #: whether the next layer's arithmetic treats all steps as valid; the mask propagates all the same
    hides_mask = False
    outputs = 1  # how many outputs the layer has
    lengths: tuple[int, ...] = ()  # sizes that an axis of its input may have to have, or not to exceed
    class_name: str  # that of the class, or a file's own name of it
    #: whether `forward` takes an engine's own kind of array; npmoji's layers do, others get NumPy's
    takes_any_array = False
    network: Any = None  # the `Network` that the layer belongs to, whose engine a call runs on; else it is NumPy's

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.takes_any_array = cls.__module__.startswith(f"{__package__}.")

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        layer = super().__new__(cls)
        layer.made_from = arguments, options  # what `save_layers` writes
        layer.class_name = cls.__name__
        return layer

    def __init__(self, *previous: Layer, name: str | None = None):
        self.previous = previous
        self.depth = 1 + max([layer.depth for layer in previous], default=0)
        self.name = name or type(self).__name__.lower()
        self._packed: dict[Any, Any] = {}

    def __call__(self, X: inputs.Inputs) -> inputs.Outputs:
        """This layer's output for the network's input ``X``, as Keras would return it: an array, or a list of arrays if
        the layer has several outputs.

        ``X`` is an array if there is one input, or a dict of arrays by the names of the inputs.
        """
        X, ops = (X, REFERENCE) if self.network is None else self.network.enter(X)
        value = self.compute(X, Pass(ops))
        return [np.asarray(part) for part in value] if isinstance(value, tuple) else np.asarray(value)

    def compute(self, X: Any, run: Pass) -> Any:
        """The output for the network's input ``X``; a tuple if there are several.

        Raises:
            InputError: arrays on the way do not fit together, for example because inputs have different lengths.
        """
        try:
            return self.pull(X, run)[0]
        except NpmojiError:
            raise
        except (ValueError, IndexError) as error:
            raise InputError(f"layer {self.name!r} cannot be computed from this input: {error}") from error

    def pull(self, X: Any, run: Pass) -> tuple[Any, Any]:
        """Output and mask, computed at most once per pass, after all that they are computed from."""
        done = run.done
        if self not in done:
            if self.depth > DEEP:  # one after the other, and not each by a call of the next
                for layer in ancestors([self])[:-1]:
                    if layer not in done:
                        done[layer] = layer._pull_one(X, run)
            done[self] = self._pull_one(X, run)
        return done[self]

    def _pull_one(self, X: Any, run: Pass) -> tuple[Any, Any]:
        pulled = [layer.pull(X, run) for layer in self.previous]
        values = [value for value, _ in pulled] or [X]
        return self.evaluate(run.ops, values, [mask for _, mask in pulled])

    def evaluate(self, ops: Ops, values: list[Any], masks: list[Any]) -> tuple[Any, Any]:
        """Output and mask, given those of the predecessors; without any, the network's input is the value."""
        if not self.takes_any_array:
            values = [np.asarray(value) if hasattr(value, "__array__") else value for value in values]
        extra = {"mask": self._valid_steps(values[0], masks[0] if masks else None)} if self.uses_mask else {}
        return self.forward(ops, *values, **extra), self.propagate(values, masks)

    def forward(self, ops: Ops, *values: Any, **options: Any) -> Any:
        """This layer's arithmetic: from the predecessors' outputs, as many as the subclass has, to its own output."""
        raise NotImplementedError

    def propagate(self, values: list[np.ndarray], masks: list[np.ndarray | None]) -> np.ndarray | None:
        """The mask passed on to the next layer; by default the first predecessor's."""
        return masks[0]

    def _valid_steps(self, x: Array, mask: np.ndarray | None) -> np.ndarray:
        """The mask for this layer's arithmetic, bool (N, T)."""
        return np.ones(x.shape[:2], bool) if mask is None or self.previous[0].hides_mask else mask

    def packed(self, ops: Ops) -> Any:
        """The weights as the engine needs them, rearranged once for all engines of that kind."""
        if ops.packing not in self._packed:
            self._packed[ops.packing] = self.pack(ops)
        return self._packed[ops.packing]

    def pack(self, ops: Ops) -> Any:
        """What `packed` keeps; defined by layers whose functions in `Ops` take packed weights."""
        raise NotImplementedError

    def weights(self) -> dict[str, np.ndarray]:
        """The layer's own arrays by their Keras names; none by default."""
        return {}

    def refresh(self) -> None:
        """Compute anew what the layer keeps of its arrays, which have changed; by default it keeps nothing."""

    def expect(self, label: str, array: np.ndarray, *shape: int | None, compact: bool = False) -> np.ndarray:
        """The array, if it has this shape (None: any size); else a WeightsError with layer, array and both shapes.

        fp16 and int8 arrays become float32, unless the layer takes them ``compact``.
        """
        fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
        if not fits or 0 in array.shape:
            wanted = ", ".join("any" if want is None else str(want) for want in shape)
            raise WeightsError(f"layer {self.name!r}: {label} has shape {array.shape}, expected ({wanted})")
        return array if compact or array.dtype not in COMPACT else float32(array)

    def __copy__(self) -> Self:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    def __reduce_ex__(self, protocol: int) -> Any:
        """A network's layer is pickled as that network and the layer's name, any other layer with all it is made
        from."""
        if self.network is None or self.network.graph.named.get(self.name) is not self:
            return super().__reduce_ex__(protocol)
        return operator.getitem, (self.network, self.name)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("network", "_packed")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _packed={})

    def __repr__(self) -> str:
        arrays = ", ".join(f"{name} {array.shape}" for name, array in self.weights().items())
        return f"<{type(self).__name__} {self.name!r}{': ' + arrays if arrays else ''}>"


def given(**arrays: np.ndarray | None) -> dict[str, np.ndarray]:
    """Those of a layer's arrays that it has."""
    return {name: array for name, array in arrays.items() if array is not None}


def ancestors(
    layers: Iterable[Layer], before: Callable[[Layer], Sequence[Layer]] = operator.attrgetter("previous")
) -> list[Layer]:
    """The layers and all layers they are computed from, in graph order; ``before`` gives the layers that one needs."""
    found: dict[Layer, None] = {}
    stack = [(layer, False) for layer in reversed(list(layers))]
    while stack:  # not recursive: a graph may be deep
        layer, ready = stack.pop()
        if ready:
            found.setdefault(layer)
        elif layer not in found:
            stack.append((layer, True))
            stack.extend((previous, False) for previous in reversed(before(layer)))
    return list(found)


def step_sum(parts: np.ndarray | list[np.ndarray]) -> np.ndarray:
    """The sum over the first axis, in order: its bits depend on nothing else."""
    total = np.zeros(parts.shape[1:] if isinstance(parts, np.ndarray) else parts[0].shape, np.float32)
    for part in parts:
        total += part
    return total


class Part(Layer):
    """One output of a layer that has several."""

    def __init__(self, previous: Layer, index: int):
        super().__init__(previous, name=f"{previous.name}/{index}")
        self.index = index

    def forward(self, ops: Ops, values: tuple[Array, ...]) -> Array:
        return values[self.index]

    def propagate(self, values, masks):
        return masks[0][self.index] if isinstance(masks[0], tuple) else None


class Remask(Layer):
    """The first predecessor's value with the second one's value, bool (N, T), as its mask."""

    def forward(self, ops: Ops, value: Array, mask: Array) -> Array:
        return value

    def propagate(self, values, masks):
        mask = np.asarray(values[1], bool)
        if not mask.ndim:
            raise WeightsError(f"layer {self.name!r}: one truth value as a mask, expected an array (N, T)")
        return mask


class DroppedMask(Layer):
    """Its predecessor without a mask.

    Args:
        complaint: if given, a mask raises a WeightsError with this message: it is not known whether the next layer uses
            it.
    """

    def __init__(self, previous: Layer, complaint: str | None = None, name: str | None = None):
        super().__init__(previous, name=name)
        self.complaint = complaint

    def forward(self, ops: Ops, x: Array) -> Array:
        return x

    def propagate(self, values, masks):
        if self.complaint is not None and masks[0] is not None:
            raise WeightsError(self.complaint)


class HiddenMask(Layer):
    """Its predecessor, whose mask propagates, but is not used in the next layer's arithmetic."""

    hides_mask = True

    def forward(self, ops: Ops, x: Array) -> Array:
        return x
