"""`npmoji convert`: one file with everything, which gives the same bits as what it was made from; and back to Keras."""

import json
import mmap
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import DATA, SHARED, model_cases, needs_shared

import npmoji
from npmoji import cli, formats
from npmoji.errors import InputError, NpmojiError, VocabularyError, WeightsError
from npmoji.export.convert import convert
from npmoji.formats import keras_write, npmoji_file, safetensors
from npmoji.precision import Int8Array, int8
from npmoji.text.vocabulary import SPECIAL_WORDS, Vocabulary, WordText

PRECISIONS = ("fp32", "fp16", "int8")
ENGINES = ("numpy", "numba")
CASES = model_cases()


@pytest.fixture
def original(small, toy_vocabulary, tmp_path) -> Path:
    """The small model in a folder of its own, with a vocabulary beside it."""
    folder = tmp_path / "original"
    folder.mkdir()
    shutil.copy(small[0], folder / "weights.hdf5")
    (folder / "vocabulary.json").write_text(json.dumps(toy_vocabulary))
    return folder / "weights.hdf5"


def converted(source, folder, precision=None, **options) -> Path:
    target = Path(folder) / f"{precision}.safetensors"
    convert(str(source), str(target), precision, **options)
    return target


def same_predictions(ours, theirs, tokens):
    for layer in ("activation", "bi_lstm_0", "bi_lstm_1", "attlayer", "softmax"):
        np.testing.assert_array_equal(ours[layer](tokens), theirs[layer](tokens))
    np.testing.assert_array_equal(ours.predict(tokens), theirs.predict(tokens))


# -- the same bits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("weights, golden", CASES, ids=[f"{w.parent.name}-{w.stem}" for w, _ in CASES])
def test_bits_of_the_source_in_that_precision(weights, golden, precision, tmp_path):
    tokens = np.load(golden)["tokens"]
    target = converted(weights, tmp_path, precision)
    for engine in ENGINES:
        theirs = npmoji.load(weights, engine=engine, precision=precision)
        ours = npmoji.load(target, engine=engine)
        assert ours.precision == precision
        same_predictions(ours, theirs, tokens)


OTHERS = [
    path
    for place in (DATA / "models", *([SHARED / "goldens" / "models"] if SHARED else []))
    for path in sorted(place.glob("seed*/model*"))
    if path.suffix in (".h5", ".keras") and path.name != "model.weights.h5"
]


def inputs_for(model, rows=3, steps=6):
    """Random values for every input of a network."""
    rng, values = np.random.default_rng(2), {}
    for layer in model.graph.inputs:
        shape = (rows, *(size or steps for size in layer.shape or (None,)))
        ids = layer.vocabulary_size
        values[layer.name] = rng.integers(0, ids, shape) if ids else rng.standard_normal(shape).astype(np.float32)
    return values


@pytest.mark.parametrize("weights", OTHERS, ids=[f"{path.parent.name}-{path.name}" for path in OTHERS])
def test_other_networks(weights, tmp_path):
    for precision in PRECISIONS:
        target = converted(weights, tmp_path, precision)
        for engine in ENGINES:
            theirs, ours = npmoji.load(weights, engine=engine, precision=precision), npmoji.load(target, engine=engine)
            np.testing.assert_array_equal(ours.predict(inputs_for(ours)), theirs.predict(inputs_for(ours)))
    convert(str(tmp_path / "fp32.safetensors"), str(tmp_path / "back.h5"))
    theirs, ours = npmoji.load(weights, engine="numpy"), npmoji.load(tmp_path / "back.h5", engine="numpy")
    np.testing.assert_array_equal(ours.predict(inputs_for(ours)), theirs.predict(inputs_for(ours)))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("stored", PRECISIONS)
