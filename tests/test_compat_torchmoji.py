"""`npmoji.compat.torchmoji`: torchMoji's names, with the numbers and token ids of the genuine software."""

import copy
import doctest
import gzip
import importlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import DATA, ROOT

import npmoji
from npmoji import InputError, VocabularyError, WeightsError, sources
from npmoji.compat import torchmoji
from npmoji.compat.torchmoji import elsewhere, global_variables
from npmoji.compat.torchmoji.model_def import TorchMoji, torchmoji_emojis, torchmoji_feature_encoding
from npmoji.compat.torchmoji.sentence_tokenizer import SentenceTokenizer, coverage
from npmoji.compat.torchmoji.word_generator import WordGenerator

CASES = ["keras205_small", "keras205_padmax"]
WEIGHTS = DATA / "models" / CASES[0] / "weights.hdf5"
WORDS = {"CUSTOM_MASK": 0, "CUSTOM_UNKNOWN": 1, "i": 10, "love": 11, "it": 12, "soooo": 13, "soo": 14, "!!!": 15}

SCRIPT = """
import json
import helper
import numpy as np
from torchmoji.global_variables import PRETRAINED_PATH, VOCAB_PATH
from torchmoji.model_def import torchmoji_emojis, torchmoji_feature_encoding
from torchmoji.sentence_tokenizer import SentenceTokenizer

with open(VOCAB_PATH, 'r') as f:
    vocabulary = json.load(f)
st = SentenceTokenizer(vocabulary, 30)
tokenized, _, _ = st.tokenize_sentences(helper.SENTENCES)
model = torchmoji_emojis(PRETRAINED_PATH)
print(model)
prob = model(tokenized)
top = [np.argpartition(row, -5)[-5:] for row in prob]
encoding = torchmoji_feature_encoding(PRETRAINED_PATH)(tokenized)
np.savez(helper.OUT, tokenized=tokenized, prob=prob, encoding=encoding)
print(tokenized.dtype, prob.shape, encoding.shape, len(top))
"""
HELPER = """
import sys
SENTENCES = ["I love mom's cooking", "This is soooo good!!!", "I love how you never reply back.."]
OUT = sys.argv[1]
"""


@pytest.fixture
def clean():
    """Without the modules that `install` puts in place, before and after."""
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("torchmoji", "torchMoji", "deepmoji_onnx")]:
        del sys.modules[name]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Downloaded weights and vocabulary: the bundled ones in their place."""
    monkeypatch.setenv("NPMOJI_HOME", str(tmp_path / "home"))
    weights = sources.weights_path("torchmoji")
    os.makedirs(os.path.dirname(weights))
    shutil.copy(sources.bundled(), weights)
    shutil.copy(sources.vocabulary_beside(sources.bundled()), sources.vocabulary_path("torchmoji"))
    return tmp_path


def golden(case):
    return np.load(DATA / "torchmoji" / f"{case}.npz")


def state_dict(path=WEIGHTS):
    """The weights as torchMoji's state dict, of arrays."""
    layers = npmoji.load(path, engine="numpy").contents.layers
    state = {"embed.weight": np.array(layers["embedding"]["embeddings"])}
    for number in (0, 1):
        arrays = [np.array(array) for array in layers[f"bi_lstm_{number}"].values()]
        for end, (kernel, recurrent, bias) in (("l0", arrays[:3]), ("l0_reverse", arrays[3:])):
            state[f"lstm_{number}.weight_ih_{end}"] = kernel.T.copy()
            state[f"lstm_{number}.weight_hh_{end}"] = recurrent.T.copy()
            state[f"lstm_{number}.bias_ih_{end}"], state[f"lstm_{number}.bias_hh_{end}"] = bias, np.zeros_like(bias)
    state["attention_layer.attention_vector"] = np.array(layers["attlayer"]["kernel"])[:, 0]
    state["output_layer.0.weight"] = np.array(layers["softmax"]["kernel"]).T.copy()
    state["output_layer.0.bias"] = np.array(layers["softmax"]["bias"])
    return state


