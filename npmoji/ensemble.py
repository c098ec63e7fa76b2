"""Several models of one kind, such as the K of a cross-validation, as one: their predictions averaged."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .model import Model, Prediction, load

if TYPE_CHECKING:
    from typing import Self  # not before Python 3.11


class Ensemble:
    """The mean of several models' predictions. It is closed and pickled as its models are, see `Model`.

    Args:
        paths: the models' files.
        options: as `npmoji.load` takes them, for all of them.

    Attributes:
        models: in the order given.

    Raises:
        InputError: no paths, or models whose outputs have different widths.
        WeightsError, VocabularyError: as `npmoji.load`.
    """

    def __init__(self, paths: Sequence[str | os.PathLike], **options: Any):
        if isinstance(paths, (str, bytes, os.PathLike)) or not len(paths := list(paths)):
            raise InputError("Ensemble: expected a list of one path or more")
        self.models: list[Model] = [load(path, **options) for path in paths]
        first = self.models[0]
        for model in self.models[1:]:
            if (model.classes, len(model.graph.outputs)) != (first.classes, len(first.graph.outputs)):
                raise InputError(f"{model.path} gives {model.classes} classes, but {first.path} {first.classes}")

    def predict(self, x: Any) -> np.ndarray | list[np.ndarray]:
        """The mean over the models of what `Model.predict` gives, summed in their order; takes and raises the same."""
        predictions = [model.predict(x) for model in self.models]
        if isinstance(predictions[0], list):
            return [self._mean(parts) for parts in zip(*predictions)]
        return self._mean(predictions)

    @staticmethod
    def _mean(arrays: Iterable[np.ndarray]) -> np.ndarray:
        first, *rest = arrays
        total = first.copy()
        for array in rest:
            total += array
        return total / np.float32(1 + len(rest))

    def top(self, x: Any, k: int = 5) -> list[list[Prediction]]:
        """For each text the k most likely classes by the mean, as `Model.top`."""
        return self.models[0].best(self.predict(x), k)

    def close(self) -> None:
        """Close all models, see `Model.close`."""
        for model in self.models:
            model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.models)
