"""Every function of tensors: its types, its bits, and what it refuses; on NumPy, in PyTorch and as ONNX."""

import random

import numpy as np
import pytest
from function_examples import EXAMPLES, Values, inputs, made

import npmoji
from npmoji import Input, WeightsError
from npmoji.backends import backend
from npmoji.errors import NpmojiError
from npmoji.graph import Graph, try_layer
from npmoji.keras.tensorflow_names import DEFAULTS, TENSORFLOW
from npmoji.layers import Pass
from npmoji.layers.base import ancestors
from npmoji.layers.functions import FUNCTIONS
from npmoji.layers.operations import Operation

WHOLE = ("Arange", "Ravel", "Shape", "Size", "Vstack")  # whose first axis is not that of the texts


def network(layer):
    return Graph(ancestors([layer]), [layer])


def value(layer, X, engine="numpy"):
    graph = network(layer)
    return np.asarray(layer.pull({one.name: X[one.name] for one in graph.inputs}, Pass(backend(engine)))[0])


def test_every_function_has_an_example():
    assert EXAMPLES.keys() == FUNCTIONS.keys()


def test_tensorflows_names_are_those_of_functions_and_parameters():
    for name, words in TENSORFLOW.items():
        row, *settings = words.split()
        names = [parameter.name for parameter in FUNCTIONS[row].parameters]
        assert {word.rpartition("=")[2] for word in settings} | DEFAULTS.get(name, {}).keys() <= set(names), name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_types_and_bits_do_not_depend_on_the_texts_beside(name):
    for i in range(len(EXAMPLES[name])):
        check_bits(name, i)


def check_bits(name, i):
    X = inputs()
    both = [value(made(name, i), X, engine) for engine in ("numpy", "numba")]
    assert all(one.dtype in (np.float32, np.int32, np.int64, bool) for one in both)
    np.testing.assert_allclose(*(one.astype(float) for one in both), rtol=1e-6, atol=1e-6)
    if name not in WHOLE and (name, i) != ("Tile", 1):
        alone = {key: x[3:4] for key, x in X.items()}
        np.testing.assert_array_equal(value(made(name, i), alone, "numba"), both[1][3:4])
    if name not in WHOLE:
        none = value(made(name, i), {key: x[:0] for key, x in X.items()})
        assert none.shape == (0, *both[0].shape[1:]) and none.dtype == both[0].dtype


# Types ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, arguments, dtype, wanted",
    [
        ("Add", [np.int32([1]), 1], np.int32, [2]),
        ("Add", [np.int32([1]), 0.5], np.float32, [1.5]),
        ("Add", [np.int32([1]), np.int64([2])], np.int64, [3]),
        ("Multiply", [np.array([True]), 2], np.int32, [2]),
        ("TrueDivide", [np.int32([1]), 2], np.float32, [0.5]),
        ("FloorDivide", [np.int32([-3]), 2], np.int32, [-2]),
        ("Mod", [np.int32([-3]), 2], np.int32, [1]),
        ("Power", [np.int32([3]), 2], np.int32, [9]),
        ("Mean", [np.int32([[1, 2]])], np.float32, 1.5),
        ("Sum", [np.array([[True, True]])], np.int32, 2),
        ("Argmax", [np.float32([[1, 3, 3]])], np.int32, 1),
        ("Cast", [np.float32([1.5]), "float64"], np.float32, [1.5]),
        ("Equal", [np.int32([1]), 1.0], bool, [True]),
        ("CountNonzero", [np.float32([[0, 2]])], np.int32, 1),
    ],
)
def test_types_are_those_of_keras(name, arguments, dtype, wanted):
    first, *rest = arguments
    x = Input()
    found = Operation(name, [Operation("Copy", [x], {}), *rest], {}).pull(first, Pass(backend("numpy")))[0]
    assert np.asarray(found).dtype == dtype and np.asarray(found).tolist() == wanted


def test_an_inputs_integers_may_have_any_type():
    ids = Input(vocabulary_size=9, shape=(None,))
    less = Operation("Subtract", [ids, 5], {})
    for kind in (np.uint8, np.uint16, np.int64):
        assert less(np.array([[3]], kind)).tolist() == [[-2]]


# Refusals ------------------------------------------------------------------------------------------------------------

