"""The original's benchmark files: pickles of Python 2, of which nothing is run.

    {"texts": [str or unicode, …], "info": [{"label": …}, …], "train_ind": [int, …], "val_ind": …, "test_ind": …}

`formats.unpickler` reads them; here is what such files have besides plain data: the instructions of protocols 0 and 1,
which write numbers and strings as lines of text, and NumPy's scalars and arrays, for labels and row numbers. A str of
Python 2 is bytes here, until it is known what it stands for.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from ..errors import InputError
from ..formats.unpickler import OPCODES, Global, PickleError, Unpickler, get, put

LARGEST_FILE = 1 << 27  # bytes; the largest of the original's has 3 million
LONGEST_ARRAY = 1 << 24  # elements along an axis
MOST_FLAGS = 1 << 24  # of all texts together; one list may be that of every text
KEYS = ("texts", "info", "train_ind", "val_ind", "test_ind")
ADVICE = "expected a benchmark file of the original: a dict of texts, info and row numbers; nothing in the file was run"
LABELS = "expected a number, a name, or a list of flags"

_KINDS = re.compile(r"b1|[iu][1248]|f[248]|[SU][0-9]{1,5}")
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|[\\'\"ntr]|.?)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"\\": b"\\", b"'": b"'", b'"': b'"'}
_FLOAT = re.compile(rb"[+-]?([0-9]+\.?[0-9]*(e[+-]?[0-9]+)?|inf|nan)")


def read(path: str) -> tuple[list[str], list[Any], list[list[int]]]:
    """The texts of a file, their labels, and the row numbers of the training, validation and test part as listed.

    Raises:
        InputError: it cannot be read, is damaged, or holds something else; nothing in it is run.

    >>> read("no.pickle")
    Traceback (most recent call last):
    ...
    npmoji.errors.InputError: no.pickle: cannot be read: No such file or directory
    """
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise PickleError(f"it has more than {LARGEST_FILE:,} bytes, {ADVICE}")
        return _contents(DataUnpickler(memoryview(content)).load())
    except PickleError as error:
        raise InputError(f"{path}: cannot be read as a benchmark: {error}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


# The machine ---------------------------------------------------------------------------------------------------------


class Kind:
    """A NumPy dtype; a pickle makes one of its code, and then says in which order the bytes are."""

    def __init__(self, code: str):
        self.code = code

    @property
    def dtype(self) -> np.dtype:
        """The dtype itself."""
        return np.dtype(self.code)


class Array:
    """A NumPy array; a pickle makes an empty one, and then says what it holds."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = (0,)
        self.values: list[Any] = []


