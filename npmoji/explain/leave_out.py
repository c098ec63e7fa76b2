"""What each word does to the probabilities: for each word of a text, the text is computed once more without it.

All variants of many texts are computed together. What comes out for a row does not depend on the rows beside it, so the
differences are those of what `predict` gives for the rows one by one, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import inputs
from ..classes import Classes
from ..inputs import Floats
from ..text.vocabulary import UNKNOWN
from .explanation import Explanation
from .suited import check, check_probabilities
from .targets import Target, find

if TYPE_CHECKING:
    from ..display import Progress, Told
    from ..model import Model
    from ..text.alignment import Aligned

BATCH = 1 << 21  # bytes of ids and results held at once: some thousand rows of 30 words and 64 classes


class Found(NamedTuple):
    """Of a text of K words that the model takes.

    Attributes:
        probabilities: of all classes, float32 (C,).
        contributions: of each word to each class, float32 (K, C).
        attention: on each word, float32 (K,), or None.
    """

    probabilities: Floats
    contributions: Floats
    attention: Floats | None


class Piece(NamedTuple):
    """Words of a text to be left out, one at a time: from ``start`` to ``stop`` of its first K."""

    text: int
    start: int
    stop: int
    K: int

    @property
    def rows(self) -> int:
        """How many rows it takes: the whole text, and one for each of the words."""
        return 1 + self.stop - self.start


def explain(
    model: Model, texts: inputs.Inputs, target: Target = None, *, progress: Progress = False
) -> list[Explanation]:
    """What `Model.explain` gives."""
    check(model)
    rows = inputs.texts(texts)
    inputs.check_texts(rows)
    classes = Classes(model.class_names, model.labels, model.multi_label, model.own_classes)
    if target is not None:
        target = find(target, classes, len(classes.names) or model.classes)  # told now, not when all is computed
    ids = model.tokens(rows)
    if not rows:
        return []
    spans = [model.tokenizer.spans(text) for text in rows]
    lengths = [min(len(some), model.tokenizer.maxlen) for some in spans]
    found = _told(model, classes, ids, lengths, progress)
    known = _known(model.tokenizer, ids, spans)
    return [
        Explanation.of(text, some, flags, *one, target, classes)
        for text, some, flags, one in zip(rows, spans, known, found)
    ]


def _known(tokenizer: Any, ids: np.ndarray, spans: list[list[Aligned]]) -> Iterator[list[bool]]:
    """Of each text whether the vocabulary has its words, also those that the model does not take."""
    for row, some in zip(ids, spans):
        known = (row[: len(some)] != UNKNOWN).tolist()
        yield known + [span.word in tokenizer.vocabulary for span in some[len(known) :]]


def _told(model: Model, classes: Classes, ids: np.ndarray, lengths: Sequence[int], progress: Progress) -> list[Found]:
    """Of all texts, telling how far the work has come."""
    if progress is False:
        return list(computed(model, classes, ids, lengths))
    from ..display import telling

    with telling(progress) as told:
        return list(computed(model, classes, ids, lengths, told))


def computed(
    model: Model, classes: Classes, ids: np.ndarray, lengths: Sequence[int], told: Told | None = None
) -> Iterator[Found]:
    """Of each text, in order.

    Args:
        ids: of the texts, (N, T), as the model takes them.
        lengths: how many of each text's ids are words'.
        told: called after each batch, with the texts done and all texts.
    """
    what = ["probabilities", "attention"] if model.features else ["probabilities"]
    N, T = ids.shape
    row_bytes = T * (ids.itemsize + 4) + 4 * max(1, model.classes)
    parts: list[Floats] = []  # contributions of a text that is too long for one batch
    for batch in batches(lengths, max(2, BATCH // row_bytes)):
        # The engine "auto" may be another one for the next batch: each compares with its own computing of the text.
        found = model.results(np.concatenate([variants(ids[piece.text], piece) for piece in batch]), what)
        check_probabilities(model, found["probabilities"])
        p, attention = classes.all(found["probabilities"]), found.get("attention")
        at = 0
        for piece in batch:
            whole = p[at]
            parts.append(whole - p[at + 1 : at + piece.rows])
            if piece.stop == piece.K:
                weights = attention[at, : piece.K].copy() if np.shape(attention) == (len(p), T) else None
                yield Found(whole.copy(), np.concatenate(parts), weights)
                parts = []
            at += piece.rows
        if told is not None:
            told(piece.text + (piece.stop == piece.K), N)


def batches(lengths: Iterable[int], most: int) -> Iterator[list[Piece]]:
    """The words of all texts, in batches of at most so many rows; only texts that need more by themselves are split."""
    batch: list[Piece] = []
    rows = 0
    for text, K in enumerate(lengths):
        for start in range(0, max(K, 1), most - 1):
            piece = Piece(text, start, min(start + most - 1, K), K)
            if batch and rows + piece.rows > most:
                yield batch
                batch, rows = [], 0
            batch.append(piece)
            rows += piece.rows
    if batch:
        yield batch


def variants(row: np.ndarray, piece: Piece) -> np.ndarray:
    """The ids of a text, and those without each of the words: what follows it moves up, 0 fills the end."""
    T = len(row)
    rows = np.tile(row, (piece.rows, 1))
    left_out, steps = np.arange(piece.start, piece.stop)[:, None], np.arange(T - 1)
    rows[1:, :-1] = row[steps + (steps >= left_out)]
    rows[1:, -1] = 0
    return rows