@pytest.mark.parametrize("asked", PRECISIONS)
def test_any_precision_of_any_file(small, tmp_path, stored, asked, engine):
    """What is stored in less than float32 is float32 of the rounded weights, in whatever precision it is then used."""
    tokens = small[1]["tokens"]
    first = converted(small[0], tmp_path, stored)
    back = tmp_path / "back.hdf5"
    convert(str(first), str(back))
    same_predictions(
        npmoji.load(first, engine=engine, precision=asked), npmoji.load(back, engine=engine, precision=asked), tokens
    )
    second = tmp_path / "second.safetensors"
    convert(str(first), str(second), asked)
    same_predictions(npmoji.load(second, engine=engine), npmoji.load(first, engine=engine, precision=asked), tokens)


def test_int8_is_not_rounded_twice(small, tmp_path):
    first = converted(small[0], tmp_path, "int8")
    convert(str(first), str(tmp_path / "again.safetensors"))
    once, again = (
        formats.read(path).layers["bi_lstm_1"]["forward_kernel"] for path in (first, tmp_path / "again.safetensors")
    )
    np.testing.assert_array_equal(once.values, again.values)
    np.testing.assert_array_equal(once.scales, again.scales)


# -- what the file holds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_public_package_reads_it(original, small, tmp_path, toy_vocabulary, precision):
    public = pytest.importorskip("safetensors")
    target = converted(original, tmp_path, precision)
    contents = formats.read(small[0])
    with public.safe_open(target, framework="np") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dict)
    for name, place in (
        ("embedding/embeddings", 0),
        ("bi_lstm_0/forward_kernel", 0),
        ("bi_lstm_1/backward_recurrent_kernel", 4),
    ):
        array = list(contents.layers[name.partition("/")[0]].values())[place]
        if precision == "int8" and name.startswith("bi_lstm_1"):
            wanted = int8(array)
            np.testing.assert_array_equal(tensors[name], wanted.values)
            np.testing.assert_array_equal(tensors[name + "_scale"], wanted.scales)
            assert (
                np.abs(tensors[name] * tensors[name + "_scale"] - array).max() <= tensors[name + "_scale"].max() * 0.501
            )
        else:
            np.testing.assert_array_equal(
                tensors[name], array.astype(np.float32 if precision == "fp32" else np.float16)
            )
    for name in ("bi_lstm_0/forward_bias", "attlayer/kernel", "softmax/kernel", "softmax/bias"):
        assert tensors[name].dtype == np.float32
    assert metadata["format"] == "npmoji 1" and metadata["precision"] == precision
    assert metadata["keras_version"] == contents.keras_version and metadata["npmoji_version"] == npmoji.__version__
    listed = json.loads(metadata["layers"])
    assert [layer for layer, _ in listed] == list(contents.layers)
    assert sum(len(names) for _, names in listed) + sum(name.endswith("_scale") for name in tensors) == len(tensors)
    assert json.loads(metadata["classes"]) == list(npmoji.EMOJIS)
    assert metadata["vocabulary"] == f" {' '.join(toy_vocabulary)} "
    assert json.loads(metadata["references"])["texts"][0] == "I love mom's cooking"


def test_smaller_files(small, tmp_path):
    full, half, byte = (converted(small[0], tmp_path, precision).stat().st_size for precision in PRECISIONS)
    assert full > half > byte


def test_the_same_bytes_again(original, tmp_path):
    for name in ("a.safetensors", "a.hdf5"):
        contents = []
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir(exist_ok=True)
            convert(str(original), str(tmp_path / folder / name))
            contents.append((tmp_path / folder / name).read_bytes())
        assert contents[0] == contents[1]


def test_texts_need_no_second_file(original, tmp_path, toy_vocabulary):
    texts = ["I love mom's cooking", "this is so funny lol! unknownword", ""]
    wanted = npmoji.load(original).predict(texts)
    target = converted(original, tmp_path)
    shutil.rmtree(original.parent)
    model = npmoji.load(target)
    np.testing.assert_array_equal(model.predict(texts), wanted)
    assert model.tokenizer.vocabulary == toy_vocabulary


