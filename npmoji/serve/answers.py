"""What a model answers to a request: the rows that the network has to see, and the body made of what it gives.

A `Task` is made of a request (texts become token ids), its rows are computed by the batcher, together with those of
others, and `body` makes the answer of the results. Bodies are made by the pieces that the command line uses, so that
they hold the same numbers.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .. import __version__
from ..backends import default_threads
from ..batch import Record
from ..batch.writers import JsonLines
from ..classes import numbers
from ..errors import InputError
from ..explain.leave_out import Piece, Question, asked, explained, needed, rows_of, taken_apart
from ..explain.suited import check
from .limits import Limits
from .refusals import Refusal
from .requests import FIELDS, Wanted

if TYPE_CHECKING:
    from ..model import Model

Results = dict[str, np.ndarray]


class Task(Protocol):
    """A request on its way."""

    @property
    def tokens(self) -> np.ndarray:
        """The rows to compute, ids (N, T)."""

    @property
    def what(self) -> Sequence[str]:
        """Names of results, as `Model.results` takes them."""

    def body(self, results: Results) -> bytes:
        """The answer, given the results of all rows."""


class Score(NamedTuple):
    """The best classes of each text: objects as the lines of `npmoji score --format jsonl`."""

    model: Model
    wanted: Wanted
    tokens: np.ndarray
    what: Sequence[str] = ("probabilities",)

    def body(self, results: Results) -> bytes:
        """``{"results": [{"text": …, "emojis": […]}, …]}``"""
        lines = io.StringIO()
        writer = JsonLines(lines, self.wanted.top, labels=self.model.own_classes)
        if self.wanted.texts:
            for text, top in zip(self.wanted.texts, self.model.best(results["probabilities"], self.wanted.top)):
                writer.write(Record(text), top)
        return _object("results", lines.getvalue().split("\n")[:-1])


class Encode(NamedTuple):
    """The features of each text, each number as the shortest decimal that stands for its float32."""

    tokens: np.ndarray
    what: Sequence[str] = ("features",)

    def body(self, results: Results) -> bytes:
        """``{"features": [[…], …]}``"""
        rows = results["features"] if len(self.tokens) else ()
        return _object("features", (json.dumps(numbers(row)) for row in rows))


class Explain(NamedTuple):
    """The words of each text that speak for a class; a text's variants are rows like any other text."""

    model: Model
    question: Question
    pieces: list[Piece]
    top: int
    tokens: np.ndarray
    what: Sequence[str]

    def body(self, results: Results) -> bytes:
        """``{"results": [{"text": …, "target": …, "emojis": […], "words": […]}, …]}``"""
        if not self.pieces:
            return _object("results", ())
        attention = results.get("attention")
        if attention is not None and attention.shape != self.tokens.shape:
            attention = None
        found = taken_apart(self.question.classes, self.pieces, results["probabilities"], attention)
        encode = json.JSONEncoder(ensure_ascii=False).encode
        made = explained([self.model], self.question, found)
        return _object("results", (encode(explanation.as_dict(self.top)) for explanation in made))


def _object(name: str, items: Iterable[str]) -> bytes:
    """An object with a list of what is JSON already. Lone surrogates, which a text may hold, become escapes."""
    return f'{{"{name}": [{", ".join(items)}]}}\n'.encode("utf-8", "backslashreplace")


class Answers:
    """Makes tasks for one model.

    Raises:
        InputError, VocabularyError: the model takes no texts, or something else besides.
    """

    def __init__(self, model: Model, limits: Limits):
        self.model, self.limits = model, limits
        if model.tokenizer is None and not model.takes_texts:
            model.tokens(["a text"])  # says what is missing
        inputs = model.graph.input_names
        if len(inputs) != 1:
            raise InputError(f"{model.path}: this network takes {', '.join(inputs)}; npmoji serve is for texts alone")
        self._missing = {path: self._why_not(path) for path in FIELDS}

    @property
    def what(self) -> tuple[str, ...]:
        """All results that the network has and some path needs."""
        return tuple(sorted({name for path, why in self._missing.items() if not why for name in self._needed(path)}))

    def _needed(self, path: str) -> Sequence[str]:
        return ("features",) if path == "/encode" else needed(self.model) if path == "/explain" else ("probabilities",)

    def _why_not(self, path: str) -> str:
        """What keeps the model from answering requests for a path; empty if nothing does."""
        try:
            if path == "/explain":
                check(self.model)
            found = self.model.results(self.model.rows(["a text"]), self._needed(path))
            if path != "/encode":
                self.model.best(found["probabilities"])
        except InputError as error:
            return self._said(error)
        return ""

    def _said(self, error: InputError) -> str:
        """The message, without where the file lies."""
        return str(error).removeprefix(f"{self.model.path}: ")

    def task(self, path: str, wanted: Wanted) -> Task:
        """The task of a request.

        Raises:
            Refusal: the model has no such results, there is no such class, or it is too much for one request.
        """
        if why := self._missing[path]:
            raise Refusal(422, why)
        if path == "/explain":
            return self._explain(wanted)
        tokens = self.model.rows(wanted.texts)
        self._check_rows(len(tokens))
        return Encode(tokens) if path == "/encode" else Score(self.model, wanted, tokens)

    def _explain(self, wanted: Wanted) -> Explain:
        try:
            question = asked([self.model], wanted.texts, wanted.target)
        except InputError as error:
            raise Refusal(422, self._said(error)) from None
        pieces = [Piece(text, 0, K, K) for text, K in enumerate(question.lengths)]
        self._check_rows(sum(piece.rows for piece in pieces))
        tokens = rows_of(question.ids[0], pieces) if pieces else question.ids[0]
        return Explain(self.model, question, pieces, wanted.top, tokens, needed(self.model))

    def _check_rows(self, rows: int) -> None:
        if rows > self.limits.queue:
            what = f"{rows:,} rows to compute, for each text one, and for /explain one more for each word"
            raise Refusal(422, f"{what}; expected at most {self.limits.queue:,} a request")

    def compute(self, tokens: np.ndarray, what: Sequence[str]) -> Results:
        """Run the network.

        Raises:
            ArithmeticError: it gave something that is no number, which JSON does not know.
        """
        found = self.model.apart(tokens, what)
        if not all(np.isfinite(values).all() for values in found.values()):
            raise ArithmeticError
        return found

    def warm_up(self) -> None:
        """Compute something of each size that the engine has own code for, so that no request waits for a compiler."""
        for rows in (1, self.limits.max_batch):
            self.compute(self.model.rows(["a text"] * rows), self.what)

    def info(self) -> dict[str, Any]:
        """What there is to say about the model, without where its file lies."""
        model = self.model
        return {
            "version": __version__,
            "model": os.path.basename(model.path),
            "vocabulary": model.vocabulary_size,
            "features": model.features,
            "classes": len(model.class_names) or model.classes,
            "class_names": model.class_names,
            "labels": model.labels,
            "maxlen": None if model.tokenizer is None else model.tokenizer.maxlen,
            "engine": model.engine,
            "precision": model.precision,
            "threads": model.threads or default_threads(),
        }
