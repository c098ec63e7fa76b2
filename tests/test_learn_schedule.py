"""Seed 003's schedule and folds."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from npmoji import InputError
from npmoji.learn.schedule import ExpRange, Shuffled, train_folds

GOLDEN = Path(__file__).parent / "data" / "finetuning" / "seed003_training" / "golden.npz"


@pytest.mark.parametrize("name, rate", [("rate", ExpRange()), ("rate_small", ExpRange(half=5, gamma=0.95))])
def test_the_golden_rates(name, rate):
    with np.load(GOLDEN) as arrays:
        expected = arrays[name]
    np.testing.assert_allclose([rate(step) for step in range(len(expected))], expected, rtol=0, atol=1e-12)


class Counting:
    """Keeps what it is given; predicts how often it saw a row."""

    made: ClassVar[list] = []

    def __init__(self, seed):
        self.seed, self.rows, self.sizes, self.rates = seed, [], [], []
        self.made.append(self)

    def step(self, ids, labels, rate=None):
        assert (labels == ids[:, 0] % 2).all()
        self.rows += ids[:, 0].tolist()
        self.sizes.append(len(ids))
        self.rates.append(rate)
        return float(len(ids))

    def predict(self, ids):
        return np.array([[self.rows.count(row)] for row in ids[:, 0].tolist()], np.float32)


@pytest.fixture()
def made(monkeypatch):
    monkeypatch.setattr(Counting, "made", [])
    return Counting.made


def test_folds_train_on_all_other_rows(made):
    ids, fold = np.arange(20).reshape(10, 2) * 5, np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    rate, seen = ExpRange(half=2), []
    found = train_folds(
        made_by := Counting,
        ids,
        ids[:, 0] % 2,
        fold,
        epochs_each=2,
        batch_size=4,
        rate=rate,
        test=ids[:3],
        finish=lambda trainer: trainer.seed,
        watch=lambda *at: seen.append(at),
    )
    assert found.finished == [0, 1001, 2002] and [trainer.seed for trainer in made_by.made] == [0, 1001, 2002]
    assert found.out_of_fold.tolist() == [[0]] * 10  # a row is never seen by the model that predicts it
    for number, trainer in enumerate(made_by.made):
        others = ids[fold != number, 0].tolist()
        half = len(others)
        assert sorted(trainer.rows[:half]) == sorted(trainer.rows[half:]) == others  # each row once an epoch
        assert trainer.rows[:half] != trainer.rows[half:]
        assert trainer.sizes == [4, half - 4] * 2  # the last batch is kept
        assert trainer.rates == [rate(step) for step in range(4)]  # counted over epochs, anew in each fold
        assert found.losses[number] == [half / 2] * 2
    # two of three models have seen a row twice each
    np.testing.assert_allclose(found.test, [[4 / 3]] * 3, rtol=1e-6)
    assert seen[:5] == [(0, 0, 0, 2, 4.0), (0, 0, 1, 2, 2.0), (0, 1, 0, 2, 4.0), (0, 1, 1, 2, 2.0), (1, 0, 0, 2, 4.0)]


def test_a_seed_gives_the_same_order():
    x = np.arange(50)
    first, second = ([rows.tolist() for rows, _ in Shuffled(x, x, 7, np.random.RandomState(3))] for _ in "ab")
    assert first == second and len(first) == len(Shuffled(x, x, 7, np.random.RandomState(3))) == 8


def test_what_does_not_fit(made):
    with pytest.raises(InputError, match="3 rows, 2 labels and 3 folds"):
        train_folds(Counting, np.zeros((3, 1)), np.zeros(2), np.zeros(3, int))
    for name in ("batch_size", "epochs_each"):
        with pytest.raises(InputError, match=f"{name[:6]}.* is 0, expected at least 1"):
            train_folds(Counting, np.zeros((3, 1)), np.zeros(3), np.zeros(3, int), **{name: 0})


def test_a_network_for_each_fold(tmp_path):
    torch = pytest.importorskip("torch")
    import npmoji
    from npmoji.learn.folds import stratified
    from npmoji.learn.heads import save, with_head

    texts = [f"{word} day {n}" for n in range(8) for word in ("happy", "sad")]
    labels = np.array([1, 0] * 8)
    model = npmoji.load(engine="numpy")
    first = with_head(model, npmoji.init.glorot_uniform(0, (320, 1)), classes=["bad", "good"])
    ids, before = first.tokens(texts), torch.get_num_threads()

    def make(seed):
        options = {"optimiser": "torch", "loss": "bce_logits_sum", "l2": 0, "frozen": ["embedding"]}
        return npmoji.learn.Trainer(first, seed=seed, **options)

    def finish(trainer):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.safetensors"
        save(trainer.model(), path)
        return path

    torch.set_num_threads(1)
    try:
        options = {"epochs_each": 6, "batch_size": 5, "rate": ExpRange(half=2)}
        fold = stratified(labels, 2, 10, groups=texts)
        found = train_folds(make, ids, labels, fold, test=ids[:4], finish=finish, **options)
        again = train_folds(make, ids, labels, fold, **options)
    finally:
        torch.set_num_threads(before)
    assert found.out_of_fold.tobytes() == again.out_of_fold.tobytes()
    assert ((found.out_of_fold[:, 0] > 0.5) == labels).all() and all(loss[-1] < loss[0] for loss in found.losses)
    ensemble = npmoji.Ensemble(found.finished, engine="numpy")
    np.testing.assert_allclose(ensemble.predict(texts[:4]), found.test, atol=1e-5)
    for number, one in enumerate(ensemble.models):
        rows = fold == number
        p = one.predict([text for text, mine in zip(texts, rows) if mine])
        np.testing.assert_allclose(p, found.out_of_fold[rows], atol=1e-5)
        np.testing.assert_array_equal(one["embedding"].embeddings, model["embedding"].embeddings)
