"""Attention of queries to keys, and transformers: what settings, versions and calls mean, and what is refused.

What genuine Keras computes is looked at by tests/test_keras_graphs.py."""

import copy
import json
import pickle

import numpy as np
import pytest
from conftest import head_maps
from test_keras_files import layer, model
from test_keras_graphs import CASES, entry, given, load

import npmoji
from npmoji import InputError, WeightsError, formats, kernels, layers, loading
from npmoji.formats import Contents
from npmoji.keras import config as keras_config
from npmoji.keras.lacking import lacking
from npmoji.keras.order import execution_order
from npmoji.layers import Input

F, T, S = 4, 5, 6
NEWEST = "3.15.1"


def tensor(name, number=0, part=0):
    """A layer's output among what Keras 3 calls another one with."""
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, number, part]}}


def called(class_name, name, *args, **kwargs):
    """An entry of a Keras 3 config, without settings."""
    settings = kwargs.pop("config", {})
    calls = [{"args": list(args), "kwargs": kwargs}]
    return {**layer(class_name, name, trainable=True, **settings), "inbound_nodes": calls}


def arrays_of(maps):
    """The arrays of several heads as a file has them."""
    return {f"{part}/{i}": array for part, both in maps.items() for i, array in enumerate(both)}


HEADS = {"num_heads": 2, "key_dim": 3}


def masked_heads(version=NEWEST, settings=None, **call):
    """Heads over embedded ids of which 0 is padding, and another attention layer over the same."""
    table, maps = np.random.default_rng(1).standard_normal((9, F)).astype(np.float32), head_maps(F, 2, 3)
    settings = {**HEADS, **(settings or {})}
    given = {"query": tensor("words"), "value": tensor("words"), **call}
    entries = [
        {**layer("InputLayer", "ids", batch_shape=[None, T]), "inbound_nodes": []},
        called("Embedding", "words", tensor("ids"), config={"mask_zero": True}),
        called("MultiHeadAttention", "heads", config=settings, **given),
        called("Attention", "att", [tensor("words"), tensor("words")], config={"use_scale": False}),
    ]
    held = {"words": {"0": table}, "heads": arrays_of(maps)}
    outputs = [("heads", 0, 0), ("att", 0, 0)]
    return Contents("m.keras", held, version, model(entries, ["ids"], outputs, "Functional"))


def padded():
    ids = np.array([[1, 2, 3, 0, 0], [0, 0, 0, 0, 0]])
    return ids


# Versions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version, settings, scores, nothing",
    [
        ("3.15.1", {}, False, "uniform"),
        ("3.7.0", {}, False, "uniform"),
        ("3.6.0", {}, False, "added"),
        ("3.15.1", {}, True, "zero"),
        ("3.10.0", {"dropout": 0.1}, False, "zero"),
        ("3.9.2", {"dropout": 0.1}, False, "added"),
        ("2.15.0", {}, False, "added"),
        ("2.15.0", {"softmax_robust_masking": True}, False, "uniform"),
    ],
)
def test_a_text_of_padding_by_version(version, settings, scores, nothing):
    graph = loading.build(masked_heads(version, settings, return_attention_scores=scores))
    heads = graph.outputs[0].previous[0] if scores else graph.outputs[0]
    assert heads.outputs == 1 + scores
    assert nothing == ("uniform" if heads.fused else heads.masked)
    found = graph.outputs[0](padded())[1]
    value, (kernel, bias) = (
        graph.named["words"](padded())[1] @ heads.maps["value"][0].reshape(F, -1),
        heads.maps["output"],
    )
    value = value.reshape(T, 2, 3) + heads.maps["value"][1]
    mean = np.zeros((2, 3)) if nothing == "zero" else value.mean(axis=0)
    np.testing.assert_allclose(found, np.tile(mean.reshape(-1) @ kernel.reshape(-1, F) + bias, (T, 1)), atol=1e-5)


