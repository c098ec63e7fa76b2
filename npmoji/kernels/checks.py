"""What the functions to be called from Python check: compiled code follows every index and stride blindly, so nothing
out of range may reach it. All raise ValueError."""

from __future__ import annotations

import numpy as np

from .panels import round_up
from .target import FLOAT_BYTES, GROUP_UNITS, TILE

FLOAT32 = np.dtype(np.float32)  # compared with faster than the type


def check_product(x: np.ndarray, inputs: int, width: int, bias: np.ndarray, out: np.ndarray) -> None:
    """That x fits a packed kernel of `inputs` rows and `width` columns, padding included, and that bias and out do."""
    if x.shape[1] != inputs or out.shape[1] > width or bias.shape != (width,):
        raise ValueError(
            f"matmul: x {x.shape}, kernel ({inputs}, {width}), bias {bias.shape}, out {out.shape} do not fit"
        )
    check_rows(x=x, out=out)


def check_range(first: int, last: int, rows: int) -> None:
    """That first..last is a range of this many rows."""
    if not (0 <= first <= last <= rows):
        raise ValueError(f"rows {first}..{last} of {rows}")


def check_rows(**arrays: np.ndarray) -> None:
    """The kernels walk along rows: their elements must be neighbours."""
    for name, array in arrays.items():
        if array.dtype != FLOAT32 or array.shape[1] > 1 and array.strides[1] != FLOAT_BYTES:
            raise ValueError(f"{name}: need float32 with contiguous rows, got {array.dtype} strides {array.strides}")


def check_lstm(projected: np.ndarray, panels: tuple[int, ...], steps: int, units: int) -> None:
    """That projections and recurrent panels, given by their shape, are those of an LSTM of so many units. `steps` is
    the length that the panels' axis of K must have."""
    width = 4 * round_up(units, GROUP_UNITS)
    if projected.shape[1] != width or panels != (width // TILE, steps, TILE):
        raise ValueError(f"lstm: projected {projected.shape}, recurrent {panels} do not fit {units} units")


def check_packed(
    projected: np.ndarray, index: np.ndarray, batch_sizes: np.ndarray, out: np.ndarray, places: np.ndarray
) -> None:
    """That a packed batch is one, and its indices are in range."""
    tokens = int(batch_sizes.sum())
    if len(index) != tokens or len(places) != tokens or (batch_sizes[1:] > batch_sizes[:-1]).any():
        raise ValueError(f"packed batch: index {index.shape}, places {places.shape}, batch sizes {batch_sizes}")
    if tokens and (index.max() >= len(projected) or places.min() < 0 or places.max() >= len(out)):
        raise ValueError("packed batch: index or places out of range")
    check_rows(projected=projected, out=out)


def states_for(batch_sizes: np.ndarray, units: int, *given: np.ndarray | None) -> list[np.ndarray]:
    """The states as compiled code takes them, one for each row of a packed batch: of no rows if None is given."""
    rows = rows_of(batch_sizes)
    states = [np.empty((0, units), np.float32) if state is None else state for state in given]
    for state in states:
        if state.dtype != FLOAT32 or state.shape not in ((rows, units), (0, units)):
            raise ValueError(f"state: need float32 ({rows}, {units}), got {state.dtype} {state.shape}")
    return states


def rows_of(batch_sizes: np.ndarray) -> int:
    """Rows of a packed batch."""
    return int(batch_sizes[0]) if len(batch_sizes) else 0
