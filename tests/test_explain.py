"""`Model.explain`: contributions are what `predict` says when a word is left out, for every kind of network."""

import copy
import json
import pickle

import numpy as np
import pytest
from conftest import DATA

import npmoji
from npmoji.classes import Classes
from npmoji.errors import InputError, NpmojiError, VocabularyError
from npmoji.explain import leave_out
from npmoji.explain.explanation import SHOWN, Explanations
from npmoji.explain.targets import find
from npmoji.graph import Graph
from npmoji.layers.base import ancestors
from npmoji.learn import heads
from npmoji.model import AllPredictions, Model, Predictions
from npmoji.text.emojis import EMOJIS, NAMES, Prediction
from npmoji.text.shortcodes import SHORTCODES

MASK = "𝐂𝐔𝐒𝐓𝐎𝐌_𝐌𝐀𝐒𝐊"  # which becomes the word that has id 0
TEXTS = [
    "I LOVE mom's cooking!!!",
    "this is SOOOO bad :( xyzzyx",
    "love",
    "",
    f"the {MASK} day {MASK}",
    "so so so so",
    "what a day " * 12,  # 36 words
]
EMOJI_CLASSES = Classes(list(NAMES), list(EMOJIS))


def numbers(*shape, seed=0):
    return np.float32(np.random.default_rng(seed + sum(shape)).standard_normal(shape))


def by_predict(model, ids, K):
    """By definition: what `predict` gives for a row of ids, and for it without each of its first K, one by one."""
    ids = [int(i) for i in ids]
    whole = model.predict([ids])
    without = [model.predict([[*ids[:i], *ids[i + 1 :], 0]]) for i in range(K)]
    return whole, without


def assert_as_predict(model, texts, explanations):
    """Bit for bit."""
    for text, found in zip(texts, explanations, strict=True):
        K = sum(word.used for word in found.words)
        whole, without = by_predict(model, model.tokenizer([text])[0], K)
        both = found.probabilities.shape[0] == 2 and whole.shape[1] == 1
        everything = [np.concatenate([1 - p, p], axis=1) if both else p for p in [whole, *without]]
        whole, *without = everything
        assert found.probabilities.tobytes() == whole[0].tobytes()
        assert found.contributions.dtype == np.float32
        assert found.contributions.shape == (len(found.words), whole.shape[1])
        for i, p in enumerate(without):
            assert found.contributions[i].tobytes() == (whole - p)[0].tobytes()
        assert not found.contributions[K:].any()


@pytest.fixture(scope="module")
def bundled():
    return npmoji.load(engine="numba")


@pytest.fixture(scope="module")
def base(folder):
    return npmoji.load(folder / "weights.hdf5", engine="numba")


# What the numbers are -------------------------------------------------------------------------------------------------


def test_contributions_are_what_predict_says_without_the_word(bundled):
    found = bundled.explain(TEXTS)
    assert_as_predict(bundled, TEXTS, found)
    assert bundled.explain(TEXTS[:1])[0].contributions.tobytes() == found[0].contributions.tobytes()


def test_the_numpy_engine_differs_in_the_last_bits_only(bundled):
    """Its sums depend on the rows beside, so `predict` gives the same bits only for the same rows together."""
    model = npmoji.load(engine="numpy")
    for one, other in zip(model.explain(TEXTS), bundled.explain(TEXTS), strict=True):
        np.testing.assert_allclose(one.contributions, other.contributions, atol=2e-6)
    (found,) = model.explain(TEXTS[:1])
    rows = leave_out.variants(model.tokens(TEXTS[:1])[0], leave_out.Piece(0, 0, 5, 5))
    assert rows[0].tolist()[:6] == [*rows[5].tolist()[:4], int(rows[0, 4]), 0]
    p = model.predict(rows)
    assert found.probabilities.tobytes() == p[0].tobytes() and found.contributions.tobytes() == (p[0] - p[1:]).tobytes()


