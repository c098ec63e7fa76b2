"""Files of the peers: without a last layer, a state dict in safetensors, and those that can only be named."""

import io
import os
import zipfile

import numpy as np
import pytest
from conftest import DATA, SHARED, needs_shared
from test_torch_state import Raw, call, dumped, legacy, name, plain, torch_arrays, zipped

import npmoji
from npmoji import InputError, WeightsError, cli, formats
from npmoji.checks import golden
from npmoji.checks.compare import compare
from npmoji.checks.verify import PUBLISHED_MEANS, verify
from npmoji.export.convert import convert
from npmoji.formats import keras_write, safetensors
from npmoji.formats.contents import numbered

ENGINES = ("numpy", "numba")
HEAD = ("output_layer.0.weight", "output_layer.0.bias")

# -- no last layer -----------------------------------------------------------------------------------------------------


def headless(contents):
    return contents._replace(layers={name: arrays for name, arrays in contents.layers.items() if name != "softmax"})


def keras_file(path, contents):
    with open(path, "wb") as file:
        keras_write.write(file, contents)
    return path


def headless_state(weights):
    return {label: a for label, a in torch_arrays(formats.read(weights).layers).items() if label not in HEAD}


def write_state(path, state):
    with open(path, "wb") as file:
        safetensors.write(
            file, {label: np.ascontiguousarray(array) for label, array in state.items()}, {"format": "pt"}
        )


def without_softmax(config):
    """A DeepMoji config that ends in attlayer."""
    inner = config["config"]
    inner["layers"] = [layer for layer in inner["layers"] if layer["config"]["name"] != "softmax"]
    inner["output_layers"] = [["attlayer", 0, 0]]
    return config


def full_model(tmp_path):
    """A genuine full model, cut."""
    file = formats.read(DATA / "models" / "tfkeras_small" / "full_model.h5")
    return keras_file(tmp_path / "full.h5", headless(file)._replace(config=without_softmax(file.config)))


MAKERS = {
    "keras": lambda weights, folder: keras_file(folder / "cut.hdf5", headless(formats.read(weights))),
    "legacy": lambda weights, folder: (folder / "cut.bin").write_bytes(legacy(*plain(headless_state(weights)))),
    "zip": lambda weights, folder: (folder / "cut.bin").write_bytes(zipped(*plain(headless_state(weights)))),
    "safetensors": lambda weights, folder: write_state(folder / "cut.safetensors", headless_state(weights)),
}


@pytest.fixture(params=MAKERS)
def cut(request, folder, tmp_path):
    """The small model without its last layer, in each kind of file, with its vocabulary beside it."""
    here = tmp_path / "here"
    here.mkdir()
    MAKERS[request.param](folder / "weights.hdf5", here)
    (path,) = here.iterdir()
    (here / "vocabulary.json").write_bytes((folder / "vocabulary.json").read_bytes())
    return path


TEXTS = ["i love you", "", "so tired !"]


@pytest.mark.parametrize("engine", ENGINES)
def test_features_and_attention_are_those_of_the_whole_file(cut, folder, small, engine):
    whole, model = npmoji.load(folder / "weights.hdf5", engine=engine), npmoji.load(cut, engine=engine)
    for x in (TEXTS, small[1]["tokens"]):
        np.testing.assert_array_equal(model.encode(x), whole.encode(x))
        np.testing.assert_array_equal(model.attention(x), whole.attention(x))
        np.testing.assert_array_equal(model["bi_lstm_1"](model.tokens(x)), whole["bi_lstm_1"](whole.tokens(x)))
    assert (model.classes, model.features, model.feature_only) == (0, 96, True)
    assert not whole.feature_only
    assert [layer.name for layer in model.layers] == [layer.name for layer in whole.layers[:-1]]
    assert model.layers[-1](model.tokens(TEXTS)).shape == (3, 96)


