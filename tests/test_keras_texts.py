"""Networks that take texts: what genuine Keras makes of strings, and where such networks go."""

import copy
import json
import pickle
import random
import zipfile

import numpy as np
import pytest
import test_keras_graphs as cases
from conftest import DATA
from keras_strings import NUMBERS, SETTINGS, TEXTS, characters, data, digest

import npmoji
from npmoji import (
    Hashing,
    Input,
    InputError,
    IntegerLookup,
    StringLookup,
    TextVectorization,
    VocabularyError,
    WeightsError,
    formats,
    layers,
    loading,
)
from npmoji.cli import main
from npmoji.errors import NpmojiError
from npmoji.formats import Contents
from npmoji.layers.vectorization import STANDARDIZE
from npmoji.text.fingerprint import fingerprint64, siphash

GOLDEN = json.loads((DATA / "keras_texts.json").read_text(encoding="utf-8"))
MOST = (1 << 63) - 1
FILES = {name: cases.CASES[name] for name in ("tf_keras_vectorized_texts", "keras3_looked_up")}


def tokens_of(texts, **settings):
    """The words of texts, as a layer splits them."""
    layer = TextVectorization(Input(dtype="string"), [], **settings)
    rows = [layer._grams(layer._tokens(text)) for text in texts]
    return [[word if isinstance(word, bytes) else word.encode() for word in row] for row in rows]


# Strings -------------------------------------------------------------------------------------------------------------


def test_every_code_point_is_split_as_tensorflow_splits_it():
    texts = characters()
    encoded = [text.encode() for text in texts]
    ours = {
        "lower": [text.translate(*STANDARDIZE["lower"]) for text in encoded],
        "strip": [text.translate(*STANDARDIZE["strip_punctuation"]) for text in encoded],
        "split": tokens_of(texts, standardize=None),
        "characters": tokens_of(texts, standardize=None, split="character"),
    }
    assert {name: digest(values) for name, values in ours.items()} == GOLDEN["functions"]


@pytest.mark.parametrize("key", GOLDEN["hashes"])
def test_strings_of_all_lengths_have_their_hashes(key):
    pair = json.loads(key)
    ours = [(fingerprint64(one) if pair is None else siphash(one, pair)) % MOST for one in data()]
    assert digest(ours) == GOLDEN["hashes"][key]


@pytest.mark.parametrize("at", range(len(SETTINGS)))
def test_texts_become_the_numbers_that_keras_gives_them(at):
    settings = SETTINGS[at]
    if settings["split"] is None:
        standard = TextVectorization(Input(dtype="string"), [], **settings)._standard
        found = {standard(text) for text in TEXTS}
    else:
        found = {word for row in tokens_of(TEXTS, **settings) for word in row}
    words = sorted(word.decode() for word in found if word)[::2]
    assert digest(words) == GOLDEN["vocabularies"][at]
    ids = TextVectorization(Input(dtype="string"), words, **settings)([[text] for text in TEXTS])
    assert digest(ids.tolist()) == GOLDEN["ids"][at]
    if at == 0:
        assert [row[:12] for row in ids.tolist()] == GOLDEN["some"]


def test_single_lookups():
    whole, ids = np.array(NUMBERS)[:, None], np.array([[0, 1], [2, 3], [4, 99]])
    n = Input(dtype="int64")
    ours = {
        "hashed": Hashing(n, 97)(whole),
        "salted": Hashing(n, 97, 7, (5, 5))(whole),
        "modulo": IntegerLookup(n, [7, -1], 3)(whole),
        "words": StringLookup(n, ["a", "ü"], mask_token="", invert=True)(ids),
        "numbers": IntegerLookup(n, [7, -5], invert=True)(ids),
    }
    assert {name: value.tolist() for name, value in ours.items()} == GOLDEN["lookups"]


def test_a_lone_surrogate_is_a_word_that_no_vocabulary_has():
    numbers = TextVectorization(Input(dtype="string"), ["a"])
    assert numbers(["\ud800 a"]).tolist() == [[1, 2]]


# Models --------------------------------------------------------------------------------------------------------------


