"""Networks as ONNX files: ONNX Runtime gives what npmoji gives, and what the genuine software gave."""

import json
import re

import numpy as np
import pytest
from conftest import DATA, LAYERS, ROOT, head_maps, model_cases
from test_keras_graphs import by_place

import npmoji
from npmoji import layers
from npmoji.cli import main
from npmoji.export.convert import convert
from npmoji.layers.functions import FUNCTIONS
from npmoji.outputs import paths

onnx = pytest.importorskip("onnx", reason="needs onnx and onnxruntime: pip install '.[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnx and onnxruntime: pip install '.[onnx]'")

from npmoji.export.onnx import functions
from npmoji.export.onnx.file import read_metadata
from npmoji.export.onnx.layers import KINDS
from npmoji.export.onnx.operations import OPERATIONS
from npmoji.export.onnx.recurrent import CELLS
from npmoji.export.onnx.rounding import Agreement
from npmoji.export.onnx.write import input_names, network

PROBABILITIES, REST = 2e-6, 1e-5  # how far ONNX Runtime may be off
OUTPUTS = ("bi_lstm_0", "bi_lstm_1", "attention", "attlayer", "softmax")
GOLDEN_NAMES = {layer: golden for golden, layer in LAYERS.items()}


class Runtime:
    """A network in ONNX Runtime."""

    def __init__(self, source):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        data = source if isinstance(source, str) else source.SerializeToString()
        self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self.inputs = {one.name: one for one in self.session.get_inputs()}
        self.outputs = {one.name: one for one in self.session.get_outputs()}

    def __call__(self, **feed):
        return dict(zip(self.outputs, self.session.run(None, feed)))


def tolerance(name):
    return PROBABILITIES if name == "softmax" else REST


def close(found, wanted, name):
    """Whether all numbers agree; the difference is shown if not."""
    assert found.shape == wanted.shape, name
    assert np.abs(found - wanted).max(initial=0) <= tolerance(name), name


# DeepMoji ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights, golden", model_cases(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_golden_of_the_genuine_software(weights, golden):
    """Those of Keras 2.0.5, tf_keras and Keras 3: both kinds of masked steps, both hard sigmoids."""
    golden = dict(np.load(golden))
    model = npmoji.load(weights, engine="numpy")
    some = [name for name in OUTPUTS if name in model.graph.named and GOLDEN_NAMES[name] in golden]
    found = Runtime(network(model, some))(tokens=golden["tokens"].astype(np.int64))
    assert some
    for name in some:
        close(found[name], golden[GOLDEN_NAMES[name]].astype(np.float32), name)


@pytest.mark.parametrize("weights", [pair[0] for pair in model_cases()[:6]], ids=lambda path: f"{path.parent.name}")
def test_rows_that_lengths_cannot_describe(weights):
    """Zeros before and between words, nothing but padding, and a single step."""
    model = npmoji.load(weights, engine="numpy")
    some = [name for name in OUTPUTS if name in model.graph.named]
    runtime, V = Runtime(network(model, some)), model.vocabulary_size
    rng = np.random.default_rng(3)
    for T in (1, 2, 9):
        ids = rng.integers(1, V, (12, T)) * (rng.random((12, T)) < 0.6)
        ids[0], ids[1, -1:] = 0, 0
        found = runtime(tokens=ids)
        for name in some:
            close(found[name], model[name](ids), name)


def test_inputs_and_outputs(small):
    model = npmoji.load(small[0], engine="numpy")
    runtime = Runtime(network(model))
    assert list(runtime.outputs) == ["softmax"] and list(runtime.inputs) == ["tokens"]
    assert runtime.inputs["tokens"].shape == ["N", "T"] and runtime.inputs["tokens"].type == "tensor(int64)"
    assert runtime.outputs["softmax"].shape == ["N", model.classes]
    runtime = Runtime(network(model, ["attention", "softmax"], ids="int32"))
    ids = np.array([[5, 0, 7, 0]], np.int32)
    found = runtime(tokens=ids)
    close(found["attention"], model.attention(ids), "attention")
    assert runtime.outputs["attention"].shape == ["N", "T"]
    with pytest.raises(npmoji.InputError, match="no layer 'nothing'"):
        network(model, ["nothing"])
    with pytest.raises(npmoji.InputError, match="'input' is an input"):
        network(model, ["input"])
    with pytest.raises(npmoji.InputError, match="expected one of int64, int32"):
        network(model, ids="uint8")


def test_the_opset_is_the_one_that_is_said_and_nothing_else_is_used(small):
    made = network(npmoji.load(small[0], engine="numpy"), OUTPUTS)
    onnx.checker.check_model(made, full_check=True)
    assert [(one.domain, one.version) for one in made.opset_import] == [("", 18)]
    assert {node.domain for node in made.graph.node} == {""}