def test_what_asks_for_classes(cut):
    model = npmoji.load(cut)
    asked = {
        "predict": lambda: model.predict(TEXTS),
        "predict ids": lambda: model.predict([[1, 2]]),
        "top": lambda: model.top(TEXTS),
        "stream": lambda: next(model.stream(TEXTS)),
        "best": lambda: model.best(np.zeros((1, 96), np.float32)),
        "ensemble": lambda: npmoji.Ensemble([cut, cut]).top(TEXTS),
    }
    for what, ask in asked.items():
        with pytest.raises(InputError, match="this file has no classes: .* encode gives its features") as error:
            ask()
        assert str(cut) in str(error.value), what


def test_the_commands(cut, tmp_path, capsys):
    def run(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    for form in ("text", "csv", "jsonl"):
        out = tmp_path / "scores"
        code, _, complaint = run("score", "a text", "--weights", cut, "--format", form, "-o", out)
        assert code == 2 and "this file has no classes" in complaint and not out.exists()
    assert run("encode", *TEXTS, "-o", tmp_path / "f.npy", "--weights", cut)[0] == 0
    np.testing.assert_allclose(np.load(tmp_path / "f.npy"), npmoji.load(cut).encode(TEXTS), atol=1e-6)
    code, out, _ = run("info", "--weights", cut)
    assert code == 0 and "features 96, no classes (feature-only weights)" in out
    assert run("inspect", cut)[0] == 0
    for ending in (".safetensors", ".hdf5"):
        target = tmp_path / f"out{ending}"
        assert run("convert", cut, target)[0] == 0
        (tmp_path / "vocabulary.json").write_bytes((cut.parent / "vocabulary.json").read_bytes())
        code, out, _ = run("verify", "--weights", target)
        assert code == 0 and "feature means" in out and "token ids" in out and "all weights" in out, out
    code, out, _ = run("verify", "--weights", cut)
    assert code == 1 and "nothing to check against" in out
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS))
    assert run("golden", texts, tmp_path / "golden", "--weights", cut)[0] == 0
    assert run("compare", tmp_path / "golden", tmp_path / "golden", "--weights", cut)[0] == 0


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_converted(cut, tmp_path, precision):
    target = str(tmp_path / "out.safetensors")
    convert(str(cut), target, precision=precision)
    model, source = npmoji.load(target), npmoji.load(cut, precision=precision)
    np.testing.assert_array_equal(model.encode(TEXTS), source.encode(TEXTS))
    assert model.feature_only and model.references["probabilities"] == [[]] * len(model.references["ids"])
    assert verify(model).passed
    model.references["encoding_mean"][0] += 0.2
    assert not verify(model).passed


def test_golden_outputs(cut, folder):
    """The features are no probabilities: no ranks, and the tolerance of a layer."""
    texts = ["i love you", "so tired"]
    whole, found = (golden.collect(npmoji.load(path), texts) for path in (folder / "weights.hdf5", cut))
    assert list(found.tensors) == [label for label in whole.tensors if label not in ("logits", "softmax")]
    for label, array in found.tensors.items():
        np.testing.assert_array_equal(array, whole.tensors[label])
    entries = {entry["name"]: entry for entry in found.manifest["tensors"]}
    assert (
        entries["attlayer"]["tolerance"]["absolute"] == 1e-5 and entries["attention"]["tolerance"]["absolute"] == 2e-6
    )
    assert all(entry["top5"] == [] for entry in found.manifest["texts"])
    result = compare(found, found)
    assert result.passed and result.ranked is None


def test_a_faulty_port_of_a_cut_file_is_told(cut):
    """The diagnosis needs no last layer."""
    model = npmoji.load(cut)
    found = golden.collect(model, ["i love you", "so tired", "that was funny"])
    kernel = npmoji.load(cut)["attlayer"].kernel[:, 0]
    x = np.concatenate([found.tensors[label] for label in ("bi_lstm_0", "bi_lstm_1", "activation")], axis=-1)
    wrong = dict(found.tensors, attention_logits=(x @ kernel).astype(np.float32))
    result = compare(found, found._replace(manifest=None, tensors=wrong), lambda: model)
    assert [finding.fault for finding in result.diagnosis] == ["concatenation order"], result.text()


