"""What `finetune` is given, made ready: token ids and class numbers of each part, and the vocabulary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .. import inputs
from ..errors import InputError, VocabularyError
from ..layers import Checked
from ..model import Model
from ..text.tokenizer import Tokenizer
from . import words
from .data import groups
from .folds import distinct, held_out
from .labels import Labels, encode
from .loop import some

SHARE = 0.1  # of the texts, to validate on if no others are given


Rows: TypeAlias = list[str] | Checked  # texts, or whatever else the network takes, as arrays


class Part(NamedTuple):
    """Rows to train on, or to measure on: the inputs' arrays by name, and class numbers (N,), or 0/1 (N, C)."""

    ids: Checked
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, rows: np.ndarray) -> Part:
        """Some of the rows."""
        return Part(some(self.ids, rows), self.labels[rows])


class Prepared(NamedTuple):
    """Everything, ready.

    Attributes:
        classes: the classes' names.
        words: the extended vocabulary; None if it is the model's, or there is none.
        added: how many words were added.
        maxlen: tokens of a text; 0 for a network without.
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
    extend_with: int | None,
    maxlen: int | None,
    seed: int,
    extended: int = 0,
) -> Prepared:
    """Texts or ids with labels, as `finetune` takes them, made ready.

    Args:
        extended: ``extend_with`` for texts, if it is not given.

    Raises:
        InputError: rows, labels or settings that do not fit; names the part and the row.
        VocabularyError: texts for a model without a vocabulary.
    """
    given = {"texts": _rows(model, texts)}
    found = {"texts": encode(labels, classes=classes, count=_count(given["texts"]))}
    for name, pair in {"validation": validation, "test": test}.items():
        if pair is not None and not isinstance(pair, (int, float)):
            given[name], found[name] = _pair(model, name, pair, found["texts"])
    if len({isinstance(rows, list) for rows in given.values()}) > 1:
        raise InputError("texts in one part and token ids in another: expected the same kind in all parts")
    digest = digest_of(given, found)
    if "validation" in given:
        validated_on = f"{_count(given['validation'])} texts given"
    else:
        share, rows, known = SHARE if validation is None else float(validation), given["texts"], found["texts"]
        held = held_out(known.codes, share, seed, _groups(rows), known.names)
        for name, which in {"validation": held, "texts": ~held}.items():
            given[name], found[name] = _taken(rows, which), known._replace(codes=known.codes[which])
        validated_on = f"{int(held.sum())} of the texts, {share:.0%} of each class, copies together, seed {seed}"
    if extend_with is None and isinstance(given["texts"], list):
        extend_with = extended
    tokenizer, vocabulary, added = _vocabulary(model, given["texts"], extend_with, maxlen)
    ids = {name: _ids(model, name, rows, tokenizer) for name, rows in given.items()}
    if len({tuple(array.shape[1:] for array in arrays.values()) for arrays in ids.values()}) > 1:
        raise InputError("arrays of another width in one part than in another: expected rows of one length")
    parts = {name: Part(ids[name], found[name].codes) for name in given}
    tokens = token_input(model)
    return Prepared(
        parts["texts"],
        parts["validation"],
        parts.get("test"),
        found["texts"].names,
        found["texts"].multi_label,
        vocabulary,
        added,
        parts["texts"].ids[tokens].shape[1] if tokens else 0,
        validated_on,
        digest,
    )


def token_input(model: Model) -> str:
    """The name of the input of token ids; empty if there is none."""
    return next((layer.name for layer in model.graph.inputs if layer.vocabulary_size is not None), "")


def _rows(model: Model, texts: Any) -> Rows:
    """Texts as a list, or what else the network takes, checked."""
    if len(model.graph.inputs) > 1 or inputs.is_named(texts):
        return model.arrays(texts)
    rows = inputs.rows(texts)
    if isinstance(rows, list) and not (rows and isinstance(rows[0], inputs.ROW)):
        inputs.check_texts(rows)
        empty = next((row for row, text in enumerate(rows) if not text.strip()), None)
        if empty is not None:
            raise InputError(f"row {empty}: an empty text, expected words to learn from")
        return rows
    return model.arrays(rows)


def _count(rows: Rows) -> int:
    return len(rows if isinstance(rows, list) else next(iter(rows.values())))


def _pair(model: Model, name: str, pair: Any, like: Labels) -> tuple[Rows, Labels]:
    """Texts and labels of a part."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise InputError(f"{name}: expected a pair (texts, labels), got {type(pair).__name__}")
    try:
        rows = _rows(model, pair[0])
        labels = encode(pair[1], classes=like.classes, count=_count(rows))
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    if labels.multi_label != like.multi_label:
        raise InputError(f"{name}: expected {'lists of labels' if like.multi_label else 'one label'} a text")
    return rows, labels


def _groups(rows: Rows) -> np.ndarray:
    """A number for each row, the same for equal ones."""
    if isinstance(rows, list):
        return groups(rows)
    return distinct(tuple(array[at].tobytes() for array in rows.values()) for at in range(_count(rows)))[1]


def _taken(rows: Rows, which: np.ndarray) -> Rows:
    if isinstance(rows, list):
        return [rows[at] for at in np.flatnonzero(which)]
    return Checked(some(rows, which))


def _vocabulary(
    model: Model, training: Rows, extend_with: int | None, maxlen: int | None
) -> tuple[Tokenizer | None, dict[str, int] | None, int]:
    """The tokenizer for all parts; its words if they are not the model's; how many were added."""
    own = model.tokenizer
    if not isinstance(training, list):
        for name, value in {"extend_with": extend_with, "maxlen": maxlen}.items():
            if value:
                raise InputError(f"{name} {value!r:.60}: is for texts, and these are token ids or numbers")
        return None, None, 0
    if own is None and model.takes_texts:
        raise InputError(f"{model.path}: this network splits texts itself; its vocabulary cannot be extended here")
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


def _ids(model: Model, name: str, rows: Rows, tokenizer: Tokenizer | None) -> Checked:
    """The arrays of a part."""
    if not _count(rows):
        raise InputError(f"{name}: no rows")
    if not isinstance(rows, list):
        return rows
    assert tokenizer is not None
    return Checked({token_input(model): tokenizer(rows)})


def digest_of(given: Mapping[str, Any], labels: Mapping[str, Labels]) -> str:
    """SHA-256 of all rows, part by part: texts, or arrays by name; and of their labels."""
    digest = hashlib.sha256()
    for name, rows in given.items():
        codes = labels[name].codes
        digest.update(json.dumps([name, labels[name].names, list(codes.shape)]).encode())
        digest.update(np.ascontiguousarray(codes, "<i8").tobytes())
        if isinstance(rows, list):
            digest.update(json.dumps(rows).encode())
            continue
        for key, array in rows.items():
            kind = "<i8" if array.dtype.kind in "iub" else "<f8"
            digest.update(json.dumps([key, list(array.shape)]).encode() + np.ascontiguousarray(array, kind).tobytes())
    return digest.hexdigest()