# Other networks ------------------------------------------------------------------------------------------------------


def keras_files():
    """Genuine files of other networks that load without a choice, and take no texts."""
    for path in sorted((DATA / "keras").glob("*/model.*")) + sorted((DATA / "models").glob("seed*/model.h5")):
        if path.suffix in (".h5", ".keras"):
            try:
                model = npmoji.load(path, engine="numpy")
            except npmoji.WeightsError:
                continue
            if not model.graph.takes_texts:
                yield path


def values(model, rows=5):
    """Ids with zeros at the end, before and between words, or numbers, for each input."""
    rng, steps = np.random.default_rng(0), model.graph.steps or 7
    for layer in model.graph.inputs:
        shape = tuple(steps if n is None else n for n in layer.shape or (None,))
        if layer.vocabulary_size is None:
            yield layer, rng.standard_normal((rows, *shape)).astype(np.float32)
        else:
            ids = rng.integers(0, layer.vocabulary_size, (rows, *shape))
            ids[1, 3:] = ids[2, :2] = ids[3] = 0
            yield layer, ids


def sentences(path, model):
    """Ids of sentences, texts by sentences by words, as the file's golden has them: their input looks like numbers."""
    beside = path.parent / "golden.npz"
    with np.load(beside) as golden:
        for layer in model.graph.inputs:
            ids = golden.get(f"inputs/{layer.name}")
            if ids is not None and ids.dtype.kind in "iu" and ids.ndim == 3:
                yield layer, ids.astype(np.float32)


@pytest.mark.parametrize("path", [*keras_files()], ids=lambda path: path.parent.name)
def test_other_networks(path):
    model = npmoji.load(path, engine="numpy")
    made = network(model)
    onnx.checker.check_model(made, full_check=True)
    runtime, names = Runtime(made), input_names(model)
    some = {**dict(values(model)), **dict(sentences(path, model))}
    given = {names[layer]: x for layer, x in some.items() if names[layer] in runtime.inputs}
    found = list(
        runtime(**{name: x.astype(np.int64) if x.dtype.kind in "iu" else x for name, x in given.items()}).values()
    )
    by_name = {layer.name: x for layer, x in some.items()}
    outputs = by_place(model.predict(by_name if len(some) > 1 else next(iter(some.values()))))
    order = [*paths(model.graph.structure)]
    if not isinstance(model.graph.structure, dict):  # by their layers, as the graph lists them
        order.sort(key=lambda place: place[1])
    wanted = [outputs[place or "0"] for place, _ in order]
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted):
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= REST * max(1, np.abs(other).max())


def chained(make, width=4):
    """Ours and ONNX Runtime's output of a layer behind a masked embedding, for rows with zeros anywhere."""
    rng = np.random.default_rng(1)
    ids = layers.Input(vocabulary_size=9)
    last = make(layers.Embedding(ids, rng.standard_normal((9, width)).astype(np.float32)))
    model = npmoji.Model(npmoji.graph.Graph([*layers.base.ancestors([last])], [last]), engine="numpy")
    X = rng.integers(0, 9, (7, 6)) * (rng.random((7, 6)) < 0.7)
    X[0], X[1] = 0, 3
    return model, X


def cells_upon_each_other(width):
    return (
        (layers.LSTM, npmoji.init.lstm(1, width, 3), {"gate": "sigmoid"}),
        (layers.GRU, npmoji.init.gru(2, 3, 2), {}),
    )