def test_a_full_model_that_ends_in_attlayer(tmp_path):
    model = npmoji.load(full_model(tmp_path))
    tokens = np.array([[1, 2, 3, 0], [5, 0, 0, 0]])
    assert model.feature_only and model.encode(tokens).shape == (2, model.features)
    whole = npmoji.load(DATA / "models" / "tfkeras_small" / "full_model.h5")
    np.testing.assert_array_equal(model.encode(tokens), whole.encode(tokens))
    with pytest.raises(InputError, match="no classes"):
        model.predict(tokens)


def test_weights_with_a_config_that_ends_in_attlayer(folder, tmp_path):
    config = without_softmax(formats.read(DATA / "models" / "tfkeras_small" / "full_model.h5").config)
    path = MAKERS["keras"](folder / "weights.hdf5", tmp_path)
    model = npmoji.load(path, config=config)
    assert model.feature_only and model.encode([[1, 2]]).shape == (1, 96)


def test_a_config_of_another_network_with_the_same_names(tmp_path):
    """Without the skips it is not DeepMoji: the config tells."""
    file = formats.read(DATA / "models" / "tfkeras_small" / "full_model.h5")
    config = without_softmax(file.config)
    inner = config["config"]["layers"]
    (attlayer,) = (layer for layer in inner if layer["config"]["name"] == "attlayer")
    (skips,) = (layer for layer in inner if layer["class_name"] == "Concatenate")
    attlayer["inbound_nodes"] = [[node for node in skips["inbound_nodes"][0] if node[0] == "bi_lstm_1"]]
    config["config"]["layers"] = [layer for layer in inner if layer is not skips]
    layers = dict(file.layers)
    del layers["softmax"]
    layers["attlayer"] = numbered([layers["attlayer"]["0"][: len(layers["bi_lstm_1"]["1"]) * 2]])
    path = keras_file(tmp_path / "other.h5", file._replace(layers=layers, config=config))
    model = npmoji.load(path)
    assert not model.feature_only and model.predict([[1, 2] + [0] * 12]).shape == (1, len(layers["attlayer"]["0"]))


def test_other_networks_that_end_in_the_attention(small, tmp_path):
    """predict gives what the network gives, as Keras does; no classes are made of it."""
    layers = {"words": {"0": np.ones((9, 4), np.float32)}, "attention": {"0": np.ones((4, 1), np.float32)}}
    config = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "Embedding", "config": {"name": "words", "batch_input_shape": [None, 3], "mask_zero": True}},
            {"class_name": "AttentionWeightedAverage", "config": {"name": "attention"}},
        ],
    }
    contents = formats.Contents("x", layers, "2.0.5", config)
    model = npmoji.load(keras_file(tmp_path / "m.h5", contents))
    assert model.predict([[1, 2, 0]]).shape == (1, 4) and (model.classes, model.feature_only) == (0, False)
    with pytest.raises(InputError, match="no classes"):
        model.top([[1, 2, 0]])


def test_classes_behind_an_activation_layer(tmp_path):
    """Dense, then its softmax as a layer of its own: the classes are the Dense layer's."""
    rng = np.random.default_rng(0)
    layers = {
        "a": {"0": np.ones((9, 4), np.float32)},
        "b": {},
        "c": numbered([rng.random((4, 3), np.float32), np.zeros(3, np.float32)]),
        "d": {},
    }
    kinds = {"a": "Embedding", "b": "GlobalMaxPooling1D", "c": "Dense", "d": "Activation"}
    more = {
        "a": {"batch_input_shape": [None, 3]},
        "c": {"use_bias": True, "activation": "linear"},
        "d": {"activation": "softmax"},
    }
    config = [{"class_name": kind, "config": {"name": label, **more.get(label, {})}} for label, kind in kinds.items()]
    contents = formats.Contents("x", layers, "2.0.5", {"class_name": "Sequential", "config": config})
    model = npmoji.load(keras_file(tmp_path / "m.h5", contents))
    assert model.classes == 3 and len(model.top([[1, 2, 3]])[0]) == 3


