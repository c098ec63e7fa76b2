"""Every layer in PyTorch computes what the reference does, and its gradients are those of finite differences."""

import re

import numpy as np
import pytest
import test_keras_graphs as keras_cases
from conftest import SHARED, head_maps, needs_shared
from test_keras_files import built, layer, model
from test_random_graphs import Maker, inputs

import npmoji
from npmoji import InputError, layers
from npmoji.backends.ops import REFERENCE
from npmoji.graph import Graph
from npmoji.layers import Checked, Input, Pass
from npmoji.layers.base import ancestors
from npmoji.layers.functions import FUNCTIONS
from npmoji.layers.operations import Operation
from npmoji.model import Model

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
from npmoji.learn.gradients import attention, elementwise, operations
from npmoji.learn.gradients.network import Differentiable
from npmoji.learn.gradients.table import RULES
from npmoji.learn.trainer import Trainer

SEEDS = range(60)


def parts(value):
    return value if isinstance(value, tuple) else (value,)


def check_forward(graph, X):
    """All layers' values and masks, in float32 and with gradients, against the reference's."""
    network, run = Differentiable(graph), Pass(REFERENCE)
    whole = (layers.Int8Dense, layers.Int8EinsumDense, layers.Int8Embedding)
    if not any(isinstance(layer, whole) for layer in graph.layers):
        network.train(network.names)  # nothing before such layers can be
    every = list(graph.named.values())
    for one, value in zip(every, network.values(X, every)):
        for ours, wanted in zip(parts(value), parts(one.pull(X, run)[0])):
            if isinstance(ours, torch.Tensor):
                ours, wanted = ours.detach().numpy(), np.asarray(wanted)
                assert ours.shape == wanted.shape, one
                there = np.isfinite(wanted)
                ours, wanted = ours[there].astype(np.float64), wanted[there].astype(np.float64)
                off = np.abs(ours - wanted) / np.maximum(1, np.abs(wanted))
                assert off.max(initial=0) <= 1e-5, one


# Values --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", keras_cases.CASES)
def test_networks_of_keras_compute_the_same(name):
    loaded = keras_cases.load(name)
    check_forward(loaded.graph, loaded.arrays(keras_cases.given(name)))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks_compute_the_same(seed):
    end = Maker(seed).network()
    check_forward(Graph(ancestors([end]), [end]), Checked(inputs(seed)))


def test_every_class_has_a_function():
    classes = {cls for name in layers.__all__ if issubclass(cls := getattr(layers, name), layers.Layer)}
    without = {cls for cls in classes - RULES.keys() if not issubclass(cls, Input)}
    assert without == {layers.Layer, layers.Recurrent}  # of which there is none by itself
    assert elementwise.ACTIVATIONS.keys() == npmoji.backends.activations.ACTIVATIONS.keys()
    assert {*operations.TORCH, *operations.MOVES, *operations.FLAT} == FUNCTIONS.keys()


@pytest.mark.parametrize("name", elementwise.ACTIVATIONS)
def test_activations_compute_the_same(name):
    x = np.float32([[-4, -2.5, -1, -0.1, 0, 0.3, 1, 2.5, 3, 6, 7]])
    ours = elementwise.ACTIVATIONS[name](torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours, REFERENCE.activate(name, x), rtol=2e-6, atol=2e-7)


def test_sparse_inputs(tmp_path):
    x = np.float32([[0, 2, 0], [0, 0, 0], [1, 0, 3]])
    sparse = layers.Csr.of((np.array([0, 1, 1, 3]), np.array([1, 0, 2]), np.float32([2, 1, 3])), "x")
    head = npmoji.Dense(Input(name="x"), np.ones((3, 2), np.float32), np.float32([0, 1]), "softmax")
    trainer = Trainer(Model(Graph([*ancestors([head])], [head])))
    loss, gradients = trainer.gradients(sparse, [0, 1, 0])
    dense_loss, wanted = trainer.gradients(x, [0, 1, 0])
    assert loss == pytest.approx(dense_loss, abs=1e-6) and gradients.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(gradients[name], array, atol=1e-6)


