"""Makes the tables of layers in docs/networks.md, of the code and the reference outputs of tests/data:
`python tools/make_networks_table.py`. A test checks that the page is up to date.

Needs neither PyTorch nor onnx nor Keras: what the code has for the first two is read from its source.
"""

from __future__ import annotations

import ast
import functools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that a clone describes itself without being installed

import npmoji
from npmoji import formats, loading
from npmoji.backends.ops import Ops
from npmoji.export.onnx.layers import KINDS as ONNX
from npmoji.export.onnx.layers import OF_WORDS
from npmoji.export.onnx.operations import OPERATIONS
from npmoji.graph import FREE_STEPS, Graph
from npmoji.keras.config import CONTAINERS
from npmoji.keras.known import KINDS
from npmoji.layers import Layer, Pass
from npmoji.layers.base import ancestors
from npmoji.layers.functions import FUNCTIONS
from npmoji.layers.functions.activations import PLAIN
from npmoji.layers.operations import Operation

PAGE = ROOT / "docs" / "networks.md"
DATA = ROOT / "tests" / "data"
SOURCE = ROOT / "npmoji"
START, END = "<!-- made by tools/make_networks_table.py -->", "<!-- end of what it made -->"

#: what there is to say about a layer besides
NOTES = {
    "Attention": "see below",
    "AttLayer": "see below",
    "AttentionWeightedAverage": "DeepMoji's",
    "Bidirectional": "of LSTM, GRU, SimpleRNN",
    "GlobalAveragePooling1D": "0 for a text without any valid step, where Keras divides 0 by 0",
    "LocallyConnected1D": "implementation 1",
    "RNN": "of the cells of LSTM, GRU, SimpleRNN, also of several upon each other",
    "TimeDistributed": "as the layer within",
    "TokenAndPositionEmbedding": "KerasHub's, and that of Keras' example, see below",
    "TransformerBlock": "that of Keras' example, see below",
}
#: other names of layers, Keras 1's most of them
OLD_NAMES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "GroupedQueryAttention": "GroupQueryAttention",
    "Model": "Functional",
    "SeparableConvolution1D": "SeparableConv1D",
}
UNTOLD = {"InputLayer"}  # every network has it
INITIAL = ("_initializer", "_regularizer", "_constraint")  # settings that name classes of the same names as layers


class Seen(NamedTuple):
    """What the reference outputs show of a Keras layer: the versions of Keras that made some of it, our layers that it
    is made of, and the engine's functions that these call."""

    versions: set[str]
    classes: set[type]
    functions: set[str]


# What the reference outputs show ---------------------------------------------------------------------------------


class Listening(Ops):
    """The reference, which notes the functions that layers call: not those that these call in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.called: set[str] = set()
        self._inside = False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in SHARED:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            if self._inside:
                return found(*arguments, **options)
            self.called.add(name)
            self._inside = True
            try:
                return found(*arguments, **options)
            finally:
                self._inside = False

        return call


def files() -> Iterator[tuple[Path, dict[str, Any]]]:
    """The files of networks that come with reference outputs, each with what its ``case.json`` says, if it has one."""
    for about in sorted(DATA.glob("keras/*/case.json")):
        case = json.loads(about.read_text(encoding="utf-8"))
        yield from ((about.parent / name, case) for name in case["files"])
    for pattern in ("models/*/*.h*5", "keras3/*.keras"):
        yield from ((file, {}) for file in sorted(DATA.glob(pattern)))


@functools.cache
def seen() -> dict[str, Seen]:
    """What they show, by Keras' name of a layer or function."""
    found: dict[str, Seen] = {}
    for file, case in files():
        contents = loading.with_config(formats.read(str(file)), None)
        version = label(case.get("framework", {}).get("version") or contents.keras_version)
        model = npmoji.load(file, engine="numpy", layers=case.get("layers"))
        for name in classes_in(contents.config or {}):
            found.setdefault(name, Seen(set(), set(), set())).versions.add(version)
        for name, classes, functions in shown(model.graph):
            entry = found.setdefault(name, Seen(set(), set(), set()))
            entry.versions.add(version)
            entry.classes.update(classes)
            entry.functions.update(functions)
    return found


def label(version: str) -> str:
    """What a version is called in the table."""
    major, minor = (int(part) for part in version.split(".")[:2])
    if (2, 3) < (major, minor) < (3, 0):
        return f"tf_keras {major}.{minor}"
    return f"Keras {version}" if major < 3 else f"Keras {major}.{minor}"


def classes_in(config: Any) -> Iterator[str]:
    """The classes of all layers in a config, at whatever depth."""
    if isinstance(config, dict):
        name = config.get("class_name")
        if isinstance(name, str) and ".ops." not in str(config.get("module")):
            yield name.rpartition(">")[2]
        for key, value in config.items():
            if not key.endswith(INITIAL):
                yield from classes_in(value)
    elif isinstance(config, list):
        for value in config:
            yield from classes_in(value)


def shown(graph: Graph) -> Iterator[tuple[str, set[type], set[str]]]:
    """Of each layer of a file its class, the classes of our layers that it is made of, and the engine's functions that
    these call."""
    called = calls(graph)
    ends = {layer for layer in graph.named.values() if layer in graph.layers or isinstance(layer, Operation)}
    for end in ends:
        own = ancestors([end], lambda one: [before for before in one.previous if before not in ends])
        functions = {name for one in own for name in called.get(one, ())}
        yield function_name(end), {type(one) for one in own}, functions