class DataUnpickler(Unpickler):
    """Reads the pickle of a benchmark file."""

    names = frozenset(
        f"{module}.{name}"
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("_reconstruct", "scalar")
    ) | {"numpy.ndarray", "numpy.dtype", "_codecs.encode", "__builtin__.bytes"}  # the last two: bytes of Python 3
    most_steps, longest_text, surrogates = 1 << 22, 1 << 20, True
    data_are, advice = "benchmarks", ADVICE

    def fill(self, target: dict[str, Any], items: Any) -> None:
        """As the base's; keys are mostly a str of Python 2."""
        super().fill(target, ((_word(key) if type(key) is bytes else key, value) for key, value in items))

    def raw(self, size: int) -> bytes:
        """The next bytes, counted as those of a text are."""
        if size > self.longest_text:
            raise PickleError(f"its pickle has a text of {size} bytes, which no {self.data_are} need")
        self.count(size // 64)
        return bytes(self.take(size))


def _string(line: bytes) -> bytes:
    """What Python 2's repr of a str stands for."""
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise PickleError("its pickle is damaged: a string without quotes")
    return _ESCAPE.sub(_unescaped, line[1:-1])


def _unescaped(found: re.Match[bytes]) -> bytes:
    kind = found[1]
    if kind[:1] == b"x" and len(kind) == 3:
        return bytes([int(kind[1:], 16)])
    if kind not in _ESCAPED:
        raise PickleError(f"its pickle is damaged: a string with the escape {found[0][:8]!r}")
    return _ESCAPED[kind]


def _unicode(line: bytes) -> str:
    try:
        return str(line, "raw-unicode-escape")
    except UnicodeDecodeError as error:
        raise PickleError(f"its pickle has a damaged text ({error.reason})") from error


def _integer(line: bytes) -> int:
    digits = line.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 40:
        raise PickleError(f"its pickle is damaged: {line[:50]!r} where a number was expected")
    return int(line)


def _number(line: bytes) -> int | bool:
    return line == b"01" if line in (b"00", b"01") else _integer(line)


def _float(line: bytes) -> float:
    if not _FLOAT.fullmatch(line):
        raise PickleError(f"its pickle is damaged: {line[:50]!r} where a number was expected")
    return float(line)


def _dict(values: list[Any], pickle: DataUnpickler) -> None:
    made: dict[str, Any] = {}
    pickle.fill(made, zip(values[::2], values[1::2]))
    pickle.push(made)


def _reduce(pickle: DataUnpickler) -> None:
    """What would be a call of one of the functions that make numbers, arrays and bytes."""
    given, name = pickle.pop(tuple), pickle.pop(Global).name.rpartition(".")[2]
    if name == "dtype" and len(given) == 3 and (code := _word(given[0])) and _KINDS.fullmatch(code):
        pickle.push(Kind(code))
    elif name == "scalar" and len(given) == 2 and type(given[1]) is bytes:
        pickle.push(_values(pickle, given[0], given[1], 1)[0])
    elif name == "_reconstruct" and len(given) == 3:
        pickle.push(Array())
    elif name == "encode" and len(given) == 2 and type(given[0]) is str and given[1] == "latin1":
        pickle.count(len(given[0]) // 64)
        pickle.push(_latin1(given[0]))
    elif name == "bytes" and not given:
        pickle.push(b"")
    else:
        raise PickleError(f"its pickle is damaged or holds other objects than numbers of NumPy, {ADVICE}")


def _latin1(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise PickleError(f"its pickle is damaged: bytes that are none ({error.reason})") from error


def _build(pickle: DataUnpickler) -> None:
    """What a dtype or an array is, told after it was made: a tuple that begins with a version."""
    state, target = pickle.pop(tuple), pickle.top()
    if isinstance(target, Kind) and len(state) >= 2 and (order := _word(state[1])) in ("<", ">", "|", "="):
        target.code = f"{order}{target.code.lstrip('<>|=')}"
    elif isinstance(target, Array) and len(state) == 5 and _is_shape(state[1]) and type(state[4]) is bytes:
        target.shape = state[1]
        target.values = _values(pickle, state[2], state[4], math.prod(state[1]))
    else:
        raise PickleError(f"its pickle sets what an object is, {ADVICE}")


def _is_shape(value: Any) -> bool:
    return type(value) is tuple and len(value) <= 8 and all(type(n) is int and 0 <= n <= LONGEST_ARRAY for n in value)


def _values(pickle: DataUnpickler, kind: Any, data: bytes, count: int) -> list[Any]:
    """``count`` elements of that dtype, as Python's own numbers and texts."""
    if not isinstance(kind, Kind):
        raise PickleError(f"its pickle is damaged: {type(kind).__name__} where a dtype was expected")
    dtype = kind.dtype
    if not dtype.itemsize or len(data) != count * dtype.itemsize:
        raise PickleError(f"its pickle is damaged: {len(data)} bytes for {count} elements of {dtype}")
    pickle.count(len(data) // 8)
    if dtype.kind != "U":
        return np.frombuffer(data, dtype).tolist()
    encoding = "utf-32-be" if dtype.str.startswith(">") else "utf-32-le"
    starts = range(0, len(data), dtype.itemsize)
    try:  # not NumPy, which takes code points that are none
        return [str(data[at : at + dtype.itemsize], encoding, "surrogatepass").rstrip("\0") for at in starts]
    except UnicodeDecodeError as error:
        raise PickleError(f"its pickle is damaged: a text of {dtype}: {error.reason}") from error


def _word(value: Any) -> str:
    """A str of Python 2 or a text, as a name; empty if it is not a plain, short one."""
    if type(value) is str:
        return value
    return value.decode("ascii") if type(value) is bytes and len(value) <= 256 and value.isascii() else ""


DataUnpickler.opcodes = OPCODES | {
    b"I": lambda p: p.push(_number(p.line_of_bytes(64))),
    b"L": lambda p: p.push(_integer(p.line_of_bytes(64).removesuffix(b"L"))),
    b"F": lambda p: p.push(_float(p.line_of_bytes(64))),
    b"S": lambda p: p.push(_string(p.line_of_bytes(p.longest_text))),
    b"V": lambda p: p.push(_unicode(p.line_of_bytes(p.longest_text))),
    b"U": lambda p: p.push(p.raw(p.number(1))),
    b"T": lambda p: p.push(p.raw(p.number(4))),
    b"C": lambda p: p.push(p.raw(p.number(1))),  # bytes of Python 3
    b"B": lambda p: p.push(p.raw(p.number(4))),  # the same
    b"l": lambda p: p.push(p.popped()),
    b"d": lambda p: _dict(p.popped(), p),
    b"p": lambda p: put(p, _integer(p.line_of_bytes(64))),
    b"g": lambda p: get(p, _integer(p.line_of_bytes(64))),
    b"0": lambda p: p.pop(),
    b"1": lambda p: p.popped(),
    b"2": lambda p: p.push(p.top()),
    b"R": _reduce,
    b"b": _build,
}


# What it holds -------------------------------------------------------------------------------------------------------


def _contents(found: Any) -> tuple[list[str], list[Any], list[list[int]]]:
    if not isinstance(found, dict) or not set(KEYS) <= set(found):
        held = ", ".join(map(repr, list(found)[:8])) if isinstance(found, dict) else type(found).__name__
        raise PickleError(f"it holds {held or 'nothing'}, expected a dict of {', '.join(KEYS)}")
    texts, info, *parts = (_rows(key, found[key]) for key in KEYS)
    if len(texts) != len(info):
        raise PickleError(f"it has {len(texts)} texts, but {len(info)} entries in info")
    # A pickle may refer to the same thing again and again, which costs it two bytes: so what is copied is counted.
    if sum(len(text) for text in texts if type(text) in (str, bytes)) > LARGEST_FILE:
        raise PickleError(f"its texts have more than {LARGEST_FILE:,} characters")
    flags = 0
    for row, entry in enumerate(info):
        flags += len(_flags(row, entry))
        if flags > MOST_FLAGS:
            raise PickleError(f"its labels have more than {MOST_FLAGS:,} flags")
    return [_text(row, text) for row, text in enumerate(texts)], list(map(_label, range(len(info)), info)), parts


def _rows(key: str, value: Any) -> Any:
    if type(value) is Array and len(value.shape) == 1:
        return value.values
    if type(value) not in (list, tuple):
        found = f"an array of shape {value.shape}" if type(value) is Array else f"a {type(value).__name__}"
        raise PickleError(f"{key!r} is {found}, expected a list")
    return value


def _text(row: int, text: Any) -> str:
    if type(text) is bytes:
        try:
            return text.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise PickleError(f"text {row} is not UTF-8 ({error.reason})") from error
    if type(text) is not str:
        raise PickleError(f"text {row} is a {type(text).__name__}, expected a text")
    return text


def _flags(row: int, entry: Any) -> Any:
    """The flags of an entry's label; none if it is a number or a name."""
    if type(entry) is not dict or "label" not in entry:
        raise PickleError(f"entry {row} of info has no 'label', expected a dict with one")
    label = entry["label"]
    if type(label) is Array and not label.shape:
        label = entry["label"] = label.values[0]
    return _rows("label", label) if type(label) in (Array, list, tuple) else []


def _label(row: int, entry: dict[str, Any]) -> Any:
    label = entry["label"]
    if type(label) in (Array, list, tuple):
        return [_one_label(row, value) for value in _flags(row, entry)]
    return _one_label(row, label)


def _one_label(row: int, label: Any) -> int | bool | str:
    if type(label) is bytes:
        return _text(row, label)
    if type(label) is float and label.is_integer():
        label = int(label)
    if type(label) not in (int, bool, str):
        raise PickleError(f"the label of text {row} is a {type(label).__name__}, {LABELS}")
    if type(label) is int and not -(2**63) <= label < 2**63:
        raise PickleError(f"the label of text {row} has more than 64 bits, {LABELS}")
    return label
