"""The package itself: what an import costs, who may import whom, and that everything public is there and documented."""

import ast
import configparser
import functools
import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import npmoji

PACKAGE = Path(npmoji.__file__).parent
#: every room of the package: each may use its own modules and the rooms of earlier lines, and those before it in its
#: line
CHAIN = (
    ("errors",),
    ("precision", "files", "inputs", "outputs", "text", "sources", "display", "initialisers", "pages", "patience"),
    ("formats", "kernels"),
    ("backends",),
    ("layers",),
    ("lowering",),
    ("fitting", "graph", "keras", "deepmoji"),
    ("compiling",),
    ("network",),
    ("pickling", "classes", "explain", "model"),
    ("loading",),
    ("batch", "checks", "describe", "download", "export", "compat"),
    ("learn",),
    ("corpora",),
    ("serve",),
    ("cli",),
)
ROOMS = [room for line in CHAIN for room in line]


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(("npmoji", *parts)).removesuffix(".__init__")


FILES = {module_name(path): path for path in PACKAGE.rglob("*.py") if not path.name.startswith("hook-")}


# What is imported when -----------------------------------------------------------------------------------------------


def modules_after(code):
    """Names of the modules a fresh interpreter holds after running the code."""
    path = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        check=True,
    )
    return set(result.stdout.decode().split())


def test_commands_are_declared_without_numpy():
    """BLAS reads its number of threads when NumPy is imported, and a command sets it when it runs."""
    names = modules_after("from npmoji import cli; cli.parser()")
    assert {"npmoji.cli.score", "npmoji.cli.train"} <= names
    assert not names & {"numpy", "h5py", "numba", "npmoji.learn", "npmoji.corpora", "sklearn", "torch", "pyarrow"}


def test_a_text_on_the_command_line_needs_little(small, toy_vocabulary, tmp_path):
    (tmp_path / "words.json").write_text(json.dumps(toy_vocabulary))
    words = ["score", "lol", "--weights", str(small[0]), "--vocabulary", str(tmp_path / "words.json")]
    names = modules_after(
        "from npmoji.text import vocabulary; vocabulary.SCAN_FROM = 0\n"  # it is searched, as the original's
        f"from npmoji import cli; cli.main({words})"
    )
    assert not (names - modules_after("import numpy")) & {
        "argparse",
        "gettext",
        "json",
        "locale",
        "shutil",
        "string",
        "threading",
        "h5py",
        "numba",
        "npmoji.cli.train",
        "npmoji.keras",
        "npmoji.layers.operations",
        "npmoji.layers.windows",
    }


def test_a_bare_import_loads_nothing_heavy():
    names = modules_after("import npmoji; npmoji.__version__; dir(npmoji)")
    assert {name for name in names if name.startswith("npmoji")} == {"npmoji"}
    assert not names & {"numba", "llvmlite", "h5py", "torch", "csv", "json", "argparse"}


@pytest.mark.parametrize(
    "engine, work, numba", [("numpy", 0, False), ("auto", None, False), ("auto", 0, True), ("numba", None, True)]
)
def test_numba_is_imported_only_where_it_is_used(small, engine, work, numba):
    names = modules_after(
        "import npmoji, npmoji.network\n"
        + (f"npmoji.network.AUTO_WORK = {work}\n" if work is not None else "")
        + f"model = npmoji.load({str(small[0])!r}, engine={engine!r})\n"
        "model.predict([[1, 2, 3]]), model.encode([[4]]), model['bi_lstm_0']([[5]])"
    )
    assert ("numba" in names) is numba
    assert not names & {"torch", "npmoji.cli"}
    assert "argparse" not in names or "scipy" in names  # which numba imports if it is installed


def test_all_names_resolve():
    assert len(set(npmoji.__all__)) == len(npmoji.__all__)
    for name in npmoji.__all__:
        assert getattr(npmoji, name) is not None and name in dir(npmoji)
    assert set(npmoji.__all__) >= {"load", "Tokenizer", "Dense", "NpmojiError", "WeightsError", "InputError"}
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        npmoji.no_such_name  # noqa: B018