def function_name(layer: Layer) -> str:
    """Keras' name of a layer's class; of a function ``.Name``, since some layers have the same names."""
    name = layer.class_name.rpartition(">")[2]
    return f".{name}" if isinstance(layer, Operation) else name


def calls(graph: Graph) -> dict[Layer, set[str]]:
    """The engine's functions that each layer calls."""
    found, ops, X = {}, Listening(), graph.row(graph.size or FREE_STEPS)
    run = Pass(ops)
    for layer in ancestors([*graph.outputs, *graph.layers]):
        ops.called = set()
        layer.pull(X, run)
        found[layer] = ops.called
    return found


# What the code has ------------------------------------------------------------------------------------------------


def methods(path: str, class_name: str) -> dict[str, ast.FunctionDef]:
    """The methods of a class by name, from its source."""
    tree = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    return {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}


def called_on_self(function: ast.FunctionDef) -> set[str]:
    """The names of the methods of its own object that a method calls."""
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def hands_over(function: ast.FunctionDef) -> bool:
    """Whether a method does no more than ask the reference: ``return self._reference...``."""
    statements = [one for one in function.body if not isinstance(getattr(one, "value", None), ast.Constant)]
    return len(statements) == 1 and "_reference" in called_on_self(function)


REFERENCE = methods("backends/ops.py", "Ops")
#: the functions of an engine that layers compute with
SHARED = {name for name in REFERENCE if name[0] != "_" and not name.startswith(("pack_", "for_"))}
SHARED -= {"all_finite", "concatenate"}
ENGINES = {
    "numba": methods("backends/numba_ops.py", "NumbaOps"),
    "torch": methods("backends/torch/ops.py", "TorchOps"),
}


def is_own(engine: str, function: str) -> bool:
    """Whether an engine computes a function in its own way, itself or by the others that the reference's is made of."""
    mine = ENGINES[engine].get(function)
    if mine is not None:
        return not hands_over(mine)
    parts = called_on_self(REFERENCE[function]) & SHARED
    return bool(parts) and all(is_own(engine, part) for part in parts)


def by_engine(engine: str, functions: set[str]) -> str:
    """Whose arithmetic a layer that calls these functions has on an engine."""
    own = [is_own(engine, function) for function in functions]
    return "own" if own and all(own) else "partly" if any(own) else "NumPy"


@functools.cache
def ruled() -> set[str]:
    """The names of our layers' classes that have a gradient: the arguments of ``@rule``."""
    found = set()
    for path in sorted((SOURCE / "learn" / "gradients").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for call in getattr(node, "decorator_list", []):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "rule":
                    found |= {getattr(one, "id", getattr(one, "attr", "")) for one in call.args}
    return found


@functools.cache
def mentioned(path: str) -> set[str]:
    """All strings in a source: the functions that it knows."""
    tree = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


# The tables --------------------------------------------------------------------------------------------------------


def tables() -> str:
    """The text of the tables."""
    found = seen()
    versions = sorted({version for entry in found.values() for version in entry.versions}, key=_order)
    names = {*KINDS, *CONTAINERS, "TimeDistributed"} - UNTOLD - OLD_NAMES.keys()
    strangers = (NOTES.keys() | set(OLD_NAMES.values())) - names
    if strangers:
        raise ValueError(f"notes about {sorted(strangers)}, which are no layers")
    head = ["layer", "numba", "torch", "gradient", "ONNX", *versions, ""]
    rows = [layer_row(name, found, versions) for name in sorted(names, key=str.lower)]
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(FUNCTIONS):
        alike.setdefault(function_ticks(name, found, versions), []).append(name)
    functions = [[", ".join(names), *ticks] for ticks, names in sorted(alike.items(), reverse=True)]
    return f"{_table(head, rows)}\n\nFunctions between layers:\n\n{_table(['functions', *head[3:-1]], functions)}"


def layer_row(name: str, found: dict[str, Seen], versions: list[str]) -> list[str]:
    """The row of a layer."""
    entry, rules = found.get(name, Seen(set(), set(), set())), ruled()
    older = [old for old, new in OLD_NAMES.items() if new == name]
    seen_as = set().union(entry.versions, *(found[old].versions for old in older if old in found))
    classes = {cls for cls in entry.classes if cls is not npmoji.Input}
    engines = [by_engine(engine, entry.functions) if classes else "?" for engine in ENGINES]
    gradient = _all(classes, lambda cls: cls.__name__ in rules)
    onnx = _all(classes, lambda cls: any(kind in ONNX for kind in cls.__mro__) and cls not in OF_WORDS)
    label = f"{name} ({', '.join(older)})" if older else name
    return [label, *engines, gradient, onnx, *(_tick(version in seen_as) for version in versions), NOTES.get(name, "")]


def function_ticks(name: str, found: dict[str, Seen], versions: list[str]) -> tuple[str, ...]:
    """What the row of a function says."""
    entry = found.get(f".{name}", Seen(set(), set(), set()))
    trained = name in PLAIN or any(
        name in mentioned(f"learn/gradients/{file}.py") for file in ("operations", "functions")
    )
    have = [trained, name in OPERATIONS, *(version in entry.versions for version in versions)]
    return tuple(map(_tick, have))


def _all(classes: set[type], holds: Callable[[type], bool]) -> str:
    return _tick(all(map(holds, classes))) if classes else "?"


def _tick(holds: bool) -> str:
    return "✓" if holds else "–"


def _order(label: str) -> tuple[int, ...]:
    return tuple(map(int, label.rpartition(" ")[2].split(".")))


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def page(text: str) -> str:
    """The page with new tables."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
