"""`Classifier` and `Features`: scikit-learn's checks, texts and labels of all kinds, the model that comes out."""

import copy
import json
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import npmoji
from npmoji import InputError
from npmoji.learn import cache, encoding, labels, logistic

pytest.importorskip("sklearn", reason="needs scikit-learn: pip install '.[learn]'")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

WORDS = {
    name: words.split()
    for name, words in {
        "good": "love great happy best awesome fun beautiful sweet thanks yummy win sunny",
        "bad": "hate awful sad worst terrible boring ugly sick cry angry lost broken",
        "sleepy": "tired sleep bed nap yawn exhausted night late awake pillow early dream",
    }.items()
}
TEXTS = [f"{start} {word} today" for word in zip(*WORDS.values()) for word, start in zip(word, ("so", "what a", "i"))]
LABELS = [name for _ in range(12) for name in WORDS]
NEW = ["so much fun and love", "this is awful", "i need to sleep"]


@pytest.fixture(scope="module")
def model():
    return npmoji.load(engine="numpy")


@pytest.fixture(scope="module")
def features(model):
    return model.encode(TEXTS)


@pytest.fixture(scope="module")
def fitted(model):
    return npmoji.Classifier(model, C=10.0).fit(TEXTS, LABELS)


@pytest.fixture
def encoded(monkeypatch):
    """The texts that were computed, call by call; nothing is cached at the start."""
    calls, encode = [], npmoji.Model.encode
    monkeypatch.setattr(npmoji.Model, "encode", lambda self, x, **o: calls.append(list(x)) or encode(self, x, **o))
    cache.clear_cache()
    yield calls
    cache.clear_cache()


# scikit-learn's checks: all of them, none excluded -------------------------------------------------------------------


CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{getattr(check, 'func', check).__name__}")
    for made in (npmoji.Classifier(engine="numpy"), npmoji.Features(engine="numpy"))
    for estimator, check in estimator_checks_generator(made)
]


