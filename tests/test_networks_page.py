"""The tables of layers in docs/networks.md are what `python tools/make_networks_table.py` makes of the code and of the
reference outputs."""

import json
import runpy

import pytest
from conftest import DATA, ROOT

from npmoji import layers
from npmoji.keras.known import KINDS

MAKER = ROOT / "tools" / "make_networks_table.py"
PAGE = ROOT / "docs" / "networks.md"
pytestmark = pytest.mark.skipif(not (MAKER.is_file() and PAGE.is_file()), reason="needs the checkout's tools and docs")


@pytest.fixture(scope="module")
def maker():
    return runpy.run_path(str(MAKER))


@pytest.fixture(scope="module")
def seen(maker):
    return maker["seen"]()


def row(name):
    """The cells of a layer's row, by the head of their columns."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if "|" in line]
    head = next(cells for cells in lines if cells[:2] == ["layer", "numba"])
    (found,) = (cells for cells in lines if cells[0] == name and len(cells) >= len(head) - 1)
    return dict(zip(head, found))


def test_the_page_is_up_to_date(maker):
    text = PAGE.read_text(encoding="utf-8")
    assert maker["page"](text) == text, "run: python tools/make_networks_table.py"


def test_every_layer_was_held_against_keras(maker, seen):
    """A class without a tick needs a recipe in tools/keras_cases, with a case that travels with the tests."""
    missing = {name for name in KINDS if name not in seen} - maker["OLD_NAMES"].keys()
    assert not missing


def test_what_the_code_has_is_in_the_rows():
    assert row("GRU") | {"numba": "own", "torch": "NumPy", "Keras 2.0.5": "✓"} == row("GRU")
    assert row("LSTM") | {"numba": "own", "torch": "own"} == row("LSTM")
    assert row("SimpleRNN") | {"numba": "own", "torch": "NumPy"} == row("SimpleRNN")  # made of products, in numba
    assert row("Flatten") | {"numba": "NumPy", "torch": "NumPy", "gradient": "✓", "ONNX": "✓"} == row("Flatten")
    assert row("CuDNNGRU") | {"tf_keras 2.21": "✓", "Keras 3.15": "–"} == row("CuDNNGRU")


def test_gradients_are_those_of_the_table_of_rules(maker):
    pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    from npmoji.learn.gradients import attention, elementwise  # noqa: F401  fill RULES
    from npmoji.learn.gradients.network import Differentiable  # noqa: F401  all others
    from npmoji.learn.gradients.table import RULES, without_gradient

    trained = {cls.__name__ for cls, rule in RULES.items() if rule is not without_gradient}
    assert trained == maker["ruled"]()


def test_versions_are_those_of_the_cases(maker, seen):
    made = {json.loads(path.read_text())["framework"]["version"] for path in (DATA / "keras").glob("*/case.json")}
    assert {maker["label"](version) for version in made} <= seen["Dense"].versions
    assert maker["label"]("2.2.4") == "Keras 2.2.4" and maker["label"]("2.15.0") == "tf_keras 2.15"


def test_settings_are_no_layers(maker):
    """An initialiser is called as a layer is."""
    layer = {"class_name": "mine>Dense", "config": {"kernel_initializer": {"class_name": "Identity", "config": {}}}}
    function = {"class_name": "Add", "module": "keras.src.ops.numpy", "config": {"name": "add"}}
    assert list(maker["classes_in"]([layer, function])) == ["Dense"]


def test_a_layer_of_several_parts(maker, seen):
    assert {layers.Conv1D, layers.Activation} <= seen["Conv1D"].classes
    assert {"conv1d", "activate"} <= seen["Conv1D"].functions
    assert maker["by_engine"]("torch", {"lstm", "gru"}) == "partly"
