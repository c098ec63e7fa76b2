"""Functions that put numbers into other shapes and places, or make them of places and sizes, in ONNX' operators."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers.functions.arguments import at_axes, at_axis, listed, whole
from .graph import BOOL, FLOAT, INT64, Graph
from .values import Arg, axes_of, common, counted, dtype_kind, kind, name_of, of_kind, rank, shape, sizes_of

Names = str | list[str]
END = 1 << 62  # of an axis, whatever its size


# Shapes --------------------------------------------------------------------------------------------------------------


def _reshape(g: Graph, x: Any, sizes: Any) -> str:
    return g.add("Reshape", name_of(g, x), sizes_of(g, sizes))


def _transpose(g: Graph, x: Any, axes: Any) -> str:
    order = range(rank(x))[::-1] if axes is None else at_axes(axes, rank(x))
    return g.add("Transpose", name_of(g, x), perm=list(order))


def _ordered(function: Callable[..., np.ndarray]) -> Callable[..., str]:
    """One of NumPy's functions that order axes."""

    def write(g: Graph, x: Any, *places: Any) -> str:
        marks = np.empty(tuple(range(2, 2 + rank(x))))
        return g.add("Transpose", name_of(g, x), perm=[size - 2 for size in function(marks, *places).shape])

    return write


def _squeeze(g: Graph, x: Any, axis: Any) -> str:
    return g.add("Squeeze", name_of(g, x), None if axis is None else axes_of(g, x, axis))


def _stack(g: Graph, values: list[Any], axis: int) -> str:
    place = at_axis(axis, rank(values[0]) + 1)
    return g.add("Concat", *(g.add("Unsqueeze", one, g.axes(place)) for one in common(g, *values)), axis=place)


def _joined(axis: int) -> Callable[..., str]:
    def write(g: Graph, values: list[Any]) -> str:
        if rank(values[0]) < 2:
            raise NotImplementedError("arrays of one axis")
        return g.add("Concat", *common(g, *values), axis=axis)

    return write


def _parts(g: Graph, x: Any, ends: list[int], axis: int) -> list[str]:
    """The pieces between places along an axis."""
    bounds = itertools.pairwise([0, *ends, END])
    return [g.add("Slice", name_of(g, x), g.axes(a), g.axes(b), g.axes(axis)) for a, b in bounds]


def _split(g: Graph, x: Any, sections: Any, axis: int) -> list[str]:
    ends, place = whole(sections), at_axis(axis, rank(x))
    if isinstance(ends, int):
        size = shape(x)[place] // ends
        ends = [size * i for i in range(1, ends)]
    return _parts(g, x, ends, place)


def _split_sizes(g: Graph, x: Any, sizes: Any, axis: int) -> list[str]:
    parts, place = whole(sizes), at_axis(axis, rank(x))
    if isinstance(parts, int):
        return _split(g, x, parts, axis)
    rest = shape(x)[place] - sum(part for part in parts if part != -1)
    parts = [rest if part == -1 else part for part in parts]
    return _parts(g, x, [int(end) for end in np.cumsum(parts)[:-1]], place)


def _unstack(g: Graph, x: Any, num: Any, axis: int) -> list[str]:
    place = at_axis(axis, rank(x))
    return [g.add("Gather", name_of(g, x), g.axes(i).reshape(()), axis=place) for i in range(shape(x)[place])]


def _get_item(g: Graph, x: Any, key: Any) -> str:
    """Slices first, then the axes that places take away, then those that are added."""
    parts = list(key) if isinstance(key, (list, tuple)) else [key]
    taken = sum(part is not None and part != "..." for part in parts)
    if "..." not in [part for part in parts if isinstance(part, str)]:
        parts.append("...")
    at = next(i for i, part in enumerate(parts) if isinstance(part, str))
    parts[at : at + 1] = [{"start": None, "stop": None, "step": None}] * (rank(x) - taken)
    value, gone, new, axis = name_of(g, x), [], [], 0
    for part in parts:
        if part is None:
            new.append(axis - len(gone) + len(new))
            continue
        value = _along(g, value, part, axis)
        gone += [] if isinstance(part, dict) else [axis]
        axis += 1
    value = g.add("Squeeze", value, g.axes(*gone)) if gone else value
    return g.add("Unsqueeze", value, g.axes(*new)) if new else value


