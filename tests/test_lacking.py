"""`npmoji inspect` on a file that is refused: all that it lacks, in one report."""

import json
import random

import pytest
from test_keras_files import arrays, layer, model
from test_keras_graphs import CASES, damaged, entry

import npmoji
from npmoji import WeightsError, cli, formats, loading
from npmoji.formats import Contents
from npmoji.formats.contents import numbered
from npmoji.keras.lacking import lacking

DENSE = arrays((3, 3), (3,))


def contents(layers, outputs, held, version="2.15.0", **more):
    return Contents("file", {name: numbered(some) for name, some in held.items()}, version, model(layers, **outputs))


def refused(file):
    """What is lacking, of a file that `build` refuses."""
    with pytest.raises(WeightsError):
        loading.build(file)
    return lacking(file)


def chain(*entries):
    """Layers one after the other, after an input of three numbers."""
    first = layer("InputLayer", "x", batch_input_shape=[None, 3])
    names = ["x", *(entry["name"] for entry in entries)]
    for one, before in zip(entries, names):
        one["inbound_nodes"] = [[[before, 0, 0, {}]]]
    return [first, *entries], {"inputs": ["x"], "outputs": [(names[-1], 0, 0)]}


def test_unknown_classes_settings_and_arrays_at_once():
    layers, ends = chain(
        layer("Swoosh", "one"),
        layer("Dense", "two", activation="swish?"),
        layer("Lambda", "three"),
        layer("Dense", "four"),
        layer("Swoosh", "five", units=3),
        layer("Reshape", "six", target_shape=["a"]),
    )
    held = {"one": DENSE, "two": DENSE, "four": DENSE[:1], "five": DENSE[:1]}
    found = refused(contents(layers, ends, held))
    assert len(found) == 5
    for reason, words in zip(
        found,
        (
            ("'one', 'five'", "'Swoosh' is not known", "register_layer"),
            ("'three'", "'Lambda' holds code"),
            ("'four'", "1 arrays", "kernel, bias"),
            ("'two'", "unknown activation 'swish?'"),
            ("'six'", "target_shape"),
        ),
    ):
        assert all(word in reason for word in words), (reason, words)


def test_layers_that_do_not_fit_beside_others():
    """After a layer that does not take what it gets, and after an unknown one, nothing is known."""
    wide = arrays((4, 3), (3,))
    layers, ends = chain(layer("Dense", "one"), layer("Dense", "two"), layer("Swoosh", "three"), layer("Dense", "four"))
    found = refused(contents(layers, ends, {"one": wide, "two": wide, "four": wide}))
    assert len(found) == 2 and "'three'" in found[0] and "'one'" in found[1]


def test_within_models_and_wrappers():
    inner_layers, inner_ends = chain(layer("Swoosh", "a"), layer("Dense", "b", activation="no"))
    inner = model(inner_layers, **inner_ends, class_name="Functional", name="inner")
    layers, ends = chain(
        {"class_name": "Functional", "name": "inner", "config": inner["config"]},
        layer("RepeatVector", "repeat", n=2),
        layer("TimeDistributed", "wrapper", layer=layer("Swish", "within")),
        layer("LSTM", "last", time_major=True),
    )
    held = {"inner": [*DENSE[:1], *DENSE], "last": arrays((3, 8), (2, 8), (8,))}
    found = refused(contents(layers, ends, held))
    assert len(found) == 4, found
    for word in ("inner/a", "inner/b", "wrapper", "time_major"):
        assert sum(word in reason for reason in found) == 1, (word, found)


def test_a_model_whose_arrays_are_too_few():
    """Without arrays nothing in it can be made, and what is after it can."""
    inner_layers, inner_ends = chain(layer("Dense", "a"), layer("Dense", "b"))
    inner = model(inner_layers, **inner_ends, class_name="Functional", name="inner")
    layers, ends = chain(
        {"class_name": "Functional", "name": "inner", "config": inner["config"]},
        layer("Dense", "last", activation="no"),
    )
    found = refused(contents(layers, ends, {"inner": DENSE, "last": DENSE}))
    assert len(found) == 2 and "2 arrays, expected kernel, bias, kernel, bias" in found[0] and "'no'" in found[1]


def test_outputs_of_an_unknown_layer_and_a_call_that_is_not_understood():
    layers, ends = chain(layer("Swoosh", "one"), layer("Add", "two"))
    layers[2]["inbound_nodes"] = [[["one", 0, 0, {}], ["one", 0, 1, {}]]]
    assert refused(contents(layers, ends, {})) == [
        "layer 'one': class 'Swoosh' is not known; npmoji.register_layer('Swoosh', ...) can supply it"
    ]
    layers[2]["inbound_nodes"] = [{"args": [{"class_name": "__what__", "config": {}}], "kwargs": {}}]
    found = refused(contents(layers, ends, {}))
    assert len(found) == 2 and "__what__" in found[0] and "'Swoosh'" in found[1]


def test_nothing_is_lacking_of_a_file_that_loads():
    for name in ("tf_keras_composed", "keras3_nested", "tf_keras_hierarchical", "keras3_encoder_decoder"):
        (file,) = json.loads((CASES[name] / "case.json").read_text())["files"]
        beside = CASES[name] / "config.json"
        read = loading.with_config(formats.read(CASES[name] / file), beside if beside.exists() else None)
        assert lacking(read) == []


@pytest.mark.parametrize("seed", range(120))
def test_a_damaged_config_is_reported_as_well(seed):
    chance = random.Random(1000 + seed)
    folder = CASES[chance.choice([name for name, folder in CASES.items() if not (folder / "config.json").exists()])]
    case = json.loads((folder / "case.json").read_text())
    read = formats.read(folder / case["files"][0])
    file = read._replace(config=damaged(read.config, chance))
    try:
        loading.build(file, layers=case.get("layers"))
    except WeightsError:
        assert lacking(file, case.get("layers"))
    except npmoji.InputError:
        pass  # a layer that was told about is not there


def test_on_the_command_line(capsys, tmp_path):
    path = CASES["keras3_operators"] / "model.keras"
    config = formats.read(path).config
    entry(config, "Subtract")["class_name"] = "Arctan"
    assert entry(config, "Dense")["config"].update(activation="swoosh") is None
    beside = tmp_path / "config.json"
    beside.write_text(json.dumps(config))
    assert cli.main(["inspect", str(path), "--config", str(beside)]) == 2
    out, err = capsys.readouterr()
    first, *lines = err.splitlines()
    assert out == "" and first == f"npmoji: error: {path}: 2 things are lacking:"
    assert len(lines) == 2 and "'Arctan'" in lines[0] + lines[1] and "'swoosh'" in lines[0] + lines[1]
    entry(config, "Arctan")["class_name"] = "Subtract"
    beside.write_text(json.dumps(config))
    assert cli.main(["inspect", str(path), "--config", str(beside)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and "'swoosh'" in err
