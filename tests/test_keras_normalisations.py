"""Normalisations, other scales and dot products from Keras files: what is refused, and where a mask cannot be."""

import numpy as np
import pytest

import npmoji
from npmoji import Input, WeightsError
from npmoji.formats import Contents
from npmoji.loading import build


def made(class_name, *arrays, version="2.15.0", masked=False, **settings):
    """A network of one layer of that class over (6, 4), as a file describes it."""
    before = {"class_name": "Masking", "config": {"name": "before", "batch_input_shape": [None, 6, 4]}}
    entry = {"class_name": class_name, "config": {"name": "it", "batch_input_shape": [None, 6, 4], **settings}}
    weights = {"it": {str(i): np.ones(shape, np.float32) for i, shape in enumerate(arrays)}} if arrays else {}
    config = {"class_name": "Sequential", "config": {"layers": [before, entry] if masked else [entry]}}
    return build(Contents("file", weights, config=config, keras_version=version)).named["it"]


X = np.random.default_rng(0).standard_normal((3, 6, 4)).astype(np.float32)


@pytest.mark.parametrize(
    "class_name, arrays, settings",
    [
        ("LayerNormalization", [(4,), (4,)], {"axis": [1, 1]}),
        ("LayerNormalization", [(4,), (4,)], {"axis": {"a": 1}}),
        ("LayerNormalization", [(4,), (4,)], {"axis": 0}),
        ("LayerNormalization", [(4,), (4,)], {"axis": [1, 2]}),
        ("LayerNormalization", [(4,), (5,)], {}),
        ("LayerNormalization", [(4,), (4,)], {"rms_scaling": True}),
        ("UnitNormalization", [], {"axis": 3}),
        ("UnitNormalization", [], {"axis": []}),
        ("UnitNormalization", [], {"axis": "1"}),
        ("RMSNormalization", [(6,)], {"axis": 1}),
        ("RMSNormalization", [(5,)], {}),
        ("RMSNormalization", [(4,)], {"epsilon": "much"}),
        ("GroupNormalization", [(4,), (4,)], {"groups": 3}),
        ("GroupNormalization", [(4,), (4,)], {"groups": 0}),
        ("GroupNormalization", [(4,), (4,)], {"groups": 2, "axis": [1, 2]}),
        ("GroupNormalization", [(6,), (6,)], {"groups": 2}),
        ("Rescaling", [], {}),
        ("Rescaling", [], {"scale": "2"}),
        ("Rescaling", [], {"scale": [1, 2, 3]}),
        ("Rescaling", [], {"scale": [[1], [2, 3]]}),
        ("Rescaling", [], {"scale": {"class_name": "__numpy__"}}),
        ("Rescaling", [], {"scale": 1, "offset": [[[1.0]]]}),
        ("Normalization", [(4,), (4,)], {}),
        ("Normalization", [(4,), (5,), ()], {}),
        ("Normalization", [(5,), (5,), ()], {}),
        ("Normalization", [(4,), (4,), ()], {"axis": 4}),
        ("Normalization", [(4,), (4,), ()], {"axis": 0}),
        ("Normalization", [(4,), (4,), ()], {"axis": "-1"}),
        ("Normalization", [(4,), (4,), ()], {"axis": None}),
        ("Normalization", [], {"mean": 1.0}),
        ("Normalization", [], {"mean": 1.0, "variance": -1.0}),
        ("Normalization", [], {"mean": [1.0, None], "variance": [1.0, 2.0]}),
        ("Dot", [], {"axes": 1}),
    ],
)
def test_what_does_not_fit_names_the_layer(class_name, arrays, settings):
    with pytest.raises(WeightsError, match="layer 'it'"):
        made(class_name, *arrays, **settings)(X)


def test_a_mask_over_groups():
    options = {"groups": 2, "scale": False, "center": False}
    with pytest.raises(WeightsError, match="layer 'it': GroupNormalization of a masked input"):
        made("GroupNormalization", masked=True, **options)(X)
    new = made("GroupNormalization", masked=True, version="3.5.0", **options)
    np.testing.assert_array_equal(new(X), made("GroupNormalization", **options)(X))


def test_saved_and_loaded(tmp_path):
    x = Input()
    gamma = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)
    one = npmoji.RMSNormalization(npmoji.LayerNormalization(x, gamma, None, axis=(1, 2), rms_scaling=True), None)
    other = npmoji.GroupNormalization(npmoji.UnitNormalization(x, axis=(1, 2)), None, None, groups=-1)
    scaled = npmoji.Rescaling(npmoji.Normalization(x, gamma[0], gamma[0] ** 2), 2, gamma[1])
    last = npmoji.Concatenate(one, other, npmoji.Dot(scaled, x, axes=(2, 2), normalize=True))
    npmoji.save_layers(tmp_path / "net.npz", last)
    np.testing.assert_array_equal(npmoji.load_layers(tmp_path / "net.npz")[-1](X), last(X))


def dot(**settings):
    """A Dot of a sequence (6, 4) and another (6, 4), as tf_keras stores it."""
    inputs = [
        {"class_name": "InputLayer", "name": name, "config": {"batch_input_shape": [None, 6, 4]}, "inbound_nodes": []}
        for name in "ab"
    ]
    calls = [[["a", 0, 0, {}], ["b", 0, 0, {}]]]
    entry = {"class_name": "Dot", "name": "it", "config": {"name": "it", **settings}, "inbound_nodes": calls}
    ends = {"input_layers": [["a", 0, 0], ["b", 0, 0]], "output_layers": [["it", 0, 0]]}
    config = {"class_name": "Functional", "config": {"name": "model", "layers": [*inputs, entry], **ends}}
    return build(Contents("file", {}, config=config)).named["it"]


def test_products_of_sequences():
    np.testing.assert_allclose(dot(axes=[2, -1])({"a": X, "b": X}), X @ X.swapaxes(1, 2), atol=1e-5)
    zeros = np.zeros_like(X)
    assert not dot(axes=1, normalize=True)({"a": zeros, "b": X}).any()
    for wrong in (None, 0, [1], [1, 2, 3], "1", [1, "2"], 7, [1, 2]):
        with pytest.raises(WeightsError, match="layer 'it'"):
            dot(axes=wrong)({"a": X, "b": X})