def test_words_attention_and_predictions(bundled):
    found = bundled.explain(TEXTS)
    attention, top = bundled.attention(TEXTS), bundled.top(TEXTS)
    for text, one, row, best in zip(TEXTS, found, attention, top, strict=True):
        assert one.text == text and one.has_attention
        assert [word.text for word in one.words] == bundled.tokenizer.words(text)
        assert [(word.text, word.start, word.end) for word in one.words] == bundled.tokenizer.spans(text)
        used = [word for word in one.words if word.used]
        assert [word.attention for word in used] == row[: len(used)].tolist()
        assert one.predictions == best and one.target == best[0]
        assert [word.contribution for word in one.words] == one.contributions[:, best[0].id].tolist()
    bad = found[1].words
    assert [word.text for word in bad if not word.known] == ["xyzzyx"]
    assert found[1].text[bad[2].start : bad[2].end] == "SOOOO" and bad[2].text == "soo"
    assert all(type(value) is float for word in bad for value in (word.attention, word.contribution))


def test_what_is_beyond_the_limit_is_marked_and_moves_nowhere(folder):
    model = npmoji.load(folder / "weights.hdf5", engine="numba", maxlen=3)
    (found,) = model.explain(["love mom's cooking lol xyzzyx"])
    assert [word.used for word in found.words] == [True] * 3 + [False] * 2
    assert [word.known for word in found.words] == [True] * 4 + [False]
    assert [(word.attention, word.contribution) for word in found.words[3:]] == [(0.0, 0.0)] * 2
    assert [word.contribution for word in found.words[:3]] == [
        word.contribution for word in model.explain(["love mom's cooking"])[0].words
    ]
    assert_as_predict(model, [found.text], [found])


def test_a_text_without_words_has_predictions(bundled):
    (found,) = bundled.explain([" \n"])
    assert (found.words, found.contributions.shape) == ([], (0, 64)) and found.predictions == bundled.top([""])[0]


def test_a_mask_typed_as_a_word(bundled):
    (found,) = bundled.explain([f"the {MASK} day {MASK}"])
    assert bundled.tokenizer([found.text])[0, 1] == 0
    assert [(word.attention, word.known) for word in found.words[1::2]] == [(0.0, True)] * 2
    assert not found.contributions[3].any()  # at the end it is as padding


def test_what_is_taken_as_texts(bundled):
    expected = bundled.explain(["so happy", "so sad"])[1].as_dict()
    for texts in (("so happy", "so sad"), iter(["so happy", "so sad"]), np.array(["so happy", "so sad"])):
        found = bundled.explain(texts)
        assert found[1].as_dict() == expected and type(found[1].text) is str
    assert bundled.explain([]) == [] == bundled.explain(np.array([], dtype=str))


@pytest.mark.parametrize(
    "texts, error",
    [
        ("one text", r"expected a list of texts, got one str: pass a list, \[text\]"),
        (["a", None], "missing value at row 1"),
        (["a", 3], "row 1 is int, expected a string"),
        ([[1, 2]], "row 0 is list, expected a string"),
        (np.array([[1, 2]]), "expected a list of texts, got an array of int64"),
        ({"text": ["a"]}, r"pass one of its values, x\['text'\]"),
        (7, "expected a list of texts, got int"),
    ],
)
def test_no_texts(bundled, texts, error):
    with pytest.raises(InputError, match=error):
        bundled.explain(texts)


# In batches -----------------------------------------------------------------------------------------------------------


def test_batches_hold_all_and_split_only_what_is_too_long():
    lengths = [3, 0, 1, 25, 2, 9, 10, 0]
    batches = list(leave_out.batches(lengths, 10))
    assert max(sum(piece.rows for piece in batch) for batch in batches) <= 10
    pieces = [piece for batch in batches for piece in batch]
    words = [(piece.text, i) for piece in pieces for i in range(piece.start, piece.stop)]
    assert words == [(text, i) for text, K in enumerate(lengths) for i in range(K)]
    assert [piece.text for piece in pieces] == [0, 1, 2, 3, 3, 3, 4, 5, 6, 6, 7]
    assert [len(batch) for batch in batches] == [3, 1, 1, 1, 1, 1, 1, 2]
    assert list(leave_out.batches([], 10)) == []


