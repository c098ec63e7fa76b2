"""`npmoji.compat.deepmoji_onnx`: deepmoji-onnx's classes, with its signatures and shapes."""

import doctest
import inspect
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

import npmoji
from npmoji import EMOJIS, InputError, VocabularyError, WeightsError, sources
from npmoji.compat import deepmoji_onnx
from npmoji.compat.deepmoji_onnx import DeepMojiONNX, DeepMojiTokenizer

TEXTS = ["I love mom's cooking", "this is the worst day ever !", "so soooo tired"]
BUNDLED = sources.bundled()
VOCABULARY = sources.vocabulary_beside(BUNDLED)


@pytest.fixture
def clean():
    """Without the modules that `install` puts in place, afterwards."""
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "deepmoji_onnx"]:
        del sys.modules[name]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Nothing downloaded, and a folder with weights and vocabulary."""
    monkeypatch.setenv("NPMOJI_HOME", str(tmp_path / "home"))
    (tmp_path / "cache").mkdir()
    shutil.copy(BUNDLED, tmp_path / "cache" / "deepmoji_weights.hdf5")
    shutil.copy(VOCABULARY, tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def wanted():
    return npmoji.load(engine="numpy")


def test_signatures():
    """Positional arguments and their defaults, as deepmoji-onnx 0.1 has them."""
    positional = {
        DeepMojiONNX.__init__: "self model_path vocab_path emoji_path=None maxlen=30 providers=None",
        DeepMojiONNX.from_pretrained: "variant='fp32' cache_dir=None maxlen=30 providers=None",
        DeepMojiONNX.predict: "self sentences",
        DeepMojiONNX.encode: "self sentences",
        DeepMojiONNX.top_emojis: "self sentences k=5",
        DeepMojiTokenizer.__init__: "self vocab_path maxlen=30 mask_value=0 unk_value=1",
        DeepMojiTokenizer.tokenize: "self sentences",
    }
    for function, names in positional.items():
        found = [
            one.name + ("" if one.default is one.empty else f"={one.default!r}")
            for one in inspect.signature(function).parameters.values()
            if one.kind is one.POSITIONAL_OR_KEYWORD
        ]
        assert " ".join(found) == names


def test_probabilities_in_mode_emoji(cache, wanted):
    moji = DeepMojiONNX.from_pretrained("fp32", cache, engine="numpy")
    for found in (moji.predict(TEXTS), moji.encode(TEXTS)):
        assert found.dtype == np.float32 and np.array_equal(found, wanted.predict(TEXTS))
    assert moji.predict([]).shape == (0, 64)
    assert "mode='emoji'" in repr(moji)


def test_features_in_mode_feature(cache, wanted):
    moji = DeepMojiONNX.from_pretrained(cache_dir=str(cache), mode="feature", engine="numpy")
    for found in (moji.predict(TEXTS), moji.encode(TEXTS)):
        assert found.shape == (3, 320) and np.array_equal(found, wanted.encode(TEXTS))
    with pytest.raises(InputError, match="no probabilities; use mode='emoji'"):
        moji.top_emojis(TEXTS)


def test_weights_without_a_last_layer_give_features(tmp_path, wanted):
    from npmoji.formats import keras_write

    layers = {name: arrays for name, arrays in wanted.contents.layers.items() if name != "softmax"}
    with open(tmp_path / "features.hdf5", "wb") as file:
        keras_write.write(file, wanted.contents._replace(layers=layers))
    moji = DeepMojiONNX(tmp_path / "features.hdf5", VOCABULARY, engine="numpy")
    assert np.array_equal(moji.encode(TEXTS), wanted.encode(TEXTS))


def test_top_emojis(cache, wanted):
    best = DeepMojiONNX.from_pretrained(cache_dir=cache, engine="numpy").top_emojis(TEXTS, k=3)
    assert [list(one.items()) for one in best] == [
        [(p.emoji, p.probability) for p in row] for row in wanted.top(TEXTS, 3)
    ]
    numbers = DeepMojiONNX(BUNDLED, VOCABULARY, engine="numpy").top_emojis(TEXTS)
    assert [list(one) for one in numbers] == [[str(p.id) for p in row] for row in wanted.top(TEXTS)]
    assert all(type(p) is float for one in numbers for p in one.values())


def test_top_emojis_by_names_of_ones_own(tmp_path, wanted):
    """Two classes may have one name: the better one counts, in its place."""
    first, second, third = (p.id for p in wanted.top(TEXTS[:1], 3)[0])
    names = {str(number): f":{number}:" for number in range(64)} | {str(first): ":same:", str(third): ":same:"}
    path = tmp_path / "emoji_codes.json"
    path.write_text(json.dumps(names))
    (best,) = DeepMojiONNX(BUNDLED, VOCABULARY, path, engine="numpy").top_emojis(TEXTS[:1], k=3)
    probabilities = wanted.predict(TEXTS[:1])[0]
    assert list(best.items()) == [(":same:", probabilities[first]), (f":{second}:", probabilities[second])]
    for wrong in ("[]", "{", '{"a": "b"}'):
        path.write_text(wrong)
        with pytest.raises(InputError, match="emoji_codes.json: expected JSON, the names of the classes"):
            DeepMojiONNX(BUNDLED, VOCABULARY, path)


@pytest.mark.parametrize("variant", ["fp16", "int8"])
def test_variants_are_precisions(cache, variant):
    moji = DeepMojiONNX.from_pretrained(variant, cache, engine="numpy")
    assert moji.model.precision == variant
    assert np.array_equal(moji.predict(TEXTS), npmoji.load(precision=variant, engine="numpy").predict(TEXTS))


def test_maxlen(cache):
    moji = DeepMojiONNX.from_pretrained(cache_dir=cache, maxlen=2, engine="numpy")
    short = npmoji.load(maxlen=2, engine="numpy")
    assert np.array_equal(moji.predict(TEXTS), short.predict(TEXTS))


def test_what_is_downloaded_is_found(cache, wanted):
    """torchMoji's weights, else the original ones; the bundled model never stands in."""
    with pytest.raises(WeightsError, match="weights downloaded yet: run `npmoji download torchmoji`; or by hand"):
        DeepMojiONNX.from_pretrained()
    for name in ("original", "torchmoji"):
        os.makedirs(os.path.dirname(sources.weights_path(name)))
        shutil.copy(BUNDLED, sources.weights_path(name))
        shutil.copy(VOCABULARY, sources.vocabulary_path(name))
        moji = DeepMojiONNX.from_pretrained(engine="numpy")
        assert moji.model.path == sources.weights_path(name)
        assert np.array_equal(moji.predict(TEXTS), wanted.predict(TEXTS))


