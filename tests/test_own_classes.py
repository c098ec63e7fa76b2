"""Models with people's own classes, and files of them: names, probabilities, provenance, and what is refused."""

import copy
import json
import pickle

import h5py
import numpy as np
import pytest
from conftest import DATA
from test_cli import run
from test_convert import changed

import npmoji
from npmoji import formats
from npmoji.checks.golden import collect
from npmoji.checks.verify import verify
from npmoji.describe import lines
from npmoji.errors import InputError, NpmojiError, VocabularyError, WeightsError
from npmoji.export.convert import convert
from npmoji.formats import hdf5, keras_hdf5, keras_write
from npmoji.formats.metadata import plain
from npmoji.graph import Graph
from npmoji.learn import heads
from npmoji.text.emojis import EMOJIS, NAMES

F = 96  # features of the small model
TEXTS = ["I love mom's cooking", "this is so funny lol", "worst day ever !", "", "unknownword"]
#: columns, names, multi_label
HEADS = {
    "softmax 2": (2, ["calm", "angry"], False),
    "softmax 3": (3, ["a", "b", "ü 😋"], False),
    "softmax 64": (64, [f"class {i}" for i in range(64)], False),
    "one column": (1, ["plain", "sarcastic"], False),
    "multi-label": (5, list("vwxyz"), True),
    "one label": (1, ["spam"], True),
}
SUFFIXES = (".safetensors", ".hdf5")
PROVENANCE = {"method": "last", "seed": 0, "data_sha256": "ab" * 32, "texts": 300, "scores": {"accuracy": 0.91}}


@pytest.fixture(scope="module")
def base(folder):
    return npmoji.load(folder / "weights.hdf5", engine="numpy")


def last(C, seed=1):
    """Kernel and bias of a last layer, from a seed."""
    rng = np.random.default_rng(seed)
    return np.float32(rng.standard_normal((F, C))), np.float32(rng.standard_normal(C))


def own(base, key="softmax 3", **options):
    """The small model with one of the heads."""
    C, names, multi_label = HEADS[key]
    return heads.with_head(base, *last(C), classes=names, multi_label=multi_label, provenance=PROVENANCE, **options)


@pytest.fixture(scope="module")
def mine(base, tmp_path_factory):
    """A folder with a file of each head in each container."""
    place = tmp_path_factory.mktemp("mine")
    for key in HEADS:
        for suffix in SUFFIXES:
            heads.save(own(base, key), place / f"{key}{suffix}")
    return place


def by_definition(features, key):
    """The probabilities in float64."""
    C, _, multi_label = HEADS[key]
    kernel, bias = last(C)
    z = np.float64(features) @ kernel + bias
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return 1 / (1 + np.exp(-z)) if multi_label or C == 1 else e / e.sum(axis=1, keepdims=True)


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("key", HEADS)
def test_a_file_is_all_it_takes(base, mine, key, suffix):
    C, names, multi_label = HEADS[key]
    model = npmoji.load(mine / f"{key}{suffix}", engine="numpy")
    assert (model.classes, model.class_names, model.multi_label, model.own_classes) == (C, names, multi_label, True)
    assert model.provenance == PROVENANCE and model.tokenizer.vocabulary == base.tokenizer.vocabulary
    found = model.predict(TEXTS)
    np.testing.assert_allclose(found, by_definition(base.encode(TEXTS), key), rtol=0, atol=2e-6)
    np.testing.assert_array_equal(found, own(base, key).predict(TEXTS))
    verdict = verify(model)
    assert verdict.passed and verdict.checked == "stored" and any("all weights" in line for line in verdict.lines)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_model_gives_the_same_bytes(base, mine, tmp_path, suffix):
    heads.save(own(base), tmp_path / f"again{suffix}")
    assert (tmp_path / f"again{suffix}").read_bytes() == (mine / f"softmax 3{suffix}").read_bytes()


