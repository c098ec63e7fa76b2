"""The one place that takes what callers pass as texts or arrays, or says what to pass instead.

    rows(x)      a list of texts, or of rows of token ids; or an array
    ids(x)       token ids as an array          numbers(x)    numbers as an array
    by_name(x)   what a network with several inputs is given, by their names

Tables, dicts, sets and files can be iterated over too, but that gives column names, keys, or things in no order: they
are refused. pandas, polars and pyarrow are recognised by their objects' attributes, so that none of them is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from .errors import InputError

#: what a network takes: texts, token ids or numbers; several inputs as a list, or by their names
Inputs: TypeAlias = np.ndarray | Iterable[Any] | Mapping[str, Any]
Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
#: what a network or layer gives: an array; arrays in lists or dicts where it has several outputs, as only its file says
Outputs: TypeAlias = Floats | Any

ROW = (list, tuple, np.ndarray)  # what a row of token ids may be
DECODE = "decode the bytes first"
#: types of what stands for a missing value in pandas, pyarrow and NumPy
MISSING = ("NoneType", "NAType", "NaTType", "NullScalar", "MaskedConstant")


def rows(x: Any) -> list[Any] | np.ndarray:
    """The rows of ``x``: a list of texts or of rows of token ids, its items not looked at; or an array that holds no
    texts.

    Raises:
        InputError: not rows, or something that only looks like them; says what to pass instead.
    """
    if type(x) is list:
        return x
    if isinstance(x, np.ndarray):
        return _rows_of_array(x)
    if strange := _strange(x):
        raise InputError(f"expected a list of texts, got {strange}")
    for method in ("to_pylist", "to_list"):  # pyarrow's; pandas' and polars'
        if hasattr(type(x), method):
            return getattr(x, method)()
    return _rows_of_array(_asarray(x)) if hasattr(type(x), "__array__") else list(_iterator(x, "a list of texts"))


def texts(x: Any) -> list[Any]:
    """The rows of ``x`` as a list, whose items are not looked at; an array of numbers is refused.

    Raises:
        InputError: as `rows`.
    """
    found = rows(x)
    if isinstance(found, np.ndarray):
        raise InputError(f"expected a list of texts, got an array of {found.dtype}")
    return found


def blocks(x: Any, size: int) -> Iterator[list[Any] | np.ndarray]:
    """The rows of ``x``, ``size`` at a time, taken from it as they are asked for.

    Raises:
        InputError: at once, as `rows`.
    """
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise InputError(f"block {size!r}: expected an integer of at least 1")
    if isinstance(x, np.ndarray):
        x = _rows_of_array(x)
    elif strange := _strange(x):
        raise InputError(f"expected a list of texts, got {strange}")
    if isinstance(x, (list, np.ndarray)) or _sliced(type(x)):
        return (rows(x[start : start + size]) for start in range(0, len(x), size))
    iterator = _iterator(x, "a list of texts")
    return iter(lambda: list(islice(iterator, size)), [])


def ids(x: Any) -> np.ndarray:
    """Token ids as an array, whose values are not looked at.

    Raises:
        InputError: not rows of numbers, all of one length; names the row.
    """
    found = rows(x)
    if isinstance(found, list):
        return matrix(found)
    return _unmasked(found)


def matrix(found: list[Any]) -> np.ndarray:
    """Rows of token ids as an array.

    Raises:
        InputError: as `ids`.
    """
    for row, some in enumerate(found):
        if not isinstance(some, ROW):
            if row == 0 and isinstance(some, str):
                raise InputError("row 0: expected token ids, integers of shape (N, T), got str")
            if row == 0 or is_missing(some):
                raise not_a_text(row, some)
            raise _not_like_first(row, type(some).__name__, found)
        if len(some) != len(found[0]):
            raise _not_ids(row, some) if _holds_text(some) else _not_like_first(row, f"{len(some)} ids", found)
    try:
        array = np.asarray(found)
    except (ValueError, OverflowError) as error:
        raise InputError(f"token ids must be integers in rows of one length: {error}") from error
    if array.dtype.kind in "OUST":
        row, some = next(((row, some) for row, some in enumerate(found) if not _numeric(some)), (0, found[0]))
        raise _not_ids(row, some)
    return array


def numbers(x: Any) -> np.ndarray:
    """An array of numbers, whose values are not looked at; tables of numbers are taken too.

    Raises:
        InputError: something else.
    """
    if not isinstance(x, np.ndarray):
        strange = _strange(x)
        if strange and not (is_table(x) and hasattr(type(x), "__array__")):
            raise InputError(f"expected an array of numbers, got {strange}")
        array_like = hasattr(type(x), "__array__") or isinstance(x, (list, tuple))
        x = _asarray(x if array_like else list(_iterator(x, "an array of numbers")))
    _unmasked(x)
    if x.dtype.kind not in "fiub":
        missing = _missing_row(x)
        raise InputError(
            f"expected numbers, got an array of {x.dtype}" if missing is None else f"row {missing}: missing value"
        )
    return x


def strings(x: Any) -> np.ndarray:
    """Texts as an array of objects: (N,), or (N, K) for rows of K texts.

    Raises:
        InputError: as `rows`, or something that is no text, or rows of different lengths; names the row.
    """
    if isinstance(x, np.ndarray) and x.ndim > 1 and x.dtype.kind in "UOT":
        x = x.tolist()
    found = texts(x)
    width = len(found[0]) if found and isinstance(found[0], ROW) else None
    for row, some in enumerate(found):
        if (len(some) if isinstance(some, ROW) else None) != width:
            raise (
                not_a_text(row, some) if width is None else InputError(f"row {row}: expected {width} texts like row 0")
            )
        for text in [some] if width is None else some:
            if not isinstance(text, str):
                raise not_a_text(row, text)
    array = np.empty(len(found) if width is None else (len(found), width), object)
    array[...] = found
    return array


def is_named(x: Any) -> bool:
    """Whether ``x`` is a dict, or anything like one."""
    return type(x) is not list and isinstance(x, Mapping)


def by_name(x: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """A network's inputs by their names, from such a dict or from a list in the order of the names.

    Raises:
        InputError: neither of them, or an input missing or unknown.
    """
    some_text = isinstance(x, (list, tuple)) and _holds_text(x)
    if isinstance(x, (list, tuple)) and len(x) == len(names) and not some_text:
        return dict(zip(names, x))
    if isinstance(x, Mapping):
        if set(x) == set(names):
            return x
        found = f"a dict of {_some(x)}"
    elif isinstance(x, (list, tuple)):
        found = "a list of texts" if some_text else f"a {type(x).__name__} of {len(x)}"
    else:
        found = type(x).__name__
    if len(names) == 1:
        expected = f"only input is {names[0]!r}, expected its value alone"
        raise InputError(f"this network's {expected}; got {found}: pass {_pick(list(x))}")
    raise InputError(
        f"this network's inputs are {_some(names)}: expected a dict of them, or a list in this order; got {found}"
    )


def check_texts(found: Iterable[Any], first: int = 0) -> None:
    """Raise an InputError unless all of these rows, numbered from ``first``, are str."""
    for row, text in enumerate(found, first):
        if not isinstance(text, str):
            raise not_a_text(row, text)


def not_a_text(row: int, value: Any) -> InputError:
    """The error for a row that is not a str."""
    if is_missing(value):
        return InputError(f"missing value at row {row} ({value!r}), expected a string")
    hint = ""
    if isinstance(value, (bytes, bytearray)):
        hint = f": {DECODE}, [text.decode('utf-8') for text in texts]"
    elif row == 0 and isinstance(value, (int, np.integer)):
        hint = "; token ids have shape (N, T): those of one text are [[1, 2, 3]]"
    elif isinstance(value, Mapping) and value:
        hint = f": pass [row[{next(iter(value))!r}] for row in rows]"
    elif isinstance(value, ROW):
        hint = ": pass one flat list; a text of several words is ' '.join(words)"
    return InputError(f"row {row} is {type(value).__name__}, expected a string{hint}")


def _rows_of_array(x: np.ndarray) -> list[Any] | np.ndarray:
    """The same for an array: a list, if it holds texts."""
    kind = x.dtype.kind
    if kind == "S":
        raise InputError(f"expected texts, got an array of bytes ({x.dtype}): {DECODE}, np.char.decode(x, 'utf-8')")
    if x.dtype.names:
        raise InputError(f"expected texts, got a structured array: pass one of its fields, {_pick(x.dtype.names)}")
    if kind not in "UOT":
        return x
    if x.ndim == 1:
        return x.tolist()
    if kind == "O" and not (x.size and isinstance(x.flat[0], str)):
        return x
    remedy = "pass one column, such as x[:, 0]" if x.ndim else "one text is [text]"
    raise InputError(f"expected texts in an array of shape (N,), got strings of shape {x.shape}: {remedy}")


def _strange(x: Any) -> str:
    """What ``x`` is and what to pass instead, if iterating over it would not give what it looks like; else nothing."""
    if isinstance(x, str):
        return f"one {type(x).__name__}: pass a list, [text]"
    if isinstance(x, (bytes, bytearray, memoryview)):
        return f"one {type(x).__name__}: {DECODE} and pass a list, [text.decode('utf-8')]"
    if isinstance(x, (list, tuple)):
        return ""
    name = type(x).__name__
    if isinstance(x, os.PathLike):
        return f"a path ({name}): pass what the file holds, path.read_text('utf-8').splitlines()"
    if hasattr(x, "read") and hasattr(x, "readline"):
        return f"a file ({name}): pass its lines, [line.rstrip('\\n') for line in file]"
    if isinstance(x, (set, frozenset)):
        return f"a {name}, which has no order: pass a list, such as sorted(texts)"
    if isinstance(x, Mapping):
        return f"a {name} of {_some(x)}: pass one of its values, {_pick(list(x))}"
    if is_table(x):
        name = f"{type(x).__module__.partition('.')[0]} {name}"
        if hasattr(type(x), "collect"):  # not computed yet
            return f"a {name}: pass one column of what it gives, x.collect()['text']"
        names = list(x.column_names if hasattr(type(x), "column_names") else x.columns)
        return f"a {name} of columns {_some(names)}: pass one of them, {_pick(names)}"
    return ""


def _sliced(kind: type) -> bool:
    """Whether to take slices, as iterating gives items of a type of their own: pyarrow, PyTorch, h5py."""
    return hasattr(kind, "to_pylist") or (hasattr(kind, "__array__") and not hasattr(kind, "to_list"))


def is_table(x: Any) -> bool:
    """Whether ``x`` has named columns."""
    return hasattr(type(x), "columns") or hasattr(type(x), "column_names")


def _asarray(x: Any) -> np.ndarray:
    try:
        return np.asarray(x)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # RuntimeError: PyTorch's
        ragged = "expected rows of one length" if isinstance(x, (list, tuple)) else f"{type(x).__name__} gives no array"
        raise InputError(f"{ragged}: {error}") from error


def _unmasked(x: np.ndarray) -> np.ndarray:
    if type(x) is not np.ndarray and np.any(getattr(x, "mask", False)):  # numpy.ma, which costs too much to import here
        raise InputError("got an array with masked values: pass x.filled(0) if they are padding")
    return x


def _iterator(x: Any, expected: str) -> Iterator[Any]:
    try:
        return iter(x)
    except TypeError:
        raise InputError(f"expected {expected}, got {type(x).__name__}") from None


def is_missing(value: Any) -> bool:
    """Whether a value stands for one that is not there: None, NaN, or pandas', pyarrow's or NumPy's own."""
    if type(value).__name__ in MISSING:
        return True
    return isinstance(value, (float, np.floating, np.datetime64)) and bool(value != value)  # noqa: PLR0124


