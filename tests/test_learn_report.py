"""Reports: scores, beside those of scikit-learn; as text and as JSON; the folds' models as files."""

import doctest
import json

import numpy as np
import pytest

import npmoji
from npmoji import InputError
from npmoji.learn import metrics, report
from npmoji.learn.report import Report

R = np.random.default_rng(3)
NAMES = ["anger", "joy", "fear"]  # in no order
P = R.dirichlet(np.ones(3), 60).astype(np.float32)
Y = np.where(R.random(60) < 0.6, P.argmax(1), R.integers(0, 3, 60))
PART = np.arange(60) % 4


@pytest.fixture(scope="module")
def several():
    flags = R.integers(0, 2, (50, 3))
    p = np.clip(flags * 0.4 + R.random((50, 3)) * 0.6, 0, 1).astype(np.float32)
    return flags, p


def test_scores_are_scikit_learns():
    scores = pytest.importorskip("sklearn.metrics")
    found = Report.of(NAMES, [NAMES[y] for y in Y], P)
    guess = P.argmax(1)
    assert found.accuracy == scores.accuracy_score(Y, guess)
    assert found.macro_f1 == pytest.approx(scores.f1_score(Y, guess, average="macro"))
    assert np.array_equal(found.confusion, scores.confusion_matrix(Y, guess))
    columns = scores.precision_recall_fscore_support(Y, guess)
    for i, name in enumerate(NAMES):
        assert list(found.per_class[name].values()) == pytest.approx([column[i] for column in columns])
    assert found.baseline == NAMES[np.bincount(Y).argmax()] and found.baseline_accuracy == np.bincount(Y).max() / 60


def test_scores_with_several_labels_are_scikit_learns(several):
    scores = pytest.importorskip("sklearn.metrics")
    flags, p = several
    found = Report.of(NAMES, flags, p, multi_label=True)
    guess = (p > 0.5).astype(int)
    assert found.accuracy == scores.accuracy_score(flags, guess)
    assert found.macro_f1 == pytest.approx(scores.f1_score(flags, guess, average="macro"))
    assert np.array_equal(found.confusion, scores.multilabel_confusion_matrix(flags, guess))
    columns = scores.precision_recall_fscore_support(flags, guess)
    for i, name in enumerate(NAMES):
        assert list(found.per_class[name].values()) == pytest.approx([column[i] for column in columns])
    most = max(flags.tolist(), key=flags.tolist().count)
    assert found.baseline_accuracy == flags.tolist().count(most) / 50


def test_class_numbers_and_labels_are_told_apart():
    by_name, by_number = Report.of(NAMES, [NAMES[y] for y in Y], P), Report.of(NAMES, Y, P)
    assert by_name.as_dict() == by_number.as_dict()
    assert Report.of([5, 6, 7], Y + 5, P).accuracy == by_name.accuracy  # integers are looked up among integers
    with pytest.raises(InputError, match="unknown label '.'; the classes are '5', '6', '7'"):
        Report.of([5, 6, 7], Y, P)


def test_folds_and_thresholds():
    found = Report.of(NAMES, Y, P, part=PART)
    assert [fold.texts for fold in found.folds] == [15] * 4
    accuracies = [(P[PART == k].argmax(1) == Y[PART == k]).mean() for k in range(4)]
    assert [fold.accuracy for fold in found.folds] == pytest.approx(accuracies)
    assert found.spread("accuracy") == pytest.approx(np.std(accuracies, ddof=1))
    best = [metrics.threshold(Y == c, P[:, c]).threshold for c in range(3)]
    assert found.thresholds.tolist() == best and found.threshold is None
    scores = []  # a text's threshold never comes from its own fold
    for c in range(3):
        guess = np.zeros(60, bool)
        for k in range(4):
            rest = PART != k
            guess[~rest] = P[~rest, c] > np.float32(metrics.threshold((Y == c)[rest], P[rest, c]).threshold)
        scores.append(metrics.f1(Y == c, guess))
    assert found.class_average_f1 == pytest.approx(np.mean(scores))
    assert Report.of(NAMES, Y, P).class_average_f1 is None


def test_two_classes_have_one_threshold():
    p = P[:, 1] / P[:, :2].sum(1)
    found = Report.of(["no", "yes"], Y % 2, np.stack([1 - p, p], 1), part=PART)
    assert found.threshold == metrics.threshold(Y % 2, p).threshold


def test_the_texts_got_most_wrong():
    texts = [f"text {i}" for i in range(60)]
    found = Report.of(NAMES, Y, P, texts)
    assert len(found.worst) == 5
    own = P[np.arange(60), Y].astype(float)
    wrong = np.flatnonzero(P.argmax(1) != Y)
    assert [mistake.row for mistake in found.worst] == wrong[np.argsort(own[wrong], kind="stable")][:5].tolist()
    first = found.worst[0]
    assert first.text == texts[first.row] and first.label == NAMES[Y[first.row]] and first.guess != first.label
    assert Report.of(["a", "b"], ["a"], np.float32([[1, 0]])).worst == []


