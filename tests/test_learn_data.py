"""Splits, batches, metrics and data sets: as the original's for the same seeds."""

import doctest
import gzip
import hashlib
import importlib
import json
import pickle
from itertools import islice

import numpy as np
import pytest
from conftest import DATA, SHARED, needs_shared

import npmoji
from npmoji import InputError
from npmoji.learn import BatchSampler, Dataset, metrics, words
from npmoji.learn.data import PARTS, groups, split


def golden(name):
    """The arrays and the description of a golden: those of `shared`, else those here, which are the same."""
    folder = next(
        folder / name
        for folder in ([SHARED / "goldens" / "finetuning"] if SHARED else []) + [DATA / "finetuning"]
        if (folder / name).is_dir()
    )
    return dict(np.load(folder / "golden.npz")), json.loads((folder / "case.json").read_text())


@pytest.mark.parametrize("name", ["benchmark_files", "data", "metrics", "words"])
def test_the_examples_print_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"npmoji.learn.{name}")
    result = doctest.testmod(module, extraglobs={"np": np, "npmoji": npmoji})
    assert result.attempted and not result.failed


# Sampling ------------------------------------------------------------------------------------------------------------


def test_batches_are_the_originals():
    arrays, case = golden("sampler")
    for name, call in case["calls"].items():
        labels = arrays[f"{name}.labels"]
        sampler = BatchSampler(labels, call["batch_size"], call["epoch_size"], call["upsample"], call["seed"])
        numbers = call["batch_numbers"]
        drawn = list(islice(sampler, max(numbers) + 1))
        assert np.array_equal([drawn[number] for number in numbers], arrays[f"{name}.batches"]), name
        assert np.array_equal(next(iter(sampler)), drawn[0])


def test_class_average_draws_are_the_originals():
    arrays, _ = golden("sampler")
    labels = arrays["class_avg.labels"]
    binary = metrics.relabelled(labels, 1)
    assert np.array_equal(binary, arrays["class_avg.relabelled"])
    held = next(iter(BatchSampler(labels, 40)))
    assert np.array_equal(held, arrays["class_avg.validation_rows"])
    assert np.array_equal(binary[held], arrays["class_avg.validation_labels"])
    batches = list(islice(BatchSampler(np.zeros(2 * len(labels)), 10), 3))
    assert np.array_equal(batches, arrays["class_avg.train_batches"])


def test_an_epoch_is_torchmojis():
    arrays, case = golden("torchmoji_sampler")
    for name, call in case["calls"].items():
        labels = arrays[f"{name}.labels"]
        sampler = BatchSampler(labels, call["batch_size"], call["epoch_size"], call["upsample"], call["seed"])
        assert np.array_equal(sampler.epoch(), arrays[f"{name}.batches"])
        assert len(sampler) == call["len_reported"] and len(sampler.epoch()) == call["batches_yielded"]


def test_the_global_generator_is_left_alone():
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    next(iter(BatchSampler([0, 1], 1)))
    split(10)
    assert np.array_equal(np.random.get_state()[1], before)


def test_upsampling_gives_half_and_half():
    labels = np.array([1, *[0] * 9], bool)
    for batch in islice(BatchSampler(labels, 20, 20, upsample=True, seed=3), 5):
        assert labels[batch].sum() == 10


@pytest.mark.parametrize(
    "labels, options, words",
    [
        ([], {}, "expected one or more"),
        ([0, 1], {"batch_size": 0}, "batch_size is 0"),
        ([0, 1], {"batch_size": True}, "batch_size is True"),
        ([0, 1], {"batch_size": 20, "epoch_size": 10}, "batch_size 20 is more than epoch_size 10"),
        ([0, 1], {"upsample": True, "epoch_size": 5}, "5 is odd"),
        ([0, 0], {"upsample": True}, "no row has label 1"),
        ([0, 2], {"upsample": True}, "labels of 0 and 1"),
        ([[0, 1]], {"upsample": True}, "labels of 0 and 1"),
        ([0, 1], {"seed": -1}, "seed -1"),
    ],
)
def test_what_cannot_be_sampled(labels, options, words):
    with pytest.raises(InputError, match=words):
        BatchSampler(labels, **{"batch_size": 1, **options})


# Splits --------------------------------------------------------------------------------------------------------------


def test_splits_are_the_originals():
    arrays, case = golden("split")
    for number, call in enumerate(case["calls"]):
        texts = [f"text {row}" for row in range(call["n"])]
        for data in (call["n"], texts):
            parts = split(data, call["split_parameter"], call["numpy_seed"])
            assert [len(part) for part in parts] == call["sizes"]
            for name, part in zip(PARTS, parts):
                assert np.array_equal(part, arrays[f"split{number}.{name}"])