@pytest.mark.parametrize("estimator, check", CHECKS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


# The result is scikit-learn's -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("weight", [None, "balanced"])
def test_the_last_layer_is_scikit_learns_logistic_regression(features, C, weight):
    some = np.array(LABELS) != "sleepy"
    for X, y in ((features, np.array(LABELS)), (features[some][5:], np.array(LABELS)[some][5:])):
        found = npmoji.Classifier(C=C, class_weight=weight).fit(X, y)
        wanted = LogisticRegression(C=C, class_weight=weight, max_iter=10_000, tol=1e-6).fit(X.astype(float), y)
        assert found.classes_.tolist() == wanted.classes_.tolist() and found.C_ == C
        np.testing.assert_allclose(found.predict_proba(X), wanted.predict_proba(X), atol=5e-3)
        np.testing.assert_array_equal(found.predict(X), wanted.predict(X))
        assert found.kernel_.dtype == found.bias_.dtype == np.float32 and found.kernel_.shape[1] == len(set(y))


def test_wide_features_give_the_same(monkeypatch):
    """Directions are where the fit starts, not where it ends."""
    X = np.random.default_rng(0).standard_normal((300, 40)) * np.linspace(3, 0.1, 40) + 2
    y = labels.encode((X[:, 0] + X[:, 20] * 3 + X[:, 30] > 10).astype(int) + (X[:, 1] > 4))
    whole = logistic.fit(X, y, C=0.3)
    monkeypatch.setattr(logistic, "NARROW", 8)
    monkeypatch.setattr(logistic, "WIDE", 16)
    narrow = logistic.fit(X, y, C=0.3)
    np.testing.assert_allclose(narrow.kernel, whole.kernel, atol=1e-2)
    assert logistic.fit(X, y).C in logistic.GRID


def test_several_labels_are_a_regression_each(features):
    flags = np.array([[name == "good", name != "good", i % 2] for i, name in enumerate(LABELS)]).astype(int)
    found = npmoji.Classifier(C=0.5).fit(features, flags)
    p = found.predict_proba(features)
    for c in range(3):
        wanted = LogisticRegression(C=0.5, max_iter=10_000, tol=1e-6).fit(features.astype(float), flags[:, c])
        np.testing.assert_allclose(p[:, c], wanted.predict_proba(features)[:, 1], atol=5e-3)
    np.testing.assert_array_equal(found.predict(features), p > 0.5)
    assert found.decision_function(features).shape == (36, 3)


def test_weights_by_class(features):
    y = labels.encode(LABELS)
    assert logistic.class_weights(y, None) is None
    found = logistic.class_weights(y, {"good": 3.0})
    assert found[y.codes == 1].tolist() == [3.0] * 12 and set(found[y.codes != 1]) == {1.0}
    several = labels.encode([["a"], ["b"], ["a", "b"], []])
    assert logistic.class_weights(several, {"b": 2})[:, 1].tolist() == [1, 2, 2, 1]
    assert logistic.class_weights(labels.encode([["a"], ["b"], ["b"]]), "balanced")[:, 0].tolist() == [1.5, 0.75, 0.75]
    assert (
        npmoji.Classifier(class_weight={"good": 0}).fit(features, LABELS).predict(features).tolist().count("good") == 0
    )
    for given, words in (
        ("equal", "'equal': expected None, 'balanced'"),
        ({"x": 1}, "no class 'x'; the classes are 'bad'"),
        ({"bad": -1}, "-1, expected a number"),
        ({"bad": "much"}, "'much', expected a number"),
    ):
        with pytest.raises(InputError, match=words):
            npmoji.Classifier(class_weight=given).fit(features, LABELS)


def test_each_text_a_class_of_its_own(features):
    """No warning that these might be quantities, and C is not chosen: there is nothing to validate on."""
    names = [f"class {i:02d}" for i in range(len(features))]
    found = npmoji.Classifier(engine="numpy").fit(features, names)
    assert found.C_ == 1 and found.predict(features).tolist() == names


def test_the_choice_of_C(features, monkeypatch):
    chosen = logistic.fit(features, labels.encode(LABELS))
    assert chosen.C == max(chosen.tried, key=chosen.tried.get) and len(chosen.tried) > logistic.PATIENCE
    assert logistic.fit(features, labels.encode([*LABELS[:35], "one"])).C == 1.0  # nothing to validate on


def test_C_is_chosen_on_some_of_many_texts(monkeypatch):
    monkeypatch.setattr(logistic, "MOST", 60)
    few = [["rare"], ["rare", "good"], ["rare"]]
    for y in (labels.encode([*LABELS * 10, *["rare"] * 3]), labels.encode([*[[name] for name in LABELS * 10], *few])):
        rows = logistic._some(y, 0)
        assert 60 <= len(set(rows)) == len(rows) < 100 and {360, 361, 362} < set(rows)
        X = np.random.default_rng(0).standard_normal((363, 4)).astype(np.float32)
        assert logistic.fit(X, y).C in logistic.GRID


# Texts and features ---------------------------------------------------------------------------------------------------


def columns_of(texts):
    yield from (tuple(texts), np.array(texts), np.array(texts, object), iter(texts))
    try:
        import pandas as pd

        yield from (pd.Series(texts), pd.DataFrame({"text": texts})["text"])
    except ImportError:
        pass
    try:
        import polars as pl

        yield pl.Series(texts)
    except ImportError:
        pass
    try:
        import pyarrow as pa

        yield from (pa.array(texts), pa.chunked_array([texts[:2], texts[2:]]))
    except ImportError:
        pass


def test_texts_of_all_kinds(model, fitted):
    wanted, p = fitted.predict(NEW), fitted.predict_proba(NEW)
    assert wanted.tolist() == list(WORDS)
    for x in columns_of(NEW):
        np.testing.assert_array_equal(fitted.predict(x), wanted)
    for x in columns_of(TEXTS):
        np.testing.assert_array_equal(npmoji.Classifier(model, C=10.0).fit(x, LABELS).predict_proba(NEW), p)


def test_an_empty_text_has_no_words(fitted):
    assert fitted.predict_proba(["", NEW[0]]).shape == (2, 3)


def test_features_computed_before(model, features, fitted):
    pd = pytest.importorskip("pandas")
    for x in (features, features.astype(float), features.tolist(), pd.DataFrame(features).rename(columns=str)):
        found = npmoji.Classifier(C=10.0).fit(x, LABELS)
        np.testing.assert_array_equal(found.kernel_, npmoji.Classifier(C=10.0).fit(features, LABELS).kernel_)
        assert found.n_features_in_ == 320
        np.testing.assert_allclose(found.predict_proba(x), fitted.predict_proba(TEXTS), atol=0.02)
    assert fitted.predict_proba(features).shape == (36, 3) and fitted.n_features_in_ == 320


def test_features_of_another_width(features, tmp_path):
    found = npmoji.Classifier(engine="numpy").fit(features[:, :5], LABELS)
    assert found.predict(features[:, :5]).shape == (36,)
    for act in (found.predict, lambda x: found.to_model(), lambda x: found.save(tmp_path / "x.safetensors")):
        with pytest.raises(InputError, match="have 320 features, but this classifier was fitted on 5"):
            act(NEW)
    with pytest.raises(InputError, match="X has 320 features, but Classifier is expecting 5"):
        found.predict(features)
    assert not list(tmp_path.iterdir())


REFUSED = {
    "one str": ("a text", "one str: pass a list"),
    "nothing": ([], "no texts"),
    "None": (["a", None, "b"], "missing value at row 1"),
    "first None": ([None, "a", "b"], "missing value at row 0"),
    "NaN": (["a", float("nan"), "b"], "missing value at row 1"),
    "number": (["a", 5, "b"], "row 1 is int"),
    "dict": ({"text": ["a", "b", "c"]}, "a dict of 'text'"),
    "set": ({"a", "b", "c"}, "no order"),
    "bytes": ([b"a", b"b", b"c"], "decode the bytes"),
    "lists of str": ([["a"], ["b"], ["c"]], "expected numbers"),
    "ids": (np.ones((3, 4), np.uint16), "token ids"),
    "NaN feature": (np.array([[1.0], [np.nan], [2.0]]), "NaN"),
    "huge feature": (np.array([[1.0], [1e300], [2.0]]), "infinity"),
    "ragged": ([[1.0], [1.0, 2.0], [3.0]], "rows of one length"),
    "one axis": (np.ones(3), "Expected 2D array"),
    "int": (5, "got int"),
}


@pytest.mark.parametrize("x, words", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(fitted, x, words):
    for act in (
        lambda: npmoji.Classifier(engine="numpy").fit(x, ["p", "q", "p"]),
        lambda: npmoji.Classifier(engine="numpy").cross_validate(x, ["p", "q", "p"], folds=2),
        lambda: npmoji.Features(engine="numpy").fit_transform(x),
        lambda: fitted.predict(x),
        lambda: fitted.predict_proba(x),
    ):
        with pytest.raises(InputError) as error:
            act()
        assert words in str(error.value) and "\n" not in str(error.value)


def test_tables_are_refused_unless_they_are_numbers(fitted):
    pd, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    with pytest.raises(InputError, match=r"pandas DataFrame of columns 'text': pass one of them, x\['text'\]"):
        fitted.predict(pd.DataFrame({"text": NEW}))
    with pytest.raises(InputError, match="sparse csr_matrix"):
        fitted.predict(sparse.csr_matrix(np.eye(3)))


@pytest.mark.parametrize(
    "y, words",
    [
        (LABELS[:-1], "35 labels for 36 texts"),
        (["a"] * 36, "one class only, 'a'"),
        ([None, *LABELS[1:]], "missing label at row 0"),
        ([["a"]] * 36, "one class only"),
        ([["a", "b"]] * 35 + [["a"]], "class 'a': every text has it"),
        (np.zeros((36, 2), int), "class '0': no text has it"),
        (np.linspace(0, 1, 36), "continuous"),
    ],
)
def test_labels_that_are_refused(features, y, words):
    with pytest.raises(InputError, match=words):
        npmoji.Classifier().fit(features, y)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"method": "first"}, "method 'first': expected one of last"),
        ({"C": 0}, "C 0: expected a number above 0"),
        ({"C": "1"}, "C '1'"),
        ({"C": True}, "C True"),
        ({"random_state": -1}, "random_state -1"),
        ({"engine": "fast"}, "engine 'fast'"),
        ({"maxlen": 0}, "maxlen"),
        ({"precision": "fp8"}, "precision 'fp8'"),
        ({"weights": 3}, "3|path"),
        ({"method": "full", "C": 1.0}, "C: only the method 'last' has one"),
        ({"method": "full", "class_weight": "balanced"}, "class_weight: only the method 'last'"),
    ],
)
def test_parameters_are_checked_by_fit(options, words):
    found = npmoji.Classifier(**options)
    with pytest.raises(npmoji.NpmojiError, match=words):
        found.fit(TEXTS, LABELS)


