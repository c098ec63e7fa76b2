"""Products of matrices, summed by the engine in its fixed order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...backends.ops import Ops
from .arguments import AxisPairs, Flag, Text, Value, Values, at_axes, check_size, listed
from .numbers import floats, type_of
from .table import function


def times(ops: Ops, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x (..., A, D) times y (D, B), or (..., D, B) with the same or no first axes -> (..., A, B)."""
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(f"a product of arrays of shapes {x.shape} and {y.shape}")
    if y.ndim == 2:
        flat = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
        check_size([len(flat), y.shape[1]], x)
        out = np.asarray(ops.dense(flat, ops.pack_dense(np.ascontiguousarray(y), None)))
        return out.reshape(*x.shape[:-1], y.shape[1])
    outer = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    check_size([*outer, x.shape[-2], y.shape[-1]], x if x.ndim >= y.ndim else y)
    x, y = (np.broadcast_to(one, (*outer, *one.shape[-2:])) for one in (x, y))
    out = np.empty((*outer, x.shape[-2], y.shape[-1]), np.float32)
    for place in np.ndindex(*outer):
        out[place] = ops.dense(np.ascontiguousarray(x[place]), ops.pack_dense(np.ascontiguousarray(y[place]), None))
    return out


@function("Matmul")
def _matmul(ops: Ops, x1: Value, x2: Value, transpose_a: Flag = False, transpose_b: Flag = False) -> np.ndarray:
    dtype = type_of(x1, x2)
    x, y = floats(x1), floats(x2)
    if not x.ndim or not y.ndim:
        raise ValueError(f"a product of arrays of shapes {x.shape} and {y.shape}")
    row, column = x.ndim == 1, y.ndim == 1
    x, y = x[None] if row else x, y[:, None] if column else y
    out = times(ops, np.swapaxes(x, -1, -2) if transpose_a else x, np.swapaxes(y, -1, -2) if transpose_b else y)
    out = out[..., 0] if column else out
    out = out[..., 0, :] if row and not column else out[..., 0] if row else out
    return out if dtype.kind == "f" else out.astype(np.int32 if dtype.kind == "b" else dtype)


@function("Dot")
def _dot(ops: Ops, x1: Value, x2: Value) -> np.ndarray:
    x, y = floats(x1), floats(x2)
    if not x.ndim or not y.ndim:
        return x * y
    return _tensordot(ops, x, y, [[x.ndim - 1], [max(0, y.ndim - 2)]])


@function("Tensordot")
def _tensordot(ops: Ops, x1: Value, x2: Value, axes: AxisPairs = 2) -> np.ndarray:
    x, y = floats(x1), floats(x2)
    if type(axes) is int:
        if axes > min(x.ndim, y.ndim):
            raise ValueError(f"{axes} axes of arrays of shapes {x.shape} and {y.shape}")
        axes = [list(range(x.ndim - axes, x.ndim)), list(range(axes))]
    summed = [at_axes(tuple(listed(own)), one.ndim) for own, one in zip(axes, (x, y))]
    rest = [[i for i in range(one.ndim) if i not in own] for own, one in zip(summed, (x, y))]
    shapes = [[one.shape[i] for i in own] for own, one in zip(rest, (x, y))]
    D = math.prod(x.shape[i] for i in summed[0])
    if [x.shape[i] for i in summed[0]] != [y.shape[i] for i in summed[1]]:
        raise ValueError(f"a product of arrays of shapes {x.shape} and {y.shape} along {axes}")
    left = x.transpose([*rest[0], *summed[0]]).reshape(*shapes[0][:1], math.prod(shapes[0][1:]), D)
    right = y.transpose([*summed[1], *rest[1]]).reshape(D, math.prod(shapes[1]))
    return times(ops, left, right).reshape(*shapes[0], *shapes[1])


# By Einstein's notation ----------------------------------------------------------------------------------------------


