"""The figures of a comparison of two tensors, which may be large and memory-mapped: they are read in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

BLOCK = 1 << 19  # numbers of a tensor compared together
PER_STEP = ("tokens", "attention_logits", "attention")  # tensors (text, step); others with two axes are (text, unit)


@dataclass
class TensorResult:
    """The comparison of one tensor. Errors are None if they cannot be computed, for example because shapes do not
    match.

    Attributes:
        shape, dtype, candidate_shape, candidate_dtype: of the two tensors as given.
        notes: what was converted before the comparison, or why nothing could be compared.
        tolerance: a number passes if ``|candidate - golden| <= absolute + relative * |golden|``.
        max_absolute_error, mean_absolute_error: over the numbers that are finite on both sides.
        max_relative_error: the largest error divided by ``|golden|``, where that is not 0.
        max_ulp: the largest distance in float32 numbers; None for integers.
        outside: how many numbers are out of tolerance.
        texts: how many texts have such numbers.
        nonfinite: how many numbers are NaN or infinite on one side only, or NaN against infinite.
        where: ``{"text": 3, "step": 7, "unit": 5}``: the first non-finite number, else the largest error; None if all
            are equal.
        golden, candidate: the numbers there.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    candidate_shape: tuple[int, ...]
    candidate_dtype: str
    tolerance: dict[str, float]
    notes: list[str] = field(default_factory=list)
    passed: bool = False
    max_absolute_error: float | None = None
    mean_absolute_error: float | None = None
    max_relative_error: float | None = None
    max_ulp: int | None = None
    outside: int | None = None
    texts: int | None = None
    nonfinite: int | None = None
    where: dict[str, int] | None = None
    golden: float | None = None
    candidate: float | None = None


@dataclass
class Pair:
    """A tensor of both sides; ``rows`` is True for each text out of tolerance, or None if nothing was compared."""

    result: TensorResult
    golden: np.ndarray
    candidate: np.ndarray
    rows: np.ndarray | None = None


def pair(name: str, golden: np.ndarray, candidate: np.ndarray, tolerance: dict[str, float]) -> Pair:
    """Compare two tensors as far as possible: a candidate of another type is converted first, and one whose shape
    differs from the golden's only by axes of length 1 is reshaped."""
    result = TensorResult(name, golden.shape, str(golden.dtype), candidate.shape, str(candidate.dtype), tolerance)
    both = Pair(result, golden, candidate)
    if candidate.dtype.kind not in "fiu":
        result.notes.append(f"not compared: the candidate holds {candidate.dtype}, expected numbers")
    elif [n for n in candidate.shape if n != 1] != [n for n in golden.shape if n != 1]:
        result.notes.append(f"not compared: {_misfit(golden.shape, candidate.shape)}")
    else:
        if candidate.shape != golden.shape:
            result.notes.append(f"shape {candidate.shape}, compared as {golden.shape}")
            both.candidate = candidate.reshape(golden.shape)
        if golden.dtype.kind == "f" and candidate.dtype != golden.dtype:
            result.notes.append(f"{candidate.dtype}, compared as {golden.dtype}")
        _measure(both)
    return both


def _misfit(golden: tuple[int, ...], candidate: tuple[int, ...]) -> str:
    what = f"the candidate has shape {candidate}, the golden {golden}"
    if candidate and candidate[1:] == golden[1:]:
        return f"{what}: {candidate[0]} texts instead of {golden[0]}"
    return f"{what}: the axes are in another order" if sorted(candidate) == sorted(golden) else what


def axes(name: str, ndim: int) -> list[str]:
    """The names of a tensor's axes."""
    if ndim == 2:
        return ["text", "step" if name in PER_STEP else "unit"]
    return ["text", "step", "unit"] if ndim == 3 else ["text", *(f"axis {i}" for i in range(1, ndim))]


def blocks(texts: int, width: int) -> Iterator[slice]:
    """Slices of the texts with about `BLOCK` numbers each, if a text has ``width``."""
    size = max(1, BLOCK // max(1, width))
    return (slice(start, min(start + size, texts)) for start in range(0, texts, size))


def numbers(block: np.ndarray, like: np.dtype) -> np.ndarray:
    """The block as float32, or as float64 if the golden contains integers."""
    with np.errstate(over="ignore"):
        return np.asarray(block).astype(np.float32 if like.kind == "f" else np.float64)


def _measure(both: Pair) -> None:
    """Fill in the figures for tensors of the same shape, block by block."""
    result, golden = both.result, both.golden
    both.rows = np.zeros(len(golden), bool)
    result.max_absolute_error = result.mean_absolute_error = result.max_relative_error = 0.0
    result.outside = result.nonfinite = 0
    result.max_ulp = 0 if golden.dtype.kind == "f" else None
    count, worst = 0, 0.0
    for block in blocks(len(golden), golden[:1].size):
        a, b = (numbers(side[block], golden.dtype) for side in (golden, both.candidate))
        finite = np.isfinite(a) & np.isfinite(b)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        broken = ~same & ~finite
        error = np.zeros(a.shape)
        np.subtract(b, a, out=error, where=finite, dtype=np.float64)
        np.abs(error, out=error)
        bad = broken | (error > _allowed(a, result.tolerance))
        both.rows[block] = bad.reshape(len(bad), -1).any(axis=1)
        worst = _place(result, block.start, a, b, np.where(broken, np.inf, error), worst)
        _add(result, a, b, error, finite)
        count += int(finite.sum())
        result.outside, result.nonfinite = result.outside + int(bad.sum()), result.nonfinite + int(broken.sum())
    result.mean_absolute_error /= max(1, count)
    result.texts, result.passed = int(both.rows.sum()), result.outside == 0


def _allowed(golden: np.ndarray, tolerance: dict[str, float]) -> np.ndarray:
    size = np.abs(golden, dtype=np.float64)
    return tolerance["absolute"] + tolerance["relative"] * np.where(np.isfinite(size), size, 0)


def _place(result: TensorResult, first: int, a: np.ndarray, b: np.ndarray, badness: np.ndarray, worst: float) -> float:
    """Record the position if the block's worst number is the worst so far; returns how bad the worst is now."""
    if badness.max(initial=0) <= worst:
        return worst
    at = np.unravel_index(np.argmax(badness), badness.shape)
    result.where = dict(zip(axes(result.name, a.ndim), (first + int(at[0]), *map(int, at[1:]))))
    result.golden, result.candidate = a[at].item(), b[at].item()
    return float(badness[at])


def _add(result: TensorResult, a: np.ndarray, b: np.ndarray, error: np.ndarray, finite: np.ndarray) -> None:
    """Add a block's errors to the figures; the mean is a sum for now."""
    result.max_absolute_error = max(result.max_absolute_error, float(error.max(initial=0)))
    result.mean_absolute_error += float(error.sum())
    known = finite & (a != 0)
    relative = error[known] / np.abs(a[known], dtype=np.float64)
    result.max_relative_error = max(result.max_relative_error, float(relative.max(initial=0)))
    if result.max_ulp is not None:
        result.max_ulp = max(result.max_ulp, int(ulps(a, b)[~np.isnan(a) & ~np.isnan(b)].max(initial=0)))


def ulps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The distance of a and b in steps from one float32 number to the next: int64, of their shape.

    -0 and 0 are equal; infinity is one step from the largest finite number; for NaN the distance is meaningless.
    """
    return np.abs(_ordinal(a) - _ordinal(b))


def _ordinal(x: np.ndarray) -> np.ndarray:
    bits = np.asarray(x, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
