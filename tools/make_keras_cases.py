"""Small random networks made, saved and run by genuine Keras: what the tests of the graph builder compare with.

    python tools/make_keras_cases.py OUT --seeds 0 1 2 [--recipes composed nested ...] [--flavours tf_keras keras3]
    python tools/make_keras_cases.py tests/data/keras --shipped    (only the cases and files that travel with the tests)

needs tensorflow, tf_keras and Keras 3 (not needed by npmoji itself). For each recipe, seed and flavour a folder
``OUT/<flavour>_<recipe>_<seed>`` is written:

    model.h5, model.keras, model.weights.h5, weights.h5    what genuine Keras saves; some flavours lack one
    model.weights.json    the same weights in several files `model_00000.weights.h5`, ..., of some recipes
    config.json      the model's to_json(), for the two files with weights only
    golden.npz       ``inputs/NAME``, ``outputs/PLACE`` (``0``, ``alpha``, ``alpha/0`` in lists and dicts), and
                     ``layers/NAME`` of every call of every layer (``NAME:1`` the second call, ``NAME/0`` the first of
                     several outputs)
    case.json        versions, which files there are; ``inputs``: the names in the order in which Keras takes a list,
                     and those by which it takes a dict; ``layers``: what `npmoji.load` must be told
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parent))

from keras_cases import FLAVOURS, RECIPES, SHIPPED, Workshop
from keras_cases.structures import as_cudnn, cudnn
from keras_cases.workshop import flat

SHARD = re.compile(r"_\d{5}\.weights\.h5$")  # one of several files of weights


def randomise(model: Any, rng: np.random.Generator) -> None:
    """Give every weight new values: biases and averages too, which are 0 and 1 at first."""
    values, weights = [], [weight for weight in model.weights if not _is_of_words(weight)]
    for weight in weights:
        shape, name = tuple(weight.shape), getattr(weight, "path", weight.name)
        if "int" in str(weight.dtype):  # what an adapted layer counts
            values.append(np.full(shape, 7))
            continue
        value = rng.standard_normal(shape) * (0.6 if len(shape) < 2 else 1 / np.sqrt(max(1, shape[-2])))
        values.append((np.abs(value) + 0.3 if "variance" in name else value).astype(np.float32))
    for weight, value in zip(weights, values):
        weight.assign(value)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # an adapted layer computes with what it made of its weights
            layer.finalize_state()


def _is_of_words(weight: Any) -> bool:
    """Whether it is a vocabulary, or its words' weights: those of layers that take strings."""
    return not hasattr(weight, "assign") or weight.name.startswith("Variable")


def layer_outputs(model: Any, keras3: bool) -> dict[str, Any]:
    """Every output of every call of every layer, by the name that the golden keeps it under."""
    functional = getattr(model, "_functional", None) or model
    found = {}
    for layer in model.layers:
        nodes = [node for node in layer._inbound_nodes if _belongs(functional, layer, node, keras3)]
        for i, node in enumerate(nodes):
            tensors = [tensor for _, tensor in by_place(node.output_tensors if keras3 else node.outputs, ordered=True)]
            name = layer.name + (f":{i}" if i else "")
            found.update({f"{name}/{j}" if len(tensors) > 1 else name: tensor for j, tensor in enumerate(tensors)})
    return found


def _belongs(functional: Any, layer: Any, node: Any, keras3: bool) -> bool:
    if keras3:
        return any(node is other for nodes in functional._nodes_by_depth.values() for other in nodes)
    keys = getattr(functional, "_network_nodes", None)
    return keys is None or f"{layer.name}_ib-{layer._inbound_nodes.index(node)}" in keys


def golden(w: Workshop, model: Any) -> dict[str, np.ndarray]:
    """Inputs, outputs and layers' outputs of a model."""
    named = layer_outputs(model, w.keras3)
    functional = getattr(model, "_functional", None) or model
    flat_inputs = flat(functional.inputs)
    names = [_input_name(tensor) for tensor in flat_inputs]
    arrays = {name: w.named.get(name, x) for name, x in zip(names, w.inputs)}
    probe = w.K.Model(functional.inputs, list(named.values()))
    feed = [arrays[name] for name in names]
    values = probe.predict_on_batch(feed if len(feed) > 1 else feed[0])
    values = values if isinstance(values, (list, tuple)) else [values]
    keys = input_keys(model)
    given = feed if keys is None else {key: arrays[name] for key, name in zip(keys, names)}
    outputs = model.predict_on_batch(given if len(feed) > 1 else feed[0])
    arrays = {f"inputs/{name}": array for name, array in arrays.items()}
    arrays |= {f"layers/{name}": np.asarray(value) for name, value in zip(named, values)}
    arrays = {name: array for name, array in arrays.items() if array.dtype.kind != "O"}  # texts are as they are given
    return arrays | {f"outputs/{place}": np.asarray(value) for place, value in by_place(outputs)}