def test_the_network_is_not_trained_on_features(features):
    with pytest.raises(InputError, match="method 'full' trains the network: expected texts"):
        npmoji.Classifier(method="full").fit(features, LABELS)


def test_a_model_has_its_own_vocabulary(model):
    with pytest.raises(InputError, match="its own vocabulary and precision"):
        npmoji.Classifier(model, precision="fp16").fit(TEXTS, LABELS)


# Labels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["a", "b", "c"], [7, -2, 3], ["ja", "nein"], [True, False], [1, 0]])
def test_labels_come_back_as_they_were(features, names):
    y = [names[i % len(names)] for i in range(36)]
    found = npmoji.Classifier(C=1.0).fit(features, y)
    assert found.classes_.tolist() == sorted(set(names)) and found.predict_proba(features).shape == (36, len(names))
    guess = found.predict(features)
    assert guess.dtype == np.array(y).dtype and set(guess.tolist()) <= set(names)
    assert found.score(features, y) == np.mean([a == b for a, b in zip(guess.tolist(), y)])


def test_weights_of_a_score(fitted):
    right = fitted.predict(TEXTS) == np.array(LABELS)
    weights = np.arange(len(TEXTS)) + 1.0
    assert fitted.score(TEXTS, LABELS, weights) == np.average(right, weights=weights)
    for some in (np.ones(3), np.zeros(len(TEXTS)), -weights, weights * np.nan):
        with pytest.raises(InputError, match="sample_weight: expected 36 numbers of 0 or more"):
            fitted.score(TEXTS, LABELS, some)