def test_the_batches_size_changes_nothing(bundled, monkeypatch):
    expected = [one.as_dict(64) for one in bundled.explain(TEXTS)]
    for size in (1, 4_000):  # two rows at a time, and some nine
        monkeypatch.setattr(leave_out, "BATCH", size)
        assert [one.as_dict(64) for one in bundled.explain(TEXTS)] == expected


def test_each_batch_compares_with_its_own_computing_of_the_text(base, monkeypatch):
    """As the engine "auto" may be another one for the next batch, and the engines differ in the last bits: here by
    much more."""
    texts = ["love this day so a best ever lol that was funny tired"]
    (expected,) = base.explain(texts)
    monkeypatch.setattr(leave_out, "BATCH", 7 * (30 * 6 + 4 * 64))  # rows for six of its twelve words
    results, calls = base.results, []

    def drifting(x, what):
        calls.append(len(x))
        found = results(x, what)
        return {**found, "probabilities": found["probabilities"] + np.float32(len(calls))}

    monkeypatch.setattr(base, "results", drifting)
    (found,) = base.explain(texts)
    assert calls == [7, 7]
    np.testing.assert_allclose(found.contributions, expected.contributions, atol=1e-6)


def test_progress_is_told_in_texts(bundled, monkeypatch):
    monkeypatch.setattr(leave_out, "BATCH", 4_000)
    told = []
    bundled.explain(TEXTS, progress=lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {7} and told[-1] == (7, 7)
    assert [done for done, _ in told] == sorted(done for done, _ in told) and len(told) > 3
    with pytest.raises(InputError, match="progress 3: expected True, False or a function"):
        bundled.explain(TEXTS, progress=3)


# Which class ----------------------------------------------------------------------------------------------------------


def test_shortcodes_are_of_one_emoji_each():
    codes = [code for some in SHORTCODES for code in some]
    assert len(SHORTCODES) == 64 and all(SHORTCODES) and len(set(codes)) == len(codes)
    assert not set(codes) & set(NAMES) - {some[0] for some, name in zip(SHORTCODES, NAMES) if name in some}
    assert {find(code, EMOJI_CLASSES) for code in codes} == set(range(64))


@pytest.mark.parametrize(
    "target, i",
    [
        (0, 0),
        (np.int64(63), 63),
        ("0", 0),
        ("😂", 0),
        (" 😂 ", 0),
        ("❤️", 8),
        ("♥️", 24),
        ("👍🏽", 33),
        ("joy", 0),
        (":joy:", 0),
        (":JOY:", 0),
        ("tears of joy", 0),
        ("Tears of Joy", 0),
        ("100", 13),
        ("+1", 33),
        ("eyes", 41),
        ("red heart", 8),
        ("heart red", 8),
        ("tongue", 54),
        ("skull", 51),
        (Prediction(4, "😍", 0.5, "😍"), 4),
        (Prediction(4, "", 0.5), 4),
    ],
)
def test_a_class_is_found(target, i):
    assert find(target, EMOJI_CLASSES) == i


def test_each_class_is_found_by_its_names():
    for i, (emoji, name) in enumerate(zip(EMOJIS, NAMES)):
        assert [find(target, EMOJI_CLASSES) for target in (i, str(i), emoji, emoji + "\ufe0f", name, name.title())] == [
            i
        ] * 6


@pytest.mark.parametrize(
    "target, error",
    [
        (64, "target 64: expected the number of a class, from 0 to 63"),
        (-1, "target -1: expected"),
        ("64", "target 64: expected"),
        (True, "expected one class, .*; got bool"),
        (1.0, "got float"),
        (["joy"], "got list"),
        ((4, "😍"), "got tuple"),
        (b"joy", "got bytes"),
        ("purple blue", "no class is called so"),
        ("grining", "such as .*53 😄 grinning eyes"),
        ("blue hearts", "61 💙 blue heart"),
        ("", r"expected an emoji, its name or shortcode, or a number from 0 to 63: 0 😂 tears of joy, .* and 58 more"),
        ("sparkling sweat", "no class"),
        ("🦖", "no class is called so"),
        ("9" * 5_000, "target '999.*no class"),
        ("two\nlines", r"'two\\nlines'"),
        (Prediction(4, "", 0.5, "sarcastic"), "'sarcastic': the prediction is of another model"),
        (Prediction(70, "", 0.5), "target 70"),
    ],
)
def test_no_class(target, error):
    with pytest.raises(InputError, match=error) as caught:
        find(target, EMOJI_CLASSES)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


def test_several_classes():
    with pytest.raises(InputError, match="target 'hands': several .*: 17 🙌 raised hands, 21 🙏 folded hands$"):
        find("hands ", EMOJI_CLASSES)
    own = Classes(["Yes", "yes", "no"], ["Yes", "yes", "no"], own=True)
    assert [find(name, own) for name in ("Yes", "yes", "NO", "2")] == [0, 1, 2, 2]
    with pytest.raises(InputError, match="several classes are called so: 0 Yes, 1 yes"):
        find("YES", own)


def test_own_classes_are_found_by_their_names():
    own = Classes(["7", "very angry", "👍🏽 thanks", "💕"], ["7", "very angry", "👍🏽 thanks", "💕"], own=True)
    targets = ("7", "0", "angry", "thanks", "two_hearts", 1)
    assert [find(target, own) for target in targets] == [0, 0, 1, 2, 3, 1]
    with pytest.raises(InputError, match="expected a name, or a number from 0 to 3, such as 1 very angry"):
        find("very anrgy", own)


def test_classes_without_names_have_numbers():
    unnamed = Classes([], [])
    assert find("3", unnamed, 5) == 3
    with pytest.raises(InputError, match="expected a number from 0 to 4, as this network's classes have no names"):
        find("joy", unnamed, 5)


def test_a_target_for_all_texts(bundled):
    best, joy = bundled.explain(TEXTS), bundled.explain(TEXTS, "joy")
    for one, other in zip(best, joy, strict=True):
        assert other.target == Prediction(0, "😂", float(one.probabilities[0]), "😂")
        assert one.toward("😂").as_dict() == other.as_dict() and other.toward(None).as_dict() == one.as_dict()
        assert [word.contribution for word in other.words] == one.contributions[:, 0].tolist()
        assert one.toward(one.predictions[3]).target == one.predictions[3]
        assert other.predictions == one.predictions == other.top(5)
    for texts in (TEXTS, []):
        with pytest.raises(InputError, match="target 64"):
            bundled.explain(texts, 64)


# What there is besides ------------------------------------------------------------------------------------------------


def test_as_json(bundled):
    (found,) = bundled.explain(["so HAPPY xyzzyx"], "joy")
    told = json.loads(json.dumps(found.as_dict(2)))
    assert list(told) == ["text", "target", "emojis", "words"]
    assert told["text"] == found.text and list(told["target"]) == ["id", "emoji", "p"]
    assert told["target"]["emoji"] == "😂" and np.float32(told["target"]["p"]) == found.probabilities[0]
    assert [list(some) for some in told["emojis"]] == [["id", "emoji", "p", "contributions"]] * 2
    for some, p in zip(told["emojis"], found.top(2), strict=True):
        assert some["id"] == p.id and np.array_equal(np.float32(some["contributions"]), found.contributions[:, p.id])
    assert [list(word.values()) for word in told["words"]] == [
        [*word[:3], float(str(np.float32(word.attention))), float(str(np.float32(word.contribution))), *word[5:]]
        for word in found.words
    ]
    assert list(told["words"][0]) == ["text", "start", "end", "attention", "contribution", "known", "used"]
    assert len(str(told["words"][0]["attention"])) <= 12  # not the digits of a float64


def test_an_explanation_stays_as_it_is(bundled):
    (found,) = bundled.explain(["so happy"])
    with pytest.raises(AttributeError):
        found.text = "other"
    for array in (found.contributions, found.probabilities):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    for same in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found), copy.copy(found)):
        assert same.toward(3).as_dict() == found.toward(3).as_dict()
    assert repr(found).startswith("<Explanation of 'so happy': 😄 0.") and repr(found).endswith(", 2 words>")