@pytest.mark.parametrize("masked, wanted", [("added", 100), ("uniform", 103 / 3), ("zero", 0)])
def test_large_scores_of_a_step_that_may_look_at_nothing(masked, wanted):
    """1e9 less leaves differences of 64 and more."""
    x, one = Input(name="x"), (np.ones((1, 1, 1), np.float32), None)
    maps = dict.fromkeys(("query_dense", "key_dense", "value_dense", "output_dense"), one)
    step = layers.MultiHeadAttention(x, layers.Remask(x, Input(name="none")), **maps, masked=masked)
    found = step({"x": np.float32([[[2], [100], [1]]]), "none": np.zeros((1, 3), bool)})
    np.testing.assert_allclose(found[0, :, 0], [wanted] * 3, rtol=1e-5)


@pytest.mark.parametrize(
    "version, robust, wanted",
    [("2.15.0", False, [0, 1]), ("2.15.0", True, [0.5, 0.5]), ("3.9.0", False, [0, 1]), ("3.10.0", False, [0, 0])],
)
def test_softmax_of_nothing_but_masked_steps_by_version(version, robust, wanted):
    entries = [
        layer("InputLayer", "x", batch_input_shape=[None, 2]),
        layer("InputLayer", "mask", batch_input_shape=[None, 2]),
        layer("Softmax", "softmax", [["x", 0, 0]], robust_masking=robust),
    ]
    entries[2]["inbound_nodes"] = [[["x", 0, 0, {"mask": ["mask", 0, 0]}]]]
    config = model(entries, ["x", "mask"], [("softmax", 0, 0)])
    graph = loading.build(Contents("m.h5", {}, version, config))
    X = {"x": np.float32([[1, 200]]), "mask": np.zeros((1, 2), np.float32)}
    np.testing.assert_allclose(graph.outputs[0](X), [wanted], atol=1e-6)


@pytest.mark.parametrize("version, kept", [("3.15.1", False), ("3.8.0", False), ("3.7.0", True), ("2.15.0", True)])
def test_masks_are_taken_off_for_what_is_called_later(version, kept):
    """Both layers are outputs; of these Keras calls the later ones first."""
    file = masked_heads(version)
    first = loading.build(file).outputs[1](padded())
    assert not first[0, 3:].any() and first[0, :3].all()
    file.config["config"]["output_layers"].reverse()
    later = loading.build(file).outputs[0](padded())
    np.testing.assert_array_equal(later[0, 3:] == 0, kept)
    assert (np.abs(later[0, :3] - first[0, :3]).max() < 1e-6) == kept


def test_masks_are_taken_off_the_same_tensor():
    """Dropout gives what it takes; a sum does not."""
    file = masked_heads()
    entries = file.config["config"]["layers"]
    for class_name, name in (("Dropout", "same"), ("ReLU", "other")):
        entries.insert(2, called(class_name, name, tensor("words")))
        entries.append(called("Dropout", f"after_{name}", tensor(name)))
        entries.append(
            called("Attention", f"att_{name}", *[[tensor(f"after_{name}")] * 2], config={"use_scale": False})
        )
    entries.append(called("Dense", "far", tensor("heads")))
    file.config["config"]["output_layers"] = [[name, 0, 0] for name in ("att_same", "att_other", "far")]
    square = {"0": np.eye(F, dtype=np.float32), "1": np.zeros(F, np.float32)}
    graph = loading.build(file._replace(layers={**file.layers, "far": square}))
    same, other, *_ = (layer(padded()) for layer in graph.outputs)
    assert same[0, 3:].any() and not other[0, 3:].any()


def test_the_order_of_calls():
    config = masked_heads().config
    config["config"]["layers"].insert(2, called("Dense", "far", tensor("att")))
    config["config"]["output_layers"].append(["far", 0, 0])
    found = [node.name for node, _ in execution_order(keras_config.parse(config))]
    assert found == ["words", "att", "far", "heads"]


# Calls ---------------------------------------------------------------------------------------------------------------


