"""What `finetune` is given, made ready: token ids and class numbers of each part, and the vocabulary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import inputs
from ..errors import InputError, VocabularyError
from ..model import Model
from ..text.tokenizer import Tokenizer
from . import words
from .data import groups
from .folds import distinct, held_out
from .labels import Labels, encode

SHARE = 0.1  # of the texts, to validate on if no others are given


class Part(NamedTuple):
    """Rows to train on, or to measure on: token ids (N, T) and class numbers (N,), or 0/1 (N, C)."""

    ids: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


class Prepared(NamedTuple):
    """Everything, ready.

    Attributes:
        classes: the classes' names.
        words: the extended vocabulary; None if it is the model's, or there is none.
        added: how many words were added.
        maxlen: tokens of a text.
        validated_on: what the validation part is, in words.
        digest: SHA-256 of all texts and labels.
    """

    train: Part
    validation: Part
    test: Part | None
    classes: list[str]
    multi_label: bool
    words: dict[str, int] | None
    added: int
    maxlen: int
    validated_on: str
    digest: str


def prepare(
    model: Model,
    texts: Any,
    labels: Any,
    validation: Any,
    test: Any,
    classes: Sequence[Any] | None,
    extend_with: int,
    maxlen: int | None,
    seed: int,
) -> Prepared:
    """Texts or ids with labels, as `finetune` takes them, made ready.

    Raises:
        InputError: rows, labels or settings that do not fit; names the part and the row.
        VocabularyError: texts for a model without a vocabulary.
    """
    given = {"texts": _rows(texts)}
    found = {"texts": encode(labels, classes=classes, count=len(given["texts"]))}
    for name, pair in {"validation": validation, "test": test}.items():
        if pair is not None and not isinstance(pair, (int, float)):
            given[name], found[name] = _pair(name, pair, found["texts"])
    if len({isinstance(rows, list) for rows in given.values()}) > 1:
        raise InputError("texts in one part and token ids in another: expected the same kind in all parts")
    digest = digest_of(given, found)
    validated_on = f"{len(given.get('validation', ()))} texts given"
    if "validation" not in given:
        share = SHARE if validation is None else float(validation)
        held = _held_out(given["texts"], found["texts"], share, seed)
        for name, rows in {"validation": held, "texts": ~held}.items():
            given[name], found[name] = _taken(given["texts"], rows), found["texts"]._replace(
                codes=found["texts"].codes[rows]
            )  # fmt: skip
        validated_on = f"{int(held.sum())} of the texts, {share:.0%} of each class, copies together, seed {seed}"
    tokenizer, vocabulary, added = _vocabulary(model, given["texts"], extend_with, maxlen)
    ids = {name: _ids(model, name, rows, tokenizer) for name, rows in given.items()}
    if len({array.shape[1] for array in ids.values()}) > 1:
        raise InputError(f"token ids of different widths: {', '.join(f'{n} {a.shape}' for n, a in ids.items())}")
    parts = {name: Part(ids[name], found[name].codes) for name in given}
    return Prepared(
        parts["texts"],
        parts["validation"],
        parts.get("test"),
        found["texts"].names,
        found["texts"].multi_label,
        vocabulary,
        added,
        parts["texts"].ids.shape[1],
        validated_on,
        digest,
    )


def _rows(texts: Any) -> list[str] | np.ndarray:
    """Texts as a list, or token ids as an array."""
    rows = inputs.rows(texts)
    if isinstance(rows, list) and not (rows and isinstance(rows[0], inputs.ROW)):
        inputs.check_texts(rows)
        empty = next((row for row, text in enumerate(rows) if not text.strip()), None)
        if empty is not None:
            raise InputError(f"row {empty}: an empty text, expected words to learn from")
        return rows
    return inputs.ids(texts)


def _pair(name: str, pair: Any, like: Labels) -> tuple[list[str] | np.ndarray, Labels]:
    """Texts and labels of a part."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise InputError(f"{name}: expected a pair (texts, labels), got {type(pair).__name__}")
    try:
        rows = _rows(pair[0])
        labels = encode(pair[1], classes=like.classes, count=len(rows))
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    if labels.multi_label != like.multi_label:
        raise InputError(f"{name}: expected {'lists of labels' if like.multi_label else 'one label'} a text")
    return rows, labels


def _held_out(rows: list[str] | np.ndarray, labels: Labels, share: float, seed: int) -> np.ndarray:
    """Which rows become the validation part."""
    same = groups(rows) if isinstance(rows, list) else distinct(row.tobytes() for row in rows)[1]
    return held_out(labels.codes, share, seed, same, labels.names)


def _taken(rows: list[str] | np.ndarray, which: np.ndarray) -> list[str] | np.ndarray:
    return [rows[at] for at in np.flatnonzero(which)] if isinstance(rows, list) else rows[which]


def _vocabulary(
    model: Model, training: list[str] | np.ndarray, extend_with: int, maxlen: int | None
) -> tuple[Tokenizer | None, dict[str, int] | None, int]:
    """The tokenizer for all parts; its words if they are not the model's; how many were added."""
    own = model.tokenizer
    if not isinstance(training, list):
        if extend_with:
            raise InputError("extend_with: token ids hold no words; give texts, or extend_with=0")
        if maxlen is not None and maxlen != training.shape[1]:
            raise InputError(
                f"maxlen {maxlen}: the token ids have {training.shape[1]} a text; give texts, or no maxlen"
            )
        return None, None, 0
    if own is None:
        raise VocabularyError(f"{model.path}: has no vocabulary, so that it takes token ids only; load it with one")
    steps = model.graph.steps
    if maxlen is not None and steps is not None and maxlen != steps:
        raise InputError(f"maxlen {maxlen}: {model.path} takes {steps} tokens a text")
    maxlen = own.maxlen if maxlen is None else maxlen
    if not extend_with:
        return (own if maxlen == own.maxlen else Tokenizer(own.vocabulary, maxlen, own.compat)), None, 0
    larger = words.extended(own.vocabulary, training, extend_with, own.compat, first=model.vocabulary_size)
    added = len(larger) - len(own.vocabulary)
    return Tokenizer(larger, maxlen, own.compat), larger, added


def _ids(model: Model, name: str, rows: list[str] | np.ndarray, tokenizer: Tokenizer | None) -> np.ndarray:
    """Token ids of a part, (N, T)."""
    if not len(rows):
        raise InputError(f"{name}: no rows")
    if isinstance(rows, list):
        assert tokenizer is not None
        return tokenizer(rows)
    try:
        return model.tokens(rows)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def digest_of(given: Mapping[str, list[str] | np.ndarray], labels: Mapping[str, Labels]) -> str:
    """SHA-256 of all rows (texts, token ids or features) and labels, part by part."""
    digest = hashlib.sha256()
    for name, rows in given.items():
        codes = labels[name].codes
        digest.update(json.dumps([name, labels[name].names, list(codes.shape)]).encode())
        digest.update(np.ascontiguousarray(codes, "<i8").tobytes())
        if isinstance(rows, list):
            digest.update(json.dumps(rows).encode())
        else:
            kind = "<i8" if rows.dtype.kind in "iu" else "<f4"
            digest.update(json.dumps(list(rows.shape)).encode() + np.ascontiguousarray(rows, kind).tobytes())
    return digest.hexdigest()
