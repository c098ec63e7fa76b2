"""Labelled texts, their division into training, validation and test part, and batches drawn at random: all as in the
original, whose index sequences a seed gives.

Random numbers come from generators of NumPy's old kind, `RandomState`, as the original's: their streams are frozen.
The global one is left alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .. import inputs
from ..errors import InputError
from ..text.tokenizer import Tokenizer, tokenize

PARTS = ("train", "val", "test")
RATIOS = (0.7, 0.1, 0.2)
DRAW = 25_000  # rows the original draws at a time


def groups(texts: Any) -> np.ndarray:
    """A number for each text, the same for equal ones: int64 (N,), in the order of first appearance.

    Texts that differ only in upper and lower case or in whitespace count as equal: their tokens are the same.

    >>> groups(["Good day", "bad", "good  day", "bad!"])
    array([0, 1, 0, 2])
    """
    rows = inputs.texts(texts)
    inputs.check_texts(rows)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(" ".join(text.lower().split()), len(numbers)) for text in rows], np.int64)


def split(data: Any, ratios: Sequence[Any] = RATIOS, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers of the training, validation and test part, each int64.

    Args:
        data: how many rows there are, or their texts: texts that are equal (see `groups`) are then drawn as one and all
            come into the same part.
        ratios: three numbers as the original takes them: the last is the share of the test part, the middle one that of
            the validation part *in what remains*, the first is ignored. Or three lists of row numbers, of which those
            too large, and what is no number, are left out.
        seed: of the draw.

    Raises:
        InputError: not such ratios, or a part would be empty.

    >>> [part.tolist() for part in split(10, (0.7, 0.2, 0.2), seed=1)]
    [[6, 0, 4, 1, 7, 5], [8, 3], [2, 9]]
    """
    group = np.arange(data) if isinstance(data, (int, np.integer)) else groups(data)
    if not isinstance(ratios, (list, tuple, np.ndarray)):
        raise InputError(f"ratios {ratios!r:.80}: expected three between 0 and 1, such as {RATIOS}, or three lists")
    if len(ratios) == 3 and all(isinstance(some, inputs.ROW) for some in ratios):
        first, second, third = (_listed(some, len(group)) for some in ratios)
        return first, second, third
    if len(ratios) != 3 or not all(isinstance(some, (int, float)) and 0 < some < 1 for some in ratios[1:]):
        raise InputError(f"ratios {ratios!r:.80}: expected three between 0 and 1, such as {RATIOS}, or three lists")
    random = generator(seed)
    order = random.permutation(int(group.max(initial=-1)) + 1)
    cut = math.ceil(ratios[2] * len(order))
    rest = order[cut:][random.permutation(len(order) - cut)]
    inner = math.ceil(ratios[1] * len(rest))
    drawn = {"train": rest[inner:], "val": rest[:inner], "test": order[:cut]}
    for name, part in drawn.items():
        if not len(part):
            raise InputError(f"{len(order)} different texts are too few for ratios {tuple(ratios)}: no {name} part")
    train, val, test = (_members(group, part) for part in drawn.values())
    return train, val, test


def generator(seed: int | None) -> np.random.RandomState:
    """A generator of NumPy's old kind, of its own; InputError if this is not a seed."""
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if seed is not None and not (whole and 0 <= seed < 1 << 32):
        raise InputError(f"seed {seed!r:.60}: expected an integer from 0 to 2**32 - 1")
    return np.random.RandomState(seed)


def _listed(rows: Iterable[Any], size: int) -> np.ndarray:
    kept = [row for row in rows if isinstance(row, (int, np.integer)) and row < size]
    if kept and min(kept) < 0:
        raise InputError(f"row number {min(kept)}: expected one from 0 to {size - 1}")
    return np.array(kept, np.int64)