def test_errors(cache, tmp_path):
    with pytest.raises(ValueError, match="variant 'fp64': expected one of fp32, fp16, int8"):
        DeepMojiONNX.from_pretrained("fp64")
    with pytest.raises(InputError, match="mode 'features': expected one of emoji, feature"):
        DeepMojiONNX.from_pretrained(cache_dir=cache, mode="features")
    with pytest.raises(WeightsError, match="has neither pytorch_model.bin nor deepmoji_weights.hdf5"):
        DeepMojiONNX.from_pretrained(cache_dir=tmp_path)
    with pytest.raises(WeightsError, match="deepmoji_fp32.onnx: an ONNX file, which npmoji does not read"):
        DeepMojiONNX("deepmoji_fp32.onnx", VOCABULARY)
    with pytest.raises(WeightsError, match="nowhere.bin"):
        DeepMojiONNX("nowhere.bin", VOCABULARY)
    with pytest.raises(VocabularyError, match="nowhere.json"):
        DeepMojiONNX(BUNDLED, "nowhere.json")
    moji = DeepMojiONNX.from_pretrained(cache_dir=cache, engine="numpy")
    with pytest.raises(InputError, match="one str: pass a list"):
        moji.predict("love")


def test_the_tokenizer():
    tokens, lengths = DeepMojiTokenizer(VOCABULARY, maxlen=6).tokenize([*TEXTS[:1], "", "so " * 9])
    assert tokens.dtype == lengths.dtype == np.int64
    assert np.array_equal(tokens, npmoji.Tokenizer(VOCABULARY, 6)([*TEXTS[:1], "", "so " * 9]))
    assert lengths.tolist() == [4, 1, 6]  # a text without words counts as one
    other, _ = DeepMojiTokenizer(VOCABULARY, 3, mask_value=9, unk_value=8).tokenize(["so xyzzyx"])
    assert other[0, 1:].tolist() == [8, 9]
    empty, none = DeepMojiTokenizer(VOCABULARY).tokenize([])
    assert empty.shape == (0, 30) and none.shape == (0,)
    assert DeepMojiTokenizer(VOCABULARY).vocab["CUSTOM_UNKNOWN"] == 1
    assert repr(DeepMojiTokenizer(VOCABULARY)) == "DeepMojiTokenizer(vocab_size=8884, maxlen=30)"


def test_unchanged_imports_without_onnx_runtime_and_pytorch(cache):
    code = (
        "import sys; sys.modules['onnxruntime'] = sys.modules['torch'] = None\n"
        "import npmoji.compat.deepmoji_onnx as module; module.install()\n"
        "from deepmoji_onnx import DeepMojiONNX\n"
        "from deepmoji_onnx.tokenizer import DeepMojiTokenizer\n"
        f"moji = DeepMojiONNX.from_pretrained(cache_dir={str(cache)!r})\n"
        f"print(ascii(list(moji.top_emojis({TEXTS[:1]!r}, k=1)[0])))\n"
        "assert not {'numba', 'npmoji.learn', 'npmoji.cli'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (ascii([EMOJIS[36]]), "")


def test_the_examples_print_what_they_say(clean):
    assert doctest.testmod(deepmoji_onnx, extraglobs={"np": np, "npmoji": npmoji}).failed == 0
