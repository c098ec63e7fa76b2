"""Networks built from their files, layer by layer against what genuine Keras computed: see tests/data/README.md."""

import copy
import json
import random

import numpy as np
import pytest
from conftest import DATA, SHARED, needs_shared

import npmoji
from npmoji import Dense, InputError, WeightsError, formats, loading
from npmoji.backends import backend
from npmoji.errors import NpmojiError
from npmoji.formats.contents import numbered
from npmoji.layers import AttentionWeightedAverage, Layer, Pass, Remask

ENGINES = "numpy", "numba"
LIMIT = 5e-6  # of absolute values up to 1, else relative


def difference(ours, wanted):
    """The largest difference, relative to values above 1; rows that are NaN in the framework do not count."""
    assert ours.shape == wanted.shape
    ours, wanted = np.atleast_1d(ours), np.atleast_1d(wanted)  # sizes as functions give them
    rows = np.isfinite(wanted.reshape(len(wanted), -1)).all(axis=1)
    ours, wanted = ours[rows].astype(np.float64), wanted[rows].astype(np.float64)
    return (np.abs(ours - wanted) / np.maximum(1, np.abs(wanted))).max(initial=0)


def value(model, key, X):
    """A layer's output by its key in a golden: ``name`` or, of a layer with several outputs, ``name/0``."""
    if key in model.graph.named:
        return model[key](X)
    name, _, part = key.rpartition("/")
    layer = model[name]
    if isinstance(layer, AttentionWeightedAverage):  # the two outputs are two layers
        return (layer, layer.attention)[int(part)](X)
    return layer(X)[int(part)]


def by_place(outputs, before=""):
    """What a model gives, by the names that the golden has: ``0``, or ``a/0`` for the first in a list in a dict."""
    if not isinstance(outputs, (dict, list)):
        return {before or "0": outputs}
    keyed = outputs.items() if isinstance(outputs, dict) else enumerate(outputs)
    return {
        name: array
        for key, inner in keyed
        for name, array in by_place(inner, f"{before}/{key}" if before else str(key)).items()
    }


# Cases that travel with the tests ------------------------------------------------------------------------------------

CASES = {path.parent.name: path.parent for path in sorted((DATA / "keras").glob("*/case.json"))}


def load(name, engine="numpy", config=None):
    folder = CASES[name]
    case = json.loads((folder / "case.json").read_text())
    (file,) = case["files"]
    return npmoji.load(folder / file, engine=engine, config=config, layers=case.get("layers"))


def golden(name, kind):
    """The golden's arrays of a kind, ``inputs``, ``layers`` or ``outputs``, by name."""
    with np.load(CASES[name] / "golden.npz") as arrays:
        found = {key.partition("/")[2]: arrays[key] for key in arrays if key.startswith(f"{kind}/")}
    return (
        found
        if kind == "layers"
        else dict(sorted(found.items(), key=lambda item: (len(item[0]) * item[0].isdigit(), item)))
    )


def given(name):
    """What the model takes: an array, or a dict of several."""
    inputs = golden(name, "inputs")
    return inputs if len(inputs) > 1 else next(iter(inputs.values()))