MADE = {
    "lstm backwards": lambda x: layers.LSTM(x, *npmoji.init.lstm(1, 4, 3), go_backwards=True, hold_masked=False),
    "lstm last": lambda x: layers.LSTM(x, *npmoji.init.lstm(1, 4, 3), return_sequences=False, gate="sigmoid"),
    "lstm own order": lambda x: layers.LSTM(x, *npmoji.init.lstm(1, 4, 3), go_backwards=True, time_order=False),
    "gru before": lambda x: layers.GRU(x, *npmoji.init.gru(1, 4, 3)[:2], np.zeros(9, np.float32), reset_after=False),
    "gru after": lambda x: layers.GRU(x, *npmoji.init.gru(1, 4, 3), gate="hard_sigmoid_keras3"),
    "rnn": lambda x: layers.SimpleRNN(x, *npmoji.init.simple_rnn(1, 4, 3), activation="relu"),
    "cells": lambda x: layers.StackedRNN(x, *cells_upon_each_other(4), go_backwards=True),
    "cells both ways": lambda x: layers.Bidirectional(
        x,
        cells_upon_each_other(4),
        cells_upon_each_other(4)[:1],
        cell=layers.StackedRNN,
        backward_cell=layers.StackedRNN,
        backward_options={"hold_masked": False},
    ),
    "both ave": lambda x: layers.Bidirectional(
        x, npmoji.init.gru(1, 4, 3), npmoji.init.gru(2, 4, 3), cell=layers.GRU, merge_mode="ave"
    ),
    "both reversed": lambda x: layers.Bidirectional(
        x, npmoji.init.lstm(1, 4, 3), npmoji.init.lstm(2, 4, 3), reverse=True, return_sequences=False
    ),
    "mean": layers.GlobalAveragePooling1D,
    "max": layers.GlobalMaxPooling1D,
    "same convolution": lambda x: layers.Conv1D(x, np.ones((3, 4, 2), np.float32), strides=2, padding="same"),
    "causal convolution": lambda x: layers.Conv1D(
        x, np.arange(24, dtype=np.float32).reshape(3, 4, 2), padding="causal", dilation=2
    ),
    "grouped convolution": lambda x: layers.Conv1D(x, np.ones((2, 2, 4), np.float32), groups=2),
    "average pooling": lambda x: layers.Pooling1D(x, 4, 3, "same", average=True),
    "top": lambda x: layers.Softmax(layers.TopK(x, 2)),
    "layer norm": lambda x: layers.LayerNormalization(x, np.float32([1, 2, 3, 4]), None),
    "repeat": lambda x: layers.RepeatVector(layers.GlobalMaxPooling1D(x), 3),
    "permute": lambda x: layers.Permute(x, (2, 1)),
    "context": lambda x: layers.AttentionWithContext(
        x, np.ones((4, 3), np.float32), np.ones(3, np.float32), np.ones((3, 1), np.float32)
    ),
    "heads that share": lambda x: layers.MultiHeadAttention(
        x, x, x, **head_maps(4, 4, 2, K=2, gate=True), masked="zero", window=2, causal=True
    ),
    "positions alone": lambda x: layers.PositionEmbedding(x, np.ones((100, 4), np.float32), added=False),
    "keras 3 product": lambda x: layers.Multiply(x, layers.Activation(x, "tanh"), any_valid=True),
    "keras 3 maximum": lambda x: layers.Maximum(x, layers.Activation(x, "tanh"), any_valid=True),
}


@pytest.mark.parametrize("kind", MADE)
def test_layers_behind_a_mask(kind):
    model, X = chained(MADE[kind])
    (found,) = Runtime(network(model))(tokens=X).values()
    wanted = model.predict(X)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 2e-6 * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("name", functions.ACTIVATIONS)
def test_activations(name):
    model, X = chained(lambda x: layers.Activation(x, name))
    (found,) = Runtime(network(model))(tokens=X).values()
    assert np.abs(found - model.predict(X)).max() < 3e-6


def test_every_activation_and_operation_is_there():
    from npmoji.backends.activations import ACTIVATIONS

    assert set(functions.ACTIVATIONS) == set(ACTIVATIONS)
    assert FUNCTIONS.keys() - OPERATIONS.keys() == {"Cumprod"} and OPERATIONS.keys() <= FUNCTIONS.keys()


def test_every_layer_is_there_or_refused_by_name():
    found = {getattr(layers, name) for name in layers.__all__}
    public = {value for value in found if issubclass(value, layers.Layer)}
    missing = {one.__name__ for one in public if not any(kind in KINDS for kind in one.__mro__)}
    assert missing == {"Layer", "Input"}  # the base class, and what has no operator
    assert set(CELLS) == {layers.LSTM, layers.GRU, layers.SimpleRNN}


def test_the_table_names_every_public_layer():
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    section = page.split("## As an ONNX file")[1].split("\n## ")[0]
    hidden = {"Layer", "Input", "Recurrent", "Part", "Remask", "DroppedMask", "Named"}  # no layers of a file
    for name, value in ((name, getattr(layers, name)) for name in layers.__all__):
        if issubclass(value, layers.Layer) and value.__name__ == name and name not in hidden:
            assert re.search(rf"\b{name}\b", section), name


def test_what_cannot_be_said_is_refused(small, tmp_path):
    class Scale(npmoji.Layer):
        def forward(self, ops, x):
            return x * 2

    class Other(layers.Dense):
        def forward(self, ops, x):
            return x

    for make, name in ((Scale, "scale"), (lambda x: Other(x, np.ones((4, 2), np.float32)), "other")):
        model, _ = chained(make)
        with pytest.raises(npmoji.InputError, match=rf"layer '{name}' .* has no ONNX counterpart"):
            network(model)
    model, _ = chained(lambda x: layers.LSTM(x, *npmoji.init.lstm(1, 4, 3), activation="gelu"))
    with pytest.raises(npmoji.InputError, match="layer 'lstm' .*: activation 'gelu' has no ONNX counterpart"):
        network(model)