def test_the_vocabulary_given_or_carried_goes_before_the_one_beside(original, tmp_path, toy_vocabulary):
    words = list(toy_vocabulary)
    other = dict(zip([*words[:10], *reversed(words[10:])], range(len(words))))
    (tmp_path / "other.json").write_text(json.dumps(other))
    target = converted(original, original.parent, vocabulary=str(tmp_path / "other.json"))
    assert npmoji.load(target).tokenizer.vocabulary == other
    again = original.parent / "again.safetensors"
    convert(str(target), str(again))  # with vocabulary.json beside it
    assert npmoji.load(again).tokenizer.vocabulary == other
    assert npmoji.load(again, vocabulary=toy_vocabulary).tokenizer.vocabulary == toy_vocabulary


def test_without_a_vocabulary(small, tmp_path, capsys):
    target = converted(small[0], tmp_path)
    assert "no vocabulary" in capsys.readouterr().err
    assert npmoji.load(target).tokenizer is None


def test_references_are_kept(original, tmp_path):
    from npmoji.checks.verify import verify

    target = converted(original, tmp_path, "fp32")
    model = npmoji.load(target)
    assert verify(model).passed and verify(model).checked == "stored"
    smaller = tmp_path / "int8.safetensors"
    convert(str(target), str(smaller), "int8")
    kept = npmoji.load(smaller).references
    assert kept.pop("stored_sha256") and kept == model.references and verify(npmoji.load(smaller)).passed
    keras = tmp_path / "back.hdf5"
    convert(str(target), str(keras))
    assert npmoji.load(keras).references == model.references and verify(npmoji.load(keras)).passed


