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
from ..corpora.rows import plain_values
from ..errors import InputError
from .limits import Limits
from .refusals import Refusal
from .requests import Wanted

if TYPE_CHECKING:
    from ..model import Model

Results = dict[str, np.ndarray]
#: what a path cannot do without
NEEDS = {"/score": "probabilities", "/encode": "features", "/explain": "probabilities"}


class Task(Protocol):
    """A request on its way.

    Attributes:
        tokens: the rows to compute, ids (N, T).
        what: names of results, as `Model.results` takes them.
    """

    tokens: np.ndarray
    what: Sequence[str]

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
        return _object("features", (json.dumps(plain_values(row)) for row in rows))


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
        if model.tokenizer is None:
            model.tokens(["a text"])  # says what is missing
        inputs = model.graph.input_names
        if len(inputs) != 1:
            raise InputError(f"{model.path}: this network takes {', '.join(inputs)}; npmoji serve is for texts alone")
        self._missing = {path: self._why_not(name) for path, name in NEEDS.items()}

    @property
    def what(self) -> tuple[str, ...]:
        """All results that the network has."""
        return tuple(name for name in ("probabilities", "features", "attention") if self._why_not(name) is None)

    def _why_not(self, name: str) -> str | None:
        """What keeps the model from giving results of this name."""
        try:
            found = self.model.results(np.zeros((1, 1), np.uint16), (name,))[name]
            if name == "probabilities":
                self.model.best(found)
        except InputError as error:
            return str(error).removeprefix(f"{self.model.path}: ")
        return None

    def task(self, path: str, wanted: Wanted) -> Task:
        """The task of a request.

        Raises:
            Refusal: the model has no such results, or it is too much for one request.
        """
        if why := self._missing[path]:
            raise Refusal(422, why)
        task = self._task(path, wanted)
        if len(task.tokens) > self.limits.queue:
            rows = f"{len(task.tokens):,} variants of the texts have to be computed"
            raise Refusal(422, f"{rows}, expected at most {self.limits.queue:,} a request")
        return task

    def _task(self, path: str, wanted: Wanted) -> Task:
        if path == "/encode":
            return Encode(self.model.tokenizer(wanted.texts))
        return Score(self.model, wanted, self.model.tokenizer(wanted.texts))

    def compute(self, tokens: np.ndarray, what: Sequence[str]) -> Results:
        """Run the network.

        Raises:
            ArithmeticError: it gave something that is no number, which JSON does not know.
        """
        found = self.model.results(tokens, what)
        if not all(np.isfinite(values).all() for values in found.values()):
            raise ArithmeticError
        return found

    def warm_up(self) -> None:
        """Compute something of each size that the engine has own code for, so that no request waits for a compiler."""
        width = self.model.tokenizer.maxlen
        for rows in (1, self.limits.max_batch):
            self.compute(np.ones((rows, width), np.uint16), self.what)

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
            "maxlen": model.tokenizer.maxlen,
            "engine": model.engine,
            "precision": model.precision,
            "threads": model.threads or default_threads(),
        }
