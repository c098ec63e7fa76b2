"""Arrays of several layers in one list, where some of the layers are attention layers of several authors' making."""

import json

import numpy as np
import pytest
from test_keras_graphs import CASES

import npmoji
from npmoji import WeightsError, formats, loading
from npmoji.formats.contents import numbered
from npmoji.keras.shares import shares

T, F, A = 5, 4, 3
KINDS = {
    "linear": [(F, 1)],
    "tanh": [(F,), (T,)],
    "tanh columns": [(F, 1), (T, 1)],
    "context": [(F, A), (A,), (A, 1)],
    "context vector": [(F, A), (A,), (A,)],
    "context without bias": [(F, A), (A, 1)],
}
UNCLEAR = (  # (W, b) and W may be W and (W, b); (W, b, u) and W may be (W, u) and (W, b)
    ("linear", "tanh"),
    ("linear", "tanh columns"),
    ("tanh", "linear"),
    ("tanh columns", "linear"),
    ("context", "linear"),
    ("context vector", "linear"),
)
HIERARCHICAL = {name: CASES[name] for name in CASES if name.endswith("_hierarchical")}


def arrays(shapes):
    return [np.zeros(shape, np.float32) for shape in shapes]


@pytest.mark.parametrize("kind", KINDS)
def test_one_layer_gets_what_is_left(kind):
    own, rest = KINDS[kind], [(F, A), (A,)]
    assert shares(["embeddings", "*"], arrays([(9, F), *own])) == [1, len(own)]
    assert shares(["*", "kernel", "bias"], arrays([*own, *rest])) == [len(own), 1, 1]
    assert shares(["kernel", "bias"], arrays(rest)) == [1, 1]


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_two_layers_are_told_apart_or_refused(first, second):
    some, other = KINDS[first], KINDS[second]
    wanted = None if (first, second) in UNCLEAR else [len(some), len(other)]
    assert shares(["*", "*"], arrays([*some, *other])) == wanted
    between = shares(["*", "kernel", "bias", "*"], arrays([*some, (F, 2), (2,), *other]))
    assert between == [len(some), 1, 1, len(other)]


def test_what_does_not_come_out():
    W, b, _ = KINDS["context"]
    assert shares(["*"], []) == [0]
    assert shares(["kernel", "*"], []) is None
    assert shares(["kernel"], arrays([W, b])) is None
    assert shares(["*", "*"], arrays([W])) is None
    assert shares(["*", "*"], arrays([b, b, b, b, b, b, b])) is None
    assert shares(["*", "*"], arrays([(F, 1), (F, 1), (F, 1)])) is None  # (W, b) and W, or W and (W, b)


def test_there_are_two_such_layers_in_a_wrapped_model():
    assert len(HIERARCHICAL) == 2
    for folder in HIERARCHICAL.values():
        (name,) = json.loads((folder / "case.json").read_text())["files"]
        beside = folder / "config.json"
        config = json.loads(beside.read_text()) if beside.exists() else formats.read(folder / name).config
        (outer,) = [e for e in config["config"]["layers"] if e["class_name"] == "TimeDistributed"]
        inner = outer["config"]["layer"]["config"]["layers"]
        assert sum("Attention" in e["class_name"] for e in inner) == 2


@pytest.mark.parametrize("name", HIERARCHICAL)
def test_a_layer_too_many_is_told_by_name(name):
    (file,) = json.loads((HIERARCHICAL[name] / "case.json").read_text())["files"]
    path = HIERARCHICAL[name] / file
    contents = loading.with_config(formats.read(path), None)
    key, held = next((key, held) for key, held in contents.layers.items() if len(held) > 9)
    for changed in (list(held.values())[:-3], [*held.values(), *held.values()], []):
        with pytest.raises(WeightsError, match=rf"'{key}' \(TimeDistributed\) has {len(changed)} arrays, .*any number"):
            loading.build(contents._replace(layers={**contents.layers, key: numbered(changed)}))
    assert npmoji.load(path).graph.outputs
