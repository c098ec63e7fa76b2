"""The examples in the docstrings of what is public: each is there, and prints what it says."""

import doctest
import importlib
import inspect

import numpy as np
import pytest
from test_package import FILES, public

import npmoji

#: the modules of what is public
MODULES = sorted({f"npmoji.{module}" for module in npmoji._MODULES.values()} - {"npmoji.errors", "npmoji.layers"})
MODULES += sorted(name for name in FILES if name.startswith("npmoji.layers.") and name not in MODULES)
MODULES += sorted({f"npmoji.learn.{module}" for module in npmoji.learn._MODULES.values()})
NAMES = {*npmoji.__all__, *npmoji.learn.__all__}
#: the package that a module's examples need, which is not among those of the tests
NEEDS = {
    "npmoji.corpora.scorer": "pyarrow",
    "npmoji.learn.classifier": "sklearn",
    "npmoji.learn.features": "sklearn",
    "npmoji.learn.report": "sklearn",
    "npmoji.learn.trainer": "torch",
    "npmoji.learn.finetuning": "torch",
    "npmoji.learn.binary": "torch",
}
#: classes whose methods users call; those of layers are for the package
CALLED = ("Model", "Ensemble", "Tokenizer", "Scorer")
WITHOUT = {"Model.check_ready"}


def for_users(name):
    """The functions and classes of a module that users call, and such methods."""
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"needs {NEEDS[name]}: pip install '.[learn,torch,tables]'")
    module = importlib.import_module(name)
    everything = name == "npmoji.initialisers"
    for label, value in public(module):
        first, _, method = label.partition(".")
        if (everything or first in NAMES) and (not method or first in CALLED) and label not in WITHOUT:
            yield label, value


@pytest.mark.parametrize("name", MODULES)
def test_everything_users_call_has_an_example(name):
    bare = [label for label, value in for_users(name) if ">>> " not in (inspect.getdoc(value) or "")]
    assert not bare, f"{name}: no example for {bare}"


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_print_what_they_say(name, tmp_path, monkeypatch, registered):
    monkeypatch.chdir(tmp_path)
    users = list(for_users(name))
    result = doctest.testmod(importlib.import_module(name), extraglobs={"np": np, "npmoji": npmoji})
    assert result.failed == 0
    assert result.attempted or not users