def test_what_is_shown(bundled):
    (found,) = bundled.explain(["so HAPPY"])
    assert "HAPPY" in str(found).splitlines()[0]
    assert found.html().startswith("<!DOCTYPE html>") and "HAPPY" in found._repr_html_()
    many = bundled.explain(["so HAPPY"] * (SHOWN + 2))
    assert type(many) is Explanations and many == list(many)
    assert many._repr_html_().count(found._repr_html_()) == SHOWN and many._repr_html_().endswith("<p>and 2 more</p>")
    assert bundled.explain([])._repr_html_() == "<p>no texts</p>"


def test_lists_of_predictions_are_lists_that_are_shown(bundled):
    found = bundled.top(["so happy", "so sad"], k=3)
    plain = [list(one) for one in found]
    assert (type(found), type(found[1])) == (AllPredictions, Predictions) and type(plain[1]) is list
    assert found == plain and repr(found) == repr(plain) and found[0] == plain[0] and isinstance(found, list)
    for same in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found), copy.copy(found)):
        assert same == found and type(same) is AllPredictions and type(same[0]) is Predictions
    assert json.dumps(found) == json.dumps(plain)
    for shown in (found._repr_html_(), found[0]._repr_html_()):
        assert "<table>" in shown and found[0][0].emoji in shown
    assert type(bundled.best(bundled.predict(["so"]))) is AllPredictions and bundled.top([]) == []