def _members(group: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The rows of these groups, group by group."""
    by_group = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[by_group], np.arange(len(by_group) + 1))
    return np.concatenate([by_group[starts[number] : starts[number + 1]] for number in wanted]).astype(np.int64)


class BatchSampler:
    """Endless batches of row numbers, int64 (batch_size,), drawn with replacement.

    ``epoch_size`` rows are drawn at a time and handed out in batches; what is left over is dropped. Each `iter` starts
    anew from the seed.

    Args:
        labels: of the rows (N,); only their number matters unless ``upsample``.
        batch_size: rows of a batch.
        epoch_size: rows of a draw.
        upsample: draw half of them from the rows with label 0 and half from those with label 1.
        seed: of the draws; None for another one every time.

    Raises:
        InputError: no rows, a size that does not fit, or labels that cannot be upsampled.

    >>> batches = iter(BatchSampler([0, 1, 1, 0], batch_size=3, epoch_size=6))
    >>> next(batches), next(batches)
    (array([2, 3, 0]), array([2, 2, 3]))
    """

    def __init__(
        self, labels: Any, batch_size: int, epoch_size: int = DRAW, upsample: bool = False, seed: int | None = 42
    ):
        self.labels = np.asarray(labels)
        if not self.labels.ndim or not len(self.labels):
            raise InputError(f"labels of shape {self.labels.shape}: expected one or more, to draw rows from")
        for name, size in {"batch_size": batch_size, "epoch_size": epoch_size}.items():
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
                raise InputError(f"{name} is {size!r:.60}, expected an integer of at least 1")
        if batch_size > epoch_size:
            raise InputError(f"batch_size {batch_size} is more than epoch_size {epoch_size}: a draw has no whole batch")
        self.batch_size, self.epoch_size, self.upsample, self.seed = batch_size, epoch_size, upsample, seed
        generator(seed)
        self._halves = self._two_classes() if upsample else []

    def _two_classes(self) -> list[np.ndarray]:
        if self.labels.ndim != 1 or not np.isin(self.labels, (0, 1)).all():
            raise InputError("upsample: expected labels of 0 and 1, of shape (N,)")
        if self.epoch_size % 2:
            raise InputError(f"upsample: epoch_size {self.epoch_size} is odd, expected an even one")
        halves = [np.flatnonzero(self.labels == label) for label in (0, 1)]
        for label, rows in enumerate(halves):
            if not len(rows):
                raise InputError(f"upsample: no row has label {label}")
        return halves

    def _draw(self, random: np.random.RandomState) -> np.ndarray:
        """Some rows, as whole batches (K, batch_size)."""
        if self.upsample:
            half = self.epoch_size // 2
            drawn = [rows[random.randint(0, len(rows), half, dtype=np.int64)] for rows in self._halves]
            rows = np.concatenate(drawn)[random.permutation(self.epoch_size)]
        else:
            rows = random.randint(0, len(self.labels), self.epoch_size, dtype=np.int64)
        whole = self.epoch_size // self.batch_size
        return rows[: whole * self.batch_size].reshape(whole, self.batch_size)

    def __iter__(self) -> Iterator[np.ndarray]:
        random = generator(self.seed)
        while True:
            yield from self._draw(random)

    def epoch(self) -> np.ndarray:
        """The batches of the first draw (K, batch_size), which torchMoji repeats every epoch.

        >>> BatchSampler([0, 1, 1, 0], batch_size=3, epoch_size=7).epoch()
        array([[2, 3, 0],
               [2, 2, 3]])
        """
        return self._draw(generator(self.seed))

    def __len__(self) -> int:
        """The batches of a draw as torchMoji counts them: with the last, partial one, which it never gives."""
        return math.ceil(self.epoch_size / self.batch_size)


def batch_size_for(maxlen: int) -> int:
    """The original's size of a batch, for texts cut to ``maxlen`` tokens.

    >>> batch_size_for(100), batch_size_for(110)
    (250, 50)
    """
    return 250 if maxlen <= 100 else 50


class Dataset:
    """Labelled texts.

    Args:
        texts: N of them.
        labels: N: class numbers or names (N,), or flags of 0 and 1 for each class (N, C).
        parts: {"train": row numbers, "val": …, "test": …}, or some of these.
        name: for messages and tables.

    Attributes:
        texts: a list of str.
        labels: an array, (N,) or (N, C).
        parts: {name: int64 array}, in the order given.

    Raises:
        InputError: not texts, labels that do not fit, or a row in two parts; names the row.

    >>> data = Dataset(["good", "bad", "fine"], [1, 0, 1], {"train": [2, 0], "test": [1]})
    >>> data
    Dataset('', 3 texts, train 2, test 1)
    >>> data.part("train")
    (['fine', 'good'], array([1, 1]))
    """

    def __init__(self, texts: Any, labels: Any, parts: dict[str, Any] | None = None, name: str = ""):
        self.texts: list[str] = inputs.texts(texts)
        inputs.check_texts(self.texts)
        self.labels = _label_array(labels, len(self.texts))
        self.parts = {part: _row_numbers(part, rows) for part, rows in (parts or {}).items()}
        self.name = name
        self._check_parts()

    @classmethod
    def read(
        cls, path: str | os.PathLike[str], *, text: str = "text", label: str = "label", part: str = "split"
    ) -> Dataset:
        """The texts of a file: one of the original's benchmarks (a pickle, of which nothing is run), or .jsonl, .csv
        or .tsv, also compressed, with columns for the text, the label and the part: train, val or test, or no column.

        Raises:
            InputError: the file cannot be read, or is not one of these; names it and the line.
        """
        from ..batch import names
        from ..files.paths import local

        path = local(path)
        name = os.path.basename(path).split(".")[0]
        if names.split(path)[0] not in (".jsonl", ".ndjson", ".csv", ".tsv", ".tab"):
            from .benchmark_files import read

            texts, labels, lists = read(path)
            if name == "raw":  # the original's files are all called so, each in the folder of its name
                name = os.path.basename(os.path.dirname(os.path.abspath(path)))
            try:
                return cls(texts, labels, dict(zip(PARTS, split(len(texts), lists))), name)
            except InputError as error:
                raise InputError(f"{path}: {error}") from error
        table = _table(path, text, label, part)
        try:
            return cls(*table, name)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def _check_parts(self) -> None:
        owner: dict[int, str] = {}
        for name, rows in self.parts.items():
            if name not in PARTS:
                raise InputError(f"part {name!r:.60}: expected {', '.join(PARTS)}")
            if rows.ndim != 1 or (rows.size and not 0 <= rows.min() <= rows.max() < len(self)):
                raise InputError(f"part {name}: expected row numbers from 0 to {len(self) - 1}")
            for row in rows.tolist():
                if row in owner:
                    raise InputError(f"row {row} is in {owner[row]} and in {name}: expected it in one part, once")
                owner[row] = name

    def divided(self, ratios: Sequence[Any] = RATIOS, seed: int = 0) -> Dataset:
        """The same texts, with the parts that `split` draws."""
        return Dataset(self.texts, self.labels, dict(zip(PARTS, split(self.texts, ratios, seed))), self.name)

    def part(self, name: str) -> tuple[list[str], np.ndarray]:
        """The texts and labels of a part, in its order; InputError if there is no such part."""
        if name not in self.parts:
            raise InputError(f"{self.name or 'the data'}: no part {name!r:.60}, has {', '.join(self.parts) or 'none'}")
        rows = self.parts[name]
        return [self.texts[row] for row in rows], self.labels[rows]

    @cached_property
    def maxlen(self) -> int:
        """The original's length for these texts: the 80th percentile of their raw tokens, up to a multiple of 10."""
        if not self.texts:
            raise InputError(f"{self.name or 'the data'}: no texts")
        lengths = [len(tokenize(text)) for text in self.texts]
        return max(10, math.ceil(np.percentile(lengths, 80.0) / 10.0) * 10)

    @property
    def batch_size(self) -> int:
        """The original's size of a batch for texts of this length."""
        return batch_size_for(self.maxlen)

    @property
    def straddling(self) -> int:
        """How many texts have an equal one (see `groups`) in another part."""
        group = groups(self.texts)
        parts = [np.unique(group[rows]) for rows in self.parts.values()]
        shared = np.concatenate([[], *parts]).astype(np.int64)
        several = np.flatnonzero(np.bincount(shared) > 1) if len(shared) else shared
        return int(np.isin(group, several).sum())

    def coverage(self, tokenizer: Tokenizer) -> dict[str, float]:
        """The share of each part's tokens that the tokenizer's vocabulary knows."""
        return {name: tokenizer.coverage(self.part(name)[0]) for name in self.parts}

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        sizes = [f"{len(self)} texts", *(f"{name} {len(rows)}" for name, rows in self.parts.items())]
        return f"Dataset({self.name!r}, {', '.join(sizes)})"


def _row_numbers(part: str, rows: Any) -> np.ndarray:
    """The rows of a part, int64."""
    found = inputs.rows(rows)
    if not all(isinstance(row, (int, np.integer)) and not isinstance(row, bool) for row in found):
        raise InputError(f"part {part}: expected row numbers, integers")
    return np.array(found, np.int64)


def _label_array(labels: Any, rows: int) -> np.ndarray:
    values = labels.tolist() if isinstance(labels, np.ndarray) else inputs.rows(labels)
    if len(values) != rows:
        raise InputError(f"{rows} texts, but {len(values)} labels: expected as many")
    widths = {len(value) if isinstance(value, inputs.ROW) else -1 for value in values}
    if len(widths) > 1:
        odd = next(row for row, value in enumerate(values) if np.shape(value) != np.shape(values[0]))
        raise InputError(f"row {odd}: label {values[odd]!r:.60} is of another shape than {values[0]!r:.60} of row 0")
    flat = [each for value in values for each in (value if isinstance(value, inputs.ROW) else [value])]
    if any(map(inputs.is_missing, flat)):
        bad = next(row for row, value in enumerate(values) if any(map(inputs.is_missing, np.ravel(value).tolist())))
        raise InputError(f"row {bad}: no label, {values[bad]!r:.60}")
    if len({isinstance(each, str) for each in flat}) > 1:
        raise InputError("labels: strings among numbers, expected labels of one kind")
    return np.array(values) if rows else np.zeros(0, np.int64)


def _table(path: str, text: str, label: str, part: str) -> tuple[list[str], list[Any], dict[str, list[int]]]:
    """Texts, labels and the parts' rows of a file with columns."""
    from ..batch.records import Inputs

    texts: list[str] = []
    labels: list[Any] = []
    parts: dict[str, list[int]] = {name: [] for name in PARTS}
    for record in Inputs([path], column=text, keep=None):
        if record.others.get(label) in (None, ""):
            raise InputError(f"{record.place}: no label, expected a column {label!r} in every row")
        name = record.others.get(part)
        if name is not None:
            if name not in PARTS:
                raise InputError(f"{record.place}: {part} is {name!r:.60}, expected {', '.join(PARTS)}")
            parts[name].append(len(texts))
        texts.append(record.text or "")  # a row without one was an error
        labels.append(record.others[label])
    return texts, labels, {name: rows for name, rows in parts.items() if rows}