def test_mistakes_with_several_labels(several):
    flags, p = several
    found = Report.of(NAMES, flags, p, multi_label=True)
    first = found.worst[0]
    assert first.label == [name for name, flag in zip(NAMES, flags[first.row]) if flag]
    right = np.where(flags == 1, p, 1 - p.astype(float)).prod(1)
    assert first.probability == pytest.approx(right[~((p > 0.5) == flags).all(1)].min())


KEYS = {"classes", "texts", "accuracy", "macro_f1", "per_class", "baseline_accuracy", "confusion"}


def test_the_json_has_the_contracts_keys(several):
    flags, p = several
    for found in (
        Report.of(NAMES, Y, P),
        Report.of(NAMES, Y, P, part=PART),
        Report.of(NAMES, flags, p, multi_label=True),
        Report.of(NAMES, flags, p, multi_label=True, part=np.arange(50) % 3),
    ):
        told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
        assert KEYS <= told.keys() and told["classes"] == NAMES and told["texts"] == len(found.labels)
        assert set(told["per_class"]["joy"]) == {"precision", "recall", "f1", "count"}
        assert ("folds" in told) == (found.part is not None)


def test_the_text_has_what_a_person_wants():
    texts = [f"text {i} " + "x" * 300 for i in range(60)]
    found = Report.of(NAMES, Y, P, texts, part=PART)
    shown = str(found)
    for words in (*NAMES, "60 texts, 3 classes, 4 folds", f"{found.accuracy:.3f} ±", "most frequent", "taken for"):
        assert words in shown
    assert f"{found.baseline_accuracy:.3f}  (always {found.baseline})" in shown
    assert shown.count("text ") == 5 and max(map(len, shown.splitlines())) < 200
    assert "±" not in str(Report.of(NAMES, Y, P))
    assert "accuracy" in repr(found)


def test_the_text_with_several_labels_and_with_many_classes(several):
    flags, p = several
    shown = str(Report.of(NAMES, flags, p, [f"text {i}" for i in range(50)], multi_label=True))
    assert "several a text" in shown and "taken for:" not in shown and "most wrong" in shown
    names = [f"class {i} " + "名" * 40 for i in range(20)]
    shown = str(Report.of(names, np.arange(20), np.eye(20, dtype=np.float32)))
    assert "…" in shown and "taken for" not in shown  # no matrix of 400


@pytest.mark.parametrize(
    "classes, labels, p, words",
    [
        (["a", "b"], ["a"], np.float32([[1, 0, 0]]), "(1, 3)"),
        (["a", "b"], ["a"], np.array([[1, 0]]), "expected finite floats (N, 2)"),
        (["a", "b"], ["a"], np.float32([[np.nan, 0]]), "finite"),
        (["a", "b"], ["a", "b"], np.float32([[1, 0]]), "2 labels for 1 texts"),
        (["a", "b"], ["x"], np.float32([[1, 0]]), "row 0: unknown label 'x'"),
        (["a", "b"], np.array([2]), np.float32([[1, 0]]), "row 0: class number 2, expected 0 to 1"),
        (["a", "b"], np.array([0, 1]), np.float32([[1, 0]]), "2 labels for 1 rows"),
        (["a", "b"], [["a", "b"]], np.float32([[1, 0]]), "several a text"),
        (["a", "a"], ["a"], np.float32([[1, 0]]), "classes: the class 'a' comes twice"),
        ([1, "1"], ["1"], np.float32([[1, 0]]), "classes: the class '1' comes twice"),
        (["a", "b"], ["a", "b"], [[1.0], [1.0, 0.0]], "rows of one length"),
    ],
)
def test_what_does_not_fit_is_refused(classes, labels, p, words):
    with pytest.raises(InputError) as error:
        Report.of(classes, labels, p)
    assert words in str(error.value)


@pytest.mark.parametrize("part", [[0], [0, 2], [0.0, 1.0], [[0, 1]]])
def test_folds_that_are_none(part):
    with pytest.raises(InputError, match="part: expected the number of each row's fold"):
        Report.of(["a", "b"], ["a", "b"], np.float32([[1, 0], [0, 1]]), part=part)


def test_folds_as_a_list_and_class_numbers_of_any_kind():
    found = Report.of(["a", "b"], np.uint8([0, 1]), np.float32([[1, 0], [0, 1]]), part=[0, 1])
    assert [fold.accuracy for fold in found.folds] == [1, 1]


def test_one_label_a_text_counts_as_a_list_of_one():
    found = Report.of(["a", "b"], ["a", "b"], np.float32([[0.9, 0.1], [0.6, 0.7]]), multi_label=True)
    assert found.labels.tolist() == [[1, 0], [0, 1]] and found.accuracy == 0.5


def test_a_report_without_models_is_not_saved(tmp_path):
    with pytest.raises(InputError, match="no models"):
        Report.of(["a", "b"], ["a"], np.float32([[1, 0]])).save(tmp_path / "folds")
    assert not list(tmp_path.iterdir())


def test_the_examples():
    assert doctest.testmod(report, extraglobs={"np": np, "npmoji": npmoji}).failed == 0