@pytest.mark.parametrize("target", ["fp32.safetensors", "fp16.safetensors", "keras.hdf5"])
def test_weights_that_were_rounded_more_get_results_of_their_own(original, tmp_path, target):
    """Those of the source's source are further away than the precision of the new file allows."""
    from npmoji.checks.verify import verify

    first = converted(original, tmp_path, "int8")
    with_vocabulary = original.parent / target
    convert(str(first), str(with_vocabulary), None if target.startswith("keras") else target[:4])
    verdict = verify(npmoji.load(with_vocabulary))
    assert verdict.passed, verdict.lines
    assert any("all weights" in line for line in verdict.lines)
    assert npmoji.load(with_vocabulary).references["probabilities"] != npmoji.load(first).references["probabilities"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_one_altered_number_is_noticed_in_any_precision(original, tmp_path, precision):
    from npmoji.checks.verify import verify

    target = converted(original, tmp_path, precision)
    assert verify(npmoji.load(target)).passed
    content = bytearray(target.read_bytes())
    content[-1] ^= 1  # the last bit of some tensor
    target.write_bytes(content)
    verdict = verify(npmoji.load(target))
    assert not verdict.passed and [line for line in verdict.lines if "FAIL  all weights" in line]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_arrays_stay_in_the_file(small, tmp_path, precision):
    model = npmoji.load(converted(small[0], tmp_path, precision))
    arrays = [model["embedding"].embeddings, model["softmax"].kernel]
    kernel = model["bi_lstm_1"].ahead.kernel
    arrays.append(kernel.values if isinstance(kernel, Int8Array) else kernel)
    for array in arrays:
        while isinstance(array, np.ndarray):
            array = array.base
        assert isinstance(memoryview(array).obj, mmap.mmap)


def test_no_hdf5_is_imported(original, tmp_path):
    target = converted(original, tmp_path, "fp16")
    code = f"import npmoji, sys; npmoji.load({str(target)!r}).top(['I love it']); print(*sys.modules)"
    path = os.pathsep.join([str(Path(npmoji.__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, check=True, capture_output=True, text=True
    )
    assert not {"h5py", "numba", "npmoji.formats.keras_hdf5"} & set(result.stdout.split())


# -- back to Keras ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [w for w, _ in CASES], ids=[f"{w.parent.name}-{w.stem}" for w, _ in CASES])
def test_keras_hdf5_and_back(weights, tmp_path):
    convert(str(weights), str(tmp_path / "a.safetensors"))
    convert(str(tmp_path / "a.safetensors"), str(tmp_path / "b.h5"))
    first, last = formats.read(weights), formats.read(tmp_path / "b.h5")
    assert list(first.layers) == list(last.layers) and first.config == last.config
    assert first.version == last.version and first.holds_masked_outputs == last.holds_masked_outputs
    for name, arrays in first.layers.items():
        assert [array.tobytes() for array in arrays.values()] == [
            array.tobytes() for array in last.layers[name].values()
        ]


@pytest.mark.parametrize("path", sorted((DATA / "keras").glob("*/*.keras")), ids=lambda path: path.parent.name)
def test_layers_in_the_order_of_the_model(path, tmp_path):
    """Keras tells layers by their order, which Keras 3's files do not keep."""
    file = formats.read(path)
    with open(tmp_path / "w.h5", "wb") as out:
        keras_write.write(out, file)
    found = list(dict.fromkeys(name.partition("/")[0] for name in formats.read(tmp_path / "w.h5").layers))
    entries = file.config["config"]["layers"]
    names = [layer.get("name") or layer["config"]["name"] for layer in entries]
    assert found == [name for name in names if name in found] and len(found) > 1


def test_the_layout_is_keras(original, tmp_path):
    convert(str(original), str(tmp_path / "a.hdf5"))
    with h5py.File(original) as theirs, h5py.File(tmp_path / "a.hdf5") as ours:
        assert ours.attrs["layer_names"].dtype.kind == "S"
        np.testing.assert_array_equal(ours.attrs["layer_names"], theirs.attrs["layer_names"])
        assert ours.attrs["keras_version"] == b"2.0.5"
        for layer in theirs:
            names = ours[layer].attrs["weight_names"]
            assert len(names) == len(theirs[layer].attrs["weight_names"])
            for name, other in zip(names, theirs[layer].attrs["weight_names"]):
                np.testing.assert_array_equal(ours[layer][name], theirs[layer][other])
                assert ours[layer][name].dtype == np.float32 and ours[layer][name].chunks is None


def test_a_full_model_keeps_its_config(original, tmp_path):
    inner = {"name": "bi_lstm_0", "layer": {"config": {"recurrent_activation": "sigmoid"}}}
    config = {"class_name": "Model", "config": {"layers": [{"config": inner}], "long": "x" * 100_000}}
    source = tmp_path / "full.hdf5"
    with h5py.File(original) as old, h5py.File(source, "w") as new:
        old.copy(old, new, "model_weights")
        new.attrs["keras_version"], new.attrs["model_config"] = b"2.15.0", json.dumps(config)
    tokens = np.array([[11, 0, 12, 13]])
    wanted = npmoji.load(source).predict(tokens)
    assert (wanted != npmoji.load(original).predict(tokens)).any()
    for name in ("a.safetensors", "b.hdf5"):
        convert(str(source), str(tmp_path / name))
        source = tmp_path / name
        np.testing.assert_array_equal(npmoji.load(source).predict(tokens), wanted)
        assert formats.read(source).config == config
    with h5py.File(source) as file:
        assert file.attrs["keras_version"] == b"2.15.0" and len(file["model_weights"]) == 8


def test_many_layer_names_are_cut_into_parts(tmp_path):
    layers = {f"layer_{i}_{'x' * 500}": {} for i in range(300)} | {"last": {"0": np.ones((2, 3), np.float32)}}
    with open(tmp_path / "many.hdf5", "wb") as file:
        keras_write.write(file, formats.Contents("many", layers))
    with h5py.File(tmp_path / "many.hdf5") as file:
        assert "layer_names" not in file.attrs and "layer_names2" in file.attrs
    found = formats.read(tmp_path / "many.hdf5")
    assert list(found.layers) == list(layers) and found.layers["last"]["0"].tolist() == [[1, 1, 1], [1, 1, 1]]
    with open(tmp_path / "no.hdf5", "wb") as file, pytest.raises(WeightsError, match="70000 bytes"):
        keras_write.write(file, formats.Contents("no", {"x" * 70_000: {}}))


def test_a_keras_file_needs_no_other(original, tmp_path, capsys, toy_vocabulary):
    convert(str(original), str(tmp_path / "a.hdf5"))
    (tmp_path / "vocabulary.json").write_text(json.dumps({**toy_vocabulary, "another": 99}))
    assert npmoji.load(tmp_path / "a.hdf5").tokenizer.vocabulary == toy_vocabulary
    assert capsys.readouterr().err == ""
    (original.parent / "vocabulary.json").unlink()
    convert(str(original), str(tmp_path / "b.hdf5"))
    assert "no vocabulary" in capsys.readouterr().err
    with pytest.raises(InputError, match="a.hdf5.*fp32, not fp16"):
        convert(str(original), str(tmp_path / "a.hdf5"), "fp16")


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_targets_that_are_refused(original, tmp_path):
    for name in ("a.npz", "safetensors", "a.safetensors.txt"):
        with pytest.raises(InputError, match=r"\.safetensors, \.hdf5, \.h5"):
            convert(str(original), str(tmp_path / name))
    link = tmp_path / "link.hdf5"
    link.symlink_to(original)
    for target in (original, link):
        with pytest.raises(InputError, match="is the file to be converted"):
            convert(str(original), str(target))
    with pytest.raises(InputError, match="cannot be written"):
        convert(str(original), str(tmp_path / "no such folder" / "a.safetensors"))
    with pytest.raises(InputError, match="precision 'int4'"):
        convert(str(original), str(tmp_path / "a.safetensors"), "int4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.hdf5", "original"]


def with_value(source, path, layer, value):
    shutil.copy(source, path)
    with h5py.File(path, "r+") as file:
        name = file[layer].attrs["weight_names"][0].decode()
        file[layer][name][3, 2] = value
    return str(path)


@pytest.mark.parametrize("value, precisions", [(np.nan, PRECISIONS), (np.inf, PRECISIONS), (65520.0, ("fp16", "int8"))])
@pytest.mark.parametrize("large", [100, 16 << 20])
def test_weights_that_are_refused(small, tmp_path, monkeypatch, value, precisions, large):
    """Also those of an embedding so large that it is not looked at when loaded."""
    monkeypatch.setattr(npmoji.deepmoji, "LARGE", large)
    for layer in ("embedding", "bi_lstm_0"):
        source = with_value(small[0], tmp_path / "bad.hdf5", layer, value)
        for precision in precisions:
            with pytest.raises(WeightsError, match=f"bad.hdf5.*'{layer}'"):
                convert(source, str(tmp_path / "a.safetensors"), precision)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.hdf5"]


def test_a_vocabulary_too_large_is_refused(original, tmp_path, toy_vocabulary):
    (tmp_path / "v.json").write_text(json.dumps({**toy_vocabulary, "far": 400}))
    with pytest.raises(VocabularyError, match="'far' has id 400"):
        convert(str(original), str(tmp_path / "a.safetensors"), vocabulary=str(tmp_path / "v.json"))
    assert not (tmp_path / "a.safetensors").exists()


def test_on_the_command_line(original, tmp_path, toy_vocabulary, capsys):
    target = tmp_path / "a.safetensors"
    assert cli.main(["convert", str(original), str(target), "--precision", "fp16"]) == 0
    assert cli.main(["score", "--weights", str(target), "I love it"]) == 0
    assert capsys.readouterr().out.startswith("I love it\n")
    assert cli.main(["verify", "--weights", str(target)]) == 0
    (original.parent / "vocabulary.json").unlink()
    assert cli.main(["info", "--weights", str(target)]) == 0
    assert f"in the weights file, {len(toy_vocabulary)} words" in capsys.readouterr().out
    assert cli.main(["convert", str(original), str(tmp_path / "a.zip")]) == 2
    assert "npmoji: error:" in capsys.readouterr().err


# -- damage -----------------------------------------------------------------------------------------------------------


def changed(path, tensors=None, **metadata):
    """The file with some of its tensors and texts replaced, or left out where None is given."""
    old, texts = safetensors.read(str(path))
    old, texts = {**old, **(tensors or {})}, {**texts, **metadata}
    target = path.with_name("changed.safetensors")
    with open(target, "wb") as file:
        safetensors.write(file, *({k: v for k, v in part.items() if v is not None} for part in (old, texts)))
    return target


DAMAGED = {
    "format": "npmoji 2", "precision": "fp8", "layers": "[", "config": "[]", "classes": "[1]", "references": "1",
    "vocabulary": " a b ",
}  # fmt: skip


@pytest.mark.parametrize("key, text", DAMAGED.items())
def test_damaged_metadata(original, tmp_path, key, text):
    with pytest.raises(NpmojiError, match=rf"changed.safetensors.*{key}|{key}.*changed.safetensors"):
        npmoji.load(changed(converted(original, tmp_path), **{key: text}))


@pytest.mark.parametrize(
    "layers, message",
    [
        (None, "'layers' is missing"),
        ("{}", "expected a list"),
        ('["embedding"]', r"expected \[layer"),
        ('[["embedding", [1]]]', "expected texts"),
        ('[["embedding", []], ["embedding", []]]', "'embedding' comes twice"),
        ('[["embedding", ["no"]]]', "'no' is missing"),
        ('[["embedding", ["embedding/embeddings"]]]', "belongs to no layer"),
    ],
)
def test_damaged_layers(original, tmp_path, layers, message):
    with pytest.raises(WeightsError, match=f"changed.safetensors.*{message}"):
        npmoji.load(changed(converted(original, tmp_path), layers=layers))


def test_damaged_tensors(original, tmp_path):
    path = converted(original, tmp_path, "int8")
    name = "bi_lstm_1/forward_kernel"
    tensors, _ = safetensors.read(str(path))
    low, scale = tensors[name].copy(), tensors[name + "_scale"].copy()
    low[3, 4], scale[5] = -128, np.nan
    for change, message in [
        ({name: tensors[name].astype(np.int16)}, "int16, expected float32, float16 or int8"),
        ({name + "_scale": None}, "needs two axes"),
        ({name + "_scale": scale[:-1]}, "needs two axes"),
        ({name + "_scale": scale.astype(np.float16)}, "needs two axes"),
        ({name + "_scale": scale}, "'bi_lstm_1'.*NaN"),
        ({name: low}, "-128"),
        ({name: low[:-1] // 2}, "'bi_lstm_1.*shape"),
        ({"softmax/kernel": np.full(tensors["softmax/kernel"].shape, np.inf, np.float16)}, "'softmax'.*infinite"),
        ({"more": np.ones(3, np.float32)}, "'more' belongs to no layer"),
    ]:
        with pytest.raises(WeightsError, match=f"changed.safetensors.*{message}"):
            npmoji.load(changed(path, change))


def test_other_small_types_are_used_as_float32(original, tmp_path):
    """A file of our layout that somebody else wrote with halves or bytes where we write none."""
    path = converted(original, tmp_path, "fp32")
    tensors, _ = safetensors.read(str(path))
    stored = int8(tensors["embedding/embeddings"])
    changes = {name: tensors[name].astype(np.float16) for name in ("softmax/kernel", "softmax/bias", "attlayer/kernel")}
    changes |= {"bi_lstm_0/forward_bias": tensors["bi_lstm_0/forward_bias"].astype(np.float16)}
    changes |= {"embedding/embeddings": stored.values, "embedding/embeddings_scale": stored.scales}
    rounded = {name: array.astype(np.float32) for name, array in changes.items() if name in tensors}
    rounded["embedding/embeddings"] = np.asarray(stored)
    tokens = np.array([[11, 12, 0, 14]])
    wanted = [npmoji.load(changed(path, rounded), engine=engine).predict(tokens) for engine in ENGINES]
    found = [npmoji.load(changed(path, changes), engine=engine).predict(tokens) for engine in ENGINES]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_flipped_bytes_load_or_are_told(original, tmp_path, precision):
    content = converted(original, tmp_path, precision).read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    random = np.random.default_rng(6)
    path, loaded = tmp_path / "flipped.safetensors", 0
    for round_ in range(400):
        damaged = bytearray(content)
        for at in random.integers(0, end, 1 + round_ % 3):
            damaged[at] = random.integers(0, 256) if round_ % 2 else damaged[at] ^ (1 << random.integers(0, 8))
        path.write_bytes(damaged[: random.integers(0, len(damaged))] if round_ % 10 == 0 else damaged)
        try:
            model = npmoji.load(path, engine="numpy")
            model.predict(["I love mom's cooking"] if model.tokenizer else [[1, 2]])
            loaded += 1
        except NpmojiError:
            pass
    assert 0 < loaded < 400


# -- vocabularies as one text -----------------------------------------------------------------------------------------


def words_of(*extra):
    return {word: i for i, word in enumerate([*SPECIAL_WORDS, *extra])}


def test_a_text_of_words_is_searched():
    words = words_of(*(f"word{i}" for i in range(20_000)), '"', "\\", "\n", "a\tb", "é", "\U0001f602", "ord1", "\u00a0")
    text = WordText.of(words)
    assert text.text.startswith(" CUSTOM_MASK CUSTOM_UNKNOWN ") and text.text.endswith(" ord1 \u00a0 ")
    vocabulary = Vocabulary(text)
    asked = [
        *list(words)[-12:],
        "CUSTOM_MASK",
        "word0",
        "word1",
        "word",
        "",
        " ",
        "word1 word2",
        "\ud800",
        "ord",
        "CUSTOM_AT",
    ]
    assert [vocabulary.id(word) for word in asked] == [words.get(word, 1) for word in asked]
    assert vocabulary._words is None and len(vocabulary) == len(words) and vocabulary.largest()[1] == len(words) - 1
    assert [vocabulary.id(word) for word in asked * 4] == [words.get(word, 1) for word in asked * 4]
    assert vocabulary.words == words  # by now it was worth splitting


@pytest.mark.parametrize(
    "words",
    [
        words_of("a b"),
        words_of(""),
        words_of("\ud800"),
        words_of() | {"far": 77},
        {"CUSTOM_MASK": 0, "CUSTOM_UNKNOWN": 1, "only": 2},
        dict(reversed(words_of("x").items())),
    ],
    ids=["space", "empty", "surrogate", "gap", "few", "order"],
)
def test_other_vocabularies_are_kept_as_json(words):
    text = WordText.of(words)
    text.text.encode("utf-8")
    assert text.text.startswith("{") and Vocabulary(text).words == words


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "not JSON"),
        (" ", "damaged, expected 10 to 65535 words"),
        (f" {' '.join(words_of('a'))}", "damaged"),
        (f" {' '.join(words_of('a'))}  b ", "damaged"),
        (f" a {' '.join(words_of())} ", "special words"),
        (f" {' '.join(words_of(*map(str, range(65_526))))} ", "damaged, expected"),
        ('{"a": 0}', "CUSTOM_MASK is missing"),
    ],
)
def test_damaged_texts_of_words(text, message):
    with pytest.raises(VocabularyError, match=f"a file: .*{message}"):
        Vocabulary(WordText(text, "a file"))


def test_a_word_twice_in_a_text_of_words():
    vocabulary = Vocabulary(WordText(f" {' '.join(words_of('a', 'b'))} a "))
    with pytest.raises(VocabularyError, match="13 words, but only 12 different ones"):
        vocabulary.words  # noqa: B018


# -- full size --------------------------------------------------------------------------------------------------------


@needs_shared
def test_full_size(full_size_weights, tmp_path):
    tokens = np.load(SHARED / "goldens" / "tokenizer" / "benchmark_ids.npz")["SS-Twitter"][:40]
    for precision, most in (("fp32", 90e6), ("fp16", 45.3e6), ("int8", 37e6)):
        target = converted(full_size_weights, tmp_path, precision)
        assert target.stat().st_size < most
        theirs = npmoji.load(full_size_weights, engine="numba", precision=precision).predict(tokens)
        np.testing.assert_array_equal(npmoji.load(target, engine="numba").predict(tokens), theirs)
        target.unlink()
    assert npmoji_file.FORMAT == "npmoji 1"