def two_inputs(*args, class_name="MultiHeadAttention", settings=HEADS, held=None, **kwargs):
    """A layer called with x (N, T, F), y (N, S, F), and masks m (N, T, S) and n (N, S)."""
    shapes = {"x": [T, F], "y": [S, F], "m": [T, S], "n": [S]}
    entries = [
        {**layer("InputLayer", name, batch_shape=[None, *shape]), "inbound_nodes": []} for name, shape in shapes.items()
    ]
    entries.append(called(class_name, "att", *args, **kwargs, config=settings))
    held = arrays_of(head_maps(F, 2, 3)) if held is None else held
    config = model(entries, list(shapes), [("att", 0, 0)], "Functional")
    return Contents("m.keras", {"att": held}, NEWEST, config)


X = {name: np.random.default_rng(i).standard_normal((3, *shape)).astype(np.float32)
     for i, (name, shape) in enumerate({"x": (T, F), "y": (S, F), "m": (T, S), "n": (S,)}.items())}  # fmt: skip
X["m"], X["n"] = X["m"] > 0, X["n"] > 0


def test_inputs_by_place_and_by_name():
    x, y, m, n = map(tensor, X)
    wanted = loading.build(two_inputs(x, y)).outputs[0](X)
    for args, kwargs in (((), {"query": x, "value": y}), ((x,), {"value": y}), ((x, y, y), {}), ((x, y), {"key": y})):
        np.testing.assert_array_equal(loading.build(two_inputs(*args, **kwargs)).outputs[0](X), wanted)
    masked = loading.build(two_inputs(x, y, attention_mask=m)).outputs[0](X)
    assert np.abs(masked - wanted).max() > 0.01
    for args in ((x, y, None, None, None, None, m), (x, y, y, None, None, None, m)):
        np.testing.assert_array_equal(loading.build(two_inputs(*args)).outputs[0](X), masked)
    graph = loading.build(two_inputs(x, y, value_mask=n))
    both = loading.build(two_inputs(x, y, attention_mask=m, value_mask=n)).outputs[0](X)
    alone = graph.outputs[0]({**X, "y": np.where(X["n"][..., None], X["y"], 9)})
    np.testing.assert_allclose(graph.outputs[0](X), alone, atol=1e-5)
    assert np.abs(both - masked).max() > 0.01


def test_an_explicit_mask_may_be_of_one_input_only():
    x, y, _, n = map(tensor, X)
    options = {"class_name": "Attention", "settings": {"use_scale": False, "score_mode": "dot"}, "held": {}}
    plain, masked = (
        loading.build(two_inputs([x, y], **options, **kwargs)).outputs[0](X) for kwargs in ({}, {"mask": [None, n]})
    )
    assert np.abs(masked - plain).max() > 0.01
    steps = [np.exp(q @ k.T) * valid for q, k, valid in zip(X["x"], X["y"], X["n"])]
    wanted = [a / a.sum(axis=1, keepdims=True) @ v for a, v in zip(steps, X["y"])]
    np.testing.assert_allclose(masked, wanted, atol=1e-5)


def test_a_class_of_ones_own_gets_what_is_passed_by_name_after_the_rest(registered):
    registered("Own", lambda a, b, c, config, name: layers.Concatenate(a, c, b, axis=1, name=name))
    x, y = tensor("x"), tensor("y")
    graph = loading.build(two_inputs(x, class_name="Own", held={}, more=y, other=x))
    np.testing.assert_array_equal(graph.outputs[0](X), np.concatenate([X["x"], X["x"], X["y"]], axis=1))