@pytest.mark.parametrize("key", HEADS)
def test_what_is_written_from_one_file_to_another(mine, tmp_path, key):
    convert(mine / f"{key}.safetensors", tmp_path / "there.h5")
    convert(tmp_path / "there.h5", tmp_path / "back.safetensors")
    assert (tmp_path / "back.safetensors").read_bytes() == (mine / f"{key}.safetensors").read_bytes()
    through_library = keras_hdf5.read_through_library(str(tmp_path / "there.h5"))
    ours = formats.read(tmp_path / "there.h5")
    assert through_library._replace(layers={}) == ours._replace(layers={}) and ours.classes == HEADS[key][1]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_other_precisions(folder, tmp_path, precision):
    model = npmoji.load(folder / "weights.hdf5", engine="numpy", precision=precision)
    heads.save(own(model), tmp_path / "m.safetensors")
    again = npmoji.load(tmp_path / "m.safetensors", engine="numpy")
    assert again.precision == precision and verify(again).passed
    np.testing.assert_array_equal(again.predict(TEXTS), own(model).predict(TEXTS))
    other = own(again, "one column")  # of a file that holds rounded weights
    np.testing.assert_array_equal(other.encode(TEXTS), model.encode(TEXTS))
    heads.save(other, tmp_path / "n.hdf5")
    assert verify(npmoji.load(tmp_path / "n.hdf5", engine="numpy")).passed


def test_copies_and_pickles_keep_it(base, mine):
    models = [npmoji.load(mine / "multi-label.hdf5", engine="numpy", embed=embed) for embed in (False, True)]
    models.append(own(base, "multi-label"))
    for model in models:
        for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert (other.class_names, other.multi_label, other.provenance) == (list("vwxyz"), True, PROVENANCE)
            np.testing.assert_array_equal(other.predict(TEXTS), model.predict(TEXTS))


def test_a_long_vocabulary_in_hdf5(tmp_path):
    """Longer than the 64 KiB that an HDF5 object's header may have."""
    bundled = npmoji.load(engine="numpy")
    words = bundled.tokenizer.vocabulary
    assert len(" ".join(words)) > 1 << 16
    convert(bundled, tmp_path / "w.hdf5")
    model = npmoji.load(tmp_path / "w.hdf5", engine="numpy")
    assert model.tokenizer.vocabulary == words and model.vocabulary_file.path == model.path
    np.testing.assert_array_equal(model.predict(TEXTS), bundled.predict(TEXTS))
    with h5py.File(tmp_path / "w.hdf5") as file:
        assert file.attrs["npmoji_vocabulary"].split() == list(words) and "npmoji_multi_label" not in file.attrs


def test_our_own_reader_takes_all_attributes(tmp_path):
    """As many as there can be: HDF5 might keep more than eight in another way, which would take h5py."""
    everything = {"classes": ["a", "b"], "multi_label": True, "provenance": PROVENANCE, "references": {"version": 1}}
    config = {"class_name": "Sequential", "config": []}
    contents = formats.Contents("x", {"out": {"0": np.ones((2, 2), np.float32)}}, "2.0.5", config, compat="torchmoji")
    with open(tmp_path / "w.h5", "wb") as file:
        keras_write.write(file, contents._replace(**everything), {"CUSTOM_MASK": 0})
    attributes = hdf5.open_file(tmp_path / "w.h5").attrs
    assert len(attributes) == 9 and json.loads(attributes["npmoji_provenance"]) == PROVENANCE
    assert json.loads(attributes["model_config"]) == config and attributes["npmoji_vocabulary"] == '{"CUSTOM_MASK": 0}'
    found = formats.read(tmp_path / "w.h5")
    assert {key: getattr(found, key) for key in everything} == everything and found.compat == "torchmoji"


def test_words_that_hdf5_cannot_hold_as_they_are(base, tmp_path, toy_vocabulary):
    words = {**toy_vocabulary, "a\0b": len(toy_vocabulary), "\ud800": len(toy_vocabulary) + 1}
    heads.save(heads.rebuilt(base, {}, words=words), tmp_path / "w.hdf5")
    assert npmoji.load(tmp_path / "w.hdf5").tokenizer.vocabulary == words