def test_equal_texts_never_straddle():
    texts = ["a b", "c", "A  b ", "d", "e", "c", "f", "g", "h", "a b"] * 3
    group = groups(texts)
    assert group[0] == group[2] == group[9] != group[1]
    for seed in range(20):
        parts = split(texts, seed=seed)
        assert sorted(np.concatenate(parts)) == list(range(len(texts)))
        owners = [set(group[part]) for part in parts]
        assert not (owners[0] & owners[1] or owners[0] & owners[2] or owners[1] & owners[2])
        assert Dataset(texts, [0] * 30, dict(zip(PARTS, parts))).straddling == 0


def test_given_lists_drop_what_the_original_drops():
    train, val, test = split(3, [[2, 0, 7, "1"], [1, None], []])
    assert (train.tolist(), val.tolist(), test.tolist()) == ([2, 0], [1], [])
    with pytest.raises(InputError, match="row number -1"):
        split(3, [[-1], [], []])


@pytest.mark.parametrize("ratios", [(0.5, 0.5), (0.7, 0.1, 1.5), (0.7, 0, 0.2), ("a", "b", "c")])
def test_ratios_that_are_none(ratios):
    with pytest.raises(InputError, match="ratios"):
        split(10, ratios)


def test_too_few_rows_to_split():
    with pytest.raises(InputError, match="2 different texts are too few"):
        split(["a", "b", "a", "a"])


# Metrics -------------------------------------------------------------------------------------------------------------


def test_thresholds_are_the_originals():
    arrays, case = golden("threshold")
    for name, expected in case["results"].items():
        best, curve = metrics.threshold(arrays[f"{name}.y_val"], arrays[f"{name}.p_val"])
        assert best == expected["threshold"], name
        assert np.array_equal(curve, arrays[f"{name}.curve"]), name
        score = metrics.f1(arrays[f"{name}.y_test"], metrics.above(arrays[f"{name}.p_test"], best))
        assert abs(score - expected["f1_test"]) < 1e-12


def test_accuracy_rounds_half_to_even():
    assert metrics.accuracy([0, 1, 1], np.float32([[0.5], [0.6], [0.5]])) == pytest.approx(2 / 3)
    assert metrics.accuracy([1, 0], [[0.2, 0.8], [0.5, 0.5]]) == 1.0


def test_class_average_is_the_mean_of_binary_scores():
    rng = np.random.default_rng(0)
    labels, p = rng.integers(0, 3, 60), np.float32(rng.random((60, 3)))
    parts = [list(zip(metrics.rounds(labels[rows], 3), p[rows].T)) for rows in (slice(30), slice(30, 60))]
    average = metrics.class_average(*parts)
    for number, (y, scores) in enumerate(parts[1]):
        best = metrics.threshold(*parts[0][number]).threshold
        assert average.thresholds[number] == best
        assert average.scores[number] == metrics.f1(y, scores > np.float32(best))
    assert average.f1 == average.scores.mean()


@pytest.mark.parametrize("labels, guesses", [([0, 2], [0, 1]), ([0, 1, 1], [0, 1]), ([[0, 1]], [[0, 1]])])
def test_f1_of_what_is_not_binary(labels, guesses):
    with pytest.raises(InputError, match=r"expected 0 or 1|3 labels, but 2 guesses|expected shape"):
        metrics.f1(labels, guesses)


# Data sets -----------------------------------------------------------------------------------------------------------


def written(folder, rows, name="some.jsonl.gz"):
    path = folder / name
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def test_reading_lines(tmp_path):
    rows = [{"text": t, "label": 0, "split": s} for t, s in [("a", "test"), ("b", "train"), ("c", "train")]]
    data = Dataset.read(written(tmp_path, rows))
    assert data.name == "some" and data.texts == ["a", "b", "c"]
    assert {name: part.tolist() for name, part in data.parts.items()} == {"train": [1, 2], "test": [0]}
    (tmp_path / "own.csv").write_text("words,kind\nso good,yes\nso bad,no\n")
    data = Dataset.read(tmp_path / "own.csv", text="words", label="kind")
    assert data.texts == ["so good", "so bad"] and data.labels.tolist() == ["yes", "no"] and not data.parts


@pytest.mark.parametrize(
    "row, words",
    [
        ({"text": "a", "label": None}, "line 2: no label"),
        ({"text": "a"}, "line 2: no label"),
        ({"text": 3, "label": 1}, "line 2: 'text' is a number"),
        ({"text": "a", "label": 1, "split": "dev"}, "line 2: split is 'dev'"),
        ({"text": "a", "label": [1, 0]}, "row 1: label"),
    ],
)
def test_lines_that_are_wrong(row, words, tmp_path):
    path = written(tmp_path, [{"text": "fine", "label": 0}, row])
    with pytest.raises(InputError, match=words):
        Dataset.read(path)