@pytest.mark.parametrize(
    "kwargs, words",
    [
        ({"query": tensor("x")}, "'att': called with None, expected the output of a layer as value"),
        ({"query": tensor("x"), "value": 3}, "'att': called with 3, expected .* as value"),
        ({"query": tensor("x"), "value": tensor("y"), "extra": tensor("x")}, "'att'.*'extra'.*not supported"),
        ({"query": tensor("x"), "value": tensor("y"), "attention_mask": [[1]]}, "attention_mask is a constant"),
        ({"query": tensor("x"), "value": tensor("y"), "use_causal_mask": "yes"}, "use_causal_mask 'yes'"),
        ({"query": tensor("x"), "value": [tensor("x"), tensor("y")]}, "expected the output of a layer as value"),
    ],
)
def test_calls_that_are_refused(kwargs, words):
    with pytest.raises(WeightsError, match=words):
        loading.build(two_inputs(**kwargs))


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"num_heads": 3}, r"query kernel has shape \(4, 2, 3\), expected \(any, 3, 3\)"),
        ({"num_heads": None}, "num_heads None"),
        ({"key_dim": 1 << 40}, "key_dim"),
        ({"value_dim": 2}, r"value kernel has shape .* expected \(any, 2, 2\)"),
        ({"use_bias": False}, "8 arrays, expected"),
        ({"use_gate": True}, "8 arrays, expected"),
        ({"attention_axes": [0]}, r"attention_axes \[0\]"),
        ({"attention_axes": "x"}, "attention_axes 'x'"),
        ({"attention_axes": [2]}, "attention along"),
        ({"sliding_window": 0}, "sliding_window 0"),
        ({"dropout": "much"}, "dropout 'much'"),
    ],
)
def test_settings_that_are_refused(settings, words):
    file = two_inputs(tensor("x"), tensor("y"), settings={**HEADS, **settings})
    with pytest.raises(WeightsError, match=f"'att'.*{words}"):
        loading.build(file).try_out()
    assert any("'att'" in reason for reason in lacking(file))


@pytest.mark.parametrize("part", arrays_of(head_maps(F, 2, 3)))
@pytest.mark.parametrize("wrong", [np.zeros((0, 2, 3)), np.zeros(()), np.zeros((5, 5)), np.zeros((1, 1, 1, 1))])
def test_arrays_of_the_wrong_shape_are_refused(part, wrong):
    held = {**arrays_of(head_maps(F, 2, 3)), part: wrong.astype(np.float32)}
    with pytest.raises(WeightsError, match="'att'"):
        loading.build(two_inputs(tensor("x"), tensor("y"), held=held))


