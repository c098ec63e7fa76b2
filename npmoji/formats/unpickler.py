"""Pickles of others, without running them.

A pickle is a program for a small stack machine, and Python's own runs whatever the program names: `pickle.load` of a
stranger's file is running a stranger's program. `Unpickler` here is another machine: it knows the few instructions that
plain data take, imports nothing, calls nothing, and builds numbers, texts, tuples, lists and dicts. All else is
refused, and so is a program longer than the data need. A kind of file adds the instructions it has besides: see
`torch_unpickler` and `learn/benchmark_files`.

Why not `pickle.Unpickler` with a `find_class` and a `persistent_load` that refuse all but what is expected: it runs
nothing either, but it still hangs on a pickle of 150 bytes (a tuple doubled 32 times, as the key of a dict, takes
exponential time to hash), crashes with a segmentation fault on one of 300 kB (a tuple nested 300,000 deep, as a key),
and takes 1.5 GB of memory for one of 20 MB.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

LONGEST_NUMBER = 16  # bytes


class PickleError(Exception):
    """The bytes are no such pickle, or a damaged or truncated one, or ask for more than data; says what is wrong."""


@dataclass(frozen=True)
class Global:
    """What a pickle names by module and name; here no more than that name."""

    name: str


class Unpickler:
    """Reads one pickle after the other.

    Attributes:
        at: the place in the data of the first byte that has not been read.
        opcodes: what each instruction does, by its byte.
        names: what a pickle may name, as "module.name".
        most_steps, longest_text: of a file's pickles together, and bytes of a text.
        surrogates: whether halves of surrogate pairs, encoded on their own, are text; to Python 2 they were.
        data_are, advice: for messages, what such a file holds and was expected to hold.
    """

    opcodes: ClassVar[dict[bytes, Callable[[Any], Any]]]
    names: ClassVar[frozenset[str]] = frozenset()
    most_steps, longest_text, surrogates = 1 << 16, 1 << 12, False
    data_are, advice = "data", "expected plain data; nothing in the file was run"

    def __init__(self, data: memoryview):
        self.data, self.at, self.steps = data, 0, 0

    def load(self) -> Any:
        """The object of the next pickle.

        Raises:
            PickleError: it is cut off, damaged, too long, or has an instruction or a name that such files do not have.
        """
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # of each mark, the stack that lies under it
        self.memo: dict[int, Any] = {}
        while (code := bytes(self.take(1))) != b".":
            if code not in self.opcodes:
                raise PickleError(f"its pickle has the instruction {code!r}, {self.advice}")
            self.count(1)
            self.opcodes[code](self)
        return self.pop()

    def count(self, steps: int) -> None:
        """Stop what would go on for too long."""
        self.steps += steps
        if self.steps > self.most_steps:
            raise PickleError(f"its pickle takes more than {self.most_steps} steps, which no {self.data_are} need")

    def take(self, size: int, what: str = "its pickle") -> memoryview:
        """The next bytes of the data."""
        part = self.data[self.at : self.at + size]
        if len(part) != size:
            raise PickleError(f"{what} is cut off: the file is truncated or damaged")
        self.at += size
        return part

    def number(self, size: int, signed: bool = False) -> int:
        """The next bytes as a number."""
        if size > LONGEST_NUMBER:
            raise PickleError(f"its pickle has a number of {size} bytes, which no {self.data_are} need")
        return int.from_bytes(self.take(size), "little", signed=signed)

    def text(self, size: int) -> str:
        """The next bytes as a text."""
        if size > self.longest_text:
            raise PickleError(f"its pickle has a text of {size} bytes, which no {self.data_are} need")
        self.count(size // 64)
        try:
            return str(self.take(size), "utf-8", "surrogatepass" if self.surrogates else "strict")
        except UnicodeDecodeError as error:
            raise PickleError(f"its pickle has a text that is not UTF-8 ({error.reason})") from error

    def line(self) -> str:
        """A text up to the end of the line."""
        return str(self.line_of_bytes(256, "name"), "utf-8", "replace")  # what is not UTF-8 is no name that is known

    def line_of_bytes(self, longest: int, what: str = "line") -> bytes:
        """The bytes up to the end of the line, without it."""
        size = min(256, longest)
        while (found := bytes(self.data[self.at : self.at + size]).find(b"\n")) < 0:
            if size >= longest or size >= len(self.data) - self.at:
                raise PickleError(f"its pickle is cut off, or a {what} in it is too long")
            size = min(4 * size, longest)
        self.count(found // 64)
        return bytes(self.take(found + 1)[:found])

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def top(self, kind: type = object) -> Any:
        """The value on top of the stack, which must be of that kind."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            found = type(self.stack[-1]).__name__ if self.stack else "nothing"
            raise PickleError(f"its pickle is damaged: {found} where a {kind.__name__} was expected")
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
            raise PickleError("its pickle is damaged: a mark is missing")
        values, self.stack = self.stack, self.below.pop()
        return values

    def fill(self, target: dict[str, Any], items: Any) -> None:
        """Put keys and values into a dict. Keys are texts only: hashing a deep tuple would overflow the C stack."""
        for key, value in items:
            if type(key) is not str:
                raise PickleError(f"a name is a {type(key).__name__}, {self.advice}")
            target[key] = value

    def unknown(self, name: str) -> str:
        """What to say of a name that the pickle may not use."""
        return f"its pickle asks for {name[:100]!r}, {self.advice}"

    def name(self, name: str) -> None:
        """Push what would be a function or class of that name."""
        if name not in self.names:
            raise PickleError(self.unknown(name))
        self.push(Global(name))


def get(pickle: Unpickler, index: int) -> None:
    """Push what the memo has at this place."""
    if index not in pickle.memo:
        raise PickleError("its pickle is damaged: it refers to what is not there")
    pickle.push(pickle.memo[index])


def put(pickle: Unpickler, index: int) -> None:
    """Keep what is on top of the stack in the memo."""
    pickle.memo[index] = pickle.top()


def _tuple(pickle: Unpickler, size: int) -> None:
    pickle.push(tuple(reversed([pickle.pop() for _ in range(size)])))


def _append(pickle: Unpickler, values: list[Any]) -> None:
    pickle.top(list).extend(values)


def _set(pickle: Unpickler, values: list[Any]) -> None:
    """Keys and values in turn into a dict."""
    pickle.fill(pickle.top(dict), zip(values[::2], values[1::2]))


def _name_of_stack(pickle: Unpickler) -> None:
    name, module = pickle.pop(str), pickle.pop(str)
    pickle.name(f"{module}.{name}")


def _name_of_lines(pickle: Unpickler) -> None:
    pickle.name(f"{pickle.line()}.{pickle.line()}")


#: what each instruction of plain data does, by its byte; numbers that follow one tell it a value, a place in the memo
#: or a length
OPCODES: dict[bytes, Callable[[Any], Any]] = {
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
    b"q": lambda p: put(p, p.number(1)),
    b"r": lambda p: put(p, p.number(4)),
    b"\x94": lambda p: put(p, len(p.memo)),  # MEMOIZE
    b"h": lambda p: get(p, p.number(1)),
    b"j": lambda p: get(p, p.number(4)),
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
}
Unpickler.opcodes = OPCODES
