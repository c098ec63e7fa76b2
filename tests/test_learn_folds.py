"""Folds: scikit-learn's, row for row; copies of a text together."""

import json
from pathlib import Path

import numpy as np
import pytest

from npmoji import InputError
from npmoji.learn.folds import stratified

GOLDEN = Path(__file__).parent / "data" / "finetuning" / "seed003_training"


def test_the_golden_folds():
    case = json.loads((GOLDEN / "case.json").read_text())
    with np.load(GOLDEN / "golden.npz") as arrays:
        for folds in case["folds"]:
            labels, expected = arrays[f"{folds['name']}.labels"], arrays[f"{folds['name']}.fold"]
            np.testing.assert_array_equal(stratified(labels, folds["folds"], folds["seed"]), expected)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", [str, int, bool])
def test_as_scikit_learn(seed, kind):
    selection = pytest.importorskip("sklearn.model_selection")
    random = np.random.RandomState(seed)
    labels = random.randint(0, 2 if kind is bool else 5, 83).astype(kind)
    theirs = np.zeros(83, int)
    for number, (_, rows) in enumerate(
        selection.StratifiedKFold(4, shuffle=True, random_state=seed).split(labels, labels)
    ):
        theirs[rows] = number
    np.testing.assert_array_equal(stratified(labels, 4, seed, groups=map(str, range(83))), theirs)


def test_copies_follow_their_first():
    random = np.random.RandomState(1)
    texts = [f"text {n}" for n in random.randint(0, 60, 200)]
    labels = np.array([len(text) * int(text[-1]) % 3 for text in texts])
    found = stratified(labels, 4, 7, groups=texts)
    assert all(len({found[row] for row in range(200) if texts[row] == text}) == 1 for text in set(texts))
    assert set(found) == {0, 1, 2, 3}


def test_several_labels_a_text_are_shared_out():
    labels = (np.random.RandomState(3).random((100, 4)) < [0.5, 0.2, 0.15, 0.1]).astype(np.int8)
    found = stratified(labels, 5, 0)
    for fold in range(5):
        assert abs(len(labels[found == fold]) - 20) <= 2
        assert (abs(labels[found == fold].sum(0) - labels.sum(0) / 5) <= 1.5).all()
    np.testing.assert_array_equal(found, stratified(labels, 5, 0))
    assert (found != stratified(labels, 5, 1)).any()


def test_classes_are_called_by_their_names():
    with pytest.raises(InputError, match="class 'sad' has 1 text, fewer than the 2 folds"):
        stratified([0, 1, 1], 2, 0, names=["sad", "glad"])


@pytest.mark.parametrize(
    "labels, folds, groups, words",
    [
        (["a", "a", "a", "b", "b"], 3, None, "class 'b' has 2 texts, fewer than the 3 folds"),
        (["a", "a", "a", "b", "b", "b"], 3, "uvwxyy", "class 'b' has 2 distinct texts"),
        ([[1, 0], [1, 0], [1, 1]], 2, None, "class '1' has 1 text,"),
        ([0, 1], 1, None, "folds 1: expected an integer of at least 2"),
        ([0, 1], True, None, "folds True: expected"),
        ([0, 1], 2, "abc", "2 labels, but 3 texts"),
    ],
)
def test_what_cannot_be_shared_out(labels, folds, groups, words):
    with pytest.raises(InputError, match=words):
        stratified(labels, folds, 0, groups)
