"""The pickles of a state dict, without running them.

A pickle is a program for a small stack machine, and Python's own runs whatever the program names: `pickle.load` of a
stranger's file is running a stranger's program. `Unpickler` here is another machine: it knows the few instructions a
state dict takes, imports nothing, calls nothing, and builds numbers, texts, tuples, lists, dicts and descriptions of
tensors. All else is refused, and so is a program too long for weights.

Why not `pickle.Unpickler` with a `find_class` and a `persistent_load` that refuse all but tensors: it runs nothing
either, but it still hangs on a pickle of 150 bytes (a tuple doubled 32 times, as the key of a dict, takes exponential
time to hash), crashes with a segmentation fault on one of 300 kB (a tuple nested 300,000 deep, as a key), and takes 1.5
GB of memory for one of 20 MB.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_STEPS = 1 << 16  # of a file's pickles; DeepMoji's take 1000
LONGEST_TEXT, LONGEST_NUMBER = 1 << 12, 16  # bytes
LARGEST, HIGHEST_RANK = 1 << 48, 16  # elements of a storage, dimensions of a tensor

#: types of storages and the bytes of an element
STORAGES = {"FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2, "ComplexFloatStorage": 8}
STORAGES |= {"LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1}
#: the functions a state dict may name, and the arguments they take; `_rebuild_tensor` is that of PyTorch before 0.4
FUNCTIONS = {
    "collections.OrderedDict": (0, 1),
    "torch.Size": (1,),
    "torch._utils._rebuild_tensor": (4,),
    "torch._utils._rebuild_tensor_v2": (6, 7),
    "torch._utils._rebuild_parameter": (3,),
}
NAMES = {*FUNCTIONS, *(f"torch.{kind}" for kind in STORAGES)}
ADVICE = "expected tensors only, as torch.save(model.state_dict(), file) writes them; nothing in the file was run"


class TorchError(Exception):
    """The bytes are no state dict, or a damaged or truncated one, or ask for more than tensors; says what is wrong."""


@dataclass(frozen=True)
class Storage:
    """A storage of ``size`` elements, or the view of it that has ``count`` of them from ``start`` on."""

    kind: str
    key: str
    size: int
    start: int
    count: int

    @property
    def nbytes(self) -> int:
        """Of the whole storage."""
        return self.size * STORAGES[self.kind]


@dataclass(frozen=True)
class Tensor:
    """Where the elements of a tensor are; offset and strides count elements of the storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Global:
    """What a pickle names by module and name; here no more than that name."""

    name: str