def test_a_model_is_shown_also_when_it_is_closed():
    model = npmoji.load(engine="numpy")
    before = model._repr_html_()
    model.close()
    assert model._repr_html_() == before and "deepmoji_small" in before
    for texts in (["so"], []):
        with pytest.raises(InputError, match="this model is closed"):
            model.explain(texts)


# Own classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns, names, multi_label",
    [(3, ["calm", "angry", "ü 😋"], False), (1, ["plain", "sarcastic"], False), (4, ["a", "b", "c", "joy"], True)],
)
def test_own_classes(base, columns, names, multi_label):
    kernel, bias = numbers(96, columns), numbers(columns)
    model = heads.with_head(base, kernel, bias, classes=names, multi_label=multi_label)
    found = model.explain(TEXTS, names[1])
    assert_as_predict(model, TEXTS, found)
    for text, one in zip(TEXTS, found, strict=True):
        assert len(one.probabilities) == len(names) and one.predictions == model.top([text])[0]
        assert (one.target.id, one.target.label, one.target.emoji) == (1, names[1], "")
        told = one.as_dict(1)
        assert list(told["target"]) == ["id", "emoji", "label", "p"] and told["target"]["label"] == names[1]
        assert list(told["emojis"][0]) == ["id", "emoji", "label", "p", "contributions"]
    if columns == 1:
        np.testing.assert_allclose(found[0].contributions.sum(axis=1), 0, atol=1e-6)
    with pytest.raises(InputError, match=r"expected a name, or a number from 0 to \d"):
        model.explain(TEXTS, "nothing")


# Networks of every kind -----------------------------------------------------------------------------------------------

V, E = 40, 6


def words(mask_zero=True, steps=None):
    shape = None if steps is None else (steps,)
    source = npmoji.Input(vocabulary_size=V, shape=shape, name="ids")
    return npmoji.Embedding(source, numbers(V, E), mask_zero=mask_zero)