def test_lists_of_labels_come_back_as_lists(model):
    y = [[name] if name != "sleepy" else ["bad", "sleepy"] for name in LABELS]
    found = npmoji.Classifier(model, C=10.0).fit(TEXTS, y)
    guess = found.predict(TEXTS)
    assert found.multi_label_ and found.classes_.tolist() == ["bad", "good", "sleepy"]
    assert isinstance(guess, list) and all(set(labels) <= set(WORDS) for labels in guess)
    assert found.score(TEXTS, y) == np.mean([set(a) == set(b) for a, b in zip(guess, y)]) > 0.5
    p = found.predict_proba(TEXTS)
    matrix = npmoji.Classifier(model, C=10.0).fit(
        TEXTS, np.array([[name in some for name in found.classes_] for some in y])
    )
    np.testing.assert_array_equal(matrix.predict(TEXTS), p > 0.5)
    assert found.to_model().multi_label and found.to_model().class_names == ["bad", "good", "sleepy"]


def test_score_of_unknown_labels_and_of_other_kinds(fitted):
    assert fitted.score(NEW, ["good", "unheard of", "sleepy"]) == pytest.approx(2 / 3)
    assert fitted.score(NEW, list(WORDS), sample_weight=[1, 0, 0]) == 1.0
    with pytest.raises(InputError, match="expected one label a text"):
        fitted.score(NEW, [["good"], ["bad"], []])


# The model ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("suffix", [".safetensors", ".hdf5"])
def test_the_saved_model_gives_the_same_bits(engine, several, suffix, tmp_path):
    y = [[name, "any"] if i % 2 else [name] for i, name in enumerate(LABELS)] if several else LABELS
    found = npmoji.Classifier(engine=engine, C=10.0).fit(TEXTS, y)
    path = tmp_path / f"mine{suffix}"
    found.save(path)
    loaded = npmoji.load(path, vocabulary=npmoji.load().tokenizer.vocabulary, engine=engine)
    for texts in (TEXTS, NEW, [*NEW, *TEXTS[:9]]):
        np.testing.assert_array_equal(found.predict_proba(texts), loaded.predict(texts))
    assert loaded.class_names == found.classes_.tolist()
    assert [top[0].label for top in loaded.top(NEW)] == found.classes_[found.predict_proba(NEW).argmax(1)].tolist()