# Gradients -----------------------------------------------------------------------------------------------------------


def check_gradients(end, X):
    """All gradients of one number made of the output against central differences, in float64."""
    network = Differentiable(Graph(ancestors([end]), [end]), torch.float64)
    network.train(network.names)
    mixed = torch.from_numpy(np.random.default_rng(1).standard_normal(5000))

    def total():
        (value,) = network.values(X, [end])
        return sum((v.reshape(-1) * mixed[: v.numel()]).sum() for v in parts(value))

    names = list(network.names)
    found = torch.autograd.grad(total(), [network[name] for name in names], allow_unused=True)
    rng, step, seen = np.random.default_rng(2), 1e-6, 0
    for name, gradient in zip(names, found):
        array = network[name].detach()  # shares memory with the weight, and is no part of its history
        before, direction = array.clone(), torch.from_numpy(rng.standard_normal(array.shape))
        ends = []
        for change in (step, -step):
            array.copy_(before + change * direction)
            ends.append(total().item())
        array.copy_(before)
        ours = 0.0 if gradient is None else float((gradient * direction).sum())
        assert ours == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4, abs=1e-5), name
        seen += ours != 0
    assert seen


@pytest.mark.parametrize("seed", SEEDS[:40])
def test_gradients_of_random_networks(seed):
    check_gradients(Maker(seed).network(), inputs(seed))


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def dense(x, F, C, **options):
    return layers.Dense(x, numbers((F, C), 3), numbers(C, 4), **options)


def with_states(x):
    states = [dense(layers.GlobalMaxPooling1D(x), 4, 3, name=f"state{i}") for i in range(2)]
    lstm = layers.LSTM(x, *(numbers(s, 5) for s in ((4, 12), (3, 12), (12,))), initial_state=tuple(states),
                       return_state=True, gate="sigmoid", go_backwards=True)  # fmt: skip
    return layers.Concatenate(
        layers.GlobalAveragePooling1D(layers.Part(lstm, 0)), *(layers.Part(lstm, i) for i in (1, 2))
    )


def both_ways(x):
    cells = [tuple(numbers(s, 6 + i) for s in ((4, 9), (3, 9), (2, 9))) for i in range(2)]
    both = layers.Bidirectional(x, *cells, cell=layers.GRU, return_state=True, return_sequences=False, merge_mode=None)
    return layers.Concatenate(*(layers.Part(both, i) for i in range(4)))


def unlike_ways(x):
    lstm, gru = (tuple(numbers(s, 8) for s in ((4, g * 3), (3, g * 3))) for g in (4, 3))
    return layers.Bidirectional(
        x, lstm, gru, backward_cell=layers.GRU, backward_options={"hold_masked": False}, reverse=True
    )


def cells(x):
    kinds = (layers.LSTM, layers.GRU, layers.SimpleRNN)
    parts = [
        (kind, (numbers((F, G * H), H), numbers((H, G * H), H + 1)), {})
        for kind, F, H, G in zip(kinds, (4, 3, 2), (3, 2, 2), (4, 3, 1))
    ]
    one_way = layers.StackedRNN(x, *parts, return_state=True, return_sequences=False, go_backwards=True)
    both = layers.Bidirectional(
        x, tuple(parts[:2]), tuple(parts), cell=layers.StackedRNN, backward_cell=layers.StackedRNN
    )
    return layers.Concatenate(*(layers.Part(one_way, i) for i in range(5)), layers.GlobalMaxPooling1D(both))