# Numbers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "numba", "torch"])
@pytest.mark.parametrize("case", CASES)
def test_same_numbers_as_torchmoji(case, engine):
    """Also for zeros inside and at the start, which are tokens there, and where padding has the largest logit."""
    if engine == "torch":
        pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    path, wanted = DATA / "models" / case / "weights.hdf5", golden(case)
    found, attention = torchmoji_emojis(path, return_attention=True, engine=engine)(wanted["tokens"])
    assert found.dtype == attention.dtype == np.float32
    features = torchmoji_feature_encoding(path, engine=engine)(wanted["tokens"])
    assert np.abs(found - wanted["probs"]).max() < 2e-6
    assert np.abs(features - wanted["features"]).max() < 1e-5
    assert np.abs(attention - wanted["attention"]).max() < 2e-6  # which the file has in the order of the rows
    plain = npmoji.load(path, engine=engine).predict(wanted["tokens"])
    assert np.abs(plain - wanted["probs"]).max() > 0.1  # the rows show the difference


def test_rows_do_not_depend_on_each_other():
    wanted = golden(CASES[0])
    model = torchmoji_emojis(WEIGHTS, return_attention=True, engine="numpy")
    whole, weights = model(wanted["tokens"])
    for row, ids in enumerate(wanted["tokens"]):
        one, attention = model(ids[None])
        length = np.flatnonzero(ids)[-1] + 1
        assert np.abs(one[0] - whole[row]).max() < 1e-6
        assert attention.shape == (1, length) and np.abs(attention[0] - weights[row, :length]).max() < 1e-6


def test_padding_only_gets_what_deepmoji_gives():
    ids = np.zeros((2, 5), np.uint16)
    ids[1, 0] = 7
    model = torchmoji_emojis(WEIGHTS, return_attention=True, engine="numpy")
    found, attention = model(ids)
    assert np.array_equal(found[0], npmoji.load(WEIGHTS, engine="numpy").predict(ids)[0])
    assert attention.shape == (2, 1) and attention.tolist() == [[0], [1]]
    found, attention = model(ids[:1])
    assert found.shape == (1, 64) and attention.shape == (1, 0)
    assert model(ids[:0])[0].shape == (0, 64)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "int64"])
def test_ids_of_any_integer_type_and_lists(dtype):
    ids, model = golden(CASES[0])["tokens"], torchmoji_emojis(WEIGHTS, engine="numpy")
    assert np.array_equal(model(ids.astype(dtype)), model(ids))
    assert np.array_equal(model(ids.tolist()), model(ids)) and np.array_equal(model.forward(ids), model(ids))


def test_switches_count_at_the_next_call():
    ids, model = golden(CASES[0])["tokens"], torchmoji_emojis(WEIGHTS, engine="numpy")
    probabilities = model(ids)
    model.feature_output = True
    features = model(ids)
    assert features.shape == (len(ids), 96)
    model.feature_output, model.return_attention = False, True
    assert np.array_equal(model(ids)[0], probabilities)
    assert np.abs(model.output_layer(features) - probabilities).max() < 1e-6


def test_what_modules_have_does_no_harm():
    ids, model = golden(CASES[0])["tokens"], torchmoji_emojis(WEIGHTS, engine="numpy")
    before = model(ids)
    assert model.eval().train(False).cpu().cuda(0).cuda().to("cuda:0").requires_grad_(False) is model
    assert list(model.parameters()) == [] and model.training is False
    assert np.array_equal(model(ids), before)
    assert "64, 400" in repr(model) and "weights.hdf5" in str(model)


def test_bad_input():
    model = torchmoji_emojis(WEIGHTS, engine="numpy")
    with pytest.raises(InputError, match=r"got texts: SentenceTokenizer.tokenize_sentences\(texts\)\[0\] gives them"):
        model(["I love it"])
    with pytest.raises(InputError, match="got texts"):
        model("I love it")
    with pytest.raises(InputError, match="row 0, step 1: token id 400 is outside the vocabulary"):
        model([[1, 400]])
    with pytest.raises(InputError, match="must be integers"):
        model(np.zeros((1, 3), np.float32))
    with pytest.raises(InputError, match=r"features.*\(rows, 96\), got \(2, 95\)"):
        model.output_layer(np.zeros((2, 95)))
    with pytest.raises(WeightsError, match="nowhere.bin"):
        torchmoji_emojis("nowhere.bin")
    other = next((DATA / "keras").rglob("*.h5"))
    with pytest.raises(WeightsError, match="not a DeepMoji network; npmoji.load gives this one"):
        torchmoji_emojis(other)