def _along(g: Graph, x: str, part: Any, axis: int) -> str:
    """One slice, or the one place as a slice."""
    if isinstance(part, Arg):
        return g.add("Gather", x, g.add("Reshape", of_kind(g, part, INT64), g.axes(1)), axis=axis)
    if not isinstance(part, dict):
        return g.add("Slice", x, g.axes(part), g.axes(part + 1 if part != -1 else END), g.axes(axis))
    start, stop, step = (part[name] for name in ("start", "stop", "step"))
    if any(isinstance(end, Arg) for end in (start, stop, step)):
        raise NotImplementedError("a slice whose ends are computed")
    if start is stop is None and step in (None, 1):
        return x
    step = 1 if step is None else step
    start = start if start is not None else 0 if step > 0 else END
    stop = stop if stop is not None else END if step > 0 else -END
    return g.add("Slice", x, *(g.axes(max(-END, min(END, n))) for n in (start, stop)), g.axes(axis), g.axes(step))


def _slice(g: Graph, x: Any, starts: Any, sizes: Any) -> str:
    if any(isinstance(one, Arg) for one in [*listed(starts), *listed(sizes)]):
        raise NotImplementedError("places that are computed")
    pairs = list(zip(listed(starts), listed(sizes)))
    ends = [END if size in (None, -1) else at + size for at, size in pairs]
    return g.add("Slice", name_of(g, x), g.axes(*(at for at, _ in pairs)), g.axes(*ends), g.axes(*range(len(ends))))


# More of the same ----------------------------------------------------------------------------------------------------


def _tile(g: Graph, x: Any, repeats: Any) -> str:
    if isinstance(repeats, Arg) or any(isinstance(one, Arg) for one in listed(repeats)):
        raise NotImplementedError("sizes that are computed")
    counts = [whole(one) for one in listed(repeats)]
    value = name_of(g, x)
    if len(counts) > rank(x):
        value = g.add("Unsqueeze", value, g.axes(*range(len(counts) - rank(x))))
    return g.add("Tile", value, g.axes(*[1] * (rank(x) - len(counts)), *counts))


def _repeat(g: Graph, x: Any, repeats: Any, axis: int | None) -> str:
    counts, value, place = whole(repeats), name_of(g, x), 0 if axis is None else at_axis(axis, rank(x))
    axes = 1 if axis is None else rank(x)
    value = g.add("Reshape", value, g.axes(-1)) if axis is None else value
    if isinstance(counts, list) and len(counts) > 1:
        return g.add("Gather", value, np.repeat(np.arange(len(counts)), counts), axis=place)
    wide = g.add("Tile", g.add("Unsqueeze", value, g.axes(place + 1)),
                 g.axes(*(listed(counts)[0] if i == place + 1 else 1 for i in range(axes + 1))))  # fmt: skip
    before, after = g.add("Shape", value, start=0, end=place), g.add("Shape", value, start=place + 1)
    return g.add("Reshape", wide, g.add("Concat", before, g.axes(-1), after, axis=0))


def _broadcast_to(g: Graph, x: Any, sizes: Any) -> str:
    if any(one in (-1, None) for one in listed(sizes) if not isinstance(one, Arg)):
        raise NotImplementedError("sizes that are open")
    return g.add("Expand", name_of(g, x), sizes_of(g, sizes))


def _pad(g: Graph, x: Any, widths: Any, mode: str, value: Any) -> str:
    if mode.lower() not in ("constant", "reflect"):
        raise NotImplementedError(f"mode {mode!r}")
    pairs = np.broadcast_to(np.array(whole(widths) if isinstance(widths, int) else widths), (rank(x), 2))
    fill = of_kind(g, 0 if value is None else value, FLOAT if kind(x) == FLOAT else INT64)
    name = counted(g, x)[0]
    return g.add("Pad", name, g.axes(*(int(n) for n in pairs.T.reshape(-1))), fill, mode=mode.lower())


