"""Words, or whole numbers, to their places in a vocabulary, and back."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import InputError, WeightsError
from ..text.fingerprint import bucket
from .base import Layer, Pass, ancestors
from .categories import NOWHERE, Categorical, encoded, integers
from .entry import Checked, Input

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")


class Table:
    """The numbers of the words of a vocabulary: behind those of what is masked (with ``"int"`` only) and of words that
    are not in it.

    Args:
        where: what errors begin with.
        vocabulary: the words, with the mask and those for other words in front, or without all of them.
        special: the mask's word and that for other words; None if there is none.
        others: how many numbers there are for other words.
        mode: what is made of the numbers; ``width`` of it, by default that of the vocabulary.
        idf_weights: for ``"tf_idf"``, of all places, or of the vocabulary as it is given.

    Attributes:
        words: the vocabulary without what is special; ``first`` the number of the first of them.
    """

    def __init__(
        self,
        where: str,
        vocabulary: Sequence[Any],
        special: tuple[Any, Any],
        others: int,
        mode: str,
        width: int | None,
        idf_weights: np.ndarray | None,
    ):
        if mode not in MODES:
            raise WeightsError(f"{where}: output_mode {mode!r:.60}, expected one of {', '.join(MODES)}")
        self.where, self.mode, self.others = where, mode, others
        self.mask, self.other = special
        self.masked = int(self.mask is not None and mode == "int")
        self.first = self.masked + others
        front = [self.mask] * self.masked + [self.other] * others
        has_front = list(vocabulary[: self.first]) == front
        self.words = list(vocabulary[self.first :] if has_front else vocabulary)
        seen: set[Any] = set() if self.mask is None else {self.mask}
        for word in self.words:
            if word in seen:
                raise WeightsError(f"{where}: {word!r:.60} twice in the vocabulary, or its mask in an odd place")
            seen.add(word)
        size = self.first + len(self.words)
        self.width = size if width is None else width
        if self.width < size:
            raise WeightsError(f"{where}: a vocabulary of {size} words with the special ones, expected {width} at most")
        self.idf = self._idf(idf_weights, 0 if has_front else self.first) if mode == "tf_idf" else None

    def _idf(self, given: np.ndarray | None, front: int) -> np.ndarray:
        """The weights of all places: other words have the mean."""
        if given is None or given.shape not in ((self.width,), (self.first + len(self.words) - front,)):
            found = "none" if given is None else f"an array of shape {given.shape}"
            raise WeightsError(f"{self.where}: idf_weights are {found}, expected one for each word")
        if len(given) == self.width:
            return np.asarray(given, np.float32)
        behind = self.width - front - len(given)
        mean = given.mean(dtype=np.float64) if front else 0.0
        return np.float32([*[mean] * front, *given, *[0.0] * behind])

    def numbers(self, key: Any = lambda word: word) -> dict[Any, int]:
        """The numbers by words, each in the form that ``key`` gives it."""
        found = {key(word): number for number, word in enumerate(self.words, self.first)}
        if self.mask is not None:
            found[key(self.mask)] = 0 if self.masked else NOWHERE
        return found

    @property
    def default(self) -> int:
        """The number of other words if there is one number for them, else -1."""
        return self.masked if self.others == 1 else -1

    def encoded(self, ids: np.ndarray) -> np.ndarray:
        """What the layer gives for the numbers (N, T)."""
        if self.mode == "int":
            return ids
        found = encoded(self.where, ids, "count" if self.mode == "tf_idf" else self.mode, self.width)
        return found if self.idf is None else found * self.idf


class Ahead(Categorical):
    """A layer whose numbers are computed for all rows of a call before batches are made: in Python, and as wide as the
    longest row needs."""

    mode = ""
    free = False  # whether its width is that of the longest row

    def _pull_one(self, X: Any, run: Pass) -> tuple[Any, Any]:
        return (X[self], None) if isinstance(X, Checked) and self in X else super()._pull_one(X, run)


def add_numbers(arrays: Checked, layers: Iterable[Layer], run: Pass) -> None:
    """Add to a network's inputs, under the layers themselves, the values of those layers that come ahead of batches:
    they give numbers, and are made of strings without any weights."""
    for layer in layers:
        if isinstance(layer, Ahead) and layer.mode == "int" and all(map(_of_strings, ancestors([layer]))):
            arrays[layer] = layer.compute(arrays, run)


def apart(arrays: Checked) -> list[tuple[np.ndarray, Checked]]:
    """A network's inputs in parts, each with the rows' numbers, so that no row is padded further than it would be
    alone; in one part if none is."""
    free = [layer for layer in arrays if isinstance(layer, Ahead) and layer.free]
    rows = np.arange(len(next(iter(arrays.values()))))
    if not free:
        return [(rows, arrays)]
    widths = np.stack([_widths(arrays[layer]) for layer in free], axis=1)
    kinds, which = np.unique(widths, axis=0, return_inverse=True)
    parts = []
    for kind, least in enumerate(kinds.tolist()):
        some = rows[which.reshape(-1) == kind]
        part = Checked({key: array[some] for key, array in arrays.items()})
        part.update({layer: part[layer][:, :width] for layer, width in zip(free, least)})
        parts.append((some, part))
    return parts


def _widths(ids: np.ndarray) -> np.ndarray:
    """How wide each row alone would be."""
    return np.where(ids != 0, np.arange(1, ids.shape[1] + 1), 1).max(axis=1)


def _of_strings(layer: Layer) -> bool:
    return layer.dtype == "string" if isinstance(layer, Input) else not layer.weights()


class Lookup(Ahead):
    """What `StringLookup` and `IntegerLookup` have in common."""

    invert = False

    def _begin(self, table: Table, salt: tuple[int, int] | None, invert: bool) -> None:
        self.table, self.mode, self.invert = table, table.mode, invert
        self.salt = None if salt is None else (salt[0], salt[1])
        if invert and (table.mode != "int" or table.other is None or table.other in table.words):
            raise WeightsError(
                f"layer {self.name!r}: invert with output_mode {table.mode!r} and the word {table.other!r:.60}"
            )
        self._numbers = table.numbers()

    def _found(self, values: list[Any], shape: tuple[int, ...]) -> np.ndarray:
        numbers, default = self._numbers.get, self.table.default
        ids = np.array([numbers(value, default) for value in values], np.int64).reshape(shape)
        if default < 0:
            for place in np.argwhere(ids < 0):
                ids[tuple(place)] = self._number_of_other(values[np.ravel_multi_index(place, shape)], place)
        return self.table.encoded(ids)

    def _number_of_other(self, value: Any, place: np.ndarray) -> int:
        if not self.table.others:
            raise InputError(
                f"layer {self.name!r}: row {place[0]}: {value!r:.60} is not in its vocabulary, "
                "which has no number for other words"
            )
        return self.table.masked + self._bucket(value, self.table.others)

    def _bucket(self, value: Any, buckets: int) -> int:
        raise NotImplementedError

    def _words(self, ids: np.ndarray, kind: Any) -> np.ndarray:
        """The inverse: the words of numbers."""
        found: list[Hashable] = [self.table.mask] * self.table.masked + [self.table.other] * self.table.others
        words = np.array([*found, *self.table.words, self.table.other], kind)
        return words[np.where((ids >= 0) & (ids < len(words)), ids, len(words) - 1)]


class StringLookup(Lookup):
    """Strings to their numbers in a vocabulary.

    Args:
        vocabulary: the words; with the mask's and those for other words in front, or without them.
        num_oov_indices: how many numbers there are for words that are not in it; of several a hash says which. With 0
            such words are refused.
        mask_token: a word that gets number 0, or in other modes is left out; None: there is none.
        oov_token: what the vocabulary has for other words, and the inverse gives.
        output_mode: ``"int"``: the numbers, int64, in the shape of the input; ``"one_hot"``, ``"multi_hot"`` and
            ``"count"`` as `CategoryEncoding`; ``"tf_idf"``: counts times weights.
        width: of the output in these modes, by default the size of the vocabulary.
        idf_weights: float32, for each word of the vocabulary as it is given, or for each place of the output.
        salt: two numbers, the key of SipHash; without them the hash is FarmHash's fingerprint.
        invert: from numbers to strings, an array of objects.

    >>> words = npmoji.StringLookup(npmoji.Input(dtype="string"), ["a", "b"])
    >>> words(["b", "c"])
    array([2, 0])
    """

    def __init__(
        self,
        previous: Layer,
        vocabulary: Sequence[str],
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str | None = "[UNK]",
        output_mode: str = "int",
        width: int | None = None,
        idf_weights: np.ndarray | None = None,
        salt: tuple[int, int] | None = None,
        invert: bool = False,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        special, where = (mask_token, oov_token), f"layer {self.name!r}"
        table = Table(where, vocabulary, special, num_oov_indices, output_mode, width, idf_weights)
        self._begin(table, salt, invert)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if self.invert:
            return self._words(integers(x), object)
        if x.dtype.kind != "O":
            raise WeightsError(f"layer {self.name!r}: its input is an array of {x.dtype}, expected strings")
        return self._found(x.ravel().tolist(), x.shape)

    def _bucket(self, value: str, buckets: int) -> int:
        return bucket(value.encode("utf-8", "surrogatepass"), buckets, self.salt)


class IntegerLookup(Lookup):
    """Whole numbers to their places in a vocabulary of such.

    Args:
        vocabulary: the numbers; with ``mask_token`` and ``oov_token`` in front, or without them.
        num_oov_indices, mask_token, oov_token, output_mode, width, idf_weights, invert: as `StringLookup` takes them.
        oov_method: which of several places another number gets: ``"floormod"``, the number modulo so many, or
            ``"farmhash"``, by a hash of its digits.
        salt: for the latter, as `StringLookup` takes it.

    >>> places = npmoji.IntegerLookup(npmoji.Input(), [12, 1138])
    >>> places(np.array([[1138, 7]]))
    array([[2, 0]])
    """

    def __init__(
        self,
        previous: Layer,
        vocabulary: Sequence[int],
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        output_mode: str = "int",
        width: int | None = None,
        idf_weights: np.ndarray | None = None,
        oov_method: str = "floormod",
        salt: tuple[int, int] | None = None,
        invert: bool = False,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        special, where = (mask_token, oov_token), f"layer {self.name!r}"
        table = Table(where, vocabulary, special, num_oov_indices, output_mode, width, idf_weights)
        self.oov_method = oov_method
        self._begin(table, salt, invert)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if x.dtype.kind == "O":
            raise WeightsError(f"layer {self.name!r}: its input is of strings, expected whole numbers")
        ids = integers(x)
        return self._words(ids, np.int64) if self.invert else self._found(ids.ravel().tolist(), ids.shape)

    def _bucket(self, value: int, buckets: int) -> int:
        return value % buckets if self.oov_method == "floormod" else bucket(str(value).encode(), buckets, self.salt)