@pytest.mark.parametrize("label", HEAD)
def test_half_a_last_layer(folder, tmp_path, label):
    state = torch_arrays(formats.read(folder / "weights.hdf5").layers)
    del state[label]
    (tmp_path / "half.bin").write_bytes(legacy(*plain(state)))
    with pytest.raises(WeightsError, match=f"missing '{label}'"):
        npmoji.load(tmp_path / "half.bin")


def test_the_originals_features_are_known(monkeypatch, tmp_path, small, toy_vocabulary):
    """By the published means, where there is no last layer to rank classes with."""
    from npmoji.checks import verify as module

    path = MAKERS["keras"](small[0], tmp_path)
    model = npmoji.load(path, vocabulary=toy_vocabulary)
    monkeypatch.setattr(module, "ORIGINAL_SIZES", (400, 96, 64))
    verdict = verify(model)
    assert not verdict.passed and verdict.checked == "published" and "not the original" in verdict.lines[-1]
    tokens = module.padded([module.word_ids(model.tokenizer, text, 30) for text in module.PUBLISHED], 30)
    means = model.encode(tokens).mean(axis=0)[: len(PUBLISHED_MEANS)]
    monkeypatch.setattr(module, "PUBLISHED_MEANS", tuple(np.round(means, 4)))
    verdict = verify(model)
    assert verdict.passed and verdict.lines[-1] == "passed: these are the original weights, without its last layer"


# -- a state dict in safetensors ---------------------------------------------------------------------------------------


def bfloat16(array):
    return (np.ascontiguousarray(array, np.float32).view(np.uint32) >> 16).astype(np.uint16)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("kind", ["<f4", "<f8", "<f2"])
def test_a_state_dict_in_safetensors(folder, tmp_path, kind, prefix):
    state = torch_arrays(formats.read(folder / "weights.hdf5").layers)
    if kind == "<f2":
        state = {label: array.astype(kind) for label, array in state.items()}
    write_state(tmp_path / "model.safetensors", {prefix + label: array.astype(kind) for label, array in state.items()})
    (tmp_path / "pytorch_model.bin").write_bytes(legacy(*plain({k: a.astype(np.float32) for k, a in state.items()})))
    ours, theirs = formats.read(tmp_path / "model.safetensors"), formats.read(tmp_path / "pytorch_model.bin")
    assert ours._replace(layers=None, path="") == theirs._replace(layers=None, path="") and ours.origin == "torchmoji"
    for label, arrays in theirs.layers.items():
        for a, b in zip(ours.layers[label].values(), arrays.values(), strict=True):
            np.testing.assert_array_equal(a, b)
    (tmp_path / "vocabulary.json").write_bytes((folder / "vocabulary.json").read_bytes())
    model = npmoji.load(tmp_path / "model.safetensors")
    assert model.tokenizer.compat == "deepmoji" and model.predict(["i love you"]).shape == (1, 64)
    (tmp_path / "model.safetensors").rename(tmp_path / "renamed.bin")  # told by its content
    assert npmoji.load(tmp_path / "renamed.bin").classes == 64


