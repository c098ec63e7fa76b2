"""What is computed for each text of a table: which columns, of what kinds, and their values.

Nothing here knows what kind of table it is, or needs pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from ..errors import InputError, VocabularyError
from ..inputs import not_a_text

if TYPE_CHECKING:
    from ..display import Progress
    from ..model import Model

#: what can be asked for
WHAT = ("top", "probabilities", "features", "attention", "tokens")


class Lists:
    """A column of lists: one per row, of any length, or None.

    Args:
        values: the items of all lists, one after the other: an array, or a list of strings.
        lengths: of each row's list; -1 for None.

    >>> from npmoji.corpora.results import Lists
    >>> list(Lists(["so", "good"], np.array([2, -1, 0])))
    [['so', 'good'], None, []]
    """

    def __init__(self, values: np.ndarray | list[str], lengths: np.ndarray):
        self.values, self.lengths = values, lengths
        self.offsets = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> Any:
        """The row's list, part of ``values``; None where there is none."""
        if self.lengths[row] < 0:
            return None
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))


#: the values of a column
Column: TypeAlias = np.ndarray | Lists


class Results:
    """The columns that are computed with a model.

    Args:
        model: as `npmoji.load` gives it. Its engine computes; results are the same bits in any block with "numba" only.
        what: one of `WHAT`, or several as a list, whose columns come in that order:
            ``"top"``: ``emoji_1`` to ``emoji_k``, the most likely emojis or the names of one's own classes (where a
            class has no name, its number), and ``p_1`` to ``p_k``, their probabilities;
            ``"probabilities"``: a list, as `Model.predict` gives it; ``"features"``: a list, as `Model.encode`;
            ``"attention"``: ``tokens``, the words that were looked up, and ``attention``, the weight of each;
            ``"tokens"``: ``n_tokens``, how many the text has, and ``cut``, whether these are more than the model takes.
        top: k; less if there are fewer classes.

    Attributes:
        fields: (name, kind) of each column; kinds are "string", "float32", "int32", "bool", "list<float32>" and
            "list<string>".

    Raises:
        InputError: ``what`` or ``top`` is not one of these, or the network cannot give it.
        VocabularyError: the model has no vocabulary.

    >>> from npmoji.corpora.results import Results
    >>> Results(npmoji.load(engine="numpy"), ["top", "features"], top=1).fields
    [('emoji_1', 'string'), ('p_1', 'float32'), ('features', 'list<float32>')]
    """

    def __init__(self, model: Model, what: str | Sequence[str] = "top", top: int = 5):
        self.model, self.what = model, asked(what)
        check_top(top)
        if model.takes_texts and (odd := {"attention", "tokens"}.intersection(self.what)):
            raise InputError(f"{model.path}: this network splits texts itself, expected no {' or '.join(sorted(odd))}")
        if model.tokenizer is None and not model.takes_texts:
            raise VocabularyError(f"{model.path}: this model has no vocabulary, and takes no texts")
        self.top = min(top, len(model.class_names) or model.classes)
        needed = ("probabilities" if name == "top" else name for name in self.what if name != "tokens")
        self._needed = tuple(dict.fromkeys(needed))
        found = model.results([], self._needed)  # what the network cannot give is told now
        if "probabilities" in found:
            model.ranked(found["probabilities"])
        self.fields: list[tuple[str, str]] = [field for name in self.what for field in self._fields(name)]

    def _fields(self, name: str) -> list[tuple[str, str]]:
        ranks = range(1, self.top + 1)
        return {
            "top": [(f"emoji_{i}", "string") for i in ranks] + [(f"p_{i}", "float32") for i in ranks],
            "probabilities": [("probabilities", "list<float32>")],
            "features": [("features", "list<float32>")],
            "attention": [("tokens", "list<string>"), ("attention", "list<float32>")],
            "tokens": [("n_tokens", "int32"), ("cut", "bool")],
        }[name]

    def compute(self, texts: Sequence[str | None]) -> dict[str, Column]:
        """The columns' values: an array, of objects for strings, or `Lists`, with an item for each of the texts.

        Equal texts are computed once. A column is null exactly where the text is None: lists and strings are None
        there, other values have no meaning (NaN, 0, False).

        Raises:
            InputError: an item that is neither a str nor None; names its row.

        >>> from npmoji.corpora.results import Results
        >>> columns = Results(npmoji.load(engine="numpy"), top=1).compute(["I love mom's cooking", None])
        >>> columns["emoji_1"].tolist()
        ['😋', None]
        """
        return self.finish(self.prepare(texts))

    def prepare(self, texts: Sequence[str | None]) -> Prepared:
        """The first half of `compute`: the distinct texts' token ids. The second may run at the same time for other
        texts."""
        distinct: dict[str, int] = {}
        which = np.full(len(texts), -1)
        for row, text in enumerate(texts):
            if text is not None:
                if not isinstance(text, str):
                    raise not_a_text(row, text)
                which[row] = distinct.setdefault(text, len(distinct))
        some = list(distinct)
        return Prepared(some, which, self.model.rows(some))

    def finish(self, prepared: Prepared, told: Progress = False) -> dict[str, Column]:
        """The second half of `compute`; ``told`` is a function to call as `Model.results` does."""
        found = self.model.apart(prepared.ids, self._needed, progress=told)
        place = Places(prepared.which)
        return {
            name: column
            for part in self.what
            for name, column in self._columns(part, prepared.texts, found, place).items()
        }

    def _columns(self, name: str, texts: list[str], found: dict[str, Any], place: Places) -> dict[str, Column]:
        if name == "top":
            return self._top(found["probabilities"], place)
        if name == "attention":
            return self._attention(texts, found["attention"], place)
        if name == "tokens":
            counts = np.array([self.model.tokenizer.count(text) for text in texts], np.int32)
            return {
                "n_tokens": place.spread(counts, 0),
                "cut": place.spread(counts > self.model.tokenizer.maxlen, False),
            }
        return {name: place.lists(found[name])}

    def _top(self, probabilities: np.ndarray, place: Places) -> dict[str, Column]:
        ids, p = self.model.ranked(probabilities, self.top)
        labels = self.model.labels or [str(number) for number in range(self.model.classes)]
        names = np.array(labels, object)[ids]
        columns: dict[str, Column] = {}
        for label, values, missing in (("emoji", names, None), ("p", p, np.nan)):
            columns |= {f"{label}_{i + 1}": place.spread(values[:, i], missing) for i in range(self.top)}
        return columns

    def _attention(self, texts: list[str], weights: np.ndarray, place: Places) -> dict[str, Column]:
        tokenizer = self.model.tokenizer
        tokens = [tokenizer.words(text, tokenizer.maxlen) for text in texts]
        lengths = np.array([len(some) for some in tokens], np.int64)
        return {"tokens": place.ragged_strings(tokens), "attention": place.lists(weights, lengths)}


