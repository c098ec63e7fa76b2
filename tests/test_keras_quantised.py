"""Numbers that are not float32 in Keras' files: quantised layers, bfloat16."""

import json
import zipfile

import h5py
import numpy as np
import pytest
from test_keras_graphs import CASES, ENGINES, given, golden, load

import npmoji
from npmoji import Input, InputError, WeightsError, cli, formats
from npmoji.export.convert import convert
from npmoji.formats import Contents
from npmoji.formats.contents import numbered
from npmoji.layers import EinsumDense, Int8Dense, Int8EinsumDense, Int8Embedding
from npmoji.loading import build

QUANTISED = [name for name in CASES if "whole_numbers" in name]


def policy(mode="int8", class_name="QuantizedDTypePolicy"):
    return {"class_name": class_name, "config": {"mode": mode, "source_name": "float32"}}


def made(class_name, *arrays, **settings):
    """A network of one layer over 3 numbers, or ids, as a file describes it."""
    settings = {"name": "it", "dtype": policy(), "batch_input_shape": [None, 3], **settings}
    config = {"class_name": "Sequential", "config": {"layers": [{"class_name": class_name, "config": settings}]}}
    return build(Contents("file", {"it": numbered(arrays)}, config=config, keras_version="3.15.0")).named["it"]


KERNEL, SCALE, BIAS = np.int8([[1, 2], [3, -4], [-127, 127]]), np.float32([10, 20]), np.float32([1, 2])


# What they compute ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", QUANTISED)
def test_bits_are_those_of_keras(name, engine):
    """Of what Keras' layers get, the whole products; and the rows of the embedding."""
    model, layers, inputs = load(name, engine), golden(name, "layers"), golden(name, "inputs")
    seen = 0
    for layer in model.graph.named.values():
        if type(layer) is Int8Embedding:
            np.testing.assert_array_equal(layer(given(name)), layers[layer.name])
            assert layer.weights()["embeddings"].dtype == np.int8
        elif type(layer) is Int8Dense and layer.activation == "linear" and layer.name in layers:
            x = {**inputs, **layers}.get(layer.previous[0].name)
            alone = Int8Dense(Input(), layer.kernel, layer.kernel_scale, layer.bias, least=layer.least, most=layer.most)
            np.testing.assert_array_equal(alone(x), layers[layer.name])
            seen += 1
        elif type(layer) is Int8EinsumDense and layer.activation == "linear":
            x, ops = {**inputs, **layers}[layer.previous[0].name], npmoji.backends.backend(engine, 1)
            np.testing.assert_array_equal(layer.forward(ops, x), layers[layer.name])
            np.testing.assert_array_equal(layer.forward(ops, x[2:3]), layers[layer.name][2:3])
            seen += 1
    assert seen


def wide(F, C=5, seed=0):
    rng = np.random.default_rng(seed)
    kernel = rng.integers(-127, 128, (F, C)).astype(np.int8)
    return Int8Dense(Input(name="x", shape=(F,)), kernel, rng.uniform(1, 9, C).astype(np.float32), name="wide")


@pytest.mark.parametrize("F", [1, 1024, 1025, 5000])
def test_bits_do_not_depend_on_the_rows_beside_or_the_engine(F):
    layer, rng = wide(F), np.random.default_rng(1)
    x = (rng.standard_normal((40, F)) * np.exp(3 * rng.standard_normal((40, 1)))).astype(np.float32)
    whole = layer(x)
    np.testing.assert_array_equal(np.concatenate([layer(x[i : i + 1]) for i in range(40)]), whole)
    for engine in ENGINES:
        np.testing.assert_array_equal(layer.forward(npmoji.backends.backend(engine, 1), x), whole)


@pytest.mark.parametrize("F", [1024, 1025, 5000])
def test_sums_are_exact(F):
    """Where all products are as large as can be, float32 would not have every sum."""
    layer = Int8Dense(Input(), np.full((F, 1), 127, np.int8), np.float32([1]), epsilon=0)
    x = np.where(np.arange(F) < F - 1, 127, -127).astype(np.float32)[None]
    assert layer(x)[0, 0] == np.float32(127 * 127 * (F - 2))


