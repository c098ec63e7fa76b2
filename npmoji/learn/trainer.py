"""`Trainer`: one model, step by step, as Keras 2.0.5 trained it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import inputs
from ..errors import InputError
from ..inputs import Floats, Inputs
from ..layers import Layer
from ..model import Model
from .fresh import fresh_weights
from .methods import Plan
from .training import check_model, device_of, flag, frozen_layers, full_float32, number, pytorch, rows, whole

if TYPE_CHECKING:
    import torch

    from .gradients.losses import Loss

BATCH = 250  # rows that `predict` and `evaluate` take at a time


class Trainer:
    """A model being trained, step by step: loss, gradients and optimiser of the original, Keras 2.0.5's.

    Training starts from the model's weights as they are, whatever the method: for ``"new"`` call `reinitialise` first.
    The model itself does not change; `model` gives a new one.

    Args:
        model: with one output, probabilities. Any network of layers that have a gradient, at precision fp32.
        method: what is trained, and how fast: ``"last"``, the layers with `softmax` in their names, else the last one,
            at 0.001; ``"full"``, all, at 0.0001; ``"new"``, all, at 0.001; ``"chain-thaw"``, one layer at a time.
        stage: of chain-thaw, by its number or its name in `stages`; by default the first, see `start`.
        learning_rate: instead of the method's.
        l2: added to the loss, l2 times the sum of the squares of all embeddings, whether they are trained or not.
        clipnorm: the length of all gradients together from which on they are shortened to it; None: never.
        dropout: drop at random in `step`: for DeepMoji as ``embed_dropout`` and ``final_dropout`` say, for others as
            their config says. If False, every layer computes what it does in prediction.
        seed: of the dropout.
        embed_dropout, final_dropout: DeepMoji's rates: of the embedding's channels, the same for all steps of a text,
            and of the features.
        loss: ``"auto"``, Keras' cross-entropy: binary for sigmoids, categorical for a softmax; or ``"bce_logits_sum"``,
            binary from the values before the sigmoid and summed over rows. Or a function of two tensors, what is before
            the last activation (N, C) and the labels as they are given, float32, that returns the loss as a third.
        optimiser: Adam's rule, ``"keras"`` (2.0.5) or ``"torch"``.
        weight_decay: before each step all numbers are made smaller by this times the rate, as PyTorch's AdamW does.
        clip: the rule of clipnorm, as ``optimiser`` unless given.
        frozen: names of layers that are never trained; by default those that a config says are not ``trainable``,
            but for DeepMoji none.
        device: ``"cpu"`` or ``"cuda"``; by default the model's.

    Attributes:
        stages: the names of chain-thaw's stages.
        trainable: the names of the arrays that are trained now, ``"layer/array"``.
        rate: the learning rate, which may be set.

    Raises:
        InputError: PyTorch is missing; the model is closed, in half precision, or has no probabilities; an argument is
            none of the above; or a layer has no gradient, or acts in training in a way that is not known here.

    >>> trainer = npmoji.learn.Trainer(npmoji.load(engine="numpy"), method="last", dropout=False)
    >>> ids = np.array([[12, 47, 1947], [12, 810, 0]])
    >>> loss = trainer.step(ids, [4, 36])
    >>> trainer.step(ids, [4, 36]) < loss
    True
    """

    def __init__(
        self,
        model: Model,
        *,
        method: str = "full",
        stage: int | str | None = None,
        learning_rate: float | None = None,
        l2: float = 1e-6,
        clipnorm: float | None = 1.0,
        dropout: bool = True,
        seed: int = 0,
        embed_dropout: float = 0.25,
        final_dropout: float = 0.5,
        loss: str | Loss = "auto",
        optimiser: str = "keras",
        weight_decay: float = 0.0,
        clip: str | None = None,
        frozen: Collection[str] | None = None,
        device: str | None = None,
    ):
        torch = pytorch()
        from .gradients import losses, optimisers
        from .gradients.network import Differentiable

        self._model, self.method, self.dropout = check_model(model), method, flag("dropout", dropout)
        self.l2, self.clipnorm = number("l2", l2), None if clipnorm is None else number("clipnorm", clipnorm)
        self.optimiser = optimisers.check_rule("optimiser", optimiser)
        self.weight_decay = number("weight_decay", weight_decay)
        self.clip = optimisers.check_rule("clip", optimiser if clip is None else clip)
        self._output = losses.Output(model.graph, loss)
        self._network = Differentiable(model.graph, torch.float32, device_of(model, device))
        if self.dropout:
            self._network.check_training([self._output.layer])
        owners = {name: owner.name for name, owner in self._network.owners.items()}
        self._plan = Plan(method, owners, frozen_layers(model, frozen, dict.fromkeys(owners.values())))
        self.stages = self._plan.stages
        self._drops = self._dropouts(
            number("embed_dropout", embed_dropout, 1), number("final_dropout", final_dropout, 1)
        )
        self._generator = torch.Generator().manual_seed(whole("seed", seed, 0))
        self._given_rate = None if learning_rate is None else number("learning_rate", learning_rate)
        self._penalty: Any = None
        self.start(stage)

    def _dropouts(self, embed: float, final: float) -> dict[Layer, Any]:
        """DeepMoji's, which are no layers of a graph."""
        from .gradients.table import Drop

        named = self._model.graph.named
        if not self._model.graph.trims_padding:
            return {}
        return {named["activation"]: Drop(embed, spatial=True), named["attlayer"]: Drop(final)}

    # What is trained -------------------------------------------------------------------------------------------------

    def start(self, stage: int | str | None = None, learning_rate: float | None = None) -> None:
        """Begin again with a new optimiser, weights as they are; of chain-thaw at this stage, by default the first.

        Args:
            learning_rate: by default the one given to the trainer, else that of the method, and of the stage: 0.001 in
                the first one, then 0.0001.
        """
        from .gradients.optimisers import Adam

        self.stage = self._plan.stage(stage)
        self.trainable = self._plan.trained(self.stage)
        self._network.train(self.trainable)
        self._network.check([self._output.layer])
        self._adam = Adam({name: self._network[name] for name in self.trainable}, self.optimiser)
        given = self._given_rate if learning_rate is None else number("learning_rate", learning_rate)
        self.rate = self._plan.rate(self.stage) if given is None else given
        self._penalty = None

    # Steps -----------------------------------------------------------------------------------------------------------

    def gradients(self, ids: Inputs, labels: Any) -> tuple[float, dict[str, Floats]]:
        """The total loss, L2 included, and its gradients before clipping: those that `step` would use next.

        Args:
            ids: token ids (N, T), or whatever else the model takes. labels: class numbers (N,); 0 and 1 (N, C) for a
                network with several sigmoids.

        Raises:
            InputError: inputs or labels that the network does not take; says the row.

        >>> trainer = npmoji.learn.Trainer(npmoji.load(engine="numpy"), method="last")
        >>> loss, found = trainer.gradients([[12, 47, 1947]], [4])
        >>> {name: array.shape for name, array in found.items()}
        {'softmax/kernel': (320, 64), 'softmax/bias': (64,)}
        """
        state = self._generator.get_state()
        loss, found = self._gradients(ids, labels)
        self._generator.set_state(state)
        return loss, {name: g.cpu().numpy() for name, g in found.items()}

    def step(self, ids: Inputs, labels: Any, rate: float | None = None) -> float:
        """One step of the optimiser; returns the total loss before it. Takes what `gradients` does.

        Args:
            rate: the learning rate of this step, by default `rate`.
        """
        from .gradients.optimisers import clip

        rate = self.rate if rate is None else number("rate", rate)
        loss, found = self._gradients(ids, labels)
        clip(found, self.clipnorm, self.clip)
        self._adam.step({name: self._network[name] for name in found}, found, rate, rate * self.weight_decay)
        self._penalty = None
        return loss

    def _gradients(self, ids: Inputs, labels: Any) -> tuple[float, dict[str, torch.Tensor]]:
        torch = pytorch()
        arrays, y = self._batch(ids, labels)
        generator = self._generator if self.dropout else None
        tensors = {name: self._network[name] for name in self.trainable}
        with full_float32(self._network.like):
            (values,) = self._network.values(arrays, [self._output.source], generator, self._drops)
            loss = self._output.loss(values, y)
            grads = torch.autograd.grad(loss, list(tensors.values()), allow_unused=True)
            found = {
                name: torch.zeros_like(w) if g is None else g.contiguous()
                for (name, w), g in zip(tensors.items(), grads)
            }
            tables = {self._network.names[name]: name for name in tensors}
            for key in self._network.tables() if self.l2 else ():
                if key in tables:
                    name = tables[key]
                    found[name] = found[name].add(tensors[name].detach(), alpha=2 * self.l2)
            total = loss.detach() + self._l2_loss()
        return float(total), found

    def _l2_loss(self) -> Any:
        """What L2 adds to the loss: kept until the weights change."""
        torch = pytorch()
        if self._penalty is None:
            with torch.no_grad():
                squares = (
                    [torch.sum(self._network.weights[key] ** 2) for key in self._network.tables()] if self.l2 else []
                )
                self._penalty = self.l2 * sum(squares, torch.zeros_like(self._network.like))
        return self._penalty

    def _batch(self, ids: Inputs, labels: Any) -> tuple[Any, torch.Tensor]:
        torch = pytorch()
        arrays = self._model.arrays(ids)
        N = len(next(iter(arrays.values())))
        if not N:
            raise InputError("a batch of no rows: expected one or more")
        y = torch.from_numpy(self._output.labels(labels, N))
        return arrays, y.to(self._network.like.device)

    # What came of it -------------------------------------------------------------------------------------------------

    def predict(self, ids: Inputs, batch_size: int = BATCH) -> Floats:
        """Probabilities, float32 (N, C), or (N, 1) of a network with one sigmoid; nothing is dropped."""
        torch = pytorch()
        arrays, batch_size = self._model.arrays(ids), whole("batch_size", batch_size, 1)
        N = len(next(iter(arrays.values())))
        found = []
        with torch.no_grad(), full_float32(self._network.like):
            for start in range(0, N, batch_size):
                part = rows(arrays, start, start + batch_size)
                found.append(self._network.values(part, [self._output.layer])[0].cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, self._output.classes), np.float32)

    def evaluate(self, ids: Inputs, labels: Any, batch_size: int = BATCH) -> tuple[float, float]:
        """The total loss as Keras' validation has it, a mean over rows with L2, and the accuracy; nothing is
        dropped."""
        torch = pytorch()
        (arrays, y), batch_size = self._batch(ids, labels), whole("batch_size", batch_size, 1)
        loss, right = 0.0, 0.0
        with torch.no_grad(), full_float32(self._network.like):
            for start in range(0, len(y), batch_size):
                part, some = rows(arrays, start, start + batch_size), y[start : start + batch_size]
                outputs = [self._output.source, self._output.layer]
                values, p = self._network.values(part, outputs)
                loss += float(self._output.loss(values, some) + self._l2_loss()) * len(some)
                right += float(self._output.right(p, some).to(torch.float64).mean()) * len(some)
        return loss / len(y), right / len(y)

    def weights(self) -> dict[str, Floats]:
        """All arrays by ``"layer/array"``, as copies; those that layers share once."""
        return {name: self._network[name].detach().cpu().numpy().copy() for name in self._network.names}

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Set the arrays of these names; the optimiser goes on as it was.

        Raises:
            InputError: no such array, another shape, or something else than numbers.
        """
        torch = pytorch()
        for name, array in weights.items():
            inputs.numbers(array)
            if name not in self._network.names:
                raise InputError(f"no array {name!r:.80}; there are: {', '.join(self._network.names)}")
            if np.shape(array) != tuple(self._network[name].shape):
                wanted = tuple(self._network[name].shape)
                raise InputError(f"array {name!r}: shape {np.shape(array)}, expected {wanted}")
        with torch.no_grad():
            for name, array in weights.items():
                self._network[name].copy_(torch.from_numpy(np.array(array, np.float32)))
        self._penalty = None

    def reinitialise(self, seed: int = 0) -> None:
        """Set all arrays, frozen ones too, to what an untrained network starts with, see `fresh_weights`; and begin
        again with a new optimiser."""
        owners = self._network.owners
        self.set_weights(fresh_weights([(name, owners[name]) for name in self._network.names], whole("seed", seed, 0)))
        self.start(self.stage)

    def model(self) -> Model:
        """A model of the weights as they are now, in memory, with the tokenizer and settings of the one given."""
        old = self._model
        file = old.contents._replace(layers={}, references=None, precision="fp32")
        new = Model(self._network.copied_graph(), old.tokenizer, file=file, **old.settings)
        new.vocabulary_file = old.vocabulary_file
        return new

    def state(self) -> dict[str, np.ndarray]:
        """All that training depends on from here on, as arrays: weights, the optimiser's averages and its number of
        steps, the stage, and where the dropout's generator is."""
        found = {f"weights/{name}": array for name, array in self.weights().items()}
        for label, arrays in (("m", self._adam.m), ("v", self._adam.v)):
            found |= {f"{label}/{name}": array.cpu().numpy().copy() for name, array in arrays.items()}
        found["t"] = np.array(self._adam.t)
        found["stage"] = np.array(-1 if self.stage is None else self.stage)
        found["rate"] = np.array(self.rate)
        found["generator"] = self._generator.get_state().numpy().copy()
        return found

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` gave, of a trainer of the same model and settings: bit for bit.

        Raises:
            InputError: not such a state.
        """
        torch = pytorch()
        missing = {"t", "stage", "rate", "generator"} - state.keys()
        if missing:
            raise InputError(f"not the state of a Trainer: {', '.join(sorted(missing))} missing")
        stage = int(state["stage"])
        self.start(None if stage < 0 else stage, float(state["rate"]))
        parts = {
            label: {key.partition("/")[2]: array for key, array in state.items() if key.startswith(f"{label}/")}
            for label in ("weights", "m", "v")
        }
        if parts["m"].keys() != set(self.trainable) or parts["v"].keys() != set(self.trainable):
            raise InputError("not the state of a Trainer of this model and these settings: other arrays are trained")
        self.set_weights(parts["weights"])
        for label, held in (("m", self._adam.m), ("v", self._adam.v)):
            for name, array in parts[label].items():
                held[name].copy_(torch.from_numpy(np.array(array, np.float32)))
        self._adam.t = int(state["t"])
        self._generator.set_state(torch.from_numpy(np.array(state["generator"], np.uint8)))
