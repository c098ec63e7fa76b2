"""Keras' layers over windows of steps or of planes, convolution and pooling, and those that add or remove steps."""

from __future__ import annotations

from typing import Any

from .. import layers
from ..errors import WeightsError
from ..layers import Layer
from .activations import activated, name_before
from .place import Place, affine, channels_last, kind, pair, two, whole

# Along time --------------------------------------------------------------------------------------------------------


@kind("Conv1D", "Convolution1D", arrays=affine)
def _conv1d(at: Place) -> Layer:
    channels_last(at)
    options = {
        "strides": whole(at, "strides", 1),
        "dilation": whole(at, "dilation_rate", 1),
        "groups": whole(at, "groups", 1),
    }
    conv = layers.Conv1D(
        at.previous[0], **at.arrays, padding=at.setting("padding", "valid"), **options, name=name_before(at)
    )
    return activated(at, conv)


@kind("DepthwiseConv1D", arrays=affine)
def _depthwise(at: Place) -> Layer:
    channels_last(at)
    return activated(at, _each_feature(at, at.arrays["kernel"], at.arrays.get("bias"), name_before(at)))


def _each_feature(at: Place, kernel: Any, bias: Any, name: str) -> Layer:
    """The convolution of each feature on its own."""
    options = {"strides": whole(at, "strides", 1), "dilation": whole(at, "dilation_rate", 1)}
    return layers.DepthwiseConv1D(
        at.previous[0], kernel, bias, padding=at.setting("padding", "valid"), **options, name=name
    )


@kind("SeparableConv1D", "SeparableConvolution1D", arrays=lambda config: ["depthwise", *affine(config)])
def _separable(at: Place) -> Layer:
    channels_last(at)
    first = _each_feature(at, at.arrays["depthwise"], None, f"{at.name}/depthwise")
    arrays = {name: array for name, array in at.arrays.items() if name != "depthwise"}
    return activated(at, layers.Conv1D(first, **arrays, name=name_before(at)))


@kind("LocallyConnected1D", arrays=affine)
def _locally_connected(at: Place) -> Layer:
    channels_last(at)
    if at.setting("implementation", 1) != 1 or at.setting("padding", "valid") != "valid":
        found = f"implementation {at.setting('implementation')!r:.20}, padding {at.setting('padding')!r:.20}"
        raise WeightsError(f"layer {at.name!r}: {found}, expected 1 and 'valid'")
    sizes = {"size": whole(at, "kernel_size"), "strides": whole(at, "strides", 1)}
    return activated(at, layers.LocallyConnected1D(at.previous[0], **at.arrays, **sizes, name=name_before(at)))


@kind("MaxPooling1D", "AveragePooling1D")
def _pooling(at: Place) -> Layer:
    channels_last(at)
    size = whole(at, "pool_size", 2)
    options = {"strides": whole(at, "strides", size), "padding": at.setting("padding", "valid")}
    average = at.config["class_name"].startswith("Average")
    return layers.Pooling1D(at.previous[0], size, **options, average=average, name=at.name)


@kind("GlobalAveragePooling1D", "GlobalMaxPooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling2D")
def _global_pooling(at: Place) -> Layer:
    channels_last(at)
    return getattr(layers, at.config["class_name"])(at.previous[0], keepdims=at.flag("keepdims"), name=at.name)


@kind("ZeroPadding1D", "Cropping1D")
def _ends(at: Place) -> Layer:
    channels_last(at)
    before, after = two(at, "padding" if at.config["class_name"] == "ZeroPadding1D" else "cropping", 1)
    return getattr(layers, at.config["class_name"])(at.previous[0], before, after, name=at.name)


@kind("UpSampling1D")
def _up_sampling(at: Place) -> Layer:
    return layers.UpSampling1D(at.previous[0], whole(at, "size", 2), name=at.name)


# Along both axes of a plane ----------------------------------------------------------------------------------------


@kind("Conv2D", "Convolution2D", arrays=affine)
def _conv2d(at: Place) -> Layer:
    channels_last(at)
    options: dict[str, Any] = {
        "strides": pair(at, "strides", 1),
        "dilation": pair(at, "dilation_rate", 1),
        "groups": whole(at, "groups", 1),
    }
    padding = at.setting("padding", "valid")
    return activated(at, layers.Conv2D(at.previous[0], **at.arrays, padding=padding, **options, name=name_before(at)))


@kind("MaxPooling2D", "AveragePooling2D")
def _pooling2d(at: Place) -> Layer:
    channels_last(at)
    size = pair(at, "pool_size", 2)
    options: dict[str, Any] = {"strides": pair(at, "strides", size), "padding": at.setting("padding", "valid")}
    average = at.config["class_name"].startswith("Average")
    return layers.Pooling2D(at.previous[0], size, **options, average=average, name=at.name)