def test_reports_of_such_models(base, mine):
    for model in (npmoji.load(mine / "multi-label.safetensors", engine="numpy"), own(base, "multi-label")):
        said = dict(lines(model))
        assert said["classes"] == "5: v, w, x, y, z; each has a probability of its own"
        assert said["made by"].startswith("method last, seed 0, data_sha256 abab")
        assert collect(model, [[1, 2, 3]]).manifest["weights"]["classes"] == 5
    assert "classes" not in dict(lines(base)) and "made by" not in dict(lines(base))


# Predictions ---------------------------------------------------------------------------------------------------------


def test_names_of_the_emojis(base, tmp_path):
    convert(base, tmp_path / "w.safetensors")
    for model in (base, npmoji.load(tmp_path / "w.safetensors", engine="numpy")):
        assert model.class_names == list(NAMES) and not model.own_classes and model.provenance is None
        assert all(p.label == p.emoji == EMOJIS[p.id] for p in model.top(TEXTS, 64)[0])


def test_top_has_the_names(base):
    for key in ("softmax 3", "multi-label", "softmax 64"):
        C, names, _ = HEADS[key]
        model = own(base, key)
        for row, predictions in zip(model.predict(TEXTS), model.top(TEXTS, 100), strict=True):
            assert [p.probability for p in predictions] == sorted(map(float, row), reverse=True)
            assert len(predictions) == C and all(p == (p.id, "", row[p.id], names[p.id]) for p in predictions)


def test_one_column_for_two_classes(base):
    model = own(base, "one column")
    for (p,), predictions in zip(model.predict(TEXTS), model.top(TEXTS), strict=True):
        wanted = [(0, "", float(np.float32(1) - p), "plain"), (1, "", float(p), "sarcastic")]
        assert predictions == sorted(wanted, key=lambda one: -one[2])
    assert len(model.top(TEXTS, 1)[0]) == 1
    unnamed = model.contents._replace(classes=None)
    assert heads._made(model, unnamed).top(TEXTS)[0] == [(0, "", float(model.predict(TEXTS)[0, 0]), "")]


@pytest.mark.parametrize("engine", ["numpy", "numba", "torch", "auto"])
@pytest.mark.parametrize("key", HEADS)
def test_the_head_alone(mine, key, engine):
    if engine == "torch":
        pytest.importorskip("torch", reason="needs PyTorch")
    model = npmoji.load(mine / f"{key}.safetensors", engine=engine)
    features, wanted = model.encode(TEXTS), model.predict(TEXTS)
    found = model.probabilities(features)
    assert found.dtype == np.float32 and found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    if engine == "numba":  # whose results do not depend on what else is in a batch
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(np.concatenate([model.probabilities(row[None]) for row in features]), wanted)
    assert model.probabilities(features[:0]).shape == (0, model.classes)
    blended = model.probabilities((features[:1].astype(np.float64) + features[1:2]) / 2)
    np.testing.assert_allclose(blended, by_definition((features[:1] + features[1:2]) / 2, key), rtol=0, atol=2e-6)


def test_the_head_alone_of_many_rows(base):
    model = own(base)
    many = np.tile(base.encode(TEXTS), (700, 1))  # more than one batch
    np.testing.assert_allclose(model.probabilities(many)[-5:], model.predict(TEXTS), rtol=0, atol=1e-6)
    assert len(model.probabilities(many)) == 3500


@pytest.mark.parametrize(
    "features, message",
    [
        (np.zeros((2, F - 1), np.float32), r"\(rows, 96\), got \(2, 95\).*as encode gives them"),
        (np.zeros(F, np.float32), r"got \(96,\)"),
        (np.full((3, F), [[0], [0], [np.nan]]), "row 2: NaN"),
        (np.full((1, F), 1e39), "NaN or infinite"),
        (["I love it"], "expected numbers"),
        ("I love it", "expected an array of numbers, got one str"),
        ([[1.0], [1.0, 2.0]], "rows of one length"),
        (None, "expected an array of numbers, got NoneType"),
    ],
)
def test_what_is_no_features(base, features, message):
    with pytest.raises(InputError, match=message):
        own(base).probabilities(features)


