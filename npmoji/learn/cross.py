"""Cross-validation of a `Classifier`: each text predicted by one that was fitted on other texts."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..errors import InputError
from . import labels
from .data import groups
from .folds import stratified
from .report import Report


def cross_validate(classifier: Any, X: Any, y: Any, folds: int, test: Any, progress: Any) -> Report:
    """What `Classifier.cross_validate` does, of such a classifier: that module uses this one."""
    from sklearn.base import clone

    from ..display import telling

    classifier._check_parameters()
    first = clone(classifier)
    found = first._begin(X)
    known = labels.encode(y, count=len(found))
    texts = found if isinstance(found, list) else None
    same = None if texts is None else groups(texts)
    part = stratified(known.codes, folds, first._seed(), same, known.names)
    tested = None if test is None else first._given(test)
    if isinstance(tested, list) and texts is None:
        raise InputError("test: got texts, but features to learn from: expected both of one kind")
    values = first._features(found) if first.method == "last" else None
    probabilities = np.zeros((len(found), len(known.classes)), np.float32)
    models: list[Any] = []
    sums: np.ndarray | None = None
    with telling(progress) as told:
        for fold in range(int(part.max()) + 1):
            one = copy.copy(first)
            train, held = np.flatnonzero(part != fold), np.flatnonzero(part == fold)
            inner = labels.learnable(known._replace(codes=known.codes[train]), f" outside of fold {fold}")
            if values is None:
                one._finetune([found[row] for row in train], inner)
                if one._told.get("interrupted"):  # Ctrl-C, which `finetune` takes as its own end: a report needs all
                    raise KeyboardInterrupt
                probabilities[held] = one._probabilities([found[row] for row in held])
            else:
                one._learn(values[train], inner, None if same is None else same[train])
                probabilities[held] = one._of_features(values[held])
            if tested is not None:
                p = one._probabilities(tested)
                sums = p if sums is None else sums + p
            models.append(one)
            if told is not None:
                told(int((part <= fold).sum()), len(part))
    return Report(
        known,
        probabilities,
        texts=texts,
        part=part,
        classifiers=models,
        test=None if sums is None else sums / np.float32(len(models)),
    )