@pytest.mark.parametrize(
    "equation, shape, kernel_shape, scale_shape",
    [
        ("ab,bc->ac", (5,), (5, 3), (1, 3)),
        ("ab,bc->ac", (2500,), (2500, 2), (1, 2)),
        ("abc,dbe->adec", (3, 4), (2, 3, 5), (1, 2, 5, 1)),
        ("abc,bcd->abd", (2, 1100), (2, 1100, 3), (1, 2, 3)),
        ("ab,b->ab", (4,), (4,), (1, 4)),
        ("...c,cd->...d", (2, 3, 4), (4, 5), (1, 1, 1, 5)),
        ("ab...,cb->ac...", (3, 4), (2, 3), (1, 2, 1)),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_whole_numbers_along_any_axes(equation, shape, kernel_shape, scale_shape, engine):
    """As the equation says, with the sums in integers; the scale of x is that of what is summed over."""
    rng, ops = np.random.default_rng(0), npmoji.backends.backend(engine, 1)
    kernel, bias = rng.integers(-127, 128, kernel_shape).astype(np.int8), np.float32([1])
    scale, x = rng.uniform(1, 9, scale_shape).astype(np.float32), rng.standard_normal((4, *shape)).astype(np.float32)
    layer = Int8EinsumDense(Input(), equation, kernel, scale, bias)
    letters = layer.letters(x.shape)
    largest = np.abs(x).max(axis=tuple(map(letters.inputs.index, letters.summed)), keepdims=True)
    own = np.float32(127) / (largest + np.float32(1e-7))
    sums = np.einsum(
        f"{letters.inputs},{letters.kernel}->{letters.outputs}", np.rint(x * own).astype(np.int64), np.int64(kernel)
    ).astype(np.float32)
    left = "".join(a for a in letters.inputs if a not in letters.summed)
    ones = np.ones([kernel_shape[letters.kernel.index(a)] for a in letters.columns], np.float32)
    first = own[tuple(0 if a in letters.summed else slice(None) for a in letters.inputs)]
    kept = np.einsum(f"{left},{letters.columns}->{letters.outputs}", first, ones)
    wanted = sums / (scale * kept) + bias
    np.testing.assert_array_equal(layer.forward(ops, x), wanted)
    np.testing.assert_array_equal(np.concatenate([layer.forward(ops, one[None]) for one in x]), wanted)
    plain = Int8EinsumDense(Input(), equation, kernel, scale, bias, "tanh", whole_inputs=False)
    same = EinsumDense(Input(), equation, np.float32(kernel))
    np.testing.assert_allclose(plain.forward(ops, x), np.tanh(same(x) / scale + bias), rtol=1e-5, atol=1e-5)


def test_halves_are_rounded_to_even_and_bounds_hold():
    unit = Int8Dense(Input(), np.eye(5, dtype=np.int8), np.ones(5, np.float32), epsilon=0)
    np.testing.assert_array_equal(unit(np.float32([[127, 0.5, 1.5, -2.5, -3.5]])), [[127, 0, 2, -2, -4]])
    bounded = Int8Dense(Input(), np.eye(2, dtype=np.int8), np.ones(2, np.float32), epsilon=0, least=0, most=100)
    np.testing.assert_array_equal(bounded(np.float32([[50, -20]])), [[50, 0]])


def test_a_row_of_zeros():
    layer = wide(4)
    np.testing.assert_array_equal(layer(np.zeros((2, 4), np.float32)), np.zeros((2, 5)))


def test_numbers_that_are_not_rounded():
    quantizer = {"class_name": "Int8QuantizationConfig", "config": {"activation_quantizer": None}}
    layer = made("Dense", KERNEL, BIAS, SCALE, quantization_config=quantizer)
    x = np.float32([[1.5, -0.25, 3]])
    np.testing.assert_allclose(layer(x), x @ KERNEL / SCALE + BIAS, rtol=1e-6)


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUANTISED)
def test_any_precision_leaves_them_as_they_are(name):
    (file,) = json.loads((CASES[name] / "case.json").read_text())["files"]
    for precision in ("fp16", "int8"):
        model = npmoji.load(CASES[name] / file, engine="numpy", precision=precision)
        for layer in model.graph.named.values():
            if type(layer) is Int8Embedding:
                np.testing.assert_array_equal(layer(given(name)), golden(name, "layers")[layer.name])


@pytest.mark.parametrize("name", QUANTISED)
def test_converted(name, tmp_path, capsys):
    (file,) = json.loads((CASES[name] / "case.json").read_text())["files"]
    source, target = CASES[name] / file, tmp_path / "x.safetensors"
    convert(source, target)
    for ours, wanted in zip(npmoji.load(target).predict(given(name)), load(name).predict(given(name))):
        np.testing.assert_array_equal(ours, wanted)
    convert(target, tmp_path / "y.safetensors")
    assert target.read_bytes() == (tmp_path / "y.safetensors").read_bytes()
    assert {a.dtype.name for some in formats.read(target).layers.values() for a in some.values()} == {"float32", "int8"}
    for suffix in ("h5", "hdf5"):
        with pytest.raises(InputError, match=rf"x.{suffix}: .*quantised layers.*safetensors"):
            convert(source, tmp_path / f"x.{suffix}")


def test_a_converted_file_that_is_damaged(tmp_path, capsys):
    target = tmp_path / "x.safetensors"
    convert(CASES[QUANTISED[0]] / json.loads((CASES[QUANTISED[0]] / "case.json").read_text())["files"][0], target)
    data = target.read_bytes()
    for old, new in ((b'"whole"', b'"whale"'), (b'"whole":"[', b'"whole":"{'), (b'"I8"', b'"U8"')):
        assert old in data
        target.write_bytes(data.replace(old, new))
        with pytest.raises(WeightsError, match=r"x.safetensors"):
            npmoji.load(target)


def test_saved_layers_and_pickles(tmp_path):
    import pickle

    words = Int8Embedding(Input(), np.int8([[0, 0], [3, 4]]), np.float32([1, 2]))
    end = Int8Dense(words, KERNEL[:2], SCALE, BIAS, "tanh", epsilon=1e-5, most=100)
    end = Int8EinsumDense(end, "abc,cd->adb", KERNEL[:2], SCALE[None, :, None], least=-100, activation="relu")
    X = np.array([[1, 0, 1]])
    npmoji.save_layers(tmp_path / "net.npz", end)
    np.testing.assert_array_equal(npmoji.load_layers(tmp_path / "net.npz")[-1](X), end(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(end))(X), end(X))


def test_bfloat16_in_every_layout(tmp_path):
    """Keras marks it by an attribute in its own files and not at all in those of Keras 2's layout; both are opaque."""
    name = "keras3_half_floats"
    source, target = CASES[name] / "model.keras", tmp_path / "model.weights.h5"
    with zipfile.ZipFile(source) as archive:
        target.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(target, "r+") as file:
        stored = file["layers/dense/vars/0"]
        assert stored.dtype == np.dtype("V2") and stored.attrs["dtype"] == "bfloat16"
        wanted = np.frombuffer(b"\0\0\x80\x3f\0\0\x20\xc0", np.float32)
        file["layers/dense/vars/0"][0, :2] = np.array([b"\x80\x3f", b"\x20\xc0"], "V2")  # 1 and -2.5
        for place in ("layers/dense/vars/0", "layers/dense/vars/1"):
            del file[place].attrs["dtype"]
        layer = file["layers/dense/vars"].attrs["name"]
    found = formats.read(target).layers[layer]["0"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0, :2], wanted)


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "class_name, arrays, settings, words",
    [
        *(
            ("Dense", [KERNEL, BIAS, SCALE], {"dtype": policy(mode)}, f"'Dense' is quantised as '{mode.split('/')[0]}'")
            for mode in ("int4/128", "int4", "float8", "gptq/4/64", "awq/4/-1")
        ),
        ("Dense", [KERNEL, BIAS, SCALE], {"dtype": "int4_from_float32"}, "is quantised as 'int4'"),
        ("Conv1D", [KERNEL, BIAS], {}, "'Conv1D' is quantised as 'int8', expected 'int8' in one of.*Dense"),
        ("Dense", [KERNEL, BIAS], {"dtype": "float32"}, "kernel is of type int8, expected float32"),
        ("Dense", [KERNEL.astype(np.float32), BIAS, SCALE], {}, "kernel is of type float32, expected int8"),
        ("Dense", [KERNEL, SCALE], {}, "has 2 arrays, expected"),
        ("Dense", [KERNEL, BIAS[:1], SCALE], {}, "bias has shape"),
        ("Dense", [KERNEL, BIAS, SCALE[:1]], {}, "kernel_scale has shape"),
        ("Dense", [KERNEL, BIAS, SCALE - 10], {}, "kernel_scale holds numbers that are not above 0"),
        ("Dense", [KERNEL, BIAS, KERNEL[0]], {}, "kernel_scale is of type int8"),
        ("Dense", [KERNEL[0], BIAS, SCALE], {}, "kernel has shape"),
        ("Dense", [KERNEL[:2], BIAS, SCALE], {}, "kernel has shape"),
        *(
            ("EinsumDense", arrays, {"equation": "ab,bc->ac", "bias_axes": "c", **settings}, words)
            for arrays, settings, words in (
                ([KERNEL, BIAS, SCALE[None]], {"dtype": policy("int4/128")}, "'EinsumDense' is quantised as 'int4'"),
                ([KERNEL, BIAS, SCALE], {}, "kernel_scale has shape"),
                ([KERNEL, BIAS, SCALE[:1, None]], {}, "kernel_scale has shape"),
                ([KERNEL, BIAS, SCALE[None, None]], {}, "kernel_scale has shape"),
                ([KERNEL, BIAS, SCALE[None] - 10], {}, "kernel_scale holds numbers that are not above 0"),
                ([np.float32(KERNEL), BIAS, SCALE[None]], {}, "kernel is of type float32, expected int8"),
                ([KERNEL[0], BIAS, SCALE[None]], {}, "kernel has shape"),
                ([KERNEL[:2], BIAS, SCALE[None]], {}, "equation"),
                ([KERNEL, BIAS, SCALE[None, None]], {"equation": "...b,bc->...c"}, "kernel_scale"),
                ([KERNEL, BIAS, SCALE[None]], {"equation": 3}, "equation"),
                ([KERNEL, BIAS, SCALE[None]], {"equation": "ab,bc->xc"}, "equation"),
                ([KERNEL, BIAS], {}, "has 2 arrays, expected"),
            )
        ),
        ("Embedding", [KERNEL, SCALE], {}, "embeddings_scale has shape"),
        ("Embedding", [SCALE, KERNEL], {}, "is of type"),
        ("Dense", [KERNEL, BIAS, SCALE], {"quantization_config": 3}, "quantization_config"),
        ("Dense", [KERNEL, BIAS, SCALE], {"quantization_config": {"config": []}}, "quantization_config"),
        *(
            ("Dense", [KERNEL, BIAS, SCALE], {"quantization_config": {"config": {"activation_quantizer": one}}}, words)
            for one, words in (
                ({"class_name": "Mine", "config": {}}, "expected an AbsMaxQuantizer"),
                ({"class_name": "AbsMaxQuantizer", "config": {"value_range": [-200, 127]}}, "expected an AbsMax"),
                ({"class_name": "AbsMaxQuantizer", "config": {"value_range": ["a", None]}}, "expected an AbsMax"),
                ({"class_name": "AbsMaxQuantizer", "config": {"epsilon": 0}}, "expected an AbsMax"),
                ({"class_name": "AbsMaxQuantizer", "config": {"epsilon": "1"}}, "epsilon"),
                ({"class_name": "AbsMaxQuantizer"}, "config"),
                (5, "activation_quantizer"),
            )
        ),
    ],
)
def test_one_error_that_names_the_layer(class_name, arrays, settings, words):
    with pytest.raises(WeightsError, match=rf"layer 'it'.*{words}|{words}.*layer 'it'"):
        made(class_name, *arrays, **settings)