def test_networks_without_such_a_head(base):
    ids = npmoji.Input(vocabulary_size=9, name="ids")
    table, meta = np.float32(np.random.default_rng(0).standard_normal((9, F))), npmoji.Input(shape=(2,), name="meta")
    features = npmoji.AttentionWeightedAverage(npmoji.Embedding(ids, table), np.ones((F, 1), np.float32), name="att")
    both = npmoji.Dense(npmoji.Concatenate(features, meta), np.ones((F + 2, 3), np.float32), name="out")
    model = npmoji.Model(Graph([ids, meta, features, both], [both]), path="by hand")
    with pytest.raises(InputError, match="'out' is not computed from 'att' alone, but also from 'meta'"):
        model.probabilities(np.zeros((1, F), np.float32))
    with pytest.raises(InputError, match="made by hand"):
        heads.with_head(model, *last(3), classes=list("abc"))
    plain_ = npmoji.Dense(npmoji.Input(shape=(4,)), np.ones((4, 3), np.float32))
    with pytest.raises(InputError, match="no layer AttentionWeightedAverage"):
        npmoji.Model(Graph([plain_], [plain_])).probabilities(np.zeros((1, 4), np.float32))
    kept = {name: arrays for name, arrays in base.contents.layers.items() if name != "softmax"}
    features_only = heads._made(base, base.contents._replace(layers=kept))
    with pytest.raises(InputError, match="no classes"):
        features_only.probabilities(np.zeros((1, F), np.float32))
    np.testing.assert_array_equal(own(features_only).predict(TEXTS), own(base).predict(TEXTS))


def test_a_closed_model(base):
    model = own(base)
    model.close()
    for call in (lambda: model.probabilities(np.zeros((1, F))), lambda: own(model), lambda: heads.rebuilt(model, {})):
        with pytest.raises(InputError, match="closed"):
            call()


def test_an_ensemble_of_classifiers(mine, base, tmp_path):
    heads.save(heads.with_head(base, *last(3, seed=5), classes=HEADS["softmax 3"][1]), tmp_path / "other.hdf5")
    both = npmoji.Ensemble([mine / "softmax 3.safetensors", tmp_path / "other.hdf5"], engine="numpy")
    assert {p.label for p in both.top(TEXTS)[0]} == set(both.class_names) == {"a", "b", "ü 😋"}
    for key in ("softmax 2", "one column"):  # also of another width
        with pytest.raises(InputError, match="classes"):
            npmoji.Ensemble([mine / "softmax 3.hdf5", mine / f"{key}.hdf5"])
    heads.save(heads.with_head(base, *last(3), classes=["a", "b", "c"]), tmp_path / "names.hdf5")
    with pytest.raises(
        InputError, match=r"names.hdf5 gives the classes a, b, c, but .*softmax 3.hdf5 gives .* a, b, ü"
    ):
        npmoji.Ensemble([mine / "softmax 3.hdf5", tmp_path / "names.hdf5"])


# The command line ----------------------------------------------------------------------------------------------------