def test_features_and_texts_give_the_same(model, fitted):
    p = fitted.predict_proba(NEW)
    np.testing.assert_allclose(fitted.predict_proba(model.encode(NEW)), p, atol=1e-6)
    np.testing.assert_allclose(fitted.model_.probabilities(model.encode(NEW)), p, atol=1e-6)
    logits = fitted.decision_function(NEW)
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), p, atol=1e-5)


def test_provenance_is_plain(fitted):
    told = fitted.model_.provenance
    assert json.loads(json.dumps(told)) == told
    assert told["method"] == "last" and told["C"] == fitted.C_ and told["counts"] == dict.fromkeys(sorted(WORDS), 12)


def test_nothing_is_predicted_before_fit(tmp_path):
    found = npmoji.Classifier()
    for act in (found.predict, found.predict_proba, found.decision_function, found.save, lambda x: found.model_):
        with pytest.raises(NotFittedError):
            act(NEW)


# Copies, and scikit-learn's tools -------------------------------------------------------------------------------------


def test_copies_and_pickles_predict_the_same(model, fitted):
    p = fitted.predict_proba(NEW)
    for other in (
        pickle.loads(pickle.dumps(fitted)),
        copy.deepcopy(fitted),
        copy.copy(fitted),
        pickle.loads(pickle.dumps(npmoji.Classifier(engine="numpy", C=10.0).fit(TEXTS, LABELS))),
    ):
        np.testing.assert_array_equal(other.predict_proba(NEW), p)