def _flip(g: Graph, x: Any, axis: Any) -> str:
    axes = at_axes(axis, rank(x))
    n = len(axes)
    return g.add("Slice", name_of(g, x), g.axes(*[END] * n), g.axes(*[-END] * n), g.axes(*axes), g.axes(*[-1] * n))


def _roll(g: Graph, x: Any, shift: Any, axis: Any) -> str:
    shifts = listed(whole(shift))
    if axis is None or len(shifts) != len(axis):
        raise NotImplementedError("no axis for each shift")
    value = name_of(g, x)
    for by, place in zip(shifts, at_axes(axis, rank(x))):
        if by:
            ends = [g.add("Slice", value, g.axes(a), g.axes(b), g.axes(place)) for a, b in ((-by, END), (0, -by))]
            value = g.add("Concat", *ends, axis=place)
    return value


def _triangle(upper: int) -> Callable[..., str]:
    return lambda g, x, k: g.add("Trilu", name_of(g, x), g.axes(whole(k)).reshape(()), upper=upper)


def _band_part(g: Graph, x: Any, lower: Any, upper: Any) -> str:
    value, below, above = name_of(g, x), whole(lower), whole(upper)
    value = value if below < 0 else g.add("Trilu", value, g.axes(-below).reshape(()), upper=1)
    return value if above < 0 else g.add("Trilu", value, g.axes(above).reshape(()), upper=0)


# Places --------------------------------------------------------------------------------------------------------------


def _take(g: Graph, x: Any, indices: Any, axis: int | None, batch_dims: int) -> str:
    value, places = name_of(g, x), of_kind(g, indices, INT64)
    if batch_dims:
        if axis not in (None, batch_dims):
            raise NotImplementedError(f"axis {axis}")
        return g.add("GatherND", value, g.add("Unsqueeze", places, g.axes(-1)), batch_dims=batch_dims)
    value = g.add("Reshape", value, g.axes(-1)) if axis is None else value
    return g.add("Gather", value, places, axis=axis or 0)


def _gather(g: Graph, x: Any, indices: Any, axis: int | None, batch_dims: int) -> str:
    return _take(g, x, indices, batch_dims if axis is None else axis, batch_dims)


def _take_along_axis(g: Graph, x: Any, indices: Any, axis: int | None) -> str:
    if axis is None:
        raise NotImplementedError("no axis")
    place = at_axis(axis, rank(x))
    rest = [own == other for i, (own, other) in enumerate(zip(shape(x), shape(indices))) if i != place]
    value, places = name_of(g, x), of_kind(g, indices, INT64)
    if not all(rest):  # broadcast
        sizes = [g.add("Shape", one, start=i, end=i + 1) for i in range(rank(x)) for one in (value,)]
        count = g.add("Shape", name_of(g, indices), start=place, end=place + 1)
        sizes[place] = count
        places = g.add("Expand", places, g.add("Concat", *sizes, axis=0))
    return g.add("GatherElements", value, places, axis=place)


def _one_hot(g: Graph, x: Any, count: Any, axis: int, dtype: str, sparse: bool, on: Any = None, off: Any = None) -> str:
    place = at_axis(axis, rank(x) + 1)
    classes = np.arange(whole(count)).reshape([-1 if i == place else 1 for i in range(rank(x) + 1)])
    found = g.add("Equal", g.add("Unsqueeze", of_kind(g, x, INT64), g.axes(place)), classes)
    if on is None and off is None:
        return found if dtype_kind(dtype) == BOOL else g.cast(found, dtype_kind(dtype))
    values = [of_kind(g, default if one is None else one, FLOAT) for one, default in ((on, 1), (off, 0))]
    out = g.add("Where", found, *values)
    return out if dtype_kind(dtype) == FLOAT else g.cast(out, dtype_kind(dtype))


