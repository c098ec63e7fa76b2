"""Features that were computed before, so that folds, clones and grid searches compute none twice.

One cache for the whole process, of at most `LIMIT` bytes: what was not used for longest goes first. `clear_cache`
empties it. With the numba engine a text's features are the same in any company, and are kept one by one. The other
engines' differ in their last bits with the texts computed along with them: there the very same list is found again.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy as np

from ..model import Model

LIMIT = 256 << 20  # bytes of features: 29,000 texts' with the original's 2,304
SINGLE = ("numba",)  # engines whose results of a text do not depend on the others

_kept: OrderedDict[Hashable, np.ndarray] = OrderedDict()
_lock = threading.Lock()
_tokens: weakref.WeakKeyDictionary[Model, int] = weakref.WeakKeyDictionary()
_numbers = itertools.count()
_bytes = 0


def features(model: Model, texts: list[str]) -> np.ndarray:
    """What ``model.encode(texts)`` gives, float32 (N, F), bit for bit; the model's engine must not be ``"auto"``."""
    if not texts:
        return model.encode(texts)
    token = _token(model)
    if model.engine not in SINGLE:
        found = _get([(token, tuple(texts))])[0]
        return found.copy() if found is not None else _put(token, [tuple(texts)], [model.encode(texts)])[0].copy()
    rows = _get([(token, text) for text in texts])
    missing = list(dict.fromkeys(text for text, row in zip(texts, rows) if row is None))
    if missing:
        new = dict(zip(missing, _put(token, missing, list(model.encode(missing)))))
        rows = [new[text] if row is None else row for text, row in zip(texts, rows)]
    return np.stack(rows)  # type: ignore[arg-type]


def clear_cache() -> None:
    """Forget all features that were computed, in this process.

    >>> npmoji.learn.clear_cache()
    """
    global _bytes
    with _lock:
        _kept.clear()
        _bytes = 0


def size() -> int:
    """Bytes of features that are kept."""
    return _bytes


def _token(model: Model) -> int:
    """What stands for a model, for as long as it lives and after."""
    with _lock:
        return _tokens.setdefault(model, next(_numbers))


def _get(keys: list[Any]) -> list[np.ndarray | None]:
    with _lock:
        found = [_kept.get(key) for key in keys]
        for key, array in zip(keys, found):
            if array is not None:
                _kept.move_to_end(key)
    return found


def _put(token: int, keys: list[Any], arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Keep copies, as rows of a larger array would keep all of it."""
    global _bytes
    with _lock:
        for key, array in zip(keys, arrays):
            old = _kept.pop((token, key), None)
            _bytes -= 0 if old is None else old.nbytes
            _kept[token, key] = array.copy()
            _bytes += array.nbytes
        while _bytes > LIMIT and _kept:
            _bytes -= _kept.popitem(last=False)[1].nbytes
    return arrays
