"""Whole runs of `finetune` and `class_average`: the decisions of genuine Keras 2.0.5, and what callers may ask for."""

import json
import math

import numpy as np
import pytest
from conftest import DATA, SHARED

import npmoji
from npmoji import InputError, VocabularyError, WeightsError
from npmoji.formats import Contents
from npmoji.learn.binary import class_average
from npmoji.learn.finetuning import finetune
from npmoji.learn.metrics import accuracy
from npmoji.loading import build
from npmoji.model import Model

torch = pytest.importorskip("torch")
import npmoji.learn.heads


@pytest.fixture(autouse=True)
def one_thread():
    """These networks are small: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


NAMES = {
    "W": "kernel",
    "forward_recurrent": "forward_recurrent_kernel",
    "backward_recurrent": "backward_recurrent_kernel",
}


def cases():
    """The folders of whole runs: those that travel with the tests, and what `shared` has besides."""
    places = [SHARED / "goldens" / "finetuning"] if SHARED else []
    found = {path.name: path for place in (*places, DATA / "finetuning") for path in place.glob("run_*")}
    return [found[name] for name in sorted(found)]


def opened(path):
    with np.load(path / "golden.npz") as arrays:
        return json.loads((path / "case.json").read_text()), dict(arrays)


def initial(arrays):
    """The model that a run begins with."""
    layers = {}
    for name, array in arrays.items():
        if name.startswith("initial."):
            _, layer, weight = name.split(".")
            layers.setdefault(layer, {})[NAMES.get(weight, weight)] = array
    order = ("embedding", "bi_lstm_0", "bi_lstm_1", "attlayer", "softmax")
    file = Contents("golden", {layer: layers[layer] for layer in order}, "2.0.5")
    return Model(build(file), file=file, engine="numpy")


def settings_of(case):
    options = case["options"]
    method = options["method"]
    return {
        # `new` is `full` at its rate here, where the values it starts with are given
        "method": "full" if method == "new" else method,
        "learning_rate": 0.001 if method == "new" else None,
        "epochs": options["epochs"],
        "epoch_size": case["epoch_size"],
        "batch_size": options["batch"],
        "l2": options["l2"],
        "embed_dropout": 0,
        "final_dropout": 0,
        "head": "keep",
        "sampling_seed": options["seed"] if "callbacks" in case["case"] else 42,
    }


def part(arrays, name):
    return arrays[f"tokens_{name}"].astype(np.int64), arrays[f"labels_{name}"]


def check_epochs(case, arrays, runs, tolerance):
    """The epochs of all training calls in turn."""
    assert [entry["epochs_run"] for entry in runs] == case["epochs_run"]
    for number, entry in enumerate(runs):
        np.testing.assert_allclose(entry["val_loss"], arrays[f"val_loss{number}"], rtol=0, atol=tolerance["val_loss*"])
        np.testing.assert_allclose(entry["val_score"], arrays[f"val_acc{number}"], rtol=0, atol=tolerance["val_acc*"])


def check_weights(arrays, model, tolerance):
    found = model.contents.layers
    for name, expected in arrays.items():
        if name.startswith("final."):
            _, layer, weight = name.split(".")
            rows = slice(1, None) if layer == "embedding" else slice(None)
            array = found[layer][NAMES.get(weight, weight)]
            np.testing.assert_allclose(array[rows], expected[rows], rtol=0, atol=tolerance["final.*"], err_msg=name)


@pytest.mark.parametrize("path", [path for path in cases() if "class_avg" not in path.name], ids=lambda path: path.name)
def test_golden_runs(path):
    case, arrays = opened(path)
    validation, test, tolerance = part(arrays, "val"), part(arrays, "test"), case["tolerance"]
    classes = range(case["options"]["C"])
    options = settings_of(case) | {"validation": validation, "test": test, "classes": classes}
    model = finetune(initial(arrays), *part(arrays, "train"), **options)
    told = model.provenance
    check_epochs(case, arrays, told["stages"], tolerance)
    if "best_epoch" in case:
        assert [told["best_epoch"]] == case["best_epoch"]
    if "saved_epochs" in case:
        assert [entry["saved_epochs"] for entry in told["stages"]] == case["saved_epochs"]
    check_weights(arrays, model, tolerance)
    p = model.predict(test[0])
    np.testing.assert_allclose(p, arrays["probs_test"], rtol=0, atol=tolerance["probs_test, pred_*"])
    assert abs(accuracy(test[1], p) - case["score"]) <= tolerance["score"]
    assert abs(told["scores"]["test_accuracy"] - case["score"]) <= tolerance["score"]


@pytest.mark.parametrize("path", [path for path in cases() if "class_avg" in path.name], ids=lambda path: path.name)
def test_golden_class_average_runs(path, tmp_path):
    case, arrays = opened(path)
    validation, test, tolerance = part(arrays, "val"), part(arrays, "test"), case["tolerance"]
    options = settings_of(case) | {"validation": validation, "test": test, "carry_optimiser": True}
    found = class_average(initial(arrays), *part(arrays, "train"), **options)
    told = [run.model.provenance for run in found.runs]
    check_epochs(case, arrays, [one["stages"][0] for one in told], tolerance)
    assert [one["best_epoch"] for one in told] == case["best_epoch"]
    for number, (run, expected) in enumerate(zip(found.runs, case["classes"])):
        assert run.threshold == expected["threshold"]
        assert len(found.runs) == 1 or run.label == str(expected["label"])
        assert abs(run.test_f1 - expected["f1_test"]) <= tolerance["score"]
        for name, (ids, _) in {"val": validation, "test": test}.items():
            p = run.model.predict(ids)
            np.testing.assert_allclose(p, arrays[f"pred_{name}{number}"], rtol=0, atol=tolerance["probs_test, pred_*"])
    assert abs(found.f1 - case["score"]) <= tolerance["score"]
    check_weights(arrays, found.runs[-1].model, tolerance)


# What callers may ask for ---------------------------------------------------------------------------------------------

WORDS = {"good": ["lovely", "happy", "great"], "bad": ["awful", "sad", "hate"], "odd": ["strange", "zorbly", "queer"]}
#: runs of a few seconds at most
SHORT = {"epochs": 3, "epoch_size": 40, "batch_size": 20}


@pytest.fixture(scope="module")
def bundled():
    return npmoji.load(engine="numpy")


def texts_of(*classes, copies=8):
    texts = [f"{word} day {n}" for n in range(copies) for name in classes for word in WORDS[name]]
    return texts, [name for _ in range(copies) for name in classes for _ in WORDS[name]]


def arrays_of(model):
    return {f"{layer}/{name}": np.array(a) for layer, some in model.contents.layers.items() for name, a in some.items()}


def same(one, other):
    left, right = arrays_of(one), arrays_of(other)
    assert left.keys() == right.keys()
    return all(left[name].tobytes() == right[name].tobytes() for name in left)


def test_two_classes_by_their_names(bundled):
    texts, labels = texts_of("good", "bad")
    before = arrays_of(bundled)
    model = finetune(bundled, texts, labels, method="full", learning_rate=0.01, seed=1, **SHORT)
    assert model.class_names == ["bad", "good"] and model.classes == 1
    assert all(np.array_equal(array, before[name]) for name, array in arrays_of(bundled).items())  # left alone
    assert model.top(["happy day 1"])[0][0].label == "good"
    told = model.provenance
    assert (told["method"], told["seed"], told["texts"], told["added_words"]) == ("full", 1, 44, 0)
    assert told["validation"] == "4 of the texts, 10% of each class, copies together, seed 1"
    assert told["scores"]["val_accuracy"] == 1 and len(told["stages"][0]["val_loss"]) == 3
    json.dumps(told, allow_nan=False)
    assert same(model, finetune(bundled, texts, labels, method="full", learning_rate=0.01, seed=1, **SHORT))
    assert not same(model, finetune(bundled, texts, labels, method="full", learning_rate=0.01, seed=2, **SHORT))


def test_more_words_come_from_the_training_texts_only(bundled):
    texts, labels = texts_of("good", "odd")
    held = ([f"quibbly {text}" for text in texts[:6]], labels[:6])
    model = finetune(bundled, texts, labels, method="full", validation=held, **SHORT)
    old, new = bundled.tokenizer.vocabulary, model.tokenizer.vocabulary
    assert "zorbly" in new and "zorbly" not in old and "quibbly" not in new
    assert list(new.items())[: len(old)] == list(old.items())
    assert sorted(new.values()) == list(range(len(new))) and len(new) == model.vocabulary_size
    assert model.provenance["added_words"] == len(new) - len(old)
    assert finetune(bundled, texts, labels, method="last", **SHORT).tokenizer.vocabulary == old
    assert (
        len(finetune(bundled, texts, labels, method="full", extend_with=1, **SHORT).tokenizer.vocabulary)
        == len(old) + 1
    )


def test_it_is_a_file_like_any_other(bundled, tmp_path):
    texts, labels = texts_of("good", "odd", "bad")
    model = finetune(bundled, texts, labels, method="chain-thaw", **SHORT | {"epochs": 1})
    npmoji.learn.heads.save(model, tmp_path / "mine.safetensors")
    loaded = npmoji.load(tmp_path / "mine.safetensors", engine="numpy")
    assert loaded.class_names == ["bad", "good", "odd"] and loaded.provenance == model.provenance
    np.testing.assert_array_equal(loaded.predict(texts), model.predict(texts))
    stages = [entry["stage"] for entry in model.provenance["stages"]]
    assert stages == ["softmax", "embedding", "bi_lstm_0", "bi_lstm_1", "attlayer", "all"]


def test_new_starts_from_fresh_values(bundled):
    texts, labels = texts_of("good", "bad")
    one, other = (
        finetune(bundled, texts, labels, method="new", learning_rate=1e-9, seed=seed, **SHORT) for seed in (0, 1)
    )
    old, new = arrays_of(bundled), arrays_of(one)
    assert not np.isclose(new["bi_lstm_0/forward_kernel"], old["bi_lstm_0/forward_kernel"]).any(axis=1).all()
    assert abs(new["embedding/embeddings"]).max() < 0.0501
    assert not same(one, other)


def test_several_labels_a_text(bundled):
    texts, names = texts_of("good", "bad", "odd")
    labels = [[name, "day"] if n % 2 else [name] for n, name in enumerate(names)]
    model = finetune(bundled, texts, labels, method="last", validation=0.25, **SHORT)
    assert model.class_names == ["bad", "day", "good", "odd"] and model.multi_label
    assert model.predict(texts[:2]).shape == (2, 4)
    assert model.provenance["validation"].startswith("19 of the texts, 25% of each class")


def test_the_models_own_head_is_kept(bundled):
    texts, labels = texts_of("good", "bad")
    first = finetune(bundled, texts, labels, method="last", **SHORT)
    second = finetune(first, texts, labels, method="last", head="keep", learning_rate=1e-9, **SHORT)
    np.testing.assert_allclose(second.predict(texts), first.predict(texts), atol=1e-6)
    with pytest.raises(InputError, match="its classes are .*'bad', 'good'.* the labels' .*'good', 'odd'"):
        finetune(first, *texts_of("good", "odd"), method="last", head="keep", **SHORT)
    with pytest.raises(InputError, match="has 1 columns, but the 3 classes need 3"):
        finetune(first, *texts_of("good", "bad", "odd"), method="last", head="keep", **SHORT)


def test_networks_of_other_kinds():
    """With two inputs, whose last layer is a Dense one of another name."""
    model = npmoji.load(DATA / "models" / "seed003_k205_masked_last" / "model.h5", engine="numpy")
    random, names = np.random.default_rng(0), model.graph.input_names
    ids, numbers = random.integers(1, 200, (60, 10)), random.normal(size=(60, *model.graph.inputs[1].shape))
    x = {names[0]: ids, names[1]: numbers}
    options = {"epochs": 1, "epoch_size": 40, "batch_size": 20}
    for method in ("last", "chain-thaw", "new"):
        tuned = finetune(model, x, ["a", "b", "c"] * 20, method=method, **options)
        assert tuned.class_names == ["a", "b", "c"] and tuned.predict(x).shape == (60, 3)
        assert tuned.provenance["added_words"] == 0 and tuned.provenance["maxlen"] == 10


def test_maxlen_goes_with_the_model(bundled):
    texts, labels = texts_of("good", "bad")
    model = finetune(bundled, texts, labels, method="last", maxlen=7, **SHORT)
    assert model.tokenizer.maxlen == 7 == model.provenance["maxlen"]
    assert bundled.tokenizer.maxlen == 30


# Stopping and going on ------------------------------------------------------------------------------------------------


def stop_after(count):
    """A progress function that ends the run, as Ctrl-C does, after so many epochs."""
    left = [count]

    def tell(at):
        left[0] -= at.ended
        if left[0] < 0 or (not count and at.batch == 1):
            raise KeyboardInterrupt

    return tell


def test_ctrl_c_keeps_the_best_weights(bundled):
    texts, labels = texts_of("good", "bad")
    options = SHORT | {"method": "last", "seed": 3}
    model = finetune(bundled, texts, labels, progress=stop_after(2), **options)
    assert model.provenance["interrupted"] is True and len(model.provenance["stages"][0]["val_loss"]) == 3
    whole = finetune(bundled, texts, labels, **options)
    assert "interrupted" not in whole.provenance and same(model, whole)
    shorter = finetune(bundled, texts, labels, progress=stop_after(1), **options)
    assert same(shorter, finetune(bundled, texts, labels, **options | {"epochs": 2})) and not same(shorter, whole)
    with pytest.raises(KeyboardInterrupt):
        finetune(bundled, texts, labels, progress=stop_after(0), **options)


class Killed(Exception):
    """The end of a process."""


def kill_after(count):
    left = [count]

    def tell(at):
        left[0] -= at.ended
        if left[0] <= 0:
            raise Killed

    return tell


@pytest.mark.parametrize("method, epochs", [("full", 3), ("chain-thaw", 2)])
def test_going_on_gives_the_same_bytes(bundled, tmp_path, method, epochs):
    texts, labels = texts_of("good", "bad", "odd")
    options = {"method": method, "epochs": epochs, "epoch_size": 20, "batch_size": 10, "patience": 0, "seed": 5}
    whole = finetune(bundled, texts, labels, **options)
    total = sum(entry["epochs_run"] for entry in whole.provenance["stages"])
    path = tmp_path / "run"
    for stop in range(1, total + 1, 1 if total < 5 else 4):
        path.unlink(missing_ok=True)
        with pytest.raises(Killed):
            finetune(bundled, texts, labels, checkpoint=path, progress=kill_after(stop), **options)
        again = finetune(bundled, texts, labels, checkpoint=path, resume=True, **options)
        assert same(again, whole) and again.provenance == whole.provenance
    assert same(finetune(bundled, texts, labels, resume=path, **options), whole)  # of a run that had ended
    with pytest.raises(InputError, match="run: this checkpoint is of another run: seed is 5 there, 6 here"):
        finetune(bundled, texts, labels, resume=path, **options | {"seed": 6})
    with pytest.raises(InputError, match="of another run: data is "):
        finetune(bundled, [f"{text}!" for text in texts], labels, resume=path, **options)


def test_where_there_is_nothing_to_go_on_from(bundled, tmp_path):
    texts, labels = texts_of("good", "bad")
    options = SHORT | {"method": "last"}
    model = finetune(bundled, texts, labels, checkpoint=tmp_path / "new", resume=True, **options)
    assert same(model, finetune(bundled, texts, labels, **options)) and (tmp_path / "new").exists()
    with pytest.raises(WeightsError, match="missing: cannot be read"):
        finetune(bundled, texts, labels, resume=tmp_path / "missing", **options)
    with pytest.raises(InputError, match="resume=True: expected checkpoint"):
        finetune(bundled, texts, labels, resume=True, **options)


# A network for each class ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carry", [False, True])
def test_classes_one_after_the_other_go_on_too(bundled, tmp_path, carry):
    texts, labels = texts_of("good", "bad", "odd")
    options = {"method": "last", "epochs": 2, "epoch_size": 20, "batch_size": 10, "carry_optimiser": carry}
    whole = class_average(bundled, texts, labels, **options)
    assert [run.label for run in whole.runs] == ["bad", "good", "odd"] and math.isnan(whole.f1)
    assert whole.runs[1].model.class_names == ["not good", "good"]
    for stop in range(1, 7):
        path = tmp_path / f"{stop}"
        with pytest.raises(Killed):
            class_average(bundled, texts, labels, checkpoint=path, progress=kill_after(stop), **options)
        again = class_average(bundled, texts, labels, resume=path, **options)
        assert all(same(one.model, other.model) for one, other in zip(again.runs, whole.runs))
        assert [one.model.provenance for one in again.runs] == [one.model.provenance for one in whole.runs]
    json.dumps(whole.runs[0].model.provenance, allow_nan=False)


def test_adam_goes_on_only_if_asked(bundled):
    texts, labels = texts_of("good", "bad", "odd")
    options = {"method": "last", "epochs": 2, "epoch_size": 20, "batch_size": 10}
    fresh, carried = (class_average(bundled, texts, labels, carry_optimiser=c, **options) for c in (False, True))
    assert same(fresh.runs[0].model, carried.runs[0].model)
    assert not same(fresh.runs[1].model, carried.runs[1].model)


def test_class_average_f1_as_a_metric(bundled):
    texts, labels = texts_of("good", "bad", "odd")
    options = SHORT | {"method": "last", "test": (texts, labels)}
    runs = class_average(bundled, texts, labels, **options).runs
    model = finetune(bundled, texts, labels, metric="f1", **options)
    assert model.multi_label and model.class_names == ["bad", "good", "odd"]
    for column, run in enumerate(runs):
        np.testing.assert_allclose(model.predict(texts)[:, column], run.model.predict(texts)[:, 0], atol=1e-6)
        assert model.provenance["thresholds"][run.label] == run.threshold
    two = finetune(bundled, *texts_of("good", "bad"), metric="f1", method="full", **SHORT)
    assert two.class_names == ["bad", "good"] and two.classes == 1 and two.provenance["threshold"] > 0
    with pytest.raises(InputError, match="metric 'f1': method 'full' trains a network for each class"):
        finetune(bundled, texts, labels, metric="f1", method="full", **SHORT)


# What cannot be trained -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"method": "half"}, "method 'half': expected one of last, full, new, chain-thaw"),
        ({"metric": "weighted"}, "metric 'weighted': expected 'acc' or 'f1'"),
        ({"head": "old"}, "head 'old': expected one of new, keep"),
        ({"epochs": 0}, "epochs is 0, expected an integer of at least 1"),
        ({"epochs": 2.5}, "epochs is 2.5, expected an integer"),
        ({"batch_size": 41}, "batch_size 41 is more than an epoch's 40 rows"),
        ({"patience": -1}, "patience is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, r"seed is 4294967296, expected an integer below 2\*\*32"),
        ({"model": "a name"}, "expected a model, as npmoji.load gives, got str"),
        ({"sampling_seed": -1}, "seed -1: expected an integer from 0"),
        ({"validation": 1.0}, "share to hold back is 1.0, expected"),
        ({"validation": [1]}, r"validation: expected a pair \(texts, labels\), got list"),
        ({"validation": (["a", "b"], ["good"])}, "validation: 1 labels for 2 texts"),
        ({"validation": (["a"], ["fine"])}, "validation: row 0: unknown label 'fine'"),
        ({"validation": ([], [])}, "validation: "),
        ({"validation": (np.ones((1, 30), int), ["good"])}, "expected the same kind in all parts"),
        ({"test": (["a"], [["good"]])}, "test: expected one label a text"),
        ({"maxlen": 0}, "maxlen is 0"),
        ({"labels": ["good"] * 48}, "one class only"),
        ({"labels": ["good"] * 47}, "47 labels for 48 texts"),
        ({"labels": ["good"] * 47 + [None]}, "missing label at row 47"),
        ({"labels": ["good"] * 47 + ["bad"]}, "class 'bad' has 1 text, too few"),
        ({"texts": ["a"] * 47 + [""]}, "row 47: an empty text"),
        ({"texts": ["a"] * 47 + [None]}, "missing value at row 47"),
        ({"texts": "a text"}, "expected a list of texts"),
        (
            {"texts": [[1, n] for n in range(48)], "extend_with": 3},
            "extend_with 3: is for texts, and these are token ids",
        ),
        ({"texts": [[1, n] for n in range(48)], "maxlen": 3}, "maxlen 3: is for texts, and these"),
        ({"texts": [[1, 20_000 + n] for n in range(48)]}, "row 0, step 1: token id 20000 is outside"),
        ({"progress": 3}, "progress 3: expected True, False or a function"),
        ({"l2": -1.0}, "l2 -1.0"),
    ],
)
def test_bad_input_is_one_clear_error(bundled, changes, words):
    texts, labels = texts_of("good", "bad")
    options = SHORT | {"model": bundled, "method": "last", "texts": texts, "labels": labels} | changes
    with pytest.raises(InputError, match=words) as found:
        finetune(**options)
    assert "\n" not in str(found.value)


def test_texts_need_a_vocabulary(small):
    model = npmoji.load(small[0], engine="numpy")
    with pytest.raises(VocabularyError, match="has no vocabulary"):
        finetune(model, *texts_of("good", "bad"), **SHORT)


def test_a_loss_that_is_no_number(bundled):
    texts, labels = texts_of("good", "bad")
    with pytest.raises(InputError, match="validation loss is (nan|inf) after epoch 1 of stage 'all'"):
        finetune(bundled, texts, labels, method="full", learning_rate=1e38, **SHORT)


def test_progress_on_standard_error(bundled, capsys):
    texts, labels = texts_of("good", "bad")
    finetune(bundled, texts, labels, method="last", progress=True, **SHORT)
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 3
    assert err.startswith("npmoji: epoch 1  loss ") and "  val " in err