def text_model(words=("good", "food", "bad"), length=None, average=True, **config):
    """A classifier of texts, of a config as Keras writes it, and random arrays."""
    rng = np.random.default_rng(3)
    config = {"name": "words", "vocabulary": list(words), "standardize": "lower_and_strip_punctuation",
              "split": "whitespace", "output_sequence_length": length, "output_mode": "int", **config}  # fmt: skip
    entries = [
        ("InputLayer", {"name": "texts", "batch_shape": [None, 1], "dtype": "string"}),
        ("TextVectorization", config),
        ("Embedding", {"name": "rows", "mask_zero": not average}),
        ("GlobalAveragePooling1D", {"name": "mean"}),
        ("Dense", {"name": "classes", "activation": "softmax"}),
    ]
    listed = [{"class_name": name, "config": inner} for name, inner in entries]
    arrays = {
        "rows": {"0": rng.standard_normal((len(words) + 2, 4)).astype(np.float32)},
        "classes": {"0": rng.standard_normal((4, 2)).astype(np.float32), "1": np.zeros(2, np.float32)},
    }
    return Contents("a.keras", arrays, "3.15.0", {"class_name": "Sequential", "config": {"layers": listed}})


def made(**options):
    """The same as a model."""
    file = text_model(**options)
    return npmoji.Model(loading.build(file), file=file, engine="numpy")