def test_bfloat16_in_safetensors(folder, tmp_path):
    state = torch_arrays(formats.read(folder / "weights.hdf5").layers)
    halves = {label: bfloat16(array) for label, array in state.items()}
    write_state(tmp_path / "m.safetensors", halves)
    content = (tmp_path / "m.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    text = content[8 : 8 + size].replace(b'"U16"', b'"BF16"').rstrip()
    text += b" " * (-len(text) % 8)
    (tmp_path / "m.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    found = formats.read(tmp_path / "m.safetensors").layers["embedding"]["embeddings"]
    np.testing.assert_array_equal(found, (halves["embed.weight"].astype(np.uint32) << 16).view(np.float32))


def test_safetensors_that_hold_something_else(folder, tmp_path):
    state = torch_arrays(formats.read(folder / "weights.hdf5").layers)
    path = tmp_path / "m.safetensors"
    write_state(path, {label: array for label, array in state.items() if "lstm_1" not in label})
    with pytest.raises(WeightsError, match="not torchMoji's state dict: missing 'lstm_1.weight_ih_l0'"):
        npmoji.load(path)
    write_state(path, {"bert.encoder.weight": np.ones(3, np.float32)})
    with pytest.raises(
        WeightsError, match=r"expected 'npmoji 1' .* or torchMoji's state dict; its tensors: 'bert.encoder"
    ):
        npmoji.load(path)
    write_state(path, state | {"embed.weight": np.ones((400, 16), np.int32)})
    with pytest.raises(WeightsError, match="'embed.weight' is of type int32, expected one of floats"):
        npmoji.load(path)
    write_state(path, state | {"embed.weight": np.full((400, 16), 1e300)})
    with pytest.raises(WeightsError, match="NaN or infinite"):
        npmoji.load(path)


def test_what_torch_and_safetensors_write(folder, tmp_path):
    torch, public = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    arrays = torch_arrays(formats.read(folder / "weights.hdf5").layers)
    state = {label: torch.tensor(array.copy(order="C")) for label, array in arrays.items()}
    tokens = np.array([[1, 2, 3, 0]])
    whole = npmoji.load(folder / "weights.hdf5")
    public.save_file(state, tmp_path / "whole.safetensors")
    np.testing.assert_array_equal(npmoji.load(tmp_path / "whole.safetensors").predict(tokens), whole.predict(tokens))
    for label in HEAD:
        del state[label]
    public.save_file(state, tmp_path / "cut.safetensors")
    torch.save(state, tmp_path / "cut.pt")
    for name_of_file in ("cut.safetensors", "cut.pt"):
        np.testing.assert_array_equal(npmoji.load(tmp_path / name_of_file).encode(tokens), whole.encode(tokens))
    public.save_file({label: tensor.to(torch.bfloat16) for label, tensor in state.items()}, tmp_path / "b.safetensors")
    torch.save({label: tensor.to(torch.bfloat16) for label, tensor in state.items()}, tmp_path / "b.bin")
    b, c = (npmoji.load(tmp_path / name_of_file).encode(tokens) for name_of_file in ("b.safetensors", "b.bin"))
    np.testing.assert_array_equal(b, c)


@needs_shared
def test_the_genuine_state_dict_without_its_last_layer(tmp_path):
    """The tensors of a genuine file, by npmoji's reader, in safetensors: features as the genuine torchMoji gives
    them."""
    from npmoji.formats import torch_pickle

    place = SHARED / "goldens" / "models" / "torchmoji_state"
    state = torch_pickle.read(place / "plain_zip.bin")
    write_state(tmp_path / "cut.safetensors", {label: a for label, a in state.items() if label not in HEAD})
    wanted = np.load(place / "golden.npz")
    model = npmoji.load(tmp_path / "cut.safetensors")
    np.testing.assert_allclose(model.encode(wanted["tokens"]), wanted["features"], atol=5e-6)
    np.testing.assert_allclose(model.attention(wanted["tokens"]), wanted["attention"], atol=5e-6)


# -- what is only named ------------------------------------------------------------------------------------------------


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number, value):
    """A field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


NODE = field(1, b"embedding/embeddings") + field(2, b"Const") + field(5, bytes(9))
ONNX = (
    field(1, 8) + field(2, b"pytorch") + field(3, b"2.9.0") + field(7, field(1, bytes(3000))) + field(8, field(2, 17))
)
META_GRAPH = field(1, field(2, bytes(500))) + field(2, field(1, NODE))
KERAS_SAYS = "save the Keras model|export the Keras model|load it into the Keras model|model.save"
INDEX = bytes(100) + bytes.fromhex("57fb808b247547db")


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def zip_of(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for member, content in members.items():
            file.writestr(member.replace("__", "/"), content)
    return out.getvalue()


WHOLE = call(name("torchmoji.model_def", "TorchMoji"))  # an object of the class, as pickles make them
EMPTY = Raw(call(name("collections", "OrderedDict")))
#: name of a file -> its content, and what must be said
FILES = {
    "model.onnx": (ONNX, "an ONNX model.*model.save"),
    "onnx.bin": (ONNX, "an ONNX model.*torch.save.model.state_dict"),
    "saved_model.pb": (field(1, 1) + field(2, META_GRAPH), "a TensorFlow SavedModel.*model.save"),
    "frozen.pb": (field(1, NODE) * 90 + field(4, field(1, 27)), "a TensorFlow graph .GraphDef.*model.save"),
    "small.h5": (field(1, NODE), "a TensorFlow graph .GraphDef.*model.save"),
    "model.tflite": (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model.*model.save"),
    "tflite.h5": (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model.*model.save"),
    "emoji.ckpt.index": (INDEX, r"a TensorFlow checkpoint.*load_weights\('.*emoji.ckpt'\)"),
    "emoji.ckpt": (INDEX, "a TensorFlow checkpoint"),
    "emoji.ckpt.data-00000-of-00001": (bytes(64), r"a TensorFlow checkpoint.*load_weights\('.*emoji.ckpt'\)"),
    "emoji.ckpt.meta": (META_GRAPH, "a TensorFlow checkpoint"),
    "checkpoint": (
        b'model_checkpoint_path: "emoji.ckpt"\n',
        r"a TensorFlow checkpoint.*load_weights\('.*emoji.ckpt'\)",
    ),
    "whole.pt": (
        zipped(dumped(WHOLE), {}),
        "asks for 'torchmoji.model_def.TorchMoji', so it holds a whole model.*state_dict",
    ),
    "whole_legacy.pt": (
        legacy(WHOLE, {}),
        "asks for 'torchmoji.model_def.TorchMoji', so it holds a whole model.*state_dict",
    ),
    "script.pt": (
        zip_of(m__data_pkl=b"\x80\2.", m__constants_pkl=b"").replace(b"_pkl", b".pkl"),
        "compiled by PyTorch.*state_dict",
    ),
    "exported.pt2": (zip_of(m__archive_format=b"pt2"), "compiled by PyTorch.*state_dict"),
    "arrays.npz": (npz(W=np.ones(3), b=np.ones(1)), r"a NumPy .npz with the arrays 'W', 'b'.*model.save"),
    "hand.npz": (npz(graph=np.ones(3)), "npmoji.load_layers"),
    "features.npy": (npy(np.ones(3)), "a NumPy array"),
    "config.json": (b'{"class_name": "Functional", "config": {}}', "config of a Keras model.*config='config.json'"),
    "config.hdf5": (b'\xef\xbb\xbf\n {"class_name": "Model", "config": {}}', "config of a Keras model"),
    "vocabulary.json": (b'{"CUSTOM_MASK": 0}', "a vocabulary.*vocabulary='vocabulary.json'"),
    "model.json": (b'{"modelTopology": {}, "weightsManifest": []}', "TensorFlow.js.*tensorflowjs_converter"),
    "list.json": (b"[1, 2]", "a JSON file, not weights"),
    "other.json": (b'{"a": "b"}', "a JSON file, not weights"),
    "pointer.safetensors": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "Git LFS.*git lfs pull",
    ),
    "pointer.bin": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS.*git lfs pull"),
    "page.hdf5": (b"\n<!DOCTYPE html><html></html>", "a web page"),
    "weights.h5.gz": (b"\x1f\x8b\x08" + bytes(9), "gzip"),
    "saved.zip": (zip_of(m__saved_model_pb=b"x").replace(b"_pb", b".pb"), "a zip file with a TensorFlow SavedModel"),
}


@pytest.mark.parametrize("label", FILES)
def test_named_with_the_way_out(tmp_path, label, capsys):
    content, said = FILES[label]
    path = tmp_path / label
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"{label}: (cannot be read as PyTorch weights: .*)?{said}|{said}") as error:
        npmoji.load(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 500 + len(str(tmp_path)) * 2
    assert cli.main(["score", "a", "--weights", str(path)]) == 2
    assert capsys.readouterr().err == f"npmoji: error: {message}\n"


def test_a_torch_checkpoint_of_more_than_weights(tmp_path):
    tensors, storages = plain({"a.weight": np.ones(3, np.float32)})
    for entries in ({"epoch": 3, "model": tensors}, {"model": tensors, "epoch": 3}):
        (tmp_path / "c.pt").write_bytes(zipped(dumped(entries), storages))
        with pytest.raises(
            WeightsError, match=r"a checkpoint of which 'model' is the state dict; .*checkpoint\['model'\]"
        ):
            npmoji.load(tmp_path / "c.pt")
    (tmp_path / "c.pt").write_bytes(zipped(dumped({"epoch": 3, "empty": EMPTY}), {}))
    with pytest.raises(WeightsError, match="the entry 'epoch' is a int"):
        npmoji.load(tmp_path / "c.pt")


def test_folders(tmp_path):
    def refused(path):
        with pytest.raises(WeightsError) as error:
            npmoji.load(path)
        assert str(error.value).startswith(str(path))
        return str(error.value)

    saved = tmp_path / "saved"
    (saved / "variables").mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"x")
    (saved / "variables" / "variables.index").write_bytes(b"x")
    assert "a folder with a TensorFlow SavedModel" in refused(saved) and "load_checkpoint" in refused(saved)
    assert "a folder with a TensorFlow checkpoint" in refused(saved / "variables")
    (saved / "keras_metadata.pb").write_bytes(b"x")
    assert "tf_keras.models.load_model" in refused(saved)
    prefix = saved / "variables" / "variables"  # as TensorFlow names a checkpoint: no file of that name
    assert f"load_weights('{prefix}')" in refused(prefix)
    other = tmp_path / "other"
    other.mkdir()
    assert "directory" in refused(other)
    (other / "pytorch_model.bin").write_bytes(b"x")
    assert "give the weights file in it: 'pytorch_model.bin'" in refused(other)


def test_damaged_files_are_not_named_as_something_else(small, tmp_path):
    """What is of a kind that is read keeps its reader's word for what is wrong."""
    content = small[0].read_bytes()
    path = tmp_path / "m.hdf5"
    for size in (3, 9, 100, 1000, 50_000):
        path.write_bytes(content[:size])
        with pytest.raises(WeightsError, match="HDF5|truncated") as error:
            npmoji.load(path)
        assert error.value.__cause__ is not None
    path.write_bytes(b"CUSTOM_MASK\n" * 100)
    with pytest.raises(WeightsError, match="not an HDF5 file"):
        npmoji.load(path)


@pytest.mark.parametrize(
    "content",
    [field(1, 8) + b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x08", b"\x0b\x0c", b"\x00\x00", b"\xff" * 40],
)
def test_messages_that_are_none(tmp_path, content):
    (tmp_path / "x.pb").write_bytes(content)
    with pytest.raises(WeightsError, match="HDF5"):
        npmoji.load(tmp_path / "x.pb")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(WeightsError, match="pipe"):
        npmoji.load(tmp_path / "pipe.onnx")