def test_type_checkers_see_the_same_names():
    """`npmoji/__init__.py` names everything public twice: in a table for Python, in imports for type checkers."""
    tree = ast.parse(FILES["npmoji"].read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {a.asname: (node.module, a.name) for node in block.body for a in node.names}
    assert (seen.pop("init"), seen.pop("learn")) == ((None, "initialisers"), (None, "learn"))
    assert seen == {name: (module, name) for name, module in npmoji._MODULES.items() if name not in ("init", "learn")}


def test_type_checkers_see_the_same_layers():
    from npmoji import layers

    tree = ast.parse(FILES["npmoji.layers"].read_text(encoding="utf-8"))
    block = next(node for node in tree.body if for_checkers(node))
    seen = {
        a.asname: (node.module, a.name) for node in block.body if isinstance(node, ast.ImportFrom) for a in node.names
    }
    assert seen == {name: (module, name) for name, module in layers._MODULES.items()}
    other = {node.targets[0].id: node.value.id for node in block.body if isinstance(node, ast.Assign)}
    assert other == layers._OTHER_NAMES
    assert all(getattr(layers, name) and name in dir(layers) for name in layers.__all__)
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        layers.no_such_name  # noqa: B018


# Who imports whom ----------------------------------------------------------------------------------------------------


def for_checkers(node):
    """Whether this is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@functools.cache
def imported(name):
    """The modules of this package that the module imports anywhere when it runs, also inside functions; what only type
    checkers read does not count."""
    path, found = FILES[name], set()
    home = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {id(node) for block in ast.walk(tree) if for_checkers(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = home.split(".")[: len(home.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*base, *filter(None, [node.module])])
            modules = {f"{base}.{alias.name}" for alias in node.names} & set(FILES)
            found |= modules if len(modules) == len(node.names) else modules | {base}
    return found & set(FILES) - {"npmoji", name}


def reached(name):
    """All modules of this package the module depends on, at whatever distance."""
    found, new = set(), {name}
    while new:
        new = {other for module in new for other in imported(module)} - found
        found |= new
    return found


def test_imports_are_seen():
    """The walk below is worth something only if it sees the arrows that are there."""
    assert imported("npmoji.cli.score") >= {
        "npmoji.errors",
        "npmoji.display",
        "npmoji.batch.writers",
        "npmoji.cli.inputs",
    }
    assert imported("npmoji.backends.numba_ops") >= {"npmoji.backends.ops"}
    assert imported("npmoji.model") >= {"npmoji.network", "npmoji.inputs", "npmoji.text.tokenizer"}
    assert imported("npmoji.backends") >= {"npmoji.backends.numba_ops", "npmoji.backends.torch.ops", "npmoji.errors"}


def room(name):
    """The module or folder of the package that a module is in."""
    return name.split(".")[1]


APART = {"npmoji", "npmoji.__main__", *(name for name in FILES if room(f"{name}.") == "_pyinstaller")}


def test_every_room_is_in_the_chain():
    assert {room(name) for name in FILES.keys() - APART} == set(ROOMS)


@pytest.mark.parametrize("name", sorted(FILES.keys() - APART))
def test_imports_go_one_way(name):
    below = reached(name)
    assert name not in below, "imports itself in a circle"
    allowed = ROOMS[: ROOMS.index(room(name)) + 1]
    wrong = {other for other in below if room(other) not in allowed}
    assert not wrong, f"{name} must not depend on {wrong}"


# What is there -------------------------------------------------------------------------------------------------------


def public(module):
    """Names and objects of the functions and classes that a module defines for others, and the methods users call."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield name, value
            for_users = name in npmoji.__all__
            for attribute, method in vars(value).items():
                if (
                    for_users
                    and not attribute.startswith("_")
                    and (inspect.isroutine(method) or isinstance(method, property))
                ):
                    yield f"{name}.{attribute}", getattr(value, attribute)
        elif inspect.isroutine(value) or hasattr(value, "py_func"):
            yield name, value


@pytest.mark.parametrize("name", sorted(FILES.keys() - {"npmoji.__main__"}))
def test_everything_public_has_a_docstring(name):
    if name.startswith(("npmoji.backends.torch.", "npmoji.learn.gradients.")):
        pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    if name in ("npmoji.serve.app", "npmoji.serve.connections", "npmoji.serve.server"):
        pytest.importorskip("starlette", reason="needs the server: pip install '.[serve]'")
        pytest.importorskip("uvicorn", reason="needs the server: pip install '.[serve]'")
    module = importlib.import_module(name)
    assert module.__doc__
    bare = [label for label, value in public(module) if not inspect.getdoc(value)]
    assert not bare, f"{name}: no docstring for {bare}"


def test_the_bundled_model_is_found():
    from npmoji.sources import bundled

    weights = Path(bundled())
    assert sum(path.stat().st_size for path in (weights, weights.with_name("vocabulary.json"))) <= 4_000_000


@pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="needs the checkout's setup.cfg")
def test_the_console_script_and_the_packages_exist():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    name, _, target = setup["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = target.partition(":")
    assert name == "npmoji" and callable(getattr(importlib.import_module(module), function))
    packages = set(setup["options"]["packages"].split()) - {"npmoji.weights"}
    assert packages == {module for module, path in FILES.items() if path.name == "__init__.py"}
    needed = {line.partition(">")[0] for line in setup["options"]["install_requires"].split()}
    assert needed == {"numpy", "h5py", "numba"}


def test_the_module_runs_as_a_program():
    """`python -m npmoji` is the command line, with its exit code."""
    path = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
    for argument, code in (("--version", 0), ("--no-such-option", 2)):
        command = [sys.executable, "-m", "npmoji", argument]
        result = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, check=False)
        assert result.returncode == code
        assert (npmoji.__version__.encode() in result.stdout) is (code == 0)


def test_the_list_of_learn_names_its_modules():
    """Each with its purpose; and nothing else between the first line and the last."""
    import npmoji.learn

    folder = Path(npmoji.learn.__file__).parent
    there = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    there |= {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    _, listed, _ = npmoji.learn.__doc__.split("\n\n")
    assert sorted(line.split(maxsplit=1)[0] for line in listed.splitlines()) == sorted(there)
