"""What `Classifier` and `Features` share: the model behind them, and what they are given.

model       loaded once a process for the same arguments and files, so that clones share it
engine      ``"auto"`` is settled by the number of texts that `fit` gets, and stays so: a text's features never
            depend on what was asked before
input       texts, or features that were computed before: an array or table of numbers (N, F)
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from .. import inputs
from ..backends import ENGINES
from ..errors import InputError, NpmojiError
from ..loading import load
from ..model import Model
from ..network import AUTO_WORK
from ..sources import find, vocabulary_beside
from . import cache
from .bases import BaseEstimator

MODELS = 4  # loaded models that are kept

_loaded: OrderedDict[Hashable, Model] = OrderedDict()
_settled: weakref.WeakKeyDictionary[Model, dict[str, Model]] = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def loaded(estimator: Any) -> Model:
    """The model that an estimator's parameters mean: the one given, or loaded.

    Raises:
        NpmojiError: as `npmoji.load`; or the network has no features.
    """
    weights = estimator.weights
    if isinstance(weights, Model):
        weights.check_ready()
        if estimator.vocabulary is not None or estimator.precision is not None:
            raise InputError(
                f"{weights.path}: a model has its own vocabulary and precision: set them when it is loaded"
            )
        return _with_features(weights)
    options = {name: getattr(estimator, name) for name in ("vocabulary", "precision", "threads", "maxlen", "engine")}
    key = _key(find(weights), options)
    with _lock:
        if key not in _loaded:
            _loaded[key] = _with_features(load(weights, **options))
        _loaded.move_to_end(key)
        while len(_loaded) > MODELS:
            _loaded.popitem(last=False)
        return _loaded[key]


def _with_features(model: Model) -> Model:
    if not model.features:
        raise InputError(
            f"{model.path}: this network has no layer AttentionWeightedAverage, whose output the features are"
        )
    return model


def _key(path: str, options: dict[str, Any]) -> Hashable:
    """Equal for the same arguments, as long as the files are what they were."""
    words = options["vocabulary"]
    named = frozenset(words.items()) if isinstance(words, dict) else None
    beside = vocabulary_beside(path) if words is None else words
    files = [path] if named is not None else [path, os.path.abspath(beside)]
    rest = tuple(repr(value) for name, value in options.items() if name != "vocabulary")
    return os.path.abspath(path), named, tuple(map(_state, files)), rest


def _state(path: Any) -> tuple[Any, ...]:
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)
        return path, found.st_size, found.st_mtime_ns, found.st_ino
    return (path,)


def settled(model: Model, engine: str, rows: int) -> Model:
    """The model with an engine that stays: its own, or for ``"auto"`` numba if so many texts are worth importing it.

    Args:
        engine: of the estimator; that of a model that was given counts unless it is ``"auto"``.
        rows: how many texts `fit` got.
    """
    if engine not in ("auto", *ENGINES):
        raise InputError(f"engine {engine!r:.60}: expected one of auto, {', '.join(ENGINES)}")
    engine = model.engine if engine == "auto" else engine
    if engine == "auto":
        steps = model.tokenizer.maxlen if model.tokenizer is not None else 1
        engine = "numba" if rows * steps * model.work > AUTO_WORK else "numpy"
    if model.engine == engine:
        return model
    with _lock:
        by_engine = _settled.setdefault(model, {})
        if engine not in by_engine:
            by_engine[engine] = copy.copy(model)
            by_engine[engine].engine = engine
        return by_engine[engine]


def encoded(model: Model, texts: list[str]) -> np.ndarray:
    """Features (N, F) of texts, from the cache if they are there."""
    return cache.features(model, texts)


def texts_or_numbers(x: Any) -> list[str] | Any:
    """A list of texts; or, as it was given, an array or a table of numbers that scikit-learn looks at further.

    Raises:
        InputError: anything else; says what to pass instead.
    """
    if hasattr(x, "tocsr"):
        raise InputError(f"got a sparse {type(x).__name__}: expected texts, or features as a dense array")
    if _table(x):
        if np.asarray(x).dtype.kind in "fiub":
            return x
        inputs.rows(x)  # refuses it
    rows = inputs.rows(x)
    if isinstance(rows, list):
        if not rows:
            raise InputError("no texts: expected a list of one or more")
        if not isinstance(rows[0], (*inputs.ROW, int, float, np.number)) or inputs.is_missing(rows[0]):
            inputs.check_texts(rows)
            return rows
    if isinstance(rows, list) or rows.dtype.kind == "O":
        rows = inputs.numbers(list(rows) if isinstance(rows, list) else rows.tolist())
    if rows.dtype.kind == "u":
        raise InputError(
            f"got an array of {rows.dtype}, as token ids are: expected texts, or features: model.encode(ids)"
        )
    return rows


def _table(x: Any) -> bool:
    return not isinstance(x, np.ndarray) and hasattr(type(x), "__array__") and inputs.is_table(x)


class OfTexts(BaseEstimator):
    """A scikit-learn estimator of texts, or of features that were computed before."""

    engine: str
    n_features_in_: int
    _base: Model | None

    def _begin(self, X: Any) -> list[str] | np.ndarray:
        """What `fit` gets: texts, for which the model is loaded and its engine settled; or features, float32 (N, F)."""
        found = self._given(X, reset=True)
        self._base, self._rows = None, len(found)
        if isinstance(found, list):
            self._base = settled(loaded(self), self.engine, len(found))
            self.n_features_in_ = self._base.features
            self.__dict__.pop("feature_names_in_", None)
        return found

    def _given(self, X: Any, reset: bool = False) -> list[str] | np.ndarray:
        """Texts, or features that scikit-learn has checked."""
        found = texts_or_numbers(X)
        if isinstance(found, list):
            return found
        from sklearn.utils.validation import validate_data

        with told_as_input_error(), np.errstate(over="ignore"):  # infinite then, which is told
            return validate_data(self, found, dtype=np.float32, reset=reset)

    def _model_for(self, rows: int = 1) -> Model:
        """The model, with the engine that the number of texts or features that `fit` got settled; of these if `fit`
        was not called."""
        found = self.__dict__.get("_base")
        return settled(loaded(self), self.engine, self.__dict__.get("_rows", rows)) if found is None else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags


@contextlib.contextmanager
def told_as_input_error() -> Iterator[None]:
    """scikit-learn's errors about what it was given, in one line."""
    try:
        yield
    except NpmojiError:
        raise
    except ValueError as error:
        raise InputError(" ".join(str(error).split())) from error