def test_around_a_quantised_layer():
    inner = {"class_name": "Dense", "config": {"name": "in", "dtype": policy()}}
    with pytest.raises(WeightsError, match="'it': TimeDistributed of a quantised layer"):
        made("TimeDistributed", KERNEL, BIAS, SCALE, layer=inner, dtype="float32", batch_input_shape=[None, 2, 3])


def test_layers_within_a_layer_that_are_quantised():
    """Keras quantises those of its attention, and cannot load the file."""
    arrays = [array for _ in range(4) for array in (KERNEL[:, None], BIAS[None], SCALE[None, None])]
    settings = {"num_heads": 1, "key_dim": 2, "dtype": "float32"}
    with pytest.raises(WeightsError, match="'it'.*12 arrays.*some are int8.*cannot load that either"):
        made("MultiHeadAttention", *arrays, **settings)
    with pytest.raises(WeightsError, match="'MultiHeadAttention' is quantised as 'int8', expected.*EinsumDense"):
        made("MultiHeadAttention", *arrays, **settings | {"dtype": policy()})


def test_types_of_arrays_within_a_layer(tmp_path):
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        file.create_group("layers/it/vars")
        file["layers/it/_query_dense/vars/0"] = KERNEL
        file["layers/it/_query_dense/vars/1"] = np.array([b"\x80\x3f", b"\x20\xc0"], "V2")  # bfloat16
        file["layers/it/_dropout/vars/0"] = np.uint32([1, 2])  # the state of a generator
    found = formats.read(tmp_path / "x.weights.h5").layers["it"]
    assert found.keys() == {"query_dense/0", "query_dense/1"}
    np.testing.assert_array_equal(found["query_dense/0"], KERNEL)
    np.testing.assert_array_equal(found["query_dense/1"], np.float32([1, -2.5]))


