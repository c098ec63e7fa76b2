"""Programs of `one_text`: how they are written, and what each text needs of its own while one runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .instructions import KINDS, Area, area, entry, words_of
from .memory import aligned_empty
from .one_text import BOARD, ENTRY, FIRST, STAGES, TABLE
from .panels import round_up
from .target import CACHE_LINE


class Inside(NamedTuple):
    """A place in the memory that each text has of its own; ``scratch`` is one task's until its stage ends."""

    offset: int
    scratch: bool = False

    def plus(self, size: int) -> Inside:
        """So many bytes further on."""
        return self._replace(offset=self.offset + size)


class Late(NamedTuple):
    """A number that is known when the text is: one of those that `Text.set_out` takes, times another."""

    number: int
    scale: int = 1


class Instruction(NamedTuple):
    """A call of a compiled function; None for those that are instructions of their own. Arrays may be at an `Inside`,
    and numbers a `Late`."""

    kind: str
    function: Callable | None
    arguments: tuple[Any, ...]


class Writer:
    """Writes a program: `reserve` gives places, `stage` takes instructions, `finish` puts it together."""

    def __init__(self) -> None:
        self._stages: list[list[list[Instruction]]] = []
        self._size = self._scratch = self._most_scratch = 0  # bytes
        self._kept: list[Any] = []

    def reserve(self, size: int, scratch: bool = False) -> Inside:
        """So many bytes of the text's memory, from the beginning of a cache line; zeros at first."""
        size = round_up(size, CACHE_LINE)
        if scratch:
            self._scratch += size
            self._most_scratch = max(self._most_scratch, self._scratch)
            return Inside(self._scratch - size, True)
        self._size += size
        return Inside(self._size - size)

    def keep(self, array: np.ndarray) -> Area:
        """An array that belongs to all texts."""
        self._kept.append(array)
        return area(array)

    def stage(self, *tasks: list[Instruction]) -> None:
        """One task or two, which may run at the same time, after all that came before."""
        self._scratch = 0
        if self._stages and len(tasks) == len(self._stages[-1]) == 1:
            self._stages[-1][0].extend(tasks[0])
        else:
            self._stages.append(list(tasks))

    def finish(self) -> Program | None:
        """The program; None if it has too many stages."""
        if len(self._stages) > STAGES:
            return None
        words: list[Any] = [0] * FIRST
        last_shared = max((i + 1 for i, tasks in enumerate(self._stages) if len(tasks) > 1), default=0)
        words[TABLE : TABLE + 2] = len(self._stages), last_shared
        for i, tasks in enumerate(self._stages):
            edges = [len(words)]
            for task in tasks:
                for instruction in task:
                    words += _words(instruction)
                edges.append(len(words))
            at = TABLE + 2 + i * ENTRY
            words[at : at + 1 + len(edges)] = len(tasks), *edges
        return Program(words, self._size, self._size + self._most_scratch, self._kept, last_shared > 0)


def _words(instruction: Instruction) -> list[Any]:
    kind, function, arguments = instruction
    words = words_of(*arguments) if function is None else [entry(function), *words_of(*arguments)]
    return [KINDS.index(kind), len(words) + 2, *words]


class Program:
    """A finished program, which serves any number of texts at a time.

    Attributes:
        shared: whether a helper can do a part of it.
    """

    def __init__(self, words: list[Any], scratch: int, size: int, kept: list[Any], shared: bool):
        self._inside = [i for i, word in enumerate(words) if isinstance(word, Inside)]
        late = [(i, word) for i, word in enumerate(words) if isinstance(word, Late)]
        offsets = [word.offset + scratch * word.scratch for word in words if isinstance(word, Inside)]
        self._offsets = np.array(offsets, np.int64)
        self.late, self.late_numbers = np.array([i for i, _ in late], np.intp), np.array([w.number for _, w in late])
        self.late_scales = np.array([word.scale for _, word in late], np.int64)
        self._words = [0 if isinstance(word, (Inside, Late)) else word for word in words]
        self._size, self._kept, self.shared = size, kept, shared

    def text(self) -> Text:
        """What one text needs at a time."""
        return Text(self)

    def copy(self, base: int) -> np.ndarray:
        """The words for a memory at an address."""
        words = aligned_empty((len(self._words),), np.int64)
        words[:] = self._words
        words[self._inside] = base + self._offsets
        return words

    def memory(self) -> np.ndarray:
        """Memory for one text: zeros, which take no room before they are used."""
        memory = np.zeros(self._size + CACHE_LINE, np.uint8)
        return memory[-memory.__array_interface__["data"][0] % CACHE_LINE :]


class Text:
    """The memory of one text, and its own copy of the program, which is told the text's numbers."""

    def __init__(self, program: Program):
        self._program, self._memory = program, program.memory()
        self.words = program.copy(self._memory.__array_interface__["data"][0])

    def view(self, place: Inside, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> np.ndarray:
        """What is at a place."""
        return np.ndarray(shape, dtype, self._memory, place.offset, strides)

    def set_out(self, numbers: list[int]) -> None:
        """Be ready to run: tell the program what it did not know when it was written."""
        program, words = self._program, self.words
        words[BOARD:TABLE] = 0
        words[program.late] = np.array(numbers)[program.late_numbers] * program.late_scales
