"""Folds: scikit-learn's, row for row; copies of a text together."""

import json
from pathlib import Path

import numpy as np
import pytest

from npmoji import InputError
from npmoji.learn.folds import held_out, stratified

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


@pytest.mark.parametrize("share", [0.1, 0.25, 0.9])
def test_a_share_of_each_class_is_held_back(share):
    random = np.random.RandomState(1)
    labels = random.choice(["a", "b", "c"], 150, p=[0.9, 0.08, 0.02])
    held = held_out(labels, share, 3)
    for label in "abc":
        mine = labels == label
        assert abs(held[mine].sum() - share * mine.sum()) <= 1 and 0 < held[mine].sum() < mine.sum()
    np.testing.assert_array_equal(held, held_out(labels, share, 3))
    assert (held != held_out(labels, share, 4)).any()


def test_copies_are_held_back_together():
    texts = [f"text {n}" for n in np.random.RandomState(1).randint(0, 30, 100)]
    held = held_out([int(text[-1]) % 2 for text in texts], 0.2, 0, groups=texts)
    assert not {text for text, out in zip(texts, held) if out} & {text for text, out in zip(texts, held) if not out}
    assert held.any()


def test_several_labels_a_text_are_held_back():
    labels = np.random.RandomState(3).random((60, 3)) < [0.6, 0.2, 0.1]
    held = held_out(labels, 0.1, 0)
    assert (labels[held].sum(0) > 0).all() and (labels[~held].sum(0) > 0).all() and held.sum() < 12


def test_what_cannot_be_held_back():
    with pytest.raises(InputError, match="class 'b' has 1 text, too few for a part to train on"):
        held_out(["a", "a", "b"], 0.1, 0)
    with pytest.raises(InputError, match="share to hold back is 1, expected"):
        held_out(["a", "a"], 1, 0)