def end(before, activation="softmax", C=4, width=E):
    return npmoji.Dense(before, numbers(width, C), numbers(C), activation=activation, name="end")


def model_of(*outputs, vocabulary=None, maxlen=30):
    tokenizer = vocabulary and npmoji.Tokenizer(vocabulary, maxlen)
    return Model(Graph(ancestors(outputs), list(outputs)), tokenizer, "net.h5", engine="numba")


def recurrent():
    return npmoji.LSTM(words(), *npmoji.init.lstm(1, E, 5), return_sequences=False)


def convolution(padding="valid"):
    return npmoji.Conv1D(words(mask_zero=False), numbers(3, E, E), numbers(E), padding=padding)


NETWORKS = {
    "mean": lambda: end(npmoji.MaskedMean(words())),
    "lstm": lambda: end(recurrent(), width=5),
    "convolution": lambda: end(npmoji.GlobalMaxPooling1D(convolution())),
    "one number": lambda: end(npmoji.MaskedMean(words()), "sigmoid", 1),
    "softmax apart": lambda: npmoji.Softmax(end(npmoji.MaskedMean(words()), "linear")),
    "fixed steps": lambda: end(npmoji.layers.Flatten(words(False, 8)), width=8 * E),
    "average of two": lambda: npmoji.Average(end(npmoji.MaskedMean(source := words())), end(npmoji.MaskedMean(source))),
    "dropout last": lambda: npmoji.Dropout(npmoji.Activation(end(npmoji.MaskedMean(words()), "linear"), "softmax")),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_without_attention(kind, toy_vocabulary):
    model = model_of(NETWORKS[kind](), vocabulary=toy_vocabulary, maxlen=8 if kind == "fixed steps" else 10)
    texts = ["love this day", "so xyzzyx !", f"a {MASK} b"] if kind != "mean" else ["love this day", "so xyzzyx !"]
    found = model.explain(texts)
    assert_as_predict(model, texts, found)
    for one in found:
        assert not one.has_attention and {word.attention for word in one.words} == {None}
        assert one.predictions == model.top([one.text])[0]
        told = json.dumps(one.as_dict())
        assert '"label"' not in told and '"attention": null' in told
    assert found[0].toward("0").target.id == 0
    assert str(found[0]) and found[0].html()


@pytest.mark.parametrize("padding, there", [("same", True), ("valid", False)])
def test_attention_is_of_words_only_where_there_is_one_number_for_each(padding, there, toy_vocabulary):
    model = model_of(
        end(npmoji.AttentionWeightedAverage(convolution(padding), numbers(E, 1))), vocabulary=toy_vocabulary
    )
    texts = ["love this day", "so !"]
    found = model.explain(texts)
    assert_as_predict(model, texts, found)
    assert [one.has_attention for one in found] == [there] * 2
    if there:
        assert [word.attention for word in found[0].words] == model.attention(texts)[0, :3].tolist()


def unsuited():
    """Networks that cannot be explained, and why not."""
    two = npmoji.Input(vocabulary_size=V, name="ids"), npmoji.Input(name="numbers")
    several = npmoji.Concatenate(npmoji.MaskedMean(npmoji.Embedding(two[0], numbers(V, E))), two[1])
    mean = npmoji.MaskedMean(words())
    return {
        "2 inputs": end(several, width=E + 2),
        "takes numbers": end(npmoji.Input(shape=(E,))),
        "'end' is linear": end(mean, "linear"),
        "'end' is relu": end(mean, "relu"),
        "is MaskedMean": mean,
        "is AttentionWeightedAverage": npmoji.AttentionWeightedAverage(words(), numbers(E, 1)),
        "is Add": npmoji.Add(end(mean), end(mean)),
        "'end' is tanh": npmoji.Dropout(end(mean, "tanh")),
        r"shape \(rows, 30, 4\)": end(words()),
    }


@pytest.mark.parametrize("why", list(unsuited()))
def test_networks_that_cannot_be_explained(why, toy_vocabulary):
    model = model_of(unsuited()[why], vocabulary=toy_vocabulary)
    with pytest.raises(InputError, match=f"^net.h5: cannot be explained: .*{why}.*expected") as caught:
        model.explain(["love this day"])
    assert "\n" not in str(caught.value)


def test_a_network_with_several_outputs(toy_vocabulary):
    mean = npmoji.MaskedMean(words())
    model = model_of(end(mean), npmoji.Dense(mean, numbers(E, 4), activation="softmax"), vocabulary=toy_vocabulary)
    with pytest.raises(InputError, match=r"net.h5: cannot be explained: this network has 2 outputs, expected one"):
        model.explain([])


def test_files_of_other_kinds():
    with pytest.raises(InputError, match="this network has 2 inputs"):
        npmoji.load(DATA / "models" / "seed003_tfk_state_masked" / "model.h5", engine="numpy").explain(["a"])
    for file in (DATA / "keras").glob("*/*.h5"):  # none of them has a vocabulary
        with pytest.raises(NpmojiError):
            npmoji.load(file, engine="numpy").explain(["a"])
    with pytest.raises(VocabularyError, match="this model has no vocabulary"):
        npmoji.load(DATA / "models" / "keras205_small" / "weights.hdf5", engine="numpy").explain(["a"])


def test_layers_of_ones_own_are_let_through(toy_vocabulary):
    class Sharpened(npmoji.Layer):
        def forward(self, ops, x):
            return x**2 / (x**2).sum(axis=1, keepdims=True)

    model = model_of(Sharpened(end(npmoji.MaskedMean(words()))), vocabulary=toy_vocabulary)
    texts = ["love this day", "so !"]
    assert_as_predict(model, texts, model.explain(texts, 3))


# Several models -------------------------------------------------------------------------------------------------------


def test_an_ensemble_explains_its_mean(folder, small, toy_vocabulary):
    vocabulary = {word: i for word, i in toy_vocabulary.items() if word != "love"}
    path = folder / "weights.hdf5"
    ensemble = npmoji.Ensemble([path, path], engine="numba")
    ensemble.models[1] = npmoji.load(small[0], vocabulary=vocabulary, engine="numba")
    texts = ["love this day", "best cooking lol xyzzyx", ""]
    found = ensemble.explain(texts)
    p = ensemble.predict(texts)
    first, second = (model.explain(texts) for model in ensemble.models)
    for row, one, a, b in zip(p, found, first, second, strict=True):
        assert one.probabilities.tobytes() == row.tobytes() and one.predictions == ensemble.top([one.text])[0]
        np.testing.assert_allclose(one.contributions, (a.contributions + b.contributions) / 2, atol=1e-6)
        ours, theirs = ([word.attention for word in some.words] for some in (a, b))
        np.testing.assert_allclose([word.attention for word in one.words], np.add(ours, theirs) / 2, atol=1e-7)
    assert [word.known for word in found[0].words] == [False, True, True]
    without = ensemble.predict(["this day"])
    assert found[0].contributions[0].tobytes() == (p[0] - without[0]).tobytes()


def test_an_ensemble_of_models_that_see_other_words(folder):
    path = folder / "weights.hdf5"
    ensemble = npmoji.Ensemble([path, path], engine="numpy")
    ensemble.models[1] = npmoji.load(path, engine="numpy", maxlen=20)
    with pytest.raises(InputError, match="its maxlen is 20, that of .* 30: expected models that see the same"):
        ensemble.explain(["love"])
    ensemble.models[1] = npmoji.load(path, engine="numpy", compat="torchmoji")
    with pytest.raises(InputError, match="its compat is 'torchmoji', that of .* 'deepmoji'"):
        ensemble.explain(["love"])
    ensemble.close()
    with pytest.raises(InputError, match="closed"):
        ensemble.explain([])
