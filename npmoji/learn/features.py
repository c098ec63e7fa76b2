"""`Features`: texts to features, as a scikit-learn transformer."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import encoding
from .bases import ClassNamePrefixFeaturesOutMixin, TransformerMixin


class Features(ClassNamePrefixFeaturesOutMixin, TransformerMixin, encoding.OfTexts):
    """A scikit-learn transformer: texts to their features, float32 (N, F), for one's own last step of a `Pipeline`.

    Features that were computed before, as an array or table of numbers (N, F), go through as float32. Those of texts
    are cached, see `npmoji.learn.clear_cache`.

    Args:
        weights: a file or name that `npmoji.load` takes, or a `Model`; by default the small bundled model.
        vocabulary, precision, threads, maxlen: as `npmoji.load` takes them.
        engine: the same; ``"auto"`` is numba if `fit` got so many texts that it pays, numpy otherwise, and stays so
            afterwards.

    Attributes:
        n_features_in_: F, the number of features of a text.

    >>> npmoji.Features(engine="numpy").fit_transform(["I love mom's cooking", "so tired"]).shape
    (2, 320)
    """

    def __init__(
        self,
        weights: Any = None,
        *,
        vocabulary: Any = None,
        engine: str = "auto",
        precision: str | None = None,
        threads: int | None = None,
        maxlen: int = 30,
    ):
        self.weights = weights
        self.vocabulary = vocabulary
        self.engine = engine
        self.precision = precision
        self.threads = threads
        self.maxlen = maxlen

    def fit(self, X: Any, y: Any = None) -> Features:
        """Settle the engine, and how many features there are; nothing is learned.

        Raises:
            NpmojiError: the model cannot be loaded, or these are neither texts nor numbers.
        """
        self._begin(X)
        self._n_features_out = self.n_features_in_
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Features, float32 (N, F).

        Raises:
            InputError: neither texts nor numbers, or another number of features than `fit` got.
        """
        found = self._given(X)
        return encoding.encoded(self._model_for(len(found)), found) if isinstance(found, list) else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