def test_there_are_cases():
    kinds = {json.loads((folder / "case.json").read_text())["framework"]["name"] for folder in CASES.values()}
    assert len(CASES) > 10 and kinds == {"tf_keras", "keras"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_every_layer_and_output(name, engine):
    model, X = load(name, engine), given(name)
    worst = {key: difference(value(model, key, X), wanted) for key, wanted in golden(name, "layers").items()}
    outputs, wanted = by_place(model.predict(X)), golden(name, "outputs")
    assert outputs.keys() == wanted.keys() and outputs
    worst |= {f"output {key}": difference(outputs[key], wanted[key]) for key in wanted}
    assert len(worst) > 1 and max(worst.values()) < LIMIT, worst


@pytest.mark.parametrize("name", CASES)
def test_rows_do_not_depend_on_one_another(name):
    model, X = load(name), golden(name, "inputs")
    whole = model.predict(X)
    alone = model.predict({key: x[2:3] for key, x in X.items()})
    for all_rows, row in zip(by_place(whole).values(), by_place(alone).values(), strict=True):
        assert difference(row, all_rows[2:3]) < LIMIT


# Goldens of `shared` -------------------------------------------------------------------------------------------------

PLACES = [DATA / "models", *([SHARED / "goldens" / "models"] if SHARED else [])]
FILES = {
    f"{file.parent.name}/{file.name}": file
    for place in reversed(PLACES)
    for file in sorted([*place.glob("seed00?_*/model.h5"), *place.glob("seed00?_*/model.keras")])
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FILES)
def test_the_networks_of_the_seeds(name, engine):
    folder = FILES[name].parent
    case, arrays = json.loads((folder / "case.json").read_text()), dict(np.load(folder / "golden.npz"))
    model = npmoji.load(FILES[name], engine=engine)
    inputs = case.get("inputs") or {model.graph.inputs[0].name: "inputs"}
    X = {key: arrays.pop(array) for key, array in inputs.items()}
    rows = np.delete(np.arange(len(arrays["output"])), case.get("undefined_rows", []))
    wanted = arrays.pop("output")
    assert difference(model.predict(X)[rows], wanted[rows]) < LIMIT
    rounding = case["numpy_check"]["max_abs_difference_float64"]  # where float32 itself is not that precise
    for key, wanted in arrays.items():
        assert difference(value(model, key, X)[rows], wanted[rows]) < max(LIMIT, rounding.get(key, 0)), key


@needs_shared
def test_all_of_the_seeds_networks_are_there():
    assert len({name.partition("/")[0] for name in FILES}) >= 14 and sum(name.endswith(".keras") for name in FILES) >= 5


@needs_shared
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("file", ["full_model.h5", "full_model.keras", "model.weights.h5"])
def test_deepmoji_in_keras_3_files(file, engine):
    folder = SHARED / "goldens" / "models" / "keras3_small"
    arrays, model = dict(np.load(folder / "golden.npz")), npmoji.load(folder / file, engine=engine)
    tokens = arrays["tokens"]
    names = {"activation": "embedding", "attlayer": "features", "softmax": "probs"}  # what the golden calls otherwise
    for name in (
        "activation",
        "bi_lstm_0",
        "bi_lstm_1",
        "attention_logits",
        "attention",
        "attlayer",
        "logits",
        "softmax",
    ):
        assert difference(model[name](tokens), arrays[names.get(name, name)]) < LIMIT, name


# What a network takes ------------------------------------------------------------------------------------------------


def test_inputs_as_a_dict_or_a_list():
    X = given("keras3_named_ends")
    model = load("keras3_named_ends")
    names = [layer.name for layer in model.graph.inputs]
    assert set(names) == set(X) == {"ids", "more"}
    wanted, ours = model.predict(X), model.predict([X[name] for name in names])
    assert set(ours) == set(wanted) == {"alpha", "zeta"}
    for key, array in wanted.items():
        np.testing.assert_array_equal(ours[key], array)
    np.testing.assert_array_equal(model["zeta"](X), model["zeta"]([X[name] for name in names]))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda X: X["ids"], ("'ids', 'more'", "ndarray")),
        (lambda X: {"ids": X["ids"]}, ("'ids', 'more'", "a dict of 'ids'")),
        (lambda X: {**X, "less": X["more"]}, ("'less'",)),
        (lambda X: [X["ids"]], ("'ids', 'more'", "list")),
        (lambda X: {**X, "more": X["more"][:2]}, ("'ids' has 7", "'more' has 2")),
        (lambda X: {**X, "more": X["more"][:, :2]}, ("'more'", "(rows, 3)", "(7, 2)")),
        (lambda X: {**X, "more": X["more"] * np.nan}, ("'more'", "row 0", "NaN")),
        (lambda X: {**X, "more": X["more"].astype(str)}, ("'more'", "expected numbers")),
        (lambda X: {**X, "ids": X["ids"] + 100}, ("row 0", "outside the vocabulary")),
        (lambda X: {**X, "ids": X["ids"] * 1.5}, ("integers",)),
    ],
)
def test_wrong_inputs(change, words):
    with pytest.raises(InputError) as error:
        load("keras3_named_ends").predict(change(given("keras3_named_ends")))
    assert all(word in str(error.value) for word in words), error.value


def test_inputs_of_different_lengths_are_an_input_error():
    a, mask = npmoji.Input(name="a"), npmoji.Input(name="mask")
    mean = npmoji.GlobalAveragePooling1D(Remask(a, mask), name="mean")
    X = {"a": np.ones((1, 2, 3), np.float32), "mask": np.ones((1, 2), bool)}
    np.testing.assert_array_equal(mean(X), [[1, 1, 1]])
    with pytest.raises(InputError, match="'mean' cannot be computed"):
        mean({**X, "mask": np.ones((1, 4), bool)})


@pytest.mark.parametrize("name", CASES)
def test_no_rows(name):
    model, X = load(name), golden(name, "inputs")
    outputs, whole = model.predict({key: x[:0] for key, x in X.items()}), model.predict(X)
    for none, some in zip(by_place(outputs).values(), by_place(whole).values(), strict=True):
        assert none.shape == (0, *some.shape[1:]) and none.dtype == some.dtype


