"""The figures of a comparison of two tensors, read some texts at a time: they may be memory-mapped, and large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

BLOCK = 1 << 19  # numbers of a tensor looked at together
PER_STEP = ("tokens", "attention_logits", "attention")  # tensors (text, step); others of two axes are (text, unit)


@dataclass
class TensorResult:
    """How one tensor compares. Errors are None where none can be computed, as for shapes that do not fit.

    Attributes:
        shape, dtype, candidate_shape, candidate_dtype: as they came.
        notes: what was converted before comparing, or why nothing could be compared.
        tolerance: ``|candidate - golden| <= absolute + relative * |golden|`` passes.
        max_absolute_error, mean_absolute_error: over the numbers that are finite on both sides.
        max_relative_error: the largest error over ``|golden|``, where that is not 0.
        max_ulp: how many float32 numbers apart the two are at most; None for integers.
        outside: how many numbers are out of tolerance; texts: how many texts have any.
        nonfinite: how many numbers are NaN or infinite on one side only, or NaN against infinite.
        where: ``{"text": 3, "step": 7, "unit": 5}``: the first non-finite number, else the largest error; None if all
            are equal. golden, candidate: the numbers there.
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
    """A tensor of both sides; ``rows`` is True for each text that is out of tolerance, or None if none was compared."""

    result: TensorResult
    golden: np.ndarray
    candidate: np.ndarray
    rows: np.ndarray | None = None


def pair(name: str, golden: np.ndarray, candidate: np.ndarray, tolerance: dict[str, float]) -> Pair:
    """Two tensors compared as far as they can be: a candidate of another type is converted first, one that differs from
    the golden's shape by axes of length 1 only is reshaped."""
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
        return f"{what}: {candidate[0]} texts in place of {golden[0]}"
    return f"{what}: the axes stand in another order" if sorted(candidate) == sorted(golden) else what


def axes(name: str, ndim: int) -> list[str]:
    """What the axes of a tensor are called."""
    if ndim == 2:
        return ["text", "step" if name in PER_STEP else "unit"]
    return ["text", "step", "unit"] if ndim == 3 else ["text", *(f"axis {i}" for i in range(1, ndim))]


def blocks(texts: int, width: int) -> Iterator[slice]:
    """The texts cut into slices that hold about `BLOCK` numbers if each has ``width``."""
    size = max(1, BLOCK // max(1, width))
    return (slice(start, min(start + size, texts)) for start in range(0, texts, size))


def numbers(block: np.ndarray, like: np.dtype) -> np.ndarray:
    """The block as float32, or as float64 if the golden holds integers."""
    with np.errstate(over="ignore"):
        return np.asarray(block).astype(np.float32 if like.kind == "f" else np.float64)


def _measure(both: Pair) -> None:
    """Fill in the figures of tensors of one shape, block by block."""
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
    """Keep the place if the block's worst number is worse than what was seen; returns how bad the worst is by now."""
    if badness.max(initial=0) <= worst:
        return worst
    at = np.unravel_index(np.argmax(badness), badness.shape)
    result.where = dict(zip(axes(result.name, a.ndim), (first + int(at[0]), *map(int, at[1:]))))
    result.golden, result.candidate = a[at].item(), b[at].item()
    return float(badness[at])


def _add(result: TensorResult, a: np.ndarray, b: np.ndarray, error: np.ndarray, finite: np.ndarray) -> None:
    """A block's errors into the figures; of the mean, for now, the sum."""
    result.max_absolute_error = max(result.max_absolute_error, float(error.max(initial=0)))
    result.mean_absolute_error += float(error.sum())
    known = finite & (a != 0)
    relative = error[known] / np.abs(a[known], dtype=np.float64)
    result.max_relative_error = max(result.max_relative_error, float(relative.max(initial=0)))
    if result.max_ulp is not None:
        result.max_ulp = max(result.max_ulp, int(ulps(a, b)[~np.isnan(a) & ~np.isnan(b)].max(initial=0)))


def ulps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many steps from one float32 number to the next lie between a and b: int64, of their shape.

    -0 and 0 are the same; infinity is one step from the largest finite number; NaN gives no meaningful distance.
    """
    return np.abs(_ordinal(a) - _ordinal(b))


def _ordinal(x: np.ndarray) -> np.ndarray:
    bits = np.asarray(x, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