def test_the_file_is_named(tmp_path):
    path = written(tmp_path, [{"text": "a", "label": 0}, {"text": "b", "label": "x"}])
    with pytest.raises(InputError) as error:
        Dataset.read(path)
    assert str(error.value) == f"{path}: labels: strings among numbers, expected labels of one kind"
    content = {
        "texts": ["a", "b"],
        "info": [{"label": 0}, {"label": 1}],
        "train_ind": (0,),
        "val_ind": (),
        "test_ind": [-1],
    }
    path = tmp_path / "some.pickle"
    path.write_bytes(pickle.dumps(content, 2))
    with pytest.raises(InputError) as error:
        Dataset.read(path)
    assert str(error.value) == f"{path}: row number -1: expected one from 0 to 1"
    path.write_bytes(pickle.dumps(content | {"test_ind": (1,)}, 2))
    assert Dataset.read(path).parts["train"].tolist() == [0]


def test_data_that_are_wrong():
    with pytest.raises(InputError, match="2 texts, but 1 labels"):
        Dataset(["a", "b"], [1])
    with pytest.raises(InputError, match="row 1 is bytes"):
        Dataset(["a", b"b"], [1, 0])
    with pytest.raises(InputError, match="row 0 is in train and in test"):
        Dataset(["a", "b"], [1, 0], {"train": [0], "test": [1, 0]})
    with pytest.raises(InputError, match="part val: expected row numbers from 0 to 1"):
        Dataset(["a", "b"], [1, 0], {"val": [2]})
    for rows in ([0.7], ["0"], [True], [None]):
        with pytest.raises(InputError, match="part train: expected row numbers, integers"):
            Dataset(["a", "b"], [1, 0], {"train": rows})
    with pytest.raises(InputError, match="row 1: no label, None"):
        Dataset(["a", "b"], ["x", None])
    with pytest.raises(InputError, match="row 1: no label"):
        Dataset(["a", "b"], [[1, 0], [1, np.nan]])
    with pytest.raises(InputError, match="expected labels of one kind"):
        Dataset(["a", "b"], ["x", 1])
    with pytest.raises(InputError, match="ratios 3: expected three"):
        split(10, 3)
    for seed in ("1", 1.5, True, -1, 2**32):
        with pytest.raises(InputError, match=r"expected an integer from 0 to 2\*\*32 - 1"):
            split(10, seed=seed)
        with pytest.raises(InputError, match=r"expected an integer from 0 to 2\*\*32 - 1"):
            BatchSampler([0, 1], 2, seed=seed)
    with pytest.raises(InputError, match="no part 'val', has train"):
        Dataset(["a", "b"], [1, 0], {"train": [0]}).part("val")


@pytest.mark.parametrize(
    "lengths, maxlen, batch", [([1], 10, 250), ([10] * 5, 10, 250), ([11] * 5, 20, 250), ([101], 110, 50)]
)
def test_maxlen_and_batch_size(lengths, maxlen, batch):
    data = Dataset(["so " * length for length in lengths], [0] * len(lengths))
    assert (data.maxlen, data.batch_size) == (maxlen, batch)


BENCHMARKS = ("Olympic", "PsychExp", "SCv1", "SCv2-GEN", "SS-Twitter")


@needs_shared
@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmarks_are_as_the_original_loads_them(name):
    arrays, case = golden("benchmarks")
    expected = next(some for some in case["benchmarks"] if some["name"] == name)
    data = Dataset.read(SHARED / "data" / "benchmarks" / f"{name}.jsonl.gz")
    listed = {part: arrays[f"{name}.{part}_ind"] for part in PARTS}
    assert {part: sorted(rows) for part, rows in listed.items()} == {p: r.tolist() for p, r in data.parts.items()}
    data = Dataset(data.texts, data.labels, listed, name)
    assert (data.maxlen, data.batch_size) == (expected["maxlen"], expected["batch_size"])
    vocabulary = json.loads((SHARED / "data" / "vocabulary.json").read_text())
    for limit in (0, 10_000):
        found = expected[f"extend_{limit}"]
        larger = words.extended(vocabulary, data.part("train")[0], limit)
        new = list(larger)[len(vocabulary) :]
        assert len(new) == found["added"]
        assert [larger[word] for word in new] == list(range(50_000, 50_000 + len(new)))
        if limit:
            assert digest("\n".join(sorted(new)).encode()) == expected["new_words_sha256"]
        tokenizer = npmoji.Tokenizer(larger, data.maxlen)
        assert list(data.coverage(tokenizer).values()) == pytest.approx(found["coverage"], abs=1e-15)
        for number, part in enumerate(PARTS):
            ids = tokenizer(data.part(part)[0])
            assert list(ids.shape) == found["shapes"][number]
            assert list(data.part(part)[1].shape) == found["label_shapes"][number]
            assert (np.sum(ids == 1), np.sum(ids > 1)) == (found["unknown"][number], found["known"][number])
            if "sha256" in found:
                assert digest(ids.astype("<u2").tobytes()) == found["sha256"][number]


def digest(content):
    return hashlib.sha256(content).hexdigest()