def _multi_hot(g: Graph, x: Any, count: Any, axis: int, dtype: str, sparse: bool) -> str:
    found = _one_hot(g, x, count, axis, "float32", sparse)
    out = g.add("ReduceMax", found, g.axes(1 if rank(x) > 1 else 0), keepdims=0)
    return out if dtype_kind(dtype) == FLOAT else g.cast(out, dtype_kind(dtype))


def _sequence_mask(g: Graph, lengths: Any, steps: Any, dtype: str) -> str:
    places = of_kind(g, lengths, INT64)
    if steps is None or isinstance(steps, Arg):
        raise NotImplementedError("a length that is computed")
    found = g.add("Less", np.arange(whole(steps)), g.add("Unsqueeze", places, g.axes(-1)))
    return found if dtype_kind(dtype) == BOOL else g.cast(found, dtype_kind(dtype))


# Made of sizes -------------------------------------------------------------------------------------------------------


def _full_like(g: Graph, x: Any, value: Any, dtype: str | None) -> str:
    wanted = kind(x) if dtype is None else dtype_kind(dtype)
    return g.add("Expand", of_kind(g, value, wanted), g.add("Shape", name_of(g, x)))


def _full(g: Graph, value: Any, sizes: Any, dtype: str | None) -> str:
    wanted = kind(value) if dtype is None else dtype_kind(dtype)
    return g.add("Expand", of_kind(g, value, wanted), sizes_of(g, sizes))


def _arange(g: Graph, start: Any, stop: Any, step: Any, dtype: str | None) -> str:
    start, stop = (0, start) if stop is None else (start, stop)
    found = g.add("Range", *(_scalar(g, one) for one in common(g, start, stop, 1 if step is None else step)))
    own = FLOAT if FLOAT in map(kind, (start, stop)) else INT64
    return found if dtype is None or dtype_kind(dtype) == own else g.cast(found, dtype_kind(dtype))


def _scalar(g: Graph, value: Any) -> Any:
    return value if isinstance(value, str) else np.asarray(value).reshape(())


MOVES: dict[str, Callable[..., Names]] = {
    "Arange": _arange,
    "BandPart": _band_part,
    "BatchFlatten": lambda g, x: g.add("Reshape", name_of(g, x), g.axes(0, -1)),
    "BroadcastTo": _broadcast_to,
    "Concatenate": lambda g, values, axis: g.add("Concat", *common(g, *values), axis=axis),
    "EmptyLike": lambda g, x, dtype: _full_like(g, x, 0, dtype),
    "ExpandDims": lambda g, x, axis: g.add("Unsqueeze", name_of(g, x), g.axes(*at_axes(axis, rank(x) + len(axis)))),
    "Fill": lambda g, sizes, value: _full(g, value, sizes, None),
    "Flip": _flip,
    "Full": _full,
    "FullLike": _full_like,
    "Gather": _gather,
    "GetItem": _get_item,
    "Hstack": _joined(1),
    "Moveaxis": _ordered(np.moveaxis),
    "MultiHot": _multi_hot,
    "OneHot": _one_hot,
    "OnesLike": lambda g, x, dtype: _full_like(g, x, 1, dtype),
    "Pad": _pad,
    "Ravel": lambda g, x: g.add("Reshape", name_of(g, x), g.axes(-1)),
    "Repeat": _repeat,
    "Reshape": _reshape,
    "Roll": _roll,
    "SequenceMask": _sequence_mask,
    "Shape": lambda g, x: g.add("Shape", name_of(g, x)),
    "Size": lambda g, x: g.add("Size", name_of(g, x)),
    "Slice": _slice,
    "Split": _split,
    "SplitSizes": _split_sizes,
    "Squeeze": _squeeze,
    "Stack": _stack,
    "Swapaxes": _ordered(np.swapaxes),
    "Take": _take,
    "TakeAlongAxis": _take_along_axis,
    "Tile": _tile,
    "Transpose": _transpose,
    "Tril": _triangle(0),
    "Triu": _triangle(1),
    "Unstack": _unstack,
    "Vstack": _joined(0),
    "ZerosLike": lambda g, x, dtype: _full_like(g, x, 0, dtype),
}