# Along any axes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "equation, kernel, shape",
    [
        ("ab,bc->ac", (4, 3), (2, 4)), ("abc,cde->abde", (4, 2, 3), (2, 5, 4)), ("...c,cd->...d", (4, 3), (2, 5, 6, 4)),
        ("ab...,bc->ac...", (5, 3), (2, 5, 6)), ("abc,bcd->abd", (5, 4, 3), (2, 5, 4)),
        ("abc,dc->adb", (3, 4), (2, 5, 4)), ("abcd,bde->aecb", (3, 5, 2), (2, 3, 4, 5)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_equations(equation, kernel, shape, engine):
    rng = np.random.default_rng(2)
    kernel, x = (rng.standard_normal(size).astype(np.float32) for size in (kernel, shape))
    one = layers.EinsumDense(Input(), equation, kernel)
    network = npmoji.Model(npmoji.graph.Graph([*one.previous, one], [one]), engine=engine)
    np.testing.assert_allclose(network.predict(x), np.einsum(equation, x, kernel), atol=1e-5)


@pytest.mark.parametrize(
    "equation",
    [
        "",
        "ab",
        "ab,bc->",
        "ab,bc->bc",
        "aa,ab->ab",
        "ab,cd->ad",
        "abc,cd->ad",
        "...a,ab->b",
        "...a...,ab->...b...",
        "xß,ßy->xy",
    ],
)
def test_equations_that_are_refused(equation):
    with pytest.raises(WeightsError, match="equation"):
        layers.EinsumDense(Input(), equation, np.ones((2, 2), np.float32))


# Keras' example ------------------------------------------------------------------------------------------------------

EXAMPLE = {"keras3_keras_example": "model.keras", "tf_keras_keras_example": "model.h5"}


@pytest.mark.parametrize("name", EXAMPLE)
def test_the_example_takes_token_ids(name):
    (ids,) = load(name).graph.inputs
    assert ids.vocabulary_size == 11
    with pytest.raises(InputError, match="outside the vocabulary"):
        load(name).predict(np.full((1, 6), 11))


@pytest.mark.parametrize(
    "class_name, change, words",
    [
        ("TransformerBlock", {"activation": "gelu"}, "has other settings .activation."),
        ("TransformerBlock", {"num_heads": 7}, "att/query_dense/0 has shape"),
        ("TransformerBlock", {"ff_dim": 5}, "ffn/layers/dense/0 has shape"),
        ("TransformerBlock", {"embed_dim": "x"}, "embed_dim 'x'"),
        ("TransformerBlock", {"num_heads": ...}, "does not say num_heads"),
        ("TokenAndPositionEmbedding", {"vocab_size": 10}, "token_emb/0 has shape"),
        ("TokenAndPositionEmbedding", {"maxlen": 3}, "pos_emb/0 has shape"),
        ("TokenAndPositionEmbedding", {"maxlen": ...}, "does not say maxlen"),
        ("TokenAndPositionEmbedding", {"mask_zero": True}, "has other settings .mask_zero."),
        ("TokenAndPositionEmbedding", {"class_name": "PositionEmbedding"}, "has the arrays|has 2 arrays"),
    ],
)
@pytest.mark.parametrize("name", EXAMPLE)
def test_what_is_not_the_example_is_refused(name, class_name, change, words):
    config = copy.deepcopy(formats.read(CASES[name] / EXAMPLE[name]).config)
    found = entry(config, class_name)
    if found is None:
        pytest.skip("this network has no such layer")
    for key, value in change.items():
        place = found if key == "class_name" else found["config"]
        place.pop(key) if value is ... else place.update({key: value})
    with pytest.raises(WeightsError, match=f"layer .*{words}"):
        load(name, config=config)


def test_arrays_of_layers_within_are_told_by_their_names(registered):
    """In a .keras file, whose order of groups is the alphabet's."""
    config = formats.read(CASES["keras3_keras_example"] / "model.keras").config
    entry(config, "TransformerBlock")["class_name"] = "Mine"
    registered(
        "Mine", lambda x, config, name, **arrays: layers.Dropout(x, name=name), lambda config: list("abcdefghijklmnop")
    )
    with pytest.raises(WeightsError, match="Mine. has the arrays att/key_dense/0.*expected a, b"):
        load("keras3_keras_example", config=config)


# Layers by hand ------------------------------------------------------------------------------------------------------

MADE = {
    "dot": lambda x: layers.DotAttention(x, x, scale=np.float32(0.3), causal=True),
    "concat": lambda x: layers.DotAttention(x, x, x, concat_weight=np.float32(0.3)),
    "additive": lambda x: layers.AdditiveAttention(x, x, scale=np.float32([1, 2, 3, 4])),
    "heads": lambda x: layers.MultiHeadAttention(x, x, **head_maps(F, 4, 2, K=2, gate=True), masked="zero", window=3),
    "heads and mask": lambda x: layers.MultiHeadAttention(x, x, x, Input(name="m"), **head_maps(F, 2, 3), causal=True),
    "einsum": lambda x: layers.EinsumDense(x, "abc,cd->adb", *(np.ones(n, np.float32) for n in ((F, 3), (3, 1)))),
    "positions": lambda x: layers.PositionEmbedding(x, np.ones((9, F), np.float32), masked=True),
}  # fmt: skip


def rows(n=40):
    rng = np.random.default_rng(4)
    ids = rng.integers(0, 9, (n, T))
    return {"ids": ids, "m": rng.random((n, T, T)) < 0.6}


def made(name):
    words = layers.Embedding(Input(9, name="ids"), np.random.default_rng(3).standard_normal((9, F)).astype(np.float32))
    return MADE[name](words)


@pytest.mark.parametrize("name", MADE)
def test_saved_and_pickled(name, tmp_path):
    one, X = made(name), rows()
    npmoji.save_layers(tmp_path / "net.npz", one)
    wanted = one(X)
    for again in (npmoji.load_layers(tmp_path / "net.npz")[-1], pickle.loads(pickle.dumps(one))):
        np.testing.assert_array_equal(again(X), wanted)


@pytest.mark.parametrize("name", MADE)
def test_bits_do_not_depend_on_the_batch_or_on_threads(name):
    X, found = rows(60), {}
    for threads in (1, 3):
        one = made(name)
        network = npmoji.Model(npmoji.graph.Graph(layers.base.ancestors([one]), [one]), engine="numba", threads=threads)
        inputs = {layer.name: X[layer.name] for layer in network.graph.inputs}
        found[threads] = network.predict(inputs if len(inputs) > 1 else X["ids"])
        few = {key: x[3:5] for key, x in inputs.items()}
        np.testing.assert_array_equal(network.predict(few if len(few) > 1 else few["ids"]), found[threads][3:5])
    np.testing.assert_array_equal(found[1], found[3])
    np.testing.assert_allclose(found[1], made(name)(X), atol=1e-5)


def test_more_steps_than_positions_is_an_input_error():
    with pytest.raises(InputError, match="'positionembedding'.*10 steps, but embeddings for 9"):
        layers.PositionEmbedding(Input(), np.ones((9, F), np.float32))(np.ones((1, 10, F), np.float32))


def test_pairs_of_matrices_are_the_chain_of_the_matrix_product():
    rng = np.random.default_rng(7)
    for B, M, K, N in ((3, 1, 1, 1), (2, 7, 5, 130), (2, 100, 33, 17)):
        x, y = rng.standard_normal((B, M, K)).astype(np.float32), rng.standard_normal((B, N, K)).astype(np.float32)
        out = np.full((B, M, N), 9, np.float32)
        kernels.pairs(x, y.swapaxes(1, 2), out, 1)
        assert (out[0] == 9).all()
        one = np.empty((M, N), np.float32)
        kernels.matmul(x[1], kernels.pack_columns(y[1].T), kernels.pack_bias(np.zeros(N)), one)
        np.testing.assert_array_equal(out[1], one)


@pytest.mark.parametrize(
    "x, y, out",
    [((2, 3, 4), (2, 5, 4), (2, 3, 4)), ((2, 3, 4), (1, 4, 4), (2, 3, 4)), ((2, 3, 4), (2, 4, 5), (2, 3, 4))],
)
def test_pairs_refuses_what_does_not_fit(x, y, out):
    with pytest.raises(ValueError, match="pairs"):
        kernels.pairs(*(np.zeros(shape, np.float32) for shape in (x, y, out)))
    with pytest.raises(ValueError, match="contiguous rows"):
        kernels.pairs(
            np.zeros((4, 3, 2), np.float32).T, np.zeros((2, 4, 4), np.float32), np.zeros((2, 3, 4), np.float32)
        )


# Arrays among what a function is called with -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"value": [[1], [2, 3]]}, {"value": "x"}, {"value": None}, {"dtype": "swoosh"}, {"dtype": 3}, {"value": [["a"]]}],
)
def test_arrays_that_cannot_be_understood_are_refused(change):
    config = json.loads(json.dumps(formats.read(CASES["keras3_small_transformer"] / "model.h5").config))
    (found,) = [
        arg for arg in entry(config, "Add")["inbound_nodes"][0]["args"] if arg["class_name"] != "__keras_tensor__"
    ]
    found["config"].update(change)
    with pytest.raises(WeightsError, match="is called with|'value' is|'dtype' is"):
        load("keras3_small_transformer", config=config)


def test_only_as_many_steps_as_an_array_has():
    network = load("keras3_small_transformer")
    ids = given("keras3_small_transformer")
    assert network.predict(ids).shape == (len(ids), 2)
    with pytest.raises(InputError):
        network.predict(ids[:, :3])