def test_weights_without_a_last_layer(tmp_path):
    from npmoji.formats import keras_write

    contents = npmoji.load(WEIGHTS, engine="numpy").contents
    path = tmp_path / "features.hdf5"
    with open(path, "wb") as file:
        keras_write.write(file, contents._replace(layers={k: v for k, v in contents.layers.items() if k != "softmax"}))
    ids = golden(CASES[0])["tokens"]
    encoder = torchmoji_feature_encoding(path, engine="numpy")
    assert np.array_equal(encoder(ids), torchmoji_feature_encoding(WEIGHTS, engine="numpy")(ids))
    with pytest.raises(WeightsError, match="ends at the attention layer; use torchmoji_feature_encoding"):
        torchmoji_emojis(path)
    with pytest.raises(WeightsError, match="no last layer"):
        encoder.output_layer(np.zeros((1, 96)))


# Weights from a state dict, copies, pickles ---------------------------------------------------------------------------


def test_a_state_dict():
    wanted = golden(CASES[0])
    model = TorchMoji(nb_classes=64, nb_tokens=400)
    with pytest.raises(WeightsError, match="no weights: load_state_dict gives it some"):
        model(wanted["tokens"])
    model.load_state_dict(state_dict())
    assert np.abs(model(wanted["tokens"]) - wanted["probs"]).max() < 2e-6
    logits = TorchMoji(64, 400, output_logits=True)
    logits.load_state_dict(state_dict())
    found = np.exp(logits(wanted["tokens"]))
    assert np.abs(found / found.sum(axis=1, keepdims=True) - wanted["probs"]).max() < 2e-6
    features = TorchMoji(None, 400, feature_output=True)
    features.load_state_dict(state_dict())
    assert np.abs(features(wanted["tokens"]) - wanted["features"]).max() < 1e-5


def test_state_dicts_that_do_not_fit():
    with pytest.raises(WeightsError, match="has 64 columns in the last layer, expected 1"):
        TorchMoji(2, 400).load_state_dict(state_dict())
    with pytest.raises(WeightsError, match="has 400 tokens, expected 50000"):
        TorchMoji(64, 50000).load_state_dict(state_dict())
    state = state_dict()
    state["lstm_0.weight_ih_l0"][0, 0] = np.nan
    with pytest.raises(WeightsError, match="the state dict given: .*NaN"):
        TorchMoji(64, 400).load_state_dict(state)
    del state["embed.weight"]
    with pytest.raises(WeightsError, match="missing 'embed.weight'"):
        TorchMoji(64, 400).load_state_dict(state)


@pytest.mark.parametrize("made", ["file", "state"])
def test_copies_and_pickles(made):
    ids = golden(CASES[1])["tokens"]
    path = DATA / "models" / CASES[1] / "weights.hdf5"
    if made == "file":
        model = torchmoji_emojis(path, return_attention=True, engine="numpy")
    else:
        model = TorchMoji(5, 120, return_attention=True)
        model.load_state_dict(state_dict(path))
    again = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model)), again):
        assert all(map(np.array_equal, other(ids), model(ids)))


def test_a_model_that_was_pickled_as_a_whole(clean):
    """PyTorch's pickles make an object of the class without arguments, then fill it."""
    torchmoji.install()
    with pytest.raises(WeightsError, match=r"save its weights alone, torch.save\(model.state_dict\(\)"):
        pickle.loads(b"\x80\x02ctorchmoji.model_def\nTorchMoji\n)\x81.")


# With and without PyTorch ---------------------------------------------------------------------------------------------


def test_tensors_in_tensors_out():
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    wanted = golden(CASES[0])
    model = torchmoji_emojis(WEIGHTS, return_attention=True, engine="numpy")
    found, attention = model(torch.from_numpy(wanted["tokens"].astype(np.int64)))
    assert isinstance(found, torch.Tensor) and found.dtype == attention.dtype == torch.float32
    assert np.abs(found.numpy() - wanted["probs"]).max() < 2e-6
    assert np.abs(attention.numpy() - wanted["attention"]).max() < 2e-6
    head = model.output_layer(torch.from_numpy(wanted["features"]).requires_grad_())
    assert isinstance(head, torch.Tensor) and np.abs(head.numpy() - wanted["probs"]).max() < 2e-6
    assert isinstance(model(wanted["tokens"])[1], np.ndarray)
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.ones(2, 3).long(), [3, 2], batch_first=True)
    with pytest.raises(InputError, match="got a PackedSequence: pass them before packing"):
        model(packed)
    again = TorchMoji(64, 400)
    again.load_state_dict({name: torch.from_numpy(array) for name, array in state_dict().items()})
    assert np.abs(again(wanted["tokens"]) - wanted["probs"]).max() < 2e-6