def test_joblib(fitted, tmp_path):
    joblib = pytest.importorskip("joblib")
    joblib.dump(fitted, tmp_path / "mine.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "mine.joblib").predict(NEW), fitted.predict(NEW))


def test_clones_share_the_model(model):
    first = npmoji.Classifier(model, C=3.0, class_weight={"good": 2.0})
    second = clone(first)
    assert second.weights is model and second.get_params() == first.get_params() and second is not first
    assert not hasattr(clone(first.fit(TEXTS, LABELS)), "classes_")
    assert (
        clone(npmoji.Features("original", maxlen=7)).get_params() == npmoji.Features("original", maxlen=7).get_params()
    )


def test_pipelines(model, features):
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    shouted = [text.upper() for text in TEXTS]
    found = make_pipeline(lower, npmoji.Classifier(model)).fit(shouted, LABELS)
    assert found.predict([text.upper() for text in NEW]).tolist() == list(WORDS)
    own = make_pipeline(npmoji.Features(model), LogisticRegression(max_iter=1000)).fit(TEXTS, LABELS)
    assert own.predict(NEW).tolist() == list(WORDS)
    both = make_pipeline(npmoji.Features(model), npmoji.Classifier(model)).fit(TEXTS, LABELS)
    assert both.predict(NEW).tolist() == list(WORDS)
    assert both[-1].to_model().predict(NEW).argmax(1).tolist() == [1, 0, 2]
    np.testing.assert_array_equal(own[0].transform(TEXTS), features)


def test_features_as_a_transformer(model, features):
    found = npmoji.Features(model).fit(TEXTS)
    assert found.get_feature_names_out().tolist() == [f"features{i}" for i in range(320)]
    np.testing.assert_array_equal(npmoji.Features(model).transform(TEXTS), features)  # without fit, too
    assert found.n_features_in_ == 320 and found.transform(TEXTS).dtype == np.float32
    np.testing.assert_array_equal(found.transform(features), features)
    pytest.importorskip("pandas")
    assert found.set_output(transform="pandas").transform(TEXTS).shape == (36, 320)


def test_grid_search_and_cross_val_score(model, encoded):
    search = GridSearchCV(npmoji.Classifier(model), {"C": [0.01, 1.0, 100.0]}, cv=3).fit(TEXTS, LABELS)
    assert search.best_params_["C"] in (0.01, 1.0, 100.0) and search.predict(NEW).tolist() == list(WORDS)
    assert len([call for call in encoded if len(call) == 24]) == 3  # a fold's texts once, not for each C
    scores = cross_val_score(npmoji.Classifier(model, C=1.0), TEXTS, LABELS, cv=3)
    assert scores.shape == (3,) and scores.mean() > 0.4


# Features are computed once ------------------------------------------------------------------------------------------


def test_with_numba_no_text_is_computed_twice(encoded):
    model = npmoji.load(engine="numba")
    GridSearchCV(npmoji.Classifier(model), {"C": [0.01, 1.0]}, cv=3).fit([*TEXTS, *TEXTS], [*LABELS, *LABELS])
    npmoji.Classifier(model, C=1.0).cross_validate(TEXTS, LABELS, folds=3)
    npmoji.Features(model).fit_transform([*TEXTS, NEW[0]])
    computed = [text for call in encoded for text in call]
    assert sorted(computed) == sorted({*TEXTS, NEW[0]})
    cold = npmoji.load(engine="numba").encode([*NEW, *TEXTS])
    np.testing.assert_array_equal(npmoji.Features(model).fit_transform([*NEW, *TEXTS]), cold)


def test_cross_validation_computes_the_features_once(model, encoded):
    npmoji.Classifier(model, C=1.0).cross_validate(TEXTS, LABELS, folds=4)
    npmoji.Classifier(model, C=1.0).fit(TEXTS, LABELS)
    assert encoded == [TEXTS]
    cache.clear_cache()
    assert cache.size() == 0
    npmoji.Classifier(model, C=1.0).fit(TEXTS, LABELS)
    assert encoded == [TEXTS] * 2


def test_another_model_has_other_features(model, encoded):
    other = npmoji.learn.heads.rebuilt(model, {"attlayer": {"kernel": np.zeros((320, 1))}})
    a, b = (npmoji.Features(some).fit_transform(NEW) for some in (model, other))
    assert not np.array_equal(a, b) and len(encoded) == 2
    np.testing.assert_array_equal(b, other.encode(NEW))


def test_the_cache_is_bounded_and_gives_copies(model, encoded, monkeypatch):
    first = npmoji.Features(model).fit_transform(NEW)
    first[:] = 0  # the caller's own
    assert npmoji.Features(model).fit_transform(NEW).any()
    monkeypatch.setattr(cache, "LIMIT", 3 * 320 * 4)
    npmoji.Features(model).fit_transform(TEXTS[:2])
    assert cache.size() <= cache.LIMIT
    npmoji.Features(model).fit_transform(TEXTS)  # larger than all of it
    assert cache.size() == 0
    assert npmoji.Features(model).fit_transform(TEXTS).shape == (36, 320)


def test_threads_share_the_cache(encoded):
    model, found = npmoji.load(engine="numba"), {}
    wanted = npmoji.load(engine="numba").encode(TEXTS)

    def work(i):
        for _ in range(3):
            found[i] = npmoji.Features(model).fit_transform(TEXTS[i:])
            if i % 2:
                cache.clear_cache()
            npmoji.Classifier(model, C=1.0).fit(TEXTS[:24], LABELS[:24])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        np.testing.assert_array_equal(found[i], wanted[i:])
    assert 0 <= cache.size() <= cache.LIMIT and not logistic._inside


def test_clones_share_what_was_loaded(monkeypatch):
    encoding._loaded.clear()
    loads, load = [], encoding.load
    monkeypatch.setattr(encoding, "load", lambda *a, **o: loads.append(a) or load(*a, **o))
    first = npmoji.Classifier(engine="numpy", C=1.0).fit(TEXTS, LABELS)
    clone(first).fit(TEXTS, LABELS)
    npmoji.Features(engine="numpy").fit(TEXTS)
    assert len(loads) == 1
    npmoji.Features(engine="numpy", maxlen=5).fit(TEXTS)
    words = npmoji.load().tokenizer.vocabulary
    for _ in range(2):
        npmoji.Features(engine="numpy", vocabulary=dict(words)).fit(TEXTS)
    assert len(loads) == 3


def test_auto_is_settled_by_the_number_of_texts_alone(monkeypatch):
    model = npmoji.load()
    few, many = npmoji.Classifier(model, C=1.0), npmoji.Classifier(model, C=1.0)
    monkeypatch.setattr(encoding, "AUTO_WORK", 30 * 30 * model.work)
    few.fit(TEXTS[:24], LABELS[:24])
    many.fit(TEXTS, LABELS)
    p = few.predict_proba(NEW)
    assert few.to_model().engine == "numpy" and many.to_model().engine == "numba"
    npmoji.Features(model).fit_transform(TEXTS)
    few.predict(TEXTS * 3)  # more texts now, but the engine stays
    model.predict(TEXTS)
    np.testing.assert_array_equal(few.predict_proba(NEW), p)
    assert model.engine == "auto"  # the caller's is as it was


# Cross-validation ----------------------------------------------------------------------------------------------------


def test_cross_validation(model, tmp_path):
    found = npmoji.Classifier(model, C=3.0)
    report = found.cross_validate(TEXTS, LABELS, folds=3, test=NEW)
    assert not hasattr(found, "classes_")
    assert report.out_of_fold.shape == (36, 3) and len(report.folds) == 3 and report.accuracy > report.baseline_accuracy
    for k in range(3):  # each by a classifier that has not seen it
        rows = report.part == k
        own = npmoji.Classifier(model, C=3.0).fit(model.encode(TEXTS)[~rows], np.array(LABELS)[~rows])
        np.testing.assert_allclose(report.out_of_fold[rows], own.predict_proba(model.encode(TEXTS)[rows]), atol=1e-5)
    paths = report.save(tmp_path / "folds")
    assert len(paths) == 3 and report.test.shape == (3, 3)
    together = npmoji.Ensemble(paths, engine="numpy")
    np.testing.assert_array_equal(together.predict(NEW), report.test)
    assert [top[0].label for top in together.top(NEW)] == list(WORDS)
    assert report.save(tmp_path / "folds") == paths  # its own files are replaced
    (tmp_path / "folds" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="'notes.txt'"):
        report.save(tmp_path / "folds")


def test_cross_validation_with_several_labels_and_on_features(model, features):
    y = [[name] if i % 4 else [name, "more"] for i, name in enumerate(LABELS)]
    report = npmoji.Classifier(model, C=1.0).cross_validate(TEXTS, y, folds=2)
    assert report.multi_label and report.out_of_fold.shape == (36, 4) and "several a text" in str(report)
    narrow = npmoji.Classifier(C=1.0).cross_validate(features[:, :9], LABELS, folds=2, test=features[:4, :9])
    assert narrow.test.shape == (4, 3) and narrow.worst[0].text == ""
    with pytest.raises(InputError, match="fitted on 9"):
        narrow.save("nowhere")
    with pytest.raises(InputError, match="test: got texts, but features"):
        npmoji.Classifier().cross_validate(features, LABELS, folds=2, test=NEW)


def test_equal_texts_are_in_one_fold(model):
    texts, y = [*TEXTS, *[text.upper() for text in TEXTS]], [*LABELS, *LABELS]
    report = npmoji.Classifier(model, C=1.0).cross_validate(texts, y, folds=3)
    np.testing.assert_array_equal(report.part[:36], report.part[36:])


def test_a_class_of_too_few_texts_is_named(model):
    with pytest.raises(InputError, match="class 'rare' has 2 texts, fewer than the 5 folds"):
        npmoji.Classifier(model).cross_validate(TEXTS, ["rare", "rare", *LABELS[2:]])
    with pytest.raises(InputError, match="folds 1: expected an integer of at least 2"):
        npmoji.Classifier(model).cross_validate(TEXTS, LABELS, folds=1)


def test_progress_of_cross_validation(model):
    told = []
    npmoji.Classifier(model, C=1.0).cross_validate(TEXTS, LABELS, folds=3, progress=lambda *now: told.append(now))
    assert told[-1] == (36, 36) and len(told) == 3


def test_runs_are_repeatable(model):
    a, b = (npmoji.Classifier(model, random_state=5).cross_validate(TEXTS, LABELS, folds=2) for _ in range(2))
    np.testing.assert_array_equal(a.out_of_fold, b.out_of_fold)
    other = npmoji.Classifier(model, random_state=6, C=1.0).cross_validate(TEXTS, LABELS, folds=2)
    assert not np.array_equal(a.part, other.part)
    for seed in (None, np.int64(3), np.random.RandomState(4)):
        assert npmoji.Classifier(model, random_state=seed, C=1.0).fit(TEXTS, LABELS).C_ == 1


# Other methods -------------------------------------------------------------------------------------------------------


@pytest.fixture
def finetune(monkeypatch):
    """In place of the training itself: what it was asked for; it gives a last layer of one column for two classes."""
    asked = []

    def train(model, texts, labels, *, classes, **options):
        asked.append((list(texts), np.array(labels).tolist(), list(classes), options))
        C = 1 if len(classes) == 2 else len(classes)
        kernel = np.random.default_rng(len(asked)).standard_normal((320, C))
        return npmoji.learn.heads.with_head(model, kernel, classes=classes, provenance={"method": "full"})

    monkeypatch.setattr("npmoji.learn.finetuning.finetune", train)
    return asked


@pytest.mark.parametrize("names", [("bad", "good"), ("bad", "good", "sleepy")])
def test_the_network_is_trained_by_finetune(model, finetune, names, tmp_path):
    rows = [i for i, name in enumerate(LABELS) if name in names]
    texts, y = [TEXTS[i] for i in rows], [LABELS[i] for i in rows]
    found = npmoji.Classifier(model, method="full", random_state=7).fit(texts, y)
    assert finetune == [(texts, y, list(names), {"method": "full", "seed": 7})]
    p = found.predict_proba(NEW)
    assert p.shape == (3, len(names))
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    assert found.predict(NEW).tolist() == found.classes_[p.argmax(1)].tolist()
    found.save(tmp_path / "mine.safetensors")
    saved = npmoji.load(tmp_path / "mine.safetensors", engine="numpy").predict(NEW)
    np.testing.assert_array_equal(saved[:, -1], p[:, -1])
    np.testing.assert_allclose(pickle.loads(pickle.dumps(found)).predict_proba(NEW), p)
    assert not hasattr(found, "decision_function")  # scikit-learn's scorers take predict_proba then


def test_cross_validation_of_such_a_classifier(model, finetune, tmp_path):
    report = npmoji.Classifier(model, method="full").cross_validate(TEXTS, LABELS, folds=2, test=NEW)
    assert [len(texts) for texts, *_ in finetune] == [18, 18]
    for k in range(2):
        held = [text for text, part in zip(TEXTS, report.part) if part == k]
        assert not set(held) & set(finetune[k][0])
        np.testing.assert_array_equal(report.out_of_fold[report.part == k], report.models[k].predict(held))
    together = npmoji.Ensemble(report.save(tmp_path / "folds"), engine="numpy")
    np.testing.assert_array_equal(together.predict(NEW), report.test)


def test_ctrl_c_ends_cross_validation_too(model, finetune, monkeypatch):
    """`finetune` takes it as its own end, which is no reason to go on with the next fold."""
    from npmoji.learn import finetuning

    whole = finetuning.finetune

    def train(*arguments, **options):
        found = whole(*arguments, **options)
        return npmoji.learn.heads.rebuilt(found, {}, provenance={"interrupted": True})

    monkeypatch.setattr(finetuning, "finetune", train)
    with pytest.raises(KeyboardInterrupt):
        npmoji.Classifier(model, method="full").cross_validate(TEXTS, LABELS, folds=2)
    assert len(finetune) == 1


def test_really_trained(model):
    pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    texts, y = [f"{text} {i}" for i in range(4) for text in TEXTS[:12]], LABELS[:12] * 4
    new = pytest.MonkeyPatch()
    with new.context() as patch:
        from npmoji.learn import finetuning

        whole = finetuning.finetune
        patch.setattr(finetuning, "finetune", lambda *a, **o: whole(*a, **o, epochs=1, epoch_size=250, batch_size=25))
        found = npmoji.Classifier(model, method="full").fit(texts, y)
    assert found.classes_.tolist() == sorted(WORDS) and found.to_model().class_names == sorted(WORDS)
    np.testing.assert_array_equal(found.predict_proba(NEW), found.to_model().predict(NEW))


# Without scikit-learn ------------------------------------------------------------------------------------------------

WITHOUT = """
import sys
sys.modules["sklearn"] = None
from npmoji import *
import npmoji
for make in (npmoji.Classifier, npmoji.Features):
    try:
        make("weights.hdf5", maxlen=3)
    except npmoji.InputError as error:
        print(error)
"""


def test_without_scikit_learn_the_names_are_there():
    path = str(npmoji.__path__[0]).removesuffix("npmoji")
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=path, check=True, capture_output=True, text=True, encoding="utf-8"
    )
    assert result.stdout.splitlines() == [
        f"npmoji.{name} needs scikit-learn: pip install 'npmoji[learn]'" for name in ("Classifier", "Features")
    ]
