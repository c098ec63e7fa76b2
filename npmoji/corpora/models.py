"""The models that a process' scorers use: each is loaded once, whichever and however many scorers ask for it."""

from __future__ import annotations

import copy
import os
import threading
from typing import Any, NamedTuple

from ..errors import WeightsError
from ..files.facts import state
from ..loading import load
from ..model import Model
from ..pickling import fingerprint
from ..sources import find, vocabulary_beside

MOST = 8  # models that are kept


class _Kept(NamedTuple):
    """A model, its digest, and copies of it for other numbers of threads, which share its weights."""

    model: Model
    fingerprint: str
    copies: dict[int | None, Model]


_kept: dict[Any, _Kept] = {}
_lock = threading.Lock()


def _after_fork() -> None:
    """Another thread may have held the lock, and is not there in the child; the models are, and are whole."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def model_for(
    weights: str | None, options: dict[str, Any], threads: int | None, wanted: str | None = None
) -> tuple[Model, str]:
    """The model of these settings, and a digest of what it computes with.

    Args:
        weights, options: as `npmoji.load` takes them.
        threads: how many it may use, unless the options say it.
        wanted: the digest that it must have.

    Raises:
        WeightsError: it has another digest.
        NpmojiError: as `npmoji.load`.

    >>> from npmoji.corpora.models import model_for
    >>> model_for(None, {}, 1)[0].features
    320
    """
    key = frozen([weights, options, _files(weights, options.get("vocabulary"))])
    with _lock:
        kept = _kept.pop(key, None)
        if kept is None:
            model = load(weights, **options)
            kept = _Kept(model, fingerprint(model), {model.threads: model})
            while len(_kept) >= MOST:
                del _kept[next(iter(_kept))]
        _kept[key] = kept  # the last one used comes last
        if wanted is not None and kept.fingerprint != wanted:
            raise WeightsError(
                f"{kept.model.path}: not the weights or the vocabulary that the scorer had where it was made; each "
                "machine needs the same files"
            )
        if threads is None or "threads" in options:
            return kept.model, kept.fingerprint
        if threads not in kept.copies:
            kept.copies[threads] = made = copy.copy(kept.model)
            made.threads = threads
        return kept.copies[threads], kept.fingerprint


def _files(weights: str | None, vocabulary: Any) -> list[Any]:
    """The files of weights and vocabulary, with sizes and times of change: they may be replaced while a process
    lives. One that is not there is no matter here: loading tells."""
    path = find(weights)
    words = vocabulary if isinstance(vocabulary, (str, bytes)) else vocabulary_beside(path)
    return [path, *(state(file) for file in (path, words))]


def frozen(value: Any) -> Any:
    """A value of dicts and lists as one that can be a key.

    >>> from npmoji.corpora.models import frozen
    >>> frozen({"a": [1, 2]})
    (('a', (1, 2)),)
    """
    if isinstance(value, dict):
        return tuple((name, frozen(some)) for name, some in value.items())
    return tuple(map(frozen, value)) if isinstance(value, (list, tuple)) else value