def test_score_shows_the_names(mine, capfd):
    weights = "--weights", mine / "one column.safetensors", "--engine", "numpy"
    assert run("score", *weights, "lol") == 0
    first, *rest = capfd.readouterr().out.splitlines()
    assert first == "lol" and {line.split()[0] for line in rest} == {"plain", "sarcastic"} and len(rest) == 2
    assert all(line.startswith("  ") and line[2] != " " for line in rest)
    assert run("score", *weights, "--format", "csv", "lol") == 0
    head, row = capfd.readouterr().out.splitlines()
    assert head == "Text,Top2%,Emoji_1,Emoji_2,Pct_1,Pct_2,Label_1,Label_2"
    text, total, *ids, p, q, one, two = row.split(",")
    assert (text, float(total)) == ("lol", 1.0) and [["plain", "sarcastic"][int(i)] for i in ids] == [one, two]
    assert run("score", *weights, "--format", "jsonl", "--top", "1", "lol") == 0
    (best,) = json.loads(capfd.readouterr().out)["emojis"]
    assert best == {"id": int(ids[0]), "emoji": "", "label": one, "p": float(p)} and float(p) > float(q)
    assert run("score", *weights, "--format", "csv", "--emojis", "lol") == 2
    assert "--emojis does not apply" in capfd.readouterr().err


def test_the_emojis_look_as_before(folder, capfd):
    weights = "--weights", folder / "weights.hdf5", "--engine", "numpy"
    assert run("score", *weights, "--format", "jsonl", "--top", "1", "lol") == 0
    assert set(json.loads(capfd.readouterr().out)["emojis"][0]) == {"id", "emoji", "p"}
    assert run("score", *weights, "--format", "csv", "--top", "1", "lol") == 0
    assert capfd.readouterr().out.startswith("Text,Top1%,Emoji_1,Pct_1\n")


def test_names_of_any_length_and_kind(base, tmp_path, capfd):
    names = ["x" * 100, "日本語", "two\nlines\x1b[31m"]
    heads.save(heads.with_head(base, *last(3), classes=names), tmp_path / "m.hdf5")
    assert run("score", "--weights", tmp_path / "m.hdf5", "lol") == 0
    out = capfd.readouterr().out
    assert out.count("\n") == 4 and "\x1b" not in out and "x" * 39 + "…" in out and "two lines" in out
    assert run("score", "--weights", tmp_path / "m.hdf5", "--format", "jsonl", "lol") == 0
    assert {one["label"] for one in json.loads(capfd.readouterr().out)["emojis"]} == set(names)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_commands(mine, tmp_path, capfd, suffix):
    path = mine / f"multi-label{suffix}"
    assert run("verify", path) == 0 and "passed" in capfd.readouterr().out
    assert run("verify", path, "--weights", path) == 2
    assert run("info", "--weights", path) == 0
    assert "classes     5: v, w, x, y, z; each has a probability of its own\nmade by " in capfd.readouterr().out
    assert run("inspect", path) == 0
    assert "classes: 5: v, w, x, y, z; each has" in capfd.readouterr().out
    (tmp_path / "t.txt").write_text("so good\nlol\n")
    assert run("golden", "--weights", path, tmp_path / "t.txt", tmp_path / "golden") == 0
    assert run("compare", tmp_path / "golden", tmp_path / "golden") == 0
    assert run("parity", "--weights", path, "--engine", "numpy", "--engine", "numba", "lol") == 0


# Damage --------------------------------------------------------------------------------------------------------------

