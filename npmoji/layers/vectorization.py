"""Texts to the numbers of their words."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer
from .lookup import Ahead, Table

PUNCTUATION = string.punctuation.encode()
LOWER = bytes(range(256)).lower()  # of ASCII letters alone
#: by name, the bytes that take the place of all others, and those that are deleted
STANDARDIZE: dict[str | None, tuple[bytes | None, bytes]] = {
    "lower_and_strip_punctuation": (LOWER, PUNCTUATION),
    "lower": (LOWER, b""),
    "strip_punctuation": (None, PUNCTUATION),
    None: (None, b""),
}
SPLIT = ("whitespace", "character", None)

Tokens = list[bytes] | list[str]


class TextVectorization(Ahead):
    """Texts (N,) or (N, 1) to the numbers of their words, int32 (N, T): 0 is padding, 1 stands for all other words.

    Letters, punctuation and white space mean those of ASCII: ``É`` stays as it is, a no-break space separates nothing.

    Args:
        vocabulary: the words, with ``""`` (in other modes than ``"int"`` without) and ``"[UNK]"`` in front, or without.
        standardize: ``"lower_and_strip_punctuation"``, ``"lower"``, ``"strip_punctuation"`` or None; or a function of
            the text.
        split: ``"whitespace"``, ``"character"`` or None, which takes rows of words (N, T) as they are; or a function of
            the text that gives a list of words.
        ngrams: also the sequences of up to so many words, joined by spaces; or a tuple of how many.
        output_mode: ``"int"``, ``"multi_hot"``, ``"count"``, ``"tf_idf"``, see `StringLookup`.
        output_sequence_length: T; by default as many as the longest text of the call has, at least 1.
        width, idf_weights: as `StringLookup` takes them.

    >>> numbers = npmoji.TextVectorization(npmoji.Input(dtype="string"), ["good", "food"])
    >>> numbers(["Good, good food!", "bad"]).tolist()
    [[2, 2, 3], [1, 0, 0]]
    """

    def __init__(
        self,
        previous: Layer,
        vocabulary: Sequence[str],
        standardize: str | Callable[[str], str] | None = "lower_and_strip_punctuation",
        split: str | Callable[[str], list[str]] | None = "whitespace",
        ngrams: int | tuple[int, ...] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        width: int | None = None,
        idf_weights: np.ndarray | None = None,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        where = f"layer {self.name!r}"
        for label, value, known in (("standardize", standardize, STANDARDIZE), ("split", split, SPLIT)):
            if not callable(value) and value not in known:
                raise WeightsError(f"{where}: {label} {value!r:.60}, expected one of {', '.join(map(repr, known))}")
        if output_mode == "one_hot":
            raise WeightsError(f"{where}: output_mode 'one_hot', expected int, multi_hot, count or tf_idf")
        self.standardize, self.split, self.mode = standardize, split, output_mode
        self.ngrams = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams
        self.length = output_sequence_length
        self.free = output_mode == "int" and split is not None and output_sequence_length is None
        self.table = Table(where, vocabulary, ("", "[UNK]"), 1, output_mode, width, idf_weights)
        self._changed = (None, b"") if callable(standardize) else STANDARDIZE[standardize]
        # words beyond those that are wanted need not be looked for
        self._most = -1 if self.length is None or self.ngrams else self.length
        self._numbers = self.table.numbers(str if split == "character" else _bytes)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if x.dtype.kind != "O":
            raise WeightsError(f"layer {self.name!r}: its input is an array of {x.dtype}, expected strings")
        if self.split is None:
            return self._of_words(x)
        if x.ndim > 1 and x.shape[1:] != (1,):
            raise WeightsError(f"layer {self.name!r}: its input has shape {x.shape}, expected (rows,) or (rows, 1)")
        rows: list[Tokens] = list(map(self._tokens, x.ravel().tolist()))
        return self._encoded(rows if self.ngrams is None else list(map(self._grams, rows)))

    def _of_words(self, x: np.ndarray) -> np.ndarray:
        """The numbers of rows of words."""
        if x.ndim == 2:
            return self._encoded([self._grams(list(map(self._standard, row))) for row in x.tolist()])
        if x.ndim != 1 or self.ngrams or self.length or self.mode != "int":
            raise WeightsError(f"layer {self.name!r}: its input has shape {x.shape}, expected (rows, words)")
        return self._encoded([[self._standard(word)] for word in x.tolist()])[:, 0]

    def _standard(self, text: str) -> bytes:
        """The text as it is split."""
        if callable(self.standardize):
            return _bytes(self.standardize(text))
        return text.encode("utf-8", "surrogatepass").translate(*self._changed)

    def _tokens(self, text: str) -> Tokens:
        found = self._standard(text)
        if self.split == "whitespace":
            return found.split(None, self._most)
        text = found.decode("utf-8", "surrogatepass")
        return list(text) if self.split == "character" else list(map(_bytes, self.split(text)))

    def _grams(self, tokens: Tokens) -> Tokens:
        """The sequences of as many words as are wanted, the first number of words first."""
        if self.ngrams is None:
            return tokens
        space: Any = " " if self.split == "character" else b" "
        return [space.join(tokens[i : i + n]) for n in self.ngrams for i in range(len(tokens) - n + 1)]

    def _encoded(self, rows: list[Any]) -> np.ndarray:
        """The numbers of lists of words, padded to one length with what is left out in other modes."""
        numbers, other = self._numbers.get, self.table.default
        if self.length is not None:
            rows = [row[: self.length] for row in rows]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        T = max(1, lengths.max(initial=0)) if self.length is None else self.length
        pad = self._numbers[""] if self.split == "character" else self._numbers[b""]
        ids = np.full((len(rows), T), pad, np.int32 if self.mode == "int" else np.int64)
        flat = map(numbers, chain.from_iterable(rows), repeat(other))
        ids[np.arange(T) < lengths[:, None]] = np.fromiter(flat, ids.dtype, lengths.sum())
        return self.table.encoded(ids)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