class Prepared(NamedTuple):
    """Texts on the way to their results.

    Attributes:
        texts, ids: the distinct texts, and what the model takes for them, see `Model.rows`.
        which: of the distinct ones each row has, -1 for none.
    """

    texts: list[str]
    which: np.ndarray
    ids: np.ndarray


class Places:
    """Where the results of distinct texts belong: ``which`` of them each row has, -1 for none."""

    def __init__(self, which: np.ndarray):
        self.which, self.rows = which, which >= 0
        self.taken = which[self.rows]

    def spread(self, values: np.ndarray, missing: Any) -> np.ndarray:
        """The value of each row, (N,), or ``missing``."""
        out = np.full(len(self.which), missing, values.dtype)
        out[self.rows] = values[self.taken]
        return out

    def lists(self, matrix: np.ndarray, lengths: np.ndarray | None = None) -> Lists:
        """The row of the matrix for each row, or the first ``lengths`` items of it."""
        width = matrix.shape[1]
        lengths = np.full(len(matrix), width) if lengths is None else lengths
        values = matrix[self.taken]
        valid = np.arange(width) < lengths[self.taken, None]
        return Lists(values.reshape(-1) if valid.all() else values[valid], self._lengths(lengths))

    def ragged_strings(self, lists: list[list[str]]) -> Lists:
        """The list for each row."""
        values = list(chain.from_iterable(lists[i] for i in self.taken.tolist()))
        return Lists(values, self._lengths(np.array([len(some) for some in lists], np.int64)))

    def _lengths(self, lengths: np.ndarray) -> np.ndarray:
        return self.spread(lengths, -1)


def joined(columns: Sequence[Column]) -> Column:
    """One column of several blocks', at least one.

    >>> from npmoji.corpora.results import joined
    >>> joined([np.array([1, 2]), np.array([3])]).tolist()
    [1, 2, 3]
    """
    if len(columns) == 1:
        return columns[0]
    arrays = [column for column in columns if not isinstance(column, Lists)]
    if arrays:
        return np.concatenate(arrays)
    lists = [column for column in columns if isinstance(column, Lists)]
    lengths = np.concatenate([column.lengths for column in lists])
    if isinstance(lists[0].values, list):
        return Lists(list(chain.from_iterable(column.values for column in lists)), lengths)
    return Lists(np.concatenate([column.values for column in lists]), lengths)


def asked(what: Any) -> tuple[str, ...]:
    """What is asked for, as a tuple.

    Raises:
        InputError: an unknown name, one name twice, or none.

    >>> from npmoji.corpora.results import asked
    >>> asked("top"), asked(["top", "tokens"])
    (('top',), ('top', 'tokens'))
    """
    names = (what,) if isinstance(what, str) else what
    if not isinstance(names, (list, tuple)) or not names:
        raise InputError(f"what {what!r:.60}: expected one of {', '.join(WHAT)}, or a list of them")
    for place, name in enumerate(names):
        if name not in WHAT:
            raise InputError(f"what {name!r:.60}: expected one of {', '.join(WHAT)}, or a list of them")
        if name in names[:place]:
            raise InputError(f"what: {name!r} is there twice")
    return tuple(names)


def check_top(top: Any) -> None:
    """Raise an InputError unless ``top`` is a number of classes."""
    if isinstance(top, bool) or not isinstance(top, (int, np.integer)) or top < 1:
        raise InputError(f"top {top!r:.60}: expected an integer of at least 1")