JUNK = [
    None,
    0,
    -1,
    10**12,
    2**70,
    1.5,
    float("nan"),
    "",
    "x",
    [],
    [[]],
    [1, 2, 3, 4, 5],
    {},
    True,
    [[1], [1, 2]],
    65536,
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_arguments_are_one_error(name):
    """Each argument replaced by something else: an error that names the layer, or a value of a sensible size."""
    chance = random.Random(name)
    for arguments, settings in EXAMPLES[name][:2]:
        given = {f"{i}": value for i, value in enumerate(arguments)} | settings
        for key in given:
            junk = chance.choice(JUNK)
            changed = [junk if key == str(i) else one for i, one in enumerate(arguments)]
            _try(name, changed, {k: junk if k == key else v for k, v in settings.items()})
        _try(name, arguments, {**settings, "nothing": 1})
        _try(name, [], {})


def _try(name, arguments, settings):
    values = Values()
    try:
        filled = {key: values.filled(one) for key, one in settings.items()}
        operation = Operation(name, values.filled(arguments), filled, name="function")
        X = inputs(1)
        run = Pass(backend("numpy"))
        for layer in ancestors([operation]):
            try_layer(layer, X, run)
        found = run.done[operation][0]
        assert sum(np.size(one) for one in (found if isinstance(found, tuple) else (found,))) <= 1 << 24
    except WeightsError as error:
        assert "'function'" in str(error)


@pytest.mark.parametrize(
    "name, settings",
    [
        ("Tile", {"repeats": [1, 65536, 65536]}),
        ("Repeat", {"repeats": 65536, "axis": 1}),
        ("OneHot", {"num_classes": 65536}),
        ("Pad", {"pad_width": [[0, 0], [65536, 65536], [65536, 65536]]}),
        ("BroadcastTo", {"shape": [65536, 65536, 65536]}),
        ("Full", {"shape": [65536, 65536]}),
    ],
)
def test_sizes_that_no_network_has(name, settings):
    x = Input(shape=(300, 3))
    with pytest.raises(WeightsError, match="'large'.*larger than"):
        network(Operation(name, [x], settings, name="large")).try_out()


def test_arrays_that_do_not_fit_are_an_input_error():
    x = Input(shape=(None,), name="x")
    sum_ = Operation("Add", [x, np.float32([1, 2, 3])], {}, name="sum")
    assert sum_(np.float32([[1, 1, 1]])).tolist() == [[2, 3, 4]]
    with pytest.raises(NpmojiError, match="'sum'"):
        sum_(np.float32([[1, 1]]))


# Elsewhere -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_as_onnx(name):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    for i in range(len(EXAMPLES[name])):
        check_onnx(onnxruntime, name, i)


def check_onnx(onnxruntime, name, i):
    from npmoji.export.onnx.operations import OPERATIONS
    from npmoji.export.onnx.write import input_names
    from npmoji.export.onnx.write import network as written

    layer = made(name, i)
    model = npmoji.Model(network(layer), engine="numpy")
    if name not in OPERATIONS:
        with pytest.raises(npmoji.InputError, match=f"layer 'function' .{name}.: the operation .* has no ONNX"):
            written(model)
        return
    X = inputs()
    wanted = value(layer, X)
    if not wanted.ndim or name in ("Shape", "Arange"):
        return  # no outputs of a network
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(written(model).SerializeToString(), options, ["CPUExecutionProvider"])
    names = input_names(model)
    feed = {names[one]: X[one.name] for one in model.graph.inputs}
    (found,) = session.run(None, {one.name: feed[one.name] for one in session.get_inputs()})
    np.testing.assert_allclose(found, wanted.astype(np.float32), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_in_pytorch(name):
    """The same values, and gradients as those of finite differences where there are any."""
    pytest.importorskip("torch")
    for i in range(len(EXAMPLES[name])):
        check_pytorch(name, i)


def check_pytorch(name, i):
    from test_learn_gradients import check_forward, check_gradients

    from npmoji.layers import Checked
    from npmoji.learn.gradients import operations

    X = Checked(inputs())
    check_forward(network(made(name, i)), X)
    layer = made(name, i)
    constant = name in ("StopGradient", "Arange", "Fill", "Full", "FullLike", "TopK")
    trained = {"x", "y"} & network(layer).named.keys()
    if name not in operations.FLAT and not constant and trained and value(layer, X).dtype == np.float32:
        check_gradients(layer, X)