@function("Einsum")
def einsum(ops: Ops, operands: Values, subscripts: Text) -> np.ndarray:
    """Two at a time, from the left: each as rows of texts, places and what is summed."""
    arrays = [floats(value) for value in operands]
    terms, wanted = labels(subscripts, [array.ndim for array in arrays])
    found, term = arrays[0], terms[0]
    found, term = _summed(found, term, set("".join(terms[1:]) + wanted))
    for i in range(1, len(arrays)):
        later = set("".join(terms[i + 1 :]) + wanted)
        other, own = _summed(arrays[i], terms[i], later | set(term))
        found, term = _pair(ops, found, term, other, own, later)
    return np.ascontiguousarray(found.transpose([term.index(label) for label in wanted]))


def labels(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each array's axes and of the result's; those of an ellipsis are capitals that are left."""
    given, arrow, wanted = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    letters = given.replace(",", "").replace("...", "") + wanted.replace("...", "")
    if len(terms) != len(ranks) or not (letters.isascii() and (letters.isalpha() or not letters)):
        raise ValueError(f"the product {subscripts!r:.60} of {len(ranks)} arrays")
    spare = [chr(code) for code in range(ord("A"), ord("Z") + 1) if chr(code) not in letters]
    most = max(rank - len(term.replace("...", "")) for rank, term in zip(ranks, terms))
    spare = spare[: max(0, most)]
    full = []
    for rank, term in zip(ranks, terms):
        count = rank - len(term.replace("...", ""))
        own = "".join(spare[len(spare) - count :]) if count > 0 else ""
        full.append(term.replace("...", own))
        if len(full[-1]) != rank or len(set(full[-1])) < rank or term.count(".") not in (0, 3):
            raise ValueError(f"the product {subscripts!r:.60} of arrays with {', '.join(map(str, ranks))} axes")
    every = "".join(full)
    if not arrow:
        wanted = ("..." if "..." in given else "") + "".join(sorted(c for c in set(letters) if every.count(c) == 1))
    wanted = wanted.replace("...", "".join(spare))
    if len(set(wanted)) < len(wanted) or not set(wanted) <= set(every):
        raise ValueError(f"the product {subscripts!r:.60} of {len(ranks)} arrays")
    return full, wanted


def _summed(x: np.ndarray, term: str, needed: set[str]) -> tuple[np.ndarray, str]:
    """The array without the axes that nothing else has."""
    gone = [i for i, label in enumerate(term) if label not in needed]
    if not gone:
        return x, term
    rest = [i for i in range(x.ndim) if i not in gone]
    lined = np.ascontiguousarray(x.transpose([*rest, *gone]))
    out = lined.reshape(*(x.shape[i] for i in rest), math.prod(x.shape[i] for i in gone)).sum(axis=-1)
    return out, "".join(term[i] for i in rest)


def _pair(ops: Ops, x: np.ndarray, own: str, y: np.ndarray, other: str, later: set[str]) -> tuple[np.ndarray, str]:
    """The product of two arrays and the letters of its axes."""
    both = [label for label in own if label in other]
    outer, inner = [c for c in both if c in later], [c for c in both if c not in later]
    left, right = [c for c in own if c not in other], [c for c in other if c not in own]
    size: dict[str, int] = {}
    for label, n in [*zip(own, x.shape), *zip(other, y.shape)]:
        if size.setdefault(label, n) != n and 1 not in (n, size[label]):
            raise ValueError(f"the axis {label!r} has the sizes {size[label]} and {n}")
        size[label] = max(size[label], n)

    def rows(array: np.ndarray, term: str, *groups: list[str]) -> np.ndarray:
        array = np.broadcast_to(array, [size[label] for label in term])
        array = array.transpose([term.index(label) for group in groups for label in group])
        return array.reshape([math.prod(size[label] for label in group) for group in groups])

    found = [size[label] for label in [*outer, *left, *right]]
    check_size(found, found[0] if found else 1)
    if outer:
        out = times(ops, rows(x, own, outer, left, inner), rows(y, other, outer, inner, right))
    else:
        out = times(ops, rows(x, own, left, inner), rows(y, other, inner, right))
    return out.reshape(found), "".join([*outer, *left, *right])