def _missing_row(x: np.ndarray) -> int | None:
    """The first row of an array of objects that holds a missing value."""
    if x.dtype.kind != "O" or not x.ndim:
        return None
    return next((row for row, some in enumerate(x) if any(map(is_missing, np.ravel(some)))), None)


def _numeric(some: Any) -> bool:
    return np.asarray(some).dtype.kind in "fiub"


def _holds_text(some: Iterable[Any]) -> bool:
    return any(isinstance(value, (str, bytes)) for value in some)


def _not_ids(row: int, some: Any) -> InputError:
    """The error for a row that is a list, but not of numbers."""
    if any(map(is_missing, some)):
        return InputError(f"missing value at row {row}, expected token ids: 0 is padding")
    if _holds_text(some):
        return not_a_text(row, some)
    try:
        shown = f"{some!r:.60}"
    except ValueError:  # an int of too many digits for a text
        shown = "numbers of thousands of digits"
    return InputError(f"row {row}: token ids must be integers of the vocabulary, got {shown}")


def _not_like_first(row: int, what: str, found: list[Any]) -> InputError:
    return InputError(f"row {row}: expected {len(found[0])} token ids like row 0 (0 is padding), got {what}")


def _some(names: Iterable[Any], most: int = 8) -> str:
    """The first names, quoted."""
    names = list(names)
    shown = ", ".join(f"{name!r:.40}" for name in names[:most]) or "nothing"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _pick(names: Sequence[Any]) -> str:
    """How to take the one that most likely holds the texts."""
    name = "text" if "text" in names or not names else names[0]
    return f"x[{name!r:.40}]"