# The command ---------------------------------------------------------------------------------------------------------


def test_the_command(folder, tmp_path, capsys):
    target = tmp_path / "net.onnx"
    assert main(["convert", str(folder / "weights.hdf5"), str(target), "--outputs", "softmax,attention"]) == 0
    model = npmoji.load(folder / "weights.hdf5", engine="numpy")
    ids = model.tokens(["I love mom's cooking", "", "lol !"])
    found = Runtime(str(target))(tokens=ids.astype(np.int64))
    close(found["softmax"], model.predict(ids), "softmax")
    said = read_metadata(str(target))
    assert said["vocabulary"] == model.tokenizer.vocabulary
    assert said["maxlen"] == "30" and said["compat"] == "deepmoji" and said["opset"] == "18"
    before = target.read_bytes()
    convert(folder / "weights.hdf5", target, outputs=["softmax", "attention"])
    assert target.read_bytes() == before  # the same network gives the same bytes


def test_emojis_and_own_classes_in_the_metadata(tmp_path, folder):
    convert(npmoji.load(engine="numpy"), tmp_path / "emojis.onnx")
    assert read_metadata(str(tmp_path / "emojis.onnx"))["classes"] == list(npmoji.EMOJIS)
    convert(folder / "weights.hdf5", tmp_path / "small.safetensors")
    model = npmoji.load(tmp_path / "small.safetensors", engine="numpy")
    model._file = model._file._replace(classes=[f"class {i}" for i in range(model.classes)], provenance={"seed": 1})
    convert(model, tmp_path / "own.onnx")
    said = read_metadata(str(tmp_path / "own.onnx"))
    assert said["classes"][1] == "class 1" and said["provenance"] == {"seed": 1}


@pytest.mark.parametrize("precision, size", [("fp16", 0.7), ("int8", 0.95)])
def test_smaller_files_say_how_well_they_agree(precision, size, tmp_path, capfd):
    model = npmoji.load(engine="numpy")
    convert(model, tmp_path / "large.onnx")
    assert main(["convert", model.path, str(tmp_path / "small.onnx"), "--precision", precision]) == 0
    assert f"npmoji: {precision}: " in (shown := capfd.readouterr().err) and "of 102 builtin rows keep" in shown
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("small", "large")]
    assert sizes[0] < size * sizes[1]
    ids = model.tokens(["I love mom's cooking", "this is the worst day ever"])
    (found,) = Runtime(str(tmp_path / "small.onnx"))(tokens=ids.astype(np.int64)).values()
    assert (found.argmax(axis=1) == model.predict(ids).argmax(axis=1)).all()
    assert read_metadata(str(tmp_path / "small.onnx"))["precision"] == precision


def test_a_smaller_file_that_does_not_agree_is_not_written():
    with pytest.raises(npmoji.InputError, match=r"a.onnx: not written in int8: 97 of 100 .*; expected at least 99%"):
        Agreement(97, 100, 0.1, 0.5).check("a.onnx", "int8")
    Agreement(99, 100, 0.1, 0.5).check("a.onnx", "int8")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["out.safetensors", "--outputs", "softmax"], "are for files that end in .onnx"),
        (["out.onnx", "--outputs", "nothing"], "no layer 'nothing'"),
        (["out.txt"], "expected a name that ends in .safetensors, .hdf5, .h5, .onnx"),
    ],
)
def test_errors_of_the_command(arguments, message, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["convert", str(folder / "weights.hdf5"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_unknown_precision(small, tmp_path):
    with pytest.raises(npmoji.InputError, match="precision 'fp8': expected one of fp32, fp16, int8"):
        convert(npmoji.load(small[0], engine="numpy"), tmp_path / "a.onnx", precision="fp8")
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named(small, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(npmoji.InputError, match=r"needs onnx: pip install 'npmoji\[onnx\]'"):
        network(npmoji.load(small[0], engine="numpy"))


def test_no_onnx_file(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no protocol buffer \xff\xff")
    with pytest.raises(npmoji.InputError, match="a.onnx: not an ONNX file"):
        read_metadata(str(tmp_path / "a.onnx"))


def test_json_of_the_metadata_holds_any_word(small, tmp_path, toy_vocabulary):
    words = toy_vocabulary | {'é"\\\n': 399}
    model = npmoji.load(small[0], vocabulary=words, engine="numpy")
    convert(model, tmp_path / "a.onnx")
    assert read_metadata(str(tmp_path / "a.onnx"))["vocabulary"] == json.loads(json.dumps(words))


def test_outputs_of_a_dict_have_its_keys():
    path = DATA / "keras" / "keras3_named_ends" / "model.h5"
    assert {one.name for one in network(npmoji.load(path)).graph.output} == {"zeta", "alpha"}