def test_works_where_pytorch_is_missing(home):
    """And imports neither it nor anything else that is large; nothing else of npmoji imports this."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import npmoji; npmoji.load(engine='numpy'); assert 'npmoji.compat' not in sys.modules\n"
        "import npmoji.compat.torchmoji as package; package.install()\n"
        "from torchmoji.model_def import torchmoji_emojis\n"
        "from torchmoji.global_variables import PRETRAINED_PATH\n"
        "print(torchmoji_emojis(PRETRAINED_PATH, True)([[1, 2, 3]])[0].shape)\n"
        "assert not {'numba', 'sklearn', 'npmoji.learn', 'npmoji.cli'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("(1, 64)", "")


# The tokenizer --------------------------------------------------------------------------------------------------------


def test_the_three_results():
    tokens, infos, stats = SentenceTokenizer(WORDS, 4).tokenize_sentences(["I love it", "soooo I LOVE it!!! xyz"])
    assert tokens.dtype == np.uint16 and tokens.tolist() == [[10, 11, 12, 0], [13, 10, 11, 12]]
    assert infos == [{}, {}]
    assert stats == {
        "pretokenization_filtered": 0,
        "unicode_filtered": 0,
        "posttokenization_filtered": 0,
        "total": 2,
        "valid": 2,
    }


def test_same_words_as_torchmoji_under_python_3():
    with gzip.open(DATA / "tokenizer" / "torchmoji_curated.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    rows = [row for row in rows if "words" in row]
    generator = WordGenerator(None, allow_unicode_text=True, ignore_emojis=False)
    assert len(rows) > 100
    assert [generator.get_words(row["text"]) for row in rows] == [row["words"] for row in rows]


def test_the_same_ids_as_npmojis_tokenizer():
    texts = ["I love mom's cooking", "soooo!!!! www.x.com 10:30", "é ΟΔΥΣ <3 @you", "so " * 40]
    vocabulary = npmoji.load(engine="numpy").tokenizer.vocabulary
    wanted = npmoji.Tokenizer(vocabulary, compat="torchmoji")(texts)
    assert np.array_equal(SentenceTokenizer(vocabulary, 30).tokenize_sentences(texts)[0], wanted)


def test_vocabulary_and_length_may_be_changed():
    given = dict(WORDS)
    tokenizer = SentenceTokenizer(given, 3)
    tokenizer.vocabulary["xyz"], tokenizer.fixed_length = 99, np.int64(5)
    assert tokenizer.tokenize_sentences(["love xyz"])[0].tolist() == [[11, 99, 0, 0, 0]] and "xyz" not in given
    tokenizer.vocabulary["xyz"] = 70_000
    with pytest.raises(VocabularyError, match="70000, expected 0 to 65535"):
        tokenizer.tokenize_sentences(["love xyz"])


def test_masking_and_unknown_values():
    tokenizer = SentenceTokenizer({"love": 11}, 3, masking_value=5, unknown_value=7)
    assert tokenizer.tokenize_sentences(["love xyz"])[0].tolist() == [[11, 7, 5]]


@pytest.mark.parametrize("text", ["", " \t\n", "\ufe0f"])
def test_a_text_without_words(text):
    tokenizer = SentenceTokenizer(WORDS, 3)
    with pytest.raises(AssertionError, match="row 1: the text .* has no words"):
        tokenizer.tokenize_sentences(["love", text])
    with pytest.raises(InputError, match="row 1"):
        tokenizer.tokenize_sentences(["love", text])
    drops = SentenceTokenizer(WORDS, 3, ignore_sentences_with_only_custom=True)
    tokens, infos, stats = drops.tokenize_sentences([text, "xyz 3", "love"])
    assert tokens.tolist() == [[11, 0, 0]] and infos == [{}]
    assert (stats["unicode_filtered"], stats["valid"], stats["total"]) == (1, 2, 3)


def test_not_texts():
    tokenizer = SentenceTokenizer(WORDS, 3)
    for wrong, message in {
        "love": "one str: pass a list",
        ("love", None): "missing value at row 1",
        (b"love",): "row 0 is bytes",
    }.items():
        with pytest.raises(ValueError, match=message):
            tokenizer.tokenize_sentences(wrong)
    assert tokenizer.tokenize_sentences(np.array(["love", "it"]))[0].tolist() == [[11, 0, 0], [12, 0, 0]]
    assert tokenizer.tokenize_sentences([])[0].shape == (0, 3)


def test_max_sentences_and_stats_that_go_on():
    tokenizer = SentenceTokenizer(WORDS, 2)
    assert tokenizer.tokenize_sentences(iter(["love"]), max_sentences=2)[0].tolist() == [[11, 0], [0, 0]]
    assert tokenizer.tokenize_sentences(["it"], reset_stats=False)[2]["total"] == 2
    with pytest.raises(InputError, match="2 texts, but max_sentences is 1"):
        tokenizer.tokenize_sentences(["it", "love"], max_sentences=1)


def test_hooks():
    class Labelled(WordGenerator):
        def data_preprocess_filtering(self, line, iter_i):
            label, text = line
            return label != "skip", text, {"label": label}

        def data_postprocess_filtering(self, words, iter_i):
            return len(words) > 1, words, {"row": iter_i}

    generator = Labelled(None, allow_unicode_text=True, ignore_emojis=False)
    tokenizer = SentenceTokenizer(WORDS, 3, custom_wordgen=generator)
    rows = [("good", "love it"), ("skip", "it"), ("bad", "it"), ("good", ""), ("bad", "I love")]
    tokens, infos, stats = tokenizer.tokenize_sentences(rows)
    assert tokens.tolist() == [[11, 12, 0], [10, 11, 0]]
    assert infos == [{"label": "good", "row": 0}, {"label": "bad", "row": 4}]
    assert list(stats.values()) == [1, 1, 1, 5, 2]


def test_sentences_and_coverage(capsys):
    tokenizer = SentenceTokenizer(WORDS, 4)
    tokens = tokenizer.tokenize_sentences(["I love it xyz"])[0]
    assert tokenizer.to_sentence(tokens[0]) == "i love it CUSTOM_UNKNOWN"
    assert coverage(tokens, verbose=True) == 0.75 and "0.75" in capsys.readouterr().out
    with pytest.raises(InputError, match="no word with id 40"):
        tokenizer.to_sentence([40])
    with pytest.raises(InputError, match="no tokens"):
        coverage(np.zeros((1, 2)))


def test_not_a_vocabulary():
    with pytest.raises(VocabularyError, match="expected a dict word -> id, as json.load gives it, got str"):
        SentenceTokenizer("vocabulary.json", 30)
    with pytest.raises(ValueError, match="70000 words, expected at most 65535"):
        SentenceTokenizer({str(number): number for number in range(70_000)}, 30)


# Paths ----------------------------------------------------------------------------------------------------------------


def test_paths_of_what_was_downloaded(home):
    assert type(global_variables.PRETRAINED_PATH) is str and type(global_variables.VOCAB_PATH) is str
    assert os.path.dirname(global_variables.VOCAB_PATH) == global_variables.ROOT_PATH
    assert (global_variables.NB_TOKENS, global_variables.NB_EMOJI_CLASSES) == (50_000, 64)
    assert global_variables.SPECIAL_TOKENS[5] == "CUSTOM_BREAK"
    assert os.path.isdir(global_variables.WEIGHTS_DIR)
    os.rmdir(global_variables.WEIGHTS_DIR)


def test_paths_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setenv("NPMOJI_HOME", str(tmp_path))
    weights, vocabulary = global_variables.PRETRAINED_PATH, global_variables.VOCAB_PATH

    def opened(path):
        with open(path) as file:
            return file.read()

    assert f"{weights}".endswith("pytorch_model.bin") and not os.path.exists(weights)
    for use in (lambda: opened(vocabulary), lambda: torchmoji_emojis(weights)):
        for kind in (WeightsError, FileNotFoundError):
            with pytest.raises(kind, match="not downloaded yet: run `npmoji download torchmoji`; or by hand"):
                use()
    os.makedirs(tmp_path / "torchmoji")
    (tmp_path / "torchmoji" / "vocabulary.json").write_text("{}")
    assert opened(vocabulary) == "{}"  # downloaded meanwhile


# Scripts that import torchmoji ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["unchanged", "install", "imports"])
def test_scripts(home, way):
    script, head = home / "script.py", []
    text = SCRIPT
    if way == "install":
        text = "import npmoji.compat.torchmoji\nnpmoji.compat.torchmoji.install()\n" + SCRIPT
    if way == "imports":
        text = SCRIPT.replace("from torchmoji.", "from npmoji.compat.torchmoji.")
    if way == "unchanged":
        head = ["-m", "npmoji.compat.torchmoji"]
    script.write_text(text)
    (home / "helper.py").write_text(HELPER)
    done = subprocess.run(
        [sys.executable, *head, str(script), str(home / "out.npz")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "" and done.stdout.splitlines()[1] == "uint16 (3, 64) (3, 320) 3"
    found = np.load(home / "out.npz")
    model = npmoji.load(engine="numpy", compat="torchmoji")
    texts = ["I love mom's cooking", "This is soooo good!!!", "I love how you never reply back.."]
    assert np.array_equal(found["tokenized"], model.tokenizer(texts))
    assert np.abs(found["prob"] - model.predict(texts)).max() < 2e-6
    assert np.abs(found["encoding"] - model.encode(texts)).max() < 1e-5


def test_the_runner_says_what_is_missing(tmp_path):
    for arguments, message in (
        ([], "usage: python -m npmoji.compat.torchmoji SCRIPT"),
        (["no.py"], "no.py: no such file"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "npmoji.compat.torchmoji", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_the_pages_examples_run(home):
    page = (ROOT / "docs" / "compat.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    same = "import torchmoji.model_def\nassert torchmoji.model_def.torchmoji_emojis is torchmoji_emojis"
    code = "\n".join([*blocks, same])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_install_again_and_under_another_name(clean):
    assert torchmoji.install() is torchmoji.install() is sys.modules["torchmoji"]
    from torchmoji.model_def import TorchMoji as first

    torchmoji.install("torchMoji.torchmoji")
    import torchMoji.torchmoji.model_def

    assert torchMoji.torchmoji.model_def.TorchMoji is first is TorchMoji
    for name in ("", "a b", "torchmoji."):
        with pytest.raises(InputError, match="expected the name of a package"):
            torchmoji.install(name)


def test_install_where_the_genuine_package_is_imported(clean, tmp_path, monkeypatch):
    (tmp_path / "torchmoji").mkdir()
    (tmp_path / "torchmoji" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    genuine = importlib.import_module("torchmoji")
    with pytest.raises(InputError, match=r"torchmoji is imported already, from .*call install\(\) before"):
        torchmoji.install()
    assert sys.modules["torchmoji"] is genuine and "torchmoji.model_def" not in sys.modules
    del sys.modules["torchmoji"]
    assert torchmoji.install() is torchmoji is sys.modules["torchmoji"]  # before the genuine one on the path


# What trains ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", elsewhere.INSTEAD)
def test_what_is_not_here_says_what_is(module):
    """Each name can be imported; used, it names something that npmoji has."""
    held = importlib.import_module(f"npmoji.compat.torchmoji.{module}")
    for name, it in elsewhere.names(module).items():
        value = getattr(held, name)
        with pytest.raises(NotImplementedError, match=rf"torchmoji.{module}.{name} is not here: use ") as error:
            value(1, two=3)
        assert isinstance(error.value, npmoji.NpmojiError)
        if it.instead.startswith("npmoji."):
            found = npmoji
            for part in it.instead[len("npmoji.") :].partition("(")[0].split("."):
                found = getattr(found, part)
        with pytest.raises(NotImplementedError):

            class Derived(value):
                pass


def test_word_generators_for_vocabularies():
    for options in ({}, {"allow_unicode_text": True}, {"allow_unicode_text": True, "break_replacement": False}):
        with pytest.raises(NotImplementedError, match="only with allow_unicode_text=True.*extend_with=10000"):
            WordGenerator(["love"], **options)
    with pytest.raises(NotImplementedError, match="divided"):
        SentenceTokenizer(WORDS, 3).split_train_val_test(["love"], [{}])
    with pytest.raises(InputError, match="has no stream"):
        list(WordGenerator(None, allow_unicode_text=True, ignore_emojis=False))


@pytest.mark.parametrize("module", ["__init__", *torchmoji.MODULES, "elsewhere"])
def test_the_examples_print_what_they_say(module, clean):
    name = "npmoji.compat.torchmoji" + ("" if module == "__init__" else f".{module}")
    import npmoji.compat.torchmoji

    result = doctest.testmod(importlib.import_module(name), extraglobs={"np": np, "npmoji": npmoji})
    assert result.failed == 0
