"""Convolution and pooling from Keras files: what is refused, and what layers made by hand do with odd sizes."""

import numpy as np
import pytest

import npmoji
from npmoji import Input, InputError, WeightsError
from npmoji.backends import backend
from npmoji.formats import Contents
from npmoji.layers import LocallyConnected1D, Pass
from npmoji.loading import build


def ones(*shape):
    return np.ones(shape, np.float32)


SHAPES = {  # of the input without its first axis, and of the weights
    "Conv2D": ([6, 3, 2], (2, 3, 2, 4), (4,)),
    "MaxPooling2D": ([6, 3, 2],),
    "AveragePooling2D": ([6, 3, 2],),
    "GlobalMaxPooling2D": ([6, 3, 2],),
    "GlobalAveragePooling2D": ([6, 3, 2],),
    "DepthwiseConv1D": ([6, 3], (2, 3, 2), (6,)),
    "SeparableConv1D": ([6, 3], (2, 3, 2), (1, 6, 4), (4,)),
    "LocallyConnected1D": ([6, 3], (5, 6, 4), (5, 4)),
    "ZeroPadding1D": ([6, 3],),
    "Cropping1D": ([6, 3],),
    "UpSampling1D": ([6, 3],),
}


def made(class_name, **settings):
    """A network of one layer of that class, as a file describes it, and its input."""
    shape, *arrays = SHAPES[class_name]
    settings = {"kernel_size": [2], **settings} if class_name == "LocallyConnected1D" else settings
    config = {"name": "it", "batch_input_shape": [None, *shape], **settings}
    weights = {"it": {str(i): ones(*array) for i, array in enumerate(arrays)}} if arrays else {}
    model = {"class_name": "Sequential", "config": {"layers": [{"class_name": class_name, "config": config}]}}
    return build(Contents("file", weights, config=model)).named["it"], ones(2, *shape)


@pytest.mark.parametrize("class_name", [name for name in SHAPES if name != "UpSampling1D"])  # which has no such setting
def test_what_is_refused_names_the_layer_and_what_was_found(class_name):
    layer, x = made(class_name)
    assert len(layer(x)) == 2
    with pytest.raises(WeightsError, match=r"layer 'it'.*'channels_first'"):
        made(class_name, data_format="channels_first")


@pytest.mark.parametrize(
    "class_name, settings",
    [
        ("Conv2D", {"strides": [1, 2, 3]}),
        ("Conv2D", {"strides": 0}),
        ("Conv2D", {"dilation_rate": ["1", 1]}),
        ("Conv2D", {"padding": "causal"}),
        ("Conv2D", {"padding": 7}),
        ("Conv2D", {"groups": 3}),
        ("Conv2D", {"activation": "nothing"}),
        ("MaxPooling2D", {"pool_size": {}}),
        ("MaxPooling2D", {"pool_size": [2, 1 << 40]}),
        ("AveragePooling2D", {"padding": None, "strides": [-1, 1]}),
        ("DepthwiseConv1D", {"padding": "other"}),
        ("DepthwiseConv1D", {"strides": [1, 1]}),
        ("SeparableConv1D", {"dilation_rate": 2.5}),
        ("LocallyConnected1D", {"implementation": 2}),
        ("LocallyConnected1D", {"padding": "same"}),
        ("LocallyConnected1D", {"kernel_size": None}),
        ("ZeroPadding1D", {"padding": [-1, 1]}),
        ("ZeroPadding1D", {"padding": [[1, 1], [1, 1]]}),
        ("Cropping1D", {"cropping": "1"}),
        ("UpSampling1D", {"size": True}),
    ],
)
def test_damaged_settings(class_name, settings):
    with pytest.raises(WeightsError, match="layer 'it"):
        made(class_name, **settings)


@pytest.mark.parametrize("class_name", SHAPES)
def test_inputs_of_another_rank_or_width(class_name):
    layer, x = made(class_name)
    values = [ones(2, 6, 3, 5)[..., :4], ones(2, 6)]
    for value in values[1:] if class_name.startswith(("Max", "Av", "Gl")) else values:
        apart = Pass(backend("numpy"))
        start = layer
        while start.previous:
            start = start.previous[0]
        apart.done[start] = value, None
        with pytest.raises(WeightsError, match="layer 'it.*shape"):
            layer.compute(x, apart)


def test_windows_larger_than_their_input():
    x = ones(2, 3, 2, 1)
    assert npmoji.Conv2D(Input(), ones(4, 2, 1, 3))(x).shape == (2, 0, 1, 3)
    assert npmoji.Pooling2D(Input(), (4, 4), padding="same")(x).tolist() == ones(2, 1, 1, 1).tolist()
    assert npmoji.Cropping1D(Input(), 0, 1)(ones(1, 2, 1)).shape == (1, 1, 1)
    with pytest.raises(InputError, match="layer 'cropping1d': 2 steps, of which 1 before and 1 after"):
        npmoji.Cropping1D(Input(), 1, 1)(ones(1, 2, 1))
    with pytest.raises(WeightsError, match="locallyconnected1d"):
        LocallyConnected1D(Input(), ones(2, 2, 1), size=2)(ones(1, 4, 1))


def test_saved_and_loaded(tmp_path):
    x = npmoji.Input()
    layer = npmoji.Pooling2D(npmoji.Conv2D(x, ones(2, 2, 1, 2), strides=(2, 1), padding="same"), (1, 2), average=True)
    npmoji.save_layers(tmp_path / "net.npz", layer)
    value = np.random.default_rng(0).standard_normal((3, 5, 4, 1)).astype(np.float32)
    np.testing.assert_array_equal(npmoji.load_layers(tmp_path / "net.npz")[-1](value), layer(value))


@pytest.mark.parametrize("class_name", SHAPES)
def test_rows_are_alone_on_numba(class_name):
    layer, x = made(class_name)
    x = np.random.default_rng(0).standard_normal((5, *x.shape[1:])).astype(np.float32)
    run = lambda rows: np.asarray(layer.compute(rows, Pass(backend("numba"))))
    np.testing.assert_array_equal(run(x)[2:3], run(x[2:3]))