@pytest.mark.parametrize("name", FILES)
def test_models_are_pickled_copied_and_saved(name, tmp_path):
    model, X = cases.load(name), cases.given(name)
    wanted = model.predict(X)
    layers_file = tmp_path / "net.npz"
    npmoji.save_layers(layers_file, *model.graph.outputs)
    again = npmoji.load_layers(layers_file)[-len(model.graph.outputs) :]
    others = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    found = [*[other.predict(X) for other in others], [layer(X) for layer in again]]
    wanted = wanted if isinstance(wanted, list) else [wanted]
    for ours in found:
        for one, other in zip(ours if isinstance(ours, list) else [ours], wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_all_ways_to_pass_texts_are_the_same():
    model, texts = made(), ["Good food!", "bad", ""]
    p = model.predict(texts)
    for x in (
        [[text] for text in texts],
        np.array(texts),
        np.array(texts, object)[:, None],
        {"texts": texts},
        iter(texts),
    ):
        np.testing.assert_array_equal(model.predict(x), p)
    assert model.predict([]).shape == (0, 2) and model.predict([""]).shape == (1, 2)
    assert [len(best) for best in model.top(texts, 1)] == [1, 1, 1]


@pytest.mark.parametrize(
    "x, words",
    [
        ("good", "one str: pass a list"),
        ([b"good"], "row 0 is bytes"),
        (["good", None], "missing value at row 1"),
        (["good", 3], "row 1 is int"),
        ([["good"], ["bad", "food"]], "row 1: expected 1 texts"),
        ([["good", "food"]], r"expected an array of shape \(rows, 1\)"),
        (np.ones((2, 3)), "got an array of float64"),
    ],
)
def test_what_is_no_text_is_told(x, words):
    with pytest.raises(InputError, match=words):
        made().predict(x)


def test_padding_is_that_of_the_call_and_apart_that_of_a_text_alone():
    """As Keras pads to the longest text of a batch; whoever goes through files must not depend on the batch."""
    model, texts = made(), ["good", "good food bad good", "", "bad food"]
    alone = np.concatenate([model.predict([text]) for text in texts])
    assert np.abs(model.predict(texts) - alone).max() > 0.01
    np.testing.assert_array_equal(model.apart(texts, ["probabilities"])["probabilities"], alone)
    masked = made(average=False)
    np.testing.assert_allclose(
        masked.predict(texts), masked.apart(texts, ["probabilities"])["probabilities"], rtol=1e-6
    )


def test_what_needs_token_ids_is_refused():
    model = made()
    for call in (model.explain, model.tokens):
        with pytest.raises(InputError, match="splits texts itself"):
            call(["good"])
    with pytest.raises(InputError, match="no layer AttentionWeightedAverage"):
        model.attention(["good"])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file of such a model, made from the case of Keras."""
    from npmoji.export.convert import convert

    path = tmp_path_factory.mktemp("texts") / "mine.safetensors"
    convert(made(), path)
    return path


def test_a_file_goes_through_every_command(file, capsys, tmp_path):
    model, text = npmoji.load(file, engine="numpy"), "good food, bad"
    np.testing.assert_array_equal(model.predict([text]), made().predict([text]))
    assert main(["score", "--weights", str(file), "--format", "jsonl", text]) == 0
    printed = json.loads(capsys.readouterr().out)
    best = model.top([text], 2)[0]
    assert printed["text"] == text and [one["id"] for one in printed["emojis"]] == [one.id for one in best]
    assert main(["info", "--weights", str(file)]) == 0
    assert "splits texts itself" in capsys.readouterr().out
    for command in (["explain", text], ["convert", str(file), str(tmp_path / "x.onnx")]):
        weights = ["--weights", str(file)] if command[0] == "explain" else []
        assert main([*command, *weights]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    with pytest.raises(VocabularyError, match="holds its vocabulary"):
        npmoji.load(file, vocabulary={"good": 2})


def test_tables_are_scored(file):
    arrow = pytest.importorskip("pyarrow")
    texts = ["good", None, "good food bad good", ""]
    found = npmoji.Scorer(weights=file, what="probabilities")(arrow.table({"text": texts}))
    rows = found["probabilities"].to_pylist()
    model = npmoji.load(file)
    assert rows[1] is None
    for row, text in zip(rows, texts):
        assert text is None or np.array_equal(np.float32(row), model.predict([text])[0])
    with pytest.raises(InputError, match="expected no tokens"):
        npmoji.Scorer(weights=file, what="tokens")(arrow.table({"text": texts}))


def test_a_server_answers_with_the_numbers_of_a_text_alone(file):
    from npmoji.serve.answers import Answers
    from npmoji.serve.limits import Limits

    model = npmoji.load(file, engine="numpy")
    answers = Answers(model, Limits())
    assert answers.what == ("probabilities",) and answers.info()["maxlen"] is None
    found = answers.compute(np.concatenate([model.rows(["good"]), model.rows(["good food bad"])]), ["probabilities"])
    np.testing.assert_array_equal(found["probabilities"][:1], model.predict(["good"]))


def test_what_comes_behind_the_words_is_trained():
    pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    from npmoji.learn.trainer import Trainer

    texts, labels = ["good food", "bad bad food", "good", ""], np.array([0, 1, 0, 1])
    trainer = Trainer(made(), dropout=False, learning_rate=0.05)
    before = trainer.evaluate(texts, labels)[0]
    for _ in range(20):
        trainer.step(texts, labels)
    assert trainer.evaluate(texts, labels)[0] < before
    assert trainer.model().predict(texts).shape == (4, 2)


# Files ---------------------------------------------------------------------------------------------------------------


def with_vocabulary(tmp_path, text, name="tf_keras_vectorized_texts", **settings):
    """A file of Keras with another vocabulary.txt, and other settings of its layer."""
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(FILES[name] / "model.keras") as source, zipfile.ZipFile(path, "w") as target:
        for member in source.namelist():
            found = source.read(member)
            if member.endswith("vocabulary.txt"):
                found = text
            if member == "config.json":
                config = json.loads(found)
                for layer in config["config"]["layers"]:
                    layer["config"] |= settings if layer["class_name"] == "TextVectorization" else {}
                found = json.dumps(config).encode()
            target.writestr(member, found)
    return path


@pytest.mark.parametrize(
    "text, size, words",
    [
        ("\n[UNK]\na\u2028b\nc\rd", 4, ["", "[UNK]", "a\u2028b", "c\rd"]),  # Keras 3 has six lines of these
        ("\n[UNK]\na\n\n", 3, ["", "[UNK]", "a"]),
        ("\n[UNK]\na\n\n", None, ["", "[UNK]", "a"]),
    ],
)
def test_words_of_a_file_end_at_line_feeds(tmp_path, text, size, words):
    contents = formats.read(with_vocabulary(tmp_path, text.encode(), vocabulary_size=size))
    assert cases.entry(contents.config, "TextVectorization")["config"]["vocabulary"] == words


@pytest.mark.parametrize(
    "text, words",
    [
        (b"\n[UNK]\na", "'text_vectorization.*vocabulary.txt has 3 words, expected"),
        (b"\xff\xfe", "cannot be read as a .keras file"),
    ],
)
def test_damaged_vocabularies(tmp_path, text, words):
    with pytest.raises(WeightsError, match=words):
        npmoji.load(with_vocabulary(tmp_path, text))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"vocabulary": None}, "does not hold its vocabulary.*save the model as .keras"),
        ({"vocabulary": "words.txt"}, "'vocabulary' is a string"),
        ({"vocabulary": ["a", "a"]}, "'a' twice"),
        ({"vocabulary": ["a", 1]}, "expected a list of words"),
        ({"standardize": {"class_name": "function", "config": "clean"}}, "standardize is 'clean', a function"),
        ({"split": "by_hand"}, "split is 'by_hand', a function"),
        ({"split": {"class_name": "__lambda__", "config": {}}}, "split is '__lambda__', a function"),
        ({"ragged": True}, "ragged=True"),
        ({"encoding": "latin-1"}, "encoding 'latin-1', expected 'utf-8'"),
        ({"ngrams": [0]}, r"ngrams \[0\], expected numbers of words"),
        ({"output_mode": None}, "output_mode null"),
        ({"output_mode": "one_hot"}, "output_mode 'one_hot', expected int"),
        ({"output_mode": "tf_idf"}, "idf_weights"),
        ({"output_sequence_length": 10**12}, "output_sequence_length 10{12}, expected"),
        ({"output_sequence_length": -1}, "output_sequence_length -1, expected"),
    ],
)
def test_what_is_refused_of_a_config(change, words):
    with pytest.raises(WeightsError, match=rf"layer 'words'.*{words}"):
        loading.build(text_model(**change))


def test_a_function_of_ones_own_takes_the_place_of_the_files():
    file = text_model(standardize={"class_name": "function", "config": "clean"})

    def clean(previous, config, name):
        return TextVectorization(
            previous, config["vocabulary"], standardize=lambda text: text.replace("_", " "), name=name
        )

    graph = loading.build(file, layers={"words": clean})
    assert graph.named["words"](["good_food x"]).tolist() == [[2, 3, 1]]
    with pytest.raises(InputError, match="a function cannot be saved"):
        npmoji.save_layers("nowhere.npz", graph.outputs[0])


def test_words_without_a_number_are_told():
    known = StringLookup(Input(dtype="string", name="words"), ["a", "b"], num_oov_indices=0, name="places")
    assert known(["b", "a"]).tolist() == [1, 0]
    with pytest.raises(InputError, match="layer 'places': row 1: 'c' is not in its vocabulary"):
        known(["a", "c"])
    entries = [
        ("InputLayer", {"name": "x", "batch_shape": [None, 1], "dtype": "string"}),
        ("StringLookup", {"name": "places", "vocabulary": ["b"], "num_oov_indices": 0, "output_mode": "one_hot"}),
    ]
    config = {"layers": [{"class_name": name, "config": inner} for name, inner in entries]}
    graph = loading.build(Contents("a", {}, "3.15.0", {"class_name": "Sequential", "config": config}))
    assert graph.outputs[0](["b"]).tolist() == [[1.0]]


def test_categories_beyond_the_width():
    """tf_keras refuses them, Keras 3 leaves them out."""
    x, ids = Input(dtype="int64"), np.array([[0, 3]])
    assert layers.CategoryEncoding(x, num_tokens=2)(ids).tolist() == [[1, 0]]
    with pytest.raises(InputError, match="row 0: expected numbers from 0 to 1"):
        layers.CategoryEncoding(x, num_tokens=2, strict=True)(ids)
    with pytest.raises(InputError, match="row 0: a negative number"):
        layers.CategoryEncoding(x, num_tokens=2)(-ids)


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_config_is_refused_or_makes_a_network(seed):
    chance = random.Random(seed)
    folder = FILES[chance.choice(sorted(FILES))]
    contents = formats.read(next(folder.glob("model.*")))
    config = contents.config
    for _ in range(chance.choice((1, 1, 3))):
        config = cases.damaged(config, chance)
    try:
        graph = loading.build(contents._replace(config=config))
    except WeightsError as error:
        assert str(error)
        return
    model = npmoji.Model(graph, file=contents, engine="numpy")
    rows = {layer.name: next(iter(graph.row(3).values())) for layer in graph.inputs} | graph.row(3)
    try:
        with np.errstate(all="ignore"):
            model.predict(rows)
    except NpmojiError as error:
        assert str(error)