def test_a_text_without_valid_steps_is_averaged_to_0():
    """Keras divides 0 by 0 there."""
    ids = npmoji.Embedding(npmoji.Input(3), np.ones((3, 2), np.float32))
    np.testing.assert_array_equal(npmoji.GlobalAveragePooling1D(ids)(np.array([[0, 0], [0, 1]])), [[0, 0], [1, 1]])


# Layers of one's own -------------------------------------------------------------------------------------------------


class Scaled(Layer):
    """Its input times something."""

    def __init__(self, previous, kernel, bias, factor, name):
        super().__init__(Dense(previous, kernel, bias), name=name)
        self.factor = np.float32(factor)

    def forward(self, ops, x):
        return x * self.factor


def with_own_layer(**changes):
    """The config of a model whose last layer is of an unknown class."""
    config = formats.read(CASES["keras3_operators"] / "model.keras").config
    last = config["config"]["layers"][-1]
    last |= {"class_name": "Scaled", "registered_name": "mine>Scaled", "module": None}
    last["config"] |= {"factor": 3.0, **changes}
    return config


def test_a_registered_layer(registered):
    with pytest.raises(WeightsError, match="'dense'.*'Scaled'.*register_layer"):
        load("keras3_operators", config=with_own_layer())
    registered(
        "Scaled",
        lambda x, kernel, bias, config, name: Scaled(x, kernel, bias, config["factor"], name),
        ["kernel", "bias"],
    )
    X = given("keras3_operators")
    plain, scaled = (load("keras3_operators", config=config).predict(X) for config in (None, with_own_layer()))
    np.testing.assert_allclose(scaled, 3 * plain, rtol=1e-6)


def test_a_registered_layer_that_is_none(registered):
    registered("Scaled", lambda x, config, name, **arrays: x.name, lambda config: ["kernel", "bias"])
    with pytest.raises(WeightsError, match="'dense' .Scaled..*str.*expected an npmoji.Layer"):
        load("keras3_operators", config=with_own_layer())
    registered("Scaled", lambda x, config, name: x, [])
    with pytest.raises(WeightsError, match="'dense' .Scaled. has 2 arrays, expected none"):
        load("keras3_operators", config=with_own_layer())
    for wrong in (("", len), ("Scaled", "len")):
        with pytest.raises(InputError, match="register_layer"):
            registered(*wrong)


# Refusals ------------------------------------------------------------------------------------------------------------


def entry(config, class_name):
    """The first layer of a class in a config, at whatever depth."""
    if isinstance(config, dict):
        if config.get("class_name") == class_name:
            return config
        config = list(config.values())
    return next(filter(None, (entry(v, class_name) for v in config)), None) if isinstance(config, list) else None


@pytest.mark.parametrize(
    "name, class_name, change, words",
    [
        ("tf_keras_composed", "Dense", {"class_name": "Lambda"}, ("Lambda", "holds code")),
        ("tf_keras_composed", "Dense", {"class_name": "TFOpLambda"}, ("TFOpLambda", "holds code")),
        ("tf_keras_composed", "Dense", {"class_name": "Swoosh"}, ("'Swoosh' is not known", "register_layer")),
        ("tf_keras_composed", "Functional", {"class_name": "MyModel"}, ("'MyModel'", "only Sequential and Functional")),
        ("tf_keras_composed", "Dense", {"activation": "swoosh"}, ("unknown activation 'swoosh'", "Dense")),
        (
            "tf_keras_composed",
            "GlobalMaxPooling1D",
            {"data_format": "channels_first"},
            ("channels_first", "channels_last"),
        ),
        ("tf_keras_own_backward_layer", "Bidirectional", {"merge_mode": "best"}, ("'best'", "'bidirectional'")),
        (
            "tf_keras_own_backward_layer",
            "Bidirectional",
            {"layer": {"class_name": "Dense", "config": {}}},
            ("Bidirectional",),
        ),
        ("tf_keras_cudnn", "CuDNNGRU", {"time_major": True}, ("time_major",)),
        (
            "tf_keras_cudnn",
            "CuDNNGRU",
            {"class_name": "GRU"},
            ("'gru'", "class GRU", "bias has shape (30,), expected (15)"),
        ),
        ("tf_keras_perceptron", "Softmax", {"axis": [0, 1]}, ("'softmax'", "axis")),
        ("tf_keras_perceptron", "BatchNormalization", {"axis": [5]}, ("axis 5",)),
        ("tf_keras_perceptron", "BatchNormalization", {"center": False}, ("4 arrays", "gamma, mean, variance")),
        ("tf_keras_perceptron", "BatchNormalization", {"epsilon": "much"}, ("epsilon", "'much'", "a number")),
        ("tf_keras_perceptron", "Dense", {"use_bias": False}, ("2 arrays, expected kernel", "Dense")),
        (
            "keras3_attentions",
            "custom>AttentionWithContext",
            {"class_name": "AttentionWeightedAverage"},
            ("3 arrays, expected kernel",),
        ),
        ("keras3_operators", "Subtract", {"class_name": "Gamma"}, ("'Gamma' is not known",)),
    ],
)
def test_what_is_refused(name, class_name, change, words):
    (file,) = json.loads((CASES[name] / "case.json").read_text())["files"]
    beside = CASES[name] / "config.json"
    config = json.loads(beside.read_text()) if beside.exists() else formats.read(CASES[name] / file).config
    found = entry(config, class_name)
    (found if "class_name" in change else found["config"]).update(change)
    with pytest.raises(WeightsError) as error:
        load(name, config=config)
    assert str(error.value).startswith(str(CASES[name] / file))
    assert all(word in str(error.value) for word in words), error.value