def test_policies_of_floats_do_not_matter():
    for one in ("bfloat16", "mixed_float16", {"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}, 7):
        layer = made("Dense", np.float32(KERNEL), BIAS, dtype=one)
        np.testing.assert_array_equal(layer(np.float32([[1, 0, 0]])), [[2, 4]])


def test_matrices_of_lora_apart():
    arrays = [BIAS, np.ones((3, 1), np.float32), np.ones((1, 2), np.float32), np.float32(KERNEL)]
    with pytest.raises(WeightsError, match="'it'.*4 arrays.*LoRA"):
        made("Dense", *arrays, dtype="float32", lora_rank=1)
    assert made("Dense", np.float32(KERNEL), BIAS, dtype="float32", lora_rank=1)  # merged


def test_deepmoji_without_its_config(tmp_path):
    """By its layers' names a quantised file would be DeepMoji's."""
    from test_hdf5 import deepmoji_arrays

    layers = {name: numbered(array for _, array in arrays) for name, arrays in deepmoji_arrays()}
    layers["embedding"] = {"0": np.ones((11, 4), np.int8)}
    with pytest.raises(WeightsError, match="needs the config|config of its model"):
        build(Contents("file", layers))


def test_inspect_lists_all_that_is_not_there(tmp_path, capsys):
    source, target = CASES["keras3_whole_numbers_model_keras"] / "model.keras", tmp_path / "x.keras"
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as changed:
        for name in archive.namelist():
            changed.writestr(name, archive.read(name).replace(b'"mode": "int8"', b'"mode": "gptq"'))
    with pytest.raises(WeightsError, match="quantised as 'gptq'"):
        npmoji.load(target)
    assert cli.main(["inspect", str(target)]) == 2
    out = "".join(capsys.readouterr())
    assert out.count("quantised as 'gptq'") >= 3


# Training, ONNX ------------------------------------------------------------------------------------------------------


def test_neither_they_nor_what_is_before_them_is_trained():
    pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    from npmoji.graph import Graph
    from npmoji.learn.trainer import Trainer
    from npmoji.model import Model

    x = Input(name="x", shape=(3,))
    first = npmoji.Dense(x, np.ones((3, 3), np.float32), name="first")
    middle = Int8Dense(first, KERNEL, SCALE, name="middle")
    last = npmoji.Dense(middle, np.ones((2, 2), np.float32), activation="softmax", name="last")
    model = Model(Graph([x, first, middle, last.logits, last], [last]))
    X, y = np.float32([[1, 2, 3], [3, 2, 1]]), [0, 1]
    assert Trainer(model, method="last").gradients(X, y)[1].keys() == {"logits/kernel"}
    for frozen in ([], ["first"], ["middle"]):
        with pytest.raises(InputError, match="'middle'"):
            Trainer(model, method="full", frozen=frozen).gradients(X, y)
    assert Trainer(model, method="full", frozen=["first", "middle"]).gradients(X, y)[1].keys() == {"logits/kernel"}


def test_half_precision_in_onnx_is_refused(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs ONNX: pip install '.[onnx]'")
    source = CASES["keras3_whole_numbers_model_keras"] / "model.keras"
    convert(source, tmp_path / "x.onnx", precision="int8")
    assert b"MatMulInteger" in (tmp_path / "x.onnx").read_bytes()
    with pytest.raises(InputError, match="fp16.*quantised"):
        convert(source, tmp_path / "y.onnx", precision="fp16")
