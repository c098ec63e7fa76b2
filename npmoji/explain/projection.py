"""Features to points in a plane: principal components in NumPy, or UMAP where it is installed.

Principal components are what a map is drawn with unless UMAP is there: the two directions in which the features differ
most. They are exact, and the same for the same features, up to the last bits of another machine's BLAS. UMAP keeps
neighbours together, and shows groups better, but says nothing about distances between them.
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..files.extras import missing, need

METHODS = ("auto", "pca", "umap")
#: rows that are turned into float64 at a time
BLOCK = 1024
#: of UMAP: how many texts a text is compared with, unless there are fewer; and the fewest that make a picture
NEIGHBOURS, FEWEST = 15, 5


class Projection(NamedTuple):
    """Points for the features of N texts.

    Attributes:
        points: float64 (N, 2): across, and up.
        method: "pca" or "umap".
        shares: of each axis, its share of the features' variance, 0 to 1; None for UMAP, which has no such thing.
        about: how they were made, in one sentence for readers.
    """

    points: np.ndarray
    method: str
    shares: tuple[float, float] | None
    about: str


def project(features: Any, method: str = "auto", seed: int = 0) -> Projection:
    """Points for features, as `Model.encode` gives them.

    Args:
        features: finite numbers (N, F).
        method: ``"pca"``, ``"umap"``, or ``"auto"``: UMAP where umap-learn is installed and there are at least five
            texts, else principal components.
        seed: of UMAP's random numbers. The points are the same for the same seed, features, machine and version of
            umap-learn.

    Raises:
        InputError: another shape, a row with NaN or infinity, an unknown method, or UMAP is wanted and not installed.

    >>> from npmoji.explain.projection import project
    >>> project([[0, 0, 1], [0, 0, 3], [0, 0, 8]], "pca").points.round(6).tolist()
    [[-3.0, 0.0], [-1.0, 0.0], [4.0, 0.0]]
    """
    if method not in METHODS:
        raise InputError(f"method {method!r:.60}: expected one of {', '.join(METHODS)}")
    x = checked(features)
    if method == "auto":
        method = "umap" if len(x) >= FEWEST and importlib.util.find_spec("umap") else "pca"
    return umap(x, seed) if method == "umap" else pca(x)


def checked(features: Any) -> np.ndarray:
    """The features as an array of floats (N, F).

    Raises:
        InputError: another shape, no numbers, or a row with NaN or infinity; names the row.
    """
    x = np.asarray(features)
    if x.ndim != 2 or x.dtype.kind not in "fiu":
        raise InputError(f"features: expected numbers of shape (N, F), got {x.dtype} of shape {x.shape}")
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    for start in range(0, len(x), BLOCK):
        fine = np.isfinite(x[start : start + BLOCK]).all(axis=1)
        if not fine.all():
            raise InputError(f"features: row {start + int(fine.argmin())} holds NaN or infinity, expected numbers")
    return x


def pca(features: Any) -> Projection:
    """The first two principal components, in float64.

    The sign of an axis is free: here the weight of largest magnitude is positive, the first one of equal ones. Where
    there is nothing to show on an axis (fewer than three texts, or all on one line), all its values are 0.

    Raises:
        InputError: as `project`.

    >>> from npmoji.explain.projection import pca
    >>> pca([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [0.0, -0.5]]).shares
    (0.8, 0.2)
    """
    x = checked(features)
    points, shares = np.zeros((len(x), 2)), [0.0, 0.0]
    if x.size:
        mean = x.mean(axis=0, dtype=np.float64)
        values, axes = _axes(x, mean)
        total = values.sum()
        # what rounding makes of a variance of 0
        least = len(values) * np.finfo(np.float64).eps * max(total, float(mean @ mean) * len(x))
        for i, (value, axis) in enumerate(zip(values[:2], axes)):
            if value > least:
                axis *= np.sign(axis[np.abs(axis).argmax()])
                shares[i] = float(value / total)
                for start in range(0, len(x), BLOCK):
                    points[start : start + BLOCK, i] = (x[start : start + BLOCK] - mean) @ axis
    across, up = (f"{100 * share:.1f} %" for share in shares)
    about = (
        f"Principal components (PCA): the two directions in which the features of the texts differ most. "
        f"The axis across holds {across} of their variance, the axis up {up}."
    )
    return Projection(points, "pca", (shares[0], shares[1]), about)


def _axes(x: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """All variances (times N), largest first, and the first two directions, each of length 1.

    From the products of the columns or those of the rows, whichever are fewer: the variances are the same.
    """
    N, F = x.shape
    if N <= F:
        centred = x - mean
        values, vectors = np.linalg.eigh(centred @ centred.T)
        axes = [centred.T @ vectors[:, -1 - i] for i in range(min(2, N))]
        lengths = [float(np.linalg.norm(axis)) for axis in axes]
        axes = [axis / length if length else axis for axis, length in zip(axes, lengths)]
    else:
        products = np.zeros((F, F))
        for start in range(0, N, BLOCK):
            block = x[start : start + BLOCK] - mean
            products += block.T @ block
        values, vectors = np.linalg.eigh(products)
        axes = [vectors[:, -1 - i].copy() for i in range(min(2, F))]
    return np.maximum(values[::-1], 0), axes


def check_umap() -> None:
    """Raise now, before long work, the InputError that `umap` would raise if umap-learn is not installed."""
    if not importlib.util.find_spec("umap"):
        raise missing("UMAP", "umap", "map")


def umap(features: Any, seed: int = 0) -> Projection:
    """UMAP's picture of the features: texts with similar ones are near each other.

    Raises:
        InputError: as `project`; or fewer than five texts, umap-learn is not installed, or it fails.
    """
    x = checked(features)
    if len(x) < FEWEST:
        raise InputError(f"UMAP: {len(x)} texts, expected at least {FEWEST}; PCA takes any number")
    neighbours = min(NEIGHBOURS, len(x) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that it does not find, and of how it starts
        module = need("umap", "map", "UMAP")
        try:
            # one job: with several the result would depend on chance
            points = module.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(x)
        except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
            raise InputError(f"UMAP fails for these features: {error}; PCA takes any") from error
    points = np.asarray(points, np.float64)
    if not np.isfinite(points).all():
        raise InputError("UMAP gives no points for some of these features; PCA takes any")
    about = (
        f"UMAP (umap-learn {module.__version__}, {neighbours} neighbours, seed {seed}): texts with similar features "
        "are near each other. Distances between groups, and directions, mean little."
    )
    return Projection(points, "umap", None, about)
