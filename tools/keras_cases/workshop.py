"""One flavour of Keras and random numbers to make a network with, and what recipes are."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

FLAVOURS = ("tf_keras", "keras3")
RECIPES: dict[str, Callable] = {}
#: flavour, recipe, seed, and the file to keep, of the cases that travel with the tests
SHIPPED: list[tuple[str, str, int, str]] = []


def recipe(*shipped: tuple[str, int, str]) -> Callable[[Callable], Callable]:
    """Decorator: enter a function (workshop) -> model.

    Args:
        shipped: flavour, seed and the file to keep of each case that travels with the tests.
    """

    def enter(function: Callable) -> Callable:
        RECIPES[function.__name__] = function
        SHIPPED.extend((flavour, function.__name__, seed, file) for flavour, seed, file in shipped)
        return function

    return enter


class Workshop:
    """One flavour of Keras and a generator of random numbers, to make one network with.

    Attributes:
        K: the module, tf_keras or keras.
        L: its layers.
        inputs: arrays for the inputs made so far; ``named`` those of inputs that were given a name.
        choices: by layer what the class `Attention` is there.
        after: what is done with the model when its weights have been drawn.
        reference: gives the model that the golden is of, if that is another one.
        shard: the size in GB of files that the weights are cut into, if they are.
    """

    ROWS, STEPS, WORDS = 7, 6, 11

    def __init__(self, K: ModuleType, seed: int, recipe: Callable):
        self.K, self.L, self.recipe = K, K.layers, recipe
        self.keras3 = K.__name__ == "keras"
        self.rng = np.random.default_rng(seed)
        self.inputs: list[np.ndarray] = []
        self.named: dict[str, np.ndarray] = {}
        self.choices: dict[str, str] = {}
        self.after: Callable[[Any], Any] = lambda model: None
        self.reference: Callable[[Any], Any] = lambda model: model
        self.shard: float | None = None

    def pick(self, *options: Any) -> Any:
        """One of them."""
        return options[self.rng.integers(len(options))]

    def chance(self, p: float = 0.5) -> bool:
        """True as often as that."""
        return bool(self.rng.random() < p)

    def size(self) -> int:
        """A small width."""
        return int(self.rng.integers(2, 6))

    def tokens(self, name: str | None = None, steps: int | None = None) -> Any:
        """An input of token ids: padding at the end, inside, in front, everywhere, nowhere."""
        steps = steps or self.STEPS
        ids = self.rng.integers(1, self.WORDS, (self.ROWS, steps))
        ids[0, steps // 2 :] = 0
        ids[1, : steps // 2] = 0
        ids[2, 1 : steps - 1 : 2] = 0
        ids[3] = 0
        ids[4, 1:] = 0
        ids[5][self.rng.random(steps) < 0.4] = 0
        self.inputs.append(ids.astype(np.int32))
        if name:
            self.named[name] = self.inputs[-1]
        return self.K.Input((self.pick(steps, None),) if steps == self.STEPS else (steps,), name=name, dtype="int32")

    def numbers(self, *shape: int, name: str | None = None, free: bool = False) -> Any:
        """An input of numbers; of a sequence some steps are 0."""
        x = self.rng.standard_normal((self.ROWS, *shape)).astype(np.float32)
        if len(shape) == 2:
            x[self.rng.random(x.shape[:2]) < 0.3] = 0
            x[3] = 0
        self.inputs.append(x)
        if name:
            self.named[name] = x
        return self.K.Input((None, *shape[1:]) if free and len(shape) == 2 else shape, name=name)

    def words(self, name: str | None = None) -> Any:
        """Embedded tokens."""
        layer = self.L.Embedding(self.WORDS, self.size(), mask_zero=self.chance(0.7))
        return layer(self.tokens(name))

    def sequence(self) -> Any:
        """Something of shape (N, T, F), with a mask or without."""
        if self.chance(0.7):
            return self.words()
        x = self.numbers(self.STEPS, self.size())
        return self.L.Masking(self.pick(0.0, 0.0, 1.0))(x) if self.chance(0.7) else x

    def activation(self) -> str:
        """One of those that both flavours have."""
        names = (
            "linear tanh relu sigmoid hard_sigmoid softmax elu selu softplus softsign swish gelu mish exponential relu6"
        )
        more = " hard_silu leaky_relu log_softmax silu" if self.keras3 else " leaky_relu"
        return str(self.pick(*(names + more).split()))

    def recurrent(self, units: int | None = None, plain: bool = False, **options: Any) -> Any:
        """An LSTM, GRU or SimpleRNN with random settings."""
        name = self.pick("LSTM", "GRU", "SimpleRNN")
        options.setdefault("use_bias", self.chance(0.8))
        if self.chance(0.25):
            options["activation"] = self.pick("relu", "linear", "softsign", "sigmoid")
        if name != "SimpleRNN":
            if self.chance(0.4):
                options["recurrent_activation"] = self.pick("hard_sigmoid", "tanh", "relu")
            if name == "GRU":
                options["reset_after"] = self.chance()
        if plain:
            options.pop("return_state", None)
        return getattr(self.L, name)(units or self.size(), **options)

    def model(self, inputs: Any, outputs: Any, **options: Any) -> Any:
        """A Functional model."""
        return self.K.Model(inputs, outputs, **options)


def unique(tensors: Any) -> list[Any]:
    found: dict[int, Any] = {}
    for tensor in tensors:
        found.setdefault(id(tensor), tensor)
    return list(found.values())


def flat(values: Any) -> list[Any]:
    if isinstance(values, dict):
        values = list(values.values())
    return [x for value in values for x in flat(value)] if isinstance(values, (list, tuple)) else [values]


def origins(w: Workshop, tensors: list[Any]) -> list[Any]:
    """The input tensors that these come from, in the order made."""
    if w.keras3:
        found = {}
        for tensor in tensors:
            model = w.K.Model(_roots(tensor, lambda t: t._keras_history.operation, w), tensor)
            found.update({id(x): x for x in model.inputs})
        return list(found.values())
    return unique(x for tensor in tensors for x in _roots(tensor, lambda t: t._keras_history.layer, w))


def _roots(tensor: Any, maker: Callable, w: Workshop) -> list[Any]:
    history = tensor._keras_history
    node = maker(tensor)._inbound_nodes[history.node_index]
    if w.keras3:
        if not node.input_tensors:
            return [tensor]
        return unique(x for source in node.input_tensors for x in _roots(source, maker, w))
    if node.is_input:
        return [tensor]
    return unique(x for source in flat(node.input_tensors) for x in _roots(source, maker, w))