def test_keras_own_attention_layer_is_refused():
    """It is a dot product of two inputs, and only shares the name."""
    config = formats.read(CASES["keras3_operators"] / "model.keras").config
    entry(config, "Add")["class_name"] = "Attention"
    entry(config, "Attention")["config"] |= {"trainable": True}
    with pytest.raises(WeightsError, match="'Attention' with 2 inputs and arrays none"):
        load("keras3_operators", config=config)


@pytest.mark.parametrize(
    "name", ["tf_keras_composed", "tf_keras_own_backward_layer", "keras3_attentions", "keras3_composed"]
)
@pytest.mark.parametrize("wrong", ["fewer", "more", "flat", "turned", "empty"])
def test_wrong_arrays(name, wrong):
    """Every layer's: too few, too many, or of another shape."""
    file = formats.read(CASES[name] / "model.h5")
    for layer, arrays in file.layers.items():
        if not arrays:
            continue
        first, *rest = arrays.values()
        changed = {
            "fewer": rest,
            "more": [first, *rest, first],
            "flat": [np.zeros(97, np.float32), *rest],
            "turned": [np.zeros((*first.shape[1:], first.shape[0] + 1), np.float32), *rest],
            "empty": [first[:0], *rest],
        }[wrong]
        with pytest.raises(WeightsError) as error:
            loading.build(file._replace(layers={**file.layers, layer: numbered(changed)}))
        assert layer in str(error.value) or wrong == "turned", error.value  # else the next one notices


# Damage --------------------------------------------------------------------------------------------------------------

JUNK = [
    None,
    0,
    -1,
    3,
    10**12,
    2**70,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "relu",
    "LSTM",
    [],
    [[]],
    [1],
    {},
    True,
]


def places(value, path=()):
    """The path to everything in a JSON value."""
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def damaged(config, chance):
    """A config with something replaced, left out, or taken from elsewhere."""
    config = copy.deepcopy(config)
    *path, key = chance.choice([path for path in places(config) if path])
    elsewhere = copy.deepcopy(at(config, chance.choice(list(places(config)))))
    inside = at(config, path)
    what = chance.random()
    if what < 0.3:
        del inside[key]
    elif what < 0.4 and isinstance(inside, list):
        inside.append(elsewhere)
    else:
        inside[key] = copy.deepcopy(chance.choice(JUNK)) if what < 0.8 else elsewhere
    return config


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_config_is_refused_or_makes_a_network(seed):
    chance = random.Random(seed)
    folder = CASES[chance.choice([name for name, folder in CASES.items() if not (folder / "config.json").exists()])]
    (file,) = json.loads((folder / "case.json").read_text())["files"]
    contents = formats.read(folder / file)
    try:
        graph = loading.build(contents._replace(config=damaged(contents.config, chance)))
    except WeightsError as error:
        assert str(error)
        return
    shapes = {layer.name: [5 if n is None else n for n in layer.shape or (None,)] for layer in graph.inputs}
    types = {layer.name: np.float32 if layer.vocabulary_size is None else np.int64 for layer in graph.inputs}
    run = Pass(backend("numpy"))
    X = {name: np.zeros((2, *shape), types[name]) for name, shape in shapes.items()}
    for output in graph.outputs:
        try:
            with np.errstate(all="ignore"):
                output.compute(X, run)
        except NpmojiError as error:  # a length of 5 may not do
            assert str(error)
