"""Layers over windows of steps or of planes in ONNX' operators, and those that add or remove steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import layers as kinds
from .node import Node
from .refused import Refused


def _features_first(n: Node, operator: str, *arrays: Any, **settings: Any) -> str:
    """An operator that wants (N, F, T), or (N, F, T, E)."""
    last = n.rank - 1
    x = n.g.add("Transpose", n.x, perm=[0, last, *range(1, last)])
    return n.g.add("Transpose", n.g.add(operator, x, *arrays, **settings), perm=[0, *range(2, n.rank), 1])


def _padded(layer: Any, sizes: tuple[int, ...], dilation: tuple[int, ...]) -> dict[str, Any]:
    """The setting for a layer's padding over windows of these sizes; dilated ones, for which `SAME_UPPER` is not, have
    no strides."""
    reaches = [(size - 1) * apart for size, apart in zip(sizes, dilation)]
    if layer.padding == "causal":
        return {"pads": [*reaches, 0]}
    if layer.padding == "same" and max(dilation) > 1:
        if max(np.atleast_1d(layer.strides)) > 1:
            raise Refused(layer, "strides of dilated windows")
        return {"pads": [*(n // 2 for n in reaches), *(n - n // 2 for n in reaches)]}
    return {"auto_pad": "SAME_UPPER"} if layer.padding == "same" else {}


def _conv(n: Node) -> str:
    return _convolved(n, n.layer.kernel.transpose(2, 1, 0), n.layer.groups)


def _depthwise(n: Node) -> str:
    size, width, times = n.layer.kernel.shape
    return _convolved(n, n.layer.kernel.transpose(1, 2, 0).reshape(width * times, 1, size), width)


def _convolved(n: Node, kernel: np.ndarray, groups: int) -> str:
    """A convolution over time with a kernel (C, F / groups, size)."""
    layer, size = n.layer, kernel.shape[2]
    bias = () if layer.bias is None else (layer.bias,)
    sizes = {"kernel_shape": [size], "strides": [layer.strides], "dilations": [layer.dilation], "group": groups}
    return _features_first(
        n, "Conv", np.ascontiguousarray(kernel), *bias, **sizes, **_padded(layer, (size,), (layer.dilation,))
    )


def _conv2d(n: Node) -> str:
    layer = n.layer
    kernel = np.ascontiguousarray(layer.kernel.transpose(3, 2, 0, 1))
    bias = () if layer.bias is None else (layer.bias,)
    sizes = {"strides": list(layer.strides), "dilations": list(layer.dilation), "group": layer.groups}
    settings = {"kernel_shape": list(kernel.shape[2:]), **sizes, **_padded(layer, kernel.shape[2:], layer.dilation)}
    return _features_first(n, "Conv", kernel, *bias, **settings)


def _locally_connected(n: Node) -> str:
    """The windows by the numbers of their steps, each with a matrix of its own."""
    g, layer = n.g, n.layer
    steps, width, _ = layer.kernel.shape
    places = np.arange(steps)[:, None] * layer.strides + np.arange(layer.size)
    windows = g.add("Reshape", g.add("Gather", n.x, places.reshape(-1), axis=1), g.axes(0, steps, width))
    out = g.add("MatMul", g.add("Transpose", windows, perm=[1, 0, 2]), layer.kernel)
    out = g.add("Transpose", out, perm=[1, 0, 2])
    return out if layer.bias is None else g.add("Add", out, layer.bias)


def _pooling(n: Node) -> str:
    layer = n.layer
    size, strides = (np.atleast_1d(value).tolist() for value in (layer.pool_size, layer.strides))
    settings = {"kernel_shape": size, "strides": strides, **_padded(layer, (1,), (1,))}
    return _features_first(n, "AveragePool" if layer.average else "MaxPool", **settings)


def _global_average(n: Node) -> str:
    g, time, keep = n.g, n.g.axes(1), int(n.layer.keepdims)
    if n.valid is None:
        return g.add("ReduceMean", n.x, time, keepdims=keep)
    steps = n.steps(n.valid)
    count = g.add("Max", g.add("ReduceSum", steps, time, keepdims=keep), g.number(1))
    return g.add("Div", g.add("ReduceSum", g.add("Mul", n.x, steps), time, keepdims=keep), count)


def _global_max(n: Node) -> str:
    return n.g.add("ReduceMax", n.x, n.g.axes(1), keepdims=int(n.layer.keepdims))


def _over_plane(operator: str) -> Callable[[Node], str]:
    """A reduction over both axes of a plane."""
    return lambda n: n.g.add(operator, n.x, n.g.axes(1, 2), keepdims=int(n.layer.keepdims))


def _zero_padding(n: Node) -> str:
    return n.g.add("Pad", n.x, n.g.axes(0, n.layer.before, 0, 0, n.layer.after, 0))


def _cropping(n: Node) -> str:
    end = -n.layer.after if n.layer.after else np.iinfo(np.int64).max
    return n.g.add("Slice", n.x, n.g.axes(n.layer.before), n.g.axes(end), n.g.axes(1))


def _up_sampling(n: Node) -> str:
    g = n.g
    several = g.add("Expand", g.add("Unsqueeze", n.x, g.axes(2)), g.axes(1, 1, n.layer.size, 1))
    return g.add("Reshape", several, g.axes(0, -1, n.like[0].shape[2]))


#: the class of a layer -> how it is written
WINDOWS: dict[type, Callable[[Node], str]] = {
    kinds.Conv1D: _conv,
    kinds.Conv2D: _conv2d,
    kinds.Cropping1D: _cropping,
    kinds.DepthwiseConv1D: _depthwise,
    kinds.GlobalAveragePooling1D: _global_average,
    kinds.GlobalAveragePooling2D: _over_plane("ReduceMean"),
    kinds.GlobalMaxPooling1D: _global_max,
    kinds.GlobalMaxPooling2D: _over_plane("ReduceMax"),
    kinds.LocallyConnected1D: _locally_connected,
    kinds.Pooling1D: _pooling,
    kinds.Pooling2D: _pooling,
    kinds.UpSampling1D: _up_sampling,
    kinds.ZeroPadding1D: _zero_padding,
}