DAMAGED = {
    "not JSON": ("classes", "[", "classes.*not JSON"),
    "no list": ("classes", '{"a": 1}', r"classes.*expected a list"),
    "no texts": ("classes", '["a", 1, "c"]', r"classes.* 1, expected texts"),
    "twice": ("classes", '["a", "b", "a"]', "class 'a' comes twice"),
    "two of three": ("classes", '["a", "b"]', "2 names of classes for 3 columns, expected 3"),
    "one more": ("classes", '["a", "b", "c", "d"]', "4 names of classes for 3 columns"),
    "yes": ("multi_label", '"yes"', "multi_label.*expected true or false"),
    "softmax": ("multi_label", "true", ""),  # without a config this is what tells
    "no object": ("provenance", "[1]", "provenance.*expected an object"),
    "deep": ("provenance", "[" * 100_000, "provenance.*damaged"),
    "words": ("vocabulary", " a b ", "vocabulary.*damaged"),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("key, text, message", DAMAGED.values(), ids=DAMAGED)
def test_damaged_metadata(mine, tmp_path, key, text, message, suffix):
    path = tmp_path / f"source{suffix}"
    path.write_bytes((mine / f"softmax 3{suffix}").read_bytes())
    if suffix == ".safetensors":
        path = changed(path, **{key: text})
    else:
        with h5py.File(path, "r+") as file:
            file.attrs[f"npmoji_{key}"] = text
    if not message:
        assert npmoji.load(path).multi_label
        return
    with pytest.raises((WeightsError, VocabularyError), match=f"{path.name}: .*{message}"):
        npmoji.load(path)


@pytest.mark.parametrize("value", [np.float32([1, 2]), np.bytes_(b"\xff"), ["a", "b"], np.int64(3)], ids=str)
@pytest.mark.parametrize("key", ["classes", "multi_label", "provenance", "references", "vocabulary", "compat"])
def test_attributes_of_another_type(mine, tmp_path, key, value):
    path = tmp_path / "changed.hdf5"
    path.write_bytes((mine / "softmax 3.hdf5").read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs[f"npmoji_{key}"] = value
    with pytest.raises((WeightsError, VocabularyError), match=r"changed\.hdf5"):
        npmoji.load(path)


def test_flipped_bytes_in_hdf5_load_or_are_told(mine, tmp_path):
    content = (mine / "multi-label.hdf5").read_bytes()
    ends = [content.index(b'["v", "w"'), content.index(b" CUSTOM_MASK"), content.index(b'{"method"')]
    random, told = np.random.default_rng(4), 0
    for i in range(150):
        path = tmp_path / f"flipped{i}.hdf5"  # each its own: the one before may still be mapped
        damaged = bytearray(content)
        damaged[random.choice(ends) + random.integers(-40, 40)] = random.integers(0, 256)
        path.write_bytes(damaged)
        try:
            npmoji.load(path, engine="numpy").top(TEXTS)
        except NpmojiError:
            told += 1
        path.unlink()
    assert 0 < told < 150


# The last activation --------------------------------------------------------------------------------------------------


def with_config(tmp_path, change):
    """A full model of DeepMoji's network whose config was changed by a function of its layers by name."""
    path = tmp_path / "full.h5"
    path.write_bytes((DATA / "models" / "tfkeras_small" / "full_model.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config["config"], {layer["config"]["name"]: layer for layer in config["config"]["layers"]})
        file.attrs["model_config"] = json.dumps(config)
    return path


@pytest.mark.parametrize("named", ["sigmoid", {"class_name": "function", "config": "sigmoid"}])
def test_a_config_says_its_last_activation(tmp_path, named):
    path = with_config(tmp_path, lambda config, layers: layers["softmax"]["config"].update(activation=named))
    model = npmoji.load(path, engine="numpy")
    ids = [[1, 2, 3, 0]]
    logits = np.float64(model["logits"](ids))
    assert model.classes > 1
    np.testing.assert_allclose(model.predict(ids), 1 / (1 + np.exp(-logits)), rtol=0, atol=1e-6)
    convert(path, tmp_path / "w.safetensors")
    np.testing.assert_array_equal(npmoji.load(tmp_path / "w.safetensors").predict(ids), model.predict(ids))


def test_an_unknown_last_activation(tmp_path):
    path = with_config(tmp_path, lambda config, layers: layers["softmax"]["config"].update(activation="no_such"))
    with pytest.raises(WeightsError, match="'softmax': unknown activation 'no_such'"):
        npmoji.load(path)


def test_a_last_activation_of_its_own(tmp_path):
    """The layer called softmax gives logits then, and the network's output is another layer's."""

    def change(config, layers):
        layers["softmax"]["config"]["activation"] = "linear"
        end = {"class_name": "Activation", "config": {"name": "end", "activation": "sigmoid"}, "name": "end"}
        config["layers"].append({**end, "inbound_nodes": [[["softmax", 0, 0, {}]]]})
        config["output_layers"] = [["end", 0, 0]]

    model = npmoji.load(with_config(tmp_path, change), engine="numpy")
    ids = np.array([[1, 2, 3] + [0] * 11])
    logits = np.float64(model["softmax"](ids))
    assert logits.min() < 0
    np.testing.assert_allclose(model.predict(ids), 1 / (1 + np.exp(-logits)), rtol=0, atol=1e-6)
    kernel, bias = model["softmax"].weights().values()
    mine = heads.with_head(model, kernel[:, :3], bias[:3], classes=list("abc"))
    np.testing.assert_allclose(mine.predict(ids).sum(axis=1), 1, rtol=1e-6)
    assert list(mine.graph.named)[-1] == "end" and mine.contents.config != model.contents.config


def test_flags_that_do_not_fit_the_config(tmp_path):
    path = with_config(tmp_path, lambda config, layers: None)
    with h5py.File(path, "r+") as file:
        file.attrs["npmoji_multi_label"] = "true"
    with pytest.raises(WeightsError, match=r"full.h5: layer 'softmax': activation 'softmax', but .* 'sigmoid'"):
        npmoji.load(path)


# Provenance ----------------------------------------------------------------------------------------------------------


def test_provenance_is_json(base):
    told = {"a": (1, np.float32(0.5), [None, True]), "b": {"c": np.int64(3)}, "d": "ü"}
    model = heads.with_head(base, *last(2), classes=["x", "y"], provenance=told)
    assert model.provenance == {"a": [1, 0.5, [None, True]], "b": {"c": 3}, "d": "ü"}
    assert type(model.provenance["b"]["c"]) is int
    nested = []
    for _ in range(1000):
        nested = [nested]
    for wrong, message in [
        ({"scores": {"f1": float("nan")}}, r"provenance\['scores'\]\['f1'\]: nan, expected a finite number"),
        ({"x": object()}, r"provenance\['x'\]: object"),
        ({"x": {1: 2}}, r"provenance\['x'\]: the key 1"),
        ({"x": np.ones(3)}, "ndarray"),
        ({"x": nested}, "levels"),
        ([1], "provenance: list, expected a dict"),
    ]:
        with pytest.raises(InputError, match=message):
            heads.with_head(base, *last(2), classes=["x", "y"], provenance=wrong)
    assert plain({"x": np.bool_(True)}, "p") == {"x": True}


# Other weights --------------------------------------------------------------------------------------------------------


def test_other_weights(base, tmp_path):
    kernel, bias = last(64)
    model = heads.rebuilt(base, {"softmax": {"kernel": kernel, "bias": bias}}, provenance={"method": "full"})
    assert model.provenance == {"method": "full"} and model.class_names == list(NAMES) and model.references is None
    np.testing.assert_array_equal(model.encode(TEXTS), base.encode(TEXTS))
    assert np.abs(model.predict(TEXTS) - base.predict(TEXTS)).max() > 0.01
    heads.save(model, tmp_path / "w.hdf5")
    assert verify(npmoji.load(tmp_path / "w.hdf5")).passed
    again = heads.rebuilt(model, {name: dict(arrays) for name, arrays in base.contents.layers.items()})
    np.testing.assert_array_equal(again.predict(TEXTS), base.predict(TEXTS))
    assert again.provenance == {"method": "full"} and repr(again).startswith("<Model made from /")


@pytest.mark.parametrize("name", ["weights.hdf5", "full_model.h5"])
def test_a_larger_vocabulary(tmp_path, toy_vocabulary, name):
    place = "keras205_small" if name == "weights.hdf5" else "tfkeras_small"
    base = npmoji.load(DATA / "models" / place / name, vocabulary=toy_vocabulary, engine="numpy")
    old = base.contents.layers["embedding"]["embeddings"]
    new = np.float32(np.random.default_rng(0).uniform(-0.05, 0.05, (7, old.shape[1])))
    words = {**toy_vocabulary, "brandnew": len(old) + 6}
    with pytest.raises(VocabularyError, match="does not fit"):
        heads.rebuilt(base, {}, words=words)
    model = heads.rebuilt(base, {"embedding": {"embeddings": np.concatenate([old, new])}}, words=words)
    assert model.vocabulary_size == len(old) + 7 and model.tokens(["lol brandnew"])[0, 1] == len(old) + 6
    np.testing.assert_array_equal(model.predict(TEXTS), base.predict(TEXTS))
    assert np.abs(model.predict(["lol brandnew"]) - base.predict(["lol brandnew"])).max() > 0
    heads.save(model, tmp_path / "w.h5")
    again = npmoji.load(tmp_path / "w.h5", engine="numpy")
    assert again.tokenizer.vocabulary == words and again.vocabulary_size == len(old) + 7
    if again.contents.config:
        entries = again.contents.config["config"]["layers"]
        sizes = [entry["config"]["input_dim"] for entry in entries if entry["class_name"] == "Embedding"]
        assert sizes == [len(old) + 7] and base.contents.config != again.contents.config


@pytest.mark.parametrize(
    "layers, message",
    [
        ({"softmax": {"no": np.zeros(3)}}, "no array softmax/no"),
        ({"no": {"kernel": np.zeros(3)}}, "no array no/kernel"),
        ({"softmax": {"bias": np.zeros(3)}}, r"softmax/bias: of shape \(3,\), expected \(64\)"),
        ({"softmax": {"bias": np.full(64, np.nan)}}, "softmax/bias: holds NaN"),
        ({"softmax": {"bias": ["x"] * 64}}, "softmax/bias: expected numbers"),
        ({"embedding": {"embeddings": np.zeros((9, 3))}}, r"embeddings: of shape \(9, 3\), expected \(any, "),
    ],
)
def test_weights_that_do_not_fit(base, layers, message):
    with pytest.raises(InputError, match=message):
        heads.rebuilt(base, layers)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kernel": np.zeros((F - 1, 2))}, r"a kernel of 95 rows, expected 96"),
        ({"kernel": np.zeros(F)}, r"kernel: of shape \(96,\), expected \(any, any\)"),
        ({"kernel": np.full((F, 2), np.inf)}, "kernel: holds NaN or infinite"),
        ({"kernel": np.full((F, 2), 1e39)}, "kernel: holds NaN or infinite"),
        ({"kernel": "text"}, "kernel: expected an array of numbers"),
        ({"bias": np.zeros(3)}, r"bias: of shape \(3,\), expected \(2\)"),
        ({"classes": ["a"]}, r"1 names for a kernel of shape \(96, 2\), expected 2"),
        ({"classes": ["a", 2]}, "classes: 2, expected texts"),
        ({"classes": ["a", "a"]}, "class 'a' comes twice"),
        ({"kernel": np.zeros((F, 1)), "bias": None, "classes": ["a"]}, "expected 2 for one column"),
        ({"after": "bi_lstm_1"}, "takes a new layer after 'attlayer' only"),
    ],
)
def test_heads_that_do_not_fit(base, options, message):
    given = {"kernel": last(2)[0], "bias": last(2)[1], "classes": ["a", "b"], **options}
    with pytest.raises(InputError, match=message):
        heads.with_head(base, given.pop("kernel"), **given)


def test_saving_elsewhere(base, tmp_path):
    for name in ("m.npz", "m"):
        with pytest.raises(InputError, match=r"\.safetensors, \.hdf5, \.h5"):
            heads.save(own(base), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_be_replaced_by_what_was_made_from_it(mine, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes((mine / "softmax 3.safetensors").read_bytes())
    model = npmoji.load(path, engine="numpy")
    other = heads.rebuilt(model, {"softmax": {"bias": np.float32([5, 0, 0])}})
    heads.save(other, path)
    np.testing.assert_array_equal(npmoji.load(path, engine="numpy").predict(TEXTS), other.predict(TEXTS))
    assert verify(npmoji.load(path)).passed