def operated(x):
    y = Operation("Multiply", [x, 0.5], {}, name="half")
    y = Operation("ExpandDims", [y], {"axis": 1}, name="wide")
    y = Operation("Squeeze", [y], {"axis": 1}, name="narrow")
    y = Operation("Cast", [y], {"dtype": "float32"}, name="cast")
    z = Operation("Absolute", [Operation("Subtract", [2.0, x], {}, name="less")], {}, name="size")
    return Operation("Divide", [y, Operation("Add", [z, 1], {}, name="more")], {}, name="ratio")


def masked_merges(x):
    other = layers.Masking(dense(x, 4, 4, activation="relu"))
    made = [cls(x, other, any_valid=True) for cls in (layers.Multiply, layers.Maximum, layers.Minimum)]
    return layers.Concatenate(*made, layers.Average(x, other, x), layers.Subtract(x, other))


def two_axes(x):
    wide = layers.Reshape(dense(x, 4, 6), (-1, 2, 3))
    both = layers.MultiHeadAttention(wide, wide, **head_maps(3, 2, 2), axes=(2, 1))
    return layers.EinsumDense(both, "abcd,dce->aeb", numbers((3, 2, 4), 3), numbers((4, 1), 2), "tanh")


#: classes and options that the random networks lack, each over rows (N, T, 4) with a mask
OTHERS = {
    "states": with_states,
    "both ways": both_ways,
    "unlike ways": unlike_ways,
    "cells": cells,
    "operations": operated,
    "masked merges": masked_merges,
    "ELU": lambda x: layers.ELU(x, 0.7),
    "ThresholdedReLU": lambda x: layers.ThresholdedReLU(x, 0.3),
    "PReLU": lambda x: layers.ReLU(x, numbers(4, 9)),
    "TopK": lambda x: layers.Softmax(layers.TopK(x, 2)),
    "masked softmax": lambda x: layers.Softmax(layers.Activation(layers.AttentionLogits(x, numbers((4, 1))), "tanh")),
    "max pooling": lambda x: layers.Pooling1D(x, 3, 2, "same"),
    "average pooling": lambda x: layers.Pooling1D(x, 3, 2, "same", average=True),
    "mean": lambda x: layers.MaskedMean(x),
    "shapes": lambda x: layers.RepeatVector(layers.Flatten(layers.Permute(layers.Reshape(x, (2, -1)), (2, 1))), 2),
    "groups": lambda x: layers.Conv1D(x, numbers((2, 2, 6), 1), numbers(6, 2), 2, "same", groups=2),
    "attention": lambda x: layers.AttentionWeightedAverage(x, numbers((4, 1), 2)),
    "tanh attention": lambda x: layers.AttentionWithContext(x, numbers((4, 1), 2), numbers(7, 3)),
    "unmasked attention": lambda x: layers.AttentionWithContext(
        x, numbers((4, 3), 2), None, numbers((3, 1)), masked=False
    ),
    "attention and weights": lambda x: layers.Part(
        layers.AttentionWithContext(x, numbers((4, 1), 2), return_attention=True), 1
    ),
    "dot attention": lambda x: layers.DotAttention(x, dense(x, 4, 4), scale=np.float32(0.3), causal=True),
    "concat attention": lambda x: layers.Concatenate(
        *(layers.Part(layers.DotAttention(x, x, x, *np.float32([0.3, 0.6]), return_scores=True), i) for i in (0, 1))
    ),
    "additive attention": lambda x: layers.AdditiveAttention(dense(x, 4, 4), x, scale=numbers(4, 5)),
    "heads": lambda x: layers.MultiHeadAttention(x, dense(x, 4, 4), **head_maps(4, 2, 3), causal=True),
    "shared heads": lambda x: layers.MultiHeadAttention(
        x, x, x, **head_maps(4, 4, 2, K=2, gate=True), masked="zero", window=2
    ),
    "two axes": two_axes,
    "own kernels": lambda x: layers.EinsumDense(layers.ZeroPadding1D(x, 1, 0), "abc,bcd->abd", numbers((8, 4, 2), 1)),
    "positions": lambda x: layers.PositionEmbedding(x, numbers((9, 4), 3)),
    "every step": lambda x: layers.TimeDistributed(x, dense(Input(), 4, 3, activation="tanh")),
    "hidden mask": lambda x: layers.GlobalAveragePooling1D(layers.base.HiddenMask(layers.wrappers.Named(x))),
    "no mask": lambda x: layers.GlobalAveragePooling1D(layers.DroppedMask(x)),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_layers(name):
    table = numbers((30, 4), 7)
    end = OTHERS[name](layers.Embedding(Input(vocabulary_size=30, name="ids"), table, name="rows"))
    X = {"ids": inputs(3)["ids"]}
    check_forward(Graph(ancestors([end]), [end]), Checked(X))
    check_gradients(end, X)


def test_the_maximum_of_a_row_has_its_gradient_at_every_tie():
    x = torch.tensor([[1.0, 3.0, 3.0], [2.0, 0.0, 2.0]], requires_grad=True)
    (2 * attention.RowMaximum.apply(x)).sum().backward()
    assert x.grad.tolist() == [[0, 2, 2], [2, 0, 2]]


def test_hard_sigmoids_rise_at_both_their_ends():
    for name, slope, ends in (("hard_sigmoid", 0.2, 2.5), ("hard_sigmoid_keras3", 1 / 6, 3)):
        x = torch.tensor([-ends - 0.01, -ends, 0, ends, ends + 0.01], requires_grad=True)
        elementwise.ACTIVATIONS[name](x).sum().backward()
        assert x.grad.tolist() == pytest.approx([0, slope, slope, slope, 0])


# Other networks than DeepMoji ----------------------------------------------------------------------------------------

TEXT = ("InputLayer", "ids")


def text_model(*entries, version="2.0.5", **held):
    """A Keras model from ids to the last of the entries, one after the other."""
    chain = [layer("InputLayer", "ids", batch_input_shape=[None, 5])]
    for class_name, name, settings in entries:
        chain.append(layer(class_name, name, [(chain[-1]["name"], 0, 0)], **settings))
    config = model(chain, ["ids"], [(chain[-1]["name"], 0, 0)])
    draw = np.random.default_rng(3).random
    drawn = {name: [draw(shape).astype(np.float32) for shape in shapes] for name, shapes in held.items()}
    graph = built(config, drawn, version)
    file = npmoji.formats.Contents("model.h5", graph.weights, version, config)
    return Model(graph, file=file)


ROWS = ("Embedding", "rows", {"mask_zero": True})
HEAD = ("Dense", "head", {"activation": "softmax"})
IDS = np.array([[1, 2, 0, 0, 0], [3, 0, 2, 1, 4], [0, 0, 0, 0, 0]])


def test_keras_dropouts_keep_their_rates():
    mean = ("GlobalAveragePooling1D", "mean", {})
    drops = [("SpatialDropout1D", "channels", {"rate": 0.5}), ("GaussianNoise", "noise", {"stddev": 0.1})]
    more = [("GaussianDropout", "factors", {"rate": 0.2}), ("Dropout", "values", {"rate": 0.3})]
    made = text_model(ROWS, *drops, mean, *more, HEAD, rows=[(5, 4)], head=[(4, 3), (3,)])
    rates = {name: made[name].rate for name in ("channels", "noise", "factors", "values")}
    assert rates == {"channels": 0.5, "noise": 0.1, "factors": 0.2, "values": 0.3}
    one, two, none = Trainer(made, seed=1), Trainer(made, seed=1), Trainer(made, dropout=False)
    labels = [0, 1, 2]
    losses = [trainer.step(IDS, labels) for trainer in (one, two, none)]
    assert losses[0] == losses[1] != losses[2]
    assert none.evaluate(IDS, labels)[0] < losses[2]  # it learns


def test_rates_are_saved(tmp_path):
    rows = layers.Embedding(Input(vocabulary_size=5, name="ids"), numbers((5, 4)), name="rows")
    drop = layers.Dropout(rows, 0.4, "SpatialDropout1D", name="drop")
    lstm = layers.LSTM(drop, *npmoji.init.lstm(1, 4, 2), dropout=0.3, name="lstm")
    npmoji.save_layers(tmp_path / "net.npz", lstm)
    *_, drop, lstm = npmoji.load_layers(tmp_path / "net.npz")
    assert (drop.rate, drop.kind, lstm.dropout) == (0.4, "SpatialDropout1D", 0.3)


@pytest.mark.parametrize(
    "entry, shapes, what",
    [
        (("LSTM", "odd", {"units": 2, "dropout": 0.2}), [(4, 8), (2, 8), (8,)], "drops inputs or states"),
        (("GRU", "odd", {"units": 2, "recurrent_dropout": 0.2}), [(4, 6), (2, 6), (6,)], "drops inputs or states"),
        (("BatchNormalization", "odd", {}), [(4,)] * 4, "uses the averages of a batch"),
        (("AlphaDropout", "odd", {"rate": 0.1}), [], "is a AlphaDropout"),
        (("Dropout", "odd", {"rate": 0.1, "noise_shape": [None, 1, 4]}), [], "is a Dropout with a noise_shape"),
        (("Dropout", "odd", {"rate": 1.5}), [], "has the rate 1.5"),
    ],
)
def test_what_training_does_and_we_do_not(entry, shapes, what):
    settings = {**entry[2], "return_sequences": True}
    entries = ROWS, (*entry[:2], settings), ("GlobalMaxPooling1D", "largest", {}), HEAD
    made = text_model(*entries, rows=[(5, 4)], odd=shapes, head=[(2 if "units" in settings else 4, 3), (3,)])
    with pytest.raises(InputError, match=f"layer '(odd|odd/forward)' of class.*{what}.*dropout=False"):
        Trainer(made)
    trainer = Trainer(made, dropout=False)
    before = trainer.weights()
    trainer.step(IDS, [0, 1, 2])
    now = trainer.weights()
    averages = [name for name in now if "moving" in name]
    assert all(np.array_equal(now[name], before[name]) for name in averages)
    assert not np.array_equal(now["head/bias"], before["head/bias"])
    np.testing.assert_allclose(trainer.model().predict(IDS), trainer.predict(IDS), atol=1e-6)


def test_averages_that_are_not_trained_are_where_the_model_puts_them():
    """`BatchNormalization` keeps a scale made of its arrays, which must follow them."""
    entries = ROWS, ("GlobalMaxPooling1D", "largest", {}), ("BatchNormalization", "norm", {}), HEAD
    made = text_model(*entries, rows=[(5, 4)], norm=[(4,)] * 4, head=[(4, 3), (3,)])
    trainer = Trainer(made, dropout=False)
    new = numbers(4, 1)
    trainer.set_weights({"norm/gamma": new})
    assert np.abs(made.predict(IDS) - trainer.predict(IDS)).max() > 1e-3
    np.testing.assert_allclose(trainer.model().predict(IDS), trainer.predict(IDS), atol=1e-6)


def test_layers_that_the_config_freezes_stay():
    frozen = ("Embedding", "rows", {"mask_zero": True, "trainable": False})
    entries = frozen, ("GlobalMaxPooling1D", "largest", {}), ("Dense", "hidden", {}), HEAD
    made = text_model(*entries, rows=[(5, 4)], hidden=[(4, 2), (2,)], head=[(2, 3), (3,)])
    trainer = Trainer(made)
    assert trainer.trainable == ["hidden/kernel", "hidden/bias", "head/kernel", "head/bias"]
    assert trainer.stages == ["head", "hidden", "all"]
    assert Trainer(made, method="last").trainable == ["head/kernel", "head/bias"]
    assert "rows/embeddings" in Trainer(made, frozen=[]).trainable
    assert Trainer(made, frozen=["rows", "hidden"]).stages == ["head", "all"]


class Odd(npmoji.Layer):
    def forward(self, ops, x):
        return np.asarray(x) * 2


def test_a_layer_without_a_gradient_can_only_be_below():
    x = layers.Embedding(Input(vocabulary_size=5, name="ids"), numbers((5, 4)), name="rows")
    x = Odd(layers.GlobalMaxPooling1D(x), name="odd")
    head = layers.Dense(x, numbers((4, 3)), activation="softmax", name="head")
    made = Model(Graph(ancestors([head]), [head]))
    with pytest.raises(InputError, match="layer 'odd' of class 'Odd' has no gradient here"):
        Trainer(made)
    trainer = Trainer(made, method="last", learning_rate=0.1)
    before = trainer.step(IDS, [0, 1, 2])
    assert trainer.step(IDS, [0, 1, 2]) < before


def test_what_cudnn_rearranges_is_not_trained():
    lstm = ("CuDNNLSTM", "fast", {"units": 2})
    made = text_model(ROWS[:2] + ({},), lstm, HEAD, rows=[(5, 4)], fast=[(4, 8), (2, 8), (16,)], head=[(2, 3), (3,)])
    with pytest.raises(InputError, match="layer 'fast' of class 'CuDNNLSTM' cannot be trained: its file keeps"):
        Trainer(made)
    assert Trainer(made, method="last").trainable == ["head/kernel", "head/bias"]


SEED_FILES = sorted((SHARED / "goldens" / "models").glob("seed*/model.h5")) if SHARED else []


@needs_shared
@pytest.mark.parametrize("path", SEED_FILES, ids=lambda path: path.parent.name)
def test_networks_of_the_seeds_learn(path):
    made = npmoji.load(path, engine="numpy")
    arrays = dict(np.load(path.parent / "golden.npz"))
    X = {name: arrays.get(name, arrays.get("inputs")) for name in made.graph.input_names}
    X = X if len(X) > 1 else next(iter(X.values()))
    names = {"tokens": "tokens", "meta": "meta"}
    if isinstance(X, dict) and any(value is None for value in X.values()):
        X = [arrays[name] for name in names]
    trainer = Trainer(made, method="new", dropout=False)
    wanted = made.predict(X)
    np.testing.assert_allclose(trainer.predict(X), wanted, atol=2e-6)
    rng = np.random.default_rng(0)
    shape = (len(wanted),) if wanted.shape[1] == 1 else wanted.shape
    labels = (
        rng.integers(0, 2, shape) if trainer._output.binary or trainer._output.multi_label else wanted.argmax(1) * 0
    )
    losses = [trainer.step(X, labels) for _ in range(8)]
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(trainer.model().predict(X), trainer.predict(X), atol=2e-6)
    trainer.reinitialise(1)
    assert not np.allclose(trainer.predict(X), trainer.model().predict(X) * 0)


def test_nested_models_are_trained_layer_by_layer():
    made = keras_cases.load("tf_keras_deeply_nested")
    network = Differentiable(made.graph)
    held = {id(a) for arrays in made.contents.layers.values() for a in arrays.values()}
    assert len(held) == len(network.names)  # each array of the file once
    assert any(re.fullmatch(r"[^/]+/[^/]+/.*", name) for name in network.names)
    new = network.copied_graph()
    assert {k: list(v) for k, v in new.weights.items()} == {k: list(v) for k, v in made.graph.weights.items()}
    X = made.arrays(keras_cases.given("tf_keras_deeply_nested"))
    for name in network.names:
        with torch.no_grad():
            network[name].mul_(0.5)
    other = Model(network.copied_graph())
    (ours,) = network.values(X, [made.graph.outputs[0]])
    np.testing.assert_allclose(np.asarray(other.graph.outputs[0](X)), ours.numpy(), atol=1e-6)