class Unpickler:
    """Reads one pickle after the other.

    Attributes:
        at: the place in the data of the first byte that has not been read.
        storages: those that the tensors refer to, by key.
    """

    def __init__(self, data: memoryview):
        self.data, self.at, self.steps = data, 0, 0
        self.storages: dict[str, Storage] = {}

    def load(self) -> Any:
        """The object of the next pickle.

        Raises:
            TorchError: it is cut off, damaged, too long, or has an instruction or a name that state dicts do not have.
        """
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # of each mark, the stack that lies under it
        self.memo: dict[int, Any] = {}
        while (code := bytes(self.take(1))) != b".":
            if code not in OPCODES:
                raise TorchError(f"its pickle has the instruction {code!r}, {ADVICE}")
            self.count(1)
            OPCODES[code](self)
        return self.pop()

    def count(self, steps: int) -> None:
        """Stop what would go on for too long."""
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise TorchError(f"its pickle takes more than {MOST_STEPS} steps, which no weights need")

    def take(self, size: int, what: str = "its pickle") -> memoryview:
        """The next bytes of the data."""
        part = self.data[self.at : self.at + size]
        if len(part) != size:
            raise TorchError(f"{what} is cut off: the file is truncated or damaged")
        self.at += size
        return part

    def number(self, size: int, signed: bool = False) -> int:
        """The next bytes as a number."""
        if size > LONGEST_NUMBER:
            raise TorchError(f"its pickle has a number of {size} bytes, which no weights need")
        return int.from_bytes(self.take(size), "little", signed=signed)

    def text(self, size: int) -> str:
        """The next bytes as a text."""
        if size > LONGEST_TEXT:
            raise TorchError(f"its pickle has a text of {size} bytes, which no weights need")
        self.count(size // 64)
        try:
            return str(self.take(size), "utf-8")
        except UnicodeDecodeError as error:
            raise TorchError(f"its pickle has a text that is not UTF-8 ({error.reason})") from error

    def line(self) -> str:
        """A text up to the end of the line."""
        size = bytes(self.data[self.at : self.at + 256]).find(b"\n")
        if size < 0:
            raise TorchError("its pickle is cut off, or a name in it is too long")
        return self.text(size + 1)[:-1]

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def top(self, kind: type = object) -> Any:
        """The value on top of the stack, which must be of that kind."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            found = type(self.stack[-1]).__name__ if self.stack else "nothing"
            raise TorchError(f"its pickle is damaged: {found} where a {kind.__name__} was expected")
        return self.stack[-1]

    def pop(self, kind: type = object) -> Any:
        """The same, taken off the stack."""
        self.top(kind)
        return self.stack.pop()

    def mark(self) -> None:
        """Begin a new stack on top of this one."""
        self.below.append(self.stack)
        self.stack = []

    def popped(self) -> list[Any]:
        """All values down to the mark, taken off the stack, and the mark with them."""
        if not self.below:
            raise TorchError("its pickle is damaged: a mark is missing")
        values, self.stack = self.stack, self.below.pop()
        return values


def _get(pickle: Unpickler, index: int) -> None:
    if index not in pickle.memo:
        raise TorchError("its pickle is damaged: it refers to what is not there")
    pickle.push(pickle.memo[index])


def _put(pickle: Unpickler, index: int) -> None:
    pickle.memo[index] = pickle.top()


def _tuple(pickle: Unpickler, size: int) -> None:
    pickle.push(tuple(reversed([pickle.pop() for _ in range(size)])))


def _append(pickle: Unpickler, values: list[Any]) -> None:
    pickle.top(list).extend(values)


def _set(pickle: Unpickler, values: list[Any]) -> None:
    """Keys and values in turn into a dict. Keys are texts only: hashing a deep tuple would overflow the C stack."""
    _fill(pickle.top(dict), zip(values[::2], values[1::2]))


def _fill(target: dict[str, Any], items: Any) -> None:
    for key, value in items:
        if type(key) is not str:
            raise TorchError(f"a name is a {type(key).__name__}, {ADVICE}")
        target[key] = value


def _name(pickle: Unpickler, name: str) -> None:
    if name not in NAMES:
        raise TorchError(
            f"its pickle asks for {name[:100]!r}, so it holds a whole model or something else, {ADVICE} "
            "(load a whole model with the code it was saved with, and save its state_dict)"
        )
    pickle.push(Global(name))


def _name_of_stack(pickle: Unpickler) -> None:
    name, module = pickle.pop(str), pickle.pop(str)
    _name(pickle, f"{module}.{name}")


def _name_of_lines(pickle: Unpickler) -> None:
    _name(pickle, f"{pickle.line()}.{pickle.line()}")


def _reduce(pickle: Unpickler) -> None:
    """What would be a call of one of `FUNCTIONS`."""
    given, name = pickle.pop(tuple), pickle.pop(Global).name
    if len(given) not in FUNCTIONS.get(name, ()):
        raise TorchError(f"its pickle is damaged: {name} of {len(given)} arguments")
    if name == "collections.OrderedDict":
        pickle.push(_ordered_dict(pickle, *given))
    elif "_rebuild_tensor" in name:
        pickle.push(_tensor(*given[:4]))
    else:  # a Size is the tuple it is made of, a parameter its tensor
        pickle.push(given[0])
        pickle.top(tuple if name == "torch.Size" else Tensor)


def _ordered_dict(pickle: Unpickler, pairs: Any = ()) -> OrderedDict:
    """Python 2 gives the items, as lists of two."""
    if pairs != () and not (type(pairs) is list and all(type(pair) is list and len(pair) == 2 for pair in pairs)):
        raise TorchError("its pickle is damaged: an OrderedDict of something else than pairs")
    pickle.count(len(pairs))
    made: OrderedDict = OrderedDict()
    _fill(made, pairs)
    return made


def _build(pickle: Unpickler) -> None:
    """The attributes of an object, from a dict: a state dict has one, with the versions of its modules."""
    state = pickle.pop(dict)
    pickle.top(OrderedDict)
    if set(state) != {"_metadata"}:
        raise TorchError(f"its pickle sets attributes of an object, {ADVICE}")


def _persistent(pickle: Unpickler) -> None:
    """A storage: ("storage", type, key, device, elements); legacy files add a view, None or (key, start, elements)."""
    given = pickle.pop(tuple)
    if len(given) not in (5, 6) or type(given[0]) is not str or given[0] != "storage":
        raise TorchError(f"its pickle refers to something else than storages, {ADVICE}")
    _, kind, key, _, size, *views = given
    view = views[0] if views and views[0] is not None else ("", 0, size)
    fits = isinstance(kind, Global) and kind.name not in FUNCTIONS and type(key) is str and type(view) is tuple
    if not fits or not _are_sizes((size, *view[1:])) or len(view) != 3 or view[1] + view[2] > size:
        raise TorchError("its pickle is damaged: not the description of a storage")
    storage = Storage(kind.name.removeprefix("torch."), key, size, *view[1:])
    known = pickle.storages.setdefault(key, storage)
    if (known.kind, known.size) != (storage.kind, size):
        raise TorchError(f"its pickle is damaged: storage {key!r} has two sizes or types")
    pickle.push(storage)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    fits = isinstance(storage, Storage) and type(shape) is type(strides) is tuple
    if not fits or not len(shape) == len(strides) <= HIGHEST_RANK or not _are_sizes((offset, *shape, *strides)):
        raise TorchError("its pickle is damaged: not the description of a tensor")
    return Tensor(storage, offset, shape, strides)


def _are_sizes(values: tuple) -> bool:
    return all(type(value) is int and 0 <= value <= LARGEST for value in values)


#: what each instruction does, by its byte; numbers that follow one tell it a value, a place in the memo or a length
OPCODES: dict[bytes, Callable[[Unpickler], Any]] = {
    b"\x80": lambda p: p.take(1),  # PROTO
    b"\x95": lambda p: p.take(8),  # FRAME
    b"N": lambda p: p.push(None),
    b"\x88": lambda p: p.push(True),
    b"\x89": lambda p: p.push(False),
    b"K": lambda p: p.push(p.number(1)),
    b"M": lambda p: p.push(p.number(2)),
    b"J": lambda p: p.push(p.number(4, signed=True)),
    b"\x8a": lambda p: p.push(p.number(p.number(1), signed=True)),  # LONG1
    b"G": lambda p: p.push(struct.unpack(">d", p.take(8))[0]),  # BINFLOAT
    b"X": lambda p: p.push(p.text(p.number(4))),
    b"\x8c": lambda p: p.push(p.text(p.number(1))),
    b"\x8d": lambda p: p.push(p.text(p.number(8))),
    b"U": lambda p: p.push(p.text(p.number(1))),  # a str of Python 2
    b"T": lambda p: p.push(p.text(p.number(4))),  # the same
    b"q": lambda p: _put(p, p.number(1)),
    b"r": lambda p: _put(p, p.number(4)),
    b"\x94": lambda p: _put(p, len(p.memo)),  # MEMOIZE
    b"h": lambda p: _get(p, p.number(1)),
    b"j": lambda p: _get(p, p.number(4)),
    b"(": lambda p: p.mark(),
    b")": lambda p: p.push(()),
    b"\x85": lambda p: _tuple(p, 1),
    b"\x86": lambda p: _tuple(p, 2),
    b"\x87": lambda p: _tuple(p, 3),
    b"t": lambda p: p.push(tuple(p.popped())),
    b"]": lambda p: p.push([]),
    b"a": lambda p: _append(p, [p.pop()]),
    b"e": lambda p: _append(p, p.popped()),
    b"}": lambda p: p.push({}),
    b"s": lambda p: _set(p, [p.pop(), p.pop()][::-1]),
    b"u": lambda p: _set(p, p.popped()),
    b"c": _name_of_lines,
    b"\x93": _name_of_stack,
    b"R": _reduce,
    b"b": _build,
    b"Q": _persistent,
}
