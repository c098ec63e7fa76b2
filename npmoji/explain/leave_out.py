"""What each word does to the probabilities: for each word of a text, the text is computed once more without it.

All variants of many texts are computed together. With the numba engine what comes out for a row does not depend on the
rows beside it, so the differences are those of what `predict` gives for the rows one by one, bit for bit. With the
others the last bits do, as those of `predict`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import inputs
from ..classes import Classes, mean
from ..inputs import Floats
from ..text.vocabulary import UNKNOWN
from .explanation import Explanation, Explanations
from .suited import check, check_probabilities, check_words
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


class Question(NamedTuple):
    """Texts to be explained by some models, ready to be computed.

    Attributes:
        target: the class to explain, by its number if it is known how many there are; None: each text's own best.
        ids: of the texts, (N, T), as each of the models takes them.
        spans: all words of each text.
        lengths: how many of them the models take.
    """

    texts: list[str]
    target: Target
    classes: Classes
    ids: list[np.ndarray]
    spans: list[list[Aligned]]
    lengths: list[int]


def explain(
    models: Sequence[Model], texts: inputs.Inputs, target: Target = None, *, progress: Progress = False
) -> Explanations:
    """What `Model.explain` gives; for several models, of the mean of their probabilities."""
    question = asked(models, texts, target)
    if not question.texts:
        return Explanations()
    return explained(models, question, _told(models, question.classes, question.ids, question.lengths, progress))


def asked(models: Sequence[Model], texts: inputs.Inputs, target: Target = None) -> Question:
    """What has to be computed, with everything checked that can be before."""
    for model in models:
        check(model)
    rows = inputs.texts(texts)
    inputs.check_texts(rows)
    first = models[0]
    classes = Classes(first.class_names, first.labels, first.multi_label, first.own_classes)
    if target is not None and (count := len(classes.names) or first.classes):
        target = find(target, classes, count)  # told now, not when all is computed
    ids = [model.tokens(rows) for model in models]
    if not rows:
        return Question([], target, classes, ids, [], [])
    check_words(models)
    spans = [first.tokenizer.spans(text) for text in rows]
    lengths = [min(len(some), first.tokenizer.maxlen) for some in spans]
    return Question(rows, target, classes, ids, spans, lengths)


def explained(models: Sequence[Model], question: Question, found: Iterable[Found]) -> Explanations:
    """The explanations, given what was computed for each text."""
    known = _known(models, question.ids, question.spans)
    return Explanations(
        Explanation.of(text, some, flags, *one, question.target, question.classes)
        for text, some, flags, one in zip(question.texts, question.spans, known, found)
    )


def _known(models: Sequence[Model], ids: list[np.ndarray], spans: list[list[Aligned]]) -> Iterator[list[bool]]:
    """Of each text whether all vocabularies have its words, also those that the models do not take."""
    unknown = np.logical_or.reduce([some == UNKNOWN for some in ids])
    for row, some in zip(unknown, spans):
        rest = (span.word for span in some[len(row) :])
        beyond = [all(word in model.tokenizer.vocabulary for model in models) for word in rest]
        yield (~row[: len(some)]).tolist() + beyond


def _told(
    models: Sequence[Model], classes: Classes, ids: list[np.ndarray], lengths: Sequence[int], progress: Progress
) -> list[Found]:
    """Of all texts, telling how far the work has come."""
    if progress is False:
        return list(computed(models, classes, ids, lengths))
    from ..display import telling

    with telling(progress) as told:
        return list(computed(models, classes, ids, lengths, told))


def computed(
    models: Sequence[Model], classes: Classes, ids: list[np.ndarray], lengths: Sequence[int], told: Told | None = None
) -> Iterator[Found]:
    """Of each text, in order.

    Args:
        ids: of the texts, (N, T), as each of the models takes them.
        lengths: how many of each text's ids are words'.
        told: called after each batch, with the texts done and all texts.
    """
    N, T = ids[0].shape
    row_bytes = T * (ids[0].itemsize + 4) + 4 * max(1, models[0].classes)
    parts: list[Floats] = []  # contributions of a text that is too long for one batch
    for batch in batches(lengths, max(2, BATCH // row_bytes)):
        # The engine "auto" may be another one for the next batch: each compares with its own computing of the text.
        p, attention = _results(models, [rows_of(some, batch) for some in ids])
        for piece, one in zip(batch, taken_apart(classes, batch, p, attention)):
            parts.append(one.contributions)
            if piece.stop == piece.K:
                yield one._replace(contributions=np.concatenate(parts))
                parts = []
        if told is not None:
            told(piece.text + (piece.stop == piece.K), N)


def _results(models: Sequence[Model], rows: list[np.ndarray]) -> tuple[Floats, Floats | None]:
    """Probabilities, (N, C), and attention, (N, T), or None if not all models have one for each word."""
    probabilities, attention = [], []
    for model, ids in zip(models, rows):
        found = model.results(ids, needed(model))
        check_probabilities(model, found["probabilities"])
        probabilities.append(found["probabilities"])
        if model.features and found["attention"].shape == ids.shape:
            attention.append(found["attention"])
    return mean(probabilities), mean(attention) if len(attention) == len(models) else None


def needed(model: Model) -> list[str]:
    """The results that an explanation is made of, as `Model.results` takes them."""
    return ["probabilities", "attention"] if model.features else ["probabilities"]


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


def rows_of(ids: np.ndarray, batch: Sequence[Piece]) -> np.ndarray:
    """All that has to be computed for these pieces of texts with these ids, (N, T)."""
    return np.concatenate([variants(ids[piece.text], piece) for piece in batch])


def taken_apart(classes: Classes, batch: Sequence[Piece], p: Floats, attention: Floats | None) -> Iterator[Found]:
    """Of each of the pieces, what was computed for their `rows_of`: probabilities, (N, C), and attention, (N, T)."""
    p, at = classes.all(p), 0
    for piece in batch:
        weights = None if attention is None else attention[at, : piece.K].copy()
        yield Found(p[at].copy(), p[at] - p[at + 1 : at + piece.rows], weights)
        at += piece.rows


def variants(row: np.ndarray, piece: Piece) -> np.ndarray:
    """The ids of a text, and those without each of the words: what follows it moves up, 0 fills the end."""
    T = len(row)
    rows = np.tile(row, (piece.rows, 1))
    left_out, steps = np.arange(piece.start, piece.stop)[:, None], np.arange(T - 1)
    rows[1:, :-1] = row[steps + (steps >= left_out)]
    rows[1:, -1] = 0
    return rows