def by_place(outputs: Any, before: str = "", ordered: bool = False) -> Iterator[tuple[str, Any]]:
    """What a model gives, by the places in its lists and dicts: ``0``, or ``a/0`` for the first in a list in a dict;
    ``ordered``: dicts in the order of their keys, as Keras numbers a layer's outputs."""
    if not isinstance(outputs, (dict, list, tuple)):
        yield before or "0", outputs
        return
    keyed: Any = outputs.items() if isinstance(outputs, dict) else enumerate(outputs)
    for key, inner in sorted(keyed, key=lambda item: item[0]) if ordered else keyed:
        yield from by_place(inner, f"{before}/{key}" if before else str(key), ordered)


def input_keys(model: Any) -> list[str] | None:
    """The keys of the dict of inputs that a model was made with, sorted as Keras does; None if it was no dict."""
    inputs = getattr(model, "_nested_inputs", getattr(model, "_inputs_struct", None))
    return sorted(inputs) if isinstance(inputs, dict) else None


def _input_name(tensor: Any) -> str:
    history = tensor._keras_history
    return getattr(history, "operation", None).name if hasattr(history, "operation") else history.layer.name


def save(w: Workshop, model: Any, folder: Path) -> dict[str, str]:
    """Every kind of file that this flavour writes; returns what failed, with the reason."""
    failed = {}

    def attempt(name: str, write: Callable[[str], Any]) -> None:
        try:
            write(str(folder / name))
        except Exception as error:  # noqa: BLE001  whatever genuine Keras cannot save
            (folder / name).unlink(missing_ok=True)
            failed[name] = f"{type(error).__name__}: {str(error)[:200]}"

    attempt("model.h5", model.save)
    attempt("model.keras", model.save)
    attempt("model.weights.h5", model.save_weights)
    if not w.keras3:
        attempt("weights.h5", model.save_weights)
    if w.recipe is cudnn and not w.keras3:
        attempt("cudnn.h5", lambda path: as_cudnn(folder / "model.h5", Path(path)))
    if w.shard is not None:
        attempt("model.weights.json", lambda path: model.save_weights(path, max_shard_size=w.shard))
    attempt("config.json", lambda path: Path(path).write_text(model.to_json()))
    return failed


def make_case(name: str, K: ModuleType, seed: int, folder: Path, keep: str = "") -> dict[str, str]:
    """One folder; of the model files only ``keep``, if given."""
    K.backend.clear_session()
    w = Workshop(K, seed, RECIPES[name])
    model = w.recipe(w)
    randomise(model, w.rng)
    w.after(model)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "golden.npz", **golden(w, w.reference(model)))
    failed = save(w, model, folder)
    if keep:
        unwanted = {path.name for path in folder.iterdir()} - {
            keep,
            "golden.npz",
            "config.json" if "weights" in keep else keep,
        }
        for file in unwanted:
            if not (keep.endswith(".json") and SHARD.search(file)):
                (folder / file).unlink()
    import tensorflow

    names = [_input_name(tensor) for tensor in flat((getattr(model, "_functional", None) or model).inputs)]
    case = {
        "recipe": name,
        "seed": seed,
        "framework": {
            "name": K.__name__,
            "version": K.__version__,
            "tensorflow": tensorflow.__version__,
            "numpy": np.__version__,
        },
        "files": sorted(
            path.name
            for path in folder.iterdir()
            if path.name.endswith((".h5", ".keras", ".weights.json")) and not SHARD.search(path.name)
        ),
        "inputs": [names, input_keys(model) or names],
    }
    if w.choices:
        case["layers"] = w.choices
    (folder / "case.json").write_text(json.dumps(case | ({"not_possible": failed} if failed else {}), indent=1) + "\n")
    return failed


def _label(flavour: str, name: str, keep: str) -> str:
    """The folder of a shipped case: it names the file where the recipe is shipped in several."""
    several = sum((flavour, name) == shipped[:2] for shipped in SHIPPED) > 1
    return f"{flavour}_{name}" + (f"_{keep.replace('.', '_')}" if several else "")


def main() -> None:
    """Make the cases that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--flavours", nargs="+", choices=FLAVOURS, default=list(FLAVOURS))
    parser.add_argument("--shipped", action="store_true", help="the cases that travel with the tests")
    parser.add_argument("--only", nargs="+", metavar="RECIPE", help="of the shipped cases those of these recipes")
    options = parser.parse_args()
    import keras
    import tf_keras

    modules = {"tf_keras": tf_keras, "keras3": keras}
    asked = [(f, name, seed, "") for f in options.flavours for name in options.recipes for seed in options.seeds]
    for flavour, name, seed, keep in SHIPPED if options.shipped else asked:
        label = _label(flavour, name, keep) if options.shipped else f"{flavour}_{name}_{seed}"
        if options.only and name not in options.only:
            continue
        try:
            failed = make_case(name, modules[flavour], seed, options.out / label, keep)
        except Exception as error:  # noqa: BLE001  a network that this Keras cannot make, for whatever reason
            print(f"{label}: not made: {type(error).__name__}: {str(error)[:300]}")
            continue
        for file, reason in failed.items():
            print(f"{label}: {file}: {reason}")


if __name__ == "__main__":
    main()
