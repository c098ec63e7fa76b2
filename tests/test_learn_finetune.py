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

pytest.importorskip("torch")

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
        assert run.label == str(expected["label"]) and run.threshold == expected["threshold"]
        assert abs(run.test_f1 - expected["f1_test"]) <= tolerance["score"]
        for name, (ids, _) in {"val": validation, "test": test}.items():
            p = run.model.predict(ids)
            np.testing.assert_allclose(p, arrays[f"pred_{name}{number}"], rtol=0, atol=tolerance["probs_test, pred_*"])
    assert abs(found.f1 - case["score"]) <= tolerance["score"]
    check_weights(arrays, found.runs[-1].model, tolerance)
