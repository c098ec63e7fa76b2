"""What callers pass as labels, as class numbers.

    one label a text      strings, integers or booleans: a list, or a column of NumPy, pandas, polars or pyarrow
    several (or none)     lists, tuples or sets of labels, or a matrix (N, C) of 0 and 1: multi-label

The classes are the distinct labels, sorted as `numpy.unique` sorts them; those of a matrix are its columns' numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import inputs
from ..errors import InputError

SEVERAL = (list, tuple, set, frozenset, np.ndarray)  # what the labels of one text may be in
KINDS = {"U": "a string", "b": "a boolean", "i": "an integer", "f": "a number"}
SHOWN = 8  # classes that a message lists


class Labels(NamedTuple):
    """Labels as numbers.

    Attributes:
        classes: (C,) strings, integers or booleans, sorted.
        codes: int64 (N,), the numbers of the classes; or int8 (N, C) of 0 and 1 if multi-label.
        multi_label: whether a text may have several classes, or none.
        matrix: whether they came as a matrix of 0 and 1.
    """

    classes: np.ndarray
    codes: np.ndarray
    multi_label: bool
    matrix: bool = False

    @property
    def names(self) -> list[str]:
        """The classes as a file holds them."""
        return [name_of(value) for value in self.classes.tolist()]

    def counts(self) -> np.ndarray:
        """How many texts each class has, int64 (C,)."""
        if self.multi_label:
            return self.codes.sum(axis=0, dtype=np.int64)
        return np.bincount(self.codes, minlength=len(self.classes))


def name_of(label: Any) -> str:
    """A label as a file holds it: whole numbers without a point."""
    return str(int(label)) if isinstance(label, (float, np.floating)) else str(label)


def encode(
    labels: Any,
    *,
    classes: Sequence[Any] | np.ndarray | None = None,
    count: int | None = None,
    others: bool = False,
) -> Labels:
    """Labels as class numbers.

    Args:
        labels: one for each text, or several; see above.
        classes: those of a model; labels are looked up among them by name, so that 1 and "1" are the same. By default
            the distinct labels, which must be two or more.
        count: how many texts there are.
        others: labels that are none of the classes are taken, as -1: the text's code, or all of its codes.

    Raises:
        InputError: a label is missing or not like the others, there are fewer than two classes, more or fewer labels
            than texts, or a label is none of the classes; names the row.

    >>> from npmoji.learn.labels import encode
    >>> encode(["joy", "fear", "joy"]).codes.tolist()
    [1, 0, 1]
    >>> encode([["joy"], ["fear", "joy"], []]).codes.tolist()
    [[0, 1], [1, 1], [0, 0]]
    """
    rows = _rows(labels)
    if count is not None and len(rows) != count:
        raise InputError(f"{len(rows)} labels for {count} texts: expected one label, or one list of labels, a text")
    if not len(rows):
        raise InputError("no labels: expected one a text")
    if isinstance(rows, np.ndarray):
        found = _of_matrix(rows)
    elif isinstance(rows[0], SEVERAL):
        found = _of_lists(rows)
    else:
        found = _of_values(rows)
    return _checked(found) if classes is None else _among(found, classes, others)


def learnable(found: Labels, where: str = "") -> Labels:
    """The same labels, after checking that each class has some texts, and some have not got it.

    Args:
        where: which texts, for the message.

    Raises:
        InputError: no text, or every text, has a class.
    """
    for name, count in zip(found.names, found.counts().tolist()):
        if count in (0, len(found.codes)):
            share = "no text" if count == 0 else "every text"
            raise InputError(f"class {name!r:.80}: {share}{where} has it; expected some with it and some without")
    return found


def _rows(labels: Any) -> list[Any] | np.ndarray:
    """A list of labels or of lists of them, or a matrix of 0 and 1."""
    if labels is None:
        raise InputError("no labels: fit requires y to be passed, but the target y is None")
    try:
        rows = inputs.rows(labels)
    except InputError as error:
        raise InputError(f"labels: {str(error).replace('texts', 'labels')}") from error
    if isinstance(rows, np.ndarray):
        if type(rows) is not np.ndarray and np.any(getattr(rows, "mask", False)):
            raise InputError(f"missing label at row {int(np.argwhere(rows.mask)[0][0])}")
        if rows.ndim == 1 or rows.ndim == 2 and rows.shape[1] == 1:  # a column is no matrix of classes
            return rows.ravel().tolist()
        if rows.ndim != 2 or rows.dtype.kind not in "iubfO":
            raise InputError(f"labels of shape {rows.shape} and type {rows.dtype}: expected (N,), or 0 and 1 as (N, C)")
        return rows
    return np.array(rows, np.int8) if _is_matrix(rows) else rows


def _is_matrix(rows: list[Any]) -> bool:
    """Whether lists are rows of a matrix: of one length, 2 or more, all 0 and 1. As lists of labels they would give the
    same label twice, or every text all labels."""
    if not rows or not isinstance(rows[0], inputs.ROW) or len(rows[0]) < 2:
        return False
    width = len(rows[0])
    return all(
        isinstance(row, inputs.ROW)
        and len(row) == width
        and all(isinstance(value, (int, np.integer, np.bool_)) and value in (0, 1) for value in row)
        for row in rows
    )


def _of_matrix(rows: np.ndarray) -> Labels:
    if rows.dtype.kind == "O":
        rows = inputs.numbers(rows.tolist())
    bad = np.argwhere((rows != 0) & (rows != 1))
    if len(bad):
        row, column = map(int, bad[0])
        raise InputError(f"labels, row {row}, column {column}: {rows[row, column]!s:.40}, expected 0 or 1")
    return Labels(np.arange(rows.shape[1]), np.ascontiguousarray(rows, np.int8), True, matrix=True)


def _of_lists(rows: list[Any]) -> Labels:
    flat, owners = [], []
    for row, some in enumerate(rows):
        if not isinstance(some, SEVERAL):
            _kind(row, some)  # says so if it is missing
            raise InputError(f"row {row}: one label, {some!r:.40}, but row 0 has a list of them: expected a list")
        flat += list(some)
        owners += [row] * len(some)
    if not flat:
        return Labels(np.zeros(0, "U1"), np.zeros((len(rows), 0), np.int8), True)
    found = _of_values(flat, owners)
    codes = np.zeros((len(rows), len(found.classes)), np.int8)
    codes[owners, found.codes] = 1
    return Labels(found.classes, codes, True)


def _of_values(values: list[Any], rows: Sequence[int] | None = None) -> Labels:
    """Labels one by one; ``rows`` are the texts they belong to."""
    rows = range(len(values)) if rows is None else rows
    kinds = [_kind(row, value) for row, value in zip(rows, values)]
    if len(set(kinds)) > 1 and set(kinds) != {"i", "f"}:
        at = next(i for i, kind in enumerate(kinds) if kind != kinds[0])
        raise InputError(
            f"row {rows[at]}: the label {values[at]!r:.40} is {KINDS[kinds[at]]}, but row {rows[0]}'s "
            f"{values[0]!r:.40} is {KINDS[kinds[0]]}: expected labels of one kind"
        )
    array = np.array(values)
    if array.dtype.kind not in "Ubif":
        raise InputError("labels beyond 64 bits: expected strings, or smaller numbers")
    classes, codes = np.unique(array, return_inverse=True)
    return Labels(classes, codes.reshape(-1).astype(np.int64), False)


def _kind(row: int, value: Any) -> str:
    """Which kind of label it is, a key of `KINDS`."""
    if isinstance(value, str):
        if not value.strip():
            raise InputError(f"missing label at row {row} ({value!r:.40})")
        if "\0" in value:  # which NumPy drops at the end of a string
            raise InputError(f"row {row}: the label {value!r:.40} has a NUL in it")
        return "U"
    if isinstance(value, (bool, np.bool_)):
        return "b"
    if isinstance(value, (int, np.integer)):
        return "i"
    if inputs.is_missing(value):
        raise InputError(f"missing label at row {row} ({value!r:.40})")
    if isinstance(value, SEVERAL):
        raise InputError(f"row {row}: a {type(value).__name__} instead of one label: expected labels of one kind")
    if not isinstance(value, (float, np.floating)):
        hint = f": {inputs.DECODE}" if isinstance(value, (bytes, bytearray)) else ""
        raise InputError(
            f"Unknown label type: row {row} is {type(value).__name__}, expected a string, an integer or a boolean{hint}"
        )
    if value != int(value) if np.isfinite(value) else True:
        raise InputError(f"Unknown label type: continuous: row {row} is {value}, expected a class, not a quantity")
    return "f"


def _checked(found: Labels) -> Labels:
    """With two classes or more."""
    if not len(found.classes):
        raise InputError("no text has a label")
    if len(found.classes) < 2:
        raise InputError(f"one class only, {found.names[0]!r:.60}: expected labels of two classes or more")
    return found


def _among(found: Labels, classes: Sequence[Any] | np.ndarray, others: bool) -> Labels:
    """The same labels by the numbers of these classes."""
    classes = np.asarray(classes)
    numbers = {name_of(value): number for number, value in enumerate(classes.tolist())}
    if found.matrix:
        if found.codes.shape[1] != len(classes):
            raise InputError(f"labels of {found.codes.shape[1]} columns, but there are {len(classes)} classes")
        return found._replace(classes=classes)
    known = np.array([name in numbers for name in found.names], bool)
    if not known.all() and not others:
        bad = found.codes * ~known if found.multi_label else (~known[found.codes])[:, None]
        row = int(np.argmax(bad.any(axis=1)))
        name = found.names[int(np.argmax(bad[row])) if found.multi_label else found.codes[row]]
        raise InputError(f"row {row}: unknown label {name!r:.60}; the classes are {listed(numbers)}")
    new = np.array([numbers.get(name, -1) for name in found.names], np.int64)
    if not found.multi_label:
        return found._replace(classes=classes, codes=new[found.codes])
    codes = np.zeros((len(found.codes), len(classes)), np.int8)
    codes[:, new[known]] = found.codes[:, known]
    codes[found.codes[:, ~known].any(axis=1)] = -1
    return found._replace(classes=classes, codes=codes)


def numbered(classes: Sequence[Any], numbers: np.ndarray, count: int) -> Labels:
    """Labels of an array of integers: the classes' numbers, unless classes are integers themselves.

    Args:
        count: how many there must be.

    Raises:
        InputError: other numbers of them, or one that no class has.
    """
    if not all(isinstance(value, str) for value in classes):
        return encode(numbers, classes=classes, count=count)
    if len(numbers) != count or not count:
        raise InputError(f"{len(numbers)} labels for {count} rows of probabilities: expected as many, and some")
    bad = np.flatnonzero((numbers < 0) | (numbers >= len(classes)))
    if len(bad):
        raise InputError(f"row {bad[0]}: class number {numbers[bad[0]]}, expected 0 to {len(classes) - 1}")
    return Labels(np.asarray(classes), numbers.astype(np.int64), False)


def listed(names: Iterable[Any]) -> str:
    """The first classes, quoted, for a message."""
    names = list(names)
    shown = ", ".join(f"{name!r:.40}" for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
